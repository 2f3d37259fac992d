/*
 * query.h - the query string of a request: decoded, bounded, every parameter looked at.
 *
 * No HTTP library, no allocation that is not freed by query_release. Any thread.
 */
#ifndef JOBMILL_HTTP_QUERY_H
#define JOBMILL_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#define QUERY_MAX 64 /* parameters of one request */

struct query_item {
    const char *name, *value; /* decoded; zero-terminated; no zero bytes inside */
    bool used;
};

struct query {
    char *text, *added; /* own the bytes that the items point into */
    const char *wrong;  /* after a refusal: the name of the parameter whose value is not UTF-8; else NULL */
    size_t count;
    struct query_item item[QUERY_MAX];
};

/* `raw` is what follows the `?`; may be NULL. 0; -ERR_BAD_PARAMETER: a bad escape, a control byte, what is
 * not UTF-8, or too many; -ERR_NOMEM. */
int query_parse(struct query *q, const char *raw);
void query_release(struct query *q);

/* Adds parameters that came another way, already decoded; once. 0, -ERR_BAD_PARAMETER (too many), -ERR_NOMEM. */
struct query_pair {
    const char *name, *value; /* zero-terminated; copied */
};
int query_add(struct query *q, const struct query_pair *pairs, size_t n);

/* The value of the only parameter of this name, which counts as used. NULL: none; *twice is set when it
 * is given more than once. */
const char *query_one(struct query *q, const char *name, bool *twice);
/* The next parameter of this name at or after *at, which is moved on; NULL: none left. */
const char *query_next(struct query *q, const char *name, size_t *at);
const char *query_unused(const struct query *q); /* a name that no one asked for, or NULL */

/* Decodes %XX of a path part in place. False: a bad escape, a zero or control byte. */
bool query_unescape(char *text, bool plus_is_space);

/* Whole numbers and decimal fractions as JSON writes them; false: anything else or not finite. */
bool query_number(const char *text, double *out);

#endif
