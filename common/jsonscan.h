/*
 * jsonscan.h - a strict JSON (RFC 8259) checker that keeps the caller's bytes: no tree, no allocation.
 *
 * For what must stay byte for byte as it came (inputs, results) and for processes that link no JSON
 * library. Checks UTF-8, escapes (lone surrogates are refused, and so is \u0000), numbers, depth; does
 * not look for duplicate names. Any thread, any process.
 */
#ifndef JOBMILL_COMMON_JSONSCAN_H
#define JOBMILL_COMMON_JSONSCAN_H

#include "buf.h"

#include <stdbool.h>
#include <stddef.h>

/* White space of JSON. */
static inline bool jsonscan_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One JSON value with white space around it, and nothing else. 0; -ERR_BAD_JSON or -ERR_TOO_DEEP with
 * *where = offset of the first byte that is wrong (may be NULL) and *why = a static English phrase. */
int jsonscan(const char *text, size_t len, unsigned max_depth, size_t *where, const char **why);

#define JSONSCAN_NAMES 64 /* of all objects that are open at a time; more are not looked at closely */

struct jsonscan_member { /* of an object: spans of its text */
    const char *name;    /* between the quotes */
    size_t nlen;
    const char *value; /* without white space around it */
    size_t vlen;
};

struct jsonscan_look {
    /* The text surely has no object with a name twice, no escape in a name and no number that could be too large for
     * a double, so that it need not be parsed to be taken. With large exponents, many names or many levels it is
     * not looked at closer, and false. */
    bool plain;
    unsigned members; /* of the value, if that is an object: all of them where it is plain */
    struct jsonscan_member member[JSONSCAN_NAMES];
};

/* jsonscan() with a closer look on the way; *out counts when it returns 0. The spans live as long as the text. */
int jsonscan_look(const char *text, size_t len, unsigned max_depth, size_t *where, const char **why,
                  struct jsonscan_look *out);

/* In a checked object: the bytes of the value of its top-level member `name` (compared after decoding
 * escapes), without surrounding white space. False: no such member, or not an object. */
bool jsonscan_member(const char *text, size_t len, const char *name, const char **value, size_t *vlen);

/* Calls `each` for every top-level member of a checked object in order; `name` is the raw text between
 * the quotes. Stops when each returns false. False: not an object. */
bool jsonscan_each(const char *text, size_t len,
                   bool (*each)(void *arg, const char *name, size_t nlen, const char *value,
                                size_t vlen),
                   void *arg);

/* The same for the elements of a checked array. False: not an array. */
bool jsonscan_elements(const char *text, size_t len,
                       bool (*each)(void *arg, size_t index, const char *value, size_t vlen),
                       void *arg);

/* Appends what a checked value says as plain text: a string decoded, a number, true, false as written,
 * null as nothing. False: an object or array. */
bool jsonscan_text(struct buf *out, const char *value, size_t vlen);

#endif
