/*
 * stream.h - a batch that comes line by line (application/x-ndjson): any number of jobs in one request,
 * with little memory. The request's HTTP thread.
 *
 * Lines are gathered into parts; each part is one commit, and while it is under way no more of the body
 * is read. A line that is wrong ends the taking in: the parts before it are kept, and the answer says
 * how many jobs that are. A client that goes away leaves a group of what was kept.
 *
 * With an Idempotency-Key the group stays open then: the same lines sent again go on behind those that are
 * kept, which are compared by their SHA-256; when all are there, it is answered as a replay.
 */
#ifndef JOBMILL_HTTP_STREAM_H
#define JOBMILL_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct request;
struct stream;

bool stream_wanted(const struct request *rq); /* by its Content-Type */
struct stream *stream_new(void);              /* NULL: out of memory */
void stream_free(struct request *rq);         /* closes the group if that is still to be done */

/* More of the body. The request may be suspended by it. */
void stream_take(struct request *rq, const char *data, size_t len);
/* The body is whole: keeps the last part and then goes on with `then` (rq->change->err tells). When a
 * line was wrong, the answer is set after that, and `then` is not called. */
void stream_end(struct request *rq, void (*then)(struct request *rq));

#endif
