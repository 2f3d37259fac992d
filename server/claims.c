/*
 * claims.c - who of the queued may run: credit of the pools, pauses, limits of tasks and their
 * rates. The writer's thread.
 *
 * A task's quota is what its limits leave of the pool's credit; the store then takes the queued
 * jobs of all tasks of a pool by rank. A rate is a token bucket of `burst` tokens that fills by
 * `rate` each second; it begins full and is not kept over a restart.
 */
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/err.h"

#include <stdlib.h>
#include <string.h>

#define CLAIM_MAX     64 /* jobs taken from the store in one call */
#define LEND_FRACTION 4  /* of run_ahead: the longest jobs that are lent */

static int32_t credit_left(const struct batch *b, uint32_t pool)
{
    return atomic_load_explicit(&w.credit[pool], memory_order_acquire) - (b ? b->credit[pool] : 0);
}

uint32_t claims_task(uint32_t task_id)
{
    uint32_t i = 0;
    while (i < w.defs->tasks && w.task_ids[i] != task_id)
        i++;
    return i < w.defs->tasks ? i : UINT32_MAX;
}

/* ---- what limits a task ---- */

bool claims_limited(uint32_t task)
{
    return w.defs->task[task].concurrency > 0 || w.defs->task[task].rate > 0;
}

/* Whole tokens; notes when the next comes if there is none. */
static uint32_t tokens(uint32_t task)
{
    const struct taskdef *t = &w.defs->task[task];
    return bucket_tokens(&w.bucket[task], t->rate, t->burst, clock_mono_us(), &w.next_token_us);
}

/* How many jobs of the task may begin now, as far as its own limits go. */
static uint32_t quota_of(uint32_t task, uint32_t most)
{
    const struct taskdef *t = &w.defs->task[task];
    if (t->concurrency) {
        uint64_t running = store_count_now(w.store, w.task_ids[task], JOB_RUNNING);
        uint64_t left = running < t->concurrency ? t->concurrency - running : 0;
        most = left < most ? (uint32_t)left : most;
    }
    if (most > 0 && t->rate > 0) {
        uint32_t n = tokens(task);
        most = n < most ? n : most;
    }
    return most;
}

static bool is_paused(uint32_t task)
{
    return store_task_paused_id(w.store, w.task_ids[task]);
}

static bool pool_paused(uint32_t pool)
{
    return atomic_load_explicit(&w.queue[pool].paused, memory_order_relaxed);
}

static bool is_short(uint32_t task)
{
    return w.usual_us[task] <= w.conf->run_ahead_us / LEND_FRACTION;
}

/* A claim that the outcome would soon write over is not written (store.h). One of a job that takes
 * longer is written with the first commit that has anything to write once it has begun, which
 * most often is that of the outcome of the job before it, as a job is claimed before its worker is
 * free. Not where limits count what runs, and not while nothing can be written: outcomes would pile
 * up. `writes`: there is a commit in any case, so only what mostly waits for its worker is lent. */
static bool may_lend(uint32_t task, bool writes)
{
    return !claims_limited(task) && !w.undone && w.usual_us[task] > 0 && w.conf->run_ahead_us > 0 &&
           (!writes || is_short(task) || w.usual_us[task] <= CLAIM_HAND_US);
}

int64_t claims_lent_next_us(void)
{
    int64_t since = store_lent_since_us(w.store, clock_mono_us() - w.conf->run_ahead_us);
    return since == INT64_MAX ? since : since + w.conf->run_ahead_us;
}

int claims_lent_due(const struct batch *b)
{
    return store_lent_due(w.store, clock_mono_us() - w.conf->run_ahead_us, b->count > 0);
}

void claims_learn_run(const struct attempt *a)
{
    int64_t run_us = a->finished_us - a->started_us;
    uint32_t task = claims_task(a->task_id);
    if (a->end != ATTEMPT_SUCCEEDED || !a->started_us || run_us < 0 || task == UINT32_MAX)
        return;
    int64_t *usual = &w.usual_us[task];
    *usual += *usual ? (run_us - *usual) / 8 : run_us;
    *usual = *usual > 0 ? *usual : 1;
}

/* Fills the pool's quotas; false: nothing can be claimed. `writes`: there is a commit in any case.
 */
static bool quotas(uint32_t pool, uint32_t most, bool writes)
{
    struct pool_queue *q = &w.queue[pool];
    int64_t now_us = clock_mono_us();
    bool any = false;
    if (pool_paused(pool))
        return false;
    for (size_t i = 0; i < q->count; i++) {
        uint32_t task = q->tasks[i], id = w.task_ids[task];
        uint32_t per_key = w.defs->task[task].key_concurrency;
        bool ready = store_ready(w.store, id) > 0 && !is_paused(task);
        bool lend = may_lend(task, writes);
        q->quota[i] = (struct claim_quota){.task_id = id,
                                           .most = ready ? quota_of(task, most) : 0,
                                           .per_key = per_key ? per_key : 1,
                                           .lent_us = lend ? now_us : 0,
                                           .lent_briefly = !is_short(task),
                                           .brief = true};
        any = any || q->quota[i].most > 0;
    }
    return any;
}

size_t claims_remote(const uint32_t *tasks, size_t n, uint32_t most, struct claim_quota *out)
{
    size_t any = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = w.task_ids[tasks[i]], per_key = w.defs->task[tasks[i]].key_concurrency;
        bool ready = store_ready(w.store, id) > 0 && !is_paused(tasks[i]) &&
                     !pool_paused(w.defs->task[tasks[i]].pool);
        out[i] = (struct claim_quota){.task_id = id,
                                      .most = ready ? quota_of(tasks[i], most) : 0,
                                      .per_key = per_key ? per_key : 1};
        any += out[i].most > 0;
    }
    return any;
}

/* Tokens that the transaction takes; negative: that it gives back. */
static void take_tokens(struct batch *b, uint32_t task, int32_t n)
{
    b->taken[task] += n;
    if (w.defs->task[task].rate > 0)
        bucket_take(&w.bucket[task], n);
}

void claims_came_back(struct batch *b, uint32_t task)
{
    take_tokens(b, task, -1);
}

void claims_took(struct batch *b, uint32_t task_id)
{
    uint32_t task = claims_task(task_id);
    if (task != UINT32_MAX)
        take_tokens(b, task, 1);
}

int claims_from_store(struct batch *b, const struct claim_quota *quota, size_t quotas, size_t want,
                      int64_t now_us, struct job *out, size_t *n)
{
    int err = store_claim(w.store, quota, quotas, want, now_us, out, n);
    if (err != STORE_HELD)
        return err;
    b->more = true;
    return 0;
}

bool claims_wait(void)
{
    w.next_token_us = INT64_MAX;
    if (writer_drains())
        return false;
    for (uint32_t i = 0; i < w.defs->pools; i++) {
        if (credit_left(NULL, i) > 0 && quotas(i, 1, false))
            return true;
    }
    return false;
}

/* ---- claims ---- */

/* What is not short waits in the queue while all workers are busy, also where there is credit for
 * those that will be free: there it can be lent. */
static bool begins_at_once(uint32_t task)
{
    const struct board_pool *p = &w.board->pool[w.defs->task[task].pool];
    return is_short(task) || atomic_load_explicit(&p->busy, memory_order_relaxed) <
                                 atomic_load_explicit(&p->live, memory_order_relaxed);
}

bool claims_direct(const struct batch *b, const struct job *job, uint32_t task_index)
{
    uint32_t pool = w.defs->task[task_index].pool;
    return job->state == JOB_QUEUED && begins_at_once(task_index) &&
           w.defs->task[task_index].kind != TASK_REMOTE && job->parents_count == 0 &&
           !job->concurrency_key[0] && !job->gathers &&
           (!job->expires_us || job->expires_us > clock_wall_us()) && !writer_drains() &&
           credit_left(b, pool) > 0 && !pool_paused(pool) && !is_paused(task_index) &&
           !quotas(pool, 1, true) && quota_of(task_index, 1) > 0;
}

int64_t claims_could_run_us(const struct job *job)
{
    if (job->attempt != 1 || job->depends_on.len > 0)
        return 0;
    return job->created_us > job->run_at_us ? job->created_us : job->run_at_us;
}

struct claim *claims_new(struct job *job, uint32_t task_index, bool copy_input)
{
    struct claim *c = claim_new();
    if (!c)
        return NULL;
    c->job = job->id;
    c->task_index = task_index;
    c->task_id = job->task_id;
    c->attempt = job->attempt;
    c->loan = job->loan;
    c->group_key = id_is_nil(&job->group) ? 0 : id_key(&job->group);
    c->timeout_us = job->timeout_us;
    c->queued_us = claims_could_run_us(job);
    c->cancel_requested = job->cancel_requested;
    memcpy(c->input_type, job->input_type, sizeof(c->input_type));
    memcpy(c->traceparent, job->traceparent, sizeof(c->traceparent));
    if (copy_input)
        buf_add(&c->input, job->input.data, job->input.len);
    else
        buf_move(&c->input, &job->input);
    if (job->params.len > 0 || job->checkpoint.len > 0) {
        buf_addc(&c->input, 0);
        buf_add(&c->input, job->params.data, job->params.len);
        buf_addc(&c->input, 0);
        buf_add(&c->input, job->checkpoint.data, job->checkpoint.len);
        c->params_len = (uint32_t)job->params.len;
        c->checkpoint_len = (uint32_t)job->checkpoint.len;
    }
    if (!c->input.failed)
        return c;
    claim_free(c);
    return NULL;
}

int claims_add(struct batch *b, struct job *job, uint32_t task_index, bool copy_input)
{
    struct claim *c = claims_new(job, task_index, copy_input);
    if (!c)
        return -ERR_NOMEM;
    b->credit[w.defs->task[task_index].pool]++;
    take_tokens(b, task_index, 1);
    *b->claims_end = &c->order.node;
    b->claims_end = &c->order.node.next;
    b->claimed++;
    return 0;
}

static int claim_for_pool(struct batch *b, uint32_t pool, int64_t now_us)
{
    const struct pool_queue *q = &w.queue[pool];
    struct job jobs[CLAIM_MAX];
    int32_t credit;
    while ((credit = credit_left(b, pool)) > 0) {
        size_t want = credit < CLAIM_MAX ? (size_t)credit : CLAIM_MAX, n = 0;
        if (!quotas(pool, (uint32_t)want, b->count > 0))
            return 0;
        int err = claims_from_store(b, q->quota, q->count, want, now_us, jobs, &n);
        for (size_t i = 0; i < n; i++) {
            uint32_t task = claims_task(jobs[i].task_id);
            int made = task == UINT32_MAX ? -ERR_INTERNAL : claims_add(b, &jobs[i], task, false);
            job_release(&jobs[i]);
            err = err ? err : made;
        }
        if (err || n < want)
            return err; /* what is left was held, or limited */
    }
    return 0;
}

int claims_make(struct batch *b, int64_t now_us)
{
    int err = 0;
    for (uint32_t i = 0; i < w.defs->pools && !err; i++) {
        if (!writer_drains())
            err = claim_for_pool(b, i, now_us);
    }
    return err;
}

static int learn_pause(uint32_t pool)
{
    bool paused = false;
    int err = store_pool_paused(w.store, w.defs->pool[pool].name, &paused);
    if (!err)
        atomic_store_explicit(&w.queue[pool].paused, paused, memory_order_relaxed);
    return err;
}

void claims_undone(const struct batch *b)
{
    for (uint32_t i = 0; i < w.defs->tasks; i++)
        bucket_take(&w.bucket[i], -(double)b->taken[i]);
    for (uint32_t i = 0; i < w.defs->pools; i++)
        (void)learn_pause(i); /* or it stays as it was asked for */
}

/* ---- life ---- */

static int learn_pool(uint32_t pool)
{
    struct pool_queue *q = &w.queue[pool];
    q->tasks = calloc(w.defs->tasks ? w.defs->tasks : 1, sizeof(*q->tasks));
    q->quota = calloc(w.defs->tasks ? w.defs->tasks : 1, sizeof(*q->quota));
    if (!q->tasks || !q->quota)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < w.defs->tasks; i++) {
        if (w.defs->task[i].pool == pool && w.defs->task[i].kind != TASK_REMOTE)
            q->tasks[q->count++] = i;
    }
    return learn_pause(pool);
}

int claims_learn(void)
{
    w.task_ids = calloc(w.defs->tasks ? w.defs->tasks : 1, sizeof(*w.task_ids));
    if (!w.task_ids)
        return -ERR_NOMEM;
    int err = 0;
    for (uint32_t i = 0; i < w.defs->tasks && !err; i++)
        err = store_task_id(w.store, w.defs->task[i].name, &w.task_ids[i]);
    for (uint32_t i = 0; i < w.defs->pools && !err; i++)
        err = learn_pool(i);
    return err;
}

void claims_release(void)
{
    free(w.task_ids);
    for (size_t i = 0; i < POOLS_MAX; i++) {
        free(w.queue[i].tasks);
        free(w.queue[i].quota);
    }
}

bool writer_pool_paused(uint32_t pool)
{
    return pool_paused(pool);
}
