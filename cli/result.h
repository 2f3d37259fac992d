/*
 * result.h - where the bytes of a result go: standard output, or a file, written once all are here.
 */
#ifndef JOBMILL_CLI_RESULT_H
#define JOBMILL_CLI_RESULT_H

#include "cli.h"

/* Fetches the result of an ended job, until the deadline (term_now(); 0: none): CLI_TIMED_OUT. */
int result_fetch(struct cli *c, const char *id, double deadline, struct http_reply *r);
/* Writes it to --output or standard output. `readable`: text gets a newline at its end, and bytes
 * that are no text are not written to a terminal. */
int result_write(struct cli *c, const char *id, const struct http_reply *r, bool readable);

#endif
