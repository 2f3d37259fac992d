/*
 * http.h - one HTTP call at a time over one kept connection, through libcurl, which is loaded when
 * the first client is made: the service and its workers never carry it. One thread.
 */
#ifndef JOBMILL_CLI_HTTP_H
#define JOBMILL_CLI_HTTP_H

#include "../common/buf.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct http;

enum http_end {
    HTTP_ANSWERED,    /* with whatever status */
    HTTP_UNREACHABLE, /* no connection: nothing was sent */
    HTTP_BROKEN,      /* the connection ended first: what became of the request is not known */
    HTTP_TIMEOUT,     /* `seconds` were over; as unknown as HTTP_BROKEN */
    HTTP_INTERRUPTED, /* *stop was set */
    HTTP_NO_MEMORY,
    HTTP_REFUSED, /* by the sink */
};

struct http_call {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *path;   /* from the root, with its query, escaped */
    const void *body;   /* NULL: none */
    size_t len;
    const char *type; /* of the body; NULL: application/json */
    const char *accept; /* what is asked for; NULL: JSON, or what there is */
    const char *key;    /* Idempotency-Key or NULL */
    double wait;      /* asks for a long poll of so many seconds (Prefer: wait=); 0: none */
    double seconds;   /* the whole call may take; 0: as long as bytes flow */
    bool endless;     /* silence is no failure: a stream that is followed */
    /* Gets the bytes of a 2xx answer instead of reply->body; false ends the call. */
    bool (*sink)(void *arg, const char *data, size_t len);
    void *arg;
};

struct http_reply {
    int status;
    int retry_after; /* seconds; 0: not said */
    char type[128];  /* content type, without parameters; "" not said */
    struct buf body;
};

/* `url` is http:// or https://; `token` is sent as a Bearer token, NULL: none; both are copied. A
 * call ends soon after *stop is set. NULL after *why got a sentence (static storage). */
struct http *http_new(const char *url, const char *token, const volatile sig_atomic_t *stop,
                      const char **why);
void http_free(struct http *h);

/* `reply` is filled in whatever happens; http_reply_release it. */
enum http_end http_do(struct http *h, const struct http_call *call, struct http_reply *reply);
/* libcurl's words on how the last call ended. */
const char *http_why(const struct http *h);
void http_reply_release(struct http_reply *r);

#endif
