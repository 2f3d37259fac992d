/*
 * own.h - memory that each thread has for itself, and that ends with the thread.
 *
 * A struct own is static and made once, before the threads that use it. Its memory is reached by a
 * _Thread_local pointer of its user's, for speed; what is here only sees to its end.
 */
#ifndef JOBMILL_COMMON_OWN_H
#define JOBMILL_COMMON_OWN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct own {
    bool made;
    pthread_key_t key;
};

/* `end` frees the memory of a thread that ends, on that thread. Again: nothing. 0, -ERR_SYSTEM (errno). */
int own_make(struct own *o, void (*end)(void *memory));
/* Zeros, the calling thread's until it ends. NULL: out of memory. Once a thread. */
void *own_new(const struct own *o, size_t size);

#endif
