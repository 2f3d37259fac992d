/*
 * waiters.c - who waits for which job: a hash table of lists under one lock, which is held for a
 * few pointer moves only. It grows by doubling and never shrinks: 8 bytes a bucket.
 */
#include "waiters.h"

#include "../common/err.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST_BUCKETS 1024

static struct {
    pthread_mutex_t lock; /* guards all */
    struct waiter **bucket;
    size_t buckets; /* a power of two */
    size_t count;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The random tail of an id is as good a hash as any. */
static size_t bucket_of(const struct id *id, size_t buckets)
{
    return (size_t)id_tail(id) & (buckets - 1);
}

int waiters_init(void)
{
    table.bucket = calloc(FIRST_BUCKETS, sizeof(*table.bucket));
    table.buckets = FIRST_BUCKETS;
    table.count = 0;
    return table.bucket ? 0 : -ERR_NOMEM;
}

void waiters_release(void)
{
    free(table.bucket);
    table.bucket = NULL;
    table.buckets = 0;
}

static void link_in(struct waiter **head, struct waiter *w)
{
    w->next = *head;
    if (w->next)
        w->next->link = &w->next;
    w->link = head;
    *head = w;
}

static void unlink_it(struct waiter *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->link = NULL;
    w->next = NULL;
}

/* Without memory for more buckets the lists grow longer; nothing fails. */
static void grow(void)
{
    size_t more = table.buckets * 2;
    struct waiter **bucket = calloc(more, sizeof(*bucket));
    if (!bucket)
        return;
    for (size_t i = 0; i < table.buckets; i++) {
        while (table.bucket[i]) {
            struct waiter *w = table.bucket[i];
            unlink_it(w);
            link_in(&bucket[bucket_of(&w->job, more)], w);
        }
    }
    free(table.bucket);
    table.bucket = bucket;
    table.buckets = more;
}

void waiters_add(struct waiter *w)
{
    pthread_mutex_lock(&table.lock);
    if (table.count >= table.buckets)
        grow();
    link_in(&table.bucket[bucket_of(&w->job, table.buckets)], w);
    table.count++;
    pthread_mutex_unlock(&table.lock);
}

bool waiters_remove(struct waiter *w)
{
    pthread_mutex_lock(&table.lock);
    bool attached = w->link != NULL;
    if (attached) {
        unlink_it(w);
        table.count--;
    }
    pthread_mutex_unlock(&table.lock);
    return attached;
}

/* Detaches those of the bucket that wait for the job (all, when job is NULL) into a list. */
static struct waiter *detach(struct waiter **head, const struct id *job)
{
    struct waiter *out = NULL;
    for (struct waiter *w = *head, *next; w; w = next) {
        next = w->next;
        if (job && !id_equal(&w->job, job))
            continue;
        unlink_it(w);
        table.count--;
        w->next = out;
        out = w;
    }
    return out;
}

static void wake_list(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        w->next = NULL;
        w->wake(w); /* may free w */
        w = next;
    }
}

bool waiters_job_ended(const struct id *job, struct finish *finish)
{
    bool taken = false;
    pthread_mutex_lock(&table.lock);
    struct waiter *list =
        table.count ? detach(&table.bucket[bucket_of(job, table.buckets)], job) : NULL;
    pthread_mutex_unlock(&table.lock);
    for (struct waiter *w = list; w && finish && !taken; w = w->next) {
        taken = w->wants;
        w->finish = taken ? finish : NULL;
    }
    wake_list(list);
    return taken;
}

void waiters_wake_all(void)
{
    for (size_t i = 0;; i++) {
        pthread_mutex_lock(&table.lock);
        struct waiter *list = i < table.buckets ? detach(&table.bucket[i], NULL) : NULL;
        bool end = i >= table.buckets;
        pthread_mutex_unlock(&table.lock);
        wake_list(list);
        if (end)
            return;
    }
}

size_t waiters_count(void)
{
    pthread_mutex_lock(&table.lock);
    size_t n = table.count;
    pthread_mutex_unlock(&table.lock);
    return n;
}
