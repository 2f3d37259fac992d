/*
 * guard.h - what a request's head must be before anything else looks at it. The library underneath
 * is lenient where leniency lets one request hide in another; here that ends.
 *
 * Use: guard_init, guard_begin, guard_header for each header line, guard_end. Any verdict but 0 means: answer the
 * problem with `Connection: close` and read nothing more.
 */
#ifndef JOBMILL_HTTP_GUARD_H
#define JOBMILL_HTTP_GUARD_H

#include "problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUARD_TARGET_MAX  8000
#define GUARD_HEADERS_MAX 100
#define GUARD_ANSWER      1024 /* of a connection's memory for heads (head_memory), for the answer's */
#define GUARD_RECORD      64   /* of it, what the library adds for a header, a cookie or a parameter */

struct guard {
    bool old_version; /* HTTP/1.0 */
    bool changes;     /* not GET, HEAD or OPTIONS */
    bool loopback;    /* listening on loopback only: names of other hosts are refused */
    const char *listen_host;

    unsigned headers, hosts, lengths, codings, authorizations, keys;
    size_t room;   /* bytes that the head may take */
    size_t memory; /* bytes that the head takes: its text, cookies once more, and the library's records */
    bool chunked;
    uint64_t length; /* Content-Length; 0 when none */
    char host[256];  /* name without port, brackets kept */
    char authority[264];
    char origin[264];
    char site[32]; /* Sec-Fetch-Site */
    struct problem problem;
};

/* What a head may take where a connection has so much memory for heads. */
static inline size_t guard_room(size_t head_memory)
{
    return head_memory - GUARD_ANSWER;
}

/* Before the library lists a target's parameters: one that it has no room for it neither answers nor passes on. */
int guard_target(const char *target, size_t room, struct problem *p);

void guard_init(struct guard *g, bool loopback, const char *listen_host, size_t room);
/* Checks version and target. *path: where the path begins in it (absolute-form: after the authority). */
int guard_begin(struct guard *g, const char *method, const char *version, const char *target,
                const char **path);
int guard_header(struct guard *g, const char *name, size_t nlen, const char *value, size_t vlen);
int guard_end(struct guard *g);
/* Is there room for the head of an answer? */
static inline bool guard_has_room(const struct guard *g)
{
    return g->memory <= g->room;
}

#endif
