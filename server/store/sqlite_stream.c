/*
 * sqlite_stream.c - the SQLite driver's marks of batches that come line by line with a key: how far
 * they came. Writing: the writer's thread, inside its transaction; reading: any thread with its own
 * connection.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <string.h>

#define CLOSE_AT_ONCE 64

enum { KIND_COMING = 2, KIND_WHOLE = 3 }; /* of idempotency.kind; less: no stream */

static int get(const struct db *d, const char *key, int64_t now_us, struct stream_mark *out)
{
    *out = (struct stream_mark){0};
    int got = db_first(d, STMT_STREAM_GET, PARAMS(P_STR(key), P_INT(now_us)));
    if (got != 1)
        return got;
    sqlite3_stmt *st = d->stmt[STMT_STREAM_GET];
    int kind = sqlite3_column_int(st, 0);
    out->known = true;
    out->stream = kind >= KIND_COMING;
    out->whole = kind == KIND_WHOLE;
    id_make(&out->group, (uint64_t)sqlite3_column_int64(st, 1),
            (uint64_t)sqlite3_column_int64(st, 2));
    out->lines = (uint64_t)sqlite3_column_int64(st, 3);
    bool ok = sqlite3_column_bytes(st, 4) == (int)sizeof(out->prefix);
    if (ok)
        memcpy(out->prefix, sqlite3_column_blob(st, 4), sizeof(out->prefix));
    db_done(d, STMT_STREAM_GET);
    return ok ? 0 : -ERR_STORE_CORRUPT;
}

int sqlite_stream_get(struct store *base, const char *key, int64_t now_us, struct stream_mark *out)
{
    return get(&sqlite_of(base)->db, key, now_us, out);
}

int sqlite_read_stream(struct store_reader *base, const char *key, int64_t now_us,
                       struct stream_mark *out)
{
    return get(&((struct sqlite_reader *)base)->db, key, now_us, out);
}

int sqlite_stream_put(struct store *base, const struct store_key *key, const struct stream_mark *m)
{
    return db_run_one(sqlite_of(base), STMT_STREAM_PUT,
                      PARAMS(P_STR(key->key), P_BLOB(m->prefix, sizeof(m->prefix)),
                             P_INT(id_key(&m->group)), P_INT(id_tail(&m->group)),
                             P_INT(key->expires_us), P_INT(m->whole ? KIND_WHOLE : KIND_COMING),
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
