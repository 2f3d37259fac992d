/*
 * loop.c - see loop.h. Between two runs of its daemon the thread sleeps until the daemon's epoll
 * set has an event or somebody wakes it. While requests are held it never sleeps for longer than
 * HELD_WAIT_MS: the library then cannot tell whether it has work besides them. The daemon itself
 * never waits when it runs: version 0.9.75 would do so with events in hand, when it got exactly as
 * many as it asks for.
 */
#include "loop.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#define WAIT_MS      1000
#define HELD_WAIT_MS 5
#define WANTED_US    100  /* a turn of another thread that lasts longer: the processor is wanted */
#define TAKEN_US     1500 /* ... and longer than this: by work that waits for nobody */
#define TAKEN_FOR_US (100 * US_PER_MS) /* after which the thread sleeps at once for so long */
#define HELD_SEVERAL 2                 /* one client gains nothing: it waits for the disk */

enum order { RUN, QUIESCE, STOP };

static int wait_ms(const struct loop *l)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (l->held > 0)
        return HELD_WAIT_MS;
    if (MHD_get_timeout(l->daemon, &ms) == MHD_YES && ms < WAIT_MS)
        return (int)ms;
    return WAIT_MS;
}

/* While several requests are held an event is near: a commit, or a client that has its answer.
 * Looking for it until `busy_poll` after the last one saves the processor and this thread from
 * falling asleep and waking up. As it takes a processor, others get their turn each time, and once
 * they make use of it this ends: beside work that never sleeps, a turn of that would last longer
 * than to be woken. True: an event is there. */
static bool event_is_near(struct loop *l, int epoll_fd, unsigned seen)
{
    struct pollfd p = {.fd = epoll_fd, .events = POLLIN};
    int64_t now_us = clock_mono_us();
    while (now_us >= l->poll_from_us && now_us < l->event_us + l->busy_poll_us) {
        if (atomic_load(&l->posts) != seen || poll(&p, 1, 0) > 0)
            return true;
        int64_t before_us = clock_mono_us();
        sched_yield();
        now_us = clock_mono_us();
        if (now_us - before_us > TAKEN_US)
            l->poll_from_us = now_us + TAKEN_FOR_US;
        if (now_us - before_us > WANTED_US)
            break;
    }
    return false;
}

/* Not at all if there were posts since there were `seen` of them. That, and loop_wake(), rests on
 * one order of all four accesses (seq_cst): either the post is seen here, or the sleep is seen
 * there. False: nothing happened. */
static bool sleep_until_event(struct loop *l, int epoll_fd, unsigned seen)
{
    eventfd_t ignored;
    struct pollfd p[] = {{.fd = epoll_fd, .events = POLLIN}, {.fd = l->event_fd, .events = POLLIN}};
    bool event = true;
    atomic_store(&l->sleeping, true);
    if (atomic_load(&l->posts) == seen) {
        event = poll(p, 2, wait_ms(l)) > 0;
        if (event && p[1].revents)
            eventfd_read(l->event_fd, &ignored);
    }
    atomic_store(&l->sleeping, false);
    return event;
}

static void quiesce(struct loop *l)
{
    int fd = MHD_quiesce_daemon(l->daemon);
    fd_close(&fd);
    atomic_store(&l->order, RUN);
    sem_post(&l->done);
}

static void *run(void *arg)
{
    struct loop *l = arg;
    int epoll_fd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    bool event = true;
    prctl(PR_SET_NAME, "http");
    for (;;) {
        enum order order = (enum order)atomic_load(&l->order);
        if (order == STOP)
            return NULL;
        if (order == QUIESCE)
            quiesce(l);
        l->busy = false;
        l->now_us = clock_mono_us();
        if (event)
            l->event_us = l->now_us;
        unsigned seen = atomic_load(&l->posts); /* what was posted so far the daemon will find */
        if (MHD_run(l->daemon) != MHD_YES)
            log_debug("http: the daemon did not run");
        event = (l->held > 0 && l->busy) ||
                (l->held >= HELD_SEVERAL && event_is_near(l, epoll_fd, seen)) ||
                sleep_until_event(l, epoll_fd, seen);
    }
}

int loop_start(struct loop *l, struct MHD_Daemon *daemon, int64_t busy_poll_us)
{
    l->daemon = daemon;
    l->busy_poll_us = busy_poll_us;
    atomic_store(&l->order, RUN);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0)
        return -ERR_SYSTEM;
    if (sem_init(&l->done, 0, 0) < 0)
        goto close_fd;
    errno = pthread_create(&l->thread, NULL, run, l);
    if (errno == 0)
        return 0;
    sem_destroy(&l->done);
close_fd:
    fd_close(&l->event_fd);
    return -ERR_SYSTEM;
}

void loop_wake(struct loop *l)
{
    atomic_fetch_add(&l->posts, 1);
    if (atomic_load(&l->sleeping) && atomic_exchange(&l->sleeping, false))
        eventfd_write(l->event_fd, 1);
}

static void give_order(struct loop *l, enum order order)
{
    atomic_store(&l->order, (int)order);
    eventfd_write(l->event_fd, 1);
}

void loop_quiesce(struct loop *l)
{
    give_order(l, QUIESCE);
    while (sem_wait(&l->done) < 0 && errno == EINTR)
        ;
}

void loop_stop(struct loop *l)
{
    give_order(l, STOP);
    pthread_join(l->thread, NULL);
    sem_destroy(&l->done);
    fd_close(&l->event_fd);
}
