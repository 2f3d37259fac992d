/*
 * conf_limits.h - the settings of a [task NAME] that bound what its jobs may use and see. Before any
 * thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_LIMITS_H
#define JOBMILL_SERVER_CONF_LIMITS_H

#include "../common/taskdef.h"

#include <stdbool.h>
#include <stdio.h>

/* Each sets one setting. 0; -ERR_CONFIG with `why` (after the name of the section), -ERR_NOMEM. */
int limits_set_memory(struct taskdef *t, const char *value, struct buf *why);
int limits_set_cpu_time(struct taskdef *t, const char *value, struct buf *why);
int limits_set_file_size(struct taskdef *t, const char *value, struct buf *why);
int limits_set_open_files(struct taskdef *t, const char *value, struct buf *why);
int limits_set_processes(struct taskdef *t, const char *value, struct buf *why);
int limits_set_sandbox(struct taskdef *t, const char *value, struct buf *why);
int limits_set_network(struct taskdef *t, const char *value, struct buf *why);
/* Words, relative ones from the directory of the file. */
int limits_set_paths(char ***paths, const char *name, const char *value, const char *base,
                     struct buf *why);

/* "none", "basic", "strict", "best"; false: none of these. */
bool limits_level(const char *text, enum sandbox_level *out);
const char *limits_level_name(enum sandbox_level level);

/* When all is read: do the tasks fit their kinds and each other? 0; -ERR_CONFIG with a whole line. */
int limits_check(const struct taskdefs *d, struct buf *why);

/* One a line, as they would be written. */
void limits_print(const struct taskdef *t, FILE *out);

#endif
