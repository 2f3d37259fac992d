/*
 * sqlite_write.c - the SQLite driver's changes of jobs: finish, cancel, retry, due, recovery.
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

struct pick {
    int64_t key;
    uint32_t task_id;
    int64_t group_key;
};

/* ---- finish ---- */

/* running -> `to`, other than succeeded. */
struct leave {
    struct who who;
    uint32_t held, attempt; /* the attempt that holds it, and the number it leaves with */
    enum job_state to;
    int64_t run_at_us, started_us, finished_us, worker;
    const struct job_error *error;
};

static int leave_running(struct sqlite_store *s, const struct leave *l)
{
    if (!job_state_may_move(JOB_RUNNING, l->to))
        return -ERR_INTERNAL;
    int err =
        db_run_one(s, STMT_JOB_LEAVE,
                   PARAMS(P_INT(l->who.key), P_INT(l->held), P_INT(l->to), P_INT(l->attempt),
                          P_INT(l->run_at_us), P_INT(l->started_us), P_INT(l->finished_us),
                          P_STR(l->error->code), P_STR(l->error->message), P_INT(l->error->signal),
                          P_INT(l->error->exit_code), P_INT(l->worker)));
    if (!err)
        count_move(s, &l->who, JOB_RUNNING, (int)l->to);
    return err;
}

/* The record of an attempt that another may follow. */
static int keep_attempt(struct sqlite_store *s, int64_t key, uint32_t number, int64_t worker,
                        int64_t started_us, int64_t finished_us, const struct job_error *e)
{
    int n = db_run(&s->db, STMT_ATTEMPT_ADD,
                   PARAMS(P_INT(key), P_INT(number), P_INT(worker), P_INT(started_us),
                          P_INT(finished_us), P_STR(e->code), P_STR(e->message), P_INT(e->signal),
                          P_INT(e->exit_code)));
    return n < 0 ? n : 0;
}

static int succeed(struct sqlite_store *s, const struct job *job, const struct attempt *a,
                   int64_t started_us, int64_t finished_us)
{
    struct who who = who_of(job);
    const struct param none = P_NULL;
    struct param result = P_BLOB(a->result.data, a->result.len);
    if (a->result.len > STORE_INLINE)
        result = none;
    int err = put_blob(s, (uint64_t)who.key, BLOB_RESULT, &a->result);
    if (!err)
        err = db_run_one(s, STMT_JOB_SUCCEED,
                         PARAMS(P_INT(who.key), P_INT(a->number), P_INT(started_us),
                                P_INT(finished_us), P_STR(a->result_type), P_INT(a->result.len),
                                result, P_INT(a->worker)));
    if (!err)
        count_move(s, &who, JOB_RUNNING, JOB_SUCCEEDED);
    guess_result(s, who.task_id, a->result.len);
    return err;
}

/* One that had begun was in time. */
static int give_back(struct sqlite_store *s, const struct job *job, bool began)
{
    struct who who = who_of(job);
    int err = db_run_one(
        s, STMT_JOB_RETURN,
        PARAMS(P_INT(who.key), P_INT(job->attempt), P_INT(job->attempt - 1), P_INT(began)));
    if (err)
        return err;
    count_move(s, &who, JOB_RUNNING, JOB_QUEUED);
    if (job->expires_us && !began && job->attempt == 1) /* it may expire again */
        note_due(s, job->expires_us);
    return 0;
}

static enum job_state follow_up(const struct job *job, const struct attempt *a)
{
    if (job->cancel_requested || a->end == ATTEMPT_CANCELLED)
        return JOB_CANCELLED;
    if (a->end == ATTEMPT_SUCCEEDED)
        return JOB_SUCCEEDED;
    if (a->end == ATTEMPT_RETURNED)
        return a->began && job->attempt >= job->max_attempts ? JOB_FAILED : JOB_QUEUED;
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
        return give_back(s, job, a->began);
    struct job_error error = a->error;
    if (to == JOB_CANCELLED)
        job_error_set(&error, JOB_ERROR_CANCELLED, "the job was cancelled while it ran");
    struct leave l = {.who = who_of(job),
                      .held = job->attempt,
                      .attempt = job->attempt,
                      .to = to,
                      .run_at_us = job->run_at_us,
                      .started_us = started,
                      .finished_us = job_state_final(to) ? finished : 0,
                      .worker = a->worker,
                      .error = &error};
    if (to == JOB_SCHEDULED) {
        l.run_at_us = p->now_us + p->backoff_us(job, p->arg);
        note_due(s, l.run_at_us);
    }
    if (!job_state_final(to)) {
        int err = keep_attempt(s, l.who.key, job->attempt, a->worker, started, finished, &a->error);
        if (err)
            return err;
    }
    return leave_running(s, &l);
}

bool attempt_is_plain(const struct sqlite_store *s, const struct attempt *a)
{
    return a->end == ATTEMPT_SUCCEEDED && a->started_us && a->finished_us &&
           sqlite_task(s, a->task_id);
}

int succeed_by(struct sqlite_store *s, enum stmt st, const struct attempt *a)
{
    const struct param none = P_NULL;
    struct param result = P_BLOB(a->result.data, a->result.len);
    if (a->result.len > STORE_INLINE)
        result = none;
    return db_run(&s->db, st,
                  PARAMS(P_INT(id_key(&a->job)), P_INT(a->number), P_INT(a->started_us),
                         P_INT(a->finished_us), P_STR(a->result_type), P_INT(a->result.len), result,
                         P_INT(a->worker), P_INT(id_tail(&a->job)), P_INT(a->task_id),
                         P_INT(a->group_key)));
}

int count_success(struct sqlite_store *s, const struct who *who, const struct attempt *a)
{
    count_move(s, who, JOB_RUNNING, JOB_SUCCEEDED);
    guess_result(s, who->task_id, a->result.len);
    return put_blob(s, (uint64_t)who->key, BLOB_RESULT, &a->result);
}

/* The attempt holds the job, and nobody cancelled. 1: it is kept; 0: it is not so simple, and
 * nothing was changed. */
static int succeed_at_once(struct sqlite_store *s, const struct attempt *a)
{
    int changed = succeed_by(s, STMT_JOB_SUCCEED_AT_ONCE, a);
    if (changed != 1)
        return changed;
    struct who who = {.key = (int64_t)id_key(&a->job),
                      .tail = id_tail(&a->job),
                      .task_id = a->task_id,
                      .group_key = (int64_t)a->group_key};
    int err = count_success(s, &who, a);
    return err ? err : 1;
}

static int finish(struct store *base, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job job;
    int err;
    enum loan_end loan = lent_finish(s, a, &err);
    if (err || loan != LOAN_NONE) {
        *state = loan == LOAN_PAID ? JOB_SUCCEEDED : JOB_QUEUED;
        return err;
    }
    if (attempt_is_plain(s, a)) {
        int done = succeed_at_once(s, a);
        if (done == 1)
            *state = JOB_SUCCEEDED;
        if (done != 0)
            return done < 0 ? done : 0;
    }
    err = row_find(s, &s->db, &a->job, 0, 0, &job);
    if (err)
        return err;
    if (job.state != JOB_RUNNING || job.attempt != a->number) {
        job_release(&job);
        return -ERR_CONFLICT;
    }
    enum job_state to = follow_up(&job, a);
    err = end_attempt(s, &job, a, p, to);
    if (!err && job.concurrency_key[0])
        err = key_left(s, job.task_id, job.concurrency_key);
    if (!err && job_state_final(to))
        err = note_callback(s, (int64_t)id_key(&job.id), id_tail(&job.id), (int)to,
                            job.callback_url.data, job.callback_url.len);
    if (!err)
        *state = to;
    job_release(&job);
    return err;
}

int sqlite_finish(struct store *base, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state)
{
    int err = finish(base, a, p, state);
    return !err && *state == JOB_SUCCEEDED ? checkpoint_drop(sqlite_of(base), &a->job) : err;
}

/* ---- cancel, expiry, retry ---- */

/* A job that has not begun ends. *job is changed likewise. */
static int end_unrun(struct sqlite_store *s, struct job *job, enum job_state to, int64_t now_us)
{
    struct who who = who_of(job);
    /* of its key it may be the one that was let go: then it is the next one's turn */
    bool frees = job->state == JOB_QUEUED && !job->held && job->concurrency_key[0];
    int err = db_run_one(s, STMT_JOB_END,
                         PARAMS(P_INT(who.key), P_INT(job->state), P_INT(to), P_INT(now_us),
                                P_STR(job->error.code), P_STR(job->error.message),
                                P_INT(to == JOB_CANCELLED)));
    if (err)
        return err;
    if (job->held)
        note_held(s, job->task_id, -1);
    if (frees)
        err = key_let_go(s, job->task_id, job->concurrency_key);
    if (err)
        return err;
    count_move(s, &who, (int)job->state, (int)to);
    job_move(job, to);
    job->cancel_requested = to == JOB_CANCELLED;
    job->held = false;
    job->waits = 0;
    job->finished_us = now_us;
    return note_callback(s, who.key, who.tail, (int)to, job->callback_url.data,
                         job->callback_url.len);
}

int sqlite_cancel(struct store *base, const struct id *id, int64_t now_us, struct job *job)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job now;
    int err = lent_write(s, id);
    if (!err)
        err = row_find(s, &s->db, id, 0, 0, &now);
    if (err)
        return err;
    enum job_state from = now.state;
    if (from == JOB_RUNNING && !now.cancel_requested) {
        err = db_run_one(s, STMT_JOB_ASK_CANCEL, PARAMS(P_INT(id_key(id))));
        now.cancel_requested = true;
    } else if (from == JOB_QUEUED || from == JOB_SCHEDULED) {
        job_error_set(&now.error, JOB_ERROR_CANCELLED, "the job was cancelled before it ran");
        err = end_unrun(s, &now, JOB_CANCELLED, now_us);
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

int expire_job(struct sqlite_store *s, int64_t key, int64_t now_us)
{
    struct job job;
    int got = db_first(&s->db, STMT_JOB_GET, PARAMS(P_INT(key)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    int err = row_job(s, &s->db, 0, 0, &job);
    db_done(&s->db, STMT_JOB_GET);
    if (err)
        return err;
    job_error_set(&job.error, JOB_ERROR_EXPIRED, "the job had not begun when its time was over");
    err = end_unrun(s, &job, JOB_EXPIRED, now_us);
    job_release(&job);
    return err;
}

static int run_again(struct sqlite_store *s, struct job *job, int64_t now_us)
{
    struct who who = who_of(job);
    enum job_state from = job->state;
    int err = 0;
    if (job->attempt > 0)
        err = keep_attempt(s, who.key, job->attempt, job->worker, job->started_us, job->finished_us,
                           &job->error);
    if (!err)
        err = wait_again(s, job);
    if (err)
        return err;
    if (job->max_attempts <= job->attempt)
        job->max_attempts = job->attempt + 1;
    job->run_at_us = job->run_at_us < now_us ? job->run_at_us : now_us;
    job_move(job, job->waits > 0 ? JOB_SCHEDULED : JOB_QUEUED);
    err = db_run_one(s, STMT_JOB_RETRY,
                     PARAMS(P_INT(who.key), P_INT(from), P_INT(job->max_attempts),
                            P_INT(job->state), P_INT(job->waits), P_INT(now_us)));
    if (err)
        return err;
    count_move(s, &who, (int)from, (int)job->state);
    if (who.group_key) /* it has begun again, for whoever comes now and depends on it */
        err = group_flush(s, now_us);
    if (err)
        return err;
    s->began_again = true;
    job->finished_us = job->started_us = job->expires_us = 0;
    job->cancel_requested = false;
    job_error_clear(&job->error);
    return 0;
}

int sqlite_retry(struct store *base, const struct id *id, int64_t now_us, struct job *job)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job now;
    int err = row_find(s, &s->db, id, 0, 0, &now);
    if (err)
        return err;
    err = job_state_final(now.state) && job_state_may_move(now.state, JOB_QUEUED)
              ? run_again(s, &now, now_us)
              : -ERR_CONFLICT;
    if (err && err != -ERR_CONFLICT) {
        job_release(&now);
        return err;
    }
    job_release(job);
    *job = now;
    return err;
}

int sqlite_clock_set(struct store *base, int64_t step_us)
{
    static const enum stmt moves[] = {STMT_DUE_MOVE, STMT_DUE_MOVE_CHILDREN, STMT_LEASES_MOVE,
                                      STMT_DELIVERIES_MOVE};
    int n = 0;
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]) && n >= 0; i++)
        n = db_run(&sqlite_of(base)->db, moves[i], PARAMS(P_INT(step_us)));
    return n < 0 ? n : 0;
}

int sqlite_state_of(struct store *base, const struct id *id, enum job_state *state)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_STATE_GET, PARAMS(P_INT(id_key(id))));
    if (got != 1)
        return got < 0 ? got : -ERR_NO_JOB;
    sqlite3_stmt *st = s->db.stmt[STMT_STATE_GET];
    bool same = (uint64_t)sqlite3_column_int64(st, 0) == id_tail(id);
    *state = (enum job_state)sqlite3_column_int(st, 1);
    db_done(&s->db, STMT_STATE_GET);
    return same ? 0 : -ERR_NO_JOB;
}

/* ---- what time brings ---- */

/* The value of a statement that gives one, or INT64_MAX. */
static int next_of(struct sqlite_store *s, enum stmt st, int64_t *next_us)
{
    int got = db_first(&s->db, st, NULL, 0);
    if (got != 1)
        return got;
    int64_t at = sqlite3_column_int64(s->db.stmt[st], 0);
    db_done(&s->db, st);
    if (at < *next_us)
        *next_us = at;
    return 0;
}

static int expire_some(struct sqlite_store *s, int64_t now_us, size_t limit)
{
    int64_t keys[STORE_BATCH];
    size_t n = STORE_BATCH, done = 0;
    while (done < limit && n == STORE_BATCH) {
        n = 0;
        int got = db_first(&s->db, STMT_EXPIRED, PARAMS(P_INT(now_us), P_INT(STORE_BATCH)));
        for (; got == 1; got = db_next(&s->db, STMT_EXPIRED))
            keys[n++] = sqlite3_column_int64(s->db.stmt[STMT_EXPIRED], 0);
        for (size_t i = 0; i < n && got >= 0; i++)
            got = expire_job(s, keys[i], now_us);
        if (got < 0)
            return got;
        done += n;
    }
    return 0;
}

static int queue_some(struct sqlite_store *s, int64_t now_us, size_t limit, size_t *moved)
{
    struct pick picks[STORE_BATCH];
    size_t n = STORE_BATCH;
    while (*moved < limit && n == STORE_BATCH) {
        n = 0;
        int got = db_first(&s->db, STMT_DUE, PARAMS(P_INT(now_us), P_INT(STORE_BATCH)));
        for (; got == 1; got = db_next(&s->db, STMT_DUE)) {
            sqlite3_stmt *st = s->db.stmt[STMT_DUE];
            picks[n++] = (struct pick){.key = sqlite3_column_int64(st, 0),
                                       .task_id = (uint32_t)sqlite3_column_int64(st, 1),
                                       .group_key = sqlite3_column_int64(st, 2)};
        }
        for (size_t i = 0; i < n && got >= 0; i++) {
            got = db_run_one(s, STMT_JOB_QUEUE, PARAMS(P_INT(picks[i].key)));
            struct who who = {
                .key = picks[i].key, .task_id = picks[i].task_id, .group_key = picks[i].group_key};
            if (got == 0)
                count_move(s, &who, JOB_SCHEDULED, JOB_QUEUED);
        }
        if (got < 0)
            return got;
        *moved += n;
    }
    return 0;
}

int sqlite_due(struct store *base, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us)
{
    struct sqlite_store *s = sqlite_of(base);
    int err = expire_some(s, now_us, limit);
    if (!err)
        err = queue_some(s, now_us, limit, moved);
    if (!err)
        err = next_of(s, STMT_DUE_NEXT, next_us);
    if (!err)
        err = next_of(s, STMT_EXPIRE_NEXT, next_us);
    return err;
}

int64_t sqlite_due_hint_us(const struct store *base)
{
    return ((const struct sqlite_store *)base)->due_hint_us;
}

/* ---- recovery ---- */

struct orphan {
    struct leave leave;
    uint32_t max_attempts;
    bool cancel_requested;
};

static int recovered_callback(struct sqlite_store *s, const struct leave *l)
{
    AUTO_BUF url = BUF_INIT;
    int got = db_first(&s->db, STMT_JOB_GET, PARAMS(P_INT(l->who.key)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    sqlite3_stmt *st = s->db.stmt[STMT_JOB_GET];
    buf_add(&url, sqlite3_column_text(st, COL_CALLBACK_URL),
            (size_t)sqlite3_column_bytes(st, COL_CALLBACK_URL));
    db_done(&s->db, STMT_JOB_GET);
    return url.failed ? -ERR_NOMEM
                      : note_callback(s, l->who.key, l->who.tail, (int)l->to, url.data, url.len);
}

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
        job_error_set(&error, JOB_ERROR_CRASHED,
                      "the service ended while the job ran, or was next at a worker");
        if (l->attempt >= o->max_attempts) {
            l->to = JOB_FAILED;
            out->failed++;
        } else {
            out->requeued++;
        }
    }
    l->finished_us = job_state_final(l->to) ? now_us : 0;
    int err = leave_running(s, l);
    if (!err && job_state_final(l->to))
        err = recovered_callback(s, l);
    else if (!err)
        err = keep_attempt(s, l->who.key, l->attempt, 0, l->started_us, now_us, &error);
    l->error = NULL;
    return err;
}

/* The next orphans above *after, in one bite; *n = 0: none is left. */
static int recover_some(struct sqlite_store *s, int64_t now_us, int64_t *after, size_t *n,
                        struct recovery *out)
{
    struct orphan orphans[STORE_BATCH];
    *n = 0;
    int got = db_first(&s->db, STMT_LEFT_RUNNING, PARAMS(P_INT(*after), P_INT(STORE_BATCH)));
    for (; got == 1; got = db_next(&s->db, STMT_LEFT_RUNNING)) {
        sqlite3_stmt *st = s->db.stmt[STMT_LEFT_RUNNING];
        struct orphan *o = &orphans[(*n)++];
        *o = (struct orphan){.max_attempts = (uint32_t)sqlite3_column_int64(st, 5),
                             .cancel_requested = sqlite3_column_int(st, 7) != 0};
        o->leave.who = (struct who){.key = sqlite3_column_int64(st, 0),
                                    .tail = (uint64_t)sqlite3_column_int64(st, 1),
                                    .task_id = (uint32_t)sqlite3_column_int64(st, 2),
                                    .group_key = sqlite3_column_int64(st, 3)};
        o->leave.held = o->leave.attempt = (uint32_t)sqlite3_column_int64(st, 4);
        o->leave.started_us = sqlite3_column_int64(st, 6);
        o->leave.run_at_us = sqlite3_column_int64(st, 8);
        *after = o->leave.who.key;
    }
    for (size_t i = 0; i < *n && got == 0; i++) {
        if (!sqlite_task(s, orphans[i].leave.who.task_id))
            return -ERR_STORE_CORRUPT;
        got = recover_one(s, &orphans[i], now_us, out);
    }
    return got;
}

static int largest_key(struct sqlite_store *s, enum stmt st, uint64_t *largest)
{
    int got = db_first(&s->db, st, NULL, 0);
    if (got != 1)
        return got;
    uint64_t key = (uint64_t)sqlite3_column_int64(s->db.stmt[st], 0);
    db_done(&s->db, st);
    if (key > *largest)
        *largest = key;
    return 0;
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
    } while (!err && n == STORE_BATCH);
    /* what runs is leased: who is held is found again by the next claim */
    int freed = err ? err : db_run(&s->db, STMT_HELD_FREE, NULL, 0);
    err = freed < 0 ? freed : keys_load(s);
    if (!err)
        err = sqlite_leases_heard(base, now_us);
    if (!err)
        err = recover_parents(s, now_us);
    if (!err)
        err = largest_key(s, STMT_KEY_MAX, &out->largest_key);
    if (!err)
        err = largest_key(s, STMT_GROUP_KEY_MAX, &out->largest_key);
    if (!err)
        err = largest_key(s, STMT_LEASE_KEY_MAX, &out->largest_key);
    if (!err)
        err = largest_key(s, STMT_DELIVERY_KEY_MAX, &out->largest_key);
    if (!err)
        return sqlite_commit(base);
    sqlite_rollback(base);
    return err;
}
