/*
 * sqlite_backup.c - a copy of a store that another process may be writing, through a connection
 * that only reads. Called by `jobmill backup`, in a process of its own.
 *
 * The rule of one writer holds: this connection never writes and never checkpoints, also not when
 * it closes. It holds one snapshot while it copies, so that the log of a busy service grows
 * meanwhile.
 */
#include "sqlite.h"

#include "../../common/err.h"
#include "migrate.h"

#include <stdio.h>
#include <string.h>

#define COPY_BUSY_MS 10000 /* the service may be recovering the log, at its start */

static int copy_fail(sqlite3 *c, int rc, struct buf *why, const char *doing)
{
    buf_addf(why, "cannot %s: %s", doing, c ? sqlite3_errmsg(c) : sqlite3_errstr(rc));
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ERR_STORE_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -ERR_STORE_CORRUPT;
    case SQLITE_NOMEM:
        return -ERR_NOMEM;
    default:
        return -ERR_STORE;
    }
}

/* The first column of a statement's only row, as a number. */
static int get_number(sqlite3 *c, const char *sql, int64_t *out, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int err = 0;
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        err = copy_fail(c, rc, why, "read the store");
    sqlite3_finalize(st);
    return err;
}

static int check_whole(sqlite3 *c, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c, "PRAGMA integrity_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int err = 0;
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (!said) {
        err = copy_fail(c, rc, why, "check the copy");
    } else if (strcmp(said, "ok") != 0) {
        buf_addf(why, "the store is damaged: %s", said);
        err = -ERR_STORE_CORRUPT;
    }
    sqlite3_finalize(st);
    return err;
}

/* What was copied is opened for itself and looked at, page by page. */
static int check_copy(const char *file, struct store_copy *out, struct buf *why)
{
    sqlite3 *c = NULL;
    int64_t version = 0;
    const char *layer = NULL;
    int rc = files_layer(&layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(file, &c, SQLITE_OPEN_READONLY, layer);
    int err = rc == SQLITE_OK ? check_whole(c, why) : copy_fail(c, rc, why, "open the copy");
    if (!err)
        err = get_number(c, "PRAGMA user_version", &version, why);
    if (!err)
        err = get_number(c, "SELECT count(*) FROM jobs", &out->jobs, why);
    out->version = (int)version;
    sqlite3_close(c);
    return err;
}

static int copy(sqlite3 *c, const char *file, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int64_t app = 0;
    int err = get_number(c, "PRAGMA application_id", &app, why);
    if (err)
        return err;
    if (app != MIGRATE_APPLICATION_ID) {
        buf_adds(why, "jobmill.db in the data directory is not a store of jobmill");
        return -ERR_STORE_CORRUPT;
    }
    int rc = sqlite3_prepare_v2(c, "VACUUM INTO ?1", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, file, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    err = rc == SQLITE_DONE ? 0 : copy_fail(c, rc, why, "copy the store");
    sqlite3_finalize(st);
    return err;
}

int sqlite_copy(const char *data_dir, const char *file, struct store_copy *out, struct buf *why)
{
    AUTO_BUF path = BUF_INIT;
    sqlite3 *c = NULL;
    buf_addf(&path, "%s/jobmill.db", data_dir);
    if (path.failed)
        return -ERR_NOMEM;
    const char *layer = NULL;
    int rc = files_layer(&layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path.data, &c, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(c, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(c, COPY_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_autocheckpoint(c, 0);
    if (rc == SQLITE_OK) /* when it closes: the log is the service's to move and to remove */
        rc = sqlite3_db_config(c, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(c, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int err = rc == SQLITE_OK ? copy(c, file, why) : -ERR_STORE;
    if (rc != SQLITE_OK)
        buf_addf(why, "cannot open %s: %s", path.data, c ? sqlite3_errmsg(c) : "no memory");
    sqlite3_close(c);
    return err ? err : check_copy(file, out, why);
}
