/*
 * response.h - the library's responses: their heads, and those that are used more than once.
 *
 * A header costs the library three allocations, and an answer has a dozen of them. So a response whose
 * bytes are known before is kept whole (struct prepared; see answers.c), and one that was sent is
 * dressed again for the next answer of its size (struct shell). HTTP threads; each has its own.
 */
#ifndef JOBMILL_HTTP_RESPONSE_H
#define JOBMILL_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Response;
struct buf;
struct prepared;
struct request;
struct shell;

int response_start(void); /* before the first; 0 or -ERR_SYSTEM (errno) */

/* Of an answer whose `length` bytes are told, and not sent. NULL: no memory. */
struct MHD_Response *response_unsent(uint64_t length);
/* The same of one whose length is not known: the connection ends with it. */
struct MHD_Response *response_unsent_open(void);
/* The headers of an answer (struct reply): each time a name and a value; *at begins at 0. False: that was all. */
bool response_next_header(const struct buf *headers, size_t *at, const char **name, const char **value);
/* Adds all headers of rq's answer. False: no memory. */
bool response_head(struct MHD_Response *response, const struct request *rq);

/* What p is for this request, which refers to it. NULL: no memory. */
struct MHD_Response *prepared_for(struct prepared *p, struct request *rq);

/* A response of rq->reply from a shell, which is the request's alone until it is given back; then its
 * answer has been sent. NULL: the answer is none of those, or there is no memory. */
struct shell *shell_take(struct request *rq);
struct MHD_Response *shell_response(const struct shell *s);
void shell_give(struct shell *s); /* NULL is legal; any thread */

#endif
