/*
 * must.h - memory for what was promised and cannot be refused: the outcome of a job, a cancel that was
 * acknowledged. What can be refused is refused, with -ERR_NOMEM, and does not come here.
 *
 * When there is none these wait for some, at most MUST_MS, and then end the service (71), whose next start
 * finds in the store what was acknowledged. Any thread that may stand still for so long.
 */
#ifndef JOBMILL_SERVER_MUST_H
#define JOBMILL_SERVER_MUST_H

#include "../common/buf.h"

#include <stddef.h>

#define MUST_MS 2000

/* `what`: "the outcome of a job cannot be kept". */
void *must_calloc(size_t n, const char *what); /* n bytes, zero; n > 0 */
void *must_realloc(void *p, size_t n, const char *what);
void must_add(struct buf *b, const void *data, size_t len, const char *what); /* b has not failed */

#endif
