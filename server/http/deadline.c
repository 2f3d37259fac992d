/*
 * deadline.c - the table of connections and its watchdog thread.
 *
 * Phases of one constant length are lists in order of their end, so that a change of phase costs
 * the same with ten connections and ten thousand; long-polls end at times of their own and stand in
 * a heap. A descriptor is only touched under the lock while its connection is in the table, from
 * which it is taken before it is closed.
 *
 * The library says nothing of the first byte of a kept connection's next request. So idle
 * connections are asked now and then when the kernel last received something from them (TCP_INFO).
 */
#include "deadline.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"
#include "../conf.h"
#include "problem.h"

#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_US US_PER_S /* the longest sleep */
#define SLACK_US                                                                                   \
    (INT64_C(20) * 1000) /* how coarse the kernel's time of the last receipt may be                \
                          */
#define EVENTS_MAX 64

/* Most waits are over before it is worth two system calls to learn whether the client is still
 * there. */
#define WATCH_US (100 * US_PER_MS)

struct list {
    struct conn *first, *last;
};

static struct {
    pthread_mutex_t lock; /* guards all but the atomics */
    struct list list[PHASES];
    struct list unwatched; /* waits that are too young to be watched, oldest first */
    int64_t length_us[PHASES];
    int64_t idle_us;
    struct conn **heap; /* heap[1..waits], soonest first */
    size_t waits, heap_room;
    struct conn **by_fd;
    size_t fd_room;
    int64_t asleep_until_us;
    bool stop;
    int epoll_fd, event_fd;
    pthread_t thread;
    struct deadline_hooks hooks;
    _Atomic uint64_t cuts;
    _Atomic size_t conns;
} d = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoll_fd = -1, .event_fd = -1};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- lists and heap; the lock is held ---- */

static void list_remove(struct list *l, struct conn *c)
{
    *(c->prev ? &c->prev->next : &l->first) = c->next;
    *(c->next ? &c->next->prev : &l->last) = c->prev;
    c->next = c->prev = NULL;
}

static void list_append(struct list *l, struct conn *c)
{
    c->prev = l->last;
    c->next = NULL;
    *(l->last ? &l->last->next : &l->first) = c;
    l->last = c;
}

static void heap_put(size_t at, struct conn *c)
{
    d.heap[at] = c;
    c->heap = at;
}

static void heap_sift(struct conn *c)
{
    size_t at = c->heap;
    for (; at > 1 && d.heap[at / 2]->due_us > c->due_us; at /= 2)
        heap_put(at, d.heap[at / 2]);
    for (size_t child; (child = at * 2) <= d.waits; at = child) {
        if (child < d.waits && d.heap[child + 1]->due_us < d.heap[child]->due_us)
            child++;
        if (d.heap[child]->due_us >= c->due_us)
            break;
        heap_put(at, d.heap[child]);
    }
    heap_put(at, c);
}

static void heap_remove(struct conn *c)
{
    struct conn *last = d.heap[d.waits--];
    if (last != c) {
        heap_put(c->heap, last);
        heap_sift(last);
    }
    c->heap = 0;
}

static bool is_timed(enum phase phase)
{
    return phase == PHASE_IDLE || phase == PHASE_HEADER || phase == PHASE_BODY ||
           phase == PHASE_WRITING;
}

static void leave(struct conn *c)
{
    if (is_timed(c->phase))
        list_remove(&d.list[c->phase], c);
    if (c->watch_us)
        list_remove(&d.unwatched, c);
    c->watch_us = 0;
    if (c->heap)
        heap_remove(c);
    if (c->watched) {
        epoll_ctl(d.epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        c->watched = false;
    }
}

/* The watchdog sleeps past this moment: wake it. */
static void hurry(int64_t due_us)
{
    if (due_us >= d.asleep_until_us)
        return;
    d.asleep_until_us = due_us;
    eventfd_write(d.event_fd, 1);
}

static void enter(struct conn *c, enum phase phase, int64_t now_us)
{
    c->phase = phase;
    if (!is_timed(phase))
        return;
    c->due_us = now_us + d.length_us[phase];
    list_append(&d.list[phase], c);
    hurry(c->due_us);
}

/* ---- what the front calls ---- */

static bool room_for(int fd)
{
    if ((size_t)fd < d.fd_room)
        return true;
    size_t room = (size_t)fd * 2 + 64;
    struct conn **by_fd = realloc(d.by_fd, room * sizeof(struct conn *));
    if (!by_fd)
        return false;
    memset(by_fd + d.fd_room, 0, (room - d.fd_room) * sizeof(struct conn *));
    d.by_fd = by_fd;
    d.fd_room = room;
    return true;
}

/* Room in the heap is made for every connection at its birth, so that waiting cannot fail. */
static bool room_to_wait(size_t conns)
{
    if (conns < d.heap_room)
        return true;
    size_t room = conns * 2 + 64;
    struct conn **heap = realloc(d.heap, room * sizeof(struct conn *));
    if (!heap)
        return false;
    d.heap = heap;
    d.heap_room = room;
    return true;
}

struct conn *deadline_conn_new(int fd, bool mute)
{
    struct conn *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->fd = fd;
    c->mute = mute;
    c->since_us = clock_mono_us();
    pthread_mutex_lock(&d.lock);
    bool ok = room_for(fd) && room_to_wait(atomic_load(&d.conns) + 1);
    if (ok) {
        atomic_fetch_add(&d.conns, 1);
        d.by_fd[fd] = c;
        enter(c, PHASE_HEADER, c->since_us);
    }
    pthread_mutex_unlock(&d.lock);
    if (ok)
        return c;
    free(c);
    return NULL;
}

void deadline_conn_free(struct conn *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&d.lock);
    leave(c);
    d.by_fd[c->fd] = NULL;
    atomic_fetch_sub(&d.conns, 1);
    pthread_mutex_unlock(&d.lock);
    free(c);
}

void deadline_phase(struct conn *c, enum phase phase)
{
    deadline_phase_at(c, phase, is_timed(phase) ? clock_mono_us() : 0);
}

void deadline_phase_at(struct conn *c, enum phase phase, int64_t now_us)
{
    pthread_mutex_lock(&d.lock);
    leave(c);
    if (c->phase != PHASE_CUT) {
        c->since_us = now_us;
        enter(c, phase, now_us);
    }
    pthread_mutex_unlock(&d.lock);
}

void deadline_wait(struct conn *c, int64_t due_us)
{
    pthread_mutex_lock(&d.lock);
    leave(c);
    if (c->phase != PHASE_CUT)
        c->phase = PHASE_WAITING;
    /* also a connection that was cut: its long-poll must end */
    c->due_us = due_us;
    d.waits++;
    heap_put(d.waits, c);
    heap_sift(c);
    c->watch_us = clock_mono_us() + WATCH_US;
    list_append(&d.unwatched, c);
    hurry(least(due_us, c->watch_us));
    pthread_mutex_unlock(&d.lock);
}

/* ---- the watchdog ---- */

void deadline_say(const struct conn *c, int err, const char *request_id)
{
    struct problem p;
    problem_set(&p, err, "%s", err_sentence(err));
    deadline_say_problem(c, &p, request_id);
}

void deadline_say_problem(const struct conn *c, const struct problem *p, const char *request_id)
{
    if (c->mute)
        return;
    AUTO_BUF body = BUF_INIT;
    AUTO_BUF all = BUF_INIT;
    problem_json(p, request_id, &body);
    buf_addf(&all,
             "HTTP/1.1 %d Refused\r\nContent-Type: application/problem+json\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n",
             err_status(p->err), body.len);
    if (request_id)
        buf_addf(&all, "X-Request-Id: %s\r\n", request_id);
    buf_adds(&all, "\r\n");
    if (!request_id || !c->head)
        buf_add(&all, body.data, body.len);
    if (body.failed || all.failed)
        return;
    if (send(c->fd, all.data, all.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("refusal not sent: %s", strerror(errno));
    shutdown(c->fd, SHUT_WR);
}

static bool tcp_info(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof(*info);
    memset(info, 0, sizeof(*info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

static void cut(struct conn *c)
{
    struct tcp_info info;
    bool began = c->phase == PHASE_BODY || (c->phase == PHASE_HEADER && tcp_info(c->fd, &info) &&
                                            info.tcpi_bytes_received > 0);
    enum phase phase = c->phase;
    leave(c);
    c->phase = PHASE_CUT;
    if (began)
        deadline_say(c, ERR_REQUEST_TIMEOUT, phase == PHASE_BODY ? c->request_id : NULL);
    shutdown(c->fd, SHUT_RDWR);
    atomic_fetch_add(&d.cuts, 1);
}

/* Idle: did the next request begin? */
static void look_at_idle(struct conn *c, int64_t now_us)
{
    struct tcp_info info;
    if (tcp_info(c->fd, &info)) {
        int64_t heard_us = now_us - (int64_t)info.tcpi_last_data_recv * US_PER_MS;
        if (heard_us > c->since_us + SLACK_US) {
            list_remove(&d.list[PHASE_IDLE], c);
            enter(c, PHASE_HEADER, now_us);
            return;
        }
    }
    if (now_us - c->since_us >= d.idle_us) {
        cut(c);
        return;
    }
    list_remove(&d.list[PHASE_IDLE], c);
    enter(c, PHASE_IDLE, now_us);
}

static void watch_for_leaving(struct conn *c)
{
    struct epoll_event e = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.fd = c->fd};
    list_remove(&d.unwatched, c);
    c->watch_us = 0;
    c->watched = epoll_ctl(d.epoll_fd, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void end_wait(struct conn *c, bool left, struct conn **ended)
{
    leave(c);
    if (!d.hooks.over(c, left))
        return; /* its job ended at the same moment: the waker resumes it */
    if (left)
        shutdown(c->fd, SHUT_RDWR);
    c->ended = *ended;
    *ended = c;
}

static struct conn *look_at_all(int64_t now_us)
{
    static const enum phase plain[] = {PHASE_HEADER, PHASE_BODY, PHASE_WRITING};
    struct conn *ended = NULL, *c;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        while ((c = d.list[plain[i]].first) && c->due_us <= now_us)
            cut(c);
    }
    while ((c = d.list[PHASE_IDLE].first) && c->due_us <= now_us)
        look_at_idle(c, now_us);
    while (d.waits > 0 && d.heap[1]->due_us <= now_us)
        end_wait(d.heap[1], false, &ended);
    while ((c = d.unwatched.first) && c->watch_us <= now_us)
        watch_for_leaving(c);
    return ended;
}

static int64_t next_due(int64_t now_us)
{
    int64_t due_us = now_us + TICK_US;
    for (int i = 0; i < PHASES; i++) {
        if (d.list[i].first && d.list[i].first->due_us < due_us)
            due_us = d.list[i].first->due_us;
    }
    if (d.waits > 0)
        due_us = least(due_us, d.heap[1]->due_us);
    return d.unwatched.first ? least(due_us, d.unwatched.first->watch_us) : due_us;
}

/* An event may be of a descriptor's former connection: the socket itself is asked. */
static void on_event(int fd, struct conn **ended)
{
    struct conn *c = (size_t)fd < d.fd_room ? d.by_fd[fd] : NULL;
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    if (!c || !c->heap || poll(&p, 1, 0) <= 0)
        return;
    end_wait(c, true, ended);
}

static void resume_all(struct conn *ended)
{
    while (ended) {
        struct conn *c = ended;
        ended = c->ended;
        d.hooks.resume(c);
    }
}

static void *watch(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "deadline");
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        pthread_mutex_lock(&d.lock);
        int64_t now_us = clock_mono_us();
        struct conn *ended = look_at_all(now_us);
        d.asleep_until_us = next_due(now_us);
        int64_t until_us = ended ? now_us : d.asleep_until_us;
        bool stop = d.stop;
        pthread_mutex_unlock(&d.lock);
        resume_all(ended);
        if (stop)
            return NULL;
        int n = epoll_wait(d.epoll_fd, events, EVENTS_MAX, clock_wait_ms(until_us, 1000));
        ended = NULL;
        pthread_mutex_lock(&d.lock);
        d.asleep_until_us = 0;
        for (int i = 0; i < n; i++) {
            eventfd_t ignored;
            if (events[i].data.fd == d.event_fd)
                eventfd_read(d.event_fd, &ignored);
            else
                on_event(events[i].data.fd, &ended);
        }
        pthread_mutex_unlock(&d.lock);
        resume_all(ended);
    }
}

int deadline_start(const struct conf *conf, const struct deadline_hooks *hooks)
{
    d.hooks = *hooks;
    d.stop = false;
    d.length_us[PHASE_HEADER] = conf->header_timeout_us;
    d.length_us[PHASE_BODY] = conf->body_timeout_us;
    d.length_us[PHASE_WRITING] = conf->write_timeout_us;
    d.idle_us = conf->idle_timeout_us;
    d.length_us[PHASE_IDLE] =
        least(US_PER_S, least(conf->header_timeout_us / 4, conf->idle_timeout_us / 2));
    d.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = d.event_fd};
    if (d.epoll_fd < 0 || d.event_fd < 0 ||
        epoll_ctl(d.epoll_fd, EPOLL_CTL_ADD, d.event_fd, &e) < 0)
        goto close_all;
    errno = pthread_create(&d.thread, NULL, watch, NULL);
    if (errno == 0)
        return 0;
close_all:
    fd_close(&d.epoll_fd);
    fd_close(&d.event_fd);
    return -ERR_SYSTEM;
}

void deadline_stop(void)
{
    pthread_mutex_lock(&d.lock);
    d.stop = true;
    eventfd_write(d.event_fd, 1);
    pthread_mutex_unlock(&d.lock);
    pthread_join(d.thread, NULL);
    fd_close(&d.epoll_fd);
    fd_close(&d.event_fd);
    free(d.by_fd);
    free(d.heap);
    d.by_fd = d.heap = NULL;
    d.fd_room = d.heap_room = 0;
}

uint64_t deadline_cuts(void)
{
    return atomic_load(&d.cuts);
}

size_t deadline_conns(void)
{
    return atomic_load(&d.conns);
}
