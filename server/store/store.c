/*
 * store.c - the door to persistence: passes each call of store.h to the driver behind it, and
 * asserts the order of the writer's calls. Threads as in store.h; holds nothing of its own.
 */
#include "store.h"

#include "../../common/err.h"
#include "store_priv.h"

#include <assert.h>

int store_open(const struct store_options *o, struct store **out, struct buf *why)
{
    *out = NULL;
    return sqlite_open(o, out, why);
}

int store_salvage(const char *data_dir, const char *file, struct store_salvage *out,
                  struct buf *why)
{
    *out = (struct store_salvage){0};
    return sqlite_salvage(data_dir, file, out, why);
}

int store_copy(const char *data_dir, const char *file, struct store_copy *out, struct buf *why)
{
    *out = (struct store_copy){0};
    return sqlite_copy(data_dir, file, out, why);
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

int store_schema_version(const struct store *s)
{
    return s->ops->schema_version(s);
}

int store_recover(struct store *s, int64_t now_us, struct recovery *out)
{
    assert(!s->in_transaction);
    *out = (struct recovery){0};
    return s->ops->recover(s, now_us, out);
}

int store_task_id(struct store *s, const char *name, uint32_t *id)
{
    return s->ops->task_id(s, name, id);
}

uint32_t store_tasks(const struct store *s)
{
    return s->ops->tasks(s);
}

int store_begin(struct store *s)
{
    assert(!s->in_transaction);
    int err = s->ops->begin(s);
    s->in_transaction = err == 0;
    return err;
}

int store_commit(struct store *s)
{
    assert(s->in_transaction);
    s->in_transaction = false;
    return s->ops->commit(s);
}

bool store_wrote(const struct store *s)
{
    return s->ops->wrote(s);
}

int store_rollback(struct store *s)
{
    s->in_transaction = false;
    return s->ops->rollback(s);
}

int store_insert(struct store *s, struct store_new *new)
{
    assert(s->in_transaction);
    assert(new->job->state == JOB_SCHEDULED || new->job->state == JOB_QUEUED ||
           (new->job->state == JOB_RUNNING &&new->job->attempt == 1));
    assert(!new->ended || new->job->state == JOB_RUNNING);
    return s->ops->insert(s, new);
}

int store_check_parents(struct store *s, const struct id *parents, size_t n, struct id *which)
{
    return s->ops->check_parents(s, parents, n, which);
}

int store_replay(struct store *s, const struct store_key *key, struct id *id)
{
    return s->ops->replay(s, key, id);
}

int store_keep_key(struct store *s, const struct store_key *key, const struct id *id, bool is_group)
{
    assert(s->in_transaction);
    return s->ops->keep_key(s, key, id, is_group);
}

int store_group_add(struct store *s, const struct group *g)
{
    assert(s->in_transaction);
    return s->ops->group_add(s, g);
}

int store_group_close(struct store *s, const struct id *id, int64_t now_us)
{
    assert(s->in_transaction);
    return s->ops->group_close(s, id, now_us);
}

int store_claim(struct store *s, const struct claim_quota *quota, size_t quotas, size_t want,
                int64_t now_us, struct job *out, size_t *n)
{
    assert(s->in_transaction);
    *n = 0;
    return s->ops->claim(s, quota, quotas, want, now_us, out, n);
}

int store_lent_due(struct store *s, int64_t until_us, bool briefly)
{
    assert(s->in_transaction);
    return s->ops->lent_due(s, until_us, briefly);
}

int64_t store_lent_since_us(const struct store *s, int64_t until_us)
{
    return s->ops->lent_since_us(s, until_us);
}

uint64_t store_ready(const struct store *s, uint32_t task_id)
{
    return s->ops->ready(s, task_id);
}

int64_t store_oldest_us(struct store *s, uint32_t task_id)
{
    return s->ops->oldest_us(s, task_id);
}

int store_finish(struct store *s, const struct attempt *a, const struct finish_policy *p,
                 enum job_state *state)
{
    assert(s->in_transaction);
    return s->ops->finish(s, a, p, state);
}

int store_cancel(struct store *s, const struct id *id, int64_t now_us, struct job *job)
{
    assert(s->in_transaction);
    return s->ops->cancel(s, id, now_us, job);
}

int store_retry(struct store *s, const struct id *id, int64_t now_us, struct job *job)
{
    assert(s->in_transaction);
    return s->ops->retry(s, id, now_us, job);
}

int store_delete(struct store *s, const struct id *id, enum job_state *state)
{
    assert(s->in_transaction);
    return s->ops->forget(s, id, state);
}

int store_settle(struct store *s, int64_t now_us, bool *more)
{
    assert(s->in_transaction);
    *more = false;
    return s->ops->settle(s, now_us, more);
}

int64_t store_due_hint_us(const struct store *s)
{
    return s->ops->due_hint_us(s);
}

size_t store_ended_count(const struct store *s)
{
    return s->ops->ended_count(s);
}

void store_ended_id(const struct store *s, size_t i, struct id *out)
{
    s->ops->ended_id(s, i, out);
}

int store_checkpoint_keep(struct store *s, const struct id *job, uint32_t attempt,
                          const struct buf *data)
{
    return s->ops->checkpoint_keep(s, job, attempt, data);
}

bool store_gone(const struct store *s, size_t i, struct id *out)
{
    return s->ops->gone(s, i, out);
}

int store_sweep_jobs(struct store *s, const struct keep_rule *rule, size_t limit, size_t *gone,
                     bool *more)
{
    assert(s->in_transaction);
    *gone = 0;
    *more = false;
    return s->ops->sweep_jobs(s, rule, limit, gone, more);
}

int store_sweep_bytes(struct store *s, uint64_t bytes, size_t limit, size_t *gone, bool *more)
{
    assert(s->in_transaction);
    *gone = 0;
    *more = false;
    return s->ops->sweep_bytes(s, bytes, limit, gone, more);
}

int store_shrink(struct store *s, size_t pages)
{
    assert(s->in_transaction);
    return s->ops->shrink(s, pages);
}

int store_state_of(struct store *s, const struct id *id, enum job_state *state)
{
    return s->ops->state_of(s, id, state);
}

bool store_deliveries_new(struct store *s)
{
    return s->ops->deliveries_new(s);
}

int store_stream_get(struct store *s, const char *key, int64_t now_us, struct stream_mark *out)
{
    return s->ops->stream_get(s, key, now_us, out);
}

int store_stream_put(struct store *s, const struct store_key *key, const struct stream_mark *m)
{
    assert(s->in_transaction);
    return s->ops->stream_put(s, key, m);
}

int store_read_stream(struct store_reader *r, const char *key, int64_t now_us,
                      struct stream_mark *out)
{
    return r->ops->read_stream(r, key, now_us, out);
}

int store_clock_set(struct store *s, int64_t step_us)
{
    assert(s->in_transaction);
    return s->ops->clock_set(s, step_us);
}

int store_deliveries_due(struct store *s, int64_t now_us, struct delivery *out, size_t most,
                         size_t *n)
{
    assert(s->in_transaction);
    *n = 0;
    return s->ops->deliveries_due(s, now_us, out, most, n);
}

int store_delivery_later(struct store *s, const struct id *id, int64_t next_us)
{
    assert(s->in_transaction);
    return s->ops->delivery_later(s, id, next_us);
}

int store_delivery_next_us(struct store *s, int64_t *next_us)
{
    return s->ops->delivery_next_us(s, next_us);
}

int store_delivery_note(struct store *s, const struct delivery *v)
{
    assert(s->in_transaction);
    return s->ops->delivery_note(s, v);
}

int store_lease_add(struct store *s, const struct lease *l)
{
    assert(s->in_transaction);
    return s->ops->lease_add(s, l);
}

int store_lease_get(struct store *s, const struct id *id, struct lease *out)
{
    assert(s->in_transaction);
    return s->ops->lease_get(s, id, out);
}

int store_lease_beat(struct store *s, const struct lease *l)
{
    assert(s->in_transaction);
    return s->ops->lease_beat(s, l);
}

int store_lease_drop(struct store *s, const struct id *job)
{
    assert(s->in_transaction);
    return s->ops->lease_drop(s, job);
}

int store_lease_held(struct store *s, const struct id *job, bool *held)
{
    return s->ops->lease_held(s, job, held);
}

int store_leases_heard(struct store *s, int64_t now_us)
{
    return s->ops->leases_heard(s, now_us);
}

int store_leases_expired(struct store *s, int64_t now_us, struct lease *out, size_t most, size_t *n)
{
    *n = 0;
    return s->ops->leases_expired(s, now_us, out, most, n);
}

int store_lease_next_us(struct store *s, int64_t *next_us)
{
    return s->ops->lease_next_us(s, next_us);
}

int store_schedule_put(struct store *s, const struct schedule *g)
{
    assert(s->in_transaction);
    return s->ops->schedule_put(s, g);
}

int store_schedule_delete(struct store *s, const char *name)
{
    assert(s->in_transaction);
    return s->ops->schedule_delete(s, name);
}

int store_schedule_pause(struct store *s, const char *name, bool paused, int64_t next_us)
{
    assert(s->in_transaction);
    return s->ops->schedule_pause(s, name, paused, next_us);
}

int store_schedule_ran(struct store *s, const struct schedule *g)
{
    assert(s->in_transaction);
    return s->ops->schedule_ran(s, g);
}

int store_schedule_get(struct store *s, const char *name, struct schedule *out)
{
    return s->ops->schedule_get(s, name, out);
}

int store_schedule_due(struct store *s, int64_t now_us, const struct schedule_place *behind,
                       struct schedule *out, size_t most, size_t *n)
{
    *n = 0;
    return s->ops->schedule_due(s, now_us, behind, out, most, n);
}

int store_schedule_times(struct store *s, const char *behind, struct schedule *out, size_t most,
                         size_t *n)
{
    *n = 0;
    return s->ops->schedule_times(s, behind, out, most, n);
}

int store_schedule_next_us(struct store *s, const struct schedule_place *behind, int64_t *next_us)
{
    return s->ops->schedule_next_us(s, behind, next_us);
}

int store_schedule_count(struct store *s, const char *name, size_t *n)
{
    return s->ops->schedule_count(s, name, n);
}

int store_pause_task(struct store *s, uint32_t task_id, bool paused)
{
    assert(s->in_transaction);
    return s->ops->pause_task(s, task_id, paused);
}

int store_pause_pool(struct store *s, const char *pool, bool paused)
{
    assert(s->in_transaction);
    return s->ops->pause_pool(s, pool, paused);
}

int store_pool_paused(struct store *s, const char *pool, bool *paused)
{
    return s->ops->pool_paused(s, pool, paused);
}

uint64_t store_job_version(const struct store *s, const struct id *id)
{
    return s->ops->job_version(s, id);
}

bool store_task_paused(const struct store *s, const char *task)
{
    return s->ops->task_paused(s, task);
}

bool store_task_paused_id(const struct store *s, uint32_t task_id)
{
    return s->ops->task_paused_id(s, task_id);
}

int store_due(struct store *s, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us)
{
    assert(s->in_transaction);
    *moved = 0;
    *next_us = INT64_MAX;
    return s->ops->due(s, now_us, limit, moved, next_us);
}

int store_sweep_groups(struct store *s, int64_t before_us, size_t limit, size_t *gone)
{
    assert(s->in_transaction);
    *gone = 0;
    return s->ops->sweep_groups(s, before_us, limit, gone);
}

int store_sweep_keys(struct store *s, int64_t now_us, size_t limit, size_t *gone)
{
    assert(s->in_transaction);
    *gone = 0;
    return s->ops->sweep_keys(s, now_us, limit, gone);
}

int store_checkpoint(struct store *s, enum store_rest rest)
{
    assert(!s->in_transaction);
    return s->ops->checkpoint(s, rest);
}

uint64_t store_count_now(const struct store *s, uint32_t task_id, enum job_state state)
{
    return s->ops->count_now(s, task_id, state);
}

uint64_t store_count(const struct store *s, uint32_t task_id, enum job_state state)
{
    return s->ops->count(s, task_id, state);
}

int store_reader_open(struct store *s, struct store_reader **out)
{
    *out = NULL;
    return s->ops->reader_open(s, out);
}

void store_reader_close(struct store_reader *r)
{
    if (r)
        r->ops->reader_close(r);
}

int store_read_bytes(struct store_reader *r, const struct id *id, const struct piece *p, void *out)
{
    return r->ops->read_bytes(r, id, p, out);
}

int store_read_job(struct store_reader *r, const struct id *id, unsigned what, size_t inline_max,
                   struct job *out)
{
    return r->ops->read_job(r, id, what, inline_max, out);
}

int store_read_list(struct store_reader *r, const struct job_filter *f, unsigned what,
                    size_t inline_max, struct job_page *out)
{
    *out = (struct job_page){0};
    return r->ops->read_list(r, f, what, inline_max, out);
}

int store_read_group(struct store_reader *r, const struct id *id, struct group *out)
{
    *out = (struct group){0};
    return r->ops->read_group(r, id, out);
}

int store_read_attempts(struct store_reader *r, const struct id *id, size_t most,
                        struct attempt_record *out, size_t *n)
{
    *n = 0;
    return r->ops->read_attempts(r, id, most, out, n);
}

int store_read_deliveries(struct store_reader *r, const struct id *subject, struct delivery *out,
                          size_t most, size_t *n)
{
    *n = 0;
    return r->ops->read_deliveries(r, subject, out, most, n);
}

int store_read_lease(struct store_reader *r, const struct id *job, struct lease *out)
{
    return r->ops->read_lease(r, job, out);
}

int store_find_lease(struct store_reader *r, const struct id *id, struct lease *out)
{
    return r->ops->find_lease(r, id, out);
}

int store_read_schedule(struct store_reader *r, const char *name, struct schedule *out)
{
    return r->ops->read_schedule(r, name, out);
}

int store_read_schedules(struct store_reader *r, const struct schedule_look *look,
                         struct schedule *out, size_t most, size_t *n)
{
    *n = 0;
    return r->ops->read_schedules(r, look, out, most, n);
}

int store_read_counts(const struct store *s, const char *task, struct job_counts *out)
{
    *out = (struct job_counts){0};
    return s->ops->read_counts(s, task, out);
}

int store_read_queued_since(struct store_reader *r, const char *task, int64_t *since_us)
{
    return r->ops->read_queued_since(r, task, since_us);
}

void store_read_sizes(const struct store *s, struct store_sizes *out)
{
    s->ops->read_sizes(s, out);
}
