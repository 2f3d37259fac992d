/*
 * writer.c - the one writer's thread: inbox -> one transaction (changes, then claims up to the
 * credit)
 * -> commit, synced -> claims to dispatch, answers to clients, wake-ups of those who wait.
 *
 * Group commit needs no timer: what arrives while one commit waits for the disk is the next one.
 * Invariant: nobody is told of a change before the commit that holds it has returned.
 */
#include "writer.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "backoff.h"
#include "conf.h"
#include "dispatch.h"
#include "serve.h"
#include "store/store.h"
#include "waiters.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define DUE_BATCH      1000
#define SWEEP_BATCH    1000
#define SWEEP_EVERY_US (10 * US_PER_S)
#define SAY_FULL_US    (5 * US_PER_S)
#define FULL_PAUSE_MS  100  /* between tries while the disk is full and outcomes wait */
#define IDLE_WAIT_MS   1000 /* a look at the clock: wall time may have been set */
#define EXIT_IO        74   /* sysexits.h EX_IOERR */

struct task_queue { /* the tasks of one pool */
    uint32_t *ids;
    size_t count;
};

/* What one transaction did, to be told after its commit. */
struct batch {
    struct inbox_node *nodes; /* all that were taken, in order */
    size_t count;
    struct inbox_node *claims, **claims_end; /* struct claim */
    size_t claimed;
    struct ended {
        struct id id;
    } * ended;
    size_t ended_count, ended_cap;
    uint32_t queued[POOLS_MAX]; /* jobs made queued by this transaction */
    int32_t credit[POOLS_MAX];  /* credit used by it */
    struct stop {
        struct id id;
        uint32_t attempt;
    } * stops;
    size_t stops_count, stops_cap;
};

static struct {
    const struct conf *conf;
    const struct taskdefs *defs;
    struct store *store;
    struct inbox inbox;
    pthread_t thread;
    uint32_t *task_ids; /* by index of the task */
    struct task_queue queue[POOLS_MAX];
    _Atomic int32_t credit[POOLS_MAX];
    _Atomic bool draining;
    sem_t drained;   /* posted once the thread has seen `draining`: no claim is made any more */
    bool drain_seen; /* the thread's own */
    _Atomic bool stopping;
    int64_t next_due_us;
    int64_t next_sweep_us;
    uint64_t random;
    struct inbox_node *kept; /* outcomes that found the disk full */

    _Atomic uint64_t commits, submitted, finished, claimed, replayed, refused, commit_us_sum,
        commit_us_max, last_batch;
} w;

/* ---- posting: other threads ---- */

int writer_post(struct change *c)
{
    if (atomic_load_explicit(&w.draining, memory_order_acquire)) {
        atomic_fetch_add_explicit(&w.refused, 1, memory_order_relaxed);
        return -ERR_DRAINING;
    }
    int err = inbox_post(&w.inbox, &c->work.node);
    if (err)
        atomic_fetch_add_explicit(&w.refused, 1, memory_order_relaxed);
    return err == -ERR_CLOSED ? -ERR_DRAINING : err;
}

void writer_finish(struct finish *f)
{
    if (inbox_post_always(&w.inbox, &f->work.node) == 0)
        return;
    attempt_release(&f->attempt); /* after the end: the store's recovery finds the job running */
    free(f);
}

void writer_credit(uint32_t pool, uint32_t n)
{
    atomic_fetch_add_explicit(&w.credit[pool], (int32_t)n, memory_order_release);
    inbox_wake(&w.inbox);
}

/* ---- small helpers ---- */

static void *grow(void *old, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return old;
    size_t more = *cap ? *cap * 2 : 256;
    void *now = realloc(old, more * size);
    if (!now)
        serve_die(71, "out of memory in the writer");
    *cap = more;
    return now;
}

static void note_ended(struct batch *b, const struct id *id)
{
    b->ended = grow(b->ended, b->ended_count, &b->ended_cap, sizeof(*b->ended));
    b->ended[b->ended_count++].id = *id;
}

static uint64_t queued_of_task(uint32_t task_id)
{
    return store_count(w.store, task_id, JOB_QUEUED);
}

static uint64_t queued_of_pool(const struct batch *b, uint32_t pool)
{
    uint64_t n = b->queued[pool];
    for (size_t i = 0; i < w.queue[pool].count && n == 0; i++)
        n += queued_of_task(w.queue[pool].ids[i]);
    return n;
}

static int32_t credit_left(const struct batch *b, uint32_t pool)
{
    return atomic_load_explicit(&w.credit[pool], memory_order_acquire) - b->credit[pool];
}

static void add_claim(struct batch *b, struct claim *c)
{
    *b->claims_end = &c->order.node;
    b->claims_end = &c->order.node.next;
    b->claimed++;
}

/* Makes a claim of a job; moves the input out of it or copies it. NULL: out of memory. */
static struct claim *claim_new(struct job *job, uint32_t task_index, bool copy_input)
{
    struct claim *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->job = job->id;
    c->task_index = task_index;
    c->task_id = job->task_id;
    c->attempt = job->attempt;
    c->timeout_us = job->timeout_us;
    c->cancel_requested = job->cancel_requested;
    memcpy(c->input_type, job->input_type, sizeof(c->input_type));
    if (copy_input)
        buf_add(&c->input, job->input.data, job->input.len);
    else
        buf_move(&c->input, &job->input);
    if (c->input.failed) {
        claim_free(c);
        return NULL;
    }
    return c;
}

static int64_t retry_delay(uint32_t attempt, void *arg)
{
    (void)arg;
    w.random = w.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return backoff_us(attempt, w.conf->retry_delay_us, w.conf->retry_delay_max_us, w.random);
}

/* ---- the steps of a transaction; each returns 0, or an error that undoes all of it ---- */

static int submit(struct batch *b, struct change *c)
{
    struct job *job = &c->job;
    uint32_t pool = w.defs->task[c->task_index].pool;
    job->task_id = w.task_ids[c->task_index];
    struct store_key key = {
        .key = c->key, .fingerprint = c->fingerprint, .now_us = job->created_us};
    key.expires_us = job->created_us + w.conf->idempotency_ttl_us;
    /* With a worker free and nothing before it, the job is claimed by the insert itself. */
    bool direct = job->state == JOB_QUEUED && !atomic_load(&w.draining) &&
                  credit_left(b, pool) > 0 && queued_of_pool(b, pool) == 0;
    if (direct) {
        job->state = JOB_RUNNING;
        job->attempt = 1;
        job->started_us = clock_wall_us();
    }
    int err = store_insert(w.store, job, c->key[0] ? &key : NULL);
    c->err = err < 0 ? err : 0;
    c->replayed = err == STORE_REPLAYED;
    if (err == -ERR_KEY_REUSED || err == STORE_REPLAYED)
        return 0;
    if (err)
        return err;
    if (direct) {
        struct claim *claim = claim_new(job, c->task_index, true);
        if (!claim)
            return -ERR_NOMEM;
        b->credit[pool]++;
        add_claim(b, claim);
        /* The client is told what it submitted; that it runs already shows in the first poll. */
        job->state = JOB_QUEUED;
        job->attempt = 0;
        job->started_us = 0;
    } else if (job->state == JOB_QUEUED) {
        b->queued[pool]++;
    } else if (job->run_at_us < w.next_due_us) {
        w.next_due_us = job->run_at_us;
    }
    return 0;
}

static int cancel(struct batch *b, struct change *c)
{
    struct id id = c->job.id;
    c->err = store_cancel(w.store, &id, clock_wall_us(), &c->job);
    if (c->err == -ERR_CONFLICT || c->err == -ERR_NO_JOB)
        return 0;
    if (c->err)
        return c->err;
    if (c->job.state == JOB_RUNNING) {
        b->stops = grow(b->stops, b->stops_count, &b->stops_cap, sizeof(*b->stops));
        b->stops[b->stops_count++] = (struct stop){.id = id, .attempt = c->job.attempt};
    } else {
        note_ended(b, &id);
    }
    return 0;
}

static int finish(struct batch *b, struct finish *f, int64_t now_us)
{
    struct finish_policy policy = {.now_us = now_us, .backoff_us = retry_delay};
    enum job_state state = JOB_RUNNING;
    int err = store_finish(w.store, &f->attempt, &policy, &state);
    b->credit[f->pool] -= (int32_t)f->credit;
    if (err == -ERR_CONFLICT || err == -ERR_NO_JOB) {
        char id[ID_TEXT];
        id_format(&f->attempt.job, id);
        log_warn("job %s: the outcome of attempt %u came too late and is dropped", id,
                 f->attempt.number);
        return 0;
    }
    if (err)
        return err;
    if (job_state_final(state))
        note_ended(b, &f->attempt.job);
    else if (state == JOB_QUEUED)
        b->queued[f->pool]++;
    else if (state == JOB_SCHEDULED)
        w.next_due_us = 0; /* look it up in the next round */
    return 0;
}

static int due(struct batch *b, int64_t now_us)
{
    if (now_us < w.next_due_us)
        return 0;
    size_t moved = 0;
    int err = store_due(w.store, now_us, DUE_BATCH, &moved, &w.next_due_us);
    if (err)
        return err;
    for (uint32_t i = 0; moved && i < w.defs->pools; i++)
        b->queued[i]++; /* some pool's: look in all */
    return 0;
}

static int task_index_of(uint32_t task_id)
{
    for (uint32_t i = 0; i < w.defs->tasks; i++) {
        if (w.task_ids[i] == task_id)
            return (int)i;
    }
    return -1;
}

static int claim_for_pool(struct batch *b, uint32_t pool, int64_t now_us)
{
    struct job jobs[64];
    int32_t credit;
    while ((credit = credit_left(b, pool)) > 0 && queued_of_pool(b, pool) > 0) {
        size_t want = credit < 64 ? (size_t)credit : 64, n = 0;
        int err =
            store_claim(w.store, w.queue[pool].ids, w.queue[pool].count, want, now_us, jobs, &n);
        for (size_t i = 0; i < n; i++) {
            int task = task_index_of(jobs[i].task_id);
            struct claim *c = task < 0 ? NULL : claim_new(&jobs[i], (uint32_t)task, false);
            job_release(&jobs[i]);
            if (!c) {
                err = -ERR_NOMEM;
                continue;
            }
            b->credit[pool]++;
            add_claim(b, c);
        }
        if (err || n < want)
            return err;
    }
    return 0;
}

static int change_all(struct batch *b, int64_t now_us)
{
    int err = 0;
    for (struct inbox_node *n = b->nodes; n && !err; n = n->next) {
        struct work *k = INBOX_OWNER(n, struct work, node);
        switch (k->kind) {
        case CHANGE_SUBMIT:
            err = submit(b, INBOX_OWNER(k, struct change, work));
            break;
        case CHANGE_CANCEL:
            err = cancel(b, INBOX_OWNER(k, struct change, work));
            break;
        case CHANGE_FINISH:
            err = finish(b, INBOX_OWNER(k, struct finish, work), now_us);
            break;
        }
    }
    if (!err)
        err = due(b, now_us);
    for (uint32_t i = 0; i < w.defs->pools && !err; i++) {
        if (!atomic_load_explicit(&w.draining, memory_order_acquire))
            err = claim_for_pool(b, i, now_us);
    }
    if (!err && now_us >= w.next_sweep_us) {
        size_t gone = 0;
        err = store_sweep_keys(w.store, now_us, SWEEP_BATCH, &gone);
        w.next_sweep_us = gone == SWEEP_BATCH ? now_us : now_us + SWEEP_EVERY_US;
    }
    return err;
}

/* ---- after the commit ---- */

static void tell_all(struct batch *b)
{
    for (uint32_t i = 0; i < w.defs->pools; i++)
        atomic_fetch_sub_explicit(&w.credit[i], b->credit[i], memory_order_relaxed);
    if (b->claims)
        dispatch_claimed(INBOX_OWNER(b->claims, struct claim, order.node));
    for (size_t i = 0; i < b->stops_count; i++)
        dispatch_cancel(&b->stops[i].id, b->stops[i].attempt);
    for (struct inbox_node *n = b->nodes, *next; n; n = next) {
        next = n->next;
        struct work *k = INBOX_OWNER(n, struct work, node);
        if (k->kind == CHANGE_FINISH) {
            struct finish *f = INBOX_OWNER(k, struct finish, work);
            attempt_release(&f->attempt);
            free(f);
            atomic_fetch_add_explicit(&w.finished, 1, memory_order_relaxed);
            continue;
        }
        struct change *c = INBOX_OWNER(k, struct change, work);
        if (k->kind == CHANGE_SUBMIT && c->err == 0)
            atomic_fetch_add_explicit(c->replayed ? &w.replayed : &w.submitted, 1,
                                      memory_order_relaxed);
        c->done(c);
    }
    for (size_t i = 0; i < b->ended_count; i++)
        waiters_job_ended(&b->ended[i].id);
}

/* The disk is full and the transaction undone: clients are told; outcomes wait for room. */
static void refuse_all(struct batch *b, int err)
{
    for (struct inbox_node *n = b->claims, *next; n; n = next) {
        next = n->next;
        claim_free(INBOX_OWNER(n, struct claim, order.node));
    }
    struct inbox_node **kept = &w.kept;
    while (*kept)
        kept = &(*kept)->next;
    for (struct inbox_node *n = b->nodes, *next; n; n = next) {
        next = n->next;
        struct work *k = INBOX_OWNER(n, struct work, node);
        if (k->kind == CHANGE_FINISH) {
            n->next = NULL;
            *kept = n;
            kept = &n->next;
            continue;
        }
        struct change *c = INBOX_OWNER(k, struct change, work);
        c->err = err;
        c->done(c);
    }
    w.next_due_us = 0;
}

static void note_commit(const struct batch *b, int64_t took_us)
{
    atomic_fetch_add_explicit(&w.commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w.claimed, b->claimed, memory_order_relaxed);
    atomic_fetch_add_explicit(&w.commit_us_sum, (uint64_t)took_us, memory_order_relaxed);
    if ((uint64_t)took_us > atomic_load_explicit(&w.commit_us_max, memory_order_relaxed))
        atomic_store_explicit(&w.commit_us_max, (uint64_t)took_us, memory_order_relaxed);
    atomic_store_explicit(&w.last_batch, b->count, memory_order_relaxed);
}

/* The transaction was undone: clients are told, and it is said in the log, but not for each try. */
static void undone(struct batch *b, int err)
{
    static int64_t said_us; /* the writer's thread alone */
    int64_t now_us = clock_mono_us();
    if (said_us == 0 || now_us - said_us >= SAY_FULL_US) {
        log_error("%s: changes are refused until that ends", err_sentence(err));
        said_us = now_us;
    }
    refuse_all(b, err);
}

/* One transaction with all of b->nodes. False: the disk is full (or memory), and it was undone. */
static bool transact(struct batch *b)
{
    int64_t began = clock_mono_us();
    b->claims_end = &b->claims;
    int err = store_begin(w.store);
    if (!err)
        err = change_all(b, clock_wall_us());
    bool known = err == -ERR_STORE_FULL || err == -ERR_NOMEM;
    if (!err) {
        err = store_commit(w.store);
        known = err == -ERR_STORE_FULL; /* a write that found no room: nothing of it is kept */
    }
    if (known && store_rollback(w.store) == 0) {
        undone(b, err);
        return false;
    }
    if (err)
        serve_die(
            EXIT_IO,
            "the store failed (%s): what was being written may or may not be kept; nothing more "
            "is acknowledged and the service stops. Clients ask again with their "
            "Idempotency-Key.",
            err_sentence(err));
    note_commit(b, clock_mono_us() - began);
    tell_all(b);
    return true;
}

/* ---- the thread ---- */

static bool has_claims_to_make(void)
{
    static const struct batch none;
    if (atomic_load_explicit(&w.draining, memory_order_acquire))
        return false;
    for (uint32_t i = 0; i < w.defs->pools; i++) {
        if (credit_left(&none, i) > 0 && queued_of_pool(&none, i) > 0)
            return true;
    }
    return false;
}

static void batch_reset(struct batch *b)
{
    struct batch keep = {
        .ended = b->ended, .ended_cap = b->ended_cap, .stops = b->stops, .stops_cap = b->stops_cap};
    *b = keep;
}

/* What waits: first the outcomes that found the disk full, then the inbox. */
static void take_nodes(struct batch *b)
{
    b->nodes = w.kept;
    w.kept = NULL;
    struct inbox_node **end = &b->nodes;
    for (; *end; end = &(*end)->next)
        b->count++;
    *end = inbox_take(&w.inbox, (size_t)w.conf->max_commit_changes);
    for (; *end; end = &(*end)->next)
        b->count++;
}

/* Until the next job is due, but not so long that a step of the wall clock goes unseen. */
static int idle_ms(void)
{
    int64_t left = w.next_due_us - clock_wall_us();
    if (left <= 0)
        return 0;
    return left >= IDLE_WAIT_MS * US_PER_MS ? IDLE_WAIT_MS
                                            : (int)((left + US_PER_MS - 1) / US_PER_MS);
}

static void *writer_main(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "writer");
    struct batch b = {0};
    for (;;) {
        if (!w.drain_seen && atomic_load_explicit(&w.draining, memory_order_acquire)) {
            w.drain_seen = true;
            sem_post(&w.drained);
        }
        batch_reset(&b);
        take_nodes(&b);
        bool room = true;
        if (b.nodes || clock_wall_us() >= w.next_due_us || has_claims_to_make()) {
            room = transact(&b);
            int err = store_checkpoint(w.store, inbox_count(&w.inbox) == 0);
            if (err && err != -ERR_STORE_FULL)
                serve_die(EXIT_IO, "the store failed (%s) while it was tidied up",
                          err_sentence(err));
            if (room && (b.count > 0 || b.claimed > 0))
                continue;
        }
        if (atomic_load_explicit(&w.stopping, memory_order_acquire) && !w.kept &&
            inbox_count(&w.inbox) == 0)
            break;
        if (!room)
            inbox_wait(&w.inbox, FULL_PAUSE_MS);
        else if (inbox_sleep(&w.inbox))
            inbox_wait(&w.inbox, idle_ms());
    }
    free(b.ended);
    free(b.stops);
    return NULL;
}

/* ---- life ---- */

static int learn_tasks(void)
{
    w.task_ids = calloc(w.defs->tasks ? w.defs->tasks : 1, sizeof(*w.task_ids));
    if (!w.task_ids)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < w.defs->tasks; i++) {
        int err = store_task_id(w.store, w.defs->task[i].name, &w.task_ids[i]);
        if (err)
            return err;
        struct task_queue *q = &w.queue[w.defs->task[i].pool];
        uint32_t *ids = realloc(q->ids, (q->count + 1) * sizeof(*ids));
        if (!ids)
            return -ERR_NOMEM;
        q->ids = ids;
        q->ids[q->count++] = w.task_ids[i];
    }
    return 0;
}

int writer_start(const struct conf *conf, struct store *store)
{
    w.conf = conf;
    w.defs = &conf->defs;
    w.store = store;
    if (getrandom(&w.random, sizeof(w.random), 0) != (ssize_t)sizeof(w.random))
        return -ERR_SYSTEM;
    int err = learn_tasks();
    if (!err && sem_init(&w.drained, 0, 0) < 0)
        err = -ERR_SYSTEM;
    if (!err)
        err = inbox_init(&w.inbox, (size_t)conf->max_pending_changes);
    if (!err && pthread_create(&w.thread, NULL, writer_main, NULL) != 0)
        err = -ERR_SYSTEM;
    return err;
}

void writer_drain(int timeout_ms)
{
    if (atomic_exchange_explicit(&w.draining, true, memory_order_acq_rel))
        return;
    inbox_wake(&w.inbox);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    while (sem_clockwait(&w.drained, CLOCK_MONOTONIC, &until) < 0) {
        if (errno != EINTR) {
            log_warn("the writer did not come to rest within %d ms", timeout_ms);
            return;
        }
    }
}

void writer_stop(void)
{
    inbox_close(&w.inbox);
    atomic_store_explicit(&w.stopping, true, memory_order_release);
    inbox_wake(&w.inbox);
    pthread_join(w.thread, NULL);
    inbox_release(&w.inbox);
    sem_destroy(&w.drained);
    free(w.task_ids);
    for (size_t i = 0; i < POOLS_MAX; i++)
        free(w.queue[i].ids);
}

void writer_figures(struct writer_figures *out)
{
    *out = (struct writer_figures){
        .commits = atomic_load_explicit(&w.commits, memory_order_relaxed),
        .submitted = atomic_load_explicit(&w.submitted, memory_order_relaxed),
        .finished = atomic_load_explicit(&w.finished, memory_order_relaxed),
        .claimed = atomic_load_explicit(&w.claimed, memory_order_relaxed),
        .replayed = atomic_load_explicit(&w.replayed, memory_order_relaxed),
        .refused = atomic_load_explicit(&w.refused, memory_order_relaxed),
        .commit_us_sum = atomic_load_explicit(&w.commit_us_sum, memory_order_relaxed),
        .commit_us_max = atomic_load_explicit(&w.commit_us_max, memory_order_relaxed),
        .last_batch = atomic_load_explicit(&w.last_batch, memory_order_relaxed),
        .waiting = inbox_count(&w.inbox),
    };
}
