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
    uint64_t (*job_version)(const struct store *s, const struct id *id);
    int (*recover)(struct store *s, int64_t now_us, struct recovery *out);
    int (*task_id)(struct store *s, const char *name, uint32_t *id);
    uint32_t (*tasks)(const struct store *s);
    int (*begin)(struct store *s);
    int (*commit)(struct store *s);
    bool (*wrote)(const struct store *s);
    int (*rollback)(struct store *s);
    int (*insert)(struct store *s, struct store_new *new);
    int (*check_parents)(struct store *s, const struct id *parents, size_t n, struct id *which);
    int (*replay)(struct store *s, const struct store_key *key, struct id *id);
    int (*keep_key)(struct store *s, const struct store_key *key, const struct id *id,
                    bool is_group);
    int (*group_add)(struct store *s, const struct group *g);
    int (*group_close)(struct store *s, const struct id *id, int64_t now_us);
    int (*claim)(struct store *s, const struct claim_quota *quota, size_t quotas, size_t want,
                 int64_t now_us, struct job *out, size_t *n);
    int (*lent_due)(struct store *s, int64_t until_us, bool briefly);
    int64_t (*lent_since_us)(const struct store *s, int64_t until_us);
    uint64_t (*ready)(const struct store *s, uint32_t task_id);
    int64_t (*oldest_us)(struct store *s, uint32_t task_id);
    int (*finish)(struct store *s, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state);
    int (*cancel)(struct store *s, const struct id *id, int64_t now_us, struct job *job);
    int (*retry)(struct store *s, const struct id *id, int64_t now_us, struct job *job);
    int (*forget)(struct store *s, const struct id *id, enum job_state *state);
    int (*settle)(struct store *s, int64_t now_us, bool *more);
    int64_t (*due_hint_us)(const struct store *s);
    size_t (*ended_count)(const struct store *s);
    void (*ended_id)(const struct store *s, size_t i, struct id *out);
    int (*checkpoint_keep)(struct store *s, const struct id *job, uint32_t attempt,
                           const struct buf *data);
    bool (*gone)(const struct store *s, size_t i, struct id *out);
    int (*due)(struct store *s, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us);
    int (*sweep_groups)(struct store *s, int64_t before_us, size_t limit, size_t *gone);
    int (*sweep_keys)(struct store *s, int64_t now_us, size_t limit, size_t *gone);
    int (*sweep_jobs)(struct store *s, const struct keep_rule *rule, size_t limit, size_t *gone,
                      bool *more);
    int (*sweep_bytes)(struct store *s, uint64_t bytes, size_t limit, size_t *gone, bool *more);
    int (*shrink)(struct store *s, size_t pages);
    int (*stream_get)(struct store *s, const char *key, int64_t now_us, struct stream_mark *out);
    int (*stream_put)(struct store *s, const struct store_key *key, const struct stream_mark *m);
    int (*clock_set)(struct store *s, int64_t step_us);
    int (*state_of)(struct store *s, const struct id *id, enum job_state *state);
    bool (*deliveries_new)(struct store *s);
    int (*deliveries_due)(struct store *s, int64_t now_us, struct delivery *out, size_t most,
                          size_t *n);
    int (*delivery_later)(struct store *s, const struct id *id, int64_t next_us);
    int (*delivery_next_us)(struct store *s, int64_t *next_us);
    int (*delivery_note)(struct store *s, const struct delivery *v);
    int (*read_deliveries)(struct store_reader *r, const struct id *subject, struct delivery *out,
                           size_t most, size_t *n);
    int (*lease_add)(struct store *s, const struct lease *l);
    int (*lease_get)(struct store *s, const struct id *id, struct lease *out);
    int (*lease_beat)(struct store *s, const struct lease *l);
    int (*lease_drop)(struct store *s, const struct id *job);
    int (*lease_held)(struct store *s, const struct id *job, bool *held);
    int (*leases_heard)(struct store *s, int64_t now_us);
    int (*leases_expired)(struct store *s, int64_t now_us, struct lease *out, size_t most,
                          size_t *n);
    int (*lease_next_us)(struct store *s, int64_t *next_us);
    int (*read_lease)(struct store_reader *r, const struct id *job, struct lease *out);
    int (*find_lease)(struct store_reader *r, const struct id *id, struct lease *out);
    int (*schedule_put)(struct store *s, const struct schedule *g);
    int (*schedule_delete)(struct store *s, const char *name);
    int (*schedule_pause)(struct store *s, const char *name, bool paused, int64_t next_us);
    int (*schedule_ran)(struct store *s, const struct schedule *g);
    int (*schedule_get)(struct store *s, const char *name, struct schedule *out);
    int (*schedule_due)(struct store *s, int64_t now_us, const struct schedule_place *behind, struct schedule *out,
                        size_t most, size_t *n);
    int (*schedule_times)(struct store *s, const char *behind, struct schedule *out, size_t most, size_t *n);
    int (*schedule_next_us)(struct store *s, const struct schedule_place *behind, int64_t *next_us);
    int (*schedule_count)(struct store *s, const char *name, size_t *n);
    int (*read_schedule)(struct store_reader *r, const char *name, struct schedule *out);
    int (*read_schedules)(struct store_reader *r, const struct schedule_look *look, struct schedule *out, size_t most,
                          size_t *n);
    int (*pause_task)(struct store *s, uint32_t task_id, bool paused);
    int (*pause_pool)(struct store *s, const char *pool, bool paused);
    int (*pool_paused)(struct store *s, const char *pool, bool *paused);
    bool (*task_paused)(const struct store *s, const char *task);
    bool (*task_paused_id)(const struct store *s, uint32_t task_id);
    int (*checkpoint)(struct store *s, enum store_rest rest);
    uint64_t (*count_now)(const struct store *s, uint32_t task_id, enum job_state state);
    uint64_t (*count)(const struct store *s, uint32_t task_id, enum job_state state);

    int (*reader_open)(struct store *s, struct store_reader **out);
    void (*reader_close)(struct store_reader *r);
    int (*read_bytes)(struct store_reader *r, const struct id *id, const struct piece *p,
                      void *out);
    int (*read_job)(struct store_reader *r, const struct id *id, unsigned what, size_t inline_max,
                    struct job *out);
    int (*read_list)(struct store_reader *r, const struct job_filter *f, unsigned what,
                     size_t inline_max, struct job_page *out);
    int (*read_group)(struct store_reader *r, const struct id *id, struct group *out);
    int (*read_stream)(struct store_reader *r, const char *key, int64_t now_us,
                       struct stream_mark *out);
    int (*read_attempts)(struct store_reader *r, const struct id *id, size_t most,
                         struct attempt_record *out, size_t *n);
    int (*read_counts)(const struct store *s, const char *task, struct job_counts *out);
    int (*read_queued_since)(struct store_reader *r, const char *task, int64_t *since_us);
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
int sqlite_salvage(const char *data_dir, const char *file, struct store_salvage *out,
                   struct buf *why);
int sqlite_copy(const char *data_dir, const char *file, struct store_copy *out, struct buf *why);

#endif
