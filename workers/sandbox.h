/*
 * sandbox.h - what keeps a job's program from all that is not its own: other users' rights, namespaces,
 * Landlock, a filter on system calls, resource limits. docs/sandbox.md says what each level holds.
 *
 * What allocates or walks the file system is done before fork; what is in force for good after it.
 */
#ifndef JOBMILL_WORKERS_SANDBOX_H
#define JOBMILL_WORKERS_SANDBOX_H

#include "../common/taskdef.h"
#include "namespace.h"

/* What this machine offers: tried in processes that end at once. Before any thread exists. */
void sandbox_probe(struct machine *m, uint32_t uid, uint32_t gid);

/* In a worker, at its birth: the definitions that the functions below take machine and hidden paths from.
 * When the pool's tasks are modules that ask for a sandbox, the worker enters it. 0, or an errno. */
int sandbox_worker(const struct taskdefs *defs, uint32_t pool);

/* One program's. */
struct sandbox {
    const struct taskdef *def;
    const struct filter *filter; /* NULL: none; kept for the life of the process */
    int list;                    /* Landlock's; -1: none */
    const char *cgroups; /* below which the program's own is made; "": none */
    bool own_user, user_namespace;
    struct namespace_wish wish;
};

/* `dir`: the job's directory, which stays the caller's. 0, or an errno with nothing left behind. */
int sandbox_prepare(struct sandbox *s, const struct taskdef *def, const char *dir);
void sandbox_release(struct sandbox *s);
/* How many processes it may have, its helpers included; 0: no limit. */
uint32_t sandbox_processes(const struct sandbox *s);

/* Is it entered by the program's own process alone, which remains its user's? Then that may have its parent's
 * memory until exec: else a change of user would reach the parent's, too, and a helper would keep it. */
bool sandbox_is_plain(const struct sandbox *s);

/*
 * In the child, just before exec, with its signals, descriptors and session as they are to be, in the job's directory.
 * Async-signal-safe. 0, or an errno. It may fork, and the calling process then does not come back (namespace.h).
 */
int sandbox_enter(const struct sandbox *s);

#endif
