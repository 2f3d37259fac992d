/*
 * waiters.h - who waits for which job to end; woken by the writer after the commit.
 *
 * A waiter belongs to its owner (an HTTP request); while attached it is in the table. Exactly one of
 * waiters_job_ended (which detaches and then calls wake) and waiters_remove (returning true) gets it.
 * Use: add, then read the job; if it is already final, remove.
 */
#ifndef JOBMILL_SERVER_WAITERS_H
#define JOBMILL_SERVER_WAITERS_H

#include "../common/id.h"

#include <stdbool.h>
#include <stddef.h>

struct finish;

struct waiter {
    struct waiter *next, **link; /* the table's */
    struct id job;
    bool wants;            /* the outcome itself, if it is at hand */
    struct finish *finish; /* which it got: its own now */
    void (*wake)(struct waiter *w); /* on the waker's thread, without a lock held; w is detached */
};

int waiters_init(void);
void waiters_release(void);
void waiters_add(struct waiter *w);
bool waiters_remove(struct waiter *w); /* true: it was attached and is the caller's again; false: wake was or will be called */
/* `finish`: how it ended, or NULL. The first that wants it takes it: true. */
bool waiters_job_ended(const struct id *job, struct finish *finish);
void waiters_wake_all(void); /* at the end of the service */
size_t waiters_count(void);

#endif
