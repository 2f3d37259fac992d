/* must.c - see must.h. */
#include "must.h"

#include "serve.h"

#include <stdlib.h>
#include <time.h>

#define PAUSE_MS 5

/* Waits a little; at the end of all patience it does not return. */
static void wait_for_memory(int *waited_ms, const char *what)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    if (*waited_ms >= MUST_MS)
        serve_die(71, "out of memory: %s", what);
    nanosleep(&pause, NULL);
    *waited_ms += PAUSE_MS;
}

void *must_realloc(void *p, size_t n, const char *what)
{
    void *now;
    for (int waited_ms = 0; !(now = realloc(p, n));)
        wait_for_memory(&waited_ms, what);
    return now;
}

void *must_calloc(size_t n, const char *what)
{
    void *p;
    for (int waited_ms = 0; !(p = calloc(1, n));)
        wait_for_memory(&waited_ms, what);
    return p;
}

void must_add(struct buf *b, const void *data, size_t len, const char *what)
{
    for (int waited_ms = 0; !buf_reserve(b, len); b->failed = false)
        wait_for_memory(&waited_ms, what);
    buf_add(b, data, len);
}
