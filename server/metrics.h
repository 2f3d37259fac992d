/*
 * metrics.h - what the service counts of itself, and the words in which Prometheus reads it.
 *
 * Counting: each metrics_* below is for one named thread (the HTTP ones: each for itself), so that a
 * count is a plain load and store of memory that no other thread writes: no locked instruction, no
 * shared cache line. Labels come from tables (routes, tasks, pools, outcomes), never from a client.
 * Reading: any thread, at any time; figures are as of about now, and a histogram's count is the sum
 * of its buckets.
 */
#ifndef JOBMILL_SERVER_METRICS_H
#define JOBMILL_SERVER_METRICS_H

#include "../common/taskdef.h"
#include "delivery.h"
#include "exposition.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attempt;

#define METRICS_ROUTES_MAX 120

enum worker_end { WORKER_END_ASKED, WORKER_END_SIGNAL, WORKER_END_EXIT, WORKER_END_BIRTH, WORKER_ENDS };

void metrics_begin(void); /* once, at start: when this is */

/* ---- counting ---- */

/* Writer's thread: a commit of so many changes. */
void metrics_commit(size_t changes, int64_t took_us);
/* The thread that has the task's jobs run (dispatch's; for a remote task the writer's), by the task's index in
 * taskdefs. An attempt ended; run_us: -1 where it did not run. And: a job began its first attempt, so long
 * after it could have. */
void metrics_attempt(uint32_t task, const struct attempt *a, int64_t run_us);
void metrics_wait(uint32_t task, int64_t wait_us);
/* Dispatch's thread. */
void metrics_worker_end(uint32_t pool, enum worker_end why);
/* The webhooks' thread: a call was made; `state`: how its delivery stands after it. */
void metrics_webhook(enum delivery_state state);
/* Collector's thread. */
void metrics_log_dropped(void);
/* HTTP threads. `route`: below METRICS_ROUTES_MAX; METRICS_ROUTES_MAX: none matched. status 0: the client
 * left. */
struct request_figures {
    size_t route;
    bool head; /* a HEAD of that route */
    bool poll; /* it asked to wait */
    int status;
    int64_t took_us;
};
void metrics_request(const struct request_figures *f);

/* ---- telling ---- */

/* What all tasks together have done since the start, for charts. */
#define METRICS_WORK_BUCKETS 18
struct metrics_work {
    uint64_t succeeded, failed; /* attempts; failed: also timeout, crashed, out of memory */
    uint64_t wait[METRICS_WORK_BUCKETS], run[METRICS_WORK_BUCKETS]; /* not cumulated */
};
void metrics_work_done(struct metrics_work *out);

/* The same times of a while. */
struct metrics_times {
    uint32_t wait[METRICS_WORK_BUCKETS], run[METRICS_WORK_BUCKETS];
};
/* The value, in microseconds, that a share (in hundredths) of them does not exceed, as if values were spread
 * evenly in a bucket; what is beyond the last bound is told as that bound. -1: there are none. */
int64_t metrics_quantile(const uint32_t buckets[METRICS_WORK_BUCKETS], unsigned share);

void metrics_expose_attempts(struct exposition *e, const struct taskdefs *defs);
void metrics_expose_exits(struct exposition *e, const struct taskdefs *defs);
void metrics_expose_commits(struct exposition *e);
/* The routes' patterns and methods, by their numbers; the one at n stands for none. */
struct metrics_route {
    const char *pattern, *method;
};
void metrics_expose_http(struct exposition *e, const struct metrics_route *routes, size_t n);
void metrics_expose_webhooks(struct exposition *e);
void metrics_expose_log(struct exposition *e);
void metrics_expose_process(struct exposition *e); /* what the kernel knows of this process */

#endif
