/*
 * e2e_inspect.c - what the workers take, with their programs, and where they are when they are
 * asked.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char conf[] =
    "[task burn]\ncommand = /bin/sh -c '(while :; do :; done) & (while :; do :; done)'\n"
    "[task hold]\ncommand = /usr/bin/python3 -c 'import time; x = bytearray(80000000); "
    "time.sleep(100)'\n";

static pid_t worker_of(struct server *s)
{
    pid_t pid;
    eventually(worker_pids(s, &pid, 1) == 1, LONG_MS);
    return pid;
}

static void cancel(struct server *s, const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    answer_free(post(s, path, "", 200));
}

/* A figure of the only worker. */
static double figure(struct server *s, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "workers.0.%s", name);
    struct answer *a = get(s, "/v1/workers", 200);
    double v = json_number_value(jget(a->json, path));
    answer_free(a);
    return v;
}

START_TEST(what_its_programs_take_counts)
{
    struct server *s = server_new(conf, one_worker);
    char id[40];
    eventually(figure(s, "processes") == 1, LONG_MS);
    double before = figure(s, "cpu_seconds");
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"burn\"}"));
    eventually(figure(s, "processes") >= 3, LONG_MS);
    eventually(figure(s, "cpu_seconds") > before + 0.5, LONG_MS);
    cancel(s, id);
    eventually(figure(s, "processes") == 1, LONG_MS);
    ck_assert_double_gt(figure(s, "cpu_seconds"), before + 0.5); /* of those that have ended, too */
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"hold\"}"));
    eventually(figure(s, "rss_bytes") > 80e6, LONG_MS);
    cancel(s, id);
    eventually(figure(s, "rss_bytes") < 80e6, LONG_MS);
    server_free(s);
}
END_TEST

static size_t count_of(struct server *s, const char *words)
{
    char *log = server_log(s);
    size_t n = 0;
    for (const char *at = log; (at = strstr(at, words)); at++)
        n++;
    free(log);
    return n;
}

/* Asked now: is it told in the service's log? */
static bool says_idle(struct server *s, pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
#ifdef __SANITIZE_THREAD__ /* it keeps the signal back while the worker waits for a message */
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
#endif
    return count_of(s, "SIGUSR1: idle, here:") > 0;
}

/* Asked now: is it told in the job's log, with a frame? A job is `running` a little before its
 * worker has begun it. */
static bool says_its_job(struct server *s, pid_t pid, const char *id)
{
    char path[100];
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs", id);
    struct answer *a = get(s, path, 200);
    const char *at = strstr(a->body, "SIGUSR1: runs the task sleep for ");
    bool yes = at && strchr(at, '\n') && strstr(strchr(at, '\n'), "[0x");
    answer_free(a);
    return yes;
}

START_TEST(a_worker_says_where_it_is)
{
    struct server *s = server_new(conf, one_worker);
    char id[40], path[100];
    pid_t pid = worker_of(s);
    eventually(says_idle(s, pid), LONG_MS);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":100}}"));
    eventually(says_its_job(s, pid, id), LONG_MS);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "running"); /* it hurts nobody */
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    ck_assert_int_eq(worker_of(s), pid);
    server_free(s);
}
END_TEST

START_TEST(asked_again_and_again_it_works_on)
{
    struct server *s = server_new(conf, one_worker);
    pid_t pid = worker_of(s);
    for (int i = 0; i < 100; i++) {
        char id[40], path[100];
        snprintf(id, sizeof(id), "%s",
                 submit(s, i % 2 ? "{\"task\":\"echo\",\"input\":1}"
                                 : "{\"task\":\"primes\",\"input\":"
                                   "{\"limit\":200000}}"));
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(kill(pid, SIGUSR1), 0);
        snprintf(path, sizeof(path), "/v1/jobs/%s?wait=60", id);
        struct answer *a = get(s, path, 200);
        ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
        ck_assert_int_eq(jint(a->json, "attempt"), 1);
        answer_free(a);
    }
    ck_assert_int_eq(worker_of(s), pid);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {what_its_programs_take_counts, a_worker_says_where_it_is,
                                  asked_again_and_again_it_works_on};
    return run_suite("inspect", tests, sizeof(tests) / sizeof(tests[0]));
}
