/*
 * check_store_sqlite.c - what only the SQLite driver promises: refusals of databases that are
 * newer, altered or foreign, modes of its files, and a sound file. Single thread.
 */
#include "../common/err.h"
#include "../server/store/store.h"
#include "suite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[96];

static int try_open(struct store **s, struct buf *why)
{
    struct store_options o = {.data_dir = dir,
                              .cache_bytes = 1 << 20,
                              .reader_cache_bytes = 1 << 20,
                              .wal_limit = 1 << 20};
    return store_open(&o, s, why);
}

static void setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/check_sqlite.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/jobmill.db", dir);
    AUTO_BUF why = BUF_INIT;
    struct store *s;
    ck_assert_int_eq(try_open(&s, &why), 0);
    store_close(s);
}

static void teardown(void)
{
    char lock[96];
    snprintf(lock, sizeof(lock), "%s/jobmill.lock", dir);
    unlink(lock);
    unlink(path);
    rmdir(dir);
}

static void alter(const char *sql)
{
    sqlite3 *c;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(c, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
}

static void refused(int want)
{
    AUTO_BUF why = BUF_INIT;
    struct store *s;
    ck_assert_int_eq(try_open(&s, &why), want);
    ck_assert_ptr_null(s);
    ck_assert_uint_gt(why.len, 0);
}

START_TEST(newer_is_refused)
{
    alter("PRAGMA user_version = 999");
    refused(-ERR_STORE_NEWER);
}
END_TEST

START_TEST(altered_step_is_refused)
{
    alter("UPDATE migrations SET sha256 = zeroblob(32)");
    refused(-ERR_STORE_CORRUPT);
}
END_TEST

static int one_number(const char *sql)
{
    sqlite3 *c;
    sqlite3_stmt *st;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(c, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    ck_assert_int_eq(sqlite3_close(c), SQLITE_OK);
    return n;
}

/* A step below the last one may come later: it is applied all the same. */
START_TEST(a_step_that_was_left_out_is_made_up_for)
{
    AUTO_BUF why = BUF_INIT;
    struct store *s;
    int steps = one_number("SELECT count(*) FROM migrations");
    int version = one_number("PRAGMA user_version");
    alter("DROP TABLE checkpoints; DELETE FROM migrations WHERE version = 10");
    ck_assert_msg(try_open(&s, &why) == 0, "%s", why.data);
    store_close(s);
    ck_assert_int_eq(one_number("SELECT count(*) FROM migrations"), steps);
    ck_assert_int_eq(one_number("PRAGMA user_version"), version);
    ck_assert_int_eq(one_number("SELECT count(*) FROM checkpoints"), 0);
}
END_TEST

START_TEST(a_step_that_nobody_knows_is_refused)
{
    alter("INSERT INTO migrations SELECT 999, 'x', sha256, 0 FROM migrations LIMIT 1");
    refused(-ERR_STORE_CORRUPT);
}
END_TEST

START_TEST(foreign_is_refused)
{
    alter("PRAGMA application_id = 7");
    refused(-ERR_STORE_CORRUPT);
}
END_TEST

START_TEST(no_database_is_refused)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", f);
    ck_assert_int_eq(fclose(f), 0);
    refused(-ERR_STORE_CORRUPT);
}
END_TEST

START_TEST(files_are_private)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

/* How a parent stands is remembered within a transaction, until it stands in another way. */
START_TEST(parents_are_seen_as_they_are)
{
    AUTO_BUF why = BUF_INIT;
    struct store *s;
    struct job j[3]; /* the first is the others' parent */
    struct id which;
    enum job_state state;
    bool more;
    ck_assert_int_eq(try_open(&s, &why), 0);
    struct attempt a = {.number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy p = {.now_us = 5000};
    struct store_new new[3];
    for (int i = 0; i < 3; i++) {
        job_init(&j[i]);
        new[i] = (struct store_new){.job = &j[i]};
        ck_assert_int_eq(id_new(&j[i].id), 0);
        ck_assert_int_eq(store_task_id(s, "t", &j[i].task_id), 0);
        j[i].state = i ? JOB_QUEUED : JOB_RUNNING;
        j[i].attempt = i == 0;
        j[i].max_attempts = 1;
        if (i > 0) {
            j[i].parents = malloc(sizeof(struct id));
            ck_assert_ptr_nonnull(j[i].parents);
            j[i].parents[j[i].parents_count++] = j[0].id;
        }
    }
    ck_assert_int_eq(store_begin(s), 0);
    ck_assert_int_eq(store_check_parents(s, j[1].parents, 1, &which), -ERR_UNKNOWN_DEPENDENCY);
    ck_assert_int_eq(store_insert(s, &new[0]), 0);
    ck_assert_int_eq(store_insert(s, &new[1]), 0);
    ck_assert_uint_eq(j[1].waits, 1);
    a.job = j[0].id;
    a.error = JOB_ERROR_NONE;
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    ck_assert_int_eq(store_insert(s, &new[2]), 0);
    ck_assert_uint_eq(j[2].waits, 0);
    ck_assert_int_eq(store_delete(s, &j[0].id, &state),
                     -ERR_CONFLICT); /* the second waits for it */
    ck_assert_int_eq(store_settle(s, 5000, &more), 0);
    ck_assert_int_eq(store_delete(s, &j[0].id, &state), 0);
    ck_assert_int_eq(store_check_parents(s, j[1].parents, 1, &which), -ERR_UNKNOWN_DEPENDENCY);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_int_eq(store_begin(s), 0); /* it never was */
    ck_assert_int_eq(store_check_parents(s, j[1].parents, 1, &which), -ERR_UNKNOWN_DEPENDENCY);
    ck_assert_int_eq(store_rollback(s), 0);
    for (int i = 0; i < 3; i++)
        job_release(&j[i]);
    store_close(s);
}
END_TEST

int main(void)
{
    return SUITE("store_sqlite", setup, teardown, newer_is_refused, altered_step_is_refused,
                 a_step_that_was_left_out_is_made_up_for, a_step_that_nobody_knows_is_refused,
                 foreign_is_refused, no_database_is_refused, files_are_private,
                 parents_are_seen_as_they_are);
}
