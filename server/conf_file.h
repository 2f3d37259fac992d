/*
 * conf_file.h - an INI file -> its sections and settings, each with the line where it stands.
 * Used by conf.c alone, before any thread exists.
 */
#ifndef JOBMILL_SERVER_CONF_FILE_H
#define JOBMILL_SERVER_CONF_FILE_H

#include "../common/buf.h"

#define CONF_LINE_MAX 8192 /* bytes of a line; a longer value goes on in indented lines */

/* A section begins (name and value NULL), or one of its settings. 0, or -ERR_CONFIG with *why, or
 * -ERR_NOMEM; not called again after an error. */
typedef int (*conf_file_fn)(void *arg, const char *section, const char *name, const char *value,
                            struct buf *why);

/* 0; -ERR_CONFIG with *why = "FILE:LINE: …"; -ERR_NOMEM. */
int conf_file_read(const char *path, conf_file_fn each, void *arg, struct buf *why);

#endif
