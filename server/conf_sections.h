/*
 * conf_sections.h - the sections [pool NAME] and [task NAME] of the configuration -> taskdefs.
 * Used by conf.c alone, before any thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_SECTIONS_H
#define JOBMILL_SERVER_CONF_SECTIONS_H

#include "../common/buf.h"
#include "conf.h"

/* Puts the pool `default` and the shipped tasks into c->defs. 0, -ERR_NOMEM. */
int sections_begin(struct conf *c);
/* One setting of a section "pool NAME" or "task NAME"; NULL as name: the section begins. `base`: the
 * directory of the file, against which module paths are taken. 0, -ERR_CONFIG with *why (the value and
 * its range, without file and line), -ERR_NOMEM. */
int sections_set(struct conf *c, const char *section, const char *name, const char *value,
                 const char *base, struct buf *why);
/* After the last setting: completeness, defaults, slots. */
int sections_end(struct conf *c, struct buf *why);
void sections_print(const struct conf *c, FILE *out);

#endif
