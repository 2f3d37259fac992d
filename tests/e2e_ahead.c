/*
 * e2e_ahead.c - jobs whose clients wait run ahead of their first commit: what is told of them, and
 * what remains of them when they fail, when their worker dies, at a drain and at a crash.
 *
 * `--run-ahead 60` holds a job back from the store for as long as any test takes.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const far[] = {"--workers", "2", "--run-ahead", "60", NULL};
static const char *const never[] = {"--workers", "2", "--run-ahead", "0", NULL};
static const char *const usual[] = {"--workers", "2", NULL};

/* A job whose result is what the service tells of all jobs while it runs. */
static const char look_conf[] =
    "[task look]\nresult = json\ncommand = /usr/bin/python3 -c 'import sys, urllib.request as u; "
    "sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())' {input.url}\n";

/* Nothing runs ahead before a worker is known to be free: one job has ended, and is forgotten. */
static struct server *begin(const char *conf, const char *const *flags)
{
    char path[100];
    struct server *s = server_new(conf, flags);
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
    answer_free(a);
    a = http(s, "DELETE", path, NULL, NULL);
    ck_assert_int_eq(a->status, 204);
    answer_free(a);
    return s;
}

static size_t seen_by_itself(struct server *s, const char *more, const char *const *headers)
{
    char body[200];
    snprintf(body, sizeof(body),
             "{\"task\":\"look\",\"input\":{\"url\":\"http://127.0.0.1:%d/v1/jobs\"}%s}", s->port,
             more);
    struct answer *a = http(s, "POST", "/v1/jobs?wait=60", body, headers);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    const json_t *jobs = jget(a->json, "result.jobs");
    ck_assert_ptr_nonnull(jobs);
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *id = json_object_get(json_array_get(jobs, i), "id");
        n += strcmp(json_string_value(id), jstr(a->json, "id")) == 0;
    }
    answer_free(a);
    return n;
}

START_TEST(who_waits_needs_one_commit)
{
    struct server *s = begin(look_conf, far);
    static const char *const key[] = {"Idempotency-Key: a", NULL};
    ck_assert_uint_eq(seen_by_itself(s, "", NULL), 0);
    ck_assert_int_eq(jobs_kept(s), 1); /* and there with its outcome */
    ck_assert_uint_eq(seen_by_itself(s, "", key), 1);
    ck_assert_uint_eq(seen_by_itself(s, ",\"unique\":{\"by\":\"input\"}", NULL), 1);
    answer_free(post(s, "/v1/tasks/look/pause", "", 200));
    char id[40];
    struct answer *a = post(s, "/v1/jobs?wait=0.1",
                            "{\"task\":\"look\",\"input\":{\"url\":\"http://127.0.0.1:1\"}}", 202);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    ck_assert_str_eq(jstr(a->json, "state"), "queued");
    answer_free(a);
    answer_free(await_state(s, id, "queued"));
    server_free(s);
}
END_TEST

START_TEST(it_can_be_forbidden)
{
    struct server *s = begin(look_conf, never);
    ck_assert_uint_eq(seen_by_itself(s, "", NULL), 1);
    server_free(s);
}
END_TEST

START_TEST(what_is_told_is_what_is_kept)
{
    struct server *s = begin(NULL, far);
    char path[100];
    char body[400], until[40];
    time_t at = time(NULL) + 3600;
    struct tm tm;
    strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    snprintf(body, sizeof(body),
             "{\"task\":\"echo\",\"input\":{\"a\":[1,2]},\"priority\":3,\"tags\":[\"x\",\"y\"],"
             "\"timeout\":7,\"max_attempts\":2,\"expires_at\":\"%s\",\"backoff\":"
             "{\"kind\":\"fixed\",\"delay\":2}}",
             until);
    struct answer *a = post(s, "/v1/jobs?wait=60", body, 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
    struct answer *b = get(s, path, 200);
    const char *key;
    json_t *value;
    json_object_foreach(a->json, key, value)
    {
        ck_assert_msg(json_equal(value, json_object_get(b->json, key)), "%s: %s %s", key, a->body,
                      b->body);
    }
    answer_free(b);
    server_kill9(s);
    server_restart(s);
    b = get(s, path, 200);
    ck_assert_str_eq(jstr(b->json, "state"), "succeeded");
    ck_assert_int_eq(jint(b->json, "attempt"), 1);
    answer_free(b);
    b = get(s, "/v1/jobs?tag=y&state=succeeded", 200);
    ck_assert_uint_eq(json_array_size(jget(b->json, "jobs")), 1);
    answer_free(b);
    answer_free(a);
    server_free(s);
}
END_TEST

/* Longer than anything is kept inline. */
START_TEST(large_inputs_and_results_too)
{
    enum { SIZE = 300000 };
    struct server *s = begin(NULL, far);
    char path[100], *body = malloc(SIZE + 100);
    ck_assert_ptr_nonnull(body);
    int n = sprintf(body, "{\"task\":\"echo\",\"input\":\"");
    memset(body + n, 'z', SIZE);
    strcpy(body + n + SIZE, "\"}");
    struct answer *a = post(s, "/v1/jobs?wait=60", body, 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_uint_eq(a->len, SIZE + 2);
    answer_free(a);
    memcpy(strstr(path, "/result"), "/input", 7);
    a = get(s, path, 200);
    ck_assert_uint_eq(a->len, SIZE + 2);
    answer_free(a);
    free(body);
    server_free(s);
}
END_TEST

START_TEST(one_that_takes_longer_is_kept_while_it_runs)
{
    struct server *s = begin(NULL, usual);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 41\r\n\r\n"
                 "{\"task\":\"sleep\",\"input\":{\"seconds\": 100}}");
    eventually(stat_of(s, "jobs.running") == 1, LONG_MS);
    struct answer *a = get(s, "/v1/jobs?state=running", 200);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", jstr(a->json, "jobs.0.id"));
    answer_free(a);
    a = http(s, "POST", path, NULL, NULL);
    ck_assert_int_lt(a->status, 300);
    answer_free(a);
    char *said = raw_read(fd, "\"cancelled\"", LONG_MS);
    ck_assert_ptr_nonnull(strstr(said, "200 OK"));
    free(said);
    close(fd);
    server_free(s);
}
END_TEST

START_TEST(failures_and_dead_workers_are_attempts)
{
    struct server *s = server_with_task("bad", "misbehave", "", far);
    char path[120];
    struct answer *a =
        post(s, "/v1/jobs?wait=60",
             "{\"task\":\"bad\",\"max_attempts\":2,\"input\":{\"do\":\"crash\"}}", 200);
    ck_assert_str_eq(jstr(a->json, "state"), "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_uint_eq(json_array_size(jget(a->json, "attempts")), 2);
    answer_free(a);
    a = post(s, "/v1/jobs?wait=60",
             "{\"task\":\"bad\",\"timeout\":0.2,\"max_attempts\":1,\"input\":{\"do\":\"hang\"}}",
             200);
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    answer_free(a);
    server_free(s);
}
END_TEST

static int busy(struct server *s)
{
    struct answer *a = get(s, "/v1/workers", 200);
    int n = 0;
    for (size_t i = 0; i < json_array_size(jget(a->json, "workers")); i++)
        n += strcmp(json_string_value(
                        json_object_get(json_array_get(jget(a->json, "workers"), i), "state")),
                    "busy") == 0;
    answer_free(a);
    return n;
}

static int begin_sleep(struct server *s)
{
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 41\r\n\r\n"
                 "{\"task\":\"sleep\",\"input\":{\"seconds\": 100}}");
    eventually(busy(s) == 1, LONG_MS);
    ck_assert_int_eq(jobs_kept(s), 0);
    return fd;
}

/* Its client was told nothing: there is no such job. */
START_TEST(a_crash_takes_it_along)
{
    struct server *s = begin(NULL, far);
    int fd = begin_sleep(s);
    server_kill9(s);
    server_restart(s);
    ck_assert(raw_is_closed(fd, LONG_MS));
    close(fd);
    ck_assert_int_eq(jobs_kept(s), 0);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

/* It goes back to the queue, and its client is told so. */
START_TEST(a_drain_keeps_it)
{
    static const char *const hasty[] = {"--workers",       "2",   "--run-ahead", "60",
                                        "--drain-timeout", "0.2", NULL};
    struct server *s = begin(NULL, hasty);
    int fd = begin_sleep(s);
    server_signal(s, SIGTERM);
    char *said = raw_read(fd, "\"queued\"", LONG_MS);
    ck_assert_ptr_nonnull(strstr(said, "202 Accepted"));
    free(said);
    close(fd);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    ck_assert_int_eq(jobs_kept(s), 1);
    server_kill9(s); /* it runs again, and would go on for long */
    server_restart(s);
    server_free(s);
}
END_TEST

/* The writer itself hands brief jobs over and hears of them (dispatch_run), of which some turn out
 * long, fail, or kill their worker: no outcome is left lying until somebody else happens to look.
 */
START_TEST(brief_jobs_one_by_one_are_all_answered)
{
    enum { JOBS = 2000 };
    struct server *s = server_with_task("bad", "misbehave", "", usual);
    for (int i = 1; i <= JOBS; i++) {
        char body[120];
        /* about as long as is looked for it; or far longer */
        const char *seconds = i % 100 == 0 ? "0.01" : i % 4 == 0 ? "0.00003" : "0";
        snprintf(body, sizeof(body), "{\"task\":\"sleep\",\"input\":{\"seconds\":%s}}", seconds);
        if (i % 250 == 50)
            strcpy(body, "{\"task\":\"bad\",\"max_attempts\":1,\"input\":{\"do\":\"crash\"}}");
        struct answer *a = post(s, "/v1/jobs?wait=60", body, 200);
        ck_assert_str_eq(jstr(a->json, "state"), strstr(body, "bad") ? "failed" : "succeeded");
        answer_free(a);
    }
    ck_assert_int_eq(stat_of(s, "jobs.running"), 0);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        who_waits_needs_one_commit,
        it_can_be_forbidden,
        what_is_told_is_what_is_kept,
        large_inputs_and_results_too,
        one_that_takes_longer_is_kept_while_it_runs,
        failures_and_dead_workers_are_attempts,
        a_crash_takes_it_along,
        a_drain_keeps_it,
        brief_jobs_one_by_one_are_all_answered,
    };
    return run_suite("ahead", tests, sizeof(tests) / sizeof(tests[0]));
}
