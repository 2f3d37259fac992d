/*
 * ring.h - a worker's words on their way to the front end without a system call: a ring of bytes in
 * memory that these two alone share, so that no other worker can speak in its name.
 *
 * One process writes (the worker), one reads (dispatch), each from one thread. What is put is seen
 * whole or not at all, and stays readable when the writer is dead. The reader trusts nothing that
 * stands there: it keeps its own position, bounds what it takes and copies before it looks.
 *
 * Who reads may sleep. It says so with ring_sleep(); the writer asks ring_wake() after it has put
 * something, and wakes the reader by other means if told to: once for each sleep.
 */
#ifndef JOBMILL_COMMON_RING_H
#define JOBMILL_COMMON_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_BYTES 16384 /* a power of two */

struct ring_memory;

/* One end. Zeroed: not open. */
struct ring {
    struct ring_memory *memory;
    uint32_t at; /* bytes that this end has put or taken since the beginning, modulo 2^32 */
};

/* The writer's: makes the memory. Returns the descriptor to pass on (the caller's), or -ERR_SYSTEM. */
int ring_new(struct ring *r);
/* The reader's: maps what was passed; the descriptor stays the caller's. 0; -ERR_PROTOCOL: it is no
 * ring, or could be shortened under the reader; -ERR_SYSTEM. */
int ring_open(struct ring *r, int fd);
void ring_close(struct ring *r); /* legal twice, and when not open */

/* Writer. False: there is no room, nothing was put. */
bool ring_put(struct ring *r, const void *data, size_t len);
/* Writer, after ring_put(). True: the reader sleeps, and this call has taken it on to wake it. */
bool ring_wake(struct ring *r);

/* Reader. Copies all that waits into buf (RING_BYTES). Returns how much; -ERR_PROTOCOL: the writer broke it. */
int ring_take(struct ring *r, void *buf);
/* Reader. Says that it is going to sleep. False: something waits, take it first. */
bool ring_sleep(struct ring *r);
/* Reader. It is awake and will look before it sleeps. */
void ring_awake(struct ring *r);

#endif
