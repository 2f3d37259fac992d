/*
 * schema.h - JSON Schema (draft 2020-12): a schema's text -> rules, and whether a JSON value keeps them.
 *
 * Compiled once, before threads; immutable after, so that any number of threads may check with it. A
 * keyword that is not in schema.def is refused when the schema is compiled, never passed over.
 * docs/schema.md says what is supported and how it differs from other implementations.
 *
 * Numbers are compared by value: 1.0 is an integer and equals 1. Integers are exact to 64 bits, other
 * numbers are IEEE doubles; multipleOf takes a number as its shortest decimal form.
 */
#ifndef JOBMILL_SERVER_SCHEMA_H
#define JOBMILL_SERVER_SCHEMA_H

#include "../common/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEMA_TEXT_MAX   (1u << 20) /* bytes of a schema */
#define SCHEMA_NODES_MAX  4096u      /* schemas in a schema */
#define SCHEMA_LEVELS_MAX 64u        /* nesting of a schema's text */
#define SCHEMA_ERRORS_MAX 16u

struct schema;

struct schema_error {
    char pointer[160]; /* JSON pointer to the value that is wrong; cut at a whole part */
    char detail[240];  /* a sentence without its subject: "must be an integer, not a string" */
};

struct schema_report {
    unsigned count;
    struct schema_error error[SCHEMA_ERRORS_MAX];
};

/* The text is copied. `formats`: `format` is checked, and an unknown one refused; else it is a remark.
 * 0 and *out (schema_free() it); -ERR_CONFIG with *why = the place as a JSON pointer into the schema and
 * what is wrong there; -ERR_NOMEM. */
int schema_compile(const char *text, size_t len, bool formats, struct schema **out, struct buf *why);
void schema_free(struct schema *s); /* may be NULL */

/* The bytes that were compiled, without white space around them. */
const char *schema_text(const struct schema *s, size_t *len);
/* Every value is valid: no need to read one. */
bool schema_takes_all(const struct schema *s);

/* JSON text -> a tree in which integers above 64 bits are reals and all others are exact, and in which
 * no name stands twice. 0 and *out (json_decref() it); -ERR_BAD_JSON with *why; -ERR_NOMEM. The text
 * must have passed jsonscan(), which bounds its depth. */
int schema_load(const char *text, size_t len, json_t **out, struct buf *why);

/* 0: valid. -ERR_INVALID_INPUT with the first errors in *report, whose pointers begin with `prefix`;
 * -ERR_TOO_COMPLEX: more than `steps` steps (a rule, a member or an item looked at is one, a byte that
 * a pattern looks at another); -ERR_NOMEM. Bounded by `steps` in time, and in stack for values
 * that passed jsonscan(). */
int schema_check(const struct schema *s, const json_t *value, const char *prefix, uint64_t steps,
                 struct schema_report *report);

#endif
