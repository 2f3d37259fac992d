/*
 * suspend.c - requests that wait: for a commit, for the end of a job or group, or of any of many.
 *
 * A request lives on the HTTP thread of its connection. While it is parked, the writer's thread
 * (commit, end of a job) and the watchdog (end of a wait) may count down `pending`; who brings it
 * to zero lets it go on, and does not touch it again. The waiter table, or for many the flag
 * `fired`, says who of wakers and watchdog may count for the wait.
 *
 * There are two ways of being parked. A suspended connection is out of the library's sight until it
 * is resumed: right for long waits, and dear for short ones. A request that is held gives no answer
 * when the library asks for one, which it does each time that it runs (loop.h): right for a commit.
 * What is held for longer than HELD_US is suspended. A held connection may end at any moment; what
 * others still have to say about its request is then nobody's to hear, and the last of them frees
 * it.
 */
#include "aside.h"
#include "loop.h"
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/spare.h"
#include "../conf.h"

#include <assert.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>

#define SEND_OUT_S 2
#define HELD_US    (50 * US_PER_MS)
#define HELD_MOST  256 /* of a thread: each costs a look whenever the library runs */

enum hold { SUSPENDED, HELD, ARRIVED, ABANDONED };

struct own_change {
    struct change change; /* first: a pointer to it is one to all */
    struct request *rq;
};

static struct {
    atomic_bool ending;
    _Atomic int64_t turns_until_us; /* mono; while it ends: later no new work is begun aside */
    _Atomic size_t waiting;
    _Atomic size_t open;   /* requests whose head was seen, and whose answer is not yet sent */
    _Atomic size_t parked; /* requests that others will still touch, or the loop of */
    pthread_mutex_t lock;  /* with `fewer`: one of them is zero, while the service ends */
    pthread_cond_t fewer;
} r = {.lock = PTHREAD_MUTEX_INITIALIZER, .fewer = PTHREAD_COND_INITIALIZER};

void suspend_setup(void)
{
    atomic_store(&r.ending, false);
}

size_t suspend_waiting(void)
{
    return atomic_load_explicit(&r.waiting, memory_order_relaxed);
}

size_t suspend_open(void)
{
    return atomic_load_explicit(&r.open, memory_order_relaxed);
}

void suspend_opened(void)
{
    atomic_fetch_add(&r.open, 1);
}

/* One fewer, which the end of the service may be waiting for. */
static void count_down(_Atomic size_t *n)
{
    if (atomic_fetch_sub(n, 1) != 1 || !atomic_load(&r.ending))
        return;
    pthread_mutex_lock(&r.lock);
    pthread_cond_broadcast(&r.fewer);
    pthread_mutex_unlock(&r.lock);
}

void suspend_closed(void)
{
    count_down(&r.open);
}

/* ---- suspension ---- */

/* With threads of ours around it the library wakes nobody for this. */
static void resume(struct MHD_Connection *mhd, struct loop *loop)
{
    MHD_resume_connection(mhd);
    if (loop)
        loop_wake(loop);
}

static void arrive(struct request *rq, int count)
{
    struct MHD_Connection *mhd = rq->mhd;
    struct loop *loop = rq->loop;
    /* acq_rel: what the other side wrote before its own count is seen by the one that goes on */
    if (atomic_fetch_sub_explicit(&rq->pending, count, memory_order_acq_rel) != count)
        return;
    switch ((enum hold)atomic_exchange(&rq->hold, ARRIVED)) {
    case SUSPENDED:
        resume(mhd, loop);
        break;
    case HELD:
        loop_wake(loop);
        break;
    case ABANDONED:
        request_release(rq);
        break;
    case ARRIVED:
        assert(false);
    }
    count_down(&r.parked); /* last: then the loop may go */
}

static void unhold(struct request *rq)
{
    if (rq->held_us)
        rq->loop->held--;
    rq->held_us = 0;
}

/* From now on the library does not ask, and does not see its client leave. */
static void suspend(struct request *rq)
{
    int held = HELD;
    unhold(rq);
    if (rq->waiting)
        deadline_wait(rq->conn, rq->wait_until_us);
    MHD_suspend_connection(rq->mhd);
    if (!atomic_compare_exchange_strong(&rq->hold, &held, SUSPENDED))
        resume(rq->mhd, rq->loop); /* it arrived meanwhile */
}

bool request_is_held(struct request *rq)
{
    int hold = atomic_load_explicit(&rq->hold, memory_order_acquire);
    if (hold == SUSPENDED) /* the library goes on with the next chunk of what it has read */
        return true;
    if (hold != HELD)
        return false;
    int64_t now_us = rq->loop->now_us;
    if (now_us - rq->held_us > HELD_US || (rq->waiting && now_us >= rq->wait_until_us))
        suspend(rq);
    return true;
}

/* ---- waiting for any of many ---- */

struct many {
    atomic_bool fired;
    atomic_size_t refs; /* waiters in the table or being woken, and the request */
    struct request *rq;
    size_t count;
    struct one {
        struct waiter waiter;
        struct many *many;
    } one[];
};

static void many_unref(struct many *m)
{
    if (atomic_fetch_sub(&m->refs, 1) == 1)
        free(m);
}

static void on_one_ended(struct waiter *w)
{
    struct many *m = ((struct one *)((char *)w - offsetof(struct one, waiter)))->many;
    if (!atomic_exchange(&m->fired, true))
        arrive(m->rq, 1); /* the request holds m until it has seen this */
    many_unref(m);
}

static void many_leave(struct request *rq)
{
    struct many *m = rq->many;
    rq->many = NULL;
    for (size_t i = 0; m && i < m->count; i++) { /* NOLINT: the last reference is its own */
        if (waiters_remove(&m->one[i].waiter))
            many_unref(m);
    }
    if (m)
        many_unref(m);
}

/* ---- waiting for one ---- */

static void on_job_ended(struct waiter *w)
{
    arrive((struct request *)((char *)w - offsetof(struct request, waiter)), 1);
}

/* Whoever gets true ends the wait: the end of what is waited for, the watchdog, or the service. */
static bool claim_wait(struct request *rq)
{
    return rq->many ? !atomic_exchange(&rq->many->fired, true) : waiters_remove(&rq->waiter);
}

bool request_wait_over(struct conn *c, bool left)
{
    struct request *rq = c->request;
    if (!claim_wait(rq))
        return false;
    rq->left = left;
    if (left && rq->change && rq->change->lease_ask)
        lease_ask_gone(rq->change->lease_ask);
    return true;
}

void request_wait_resume(struct conn *c)
{
    arrive(c->request, 1);
}

static void on_committed(struct change *c)
{
    struct request *rq = ((struct own_change *)c)->rq;
    bool over = c->err || c->lease_ask || c->one.replayed || c->one.duplicate ||
                c->replayed_group ||
                (c->work.kind != CHANGE_BATCH && job_state_final(c->one.job.state));
    arrive(rq, rq->waiting && over && waiters_remove(&rq->waiter) ? 2 : 1);
}

static bool room_to_wait(void)
{
    if (atomic_fetch_add(&r.waiting, 1) < (size_t)http_conf->waiting)
        return true;
    atomic_fetch_sub(&r.waiting, 1);
    return false;
}

static bool may_wait(struct request *rq)
{
    struct problem p;
    if (rq->brief || room_to_wait())
        return true;
    problem_set(&p, ERR_TOO_MANY_WAITING, "%lld clients wait already; ask without waiting",
                (long long)http_conf->waiting);
    p.retry_after = 5;
    request_problem(rq, &p);
    return false;
}

/* Its wait does not come about, or is over. */
static void give_room(const struct request *rq)
{
    if (!rq->brief)
        atomic_fetch_sub(&r.waiting, 1);
}

bool request_may_wait(struct request *rq)
{
    if (!may_wait(rq))
        return false;
    give_room(rq);
    return true;
}

void request_drop_query(struct request *rq)
{
    if (rq->query)
        query_release(rq->query);
    free(rq->query);
    rq->query = NULL;
}

/* False: the service ends, and nobody is parked any more; who was parked before is waited for. */
static bool park(struct request *rq, enum hold hold, int pending, void (*then)(struct request *rq))
{
    atomic_fetch_add(&r.parked, 1);
    if (atomic_load(&r.ending)) {
        count_down(&r.parked);
        return false;
    }
    rq->then = then;
    rq->parked = true;
    rq->loop = rq->conn->loop;
    atomic_store_explicit(&rq->pending, pending, memory_order_relaxed);
    atomic_store_explicit(&rq->hold, hold, memory_order_relaxed);
    if (hold == HELD) {
        rq->held_us = rq->loop->now_us;
        rq->loop->held++;
    } else {
        MHD_suspend_connection(rq->mhd);
    }
    return true;
}

/* A submission, as these are many and of no interest once their clients have left; and not what
 * comes in pieces, or through the library's own TLS, of which only the library knows what is read.
 */
static enum hold how_to_park(const struct request *rq)
{
    const struct loop *l = rq->conn->loop;
    bool submits = rq->change->work.kind == CHANGE_SUBMIT || rq->change->work.kind == CHANGE_BATCH;
    return submits && !rq->stream && !rq->conn->front->tls && l && l->held < HELD_MOST ? HELD
                                                                                       : SUSPENDED;
}

/* The wait begins. From now on the request may be resumed at any moment, which this thread sees
 * only after it has returned to the library. The waiter comes first: a watchdog that found none
 * would leave the request to its waker, and there would be none. */
static void attach(struct request *rq, enum hold hold, const struct id *job)
{
    rq->waiting = true;
    rq->waiter.job = *job;
    rq->waiter.wants = rq->change && rq->change->work.kind == CHANGE_SUBMIT;
    rq->waiter.wake = on_job_ended;
    rq->wait_until_us = clock_mono_us() + rq->wait_us;
    waiters_add(&rq->waiter);
    if (hold == SUSPENDED)
        deadline_wait(rq->conn, rq->wait_until_us);
}

static void give_up_wait(struct request *rq)
{
    if (claim_wait(rq))
        arrive(rq, 1);
}

static struct spares changes = SPARES_INIT(sizeof(struct own_change));

void request_change_free(struct change *c)
{
    change_release(c);
    spare_give(&changes, c);
}

struct change *request_change(struct request *rq, enum change_kind kind)
{
    struct own_change *own = spare_take(&changes);
    if (!own) {
        request_error(rq, -ERR_NOMEM);
        return NULL;
    }
    own->rq = rq;
    change_init(&own->change, kind);
    own->change.done = on_committed;
    rq->change = &own->change;
    return rq->change;
}

void request_commit(struct request *rq, const struct id *wait_for, void (*then)(struct request *rq))
{
    bool wait = wait_for && rq->wait_us > 0;
    struct id job = wait ? *wait_for : (struct id){{0}};
    if (wait && rq->stream)
        wait = room_to_wait(); /* or answered at once: parts of it are kept, which must be told */
    else if (wait && !may_wait(rq))
        return;
    enum hold hold = rq->work ? SUSPENDED : how_to_park(rq);
    if (rq->work) { /* aside: it is parked, and stays so until this thread has arrived, too */
        rq->then = then;
        atomic_fetch_add(&rq->pending, wait ? 2 : 1);
    } else if (!park(rq, hold, wait ? 2 : 1, then)) {
        if (wait)
            atomic_fetch_sub(&r.waiting, 1);
        request_error(rq, -ERR_DRAINING);
        return;
    }
    request_drop_query(rq);
    if (wait)
        attach(rq, hold, &job);
    rq->change->awaited = wait && rq->change->work.kind == CHANGE_SUBMIT;
    int err = writer_post(rq->change);
    if (err) {
        rq->change->err = err;
        if (wait)
            give_up_wait(rq);
        arrive(rq, 1);
    } else if (wait && atomic_load(&r.ending)) {
        give_up_wait(rq);
    }
}

void request_wait(struct request *rq, void (*then)(struct request *rq))
{
    if (!may_wait(rq))
        return;
    if (!park(rq, SUSPENDED, 1, then)) {
        give_room(rq);
        then(rq);
        return;
    }
    request_drop_query(rq);
    attach(rq, SUSPENDED, &rq->id);
    if (atomic_load(&r.ending))
        give_up_wait(rq);
}

static void post_aside(struct request *rq, void (*work)(struct request *rq))
{
    rq->work = work;
    rq->aside_us = clock_mono_us();
    aside_post(&rq->aside, rq->route->method == METHOD_GET ? ASIDE_READS : ASIDE_CHANGES);
}

void request_wait_any(struct request *rq, const struct id *ids, size_t n,
                      void (*look)(struct request *rq), void (*then)(struct request *rq))
{
    struct many *m = calloc(1, sizeof(*m) + n * sizeof(m->one[0]));
    if (!m) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    if (!may_wait(rq)) {
        free(m);
        return;
    }
    if (!park(rq, SUSPENDED, look ? 2 : 1, then)) {
        give_room(rq);
        free(m);
        return;
    }
    request_drop_query(rq);
    m->rq = rq;
    m->count = n;
    atomic_init(&m->refs, n + 1);
    rq->many = m;
    rq->waiting = true;
    for (size_t i = 0; i < n; i++) {
        m->one[i].many = m;
        m->one[i].waiter.job = ids[i];
        m->one[i].waiter.wake = on_one_ended;
    }
    for (size_t i = 0; i < n; i++) /* from the first on it may be resumed by another thread */
        waiters_add(&m->one[i].waiter);
    deadline_wait(rq->conn, clock_mono_us() + rq->wait_us);
    if (look)
        post_aside(rq, look);
    if (atomic_load(&r.ending))
        give_up_wait(rq);
}

/* ---- aside ---- */

static void answered_aside(struct request *rq)
{
    (void)rq;
}

/* Whoever asked may have left, and nobody waits so long for a page. But who is waiting anyway, or
 * being answered, is not refused, nor who has waited or changed something already. */
static bool waited_too_long(const struct request *rq, int64_t waited_us)
{
    return waited_us > http_conf->slow_wait_us && !rq->waiting && !rq->answered && !rq->resumed;
}

static void refuse_aside(struct request *rq, int64_t waited_us)
{
    struct problem p;
    problem_set(&p, ERR_OVERLOADED,
                "it waited %.1f s for its turn among requests that take long; at most %g s",
                (double)waited_us / (double)US_PER_S,
                (double)http_conf->slow_wait_us / (double)US_PER_S);
    request_problem(rq, &p);
}

/* The end waits only so long for all of them. Who would wait for something is let go on anyway. */
static bool comes_too_late(const struct request *rq, int64_t now_us)
{
    return atomic_load(&r.ending) && now_us > atomic_load(&r.turns_until_us) && !rq->answered &&
           !rq->resumed;
}

void request_aside_run(struct inbox_node *n)
{
    struct request *rq = INBOX_OWNER(n, struct request, aside);
    int64_t now_us = clock_mono_us();
    bool late = comes_too_late(rq, now_us);
    auth_caller = &rq->caller;
    if (late && !rq->waiting)
        request_error(rq, -ERR_DRAINING);
    else if (!late && waited_too_long(rq, now_us - rq->aside_us))
        refuse_aside(rq, now_us - rq->aside_us);
    else if (!late)
        rq->work(rq);
    if (rq->route->method == METHOD_GET) /* what was changed is told in any case */
        request_hold_answer(rq);
    rq->work = NULL;
    auth_caller = NULL;
    arrive(rq, 1);
}

void request_aside(struct request *rq, void (*work)(struct request *rq))
{
    if (rq->conn->loop && park(rq, SUSPENDED, 1, answered_aside)) {
        post_aside(rq, work);
        return;
    }
    rq->then = answered_aside;
    work(rq);
    if (!rq->parked)
        rq->then(rq);
}

void request_then(struct request *rq, void (*then)(struct request *rq))
{
    rq->then = then;
}

bool request_ending(void)
{
    return atomic_load(&r.ending);
}

void request_wait_not(struct request *rq)
{
    give_up_wait(rq);
}

/* On its own thread; or it was abandoned, and nobody's but the caller's. The watchdog, which may
 * look at what the request waits for, lets go of it first. */
void request_unpark(struct request *rq)
{
    if (!rq->parked)
        return;
    rq->parked = false;
    rq->resumed = true;
    if (rq->conn)
        deadline_phase(rq->conn, PHASE_HANDLING);
    many_leave(rq);
    if (rq->waiting)
        give_room(rq);
    rq->waiting = false;
    unhold(rq);
}

bool request_abandon(struct request *rq)
{
    int held = HELD;
    if (!rq->parked || !rq->held_us || atomic_load(&rq->hold) != HELD)
        return false;
    if (rq->waiting && claim_wait(rq))
        arrive(rq, 1);
    if (atomic_load(&rq->hold) != HELD)
        return false;
    /* what follows is seen by the one that arrives last, by its exchange */
    unhold(rq);
    rq->conn = NULL;
    return atomic_compare_exchange_strong(&rq->hold, &held, ABANDONED);
}

/* Waits until there is none, but not past `until` (mono). */
static bool wait_for_none(_Atomic size_t *n, int64_t until_us)
{
    const struct timespec until = clock_timespec(until_us);
    int late = 0;
    pthread_mutex_lock(&r.lock);
    while (atomic_load(n) > 0 && !late)
        late = pthread_cond_clockwait(&r.fewer, &r.lock, CLOCK_MONOTONIC, &until);
    pthread_mutex_unlock(&r.lock);
    return atomic_load(n) == 0;
}

bool request_end_all(int timeout_ms)
{
    int64_t now_us = clock_mono_us();
    atomic_store(&r.turns_until_us, now_us + timeout_ms * US_PER_MS / 2);
    atomic_store(&r.ending, true);
    waiters_wake_all();
    if (!wait_for_none(&r.parked, now_us + timeout_ms * US_PER_MS))
        return false;
    /* their answers are on their way: give slow clients a moment, but no more */
    (void)wait_for_none(&r.open, clock_mono_us() + SEND_OUT_S * US_PER_S);
    return true;
}
