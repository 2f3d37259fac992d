/*
 * writer.h - the one writer: every change of the store goes through its thread, many to a commit.
 *
 * A change is posted by its owner and belongs to the writer until `done` is called (on the writer's
 * thread, after the commit that holds it was synced, or after it was refused). `done` must be quick
 * and must not post to the writer.
 */
#ifndef JOBMILL_SERVER_WRITER_H
#define JOBMILL_SERVER_WRITER_H

#include "../common/job.h"
#include "../common/taskdef.h"
#include "delivery.h"
#include "inbox.h"
#include "lease.h"
#include "schedule.h"
#include "unique.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;
struct conf;
struct store;

enum change_kind {
    CHANGE_SUBMIT, /* one job */
    CHANGE_BATCH,  /* a group of jobs, all or none; or a part of an open group */
    CHANGE_CANCEL,
    CHANGE_RETRY,
    CHANGE_DELETE,
    CHANGE_BULK,   /* cancel, retry or delete of many */
    CHANGE_PAUSE,  /* of a task or a pool */
    CHANGE_SCHEDULE,
    CHANGE_DELIVERY, /* what became of a call */
    CHANGE_LEASE_ASK,
    CHANGE_LEASE_BEAT,
    CHANGE_LEASE_END,
    CHANGE_FINISH,
    CHANGE_CHECKPOINT,
    CHANGES
};

#define IDEMPOTENCY_KEY_MAX 255

/* What every node in the writer's inbox begins with. */
struct work {
    struct inbox_node node; /* the writer's */
    enum change_kind kind;
};

/* A job of a submission, and what goes with it. */
struct new_job {
    int64_t asked_run_at_us, asked_delay_us; /* as the client said it: 0, and -1, where it did not */
    int64_t asked_expires_us; /* as job.expires_us and job.max_attempts at first: a retry changes those */
    uint32_t asked_attempts;
    bool gave_attempts; /* the client did; else that is the task's setting */
    size_t input_at, input_len; /* the input in the body of a single submission; 0, 0: none was given */
    size_t known; /* of job.parents so many, the last ones, are items before it in the same batch,
                   * in this part of it or an earlier one */
    uint32_t task_index; /* in the configuration's taskdefs */
    bool unique, reject; /* there may be only one, see `same`; another one is refused with -ERR_NOT_UNIQUE */
    struct store_unique same;
    bool same_parents; /* and what it depends on, as the writer knows it, counts for `same`, too */
    uint32_t ref; /* the submitter's: 1 + its place among the names of a batch; 0: it has none */
    size_t number; /* the submitter's: its place in a batch, or its line */
    bool replayed, duplicate; /* out: nothing was stored, `job` is the one that was there */
    struct job job; /* as submitted; belongs to the change. The last: see job_init() */
};
void new_job_init(struct new_job *n); /* all zero, and its job by job_init() */

/* A remote worker prolongs its lease, or ends it by an outcome. */
struct lease_end {
    struct id lease;
    int64_t duration_us; /* beat: 0: as it was */
    bool has_fraction, has_message; /* beat: what is not given stays as it was */
    double fraction;
    char message[JOB_PROGRESS_TEXT_MAX + 1];
    struct buf checkpoint;  /* beat: what the job's next attempt is to be given, JSON; empty: as it was */
    int64_t expires_us;     /* out of a beat */
    struct id job;          /* out */
    enum job_state state;   /* out of an end */
    bool not_his;           /* of a list: its worker may not end it, and it is not */
    bool lost;              /* out: it was nobody's any more */
    struct attempt attempt; /* end: how, with result or error */
};
void lease_end_free(struct lease_end *e);

/* A remote worker asks for jobs, and may say how others ended. */
struct lease_ask {
    uint32_t tasks[TASKS_MAX]; /* indexes, of kind remote */
    size_t tasks_count, most;  /* most <= LEASES_AT_ONCE; 0: none is wanted */
    int64_t until_us;          /* mono: how long it wants to wait */
    int64_t duration_us;
    char worker[LEASE_WORKER_MAX + 1];
    _Atomic bool gone; /* the client has gone; set by its HTTP thread or the watchdog */
    struct lease_end *ended; /* heap */
    size_t ended_count;      /* <= LEASES_AT_ONCE */
    size_t count;      /* out */
    struct leased {
        struct lease lease;
        struct job job;
    } given[LEASES_AT_ONCE];
};
void lease_ask_free(struct lease_ask *a);
void lease_ask_gone(struct lease_ask *a);

struct change {
    struct work work;
    void (*done)(struct change *c);

    /* CHANGE_BATCH: `group` is made with its first part (group.created_us > 0 and begin), and stays open
     * after a part with `more`. out: replayed_group with group.id: the key named another group. */
    struct id group;
    struct new_job *items; /* heap */
    size_t items_count;
    bool begin, more, replayed_group;
    struct buf callback_url; /* of the group */
    char owner[JOB_TASK_MAX + 1];

    /* CHANGE_BULK: each of `ids` (heap) that allows it; out: how many did */
    struct id *ids;
    size_t ids_count, changed;
    enum change_kind bulk;

    /* CHANGE_PAUSE: a task by its index, or a pool */
    bool is_pool, paused;
    uint32_t index;

    /* CHANGE_LEASE_*: heap */
    struct lease_ask *lease_ask;
    struct lease_end *lease_end;

    struct delivery *delivery; /* CHANGE_DELIVERY: as it is now; heap */
    struct change *next_waiting; /* the writer's */
    bool kept;                   /* the writer's: it waits there */

    /* CHANGE_SCHEDULE: `schedule` (heap) as it is to be; to delete, pause or run: as it was read, to pause with
     * `paused` as it is to be. Its owner is that of the row there was; where that is another by now,
     * nothing is done: -ERR_FORBIDDEN (to put), -ERR_NO_SCHEDULE; nor, to run, where its task is another. Run, out: one.job.id, or of -ERR_CONFLICT,
     * which */
    struct schedule *schedule;
    enum schedule_act { SCHEDULE_PUT, SCHEDULE_DELETE, SCHEDULE_PAUSE, SCHEDULE_RUN } schedule_act;

    /* CHANGE_SUBMIT and the first part of a CHANGE_BATCH with an Idempotency-Key; empty string: none */
    bool awaited; /* CHANGE_SUBMIT: who submits waits for the outcome, and is told nothing before it */
    char key[JOB_TASK_MAX + 1 + IDEMPOTENCY_KEY_MAX + 1]; /* the owner, a blank, what the client gave */
    uint8_t fingerprint[32]; /* SHA-256 of what was asked: target and body; of a stream its lines so far */
    bool by_lines;           /* CHANGE_BATCH: a part of a stream with a key, which goes on behind `from` lines */
    uint64_t from, lines;    /* of a stream: before this part, and with it */

    /* out */
    int err; /* 0, or -ERR_KEY_REUSED, -ERR_FORGOTTEN, -ERR_NO_JOB, -ERR_CONFLICT, -ERR_UNKNOWN_DEPENDENCY,
              * -ERR_NOT_UNIQUE, -ERR_STORE_FULL, … */
    struct id which; /* of -ERR_UNKNOWN_DEPENDENCY, -ERR_NOT_UNIQUE, and -ERR_FORGOTTEN */

    /* CHANGE_SUBMIT: in: one.job: id, state SCHEDULED or QUEUED, everything a job starts with, input; its
     * task_id is filled by the writer. out: the job as kept, or that which was there.
     * CHANGE_CANCEL, _RETRY, _DELETE: in: one.job.id; out: the job as it is now (_DELETE: its state). */
    struct new_job one; /* the last: see change_init() */
};
void change_init(struct change *c, enum change_kind kind); /* all zero, and `one` by new_job_init() */
void change_release(struct change *c); /* frees what it holds, not itself */

/* Any thread. Takes the change on 0; on -ERR_OVERLOADED or -ERR_DRAINING it stays the caller's and
 * done is not called. */
int writer_post(struct change *c);

/* A change that nobody waits for: made here, freed after its commit. NULL: out of memory. */
struct change *writer_own_change(enum change_kind kind);
void writer_post_own(struct change *c); /* takes it */

/* ---- for dispatch ---- */

/* What every node in dispatch's inbox begins with. */
enum order_kind { ORDER_CLAIM, ORDER_CANCEL };
struct order {
    struct inbox_node node;
    enum order_kind kind;
};

/* A job that takes no longer is claimed when the one before it begins, with the outcome of the one before that, so
 * that one commit and one wake-up do for both; one that does is claimed a little before the other ends. */
#define CLAIM_HAND_US (25 * US_PER_MS)

/* A job that a pool may run now; made by the writer, owned by dispatch once posted. */
struct claim {
    struct order order;
    struct id job;
    uint32_t task_index;
    uint32_t task_id;
    uint32_t attempt;
    uint32_t ahead; /* the writer's: its place in ahead.c; 0: none */
    struct loan loan;
    uint32_t slept; /* dispatch's: how often it had slept when the claim came */
    uint64_t group_key; /* 0: none */
    int64_t timeout_us;
    int64_t queued_us; /* wall: since when it could run; 0: not known */
    bool cancel_requested;
    char input_type[JOB_TYPE_MAX + 1];
    char traceparent[JOB_TRACE_MAX + 1];
    struct buf input; /* see MSG_ASSIGN */
    uint32_t params_len, checkpoint_len;
    struct buf left; /* the checkpoint that it told last, and that is not yet posted */
    bool has_left;
    int64_t left_due_us; /* mono: not before */
};
struct claim *claim_new(void); /* zeros; NULL: out of memory */
void claim_free(struct claim *c);

struct finish {
    struct work work;
    bool succeeded; /* the job did, by it; the writer's */
    struct change *change; /* the writer's: the submission of its job, written with it; NULL: it was before */
    uint32_t ahead; /* of its claim */
    uint32_t pool;
    uint32_t credit; /* jobs that this pool can take once this one is over: claimed in the same commit */
    struct attempt attempt; /* the last: see attempt_init() */
};
struct finish *finish_new(void); /* zeros and texts that are empty; never NULL */
void finish_free(struct finish *f);
/* Takes the list (heap), linked by work.node.next, in every case. NULL: none. */
void writer_finish(struct finish *list);
/* What an attempt leaves for the next one; of a job the last one stands. */
struct checkpoint {
    struct work work;
    struct id job;
    uint32_t attempt;
    uint32_t ahead; /* of its claim */
    struct buf data;
};
/* Takes c (heap) in every case. One that finds the disk full is lost. */
void writer_checkpoint(struct checkpoint *c);
void checkpoint_free(struct checkpoint *c);
/* `n` more jobs may be claimed for this pool; any thread. */
void writer_credit(uint32_t pool, uint32_t n);

/* ---- for serve ---- */

/* Who makes the calls. pause_us(): 0: it takes one of this URL now; > 0: not before so many microseconds;
 * -1: nor any other one. call(): takes deliveries that are due, after their commit. */
struct caller_ops {
    int64_t (*pause_us)(const char *url);
    void (*call)(const struct delivery *d, size_t n);
};
int writer_start(const struct conf *conf, struct store *store, struct board *board, const struct caller_ops *calls);
/* No more changes are taken from clients (-ERR_DRAINING), and nothing is claimed; outcomes still are
 * taken. Returns when the last claims were passed to dispatch (at most timeout_ms). */
void writer_drain(int timeout_ms);
/* After the last outcome was posted: commits all and ends the thread. Changes may still come: they are refused. */
void writer_stop(void);
void writer_release(void); /* after that, and after the last thread that could post or ask */

void writer_wake(void); /* any thread */
bool writer_pool_paused(uint32_t pool); /* any thread */

/* Figures since start, for /v1/stats; any thread. */
struct writer_figures {
    uint64_t commits, submitted, finished, claimed, replayed, refused;
    uint64_t commit_us_sum, commit_us_max;
    uint64_t last_batch;
    size_t waiting;
};
void writer_figures(struct writer_figures *out);

#endif
