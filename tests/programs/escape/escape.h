/*
 * escape.h - what the parts of the hostile program share.
 *
 * files.c, network.c, processes.c, privileges.c and kernel.c are its attempts, the rows of attempts.def;
 * hogs.c are what takes all that it can; main.c runs them.
 */
#ifndef JOBMILL_TESTS_PROGRAMS_ESCAPE_H
#define JOBMILL_TESTS_PROGRAMS_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What they are after. */
struct target {
    pid_t service;
    int port;
    const char *database, *config, *abstract, *secret;
};
extern struct target target;

bool opened(const char *path, int flags);
bool of_service(const char *file, int flags); /* of /proc/PID of the service */

/* Each gives true when it got out; errno says why not. */
#define TRY(level, name) bool name(void);
#include "attempts.def"
#undef TRY

int hog(const char *name); /* the exit status; 64: there is none of this name */

#endif
