/*
 * route.h - method and raw path -> the row of route.def.
 */
#ifndef JOBMILL_HTTP_ROUTE_H
#define JOBMILL_HTTP_ROUTE_H

#include "../tokens.h"

#include <stdbool.h>
#include <stddef.h>

struct request;
struct buf;

enum method { METHOD_GET, METHOD_POST, METHOD_DELETE, METHOD_OPTIONS, METHOD_OTHER };
enum where { WHERE_HERE, WHERE_ASIDE };
enum body_kind { BODY_NONE, BODY_JSON, BODY_RAW, BODY_BATCH };

struct route {
    enum method method;
    const char *pattern;
    void (*handler)(struct request *rq);
    enum scope scope;
    enum body_kind body;
    enum where where;
};

extern const struct route route_table[];
extern const size_t route_count;

/* The part of the path that stands for {name}; points into the path. */
struct route_part {
    const char *text;
    size_t len;
};

enum method route_method(const char *name); /* HEAD is METHOD_GET */

/* 0 and *route; -ERR_NOT_FOUND; -ERR_BAD_METHOD: the path is there for other methods (also for
 * METHOD_OPTIONS), see route_allow. */
int route_find(enum method method, const char *path, const struct route **route,
               struct route_part *part);
bool route_is_admin(const struct route *route); /* a probe or the figures */
void route_allow(const char *path, struct buf *out); /* "GET, HEAD, OPTIONS" */

#endif
