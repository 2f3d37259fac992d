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

/* Those that read and those that change something wait in a line each, and take turns where both wait:
 * so neither keeps the other from being done. */
enum aside_line { ASIDE_READS, ASIDE_CHANGES, ASIDE_LINES };

/* `run` is called with each node that was posted, on one of the threads. 0, -ERR_SYSTEM, -ERR_NOMEM. */
int aside_start(size_t threads, void (*run)(struct inbox_node *n));
void aside_post(struct inbox_node *n, enum aside_line line); /* first come, first served in a line */
/* Ends the threads. Nothing waits for them any more. Again: nothing. */
void aside_stop(void);

#endif
