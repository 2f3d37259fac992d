/*
 * reader.h - what HTTP handlers may see: snapshots of the store, copies of the scoreboard, the tasks.
 * It cannot write. Any thread: each thread that reads gets its own read connection, opened at its
 * first call and closed by reader_stop().
 */
#ifndef JOBMILL_SERVER_READER_H
#define JOBMILL_SERVER_READER_H

#include "../common/board.h"
#include "../common/job.h"
#include "../common/taskdef.h"

#include "delivery.h"
#include "lease.h"
#include "schedule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

int reader_start(struct store *store, const struct board *board, const struct taskdefs *defs);
void reader_stop(void);

enum { READ_INPUT = 1, READ_RESULT = 2 };

/* 0 and the job (the caller job_release()s it), -ERR_NO_JOB, -ERR_STORE…. `what`: READ_* flags; an input
 * or result larger than `inline_max` is left out even so (its size is told). SIZE_MAX: no limit. */
int reader_job(const struct id *id, unsigned what, size_t inline_max, struct job *out);

/* See store_job_version. */
uint64_t reader_job_version(const struct id *id);

/* A piece of a large input or result: of `size` bytes `len` from `at` on. */
struct piece {
    unsigned what;    /* READ_INPUT or READ_RESULT */
    uint32_t attempt; /* that the result is of */
    size_t size, at, len;
};
/* 0 and the bytes; -ERR_NO_JOB: the job is forgotten, or that attempt's result is no more. Only for those
 * that are larger than what stands in the job's row: reader_job is for the others, too. */
int reader_bytes(const struct id *id, const struct piece *p, void *out);

/* What an Idempotency-Key stands for that came with a batch line by line. */
struct stream_mark {
    bool known;  /* the key was used */
    bool stream; /* for such a batch; else it was for something else */
    bool whole;  /* and all of its lines came */
    struct id group;
    uint64_t lines;     /* that are kept, the empty ones counted */
    uint8_t prefix[32]; /* SHA-256 of them */
};
int reader_stream(const char *key, struct stream_mark *out); /* 0 also when it is not known */

struct job_filter {
    int state;              /* enum job_state, or -1 */
    unsigned states;        /* a bit for each of several, `state` being -1; 0: none. Not with `upward` */
    const char *task;       /* NULL: any */
    const char *tag;        /* NULL: any */
    const char *owner;      /* NULL: any */
    const struct id *group; /* NULL: any */
    int64_t from_us;        /* wall: only those submitted at it or later; 0: any … */
    int64_t until_us;       /* … and before it; 0: any. By the time in their ids, in whole milliseconds */
    const char *text;       /* NULL: any; see api.yaml for what it is looked for in */
    bool upward;            /* in the order of submission, from above `before`; with a group, a tag or a state of
                             * what did not succeed */
    bool has_before;
    struct id before;       /* only jobs older than this id: the cursor */
    unsigned limit;         /* 1..1000 */
    size_t bytes;           /* the page ends with the input or result by which it has so many; 0: it does not */
};

struct job_page {
    struct job *jobs; /* newest first, unless upward */
    size_t count;
    bool more;        /* go on after `last` */
    struct id last;   /* where the look ended; also when the page is short because the search was long */
};

int reader_list(const struct job_filter *f, unsigned what, size_t inline_max, struct job_page *out);
void job_page_release(struct job_page *p);

/* Jobs that were submitted together. */
struct group {
    struct id id;
    int64_t created_us, finished_us; /* wall; finished: 0 while a job of it has not ended */
    bool open;                       /* jobs are still being added */
    bool lost_failed, lost_cancelled; /* such jobs of it (or expired ones) were forgotten */
    uint64_t state[JOB_STATES];      /* how many are in each */
    struct buf callback_url;         /* empty: none */
    char owner[JOB_TASK_MAX + 1];    /* as a job's */
};
void group_release(struct group *g);
int reader_group(const struct id *id, struct group *out); /* 0, -ERR_NO_GROUP, … */

/* Those of a job or group, oldest first. */
int reader_deliveries(const struct id *subject, struct delivery *out, size_t most, size_t *n);
int reader_lease(const struct id *job, struct lease *out); /* -ERR_LEASE_LOST: it has none */
int reader_find_lease(const struct id *id, struct lease *out); /* -ERR_LEASE_LOST: it is not there any more */

/* 0, -ERR_NO_SCHEDULE; the caller schedule_release()s what is filled. */
int reader_schedule(const char *name, struct schedule *out);
int reader_schedules(const struct schedule_look *look, struct schedule *out, size_t most, size_t *n);

/* An attempt before the last one. */
struct attempt_record {
    uint32_t number;
    int64_t worker; /* process id; 0: not known */
    int64_t started_us, finished_us;
    struct job_error error;
};
/* The newest `most` of them, newest first; the last attempt itself is in the job. */
int reader_attempts(const struct id *id, size_t most, struct attempt_record *out, size_t *n);

bool reader_task_paused(const char *task);

/* Counts by state, of all tasks (task == NULL) or one. All tasks known to the store count. */
struct job_counts {
    uint64_t state[JOB_STATES];
    uint64_t came[JOB_STATES]; /* since the start of the service: jobs that came to each state … */
    uint64_t made;             /* … and jobs that were submitted */
};
int reader_counts(const char *task, struct job_counts *out);

/* Since when (wall) the job waits that is next in line for a task, without those that wait for a
 * concurrency key; 0: none waits. One look-up in an index. */
int reader_queued_since(const char *task, int64_t *since_us);

/* Sizes of the store's files in bytes. */
struct store_sizes {
    uint64_t db, wal;
};
void reader_sizes(struct store_sizes *out);

const struct board *reader_board(void); /* read through slot_copy, board_find_job and atomics only */
const struct taskdefs *reader_tasks(void);

#endif
