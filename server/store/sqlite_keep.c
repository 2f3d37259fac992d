/*
 * sqlite_keep.c - the SQLite driver's forgetting: jobs that ended, keys that expired, pages that
 * are not used; and what is paused. The writer's thread, inside its transaction.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdio.h>
#include <string.h>

/* ---- jobs ---- */

/* What an ended job leaves behind elsewhere, and its row. */
static int drop_job(struct sqlite_store *s, const struct job *job)
{
    struct who who = who_of(job);
    const struct param key[] = {P_INT(who.key)};
    int n = 0;
    if (job->input_size > STORE_INLINE || job->result_size > STORE_INLINE || job->gathers)
        n = db_run(&s->db, STMT_BLOBS_DROP, key, 1);
    if (n >= 0 && job->tags.len)
        n = db_run(&s->db, STMT_TAGS_DROP,
                   PARAMS(P_INT(who.key), P_TEXT(job->tags.data, job->tags.len)));
    if (n >= 0 && job->attempt > 0)
        n = db_run(&s->db, STMT_ATTEMPTS_DROP, key, 1);
    if (n >= 0)
        n = checkpoint_drop(s, &job->id);
    if (n >= 0)
        n = db_run(&s->db, STMT_UNIQUE_DROP, key, 1);
    bool unmade = false;
    if (n >= 0 && job->callback_url.len)
        n = drop_callbacks(s, who.key, &unmade);
    if (n < 0)
        return n;
    if (unmade && s->sweeping)
        warn_unmade(s, "job", &job->id);
    int err = db_run_one(s, STMT_JOB_DROP, PARAMS(P_INT(who.key), P_INT(job->state)));
    if (err)
        return err;
    count_move(s, &who, (int)job->state, -1);
    if (job->attempt == 0)
        return 0;
    err = grow_array((void **)&s->gone, s->gone_count, &s->gone_cap, sizeof(*s->gone));
    if (!err)
        s->gone[s->gone_count++] = job->id;
    return err;
}

bool sqlite_gone(const struct store *base, size_t i, struct id *out)
{
    const struct sqlite_store *s = (const struct sqlite_store *)base;
    if (i >= s->gone_count)
        return false;
    *out = s->gone[i];
    return true;
}

/* How it ended, or its group, is still to be passed on: 1. After a crash its row alone says that.
 */
static int is_untold(struct sqlite_store *s, const struct job *job)
{
    struct who who = who_of(job);
    if (s->parents == 0)
        return 0;
    int got = db_first(&s->db, STMT_UNTOLD, PARAMS(P_INT(who.key), P_INT(who.group_key)));
    if (got == 1)
        db_done(&s->db, STMT_UNTOLD);
    return got;
}

int sqlite_delete(struct store *base, const struct id *id, enum job_state *state)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job job;
    int err = row_find(s, &s->db, id, 0, 0, &job);
    if (err)
        return err;
    *state = job.state;
    int kept = job_state_final(job.state) ? is_untold(s, &job) : 1;
    err = kept < 0 ? kept : kept ? -ERR_CONFLICT : drop_job(s, &job);
    job_release(&job);
    return err;
}

static uint64_t ended_of(const struct store_task *t)
{
    int64_t n = 0;
    for (int i = 0; i < JOB_STATES; i++) {
        if (job_state_final((enum job_state)i))
            n += (int64_t)atomic_load_explicit(&t->n[i], memory_order_relaxed) + t->delta[i];
    }
    return n > 0 ? (uint64_t)n : 0;
}

struct old {
    struct id id;
    enum job_state state;
    int64_t finished_us, created_us, group_key;
    bool calls; /* it has a callback_url */
};

/* Those made after the limit cannot have ended before it, and all that follow were made later. But
 * not by an id, which is never before an earlier one: after a clock that was far ahead, all are;
 * nor by what that clock showed. */
static bool is_young(const struct old *o, const struct keep_rule *rule)
{
    return o->created_us > rule->before_us && o->created_us <= rule->now_us;
}

/* 1: a call tells of its end, or of its group's, and is still to be made. */
static int is_called(struct sqlite_store *s, const struct old *o)
{
    return o->calls || o->group_key ? call_waits(s, (int64_t)id_key(&o->id), o->group_key) : 0;
}

/* Nobody named it. 1: it is gone; 0: it must be kept for now. */
static int sweep_one(struct store *base, const struct id *id)
{
    enum job_state state;
    int err = sqlite_delete(base, id, &state);
    return err == -ERR_CONFLICT ? 0 : err ? err : 1;
}

int sqlite_sweep_jobs(struct store *base, const struct keep_rule *rule, size_t limit, size_t *gone,
                      bool *more)
{
    struct sqlite_store *s = sqlite_of(base);
    struct store_task *t = sqlite_task(s, rule->task_id);
    struct old old[STORE_BATCH];
    size_t n = 0;
    if (!t)
        return 0;
    limit = limit < STORE_BATCH ? limit : STORE_BATCH;
    s->sweeping = true;
    int got = db_first(&s->db, STMT_OLD_JOBS,
                       PARAMS(P_INT(rule->task_id), P_INT(t->swept_key), P_INT(limit)));
    for (; got == 1; got = db_next(&s->db, STMT_OLD_JOBS)) {
        sqlite3_stmt *st = s->db.stmt[STMT_OLD_JOBS];
        struct old *o = &old[n++];
        id_make(&o->id, (uint64_t)sqlite3_column_int64(st, 0),
                (uint64_t)sqlite3_column_int64(st, 1));
        o->state = (enum job_state)sqlite3_column_int(st, 2);
        o->finished_us = sqlite3_column_int64(st, 3);
        o->created_us = sqlite3_column_int64(st, 4);
        o->group_key = sqlite3_column_int64(st, 5);
        o->calls = sqlite3_column_int(st, 6) != 0;
    }
    *more = n == limit;
    for (size_t i = 0; i < n && got >= 0; i++) {
        bool too_many = ended_of(t) > t->swept_over && ended_of(t) - t->swept_over > rule->most;
        if (!too_many && (rule->before_us == 0 || is_young(&old[i], rule))) {
            *more = false;
            break;
        }
        t->swept_key = (int64_t)id_key(&old[i].id);
        if (!job_state_final(old[i].state) || (!too_many && old[i].finished_us >= rule->before_us))
            continue;
        int spared = too_many ? 0 : is_called(s, &old[i]); /* `most` is a bound, an age is none */
        if (spared == 1)
            continue;
        got = spared < 0 ? spared : sweep_one(base, &old[i].id);
        *gone += got == 1;
        t->swept_over += got == 0;
    }
    if (!*more) {
        t->swept_key = 0;
        t->swept_over = 0;
    }
    return got < 0 ? got : 0;
}

/* A number of pages; negative: an error. */
static int64_t pages_of(struct sqlite_store *s, enum stmt st)
{
    int got = db_first(&s->db, st, NULL, 0);
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    int64_t n = sqlite3_column_int64(s->db.stmt[st], 0);
    db_done(&s->db, st);
    return n;
}

int sqlite_sweep_bytes(struct store *base, uint64_t bytes, size_t limit, size_t *gone, bool *more)
{
    struct sqlite_store *s = sqlite_of(base);
    struct old old[STORE_BATCH];
    size_t n = 0;
    int64_t most = (int64_t)(bytes / (uint64_t)s->page_size);
    int64_t used = pages_of(s, STMT_USED_PAGES);
    if (used <= most) {
        s->swept_key = 0;
        return used < 0 ? (int)used : 0;
    }
    limit = limit < STORE_BATCH ? limit : STORE_BATCH;
    s->sweeping = true;
    int got = db_first(&s->db, STMT_OLD_JOBS_ALL, PARAMS(P_INT(s->swept_key), P_INT(limit)));
    for (; got == 1; got = db_next(&s->db, STMT_OLD_JOBS_ALL)) {
        sqlite3_stmt *st = s->db.stmt[STMT_OLD_JOBS_ALL];
        struct old *o = &old[n++];
        id_make(&o->id, (uint64_t)sqlite3_column_int64(st, 0),
                (uint64_t)sqlite3_column_int64(st, 1));
        o->state = (enum job_state)sqlite3_column_int(st, 2);
    }
    for (size_t i = 0; i < n && got >= 0 && used > most; i++) {
        s->swept_key = (int64_t)id_key(&old[i].id);
        if (!job_state_final(old[i].state))
            continue;
        got = sweep_one(base, &old[i].id);
        *gone += got == 1;
        used = got < 0 ? used : pages_of(s, STMT_USED_PAGES);
    }
    *more = n == limit && used > most;
    if (!*more)
        s->swept_key = 0;
    return got < 0 ? got : used < 0 ? (int)used : 0;
}

int sqlite_sweep_keys(struct store *base, int64_t now_us, size_t limit, size_t *gone)
{
    struct sqlite_store *s = sqlite_of(base);
    int err = streams_expire(s, now_us);
    if (err)
        return err;
    int n = db_run(&s->db, STMT_REQUEST_SWEEP, PARAMS(P_INT(now_us), P_INT(limit)));
    if (n < 0)
        return n;
    *gone = (size_t)n;
    return 0;
}

/* ---- pages ---- */

int sqlite_shrink(struct store *base, size_t pages)
{
    struct sqlite_store *s = sqlite_of(base);
    char sql[64];
    int64_t unused = pages_of(s, STMT_FREE_PAGES);
    if (unused >= 0 && unused < (int64_t)pages && s->shrinking) {
        s->shrinking = false;
        s->shrank = true;
    }
    if (!s->shrinks ||
        unused < (int64_t)pages) /* some are left: they are used again before the file grows */
        return unused < 0 ? (int)unused : 0;
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%zu)", pages);
    s->shrinking = true;
    int rc = sqlite3_exec(s->db.c, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(&s->db, rc, "shrink");
}

/* ---- paused ---- */

int sqlite_pause_task(struct store *base, uint32_t task_id, bool paused)
{
    struct sqlite_store *s = sqlite_of(base);
    struct store_task *t = sqlite_task(s, task_id);
    if (!t)
        return -ERR_INTERNAL;
    int err = db_run_one(s, STMT_TASK_PAUSE, PARAMS(P_INT(task_id), P_INT(paused)));
    if (!err)
        atomic_store_explicit(&t->paused, paused, memory_order_relaxed);
    return err;
}

bool sqlite_task_paused(const struct store *base, const char *task)
{
    const struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task((const struct sqlite_store *)base, i)); i++) {
        if (strcmp(t->name, task) == 0)
            return atomic_load_explicit(&t->paused, memory_order_relaxed);
    }
    return false;
}

bool sqlite_task_paused_id(const struct store *base, uint32_t task_id)
{
    const struct store_task *t = sqlite_task((const struct sqlite_store *)base, task_id);
    return t && atomic_load_explicit(&t->paused, memory_order_relaxed);
}

int sqlite_pause_pool(struct store *base, const char *pool, bool paused)
{
    struct sqlite_store *s = sqlite_of(base);
    int n = db_run(&s->db, STMT_POOL_PAUSE, PARAMS(P_STR(pool), P_INT(paused)));
    return n < 0 ? n : 0;
}

int sqlite_pool_paused(struct store *base, const char *pool, bool *paused)
{
    struct sqlite_store *s = sqlite_of(base);
    *paused = false;
    int got = db_first(&s->db, STMT_POOL_GET, PARAMS(P_STR(pool)));
    if (got != 1)
        return got;
    *paused = sqlite3_column_int(s->db.stmt[STMT_POOL_GET], 0) != 0;
    db_done(&s->db, STMT_POOL_GET);
    return 0;
}
