/* e2e_workers.c - workers that die, tasks that misbehave: each costs one attempt and nothing else.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KILLS 200

static const char *build_dir(void)
{
    const char *dir = getenv("JOBMILL_BUILD");
    return dir ? dir : "build";
}

static char *with_task(const char *name, const char *object, const char *more)
{
    char cwd[512], *conf = NULL;
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    ck_assert_int_gt(asprintf(&conf,
                              "[server]\nretry_delay = 10ms\nkill_grace = 200ms\n[task %s]\nmodule "
                              "= %s/%s/tests/tasks/%s.so\n%s",
                              name, build_dir()[0] == '/' ? "" : cwd, build_dir(), object, more),
                     0);
    return conf;
}

static struct server *misbehaving(void)
{
    static const char *const flags[] = {"--workers", "2", NULL};
    char *conf = with_task("bad", "misbehave", "");
    struct server *s = server_new(conf, flags);
    free(conf);
    return s;
}

static bool pool_is_whole(struct server *s, size_t n)
{
    pid_t pids[16];
    return worker_pids(s, pids, 16) == n;
}

START_TEST(every_way_to_end_badly_is_told_apart)
{
    static const struct {
        const char *what, *state, *code;
        int signal, attempt;
    } ways[] = {
        {"crash", "failed", "crashed", SIGSEGV, 3}, {"abort", "failed", "crashed", SIGABRT, 3},
        {"exit", "failed", "crashed", -1, 3},       {"bad_json", "failed", "bad_result", -1, 1},
        {"fail", "failed", "my_code", -1, 3},       {"fail_for_good", "failed", "my_code", -1, 1},
        {"fail_twice", "succeeded", "", -1, 3},     {"crash_once", "succeeded", "", -1, 2},
        {"large", "succeeded", "", -1, 1},          {"talk", "succeeded", "", -1, 1},
    };
    struct server *s = misbehaving();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"task\":\"bad\",\"input\":{\"do\":\"%s\"}}", ways[i].what);
        struct answer *a = run_job(s, body);
        ck_assert_msg(!strcmp(jstr(a->json, "state"), ways[i].state) &&
                          !strcmp(jstr(a->json, "error.code"), ways[i].code),
                      "%s: %s", ways[i].what, a->body);
        ck_assert_int_eq(jint(a->json, "error.signal"), ways[i].signal);
        ck_assert_int_eq(jint(a->json, "attempt"), ways[i].attempt);
        answer_free(a);
    }
    eventually(pool_is_whole(s, 2), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(killed_workers_cost_an_attempt_each)
{
    struct server *s = misbehaving();
    int jobs = rounds(KILLS), kills = jobs;
    char(*ids)[64] = calloc((size_t)jobs, sizeof(*ids));
    ck_assert_ptr_nonnull(ids);
    for (int i = 0; i < jobs; i++)
        snprintf(
            ids[i], sizeof(ids[i]), "%s",
            submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.02},\"max_attempts\":1000}"));
    int64_t slowest = 0;
    for (int i = 0; i < kills; i++) {
        pid_t pids[16], victim;
        eventually(worker_pids(s, pids, 16) == 2, LONG_MS);
        victim = pids[(i * 7) % 2];
        ck_assert_int_eq(kill(victim, SIGKILL), 0);
        int64_t begin = now_ms();
        eventually(worker_pids(s, pids, 16) == 2 && pids[0] != victim && pids[1] != victim,
                   LONG_MS);
        if (now_ms() - begin > slowest)
            slowest = now_ms() - begin;
    }
    printf("slowest replacement of %d: %d ms\n", kills, (int)slowest);
    for (int i = 0; i < jobs; i++) {
        struct answer *a = await_state(s, ids[i], "succeeded");
        ck_assert_str_eq(jstr(a->json, "result.slept") ? "ok" : "", "ok");
        answer_free(a);
    }
    struct answer *a = get(s, "/v1/stats", 200);
    ck_assert_int_eq(jint(a->json, "jobs.succeeded"), jobs);
    ck_assert_int_eq(jint(a->json, "pools.0.deaths"), kills);
    answer_free(a);
    free(ids);
    server_free(s);
}
END_TEST

static pid_t daemon_of(struct server *s, const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    for (int64_t until = now_ms() + LONG_MS; now_ms() < until; pause_ms(2)) {
        struct answer *a = get(s, path, 200);
        int pid = atoi(jstr(a->json, "progress.message"));
        answer_free(a);
        if (pid > 0)
            return pid;
    }
    ck_abort_msg("no daemon was told");
    return 0;
}

START_TEST(a_daemon_left_behind_dies_with_its_job)
{
    struct server *s = misbehaving();
    struct answer *a = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"daemon\"}}");
    pid_t pid = (pid_t)jint(a->json, "result");
    ck_assert_int_gt(pid, 0);
    ck_assert_int_ne(kill(pid, 0), 0); /* dead and reaped before the job was told to have ended */
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(cancel_kills_the_whole_tree)
{
    struct server *s = misbehaving();
    char id[64], path[128];
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"bad\",\"input\":{\"do\":\"daemon_hang\"}}"));
    pid_t pid = daemon_of(s, id);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=20", id);
    struct answer *a = post(s, path, NULL, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "cancelled");
    ck_assert_int_ne(kill(pid, 0), 0);
    answer_free(a);
    a = post(s, path, NULL, 200); /* once more: it is cancelled */
    answer_free(a);
    eventually(pool_is_whole(s, 2), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(a_timeout_kills_what_does_not_listen)
{
    struct server *s = misbehaving();
    struct answer *a = run_job(
        s, "{\"task\":\"bad\",\"input\":{\"do\":\"hang\"},\"timeout\":0.1,\"max_attempts\":2}");
    ck_assert_str_eq(jstr(a->json, "state"), "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "timeout");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    a = run_job(
        s, "{\"task\":\"sleep\",\"input\":{\"seconds\":60},\"timeout\":0.1,\"max_attempts\":1}");
    ck_assert_str_eq(jstr(a->json, "error.code"),
                     "timeout"); /* it listens, and it is a timeout all the same */
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(cancel_of_what_waits_and_of_what_is_over)
{
    static const char *const flags[] = {"--workers", "1", NULL};
    struct server *s = server_new(NULL, flags);
    char id[64], path[128];
    answer_free(
        await_state(s, submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":60}}"), "running"));
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\"}"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    struct answer *a = post(s, path, NULL, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "cancelled");
    ck_assert_int_eq(jint(a->json, "attempt"), 0);
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel",
             submit(s, "{\"task\":\"noop\",\"delay\":100}"));
    answer_free(post(s, path, NULL, 200));
    answer_free(post(s, "/v1/jobs/0193588a-0000-7000-8000-000000000000/cancel", NULL, 404));
    server_free(s);

    s = server_new(NULL, flags);
    a = run_job(s, "{\"task\":\"noop\"}");
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", jstr(a->json, "id"));
    answer_free(a);
    a = post(s, path, NULL, 409);
    ck_assert_str_eq(jstr(a->json, "code"), "conflict");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(workers_that_die_at_birth_are_started_ever_later)
{
    char *conf = with_task("stillborn", "dies_at_birth", "");
    struct server *s = server_new(conf, NULL);
    free(conf);
    struct answer *a = NULL;
    for (int64_t until = now_ms() + LONG_MS; now_ms() < until; pause_ms(5)) {
        answer_free(a);
        a = http(s, "GET", "/readyz", NULL, NULL);
        if (a->status == 503 && strstr(a->body, "birth"))
            break;
    }
    ck_assert_msg(a && a->status == 503 && strstr(a->body, "birth"), "%s", a ? a->body : "");
    answer_free(a);
    answer_free(get(s, "/healthz", 200));
    a = get(s, "/v1/stats", 200);
    json_int_t before = jint(a->json, "pools.0.failures");
    ck_assert_int_lt(before, 60); /* a pause that doubles, not a loop */
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(a_task_that_cannot_be_loaded_says_so)
{
    char *conf = with_task(
        "none", "no_entry",
        "[task lost]\nmodule = ./nowhere.so\n[task gone]\ncommand = /nonexistent/program\n");
    struct server *s = server_new(conf, NULL);
    free(conf);
    static const struct {
        const char *task, *words;
    } broken[] = {
        {"none", "jobmill_task"}, {"lost", "nowhere.so"}, {"gone", "/nonexistent/program"}};
    for (size_t i = 0; i < 3; i++) {
        char body[64], path[64];
        snprintf(body, sizeof(body), "{\"task\":\"%s\"}", broken[i].task);
        struct answer *a = post(s, "/v1/jobs", body, 503);
        ck_assert_str_eq(jstr(a->json, "code"), "task_unavailable");
        ck_assert_msg(strstr(jstr(a->json, "detail"), broken[i].words) != NULL, "%s", a->body);
        answer_free(a);
        snprintf(path, sizeof(path), "/v1/tasks/%s", broken[i].task);
        a = get(s, path, 200);
        ck_assert(json_is_false(jget(a->json, "available")));
        answer_free(a);
    }
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

START_TEST(spawned_workers_do_the_same)
{
    char *conf =
        with_task("bad", "misbehave", "[pool default]\nstart_method = spawn\nworkers = 2\n");
    struct server *s = server_new(conf, NULL);
    free(conf);
    struct answer *a = run_job(s, "{\"task\":\"primes\",\"input\":{\"limit\":100000}}");
    ck_assert_int_eq(jint(a->json, "result.count"), 9592);
    answer_free(a);
    a = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"crash_once\"}}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_way_to_end_badly_is_told_apart,
        killed_workers_cost_an_attempt_each,
        a_daemon_left_behind_dies_with_its_job,
        cancel_kills_the_whole_tree,
        a_timeout_kills_what_does_not_listen,
        cancel_of_what_waits_and_of_what_is_over,
        workers_that_die_at_birth_are_started_ever_later,
        a_task_that_cannot_be_loaded_says_so,
        spawned_workers_do_the_same,
    };
    return run_suite("workers", tests, sizeof(tests) / sizeof(tests[0]));
}
