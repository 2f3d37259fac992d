/*
 * e2e_clock.c - the real service while its clock is set: by the test, which moves it by hours and
 * days, and waits for none of them.
 */
#include "harness.h"
#include "harness_clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR  3600.0
#define DAY   (24 * HOUR)
#define MS_US 1000
#define FAILS                                                                                      \
    "{\"task\":\"fails\",\"max_attempts\":3,\"backoff\":{\"kind\":\"fixed\",\"delay\":%s}}"
#define IN_VAIN 60 /* times that the service was given the chance to do it */

static const char conf[] = "[task fails]\ncommand = /bin/false\n[task far]\nkind = remote\n";

/* A time of the job's, in milliseconds since 1970. */
static int64_t time_of(struct server *s, const char *id, const char *field)
{
    char path[100];
    int y, mo, d, h, mi, sec, ms;
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(
        sscanf(jstr(a->json, field), "%d-%d-%dT%d:%d:%d.%dZ", &y, &mo, &d, &h, &mi, &sec, &ms) == 7,
        "%s: %s", field, a->body);
    struct tm t = {.tm_year = y - 1900,
                   .tm_mon = mo - 1,
                   .tm_mday = d,
                   .tm_hour = h,
                   .tm_min = mi,
                   .tm_sec = sec};
    answer_free(a);
    return (int64_t)timegm(&t) * 1000 + ms;
}

static void state_is(struct server *s, const char *id, const char *state)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(strcmp(jstr(a->json, "state"), state) == 0, "not %s: %s", state, a->body);
    answer_free(a);
}

/* Jobs with the tag. */
static int count(struct server *s, const char *tag)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs?limit=100&tag=%s", tag);
    struct answer *a = get(s, path, 200);
    int n = (int)json_array_size(jget(a->json, "jobs"));
    answer_free(a);
    return n;
}

/* Sets the clock and waits until the service has seen it: by a job that runs after that. */
static void set_clock(struct server *s, double seconds)
{
    clock_step(seconds);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
}

/* A service that starts takes the clock as it is. */
static void believe_clock(struct server *s)
{
    server_kill9(s);
    server_restart(s);
}

static char *keep(const char *id)
{
    char *copy = strdup(id);
    ck_assert_ptr_nonnull(copy);
    return copy;
}

static struct server *begin(const char *more)
{
    char text[1024];
    clock_own();
    snprintf(text, sizeof(text), "%s%s", more, conf);
    return server_new(text, NULL);
}

/* In both directions, and back. */
START_TEST(what_is_to_run_after_a_while_does_not_jump)
{
    static const double steps[] = {HOUR, -HOUR, -HOUR, HOUR, 100 * DAY, -100 * DAY};
    char body[300];
    struct server *s = begin("");
    char *late = keep(submit(s, "{\"task\":\"noop\",\"delay\":1800}"));
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"delay\":1800,\"depends_on\":[\"%s\"]}",
             late);
    char *child = keep(submit(s, body)); /* waits for both */
    snprintf(body, sizeof(body), FAILS, "1800");
    char *pause = keep(submit(s, body));
    answer_free(await_state(s, pause, "scheduled"));
    eventually(time_of(s, pause, "run_at") > clock_now_us() / MS_US + 1000000, LONG_MS);
    int64_t late_ms = time_of(s, late, "run_at"), pause_ms = time_of(s, pause, "run_at");
    int64_t child_ms = time_of(s, child, "run_at");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        set_clock(s, steps[i]);
        state_is(s, late, "scheduled");
        state_is(s, pause, "scheduled");
        late_ms += (int64_t)(steps[i] * 1000);
        pause_ms += (int64_t)(steps[i] * 1000);
        child_ms += (int64_t)(steps[i] * 1000);
        /* to the millisecond, but for what the clocks themselves differ by in a step */
        ck_assert_int_le(llabs(time_of(s, late, "run_at") - late_ms), 20);
        ck_assert_int_le(llabs(time_of(s, pause, "run_at") - pause_ms), 20);
        ck_assert_int_le(llabs(time_of(s, child, "run_at") - child_ms), 20);
    }
    free(late);
    free(child);
    free(pause);
    server_free(s);
}
END_TEST

/* They end by themselves, though the clock shows a time long before their end. */
START_TEST(what_is_to_run_soon_runs_soon)
{
    char body[300];
    struct server *s = begin("");
    char *late = keep(submit(s, "{\"task\":\"noop\",\"delay\":3}"));
    snprintf(body, sizeof(body), FAILS, "2");
    char *pause = keep(submit(s, body));
    answer_free(await_state(s, pause, "scheduled"));
    clock_step(-DAY);
    answer_free(await_state(s, late, "succeeded"));
    answer_free(await_state(s, pause, "failed"));
    free(late);
    free(pause);
    server_free(s);
}
END_TEST

START_TEST(what_is_to_run_at_a_time_runs_then)
{
    struct server *s = begin("");
    char body[200];
    int64_t at_s = clock_now_us() / 1000000 + 7200;
    struct tm t;
    char text[40];
    time_t at = (time_t)at_s;
    ck_assert_ptr_nonnull(gmtime_r(&at, &t));
    ck_assert_uint_gt(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &t), 0);
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"run_at\":\"%s.250Z\"}", text);
    char *due = keep(submit(s, body));
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    snprintf(body, sizeof(body), "{\"task\":\"echo\",\"expires_at\":\"%s.250Z\"}", text);
    char *expires = keep(submit(s, body));
    set_clock(s, HOUR);
    state_is(s, due, "scheduled");
    state_is(s, expires, "queued");
    set_clock(s, HOUR - 2 * DAY); /* not in between, either */
    state_is(s, due, "scheduled");
    set_clock(s, 2 * DAY);
    answer_free(await_state(s, due, "succeeded"));
    answer_free(await_state(s, expires, "expired"));
    ck_assert_int_ge(time_of(s, due, "started_at"), at_s * 1000 + 250);
    ck_assert_int_eq(time_of(s, due, "run_at"), at_s * 1000 + 250);
    free(due);
    free(expires);
    server_free(s);
}
END_TEST

START_TEST(no_lease_ends_early_or_late)
{
    static const double steps[] = {HOUR, -HOUR, -HOUR, HOUR};
    struct server *s = begin("");
    char *id = keep(submit(s, "{\"task\":\"far\",\"timeout\":3000}"));
    char *held = take_lease(s, "{\"duration\":300}", NULL);
    for (int i = 0; i < 4; i++) {
        set_clock(s, steps[i]);
        state_is(s, id, "running");
        ck_assert_int_eq(end_lease(s, held, "heartbeat", "{}"), 200);
    }
    ck_assert_int_eq(end_lease(s, held, "complete", "{\"result\":1}"), 200);
    char *again = keep(submit(s, "{\"task\":\"far\"}"));
    char *lost = take_lease(s, "{\"duration\":1.5}", NULL);
    clock_step(-DAY);
    char *next =
        take_lease(s, "{\"duration\":300,\"wait\":60}", NULL); /* once the first one is lost */
    ck_assert_int_eq(end_lease(s, lost, "complete", "{\"result\":1}"), 409);
    ck_assert_int_eq(end_lease(s, next, "complete", "{\"result\":2}"), 200);
    answer_free(await_state(s, again, "succeeded"));
    free(id);
    free(held);
    free(again);
    free(lost);
    free(next);
    server_free(s);
}
END_TEST

static void put_schedule(struct server *s, const char *name, const char *cron, const char *more)
{
    char body[300];
    snprintf(body, sizeof(body),
             "{\"name\":\"%s\",\"cron\":\"%s\"%s,\"job\":{\"task\":\"noop\",\"tags\":[\"%s\"]}}",
             name, cron, more, name);
    answer_free(post(s, "/v1/schedules", body, 200));
}

static char *next_of(struct server *s, const char *name)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/schedules/%s", name);
    struct answer *a = get(s, path, 200);
    char *next = keep(jstr(a->json, "next.0"));
    answer_free(a);
    return next;
}

/* Seconds from now to the next full hour of the service's clock. */
static double to_the_hour(void)
{
    return (double)(INT64_C(3600000000) - clock_now_us() % INT64_C(3600000000)) / 1e6;
}

START_TEST(a_schedule_runs_once_whatever_the_clock_does)
{
    struct server *s = begin("");
    put_schedule(s, "hourly", "@hourly", "");
    put_schedule(s, "strict", "@hourly", ",\"missed\":\"none\"");
    set_clock(s, to_the_hour() - 300);
    ck_assert_int_eq(count(s, "hourly"), 0);
    clock_step(to_the_hour() + 0.1); /* it is due, and less than a minute late */
    eventually(count(s, "hourly") == 1 && count(s, "strict") == 1, LONG_MS);
    set_clock(s, -1800); /* the same hour comes again */
    set_clock(s, 1000);
    ck_assert_int_eq(count(s, "hourly"), 1);
    set_clock(s, 900);
    ck_assert_int_eq(count(s, "hourly"), 1);
    set_clock(s, 5 * HOUR); /* five are missed: one makes up for them, or none */
    eventually(count(s, "hourly") == 2, LONG_MS);
    ck_assert_int_eq(count(s, "strict"), 1);
    server_free(s);
}
END_TEST

START_TEST(a_clock_that_was_years_ahead_stops_no_schedule)
{
    enum { OTHERS = 130 };
    for (int kill = 0; kill < 2; kill++) {
        struct server *s = begin("");
        for (int i = 0; i < OTHERS; i++) { /* it is on a later page of them */
            char name[20];
            snprintf(name, sizeof(name), "another-%d", i);
            put_schedule(s, name, "@hourly", "");
        }
        put_schedule(s, "hourly", "@hourly", "");
        char *before = next_of(s, "hourly");
        clock_step(3650 * DAY);
        eventually(count(s, "hourly") == 1, LONG_MS);
        if (kill)
            server_kill9(s); /* it is down when the clock is put right */
        clock_step(-3650 * DAY);
        if (kill)
            server_restart(s);
        bool same = false;
        char *now = NULL;
        for (int i = 0; i < IN_VAIN && !same; i++) {
            answer_free(run_job(s, "{\"task\":\"noop\"}"));
            free(now);
            now = next_of(s, "hourly");
            same = strncmp(now, before, 4) == 0;
        }
        ck_assert_msg(same, "%s, and then %s", before, now);
        clock_step(to_the_hour() + 0.1);
        eventually(count(s, "hourly") == 2, LONG_MS);
        free(before);
        free(now);
        server_free(s);
    }
}
END_TEST

/* More than one transaction ends, and free workers for all of them. */
START_TEST(nothing_begins_when_its_time_is_over)
{
    enum { MANY = 20000 };
    static const char *const json_lines[] = {"Content-Type: application/x-ndjson", NULL};
    char text[40], body[200];
    struct server *s = begin("");
    time_t at = (time_t)(clock_now_us() / (MS_US * 1000)) + 600;
    struct tm tm;
    ck_assert_ptr_nonnull(gmtime_r(&at, &tm));
    ck_assert_uint_gt(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm), 0);
    size_t line =
        (size_t)snprintf(body, sizeof(body), "{\"task\":\"far\",\"expires_at\":\"%s\"}\n", text);
    char *lines = malloc(line * MANY + 1);
    ck_assert_ptr_nonnull(lines);
    for (size_t i = 0; i < MANY; i++)
        memcpy(lines + line * i, body, line);
    lines[line * MANY] = '\0';
    struct answer *a = http(s, "POST", "/v1/jobs/batch", lines, json_lines);
    ck_assert_int_eq(a->status, 202);
    free(lines);
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"depends_on\":[\"%s\"]}",
             jstr(a->json, "id"));
    answer_free(a);
    char *child = keep(submit(s, body));
    server_kill9(s);
    clock_step(HOUR);
    server_configure(s, "[task far]\ncommand = /bin/true\n");
    server_restart(s);
    eventually(stat_of(s, "jobs.expired") + stat_of(s, "jobs.succeeded") == MANY, LONG_MS);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), 0);
    answer_free(await_state(s, child, "failed"));
    free(child);
    server_free(s);
}
END_TEST

START_TEST(no_lease_runs_out_while_nobody_can_hear)
{
    struct server *s = begin("");
    char *id = keep(submit(s, "{\"task\":\"far\",\"timeout\":5400,\"max_attempts\":1}"));
    char *lease = take_lease(s, "{\"duration\":60}", NULL);
    server_kill9(s);
    clock_step(HOUR); /* as if it had been down so long */
    server_restart(s);
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", "{}"), 200);
    server_kill9(s);
    clock_step(HOUR); /* but no job takes longer than it may */
    server_restart(s);
    answer_free(await_state(s, id, "failed"));
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", "{}"), 409);
    free(lease);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(keys_and_jobs_are_kept_as_long_as_was_said)
{
    const char *const key[] = {"Idempotency-Key: k", NULL};
    struct server *s = begin("[server]\nkeep_for = 3d\nidempotency_ttl = 1d\n"
                             "[task sleep]\nkeep_for = 1h\n");
    char *id[4];
    for (int i = 0; i < 4; i++) {
        struct answer *a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", key);
        ck_assert_int_eq(a->status, 202);
        id[i] = keep(jstr(a->json, "id"));
        answer_free(a);
        answer_free(await_state(s, id[i], "succeeded"));
        set_clock(s, i == 1 ? DAY + 1 : 60);
        if (i < 2)
            believe_clock(s);
    }
    ck_assert_str_eq(id[0], id[1]);
    ck_assert_str_ne(id[1], id[2]); /* a day later */
    ck_assert_str_eq(id[2], id[3]);
    answer_free(run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0},\"tags\":[\"brief\"]}"));
    clock_step(HOUR + 1);
    believe_clock(s);
    eventually(count(s, "brief") == 0, LONG_MS);
    state_is(s, id[0], "succeeded"); /* other tasks' are kept longer */
    clock_step(3 * DAY);
    believe_clock(s);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs?ids=%s,%s", id[0], id[2]);
    for (size_t left = 2; left > 0;) {
        struct answer *a = get(s, path, 200);
        left = json_array_size(jget(a->json, "jobs"));
        answer_free(a);
    }
    for (int i = 0; i < 4; i++)
        free(id[i]);
    server_free(s);
}
END_TEST

START_TEST(a_clock_that_was_years_ahead_stops_no_forgetting)
{
    struct server *s = begin("[server]\nkeep_for = 1h\n");
    set_clock(s, 3650 * DAY);
    set_clock(s, -3650 * DAY);
    answer_free(run_job(s, "{\"task\":\"echo\",\"tags\":[\"after\"]}"));
    ck_assert_int_eq(count(s, "after"), 1);
    clock_step(HOUR + 60);
    believe_clock(s);
    eventually(count(s, "after") == 0, LONG_MS);
    server_free(s);
}
END_TEST

/* Each transaction between them looks for what is to be forgotten. */
START_TEST(a_clock_that_was_ahead_for_a_while_forgets_nothing)
{
    static const char *const key[] = {"Idempotency-Key: k", NULL};
    static const double steps[] = {2 * HOUR, 30 * DAY, -10 * DAY, -20 * DAY, -2 * HOUR};
    struct server *s = begin("[server]\nkeep_for = 1h\nidempotency_ttl = 1h\n");
    char *id = NULL;
    for (size_t i = 0; i <= sizeof(steps) / sizeof(steps[0]); i++) {
        struct answer *a = http(s, "POST", "/v1/jobs?wait=60", "{\"task\":\"noop\"}", key);
        ck_assert_int_eq(a->status, 200);
        if (id)
            ck_assert_str_eq(jstr(a->json, "id"), id);
        else
            id = keep(jstr(a->json, "id"));
        answer_free(a);
        state_is(s, id, "succeeded");
        if (i < sizeof(steps) / sizeof(steps[0]))
            set_clock(s, steps[i]);
    }
    free(id);
    server_free(s);
}
END_TEST

START_TEST(unique_for_a_period)
{
    static const char body[] = "{\"task\":\"noop\",\"unique\":{\"key\":\"k\",\"period\":3600}}";
    struct server *s = begin("");
    char *first = keep(submit(s, body));
    answer_free(await_state(s, first, "succeeded"));
    for (int i = 0; i < 2; i++) {
        struct answer *a = post(s, "/v1/jobs", body, 200); /* it has ended */
        ck_assert_str_eq(jstr(a->json, "id"), first);
        answer_free(a);
        set_clock(s, i == 0 ? HOUR - 60 : 61);
    }
    ck_assert_str_ne(submit(s, body), first);
    free(first);
    server_free(s);
}
END_TEST

/* Those that were submitted first run first, though by the clock they came last. */
START_TEST(the_queue_keeps_its_order)
{
    struct server *s = begin("");
    answer_free(post(s, "/v1/tasks/noop/pause", NULL, 200));
    char *id[4];
    for (int i = 0; i < 4; i++) {
        id[i] = keep(submit(s, "{\"task\":\"noop\",\"concurrency_key\":\"one\"}"));
        clock_step(-HOUR);
        answer_free(run_job(s, "{\"task\":\"echo\"}"));
    }
    answer_free(post(s, "/v1/tasks/noop/resume", NULL, 200));
    for (int i = 0; i < 4; i++) {
        answer_free(await_state(s, id[i], "succeeded"));
        if (i > 0)
            ck_assert_int_ge(time_of(s, id[i], "started_at"), time_of(s, id[i - 1], "started_at"));
    }
    for (int i = 0; i < 4; i++)
        free(id[i]);
    server_free(s);
}
END_TEST

/* A job that a client waits for may run before it is written: it is no earlier than the others. */
START_TEST(what_runs_ahead_has_the_same_order)
{
    char path[300];
    sqlite3 *c;
    sqlite3_stmt *st;
    struct server *s = begin("");
    set_clock(s, HOUR);
    set_clock(s, -HOUR);
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(sqlite3_open_v2(path, &c, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(
                         c, /* the id's time is its key's upper bits, in milliseconds */
                         "SELECT sum(abs(rank - (key >> 12) * 1000) > 1000000), count(*) FROM jobs",
                         -1, &st, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    ck_assert_int_eq(sqlite3_column_int(st, 0), 0);
    ck_assert_int_eq(sqlite3_column_int(st, 1), 4);
    sqlite3_finalize(st);
    sqlite3_close(c);
    server_free(s);
}
END_TEST

/* A point of priority is worth a minute of age: what waits is overtaken for so long, and no longer.
 */
START_TEST(what_is_old_overtakes_what_is_urgent)
{
    struct server *s = begin("[pool default]\nworkers = 1\n");
    char body[120];
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    char *low = keep(submit(s, "{\"task\":\"echo\",\"priority\":-5}")), *high[40];
    for (int i = 0; i < 40; i++) { /* one of them comes each minute */
        snprintf(body, sizeof(body), "{\"task\":\"echo\",\"priority\":5,\"input\":%d}", i);
        high[i] = keep(submit(s, body));
        clock_step(60);
    }
    answer_free(post(s, "/v1/tasks/echo/resume", NULL, 200));
    int64_t low_ms = 0, before = 0, after = 0;
    answer_free(await_state(s, low, "succeeded"));
    low_ms = time_of(s, low, "started_at");
    for (int i = 0; i < 40; i++) {
        answer_free(await_state(s, high[i], "succeeded"));
        int64_t at_ms = time_of(s, high[i], "started_at");
        if (i < 9)
            before += at_ms <= low_ms;
        if (i > 11)
            after += at_ms >= low_ms;
        free(high[i]);
    }
    ck_assert_int_eq(before, 9); /* those of its first ten minutes: ten points more */
    ck_assert_int_eq(after, 28); /* and none that came later */
    free(low);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_to_run_after_a_while_does_not_jump,
        what_is_to_run_soon_runs_soon,
        what_is_to_run_at_a_time_runs_then,
        no_lease_ends_early_or_late,
        a_schedule_runs_once_whatever_the_clock_does,
        a_clock_that_was_years_ahead_stops_no_schedule,
        nothing_begins_when_its_time_is_over,
        no_lease_runs_out_while_nobody_can_hear,
        keys_and_jobs_are_kept_as_long_as_was_said,
        a_clock_that_was_years_ahead_stops_no_forgetting,
        a_clock_that_was_ahead_for_a_while_forgets_nothing,
        unique_for_a_period,
        the_queue_keeps_its_order,
        what_runs_ahead_has_the_same_order,
        what_is_old_overtakes_what_is_urgent,
    };
    return run_suite("clock", tests, sizeof(tests) / sizeof(tests[0]));
}
