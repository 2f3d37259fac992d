/*
 * namespace.h - a program's own view of users, processes, mounts and the network. All of it between fork
 * and exec: async-signal-safe, single-threaded.
 */
#ifndef JOBMILL_WORKERS_NAMESPACE_H
#define JOBMILL_WORKERS_NAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

struct namespace_wish {
    bool all;            /* not only that of users */
    bool network;        /* keep the service's */
    const char *dir;     /* the job's directory: of the file system it alone, */
    char *const *write;  /* and these, can be written; NULL-terminated or NULL */
    char uid_map[40], gid_map[40];
};

/* Fills the maps: the program is in its namespace who it is outside. */
void namespace_maps(struct namespace_wish *w, uint32_t uid, uint32_t gid);

/* Becomes another user with no other groups. 0, or an errno. */
int namespace_user(uint32_t uid, uint32_t gid);

/*
 * Enters. With `all` the caller forks on the way, twice: the process that called stays outside and ends as the
 * program does, another is the first process of the namespace, and only the innermost returns with 0. An
 * errno may come back in any of them; the caller then ends it.
 */
int namespace_enter(const struct namespace_wish *w);

/* Gives up all capabilities, those of a namespace's owner or of root, for good. 0, or an errno. */
int namespace_drop(void);

#endif
