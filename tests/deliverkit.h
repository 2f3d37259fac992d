/*
 * deliverkit.h - dispatch without its thread, and stand-ins for the fork server and two workers:
 * what they say, a test says. The clock stands still until a test moves it. There is no writer:
 * outcomes stay where they wait for it. Single thread; every function ends the test on an error.
 */
#ifndef JOBMILL_TESTS_DELIVERKIT_H
#define JOBMILL_TESTS_DELIVERKIT_H

#include "../server/dispatch_priv.h"

#define WALL_US (INT64_C(1700000000) * US_PER_S)
#define MIB     (INT64_C(1) << 20)
#define WORKERS 2

enum { MODULE, COMMAND, WARM, TASKS }; /* one of each kind, with 64 MiB of memory */

extern struct board *board;
extern struct dispatcher *d;
extern int worker[WORKERS]; /* the workers' ends of their sockets */
extern struct ring ring[WORKERS];
extern int64_t now_us; /* what the clock shows (mono) */

void kit_setup(void); /* both workers are idle, and may hold 8 jobs */
struct slot *slot(int i);
int asked(struct msg *m);  /* what the fork server is asked for next; 0: nothing */
void is_born(uint32_t i);  /* the worker that was asked for, */
void is_ready(uint32_t i); /* and it says that it is ready */

struct id gets(int task); /* a job comes, and is pending */
void give_all(void);      /* what is pending goes to the first worker, if it can take it */
struct assignment begins(unsigned i); /* the first worker begins the i-th that it holds */
/* It says that it has ended it, by its ring or its socket. */
void ends(const struct assignment *a, bool ok, bool in_ring);
void dies(int status, int64_t peak); /* the first worker: its wait status, the most memory it had */
int64_t time_comes(void);            /* what is due now; when to look again */
int64_t at(int64_t later_us);        /* the same after so long */

/* The one outcome that there is of a job; NULL: none yet. */
const struct attempt *outcome(const struct id *job);
void ended(const struct id *job, enum attempt_end end); /* there is one, and that is it */

#endif
