/*
 * collector.h - the sole reader of the log pipe; writes whole lines to standard error, as text on a
 * terminal and as JSON lines otherwise; lines of jobs also to their own files (joblog.h). One thread of the
 * front end.
 */
#ifndef JOBMILL_SERVER_COLLECTOR_H
#define JOBMILL_SERVER_COLLECTOR_H

#include "../common/id.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes the pipe: [0] for collector_start, [1] to write; both close-on-exec. Before fork. */
int collector_pipe(int fds[2]);
/* Starts the thread, which takes read_fd. json: JSON lines. */
int collector_start(int read_fd, bool json);
/* Closes nothing: the caller has closed the last write end of this process (log_open(-1)) before.
 * Reads to end of file, at most timeout_ms, then ends the thread. */
void collector_stop(int timeout_ms);

/* Any thread: a ticket for all that was written to the pipe before; it has passed once that is in the files of
 * the jobs. Those who wait (waiters.h) for collector_key are woken by every ticket that passes. */
uint64_t collector_ask(void);
bool collector_passed(uint64_t ticket);
extern const struct id collector_key;
/* Any thread: removes a job's log, after what was written to the pipe before. */
void collector_forget(const struct id *job);

#endif
