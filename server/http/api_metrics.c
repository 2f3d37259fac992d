/*
 * api_metrics.c - GET /metrics: everything in metrics.def, counted there or asked now. HTTP
 * threads; nothing here waits for another thread, and the store is asked for what it has in memory.
 */
#include "api.h"
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../metrics.h"
#include "../reader.h"
#include "../writer.h"

#include <string.h>

#define OTHER "(other)" /* not a task's name: these have no parentheses */

/* ---- jobs ---- */

/* One family after the other: each is to be told in one piece. */
static void expose_states(struct exposition *e, const struct taskdefs *defs,
                          const struct job_counts *counts, bool final)
{
    for (uint32_t i = 0; i <= defs->tasks; i++) {
        const char *task = i < defs->tasks ? defs->task[i].name : OTHER;
        for (int k = 0; k < JOB_STATES; k++) {
            enum job_state state = (enum job_state)k;
            if (job_state_final(state) == final)
                expose_u64(e, final ? METRIC_JOBS_KEPT : METRIC_QUEUE_DEPTH,
                           LABELS(task, job_state_name(state)), counts[i].state[k]);
        }
    }
}

static void expose_flow(struct exposition *e, const struct taskdefs *defs,
                        const struct job_counts *counts)
{
    for (uint32_t i = 0; i < defs->tasks; i++)
        expose_u64(e, METRIC_SUBMITTED, LABELS(defs->task[i].name), counts[i].made);
    for (uint32_t i = 0; i < defs->tasks; i++) {
        for (int k = 0; k < JOB_STATES; k++) {
            enum job_state state = (enum job_state)k;
            if (job_state_final(state))
                expose_u64(e, METRIC_FINISHED, LABELS(defs->task[i].name, job_state_name(state)),
                           counts[i].came[k]);
        }
    }
}

static int expose_queue(struct exposition *e, const struct taskdefs *defs,
                        const struct job_counts *counts)
{
    int64_t now_us = clock_wall_us(), since_us;
    for (uint32_t i = 0; i < defs->tasks; i++) {
        since_us = 0;
        int err = counts[i].state[JOB_QUEUED] == 0
                      ? 0
                      : reader_queued_since(defs->task[i].name, &since_us);
        if (err)
            return err;
        expose_us(e, METRIC_OLDEST, LABELS(defs->task[i].name), since_us ? now_us - since_us : 0);
    }
    for (uint32_t i = 0; i < defs->tasks; i++)
        expose_u64(e, METRIC_PAUSED, LABELS(defs->task[i].name),
                   reader_task_paused(defs->task[i].name));
    return 0;
}

/* Of a sum, what the others leave; they were read a moment later and may be more. Good for gauges
 * alone: a counter must not go back. */
static void take_away(struct job_counts *from, const struct job_counts *n)
{
    for (int k = 0; k < JOB_STATES; k++)
        from->state[k] -= n->state[k] < from->state[k] ? n->state[k] : from->state[k];
}

static int expose_jobs(struct exposition *e, const struct taskdefs *defs)
{
    struct job_counts counts[TASKS_MAX + 1], *rest = &counts[defs->tasks];
    int err = reader_counts(NULL, rest);
    for (uint32_t i = 0; i < defs->tasks && !err; i++) {
        err = reader_counts(defs->task[i].name, &counts[i]);
        take_away(rest, &counts[i]);
    }
    if (err)
        return err;
    expose_flow(e, defs, counts);
    metrics_expose_attempts(e, defs);
    expose_states(e, defs, counts, false);
    expose_states(e, defs, counts, true);
    return expose_queue(e, defs, counts);
}

/* ---- workers ---- */

static void expose_workers(struct exposition *e, const struct taskdefs *defs)
{
    static const char *const name[SLOT_STATES] = {"none", "starting", "idle", "busy", "dying"};
    const struct board *board = reader_board();
    uint64_t n[POOLS_MAX][SLOT_STATES] = {0}, restarts[POOLS_MAX] = {0};
    for (uint32_t i = 0; i < board->slots; i++) {
        const struct board_slot *s = &board->slot[i];
        uint32_t pool = atomic_load_explicit(&s->pool, memory_order_relaxed);
        uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
        if (pool >= defs->pools || state >= SLOT_STATES)
            continue;
        n[pool][state]++;
        restarts[pool] += atomic_load_explicit(&s->restarts, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < defs->pools; i++) {
        for (int k = 0; k < SLOT_STATES; k++)
            expose_u64(e, METRIC_WORKERS, LABELS(defs->pool[i].name, name[k]), n[i][k]);
    }
    metrics_expose_exits(e, defs);
    for (uint32_t i = 0; i < defs->pools; i++)
        expose_u64(e, METRIC_WORKER_RESTARTS, LABELS(defs->pool[i].name), restarts[i]);
}

/* ---- the rest ---- */

static void expose_store(struct exposition *e)
{
    struct writer_figures w;
    struct store_sizes sizes;
    writer_figures(&w);
    reader_sizes(&sizes);
    metrics_expose_commits(e);
    expose_u64(e, METRIC_CHANGES_WAITING, NULL, w.waiting);
    expose_u64(e, METRIC_CHANGES_REFUSED, NULL, w.refused);
    expose_u64(e, METRIC_STORE_DB, NULL, sizes.db);
    expose_u64(e, METRIC_STORE_WAL, NULL, sizes.wal);
}

static void expose_http(struct exposition *e)
{
    static const char *const method[] = {[METHOD_GET] = "GET",
                                         [METHOD_POST] = "POST",
                                         [METHOD_DELETE] = "DELETE",
                                         [METHOD_OPTIONS] = "OPTIONS",
                                         [METHOD_OTHER] = "other"};
    struct metrics_route routes[METRICS_ROUTES_MAX];
    struct http_figures h;
    for (size_t i = 0; i < route_count; i++)
        routes[i] = (struct metrics_route){route_table[i].pattern, method[route_table[i].method]};
    http_figures(&h);
    metrics_expose_http(e, routes, route_count);
    expose_u64(e, METRIC_HTTP_IN_FLIGHT, NULL, h.in_flight);
    expose_u64(e, METRIC_HTTP_WAITING, NULL, h.waiting);
    expose_u64(e, METRIC_HTTP_CONNECTIONS, NULL, h.connections);
    expose_u64(e, METRIC_HTTP_CUT, NULL, h.cut);
    expose_u64(e, METRIC_HTTP_REFUSED, NULL, h.refused_guard);
}

static int expose_all(struct exposition *e)
{
    const struct taskdefs *defs = reader_tasks();
    expose_u64(e, METRIC_BUILD_INFO, LABELS(JOBMILL_VERSION), 1);
    int err = expose_jobs(e, defs);
    expose_workers(e, defs);
    expose_store(e);
    expose_http(e);
    metrics_expose_webhooks(e);
    metrics_expose_log(e);
    expose_u64(e, METRIC_DRAINING, NULL, http_draining());
    metrics_expose_process(e);
    exposition_end(e);
    return err;
}

void api_metrics(struct request *rq)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    enum exposition_format format = exposition_choose(request_header(rq, "Accept"));
    struct exposition e = EXPOSITION(request_json(rq, 200), format);
    int err = expose_all(&e);
    if (err) {
        request_error(rq, err);
        return;
    }
    rq->reply.type = exposition_type(format);
    request_add_header(rq, "Vary", "Accept");
}
