/*
 * deadline.h - every connection's phase and until when it may last; the thread that cuts those that
 * last longer, ends long-polls in time, and notices clients that left while they waited.
 */
#ifndef JOBMILL_HTTP_DEADLINE_H
#define JOBMILL_HTTP_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

enum phase {
    PHASE_HANDLING, /* ours to answer: no limit here */
    PHASE_IDLE,     /* kept alive, between requests */
    PHASE_HEADER,
    PHASE_BODY,
    PHASE_WRITING,
    PHASE_WAITING, /* a long-poll, suspended */
    PHASE_CUT,
    PHASES
};

struct front;
struct problem;

struct conn {
    int fd;
    const struct front *front; /* the owner's: by which listener it came */
    struct loop *loop;         /* the owner's: the thread that serves it; NULL: one of the library's */
    struct crowd *crowd;       /* the owner's: where it is counted */
    bool mute;                 /* nothing can be written past the library; set at birth */
    enum phase phase;         /* this and all below: guarded by the table's lock */
    int64_t due_us, since_us; /* mono; of a phase that has an end */
    struct conn *next, *prev; /* of the phase's list, soonest first */
    size_t heap;              /* place in the heap of long-polls, from 1; 0: not there */
    int64_t watch_us; /* mono: when a wait is so old that its client is watched; 0: it is, or does not wait */
    bool watched;     /* in the watchdog's epoll set */
    struct conn *ended;       /* the watchdog's list of long-polls to resume */
    void *request;            /* the owner's */
    const char *request_id;   /* its name, from its head on; likewise */
    bool head;                /* it is a HEAD: no body may be written; likewise, and known with its name */
};

/* `over` is asked with the lock held when a long-poll's time is up or its client left: true means that
 * the long-poll is the watchdog's to resume, and `resume` is called without the lock. */
struct deadline_hooks {
    bool (*over)(struct conn *c, bool left);
    void (*resume)(struct conn *c);
};

int deadline_start(const struct conf *conf, const struct deadline_hooks *hooks);
void deadline_stop(void); /* after the last connection was closed */

/* A connection that was accepted: its header is due. NULL: out of memory. */
struct conn *deadline_conn_new(int fd, bool mute);
void deadline_conn_free(struct conn *c); /* before its descriptor is closed; NULL is legal */

void deadline_phase(struct conn *c, enum phase phase);
void deadline_phase_at(struct conn *c, enum phase phase, int64_t now_us); /* by a clock that was just read */
void deadline_wait(struct conn *c, int64_t due_us); /* PHASE_WAITING until due_us */

/* Writes a whole answer past the HTTP library to a connection that is about to be cut, without its body if its
 * request is a HEAD that has a name; under TLS, where nothing can be, it ends without a word. */
void deadline_say(const struct conn *c, int err, const char *request_id); /* NULL: it has none yet */
void deadline_say_problem(const struct conn *c, const struct problem *p, const char *request_id);

uint64_t deadline_cuts(void);
size_t deadline_conns(void);

#endif
