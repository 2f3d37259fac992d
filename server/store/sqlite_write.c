/*
 * sqlite_write.c - the SQLite driver's changes of jobs: insert, claim, finish, cancel, due,
 * recovery.
 *
 * The writer's thread, inside its transaction. Every move of a job between states is one UPDATE
 * whose WHERE names the state it leaves, checked against the table of moves, and counted by
 * count_move.
 */
#include "sqlite.h"

#include "../../common/err.h"
#include "../../common/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256 /* rows that are collected before they are changed */

struct pick {
    int64_t key;
    uint32_t task_id;
};

static void count_move(struct sqlite_store *s, uint32_t task_id, int from, enum job_state to)
{
    struct store_task *t = sqlite_task(s, task_id);
    assert(t);
    if (from >= 0) {
        assert(job_state_may_move((enum job_state)from, to));
        t->delta[from]--;
    }
    t->delta[to]++;
    t->dirty = true;
}

/* A change that must hit exactly the row it was decided for. */
static int run_one(struct sqlite_store *s, enum stmt st, const struct param *p, int n)
{
    int changed = db_run(&s->db, st, p, n);
    if (changed < 0)
        return changed;
    return changed == 1 ? 0 : -ERR_STORE_CORRUPT;
}

static int put_blob(struct sqlite_store *s, uint64_t key, enum blob_kind kind, const struct buf *b)
{
    if (b->len <= STORE_INLINE)
        return 0;
    return run_one(s, STMT_BLOB_PUT, PARAMS(P_INT(key * 4 + kind), P_BLOB(b->data, b->len)));
}

/* ---- insert ---- */

/* Was this request made before? 0 no, STORE_REPLAYED with *job replaced, -ERR_KEY_REUSED, an error.
 */
static int replay(struct sqlite_store *s, const struct store_key *key, struct job *job)
{
    int got = db_first(&s->db, STMT_REQUEST_GET, PARAMS(P_STR(key->key), P_INT(key->now_us)));
    if (got != 1)
        return got;
    sqlite3_stmt *st = s->db.stmt[STMT_REQUEST_GET];
    bool same = sqlite3_column_bytes(st, 0) == 32 &&
                memcmp(sqlite3_column_blob(st, 0), key->fingerprint, 32) == 0;
    struct id id;
    id_make(&id, (uint64_t)sqlite3_column_int64(st, 1), (uint64_t)sqlite3_column_int64(st, 2));
    db_done(&s->db, STMT_REQUEST_GET);
    if (!same)
        return -ERR_KEY_REUSED;
    struct job old;
    int err = row_find(s, &s->db, &id, 0, 0, &old);
    if (err == -ERR_NO_JOB)
        return 0; /* the job is gone: the key is free again */
    if (err)
        return err;
    job_release(job);
    *job = old;
    return STORE_REPLAYED;
}

static int add_row(struct sqlite_store *s, const struct job *j)
{
    const struct param none = P_NULL;
    struct param input = P_BLOB(j->input.data, j->input.len);
    if (j->input.len > STORE_INLINE)
        input = none;
    const struct param p[] = {
        P_INT(id_key(&j->id)),
        P_INT(id_tail(&j->id)),
        P_INT(j->state),
        P_INT(j->task_id),
        P_INT(j->priority),
        P_INT(j->attempt),
        P_INT(j->max_attempts),
        P_INT(j->created_us),
        P_INT(j->run_at_us),
        P_INT(j->started_us),
        P_INT(j->timeout_us),
        P_STR(j->input_type),
        P_TEXT(j->tags.data, j->tags.len),
        P_INT(j->input.len),
        input,
    };
    return run_one(s, STMT_JOB_ADD, p, sizeof(p) / sizeof(p[0]));
}

int sqlite_insert(struct store *base, struct job *job, const struct store_key *key)
{
    struct sqlite_store *s = sqlite_of(base);
    uint64_t k = id_key(&job->id);
    if (!sqlite_task(s, job->task_id))
        return -ERR_INTERNAL;
    int err = key ? replay(s, key, job) : 0;
    if (err)
        return err;
    err = add_row(s, job);
    if (!err)
        err = put_blob(s, k, BLOB_INPUT, &job->input);
    if (!err && job->tags.len) {
        int n =
            db_run(&s->db, STMT_TAGS_ADD, PARAMS(P_INT(k), P_TEXT(job->tags.data, job->tags.len)));
        err = n < 0 ? n : 0;
    }
    if (!err && key)
        err = run_one(s, STMT_REQUEST_PUT,
                      PARAMS(P_STR(key->key), P_BLOB(key->fingerprint, 32), P_INT(k),
                             P_INT(id_tail(&job->id)), P_INT(key->expires_us)));
    if (err)
        return err;
    job->input_size = job->input.len;
    count_move(s, job->task_id, -1, job->state);
    return 0;
}

/* ---- claim ---- */

struct head { /* of one task's queue */
    sqlite3_stmt *cursor;
    uint32_t task_id;
    int64_t key;
    int priority;
};

static uint64_t queued_now(const struct sqlite_store *s, uint32_t task_id)
{
    const struct store_task *t = sqlite_task(s, task_id);
    if (!t)
        return 0;
    uint64_t n = atomic_load_explicit(&t->n[JOB_QUEUED], memory_order_relaxed);
    return n + (uint64_t)t->delta[JOB_QUEUED];
}

static int head_step(struct sqlite_store *s, struct head *h)
{
    int rc = sqlite3_step(h->cursor);
    if (rc == SQLITE_ROW) {
        h->key = sqlite3_column_int64(h->cursor, 0);
        h->priority = sqlite3_column_int(h->cursor, 1);
        return 1;
    }
    sqlite3_reset(h->cursor);
    h->cursor = NULL; /* this queue is at its end */
    return rc == SQLITE_DONE ? 0 : db_error(&s->db, rc, "claim");
}

/* The i-th cursor, prepared when first needed. */
static int cursor_get(struct sqlite_store *s, size_t i, sqlite3_stmt **out)
{
    if (i >= s->heads) {
        sqlite3_stmt **grown = realloc(s->head, (i + 1) * sizeof(sqlite3_stmt *));
        if (!grown)
            return -ERR_NOMEM;
        s->head = grown;
        int rc = sqlite3_prepare_v3(s->db.c, sqlite3_sql(s->db.stmt[STMT_QUEUE_HEAD]), -1,
                                    SQLITE_PREPARE_PERSISTENT, &s->head[i], NULL);
        if (rc != SQLITE_OK)
            return db_error(&s->db, rc, "claim");
        s->heads = i + 1;
    }
    *out = s->head[i];
    return 0;
}

/* Sets a cursor on the first job of every task that has one queued. */
static int heads_open(struct sqlite_store *s, const uint32_t *task_ids, size_t tasks,
                      struct head *heads, size_t *n)
{
    for (size_t i = 0; i < tasks; i++) {
        if (queued_now(s, task_ids[i]) == 0)
            continue;
        struct head *h = &heads[*n];
        h->task_id = task_ids[i];
        int err = cursor_get(s, *n, &h->cursor);
        if (!err)
            err = db_bind(&s->db, h->cursor, PARAMS(P_INT(task_ids[i])));
        if (err)
            return err;
        ++*n;
        int got = head_step(s, h);
        if (got < 0)
            return got;
    }
    return 0;
}

/* Merges the queues: greater priority first, then age. */
static int heads_take(struct sqlite_store *s, struct head *heads, size_t n, struct pick *picks,
                      size_t want, size_t *picked)
{
    while (*picked < want) {
        struct head *best = NULL;
        for (size_t i = 0; i < n; i++) {
            struct head *h = &heads[i];
            if (h->cursor && (!best || h->priority > best->priority ||
                              (h->priority == best->priority && h->key < best->key)))
                best = h;
        }
        if (!best)
            return 0;
        picks[(*picked)++] = (struct pick){.key = best->key, .task_id = best->task_id};
        int got = *picked < want ? head_step(s, best) : 0;
        if (got < 0)
            return got;
    }
    return 0;
}

/* A queued job begins its next attempt. */
static int start_job(struct sqlite_store *s, const struct pick *p, int64_t now_us, struct job *out)
{
    int got = db_first(&s->db, STMT_JOB_GET, PARAMS(P_INT(p->key)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    int err = row_job(s, &s->db, READ_INPUT, SIZE_MAX, out);
    db_done(&s->db, STMT_JOB_GET);
    if (err)
        return err;
    err = run_one(s, STMT_JOB_START, PARAMS(P_INT(p->key), P_INT(out->attempt + 1), P_INT(now_us)));
    if (err) {
        job_release(out);
        return err;
    }
    job_move(out, JOB_RUNNING);
    out->attempt++;
    out->started_us = now_us;
    out->finished_us = 0;
    count_move(s, p->task_id, JOB_QUEUED, JOB_RUNNING);
    return 0;
}

int sqlite_claim(struct store *base, const uint32_t *task_ids, size_t tasks, size_t want,
                 int64_t now_us, struct job *out, size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    struct pick picks[BATCH];
    size_t picked = 0, open = 0;
    want = want < BATCH ? want : BATCH;
    struct head *heads = calloc(tasks ? tasks : 1, sizeof(*heads));
    if (!heads)
        return -ERR_NOMEM;
    int err = want ? heads_open(s, task_ids, tasks, heads, &open) : 0;
    if (!err)
        err = heads_take(s, heads, open, picks, want, &picked);
    /* The cursors are closed before the rows under them change. */
    for (size_t i = 0; i < open; i++)
        sqlite3_reset(heads[i].cursor);
    free(heads);
    for (size_t i = 0; i < picked && !err; i++) {
        err = start_job(s, &picks[i], now_us, &out[i]);
        if (!err)
            *n = i + 1;
    }
    if (err) {
        for (size_t i = 0; i < *n; i++)
            job_release(&out[i]);
        *n = 0;
    }
    return err;
}

/* ---- finish ---- */

/* running -> `to`, other than succeeded. */
struct leave {
    int64_t key;
    uint32_t task_id, held, attempt; /* the attempt that holds it, and the number it leaves with */
    enum job_state to;
    int64_t run_at_us, started_us, finished_us;
    const struct job_error *error;
};

static int leave_running(struct sqlite_store *s, const struct leave *l)
{
    if (!job_state_may_move(JOB_RUNNING, l->to))
        return -ERR_INTERNAL;
    int err = run_one(s, STMT_JOB_LEAVE,
                      PARAMS(P_INT(l->key), P_INT(l->held), P_INT(l->to), P_INT(l->attempt),
                             P_INT(l->run_at_us), P_INT(l->started_us), P_INT(l->finished_us),
                             P_STR(l->error->code), P_STR(l->error->message),
                             P_INT(l->error->signal), P_INT(l->error->exit_code)));
    if (!err)
        count_move(s, l->task_id, JOB_RUNNING, l->to);
    return err;
}

static int succeed(struct sqlite_store *s, const struct job *job, const struct attempt *a,
                   int64_t started_us, int64_t finished_us)
{
    uint64_t key = id_key(&a->job);
    const struct param none = P_NULL;
    struct param result = P_BLOB(a->result.data, a->result.len);
    if (a->result.len > STORE_INLINE)
        result = none;
    int err = put_blob(s, key, BLOB_RESULT, &a->result);
    if (!err)
        err = run_one(s, STMT_JOB_SUCCEED,
                      PARAMS(P_INT(key), P_INT(a->number), P_INT(started_us), P_INT(finished_us),
                             P_STR(a->result_type), P_INT(a->result.len), result));
    if (!err)
        count_move(s, job->task_id, JOB_RUNNING, JOB_SUCCEEDED);
    return err;
}

static int give_back(struct sqlite_store *s, const struct job *job)
{
    int err =
        run_one(s, STMT_JOB_RETURN,
                PARAMS(P_INT(id_key(&job->id)), P_INT(job->attempt), P_INT(job->attempt - 1)));
    if (!err)
        count_move(s, job->task_id, JOB_RUNNING, JOB_QUEUED);
    return err;
}

static enum job_state follow_up(const struct job *job, const struct attempt *a)
{
    if (job->cancel_requested || a->end == ATTEMPT_CANCELLED)
        return JOB_CANCELLED;
    if (a->end == ATTEMPT_SUCCEEDED)
        return JOB_SUCCEEDED;
    if (a->end == ATTEMPT_RETURNED)
        return JOB_QUEUED;
    if (a->permanent || job->attempt >= job->max_attempts)
        return JOB_FAILED;
    return a->retry_now ? JOB_QUEUED : JOB_SCHEDULED;
}

static int end_attempt(struct sqlite_store *s, const struct job *job, const struct attempt *a,
                       const struct finish_policy *p, enum job_state to)
{
    int64_t started = a->started_us ? a->started_us : job->started_us;
    int64_t finished = a->finished_us ? a->finished_us : p->now_us;
    if (to == JOB_SUCCEEDED)
        return succeed(s, job, a, started, finished);
    if (to == JOB_QUEUED && a->end == ATTEMPT_RETURNED)
        return give_back(s, job);
    struct job_error error = a->error;
    if (to == JOB_CANCELLED) {
        error = JOB_ERROR_NONE;
        job_error_set(&error, JOB_ERROR_CANCELLED, "the job was cancelled while it ran");
    }
    struct leave l = {.key = (int64_t)id_key(&job->id),
                      .task_id = job->task_id,
                      .held = job->attempt,
                      .attempt = job->attempt,
                      .to = to,
                      .run_at_us = job->run_at_us,
                      .started_us = started,
                      .finished_us = job_state_final(to) ? finished : 0,
                      .error = &error};
    if (to == JOB_SCHEDULED)
        l.run_at_us = p->now_us + p->backoff_us(job->attempt, p->arg);
    return leave_running(s, &l);
}

/* What nearly always holds: the attempt succeeded, holds the job, and nobody cancelled. 1: it is
 * kept; 0: it is not so simple, and nothing was changed. */
static int succeed_at_once(struct sqlite_store *s, const struct attempt *a)
{
    uint64_t key = id_key(&a->job);
    const struct param none = P_NULL;
    struct param result = P_BLOB(a->result.data, a->result.len);
    if (a->result.len > STORE_INLINE)
        result = none;
    int changed = db_run(&s->db, STMT_JOB_SUCCEED_AT_ONCE,
                         PARAMS(P_INT(key), P_INT(a->number), P_INT(a->started_us),
                                P_INT(a->finished_us), P_STR(a->result_type), P_INT(a->result.len),
                                result, P_INT(id_tail(&a->job)), P_INT(a->task_id)));
    if (changed != 1)
        return changed;
    count_move(s, a->task_id, JOB_RUNNING, JOB_SUCCEEDED);
    int err = put_blob(s, key, BLOB_RESULT, &a->result);
    return err ? err : 1;
}

int sqlite_finish(struct store *base, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job job;
    if (a->end == ATTEMPT_SUCCEEDED && a->started_us && a->finished_us &&
        sqlite_task(s, a->task_id)) {
        int done = succeed_at_once(s, a);
        if (done == 1)
            *state = JOB_SUCCEEDED;
        if (done != 0)
            return done < 0 ? done : 0;
    }
    int err = row_find(s, &s->db, &a->job, 0, 0, &job);
    if (err)
        return err;
    if (job.state != JOB_RUNNING || job.attempt != a->number) {
        job_release(&job);
        return -ERR_CONFLICT;
    }
    enum job_state to = follow_up(&job, a);
    err = end_attempt(s, &job, a, p, to);
    if (!err)
        *state = to;
    job_release(&job);
    return err;
}

/* ---- cancel ---- */

int sqlite_cancel(struct store *base, const struct id *id, int64_t now_us, struct job *job)
{
    struct sqlite_store *s = sqlite_of(base);
    int64_t key = (int64_t)id_key(id);
    struct job now;
    int err = row_find(s, &s->db, id, 0, 0, &now);
    if (err)
        return err;
    enum job_state from = now.state;
    if (from == JOB_RUNNING && !now.cancel_requested) {
        err = run_one(s, STMT_JOB_ASK_CANCEL, PARAMS(P_INT(key)));
        now.cancel_requested = true;
    } else if (from == JOB_QUEUED || from == JOB_SCHEDULED) {
        now.error = JOB_ERROR_NONE;
        job_error_set(&now.error, JOB_ERROR_CANCELLED, "the job was cancelled before it ran");
        err = run_one(
            s, STMT_JOB_CANCEL,
            PARAMS(P_INT(key), P_INT(now_us), P_STR(now.error.code), P_STR(now.error.message)));
        now.cancel_requested = true;
        now.finished_us = now_us;
        job_move(&now, JOB_CANCELLED);
        if (!err)
            count_move(s, now.task_id, (int)from, JOB_CANCELLED);
    } else if (from != JOB_RUNNING && from != JOB_CANCELLED) {
        err = -ERR_CONFLICT;
    }
    if (err && err != -ERR_CONFLICT) {
        job_release(&now);
        return err;
    }
    job_release(job);
    *job = now;
    return err;
}

/* ---- what time brings ---- */

int sqlite_due(struct store *base, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us)
{
    struct sqlite_store *s = sqlite_of(base);
    struct pick picks[BATCH];
    size_t n = BATCH;
    while (*moved < limit && n == BATCH) {
        size_t want = limit - *moved < BATCH ? limit - *moved : BATCH;
        n = 0;
        int got = db_first(&s->db, STMT_DUE, PARAMS(P_INT(now_us), P_INT(want)));
        for (; got == 1; got = db_next(&s->db, STMT_DUE)) {
            sqlite3_stmt *st = s->db.stmt[STMT_DUE];
            picks[n++] = (struct pick){.key = sqlite3_column_int64(st, 0),
                                       .task_id = (uint32_t)sqlite3_column_int64(st, 1)};
        }
        if (got < 0)
            return got;
        for (size_t i = 0; i < n; i++) {
            int err = run_one(s, STMT_JOB_QUEUE, PARAMS(P_INT(picks[i].key)));
            if (err)
                return err;
            count_move(s, picks[i].task_id, JOB_SCHEDULED, JOB_QUEUED);
        }
        *moved += n;
    }
    int got = db_first(&s->db, STMT_DUE_NEXT, NULL, 0);
    if (got != 1)
        return got;
    *next_us = sqlite3_column_int64(s->db.stmt[STMT_DUE_NEXT], 0);
    db_done(&s->db, STMT_DUE_NEXT);
    return 0;
}

int sqlite_sweep_keys(struct store *base, int64_t now_us, size_t limit, size_t *gone)
{
    struct sqlite_store *s = sqlite_of(base);
    int n = db_run(&s->db, STMT_REQUEST_SWEEP, PARAMS(P_INT(now_us), P_INT(limit)));
    if (n < 0)
        return n;
    *gone = (size_t)n;
    return 0;
}

/* ---- recovery ---- */

struct orphan {
    struct leave leave;
    uint32_t max_attempts;
    bool cancel_requested;
};

static int recover_one(struct sqlite_store *s, struct orphan *o, int64_t now_us,
                       struct recovery *out)
{
    struct job_error error = JOB_ERROR_NONE;
    struct leave *l = &o->leave;
    l->error = &error;
    l->to = JOB_QUEUED;
    if (o->cancel_requested) {
        l->to = JOB_CANCELLED;
        job_error_set(&error, JOB_ERROR_CANCELLED, "the job was cancelled while it ran");
        out->cancelled++;
    } else {
        job_error_set(&error, JOB_ERROR_CRASHED, "the service ended while the job ran");
        if (l->attempt >= o->max_attempts) {
            l->to = JOB_FAILED;
            out->failed++;
        } else {
            out->requeued++;
        }
    }
    l->finished_us = job_state_final(l->to) ? now_us : 0;
    int err = leave_running(s, l);
    l->error = NULL;
    return err;
}

/* The next orphans above *after, in one bite; *n = 0: none is left. */
static int recover_some(struct sqlite_store *s, int64_t now_us, int64_t *after, size_t *n,
                        struct recovery *out)
{
    struct orphan orphans[BATCH];
    *n = 0;
    int got = db_first(&s->db, STMT_LEFT_RUNNING, PARAMS(P_INT(*after), P_INT(BATCH)));
    for (; got == 1; got = db_next(&s->db, STMT_LEFT_RUNNING)) {
        sqlite3_stmt *st = s->db.stmt[STMT_LEFT_RUNNING];
        struct orphan *o = &orphans[(*n)++];
        *o = (struct orphan){.max_attempts = (uint32_t)sqlite3_column_int64(st, 3),
                             .cancel_requested = sqlite3_column_int(st, 5) != 0};
        o->leave.key = sqlite3_column_int64(st, 0);
        o->leave.task_id = (uint32_t)sqlite3_column_int64(st, 1);
        o->leave.held = o->leave.attempt = (uint32_t)sqlite3_column_int64(st, 2);
        o->leave.started_us = sqlite3_column_int64(st, 4);
        *after = o->leave.key;
    }
    for (size_t i = 0; i < *n && got == 0; i++) {
        if (!sqlite_task(s, orphans[i].leave.task_id))
            return -ERR_STORE_CORRUPT;
        got = recover_one(s, &orphans[i], now_us, out);
    }
    return got;
}

int sqlite_recover(struct store *base, int64_t now_us, struct recovery *out)
{
    struct sqlite_store *s = sqlite_of(base);
    int err = sqlite_begin(base);
    if (err)
        return err;
    int64_t after = -1;
    size_t n;
    do {
        err = recover_some(s, now_us, &after, &n, out);
    } while (!err && n == BATCH);
    if (!err) {
        int got = db_first(&s->db, STMT_KEY_MAX, NULL, 0);
        if (got == 1) {
            out->largest_key = (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_KEY_MAX], 0);
            db_done(&s->db, STMT_KEY_MAX);
        }
        err = got < 0 ? got : 0;
    }
    if (!err)
        return sqlite_commit(base);
    sqlite_rollback(base);
    return err;
}
