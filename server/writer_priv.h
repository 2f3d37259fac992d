/*
 * writer_priv.h - what writer.c (the thread: transaction, commit, answers), steps.c (what one change
 * does to the store) and claims.c (who may run) share. The writer's thread alone, but for the atomics.
 */
#ifndef JOBMILL_SERVER_WRITER_PRIV_H
#define JOBMILL_SERVER_WRITER_PRIV_H

#include "../common/board.h"
#include "bucket.h"
#include "conf.h"
#include "store/store.h"
#include "writer.h"

#include <stdatomic.h>

#define CALLS_AT_ONCE 16

/* What one transaction did, to be told after its commit. */
struct batch {
    struct inbox_node *nodes; /* all that were taken, in order */
    size_t count;
    struct inbox_node *claims, **claims_end; /* struct claim */
    size_t claimed;
    struct id *ended; /* jobs and groups */
    size_t ended_count, ended_cap;
    struct id *gone; /* jobs that ran and were forgotten */
    size_t gone_count, gone_cap;
    int32_t credit[POOLS_MAX];     /* credit used by it */
    int32_t taken[TASKS_MAX];      /* tokens of each task: for jobs that it began, less those that came back */
    struct stop {
        struct id id;
        uint32_t attempt;
    } * stops;
    size_t stops_count, stops_cap;
    struct change *served; /* waited for a lease, and are to be told */
    struct change *begun;  /* ran ahead, and are written as running; linked by next_waiting */
    struct delivery calls[CALLS_AT_ONCE]; /* that are to be made */
    size_t calls_count;
    bool more; /* something of its own making is left for the next one */
};

/* The tasks of one pool. */
struct pool_queue {
    uint32_t *tasks; /* indexes */
    size_t count;
    struct claim_quota *quota; /* room for as many */
    _Atomic bool paused;       /* written by the writer's thread */
};

struct writer {
    const struct conf *conf;
    const struct taskdefs *defs;
    struct store *store;
    struct board *board; /* written for remote tasks */
    const struct caller_ops *calls;
    uint32_t *task_ids; /* by index of the task */
    struct pool_queue queue[POOLS_MAX];
    struct bucket bucket[TASKS_MAX]; /* by index of the task; mono */
    int64_t usual_us[TASKS_MAX];     /* how long a success took of late; 0: not known */
    _Atomic int32_t credit[POOLS_MAX];
    _Atomic bool draining;
    int64_t next_due_us;   /* wall: of what is scheduled or expires */
    int64_t next_schedule_us; /* wall */
    int64_t next_delivery_us; /* wall */
    int64_t next_lease_us; /* wall: the next that is lost */
    int64_t next_sweep_us; /* wall */
    int64_t next_token_us; /* mono: when a rate lets the next job go, or a wait is over */
    uint32_t sweep_task;   /* whose turn it is to be swept: its number, less one */
    bool sweep_behind;     /* the last step found more than it could take */
    uint64_t random;
    bool undone; /* the last transaction was */
    bool clock_set; /* what the clock brings is to be looked at anew, after a step of it or at the start */
    int64_t clock_step_us; /* by so much it was set since the last commit */
};
extern struct writer w;

/* No claim, lease or call begins any more. Any thread. */
static inline bool writer_drains(void)
{
    return atomic_load_explicit(&w.draining, memory_order_acquire);
}

void writer_told(struct change *c); /* counts it, and gives it back by its `done` */
bool writer_has_work(void); /* something waits in its inbox */
void *writer_grow(void *old, size_t count, size_t *cap, size_t size); /* dies without memory */

/* ---- claims.c ---- */
int claims_learn(void); /* the tasks of each pool, at start */
void claims_release(void);
/* The index of the task that has this number in the store; UINT32_MAX: not configured any more. */
uint32_t claims_task(uint32_t task_id);
bool claims_limited(uint32_t task_index); /* by what is counted in the store: `concurrency`, `rate` */
/* May this new job run at once, without passing the queue? */
bool claims_direct(const struct batch *b, const struct job *job, uint32_t task_index);
/* A claim of a job that begins; moves its input out of it or copies it. NULL: no memory. */
struct claim *claims_new(struct job *job, uint32_t task_index, bool copy_input);
/* The same for this transaction, with its credit and token. 0, -ERR_NOMEM. */
int claims_add(struct batch *b, struct job *job, uint32_t task_index, bool copy_input);
int claims_make(struct batch *b, int64_t now_us); /* as many as credit and limits allow */
bool claims_wait(void); /* some could be made now */
void claims_undone(const struct batch *b); /* tokens of an undone transaction are given back, pauses read again */

/* Quotas of remote tasks, at most `most` for each; how many of them have something. */
size_t claims_remote(const uint32_t *tasks, size_t n, uint32_t most, struct claim_quota *out);
/* Since when it could run; 0: not known, for it was tried before or waited for others. */
int64_t claims_could_run_us(const struct job *job);
/* store_claim(); where it came to no end, the next transaction goes on. */
int claims_from_store(struct batch *b, const struct claim_quota *quota, size_t quotas, size_t want,
                      int64_t now_us, struct job *out, size_t *n);
void claims_came_back(struct batch *b, uint32_t task); /* one did not run: its token is there again */
void claims_took(struct batch *b, uint32_t task_id); /* one of a remote task began */
void claims_learn_run(const struct attempt *a); /* how long it took */
int64_t claims_lent_next_us(void); /* mono: when the claim of a lent job is to be written; INT64_MAX: never */
int claims_lent_due(const struct batch *b); /* writes them, and those that wait for another thing to be written */

/* ---- calls.c ---- */
int calls_take(struct batch *b, int64_t now_us); /* those that are due, to whoever makes them after the commit */
int calls_note(struct batch *b, struct change *c, int64_t now_us); /* what became of one */

/* ---- ahead.c ---- */
int ahead_start(void);
void ahead_release(void);
/* Before a transaction: takes those of b->nodes that may run ahead out of it, to the workers. */
void ahead_take(struct batch *b);
int64_t ahead_next_us(void); /* mono: when one of them is to be written; INT64_MAX: there is none */
int ahead_due(struct batch *b); /* writes them as running */
int ahead_checkpoint(struct batch *b, const struct checkpoint *k); /* one of a job that ran ahead? it is written */
/* The same for an outcome; kept: it is written, too, and its client is told with it (f->change). */
int ahead_finish(struct batch *b, struct finish *f, bool *kept);
void ahead_tell(struct batch *b, int err); /* those that were written as running: 0, or why they are not */

/* ---- leases.c ---- */
int leases_ask(struct batch *b, struct change *c, int64_t now_us);
int leases_beat(struct batch *b, struct change *c, int64_t now_us);
int leases_end(struct batch *b, struct change *c, int64_t now_us);
void leases_keep(struct change *c);
bool leases_wait(int64_t *next_us);
int leases_serve(struct batch *b, int64_t now_us);
int leases_cancel(struct batch *b, struct job *job, int64_t now_us);
int leases_expire(struct batch *b, int64_t now_us);

/* ---- steps.c ---- */
/* Ends an attempt by the policy of its task. */
int steps_finish(struct batch *b, const struct attempt *a, int64_t now_us, enum job_state *state);
/* A job of the service's own making; refusals are errors. */
int steps_submit(struct batch *b, struct new_job *n);
int steps_cancel(struct batch *b, const struct id *id, int64_t now_us); /* 0 also when it has ended */
int steps_all(struct batch *b, int64_t now_us); /* 0, or an error that undoes all of it */

/* ---- clockset.c ---- */
void clockset_look(void); /* before each transaction: was the clock set? */
int clockset_move(int64_t now_us); /* its first step: carries what counts from a moment along */
void clockset_kept(void); /* after its commit */

/* ---- clockwork.c ---- */
int clockwork_after_step(int64_t now_us); /* schedules that a clock far ahead had put off */
int clockwork_run(struct batch *b, int64_t now_us); /* schedules that are due */
void clockwork_anew(void); /* what it has looked at is undone: it looks at all of them again */
int clockwork_change(struct batch *b, struct change *c, int64_t now_us);

#endif
