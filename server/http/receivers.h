/*
 * receivers.h - who is called, and how many calls each may have under way: one that is slow, or does
 * not answer, holds up no other.
 *
 * A receiver is scheme, host and port of a URL. It may have as many calls under way as there are free
 * places for calls, so one alone has half of them, and the next one finds room whatever that one
 * does. Those whose last call was not answered share one half of all. The same holds of the places
 * in which calls wait; a call that finds none there waits on in the store, and comes again at its turn.
 *
 * Joining and pauses: any thread. All else: the thread that makes the calls.
 */
#ifndef JOBMILL_HTTP_RECEIVERS_H
#define JOBMILL_HTTP_RECEIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALLS_UNDER_WAY_MAX 64
#define CALLS_WAITING_MAX   512
#define RECEIVERS_KEPT      1024 /* of those without calls */

struct receiver;

/* 0: a call of it may wait here now; > 0: not before so many microseconds; -1: there is no place for anybody. */
int64_t receiver_pause_us(const char *url, int64_t now_us);
/* A call waits for it from now on. NULL: no memory. */
struct receiver *receiver_join(const char *url);
/* The call that waited does so no more. */
void receiver_leave(struct receiver *r);

bool receiver_may_begin(const struct receiver *r);
/* It does not answer, and has more waiting than its share: one should leave, and come again later. */
bool receiver_crowds(const struct receiver *r);
/* One that waited is under way. */
void receiver_begin(struct receiver *r);
/* It no longer is. answered: with whatever. */
void receiver_end(struct receiver *r, bool answered, int64_t took_us);

/* Frees all of them, whatever their calls. */
void receivers_forget(void);

#endif
