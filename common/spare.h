/*
 * spare.h - memory of one size that is given back in order to be taken again soon, by any thread.
 *
 * For what is made in one thread and freed in another, many thousand times a second: malloc() then
 * finds nothing at hand in either. Any thread.
 */
#ifndef JOBMILL_COMMON_SPARE_H
#define JOBMILL_COMMON_SPARE_H

#include <pthread.h>
#include <stddef.h>

#define SPARES_MOST 256 /* that are kept; more are freed */

struct spares {
    pthread_mutex_t lock;
    size_t size; /* bytes of each */
    size_t count;
    void *item[SPARES_MOST];
};
#define SPARES_INIT(bytes) {.lock = PTHREAD_MUTEX_INITIALIZER, .size = (bytes)}

void *spare_take(struct spares *s);             /* what is in it is not known; NULL: out of memory */
void spare_give(struct spares *s, void *spare); /* NULL is legal */

#endif
