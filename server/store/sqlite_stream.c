/*
 * sqlite_stream.c - the SQLite driver's marks of batches that come line by line with a key: how far
 * they came. Writing: the writer's thread, inside its transaction; reading: any thread with its own
 * connection.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <string.h>

#define CLOSE_AT_ONCE 64

/* *kind: of a row that has expired, too; -1: there is none. */
static int get(const struct db *d, const char *key, int64_t now_us, struct stream_mark *out,
               int *kind_out)
{
    *out = (struct stream_mark){0};
    *kind_out = -1;
    int got = db_first(d, STMT_STREAM_GET, PARAMS(P_STR(key)));
    if (got != 1)
        return got;
    sqlite3_stmt *st = d->stmt[STMT_STREAM_GET];
    int kind = *kind_out = sqlite3_column_int(st, 0);
    out->known = sqlite3_column_int64(st, 5) > now_us;
    out->stream = kind == KEY_COMING || kind == KEY_WHOLE;
    out->whole = kind == KEY_WHOLE;
    id_make(&out->group, (uint64_t)sqlite3_column_int64(st, 1),
            (uint64_t)sqlite3_column_int64(st, 2));
    out->lines = (uint64_t)sqlite3_column_int64(st, 3);
    bool ok = sqlite3_column_bytes(st, 4) == (int)sizeof(out->prefix);
    if (ok)
        memcpy(out->prefix, sqlite3_column_blob(st, 4), sizeof(out->prefix));
    db_done(d, STMT_STREAM_GET);
    return ok ? 0 : -ERR_STORE_CORRUPT;
}

int stream_over(struct sqlite_store *s, int kind, const struct id *group, int64_t now_us)
{
    int err = kind == KEY_COMING ? close_group(s, (int64_t)id_key(group), now_us) : 0;
    return err == -ERR_NO_GROUP ? 0 : err;
}

int sqlite_stream_get(struct store *base, const char *key, int64_t now_us, struct stream_mark *out)
{
    int kind, err = get(&sqlite_of(base)->db, key, now_us, out, &kind);
    if (err || out->known)
        return err;
    err = stream_over(sqlite_of(base), kind, &out->group, now_us);
    *out = (struct stream_mark){0};
    return err;
}

int sqlite_read_stream(struct store_reader *base, const char *key, int64_t now_us,
                       struct stream_mark *out)
{
    int kind, err = get(&((struct sqlite_reader *)base)->db, key, now_us, out, &kind);
    if (!err && !out->known)
        *out = (struct stream_mark){0};
    return err;
}

int sqlite_stream_put(struct store *base, const struct store_key *key, const struct stream_mark *m)
{
    return db_run_one(sqlite_of(base), STMT_STREAM_PUT,
                      PARAMS(P_STR(key->key), P_BLOB(m->prefix, sizeof(m->prefix)),
                             P_INT(id_key(&m->group)), P_INT(id_tail(&m->group)),
                             P_INT(key->expires_us), P_INT(m->whole ? KEY_WHOLE : KEY_COMING),
                             P_INT(m->lines)));
}

int streams_expire(struct sqlite_store *s, int64_t now_us)
{
    int64_t key[CLOSE_AT_ONCE];
    size_t n = 0;
    int got = db_first(&s->db, STMT_STREAMS_EXPIRED, PARAMS(P_INT(now_us), P_INT(CLOSE_AT_ONCE)));
    for (; got == 1; got = db_next(&s->db, STMT_STREAMS_EXPIRED))
        key[n++] = sqlite3_column_int64(s->db.stmt[STMT_STREAMS_EXPIRED], 0);
    for (size_t i = 0; i < n && got >= 0; i++) {
        got = close_group(s, key[i], now_us);
        if (got == -ERR_NO_GROUP) /* it went with its jobs */
            got = 0;
        if (got >= 0)
            got = db_run(&s->db, STMT_STREAM_CLOSED, PARAMS(P_INT(key[i])));
    }
    return got < 0 ? got : 0;
}
