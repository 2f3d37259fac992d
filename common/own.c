/* own.c - memory that ends with its thread; see own.h. */
#include "own.h"

#include "err.h"

#include <errno.h>
#include <stdlib.h>

int own_make(struct own *o, void (*end)(void *memory))
{
    if (o->made)
        return 0;
    int e = pthread_key_create(&o->key, end);
    if (e) {
        errno = e;
        return -ERR_SYSTEM;
    }
    o->made = true;
    return 0;
}

void *own_new(const struct own *o, size_t size)
{
    void *memory = calloc(1, size);
    if (memory && pthread_setspecific(o->key, memory) != 0) {
        free(memory);
        return NULL;
    }
    return memory;
}
