/*
 * joblog.h - what each job wrote: a file a job, below DATA_DIR/logs, of whole lines
 * `TIME ATTEMPT LEVEL TEXT`. The collector's thread appends; any thread reads; the file goes with the
 * job. Nothing is synced: lines outlive the processes, not the power.
 *
 * A file is made with its first line and has at most log_max bytes, then one line that says so and mode
 * 0400, by which it is known to be full.
 */
#ifndef JOBMILL_SERVER_JOBLOG_H
#define JOBMILL_SERVER_JOBLOG_H

#include "../common/buf.h"
#include "../common/id.h"
#include "../common/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Main thread, before the first job runs: where the files are, and what they may hold (0: none are
 * kept). 0, -ERR_SYSTEM (errno), -ERR_NOMEM. What comes before is not kept. */
int joblog_open(const char *data_dir, uint64_t max);
/* After the collector and the last reader have ended. */
void joblog_close(void);

/* ---- the collector's thread ---- */

/* A line for the job that `r` names; one with line ends in it is several. Kept in memory until
 * joblog_flush, but for at most some 100 KiB. */
void joblog_add(const struct log_record *r, const char *text, size_t len);
/* Writes what was added, and wakes those who wait for joblog_key of its jobs. */
void joblog_flush(void);
/* Lines that could not be written since the last call. */
unsigned long long joblog_lost(void);
void joblog_remove(const struct id *job);
void joblog_rest(void); /* at its end: flushes, closes all files */

/* ---- any thread ---- */

/* What a waiter (waiters.h) waits for to be woken by the next lines of a job. */
struct id joblog_key(const struct id *job);

/* Where a reader stands in a job's log, and which lines it wants. */
struct joblog_view {
    struct id job;
    uint64_t at;      /* bytes of the file, at the beginning of a line */
    uint64_t seen;    /* the file's size when no whole line was left behind `at`; else less */
    bool all;         /* none was left when it was read last */
    uint32_t attempt; /* 0: of all attempts */
    bool json;        /* each line a JSON object; else as text, control bytes and bad UTF-8 as \xNN */
};
/* Appends the next whole lines, until some `room` bytes are there, none is left, or it has looked at so many
 * that others should have their turn (then v->all is false, and there may be none). 0, -ERR_SYSTEM,
 * -ERR_NOMEM. A job without a file has no lines. */
int joblog_read(struct joblog_view *v, size_t room, struct buf *out);
/* These look at all of the file. Moves to the last `lines` of the lines that are wanted. */
int joblog_seek_tail(struct joblog_view *v, uint64_t lines);
/* Moves past the first `lines` of them. */
int joblog_skip(struct joblog_view *v, uint64_t lines);
bool joblog_has_more(const struct joblog_view *v); /* has it grown since no line was left? */

/* ---- files of jobs that are gone ---- */

/* A thread that looks at all files once, a few at a time, and removes those whose job the store does not
 * know. Start it before jobs can be submitted, for one that runs ahead of its commit is not known yet, and stop it
 * before reader_stop. */
int joblog_sweep_start(void);
void joblog_sweep_stop(void);

/* ---- between joblog*.c ---- */
#define JOBLOG_DIRS 256
#define JOBLOG_PATH 64
int joblog_dir(void);                                          /* descriptor of DATA_DIR/logs; -1: none */
void joblog_path(const struct id *job, char out[JOBLOG_PATH]); /* below it */

#endif
