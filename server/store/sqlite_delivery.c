/*
 * sqlite_delivery.c - the SQLite driver's calls of callback_urls. Writing: the writer's thread,
 * inside its transaction; sqlite_read_deliveries: any thread with its own connection.
 */
#include "sqlite.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/log.h"

#include <stdio.h>
#include <string.h>

#define UNMADE_EVERY_US (10 * US_PER_S)
#define OVERDUE_US      (7 * INT64_C(86400) * US_PER_S)

enum {
    C_KEY,
    C_TAIL,
    C_SUBJECT_KEY,
    C_SUBJECT_TAIL,
    C_IS_GROUP,
    C_URL,
    C_STATE,
    C_ATTEMPTS,
    C_CREATED_US,
    C_NEXT_US,
    C_LAST_STATUS,
    C_LAST_ERROR,
    C_ENDED
};

int note_callback(struct sqlite_store *s, int64_t key, uint64_t tail, int ended, const char *url,
                  size_t len)
{
    struct id id;
    int64_t now_us = clock_wall_us();
    if (len == 0)
        return 0;
    int err = id_new(&id);
    if (err)
        return err;
    s->delivery_hint = true;
    return db_run_one(s, STMT_DELIVERY_ADD,
                      PARAMS(P_INT(id_key(&id)), P_INT(id_tail(&id)), P_INT(key), P_INT(tail),
                             P_INT(ended == ENDED_GROUP), P_TEXT(url, len), P_INT(now_us),
                             P_INT(now_us), P_INT(ended)));
}

bool sqlite_deliveries_new(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    bool is_new = s->delivery_hint;
    s->delivery_hint = false;
    return is_new;
}

int drop_callbacks(struct sqlite_store *s, int64_t key, bool *unmade)
{
    *unmade = false;
    int got = db_first(&s->db, STMT_DELIVERIES_DROP, PARAMS(P_INT(key)));
    for (; got == 1; got = db_next(&s->db, STMT_DELIVERIES_DROP))
        *unmade =
            *unmade || sqlite3_column_int(s->db.stmt[STMT_DELIVERIES_DROP], 0) == DELIVERY_WAITING;
    return got;
}

int64_t call_overdue_us(void)
{
    return clock_wall_us() - OVERDUE_US;
}

int call_waits(struct sqlite_store *s, int64_t key, int64_t group_key)
{
    int got = db_first(&s->db, STMT_CALL_WAITS,
                       PARAMS(P_INT(key), P_INT(group_key), P_INT(call_overdue_us())));
    if (got == 1)
        db_done(&s->db, STMT_CALL_WAITS);
    return got;
}

void warn_unmade(struct sqlite_store *s, const char *what, const struct id *id)
{
    char text[ID_TEXT], others[64] = "";
    int64_t now_us = clock_mono_us();
    if (s->unmade_said_us && now_us - s->unmade_said_us < UNMADE_EVERY_US) {
        s->unmade++;
        return;
    }
    id_format(id, text);
    if (s->unmade)
        snprintf(others, sizeof(others), ", as %llu others since the last that was told",
                 (unsigned long long)s->unmade);
    log_warn("%s %s is forgotten before its callback_url was called%s: keep_max and keep_bytes "
             "must outlast webhook_delays",
             what, text, others);
    s->unmade_said_us = now_us;
    s->unmade = 0;
}

static void text(sqlite3_stmt *st, int col, char *out, size_t size)
{
    const char *from = (const char *)sqlite3_column_text(st, col);
    snprintf(out, size, "%s", from ? from : "");
}

static int take(const struct db *d, enum stmt which, int got, struct delivery *out, size_t most,
                size_t *n)
{
    for (; got == 1 && *n < most; got = db_next(d, which)) {
        sqlite3_stmt *st = d->stmt[which];
        struct delivery *v = &out[(*n)++];
        *v = (struct delivery){.is_group = sqlite3_column_int(st, C_IS_GROUP) != 0,
                               .ended = sqlite3_column_int(st, C_ENDED),
                               .state = (enum delivery_state)sqlite3_column_int(st, C_STATE),
                               .attempts = (uint32_t)sqlite3_column_int64(st, C_ATTEMPTS),
                               .created_us = sqlite3_column_int64(st, C_CREATED_US),
                               .next_us = sqlite3_column_int64(st, C_NEXT_US),
                               .last_status = sqlite3_column_int(st, C_LAST_STATUS)};
        id_make(&v->id, (uint64_t)sqlite3_column_int64(st, C_KEY),
                (uint64_t)sqlite3_column_int64(st, C_TAIL));
        id_make(&v->subject, (uint64_t)sqlite3_column_int64(st, C_SUBJECT_KEY),
                (uint64_t)sqlite3_column_int64(st, C_SUBJECT_TAIL));
        text(st, C_URL, v->url, sizeof(v->url));
        text(st, C_LAST_ERROR, v->last_error, sizeof(v->last_error));
    }
    if (got == 1)
        db_done(d, which);
    return got < 0 ? got : 0;
}

int sqlite_deliveries_due(struct store *base, int64_t now_us, struct delivery *out, size_t most,
                          size_t *n)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_DELIVERIES_DUE, PARAMS(P_INT(now_us), P_INT(most)));
    return take(&s->db, STMT_DELIVERIES_DUE, got, out, most, n);
}

int sqlite_delivery_later(struct store *base, const struct id *id, int64_t next_us)
{
    return db_run_one(sqlite_of(base), STMT_DELIVERY_LATER,
                      PARAMS(P_INT(id_key(id)), P_INT(next_us)));
}

int sqlite_delivery_next_us(struct store *base, int64_t *next_us)
{
    struct sqlite_store *s = sqlite_of(base);
    int got = db_first(&s->db, STMT_DELIVERY_NEXT, NULL, 0);
    *next_us = INT64_MAX;
    if (got != 1)
        return got;
    if (sqlite3_column_type(s->db.stmt[STMT_DELIVERY_NEXT], 0) != SQLITE_NULL)
        *next_us = sqlite3_column_int64(s->db.stmt[STMT_DELIVERY_NEXT], 0);
    db_done(&s->db, STMT_DELIVERY_NEXT);
    return 0;
}

int sqlite_delivery_note(struct store *base, const struct delivery *v)
{
    int n = db_run(&sqlite_of(base)->db, STMT_DELIVERY_NOTE,
                   PARAMS(P_INT(id_key(&v->id)), P_INT(v->state), P_INT(v->attempts),
                          P_INT(v->next_us), P_INT(v->last_status), P_STR(v->last_error)));
    return n < 0 ? n : 0; /* it may be forgotten with its job */
}

int sqlite_read_deliveries(struct store_reader *base, const struct id *subject,
                           struct delivery *out, size_t most, size_t *n)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    int got = db_first(&r->db, STMT_DELIVERIES_OF, PARAMS(P_INT(id_key(subject)), P_INT(most)));
    return take(&r->db, STMT_DELIVERIES_OF, got, out, most, n);
}
