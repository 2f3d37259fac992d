/*
 * landlock.h - the file system as a sandboxed program sees it: a list of what it may read and write,
 * made before fork, put in force after. The kernel's interface by its numbers, since Debian 12's
 * headers are older than what newer kernels offer.
 */
#ifndef JOBMILL_WORKERS_LANDLOCK_H
#define JOBMILL_WORKERS_LANDLOCK_H

#include <stdbool.h>

enum landlock_grant { GRANT_READ, GRANT_WRITE, GRANT_DEVICE };

/* The version that the kernel speaks; 0: none. */
int landlock_version(void);

/* An empty list: nothing can be opened, no signal sent to processes outside of the sandbox (from
 * version 6), no TCP without `network` (from version 4). A close-on-exec descriptor, or -1 and errno. */
int landlock_new(int version, bool network);

/* Adds a path with all below it. One that does not exist is passed over; so is a path of `hidden`
 * (NULL-terminated, absolute and without symbolic links), with what is below it. 0, or an errno. */
int landlock_allow(int list, int version, const char *path, enum landlock_grant what,
                   char *const *hidden);

/* The same for a path as it is, after fork. Async-signal-safe. */
int landlock_allow_here(int list, int version, const char *path, enum landlock_grant what);

/* Puts it in force for the calling thread and all that it starts; no_new_privs must be set. 0, or -1
 * and errno. Async-signal-safe. */
int landlock_enter(int list);

#endif
