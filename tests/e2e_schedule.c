/*
 * e2e_schedule.c - schedules by the real service: due ones make their job, once, also over
 * restarts.
 *
 * Nobody waits for the clock, which is on the first of January: while the service is down the test
 * sets back the time at which a schedule is due.
 */
#include "harness.h"

#include <pthread.h>
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

/* Stops the service, changes the store, and starts it again. */
static void change(struct server *s, const char *sql, bool kill)
{
    char path[300];
    sqlite3 *db;
    if (kill) {
        server_kill9(s);
    } else {
        server_signal(s, SIGTERM);
        ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    }
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    server_restart(s);
}

/* Makes the schedule due `seconds` ago. */
static void make_due(struct server *s, const char *name, int seconds, bool kill)
{
    char sql[200];
    snprintf(sql, sizeof(sql), "UPDATE schedules SET next_us = %lld WHERE name = '%s'",
             ((long long)time(NULL) - seconds) * 1000000, name);
    change(s, sql, kill);
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

/* A zone's file that is not there for a while: who needs it waits, in nobody's way. */
START_TEST(they_come_in_pages)
{
    struct server *s = server_new("[server]\nmax_schedules = 7\n", NULL);
    char name[20], path[120] = "/v1/schedules?limit=3", got[200] = "", link[120];
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "s%d", (i * 3) % 7);
        put(s, name, "", "{\"task\":\"noop\"}");
    }
    put(s, "s3", ",\"paused\":true", "{\"task\":\"noop\"}"); /* it is there */
    struct answer *a =
        post(s, "/v1/schedules",
             "{\"name\":\"more\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\"}}", 409);
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), "max_schedules"));
    answer_free(a);
    for (int page = 0; path[0]; page++) {
        a = get(s, path, 200);
        json_t *g;
        size_t i;
        json_array_foreach(jget(a->json, "schedules"), i, g) strcat(got, jstr(g, "name"));
        ck_assert_uint_eq(i, page < 2 ? 3 : 1);
        snprintf(path, sizeof(path), "%s", jstr(a->json, "next"));
        ck_assert(answer_header(a, "Link", link, sizeof(link)) == (path[0] != 0));
        answer_free(a);
    }
    ck_assert_str_eq(got, "s0s1s2s3s4s5s6");
    a = get(s, "/v1/schedules", 200);
    ck_assert_uint_eq(json_array_size(jget(a->json, "schedules")), 7);
    ck_assert(json_is_null(jget(a->json, "next")));
    answer_free(a);
    server_free(s);
}
END_TEST

/* Out of turn: by hand, also while it is held back, and as `overlap` has it. */
START_TEST(it_runs_by_hand)
{
    static const char *const late = "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}";
    struct server *s = server_new(NULL, NULL);
    put(s, "skip", ",\"paused\":true", late);
    put(s, "queue", ",\"overlap\":\"queue\"", late);
    put(s, "replace", ",\"overlap\":\"replace\"", late);
    struct answer *g = schedule(s, "skip"), *a;
    char *next = json_dumps(jget(g->json, "next"), JSON_COMPACT), location[100], want[100];
    answer_free(g);
    static const char *const names[] = {"skip", "queue", "replace"};
    for (size_t i = 0; i < 3; i++) {
        char path[60], first[40];
        snprintf(path, sizeof(path), "/v1/schedules/%s/run", names[i]);
        a = http(s, "POST", path, NULL, NULL);
        ck_assert_msg(a->status == 202, "%s", a->body);
        snprintf(first, sizeof(first), "%s", jstr(a->json, "id"));
        snprintf(want, sizeof(want), "/v1/jobs/%s", first);
        ck_assert(answer_header(a, "Location", location, sizeof(location)));
        ck_assert_str_eq(location, want);
        answer_free(a);
        char *last = last_job(s, names[i]);
        ck_assert_str_eq(last, first);
        free(last);
        a = http(s, "POST", path, "{}", NULL);
        ck_assert_int_eq(a->status, i == 0 ? 409 : 202);
        if (i == 0)
            ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), first));
        answer_free(a);
        if (i == 2)
            answer_free(await_state(s, first, "cancelled"));
        answer_free(http(s, "POST", "/v1/jobs/cancel?task=sleep", NULL, NULL));
    }
    g = schedule(s, "skip");
    char *then = json_dumps(jget(g->json, "next"), JSON_COMPACT);
    ck_assert_str_eq(then, next);
    ck_assert(json_is_true(jget(g->json, "paused")));
    answer_free(g);
    free(next);
    free(then);
    server_free(s);
}
END_TEST

START_TEST(a_zone_that_cannot_be_read_ends_no_schedule)
{
    enum { FAR = 150 }; /* more than one transaction looks at, or two */
    struct server *s = server_new(NULL, NULL);
    char name[20], sql[300];
    for (int i = 0; i < FAR; i++) {
        snprintf(name, sizeof(name), "far-%d", i);
        put(s, name, "", "{\"task\":\"noop\"}");
    }
    put(s, "near", "", "{\"task\":\"noop\"}");
    snprintf(sql, sizeof(sql),
             "UPDATE schedules SET next_us = %lld; UPDATE schedules SET time_zone = 'Far/Away',"
             " next_us = next_us - 5000000 WHERE name <> 'near'",
             ((long long)time(NULL) - 5) * 1000000);
    change(s, sql, true);
    free(last_job(s, "near"));
    eventually(log_has(s, "schedule far-0: its next run cannot be found, and it waits until it can,"
                          " as do 149 more: "),
               LONG_MS);
    ck_assert(log_has(s, "there is no time zone `Far/Away`"));
    ck_assert(!has_run(s, "far-7"));
    answer_free(http(s, "POST", "/v1/schedules/far-7/pause", NULL, NULL));
    struct answer *a = http(s, "POST", "/v1/schedules/far-7/resume", NULL, NULL);
    ck_assert_int_eq(a->status, 200);
    answer_free(a);
    snprintf(sql, sizeof(sql), "UPDATE schedules SET time_zone = 'UTC' WHERE name = 'far-7'");
    change(s, sql, true);
    free(last_job(s, "far-7"));
    ck_assert(!has_run(s, "far-8"));
    change(s, "UPDATE schedules SET time_zone = 'UTC'", false);
    for (int i = 0; i < FAR; i++) {
        snprintf(name, sizeof(name), "far-%d", i);
        free(last_job(s, name));
    }
    server_free(s);
}
END_TEST

static void *resume(void *arg)
{
    answer_free(http(arg, "POST", "/v1/schedules/both/resume", NULL, NULL));
    return NULL;
}

/* Its next run is that of the schedule as it is when it is resumed, not when that was asked for. */
START_TEST(a_schedule_is_changed_and_resumed_at_once)
{
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 100; i++) {
        char body[200], month[10];
        pthread_t thread;
        snprintf(body, sizeof(body),
                 "{\"name\":\"both\",\"cron\":\"0 0 1 %d *\",\"job\":{\"task\":\"noop\"}}",
                 i % 12 + 1);
        snprintf(month, sizeof(month), "-%02d-01T", i % 12 + 1);
        if (i > 0)
            ck_assert_int_eq(pthread_create(&thread, NULL, resume, s), 0);
        answer_free(post(s, "/v1/schedules", body, 200));
        if (i > 0)
            ck_assert_int_eq(pthread_join(thread, NULL), 0);
        struct answer *a = schedule(s, "both");
        ck_assert_msg(strstr(jstr(a->json, "next.0"), month) != NULL, "%s", a->body);
        answer_free(a);
    }
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
        it_runs_by_hand,
        they_come_in_pages,
        a_zone_that_cannot_be_read_ends_no_schedule,
        a_schedule_is_changed_and_resumed_at_once,
        overlapping_runs,
    };
    return run_suite("schedule", tests, sizeof(tests) / sizeof(tests[0]));
}
