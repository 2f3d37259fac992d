/*
 * conf_flow.h - the settings of a [task NAME] that say how many of its jobs run, how they are tried
 * again, and how long they are kept: from text to struct taskdef and back. Before any thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_FLOW_H
#define JOBMILL_SERVER_CONF_FLOW_H

#include "../common/taskdef.h"

#include <stdio.h>

void flow_begin(struct taskdef *t); /* the defaults */
/* Sets one setting. *seen: those that the section has had, 0 at first. 0; -ERR_CONFIG with `why` (after the name
 * of the section); 1: it is not one of these. */
int flow_set(struct taskdef *t, const char *name, const char *value, uint64_t *seen, struct buf *why);
void flow_print(const struct taskdef *t, FILE *out); /* those that are set, one a line */

#endif
