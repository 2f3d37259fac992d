/*
 * inbox.h - the one way between threads: a bounded queue of intrusive nodes with an eventfd.
 *
 * Posting passes the node's ownership to the consumer; a failed post leaves it with the poster.
 * Many producers, one consumer.
 */
#ifndef JOBMILL_SERVER_INBOX_H
#define JOBMILL_SERVER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct inbox_node {
    struct inbox_node *next;
};

struct inbox {
    pthread_mutex_t lock; /* guards the fields below */
    struct inbox_node *first, **last;
    size_t count, limit;
    bool asleep; /* the consumer waits: the next post writes the eventfd, */
    bool patient; /* but not what may wait: inbox_post_patient() */
    bool woken; /* inbox_wake() came while the consumer was awake: it does not sleep before a look */
    bool closed;
    int event_fd; /* readable when something was posted while the consumer slept */
};

int inbox_init(struct inbox *in, size_t limit); /* limit 0: unbounded; 0, -ERR_SYSTEM */
void inbox_release(struct inbox *in);

/* Any thread. 0; -ERR_OVERLOADED: full; -ERR_CLOSED. */
int inbox_post(struct inbox *in, struct inbox_node *node);
/* The same without regard to the limit: for what was promised already (outcomes, credit). */
int inbox_post_always(struct inbox *in, struct inbox_node *node);
/* A whole list, as inbox_take() gives it, with one wake-up, so that the consumer finds all of it. NULL: none. */
int inbox_post_list(struct inbox *in, struct inbox_node *list);
/* The same; a consumer that sleeps patiently is not woken, and finds it when it is. */
int inbox_post_patient(struct inbox *in, struct inbox_node *list);
void inbox_wake(struct inbox *in); /* lets a sleeping consumer run without a node; any thread */
void inbox_close(struct inbox *in); /* later posts fail; what waits is still taken */
size_t inbox_count(struct inbox *in);

/* Consumer only. Takes all (or at most `max` > 0) in order; NULL: nothing. Does not wait. */
struct inbox_node *inbox_take(struct inbox *in, size_t max);
/* Announces sleep: true: nothing waits, and a post from now on writes the eventfd; false: take again. */
bool inbox_sleep(struct inbox *in);
bool inbox_sleep_patiently(struct inbox *in);
/* It does not sleep after all, and will look before it does: posts write no eventfd. */
void inbox_awake(struct inbox *in);
void inbox_ring(struct inbox *in); /* makes event_fd readable, whatever its consumer does */
/* Waits until a post or wake, at most timeout_ms; clears the eventfd. */
void inbox_wait(struct inbox *in, int timeout_ms);
void inbox_drain_event(struct inbox *in); /* after epoll said that event_fd is readable */

#define INBOX_OWNER(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

#endif
