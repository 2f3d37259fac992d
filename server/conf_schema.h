/*
 * conf_schema.h - the input schemas of the tasks: read, compiled, and kept in struct conf. Used by conf.c
 * and conf_sections.c, before any thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_SCHEMA_H
#define JOBMILL_SERVER_CONF_SCHEMA_H

#include "../common/buf.h"
#include "conf.h"

/* The file of a task's schema; a relative path is taken from `base`. 0, -ERR_CONFIG with *why, -ERR_NOMEM. */
int schemas_set(struct conf *c, uint32_t task, const char *path, const char *base, struct buf *why);
/* When all settings are read: compiles them, and those of the shipped tasks that have no file of their
 * own. The same. */
int schemas_load(struct conf *c, struct buf *why);
void schemas_release(struct conf *c);

#endif
