/*
 * leases.c - remote workers, inside the writer's transaction: taking jobs, keeping them, ending
 * them, and losing them. The writer's thread.
 *
 * A request for jobs that finds none stays here until there is one, its time is over, or its client
 * has gone. An outcome counts only for the lease that holds the job; a lease that was lost or used
 * is not there any more.
 */
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRED_AT_ONCE 100

static struct change *first; /* those that wait, linked by next_waiting */
static size_t waiting;

/* Where the figures of a lease's task are kept. NULL: by somebody else, for it is no remote one any
 * more. */
static struct board_task *figures(const struct lease *l)
{
    uint32_t task = claims_task(l->task_id);
    return task != UINT32_MAX && w.defs->task[task].kind == TASK_REMOTE ? &w.board->task[task]
                                                                        : NULL;
}

/* ---- giving ---- */

static int give(struct lease_ask *a, struct job *job, int64_t now_us)
{
    struct leased *g = &a->given[a->count];
    *g = (struct leased){.lease = {.job = job->id,
                                   .attempt = job->attempt,
                                   .task_id = job->task_id,
                                   .started_us = now_us,
                                   .expires_us = now_us + a->duration_us,
                                   .duration_us = a->duration_us}};
    struct lease *l = &g->lease;
    if (job->timeout_us) {
        l->ends_us = now_us + job->timeout_us;
        l->expires_us = l->ends_us < l->expires_us ? l->ends_us : l->expires_us;
    }
    memcpy(l->worker, a->worker, sizeof(l->worker));
    int err = id_new(&l->id);
    if (!err)
        err = store_lease_add(w.store, l);
    if (err)
        return err;
    if (l->expires_us < w.next_lease_us)
        w.next_lease_us = l->expires_us;
    int64_t since_us = claims_could_run_us(job);
    if (since_us)
        metrics_wait(claims_task(job->task_id), now_us - since_us);
    struct board_task *t = figures(l);
    if (t)
        atomic_fetch_add_explicit(&t->started, 1, memory_order_relaxed);
    g->job = *job; /* moved */
    job_init(job);
    a->count++;
    return 0;
}

/* Claims what the request asks for and there is. */
static int take(struct batch *b, struct lease_ask *a, int64_t now_us)
{
    struct claim_quota quota[TASKS_MAX];
    struct job jobs[LEASES_AT_ONCE];
    size_t n = 0;
    if (a->most == 0 || writer_drains() ||
        claims_remote(a->tasks, a->tasks_count, (uint32_t)a->most, quota) == 0)
        return 0;
    int err = claims_from_store(b, quota, a->tasks_count, a->most, now_us, jobs, &n);
    for (size_t i = 0; i < n; i++) {
        claims_took(b, jobs[i].task_id);
        if (!err)
            err = give(a, &jobs[i], now_us);
        job_release(&jobs[i]);
    }
    return err;
}

void leases_keep(struct change *c)
{
    struct change **at = &first;
    while (*at)
        at = &(*at)->next_waiting;
    c->next_waiting = NULL;
    *at = c;
    waiting++;
}

static bool is_over(const struct change *c)
{
    return c->lease_ask->until_us <= clock_mono_us() ||
           atomic_load_explicit(&c->lease_ask->gone, memory_order_acquire) || writer_drains();
}

/* Is there something to do for one of those that wait? Else *next_us is when the first gives up. */
bool leases_wait(int64_t *next_us)
{
    for (const struct change *c = first; c; c = c->next_waiting) {
        const struct lease_ask *a = c->lease_ask;
        struct claim_quota quota[TASKS_MAX];
        if (is_over(c) || claims_remote(a->tasks, a->tasks_count, 1, quota) > 0)
            return true;
        if (a->until_us < *next_us)
            *next_us = a->until_us;
    }
    return false;
}

/* Those that get something, or have waited long enough, go to b->served. */
int leases_serve(struct batch *b, int64_t now_us)
{
    int err = 0;
    for (struct change **at = &first, *c; (c = *at) && !err;) {
        bool gone = atomic_load_explicit(&c->lease_ask->gone, memory_order_acquire);
        if (!gone)
            err = take(b, c->lease_ask, now_us);
        if (!err && c->lease_ask->count == 0 && !is_over(c)) {
            at = &c->next_waiting;
            continue;
        }
        *at = c->next_waiting;
        waiting--;
        c->next_waiting = b->served;
        b->served = c;
    }
    return err;
}

/* ---- ending ---- */

static int end(struct batch *b, const struct lease *l, struct attempt *a, int64_t now_us,
               enum job_state *state)
{
    a->job = l->job;
    a->task_id = l->task_id;
    a->number = l->attempt;
    a->started_us = l->started_us;
    a->finished_us = now_us;
    int err = steps_finish(b, a, now_us, state);
    if (err)
        return err;
    /* once more if this transaction finds the disk full and is undone */
    bool lost = a->retry_now || a->end == ATTEMPT_CANCELLED; /* then how long it ran is not known */
    struct board_task *t = figures(l);
    metrics_attempt(claims_task(l->task_id), a, now_us - l->started_us);
    if (t)
        board_task_ended(t, a->end, lost ? -1 : now_us - l->started_us);
    return store_lease_drop(w.store, &l->job);
}

/* As of a task that runs here: a result that is too large is none, and would be again. */
static void judge(const struct lease *l, struct attempt *a)
{
    uint32_t task = claims_task(l->task_id);
    if (a->end != ATTEMPT_SUCCEEDED || task == UINT32_MAX ||
        a->result.len <= w.defs->task[task].output_max)
        return;
    a->end = ATTEMPT_FAILED;
    a->permanent = true;
    a->result_type[0] = '\0';
    buf_release(&a->result);
    job_error_set(&a->error, JOB_ERROR_BAD_RESULT,
                  "the result is larger than output_max = %llu bytes",
                  (unsigned long long)w.defs->task[task].output_max);
}

/* As its worker said. 0 also if it is lost. */
static int end_as_said(struct batch *b, struct lease_end *e, int64_t now_us)
{
    struct lease l;
    int err = store_lease_get(w.store, &e->lease, &l);
    e->lost = err == -ERR_LEASE_LOST;
    if (err)
        return e->lost ? 0 : err;
    e->job = l.job;
    judge(&l, &e->attempt);
    return end(b, &l, &e->attempt, now_us, &e->state);
}

int leases_end(struct batch *b, struct change *c, int64_t now_us)
{
    int err = end_as_said(b, c->lease_end, now_us);
    c->err = !err && c->lease_end->lost ? -ERR_LEASE_LOST : err;
    return err;
}

/* First what it has ended, which may free what it asks for. */
int leases_ask(struct batch *b, struct change *c, int64_t now_us)
{
    struct lease_ask *a = c->lease_ask;
    for (size_t i = 0; i < a->ended_count && !c->err; i++) {
        if (!a->ended[i].not_his)
            c->err = end_as_said(b, &a->ended[i], now_us);
    }
    if (!c->err)
        c->err = take(b, a, now_us);
    if (c->err || a->count > 0 || a->most == 0 || a->until_us <= clock_mono_us() || writer_drains())
        return c->err;
    if (waiting >= (size_t)w.conf->waiting) {
        c->err = a->ended_count ? 0 : -ERR_TOO_MANY_WAITING; /* these are ended in any case */
        return 0;
    }
    c->kept = true; /* not told after the commit: see leases_keep */
    return 0;
}

int leases_beat(struct batch *b, struct change *c, int64_t now_us)
{
    struct lease_end *e = c->lease_end;
    struct lease l;
    (void)b;
    c->err = store_lease_get(w.store, &e->lease, &l);
    if (c->err)
        return c->err == -ERR_LEASE_LOST ? 0 : c->err;
    if (e->duration_us)
        l.duration_us = e->duration_us;
    l.expires_us = now_us + l.duration_us;
    if (l.ends_us && l.ends_us < l.expires_us)
        l.expires_us = l.ends_us;
    if (e->has_fraction) {
        l.has_fraction = true;
        l.fraction = e->fraction;
    }
    if (e->has_message)
        memcpy(l.message, e->message, sizeof(l.message));
    if (l.expires_us < w.next_lease_us)
        w.next_lease_us = l.expires_us;
    e->expires_us = l.expires_us;
    e->job = l.job;
    c->err = store_lease_beat(w.store, &l);
    if (!c->err && e->checkpoint.len > 0)
        c->err = store_checkpoint_keep(w.store, &l.job, l.attempt, &e->checkpoint);
    return c->err;
}

/* The job is cancelled now: whoever holds it is told so by its next call. */
int leases_cancel(struct batch *b, struct job *job, int64_t now_us)
{
    struct lease l = {.job = job->id,
                      .attempt = job->attempt,
                      .task_id = job->task_id,
                      .started_us = job->started_us};
    struct attempt a = {.end = ATTEMPT_CANCELLED, .error = JOB_ERROR_NONE};
    int err = end(b, &l, &a, now_us, &job->state);
    job->finished_us = now_us;
    return err;
}

/* Nothing was heard in time. */
static int lose(struct batch *b, const struct lease *l, int64_t now_us)
{
    struct attempt a = {.end = ATTEMPT_FAILED, .error = JOB_ERROR_NONE};
    enum job_state state;
    if (l->ends_us && l->ends_us <= now_us) {
        job_error_set(&a.error, JOB_ERROR_TIMEOUT, "attempt %u ran longer than %.3f s", l->attempt,
                      (double)(l->ends_us - l->started_us) / (double)US_PER_S);
    } else {
        a.retry_now = true;
        job_error_set(&a.error, JOB_ERROR_LEASE, "the worker%s%s was not heard of in time",
                      l->worker[0] ? " " : "", l->worker);
    }
    return end(b, l, &a, now_us, &state);
}

int leases_expire(struct batch *b, int64_t now_us)
{
    struct lease lost[EXPIRED_AT_ONCE];
    size_t n = 0;
    if (now_us < w.next_lease_us)
        return 0;
    int err = w.undone ? store_leases_heard(w.store, now_us) : 0; /* the disk was full */
    if (!err)
        err = store_leases_expired(w.store, now_us, lost, EXPIRED_AT_ONCE, &n);
    for (size_t i = 0; i < n && !err; i++)
        err = lose(b, &lost[i], now_us);
    b->more = b->more || n == EXPIRED_AT_ONCE;
    return err ? err : store_lease_next_us(w.store, &w.next_lease_us);
}

static void release_end(struct lease_end *e)
{
    attempt_release(&e->attempt);
    buf_release(&e->checkpoint);
}

void lease_ask_free(struct lease_ask *a)
{
    for (size_t i = 0; a && i < a->count; i++)
        job_release(&a->given[i].job);
    for (size_t i = 0; a && i < a->ended_count; i++)
        release_end(&a->ended[i]);
    if (a)
        free(a->ended);
    free(a);
}

void lease_end_free(struct lease_end *e)
{
    if (e)
        release_end(e);
    free(e);
}

void lease_ask_gone(struct lease_ask *a)
{
    atomic_store_explicit(&a->gone, true, memory_order_release);
    writer_wake();
}
