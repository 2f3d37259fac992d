/*
 * sqlite_log.c - the SQLite driver's write-ahead log: when what it holds is moved into the
 * database, and when its file is cut. The writer's thread, on the connection that commits.
 */
#include "sqlite.h"

#include <stdio.h>

#define CUT_WAIT_MS  50 /* for readers to leave a log that is twice as long as it may be */
#define WAL_KEEP     (64 * 1024 * 1024)
#define CUT_FRACTION 64 /* a log that could not be cut is tried again after so much more */

/* The log is moved once this part of its limit is filled. While that is done nobody is answered,
 * and under load moments without work are many: so they are used a few times a second, not more. */
static const int64_t fraction[] = {[STORE_PRESSED] = 1, [STORE_IDLE] = 4, [STORE_QUIET] = 64};

static int on_commit(void *arg, sqlite3 *c, const char *name, int pages)
{
    (void)c;
    (void)name;
    struct sqlite_store *s = arg;
    if (pages < s->wal_moved)
        s->wal_moved = 0; /* the log began anew */
    s->wal_pages = pages;
    s->wrote = true;
    return SQLITE_OK;
}

bool sqlite_wrote(const struct store *base)
{
    return ((const struct sqlite_store *)base)->wrote;
}

int sqlite_log_start(struct sqlite_store *s, uint64_t limit)
{
    char pragma[64];
    snprintf(pragma, sizeof(pragma), "PRAGMA journal_size_limit = %d", WAL_KEEP);
    int rc = sqlite3_exec(s->db.c, pragma, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return db_error(&s->db, rc, pragma);
    s->wal_limit_pages = (int64_t)(limit / (uint64_t)s->page_size);
    sqlite3_wal_hook(s->db.c, on_commit, s);
    return 0;
}

int sqlite_checkpoint(struct store *base, enum store_rest rest)
{
    struct sqlite_store *s = sqlite_of(base);
    bool over = s->wal_pages >= 2 * s->wal_limit_pages;
    int64_t part = over ? CUT_FRACTION : fraction[rest];
    bool cut = rest != STORE_PRESSED && s->shrank && s->wal_pages > s->wal_moved;
    if (s->wal_pages - s->wal_moved < s->wal_limit_pages / part && !cut)
        return 0;
    s->shrank = false;
    /* Passive never waits. A log that readers kept from being reused is cut when they leave it, for
     * which the writer waits a little: where there is always one, it would grow without end. */
    int mode = over ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int logged = 0, moved = 0;
    sqlite3_busy_timeout(s->db.c, mode == SQLITE_CHECKPOINT_TRUNCATE ? CUT_WAIT_MS : 0);
    int rc = sqlite3_wal_checkpoint_v2(s->db.c, NULL, mode, &logged, &moved);
    sqlite3_busy_timeout(s->db.c, STORE_BUSY_MS);
    s->wal_moved = s->wal_pages; /* look again after as much more was written */
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
        s->wal_pages = s->wal_moved = 0;
    /* readers, or no memory: the log is as good as before, and another time will do */
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED ||
        (rc & 0xff) == SQLITE_NOMEM)
        return 0;
    return db_error(&s->db, rc, "checkpoint");
}
