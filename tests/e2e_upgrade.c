/*
 * e2e_upgrade.c - data of every earlier schema, as a killed service left it, under this service.
 *
 * tests/kept/schema-N.sql are such databases as text. What they hold was made by the same calls of
 * a client (tests/kept/make.py), as far as that version knew them; jobs are found by their tags.
 * Times in them lie back as far as the test is old; but their keys are as of today, or they would
 * be forgotten.
 */
#include "harness.h"

#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char conf[] = "[task far]\nkind = remote\n";
static const char *const flags[] = {"--keep-for", "3650d", "--workers", "2", NULL};

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    return text;
}

static sqlite3 *open_database(const struct server *s)
{
    char path[300];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static int ask_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void stop(struct server *s)
{
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
}

/* What was known to the service that left it. A step with a lower number may have come later. */
struct knew {
    int version; /* its schema's */
    bool leases;
};

static struct knew put_database(const struct server *s, const char *dump)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char path[300];
        snprintf(path, sizeof(path), "%s/data/jobmill.db%s", s->dir, ends[i]);
        (void)unlink(path);
    }
    char *sql = read_file(dump), *why = NULL;
    sqlite3 *db = open_database(s);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &why);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", dump, why ? why : "");
    rc = sqlite3_exec(db, "UPDATE idempotency SET expires_us = (unixepoch() + 3600) * 1000000",
                      NULL, NULL, NULL);
    ck_assert_int_eq(rc, SQLITE_OK);
    struct knew knew = {
        .version = ask_number(db, "PRAGMA user_version"),
        .leases = ask_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'leases'") > 0,
    };
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    free(sql);
    return knew;
}

/* The newest job with the tag; "": there is none. */
static void tagged(struct server *s, const char *tag, char id[40])
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs?limit=1&tag=%s", tag);
    struct answer *a = get(s, path, 200);
    snprintf(id, 40, "%s", jstr(a->json, "jobs.0.id"));
    answer_free(a);
}

static struct answer *job(struct server *s, const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    return get(s, path, 200);
}

static void results_are_there(struct server *s)
{
    char id[40], path[100];
    tagged(s, "done", id);
    struct answer *a = job(s, id);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    answer_free(a);
    a = get(s, "/v1/jobs?task=echo&tag=kept&limit=1", 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "jobs.0.id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_uint_eq(strlen(jstr(a->json, "text")), 3000);
    answer_free(a);
    a = get(s, "/v1/jobs?state=succeeded&task=echo&limit=100", 200);
    size_t i, n = 0;
    json_t *one;
    json_array_foreach(jget(a->json, "jobs"), i, one)
    {
        struct answer *b = job(s, jstr(one, "id"));
        n += strcmp(jstr(b->json, "result.2.a"), "ü") == 0;
        answer_free(b);
    }
    ck_assert_uint_eq(n, 1);
    answer_free(a);
    a = get(s, "/v1/jobs?state=cancelled&limit=10", 200);
    ck_assert_uint_ge(json_array_size(jget(a->json, "jobs")), 1);
    answer_free(a);
}

/* Lines that came with a key are known by it, whoever kept them. */
static void lines_are_kept_once(struct server *s)
{
    static const char lines[] = "{\"task\":\"noop\",\"tags\":[\"line\"]}\n"
                                "{\"task\":\"noop\",\"tags\":[\"line\"]}\n";
    const char *const headers[] = {"Content-Type: application/x-ndjson",
                                   "Idempotency-Key: kept-lines", NULL};
    char replayed[8];
    struct answer *a = http(s, "POST", "/v1/jobs/batch", lines, headers);
    ck_assert_msg(a->status == 200 || a->status == 202, "%d %s", a->status, a->body);
    ck_assert(answer_header(a, "Idempotency-Replayed", replayed, sizeof(replayed)));
    ck_assert_int_eq(jint(a->json, "total"), 2);
    answer_free(a);
    a = get(s, "/v1/jobs?tag=line", 200);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 2);
    answer_free(a);
}

/* What ran when the service was killed runs again, and what waits for it still does. */
static void work_goes_on(struct server *s, struct knew knew)
{
    int version = knew.version;
    char ran[40], child[40], after[40], path[100];
    tagged(s, "ran", ran);
    struct answer *a = await_state(s, ran, "running");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    tagged(s, "child", child);
    tagged(s, "after-group", after);
    ck_assert_int_eq(child[0] != '\0', version >= 2);
    ck_assert_int_eq(after[0] != '\0', version >= 2);
    if (version >= 2) {
        answer_free(await_state(s, after, "succeeded"));
        a = await_state(s, child, "scheduled");
        answer_free(a);
    }
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", ran);
    answer_free(post(s, path, "", 200));
    if (version >= 2)
        answer_free(await_state(s, child, "cancelled"));
    if (version >= 3) {
        a = get(s, "/v1/schedules/kept", 200);
        ck_assert_str_eq(jstr(a->json, "cron"), "0 3 * * *");
        answer_free(a);
    }
    if (version >= 13)
        lines_are_kept_once(s);
    char far[40];
    tagged(s, "far", far);
    ck_assert_int_eq(far[0] != '\0', knew.leases);
    a = run_job(s, "{\"task\":\"echo\",\"input\":{\"new\":true},\"tags\":[\"new\"]}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    answer_free(a);
}

static void upgrade(const char *dump)
{
    struct server *s = server_new(conf, flags);
    stop(s);
    sqlite3 *db = open_database(s);
    int newest = ask_number(db, "PRAGMA user_version");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    struct knew knew = put_database(s, dump);
    ck_assert_int_le(knew.version, newest);
    server_restart(s);
    json_int_t kept = jobs_kept(s);
    ck_assert_int_ge(kept, 6);
    results_are_there(s);
    work_goes_on(s, knew);
    server_kill9(s);
    server_restart(s);
    results_are_there(s);
    stop(s);
    db = open_database(s);
    ck_assert_int_eq(ask_number(db, "PRAGMA user_version"), newest);
    ck_assert_int_eq(ask_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                    "integrity_check <> 'ok'"),
                     0);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    server_restart(s);
    server_free(s);
}

START_TEST(every_earlier_schema)
{
    glob_t g;
    ck_assert_int_eq(glob("tests/kept/schema-*.sql", 0, NULL, &g), 0);
    ck_assert_uint_ge(g.gl_pathc, 12);
    for (size_t i = 0; i < g.gl_pathc; i++)
        upgrade(g.gl_pathv[i]);
    globfree(&g);
}
END_TEST

/* It is the binary that is wrong: whoever starts services again must not do so with this one. */
START_TEST(a_newer_store_is_refused)
{
    struct server *s = server_new(NULL, flags);
    char data[300], copy[300], out[2000];
    const char *const commands[][5] = {{"serve", "--data-dir", data, NULL},
                                       {"migrate", "--data-dir", data, NULL},
                                       {"recover", copy, "--data-dir", data, NULL}};
    stop(s);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(copy, sizeof(copy), "%s/copy.db", s->dir);
    sqlite3 *db = open_database(s);
    ck_assert_int_eq(sqlite3_exec(db, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        int status = run_binary(commands[i], out, sizeof(out));
        ck_assert_msg(status == 78, "%s: %d %s", commands[i][0], status, out);
        ck_assert_msg(strstr(out, "use a newer jobmill") != NULL, "%s", out);
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_earlier_schema, a_newer_store_is_refused};
    return run_suite("upgrade", tests, sizeof(tests) / sizeof(tests[0]));
}
