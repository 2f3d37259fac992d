/*
 * receivers.c - see receivers.h. A table under a lock that is held for a look at one chain.
 */
#include "receivers.h"

#include "../../common/clock.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 1024 /* a power of two */

/* Those that are passed over come again one by one, about twice as fast as the receiver takes
 * calls: it does not run dry, and what is looked at in vain is bounded by its pace, not by their
 * number. */
#define STEP_MIN_US INT64_C(100)
#define STEP_MAX_US (20 * US_PER_MS)
#define TURN_US     (50 * US_PER_MS) /* turns are rounded up, so that a transaction looks at some */
#define TOOK_US     (100 * US_PER_MS) /* a call to one that is not known yet */

struct calls {
    size_t waiting, under_way;
};

struct receiver {
    struct receiver *next;
    struct calls calls;
    bool silent;     /* its last call was not answered */
    int64_t took_us; /* a call, of late */
    int64_t turn_us; /* mono: of the last one that was passed over */
    bool tls;
    size_t len;
    char host[]; /* and port, as the URL has them */
};

static struct {
    pthread_mutex_t lock; /* guards all of it, and the receivers */
    struct receiver *chain[CHAINS];
    size_t count;
    struct calls all, silent; /* silent: of the receivers that are so */
} t = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct name {
    bool tls;
    const char *host;
    size_t len;
};

/* Without a user's name, which could make many of one. */
static struct name name_of(const char *url)
{
    const char *mark = strstr(url, "://");
    struct name n = {.tls = strncasecmp(url, "https:", 6) == 0, .host = mark ? mark + 3 : url};
    n.len = strcspn(n.host, "/?#");
    const char *at = memrchr(n.host, '@', n.len);
    if (at) {
        n.len -= (size_t)(at + 1 - n.host);
        n.host = at + 1;
    }
    return n;
}

/* ---- the lock is held ---- */

/* The link that leads to it, or the chain's last. FNV-1a. */
static struct receiver **find(const struct name *n)
{
    uint64_t h = UINT64_C(14695981039346656037) + n->tls;
    for (size_t i = 0; i < n->len; i++)
        h = (h ^ (uint64_t)tolower((unsigned char)n->host[i])) * UINT64_C(1099511628211);
    struct receiver **at = &t.chain[(h ^ h >> 32) & (CHAINS - 1)], *r;
    while ((r = *at) &&
           (r->tls != n->tls || r->len != n->len || strncasecmp(r->host, n->host, n->len) != 0))
        at = &r->next;
    return at;
}

/* What was learnt of those without calls is lost, which errs to their favour. */
static void drop_idle(void)
{
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct receiver **at = &t.chain[i], *r; (r = *at);) {
            if (r->calls.waiting || r->calls.under_way) {
                at = &r->next;
                continue;
            }
            *at = r->next;
            free(r);
            t.count--;
        }
    }
}

static struct receiver *add(const struct name *n)
{
    if (t.count >= RECEIVERS_KEPT)
        drop_idle();
    struct receiver *r = calloc(1, sizeof(*r) + n->len), **at = find(n);
    if (!r)
        return NULL;
    *r = (struct receiver){.tls = n->tls, .len = n->len, .took_us = TOOK_US};
    memcpy(r->host, n->host, n->len);
    *at = r;
    t.count++;
    return r;
}

/* As many as are free for it: whatever one takes, as many are left for the next. */
static bool has_room(bool silent, size_t own, size_t all, size_t all_silent, size_t most)
{
    if (!silent)
        return all + own < most;
    return all < most && all_silent + own < most / 2;
}

static void count_waiting(struct receiver *r, bool more)
{
    size_t by = more ? 1 : SIZE_MAX; /* which is -1 */
    r->calls.waiting += by;
    t.all.waiting += by;
    t.silent.waiting += r->silent ? by : 0;
}

static void count_under_way(struct receiver *r, bool more)
{
    size_t by = more ? 1 : SIZE_MAX;
    r->calls.under_way += by;
    t.all.under_way += by;
    t.silent.under_way += r->silent ? by : 0;
}

static void set_silent(struct receiver *r, bool silent)
{
    if (r->silent == silent)
        return;
    r->silent = silent;
    if (silent) {
        t.silent.waiting += r->calls.waiting;
        t.silent.under_way += r->calls.under_way;
        return;
    }
    t.silent.waiting -= r->calls.waiting;
    t.silent.under_way -= r->calls.under_way;
    r->took_us = TOOK_US;
    r->turn_us = 0; /* it may be quick again */
}

/* ---- calls ---- */

int64_t receiver_pause_us(const char *url, int64_t now_us)
{
    struct name n = name_of(url);
    int64_t pause_us = 0;
    pthread_mutex_lock(&t.lock);
    struct receiver *r = *find(&n);
    if (t.all.waiting >= CALLS_WAITING_MAX) {
        pause_us = -1;
    } else if (r && !has_room(r->silent, r->calls.waiting, t.all.waiting, t.silent.waiting,
                              CALLS_WAITING_MAX)) {
        int64_t step_us = r->took_us / CALLS_UNDER_WAY_MAX;
        step_us = step_us < STEP_MIN_US ? STEP_MIN_US : step_us;
        step_us = step_us > STEP_MAX_US ? STEP_MAX_US : step_us;
        r->turn_us = (r->turn_us > now_us ? r->turn_us : now_us) + step_us;
        pause_us = (r->turn_us / TURN_US + 1) * TURN_US - now_us;
    }
    pthread_mutex_unlock(&t.lock);
    return pause_us;
}

struct receiver *receiver_join(const char *url)
{
    struct name n = name_of(url);
    pthread_mutex_lock(&t.lock);
    struct receiver *r = *find(&n);
    r = r ? r : add(&n);
    if (r)
        count_waiting(r, true);
    pthread_mutex_unlock(&t.lock);
    return r;
}

void receiver_leave(struct receiver *r)
{
    pthread_mutex_lock(&t.lock);
    count_waiting(r, false);
    pthread_mutex_unlock(&t.lock);
}

bool receiver_may_begin(const struct receiver *r)
{
    pthread_mutex_lock(&t.lock);
    bool may = has_room(r->silent, r->calls.under_way, t.all.under_way, t.silent.under_way,
                        CALLS_UNDER_WAY_MAX);
    pthread_mutex_unlock(&t.lock);
    return may;
}

bool receiver_crowds(const struct receiver *r)
{
    pthread_mutex_lock(&t.lock);
    bool crowds = r->silent && t.silent.waiting > CALLS_WAITING_MAX / 2;
    pthread_mutex_unlock(&t.lock);
    return crowds;
}

void receiver_begin(struct receiver *r)
{
    pthread_mutex_lock(&t.lock);
    count_waiting(r, false);
    count_under_way(r, true);
    pthread_mutex_unlock(&t.lock);
}

void receiver_end(struct receiver *r, bool answered, int64_t took_us)
{
    pthread_mutex_lock(&t.lock);
    count_under_way(r, false);
    set_silent(r, !answered);
    r->took_us += (took_us - r->took_us) / 8;
    pthread_mutex_unlock(&t.lock);
}

void receivers_forget(void)
{
    pthread_mutex_lock(&t.lock);
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct receiver *r; (r = t.chain[i]);) {
            t.chain[i] = r->next;
            free(r);
        }
    }
    t.count = 0;
    t.all = t.silent = (struct calls){0};
    pthread_mutex_unlock(&t.lock);
}
