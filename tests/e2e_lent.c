/*
 * e2e_lent.c - short jobs of the queue that are lent to a worker: their claims are not written.
 * What is told of one that goes on, and what remains of it when it is cancelled, when its worker
 * dies, at a drain and at a crash.
 *
 * `--run-ahead 60` leaves a claim unwritten for as long as any test takes, and makes 15 s short.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const far[] = {"--workers", "1", "--run-ahead", "60", NULL};
static const char *const usual[] = {"--workers", "1", NULL};

#define LONG_JOB "{\"task\":\"sleep\",\"input\":{\"seconds\":100}%s}"

/* The service knows that its jobs are short. */
static struct server *begin(const char *const *flags)
{
    struct server *s = server_new(NULL, flags);
    answer_free(run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0}}"));
    return s;
}

/* What the worker runs; "": nothing. */
static void runs_now(struct server *s, char id[40])
{
    struct answer *a = get(s, "/v1/workers", 200);
    snprintf(id, 40, "%s", jstr(a->json, "workers.0.job"));
    answer_free(a);
}

static bool runs(struct server *s, const char *id)
{
    char now[40];
    runs_now(s, now);
    return strcmp(now, id) == 0;
}

static void is(struct server *s, const char *id, const char *state, int attempt)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "state"), state);
    ck_assert_int_eq(jint(a->json, "attempt"), attempt);
    answer_free(a);
}

/* A long job that waits behind a short one, and then runs. */
static void begin_long(struct server *s, const char *more, char id[40])
{
    char body[300];
    snprintf(body, sizeof(body),
             "{\"jobs\":[{\"task\":\"sleep\",\"input\":{\"seconds\":0.3}}," LONG_JOB "]}", more);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    snprintf(id, 40, "%s", jstr(a->json, "jobs.1.id"));
    ck_assert_str_ne(id, "");
    answer_free(a);
    eventually(runs(s, id), LONG_MS);
}

START_TEST(it_is_queued_until_a_word_of_it_is_written)
{
    char id[40], path[100];
    struct server *s = begin(far);
    begin_long(s, "", id);
    is(s, id, "queued", 0);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    struct answer *a = http(s, "POST", path, NULL, NULL);
    ck_assert_int_lt(a->status, 300);
    answer_free(a);
    answer_free(await_state(s, id, "cancelled"));
    is(s, id, "cancelled", 1);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

START_TEST(one_that_goes_on_is_written)
{
    char id[40];
    struct server *s = begin(usual);
    for (int i = 0; i < 20; i++) /* short enough */
        answer_free(run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0}}"));
    begin_long(s, "", id);
    answer_free(await_state(s, id, "running"));
    is(s, id, "running", 1);
    server_kill9(s);
    server_restart(s);
    server_free(s);
}
END_TEST

/* Who runs the job's second attempt; 0: nobody does yet. */
static pid_t second_worker(struct server *s, const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    pid_t pid = (pid_t)json_integer_value(jget(a->json, "attempts.1.worker"));
    answer_free(a);
    return pid;
}

START_TEST(a_dead_worker_is_an_attempt)
{
    char id[40];
    pid_t worker;
    struct server *s = begin(far);
    begin_long(s, ",\"max_attempts\":2", id);
    is(s, id, "queued", 0);
    ck_assert_uint_eq(worker_pids(s, &worker, 1), 1);
    kill(worker, SIGKILL);
    answer_free(await_state(s, id, "running")); /* the last attempt is written */
    is(s, id, "running", 2);
    eventually((worker = second_worker(s, id)) > 0, LONG_MS); /* it may not be born yet */
    kill(worker, SIGKILL);
    struct answer *a = await_state(s, id, "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    answer_free(a);
    server_free(s);
}
END_TEST

/* It is not known that it had begun: who must not run twice has one attempt. */
START_TEST(a_crash_forgets_that_it_began)
{
    char id[40], once[40];
    struct server *s = begin(far);
    begin_long(s, "", id);
    is(s, id, "queued", 0);
    server_kill9(s);
    server_restart(s);
    eventually(runs(s, id), LONG_MS);
    is(s, id, "running", 1); /* written: this service does not know yet that such jobs are short */
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(http(s, "POST", path, NULL, NULL));
    answer_free(await_state(s, id, "cancelled"));

    begin_long(s, ",\"max_attempts\":1", once);
    is(s, once, "running", 1);
    server_kill9(s);
    server_restart(s);
    struct answer *a = await_state(s, once, "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(a_drain_gives_it_back)
{
    static const char *const hasty[] = {"--workers",       "1",   "--run-ahead", "60",
                                        "--drain-timeout", "0.2", NULL};
    char id[40], now[40];
    struct server *s = begin(hasty);
    begin_long(s, "", id);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    eventually((runs_now(s, now), strcmp(now, id) == 0), LONG_MS);
    server_kill9(s); /* it runs again, and would go on for long */
    server_restart(s);
    server_free(s);
}
END_TEST

/* n of this job as a group. */
static void batch_of(struct server *s, const char *job, int n, char group[40])
{
    char *body = malloc((size_t)n * (strlen(job) + 1) + 20);
    ck_assert_ptr_nonnull(body);
    size_t at = (size_t)sprintf(body, "{\"jobs\":[");
    for (int i = 0; i < n; i++)
        at += (size_t)sprintf(body + at, "%s%s", i ? "," : "", job);
    strcpy(body + at, "]}");
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    snprintf(group, 40, "%s", jstr(a->json, "id"));
    answer_free(a);
    free(body);
}

static void all_succeed(struct server *s, const char *group, int n)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/groups/%s?wait=60", group);
    struct answer *a = get(s, path, 200);
    ck_assert_int_eq(jint(a->json, "counts.succeeded"), n);
    answer_free(a);
}

/* What a worker has in hand behind its job had not begun: only what ran runs again. */
START_TEST(a_crash_costs_who_ran_an_attempt)
{
    enum { JOBS = 120, WORKERS = 2, KNOWN = 10 };
    static const char job[] = "{\"task\":\"primes\",\"input\":{\"limit\":1e7}}"; /* computes */
    struct server *s = server_new(NULL, (const char *const[]){"--workers", "2", NULL});
    char group[40], path[100];
    for (int i = 0; i < KNOWN; i++) /* how long they take */
        answer_free(run_job(s, job));
    batch_of(s, job, JOBS, group);
    eventually(stat_of(s, "jobs.succeeded") >= KNOWN + JOBS / 3, LONG_MS);
    server_kill9(s);
    server_restart(s);
    all_succeed(s, group, JOBS);
    snprintf(path, sizeof(path), "/v1/jobs?group=%s&limit=%d", group, JOBS);
    struct answer *a = get(s, path, 200);
    int again = 0;
    for (int i = 0; i < JOBS; i++) {
        snprintf(path, sizeof(path), "jobs.%d.attempt", i);
        json_int_t attempt = jint(a->json, path);
        ck_assert(attempt == 1 || attempt == 2);
        again += attempt == 2;
    }
    ck_assert_int_le(again, WORKERS);
    answer_free(a);
    server_free(s);
}
END_TEST

/* All of them end once, and the counts of their group and of the service are right. */
START_TEST(thousands_end_once)
{
    enum { JOBS = 1000, BATCHES = 5 };
    struct server *s = server_new(NULL, (const char *const[]){"--workers", "2", NULL});
    char group[BATCHES][40];
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < BATCHES; i++)
        batch_of(s, "{\"task\":\"noop\"}", JOBS, group[i]);
    for (int i = 0; i < BATCHES; i++)
        all_succeed(s, group[i], JOBS);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), BATCHES * JOBS + 1);
    ck_assert_int_eq(stat_of(s, "jobs.queued"), 0);
    ck_assert_int_eq(stat_of(s, "jobs.running"), 0);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        it_is_queued_until_a_word_of_it_is_written,
        one_that_goes_on_is_written,
        a_dead_worker_is_an_attempt,
        a_crash_forgets_that_it_began,
        a_drain_gives_it_back,
        a_crash_costs_who_ran_an_attempt,
        thousands_end_once,
    };
    return run_suite("lent", tests, sizeof(tests) / sizeof(tests[0]));
}
