/* e2e_metrics.c - GET /metrics after jobs whose course is known. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const two_workers[] = {"--workers", "2", NULL};

/* A figure may follow what was told to a client: other threads count, and a worker's replacement is
 * born when it is born. */
static void is(struct server *s, const char *name, double want)
{
    double value;
    for (int64_t until = now_ms() + LONG_MS; (value = sample(s, name)) != want; pause_ms(2))
        ck_assert_msg(now_ms() < until, "%s is %g, not %g", name, value, want);
}

static void run(struct server *s, const char *body, const char *state)
{
    struct answer *a = run_job(s, body);
    ck_assert_str_eq(jstr(a->json, "state"), state);
    answer_free(a);
}

START_TEST(jobs_and_attempts)
{
    struct server *s = server_with_task("bad", "misbehave", "", two_workers);
    for (int i = 0; i < 3; i++)
        run(s, "{\"task\":\"noop\"}", "succeeded");
    run(s, "{\"task\":\"bad\",\"input\":{\"do\":\"fail_for_good\"}}", "failed");
    run(s, "{\"task\":\"bad\",\"input\":{\"do\":\"fail_twice\"}}", "succeeded");
    run(s, "{\"task\":\"bad\",\"input\":{\"do\":\"crash_once\"}}", "succeeded");
    is(s, "jobmill_jobs_submitted_total{task=\"noop\"}", 3);
    is(s, "jobmill_jobs_submitted_total{task=\"bad\"}", 3);
    is(s, "jobmill_jobs_finished_total{task=\"noop\",outcome=\"succeeded\"}", 3);
    is(s, "jobmill_jobs_finished_total{task=\"bad\",outcome=\"succeeded\"}", 2);
    is(s, "jobmill_jobs_finished_total{task=\"bad\",outcome=\"failed\"}", 1);
    is(s, "jobmill_attempts_total{task=\"bad\",outcome=\"succeeded\"}", 2);
    is(s, "jobmill_attempts_total{task=\"bad\",outcome=\"failed\"}", 3);
    is(s, "jobmill_attempts_total{task=\"bad\",outcome=\"crashed\"}", 1);
    is(s, "jobmill_job_run_seconds_count{task=\"bad\"}", 6);
    is(s, "jobmill_job_run_seconds_count{task=\"noop\"}", 3);
    is(s, "jobmill_job_wait_seconds_count{task=\"noop\"}", 3);
    is(s, "jobmill_job_wait_seconds_count{task=\"bad\"}", 3); /* of first attempts alone */
    is(s, "jobmill_worker_exits_total{pool=\"default\",reason=\"signal\"}", 1);
    is(s, "jobmill_worker_restarts_total{pool=\"default\"}", 1);
    eventually(sample(s, "jobmill_workers{pool=\"default\",state=\"idle\"}") == 2, LONG_MS);
    is(s, "jobmill_jobs_kept{task=\"bad\",state=\"failed\"}", 1);
    ck_assert_double_ge(sample(s, "jobmill_db_commits_total"), 6);
    eventually(sample(s, "jobmill_db_commits_total") ==
                   sample(s, "jobmill_db_commit_seconds_count"),
               LONG_MS);
    ck_assert_double_gt(sample(s, "jobmill_db_wal_bytes"), 0);
    ck_assert_double_gt(sample(s, "jobmill_db_file_bytes"), 0);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s); /* counters begin anew, what is kept is kept */
    is(s, "jobmill_jobs_submitted_total{task=\"bad\"}", 0);
    is(s, "jobmill_jobs_kept{task=\"bad\",state=\"failed\"}", 1);
    server_free(s);
}
END_TEST

START_TEST(the_queue)
{
    struct server *s = server_new(NULL, two_workers);
    is(s, "jobmill_queue_oldest_age_seconds{task=\"noop\"}", 0);
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    is(s, "jobmill_task_paused{task=\"noop\"}", 1);
    char later[64];
    snprintf(later, sizeof(later), "/v1/jobs/%s/cancel",
             submit(s, "{\"task\":\"noop\",\"delay\":1000}"));
    submit(s, "{\"task\":\"noop\"}");
    submit(s, "{\"task\":\"noop\"}");
    is(s, "jobmill_queue_depth{task=\"noop\",state=\"queued\"}", 2);
    is(s, "jobmill_queue_depth{task=\"noop\",state=\"scheduled\"}", 1);
    ck_assert_double_gt(sample(s, "jobmill_queue_oldest_age_seconds{task=\"noop\"}"), 0);
    is(s, "jobmill_queue_oldest_age_seconds{task=\"echo\"}", 0);
    answer_free(post(s, later, "", 200));
    is(s, "jobmill_jobs_finished_total{task=\"noop\",outcome=\"cancelled\"}", 1);
    is(s, "jobmill_queue_depth{task=\"noop\",state=\"scheduled\"}", 0);
    answer_free(post(s, "/v1/tasks/noop/resume", "", 200));
    eventually(sample(s, "jobmill_jobs_finished_total{task=\"noop\",outcome=\"succeeded\"}") == 2,
               LONG_MS);
    is(s, "jobmill_queue_oldest_age_seconds{task=\"noop\"}", 0);
    is(s, "jobmill_jobs_submitted_total{task=\"noop\"}", 3);
    server_free(s);
}
END_TEST

START_TEST(remote_workers)
{
    struct server *s = server_new("[task far]\nkind = remote\n", two_workers);
    char path[128];
    submit(s, "{\"task\":\"far\"}");
    is(s, "jobmill_queue_depth{task=\"far\",state=\"queued\"}", 1);
    struct answer *a = post(s, "/v1/leases", "{\"wait\":60}", 200);
    snprintf(path, sizeof(path), "/v1/leases/%s/complete", jstr(a->json, "leases.0.id"));
    answer_free(a);
    is(s, "jobmill_job_wait_seconds_count{task=\"far\"}", 1);
    answer_free(post(s, path, "{\"result\":1}", 200));
    is(s, "jobmill_attempts_total{task=\"far\",outcome=\"succeeded\"}", 1);
    is(s, "jobmill_job_run_seconds_count{task=\"far\"}", 1);
    is(s, "jobmill_jobs_finished_total{task=\"far\",outcome=\"succeeded\"}", 1);

    submit(s, "{\"task\":\"far\"}");
    a = post(s, "/v1/leases", "{\"wait\":60}", 200);
    snprintf(path, sizeof(path), "/v1/leases/%s/fail", jstr(a->json, "leases.0.id"));
    answer_free(a);
    answer_free(post(s, path, "{\"error\":{\"code\":\"no\",\"permanent\":true}}", 200));
    a = get(s, "/v1/tasks/far", 200);
    ck_assert_int_eq(jint(a->json, "attempts.started"), 2);
    ck_assert_int_eq(jint(a->json, "attempts.succeeded"), 1);
    ck_assert_int_eq(jint(a->json, "attempts.failed"), 1);
    ck_assert_double_gt(json_number_value(jget(a->json, "attempts.mean_seconds")), 0);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(requests)
{
    struct server *s = server_new(NULL, two_workers);
    static const char *const openmetrics[] = {"Accept: application/openmetrics-text", NULL};
    static const char poll[] = "jobmill_http_long_poll_duration_seconds_count";
    is(s, "jobmill_http_requests_total{route=\"/v1/jobs/{id}\",method=\"GET\",status=\"4xx\"}", -1);
    answer_free(get(s, "/v1/jobs/01890000-0000-7000-8000-000000000000", 404));
    answer_free(get(s, "/v1/jobs/nonsense", 404));
    answer_free(get(s, "/nothing/here", 404));
    answer_free(post(s, "/v1/jobs", "{\"task\":\"noop\"}", 202));
    answer_free(http(s, "HEAD", "/healthz", NULL, NULL));
    is(s, "jobmill_http_requests_total{route=\"/v1/jobs/{id}\",method=\"GET\",status=\"4xx\"}", 2);
    is(s, "jobmill_http_requests_total{route=\"none\",method=\"any\",status=\"4xx\"}", 1);
    is(s, "jobmill_http_requests_total{route=\"/v1/jobs\",method=\"POST\",status=\"2xx\"}", 1);
    is(s, "jobmill_http_requests_total{route=\"/healthz\",method=\"HEAD\",status=\"2xx\"}", 1);
    is(s, "jobmill_http_request_duration_seconds_count{route=\"/v1/jobs/{id}\",method=\"GET\"}", 2);
    is(s, poll, 0);
    run(s, "{\"task\":\"noop\"}", "succeeded"); /* waits */
    ck_assert_double_ge(sample(s, poll), 1);
    is(s, "jobmill_http_requests_in_flight", 1); /* the question itself */
    is(s, "jobmill_http_waiting_clients", 0);

    /* a client that leaves its long poll gets no answer, and is counted so */
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 39\r\n\r\n"
                 "{\"task\":\"sleep\",\"input\":{\"seconds\":60}}");
    eventually(sample(s, "jobmill_http_waiting_clients") == 1, LONG_MS);
    is(s, "jobmill_http_requests_in_flight", 2);
    close(fd);
    eventually(sample(s, "jobmill_http_requests_total{route=\"/v1/jobs\",method=\"POST\",status="
                         "\"none\"}") == 1,
               LONG_MS);
    is(s, "jobmill_http_waiting_clients", 0);

    struct answer *a = http(s, "GET", "/metrics", NULL, openmetrics);
    char type[128];
    ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
    ck_assert_ptr_nonnull(strstr(type, "application/openmetrics-text"));
    ck_assert_str_eq(a->body + a->len - 6, "# EOF\n");
    answer_free(a);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {jobs_and_attempts, the_queue, remote_workers, requests};
    return run_suite("metrics", tests, sizeof(tests) / sizeof(tests[0]));
}
