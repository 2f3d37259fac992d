/*
 * storerun.h - a run of changes through the store's door, as the writer makes them, for the tests
 * of crashes and faults: chosen by a seed, each transaction's outcome known, and a text of all that
 * the store says, to be compared.
 *
 * One thread. Nothing here asserts: a fault may make any call fail.
 */
#ifndef JOBMILL_TESTS_STORERUN_H
#define JOBMILL_TESTS_STORERUN_H

#include "../common/buf.h"
#include "../server/store/store.h"

#define RUN_JOBS   4096
#define RUN_GROUPS 1024
#define RUN_KEYS   32

/* What the test remembers of the store, so as to choose and to ask. Plain data: copied to undo. */
struct run_memory {
    uint64_t random;
    int64_t now_us;
    uint64_t next_key;
    uint32_t task[2];
    struct id job[RUN_JOBS];
    size_t jobs;
    struct {
        struct id id;
        uint32_t number, task_id;
        uint64_t group_key;
    } running[RUN_JOBS];
    size_t runnings;
    struct id group[RUN_GROUPS];
    size_t groups;
    unsigned keys; /* names "key-0" … that were given */
};

struct run {
    struct store *store;
    struct store_reader *reader;
    struct run_memory m;
};

/* Opens the store in `dir`, recovers it, knows its tasks. `fresh`: the memory begins with `seed`.
 * What a last service left running is no longer. 0, or an error of the store, said in *why. */
int run_open(struct run *r, const char *dir, uint64_t seed, bool fresh, struct buf *why);
void run_close(struct run *r);

/* One transaction of several changes, chosen at random, with what the writer does around it.
 * RUN_KEPT: committed. RUN_UNDONE: known not to be kept. Else an error: unknown, the service ends.
 */
enum { RUN_KEPT = 0, RUN_UNDONE = 1 };
int run_step(struct run *r);
int run_tidy(struct run *r); /* the checkpoint that follows; 0 or an error that ends the service */

/* All that the store says of jobs, attempts, groups and keys, appended to *out; one line each.
 * Also checks that the counters equal a recount: -ERR_INTERNAL if not. */
int run_text(struct run *r, struct buf *out);

/* The same for a store that is not open, without recovery. */
int run_text_of(const char *dir, const struct run_memory *m, struct buf *out, struct buf *why);

/* PRAGMA integrity_check of the store's file in `dir`, opened by itself. 0, or -1 with *why. */
int run_integrity(const char *dir, struct buf *why);

#endif
