/*
 * store_priv.h - what a driver of the store offers to the door in store.c.
 *
 * A driver's store and reader begin with the structs below. The meaning of each function is that of
 * store_<name> in store.h; a driver may rely on the door for what is noted there (arguments checked,
 * the calls of a transaction between begin and its end).
 */
#ifndef JOBMILL_SERVER_STORE_STORE_PRIV_H
#define JOBMILL_SERVER_STORE_STORE_PRIV_H

#include "store.h"

struct store_ops {
    void (*close)(struct store *s);
    int (*schema_version)(const struct store *s);
    int (*recover)(struct store *s, int64_t now_us, struct recovery *out);
    int (*task_id)(struct store *s, const char *name, uint32_t *id);
    int (*begin)(struct store *s);
    int (*commit)(struct store *s);
    int (*rollback)(struct store *s);
    int (*insert)(struct store *s, struct job *job, const struct store_key *key);
    int (*claim)(struct store *s, const uint32_t *task_ids, size_t tasks, size_t want,
                 int64_t now_us, struct job *out, size_t *n);
    int (*finish)(struct store *s, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state);
    int (*cancel)(struct store *s, const struct id *id, int64_t now_us, struct job *job);
    int (*due)(struct store *s, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us);
    int (*sweep_keys)(struct store *s, int64_t now_us, size_t limit, size_t *gone);
    int (*checkpoint)(struct store *s, bool idle);
    uint64_t (*count)(const struct store *s, uint32_t task_id, enum job_state state);

    int (*reader_open)(struct store *s, struct store_reader **out);
    void (*reader_close)(struct store_reader *r);
    int (*read_job)(struct store_reader *r, const struct id *id, unsigned what, size_t inline_max,
                    struct job *out);
    int (*read_list)(struct store_reader *r, const struct job_filter *f, unsigned what,
                     size_t inline_max, struct job_page *out);
    int (*read_counts)(const struct store *s, const char *task, struct job_counts *out);
    void (*read_sizes)(const struct store *s, struct store_sizes *out);
};

struct store {
    const struct store_ops *ops;
    bool in_transaction;
};

struct store_reader {
    const struct store_ops *ops;
};

/* The drivers. */
int sqlite_open(const struct store_options *o, struct store **out, struct buf *why);

#endif
