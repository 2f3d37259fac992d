/*
 * schema_pattern.h - regular expressions of JSON Schema (ECMA-262 with the flag `u`) on PCRE2, with
 * bounded matching. What ECMA-262 does not know is refused, and what the two understand differently is
 * rewritten: `.`, `\s`, `\S`, `$`, long names of properties of characters.
 */
#ifndef JOBMILL_SERVER_SCHEMA_PATTERN_H
#define JOBMILL_SERVER_SCHEMA_PATTERN_H

#include "../common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_TEXT_MAX    4096u
#define PATTERN_SUBJECT_MAX 65536u /* bytes of a text that a pattern is held against */

struct pattern;

/* 0 and *out; -ERR_CONFIG with *why; -ERR_NOMEM. Immutable after; any thread may match. */
int pattern_compile(const char *text, size_t len, struct pattern **out, struct buf *why);
void pattern_free(struct pattern *p); /* may be NULL */
const char *pattern_text(const struct pattern *p);

/* Whether some part of the text, which is UTF-8, matches. Takes 50 + len of *steps. 1, 0;
 * -ERR_TOO_COMPLEX: no steps left, a text above PATTERN_SUBJECT_MAX, or more than 1000 + 20 * len
 * moves of the matcher; -ERR_NOMEM. */
int pattern_match(const struct pattern *p, const char *text, size_t len, uint64_t *steps);

#endif
