/*
 * tree.h - JSON text to jansson's tree. jansson does not tell a failed allocation from bad text, and may
 * even leave out a byte of a string and go on; here it is told.
 */
#ifndef JOBMILL_SERVER_TREE_H
#define JOBMILL_SERVER_TREE_H

#include "../common/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Before the first thread, and before the first tree that is to be watched. */
void tree_setup(void);

/* Duplicate names are refused. 0 and *out, the caller's; -ERR_BAD_JSON with *e filled; -ERR_NOMEM. Any
 * thread. `flags`: further JSON_DECODE_* of jansson. */
int tree_parse(const char *text, size_t len, size_t flags, json_t **out, json_error_t *e);

/* jansson has integers of 64 bits and doubles. Where a number is to be another one or something else, it is
 * written anew: `anew` appends what takes its place and returns true, or returns false, and it stays; is_int: it
 * has neither fraction nor exponent. True: *out has the text, or failed; false: all stay, and it is empty.
 * The text is JSON. Any thread. */
bool tree_numbers(const char *text, size_t len,
                  bool (*anew)(const char *number, size_t len, bool is_int, struct buf *out), struct buf *out);

/* A string of text that is UTF-8 and has no escapes. 0 and *out, the caller's; -ERR_NOMEM. Any thread. */
int tree_string(const char *text, size_t len, json_t **out);

#endif
