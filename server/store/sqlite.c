/*
 * sqlite.c - the SQLite driver: the data directory and its lock, connections and statements, and
 * transactions.
 *
 * Rules that must hold (the library's log reset is unsafe otherwise): one read-write connection
 * makes every commit and every checkpoint; all others are read-only and never checkpoint; no memory
 * map.
 */
#include "sqlite.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/log.h"
#include "migrate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const stmt_text[STMTS] = {
#define STMT(name, who, text) [STMT_##name] = text,
#include "stmts_sqlite.def"
#undef STMT
};
static const enum stmt_for stmt_who[STMTS] = {
#define STMT(name, who, text) [STMT_##name] = who,
#include "stmts_sqlite.def"
#undef STMT
};

/* ---- connections and statements ---- */

static bool names_jobs[STMTS]; /* it may look for a row that waits, and is not what writes it
                                  (sqlite_rows.c) */

int db_error(const struct db *d, int rc, const char *doing)
{
    log_error("store: %s: %s (%d)", doing, d->c ? sqlite3_errmsg(d->c) : sqlite3_errstr(rc), rc);
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ERR_STORE_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -ERR_STORE_CORRUPT;
    case SQLITE_NOMEM:
        return -ERR_NOMEM;
    case SQLITE_CONSTRAINT: /* it refuses what it was asked for, and is whole */
    case SQLITE_TOOBIG:
        return -ERR_INTERNAL;
    default:
        return -ERR_STORE;
    }
}

int db_prepare(struct db *d, enum stmt_for who)
{
    for (int i = 0; i < STMTS && who == FOR_WRITER; i++)
        names_jobs[i] = strstr(stmt_text[i], "jobs") && !strstr(stmt_text[i], " FROM new_");
    for (int i = 0; i < STMTS; i++) {
        if (!(stmt_who[i] & who))
            continue;
        int rc = sqlite3_prepare_v3(d->c, stmt_text[i], -1, SQLITE_PREPARE_PERSISTENT, &d->stmt[i],
                                    NULL);
        if (rc != SQLITE_OK)
            return db_error(d, rc, stmt_text[i]);
    }
    return 0;
}

void db_close(struct db *d)
{
    for (int i = 0; i < STMTS; i++) {
        sqlite3_finalize(d->stmt[i]);
        d->stmt[i] = NULL;
    }
    rows_release(d);
    int rc = sqlite3_close(d->c);
    if (rc != SQLITE_OK)
        log_error("store: close: %s", sqlite3_errstr(rc));
    d->c = NULL;
}

int db_bind(const struct db *d, sqlite3_stmt *st, const struct param *p, int n)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < n && rc == SQLITE_OK; i++) {
        /* A NULL pointer would bind NULL where an empty value is meant. */
        const void *data = p[i].data ? p[i].data : "";
        switch (p[i].type) {
        case PARAM_INT:
            rc = sqlite3_bind_int64(st, i + 1, p[i].i);
            break;
        case PARAM_TEXT:
            rc = sqlite3_bind_text64(st, i + 1, data, p[i].len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case PARAM_BLOB:
            rc = sqlite3_bind_blob64(st, i + 1, data, p[i].len, SQLITE_STATIC);
            break;
        case PARAM_NULL:
            rc = sqlite3_bind_null(st, i + 1);
            break;
        }
    }
    return rc == SQLITE_OK ? 0 : db_error(d, rc, "bind");
}

int db_next(const struct db *d, enum stmt st)
{
    int rc = sqlite3_step(d->stmt[st]);
    if (rc == SQLITE_ROW)
        return 1;
    int err = rc == SQLITE_DONE ? 0 : db_error(d, rc, stmt_text[st]);
    sqlite3_reset(d->stmt[st]);
    return err;
}

int db_first(const struct db *d, enum stmt st, const struct param *p, int n)
{
    int err = d->rows && names_jobs[st] ? rows_write(d) : 0;
    if (!err)
        err = db_bind(d, d->stmt[st], p, n);
    return err ? err : db_next(d, st);
}

void db_done(const struct db *d, enum stmt st)
{
    sqlite3_reset(d->stmt[st]); /* its result repeats that of the last step, which was looked at */
}

int db_run(const struct db *d, enum stmt st, const struct param *p, int n)
{
    int got = db_first(d, st, p, n);
    if (got == 1) {
        db_done(d, st);
        return -ERR_INTERNAL;
    }
    return got < 0 ? got : sqlite3_changes(d->c);
}

int sqlite_open_connection(struct db *d, const char *path, int flags, uint64_t cache_bytes)
{
    const char *layer = NULL;
    bool writer = (flags & SQLITE_OPEN_READWRITE) != 0;
    int rc = files_layer(&layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path, &d->c, flags | SQLITE_OPEN_NOMUTEX, layer);
    if (rc != SQLITE_OK)
        return db_error(d, rc, "open");
    char pragmas[400];
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA cache_size = -%llu;"
             "PRAGMA temp_store = MEMORY;%s",
             (unsigned long long)(cache_bytes / 1024),
             writer
                 ? "PRAGMA auto_vacuum = INCREMENTAL;" /* of a new store: before its first page */
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "PRAGMA secure_delete = OFF; PRAGMA foreign_keys = OFF;"
                 : "PRAGMA query_only = ON;");
    sqlite3_extended_result_codes(d->c, 1);
    rc = sqlite3_busy_timeout(d->c, STORE_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(d->c, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_autocheckpoint(d->c, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(d->c, pragmas, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(d, rc, "open");
}

/* ---- transactions ---- */

int sqlite_begin(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    s->due_hint_us = INT64_MAX;
    s->passed = 0;
    s->wrote = false;
    seen_forget(s);
    int err = db_run(&s->db, STMT_BEGIN, NULL, 0);
    return err < 0 ? err : 0;
}

/* Reads again what memory held of the store and the undone transaction had changed. */
static int reload(struct sqlite_store *s)
{
    int err = keys_load(s);
    if (!err)
        err = settle_undo(s);
    if (!err)
        err = checkpoints_load(s);
    int got = err ? err : db_first(&s->db, STMT_TASK_ALL, NULL, 0);
    for (; got == 1; got = db_next(&s->db, STMT_TASK_ALL)) {
        sqlite3_stmt *st = s->db.stmt[STMT_TASK_ALL];
        struct store_task *t = sqlite_task(s, (uint32_t)sqlite3_column_int64(st, 0));
        if (t)
            atomic_store_explicit(&t->paused, sqlite3_column_int(st, 2) != 0, memory_order_relaxed);
    }
    return got;
}

int sqlite_rollback(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    rows_drop(&s->db);
    counters_settle(s, false);
    lent_settle(s, false);
    if (sqlite3_get_autocommit(s->db.c) == 0) {
        int err = db_run(&s->db, STMT_ROLLBACK, NULL, 0);
        if (err < 0)
            return err;
    } /* else SQLite undid it by itself, or it never began */
    touch_end(&s->touch);
    return s->closing ? 0 : reload(s);
}

int sqlite_commit(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    int err = rows_write(&s->db);
    if (!err)
        err = group_flush(s, clock_wall_us());
    if (!err)
        err = counters_write(s);
    bool before = err == -ERR_NOMEM; /* nothing was to be kept yet */
    if (!err)
        err = db_run(&s->db, STMT_COMMIT, NULL, 0);
    if (err >= 0) {
        touch_end(&s->touch);
        counters_settle(s, true);
        lent_settle(s, true);
        settle_reset(s);
        return 0;
    }
    /* Full is told for a write that failed, never for a sync: what was rolled back then is gone.
     * Memory that ended within COMMIT itself may leave what is found again after a crash. */
    bool known = before || err == -ERR_STORE_FULL;
    int undone = sqlite_rollback(base);
    if (known)
        return undone ? undone : err;
    if (undone && undone != -ERR_NOMEM && undone != -ERR_STORE_FULL)
        return undone;
    return err == -ERR_NOMEM ? -ERR_STORE : err;
}

int db_run_one(struct sqlite_store *s, enum stmt st, const struct param *p, int n)
{
    int changed = db_run(&s->db, st, p, n);
    if (changed < 0)
        return changed;
    return changed == 1 ? 0 : -ERR_STORE_CORRUPT;
}

/* ---- the data directory ---- */

static int fail(struct buf *why, int err, const char *what, const char *path)
{
    buf_addf(why, "cannot %s %s: %s", what, path, strerror(errno));
    return err;
}

static int lock_dir(struct sqlite_store *s, struct buf *why)
{
    char path[4096], pid[32] = "";
    if (snprintf(path, sizeof(path), "%s/jobmill.lock", s->dir) >= (int)sizeof(path)) {
        buf_adds(why, "the path of the data directory is too long");
        return -ERR_STORE;
    }
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return fail(why, -ERR_STORE, "open", path);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock_fd, F_OFD_SETLK, &lock) != 0) {
        if (errno != EAGAIN && errno != EACCES)
            return fail(why, -ERR_STORE, "lock", path);
        ssize_t got = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[got > 0 ? got : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        buf_addf(why, "the data directory %s is in use by process %s: stop it, or use another",
                 s->dir, pid[0] ? pid : "(unknown)");
        return -ERR_STORE_BUSY;
    }
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
        return fail(why, errno == ENOSPC ? -ERR_STORE_FULL : -ERR_STORE, "write", path);
    return 0;
}

static int open_dir(struct sqlite_store *s, const char *dir, struct buf *why)
{
    s->dir = strdup(dir);
    if (!s->dir || asprintf(&s->path, "%s/jobmill.db", dir) < 0) {
        s->path = NULL;
        return -ERR_NOMEM;
    }
    if (asprintf(&s->wal_path, "%s-wal", s->path) < 0) {
        s->wal_path = NULL;
        return -ERR_NOMEM;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail(why, errno == ENOSPC ? -ERR_STORE_FULL : -ERR_STORE, "make the data directory",
                    dir);
    int err = lock_dir(s, why);
    if (err)
        return err;
    /* Made here for its mode, which SQLite then gives to the log; closed before SQLite locks it. */
    int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, errno == ENOSPC ? -ERR_STORE_FULL : -ERR_STORE, "open", s->path);
    close(fd);
    return 0;
}

static int sync_dir(const struct sqlite_store *s, struct buf *why)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(why, -ERR_STORE, "open", s->dir);
    int err = fsync(fd) == 0 ? 0 : fail(why, -ERR_STORE, "sync", s->dir);
    close(fd);
    return err;
}

static void sqlite_read_sizes(const struct store *base, struct store_sizes *out)
{
    const struct sqlite_store *s = (const struct sqlite_store *)base;
    struct stat st;
    out->db = stat(s->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    out->wal = stat(s->wal_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* ---- life ---- */

static int sqlite_schema_version(const struct store *base)
{
    return ((const struct sqlite_store *)base)->version;
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    for (size_t i = 0; i < s->heads; i++)
        sqlite3_finalize(s->head[i]);
    free(s->head);
    s->closing = true;
    if (s->db.c && sqlite3_get_autocommit(s->db.c) == 0)
        sqlite_rollback(base);
    free(s->ended);
    free(s->gone);
    free(s->moves);
    free(s->running);
    lent_release(s);
    free(s->late);
    db_close(&s->db); /* the last connection moves the log into the database and removes it */
    for (uint32_t i = 0; i < atomic_load(&s->task_count); i++)
        free(s->task[i]);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->wal_path);
    free(s->path);
    free(s->dir);
    free(s);
}

static const struct store_ops sqlite_ops = {
    .close = sqlite_close,
    .schema_version = sqlite_schema_version,
    .job_version = sqlite_job_version,
    .recover = sqlite_recover,
    .task_id = sqlite_task_id,
    .tasks = sqlite_tasks,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .wrote = sqlite_wrote,
    .rollback = sqlite_rollback,
    .insert = sqlite_insert,
    .check_parents = sqlite_check_parents,
    .replay = sqlite_replay,
    .keep_key = sqlite_keep_key,
    .group_add = sqlite_group_add,
    .group_close = sqlite_group_close,
    .claim = sqlite_claim,
    .lent_due = sqlite_lent_due,
    .lent_since_us = sqlite_lent_since_us,
    .ready = sqlite_ready,
    .oldest_us = sqlite_oldest_us,
    .finish = sqlite_finish,
    .cancel = sqlite_cancel,
    .retry = sqlite_retry,
    .forget = sqlite_delete,
    .settle = sqlite_settle,
    .due_hint_us = sqlite_due_hint_us,
    .ended_count = sqlite_ended_count,
    .ended_id = sqlite_ended_id,
    .gone = sqlite_gone,
    .checkpoint_keep = sqlite_checkpoint_keep,
    .due = sqlite_due,
    .sweep_groups = sqlite_sweep_groups,
    .sweep_keys = sqlite_sweep_keys,
    .sweep_jobs = sqlite_sweep_jobs,
    .sweep_bytes = sqlite_sweep_bytes,
    .shrink = sqlite_shrink,
    .stream_get = sqlite_stream_get,
    .stream_put = sqlite_stream_put,
    .read_stream = sqlite_read_stream,
    .clock_set = sqlite_clock_set,
    .state_of = sqlite_state_of,
    .deliveries_new = sqlite_deliveries_new,
    .deliveries_due = sqlite_deliveries_due,
    .delivery_later = sqlite_delivery_later,
    .delivery_next_us = sqlite_delivery_next_us,
    .delivery_note = sqlite_delivery_note,
    .read_deliveries = sqlite_read_deliveries,
    .lease_add = sqlite_lease_add,
    .lease_get = sqlite_lease_get,
    .lease_beat = sqlite_lease_beat,
    .lease_drop = sqlite_lease_drop,
    .lease_held = sqlite_lease_held,
    .leases_heard = sqlite_leases_heard,
    .leases_expired = sqlite_leases_expired,
    .lease_next_us = sqlite_lease_next_us,
    .read_lease = sqlite_read_lease,
    .find_lease = sqlite_find_lease,
    .schedule_put = sqlite_schedule_put,
    .schedule_delete = sqlite_schedule_delete,
    .schedule_pause = sqlite_schedule_pause,
    .schedule_ran = sqlite_schedule_ran,
    .schedule_get = sqlite_schedule_get,
    .schedule_due = sqlite_schedule_due,
    .schedule_times = sqlite_schedule_times,
    .schedule_next_us = sqlite_schedule_next_us,
    .schedule_count = sqlite_schedule_count,
    .read_schedule = sqlite_read_schedule,
    .read_schedules = sqlite_read_schedules,
    .pause_task = sqlite_pause_task,
    .pause_pool = sqlite_pause_pool,
    .pool_paused = sqlite_pool_paused,
    .task_paused = sqlite_task_paused,
    .task_paused_id = sqlite_task_paused_id,
    .checkpoint = sqlite_checkpoint,
    .count_now = sqlite_count_now,
    .count = sqlite_count,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .read_job = sqlite_read_job,
    .read_bytes = sqlite_read_bytes,
    .read_list = sqlite_read_list,
    .read_group = sqlite_read_group,
    .read_attempts = sqlite_read_attempts,
    .read_counts = sqlite_read_counts,
    .read_queued_since = sqlite_read_queued_since,
    .read_sizes = sqlite_read_sizes,
};

static int vacuum_mode(struct sqlite_store *s)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db.c, "PRAGMA auto_vacuum", -1, &st, NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        s->shrinks = sqlite3_column_int(st, 0) == 2;
    sqlite3_finalize(st);
    return rc == SQLITE_OK ? 0 : db_error(&s->db, rc, "open");
}

static int open_db(struct sqlite_store *s, const struct store_options *o, struct buf *why)
{
    int err = sqlite_open_connection(&s->db, s->path, SQLITE_OPEN_READWRITE, o->cache_bytes);
    if (!err)
        err = migrate_run(s->db.c, &s->version, why);
    if (!err)
        err = rows_start(&s->db);
    if (!err)
        err = db_prepare(&s->db, FOR_WRITER);
    if (!err)
        touch_begin(&s->touch, s->db.c);
    if (!err)
        err = names_load(s);
    if (!err)
        err = parents_load(s);
    if (!err)
        err = checkpoints_load(s);
    if (!err)
        err = vacuum_mode(s);
    if (!err)
        err = sqlite_log_start(s, o->wal_limit);
    if (err && why->len == 0)
        buf_addf(why, "cannot open %s: %s", s->path,
                 s->db.c ? sqlite3_errmsg(s->db.c) : "no memory");
    return err;
}

/* Of the library, before its first use: no count of its memory, which takes a lock at each
 * allocation, and no lock of a connection's, for each has one thread. */
static void configure(void)
{
    /* Refused when the library is in use already (a second store of a test): then it stays. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
}

int sqlite_open(const struct store_options *o, struct store **out, struct buf *why)
{
    struct sqlite_store *s = calloc(1, sizeof(*s));
    if (!s)
        return -ERR_NOMEM;
    configure();
    s->base.ops = &sqlite_ops;
    s->lock_fd = -1;
    s->due_hint_us = INT64_MAX;
    s->reader_cache_bytes = o->reader_cache_bytes;
    s->page_size = 4096;
    int err = lent_start(s);
    if (!err)
        err = open_dir(s, o->data_dir, why);
    if (!err)
        err = open_db(s, o, why);
    if (!err)
        err = sync_dir(s, why);
    if (err) {
        sqlite_close(&s->base);
        return err;
    }
    *out = &s->base;
    return 0;
}
