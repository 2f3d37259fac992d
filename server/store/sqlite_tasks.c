/*
 * sqlite_tasks.c - the SQLite driver's memory of tasks and counters: the names with their numbers,
 * and how many jobs of each are in each state.
 *
 * The writer's thread changes it, all threads read it. Counters in memory equal a recount of the
 * committed rows after each commit and rollback.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tasks ---- */

struct store_task *sqlite_task(const struct sqlite_store *s, uint32_t task_id)
{
    /* Acquire: pairs with the release in task_append, so that the entry is complete. */
    uint32_t count = atomic_load_explicit(&s->task_count, memory_order_acquire);
    return task_id >= 1 && task_id <= count ? s->task[task_id - 1] : NULL;
}

uint32_t sqlite_tasks(const struct store *base)
{
    return atomic_load_explicit(&((const struct sqlite_store *)base)->task_count,
                                memory_order_acquire); /* as in sqlite_task */
}

static struct store_task *task_append(struct sqlite_store *s, const char *name)
{
    uint32_t count = atomic_load_explicit(&s->task_count, memory_order_relaxed);
    struct store_task *t = count < STORE_TASKS_MAX ? calloc(1, sizeof(*t)) : NULL;
    if (!t)
        return NULL;
    snprintf(t->name, sizeof(t->name), "%s", name);
    s->task[count] = t;
    atomic_store_explicit(&s->task_count, count + 1, memory_order_release);
    return t;
}

static struct store_task *task_by_name(const struct sqlite_store *s, const char *name, uint32_t *id)
{
    struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task(s, i)); i++) {
        if (strcmp(t->name, name) == 0) {
            *id = i;
            return t;
        }
    }
    return NULL;
}

int sqlite_task_id(struct store *base, const char *name, uint32_t *id)
{
    struct sqlite_store *s = sqlite_of(base);
    struct store_task *t = task_by_name(s, name, id);
    if (t && (t->stored || t->adding))
        return 0;
    if (!job_task_name_ok(name, strlen(name)))
        return -ERR_INTERNAL;
    bool own = sqlite3_get_autocommit(s->db.c) != 0;
    int err = own ? sqlite_begin(base) : 0;
    if (err)
        return err;
    if (!t) { /* one that a rollback left without a row keeps its number */
        t = task_append(s, name);
        *id = atomic_load_explicit(&s->task_count, memory_order_relaxed);
        err = t ? 0 : -ERR_NOMEM;
    }
    if (!err)
        err = db_run(&s->db, STMT_TASK_ADD, PARAMS(P_INT(*id), P_STR(name)));
    if (err >= 0)
        t->adding = true;
    if (own && err >= 0)
        return sqlite_commit(base);
    if (own)
        sqlite_rollback(base);
    return err < 0 ? err : 0;
}

int names_load(struct sqlite_store *s)
{
    int got = db_first(&s->db, STMT_TASK_ALL, NULL, 0);
    uint32_t id = 0;
    for (; got == 1; got = db_next(&s->db, STMT_TASK_ALL)) {
        sqlite3_stmt *st = s->db.stmt[STMT_TASK_ALL];
        const char *name = (const char *)sqlite3_column_text(st, 1);
        struct store_task *t = NULL;
        /* A gap is a task whose row was rolled back while a later one's was kept. */
        for (uint32_t want = (uint32_t)sqlite3_column_int64(st, 0); id < want; id++) {
            t = task_append(s, name && id + 1 == want ? name : "");
            if (!t)
                break;
        }
        if (!t) {
            db_done(&s->db, STMT_TASK_ALL);
            return -ERR_STORE_CORRUPT;
        }
        t->stored = true;
        atomic_store_explicit(&t->paused, sqlite3_column_int(st, 2) != 0, memory_order_relaxed);
    }
    if (got < 0)
        return got;
    got = db_first(&s->db, STMT_COUNTER_ALL, NULL, 0);
    for (; got == 1; got = db_next(&s->db, STMT_COUNTER_ALL)) {
        sqlite3_stmt *st = s->db.stmt[STMT_COUNTER_ALL];
        struct store_task *t = sqlite_task(s, (uint32_t)sqlite3_column_int64(st, 0));
        int64_t state = sqlite3_column_int64(st, 1), n = sqlite3_column_int64(st, 2);
        if (!t || state < 0 || state >= JOB_STATES || n < 0) {
            db_done(&s->db, STMT_COUNTER_ALL);
            return -ERR_STORE_CORRUPT;
        }
        atomic_store_explicit(&t->n[state], (uint64_t)n, memory_order_relaxed);
    }
    return got;
}

/* ---- counters ---- */

int counters_write(struct sqlite_store *s)
{
    struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task(s, i)); i++) {
        for (int state = 0; t->dirty && state < JOB_STATES; state++) {
            if (!t->delta[state])
                continue;
            uint64_t n = atomic_load_explicit(&t->n[state], memory_order_relaxed);
            int err = db_run(&s->db, STMT_COUNTER_SET,
                             PARAMS(P_INT(i), P_INT(state), P_INT((int64_t)n + t->delta[state])));
            if (err < 0)
                return err;
        }
    }
    return 0;
}

/* What the transaction counted becomes so, or never was. */
void counters_settle(struct sqlite_store *s, bool kept)
{
    struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task(s, i)); i++) {
        if (t->adding && kept)
            t->stored = true;
        t->adding = false;
        for (int state = 0; t->dirty && state < JOB_STATES; state++) {
            if (kept && t->delta[state])
                atomic_fetch_add_explicit(&t->n[state], (uint64_t)t->delta[state],
                                          memory_order_relaxed);
            if (kept && t->came_delta[state])
                atomic_fetch_add_explicit(&t->came[state], t->came_delta[state],
                                          memory_order_relaxed);
            t->delta[state] = 0;
            t->came_delta[state] = 0;
        }
        if (kept && t->made_delta)
            atomic_fetch_add_explicit(&t->made, t->made_delta, memory_order_relaxed);
        t->made_delta = 0;
        if (t->dirty && kept)
            t->held += t->held_delta;
        t->held_delta = 0;
        t->dirty = false;
    }
}

uint64_t sqlite_count(const struct store *base, uint32_t task_id, enum job_state state)
{
    const struct store_task *t = sqlite_task((const struct sqlite_store *)base, task_id);
    return t ? atomic_load_explicit(&t->n[state], memory_order_relaxed) : 0;
}

uint64_t sqlite_count_now(const struct store *base, uint32_t task_id, enum job_state state)
{
    const struct store_task *t = sqlite_task((const struct sqlite_store *)base, task_id);
    return t ? sqlite_count(base, task_id, state) + (uint64_t)t->delta[state] : 0;
}

int sqlite_read_counts(const struct store *base, const char *task, struct job_counts *out)
{
    const struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task((const struct sqlite_store *)base, i)); i++) {
        if (task && strcmp(t->name, task) != 0)
            continue;
        for (int state = 0; state < JOB_STATES; state++) {
            out->state[state] += atomic_load_explicit(&t->n[state], memory_order_relaxed);
            out->came[state] += atomic_load_explicit(&t->came[state], memory_order_relaxed);
        }
        out->made += atomic_load_explicit(&t->made, memory_order_relaxed);
    }
    return 0;
}
