/*
 * reaper.h - kills whole trees of processes for certain, also those that left their process group or
 * session. For a child subreaper (the fork server, a worker), to which orphans below it fall.
 */
#ifndef JOBMILL_WORKERS_REAPER_H
#define JOBMILL_WORKERS_REAPER_H

#include <stdbool.h>
#include <sys/types.h>

/* Stops and then kills every descendant of `root`, and root itself when it is not the caller. Does not
 * reap. What a descendant forked in the instant before it was stopped falls to the subreaper and is
 * found by reaper_clear(). */
void reaper_kill_tree(pid_t root);

/* Kills and reaps every child of the caller that `keep` does not name, with all below it, until none is
 * left. `keep` NULL: names none. Bounded at limit_ms; true: none is left. Those that are left then have
 * their SIGKILL, and wait for something in the kernel: from now on neither function knows them, but reaps
 * them when they have died. (64 of them; more are waited for again.) */
bool reaper_clear(bool (*keep)(pid_t pid, void *arg), void *arg, int limit_ms);

/* Has the caller a child that `keep` (NULL: as above) does not name? One or two system calls. For a process that is
 * single-threaded now. */
bool reaper_has_strangers(bool (*keep)(pid_t pid, void *arg), void *arg);

#endif
