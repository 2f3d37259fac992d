/*
 * crowd.c - see crowd.h. A table of addresses that have connections now, under a lock that is held
 * for a look at one chain. The library's own limit is of one daemon, and there is one a thread.
 */
#include "crowd.h"

#include "address.h"

#include "../../common/err.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CHAINS 4096 /* a power of two */

struct crowd {
    struct crowd *next;
    uint8_t address[16]; /* address_bytes() */
    long members;
};

static struct {
    long limit; /* 0: nobody is counted */
    uint64_t seed;
    pthread_mutex_t lock; /* guards chain */
    struct crowd *chain[CHAINS];
} t = {.lock = PTHREAD_MUTEX_INITIALIZER};

int crowd_start(long limit)
{
    t.limit = limit;
    return getrandom(&t.seed, sizeof(t.seed), 0) == (ssize_t)sizeof(t.seed) ? 0 : -ERR_SYSTEM;
}

/* FNV-1a from a seed that nobody knows, its high bits folded in. */
static struct crowd **chain_of(const uint8_t address[16])
{
    uint64_t h = t.seed ^ UINT64_C(14695981039346656037);
    for (int i = 0; i < 16; i++)
        h = (h ^ address[i]) * UINT64_C(1099511628211);
    return &t.chain[(h ^ h >> 32) & (CHAINS - 1)];
}

/* The lock is held. The link that leads to it, or the chain's last. */
static struct crowd **find(const uint8_t address[16])
{
    struct crowd **at = chain_of(address);
    while (*at && memcmp((*at)->address, address, sizeof((*at)->address)) != 0)
        at = &(*at)->next;
    return at;
}

bool crowd_full(const struct sockaddr *from)
{
    uint8_t address[16];
    if (t.limit == 0 || !address_bytes(from, address))
        return false;
    pthread_mutex_lock(&t.lock);
    const struct crowd *c = *find(address);
    bool full = c && c->members >= t.limit;
    pthread_mutex_unlock(&t.lock);
    return full;
}

struct crowd *crowd_enter(const struct sockaddr *from)
{
    uint8_t address[16];
    if (t.limit == 0 || !address_bytes(from, address))
        return NULL;
    pthread_mutex_lock(&t.lock);
    struct crowd **at = find(address), *c = *at;
    if (!c) {
        c = calloc(1, sizeof(*c));
        if (c)
            memcpy(c->address, address, sizeof(c->address));
        *at = c;
    }
    if (c)
        c->members++;
    pthread_mutex_unlock(&t.lock);
    return c;
}

void crowd_leave(struct crowd *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&t.lock);
    if (--c->members == 0) {
        *find(c->address) = c->next;
        free(c);
    }
    pthread_mutex_unlock(&t.lock);
}
