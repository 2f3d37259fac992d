/*
 * cgroup.h - cgroup v2, where the service's own one is delegated to it: bounds for a program together
 * with all that it starts, of memory and of processes.
 *
 * The tree: OWN/jobmill holds the service, OWN/jobmill-PID-N what a worker's program needs.
 */
#ifndef JOBMILL_WORKERS_CGROUP_H
#define JOBMILL_WORKERS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH 256 /* bytes of a path, with its zero */

/* The directory of the cgroup that a process is in, by the texts of /proc/self/mounts and
 * /proc/self/cgroup. False: there is none, or its path is too long. */
bool cgroup_find(const char *mounts, const char *self, char own[CGROUP_PATH]);

/* Of how many CPUs it has the time, by its own bound and those of the cgroups above it, rounded up; 0: there is no
 * bound. An absolute path. */
unsigned cgroup_cpu_quota(const char *own);
/* The same of the one that the calling process is in. Any thread. */
unsigned cgroup_cpu_quota_here(void);

/* Moves the calling process into a child of `own`, so that others there can be bounded. Nothing is
 * changed where that cannot be. NULL, or what stands against it: a static sentence. */
const char *cgroup_set_up(const char *own);
void cgroup_take_down(void); /* and back; what is bounded must have ended. Does nothing where it was not set up */

/* Finds it, and sets up. `own` is "" where that cannot be; what cgroup_set_up() answers. */
const char *cgroup_begin(char own[CGROUP_PATH]);

struct cgroup {
    char path[CGROUP_PATH]; /* "": none */
    int enter_fd;           /* for the child, close-on-exec; -1: none */
    bool was_full;          /* cgroup_was_full() */
};

/* A cgroup below `own` with these limits; 0: no limit. 0, or an errno with nothing left behind. */
int cgroup_make(struct cgroup *g, const char *own, uint64_t memory, uint32_t processes);
/* In the child: it and all that it starts are bounded from now on. Async-signal-safe. 0, or an errno. */
int cgroup_enter(const struct cgroup *g);
/* Were processes of it killed for its memory? Also when it has been removed. */
bool cgroup_was_full(struct cgroup *g);
/* Its processes are dead. Twice does no harm. */
void cgroup_remove(struct cgroup *g);
/* Those that a dead worker has left. */
void cgroup_forget(const char *own, pid_t worker);
/* And those of all workers that do not live any more, also of an earlier service. */
void cgroup_sweep(const char *own);

#endif
