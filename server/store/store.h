/*
 * store.h - the one door to persistence. What the service needs of a store, and nothing about how.
 *
 * Thread contract: one struct store, used by the writer's thread only (store_open and store_recover
 * before that thread exists); one struct store_reader per reading thread. store_count is the
 * exception: any thread.
 *
 * Write calls happen between store_begin and store_commit. An error of a write call other than the
 * named refusals, or of store_commit, means *unknown*: the caller must acknowledge nothing of the
 * transaction, and end the service (see docs/architecture.md). -ERR_STORE_FULL from anything but
 * store_commit's sync, and -ERR_NOMEM, were rolled back and are known not to be kept.
 */
#ifndef JOBMILL_SERVER_STORE_H
#define JOBMILL_SERVER_STORE_H

#include "../../common/buf.h"
#include "../../common/job.h"
#include "../reader.h"
#include "../unique.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_reader;

struct store_options {
    const char *data_dir;    /* created 0700 when missing */
    uint64_t cache_bytes;    /* page cache of the writer */
    uint64_t reader_cache_bytes;
    uint64_t wal_limit;      /* bytes of log after which a checkpoint may no longer be put off */
    bool migrate_only;       /* for `jobmill migrate` */
};

/* Opens (creating and migrating as needed) and locks the data directory. On failure *why says what and
 * what to do, in one line. -ERR_STORE_BUSY, -ERR_STORE_NEWER, -ERR_STORE_CORRUPT, -ERR_STORE, -ERR_STORE_FULL. */
int store_open(const struct store_options *o, struct store **out, struct buf *why);
/* Copies the store in data_dir, which another process may be using, into the empty file `file` as it is at
 * one moment, and checks the copy; syncs nothing. On failure *why says what. Any thread; no store is open
 * in this process. */
struct store_copy {
    int64_t jobs;
    int version; /* of its schema */
};
int store_copy(const char *data_dir, const char *file, struct store_copy *out, struct buf *why);

/* Makes a new store in `file` (empty) of what can be read of the damaged one in data_dir, which is only read;
 * syncs nothing. 0 also when much is missing. On failure *why says what. Any thread; no store is open in this
 * process. */
struct store_salvage {
    int64_t jobs;
    uint64_t rows, bad_rows; /* taken over; left out because a value cannot be */
    int damaged;             /* tables of which pages could not be read */
    int version;             /* of the new store's schema */
};
int store_salvage(const char *data_dir, const char *file, struct store_salvage *out, struct buf *why);
void store_close(struct store *s); /* checkpoints, closes, unlocks; NULL is legal */
int store_schema_version(const struct store *s);

struct recovery {
    uint64_t requeued; /* jobs that ran when the last service died, now queued */
    uint64_t failed;   /* of those, without attempts left */
    uint64_t cancelled;/* of those, with a cancel acknowledged */
    uint64_t largest_key; /* for id_floor */
};
/* Ends what the last service left running; one transaction of its own. */
int store_recover(struct store *s, int64_t now_us, struct recovery *out);

/* The store's number for a task's name, made when new (own transaction or the open one). */
int store_task_id(struct store *s, const char *name, uint32_t *id);
/* The numbers are from 1 to this; also those of tasks that the configuration has no more. */
uint32_t store_tasks(const struct store *s);

int store_begin(struct store *s);
int store_commit(struct store *s); /* returns once synced */
bool store_wrote(const struct store *s); /* had the last commit anything to write? */
int store_rollback(struct store *s);

/* A key as given by a client; kept until expires_us. */
struct store_key {
    const char *key;
    const uint8_t *fingerprint; /* 32 bytes */
    int64_t now_us, expires_us;
};
struct store_new {
    struct job *job;
    const struct store_key *key;       /* NULL: none */
    const struct store_unique *unique; /* NULL: as many as one likes */
    bool reject;                       /* a duplicate will be refused: the key is not kept for what is there */
    bool delayed;                      /* run_at_us is a while from now, not a time that was given */
    const struct attempt *ended;       /* of a RUNNING one: its first attempt succeeded already; NULL: it did not */
    bool stays;                        /* the texts and bytes of `job` and `ended` stay as and where they are until
                                        * the transaction is over: they may be written later in it */
};
enum { STORE_REPLAYED = 1, STORE_REPLAYED_GROUP = 2, STORE_DUPLICATE = 3, STORE_HELD = 4, STORE_REPLAYED_DUPLICATE = 5 };
/* Keeps a new job in the state it has (SCHEDULED, QUEUED, or RUNNING with attempt 1 when a worker is
 * waiting for it); SCHEDULED when it has parents that have not ended, and ended at once when one of
 * them did not succeed. Its parents were checked by store_check_parents. With `ended`, which takes neither key
 * nor group, parents, callback or concurrency key, it is kept as SUCCEEDED, and `job` stays as it is.
 * STORE_REPLAYED: the key was used for the same request, STORE_DUPLICATE: the same is there,
 * STORE_REPLAYED_DUPLICATE: that was the answer when the key was used; *job is replaced by that job, without input and result. -ERR_KEY_REUSED: the key was for another request;
 * -ERR_FORGOTTEN: for this one, but what it made is forgotten: job->id is its id. */
int store_insert(struct store *s, struct store_new *new);
/* 0, or -ERR_UNKNOWN_DEPENDENCY with *which: no such job or group. */
int store_check_parents(struct store *s, const struct id *parents, size_t n, struct id *which);

/* For what is more than one job: was the key used? 0 no; STORE_REPLAYED(_GROUP) with the job's or
 * group's id; -ERR_KEY_REUSED; -ERR_FORGOTTEN with the id of the group that is gone. store_keep_key keeps it. */
int store_replay(struct store *s, const struct store_key *key, struct id *id);
int store_keep_key(struct store *s, const struct store_key *key, const struct id *id,
                   bool is_group);

/* The same for a batch that comes line by line, of which each part moves the mark. */
int store_stream_get(struct store *s, const char *key, int64_t now_us, struct stream_mark *out);
int store_stream_put(struct store *s, const struct store_key *key, const struct stream_mark *m);

/* A new group, open (g->open) while jobs are added in further transactions. */
int store_group_add(struct store *s, const struct group *g);
int store_group_close(struct store *s, const struct id *id, int64_t now_us);

/* What may be claimed of one task. */
struct claim_quota {
    uint32_t task_id;
    uint32_t most;    /* so many in this call */
    uint32_t per_key; /* jobs of one concurrency key that may run at once */
    int64_t lent_us;  /* mono, now: they may be lent; 0: each claim is written */
    bool lent_briefly; /* until something else is written, and not to their outcomes */
    bool brief;       /* of each job only what a local worker's claim needs is read (see row_claim) */
};
/* Moves up to `want` of the queued jobs of the given tasks to running, as their next attempt, by rank,
 * then age. A job whose concurrency key is full is held and left; one whose time is over before it began expires
 * (see store_settle). Fills out[0..*n-1] (job_init'ed by
 * the call) with input; the caller releases. STORE_HELD: so many were held or expired, by this call
 * and those before it in the transaction, that it came to no end; a later transaction goes on behind them. */
int store_claim(struct store *s, const struct claim_quota *quota, size_t quotas, size_t want,
                int64_t now_us, struct job *out, size_t *n);
/* Lent jobs: claims that are not written before their outcome, of jobs that may be tried again anyway. In
 * the store they are queued still, and a service that dies forgets that this attempt had begun.
 * Cancel, checkpoint and each outcome but a success write the claim by themselves.
 *
 * Of those that have begun (loan_begins), writes as running: what began at until_us (mono) or before, and with
 * `briefly` all that were lent so. */
int store_lent_due(struct store *s, int64_t until_us, bool briefly);
/* When the first of them began, or, where that is after until_us, one that has not begun was lent; INT64_MAX: there is
 * none. */
int64_t store_lent_since_us(const struct store *s, int64_t until_us);
/* Queued jobs of this task that a claim would look at, the open transaction included. Writer's thread. */
uint64_t store_ready(const struct store *s, uint32_t task_id);
/* When the first of them was made; 0: there is none. */
int64_t store_oldest_us(struct store *s, uint32_t task_id);

/* How an attempt's failure is followed up; set by the caller from its policy. */
struct finish_policy {
    int64_t now_us;
    int64_t (*backoff_us)(const struct job *job, void *arg); /* delay before the next attempt */
    void *arg;
};
/* Ends an attempt. Returns 0 with *state the job's new state and *task_queued unset or set;
 * -ERR_CONFLICT when that attempt does not hold the job (fenced: nothing changes); -ERR_NO_JOB.
 * A job with cancel_requested ends cancelled whatever the attempt says. A failed one that has
 * attempts left becomes QUEUED (retry_now) or SCHEDULED (backoff). RETURNED: QUEUED, attempt - 1; FAILED where it
 * began as the last one. */
int store_finish(struct store *s, const struct attempt *a, const struct finish_policy *p,
                 enum job_state *state);

/* Keeps what the attempt that holds the job leaves for the next one (store_claim gives it); of another
 * attempt nothing is kept. Gone with the job, or when it has succeeded. */
int store_checkpoint_keep(struct store *s, const struct id *job, uint32_t attempt,
                          const struct buf *data);

/* Cancels. Fills *job as it then is (without input/result). A queued or scheduled one is CANCELLED at
 * once; a running one keeps running with cancel_requested set (the caller stops it); a cancelled one is
 * left and 0; -ERR_CONFLICT for another final one (job filled); -ERR_NO_JOB. */
int store_cancel(struct store *s, const struct id *id, int64_t now_us, struct job *job);

/* Runs a failed, cancelled or expired job again, for at least one more attempt: QUEUED, or SCHEDULED while some
 * of what it depends on has not ended (which was retried before it); what has ended, in whatever way, holds it no
 * more. Fills *job as it then is. -ERR_CONFLICT (job filled) for another state; -ERR_NO_JOB. */
int store_retry(struct store *s, const struct id *id, int64_t now_us, struct job *job);

/* Forgets a job that has ended. -ERR_CONFLICT with *state: it has not, or what depends on it or on its group is
 * still to be told (see store_settle); -ERR_NO_JOB. */
int store_delete(struct store *s, const struct id *id, enum job_state *state);

/* Passes on what ended in this transaction: groups whose last job it was, jobs that waited for it, and
 * so on. Call it after the changes and before the claims. *more: some is left for the next transaction. */
int store_settle(struct store *s, int64_t now_us, bool *more);
/* Wall: the earliest time at which something becomes due or expires by the open transaction; INT64_MAX: none. */
int64_t store_due_hint_us(const struct store *s);
/* Jobs and groups that ended in the transaction, to be told after its commit: call before. */
size_t store_ended_count(const struct store *s);
void store_ended_id(const struct store *s, size_t i, struct id *out);
/* Likewise the i-th job that ran once and was forgotten in it; false: there are no more. */
bool store_gone(const struct store *s, size_t i, struct id *out);

/* What is kept of a task's ended jobs. */
struct keep_rule {
    uint32_t task_id;
    int64_t now_us;
    int64_t before_us; /* those that finished before this go; 0: none */
    uint64_t most;     /* more than so many that have ended: the oldest go; UINT64_MAX: no limit */
};
/* Looks at up to `limit` jobs, oldest first, from where the last call ended. *more: not at the end. */
int store_sweep_jobs(struct store *s, const struct keep_rule *rule, size_t limit, size_t *gone,
                     bool *more);
/* Forgets the oldest jobs that have ended, of whatever task, while what is kept takes more than `bytes` of
 * the file. `limit` and *more as above. */
int store_sweep_bytes(struct store *s, uint64_t bytes, size_t limit, size_t *gone, bool *more);
/* Gives up to `pages` unused pages back to the file system; inside a transaction. */
int store_shrink(struct store *s, size_t pages);

/* The clock was set, by so much: pauses, delays, leases and calls that wait are still as far away as they were. */
int store_clock_set(struct store *s, int64_t step_us);

int store_state_of(struct store *s, const struct id *id, enum job_state *state); /* 0, -ERR_NO_JOB */

/* Calls of callback_urls. They are made by the ends of jobs and groups. new: were there any since the
 * last question? due: which are; later: one is due at next_us instead; note: what became of one. */
bool store_deliveries_new(struct store *s);
int store_deliveries_due(struct store *s, int64_t now_us, struct delivery *out, size_t most, size_t *n);
int store_delivery_later(struct store *s, const struct id *id, int64_t next_us);
int store_delivery_next_us(struct store *s, int64_t *next_us); /* INT64_MAX: none */
int store_delivery_note(struct store *s, const struct delivery *v);

/* Leases. get: -ERR_LEASE_LOST when there is none of this id; drop: of a job, whatever its lease. */
int store_lease_add(struct store *s, const struct lease *l);
int store_lease_get(struct store *s, const struct id *id, struct lease *out);
int store_lease_beat(struct store *s, const struct lease *l); /* its times and progress */
int store_lease_drop(struct store *s, const struct id *job);
int store_lease_held(struct store *s, const struct id *job, bool *held); /* is the job leased? */
/* All count as heard of now: nobody could be heard before. */
int store_leases_heard(struct store *s, int64_t now_us);
int store_leases_expired(struct store *s, int64_t now_us, struct lease *out, size_t most, size_t *n);
int store_lease_next_us(struct store *s, int64_t *next_us); /* INT64_MAX: none */

/* Schedules. put: new, or instead of that of the same name, whose last run is kept. -ERR_NO_SCHEDULE. */
int store_schedule_put(struct store *s, const struct schedule *g);
int store_schedule_delete(struct store *s, const char *name);
int store_schedule_pause(struct store *s, const char *name, bool paused, int64_t next_us);
int store_schedule_ran(struct store *s, const struct schedule *g); /* keeps next_us and last_* */
/* Those due, the longest first, from the one behind `behind` on, at most `most`; the caller releases them. They
 * have no job. */
int store_schedule_due(struct store *s, int64_t now_us, const struct schedule_place *behind,
                       struct schedule *out, size_t most, size_t *n);
/* Those that have a next run, by name, likewise. */
int store_schedule_times(struct store *s, const char *behind, struct schedule *out, size_t most, size_t *n);
int store_schedule_get(struct store *s, const char *name, struct schedule *out); /* as store_read_schedule */
/* Of those behind `behind`. INT64_MAX: none. */
int store_schedule_next_us(struct store *s, const struct schedule_place *behind, int64_t *next_us);
int store_schedule_count(struct store *s, const char *name, size_t *n); /* of other names */

/* Kept over restarts. A paused task or pool is not the store's matter otherwise. */
int store_pause_task(struct store *s, uint32_t task_id, bool paused);
int store_pause_pool(struct store *s, const char *pool, bool paused);
int store_pool_paused(struct store *s, const char *pool, bool *paused);
bool store_task_paused(const struct store *s, const char *task); /* any thread */
/* A number that is another one after the job's row has changed; 0: it may be changing now. What was read after
 * it was asked for is as of it or later. Any thread. */
uint64_t store_job_version(const struct store *s, const struct id *id);
bool store_task_paused_id(const struct store *s, uint32_t task_id); /* the same by number */

/* Makes due SCHEDULED jobs QUEUED and ends those that expired, at most `limit` of each. *next_us: when
 * the next is due (INT64_MAX: none). */
int store_due(struct store *s, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us);

/* Forgets groups that ended by before_us and have no jobs, at most `limit`: all that they were to have was there
 * already. Those that had jobs go with their last one. */
int store_sweep_groups(struct store *s, int64_t before_us, size_t limit, size_t *gone);

/* Forgets expired idempotency keys, at most `limit`; inside a transaction. */
int store_sweep_keys(struct store *s, int64_t now_us, size_t limit, size_t *gone);

/* What its caller has to do meanwhile: more waits; nothing does at this moment, as is so often under load; nothing
 * came for a while. */
enum store_rest { STORE_PRESSED, STORE_IDLE, STORE_QUIET };

/* Outside a transaction: moves the log into the database when worth it: who is pressed only when the log is over its
 * limit, others sooner. Never waits for readers. */
int store_checkpoint(struct store *s, enum store_rest rest);

/* The same, the open transaction included; the writer's thread. */
uint64_t store_count_now(const struct store *s, uint32_t task_id, enum job_state state);
/* Any thread: how many jobs of this task (store's id) are in this state, as of the last commit. */
uint64_t store_count(const struct store *s, uint32_t task_id, enum job_state state);

/* ---- readers ---- */
int store_reader_open(struct store *s, struct store_reader **out);
void store_reader_close(struct store_reader *r);
int store_read_job(struct store_reader *r, const struct id *id, unsigned what, size_t inline_max,
                   struct job *out);
int store_read_bytes(struct store_reader *r, const struct id *id, const struct piece *p, void *out);
int store_read_list(struct store_reader *r, const struct job_filter *f, unsigned what,
                    size_t inline_max, struct job_page *out);
int store_read_group(struct store_reader *r, const struct id *id, struct group *out);
int store_read_stream(struct store_reader *r, const char *key, int64_t now_us,
                      struct stream_mark *out);
int store_read_attempts(struct store_reader *r, const struct id *id, size_t most,
                        struct attempt_record *out, size_t *n);
int store_read_deliveries(struct store_reader *r, const struct id *subject,
                          struct delivery *out, size_t most, size_t *n);
int store_read_lease(struct store_reader *r, const struct id *job, struct lease *out);
int store_find_lease(struct store_reader *r, const struct id *id, struct lease *out); /* by its own id */
int store_read_schedule(struct store_reader *r, const char *name, struct schedule *out);
int store_read_schedules(struct store_reader *r, const struct schedule_look *look, struct schedule *out, size_t most,
                         size_t *n);
int store_read_counts(const struct store *s, const char *task, struct job_counts *out);
/* *since_us is left alone where no job of the task waits in the queue. */
int store_read_queued_since(struct store_reader *r, const char *task, int64_t *since_us);
void store_read_sizes(const struct store *s, struct store_sizes *out);

#endif
