/*
 * dispatch_priv.h - what dispatch.c (jobs), supervise.c (workers' births and deaths), deliver.c (one
 * job's way to a worker and back), foresee.c (when it will end), stop.c (jobs that must not go on),
 * leave.c (workers that go in good order) and outcome.c (what came of it) share. For whoever holds
 * `turn`: dispatch's thread, but while it sleeps.
 */
#ifndef JOBMILL_SERVER_DISPATCH_PRIV_H
#define JOBMILL_SERVER_DISPATCH_PRIV_H

#include "../common/msg.h"
#include "conf.h"
#include "dispatch.h"
#include "inbox.h"
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>

struct dispatcher {
    const struct conf *conf;
    const struct taskdefs *defs;
    struct board *board;
    struct pool *pools;
    int control_fd; /* to the fork server */
    int epoll_fd;
    struct inbox inbox;
    pthread_t thread;
    pthread_mutex_t turn;    /* guards all but `inbox`, and what `lock` guards */
    bool sleeps;             /* the thread, */
    int64_t sleeps_until_us; /* mono: until then, if nothing comes */
    uint64_t next_seq;
    uint32_t slept; /* how often it went to sleep */
    bool late;      /* in this pass a worker got a lent job that had waited for it: the writer is to know */
    char in[MSG_MAX];  /* the packet being received */
    char out[MSG_MAX]; /* the packet being sent */
    struct finish *ended, *ended_last; /* outcomes for the writer, which gets them once a pass */

    bool draining;          /* the thread's own view */
    int64_t drain_until_us; /* mono */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;
    bool drain_asked, stop_asked;
    uint32_t workers_asked[POOLS_MAX]; /* 0: nothing was */
    int64_t drain_asked_until_us;
    bool is_idle; /* draining, and no attempt is open */
};

#define CONTROL_TAG UINT64_MAX
#define INBOX_TAG   (UINT64_MAX - 1)

/* ---- supervise.c ---- */
void supervise_begin(struct dispatcher *d);                      /* asks for all workers */
void supervise_control(struct dispatcher *d);                    /* the control socket is readable */
void supervise_kill(struct dispatcher *d, struct slot *s);       /* the worker and its tree, for certain */
void supervise_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us);
void supervise_ready(struct dispatcher *d, struct slot *s, int ring_fd); /* READY came; the fd stays the caller's */
struct slot *supervise_slot(struct dispatcher *d, uint32_t index); /* NULL: no such slot */

/* ---- deliver.c ---- */
void deliver_pending(struct dispatcher *d, struct pool *p);      /* pending claims to workers, credit to the writer */
void deliver_socket(struct dispatcher *d, struct slot *s);       /* a worker's socket is readable */
void deliver_look(struct dispatcher *d);                         /* what the workers put in their rings */
/* From now on workers wake it, but those that are supplied: for these it is to look by *next_us (mono). False: look first. */
bool deliver_sleep(struct dispatcher *d, int64_t now_us, int64_t *next_us);
void deliver_hear_all(struct dispatcher *d, struct slot *s);     /* all that a worker has said by now, by either way */
void deliver_last_words(struct dispatcher *d, struct slot *s);   /* all that a dead worker had sent */
void deliver_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us);
void deliver_buried(struct dispatcher *d, struct slot *s, const struct msg_DEATH *death);
void deliver_stopped(struct dispatcher *d, struct slot *s, bool stopped); /* a signal has stopped its worker, or it goes on */
void deliver_return(struct dispatcher *d, struct pool *p, struct claim *c); /* unrun, to the queue; takes c */
void deliver_return_pending(struct dispatcher *d, struct pool *p); /* the same of all that is pending */
/* What is now the first job that the worker holds, if any, begins, as far as dispatch knows. What stands behind it only
 * waits, as if in the queue. */
void deliver_head_starts(struct dispatcher *d, struct slot *s);
void deliver_take_back(struct slot *s, unsigned from); /* what it holds from there on, as far as it has not begun: pending again */
void deliver_drain(struct dispatcher *d);                        /* takes back all that has not begun */

/* ---- foresee.c ---- */
int64_t foresee_takes_us(const struct dispatcher *d, const struct claim *c); /* what such jobs took of late; 0: not known */
void foresee_begin(const struct dispatcher *d, struct slot *s); /* its first job begins */
/* What the time brings where something is held, and what is pending. */
void foresee_slot(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us);
void foresee_pool(struct dispatcher *d, struct pool *p, int64_t now_us, int64_t *next_us);

/* ---- stop.c ---- */
void stop_cancel(struct dispatcher *d, const struct id *job, uint32_t attempt);
void stop_timers(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us); /* of a worker that holds something */
void stop_all(struct dispatcher *d);                             /* kills what still runs */

/* ---- leave.c ---- */
void leave_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us);
void leave_resize(struct dispatcher *d, struct pool *p, uint32_t workers); /* at most def->room */

/* ---- outcome.c ---- */
struct finish *outcome_new(const struct claim *c, enum attempt_end end); /* never NULL */
/* What a worker runs is not ours, and the clock may have been set meanwhile: its figures brought to what can be. */
struct msg_DONE outcome_plausible(const struct msg_DONE *said);
struct finish *outcome_of_done(const struct dispatcher *d, const struct slot *s, unsigned i, const struct msg_DONE *m); /* of the i-th that it holds */
/* The error of an attempt that was stopped, for a task that failed or died of it. cpu_us: what its worker, with what that started, has
 * used in all. */
void outcome_stopped(const struct dispatcher *d, struct finish *f, const struct slot *s, const struct claim *c, int64_t cpu_us);
/* For the writer at the end of the pass, with the credit that it frees. Takes f and c. */
void outcome_left(struct claim *c); /* posts the checkpoint that it has told; has_left */
void outcome_post(struct dispatcher *d, struct pool *p, struct finish *f, struct claim *c);
void outcomes_send(struct dispatcher *d); /* all of them, to the writer: at the end of each pass */

#endif
