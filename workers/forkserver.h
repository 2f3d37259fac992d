/*
 * forkserver.h - the one-threaded process that loads the task modules once, forks the workers, reaps
 * them and whatever they leave behind, and tells the front end of births and deaths.
 *
 * It speaks SPAWN, KILL (in) and BORN, UNBORN, HALT, DEATH (out) of msg.def on heritage.control_fd. End of
 * file there means: kill every worker and exit. It is a child subreaper, so descendants of a worker
 * that died become its own children and are killed before the DEATH message is sent.
 */
#ifndef JOBMILL_WORKERS_FORKSERVER_H
#define JOBMILL_WORKERS_FORKSERVER_H

#include "../common/heritage.h"

#include <sys/types.h>

/* Forks the fork server. Before the first thread of the caller exists; the calling thread must live as
 * long as the service does (PR_SET_PDEATHSIG). h->control_fd is not read: the call makes the socket pair
 * and returns the front end's end in *control, which the caller closes. Returns the pid, or
 * -ERR_SYSTEM. Task modules are loaded in the child after the return; board->loaded and
 * board->task[].status tell when and how it went. */
pid_t forkserver_start(const struct heritage *h, int *control);

/* Removes what jobs of an earlier life left behind: that was killed with its fork server. What takes longer than a second the new fork
 * server goes on with. Only where no other service can have the same
 * data directory, and before the first worker is asked for. */
void forkserver_sweep(const struct taskdefs *defs);

/* For the caller's own end in bad order: kills the fork server if it still lives, and all that is or was
 * below it, within limit_ms, then removes what that left behind, for a second at most. The caller must be a child subreaper since before forkserver_start, so that
 * the orphans of a fork server that was killed have fallen to it. Any thread. */
void forkserver_kill_all(int limit_ms);

/* The entry of a spawned image: `jobmill worker …` as written by the fork server on the command line
 * (start method spawn). Never returns to main with anything but an exit status. */
int forkserver_spawned(int argc, char **argv);

#endif
