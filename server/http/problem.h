/*
 * problem.h - an error as a client sees it: enum err and the words about this occurrence -> the
 * application/problem+json document of RFC 9457.
 */
#ifndef JOBMILL_HTTP_PROBLEM_H
#define JOBMILL_HTTP_PROBLEM_H

#include "../../common/buf.h"

struct schema_report;

enum problem_place { PLACE_NONE, PLACE_POINTER, PLACE_PARAMETER, PLACE_HEADER };

struct problem {
    int err; /* enum err, positive; 0: no problem */
    enum problem_place place;
    char name[96];    /* of the field (a JSON pointer), the parameter or the header */
    char limit[120];  /* what is allowed; empty: not told */
    char value[100];  /* what came, cut; empty: not told */
    char detail[480];
    const struct schema_report *report; /* several errors, instead of place and name; not owned */
    unsigned retry_after; /* seconds; 0: do not say */
    size_t line;          /* of the body, from 1, whose field it is; 0: of none */
    size_t skip;          /* bytes before the pointers of the report, which are not told */
};

/* Fills p and returns -err, so that a checker can `return problem_set(…)`. */
int problem_set(struct problem *p, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for one field, parameter or header: `limit` and `value` may be NULL. The sentence is made of
 * them: "NAME must be LIMIT, not VALUE". A value
 * that begins with a quotation mark is a text where none belongs. */
int problem_field(struct problem *p, int err, enum problem_place place, const char *name,
                  const char *limit, const char *value);

/* A field that is not known: `known` lists those that are; and one that is not there, where `what` is to be
 * given. The pointers are those of the fields. */
int problem_unknown(struct problem *p, const char *pointer, const char *known);
int problem_missing(struct problem *p, const char *pointer, const char *what);

/* Of a body of lines: what is said of `/jobs/N/x` is said of `x` in line N + 1. A problem that names no job stays as it is. */
void problem_in_line(struct problem *p);

/* request_id: NULL where the request has none. */
void problem_json(const struct problem *p, const char *request_id, struct buf *out);

#endif
