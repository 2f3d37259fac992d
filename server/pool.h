/*
 * pool.h - the pools' slots: which worker lives in each, which jobs it holds, and how much more a pool
 * can take. Dispatch's thread alone; what others may see is copied to the board by slot_set_state().
 */
#ifndef JOBMILL_SERVER_POOL_H
#define JOBMILL_SERVER_POOL_H

#include "../common/board.h"
#include "../common/ring.h"
#include "../common/taskdef.h"
#include "writer.h"

#include <stdbool.h>
#include <stdint.h>

enum stop_reason { STOP_NONE, STOP_CANCEL, STOP_TIMEOUT, STOP_DRAIN };

/* A job that a worker holds. The first of a slot's is the one that runs or will run next. */
struct assignment {
    struct claim *claim; /* owned */
    uint64_t seq;
    unsigned cell;
};

struct slot {
    uint32_t index;
    struct pool *pool;
    struct board_slot *board;
    enum slot_state state;
    uint32_t generation;
    int pid;
    int sock;   /* -1: none */
    struct ring ring; /* where the worker's small messages come; read beside the socket */
    bool ready; /* it said READY: what it dies of from now on is not its birth */

    struct assignment held[BOARD_DEPTH];
    unsigned count;
    int64_t untold_us; /* what these are thought to take it */
    unsigned untold; /* the last of them that the worker was not sent yet: none between deliver's passes */
    bool leaving; /* it is given nothing more, and goes when it holds nothing; slot_set_leaving() */
    int64_t stopped_us; /* mono: since when a signal has stopped it; 0: it runs; slot_set_stopped() */
    uint32_t done;    /* jobs since its birth */
    int64_t ready_us; /* mono: when it said READY */
    bool fell; /* its socket ended though nobody had told it to go */
    bool full; /* its socket took no more: nothing is sent before its next DONE, */
    int64_t full_us; /* mono: or, where it holds nothing, a moment after this */
    bool closed;     /* its socket is at its end */
    uint64_t troubled[TASKS_MAX / 64]; /* a bit for each task whose program it cannot keep warm, as it told last */
    bool stuck; /* its first job runs long: nothing is put behind it */

    enum foresight {
        SOON_UNKNOWN,
        SOON, /* the job is thought to end within the time that a claim takes: one is made for what follows it */
        SOON_HAND, /* it is so short that what follows it was claimed when it began */
        SOON_WRONG, /* it went on */
    } soon; /* of the first held job */
    int64_t head_since_us;  /* mono: since when the first held job may run */
    int64_t head_cpu_us;    /* CPU time that the worker and what it started had used then, as it told last */
    bool computes;          /* of late it was on a processor for more than half of the time */
    int64_t cpu_told_us;    /* CPU time when that was seen last, */
    int64_t cpu_seen_us;    /* mono: and when it was */
    enum stop_reason stop;  /* of the first held job; STOP_DRAIN: of all */
    int64_t kill_at_us;     /* mono: the end of its grace; INT64_MAX: none */
    int64_t ready_by_us;    /* mono: while it is SLOT_STARTING, when it must be born, then ready; INT64_MAX: no limit */
    int64_t spawn_at_us;    /* mono: when to ask for a worker; INT64_MAX: not now */
};

struct pool {
    const struct pooldef *def;
    struct board_pool *board;
    struct slot *slots; /* def->room of them */
    uint32_t workers;   /* how many there are to be: the first slots; pool_resize() */
    uint32_t size;      /* from this slot on none has a worker, or is to have one */
    bool shrunk;        /* the writer may have more credit than it can take now */
    struct inbox_node *pending, **pending_end; /* claims not yet held by a worker */
    uint32_t waiting;   /* how many pending */
    int64_t stalled_us; /* mono: since when no worker took one of them; 0: one did in this pass, or there is none */
    uint32_t held;      /* how many the workers hold */
    uint32_t granted;   /* credit that the writer has and did not use yet */
    uint32_t able;      /* workers that live, run and are not leaving */
    uint32_t out;       /* slots whose worker is leaving, or stopped */
    uint32_t depth;     /* jobs that one worker may hold, 1..BOARD_DEPTH */
    int64_t run_ewma_us;/* moving average of run times */
    uint32_t failures;  /* births in a row that came to nothing */
    uint32_t deaths;    /* of workers at work, in a row: none of the pool has ended a job since the first */
    int64_t next_birth_us; /* mono: while they go on, when the next worker may be started at the earliest */
};

/* Makes the pools and slots for the definitions; NULL: out of memory. */
struct pool *pools_new(const struct taskdefs *defs, struct board *board);
void pools_free(struct pool *pools, const struct taskdefs *defs);

/* From now on so many workers, at most def->room: who is to go is leaving, who is to come can be started. */
void pool_resize(struct pool *p, uint32_t workers);
void pool_trim(struct pool *p); /* a slot was left: `size` follows */
bool slot_is_wanted(const struct slot *s); /* is it to have a worker? */
/* Of a pool that has shrunk: is it given more than it can take? Then what is pending goes back. */
bool pool_has_excess(struct pool *p);

/* The one place where a slot's state changes. */
void slot_set_state(struct slot *s, enum slot_state state);
/* And this, whether its worker is leaving. */
void slot_set_leaving(struct slot *s, bool leaving);
/* And this: since when its worker is stopped; 0: it is not. */
void slot_set_stopped(struct slot *s, int64_t since_us);
/* Has its worker, with what it holds, all the jobs that its pool lets a worker have? */
bool slot_is_spent(const struct slot *s);

void pool_pend(struct pool *p, struct claim *c);       /* at the end; takes c */
void pool_pend_first(struct pool *p, struct claim *c); /* at the front; takes c */
struct claim *pool_unpend(struct pool *p);             /* the first, the caller's; NULL: none */

/* The slot that should get the next job: one that has to be woken in this pass and has little to do yet,
 * else an idle one, else the one that holds the fewest below the pool's depth; NULL: none can take one. */
struct slot *pool_choose(struct pool *p);
bool pool_has_idle(const struct pool *p); /* is there a worker that could begin at once? */
bool pool_has_hand(const struct pool *p); /* does one soon end that is SOON_HAND? Then what is pending waits for it */
/* May claims wait until a worker is done, or dispatch looks? None could begin now what they bring. */
bool pool_is_patient(const struct pool *p);
/* How long its worker is thought to be at what stands behind the first of its jobs, if it goes on with that. */
int64_t slot_more_us(const struct slot *s);
/* Does its worker hold so many short jobs that it need wake nobody? Then dispatch looks for what it ended after
 * SUPPLIED_LOOK_US at most. */
#define SUPPLIED_LOOK_US INT64_C(2000)
bool slot_is_supplied(const struct slot *s);

/* Credit that may be granted now, and is hereby taken as granted: for what the workers may hold, and where that is
 * one job each, for one more of those who are soon done with it. */
uint32_t pool_grant(struct pool *p);

/* A job ran for run_us: adjusts the average and the depth. */
void pool_ran(struct pool *p, int64_t run_us);

/* A cell of this slot that no held job uses. count < BOARD_DEPTH. */
unsigned slot_free_cell(const struct slot *s);
/* One more is not told yet, of a task whose jobs run this long on average; 0: not known. */
void slot_untold(struct slot *s, int64_t run_us);
/* Its first job begins now, as far as dispatch knows. */
void slot_head_starts(struct slot *s);
/* Takes the i-th held job out; the claim is the caller's. */
struct claim *slot_take(struct slot *s, unsigned i);

#endif
