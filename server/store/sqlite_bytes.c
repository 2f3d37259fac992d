/*
 * sqlite_bytes.c - a piece of a large input or result, without reading all of it.
 *
 * Any thread, each with a connection of its own. The blob is opened anew for each piece, so that a
 * client that reads slowly holds no read transaction, which would keep the log from being cut. A
 * database with auto_vacuum knows the pages of a blob without reading those before the piece.
 */
#include "sqlite.h"

#include "../../common/err.h"

static int read_blob(const struct db *d, int64_t blob_id, size_t size, size_t at, void *out,
                     size_t len)
{
    sqlite3_blob *blob = NULL;
    int rc = sqlite3_blob_open(d->c, "main", "blobs", "data", blob_id, 0, &blob);
    if (rc == SQLITE_OK && (size_t)sqlite3_blob_bytes(blob) != size) {
        (void)sqlite3_blob_close(blob);
        return -ERR_STORE_CORRUPT;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_blob_read(blob, out, (int)len, (int)at);
    (void)sqlite3_blob_close(blob); /* of a read: says again what the read said */
    return rc == SQLITE_OK ? 0 : db_error(d, rc, "read bytes");
}

int sqlite_read_bytes(struct store_reader *base, const struct id *id, const struct piece *p,
                      void *out)
{
    const struct db *d = &((struct sqlite_reader *)base)->db;
    int got = db_first(d, STMT_JOB_GET, PARAMS(P_INT(id_key(id))));
    if (got != 1)
        return got < 0 ? got : -ERR_NO_JOB;
    /* while the statement stands on the row, its snapshot is the blob's too */
    sqlite3_stmt *row = d->stmt[STMT_JOB_GET];
    bool input = p->what == READ_INPUT;
    int64_t size = sqlite3_column_int64(row, input ? COL_INPUT_SIZE : COL_RESULT_SIZE);
    bool same = (uint64_t)sqlite3_column_int64(row, COL_TAIL) == id_tail(id) &&
                (input || sqlite3_column_int64(row, COL_ATTEMPT) == (int64_t)p->attempt) &&
                size == (int64_t)p->size && size > STORE_INLINE && p->at <= p->size &&
                p->len <= p->size - p->at;
    int64_t blob_id = sqlite3_column_int64(row, COL_KEY) * 4 + (input ? BLOB_INPUT : BLOB_RESULT);
    int err = same ? read_blob(d, blob_id, p->size, p->at, out, p->len) : -ERR_NO_JOB;
    db_done(d, STMT_JOB_GET);
    return err;
}
