/*
 * pace.c - see pace.h. A table of fixed size: a client's hash names a set of few places, of which
 * the one that was used longest ago is given to a newcomer. A lock for several sets; none is held
 * for longer than a look at one set.
 */
#include "pace.h"

#include "address.h"

#include "../../common/err.h"
#include "../bucket.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS    1024 /* a power of two */
#define WAYS    8
#define LOCKS   64
#define NETWORK 8 /* bytes of an IPv6 address that are its network's */

struct place {
    uint64_t client; /* its hash; 0: free */
    struct bucket bucket;
};

static struct {
    double rate, burst;
    uint64_t seed;
    struct place (*set)[WAYS]; /* NULL: no limit */
    pthread_mutex_t lock[LOCKS];
} t;

int pace_start(double rate, double burst)
{
    t.rate = rate;
    t.burst = burst;
    if (rate <= 0)
        return 0;
    if (getrandom(&t.seed, sizeof(t.seed), 0) != (ssize_t)sizeof(t.seed))
        return -ERR_SYSTEM;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&t.lock[i], NULL); /* of a default mutex it cannot fail here */
    t.set = calloc(SETS, sizeof(*t.set));
    return t.set ? 0 : -ERR_NOMEM;
}

void pace_stop(void)
{
    free(t.set);
    t.set = NULL;
}

/* FNV-1a from a seed that nobody knows, mixed as in SplitMix64. */
static uint64_t hash(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t h = t.seed ^ UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    h ^= h >> 31;
    return h ? h : 1;
}

/* 0: not known. */
static uint64_t client_of(const char *owner, const struct sockaddr *from)
{
    if (owner && owner[0])
        return hash(owner, strlen(owner));
    uint8_t address[16];
    if (!address_bytes(from, address))
        return 0;
    return hash(address, address_is_v4(address) ? sizeof(address) : NETWORK);
}

static struct bucket *bucket_of(struct place *set, uint64_t client)
{
    struct place *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].client == client)
            return &set[i].bucket;
        if (set[i].bucket.filled_us < oldest->bucket.filled_us)
            oldest = &set[i];
    }
    *oldest = (struct place){.client = client};
    return &oldest->bucket;
}

int64_t pace_ask(const char *owner, const struct sockaddr *from, int64_t now_us)
{
    uint64_t client = t.set ? client_of(owner, from) : 0;
    int64_t next_us = INT64_MAX;
    if (client == 0)
        return 0;
    size_t at = client & (SETS - 1);
    pthread_mutex_lock(&t.lock[at % LOCKS]);
    struct bucket *k = bucket_of(t.set[at], client);
    uint32_t n = bucket_tokens(k, t.rate, t.burst, now_us, &next_us);
    if (n > 0)
        bucket_take(k, 1);
    pthread_mutex_unlock(&t.lock[at % LOCKS]);
    return n > 0 ? 0 : next_us > now_us ? next_us - now_us : 1;
}
