/*
 * sqlite_schedule.c - the SQLite driver's schedules. Writing: the writer's thread, inside its
 * transaction; reading: any thread with its own connection.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of SCHEDULE_COLUMNS; SCHEDULE_TIMES are those before the task. */
enum {
    C_NAME,
    C_CRON,
    C_TIME_ZONE,
    C_OVERLAP,
    C_CATCH_UP,
    C_PAUSED,
    C_CREATED_US,
    C_NEXT_US,
    C_LAST_US,
    C_LAST_KEY,
    C_LAST_TAIL,
    C_TASK,
    C_PRIORITY,
    C_MAX_ATTEMPTS,
    C_TIMEOUT_US,
    C_TAGS,
    C_BACKOFF,
    C_CONCURRENCY_KEY,
    C_CALLBACK_URL,
    C_INPUT,
    C_OWNER
};

int sqlite_schedule_put(struct store *base, const struct schedule *g)
{
    struct sqlite_store *s = sqlite_of(base);
    const struct job *j = &g->job;
    return db_run_one(
        s, STMT_SCHEDULE_PUT,
        PARAMS(P_STR(g->name), P_STR(g->cron), P_STR(g->time_zone), P_INT(g->overlap),
               P_INT(g->catch_up), P_INT(g->paused), P_INT(g->created_us), P_INT(g->next_us),
               P_STR(j->task), P_INT(j->priority), P_INT(j->max_attempts), P_INT(j->timeout_us),
               P_TEXT(j->tags.data, j->tags.len), P_STR(j->backoff), P_STR(j->concurrency_key),
               P_TEXT(j->callback_url.data, j->callback_url.len),
               P_BLOB(j->input.data, j->input.len), P_STR(j->owner)));
}

int sqlite_schedule_delete(struct store *base, const char *name)
{
    int n = db_run(&sqlite_of(base)->db, STMT_SCHEDULE_DROP, PARAMS(P_STR(name)));
    return n < 0 ? n : n == 0 ? -ERR_NO_SCHEDULE : 0;
}

int sqlite_schedule_pause(struct store *base, const char *name, bool paused, int64_t next_us)
{
    int n = db_run(&sqlite_of(base)->db, STMT_SCHEDULE_PAUSE,
                   PARAMS(P_STR(name), P_INT(paused), P_INT(next_us)));
    return n < 0 ? n : n == 0 ? -ERR_NO_SCHEDULE : 0;
}

int sqlite_schedule_ran(struct store *base, const struct schedule *g)
{
    bool none = id_is_nil(&g->last_job);
    return db_run_one(sqlite_of(base), STMT_SCHEDULE_RAN,
                      PARAMS(P_STR(g->name), P_INT(g->next_us), P_INT(g->last_us),
                             P_INT(none ? 0 : id_key(&g->last_job)),
                             P_INT(none ? 0 : id_tail(&g->last_job))));
}

static void text(sqlite3_stmt *st, int col, char *out, size_t size)
{
    const char *from = (const char *)sqlite3_column_text(st, col);
    snprintf(out, size, "%s", from ? from : "");
}

static void bytes(sqlite3_stmt *st, int col, struct buf *out)
{
    const void *data = sqlite3_column_blob(st, col);
    buf_add(out, data ? data : "", (size_t)sqlite3_column_bytes(st, col));
}

static int row_times(sqlite3_stmt *st, struct schedule *g)
{
    schedule_init(g);
    text(st, C_NAME, g->name, sizeof(g->name));
    text(st, C_CRON, g->cron, sizeof(g->cron));
    text(st, C_TIME_ZONE, g->time_zone, sizeof(g->time_zone));
    g->overlap = (enum overlap)sqlite3_column_int(st, C_OVERLAP);
    g->catch_up = sqlite3_column_int(st, C_CATCH_UP) != 0;
    g->paused = sqlite3_column_int(st, C_PAUSED) != 0;
    g->created_us = sqlite3_column_int64(st, C_CREATED_US);
    g->next_us = sqlite3_column_int64(st, C_NEXT_US);
    g->last_us = sqlite3_column_int64(st, C_LAST_US);
    if (sqlite3_column_int64(st, C_LAST_KEY))
        id_make(&g->last_job, (uint64_t)sqlite3_column_int64(st, C_LAST_KEY),
                (uint64_t)sqlite3_column_int64(st, C_LAST_TAIL));
    return g->overlap <= OVERLAP_REPLACE ? 0 : -ERR_NOMEM;
}

static int row_its_job(sqlite3_stmt *st, size_t inline_max, struct job *j)
{
    text(st, C_TASK, j->task, sizeof(j->task));
    j->priority = sqlite3_column_int(st, C_PRIORITY);
    j->max_attempts = (uint32_t)sqlite3_column_int64(st, C_MAX_ATTEMPTS);
    j->timeout_us = sqlite3_column_int64(st, C_TIMEOUT_US);
    bytes(st, C_TAGS, &j->tags);
    text(st, C_BACKOFF, j->backoff, sizeof(j->backoff));
    text(st, C_CONCURRENCY_KEY, j->concurrency_key, sizeof(j->concurrency_key));
    bytes(st, C_CALLBACK_URL, &j->callback_url);
    j->input_size = (size_t)sqlite3_column_bytes(st, C_INPUT);
    if (j->input_size <= inline_max)
        bytes(st, C_INPUT, &j->input);
    text(st, C_OWNER, j->owner, sizeof(j->owner));
    return j->tags.failed || j->callback_url.failed || j->input.failed ? -ERR_NOMEM : 0;
}

static int row_schedule(sqlite3_stmt *st, size_t inline_max, struct schedule *g)
{
    int err = row_times(st, g);
    if (!err && sqlite3_column_count(st) > C_TASK)
        err = row_its_job(st, inline_max, &g->job);
    if (err)
        schedule_release(g);
    return err;
}

/* The rows at which the statement stands, from the first on. */
static int take(const struct db *d, enum stmt which, int got, size_t inline_max,
                struct schedule *out, size_t most, size_t *n)
{
    for (; got == 1 && *n < most; got = db_next(d, which)) {
        int err = row_schedule(d->stmt[which], inline_max, &out[*n]);
        if (err) {
            db_done(d, which);
            return err;
        }
        ++*n;
    }
    if (got == 1)
        db_done(d, which);
    return got < 0 ? got : 0;
}

static int get(const struct db *d, const char *name, struct schedule *out)
{
    size_t n = 0;
    int got = db_first(d, STMT_SCHEDULE_GET, PARAMS(P_STR(name)));
    int err = take(d, STMT_SCHEDULE_GET, got, SIZE_MAX, out, 1, &n);
    return err ? err : n == 0 ? -ERR_NO_SCHEDULE : 0;
}

int sqlite_schedule_get(struct store *base, const char *name, struct schedule *out)
{
    return get(&sqlite_of(base)->db, name, out);
}

int sqlite_schedule_due(struct store *base, int64_t now_us, const struct schedule_place *behind,
                        struct schedule *out, size_t most, size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    int got =
        db_first(&s->db, STMT_SCHEDULE_DUE,
                 PARAMS(P_INT(now_us), P_INT(behind->next_us), P_STR(behind->name), P_INT(most)));
    return take(&s->db, STMT_SCHEDULE_DUE, got, 0, out, most, n);
}

int sqlite_schedule_times(struct store *base, const char *behind, struct schedule *out, size_t most,
                          size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_SCHEDULE_TIMES_PAGE, PARAMS(P_STR(behind), P_INT(most)));
    return take(&s->db, STMT_SCHEDULE_TIMES_PAGE, got, 0, out, most, n);
}

int sqlite_schedule_next_us(struct store *base, const struct schedule_place *behind,
                            int64_t *next_us)
{
    struct sqlite_store *s = sqlite_of(base);
    int got =
        db_first(&s->db, STMT_SCHEDULE_NEXT, PARAMS(P_INT(behind->next_us), P_STR(behind->name)));
    *next_us = INT64_MAX;
    if (got != 1)
        return got;
    sqlite3_stmt *st = s->db.stmt[STMT_SCHEDULE_NEXT];
    if (sqlite3_column_type(st, 0) != SQLITE_NULL)
        *next_us = sqlite3_column_int64(st, 0);
    db_done(&s->db, STMT_SCHEDULE_NEXT);
    return 0;
}

int sqlite_schedule_count(struct store *base, const char *name, size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_SCHEDULE_COUNT, PARAMS(P_STR(name)));
    *n = 0;
    if (got != 1)
        return got;
    *n = (size_t)sqlite3_column_int64(s->db.stmt[STMT_SCHEDULE_COUNT], 0);
    db_done(&s->db, STMT_SCHEDULE_COUNT);
    return 0;
}

int sqlite_read_schedule(struct store_reader *base, const char *name, struct schedule *out)
{
    return get(&((struct sqlite_reader *)base)->db, name, out);
}

int sqlite_read_schedules(struct store_reader *base, const struct schedule_look *look,
                          struct schedule *out, size_t most, size_t *n)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    struct param owner = P_NULL;
    if (look->owner)
        owner = (struct param)P_STR(look->owner);
    int got = db_first(&r->db, STMT_SCHEDULE_ALL, PARAMS(P_STR(look->after), owner, P_INT(most)));
    return take(&r->db, STMT_SCHEDULE_ALL, got, look->inline_max, out, most, n);
}
