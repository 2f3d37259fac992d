/*
 * reload.h - what SIGHUP reads anew: tokens, the certificate, and how many workers the pools have.
 */
#ifndef JOBMILL_SERVER_RELOAD_H
#define JOBMILL_SERVER_RELOAD_H

#include "../common/buf.h"
#include "conf.h"

/* Remembers the settings as they were given, before anything completes them; argv and c are kept. Main thread, like
 * reload_now. 0, -ERR_NOMEM. */
int reload_begin(const struct conf *c, int argc, char **argv);
void reload_end(void);

/* Reads the configuration again and takes what can be changed while the service runs; what is wrong
 * leaves everything as it was. The log says which. */
void reload_now(void);

/* May it listen there? 0, or -ERR_CONFIG with why. */
int reload_check_address(const struct conf *c, struct buf *why);

/* Names the settings that differ between two texts of conf_print, but for tokens and workers: "max_body, [task x] timeout". For
 * reload_now, and its test. */
void reload_changes(const char *before, const char *now, struct buf *out);

#endif
