/*
 * sqlite_salvage.c - a new store of what can still be read of a damaged one. Called by `jobmill
 * recover`, in a process of its own.
 *
 * The damaged file is only read. Each table is walked from both ends; where a page cannot be read
 * the keys between are searched for what lies between two bad pages, by steps and by what names
 * rows elsewhere. A row without which another makes no sense takes it along: a job whose input is
 * lost is no job. What follows from rows (counters, groups' counts, tags) is made anew, and who
 * waits for whom is completed by what jobs say that they depend on.
 */
#include "sqlite.h"

#include "../../common/err.h"
#include "../../common/fdio.h"
#include "migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_(n) #n
#define NUMBER(n)  NUMBER_(n)
#define GAPS_MAX   1000 /* stretches between bad pages that are still to be looked at */

struct range {
    int64_t from, to;
};

struct salvage {
    sqlite3 *from, *to;
    int version; /* of the damaged store's schema */
    struct store_salvage *out;
    struct buf *why;
};

static int say(struct salvage *s, sqlite3 *c, int rc, const char *doing)
{
    buf_addf(s->why, "cannot %s: %s", doing, sqlite3_errmsg(c));
    return (rc & 0xff) == SQLITE_FULL                                      ? -ERR_STORE_FULL
           : (rc & 0xff) == SQLITE_NOMEM                                   ? -ERR_NOMEM
           : (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB ? -ERR_STORE_CORRUPT
                                                                           : -ERR_STORE;
}

static bool is_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_IOERR;
}

/* ---- one table ---- */

struct table {
    char name[40], key[40]; /* key: the first column of the primary key */
    bool keyed;             /* it is a number */
    bool learned;           /* the table `known` has what its index tells */
    struct buf columns;     /* those that both stores have */
    sqlite3_stmt *up, *down, *put;
    sqlite3_stmt *hint; /* keys of a range that it may have; NULL: nothing names them */
};

static void table_release(struct table *t)
{
    sqlite3_finalize(t->up);
    sqlite3_finalize(t->down);
    sqlite3_finalize(t->put);
    sqlite3_finalize(t->hint);
    buf_release(&t->columns);
}

static bool has_column(sqlite3 *c, const char *table, const char *column)
{
    return sqlite3_table_column_metadata(c, "main", table, column, NULL, NULL, NULL, NULL, NULL) ==
           SQLITE_OK;
}

/* Its columns, and what it is sorted by. */
static int describe(struct salvage *s, struct table *t)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->to, "SELECT name, type, pk FROM pragma_table_info(?1)", -1, &st,
                                NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, t->name, -1, SQLITE_STATIC);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        const char *type = (const char *)sqlite3_column_text(st, 1);
        rc = name && type ? SQLITE_OK : SQLITE_NOMEM;
        if (rc == SQLITE_OK && sqlite3_column_int(st, 2) == 1) {
            snprintf(t->key, sizeof(t->key), "%s", name);
            t->keyed = strcmp(type, "INTEGER") == 0;
        }
        if (rc == SQLITE_OK && has_column(s->from, t->name, name))
            buf_addf(&t->columns, "%s%s", t->columns.len ? ", " : "", name);
    }
    sqlite3_finalize(st);
    if (rc != SQLITE_DONE || t->columns.failed)
        return t->columns.failed ? -ERR_NOMEM : say(s, s->to, rc, "read the new store");
    return 0;
}

#define LEARNED "SELECT key FROM temp.known WHERE key BETWEEN ?1 AND ?2"

/* Where else the keys of a table are told: in the new store, or in an index of the damaged one. */
static const struct {
    const char *table, *sql;
    const char *index, *column; /* of LEARNED: which, and what it is sorted by */
} hints[] = {
    {"jobs", LEARNED, "jobs_task", "task_id"},
    {"leases", LEARNED, "leases_job", "job_key"},
    {"deliveries", LEARNED, "deliveries_subject", "subject_key"},
    {"blobs", "SELECT key * 4 FROM jobs WHERE key BETWEEN ?1 / 4 AND ?2 / 4", NULL, NULL},
    {"attempts", "SELECT key FROM jobs WHERE key BETWEEN ?1 AND ?2", NULL, NULL},
    {"checkpoints", "SELECT key FROM jobs WHERE key BETWEEN ?1 AND ?2", NULL, NULL},
    {"dependencies",
     "SELECT key FROM jobs WHERE key BETWEEN ?1 AND ?2 UNION ALL SELECT key FROM job_groups WHERE "
     "key BETWEEN ?1 AND ?2",
     NULL, NULL},
    {"job_groups",
     "SELECT DISTINCT group_key FROM jobs WHERE group_key > 0 AND group_key BETWEEN ?1 AND ?2",
     NULL, NULL},
};
#define HINTS (sizeof(hints) / sizeof(hints[0]))

static int prepare_hint(struct salvage *s, struct table *t)
{
    for (size_t i = 0; i < HINTS; i++) {
        if (strcmp(hints[i].table, t->name) == 0 &&
            sqlite3_prepare_v2(s->to, hints[i].sql, -1, &t->hint, NULL) != SQLITE_OK)
            return say(s, s->to, sqlite3_errcode(s->to), "read the new store");
    }
    return 0;
}

static int prepare(struct salvage *s, struct table *t)
{
    char range[160] = "";
    AUTO_BUF up = BUF_INIT;
    AUTO_BUF down = BUF_INIT;
    AUTO_BUF put = BUF_INIT;
    if (t->keyed)
        snprintf(range, sizeof(range), "WHERE %s BETWEEN ?1 AND ?2", t->key);
    buf_addf(&up, "SELECT %s FROM %s NOT INDEXED %s ORDER BY %s", t->columns.data, t->name, range,
             t->key);
    buf_addf(&down, "%s DESC", up.data ? up.data : "");
    buf_addf(&put, "INSERT OR IGNORE INTO %s (%s) SELECT ", t->name, t->columns.data);
    int n = 1;
    for (const char *c = t->columns.data; *c; c++)
        n += *c == ',';
    for (int i = 1; i <= n; i++)
        buf_addf(&put, "%s?%d", i > 1 ? ", " : "", i);
    if (up.failed || down.failed || put.failed)
        return -ERR_NOMEM;
    int rc = sqlite3_prepare_v2(s->from, up.data, -1, &t->up, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(s->from, down.data, -1, &t->down, NULL);
    if (rc != SQLITE_OK)
        return say(s, s->from, rc, "read the damaged store");
    rc = sqlite3_prepare_v2(s->to, put.data, -1, &t->put, NULL);
    return rc == SQLITE_OK ? prepare_hint(s, t) : say(s, s->to, rc, "write the new store");
}

/* A row whose values a column does not take is damaged too: it is left out. */
static int put_row(struct salvage *s, struct table *t, sqlite3_stmt *row)
{
    int n = sqlite3_column_count(row), rc = SQLITE_OK;
    for (int i = 0; i < n && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_value(t->put, i + 1, sqlite3_column_value(row, i));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(t->put);
    sqlite3_reset(t->put);
    if (rc == SQLITE_DONE)
        s->out->rows += (uint64_t)sqlite3_changes(s->to);
    else if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH)
        s->out->bad_rows++;
    else
        return say(s, s->to, rc, "write the new store");
    return 0;
}

/* The column of the key in a row: the columns are the new store's, in its order. */
static int key_column(const struct table *t)
{
    int at = 0;
    size_t n = strlen(t->key);
    for (const char *c = t->columns.data; c && *c; c = strchr(c, ',') ? strchr(c, ',') + 2 : NULL) {
        if (strncmp(c, t->key, n) == 0 && (c[n] == ',' || c[n] == '\0'))
            return at;
        at++;
    }
    return 0;
}

/* What a walk found. */
struct walked {
    uint64_t rows;
    int64_t last; /* key of the last of them */
    bool whole;   /* up to the end of the range; else to a page that cannot be read */
};

static int walk(struct salvage *s, struct table *t, bool up, struct range r, struct walked *w)
{
    sqlite3_stmt *st = up ? t->up : t->down;
    int rc = SQLITE_OK, err = 0, at = key_column(t);
    *w = (struct walked){0};
    if (t->keyed) {
        (void)sqlite3_bind_int64(st, 1, r.from);
        (void)sqlite3_bind_int64(st, 2, r.to);
    }
    while (!err && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        w->rows++;
        if (t->keyed)
            w->last = sqlite3_column_int64(st, at);
        err = put_row(s, t, st);
    }
    sqlite3_reset(st);
    w->whole = rc == SQLITE_DONE;
    return err || w->whole || is_damage(rc) ? err : say(s, s->from, rc, "read the damaged store");
}

/* From `at` in both directions. What is left below and above, of which neither end can be read;
 * false: nothing. *found: there were rows. */
static int walk_from(struct salvage *s, struct table *t, struct range r, int64_t at,
                     struct range rest[2], bool left[2], bool *found)
{
    struct walked up, down;
    int err = walk(s, t, true, (struct range){at, r.to}, &up);
    if (!err)
        err = walk(s, t, false, (struct range){r.from, at - 1}, &down);
    if (err)
        return err;
    *found = up.rows + down.rows > 0;
    rest[0] = (struct range){r.from, down.rows ? down.last - 1 : at - 1};
    rest[1] = (struct range){up.rows ? up.last + 1 : at, r.to};
    for (int i = 0; i < 2; i++)
        left[i] = !(i ? up.whole : down.whole) && rest[i].from < rest[i].to;
    return 0;
}

/* The keys of a table in the order of an index, as far as it can be read. */
static int learn(struct salvage *s, size_t hint, const char *order)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    char sql[160];
    snprintf(sql, sizeof(sql), "SELECT key FROM %s INDEXED BY %s ORDER BY %s%s, key%s",
             hints[hint].table, hints[hint].index, hints[hint].column, order, order);
    int rc = sqlite3_prepare_v2(s->to, "INSERT OR IGNORE INTO temp.known (key) VALUES (?1)", -1,
                                &to, NULL);
    if (rc == SQLITE_OK && sqlite3_prepare_v2(s->from, sql, -1, &from, NULL) == SQLITE_OK) {
        while ((rc == SQLITE_OK || rc == SQLITE_DONE) && sqlite3_step(from) == SQLITE_ROW) {
            (void)sqlite3_bind_int64(to, 1, sqlite3_column_int64(from, 0));
            rc = sqlite3_step(to);
            sqlite3_reset(to);
        }
    }
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc == SQLITE_OK || rc == SQLITE_DONE ? 0 : say(s, s->to, rc, "write the new store");
}

/* From both ends of the index, when they are first asked for. */
static int learn_table(struct salvage *s, struct table *t)
{
    int err = 0;
    for (size_t i = 0; i < HINTS && !t->learned && !err; i++) {
        if (!hints[i].index || strcmp(hints[i].table, t->name) != 0)
            continue;
        if (sqlite3_exec(s->to, "DELETE FROM temp.known", NULL, NULL, NULL) != SQLITE_OK)
            err = say(s, s->to, sqlite3_errcode(s->to), "write the new store");
        if (!err)
            err = learn(s, i, "");
        if (!err)
            err = learn(s, i, " DESC");
    }
    t->learned = true;
    return err;
}

/* A range of which no step came upon a good page: keys of one time lie close together, far from
 * both ends. */
static int follow_hints(struct salvage *s, struct table *t, struct range r, struct range rest[2],
                        bool left[2], bool *found)
{
    int err = t->hint ? learn_table(s, t) : 0;
    if (!t->hint || err)
        return err;
    (void)sqlite3_bind_int64(t->hint, 1, r.from);
    (void)sqlite3_bind_int64(t->hint, 2, r.to);
    while (!err && !*found && sqlite3_step(t->hint) == SQLITE_ROW) {
        int64_t at = sqlite3_column_int64(t->hint, 0);
        err = walk_from(s, t, r, at < r.from ? r.from : at, rest, left, found);
    }
    sqlite3_reset(t->hint);
    return err;
}

/* Neither end of the range can be read. Steps from both that double land between two bad pages,
 * wherever those are: what is good between two of them is as wide as the one before it, or wider.
 */
static int search(struct salvage *s, struct table *t, struct range r, struct range rest[2],
                  bool left[2])
{
    uint64_t width = (uint64_t)r.to - (uint64_t)r.from;
    bool found = false;
    int err = 0;
    for (int k = 0; k < 63 && UINT64_C(1) << k < width && !found && !err; k++) {
        int64_t step = INT64_C(1) << k;
        err = walk_from(s, t, r, r.from + step, rest, left, &found);
        if (!err && !found)
            err = walk_from(s, t, r, r.to - step, rest, left, &found);
    }
    if (!found && !err)
        err = follow_hints(s, t, r, rest, left, &found);
    if (!found)
        left[0] = left[1] = false; /* nothing of it can be reached */
    return err;
}

static int salvage_table(struct salvage *s, struct table *t)
{
    struct range stack[GAPS_MAX + 2], rest[2], all = {0, INT64_MAX};
    bool left[2];
    size_t n = 0;
    /* the ends first */
    struct walked up, down;
    int err = walk(s, t, true, all, &up);
    if (err || up.whole)
        return err;
    s->out->damaged++;
    all.from = up.rows ? up.last + 1 : all.from;
    err = walk(s, t, false, all, &down);
    all.to = down.rows ? down.last - 1 : all.to;
    if (!err && t->keyed && !down.whole && all.from < all.to)
        stack[n++] = all;
    while (!err && n > 0) {
        err = search(s, t, stack[--n], rest, left);
        for (int i = 0; i < 2 && !err; i++) {
            if (left[i] && n < GAPS_MAX)
                stack[n++] = rest[i];
        }
    }
    return err;
}

/* Is it in the list of the damaged store's tables? Where that is lost, the tables are. */
static int one_table(struct salvage *s, const char *name)
{
    struct table t = {0};
    snprintf(t.name, sizeof(t.name), "%s", name);
    int err = describe(s, &t);
    if (!err && t.columns.len == 0 && strcmp(name, "jobs") == 0) {
        buf_adds(s->why, "nothing can be recovered: the store's list of its tables is lost");
        err = -ERR_STORE_CORRUPT;
    } else if (!err && t.columns.len == 0) {
        s->out->damaged += s->version == s->out->version; /* else it is older than the table */
    } else if (!err) {
        err = prepare(s, &t);
        if (!err)
            err = salvage_table(s, &t);
    }
    table_release(&t);
    return err;
}

/* ---- the store ---- */

static const char *const tables[] = {
    "tasks",       "jobs",  "blobs",     "attempts", "job_groups", "dependencies", "uniques",
    "idempotency", "pools", "schedules", "leases",   "deliveries", "checkpoints",  "job_tags"};

/* Jobs that wait for more than is known of, as rows of `dependencies` are lost. */
static const char short_of_rows[] =
    "CREATE TEMP VIEW short AS SELECT j.key, j.depends_on FROM main.jobs j LEFT JOIN (SELECT "
    "child, "
    "count(*) AS n FROM main.dependencies GROUP BY child) d ON d.child = j.key WHERE j.state = 0 "
    "AND j.waits > ifnull(d.n, 0)";

/* What they name is noted as what they wait for. */
#define WAIT_FOR                                                                                   \
    "INSERT OR IGNORE INTO dependencies (parent, child) SELECT key_of(d.value), s.key FROM "       \
    "temp.short s, json_each(s.depends_on) d WHERE json_valid(s.depends_on) AND "                  \
    "key_of(d.value) IS NOT NULL "

/* Large bytes are in `blobs`, which a job without its own cannot do without. Numbers of tasks are
 * places in an array (STORE_TASKS_MAX). A job whose group is lost is one of none, for a move of it
 * would be counted there. A group is made of the jobs that are left: without any it is gone, and
 * where none of them is to run it is opened, for the next start closes what is open, tells its
 * callback_url and passes its end on. A job whose rows of `dependencies` are lost waits for what it
 * depends on and has not ended; where that is less than it waited for, for all of it: what is lost
 * may have failed, and the next start lets it fail by that. One that names nothing waits for a key
 * that no job has. */
static const char *const mending[] = {
    "DELETE FROM tasks WHERE task_id NOT BETWEEN 1 AND " NUMBER(STORE_TASKS_MAX),
    "DELETE FROM jobs WHERE task_id NOT BETWEEN 1 AND " NUMBER(STORE_TASKS_MAX),
    "DELETE FROM jobs WHERE state NOT BETWEEN 0 AND 6 OR priority NOT BETWEEN -100 AND 100 OR "
    "attempt < 0 OR max_attempts < 1 OR input_size < 0 OR result_size < 0 OR timeout_us < 0",
    "DELETE FROM jobs WHERE input IS NULL AND input_size > 1024 AND NOT EXISTS (SELECT 1 FROM "
    "blobs WHERE blob_id = key * 4)",
    "DELETE FROM jobs WHERE result IS NULL AND result_size > 1024 AND NOT EXISTS (SELECT 1 FROM "
    "blobs WHERE blob_id = key * 4 + 1)",
    /* recovered-5, or where a task has that name, recovered-5-2, and so on */
    "INSERT INTO tasks (task_id, name) SELECT task_id, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
    "SELECT i + 1 FROM n) SELECT 'recovered-' || d.task_id || iif(i = 1, '', '-' || i) FROM n "
    "WHERE "
    "'recovered-' || d.task_id || iif(i = 1, '', '-' || i) NOT IN (SELECT name FROM tasks) LIMIT "
    "1) "
    "FROM (SELECT DISTINCT task_id FROM jobs WHERE task_id NOT IN (SELECT task_id FROM tasks)) d",
    "DELETE FROM blobs WHERE blob_id / 4 NOT IN (SELECT key FROM jobs)",
    "DELETE FROM attempts WHERE key NOT IN (SELECT key FROM jobs)",
    "DELETE FROM leases WHERE job_key NOT IN (SELECT key FROM jobs)",
    "DELETE FROM checkpoints WHERE key NOT IN (SELECT key FROM jobs)",
    "DELETE FROM job_tags WHERE key NOT IN (SELECT key FROM jobs)",
    "DELETE FROM uniques WHERE key NOT IN (SELECT key FROM jobs)",
    "UPDATE jobs SET group_key = 0, group_tail = 0 WHERE group_key <> 0 AND group_key NOT IN "
    "(SELECT key FROM job_groups)",
    "DELETE FROM job_groups WHERE (open & 1) = 0 AND key NOT IN (SELECT group_key FROM jobs)",
    "UPDATE job_groups SET n0 = 0, n1 = 0, n2 = 0, n3 = 0, n4 = 0, n5 = 0, n6 = 0",
    "UPDATE job_groups SET n0 = c.n0, n1 = c.n1, n2 = c.n2, n3 = c.n3, n4 = c.n4, n5 = c.n5, "
    "n6 = c.n6 FROM (SELECT group_key, sum(state = 0) AS n0, sum(state = 1) AS n1, "
    "sum(state = 2) AS n2, sum(state = 3) AS n3, sum(state = 4) AS n4, sum(state = 5) AS n5, "
    "sum(state = 6) AS n6 FROM jobs WHERE group_key <> 0 GROUP BY group_key) AS c "
    "WHERE c.group_key = job_groups.key",
    "UPDATE job_groups SET finished_us = 0 WHERE n0 + n1 + n2 > 0",
    "UPDATE job_groups SET open = open | 1 WHERE n0 + n1 + n2 = 0 AND finished_us = 0",
    "DELETE FROM dependencies WHERE child NOT IN (SELECT key FROM jobs)",
    WAIT_FOR "AND (EXISTS (SELECT 1 FROM jobs WHERE key = key_of(d.value) AND state < 3) OR EXISTS "
             "(SELECT 1 FROM job_groups WHERE key = key_of(d.value) AND finished_us = 0))",
    WAIT_FOR,
    "INSERT OR IGNORE INTO dependencies (parent, child) SELECT 1, key FROM temp.short",
    "UPDATE jobs SET waits = d.n FROM (SELECT child, count(*) AS n FROM dependencies GROUP BY "
    "child) AS d WHERE d.child = jobs.key AND state = 0 AND waits > 0 AND waits <> d.n",
    "DELETE FROM idempotency WHERE key NOT IN (SELECT key FROM jobs) AND kind IN (0, 4)",
    "DELETE FROM idempotency WHERE key NOT IN (SELECT key FROM job_groups) AND kind NOT IN (0, 4)",
    "INSERT OR IGNORE INTO job_tags (tag, key) SELECT t.value, j.key FROM jobs j, "
    "json_each(j.tags) t WHERE j.tags <> '' AND json_valid(j.tags)",
    "DELETE FROM counters",
    "INSERT INTO counters (task_id, state, n) SELECT task_id, state, count(*) FROM jobs GROUP BY "
    "task_id, state",
};

static int number(struct salvage *s, sqlite3 *c, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c, sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : say(s, c, rc, "read the damaged store");
}

static int run(struct salvage *s, const char *sql)
{
    int rc = sqlite3_exec(s->to, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : say(s, s->to, rc, "write the new store");
}

/* Is it ours, and of a schema that is known? */
static int check_source(struct salvage *s)
{
    int64_t app = 0, version = 0;
    int err = number(s, s->from, "PRAGMA application_id", &app);
    if (!err)
        err = number(s, s->from, "PRAGMA user_version", &version);
    s->version = (int)version;
    if (!err && app != MIGRATE_APPLICATION_ID) {
        buf_adds(s->why, "jobmill.db in the data directory is not a store of jobmill, or its first "
                         "page is lost");
        err = -ERR_STORE_CORRUPT;
    } else if (!err && version > s->out->version) {
        buf_addf(s->why,
                 "the store has schema version %d and this program knows %d: use a newer jobmill",
                 (int)version, s->out->version);
        err = -ERR_STORE_NEWER;
    }
    return err;
}

/* key_of(TEXT): that of an id, or NULL. */
static void key_of(sqlite3_context *c, int n, sqlite3_value **arg)
{
    (void)n;
    struct id id;
    const char *text = (const char *)sqlite3_value_text(arg[0]);
    if (text && id_parse(&id, text, (size_t)sqlite3_value_bytes(arg[0])))
        sqlite3_result_int64(c, (int64_t)id_key(&id));
}

static int salvage(struct salvage *s)
{
    int err = run(s, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = MEMORY; "
                     "PRAGMA temp_store = MEMORY");
    if (!err)
        err = migrate_run(s->to, &s->out->version, s->why);
    if (!err)
        err = check_source(s);
    if (!err && sqlite3_create_function(s->to, "key_of", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                        NULL, key_of, NULL, NULL) != SQLITE_OK)
        err = say(s, s->to, sqlite3_errcode(s->to), "write the new store");
    if (!err)
        err = run(s, short_of_rows);
    if (!err)
        err = run(s, "CREATE TEMP TABLE known (key INTEGER PRIMARY KEY); BEGIN");
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !err; i++)
        err = one_table(s, tables[i]);
    for (size_t i = 0; i < sizeof(mending) / sizeof(mending[0]) && !err; i++)
        err = run(s, mending[i]);
    if (!err)
        err = run(s, "COMMIT");
    return err ? err : number(s, s->to, "SELECT count(*) FROM jobs", &s->out->jobs);
}

/* A store that is written to meanwhile would be read as it never was: a service, which locks the
 * directory for itself, must have ended, and cannot start before this has. Nothing is made where
 * there is no lock. */
static int lock_out_services(const char *data_dir, int *fd, struct buf *why)
{
    AUTO_BUF path = BUF_INIT;
    buf_addf(&path, "%s/jobmill.lock", data_dir);
    if (path.failed)
        return -ERR_NOMEM;
    *fd = open(path.data, O_RDONLY | O_CLOEXEC);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    if (*fd < 0 || fcntl(*fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
        return 0;
    buf_addf(why, "a service runs in the data directory %s: stop it first", data_dir);
    fd_close(fd);
    return -ERR_STORE_BUSY;
}

int sqlite_salvage(const char *data_dir, const char *file, struct store_salvage *out,
                   struct buf *why)
{
    struct salvage s = {.out = out, .why = why};
    AUTO_BUF path = BUF_INIT;
    buf_addf(&path, "%s/jobmill.db", data_dir);
    if (path.failed)
        return -ERR_NOMEM;
    const char *layer = NULL;
    int lock_fd = -1, err = lock_out_services(data_dir, &lock_fd, why);
    if (err)
        return err;
    int rc = files_layer(&layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path.data, &s.from, SQLITE_OPEN_READONLY, layer);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(s.from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(
            s.from,
            "PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA writable_schema = ON", NULL,
            NULL, NULL);
    if (rc != SQLITE_OK)
        err = say(&s, s.from, rc, "open the damaged store");
    rc = err ? SQLITE_OK : sqlite3_open_v2(file, &s.to, SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK)
        err = say(&s, s.to, rc, "open the new store");
    if (!err)
        err = salvage(&s);
    sqlite3_close(s.from);
    sqlite3_close(s.to);
    fd_close(&lock_fd);
    return err;
}
