/*
 * conf_pools.h - [pool NAME] of the configuration -> taskdefs. Used by conf_sections.c, and by
 * conf_machine.c; before any thread exists, or in the main thread when it reads again.
 */
#ifndef JOBMILL_SERVER_CONF_POOLS_H
#define JOBMILL_SERVER_CONF_POOLS_H

#include "../common/buf.h"
#include "../common/cpus.h"
#include "../common/taskdef.h"

#include <stdio.h>

/* All: 0 (or what they say), -ERR_CONFIG with *why. */
int pools_begin(struct taskdefs *d, struct buf *why); /* the pool `default` is there */
/* One setting; NULL as name: the section begins. */
int pools_set(struct taskdefs *d, const char *pool, const char *name, const char *value, struct buf *why);
int pools_find(const struct taskdefs *d, const char *name); /* index, or -1 */
/* After the last setting: sizes and slots. */
int pools_end(struct taskdefs *d, struct buf *why);
/* May this process run on the CPUs that they name? `allowed`: where it may. */
int pools_check(const struct taskdefs *d, const struct cpus *allowed, struct buf *why);
void pools_print(const struct taskdefs *d, FILE *out);

#endif
