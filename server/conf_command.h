/*
 * conf_command.h - the settings of a [task NAME] that only a command has, from text to struct taskdef
 * and back. Before any thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_COMMAND_H
#define JOBMILL_SERVER_CONF_COMMAND_H

#include "../common/taskdef.h"

#include <stdbool.h>
#include <stdio.h>

/* Each sets one setting. 0; -ERR_CONFIG with `why` (after the name of the section), -ERR_NOMEM. */
int command_set_result_file(struct taskdef *t, const char *value, struct buf *why);
int command_set_permanent_exits(struct taskdef *t, const char *value, struct buf *why);
int command_set_spares(struct taskdef *t, const char *value, struct buf *why);
int command_set_ready_timeout(struct taskdef *t, const char *value, struct buf *why);
int command_set_recycle_jobs(struct taskdef *t, const char *value, struct buf *why);
int command_set_recycle_after(struct taskdef *t, const char *value, struct buf *why);
int command_set_recycle_memory(struct taskdef *t, const char *value, struct buf *why);

/* Is all that looks like a placeholder one? 0, or -ERR_CONFIG with *why. Of a word before command_place(). */
int command_check_word(const char *word, struct buf *why);
/* A copy of a text with each {config_dir} replaced by the directory of the configuration, as an absolute
 * path. NULL: out of memory. */
char *command_place(const char *text, const char *base);

/* env.NAME = VALUE; `name` is what follows the dot. */
int command_add_env(struct taskdef *t, const char *name, const char *value, struct buf *why);

/* When all is read: do these settings fit the kind of task? */
int command_check(const struct taskdef *t, bool persistent, bool has_own_settings, struct buf *why);

/* The settings of a command, one a line, as they would be written. */
void command_print(const struct taskdef *t, FILE *out);

#endif
