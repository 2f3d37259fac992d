/*
 * loop.h - a thread that runs one daemon of the library, and how other threads wake it.
 *
 * The library's own threads could not be used: for a request that waits for its commit they need it
 * suspended, which costs as much as all else that the library does for it (two changes of its epoll
 * set, a write, a useless read), and with each resume a walk along all that are suspended. Here a
 * request that waits for a short time is *held* instead: its handler gives no answer, and is asked
 * again each time that the daemon runs, which this thread decides.
 */
#ifndef JOBMILL_HTTP_LOOP_H
#define JOBMILL_HTTP_LOOP_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;

struct loop {
    struct MHD_Daemon *daemon; /* its owner's: made before loop_start, stopped after loop_stop */
    int event_fd;
    _Atomic unsigned posts; /* how often others had something to tell */
    atomic_bool sleeping;   /* and nobody has woken it yet: who makes this false must write to event_fd */
    atomic_int order;
    sem_t done; /* with `order` */
    pthread_t thread;
    int64_t busy_poll_us; /* so long after an event, while requests are held, it does not sleep */

    /* the thread's own; times are mono */
    int64_t now_us;       /* when this run of the daemon began */
    int64_t event_us;     /* when the last run began that an event was the cause of */
    int64_t poll_from_us; /* it sleeps at once until then, as others need the processor */
    unsigned held;        /* requests that wait without being suspended */
    bool busy;            /* it has, or may have, work that only another run of the daemon does */
};

/* 0 or -ERR_SYSTEM (errno). The daemon has no thread of its own (MHD_USE_EPOLL alone). 0: it sleeps
 * as soon as there is nothing to do. */
int loop_start(struct loop *l, struct MHD_Daemon *daemon, int64_t busy_poll_us);
/* Makes it run the daemon: something that a held request waits for has come. Any thread. */
void loop_wake(struct loop *l);
/* Accepts no more connections, and closes the daemon's listening socket. */
void loop_quiesce(struct loop *l);
/* Ends the thread. */
void loop_stop(struct loop *l);

#endif
