/*
 * api_workers.c - the workers as the scoreboard shows them. HTTP threads; the board is only read.
 */
#include "api.h"
#include "json.h"
#include "request.h"

#include "../reader.h"
#include "../usage.h"

#include <inttypes.h>

static const char *state_name(enum slot_state state)
{
    switch (state) {
    case SLOT_IDLE:
        return "idle";
    case SLOT_BUSY:
        return "busy";
    case SLOT_DYING:
        return "dying";
    default:
        return "starting";
    }
}

static void add_job(struct buf *out, const struct slot_view *v)
{
    char text[ID_TEXT];
    id_format(&v->job, text);
    buf_addf(out, ",\"job\":\"%s\",\"attempt\":%" PRIu32 ",\"task\":", text, v->attempt);
    if (v->task < reader_tasks()->tasks)
        json_text(out, reader_tasks()->task[v->task].name);
    else
        buf_adds(out, "null");
    if (v->has_progress || v->progress_text[0]) {
        buf_adds(out, ",\"progress\":");
        json_progress(out, v->has_progress ? &v->progress : NULL, v->progress_text);
    }
}

/* `u` may be of another process, or of none: then the board tells what the worker last said of
 * itself. */
static void add_usage(struct buf *out, const struct slot_view *v, const struct usage *u)
{
    bool live = u->pid > 0 && u->pid == v->pid;
    buf_adds(out, ",\"cpu_seconds\":");
    json_seconds(out, live ? u->cpu_us : v->cpu_us);
    buf_addf(out, ",\"rss_bytes\":%" PRId64, live ? u->rss_bytes : v->rss_bytes);
    if (live)
        buf_addf(out, ",\"processes\":%" PRIu32, u->processes);
}

/* Of somebody else's job only that there is one is told. */
static bool may_see(const struct request *rq, const struct slot_view *v)
{
    struct job job;
    if (caller_sees(&rq->caller, ""))
        return true;
    if (reader_job(&v->job, 0, 0, &job) != 0)
        return false;
    bool sees = caller_sees(&rq->caller, job.owner);
    job_release(&job);
    return sees;
}

static void add_worker(struct request *rq, struct buf *out, uint32_t slot,
                       const struct slot_view *v, const struct usage *u)
{
    buf_addf(out, "{\"slot\":%" PRIu32, slot);
    if (v->pid > 0)
        buf_addf(out, ",\"pid\":%" PRId32, v->pid);
    buf_adds(out, ",\"pool\":");
    json_text(out, v->pool < reader_tasks()->pools ? reader_tasks()->pool[v->pool].name : "");
    buf_addf(out, ",\"state\":\"%s\"", state_name(v->state));
    if (v->stopped)
        buf_adds(out, ",\"stopped\":true");
    if (v->has_job && may_see(rq, v))
        add_job(out, v);
    buf_addf(out, ",\"jobs_done\":%" PRIu64, v->jobs_done);
    add_usage(out, v, u);
    buf_addf(out, ",\"restarts\":%" PRIu32, v->restarts);
    if (v->born_us) {
        buf_adds(out, ",\"started_at\":");
        json_time(out, v->born_us);
    }
    buf_addc(out, '}');
}

/* What each uses is asked of the kernel, which takes a while where there are many. */
void api_workers_list(struct request *rq)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    const struct board *board = reader_board();
    struct buf *out = request_json(rq, 200);
    const char *before = "\n";
    struct usage usage[SLOTS_MAX];
    usage_read(board, usage);
    buf_adds(out, "{\"workers\":[");
    for (uint32_t i = 0; i < board->slots; i++) {
        struct slot_view v;
        slot_copy(&board->slot[i], &v);
        if (v.state == SLOT_EMPTY)
            continue;
        buf_adds(out, before);
        add_worker(rq, out, i, &v, &usage[i]);
        before = ",\n";
    }
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}
