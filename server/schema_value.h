/*
 * schema_value.h - pure: JSON values as JSON Schema sees them: equal by value, numbers exact where they
 * can be. Any thread; nothing is changed.
 */
#ifndef JOBMILL_SERVER_SCHEMA_VALUE_H
#define JOBMILL_SERVER_SCHEMA_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1, 0, 1; both are numbers. */
int value_compare(const json_t *a, const json_t *b);
bool value_is_integer(const json_t *number);
/* `of` is greater than 0. Both are taken as their shortest decimal form: 0.3 is a multiple of 0.1. */
bool value_multiple(const json_t *number, const json_t *of);

/* Equal by value. Takes one of *steps for each value looked at; when there is none left the answer means
 * nothing and *steps is 0. */
bool value_equal(const json_t *a, const json_t *b, uint64_t *steps);
/* Equal values have equal hashes. Takes steps likewise. */
uint64_t value_hash(const json_t *v, uint64_t *steps);

/* Characters (code points) of UTF-8 text. */
size_t value_length(const char *text, size_t len);

/* The value as JSON, cut to `size` with an ellipsis. */
void value_show(const json_t *v, char *out, size_t size);

#endif
