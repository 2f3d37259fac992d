/*
 * e2e_limits.c - who may run at once, by the real service: limits of tasks and keys, rates, pauses,
 * and what depends on others, over kills. What must not begin is shown by what came after it and
 * did.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD  "{\"task\":\"hold\",\"max_attempts\":5"
#define KEYED "{\"task\":\"keyed\",\"concurrency_key\":"
#define AFTER "{\"task\":\"noop\",\"depends_on\":[\"%s\"]%s}"

static const char conf[] = "[task hold]\ncommand = /bin/sleep 600\nconcurrency = 1\n"
                           "[task keyed]\ncommand = /bin/sleep 600\nkey_concurrency = 2\n"
                           "[task slow]\ncommand = /bin/true\nrate = 1/h\nburst = 2\n";
static const char *const four[] = {"--workers", "4", NULL};

static void put_id(char id[40], const char *from)
{
    snprintf(id, 40, "%s", from);
}

static void is(struct server *s, const char *id, const char *state)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(strcmp(jstr(a->json, "state"), state) == 0, "%s is %s, not %s", id,
                  jstr(a->json, "state"), state);
    answer_free(a);
}

static void cancel(struct server *s, const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    struct answer *a = http(s, "POST", path, NULL, NULL);
    ck_assert_int_lt(a->status, 300);
    answer_free(a);
    answer_free(await_state(s, id, "cancelled"));
}

/* A job of another task that came later has ended: the service has looked at the queue. */
static void others_pass(struct server *s)
{
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
}

START_TEST(a_task_runs_so_many_at_once)
{
    struct server *s = server_new(conf, four);
    char a[40], b[40], c[40];
    put_id(a, submit(s, HOLD "}"));
    answer_free(await_state(s, a, "running"));
    put_id(b, submit(s, HOLD "}"));
    put_id(c, submit(s, HOLD ",\"priority\":5}"));
    others_pass(s);
    is(s, b, "queued");
    is(s, c, "queued");
    cancel(s, a);
    answer_free(await_state(s, c, "running"));
    others_pass(s);
    is(s, b, "queued");
    server_kill9(s); /* the limit counts what runs again, too */
    server_restart(s);
    answer_free(await_state(s, c, "running"));
    others_pass(s);
    is(s, b, "queued");
    cancel(s, c);
    answer_free(await_state(s, b, "running"));
    cancel(s, b);
    server_free(s);
}
END_TEST

START_TEST(a_key_runs_so_many_at_once)
{
    struct server *s = server_new(conf, four);
    char a[4][40], b[40], path[100];
    for (int i = 0; i < 4; i++)
        put_id(a[i], submit(s, KEYED "\"a\"}"));
    put_id(b, submit(s, KEYED "\"b\"}"));
    answer_free(await_state(s, a[0], "running"));
    answer_free(await_state(s, a[1], "running"));
    answer_free(await_state(s, b, "running"));
    others_pass(s);
    is(s, a[2], "queued");
    snprintf(path, sizeof(path), "/v1/jobs/%s", a[2]);
    struct answer *held = get(s, path, 200);
    ck_assert_msg(json_is_true(jget(held->json, "held")), "%s", held->body);
    answer_free(held);
    cancel(s, a[2]); /* one that waits: nobody takes its place */
    others_pass(s);
    is(s, a[3], "queued");
    server_kill9(s);
    server_restart(s);
    answer_free(await_state(s, a[0], "running"));
    answer_free(await_state(s, a[1], "running"));
    others_pass(s);
    is(s, a[3], "queued");
    cancel(s, a[1]);
    answer_free(await_state(s, a[3], "running"));
    is(s, a[0], "running");
    server_free(s);
}
END_TEST

START_TEST(a_rate_lets_a_burst_through)
{
    struct server *s = server_new(conf, four);
    char id[4][40];
    for (int i = 0; i < 4; i++)
        put_id(id[i], submit(s, "{\"task\":\"slow\"}"));
    answer_free(await_state(s, id[0], "succeeded"));
    answer_free(await_state(s, id[1], "succeeded"));
    others_pass(s);
    is(s, id[2], "queued");
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s); /* the bucket begins full again */
    answer_free(await_state(s, id[2], "succeeded"));
    answer_free(await_state(s, id[3], "succeeded"));
    put_id(id[0], submit(s, "{\"task\":\"slow\"}"));
    others_pass(s);
    is(s, id[0], "queued");
    server_free(s);
}
END_TEST

START_TEST(a_pause_outlives_a_kill)
{
    struct server *s = server_new(conf, four);
    char a[40], b[40];
    answer_free(post(s, "/v1/tasks/keyed/pause", "", 200));
    put_id(a, submit(s, "{\"task\":\"keyed\"}"));
    others_pass(s);
    is(s, a, "queued");
    server_kill9(s);
    server_restart(s);
    others_pass(s);
    is(s, a, "queued");
    answer_free(post(s, "/v1/tasks/keyed/resume", "", 200));
    answer_free(await_state(s, a, "running"));
    answer_free(post(s, "/v1/pools/default/pause", "", 200)); /* what runs is left alone */
    put_id(b, submit(s, "{\"task\":\"noop\"}"));
    server_kill9(s);
    server_restart(s);
    is(s, b, "queued");
    is(s, a, "queued"); /* and does not begin again */
    answer_free(post(s, "/v1/pools/default/resume", "", 200));
    answer_free(await_state(s, b, "succeeded"));
    answer_free(await_state(s, a, "running"));
    server_free(s);
}
END_TEST

START_TEST(what_depends_waits_over_a_kill)
{
    struct server *s = server_new(conf, four);
    char parent[40], child[40], anyway[40], last[40], body[200];
    put_id(parent, submit(s, HOLD "}"));
    answer_free(await_state(s, parent, "running"));
    snprintf(body, sizeof(body), AFTER, parent, "");
    put_id(child, submit(s, body));
    snprintf(body, sizeof(body), AFTER, parent, ",\"on_dependency_failure\":\"run\"");
    put_id(anyway, submit(s, body));
    snprintf(body, sizeof(body), AFTER, anyway, "");
    put_id(last, submit(s, body));
    server_kill9(s);
    server_restart(s);
    answer_free(await_state(s, parent, "running"));
    others_pass(s);
    is(s, child, "scheduled");
    is(s, anyway, "scheduled");
    cancel(s, parent);
    answer_free(await_state(s, last, "succeeded"));
    is(s, anyway, "succeeded");
    is(s, child, "cancelled"); /* as its parent */
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_task_runs_so_many_at_once, a_key_runs_so_many_at_once,
                                  a_rate_lets_a_burst_through, a_pause_outlives_a_kill,
                                  what_depends_waits_over_a_kill};
    return run_suite("limits", tests, sizeof(tests) / sizeof(tests[0]));
}
