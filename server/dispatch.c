/*
 * dispatch.c - dispatch's thread: one epoll loop over its inbox, the fork server's socket and the
 * workers' sockets, and the door by which other threads post to it, or take its turn while it
 * sleeps.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "../common/spare.h"
#include "must.h"
#include "serve.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#define EVENTS      64
#define MAX_WAIT_MS 60000

static struct dispatcher *the; /* one a process */

/* A cancel on its way. */
struct cancel {
    struct order order;
    struct id job;
    uint32_t attempt;
};

static struct spares claims = SPARES_INIT(sizeof(struct claim));

struct claim *claim_new(void)
{
    struct claim *c = spare_take(&claims);
    return c ? memset(c, 0, sizeof(*c)) : NULL;
}

void claim_free(struct claim *c)
{
    if (!c)
        return;
    buf_release(&c->left);
    buf_release(&c->input);
    spare_give(&claims, c);
}

/* ---- the door: other threads ---- */

void dispatch_claimed(struct claim *list)
{
    for (struct inbox_node *n = &list->order.node; n; n = n->next)
        INBOX_OWNER(n, struct claim, order.node)->order.kind = ORDER_CLAIM;
    if (inbox_post_patient(&the->inbox, &list->order.node) == 0)
        return;
    for (struct inbox_node *n = &list->order.node, *next; n; n = next) {
        next = n->next; /* the service ends: the store's recovery finds the job running */
        claim_free(INBOX_OWNER(n, struct claim, order.node));
    }
}

void dispatch_cancel(const struct id *job, uint32_t attempt)
{
    struct cancel *c = must_calloc(sizeof(*c), "a cancel cannot be passed on");
    c->order.kind = ORDER_CANCEL;
    c->job = *job;
    c->attempt = attempt;
    if (inbox_post_always(&the->inbox, &c->order.node) != 0)
        free(c);
}

void dispatch_drain(int64_t deadline_us)
{
    pthread_mutex_lock(&the->lock);
    the->drain_asked = true;
    the->drain_asked_until_us = deadline_us;
    the->is_idle = false;
    pthread_mutex_unlock(&the->lock);
    inbox_wake(&the->inbox);
}

void dispatch_resize(uint32_t pool, uint32_t workers)
{
    pthread_mutex_lock(&the->lock);
    the->workers_asked[pool] = workers;
    pthread_mutex_unlock(&the->lock);
    inbox_wake(&the->inbox);
}

bool dispatch_wait_idle(int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&the->lock);
    int err = 0;
    while (!the->is_idle && err == 0)
        err = pthread_cond_timedwait(&the->idle, &the->lock, &until);
    bool idle = the->is_idle;
    pthread_mutex_unlock(&the->lock);
    return idle;
}

/* ---- the thread ---- */

static void take_claim(struct dispatcher *d, struct claim *c, bool *touched)
{
    uint32_t pool = d->defs->task[c->task_index].pool;
    struct pool *p = &d->pools[pool];
    assert(p->granted > 0);
    p->granted--;
    c->slept = d->slept;
    atomic_fetch_add_explicit(&d->board->task[c->task_index].started, 1, memory_order_relaxed);
    if (d->draining) {
        deliver_return(d, p, c);
        return;
    }
    pool_pend(p, c);
    touched[pool] = true;
}

static void take_inbox(struct dispatcher *d)
{
    bool touched[POOLS_MAX] = {false};
    for (struct inbox_node *n = inbox_take(&d->inbox, 0), *next; n; n = next) {
        next = n->next;
        struct order *o = INBOX_OWNER(n, struct order, node);
        if (o->kind == ORDER_CLAIM) {
            take_claim(d, INBOX_OWNER(o, struct claim, order), touched);
            continue;
        }
        struct cancel *x = INBOX_OWNER(o, struct cancel, order);
        for (uint32_t i = 0; i < d->defs->pools; i++) {
            if (touched[i])
                deliver_pending(d, &d->pools[i]);
            touched[i] = false;
        }
        stop_cancel(d, &x->job, x->attempt);
        free(x);
    }
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        if (touched[i])
            deliver_pending(d, &d->pools[i]);
    }
}

/* Takes notice of what was asked by other threads. True: the thread is to end. */
static bool take_orders(struct dispatcher *d)
{
    pthread_mutex_lock(&d->lock);
    bool drain = d->drain_asked, stop = d->stop_asked;
    uint32_t workers[POOLS_MAX];
    d->drain_until_us = d->drain_asked_until_us;
    memcpy(workers, d->workers_asked, sizeof(workers));
    memset(d->workers_asked, 0, sizeof(d->workers_asked));
    pthread_mutex_unlock(&d->lock);
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        if (workers[i])
            leave_resize(d, &d->pools[i], workers[i]);
    }
    if (drain && !d->draining) {
        d->draining = true;
        atomic_store_explicit(&d->board->draining, 1, memory_order_release);
        deliver_drain(d);
    }
    return stop;
}

static uint32_t open_attempts(const struct dispatcher *d)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < d->defs->pools; i++)
        open += d->pools[i].held + d->pools[i].waiting;
    return open;
}

/* While draining: kills at the deadline, and tells who waits for it when no attempt is open. */
static void drain_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us)
{
    if (!d->draining)
        return;
    if (d->drain_until_us <= now_us)
        stop_all(d);
    else if (d->drain_until_us < *next_us)
        *next_us = d->drain_until_us;
    if (open_attempts(d) > 0)
        return;
    atomic_store_explicit(&d->board->drained, 1, memory_order_release);
    pthread_mutex_lock(&d->lock);
    d->is_idle = true;
    pthread_cond_broadcast(&d->idle);
    pthread_mutex_unlock(&d->lock);
}

static void handle(struct dispatcher *d, const struct epoll_event *ev)
{
    if (ev->data.u64 == INBOX_TAG) {
        inbox_drain_event(&d->inbox);
    } else if (ev->data.u64 == CONTROL_TAG) {
        supervise_control(d);
    } else {
        struct slot *s = supervise_slot(d, (uint32_t)ev->data.u64);
        if (s && s->sock >= 0)
            deliver_socket(d, s);
    }
}

/* Would all claims that may come wait for a worker? Then nothing is gained by waking for them. */
static bool is_patient(const struct dispatcher *d)
{
    uint32_t i = 0;
    while (i < d->defs->pools && pool_is_patient(&d->pools[i]))
        i++;
    return i == d->defs->pools && !d->draining;
}

/* What the time brings, and then sleep, if nothing came meanwhile. Returns until when (mono). */
static int64_t go_to_sleep(struct dispatcher *d)
{
    int64_t now = clock_mono_us(), next = INT64_MAX;
    deliver_timers(d, now, &next);
    supervise_timers(d, now, &next);
    outcomes_send(d); /* before it is told that none is open */
    drain_timers(d, now, &next);
    d->slept++;
    bool may = deliver_sleep(d, now, &next) &&
               (is_patient(d) ? inbox_sleep_patiently(&d->inbox) : inbox_sleep(&d->inbox));
    return may ? next : now;
}

static void *dispatch_main(void *arg)
{
    struct dispatcher *d = arg;
    prctl(PR_SET_NAME, "dispatch");
    pthread_mutex_lock(&d->turn);
    supervise_begin(d);
    for (;;) {
        deliver_look(d);
        take_inbox(d);
        bool stop = take_orders(d);
        outcomes_send(d);
        if (stop)
            break;
        d->sleeps_until_us = go_to_sleep(d);
        int wait_ms = clock_wait_ms(d->sleeps_until_us, MAX_WAIT_MS);
        d->sleeps = wait_ms > 0;
        pthread_mutex_unlock(&d->turn);
        struct epoll_event ev[EVENTS];
        int n = epoll_wait(d->epoll_fd, ev, EVENTS, wait_ms);
        if (n < 0 && errno != EINTR)
            serve_die(71, "dispatch cannot wait: %s", strerror(errno));
        pthread_mutex_lock(&d->turn);
        d->sleeps = false;
        for (int i = 0; i < n; i++)
            handle(d, &ev[i]);
    }
    pthread_mutex_unlock(&d->turn);
    return NULL;
}

/* ---- a turn of another thread's ---- */

static void take_turn(struct dispatcher *d, int64_t most_us, bool (*enough)(void))
{
    int64_t until_us = clock_mono_us() + most_us;
    uint32_t before = open_attempts(d);
    take_inbox(d);
    while (open_attempts(d) > before && !enough() && clock_mono_us() < until_us) {
        sched_yield(); /* a worker may have been woken on this processor */
        deliver_look(d);
    }
    if (go_to_sleep(d) < d->sleeps_until_us)
        inbox_ring(&d->inbox);
}

void dispatch_run(struct claim *list, int64_t most_us, bool (*enough)(void))
{
    struct dispatcher *d = the;
    bool locked = pthread_mutex_trylock(&d->turn) == 0, mine = locked && d->sleeps;
    if (mine)
        inbox_awake(&d->inbox); /* then posting to it is no system call */
    dispatch_claimed(list);
    if (mine)
        take_turn(d, most_us, enough);
    if (locked)
        pthread_mutex_unlock(&d->turn);
}

static int watch(struct dispatcher *d, int fd, uint64_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -ERR_SYSTEM : 0;
}

static void close_sockets(struct dispatcher *d)
{
    for (uint32_t i = 0; d->pools && i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].def->room; k++)
            fd_close(&d->pools[i].slots[k].sock);
    }
    fd_close(&d->control_fd);
    fd_close(&d->epoll_fd);
}

static void dispatcher_free(struct dispatcher *d)
{
    close_sockets(d);
    pools_free(d->pools, d->defs);
    inbox_release(&d->inbox);
    pthread_cond_destroy(&d->idle);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->turn);
    free(d);
}

int dispatch_start(const struct conf *conf, struct board *board, int control_fd)
{
    struct dispatcher *d = calloc(1, sizeof(*d));
    if (!d)
        return -ERR_NOMEM;
    d->conf = conf;
    d->defs = &conf->defs;
    d->board = board;
    d->control_fd = control_fd;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->turn, NULL);
    pthread_cond_init(&d->idle, &attr);
    pthread_condattr_destroy(&attr);
    d->pools = pools_new(d->defs, board);
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = inbox_init(&d->inbox, 0);
    if (err == 0 && (!d->pools || d->epoll_fd < 0))
        err = -ERR_NOMEM;
    if (err == 0 && fd_nonblock(control_fd, true) != 0)
        err = -ERR_SYSTEM;
    if (err == 0)
        err = watch(d, control_fd, CONTROL_TAG);
    if (err == 0)
        err = watch(d, d->inbox.event_fd, INBOX_TAG);
    the = d;
    if (err == 0 && pthread_create(&d->thread, NULL, dispatch_main, d) != 0)
        err = -ERR_SYSTEM;
    if (err) {
        the = NULL;
        dispatcher_free(d);
    }
    return err;
}

void dispatch_stop(void)
{
    struct dispatcher *d = the;
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop_asked = true;
    pthread_mutex_unlock(&d->lock);
    inbox_close(&d->inbox);
    inbox_wake(&d->inbox);
    pthread_join(d->thread, NULL);
    close_sockets(d);
}

void dispatch_end(void)
{
    struct dispatcher *d = the;
    if (!d)
        return;
    the = NULL;
    for (struct inbox_node *n = inbox_take(&d->inbox, 0), *next; n; n = next) {
        next = n->next;
        struct order *o = INBOX_OWNER(n, struct order, node);
        if (o->kind == ORDER_CLAIM)
            claim_free(INBOX_OWNER(o, struct claim, order));
        else
            free(INBOX_OWNER(o, struct cancel, order));
    }
    dispatcher_free(d);
}
