/*
 * inbox.c - a bounded queue between threads: many producers, one consumer.
 *
 * The eventfd is written only when the consumer said that it sleeps, so a busy consumer costs its
 * producers a lock and no system call.
 */
#include "inbox.h"

#include "../common/err.h"
#include "../common/fdio.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int inbox_init(struct inbox *in, size_t limit)
{
    *in = (struct inbox){.limit = limit, .event_fd = -1};
    in->last = &in->first;
    if (pthread_mutex_init(&in->lock, NULL) != 0)
        return -ERR_SYSTEM;
    in->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (in->event_fd >= 0)
        return 0;
    pthread_mutex_destroy(&in->lock);
    return -ERR_SYSTEM;
}

void inbox_release(struct inbox *in)
{
    if (in->event_fd < 0)
        return;
    fd_close(&in->event_fd);
    pthread_mutex_destroy(&in->lock);
}

/* The counter of an eventfd cannot overflow: it is written once for each sleep. */
void inbox_ring(struct inbox *in)
{
    uint64_t one = 1;
    while (write(in->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* Takes it that the consumer will look. True: it is to be woken for that. */
static bool wakes(struct inbox *in)
{
    bool wake = in->asleep;
    in->asleep = false;
    return wake;
}

/* first..last are chained; all of them or none. */
static int post(struct inbox *in, struct inbox_node *first, struct inbox_node *last, size_t count,
                size_t limit, bool may_wait)
{
    last->next = NULL;
    pthread_mutex_lock(&in->lock);
    if (in->closed || (limit > 0 && in->count >= limit)) {
        int err = in->closed ? -ERR_CLOSED : -ERR_OVERLOADED;
        pthread_mutex_unlock(&in->lock);
        return err;
    }
    *in->last = first;
    in->last = &last->next;
    in->count += count;
    bool wake = !(may_wait && in->patient) && wakes(in);
    pthread_mutex_unlock(&in->lock);
    if (wake)
        inbox_ring(in);
    return 0;
}

int inbox_post(struct inbox *in, struct inbox_node *node)
{
    return post(in, node, node, 1, in->limit, false);
}

int inbox_post_always(struct inbox *in, struct inbox_node *node)
{
    return post(in, node, node, 1, 0, false);
}

static int post_list(struct inbox *in, struct inbox_node *list, bool may_wait)
{
    if (!list)
        return 0;
    struct inbox_node *last = list;
    size_t count = 1;
    for (; last->next; last = last->next)
        count++;
    return post(in, list, last, count, 0, may_wait);
}

int inbox_post_list(struct inbox *in, struct inbox_node *list)
{
    return post_list(in, list, false);
}

int inbox_post_patient(struct inbox *in, struct inbox_node *list)
{
    return post_list(in, list, true);
}

void inbox_wake(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    bool wake = wakes(in);
    in->woken = true;
    pthread_mutex_unlock(&in->lock);
    if (wake)
        inbox_ring(in);
}

void inbox_close(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    pthread_mutex_unlock(&in->lock);
}

size_t inbox_count(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    size_t n = in->count;
    pthread_mutex_unlock(&in->lock);
    return n;
}

struct inbox_node *inbox_take(struct inbox *in, size_t max)
{
    pthread_mutex_lock(&in->lock);
    struct inbox_node *first = in->first;
    if (!first || max == 0 || in->count <= max) {
        in->first = NULL;
        in->last = &in->first;
        in->count = 0;
    } else {
        struct inbox_node *end = first;
        for (size_t i = 1; i < max; i++)
            end = end->next;
        in->first = end->next;
        in->count -= max;
        end->next = NULL;
    }
    pthread_mutex_unlock(&in->lock);
    return first;
}

static bool sleeps(struct inbox *in, bool patient)
{
    pthread_mutex_lock(&in->lock);
    bool may = in->count == 0 && !in->woken;
    in->woken = false;
    in->asleep = may;
    in->patient = may && patient;
    pthread_mutex_unlock(&in->lock);
    return may;
}

bool inbox_sleep(struct inbox *in)
{
    return sleeps(in, false);
}

bool inbox_sleep_patiently(struct inbox *in)
{
    return sleeps(in, true);
}

void inbox_awake(struct inbox *in)
{
    pthread_mutex_lock(&in->lock);
    in->asleep = false;
    pthread_mutex_unlock(&in->lock);
}

void inbox_wait(struct inbox *in, int timeout_ms)
{
    struct pollfd p = {.fd = in->event_fd, .events = POLLIN};
    (void)poll(&p, 1, timeout_ms); /* an interrupted wait is a short one */
    inbox_drain_event(in);
}

void inbox_drain_event(struct inbox *in)
{
    uint64_t n;
    while (read(in->event_fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}
