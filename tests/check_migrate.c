/*
 * check_migrate.c - the schema's steps, from nothing and from every kept store of an earlier one
 * (tests/kept), ended at every moment: killed before each statement, and with the power cut at each
 * write and sync. The store is the old or the new one of some step, never between; then the rest is
 * applied, and nothing that was in it is missing. JOBMILL_IMAGES (`make powerloss`): each moment,
 * else some. Single thread, children.
 */
#include "../common/buf.h"
#include "../common/embed.h"
#include "../common/log.h"
#include "../server/store/migrate.h"
#include "../server/store/store.h"
#include "crashvfs.h"
#include "suite.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATEMENTS 500 /* of one migration; there are fewer */
#define SEEDS      2   /* disks for each write and sync */

static char base[64], live[96], disk[96];
static char *before[STATEMENTS]; /* what is committed when the n-th statement begins */
static int statements;

static void clean(const char *dir)
{
    static const char *const names[] = {"jobmill.db", "jobmill.db-wal", "jobmill.db-shm",
                                        "jobmill.db-journal", "jobmill.lock"};
    char path[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void setup(void)
{
    snprintf(base, sizeof(base), "%s/check_migrate.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(live, sizeof(live), "%s/live", base);
    snprintf(disk, sizeof(disk), "%s/disk", base);
    ck_assert_int_eq(crashvfs_install(), 0);
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "test");
}

static void teardown(void)
{
    clean(live);
    clean(disk);
    rmdir(base);
    crashvfs_stop();
}

/* ---- a store ---- */

static sqlite3 *connect(const char *dir)
{
    char path[160];
    sqlite3 *c;
    snprintf(path, sizeof(path), "%s/jobmill.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    return c;
}

static void run(sqlite3 *c, const char *sql)
{
    char *why = NULL;
    int rc = sqlite3_exec(c, sql, NULL, NULL, &why);
    ck_assert_msg(rc == SQLITE_OK, "%.60s: %s", sql, why ? why : "");
}

/* An empty directory, or one with a kept store. */
static void make(const char *dir, const char *dump)
{
    clean(dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    sqlite3 *c = connect(dir);
    run(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    if (dump) {
        FILE *f = fopen(dump, "r");
        struct stat st;
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fstat(fileno(f), &st), 0);
        char *text = calloc(1, (size_t)st.st_size + 1);
        ck_assert_ptr_nonnull(text);
        ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, f), (size_t)st.st_size);
        fclose(f);
        run(c, text);
        free(text);
    }
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
}

static int add_row(void *arg, int n, char **value, char **name)
{
    (void)name;
    for (int i = 0; i < n; i++)
        buf_addf(arg, "%s|", value[i] ? value[i] : "");
    buf_addc(arg, '\n');
    return 0;
}

static bool has_table(sqlite3 *c, const char *name)
{
    AUTO_BUF out = BUF_INIT;
    char sql[200];
    snprintf(sql, sizeof(sql), "SELECT 1 FROM sqlite_schema WHERE name = '%s'", name);
    ck_assert_int_eq(sqlite3_exec(c, sql, add_row, &out, NULL), SQLITE_OK);
    return out.len > 0;
}

/* What is committed: the schema, which steps were applied, and how many rows each table of old has.
 */
static char *state_of(sqlite3 *c)
{
    static const char *const tables[] = {
        "jobs",       "attempts", "blobs",     "counters", "tasks",   "dependencies", "idempotency",
        "job_groups", "job_tags", "schedules", "leases",   "uniques", "deliveries"};
    struct buf out = BUF_INIT;
    int rc = sqlite3_exec(c,
                          "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name;"
                          "PRAGMA user_version; PRAGMA application_id",
                          add_row, &out, NULL);
    if (rc == SQLITE_OK && has_table(c, "migrations"))
        rc = sqlite3_exec(c, "SELECT version, name FROM migrations", add_row, &out, NULL);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && rc == SQLITE_OK; i++) {
        char sql[100];
        snprintf(sql, sizeof(sql), "SELECT '%s', count(*) FROM %s", tables[i], tables[i]);
        if (has_table(c, tables[i]))
            rc = sqlite3_exec(c, sql, add_row, &out, NULL);
    }
    ck_assert_msg(rc == SQLITE_OK, "%s", sqlite3_errmsg(c));
    return buf_take(&out, NULL);
}

static char *state_in(const char *dir)
{
    sqlite3 *c = connect(dir);
    char *state = state_of(c);
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
    return state;
}

/* ---- kills ---- */

static int kill_at; /* 0: nobody is killed, and what is committed is noted */
static sqlite3 *watcher;

static int on_statement(unsigned kind, void *arg, void *p, void *x)
{
    (void)kind, (void)arg, (void)p, (void)x;
    statements++;
    if (kill_at && statements == kill_at)
        raise(SIGKILL);
    if (!kill_at) {
        ck_assert_int_lt(statements, STATEMENTS);
        before[statements] = state_of(watcher);
    }
    return 0;
}

static void migrate(const char *dir)
{
    AUTO_BUF why = BUF_INIT;
    int version;
    sqlite3 *c = connect(dir);
    run(c, "PRAGMA synchronous = FULL");
    statements = 0;
    ck_assert_int_eq(sqlite3_trace_v2(c, SQLITE_TRACE_STMT, on_statement, NULL), SQLITE_OK);
    int err = migrate_run(c, &version, &why);
    ck_assert_msg(err == 0, "%d %s", err, why.data ? why.data : "");
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
}

static void kill_migration(int at)
{
    int status;
    pid_t pid = test_fork();
    if (pid == 0) {
        kill_at = at;
        migrate(live);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "statement %d: status %x", at,
                  (unsigned)status);
}

static bool is_sound(const char *dir)
{
    AUTO_BUF out = BUF_INIT;
    sqlite3 *c = connect(dir);
    ck_assert_int_eq(sqlite3_exec(c, "PRAGMA integrity_check", add_row, &out, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
    return strcmp(out.data, "ok|\n") == 0;
}

static int steps_applied(sqlite3 *c)
{
    AUTO_BUF out = BUF_INIT;
    if (has_table(c, "migrations"))
        ck_assert_int_eq(sqlite3_exec(c, "SELECT count(*) FROM migrations", add_row, &out, NULL),
                         SQLITE_OK);
    return out.len ? atoi(out.data) : 0;
}

/* The migration without kills; what is committed at its end. A step is committed as one. */
static char *learn(const char *dump)
{
    make(live, dump);
    kill_at = 0;
    watcher = connect(live);
    int had = steps_applied(watcher), changes = 0;
    migrate(live);
    int steps = steps_applied(watcher) - had;
    ck_assert_int_eq(sqlite3_close(watcher), SQLITE_OK);
    char *end = state_in(live);
    for (int n = 1; n <= statements; n++)
        changes += strcmp(before[n], n < statements ? before[n + 1] : end) != 0;
    ck_assert_msg(changes == steps, "%s: %d steps were committed in %d parts", dump ? dump : "new",
                  steps, changes);
    return end;
}

/* How many moments to pass over. */
static int stride(void)
{
    return getenv("JOBMILL_IMAGES") ? 1 : 11;
}

/* How many before the first: others for each dump, as all of them make the later migrations. */
static int offset;

static void kill_at_each(const char *dump)
{
    char *end = learn(dump);
    int all = statements, kills = 0;
    for (int n = 1 + offset; n <= all; n += stride(), kills++) {
        make(live, dump);
        kill_migration(n);
        char *there = state_in(live);
        ck_assert_msg(strcmp(there, before[n]) == 0, "%s, statement %d:\n%s\nnot\n%s",
                      dump ? dump : "new", n, there, before[n]);
        free(there);
        kill_at = -1;
        migrate(live);
        there = state_in(live);
        ck_assert_msg(strcmp(there, end) == 0, "%s, statement %d: the rest made\n%s\nnot\n%s",
                      dump ? dump : "new", n, there, end);
        ck_assert(is_sound(live));
        free(there);
    }
    for (int n = 1; n <= all; n++)
        free(before[n]);
    free(end);
    printf("%s: killed at %d of %d statements\n", dump ? dump : "a new store", kills, all);
}

/* ---- power cuts ---- */

static bool is_known(const char *state, char **known, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(state, known[i]) == 0)
            return true;
    }
    return false;
}

static void open_store(const char *dir)
{
    AUTO_BUF why = BUF_INIT;
    struct store *s;
    struct store_options o = {.data_dir = dir,
                              .cache_bytes = 1 << 20,
                              .reader_cache_bytes = 1 << 20,
                              .wal_limit = 1 << 20,
                              .migrate_only = true};
    int err = store_open(&o, &s, &why);
    ck_assert_msg(err == 0, "%d %s", err, why.data ? why.data : "");
    store_close(s);
}

static void cut_at_each(const char *dump)
{
    char *end = learn(dump), *known[STATEMENTS];
    int n = statements;
    memcpy(known, before + 1, (size_t)n * sizeof(known[0]));
    known[n] = end;
    make(live, dump);
    known[n + 1] = state_in(live);
    crashvfs_record(live);
    kill_at = -1;
    migrate(live);
    struct crash *c = crash_begin();
    size_t last = crashvfs_now(), cuts = 0;
    crashvfs_pause(true);
    for (size_t at = (size_t)offset; at <= last; at += (size_t)stride(), cuts++) {
        crash_advance(c, at);
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            clean(disk);
            ck_assert_int_eq(mkdir(disk, 0700), 0);
            ck_assert_int_eq(crash_image(c, at * SEEDS + seed, disk), 0);
            char *there = state_in(disk);
            ck_assert_msg(is_known(there, known, n + 2), "%s, cut at %zu:\n%s", dump ? dump : "new",
                          at, there);
            free(there);
            open_store(disk);
            there = state_in(disk);
            ck_assert_msg(strcmp(there, end) == 0, "%s, cut at %zu: the rest made\n%s\nnot\n%s",
                          dump ? dump : "new", at, there, end);
            free(there);
            ck_assert(is_sound(disk));
        }
    }
    crashvfs_pause(false);
    crash_end(c);
    crashvfs_stop();
    for (int i = 0; i <= n + 1; i++)
        free(known[i]);
    printf("%s: power cut at %zu of %zu writes and syncs\n", dump ? dump : "a new store", cuts,
           last + 1);
}

static void with_each(void (*test)(const char *dump))
{
    glob_t g;
    ck_assert_int_eq(glob("tests/kept/schema-*.sql", 0, NULL, &g), 0);
    ck_assert_uint_ge(g.gl_pathc, 12);
    offset = 0;
    test(NULL);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        offset = (offset + 1) % stride();
        test(g.gl_pathv[i]);
    }
    globfree(&g);
}

START_TEST(killed_at_each_statement)
{
    with_each(kill_at_each);
}
END_TEST

START_TEST(cut_at_each_write)
{
    with_each(cut_at_each);
}
END_TEST

int main(void)
{
    return SUITE("migrate", setup, teardown, killed_at_each_statement, cut_at_each_write);
}
