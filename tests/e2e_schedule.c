/*
 * e2e_schedule.c - schedules by the real service: due ones make their job, once, also over
 * restarts.
 *
 * Nobody waits for the clock, which is on the first of January: while the service is down the test
 * sets back the time at which a schedule is due.
 */
#include "harness.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put(struct server *s, const char *name, const char *more, const char *job)
{
    char body[512];
    snprintf(body, sizeof(body), "{\"name\":\"%s\",\"cron\":\"0 0 1 1 *\"%s,\"job\":%s}", name,
             more, job);
    struct answer *a = http(s, "POST", "/v1/schedules", body, NULL);
    ck_assert_msg(a->status == 200, "%d: %s", a->status, a->body);
    answer_free(a);
}

/* Stops the service, makes the schedule due `seconds` ago, and starts it again. */
static void make_due(struct server *s, const char *name, int seconds, bool kill)
{
    char path[300], sql[200];
    sqlite3 *db;
    if (kill) {
        server_kill9(s);
    } else {
        server_signal(s, SIGTERM);
        ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    }
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    snprintf(sql, sizeof(sql), "UPDATE schedules SET next_us = %lld WHERE name = '%s'",
             ((long long)time(NULL) - seconds) * 1000000, name);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    server_restart(s);
}

static struct answer *schedule(struct server *s, const char *name)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/schedules/%s", name);
    return get(s, path, 200);
}

static bool has_run(struct server *s, const char *name)
{
    struct answer *a = schedule(s, name);
    bool ran = jget(a->json, "last_job") != NULL;
    answer_free(a);
    return ran;
}

/* The id of its last job. */
static char *last_job(struct server *s, const char *name)
{
    eventually(has_run(s, name), LONG_MS);
    struct answer *a = schedule(s, name);
    char *id = strdup(jstr(a->json, "last_job"));
    answer_free(a);
    ck_assert_ptr_nonnull(id);
    return id;
}

START_TEST(a_due_schedule_makes_its_job_once)
{
    struct server *s = server_new(NULL, NULL);
    put(s, "hourly", "",
        "{\"task\":\"echo\",\"input\":{\"n\":7},\"tags\":[\"by-clock\"],\"priority\":3}");
    ck_assert(!has_run(s, "hourly"));
    make_due(s, "hourly", 5, false);
    char *id = last_job(s, "hourly");
    struct answer *job = await_state(s, id, "succeeded");
    ck_assert_int_eq(jint(job->json, "result.n"), 7);
    ck_assert_int_eq(jint(job->json, "priority"), 3);
    answer_free(job);
    struct answer *g = schedule(s, "hourly");
    ck_assert_int_eq((int)json_array_size(jget(g->json, "next")), 5);
    answer_free(g);
    server_kill9(s);
    server_restart(s);
    struct answer *list = get(s, "/v1/jobs?tag=by-clock", 200);
    ck_assert_int_eq((int)json_array_size(jget(list->json, "jobs")), 1);
    answer_free(list);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(missed_runs_are_made_up_for_once_or_not_at_all)
{
    struct server *s = server_new(NULL, NULL);
    put(s, "once", "", "{\"task\":\"noop\",\"tags\":[\"once\"]}");
    put(s, "none", ",\"missed\":\"none\"", "{\"task\":\"noop\",\"tags\":[\"none\"]}");
    make_due(s, "none", 5 * 3600, true);
    make_due(s, "once", 5 * 3600, true);
    free(last_job(s, "once"));
    struct answer *list = get(s, "/v1/jobs?tag=once", 200);
    ck_assert_int_eq((int)json_array_size(jget(list->json, "jobs")), 1);
    answer_free(list);
    list = get(s, "/v1/jobs?tag=none", 200);
    ck_assert_int_eq((int)json_array_size(jget(list->json, "jobs")), 0);
    answer_free(list);
    ck_assert(!has_run(s, "none"));
    server_free(s);
}
END_TEST

START_TEST(a_paused_schedule_makes_nothing)
{
    struct server *s = server_new(NULL, NULL);
    put(s, "held", "", "{\"task\":\"noop\"}");
    put(s, "other", "", "{\"task\":\"noop\"}");
    answer_free(http(s, "POST", "/v1/schedules/held/pause", NULL, NULL));
    make_due(s, "held", 5, true);
    make_due(s, "other", 5, true);
    free(last_job(s, "other")); /* by now the clock has been looked at */
    ck_assert(!has_run(s, "held"));
    server_free(s);
}
END_TEST

/* What becomes of a run while the last one's job still runs. */
static void overlap(const char *policy, const char *old_state, bool new_job)
{
    char more[64];
    struct server *s = server_new("[server]\ndrain_timeout = 100ms\n", NULL);
    snprintf(more, sizeof(more), ",\"overlap\":\"%s\"", policy);
    put(s, "long", more, "{\"task\":\"sleep\",\"input\":{\"seconds\":600},\"max_attempts\":100}");
    put(s, "other", "", "{\"task\":\"noop\"}");
    make_due(s, "long", 5, true);
    char *first = last_job(s, "long");
    answer_free(await_state(s, first, "running"));
    make_due(s, "long", 5, true);
    make_due(s, "other", 5, true);
    free(last_job(s, "other"));
    char *second = last_job(s, "long");
    ck_assert_msg((strcmp(first, second) != 0) == new_job, "%s", policy);
    answer_free(await_state(s, first, old_state));
    free(first);
    free(second);
    server_free(s);
}

START_TEST(overlapping_runs)
{
    overlap("skip", "running", false);
    overlap("queue", "running", true);
    overlap("replace", "cancelled", true);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_due_schedule_makes_its_job_once,
        missed_runs_are_made_up_for_once_or_not_at_all,
        a_paused_schedule_makes_nothing,
        overlapping_runs,
    };
    return run_suite("schedule", tests, sizeof(tests) / sizeof(tests[0]));
}
