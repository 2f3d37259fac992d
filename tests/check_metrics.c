/* check_metrics.c - the exposition: what is counted comes out in the words of both formats. */
#include "suite.h"

#include "../common/clock.h"
#include "../common/job.h"
#include "../server/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct taskdef tasks[2];
static struct pooldef pools[1];
static struct taskdefs defs;
static struct buf out;

static void setup(void)
{
    snprintf(tasks[0].name, sizeof(tasks[0].name), "one");
    snprintf(tasks[1].name, sizeof(tasks[1].name), "two");
    snprintf(pools[0].name, sizeof(pools[0].name), "default");
    memset(&defs, 0, sizeof(defs));
    defs.task = tasks;
    defs.tasks = 2;
    defs.pool = pools;
    defs.pools = 1;
}

static void teardown(void)
{
    buf_release(&out);
}

static struct exposition begin(enum exposition_format format)
{
    buf_clear(&out);
    return EXPOSITION(&out, format);
}

/* `line` stands in the exposition as a whole line. */
static void has(const char *line)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    bool first = strncmp(out.data, whole + 1, strlen(whole) - 1) == 0;
    ck_assert_msg(first || strstr(out.data, whole), "no line\n%s\nin\n%s", line, out.data);
}

static void has_not(const char *part)
{
    ck_assert_msg(!strstr(out.data, part), "%s in\n%s", part, out.data);
}

START_TEST(names_end_as_each_format_has_it)
{
    struct exposition e = begin(EXPOSITION_TEXT);
    expose_u64(&e, METRIC_HTTP_CUT, NULL, 3);
    expose_u64(&e, METRIC_HTTP_WAITING, NULL, 4);
    exposition_end(&e);
    has("# TYPE jobmill_http_connections_cut_total counter");
    has("jobmill_http_connections_cut_total 3");
    has("# TYPE jobmill_http_waiting_clients gauge");
    has("jobmill_http_waiting_clients 4");
    has_not("# EOF");
    e = begin(EXPOSITION_OPENMETRICS);
    expose_u64(&e, METRIC_HTTP_CUT, NULL, 3);
    exposition_end(&e);
    has("# TYPE jobmill_http_connections_cut counter");
    has("jobmill_http_connections_cut_total 3");
    ck_assert_str_eq(out.data + out.len - 6, "# EOF\n");
}
END_TEST

START_TEST(label_values_are_escaped)
{
    struct exposition e = begin(EXPOSITION_TEXT);
    expose_u64(&e, METRIC_BUILD_INFO, LABELS("a\"b\\c\nd"), 1);
    has("jobmill_build_info{version=\"a\\\"b\\\\c\\nd\"} 1");
}
END_TEST

START_TEST(seconds_have_no_exponent)
{
    static const struct {
        int64_t us;
        const char *line;
    } rows[] = {{0, "process_cpu_seconds_total 0"},
                {1, "process_cpu_seconds_total 0.000001"},
                {1500000, "process_cpu_seconds_total 1.5"},
                {100, "process_cpu_seconds_total 0.0001"},
                {1770000000123456, "process_cpu_seconds_total 1770000000.123456"},
                {-5, "process_cpu_seconds_total 0"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exposition e = begin(EXPOSITION_TEXT);
        expose_us(&e, METRIC_PROCESS_CPU, NULL, rows[i].us);
        has(rows[i].line);
    }
}
END_TEST

START_TEST(accept_chooses_the_format)
{
    static const struct {
        const char *accept;
        enum exposition_format format;
    } rows[] = {
        {NULL, EXPOSITION_TEXT},
        {"", EXPOSITION_TEXT},
        {"*/*", EXPOSITION_TEXT},
        {"text/plain", EXPOSITION_TEXT},
        {"application/openmetrics-text", EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0."
         "75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EXPOSITION_OPENMETRICS},
        {"text/plain, application/openmetrics-text;q=0.5", EXPOSITION_TEXT},
        {"application/openmetrics-text; q=0", EXPOSITION_TEXT},
        {"application/openmetrics-textual", EXPOSITION_TEXT},
        {",,;q=,=;", EXPOSITION_TEXT},
        {"application/openmetrics-text;", EXPOSITION_OPENMETRICS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(exposition_choose(rows[i].accept) == rows[i].format, "%s", rows[i].accept);
}
END_TEST

static void attempt(uint32_t task, enum attempt_end end, const char *code, int64_t wait,
                    int64_t run)
{
    struct attempt a = {.end = end};
    snprintf(a.error.code, sizeof(a.error.code), "%s", code);
    metrics_attempt(task, &a, run);
    if (wait >= 0)
        metrics_wait(task, wait);
}

START_TEST(attempts_by_outcome)
{
    attempt(0, ATTEMPT_SUCCEEDED, "", 700, 2500);
    attempt(0, ATTEMPT_SUCCEEDED, "", -1, 2501);
    attempt(0, ATTEMPT_FAILED, "my_own_word", -1, 4000000000);
    attempt(0, ATTEMPT_FAILED, "timeout", -1, -1);
    attempt(0, ATTEMPT_FAILED, "crashed", -1, -1);
    attempt(0, ATTEMPT_FAILED, "out_of_memory", -1, -1);
    attempt(1, ATTEMPT_CANCELLED, "cancelled", -1, -1);
    attempt(1, ATTEMPT_RETURNED, "", -1, -1);
    attempt(TASKS_MAX, ATTEMPT_SUCCEEDED, "", 1, 1); /* none such: ignored */
    struct exposition e = begin(EXPOSITION_TEXT);
    metrics_expose_attempts(&e, &defs);
    has("jobmill_attempts_total{task=\"one\",outcome=\"succeeded\"} 2");
    has("jobmill_attempts_total{task=\"one\",outcome=\"failed\"} 1");
    has("jobmill_attempts_total{task=\"one\",outcome=\"timeout\"} 1");
    has("jobmill_attempts_total{task=\"one\",outcome=\"crashed\"} 1");
    has("jobmill_attempts_total{task=\"one\",outcome=\"out_of_memory\"} 1");
    has("jobmill_attempts_total{task=\"two\",outcome=\"cancelled\"} 1");
    has("jobmill_attempts_total{task=\"two\",outcome=\"returned\"} 1");
    has("jobmill_attempts_total{task=\"two\",outcome=\"succeeded\"} 0");
    /* a bound is part of its bucket; buckets are cumulated; the last holds all */
    has("jobmill_job_run_seconds_bucket{task=\"one\",le=\"0.001\"} 0");
    has("jobmill_job_run_seconds_bucket{task=\"one\",le=\"0.0025\"} 1");
    has("jobmill_job_run_seconds_bucket{task=\"one\",le=\"0.005\"} 2");
    has("jobmill_job_run_seconds_bucket{task=\"one\",le=\"1800.0\"} 2");
    has("jobmill_job_run_seconds_bucket{task=\"one\",le=\"+Inf\"} 3");
    has("jobmill_job_run_seconds_sum{task=\"one\"} 4000.005001");
    has("jobmill_job_run_seconds_count{task=\"one\"} 3");
    has("jobmill_job_wait_seconds_bucket{task=\"one\",le=\"0.001\"} 1");
    has("jobmill_job_wait_seconds_count{task=\"one\"} 1");
    has("jobmill_job_wait_seconds_count{task=\"two\"} 0");
}
END_TEST

START_TEST(commits_and_exits)
{
    metrics_commit(1, 90);
    metrics_commit(21, 2000000);
    metrics_worker_end(0, WORKER_END_SIGNAL);
    metrics_worker_end(POOLS_MAX, WORKER_END_SIGNAL);
    metrics_log_dropped();
    metrics_webhook(DELIVERY_WAITING);
    metrics_webhook(DELIVERY_WAITING);
    metrics_webhook(DELIVERY_GIVEN_UP);
    struct exposition e = begin(EXPOSITION_TEXT);
    metrics_expose_commits(&e);
    metrics_expose_exits(&e, &defs);
    metrics_expose_webhooks(&e);
    metrics_expose_log(&e);
    has("jobmill_db_commits_total 2");
    has("jobmill_db_commit_seconds_bucket{le=\"0.0001\"} 1");
    has("jobmill_db_commit_seconds_bucket{le=\"1.0\"} 1");
    has("jobmill_db_commit_seconds_sum 2.00009");
    has("jobmill_db_commit_changes_bucket{le=\"1.0\"} 1");
    has("jobmill_db_commit_changes_bucket{le=\"20.0\"} 1");
    has("jobmill_db_commit_changes_bucket{le=\"50.0\"} 2");
    has("jobmill_db_commit_changes_sum 22");
    has("jobmill_worker_exits_total{pool=\"default\",reason=\"signal\"} 1");
    has("jobmill_worker_exits_total{pool=\"default\",reason=\"exit\"} 0");
    has("jobmill_log_records_dropped_total 1");
    has("jobmill_webhook_deliveries_total{result=\"failed\"} 2");
    has("jobmill_webhook_deliveries_total{result=\"delivered\"} 0");
    has("jobmill_webhook_deliveries_total{result=\"given_up\"} 1");
}
END_TEST

static void *ask(void *arg)
{
    for (int i = 0; i < 1000; i++)
        metrics_request(arg);
    return NULL;
}

START_TEST(requests_of_all_threads)
{
    static const struct metrics_route routes[] = {{"/a", "GET"}, {"/b", "POST"}, {"/c", "GET"}};
    static struct request_figures asked[] = {
        {.route = 0, .status = 200, .took_us = 1000},
        {.route = 0, .status = 404, .took_us = 1000},
        {.route = 1, .status = 202, .took_us = 30000000},
        {.route = METRICS_ROUTES_MAX, .status = 405, .took_us = 10},
        {.route = 0, .head = true, .status = 304, .took_us = 10},
        {.route = 0, .poll = true, .status = 0, .took_us = 20000000},
    };
    pthread_t thread[2 * (sizeof(asked) / sizeof(asked[0]))];
    const size_t n = sizeof(thread) / sizeof(thread[0]);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask, &asked[i / 2]), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    struct exposition e = begin(EXPOSITION_TEXT);
    metrics_expose_http(&e, routes, 3);
    has("jobmill_http_requests_total{route=\"/a\",method=\"GET\",status=\"2xx\"} 2000");
    has("jobmill_http_requests_total{route=\"/a\",method=\"GET\",status=\"4xx\"} 2000");
    has("jobmill_http_requests_total{route=\"/a\",method=\"GET\",status=\"5xx\"} 0");
    has("jobmill_http_requests_total{route=\"/a\",method=\"GET\",status=\"none\"} 2000");
    has("jobmill_http_requests_total{route=\"/a\",method=\"HEAD\",status=\"3xx\"} 2000");
    has("jobmill_http_requests_total{route=\"/b\",method=\"POST\",status=\"2xx\"} 2000");
    has("jobmill_http_requests_total{route=\"none\",method=\"any\",status=\"4xx\"} 2000");
    has_not("/c"); /* never asked for */
    has("jobmill_http_request_duration_seconds_count{route=\"/a\",method=\"GET\"} 4000");
    has("jobmill_http_request_duration_seconds_bucket{route=\"/b\",method=\"POST\",le=\"10.0\"} 0");
    has("jobmill_http_request_duration_seconds_sum{route=\"/b\",method=\"POST\"} 60000");
    has("jobmill_http_long_poll_duration_seconds_count 2000");
}
END_TEST

START_TEST(the_process)
{
    metrics_begin();
    struct exposition e = begin(EXPOSITION_TEXT);
    metrics_expose_process(&e);
    has("# TYPE process_cpu_seconds_total counter");
    const char *at = strstr(out.data, "\nprocess_resident_memory_bytes ");
    ck_assert_ptr_nonnull(at);
    ck_assert_double_gt(strtod(at + strlen("\nprocess_resident_memory_bytes "), NULL), 100000);
    at = strstr(out.data, "\nprocess_open_fds ");
    ck_assert_ptr_nonnull(at);
    ck_assert_double_ge(strtod(at + strlen("\nprocess_open_fds "), NULL), 3);
    at = strstr(out.data, "\nprocess_start_time_seconds ");
    ck_assert_ptr_nonnull(at);
    double now = (double)clock_wall_us() / 1e6;
    double start = strtod(at + strlen("\nprocess_start_time_seconds "), NULL);
    ck_assert_double_le(start, now + 1);
    ck_assert_double_gt(start, now - 3600);
}
END_TEST

int main(void)
{
    return SUITE("metrics", setup, teardown, names_end_as_each_format_has_it,
                 label_values_are_escaped, seconds_have_no_exponent, accept_chooses_the_format,
                 attempts_by_outcome, commits_and_exits, requests_of_all_threads, the_process);
}
