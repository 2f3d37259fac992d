/*
 * api_tasks.c - what can be run, and how it has gone. HTTP threads; board and store are only read.
 */
#include "api.h"
#include "json.h"
#include "request.h"
#include "task_name.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"
#include "../schema.h"

#include <inttypes.h>

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add_availability(struct buf *out, const struct board_task *t)
{
    /* acquire: `why` is complete once the status is seen */
    uint32_t status = atomic_load_explicit(&t->status, memory_order_acquire);
    char trouble[BOARD_TROUBLE_MAX + 1];
    bool troubled = status == TASK_READY && board_trouble_get(t, trouble);
    buf_addf(out, ",\"available\":%s", status == TASK_READY && !troubled ? "true" : "false");
    if (troubled) {
        buf_adds(out, ",\"error\":");
        json_text(out, trouble);
    }
    if (status == TASK_BROKEN) {
        buf_adds(out, ",\"error\":");
        json_text(out, t->why);
    } else if (status == TASK_UNKNOWN) {
        buf_adds(out, ",\"error\":\"it is still being loaded\"");
    }
}

static const char *own_description(const struct board_task *t)
{
    /* acquire: the text is complete once the status is seen */
    return atomic_load_explicit(&t->status, memory_order_acquire) == TASK_UNKNOWN ? ""
                                                                                  : t->description;
}

static void add_schema(struct buf *out, const struct schema *s)
{
    size_t len;
    const char *text = s ? schema_text(s, &len) : NULL;
    if (!text)
        return;
    buf_adds(out, ",\"input_schema\":");
    buf_add(out, text, len);
}

/* `whole`: with what is too long for a list. */
static int add_task(struct buf *out, uint32_t index, bool whole)
{
    const struct taskdefs *defs = reader_tasks();
    const struct taskdef *t = &defs->task[index];
    const struct board_task *state = &reader_board()->task[index];
    struct job_counts counts;
    int err = reader_counts(t->name, &counts);
    if (err)
        return err;
    buf_adds(out, "{\"name\":");
    json_text(out, t->name);
    buf_addf(out, ",\"kind\":\"%s\",\"pool\":",
             t->kind == TASK_MODULE   ? "module"
             : t->kind == TASK_REMOTE ? "remote"
                                      : "command");
    json_text(out, defs->pool[t->pool].name);
    if (t->kind == TASK_COMMAND || t->kind == TASK_PERSISTENT)
        buf_addf(out, ",\"persistent\":%s", t->kind == TASK_PERSISTENT ? "true" : "false");
    buf_adds(out, ",\"description\":");
    /* what the configuration says of it, else what it says of itself */
    json_text(out, t->description[0] ? t->description : own_description(state));
    add_availability(out, state);
    if (t->timeout_us) {
        buf_adds(out, ",\"timeout\":");
        json_seconds(out, t->timeout_us);
    }
    buf_addf(out, ",\"max_attempts\":%" PRIu32,
             t->max_attempts ? t->max_attempts : (uint32_t)http_conf->max_attempts);
    buf_addf(out, ",\"paused\":%s", reader_task_paused(t->name) ? "true" : "false");
    if (t->concurrency)
        buf_addf(out, ",\"concurrency\":%" PRIu32, t->concurrency);
    if (t->rate > 0)
        buf_addf(out, ",\"rate\":%.15g", t->rate);
    buf_adds(out, ",\"counts\":");
    json_counts(out, counts.state);
    buf_addf(out,
             ",\"attempts\":{\"started\":%" PRIu64 ",\"succeeded\":%" PRIu64 ",\"failed\":%" PRIu64
             ",\"mean_seconds\":",
             load(&state->started), load(&state->succeeded), load(&state->failed));
    json_seconds(out, atomic_load_explicit(&state->run_ewma_us, memory_order_relaxed));
    buf_addc(out, '}');
    if (whole)
        add_schema(out, http_conf->schema[index]);
    buf_addc(out, '}');
    return 0;
}

void api_tasks_list(struct request *rq)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"tasks\":[");
    for (uint32_t i = 0; i < reader_tasks()->tasks; i++) {
        buf_adds(out, i ? ",\n" : "\n");
        int err = add_task(out, i, false);
        if (err) {
            request_error(rq, err);
            return;
        }
    }
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}

/* The task that the path names. False: there is none, and that is answered. */
static bool find_task(struct request *rq, uint32_t *index)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p) == 0) {
        if (task_name_find(rq->part.text, rq->part.len, index, PLACE_NONE, &p) == 0)
            return true;
        p.err = ERR_NOT_FOUND; /* a resource that is not there, not a field that is wrong */
    }
    request_problem(rq, &p);
    return false;
}

static void answer_task(struct request *rq, uint32_t index)
{
    struct buf *out = request_json(rq, 200);
    int err = add_task(out, index, true);
    if (err) {
        request_error(rq, err);
        return;
    }
    buf_addc(out, '\n');
    request_with_etag(rq);
}

void api_tasks_get(struct request *rq)
{
    uint32_t index;
    if (find_task(rq, &index))
        answer_task(rq, index);
}

/* ---- pause and resume ---- */

static void task_paused(struct request *rq)
{
    if (rq->change->err)
        request_error(rq, rq->change->err);
    else
        answer_task(rq, rq->change->index);
}

static void pause_task(struct request *rq, bool paused)
{
    uint32_t index;
    struct problem p;
    if (!find_task(rq, &index))
        return;
    if (caller_may_task(&rq->caller, reader_tasks()->task[index].name, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct change *c = request_change(rq, CHANGE_PAUSE);
    if (!c)
        return;
    c->index = index;
    c->paused = paused;
    request_commit(rq, NULL, task_paused);
}

void api_tasks_pause(struct request *rq)
{
    pause_task(rq, true);
}

void api_tasks_resume(struct request *rq)
{
    pause_task(rq, false);
}
