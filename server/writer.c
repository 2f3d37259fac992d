/*
 * writer.c - the one writer's thread: inbox -> one transaction (changes, then claims up to the
 * credit)
 * -> commit, synced -> claims to dispatch, answers to clients, wake-ups of those who wait.
 *
 * Group commit needs no timer: what arrives while one commit waits for the disk is the next one.
 * Invariant: nobody is told of a change before the commit that holds it has returned.
 */
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "collector.h"
#include "dispatch.h"
#include "metrics.h"
#include "must.h"
#include "serve.h"
#include "waiters.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

#define SAY_FULL_US   (5 * US_PER_S)
#define BUGS_MOST     3
#define FULL_PAUSE_MS 100               /* between tries while the disk is full and outcomes wait */
#define UNDO_PAUSE_MS 5                 /* between tries to undo while there is no memory */
#define STOP_FULL_US  (2 * US_PER_S)    /* outcomes that cannot be kept hold up the end so long */
#define QUIET_US      (100 * US_PER_MS) /* nothing came for so long: time to tidy up */
#define IDLE_WAIT_MS  1000              /* a look at the clock: wall time may have been set */
#define EXIT_IO       74                /* sysexits.h EX_IOERR */

struct writer w;

static struct {
    struct inbox inbox;
    pthread_t thread;
    sem_t drained;   /* posted once the thread has seen `draining`: no claim is made any more */
    bool drain_seen; /* the thread's own */
    _Atomic bool stopping;
    struct inbox_node *kept; /* outcomes that found the disk full */
    unsigned bugs;           /* transactions in a row that were undone by one */
    int64_t
        end_since_us; /* mono: since when outcomes cannot be kept while it is to end; 0: they can */

    _Atomic uint64_t commits, submitted, finished, claimed, replayed, refused, commit_us_sum,
        commit_us_max, last_batch;
} t;

/* ---- posting: other threads ---- */

/* What is taken to the very end: the word of remote workers, whose jobs go on, and which nothing
 * but the lease's end would tell of; and what became of a call, which would be made again. */
static bool outlasts_drain(const struct change *c)
{
    return c->work.kind == CHANGE_DELIVERY || c->work.kind == CHANGE_LEASE_BEAT ||
           c->work.kind == CHANGE_LEASE_END ||
           (c->work.kind == CHANGE_LEASE_ASK && c->lease_ask->ended_count > 0);
}

int writer_post(struct change *c)
{
    if (writer_drains() && !outlasts_drain(c)) {
        atomic_fetch_add_explicit(&t.refused, 1, memory_order_relaxed);
        return -ERR_DRAINING;
    }
    int err = inbox_post(&t.inbox, &c->work.node);
    if (err)
        atomic_fetch_add_explicit(&t.refused, 1, memory_order_relaxed);
    return err == -ERR_CLOSED ? -ERR_DRAINING : err;
}

static void drop_change(struct change *c)
{
    change_release(c);
    free(c);
}

struct change *writer_own_change(enum change_kind kind)
{
    struct change *c = malloc(sizeof(*c));
    if (!c)
        return NULL;
    change_init(c, kind);
    c->done = drop_change;
    return c;
}

void writer_post_own(struct change *c)
{
    if (writer_post(c) != 0)
        drop_change(c);
}

void writer_wake(void)
{
    inbox_wake(&t.inbox);
}

bool writer_has_work(void)
{
    return inbox_count(&t.inbox) > 0;
}

void *writer_grow(void *old, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return old;
    size_t more = *cap ? *cap * 2 : 256;
    void *now = must_realloc(old, more * size, "a commit cannot be told");
    *cap = more;
    return now;
}

void writer_finish(struct finish *list)
{
    if (!list || inbox_post_list(&t.inbox, &list->work.node) == 0)
        return;
    for (struct inbox_node *n = &list->work.node, *next; n; n = next) {
        next = n->next; /* after the end: the store's recovery finds the job running */
        finish_free(INBOX_OWNER(INBOX_OWNER(n, struct work, node), struct finish, work));
    }
}

void writer_checkpoint(struct checkpoint *c)
{
    if (inbox_post_always(&t.inbox, &c->work.node) != 0)
        checkpoint_free(c);
}

void writer_credit(uint32_t pool, uint32_t n)
{
    atomic_fetch_add_explicit(&w.credit[pool], (int32_t)n, memory_order_release);
    inbox_wake(&t.inbox);
}

/* ---- after the commit ---- */

/* How many jobs a change made. */
static void count_submitted(const struct change *c)
{
    uint64_t made = 0, replayed = 0;
    if (c->err)
        return;
    if (c->work.kind == CHANGE_SUBMIT) {
        replayed = c->one.replayed;
        made = !c->one.replayed && !c->one.duplicate;
    } else if (c->work.kind == CHANGE_BATCH) {
        replayed = c->replayed_group;
        for (size_t i = 0; i < c->items_count && !c->replayed_group; i++)
            made += !c->items[i].duplicate;
    }
    atomic_fetch_add_explicit(&t.submitted, made, memory_order_relaxed);
    atomic_fetch_add_explicit(&t.replayed, replayed, memory_order_relaxed);
}

void writer_told(struct change *c)
{
    count_submitted(c);
    c->done(c);
}

/* Those that waited for a lease: they have one, or their time is over. */
static void tell_served(struct batch *b, int err)
{
    for (struct change *c = b->served, *next; c; c = next) {
        next = c->next_waiting;
        c->err = err;
        c->done(c);
    }
}

static void tell_all(struct batch *b)
{
    w.undone = false;
    clockset_kept();
    for (uint32_t i = 0; i < w.defs->pools; i++)
        atomic_fetch_sub_explicit(&w.credit[i], b->credit[i], memory_order_relaxed);
    if (b->claims)
        dispatch_claimed(INBOX_OWNER(b->claims, struct claim, order.node));
    for (size_t i = 0; i < b->stops_count; i++)
        dispatch_cancel(&b->stops[i].id, b->stops[i].attempt);
    ahead_tell(b, 0);
    for (struct inbox_node *n = b->nodes, *next; n; n = next) {
        next = n->next;
        struct work *k = INBOX_OWNER(n, struct work, node);
        if (k->kind == CHANGE_FINISH) {
            struct finish *f = INBOX_OWNER(k, struct finish, work);
            if (f->change)
                writer_told(f->change);
            if (!f->succeeded || !waiters_job_ended(&f->attempt.job, f))
                finish_free(f);
            atomic_fetch_add_explicit(&t.finished, 1, memory_order_relaxed);
            continue;
        }
        if (k->kind == CHANGE_CHECKPOINT) {
            checkpoint_free(INBOX_OWNER(k, struct checkpoint, work));
            continue;
        }
        struct change *c = INBOX_OWNER(k, struct change, work);
        if (c->kept) {
            c->kept = false;
            leases_keep(c);
            continue;
        }
        writer_told(c);
    }
    tell_served(b, 0);
    if (b->calls_count)
        w.calls->call(b->calls, b->calls_count);
    for (size_t i = 0; i < b->ended_count; i++)
        (void)waiters_job_ended(&b->ended[i], NULL);
    for (size_t i = 0; i < b->gone_count; i++)
        collector_forget(&b->gone[i]);
}

/* The disk is full and the transaction undone: clients are told; outcomes wait for room. */
static void refuse_all(struct batch *b, int err)
{
    for (struct inbox_node *n = b->claims, *next; n; n = next) {
        next = n->next;
        claim_free(INBOX_OWNER(n, struct claim, order.node));
    }
    struct inbox_node **kept = &t.kept;
    while (*kept)
        kept = &(*kept)->next;
    for (struct inbox_node *n = b->nodes, *next; n; n = next) {
        next = n->next;
        struct work *k = INBOX_OWNER(n, struct work, node);
        struct finish *f = k->kind == CHANGE_FINISH ? INBOX_OWNER(k, struct finish, work) : NULL;
        if (f && f->change) { /* refused with its job; its place is free all the same */
            f->change->err = err;
            writer_told(f->change);
            atomic_fetch_add_explicit(&w.credit[f->pool], (int32_t)f->credit, memory_order_relaxed);
            finish_free(f);
            continue;
        }
        if (f) {
            n->next = NULL;
            *kept = n;
            kept = &n->next;
            continue;
        }
        if (k->kind == CHANGE_CHECKPOINT) {
            checkpoint_free(INBOX_OWNER(k, struct checkpoint, work));
            continue;
        }
        struct change *c = INBOX_OWNER(k, struct change, work);
        c->kept = false;
        c->err = err;
        c->done(c);
    }
    ahead_tell(b, err);
    tell_served(b, err);
    w.next_lease_us = w.next_due_us = w.next_schedule_us = w.next_delivery_us = 0;
    clockwork_anew();
    claims_undone(b);
}

/* One that wrote nothing is none: it may have found nothing to do, or lent what it claimed. */
static void note_commit(const struct batch *b, int64_t took_us)
{
    atomic_fetch_add_explicit(&t.claimed, b->claimed, memory_order_relaxed);
    if (!store_wrote(w.store))
        return;
    atomic_fetch_add_explicit(&t.commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t.commit_us_sum, (uint64_t)took_us, memory_order_relaxed);
    if ((uint64_t)took_us > atomic_load_explicit(&t.commit_us_max, memory_order_relaxed))
        atomic_store_explicit(&t.commit_us_max, (uint64_t)took_us, memory_order_relaxed);
    atomic_store_explicit(&t.last_batch, b->count, memory_order_relaxed);
    metrics_commit(b->count, took_us);
}

/* The transaction was undone: clients are told, and it is said in the log, but not for each try. */
static void undone(struct batch *b, int err)
{
    static int64_t said_us; /* the writer's thread alone */
    int64_t now_us = clock_mono_us();
    w.undone = true;
    t.bugs = 0; /* clients are to hear of it */
    if (said_us == 0 || now_us - said_us >= SAY_FULL_US) {
        log_error("%s: changes are refused until that ends", err_sentence(err));
        said_us = now_us;
    }
    refuse_all(b, err);
}

/* Where memory has ended it waits a while for some: what is undone only in part cannot be gone on
 * from.
 */
static int undo(void)
{
    const struct timespec pause = {.tv_nsec = UNDO_PAUSE_MS * 1000000L};
    int err = store_rollback(w.store);
    for (int ms = 0; err == -ERR_NOMEM && ms < MUST_MS; ms += UNDO_PAUSE_MS) {
        nanosleep(&pause, NULL);
        err = store_rollback(w.store);
    }
    return err;
}

static bool store_failed(int err)
{
    return err == -ERR_STORE || err == -ERR_STORE_CORRUPT || err == -ERR_SYSTEM;
}

/* A step failed, the store did not: a bug. Whose change it was is not known, so all that came with
 * it are refused, and the service goes on. Outcomes are kept, and come next without any change:
 * should one of them be the cause, or what time brings, it ends. */
static bool undone_by_bug(struct batch *b, int err)
{
    if (store_failed(err) || t.bugs == BUGS_MOST || undo() != 0)
        return false;
    t.bugs++;
    log_error("a change could not be made (%s): all changes of its commit are refused",
              err_sentence(err));
    refuse_all(b, -ERR_INTERNAL);
    return true;
}

/* One transaction with all of b->nodes. False: it was undone, as the disk is full, or memory. */
static bool transact(struct batch *b)
{
    int64_t began = clock_mono_us();
    b->claims_end = &b->claims;
    int err = store_begin(w.store);
    if (!err)
        err = steps_all(b, clock_wall_us());
    bool known = err == -ERR_STORE_FULL || err == -ERR_NOMEM;
    if (err && !known && undone_by_bug(b, err))
        return false;
    if (!err) {
        err = store_commit(w.store);
        known = err == -ERR_STORE_FULL || err == -ERR_NOMEM; /* nothing of it is kept */
    }
    if (known && undo() == 0) {
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
    t.bugs = 0;
    t.end_since_us = 0;
    tell_all(b);
    return true;
}

/* ---- the thread ---- */

/* The disk is full, and the service is to end. What is not kept runs again: it did not happen. */
static void end_without(void)
{
    int64_t now_us = clock_mono_us();
    t.end_since_us = t.end_since_us ? t.end_since_us : now_us;
    if (now_us - t.end_since_us < STOP_FULL_US)
        return;
    serve_die(EXIT_IO,
              "the service was to end, and the outcomes of jobs cannot be kept (no room on "
              "the disk, or no memory): these run again after the next start");
}

/* All but the arrays, which are kept for the next, and the deliveries, whose number tells what
 * holds. */
static void batch_reset(struct batch *b)
{
    memset(b->credit, 0, w.defs->pools * sizeof(*b->credit));
    memset(b->taken, 0, w.defs->tasks * sizeof(*b->taken));
    b->nodes = b->claims = NULL;
    b->claims_end = &b->claims;
    b->served = b->begun = NULL;
    b->count = b->claimed = 0;
    b->ended_count = b->gone_count = b->stops_count = b->calls_count = 0;
    b->more = false;
}

/* What waits: first the outcomes that found the disk full, then the inbox. */
static void take_nodes(struct batch *b)
{
    b->nodes = t.kept;
    t.kept = NULL;
    struct inbox_node **end = &b->nodes;
    for (; *end; end = &(*end)->next)
        b->count++;
    if (t.bugs == 0)
        *end = inbox_take(&t.inbox, (size_t)w.conf->max_commit_changes);
    for (; *end; end = &(*end)->next)
        b->count++;
}

static int64_t next_wall_us(void)
{
    int64_t next = w.next_due_us < w.next_sweep_us ? w.next_due_us : w.next_sweep_us;
    next = w.next_schedule_us < next ? w.next_schedule_us : next;
    next = w.next_lease_us < next ? w.next_lease_us : next;
    if (writer_drains())
        return next; /* no call begins any more */
    return w.next_delivery_us < next ? w.next_delivery_us : next;
}

/* Mono: when a job that runs without a word of it in the store is to be written. */
static int64_t next_unwritten_us(void)
{
    int64_t ahead = ahead_next_us(), lent = claims_lent_next_us();
    return ahead < lent ? ahead : lent;
}

/* Until the next job is due, but not so long that a step of the wall clock goes unseen. */
static int idle_ms(void)
{
    int64_t left = next_wall_us() - clock_wall_us();
    if (w.next_token_us != INT64_MAX) { /* or when a wait for a lease is over */
        int64_t token = w.next_token_us - clock_mono_us();
        left = token < left ? token : left;
    }
    if (next_unwritten_us() != INT64_MAX) {
        int64_t unwritten = next_unwritten_us() - clock_mono_us();
        left = unwritten < left ? unwritten : left;
    }
    if (left <= 0)
        return 0;
    return left >= IDLE_WAIT_MS * US_PER_MS ? IDLE_WAIT_MS
                                            : (int)((left + US_PER_MS - 1) / US_PER_MS);
}

/* `quiet`: nothing had come for a while. */
static void tidy_up(bool quiet)
{
    enum store_rest rest = writer_has_work() ? STORE_PRESSED : quiet ? STORE_QUIET : STORE_IDLE;
    int err = store_checkpoint(w.store, rest);
    if (err && err != -ERR_STORE_FULL)
        serve_die(EXIT_IO, "the store failed (%s) while it was tidied up", err_sentence(err));
}

/* Something is to be done; what it is, the transaction finds out. */
static bool is_due(const struct batch *b)
{
    return b->nodes || t.bugs || w.clock_set || next_unwritten_us() <= clock_mono_us() ||
           clock_wall_us() >= next_wall_us() || claims_wait() || leases_wait(&w.next_token_us);
}

/* True: nothing came for a while. */
static bool await_work(void)
{
    int64_t began_us = clock_mono_us();
    inbox_wait(&t.inbox, idle_ms());
    return !writer_has_work() && clock_mono_us() - began_us >= QUIET_US;
}

static void *writer_main(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "writer");
    struct batch b = {0};
    bool quiet = false;
    for (;;) {
        if (!t.drain_seen && writer_drains()) {
            t.drain_seen = true;
            sem_post(&t.drained);
        }
        batch_reset(&b);
        take_nodes(&b);
        ahead_take(&b);
        clockset_look();
        bool due = is_due(&b), room = !due || transact(&b);
        bool worked = b.count > 0 || b.claimed > 0 || b.more;
        if (due || quiet)
            tidy_up(quiet && !worked);
        quiet = false;
        if (room && worked)
            continue;
        if (atomic_load_explicit(&t.stopping, memory_order_acquire) && !t.kept &&
            ahead_next_us() == INT64_MAX && inbox_count(&t.inbox) == 0)
            break;
        if (!room && atomic_load_explicit(&t.stopping, memory_order_acquire))
            end_without();
        if (!room)
            inbox_wait(&t.inbox, FULL_PAUSE_MS);
        else if (inbox_sleep(&t.inbox))
            quiet = await_work();
    }
    free(b.ended);
    free(b.gone);
    free(b.stops);
    return NULL;
}

/* ---- life ---- */

int writer_start(const struct conf *conf, struct store *store, struct board *board,
                 const struct caller_ops *calls)
{
    w.calls = calls;
    w.conf = conf;
    w.defs = &conf->defs;
    w.store = store;
    w.board = board;
    w.clock_set = true;
    if (getrandom(&w.random, sizeof(w.random), 0) != (ssize_t)sizeof(w.random))
        return -ERR_SYSTEM;
    int err = claims_learn();
    if (!err)
        err = ahead_start();
    if (!err && sem_init(&t.drained, 0, 0) < 0)
        err = -ERR_SYSTEM;
    if (!err)
        err = inbox_init(&t.inbox, (size_t)conf->max_pending_changes);
    if (!err && pthread_create(&t.thread, NULL, writer_main, NULL) != 0)
        err = -ERR_SYSTEM;
    return err;
}

void writer_drain(int timeout_ms)
{
    if (atomic_exchange_explicit(&w.draining, true, memory_order_acq_rel))
        return;
    inbox_wake(&t.inbox);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    while (sem_clockwait(&t.drained, CLOCK_MONOTONIC, &until) < 0) {
        if (errno != EINTR) {
            log_warn("the writer did not come to rest within %d ms", timeout_ms);
            return;
        }
    }
}

void writer_stop(void)
{
    inbox_close(&t.inbox);
    atomic_store_explicit(&t.stopping, true, memory_order_release);
    inbox_wake(&t.inbox);
    pthread_join(t.thread, NULL);
}

void writer_release(void)
{
    inbox_release(&t.inbox);
    sem_destroy(&t.drained);
    claims_release();
    ahead_release();
}

void writer_figures(struct writer_figures *out)
{
    *out = (struct writer_figures){
        .commits = atomic_load_explicit(&t.commits, memory_order_relaxed),
        .submitted = atomic_load_explicit(&t.submitted, memory_order_relaxed),
        .finished = atomic_load_explicit(&t.finished, memory_order_relaxed),
        .claimed = atomic_load_explicit(&t.claimed, memory_order_relaxed),
        .replayed = atomic_load_explicit(&t.replayed, memory_order_relaxed),
        .refused = atomic_load_explicit(&t.refused, memory_order_relaxed),
        .commit_us_sum = atomic_load_explicit(&t.commit_us_sum, memory_order_relaxed),
        .commit_us_max = atomic_load_explicit(&t.commit_us_max, memory_order_relaxed),
        .last_batch = atomic_load_explicit(&t.last_batch, memory_order_relaxed),
        .waiting = inbox_count(&t.inbox),
    };
}
