/*
 * http.h - the HTTP front: listens, guards, routes, answers. Behind it, and nowhere else,
 * libmicrohttpd.
 */
#ifndef JOBMILL_SERVER_HTTP_H
#define JOBMILL_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

/* Starts listening. *port is the port that was bound, *admin_port that of admin_listen (untouched where there
 * is none). 0, -ERR_SYSTEM (errno), -ERR_CONFIG. */
int http_start(const struct conf *conf, uint16_t *port, uint16_t *admin_port);
/* From now on new submissions get 503 draining with Retry-After, /readyz 503; reads go on. */
void http_drain(void);
/* Answers every suspended request (503 draining, or what its job is now), closes all, ends the threads.
 * False: the writer holds some of them still; threads live on, and use what they did. */
bool http_stop(void);

struct http_figures {
    uint64_t requests, responses_4xx, responses_5xx, connections, waiting, cut, refused_guard;
    uint64_t in_flight; /* requests whose answer is not yet sent */
};
void http_figures(struct http_figures *out);

#endif
