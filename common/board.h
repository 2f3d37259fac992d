/*
 * board.h - the scoreboard: shared memory of the front end, the fork server and all workers.
 *
 * Rules: each field has one writing process (named below); no pointers; readers copy. Nothing here
 * is a lock, so a process killed at any instruction leaves no one waiting. Texts and multi-word
 * values are guarded by a per-slot sequence counter (odd while being written); a reader retries a
 * bounded number of times and then takes what it got, marked torn.
 */
#ifndef JOBMILL_COMMON_BOARD_H
#define JOBMILL_COMMON_BOARD_H

#include "id.h"
#include "job.h"
#include "taskdef.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_DEPTH 64 /* jobs that one worker may hold: the one that runs and those queued behind it */

/*
 * A cell is one assigned job's place in a worker: (sequence number << 2 | state).
 * Dispatch writes CELL_ASSIGNED before it sends ASSIGN. Then exactly one of two compare-and-swaps
 * wins: the worker's ASSIGNED -> STARTED, or dispatch's ASSIGNED -> REVOKED (the job is then not run
 * by this worker, which skips it). So dispatch can take back a job for certain, and after a death
 * it knows for certain which jobs had begun.
 */
enum cell_state { CELL_FREE, CELL_ASSIGNED, CELL_STARTED, CELL_REVOKED };

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_IDLE, SLOT_BUSY, SLOT_DYING, SLOT_STATES };

struct board_slot {
    /* written by dispatch (front end) */
    _Atomic uint32_t state; /* enum slot_state */
    _Atomic uint32_t pool;
    _Atomic uint32_t generation; /* of the worker that lives, or is being born, here */
    _Atomic int32_t pid;         /* 0: none */
    _Atomic uint32_t restarts;   /* workers replaced here since start */
    _Atomic uint32_t stopped;    /* 1: by a signal, and it does not go on yet */
    _Atomic int64_t born_us;     /* wall */
    _Atomic uint64_t cancel_seq; /* sequence number of the job whose task should give up; 0: none */
    _Atomic uint64_t cell[BOARD_DEPTH]; /* also the worker, by compare-and-swap only */

    /* written by the worker */
    _Alignas(64) _Atomic uint32_t lock; /* sequence counter of the group below; odd: being written */
    _Atomic uint64_t seq;               /* of the job that runs; 0: idle */
    _Alignas(8) struct id job;
    _Atomic uint32_t attempt;
    _Atomic uint32_t task;
    _Atomic int64_t job_started_us; /* wall */
    _Atomic uint32_t progress_ppm;  /* millionths; UINT32_MAX: none told */
    _Alignas(8) char progress_text[JOB_PROGRESS_TEXT_MAX + 1];

    _Atomic uint64_t jobs_done;
    _Atomic int64_t cpu_us;       /* CPU time used by the worker and its dead children */
    _Atomic int64_t rss_bytes;    /* largest resident size so far */
};

struct board_pool { /* written by dispatch */
    _Atomic uint32_t workers;     /* how many it is to have */
    _Atomic uint32_t live;        /* workers that are idle or busy */
    _Atomic uint32_t busy;
    _Atomic uint32_t failures;    /* births or early deaths in a row */
    _Atomic int64_t retry_at_us;  /* mono; when a crash-looping pool starts its next worker; 0: none */
    _Atomic uint64_t deaths;      /* workers that died without being asked to */
};

enum task_status { TASK_UNKNOWN, TASK_READY, TASK_BROKEN };

#define BOARD_TROUBLE_MAX 231

struct board_task {
    /* written by the fork server while it loads; the texts are complete before `status` is stored */
    _Atomic uint32_t status; /* enum task_status */
    char description[120];   /* as a module says of itself; "" */
    char why[232];           /* for TASK_BROKEN: what could not be loaded, and the loader's words */
    /* written by dispatch, of a remote task by the writer */
    _Atomic uint64_t started, succeeded, failed;
    _Atomic int64_t run_ewma_us; /* moving average of run time */
    /* written by dispatch */
    _Atomic uint32_t trouble_lock; /* sequence counter of `trouble`; odd: being written */
    _Alignas(8) char trouble[BOARD_TROUBLE_MAX + 1]; /* why its program cannot be kept warm; "": it can */
};

struct board {
    uint32_t magic;
    uint32_t size; /* sizeof(struct board) + slots: both sides check */
    uint32_t slots;
    _Atomic uint32_t draining; /* written by the front end, */
    _Atomic uint32_t drained;  /* and this when no attempt is open any more */
    _Atomic uint32_t loaded;   /* written by the fork server: all task modules were tried */
    struct board_pool pool[POOLS_MAX];
    struct board_task task[TASKS_MAX];
    _Alignas(64) struct board_slot slot[];
};

/* Makes the board in a memfd (so that a spawned worker can map it too); before fork. Returns NULL
 * and sets errno on failure. *fd is the caller's to close. */
struct board *board_new(uint32_t slots, int *fd);
struct board *board_map(int fd); /* NULL: not a board of this build */
void board_unmap(struct board *b);

static inline uint64_t cell_word(uint64_t seq, enum cell_state s)
{
    return seq << 2 | (uint64_t)s;
}
/* The one compare-and-swap of each side; true: this side won. */
bool cell_start(struct board_slot *slot, unsigned cell, uint64_t seq);  /* worker */
bool cell_revoke(struct board_slot *slot, unsigned cell, uint64_t seq); /* dispatch */

/* An attempt of the task ended, as it may be. run_us: -1: nobody knows how long it ran. */
void board_task_ended(struct board_task *t, enum attempt_end end, int64_t run_us);

/* Dispatch's word on a task's program, cut to fit; len 0: none. And a reader's copy; false: none. */
void board_trouble_set(struct board_task *t, const char *why, size_t len);
bool board_trouble_get(const struct board_task *t, char out[BOARD_TROUBLE_MAX + 1]);

/* The worker's side of its slot. */
void slot_job_begin(struct board_slot *s, uint64_t seq, const struct id *job, uint32_t attempt,
                    uint32_t task, int64_t wall_us);
void slot_job_end(struct board_slot *s);
void slot_progress(struct board_slot *s, double fraction, const char *text, size_t len);
bool slot_cancelled(const struct board_slot *s); /* is the job that runs asked to give up? */

/* A reader's copy of a slot. */
struct slot_view {
    enum slot_state state;
    uint32_t pool, generation, restarts;
    int32_t pid;
    bool stopped;
    int64_t born_us;
    uint64_t jobs_done;
    int64_t cpu_us, rss_bytes;
    bool has_job; /* the fields below are of one and the same job */
    struct id job;
    uint32_t attempt, task;
    int64_t job_started_us;
    bool has_progress; /* a fraction was told: */
    double progress;   /* 0..1 */
    char progress_text[JOB_PROGRESS_TEXT_MAX + 1];
};
void slot_copy(const struct board_slot *s, struct slot_view *out);
/* Finds the slot that runs this job now. False: none does. */
bool board_find_job(const struct board *b, const struct id *job, struct slot_view *out);

#endif
