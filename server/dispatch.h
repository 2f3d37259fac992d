/*
 * dispatch.h - the one owner of the worker sockets: hands jobs to workers, collects outcomes, times
 * out, cancels, and gives the writer credit for what the pools can take.
 *
 * One thread with an epoll loop; others post to it, and the writer's may take its turn while it sleeps.
 */
#ifndef JOBMILL_SERVER_DISPATCH_H
#define JOBMILL_SERVER_DISPATCH_H

#include "../common/board.h"
#include "writer.h"

#include <stdbool.h>

struct conf;

/* Starts the thread, which takes control_fd, and asks for the pools' workers. 0, -ERR_SYSTEM. */
int dispatch_start(const struct conf *conf, struct board *board, int control_fd);

/* Writer's thread, after the commit. Takes the list of claims, linked by node.next. */
void dispatch_claimed(struct claim *list);
/* The same, when the writer has nothing else to do: where dispatch's thread sleeps, this one gives the jobs to their workers and
 * looks for what they answer, until all did, enough(), or for most_us. That saves the wake-ups on both ways. What is open then is
 * left to the other. */
void dispatch_run(struct claim *list, int64_t most_us, bool (*enough)(void));
/* Writer's thread, after the commit: a running job is to be stopped. */
void dispatch_cancel(const struct id *job, uint32_t attempt);

/* So many workers in this pool from now on, 1 to its definition's room: more are started, those that are
 * too many leave when they have done what they do. Returns at once. Any thread. */
void dispatch_resize(uint32_t pool, uint32_t workers);

/* Running jobs get until `deadline_us` (monotonic) to end, then they are killed and returned to the
 * queue. Returns at once; dispatch_wait_idle() tells when all is over. */
void dispatch_drain(int64_t deadline_us);
bool dispatch_wait_idle(int timeout_ms); /* true: no attempt is open */
void dispatch_stop(void); /* closes the workers' sockets, ends the thread; what comes then is dropped */
void dispatch_end(void);  /* nobody calls any more: frees it */

#endif
