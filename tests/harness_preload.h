/*
 * harness_preload.h - what a test puts between the programs that it starts and the system. Main
 * thread.
 */
#ifndef JOBMILL_TESTS_HARNESS_PRELOAD_H
#define JOBMILL_TESTS_HARNESS_PRELOAD_H

#include <stddef.h>

/* Before anything is started: from now on tests/preload/NAME.c is loaded into it, and the variable
 * names a file of the test's own, empty. Its path lives as long as the test. */
const char *preload(const char *name, const char *variable);

/* From now on names that end with ".silent" are never found, and never not found; those that end
 * with ".two" have two addresses, 127.0.0.2 before 127.0.0.1. */
void names_own(void);
/* So many of these have been asked for. */
size_t names_asked(void);

#endif
