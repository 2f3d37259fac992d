/*
 * child.h - starts a program for a job: its pipes, its environment, its directory, its end.
 * Single-threaded callers (workers).
 */
#ifndef JOBMILL_WORKERS_CHILD_H
#define JOBMILL_WORKERS_CHILD_H

#include "../common/taskdef.h"
#include "cgroup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    int pid_fd; /* readable when it has died */
    int out_fd, err_fd, msg_fd; /* our ends of its stdout, stderr and fd 4; non-blocking */
    int job_fd;                 /* our end of its fd 3, where jobs go; non-blocking; -1: none */
    struct cgroup cgroup;       /* its and its children's; none where the machine has none for it */
};

struct child_options {
    char *const *argv;
    char *const *env;
    const char *dir;  /* working directory */
    int stdin_fd;     /* stays the caller's */
    bool job_pipe;    /* give it a pipe as fd 3 */
    const struct taskdef *def; /* its limits and its sandbox */
};

/* Starts argv[0] (looked up in the environment's PATH) in a session of its own. Failure of exec is
 * noticed here: returns 0, or a positive errno, with nothing left behind. */
int child_start(struct child *c, const struct child_options *o);
/* Was it, or what it started, killed for want of memory? Once it has been reaped. */
bool child_was_full(struct child *c);
void child_close(struct child *c); /* the descriptors, the cgroup; the process must have been reaped */

/* Where argv[0] would be found: 0, or an errno. */
int child_lookup(const char *program);

#endif
