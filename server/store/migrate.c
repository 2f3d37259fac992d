/*
 * migrate.c - applies the embedded schema steps to a SQLite store. See migrate.h.
 *
 * Invariant: PRAGMA user_version = the greatest number in the table migrations, because each step
 * commits both together. Numbers may have gaps; a step whose number is below that of one that was
 * applied already is applied all the same.
 */
#include "migrate.h"

#include "../../common/clock.h"
#include "../../common/embed.h"
#include "../../common/err.h"
#include "../../common/log.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEP_PREFIX "migrations/sqlite/"
#define STEPS_MAX   1000 /* their numbers have four digits, and are far from that */

static const char *const sql_table =
    "CREATE TABLE IF NOT EXISTS migrations ("
    " version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL,"
    " applied_at INTEGER NOT NULL) STRICT";

static int fail(sqlite3 *c, int rc, struct buf *why, const char *doing)
{
    buf_addf(why, "cannot %s the database: %s", doing, sqlite3_errmsg(c));
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        return -ERR_STORE_CORRUPT;
    return (rc & 0xff) == SQLITE_FULL ? -ERR_STORE_FULL : -ERR_STORE;
}

/* The step that leads to `version`; NULL: none. */
static const struct embed *step_find(int version)
{
    size_t n = strlen(STEP_PREFIX);
    for (const struct embed *e = embed_table; e->name; e++) {
        if (strncmp(e->name, STEP_PREFIX, n) == 0 && atoi(e->name + n) == version)
            return e;
    }
    return NULL;
}

static int step_last(void)
{
    size_t n = strlen(STEP_PREFIX);
    int last = 0;
    for (const struct embed *e = embed_table; e->name; e++) {
        if (strncmp(e->name, STEP_PREFIX, n) == 0 && atoi(e->name + n) > last)
            last = atoi(e->name + n);
    }
    return last;
}

static void step_digest(const struct embed *e, uint8_t out[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, e->len, e->data);
    sha256_digest(&ctx, SHA256_DIGEST_SIZE, out);
}

static int pragma_get(sqlite3 *c, const char *sql, int *value, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int err = 0;
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int(st, 0);
    else
        err = fail(c, rc, why, "read");
    sqlite3_finalize(st);
    return err;
}

/* The row of an applied step at which st stands: is that step the one that is in this binary? */
static bool is_ours(sqlite3_stmt *st, const struct embed *e)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    if (!e)
        return false;
    step_digest(e, digest);
    return sqlite3_column_bytes(st, 1) == SHA256_DIGEST_SIZE &&
           memcmp(sqlite3_column_blob(st, 1), digest, sizeof(digest)) == 0;
}

/* Checks what was applied, and takes it out of todo[1..STEPS_MAX - 1]. */
static int check_applied(sqlite3 *c, bool *todo, struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c, "SELECT version, sha256, name FROM migrations ORDER BY version",
                                -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        int v = sqlite3_column_int(st, 0);
        if (v < 1 || v >= STEPS_MAX || !is_ours(st, step_find(v))) {
            buf_addf(why,
                     "the store was made with another version of %s%s than this program has; "
                     "use the program that made it, or restore a backup",
                     STEP_PREFIX, (const char *)sqlite3_column_text(st, 2));
            sqlite3_finalize(st);
            return -ERR_STORE_CORRUPT;
        }
        todo[v] = false;
        rc = SQLITE_OK;
    }
    int err = rc == SQLITE_DONE ? 0 : fail(c, rc, why, "read the migrations of");
    sqlite3_finalize(st);
    return err;
}

static int record(sqlite3 *c, int version, const struct embed *e)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    step_digest(e, digest);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(
        c, "INSERT INTO migrations (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)", -1,
        &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(st, 1, version);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 2, e->name + strlen(STEP_PREFIX), -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(st, 3, digest, sizeof(digest), SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(st, 4, clock_wall_us());
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* `newest`: the schema's version once it was applied. */
static int apply(sqlite3 *c, int version, int newest, const struct embed *e, struct buf *why)
{
    AUTO_BUF sql = BUF_INIT; /* the embedded bytes, with a terminating zero */
    AUTO_BUF mark = BUF_INIT;
    buf_add(&sql, e->data, e->len);
    buf_addf(&mark, "PRAGMA user_version = %d; PRAGMA application_id = %d", newest,
             MIGRATE_APPLICATION_ID);
    if (sql.failed || mark.failed)
        return -ERR_NOMEM;
    int rc = sqlite3_exec(c, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c, sql_table, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c, sql.data, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = record(c, version, e);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c, mark.data, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        log_info("store: applied %s", e->name);
        return 0;
    }
    int err = fail(c, rc, why, "migrate");
    if (!sqlite3_get_autocommit(c))
        sqlite3_exec(c, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

int migrate_run(sqlite3 *c, int *version, struct buf *why)
{
    int app = 0, at = 0, tables = 0, last = step_last();
    int err = pragma_get(c, "PRAGMA application_id", &app, why);
    if (!err)
        err = pragma_get(c, "PRAGMA user_version", &at, why);
    if (!err)
        err = pragma_get(c, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (err)
        return err;
    if (tables > 0 && app != MIGRATE_APPLICATION_ID) {
        buf_adds(why, "jobmill.db in the data directory is not a store of jobmill");
        return -ERR_STORE_CORRUPT;
    }
    if (at > last) {
        buf_addf(why,
                 "the store has schema version %d and this program knows %d: use a newer jobmill",
                 at, last);
        return -ERR_STORE_NEWER;
    }
    bool todo[STEPS_MAX];
    assert(last < STEPS_MAX);
    for (int v = 1; v < STEPS_MAX; v++)
        todo[v] = v <= last && step_find(v);
    if (at > 0)
        err = check_applied(c, todo, why);
    for (int v = 1; v <= last && !err; v++)
        err = todo[v] ? apply(c, v, v > at ? v : at, step_find(v), why) : 0;
    *version = last;
    return err;
}
