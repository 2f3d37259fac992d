/*
 * input.h - what is submitted: bytes from a file, standard input or the command line, and the words
 * about them as JSON or as a query.
 */
#ifndef JOBMILL_CLI_INPUT_H
#define JOBMILL_CLI_INPUT_H

#include "cli.h"

/* The whole input as it is; *given false: there is none. */
int input_read(struct cli *c, struct buf *out, bool *given);
/* Opens the file or standard input of --ndjson; NULL after a message. */
FILE *input_open(struct cli *c);
void input_close(FILE *f);

/* True when the bytes are one JSON value; else says so, with `name` and the place. */
bool input_is_json(const char *name, const char *bytes, size_t len);

/* Appends {"task":…,"input":…,…}: the input byte for byte, which must be JSON; NULL: none. */
void input_submission(struct cli *c, const char *input, size_t len, struct buf *out);
/* Appends /v1/tasks/TASK/jobs?…: the same words for a raw input. */
void input_raw_path(struct cli *c, struct buf *out);

/* A key of 128 bits by chance, or --key; with `part` > 0 that part's own. false: no chance to be
 * had. */
bool input_key(struct cli *c, size_t part, struct buf *out);

#endif
