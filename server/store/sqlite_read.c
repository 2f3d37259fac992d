/*
 * sqlite_read.c - the SQLite driver's reading half: rows to jobs, and look-ups.
 *
 * Any thread, each with a connection of its own. A statement that stands on a row holds the
 * snapshot for those run meanwhile on its connection; every call ends with all of them reset, so
 * that no read transaction outlives a call.
 */
#include "sqlite.h"

#include "../../common/clock.h"
#include "../../common/err.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- rows ---- */

static void copy_text(sqlite3_stmt *st, int col, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(st, col);
    size_t n = text ? (size_t)sqlite3_column_bytes(st, col) : 0;
    n = n < size ? n : size - 1;
    if (n)
        memcpy(out, text, n);
    out[n] = '\0';
}

static int copy_blob(sqlite3_stmt *st, int col, size_t size, struct buf *out)
{
    const void *data = sqlite3_column_blob(st, col);
    size_t n = (size_t)sqlite3_column_bytes(st, col);
    if (n != size)
        return -ERR_STORE_CORRUPT;
    buf_clear(out);
    if (!buf_reserve(out, n ? n : 1))
        return -ERR_NOMEM;
    buf_add(out, data ? data : "", n);
    return out->failed ? -ERR_NOMEM : 0;
}

static int row_payload(const struct db *d, sqlite3_stmt *row, int col, enum blob_kind kind,
                       size_t size, struct buf *out)
{
    if (size <= STORE_INLINE)
        return copy_blob(row, col, size, out);
    int64_t blob_id = sqlite3_column_int64(row, COL_KEY) * 4 + kind;
    int got = db_first(d, STMT_BLOB_GET, PARAMS(P_INT(blob_id)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    int err = copy_blob(d->stmt[STMT_BLOB_GET], 0, size, out);
    db_done(d, STMT_BLOB_GET);
    return err;
}

static void add_text(sqlite3_stmt *st, int col, struct buf *out)
{
    const unsigned char *text = sqlite3_column_text(st, col);
    if (text && text[0])
        buf_add(out, text, (size_t)sqlite3_column_bytes(st, col));
}

/* What a claim has, but its input. */
static int row_fill_claim(const struct sqlite_store *s, sqlite3_stmt *st, struct job *out)
{
    int64_t state = sqlite3_column_int64(st, COL_STATE);
    uint64_t group = (uint64_t)sqlite3_column_int64(st, COL_GROUP_KEY);
    out->task_id = (uint32_t)sqlite3_column_int64(st, COL_TASK_ID);
    const struct store_task *task = sqlite_task(s, out->task_id);
    if (state < 0 || state >= JOB_STATES || !task)
        return -ERR_STORE_CORRUPT;
    id_make(&out->id, (uint64_t)sqlite3_column_int64(st, COL_KEY),
            (uint64_t)sqlite3_column_int64(st, COL_TAIL));
    memcpy(out->task, task->name, sizeof(out->task));
    out->state = (enum job_state)state;
    out->attempt = (uint32_t)sqlite3_column_int64(st, COL_ATTEMPT);
    out->max_attempts = (uint32_t)sqlite3_column_int64(st, COL_MAX_ATTEMPTS);
    out->created_us = sqlite3_column_int64(st, COL_CREATED_US);
    out->run_at_us = sqlite3_column_int64(st, COL_RUN_AT_US);
    out->timeout_us = sqlite3_column_int64(st, COL_TIMEOUT_US);
    out->cancel_requested = sqlite3_column_int(st, COL_CANCEL_REQUESTED) != 0;
    copy_text(st, COL_INPUT_TYPE, out->input_type, sizeof(out->input_type));
    out->input_size = (size_t)sqlite3_column_int64(st, COL_INPUT_SIZE);
    out->expires_us = sqlite3_column_int64(st, COL_EXPIRES_US);
    if (group)
        id_make(&out->group, group, (uint64_t)sqlite3_column_int64(st, COL_GROUP_TAIL));
    out->gathers = sqlite3_column_int(st, COL_GATHERS) != 0;
    copy_text(st, COL_CONCURRENCY_KEY, out->concurrency_key, sizeof(out->concurrency_key));
    copy_text(st, COL_TRACEPARENT, out->traceparent, sizeof(out->traceparent));
    add_text(st, COL_DEPENDS_ON, &out->depends_on);
    add_text(st, COL_PARAMS, &out->params);
    return out->depends_on.failed || out->params.failed ? -ERR_NOMEM : 0;
}

static int row_fill(const struct sqlite_store *s, sqlite3_stmt *st, struct job *out)
{
    int err = row_fill_claim(s, st, out);
    if (err)
        return err;
    out->priority = sqlite3_column_int(st, COL_PRIORITY);
    out->started_us = sqlite3_column_int64(st, COL_STARTED_US);
    out->finished_us = sqlite3_column_int64(st, COL_FINISHED_US);
    copy_text(st, COL_RESULT_TYPE, out->result_type, sizeof(out->result_type));
    copy_text(st, COL_ERROR_CODE, out->error.code, sizeof(out->error.code));
    copy_text(st, COL_ERROR_MESSAGE, out->error.message, sizeof(out->error.message));
    out->error.signal = sqlite3_column_int(st, COL_ERROR_SIGNAL);
    out->error.exit_code = sqlite3_column_int(st, COL_ERROR_EXIT);
    add_text(st, COL_TAGS, &out->tags);
    out->has_result = sqlite3_column_type(st, COL_RESULT_SIZE) != SQLITE_NULL;
    out->result_size = (size_t)sqlite3_column_int64(st, COL_RESULT_SIZE);
    out->rank_us = sqlite3_column_int64(st, COL_RANK);
    out->held = sqlite3_column_int(st, COL_HELD) != 0;
    out->waits = (uint32_t)sqlite3_column_int64(st, COL_WAITS);
    out->worker = sqlite3_column_int64(st, COL_WORKER);
    out->run_anyway = sqlite3_column_int(st, COL_RUN_ANYWAY) != 0;
    copy_text(st, COL_BACKOFF, out->backoff, sizeof(out->backoff));
    add_text(st, COL_CALLBACK_URL, &out->callback_url);
    copy_text(st, COL_OWNER, out->owner, sizeof(out->owner));
    return out->tags.failed || out->callback_url.failed ? -ERR_NOMEM : 0;
}

int row_job(const struct sqlite_store *s, const struct db *d, unsigned what, size_t inline_max,
            struct job *out)
{
    sqlite3_stmt *st = d->stmt[STMT_JOB_GET];
    job_init(out);
    int err = row_fill(s, st, out);
    if (!err && (what & READ_INPUT) && out->input_size <= inline_max)
        err = row_payload(d, st, COL_INPUT, BLOB_INPUT, out->input_size, &out->input);
    if (!err && (what & READ_RESULT) && out->has_result && out->result_size <= inline_max)
        err = row_payload(d, st, COL_RESULT, BLOB_RESULT, out->result_size, &out->result);
    if (err)
        job_release(out);
    return err;
}

int row_claim(const struct sqlite_store *s, const struct db *d, struct job *out)
{
    sqlite3_stmt *st = d->stmt[STMT_JOB_CLAIM];
    job_init(out);
    int err = row_fill_claim(s, st, out);
    if (!err)
        err = row_payload(d, st, COL_INPUT, BLOB_INPUT, out->input_size, &out->input);
    if (err)
        job_release(out);
    return err;
}

int row_find(const struct sqlite_store *s, const struct db *d, const struct id *id, unsigned what,
             size_t inline_max, struct job *out)
{
    int got = db_first(d, STMT_JOB_GET, PARAMS(P_INT(id_key(id))));
    if (got != 1)
        return got < 0 ? got : -ERR_NO_JOB;
    int err = -ERR_NO_JOB;
    if ((uint64_t)sqlite3_column_int64(d->stmt[STMT_JOB_GET], COL_TAIL) == id_tail(id))
        err = row_job(s, d, what, inline_max, out);
    db_done(d, STMT_JOB_GET);
    return err;
}

/* ---- readers ---- */

int sqlite_reader_open(struct store *base, struct store_reader **out)
{
    struct sqlite_store *s = sqlite_of(base);
    struct sqlite_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return -ERR_NOMEM;
    r->base.ops = base->ops;
    r->store = s;
    int err = sqlite_open_connection(&r->db, s->path, SQLITE_OPEN_READONLY, s->reader_cache_bytes);
    if (!err)
        err = db_prepare(&r->db, FOR_READER);
    if (err) {
        sqlite_reader_close(&r->base);
        return err;
    }
    *out = &r->base;
    return 0;
}

void sqlite_reader_close(struct store_reader *base)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    db_close(&r->db);
    free(r);
}

int sqlite_read_job(struct store_reader *base, const struct id *id, unsigned what,
                    size_t inline_max, struct job *out)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    return row_find(r->store, &r->db, id, what, inline_max, out);
}

int sqlite_read_group(struct store_reader *base, const struct id *id, struct group *out)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    return group_find(r->store, &r->db, id, out);
}

int sqlite_read_attempts(struct store_reader *base, const struct id *id, size_t most,
                         struct attempt_record *out, size_t *n)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    const struct db *d = &r->db;
    int got = db_first(d, STMT_ATTEMPT_ALL, PARAMS(P_INT(id_key(id)), P_INT(most)));
    for (; got == 1; got = db_next(d, STMT_ATTEMPT_ALL)) {
        sqlite3_stmt *st = d->stmt[STMT_ATTEMPT_ALL];
        struct attempt_record *a = &out[(*n)++];
        *a = (struct attempt_record){.number = (uint32_t)sqlite3_column_int64(st, 0),
                                     .worker = sqlite3_column_int64(st, 1),
                                     .started_us = sqlite3_column_int64(st, 2),
                                     .finished_us = sqlite3_column_int64(st, 3)};
        copy_text(st, 4, a->error.code, sizeof(a->error.code));
        copy_text(st, 5, a->error.message, sizeof(a->error.message));
        a->error.signal = sqlite3_column_int(st, 6);
        a->error.exit_code = sqlite3_column_int(st, 7);
    }
    return got;
}

/* ---- the queue ---- */

uint32_t sqlite_task_named(const struct sqlite_store *s, const char *name)
{
    const struct store_task *t;
    for (uint32_t i = 1; (t = sqlite_task(s, i)); i++) {
        if (strcmp(t->name, name) == 0)
            return i;
    }
    return 0;
}

int sqlite_read_queued_since(struct store_reader *base, const char *task, int64_t *since_us)
{
    const struct sqlite_reader *r = (const struct sqlite_reader *)base;
    uint32_t id = sqlite_task_named(r->store, task);
    if (id == 0)
        return 0;
    int got = db_first(&r->db, STMT_QUEUED_FIRST, PARAMS(P_INT(id)));
    if (got != 1)
        return got;
    *since_us = sqlite3_column_int64(r->db.stmt[STMT_QUEUED_FIRST], 0);
    db_done(&r->db, STMT_QUEUED_FIRST);
    return 0;
}
