/*
 * e2e_checkpoint.c - what an attempt leaves for the next one: over a worker's death, a program's
 * failure and the death of the service; by a command, by a program kept warm, by a module, by a
 * remote worker; and what is too large.
 */
#include "harness.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first attempt leaves something and goes on until it is killed; the next tells what it was
 * given. */
#define STEPS                                                                                      \
    "if [ -n \"$JOBMILL_CHECKPOINT\" ]; then cat \"$JOBMILL_CHECKPOINT\"; exit 0; fi; "            \
    "echo \"{\\\"checkpoint\\\":{\\\"at\\\":1}}\" >&4; "                                           \
    "echo \"{\\\"checkpoint\\\":{\\\"at\\\":2}}\" >&4; "                                           \
    "echo \"{\\\"progress\\\":{\\\"message\\\":\\\"$$\\\"}}\" >&4; "

static struct server *with_tasks(void)
{
    char *conf = NULL, here[1024];
    const char *build = getenv("JOBMILL_BUILD");
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    ck_assert_int_gt(
        asprintf(&conf,
                 "[server]\nretry_delay = 10ms\nkill_grace = 100ms\n[task far]\nkind = remote\n"
                 "[task module]\nmodule = %s/%s/tests/tasks/misbehave.so\n"
                 "[task steps]\ncommand = /bin/sh -c '" STEPS "exec sleep 600'\n"
                 "[task fails]\ncommand = /bin/sh -c '" STEPS "exit 1'\n"
                 "[task most]\ncommand = /bin/sh -c 'if [ -n \"$JOBMILL_CHECKPOINT\" ]; then "
                 "wc -c <\"$JOBMILL_CHECKPOINT\"; exit 0; fi; "
                 "head -c 65534 /dev/zero | tr \"\\0\" x > n; "
                 "echo \"{\\\"checkpoint\\\":\\\"$(cat n)\\\"}\" >&4; exit 1'\n"
                 "[task large]\ncommand = /bin/sh -c 'head -c 70000 /dev/zero | tr \"\\0\" 1 > n; "
                 "echo \"{\\\"checkpoint\\\":$(cat n)}\" >&4'\nmax_attempts = 1\n"
                 "[task warm]\ncommand = /usr/bin/python3 %s/tests/programs/warm.py\n"
                 "persistent = true\n"
                 "env.PYTHONPATH = %s/clients/python\nenv.PYTHONDONTWRITEBYTECODE = 1\n",
                 here, build ? build : "build", here, here),
        0);
    struct server *s = server_new(conf, (const char *const[]){"--workers", "1", NULL});
    free(conf);
    return s;
}

static int result_at(struct server *s, const char *id)
{
    struct answer *a = await_state(s, id, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    int at = (int)jint(a->json, "result.at");
    answer_free(a);
    return at;
}

/* Submits, and waits until the first attempt has left what it leaves. */
static void begin(struct server *s, const char *body, char id[40])
{
    snprintf(id, 40, "%s", submit(s, body));
    (void)await_number(s, id);
}

/* What the store holds for the only job that has left something; 0: nothing. */
static int kept_at(struct server *s)
{
    char path[300];
    sqlite3 *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_prepare_v2(db, "SELECT data ->> '$.at' FROM checkpoints", -1, &st, NULL),
        SQLITE_OK);
    int at = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return at;
}

START_TEST(it_outlives_worker_and_service)
{
    struct server *s = with_tasks();
    pid_t pids[8];
    char id[40];
    begin(s, "{\"task\":\"steps\"}", id);
    eventually(worker_pids(s, pids, 8) == 1, LONG_MS);
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
    ck_assert_int_eq(result_at(s, id), 2);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"fails\"}"));
    ck_assert_int_eq(result_at(s, id), 2);

    begin(s, "{\"task\":\"steps\"}", id);
    eventually(kept_at(s) == 2, LONG_MS);
    server_kill9(s);
    server_restart(s);
    ck_assert_int_eq(result_at(s, id), 2);
    ck_assert_int_eq(kept_at(s), 0); /* it goes with success */
    server_free(s);
}
END_TEST

START_TEST(programs_kept_warm_and_modules_have_it)
{
    struct server *s = with_tasks();
    char id[40];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"warm\",\"input\":{\"do\":\"resume\"}}"));
    ck_assert_int_eq(result_at(s, id), 2);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"module\",\"input\":{\"do\":\"resume\"}}"));
    ck_assert_int_eq(result_at(s, id), 2);
    server_free(s);
}
END_TEST

/* 65536 bytes, and of each kind: the worker that sends it lives on. */
START_TEST(the_largest_that_may_be)
{
    static const char *const bodies[] = {"{\"task\":\"most\"}",
                                         "{\"task\":\"warm\",\"input\":{\"do\":\"most\"}}",
                                         "{\"task\":\"module\",\"input\":{\"do\":\"most\"}}"};
    struct server *s = with_tasks();
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct answer *a = run_job(s, bodies[i]);
        ck_assert_msg(jint(a->json, "result") == 65536, "%s", a->body);
        ck_assert_int_eq(jint(a->json, "attempt"), 2);
        answer_free(a);
    }
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0);
    server_free(s);
}
END_TEST

/* As every line of a program that is not understood: the log tells, and the job goes on. */
START_TEST(one_that_is_too_large_is_told)
{
    struct server *s = with_tasks();
    char path[100];
    struct answer *a = run_job(s, "{\"task\":\"large\"}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_msg(strstr(a->body, "larger than 65536 bytes") != NULL, "%s", a->body);
    answer_free(a);
    ck_assert_int_eq(kept_at(s), 0);
    server_free(s);
}
END_TEST

START_TEST(remote_workers_leave_it_with_a_heartbeat)
{
    static const char ask[] = "{\"tasks\":[\"far\"],\"wait\":60}";
    static char large[70100] = "{\"checkpoint\":\"";
    char path[100];
    struct server *s = with_tasks();
    submit(s, "{\"task\":\"far\"}");
    struct answer *a = ask_for_lease(s, ask);
    char *lease = strdup(jstr(a->json, "leases.0.id"));
    ck_assert_ptr_null(jget(a->json, "leases.0.checkpoint"));
    answer_free(a);
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", "{\"checkpoint\":{\"at\":6}}"), 200);
    ck_assert_int_eq(end_lease(s, lease, "heartbeat",
                               "{\"checkpoint\":{\"at\":7},\"progress\":{\"fraction\":0.5}}"),
                     200);
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", ""), 200); /* says nothing of it */
    memset(large + strlen(large), 'x', 70000);
    strcat(large, "\"}");
    snprintf(path, sizeof(path), "/v1/leases/%s/heartbeat", lease);
    a = post(s, path, large, 400);
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/checkpoint");
    answer_free(a);
    server_kill9(s);
    server_restart(s);
    ck_assert_int_eq(kept_at(s), 7);
    ck_assert_int_eq(
        end_lease(s, lease, "fail", "{\"error\":{\"message\":\"the machine goes away\"}}"), 200);
    free(lease);
    a = ask_for_lease(s, ask);
    lease = strdup(jstr(a->json, "leases.0.id"));
    ck_assert_int_eq(jint(a->json, "leases.0.job.attempt"), 2);
    ck_assert_int_eq(jint(a->json, "leases.0.checkpoint.at"), 7);
    answer_free(a);
    ck_assert_int_eq(end_lease(s, lease, "complete", "{\"result\":1}"), 200);
    ck_assert_int_eq(kept_at(s), 0);
    free(lease);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {it_outlives_worker_and_service,
                                  programs_kept_warm_and_modules_have_it, the_largest_that_may_be,
                                  one_that_is_too_large_is_told,
                                  remote_workers_leave_it_with_a_heartbeat};
    return run_suite("checkpoint", tests, sizeof(tests) / sizeof(tests[0]));
}
