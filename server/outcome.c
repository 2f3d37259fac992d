/*
 * outcome.c - exactly one outcome of each attempt, for the writer: what a worker said of its job,
 * what was taken from it, what stopped it. Dispatch's thread.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"
#include "metrics.h"
#include "must.h"

#include <stdlib.h>
#include <string.h>

/* How often a job's checkpoint is written, however often it tells one: the last one stands. */
#define LEFT_EVERY_US (500 * US_PER_MS)

#define RUN_MAX_US   (INT64_C(86400) * 366 * US_PER_S)
#define SIGRTMAX_ANY 64
#define EXIT_MAX     255

struct finish *outcome_new(const struct claim *c, enum attempt_end end)
{
    struct finish *f = finish_new();
    f->work.kind = CHANGE_FINISH;
    f->ahead = c->ahead;
    f->attempt.job = c->job;
    f->attempt.task_id = c->task_id;
    f->attempt.number = c->attempt;
    f->attempt.group_key = c->group_key;
    f->attempt.end = end;
    f->attempt.finished_us = clock_wall_us();
    return f;
}

static void count(const struct finish *f, const struct claim *c)
{
    const struct attempt *a = &f->attempt;
    bool ran = a->started_us > 0;
    metrics_attempt(c->task_index, a, ran ? a->finished_us - a->started_us : -1);
    if (ran && c->queued_us > 0)
        metrics_wait(c->task_index, a->started_us - c->queued_us);
}

void outcomes_send(struct dispatcher *d)
{
    if (d->late && !d->ended)
        writer_wake();
    writer_finish(d->ended);
    d->ended = d->ended_last = NULL;
    d->late = false;
}

void outcome_left(struct claim *c)
{
    struct checkpoint *k = calloc(1, sizeof(*k));
    c->has_left = false;
    c->left_due_us = clock_mono_us() + LEFT_EVERY_US;
    if (!k)
        return; /* the next one may have more luck: nothing is promised of it */
    k->work.kind = CHANGE_CHECKPOINT;
    k->job = c->job;
    k->attempt = c->attempt;
    k->ahead = c->ahead;
    buf_move(&k->data, &c->left);
    writer_checkpoint(k);
}

void outcome_post(struct dispatcher *d, struct pool *p, struct finish *f, struct claim *c)
{
    f->pool = (uint32_t)(p - d->pools);
    count(f, c);
    f->credit = d->draining ? 0 : pool_grant(p);
    if (c->has_left && f->attempt.end != ATTEMPT_SUCCEEDED)
        outcome_left(c); /* before the outcome: then it is no longer that attempt's job */
    claim_free(c);
    if (d->ended)
        d->ended_last->work.node.next = &f->work.node;
    else
        d->ended = f;
    d->ended_last = f;
}

/* A program that is kept warm brings the time of its earlier jobs with it. */
static void ran_too_long(const struct dispatcher *d, struct job_error *e, const struct slot *s,
                         const struct claim *c, int64_t cpu_us)
{
    double limit = (double)c->timeout_us / (double)US_PER_S;
    int64_t used_us = cpu_us - s->head_cpu_us;
    if (d->defs->task[c->task_index].kind == TASK_PERSISTENT || used_us < 0)
        job_error_set(e, JOB_ERROR_TIMEOUT, "attempt %u ran longer than %.3f s", c->attempt, limit);
    else
        job_error_set(e, JOB_ERROR_TIMEOUT,
                      "attempt %u ran longer than %.3f s, with %.3f s of CPU time", c->attempt,
                      limit, (double)used_us / (double)US_PER_S);
}

void outcome_stopped(const struct dispatcher *d, struct finish *f, const struct slot *s,
                     const struct claim *c, int64_t cpu_us)
{
    switch (s->stop) {
    case STOP_CANCEL:
        f->attempt.end = ATTEMPT_CANCELLED;
        job_error_set(&f->attempt.error, JOB_ERROR_CANCELLED, "cancelled while it ran");
        break;
    case STOP_TIMEOUT:
        f->attempt.end = ATTEMPT_FAILED;
        f->attempt.permanent = false; /* what it said when it was told to give up */
        f->attempt.retry_now = false;
        ran_too_long(d, &f->attempt.error, s, c, cpu_us);
        break;
    case STOP_DRAIN:
        f->attempt.end = ATTEMPT_RETURNED;
        f->attempt.began = true;
        job_error_set(&f->attempt.error, JOB_ERROR_CRASHED, "the service ended while the job ran");
        break;
    case STOP_NONE:
        break;
    }
}

static void copy_text(char *out, size_t size, struct msg_bytes in)
{
    size_t n = in.len < size - 1 ? in.len : size - 1;
    if (n)
        memcpy(out, in.data, n);
    out[n] = '\0';
}

struct msg_DONE outcome_plausible(const struct msg_DONE *said)
{
    struct msg_DONE m = *said;
    int64_t now_us = clock_wall_us();
    if (m.finished_us <= 0 || m.finished_us > now_us)
        m.finished_us = now_us;
    if (m.started_us < 0 || m.started_us > m.finished_us)
        m.started_us = m.finished_us;
    if (m.run_us < 0 || m.run_us > RUN_MAX_US)
        m.run_us = RUN_MAX_US;
    if (m.signal > SIGRTMAX_ANY)
        m.signal = 0;
    if (m.exit_plus_1 > EXIT_MAX + 1)
        m.exit_plus_1 = 0;
    return m;
}

/* Fit to be told as a header's value. */
static bool is_type(struct msg_bytes type)
{
    for (size_t i = 0; i < type.len; i++) {
        if ((unsigned char)type.data[i] < ' ' || (unsigned char)type.data[i] > '~')
            return false;
    }
    return type.len <= JOB_TYPE_MAX;
}

/* What the worker itself should have refused. NULL: nothing. */
static const char *bad_result(const struct taskdef *t, const struct msg_DONE *m)
{
    if (m->result.len > t->output_max)
        return "the worker sent a result that is larger than output_max";
    return is_type(m->result_type) ? NULL : "the worker sent a content type that is none";
}

struct finish *outcome_of_done(const struct dispatcher *d, const struct slot *s, unsigned i,
                               const struct msg_DONE *m)
{
    const struct claim *c = s->held[i].claim;
    const char *bad = m->ok ? bad_result(&d->defs->task[c->task_index], m) : NULL;
    struct finish *f = outcome_new(c, m->ok && !bad ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED);
    f->attempt.worker = s->pid;
    f->attempt.started_us = m->started_us;
    f->attempt.finished_us = m->finished_us;
    if (bad) {
        job_error_set(&f->attempt.error, JOB_ERROR_BAD_RESULT, "%s", bad);
    } else if (m->ok) {
        copy_text(f->attempt.result_type, sizeof(f->attempt.result_type), m->result_type);
        must_add(&f->attempt.result, m->result.data, m->result.len,
                 "the result of a job cannot be kept");
    } else {
        struct job_error *e = &f->attempt.error;
        f->attempt.permanent = m->permanent != 0;
        f->attempt.retry_now = m->retry_now != 0;
        copy_text(e->code, sizeof(e->code), m->error_code);
        copy_text(e->message, sizeof(e->message), m->error_message);
        e->signal = (int)m->signal;
        e->exit_code = (int)m->exit_plus_1 - 1;
    }
    /* A task that ended because it was told to give up, or too late: what it says is not its
     * outcome. What is said of one behind it, before its own end was heard, is. */
    bool told = s->stop == STOP_CANCEL || s->stop == STOP_TIMEOUT;
    if (i == 0 && (told || (s->stop == STOP_DRAIN && !m->ok)))
        outcome_stopped(d, f, s, c, atomic_load_explicit(&s->board->cpu_us, memory_order_relaxed));
    return f;
}
