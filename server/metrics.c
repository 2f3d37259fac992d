/*
 * metrics.c - the counts behind GET /metrics that no other part of the service keeps.
 *
 * Each cell has one writing thread, so a count is a plain addition; cells are atomics only so that
 * a reader sees whole values. HTTP threads each have a shard of their own, made at their first
 * request and kept for good: what a thread counted stays counted when it ends.
 */
#include "metrics.h"

#include "../common/clock.h"
#include "../common/job.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- cells ---- */

typedef _Atomic uint64_t cell; /* written by one thread */

static void bump(cell *c, uint64_t n)
{
    uint64_t now = atomic_load_explicit(c, memory_order_relaxed);
    atomic_store_explicit(c, now + n, memory_order_relaxed);
}

static uint64_t get(const cell *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#define MS US_PER_MS
#define S  US_PER_S
static const int64_t work_bounds[] = {1 * MS,   2500,     5 * MS,   10 * MS, 25 * MS, 50 * MS,
                                      100 * MS, 250 * MS, 500 * MS, 1 * S,   2500000, 5 * S,
                                      10 * S,   30 * S,   60 * S,   300 * S, 1800 * S};
static const int64_t call_bounds[] = {250,      500,     1 * MS,  2500,     5 * MS,
                                      10 * MS,  25 * MS, 50 * MS, 100 * MS, 250 * MS,
                                      500 * MS, 1 * S,   2500000, 10 * S};
static const int64_t poll_bounds[] = {10 * MS, 100 * MS, 500 * MS, 1 * S,  5 * S,
                                      10 * S,  30 * S,   60 * S,   300 * S};
static const int64_t disk_bounds[] = {100,      250,      500,     1 * MS,  2500,
                                      5 * MS,   10 * MS,  25 * MS, 50 * MS, 100 * MS,
                                      250 * MS, 500 * MS, 1 * S};
static const int64_t count_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};

#define BOUNDS(table) (sizeof(table) / sizeof((table)[0]))
#define BUCKETS_MAX   (BOUNDS(work_bounds) + 1) /* the largest */

/* A histogram is cells: its buckets, not cumulated, then the sum. */

static void observe(cell *h, const int64_t *bounds, size_t n, int64_t value)
{
    size_t i = 0;
    if (value < 0)
        value = 0;
    while (i < n && value > bounds[i])
        i++;
    bump(&h[i], 1);
    bump(&h[n + 1], (uint64_t)value);
}
#define OBSERVE(h, table, value) observe(h, table, BOUNDS(table), value)

enum outcome {
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED,
    OUTCOME_TIMEOUT,
    OUTCOME_CRASHED,
    OUTCOME_OUT_OF_MEMORY,
    OUTCOME_CANCELLED,
    OUTCOME_RETURNED,
    OUTCOMES
};
static const char *const outcome_name[OUTCOMES] = {
    "succeeded", "failed", "timeout", "crashed", "out_of_memory", "cancelled", "returned"};

#define WEBHOOK_RESULTS 3
static const char *const webhook_result_name[WEBHOOK_RESULTS] = {[DELIVERY_WAITING] = "failed",
                                                                 [DELIVERY_DELIVERED] = "delivered",
                                                                 [DELIVERY_GIVEN_UP] = "given_up"};

static const char *const worker_end_name[WORKER_ENDS] = {"asked", "signal", "exit", "birth"};

enum { STATUS_NONE, STATUS_2XX = 2, STATUS_4XX = 4, STATUS_5XX = 5, STATUS_CLASSES };
static const char *const status_name[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

struct route_cells {
    cell requests[2][STATUS_CLASSES]; /* [head] */
    cell seconds[2][BOUNDS(call_bounds) + 2];
};

struct shard { /* of one HTTP thread */
    struct shard *next;
    struct route_cells route[METRICS_ROUTES_MAX + 1];
    cell poll[BOUNDS(poll_bounds) + 2];
};

static struct {
    int64_t began_us; /* wall */

    /* dispatch's thread; a remote task's: the writer's */
    struct {
        cell attempts[OUTCOMES];
        cell wait[BOUNDS(work_bounds) + 2], run[BOUNDS(work_bounds) + 2];
    } task[TASKS_MAX];
    cell worker_ends[POOLS_MAX][WORKER_ENDS];

    /* the writer's thread */
    _Alignas(64) cell commits;
    cell commit_seconds[BOUNDS(disk_bounds) + 2], commit_changes[BOUNDS(count_bounds) + 2];

    _Alignas(64) cell webhooks[WEBHOOK_RESULTS]; /* the webhooks' thread */

    _Alignas(64) cell log_dropped; /* the collector's */

    pthread_mutex_t lock;           /* of additions to `shards` */
    _Atomic(struct shard *) shards; /* each is complete before it is here, and never goes */
} m = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct shard *mine;

/* ---- counting ---- */

void metrics_begin(void)
{
    m.began_us = clock_wall_us();
}

void metrics_commit(size_t changes, int64_t took_us)
{
    bump(&m.commits, 1);
    OBSERVE(m.commit_seconds, disk_bounds, took_us);
    OBSERVE(m.commit_changes, count_bounds, (int64_t)changes);
}

static enum outcome outcome_of(const struct attempt *a)
{
    static const struct {
        const char *code;
        enum outcome outcome;
    } codes[] = {{JOB_ERROR_TIMEOUT, OUTCOME_TIMEOUT},
                 {JOB_ERROR_CRASHED, OUTCOME_CRASHED},
                 {JOB_ERROR_MEMORY, OUTCOME_OUT_OF_MEMORY}};
    switch (a->end) {
    case ATTEMPT_SUCCEEDED:
        return OUTCOME_SUCCEEDED;
    case ATTEMPT_CANCELLED:
        return OUTCOME_CANCELLED;
    case ATTEMPT_RETURNED:
        return OUTCOME_RETURNED;
    case ATTEMPT_FAILED:
        break;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(a->error.code, codes[i].code) == 0)
            return codes[i].outcome;
    }
    return OUTCOME_FAILED;
}

void metrics_attempt(uint32_t task, const struct attempt *a, int64_t run_us)
{
    if (task >= TASKS_MAX)
        return;
    bump(&m.task[task].attempts[outcome_of(a)], 1);
    if (run_us >= 0)
        OBSERVE(m.task[task].run, work_bounds, run_us);
}

void metrics_wait(uint32_t task, int64_t wait_us)
{
    if (task < TASKS_MAX)
        OBSERVE(m.task[task].wait, work_bounds, wait_us);
}

void metrics_worker_end(uint32_t pool, enum worker_end why)
{
    if (pool < POOLS_MAX)
        bump(&m.worker_ends[pool][why], 1);
}

void metrics_webhook(enum delivery_state state)
{
    bump(&m.webhooks[state], 1);
}

void metrics_log_dropped(void)
{
    bump(&m.log_dropped, 1);
}

/* This thread's; NULL: out of memory, and this request goes uncounted. */
static struct shard *shard_get(void)
{
    if (mine)
        return mine;
    struct shard *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    pthread_mutex_lock(&m.lock);
    s->next = atomic_load_explicit(&m.shards, memory_order_relaxed);
    atomic_store_explicit(&m.shards, s, memory_order_release);
    pthread_mutex_unlock(&m.lock);
    return mine = s;
}

void metrics_request(const struct request_figures *f)
{
    struct shard *s = shard_get();
    if (!s)
        return;
    int class = f->status / 100;
    struct route_cells *r =
        &s->route[f->route < METRICS_ROUTES_MAX ? f->route : METRICS_ROUTES_MAX];
    bump(&r->requests[f->head][class < STATUS_CLASSES ? class : STATUS_NONE], 1);
    if (f->poll)
        OBSERVE(s->poll, poll_bounds, f->took_us);
    else
        OBSERVE(r->seconds[f->head], call_bounds, f->took_us);
}

/* ---- telling ---- */

_Static_assert(METRICS_WORK_BUCKETS == BOUNDS(work_bounds) + 1, "a bucket for each bound, and one");

void metrics_work_done(struct metrics_work *out)
{
    static const enum outcome bad[] = {OUTCOME_FAILED, OUTCOME_TIMEOUT, OUTCOME_CRASHED,
                                       OUTCOME_OUT_OF_MEMORY};
    memset(out, 0, sizeof(*out));
    for (size_t t = 0; t < TASKS_MAX; t++) {
        out->succeeded += get(&m.task[t].attempts[OUTCOME_SUCCEEDED]);
        for (size_t k = 0; k < BOUNDS(bad); k++)
            out->failed += get(&m.task[t].attempts[bad[k]]);
        for (size_t i = 0; i < METRICS_WORK_BUCKETS; i++) {
            out->wait[i] += get(&m.task[t].wait[i]);
            out->run[i] += get(&m.task[t].run[i]);
        }
    }
}

int64_t metrics_quantile(const uint32_t buckets[METRICS_WORK_BUCKETS], unsigned share)
{
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < METRICS_WORK_BUCKETS; i++)
        total += buckets[i];
    if (total == 0)
        return -1;
    double rank = (double)total * share / 100;
    size_t i = 0;
    while (i < BOUNDS(work_bounds) && (double)(below + buckets[i]) < rank)
        below += buckets[i++];
    if (i == BOUNDS(work_bounds))
        return work_bounds[i - 1];
    int64_t low = i ? work_bounds[i - 1] : 0;
    double part = buckets[i] ? (rank - (double)below) / buckets[i] : 0;
    return low + (int64_t)((double)(work_bounds[i] - low) * part);
}

static void tell(struct exposition *e, enum metric which, const char *const *labels,
                 const int64_t *bounds, size_t n, const cell *h, int64_t unit)
{
    uint64_t copy[BUCKETS_MAX];
    for (size_t i = 0; i <= n; i++)
        copy[i] = get(&h[i]);
    expose_histogram(
        e, which, labels,
        &(struct exposed_histogram){
            .bounds = bounds, .n = n, .buckets = copy, .sum = get(&h[n + 1]), .unit = unit});
}
#define TELL(e, which, labels, table, h, unit) tell(e, which, labels, table, BOUNDS(table), h, unit)

void metrics_expose_attempts(struct exposition *e, const struct taskdefs *defs)
{
    for (uint32_t i = 0; i < defs->tasks; i++) {
        for (int k = 0; k < OUTCOMES; k++)
            expose_u64(e, METRIC_ATTEMPTS, LABELS(defs->task[i].name, outcome_name[k]),
                       get(&m.task[i].attempts[k]));
    }
    for (uint32_t i = 0; i < defs->tasks; i++)
        TELL(e, METRIC_JOB_WAIT, LABELS(defs->task[i].name), work_bounds, m.task[i].wait, US_PER_S);
    for (uint32_t i = 0; i < defs->tasks; i++)
        TELL(e, METRIC_JOB_RUN, LABELS(defs->task[i].name), work_bounds, m.task[i].run, US_PER_S);
}

void metrics_expose_exits(struct exposition *e, const struct taskdefs *defs)
{
    for (uint32_t i = 0; i < defs->pools; i++) {
        for (int k = 0; k < WORKER_ENDS; k++)
            expose_u64(e, METRIC_WORKER_EXITS, LABELS(defs->pool[i].name, worker_end_name[k]),
                       get(&m.worker_ends[i][k]));
    }
}

void metrics_expose_commits(struct exposition *e)
{
    expose_u64(e, METRIC_COMMITS, NULL, get(&m.commits));
    TELL(e, METRIC_COMMIT_SECONDS, NULL, disk_bounds, m.commit_seconds, US_PER_S);
    TELL(e, METRIC_COMMIT_CHANGES, NULL, count_bounds, m.commit_changes, 1);
}

/* All shards' cells of one kind, as if they were one. */
static void gather(cell *sum, size_t offset, size_t n)
{
    for (size_t i = 0; i < n; i++)
        atomic_init(&sum[i], 0);
    const struct shard *s = atomic_load_explicit(&m.shards, memory_order_acquire);
    for (; s; s = s->next) {
        const cell *from = (const cell *)(const void *)((const char *)s + offset);
        for (size_t i = 0; i < n; i++)
            bump(&sum[i], get(&from[i]));
    }
}

static struct metrics_route route_at(const struct metrics_route *routes, size_t n, size_t i,
                                     int head)
{
    struct metrics_route r = i < n ? routes[i] : (struct metrics_route){"none", "any"};
    if (head)
        r.method = "HEAD";
    return r;
}

/* Rows of routes that were never asked for are left out: most services use few of them. */
static bool is_used(const cell *requests)
{
    uint64_t all = 0;
    for (int k = 0; k < STATUS_CLASSES; k++)
        all += get(&requests[k]);
    return all > 0;
}

/* For each route, its own method first, then HEAD: the counts, or (seconds) the histogram. */
static void tell_route(struct exposition *e, const struct metrics_route *route, size_t cells,
                       int head, bool seconds)
{
    cell requests[STATUS_CLASSES], took[BOUNDS(call_bounds) + 2];
    size_t at = offsetof(struct shard, route) + cells * sizeof(struct route_cells);
    gather(requests, at + offsetof(struct route_cells, requests[head]), STATUS_CLASSES);
    if (!is_used(requests))
        return;
    if (seconds) {
        gather(took, at + offsetof(struct route_cells, seconds[head]), BOUNDS(took));
        TELL(e, METRIC_HTTP_SECONDS, LABELS(route->pattern, route->method), call_bounds, took,
             US_PER_S);
        return;
    }
    for (int k = 0; k < STATUS_CLASSES; k++) {
        bool always = k == STATUS_2XX || k == STATUS_4XX || k == STATUS_5XX;
        if (always || get(&requests[k]))
            expose_u64(e, METRIC_HTTP_REQUESTS,
                       LABELS(route->pattern, route->method, status_name[k]), get(&requests[k]));
    }
}

void metrics_expose_http(struct exposition *e, const struct metrics_route *routes, size_t n)
{
    cell poll[BOUNDS(poll_bounds) + 2];
    for (int seconds = 0; seconds < 2; seconds++) {
        for (size_t i = 0; i <= n; i++) {
            for (int head = 0; head < 2; head++) {
                struct metrics_route r = route_at(routes, n, i, head);
                tell_route(e, &r, i < n ? i : METRICS_ROUTES_MAX, head, seconds);
            }
        }
    }
    gather(poll, offsetof(struct shard, poll), BOUNDS(poll));
    TELL(e, METRIC_HTTP_POLL, NULL, poll_bounds, poll, US_PER_S);
}

void metrics_expose_webhooks(struct exposition *e)
{
    for (int k = 0; k < WEBHOOK_RESULTS; k++)
        expose_u64(e, METRIC_WEBHOOKS, LABELS(webhook_result_name[k]), get(&m.webhooks[k]));
}

void metrics_expose_log(struct exposition *e)
{
    expose_u64(e, METRIC_LOG_DROPPED, NULL, get(&m.log_dropped));
}

/* ---- the process ---- */

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (const struct dirent *d; (d = readdir(dir));)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the directory's own */
}

/* What stands in /proc/self/stat from its third field on, behind the name, which may hold anything.
 */
static bool read_stat(unsigned long *threads, unsigned long *virtual, long *pages)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    return at && sscanf(at + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                        "%*d %lu %*d %*u %lu %ld",
                        threads, virtual, pages) == 3;
}

void metrics_expose_process(struct exposition *e)
{
    unsigned long threads = 0, virtual = 0;
    long pages = 0;
    struct rlimit files = {0};
    expose_us(e, METRIC_PROCESS_START, NULL, m.began_us);
    expose_us(e, METRIC_PROCESS_CPU, NULL, clock_cpu_us());
    if (read_stat(&threads, &virtual, &pages)) {
        expose_u64(e, METRIC_PROCESS_RSS, NULL, (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE));
        expose_u64(e, METRIC_PROCESS_VIRTUAL, NULL, virtual);
        expose_u64(e, METRIC_PROCESS_THREADS, NULL, threads);
    }
    expose_u64(e, METRIC_PROCESS_FDS, NULL, count_fds());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        expose_u64(e, METRIC_PROCESS_MAX_FDS, NULL, files.rlim_cur);
}
