/*
 * canonical.h - pure: the one form that JSON texts of the same value share, for what is compared by its hash.
 */
#ifndef JOBMILL_SERVER_CANONICAL_H
#define JOBMILL_SERVER_CANONICAL_H

#include "../common/buf.h"

#include <stddef.h>

/* Appends the form: without blanks, members by name, escapes only where they must be, and numbers as the exact
 * decimal numbers that they are: 1.0 is 1, and 2^64 is not 2^64 + 1. The form is JSON, but not of the same value:
 * it is for comparing alone. The text passed jsonscan(), and has no name twice. 0; -ERR_NOMEM; -ERR_BAD_JSON: it
 * is deeper than jansson's trees are. Any thread. */
int canonical_json(const char *text, size_t len, struct buf *out);

#endif
