/*
 * api_pools.c - the pools of workers: what they are, and holding them back. HTTP threads.
 */
#include "api.h"
#include "json.h"
#include "request.h"

#include "../../common/err.h"
#include "../reader.h"

#include <inttypes.h>
#include <string.h>

static void add_pool(struct buf *out, uint32_t index)
{
    const struct taskdefs *defs = reader_tasks();
    const struct pooldef *p = &defs->pool[index];
    const struct board_pool *b = &reader_board()->pool[index];
    char cpus[CPUS_TEXT];
    cpus_text(&p->affinity, cpus);
    buf_adds(out, "{\"name\":");
    json_text(out, p->name);
    buf_addf(out,
             ",\"workers\":%" PRIu32 ",\"max_workers\":%" PRIu32 ",\"live\":%" PRIu32
             ",\"start_method\":\"%s\",\"nice\":%d%s%s%s,\"paused\":%s,\"tasks\":[",
             (uint32_t)atomic_load_explicit(&b->workers, memory_order_relaxed), p->room,
             (uint32_t)atomic_load_explicit(&b->live, memory_order_relaxed),
             p->start == START_SPAWN ? "spawn" : "forkserver", p->nice,
             cpus[0] ? ",\"affinity\":\"" : "", cpus, cpus[0] ? "\"" : "",
             writer_pool_paused(index) ? "true" : "false");
    bool any = false;
    for (uint32_t i = 0; i < defs->tasks; i++) {
        if (defs->task[i].pool != index)
            continue;
        buf_adds(out, any ? "," : "");
        json_text(out, defs->task[i].name);
        any = true;
    }
    buf_adds(out, "]}");
}

void api_pools_list(struct request *rq)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"pools\":[");
    for (uint32_t i = 0; i < reader_tasks()->pools; i++) {
        buf_adds(out, i ? ",\n" : "\n");
        add_pool(out, i);
    }
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}

static void changed(struct request *rq)
{
    if (rq->change->err) {
        request_error(rq, rq->change->err);
        return;
    }
    struct buf *out = request_json(rq, 200);
    add_pool(out, rq->change->index);
    buf_addc(out, '\n');
}

/* The pool that the path names; 0, or an error in p. */
static int find(const struct request *rq, uint32_t *index, struct problem *p)
{
    const struct taskdefs *defs = reader_tasks();
    for (uint32_t i = 0; i < defs->pools; i++) {
        if (strlen(defs->pool[i].name) == rq->part.len &&
            memcmp(defs->pool[i].name, rq->part.text, rq->part.len) == 0) {
            *index = i;
            return 0;
        }
    }
    return problem_set(p, ERR_NOT_FOUND, "there is no pool `%.*s`",
                       (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
}

void api_pools_get(struct request *rq)
{
    struct problem p = {0};
    uint32_t i = 0;
    if (find(rq, &i, &p) || request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct buf *out = request_json(rq, 200);
    add_pool(out, i);
    buf_addc(out, '\n');
    request_with_etag(rq);
}

static void pause(struct request *rq, bool paused)
{
    const struct taskdefs *defs = reader_tasks();
    struct problem p = {0};
    uint32_t i = 0;
    (void)find(rq, &i, &p);
    for (uint32_t t = 0; t < defs->tasks && !p.err; t++) { /* a pool is held back with all in it */
        if (defs->task[t].pool == i)
            (void)caller_may_task(&rq->caller, defs->task[t].name, &p);
    }
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct change *c = request_change(rq, CHANGE_PAUSE);
    if (!c)
        return;
    c->is_pool = true;
    c->index = i;
    c->paused = paused;
    request_commit(rq, NULL, changed);
}

void api_pools_pause(struct request *rq)
{
    pause(rq, true);
}

void api_pools_resume(struct request *rq)
{
    pause(rq, false);
}
