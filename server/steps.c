/*
 * steps.c - what each kind of change does to the store, inside the writer's transaction.
 *
 * A step returns 0, also when the change was refused (change->err says why, and nothing of it is in
 * the transaction), or an error that undoes the whole transaction.
 */
#include "clockset.h"
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "backoff.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#define DUE_BATCH     1000
#define SWEEP_KEYS    1000
#define SWEEP_GROUPS  100
#define SWEEP_JOBS    200 /* looked at by one transaction */
#define SWEEP_IDLE_US (1 * US_PER_S)
#define SWEEP_GO_US   (10 * US_PER_MS) /* between steps while there is more to forget */
#define SHRINK_PAGES  512

static int64_t retry_delay(const struct job *job, void *arg)
{
    const struct taskdef *t = arg;
    struct backoff b;
    w.random = w.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const char *own = job->backoff[0] ? job->backoff : t ? t->backoff : "";
    if (own[0] && backoff_parse(&b, own) == 0)
        return backoff_next(&b, job->attempt, w.random);
    return backoff_us(job->attempt, w.conf->retry_delay_us, w.conf->retry_delay_max_us, w.random);
}

/* ---- submit ---- */

static void due_at(int64_t when_us)
{
    if (when_us && when_us < w.next_due_us)
        w.next_due_us = when_us;
}

/* What makes it the same as another. In a batch, what it depends on may have been there already,
 * under another id, which is known by now. */
static struct store_unique same_of(const struct new_job *n)
{
    struct store_unique same = n->same;
    struct sha256_ctx ctx;
    if (!n->same_parents)
        return same;
    sha256_init(&ctx);
    sha256_update(&ctx, sizeof(n->same.hash), n->same.hash);
    sha256_update(&ctx, n->job.depends_on.len, (const uint8_t *)n->job.depends_on.data);
    sha256_digest(&ctx, sizeof(same.hash), same.hash);
    return same;
}

/* 0: kept, or there already (n says so); a refusal (-ERR_KEY_REUSED, -ERR_NOT_UNIQUE); an error.
 * `stays`: until the transaction is over. */
static int submit_one(struct batch *b, struct new_job *n, const struct store_key *key, bool stays)
{
    struct job *job = &n->job;
    struct store_unique same = same_of(n);
    struct store_new new = {.job = job,
                            .key = key,
                            .unique = n->unique ? &same : NULL,
                            .reject = n->reject,
                            .delayed = n->asked_delay_us > 0,
                            .stays = stays};
    job->task_id = w.task_ids[n->task_index];
    /* by the id's time, which never goes back, whatever becomes of the clock */
    job->rank_us = id_time_us(&job->id) - job->priority * w.conf->priority_ageing_us;
    /* With a worker free and nothing before it, the job is claimed by the insert itself. */
    bool direct = claims_direct(b, job, n->task_index);
    if (direct) {
        job->state = JOB_RUNNING;
        job->attempt = 1;
        job->started_us = clock_wall_us();
    }
    int err = store_insert(w.store, &new);
    n->replayed = err == STORE_REPLAYED || err == STORE_REPLAYED_DUPLICATE;
    n->duplicate = err == STORE_DUPLICATE || err == STORE_REPLAYED_DUPLICATE;
    if (err == STORE_DUPLICATE && n->reject)
        return -ERR_NOT_UNIQUE;
    if (err)
        return err < 0 ? err : 0;
    if (!direct) {
        if (job->state == JOB_SCHEDULED && job->waits == 0)
            due_at(job->run_at_us);
        due_at(job->expires_us);
        return 0;
    }
    err = claims_add(b, job, n->task_index, true);
    /* The client is told what it submitted; that it runs already shows in the first poll. */
    job->state = JOB_QUEUED;
    job->attempt = 0;
    job->started_us = 0;
    return err;
}

static bool is_refusal(int err)
{
    return err == -ERR_KEY_REUSED || err == -ERR_NOT_UNIQUE || err == -ERR_UNKNOWN_DEPENDENCY ||
           err == -ERR_CONFLICT || err == -ERR_NO_JOB || err == -ERR_NO_GROUP ||
           err == -ERR_KEY_IN_USE || err == -ERR_FORGOTTEN;
}

static struct store_key key_of(const struct change *c, int64_t created_us)
{
    return (struct store_key){.key = c->key,
                              .fingerprint = c->fingerprint,
                              .now_us = clockset_past_us(created_us),
                              .expires_us = created_us + w.conf->idempotency_ttl_us};
}

/* What was asked before is answered as it was then, whatever became of what it depends on. */
static int check_parents_of(struct change *c, const struct store_key *key)
{
    const struct job *job = &c->one.job;
    struct id id;
    if (job->parents_count == 0)
        return 0;
    int err = c->key[0] ? store_replay(w.store, key, &id) : 0;
    if (err) /* the insert says what; here only whether the store could be read */
        return err > 0 || is_refusal(err) ? 0 : err;
    return store_check_parents(w.store, job->parents, job->parents_count, &c->which);
}

static int submit(struct batch *b, struct change *c, int64_t now_us)
{
    (void)now_us;
    struct job *job = &c->one.job;
    struct store_key key = key_of(c, job->created_us);
    c->err = check_parents_of(c, &key);
    if (!c->err)
        c->err = submit_one(b, &c->one, c->key[0] ? &key : NULL, true);
    if (c->err == -ERR_NOT_UNIQUE || c->err == -ERR_FORGOTTEN)
        c->which = job->id;
    return is_refusal(c->err) ? 0 : c->err;
}

/* A part of a stream with a key goes on where the last one ended, whoever sent that. */
static int check_stream(const struct change *c, const struct store_key *key)
{
    struct stream_mark m;
    int err = store_stream_get(w.store, c->key, key->now_us, &m);
    if (err)
        return err;
    bool goes_on = m.stream && !m.whole && m.lines == c->from && id_equal(&m.group, &c->group);
    return (c->begin ? !m.known : goes_on) ? 0 : -ERR_KEY_IN_USE;
}

static int mark_stream(const struct change *c, const struct store_key *key)
{
    struct stream_mark m = {.group = c->group, .lines = c->lines, .whole = !c->more};
    memcpy(m.prefix, c->fingerprint, sizeof(m.prefix));
    return store_stream_put(w.store, key, &m);
}

/* All that could refuse a batch is looked at before any of it is kept. */
static int check_batch(struct change *c, const struct store_key *key)
{
    int err = c->by_lines             ? check_stream(c, key)
              : c->begin && c->key[0] ? store_replay(w.store, key, &c->group)
                                      : 0;
    if (err == STORE_REPLAYED)
        return -ERR_KEY_REUSED; /* it named a single job */
    if (err == -ERR_FORGOTTEN)
        c->which = c->group;
    for (size_t i = 0; i < c->items_count && !err; i++) {
        const struct new_job *n = &c->items[i];
        const struct id *parents = n->job.parents;
        size_t count = n->job.parents_count, others = count - n->known;
        err = store_check_parents(w.store, parents, others, &c->which);
        for (size_t k = others; k < count && !err; k++) {
            if (id_key(&parents[k]) < id_key(&c->items[0].job.id)) /* of an earlier part */
                err = store_check_parents(w.store, &parents[k], 1, &c->which);
        }
    }
    return err;
}

/* Items that were there already, under another id, and that have a name by which those behind them
 * may depend on them. Their ids as they were made ascend. */
struct renames {
    struct rename {
        struct id was, now;
    } * item;
    size_t count, cap;
};

static void renamed(struct renames *r, const struct id *was, const struct id *now)
{
    r->item = writer_grow(r->item, r->count, &r->cap, sizeof(*r->item));
    r->item[r->count++] = (struct rename){.was = *was, .now = *now};
}

static int by_id(const void *id, const void *rename)
{
    return memcmp(id, ((const struct rename *)rename)->was.b, sizeof(struct id));
}

/* Its parents that are items before it, as ids and in its text: `["ID","ID",…]`. */
static void rename_parents(const struct renames *r, struct new_job *n)
{
    struct job *job = &n->job;
    for (size_t i = job->parents_count - n->known; i < job->parents_count && r->count; i++) {
        const struct rename *to =
            bsearch(job->parents[i].b, r->item, r->count, sizeof(*r->item), by_id);
        if (!to)
            continue;
        char now[ID_TEXT];
        job->parents[i] = to->now;
        id_format(&to->now, now);
        memcpy(job->depends_on.data + 2 + i * (ID_TEXT - 1 + 3), now, ID_TEXT - 1);
    }
}

static int add_items(struct batch *b, struct change *c)
{
    struct renames r = {0};
    int err = 0;
    for (size_t i = 0; i < c->items_count && !err; i++) {
        struct new_job *n = &c->items[i];
        struct id was = n->job.id;
        rename_parents(&r, n);
        err = submit_one(b, n, NULL, true);
        if (n->duplicate && n->ref)
            renamed(&r, &was, &n->job.id);
    }
    free(r.item);
    return err;
}

static int batch(struct batch *b, struct change *c, int64_t now_us)
{
    struct store_key key = key_of(c, now_us);
    c->err = check_batch(c, &key);
    c->replayed_group = c->err == STORE_REPLAYED_GROUP;
    if (c->replayed_group)
        c->err = 0;
    if (c->err || c->replayed_group)
        return is_refusal(c->err) ? 0 : c->err;
    if (c->begin) {
        struct group g = {
            .id = c->group, .created_us = now_us, .open = true, .callback_url = c->callback_url};
        memcpy(g.owner, c->owner, sizeof(g.owner));
        c->err = store_group_add(w.store, &g);
        if (!c->err && c->key[0] && !c->by_lines)
            c->err = store_keep_key(w.store, &key, &c->group, true);
    }
    if (!c->err)
        c->err = add_items(b, c);
    if (!c->err && c->by_lines)
        c->err = mark_stream(c, &key);
    if (!c->err && !c->more)
        c->err = store_group_close(w.store, &c->group, now_us);
    /* with nothing added, a group that is closed already leaves nothing to be undone */
    return c->err == -ERR_NO_GROUP && c->items_count == 0 ? 0 : c->err;
}

/* ---- cancel, retry, delete ---- */

static int cancel_one(struct batch *b, const struct id *id, struct job *job, int64_t now_us)
{
    int err = store_cancel(w.store, id, now_us, job);
    bool leased = false;
    if (!err && job->state == JOB_RUNNING) /* whatever its task is by now */
        err = store_lease_held(w.store, id, &leased);
    if (!err && leased)
        return leases_cancel(b, job, now_us);
    if (!err && job->state == JOB_RUNNING) {
        b->stops = writer_grow(b->stops, b->stops_count, &b->stops_cap, sizeof(*b->stops));
        b->stops[b->stops_count++] = (struct stop){.id = *id, .attempt = job->attempt};
    }
    return err;
}

static int act(struct batch *b, enum change_kind kind, const struct id *id, struct job *job,
               int64_t now_us)
{
    if (kind == CHANGE_CANCEL)
        return cancel_one(b, id, job, now_us);
    if (kind == CHANGE_RETRY)
        return store_retry(w.store, id, now_us, job);
    return store_delete(w.store, id, &job->state);
}

static int act_on_one(struct batch *b, struct change *c, int64_t now_us)
{
    struct id id = c->one.job.id;
    c->err = act(b, c->work.kind, &id, &c->one.job, now_us);
    return is_refusal(c->err) ? 0 : c->err;
}

static int by_age(const void *a, const void *b)
{
    uint64_t x = id_key(a), y = id_key(b);
    return x < y ? -1 : x > y;
}

static int act_on_many(struct batch *b, struct change *c, int64_t now_us)
{
    c->changed = 0;
    if (c->bulk == CHANGE_RETRY && c->ids_count > 0) /* what depends on others finds them running */
        qsort(c->ids, c->ids_count, sizeof(*c->ids), by_age);
    for (size_t i = 0; i < c->ids_count; i++) {
        struct job job;
        job_init(&job);
        int err = act(b, c->bulk, &c->ids[i], &job, now_us);
        job_release(&job);
        if (err && !is_refusal(err))
            return c->err = err;
        c->changed += err == 0;
    }
    return 0;
}

int steps_submit(struct batch *b, struct new_job *n)
{
    return submit_one(b, n, NULL, false);
}

int steps_cancel(struct batch *b, const struct id *id, int64_t now_us)
{
    struct job job;
    job_init(&job);
    int err = cancel_one(b, id, &job, now_us);
    job_release(&job);
    return is_refusal(err) ? 0 : err;
}

/* ---- pause ---- */

static int set_paused(struct batch *b, struct change *c, int64_t now_us)
{
    (void)b;
    (void)now_us;
    if (!c->is_pool)
        return c->err = store_pause_task(w.store, w.task_ids[c->index], c->paused);
    c->err = store_pause_pool(w.store, w.defs->pool[c->index].name, c->paused);
    if (!c->err)
        atomic_store_explicit(&w.queue[c->index].paused, c->paused, memory_order_relaxed);
    return c->err;
}

/* ---- outcomes ---- */

int steps_finish(struct batch *b, const struct attempt *a, int64_t now_us, enum job_state *state)
{
    uint32_t task = claims_task(a->task_id);
    const struct taskdef *t = task == UINT32_MAX ? NULL : &w.defs->task[task];
    struct finish_policy policy = {
        .now_us = now_us, .backoff_us = retry_delay, .arg = (void *)(uintptr_t)t};
    int err = store_finish(w.store, a, &policy, state);
    if (!err && t && a->end == ATTEMPT_RETURNED && *state == JOB_QUEUED)
        claims_came_back(b, task);
    if (!err && *state == JOB_SCHEDULED)
        w.next_due_us = 0; /* look it up in the next round */
    return err;
}

static int finish(struct batch *b, struct finish *f, int64_t now_us)
{
    enum job_state state = JOB_SUCCEEDED;
    bool kept;
    claims_learn_run(&f->attempt);
    int err = ahead_finish(b, f, &kept);
    if (!err && !kept)
        err = steps_finish(b, &f->attempt, now_us, &state);
    f->succeeded = !err && state == JOB_SUCCEEDED;
    b->credit[f->pool] -= (int32_t)f->credit;
    if (err == -ERR_CONFLICT || err == -ERR_NO_JOB) {
        char id[ID_TEXT];
        id_format(&f->attempt.job, id);
        log_warn("job %s: the outcome of attempt %u came too late and is dropped", id,
                 f->attempt.number);
        return 0;
    }
    return err;
}

static int keep_checkpoint(struct batch *b, const struct checkpoint *c)
{
    int err = ahead_checkpoint(b, c);
    return err ? err : store_checkpoint_keep(w.store, &c->job, c->attempt, &c->data);
}

/* ---- what time brings ---- */

static int due(struct batch *b, int64_t now_us)
{
    size_t moved = 0;
    if (now_us < w.next_due_us)
        return 0;
    int err = store_due(w.store, now_us, DUE_BATCH, &moved, &w.next_due_us);
    b->more = b->more || moved > 0;
    return err;
}

static uint64_t ended_of(uint32_t task_id)
{
    uint64_t n = 0;
    for (int i = 0; i < JOB_STATES; i++)
        n += job_state_final((enum job_state)i) ? store_count(w.store, task_id, (enum job_state)i)
                                                : 0;
    return n;
}

/* What is kept of a task: its own rule, else the service's, as for one that is not configured any
 * more. */
static struct keep_rule rule_of(uint32_t task_id, int64_t now_us)
{
    int64_t keep_us = w.conf->keep_for_us, most = (int64_t)w.conf->keep_max;
    uint32_t task = claims_task(task_id);
    if (task != UINT32_MAX) {
        const struct taskdef *t = &w.defs->task[task];
        keep_us = t->keep_for_us >= 0 ? t->keep_for_us : keep_us;
        most = t->keep_max >= 0 ? t->keep_max : most;
    }
    return (struct keep_rule){.task_id = task_id,
                              .now_us = now_us,
                              .before_us = keep_us > 0 ? clockset_past_us(now_us) - keep_us : 0,
                              .most = most ? (uint64_t)most : UINT64_MAX};
}

/* After a step: the same again a little later, or the next at once. */
static void swept(int64_t now_us, bool more)
{
    w.sweep_task += !more;
    w.sweep_behind = more;
    w.next_sweep_us = more ? now_us + SWEEP_GO_US : now_us;
}

/* Forgets a little: a step of one task's old jobs, `jobs` of them; when all tasks had their turn,
 * of the oldest of all while the store is too large; then of expired keys, and of groups that have
 * no jobs. */
static int sweep(int64_t now_us, size_t jobs)
{
    size_t gone = 0, groups = 0;
    bool more = false;
    int err = 0;
    uint32_t tasks = store_tasks(w.store);
    if (w.sweep_task < tasks) {
        struct keep_rule rule = rule_of(w.sweep_task + 1, now_us);
        if ((rule.before_us || rule.most != UINT64_MAX) && ended_of(rule.task_id) > 0)
            err = store_sweep_jobs(w.store, &rule, jobs, &gone, &more);
        swept(now_us, more);
        return err;
    }
    if (w.sweep_task == tasks) {
        if (w.conf->keep_bytes)
            err = store_sweep_bytes(w.store, (uint64_t)w.conf->keep_bytes, jobs, &gone, &more);
        swept(now_us, more);
        return err;
    }
    int64_t past_us = clockset_past_us(now_us);
    err = store_sweep_keys(w.store, past_us, SWEEP_KEYS, &gone);
    if (!err && w.conf->keep_for_us > 0)
        err = store_sweep_groups(w.store, past_us - w.conf->keep_for_us, SWEEP_GROUPS, &groups);
    more = gone == SWEEP_KEYS || groups == SWEEP_GROUPS;
    if (!err)
        err = store_shrink(w.store, SHRINK_PAGES);
    w.sweep_task = more ? w.sweep_task : 0;
    w.next_sweep_us = now_us + (more ? SWEEP_GO_US : SWEEP_IDLE_US);
    return err;
}

/* At a pace that nobody feels; but while that leaves more to be forgotten, at least as many as this
 * transaction ended: what is kept has a bound under any load. */
static int sweep_all(int64_t now_us)
{
    int err = 0;
    uint32_t looked = 0;
    while (!err && now_us >= w.next_sweep_us && looked++ <= store_tasks(w.store) + 1)
        err = sweep(now_us, SWEEP_JOBS);
    for (size_t owed = store_ended_count(w.store), n; !err && w.sweep_behind && owed > 0;
         owed -= n) {
        n = owed < SWEEP_JOBS ? owed : SWEEP_JOBS;
        err = sweep(now_us, n);
    }
    return err;
}

/* ---- all ---- */

static int (*const steps[CHANGES])(struct batch *b, struct change *c, int64_t now_us) = {
    [CHANGE_SUBMIT] = submit,        [CHANGE_BATCH] = batch,
    [CHANGE_CANCEL] = act_on_one,    [CHANGE_RETRY] = act_on_one,
    [CHANGE_DELETE] = act_on_one,    [CHANGE_BULK] = act_on_many,
    [CHANGE_PAUSE] = set_paused,     [CHANGE_SCHEDULE] = clockwork_change,
    [CHANGE_LEASE_ASK] = leases_ask, [CHANGE_LEASE_BEAT] = leases_beat,
    [CHANGE_LEASE_END] = leases_end, [CHANGE_DELIVERY] = calls_note,
};

static int note_ended(struct batch *b)
{
    size_t n = store_ended_count(w.store);
    for (size_t i = 0; i < n; i++) {
        b->ended = writer_grow(b->ended, b->ended_count, &b->ended_cap, sizeof(*b->ended));
        store_ended_id(w.store, i, &b->ended[b->ended_count++]);
    }
    struct id gone;
    for (size_t i = 0; store_gone(w.store, i, &gone); i++) {
        b->gone = writer_grow(b->gone, b->gone_count, &b->gone_cap, sizeof(*b->gone));
        b->gone[b->gone_count++] = gone;
    }
    return 0;
}

/* Passes on what ended. */
static int settle(struct batch *b, int64_t now_us)
{
    bool more = false;
    int err = store_settle(w.store, now_us, &more);
    b->more = b->more || more;
    /* what a job waited for may have ended, and its own time is still to come */
    due_at(store_due_hint_us(w.store));
    return err;
}

int steps_all(struct batch *b, int64_t now_us)
{
    int err = clockset_move(now_us);
    for (struct inbox_node *n = b->nodes; n && !err; n = n->next) {
        struct work *k = INBOX_OWNER(n, struct work, node);
        if (k->kind == CHANGE_FINISH)
            err = finish(b, INBOX_OWNER(k, struct finish, work), now_us);
        else if (k->kind == CHANGE_CHECKPOINT)
            err = keep_checkpoint(b, INBOX_OWNER(k, struct checkpoint, work));
        else
            err = steps[k->kind](b, INBOX_OWNER(k, struct change, work), now_us);
    }
    if (!err)
        err = ahead_due(b);
    if (!err)
        err = claims_lent_due(b);
    if (!err)
        err = leases_expire(b, now_us);
    if (!err)
        err = clockwork_run(b, now_us);
    if (!err)
        err = due(b, now_us);
    if (!err)
        err = sweep_all(now_us);
    if (!err)
        err = settle(b, now_us);
    if (!err)
        err = calls_take(b, now_us);
    size_t ended = store_ended_count(w.store);
    if (!err)
        err = claims_make(b, now_us);
    if (!err)
        err = leases_serve(b, now_us);
    if (!err && store_ended_count(w.store) > ended) { /* by claims: their time was over */
        b->more = true; /* for what follows from that, such as calls */
        err = settle(b, now_us);
    }
    return err ? err : note_ended(b);
}
