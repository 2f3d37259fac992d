/*
 * filter.h - the filter on system calls: made before fork, put in force after. libseccomp is used by
 * filter.c alone.
 */
#ifndef JOBMILL_WORKERS_FILTER_H
#define JOBMILL_WORKERS_FILTER_H

#include <stdbool.h>
#include <stddef.h>

enum filter_sockets {
    FILTER_SOCKETS_NONE,  /* none can be made; a pair of UNIX sockets can */
    FILTER_SOCKETS_LOCAL, /* UNIX sockets */
    FILTER_SOCKETS_INET,  /* these, IPv4, IPv6, and netlink for their look-ups */
    FILTER_SOCKETS,
};

struct filter {
    void *code; /* of struct sock_filter; owned */
    size_t count;
};

bool filter_works(void); /* does this kernel have what is needed? */

/* Of the sockets, and of io_uring, which could make them. `calls`: of the list of filter.def as well; `old_landlock`: its
 * version is below 3, and does not know of truncation. 0, or an errno. The caller releases it. */
int filter_make(struct filter *f, enum filter_sockets sockets, bool calls, bool old_landlock);
void filter_release(struct filter *f);

/* For the calling thread and all that it starts; no_new_privs must be set. 0, or -1 and errno.
 * Async-signal-safe. */
int filter_enter(const struct filter *f);

#endif
