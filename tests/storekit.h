/*
 * storekit.h - a store in a directory of its own, and short words for what tests do with it: each
 * in a transaction of its own, at the times that the test gives. Single thread; every function ends
 * the test on an error.
 */
#ifndef JOBMILL_TESTS_STOREKIT_H
#define JOBMILL_TESTS_STOREKIT_H

#include "../server/store/store.h"

extern char dir[64];
extern struct store *s;
extern struct store_reader *r;
extern uint32_t alpha, beta; /* two tasks' numbers */

void kit_setup(void); /* makes the directory, opens store and reader */
void kit_teardown(void);
int open_store(void);
void close_store(void);

void begin(void); /* a transaction of the test's own */
void commit(void);

/* A job as a submission makes it: created at 1000, 2 attempts, its rank a minute less for each
 * point of priority. The caller may change it before insert(). */
void make(struct job *j, uint32_t task, enum job_state state, int priority);
int insert(struct job *j,
           const struct store_key *key); /* in the open transaction; store_insert's */
struct id keep(struct job *j);           /* the same in a transaction of its own; releases it */
struct id add(uint32_t task, enum job_state state, int priority);

struct job get(const struct id *id); /* the caller releases it */
enum job_state state_of(const struct id *id);

int64_t backoff(const struct job *job, void *arg); /* 1000 us times the attempt */
/* Ends an attempt at 5000, as store_finish. */
int end(const struct id *id, uint32_t number, enum attempt_end how, bool now,
        enum job_state *state);
/* Claims at 3000, of either task, one of each concurrency key; the caller releases them. */
size_t claim(size_t want, struct job *out);
struct id claim_one(void);
size_t due(int64_t now_us); /* what is due at this time is moved; how many */
int settle(void);   /* passes on what ended at 9000, in as few transactions as it takes; how many */
void recount(void); /* the store's counters must equal a recount through lists */

/* ---- what others depend on ---- */

#define CHILDREN 5000 /* more than one transaction passes an end on to */

/* Its first attempt ends at 9000, for good, and that is passed on in the same transaction. */
void ends_and_settles(const struct id *id, enum attempt_end how);
/* It is the next to be claimed, as attempt `number`, which ends likewise. */
void runs_and_ends(const struct id *id, uint32_t number, enum attempt_end how);
/* The store is opened anew, as after a crash, and all is passed on. */
void service_dies(void);
struct id group_of(int n, struct id *jobs); /* n running jobs of alpha */
void wait_for(struct job *j, const struct id *parents, size_t n);
struct id child_with(struct job *j, const struct id *parents, size_t n); /* wait_for and keep */
struct id child_of(const struct id *parents, size_t n, bool anyway);     /* a job of beta */
void add_children(const struct id *parent); /* CHILDREN of them, in the open transaction */
void ends_and_settles_some(
    const struct id *id); /* it succeeds, and some of its children are told */

#endif
