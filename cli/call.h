/*
 * call.h - a call to the service as the commands make it: asked again where that is safe and helps,
 * and what went wrong said on standard error in one line with the exit status that belongs to it.
 */
#ifndef JOBMILL_CLI_CALL_H
#define JOBMILL_CLI_CALL_H

#include "cli.h"

/* The answer to a call with a 2xx status. CLI_OK, or the exit status after a message. A call is
 * asked again for some seconds when the service is overloaded or the connection broke, if it is a
 * GET or has a key; not when the service is not there at all. `r` is to be released in any case. */
int call_do(struct cli *c, const struct http_call *call, struct http_reply *r);

/* The same, but an answer with whatever status is CLI_OK: the caller looks at r->status. */
int call_any(struct cli *c, const struct http_call *call, struct http_reply *r);

/* Bytes as JSON, to look at: a whole number that fits no 64 bits is one of a double, which is never to be printed. */
json_t *call_parse(const char *bytes, size_t len, size_t flags, json_error_t *e);

/* A body as JSON; NULL after a message: what answers is no jobmill. */
json_t *call_json(struct cli *c, const struct http_reply *r);

/* A GET whose answer is JSON; *body (may be NULL) gets the bytes. */
int call_get(struct cli *c, const char *path, json_t **out, struct buf *body);

/* For http_call.seconds: until the deadline (term_now(); 0: none), or the least where that is over. */
double call_seconds(double deadline);

/* Says what a problem document says; `about` (an id; may be NULL) comes before it. The exit status.
 */
int call_refused(const char *about, const struct http_reply *r);
/* The same where its document was read; NULL: it is none. */
int call_refused_by(const char *about, int status, const json_t *problem);

bool call_passes(int status); /* an answer of this status may be another one soon */

/* Says that a stream is no longer followed: CLI_TIMED_OUT. */
int call_given_up(void);

/* The service says more of this case than what its error means. */
bool call_has_detail(const struct http_reply *r);
/* True when the service has no such address at all, so is of another version. */
bool call_not_served(const struct http_reply *r);

/* Appends text escaped for a path or a query. */
void call_escape(struct buf *to, const char *text);
/* Appends ?name=value or &name=value. */
void call_parameter(struct buf *path, const char *name, const char *value);

#define AUTO_REPLY __attribute__((cleanup(http_reply_release))) struct http_reply

#endif
