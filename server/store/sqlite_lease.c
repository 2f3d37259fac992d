/*
 * sqlite_lease.c - the SQLite driver's leases. Writing: the writer's thread, inside its
 * transaction; those that take a reader: any thread with its own connection.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdio.h>
#include <string.h>

enum {
    C_KEY,
    C_TAIL,
    C_JOB_KEY,
    C_JOB_TAIL,
    C_ATTEMPT,
    C_TASK_ID,
    C_STARTED_US,
    C_EXPIRES_US,
    C_ENDS_US,
    C_DURATION_US,
    C_WORKER,
    C_FRACTION,
    C_MESSAGE
};

static void text(sqlite3_stmt *st, int col, char *out, size_t size)
{
    const char *from = (const char *)sqlite3_column_text(st, col);
    snprintf(out, size, "%s", from ? from : "");
}

static void row_lease(sqlite3_stmt *st, struct lease *l)
{
    *l = (struct lease){.attempt = (uint32_t)sqlite3_column_int64(st, C_ATTEMPT),
                        .task_id = (uint32_t)sqlite3_column_int64(st, C_TASK_ID),
                        .started_us = sqlite3_column_int64(st, C_STARTED_US),
                        .expires_us = sqlite3_column_int64(st, C_EXPIRES_US),
                        .ends_us = sqlite3_column_int64(st, C_ENDS_US),
                        .duration_us = sqlite3_column_int64(st, C_DURATION_US),
                        .has_fraction = sqlite3_column_type(st, C_FRACTION) != SQLITE_NULL,
                        .fraction = sqlite3_column_double(st, C_FRACTION)};
    id_make(&l->id, (uint64_t)sqlite3_column_int64(st, C_KEY),
            (uint64_t)sqlite3_column_int64(st, C_TAIL));
    id_make(&l->job, (uint64_t)sqlite3_column_int64(st, C_JOB_KEY),
            (uint64_t)sqlite3_column_int64(st, C_JOB_TAIL));
    text(st, C_WORKER, l->worker, sizeof(l->worker));
    text(st, C_MESSAGE, l->message, sizeof(l->message));
}

int sqlite_lease_add(struct store *base, const struct lease *l)
{
    return db_run_one(sqlite_of(base), STMT_LEASE_ADD,
                      PARAMS(P_INT(id_key(&l->id)), P_INT(id_tail(&l->id)), P_INT(id_key(&l->job)),
                             P_INT(id_tail(&l->job)), P_INT(l->attempt), P_INT(l->task_id),
                             P_INT(l->started_us), P_INT(l->expires_us), P_INT(l->ends_us),
                             P_INT(l->duration_us), P_STR(l->worker)));
}

int sqlite_lease_get(struct store *base, const struct id *id, struct lease *out)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_LEASE_GET, PARAMS(P_INT(id_key(id))));
    if (got != 1)
        return got < 0 ? got : -ERR_LEASE_LOST;
    row_lease(s->db.stmt[STMT_LEASE_GET], out);
    db_done(&s->db, STMT_LEASE_GET);
    return id_equal(&out->id, id) ? 0 : -ERR_LEASE_LOST;
}

int sqlite_lease_beat(struct store *base, const struct lease *l)
{
    char fraction[32];
    snprintf(fraction, sizeof(fraction), "%.6g", l->fraction);
    const struct param none = P_NULL;
    struct param progress = P_STR(fraction);
    if (!l->has_fraction)
        progress = none;
    return db_run_one(sqlite_of(base), STMT_LEASE_BEAT,
                      PARAMS(P_INT(id_key(&l->id)), P_INT(l->expires_us), P_INT(l->duration_us),
                             progress, P_STR(l->message)));
}

int sqlite_lease_drop(struct store *base, const struct id *job)
{
    int n = db_run(&sqlite_of(base)->db, STMT_LEASE_DROP, PARAMS(P_INT(id_key(job))));
    return n < 0 ? n : 0;
}

int sqlite_lease_held(struct store *base, const struct id *job, bool *held)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_LEASE_OF, PARAMS(P_INT(id_key(job))));
    *held = got == 1;
    if (got == 1)
        db_done(&s->db, STMT_LEASE_OF);
    return got < 0 ? got : 0;
}

int sqlite_leases_heard(struct store *base, int64_t now_us)
{
    int n = db_run(&sqlite_of(base)->db, STMT_LEASES_HEARD, PARAMS(P_INT(now_us)));
    return n < 0 ? n : 0;
}

int sqlite_leases_expired(struct store *base, int64_t now_us, struct lease *out, size_t most,
                          size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_LEASES_EXPIRED, PARAMS(P_INT(now_us), P_INT(most)));
    for (; got == 1 && *n < most; got = db_next(&s->db, STMT_LEASES_EXPIRED))
        row_lease(s->db.stmt[STMT_LEASES_EXPIRED], &out[(*n)++]);
    if (got == 1)
        db_done(&s->db, STMT_LEASES_EXPIRED);
    return got < 0 ? got : 0;
}

int sqlite_lease_next_us(struct store *base, int64_t *next_us)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_LEASE_NEXT, NULL, 0);
    *next_us = INT64_MAX;
    if (got != 1)
        return got;
    if (sqlite3_column_type(s->db.stmt[STMT_LEASE_NEXT], 0) != SQLITE_NULL)
        *next_us = sqlite3_column_int64(s->db.stmt[STMT_LEASE_NEXT], 0);
    db_done(&s->db, STMT_LEASE_NEXT);
    return 0;
}

/* The first row of a reader's statement by the key of `of`. */
static int read_one(struct store_reader *base, int stmt, const struct id *of, struct lease *out)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    int got = db_first(&r->db, stmt, PARAMS(P_INT(id_key(of))));
    if (got != 1)
        return got < 0 ? got : -ERR_LEASE_LOST;
    row_lease(r->db.stmt[stmt], out);
    db_done(&r->db, stmt);
    return 0;
}

int sqlite_read_lease(struct store_reader *base, const struct id *job, struct lease *out)
{
    return read_one(base, STMT_LEASE_OF, job, out);
}

int sqlite_find_lease(struct store_reader *base, const struct id *id, struct lease *out)
{
    int err = read_one(base, STMT_LEASE_SEEN, id, out);
    return err || id_equal(&out->id, id) ? err : -ERR_LEASE_LOST;
}
