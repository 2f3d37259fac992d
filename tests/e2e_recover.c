/*
 * e2e_recover.c - `jobmill recover`: pages of a store are overwritten, one and several, chosen by
 * chance (JOBMILL_ROUNDS of them), and a new store is made of the rest. Every job of which no byte
 * was hit is in it; where the way to them is lost the program says that nothing or not all could be
 * read. A service goes on from what was made.
 */
#include "harness.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096
#define JOBS 400

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static char *large_batch(void)
{
    char *body = malloc(JOBS * 3400 + 64), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < JOBS; i++) { /* every tenth is too large for its row */
        at += sprintf(at, "%s{\"task\":\"echo\",\"tags\":[\"t%d\"],\"input\":\"", i ? "," : "",
                      i % 7);
        size_t n = i % 10 ? 200 : 3000;
        memset(at, 'a' + i % 26, n);
        at = stpcpy(at + n, "\"}");
    }
    strcpy(at, "]}");
    return body;
}

static void stop(struct server *s)
{
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
}

/* A service with jobs, stopped; good: a copy of its store. */
static struct server *stopped(char good[300])
{
    struct server *s = server_new(NULL, NULL);
    char *body = large_batch();
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    free(body);
    eventually(stat_of(s, "jobs.succeeded") == JOBS, LONG_MS);
    stop(s);
    snprintf(good, 300, "%s/good.db", s->dir);
    shell("cp %s/data/jobmill.db %s", s->dir, good);
    return s;
}

static int64_t ask(const char *file, const char *sql)
{
    sqlite3 *c;
    sqlite3_stmt *st;
    ck_assert_int_eq(sqlite3_open(file, &c), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(c, sql, -1, &st, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(c));
    int64_t n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    sqlite3_close(c);
    return n;
}

static void change(const char *file, const char *sql)
{
    sqlite3 *c;
    ck_assert_int_eq(sqlite3_open(file, &c), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(c, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(c));
    sqlite3_close(c);
}

/* How many jobs may be lost with a page: those with a part in it, or all. */
static int64_t at_stake(const char *good, unsigned page)
{
    char sql[300];
    snprintf(
        sql, sizeof(sql),
        "SELECT CASE WHEN pagetype = 'internal' AND name IN ('jobs', 'blobs', 'sqlite_schema') OR "
        "name = 'sqlite_schema' THEN %d WHEN name IN ('jobs', 'blobs') THEN max(ncell, 1) ELSE 0 "
        "END FROM dbstat WHERE pageno = %u",
        JOBS, page);
    int64_t n = ask(good, sql);
    return n < 0 ? 0 : n; /* a page of no table: free, or a pointer map */
}

static void overwrite(const char *file, unsigned page)
{
    FILE *f = fopen(file, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, (long)(page - 1) * PAGE, SEEK_SET), 0);
    for (int i = 0; i < PAGE; i++)
        ck_assert_int_ne(fputc((int)random_below(256), f), EOF);
    ck_assert_int_eq(fclose(f), 0);
}

/* The jobs of the new store, or -1: it says that there is none. */
static int64_t recovered(struct server *s, char file[300])
{
    char out[1024], data[300];
    snprintf(file, 300, "%s/new.db", s->dir);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    unlink(file);
    int status = run_binary((const char *const[]){"recover", file, "--data-dir", data, NULL}, out,
                            sizeof(out));
    if (status == 69) {
        ck_assert_msg(strstr(out, "jobmill: ") != NULL && access(file, F_OK) != 0, "%s", out);
        return -1;
    }
    ck_assert_msg(status == 0, "%d %s", status, out);
    ck_assert_int_eq(
        ask(file, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    ck_assert_int_eq(
        ask(file, "SELECT (SELECT sum(n) FROM counters) <> (SELECT count(*) FROM jobs)"), 0);
    ck_assert_int_eq(ask(file,
                         "SELECT count(*) FROM jobs WHERE result IS NULL AND NOT EXISTS (SELECT 1 "
                         "FROM blobs WHERE blob_id = key * 4 + 1)"),
                     0);
    return ask(file, "SELECT count(*) FROM jobs");
}

START_TEST(what_was_not_hit_is_there)
{
    char good[300], db[300], file[300];
    struct server *s = stopped(good);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    unsigned pages = (unsigned)ask(good, "PRAGMA page_count");
    int none = 0, part = 0, whole = 0;
    for (int round = 0; round < rounds(30); round++) {
        int64_t stake = 0;
        shell("cp %s %s", good, db);
        for (int hits = round % 3 ? 1 : 4; hits > 0; hits--) {
            unsigned page = 1 + random_below(pages);
            stake += page == 1 ? JOBS : at_stake(good, page);
            overwrite(db, page);
        }
        int64_t n = recovered(s, file);
        ck_assert_msg((n < 0 ? 0 : n) >= JOBS - stake,
                      "%d jobs, of which %d were hit: %d are there", JOBS, (int)stake, (int)n);
        none += n < 0;
        whole += n == JOBS;
        part += n >= 0 && n < JOBS;
    }
    printf("recovered: %d whole, %d in part, %d not at all\n", whole, part, none);
    shell("cp %s %s", good, db);
    server_restart(s);
    server_free(s);
}
END_TEST

/* The first and the last page of a table: the keys of all that is between are close together, and
 * far from where one looks for them. */
START_TEST(both_ends_of_a_table_are_hit)
{
    enum { CALLS = 300 };
    static const char more[] =
        "INSERT INTO leases (key, tail, job_key, job_tail, attempt, task_id, started_us, "
        "expires_us, "
        "ends_us, duration_us, worker) SELECT key + 5000000, 1, key, tail, 1, 1, 1, 1, 0, 1, "
        "hex(zeroblob(100)) FROM jobs ORDER BY key LIMIT 300;"
        "INSERT INTO deliveries (key, tail, subject_key, subject_tail, is_group, url, created_us, "
        "next_us, ended) SELECT key + 9000000, 1, key, tail, 0, hex(zeroblob(100)), 1, 1, 3 FROM "
        "jobs ORDER BY key LIMIT 300";
    static const char *const tables[] = {"jobs", "blobs", "leases", "deliveries"};
    static const char *const order[] = {"ASC", "DESC"};
    char good[300], full[300], db[300], file[300], sql[200];
    struct server *s = stopped(good);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    int64_t stake = 0, rows[2] = {CALLS, CALLS};
    change(db, more);
    snprintf(full, sizeof(full), "%s/full.db", s->dir);
    shell("cp %s %s", db, full);
    for (int i = 0; i < 8; i++) {
        snprintf(
            sql, sizeof(sql),
            "SELECT pageno FROM dbstat WHERE name = '%s' AND pagetype = 'leaf' ORDER BY path %s"
            " LIMIT 1",
            tables[i / 2], order[i % 2]);
        unsigned page = (unsigned)ask(full, sql);
        stake += at_stake(full, page);
        if (i >= 4) {
            snprintf(sql, sizeof(sql), "SELECT ncell FROM dbstat WHERE pageno = %u", page);
            rows[i / 2 - 2] -= ask(full, sql);
        }
        overwrite(db, page);
    }
    ck_assert_int_lt(stake, 40);
    int64_t n = recovered(s, file);
    ck_assert_int_ge(n, JOBS - stake);
    ck_assert_int_lt(n, JOBS);
    for (int i = 0; i < 2; i++) { /* but those of jobs that are lost */
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i + 2]);
        ck_assert_int_gt(rows[i], CALLS / 2);
        ck_assert_int_ge(ask(file, sql), rows[i] - stake);
    }
    shell("cp %s %s", good, db);
    server_restart(s);
    server_free(s);
}
END_TEST

START_TEST(a_service_goes_on_from_it)
{
    char good[300], db[300], file[300];
    struct server *s = stopped(good);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    unsigned page =
        (unsigned)ask(good, "SELECT pageno FROM dbstat WHERE name = 'jobs' AND pagetype = 'leaf' "
                            "AND ncell > 1 ORDER BY pageno LIMIT 1 OFFSET 3");
    overwrite(db, page);
    int64_t n = recovered(s, file);
    ck_assert_int_ge(n, JOBS - 20);
    ck_assert_int_lt(n, JOBS);
    shell("rm %s* && mv %s %s", db, file, db);
    server_restart(s);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), n);
    struct answer *a = get(s, "/v1/jobs?tag=t1&limit=100", 200);
    ck_assert_uint_gt(json_array_size(jget(a->json, "jobs")), 40);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "jobs.0.id"));
    answer_free(a);
    answer_free(get(s, path, 200));
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

/* What is recovered takes the damaged store's place, and a service starts on it. */
static void go_on(struct server *s)
{
    char db[300], file[300];
    ck_assert_int_ge(recovered(s, file), 0);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    shell("rm %s* && mv %s %s", db, file, db);
    server_restart(s);
}

static const char *of(const char *kind, const char *id, const char *more)
{
    static char path[100];
    snprintf(path, sizeof(path), "/v1/%s/%s%s", kind, id, more);
    return path;
}

/* Jobs of a group whose row is lost are of none: they run, are retried and forgotten. */
START_TEST(groups_are_lost)
{
    enum { BATCHES = 150 };
    static char group[BATCHES][40], job[BATCHES][40];
    char db[300];
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    for (int i = 0; i < BATCHES; i++) {
        struct answer *a =
            post(s, "/v1/jobs/batch", "{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"noop\"}]}", 202);
        snprintf(group[i], sizeof(group[i]), "%s", jstr(a->json, "id"));
        snprintf(job[i], sizeof(job[i]), "%s", jstr(a->json, "jobs.0.id"));
        answer_free(a);
    }
    answer_free(post(s, of("jobs", job[0], "/cancel"), "", 200));
    stop(s);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    overwrite(db, (unsigned)ask(db, "SELECT pageno FROM dbstat WHERE name = 'job_groups' AND "
                                    "pagetype = 'leaf' ORDER BY path LIMIT 1"));
    go_on(s);
    answer_free(get(s, of("groups", group[0], ""), 404));
    answer_free(get(s, of("groups", group[BATCHES - 1], ""), 200));
    answer_free(post(s, "/v1/tasks/noop/resume", "", 200));
    eventually(stat_of(s, "jobs.succeeded") == 2 * BATCHES - 1, LONG_MS);
    answer_free(post(s, of("jobs", job[0], "/retry"), "", 202));
    answer_free(await_state(s, job[0], "succeeded"));
    struct answer *a = http(s, "DELETE", of("jobs", job[0], ""), NULL, NULL);
    ck_assert_int_eq(a->status, 204);
    answer_free(a);
    a = get(s, of("groups", group[BATCHES - 1], "?wait=20"), 200);
    ck_assert(json_is_true(jget(a->json, "done")));
    answer_free(a);
    server_free(s);
}
END_TEST

/* A batch of the jobs, and a job that waits for its end. */
static void batch(struct server *s, const char *jobs, char group[40], char after[40])
{
    char body[200];
    snprintf(body, sizeof(body), "{\"jobs\":[%s]}", jobs);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    snprintf(group, 40, "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(body, sizeof(body), "{\"task\":\"echo\",\"depends_on\":[\"%s\"]}", group);
    snprintf(after, 40, "%s", submit(s, body));
}

/* What waits for a group of which jobs are lost: the group ends with those that are left, and one
 * without any is lost, too. */
START_TEST(jobs_of_groups_are_lost)
{
    char part[40], whole[40], after_part[40], after_whole[40], lost[40], after_lost[40];
    char db[300], body[100];
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    batch(s, "{\"task\":\"echo\"},{\"task\":\"noop\",\"priority\":7}", part, after_part);
    batch(s, "{\"task\":\"noop\",\"priority\":7}", whole, after_whole);
    snprintf(lost, sizeof(lost), "%s", submit(s, "{\"task\":\"noop\",\"priority\":7}"));
    snprintf(body, sizeof(body), "{\"task\":\"echo\",\"depends_on\":[\"%s\"]}", lost);
    snprintf(after_lost, sizeof(after_lost), "%s", submit(s, body));
    eventually(stat_of(s, "jobs.succeeded") == 1, LONG_MS);
    stop(s);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    change(db, "DELETE FROM jobs WHERE priority = 7");
    go_on(s);
    struct answer *a = get(s, of("groups", part, ""), 200);
    ck_assert(json_is_true(jget(a->json, "done")));
    ck_assert_int_eq(jint(a->json, "total"), 1);
    answer_free(a);
    answer_free(get(s, of("groups", whole, ""), 404));
    answer_free(await_state(s, after_part, "succeeded"));
    a = await_state(s, after_whole, "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "dependency_failed");
    answer_free(a);
    answer_free(await_state(s, after_lost, "failed"));
    server_free(s);
}
END_TEST

/* Who waits for whom is found again by what jobs say that they depend on. */
START_TEST(who_waits_for_whom_is_lost)
{
    enum { DONE, OPEN, LOST, GROUP };
    char id[4][40], child[6][40], db[300], body[300];
    static const char *const ends[] = {"succeeded", "succeeded", "succeeded",
                                       "failed",    "succeeded", "succeeded"};
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    struct answer *a = run_job(s, "{\"task\":\"echo\"}");
    snprintf(id[DONE], sizeof(id[DONE]), "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(id[OPEN], sizeof(id[OPEN]), "%s", submit(s, "{\"task\":\"noop\"}"));
    snprintf(id[LOST], sizeof(id[LOST]), "%s", submit(s, "{\"task\":\"noop\",\"priority\":7}"));
    batch(s, "{\"task\":\"noop\"},{\"task\":\"noop\"}", id[GROUP], child[2]);
    static const char *const format[] = {
        "{\"task\":\"echo\",\"depends_on\":[\"%s\",\"%s\"]}", /* its row is lost */
        "{\"task\":\"echo\",\"depends_on\":[\"%s\"]}",
        NULL,                                                 /* of the group, see above */
        "{\"task\":\"echo\",\"depends_on\":[\"%s\",\"%s\"]}", /* and so is its parent */
        "{\"task\":\"echo\",\"depends_on\":[\"%s\",\"%s\"],\"on_dependency_failure\":\"run\"}",
        "{\"task\":\"echo\",\"depends_on\":[\"%s\",\"%s\"]}" /* one row of two is lost */
    };
    const char *const parents[][2] = {{id[DONE], id[OPEN]}, {id[OPEN], ""},
                                      {NULL, NULL},         {id[DONE], id[LOST]},
                                      {id[LOST], id[OPEN]}, {id[OPEN], id[GROUP]}};
    for (int i = 0; i < 6; i++) {
        if (!format[i])
            continue;
        snprintf(body, sizeof(body), format[i], parents[i][0], parents[i][1]);
        snprintf(child[i], sizeof(child[i]), "%s", submit(s, body));
    }
    stop(s);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    change(db, "DELETE FROM dependencies WHERE child <> (SELECT max(key) FROM jobs) OR parent IN "
               "(SELECT key FROM job_groups); DELETE FROM jobs WHERE priority = 7");
    go_on(s);
    a = await_state(s, child[3], "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "dependency_failed");
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "error.message"), id[LOST]));
    answer_free(a);
    for (int i = 0; i < 6; i++) {
        if (i != 3)
            answer_free(await_state(s, child[i], "scheduled"));
    }
    answer_free(post(s, "/v1/tasks/noop/resume", "", 200));
    for (int i = 0; i < 6; i++)
        answer_free(await_state(s, child[i], ends[i]));
    server_free(s);
}
END_TEST

/* A task's number is a place in an array: one that a flipped bit made is none. */
START_TEST(a_number_is_damaged)
{
    char db[300], good[40];
    struct server *s = server_new(NULL, NULL);
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    snprintf(good, sizeof(good), "%s", jstr(a->json, "id"));
    answer_free(a);
    for (int i = 1; i <= 3; i++) {
        char body[60];
        snprintf(body, sizeof(body), "{\"task\":\"noop\",\"priority\":%d}", i);
        answer_free(run_job(s, body));
    }
    stop(s);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    change(db, "UPDATE jobs SET task_id = -127 WHERE priority = 1;"
               "UPDATE jobs SET task_id = 4097 WHERE priority = 2;"
               "UPDATE jobs SET task_id = task_id + (1 << 24) WHERE priority = 3;"
               "INSERT INTO tasks (task_id, name) VALUES (-1, 'below'), (1 << 30, 'above')");
    go_on(s);
    ck_assert_int_eq(jobs_kept(s), 1);
    answer_free(get(s, of("jobs", good, ""), 200));
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

/* A task whose name is lost gets one that no other has. */
START_TEST(names_are_lost)
{
    char db[300], id[2][40];
    struct server *s = server_new("[task recovered-1]\ncommand = /bin/true\n"
                                  "[task recovered-1-2]\ncommand = /bin/true\n",
                                  NULL);
    static const char *const body[] = {"{\"task\":\"noop\"}", "{\"task\":\"echo\"}"};
    for (int i = 0; i < 2; i++) {
        struct answer *a = run_job(s, body[i]);
        snprintf(id[i], sizeof(id[i]), "%s", jstr(a->json, "id"));
        answer_free(a);
    }
    stop(s);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    change(db, "DELETE FROM tasks WHERE name IN ('noop', 'echo');"
               "UPDATE tasks SET name = 'recovered-' || (SELECT min(task_id) FROM jobs) WHERE name "
               "= 'recovered-1';"
               "UPDATE tasks SET name = 'recovered-' || (SELECT min(task_id) FROM jobs) || '-2' "
               "WHERE name = 'recovered-1-2'");
    go_on(s);
    for (int i = 0; i < 2; i++) {
        struct answer *a = get(s, of("jobs", id[i], ""), 200);
        ck_assert_int_eq(strncmp(jstr(a->json, "task"), "recovered-", 10), 0);
        ck_assert_int_eq(strstr(jstr(a->json, "task"), "-3") != NULL, i == 0);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(a_service_is_not_read_from)
{
    char out[1024], file[300], data[300];
    struct server *s = server_new(NULL, NULL);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(file, sizeof(file), "%s/new.db", s->dir);
    const char *const args[] = {"recover", file, "--data-dir", data, NULL};
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 69);
    ck_assert_msg(strstr(out, "a service runs in the data directory") != NULL, "%s", out);
    shell("! test -e %s", file);
    stop(s);
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

/* Nothing is written beside what is asked for, and nothing over it. */
START_TEST(what_cannot_be)
{
    char out[1024], file[300], data[300];
    struct server *s = server_new(NULL, NULL);
    stop(s);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(file, sizeof(file), "%s/new.db", s->dir);
    const char *const args[] = {"recover", file, "--data-dir", data, NULL};
    shell("echo mine > %s", file);
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 73);
    shell("test \"$(cat %s)\" = mine && rm %s", file, file);
    shell("cp %s/jobmill.db %s/kept.db && head -c 8192 /dev/zero > %s/jobmill.db", data, s->dir,
          data);
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 69);
    ck_assert_ptr_nonnull(strstr(out, "jobmill: "));
    shell("! ls %s/*.part-* 2>/dev/null && ! test -e %s", s->dir, file);
    ck_assert_int_eq(run_binary((const char *const[]){"recover", NULL}, out, sizeof(out)), 64);
    shell("mv %s/kept.db %s/jobmill.db", s->dir, data);
    server_restart(s);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_was_not_hit_is_there,  both_ends_of_a_table_are_hit,
                                  a_service_goes_on_from_it,  groups_are_lost,
                                  jobs_of_groups_are_lost,    who_waits_for_whom_is_lost,
                                  a_number_is_damaged,        names_are_lost,
                                  a_service_is_not_read_from, what_cannot_be};
    return run_suite("recover", tests, sizeof(tests) / sizeof(tests[0]));
}
