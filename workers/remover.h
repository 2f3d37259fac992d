/*
 * remover.h - removes the directories of jobs so that nobody waits for a large one: what takes longer goes on in a
 * child of the caller. For a single-threaded process: the fork server, a worker.
 */
#ifndef JOBMILL_WORKERS_REMOVER_H
#define JOBMILL_WORKERS_REMOVER_H

#include "../common/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Removes a directory, for a moment here, then in a child. Where there are too many of these already it is waited
 * for, so that no more is made than can be removed. */
void remover_remove(const char *path);

/* Removes all that are in the list, in a child, and takes the list (workdir_find()). False: there are too many children,
 * or none can be made; later. */
bool remover_start(struct buf *paths);

bool remover_is(pid_t pid); /* is it one of these children? The caller's reaper is to pass them by */
void remover_reap(void);    /* those that have ended */

/* The children were killed and reaped: removes here what they left. False: time was up (mono). */
bool remover_finish(int64_t until_us);

/* What a child keeps open, of the caller's descriptors, for its log lines. */
void remover_setup(int log_fd);

#endif
