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
#include "inbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct store;

enum change_kind { CHANGE_SUBMIT, CHANGE_CANCEL, CHANGE_FINISH };

#define IDEMPOTENCY_KEY_MAX 255

/* What every node in the writer's inbox begins with. */
struct work {
    struct inbox_node node; /* the writer's */
    enum change_kind kind;
};

struct change {
    struct work work;
    void (*done)(struct change *c);

    /* CHANGE_SUBMIT: in: id, task_id (taken by the writer from task_index), state SCHEDULED or QUEUED,
     * everything a job starts with, input. out: the job as kept; for a replay the job that the key
     * named, without input and result.
     * CHANGE_CANCEL: in: job.id; out: the job as it is now. */
    struct job job;
    uint32_t task_index; /* in the configuration's taskdefs */

    /* CHANGE_SUBMIT with an Idempotency-Key; empty string: none */
    char key[IDEMPOTENCY_KEY_MAX + 1];
    uint8_t fingerprint[32]; /* SHA-256 of what was asked: target and body */

    /* out */
    int err;       /* 0, or -ERR_KEY_REUSED, -ERR_NO_JOB, -ERR_CONFLICT, -ERR_STORE_FULL, … */
    bool replayed; /* the key was known: nothing was stored */
};

/* Any thread. Takes the change on 0; on -ERR_OVERLOADED or -ERR_DRAINING it stays the caller's and
 * done is not called. */
int writer_post(struct change *c);

/* ---- for dispatch ---- */

/* What every node in dispatch's inbox begins with. */
enum order_kind { ORDER_CLAIM, ORDER_CANCEL };
struct order {
    struct inbox_node node;
    enum order_kind kind;
};

/* A job that a pool may run now; made by the writer, owned by dispatch once posted. */
struct claim {
    struct order order;
    struct id job;
    uint32_t task_index;
    uint32_t task_id;
    uint32_t attempt;
    int64_t timeout_us;
    bool cancel_requested;
    char input_type[JOB_TYPE_MAX + 1];
    struct buf input;
};
void claim_free(struct claim *c);

struct finish {
    struct work work;
    struct attempt attempt;
    uint32_t pool;
    uint32_t credit; /* jobs that this pool can take once this one is over: claimed in the same commit */
};
/* Takes f (heap) in every case. */
void writer_finish(struct finish *f);
/* `n` more jobs may be claimed for this pool; any thread. */
void writer_credit(uint32_t pool, uint32_t n);

/* ---- for serve ---- */

int writer_start(const struct conf *conf, struct store *store);
/* No more changes are taken from clients (-ERR_DRAINING), and nothing is claimed; outcomes still are
 * taken. Returns when the last claims were passed to dispatch (at most timeout_ms). */
void writer_drain(int timeout_ms);
/* After the last outcome was posted: commits all and ends the thread. */
void writer_stop(void);

/* Figures since start, for /v1/stats; any thread. */
struct writer_figures {
    uint64_t commits, submitted, finished, claimed, replayed, refused;
    uint64_t commit_us_sum, commit_us_max;
    uint64_t last_batch;
    size_t waiting;
};
void writer_figures(struct writer_figures *out);

#endif
