/*
 * aside.h - threads for what takes long of a request: pages of jobs, large bodies. So no HTTP thread,
 * with all its other connections, waits for that.
 *
 * aside_start and aside_stop are called by one thread; aside_post by any.
 */
#ifndef JOBMILL_HTTP_ASIDE_H
#define JOBMILL_HTTP_ASIDE_H

#include "../inbox.h"

#include <stddef.h>

/* `run` is called with each node that was posted, on one of the threads. 0, -ERR_SYSTEM, -ERR_NOMEM. */
int aside_start(size_t threads, void (*run)(struct inbox_node *n));
void aside_post(struct inbox_node *n); /* first come, first served */
/* Ends the threads. Nothing waits for them any more. Again: nothing. */
void aside_stop(void);

#endif
