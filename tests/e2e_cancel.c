/*
 * e2e_cancel.c - cancels and timeouts: what waits never runs, what listens may clean up, what does
 * not is killed with all that it started, and an acknowledged cancel never ends in success.
 */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RACES      60
#define CANCELLERS 8

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const two_workers[] = {"--workers", "2", NULL};

static const char commands[] =
    "[server]\nkill_grace = 60s\n"
    "[task polite]\ncommand = /bin/sh -c 'trap \"echo cleaned up >&2; exit 3\" TERM; "
    "sleep 600 & echo \"{\\\"progress\\\":{\\\"message\\\":\\\"$!\\\"}}\" >&4; wait'\n"
    /* ignores TERM, and its child does so in a session of its own */
    "[task tree]\ncommand = /bin/sh -c 'trap \"\" TERM HUP; setsid sleep 600 & "
    "echo \"{\\\"progress\\\":{\\\"message\\\":\\\"$!\\\"}}\" >&4; sleep 600; sleep 600'\n"
    "[task stays]\ncommand = /bin/sh -c 'setsid sleep 600 >&- 2>&- 4>&- & echo $!'\n";

static struct server *with_commands(const char *grace)
{
    char conf[2048];
    snprintf(conf, sizeof(conf), "%s", commands);
    char *at = strstr(conf, "60s");
    ck_assert_ptr_nonnull(at);
    memcpy(at, grace, 3);
    return server_new(conf, two_workers);
}

static struct answer *cancel(struct server *s, const char *id, const char *query)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel%s", id, query);
    return http(s, "POST", path, NULL, NULL);
}

static void cancel_to_the_end(struct server *s, const char *id)
{
    struct answer *a = cancel(s, id, "?wait=60");
    ck_assert_msg(a->status == 200 && !strcmp(jstr(a->json, "state"), "cancelled"), "%s", a->body);
    ck_assert_str_eq(jstr(a->json, "error.code"), "cancelled");
    answer_free(a);
}

START_TEST(what_waits_is_cancelled_without_running)
{
    struct server *s = server_new(NULL, one_worker);
    char id[64], blocker[64];
    snprintf(blocker, sizeof(blocker), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":60}}"));
    answer_free(await_state(s, blocker, "running"));
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\"}"));
    struct answer *a = cancel(s, id, "");
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "cancelled");
    ck_assert_int_eq(jint(a->json, "attempt"), 0);
    answer_free(a);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\",\"delay\":100}"));
    cancel_to_the_end(s, id);
    cancel_to_the_end(s, blocker);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

START_TEST(what_is_over_is_not_cancelled)
{
    struct server *s = server_new(NULL, one_worker);
    struct answer *job = run_job(s, "{\"task\":\"noop\"}");
    struct answer *a = cancel(s, jstr(job->json, "id"), "");
    ck_assert_int_eq(a->status, 409);
    ck_assert_str_eq(jstr(a->json, "code"), "conflict");
    answer_free(a);
    a = cancel(s, "0193588a-0000-7000-8000-000000000000", "");
    ck_assert_int_eq(a->status, 404);
    answer_free(a);
    a = await_state(s, jstr(job->json, "id"), "succeeded");
    answer_free(a);
    answer_free(job);
    server_free(s);
}
END_TEST

START_TEST(a_task_that_listens_costs_no_worker)
{
    pid_t first[4], second[4];
    char id[64];
    /* were it not told, the grace would be longer than the test */
    static const char *const patient[] = {"--workers", "2", "--kill-grace", "600", NULL};
    struct server *s = server_new(NULL, patient);
    eventually(worker_pids(s, first, 4) == 2, LONG_MS);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, id, "running"));
    cancel_to_the_end(s, id);
    eventually(worker_pids(s, second, 4) == 2, LONG_MS);
    ck_assert_mem_eq(first, second, 2 * sizeof(first[0]));
    cancel_to_the_end(s, id); /* once more: it is cancelled */
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0);
    server_free(s);
}
END_TEST

START_TEST(a_module_that_does_not_listen_is_killed_with_its_tree)
{
    char id[64];
    struct server *s = server_with_task("bad", "misbehave", "", two_workers);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"bad\",\"input\":{\"do\":\"daemon_hang\"}}"));
    pid_t daemon_pid = await_number(s, id);
    ck_assert(!process_is_gone(daemon_pid));
    cancel_to_the_end(s, id);
    ck_assert(process_is_gone(daemon_pid)); /* before the answer, not soon after it */
    pid_t pids[4];
    eventually(worker_pids(s, pids, 4) == 2, LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(a_command_may_clean_up)
{
    char id[64];
    struct server *s = with_commands("60s");
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"polite\"}"));
    pid_t child = await_number(s, id);
    cancel_to_the_end(s, id);
    ck_assert(process_is_gone(child));
    eventually(log_has(s, "cleaned up"), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(a_command_that_does_not_listen_is_killed_with_its_tree)
{
    char id[64];
    struct server *s = with_commands("0.1");
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"tree\"}"));
    pid_t child = await_number(s, id);
    ck_assert(!process_is_gone(child));
    cancel_to_the_end(s, id);
    ck_assert(process_is_gone(child));
    /* what a command leaves behind when it ends well */
    struct answer *a = run_job(s, "{\"task\":\"stays\"}");
    ck_assert_msg(jint(a->json, "result") > 0, "%s", a->body);
    ck_assert(process_is_gone((pid_t)jint(a->json, "result")));
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(what_a_module_left_behind_dies_with_its_job)
{
    struct server *s = server_with_task("bad", "misbehave", "", two_workers);
    struct answer *a = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"daemon\"}}");
    ck_assert_msg(jint(a->json, "result") > 0, "%s", a->body);
    ck_assert(process_is_gone((pid_t)jint(a->json, "result")));
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(nothing_outlives_a_service_that_is_killed)
{
    char id[64];
    struct server *s = with_commands("60s");
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"tree\"}"));
    pid_t child = await_number(s, id);
    server_kill9(s); /* finds anything of it that is left */
    ck_assert(process_is_gone(child));
    server_restart(s);
    child = await_number(s, id); /* its next attempt */
    pid_t forkserver;
    ck_assert_uint_ge(descendants(s->pid, &forkserver, 1), 1);
    ck_assert_int_eq(kill(forkserver, SIGKILL), 0); /* the service cannot go on */
    s->errors_ok = true;
    ck_assert_int_eq(server_wait(s, LONG_MS), 70);
    ck_assert(process_is_gone(child));
    server_restart(s);
    server_free(s);
}
END_TEST

START_TEST(a_timeout_ends_each_attempt)
{
    struct server *s = server_with_task(
        "bad", "misbehave",
        "[task loop]\ncommand = /bin/sh -c 'while :; do :; done'\n"
        /* its result is none when it gives up, which is no outcome of the attempt */
        "[task partial]\ncommand = /bin/sh -c 'trap \"exit 0\" TERM; echo partial; sleep 600 & "
        "wait'\n",
        two_workers);
    struct answer *a = run_job(s, "{\"task\":\"partial\",\"timeout\":0.5,\"max_attempts\":2}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    a = run_job(
        s, "{\"task\":\"bad\",\"input\":{\"do\":\"hang\"},\"timeout\":0.1,\"max_attempts\":2}");
    ck_assert_str_eq(jstr(a->json, "state"), "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "error.message"), "s of CPU time"));
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    /* it listens, and it is a timeout all the same */
    a = run_job(
        s, "{\"task\":\"sleep\",\"input\":{\"seconds\":60},\"timeout\":0.1,\"max_attempts\":1}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    answer_free(a);
    a = run_job(s, "{\"task\":\"loop\",\"timeout\":0.5,\"max_attempts\":1}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    ck_assert_ptr_null(strstr(jstr(a->json, "error.message"), "with 0.000 s"));
    answer_free(a);
    server_free(s);
}
END_TEST

struct canceller {
    struct server *s;
    pthread_t thread;
    const char *id;
    int status;
};

static void *cancel_it(void *arg)
{
    struct canceller *c = arg;
    struct answer *a = cancel(c->s, c->id, "?wait=60");
    c->status = strcmp(jstr(a->json, "state"), "cancelled") == 0 ? a->status : -a->status;
    answer_free(a);
    return NULL;
}

START_TEST(many_cancels_are_one)
{
    char id[64];
    struct canceller c[CANCELLERS];
    struct server *s = server_with_task("bad", "misbehave", "", two_workers);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"bad\",\"input\":{\"do\":\"daemon_hang\"}}"));
    pid_t child = await_number(s, id); /* it runs, and is not only on its way to the worker */
    for (int i = 0; i < CANCELLERS; i++) {
        c[i] = (struct canceller){.s = s, .id = id};
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, cancel_it, &c[i]), 0);
    }
    for (int i = 0; i < CANCELLERS; i++) {
        pthread_join(c[i].thread, NULL);
        ck_assert_int_eq(c[i].status, 200);
    }
    ck_assert(process_is_gone(child));
    ck_assert_int_eq(stat_of(s, "jobs.cancelled"), 1);
    server_free(s);
}
END_TEST

START_TEST(a_cancel_races_with_the_end)
{
    int cancelled = 0, succeeded = 0;
    struct server *s = server_new(NULL, two_workers);
    for (int i = 0; i < RACES; i++) {
        char id[64], path[128];
        snprintf(id, sizeof(id), "%s",
                 submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.01}}"));
        pause_ms((int)random_below(20)); /* the moment is the test's matter */
        struct answer *a = cancel(s, id, "");
        bool acknowledged = a->status == 200 || a->status == 202;
        ck_assert_msg(acknowledged || a->status == 409, "%s", a->body);
        answer_free(a);
        snprintf(path, sizeof(path), "/v1/jobs/%s?wait=60", id);
        a = get(s, path, 200);
        ck_assert_str_eq(jstr(a->json, "state"), acknowledged ? "cancelled" : "succeeded");
        cancelled += acknowledged;
        succeeded += !acknowledged;
        answer_free(a);
    }
    printf("%d cancelled in time, %d too late\n", cancelled, succeeded);
    ck_assert_int_eq(stat_of(s, "jobs.cancelled"), cancelled);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), succeeded);
    server_free(s);
}
END_TEST

/* The attempts that GET tells: how many, and that each has its number and its own error. */
static void has_failed(struct server *s, const char *id, const char *state, int n)
{
    char path[80];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "state"), state);
    ck_assert_msg((int)json_array_size(jget(a->json, "attempts")) == n, "not %d: %s", n, a->body);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "attempts.%d.number", i);
        ck_assert_int_eq(jint(a->json, path), i + 1);
        snprintf(path, sizeof(path), "attempts.%d.error.code", i);
        ck_assert_str_eq(jstr(a->json, path), "task_error");
    }
    answer_free(a);
}

/* A cancel between two attempts is none, and takes no attempt's record away. */
START_TEST(an_attempt_that_was_is_told_once)
{
    static const char *const delays[] = {"3600", "0.001,3600"};
    struct server *s = server_new("[task fails]\ncommand = /bin/false\n", one_worker);
    char body[200], id[40], path[80];
    for (int n = 1; n <= 2; n++) {
        snprintf(body, sizeof(body),
                 "{\"task\":\"fails\",\"max_attempts\":9,"
                 "\"backoff\":{\"kind\":\"list\",\"delays\":[%s]}}",
                 delays[n - 1]);
        snprintf(id, sizeof(id), "%s", submit(s, body));
        bool waits = false;
        snprintf(path, sizeof(path), "/v1/jobs/%s", id);
        while (!waits) {
            struct answer *a = await_state(s, id, "scheduled");
            waits = jint(a->json, "attempt") == n;
            answer_free(a);
        }
        has_failed(s, id, "scheduled", n);
        cancel_to_the_end(s, id);
        has_failed(s, id, "cancelled", n);
        answer_free(post(s, "/v1/tasks/fails/pause", NULL, 200));
        snprintf(path, sizeof(path), "/v1/jobs/%s/retry", id);
        answer_free(post(s, path, NULL, 202));
        has_failed(s, id, "queued", n);
        cancel_to_the_end(s, id);
        has_failed(s, id, "cancelled", n);
        answer_free(post(s, "/v1/tasks/fails/resume", NULL, 200));
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_waits_is_cancelled_without_running,
        what_is_over_is_not_cancelled,
        a_task_that_listens_costs_no_worker,
        a_module_that_does_not_listen_is_killed_with_its_tree,
        a_command_may_clean_up,
        a_command_that_does_not_listen_is_killed_with_its_tree,
        what_a_module_left_behind_dies_with_its_job,
        nothing_outlives_a_service_that_is_killed,
        a_timeout_ends_each_attempt,
        many_cancels_are_one,
        a_cancel_races_with_the_end,
        an_attempt_that_was_is_told_once,
    };
    return run_suite("cancel", tests, sizeof(tests) / sizeof(tests[0]));
}
