/*
 * spare.c - see spare.h. What was given last is taken first: it is still in the cache.
 */
#include "spare.h"

#include <stdlib.h>

/* A sanitizer is to see each use of what was given back. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

void *spare_take(struct spares *s)
{
    void *spare = NULL;
    if (!WATCHED) {
        pthread_mutex_lock(&s->lock);
        if (s->count > 0)
            spare = s->item[--s->count];
        pthread_mutex_unlock(&s->lock);
    }
    return spare ? spare : malloc(s->size);
}

void spare_give(struct spares *s, void *spare)
{
    if (!WATCHED && spare) {
        pthread_mutex_lock(&s->lock);
        if (s->count < SPARES_MOST) {
            s->item[s->count++] = spare;
            spare = NULL;
        }
        pthread_mutex_unlock(&s->lock);
    }
    free(spare);
}
