/* e2e_workers.c - workers that die, tasks that misbehave: each costs one attempt and nothing else.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KILLS 200

static const char *const two_workers[] = {"--workers", "2", NULL};

static struct server *misbehaving(void)
{
    return server_with_task("bad", "misbehave", "", two_workers);
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
        char body[128], path[80];
        snprintf(body, sizeof(body), "{\"task\":\"bad\",\"input\":{\"do\":\"%s\"}}", ways[i].what);
        struct answer *a = run_job(s, body);
        ck_assert_msg(!strcmp(jstr(a->json, "state"), ways[i].state) &&
                          !strcmp(jstr(a->json, "error.code"), ways[i].code),
                      "%s: %s", ways[i].what, a->body);
        ck_assert_int_eq(jint(a->json, "error.signal"), ways[i].signal);
        ck_assert_int_eq(jint(a->json, "attempt"), ways[i].attempt);
        snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
        answer_free(a);
        a = get(s, path, 200);
        ck_assert_msg(jint(a->json, "attempts.0.worker") > 0, "%s: which worker? %s", ways[i].what,
                      a->body);
        answer_free(a);
    }
    eventually(pool_is_whole(s, 2), LONG_MS);
    server_free(s);
}
END_TEST

/* Who is killed, and until it is replaced: ms. */
static int kill_one(struct server *s)
{
    pid_t pids[16], victim;
    eventually(worker_pids(s, pids, 16) == 2, LONG_MS);
    victim = pids[random_below(2)];
    pause_ms((int)random_below(6)); /* the moment is the test's matter */
    ck_assert_int_eq(kill(victim, SIGKILL), 0);
    int64_t begin = now_ms();
    eventually(worker_pids(s, pids, 16) == 2 && pids[0] != victim && pids[1] != victim, LONG_MS);
    return (int)(now_ms() - begin);
}

static int by_size(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

START_TEST(killed_workers_cost_an_attempt_each)
{
    struct server *s = server_new(NULL, two_workers);
    int kills = rounds(KILLS), jobs = kills + 2;
    char(*ids)[64] = calloc((size_t)jobs, sizeof(*ids));
    int *took = calloc((size_t)jobs, sizeof(*took));
    ck_assert(ids && took);
    for (int i = 0; i < jobs; i++) {
        char body[128]; /* two ahead of the kills, so that there is always one that runs */
        snprintf(body, sizeof(body), "{\"task\":%s,\"max_attempts\":1000}",
                 i % 2 ? "\"sleep\",\"input\":{\"seconds\":0.01}"
                       : "\"primes\",\"input\":{\"limit\":100000}");
        snprintf(ids[i], sizeof(ids[i]), "%s", submit(s, body));
        took[i] = i < 2 ? 0 : kill_one(s);
    }
    qsort(took + 2, (size_t)kills, sizeof(*took), by_size);
    printf("replaced after %d ms (median of %d), %d ms (99 %%), %d ms at most\n",
           took[2 + kills / 2], kills, took[2 + kills * 99 / 100], took[jobs - 1]);
    free(took);
    for (int i = 0; i < jobs; i++) {
        struct answer *a = await_state(s, ids[i], "succeeded");
        if (i % 2 == 0)
            ck_assert_int_eq(jint(a->json, "result.count"), 9592);
        answer_free(a);
    }
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), jobs);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), kills);
    free(ids);
    server_free(s);
}
END_TEST

static bool is_told_dying(struct server *s)
{
    struct answer *a = get(s, "/v1/workers", 200);
    bool is = strstr(a->body, "\"dying\"") != NULL;
    answer_free(a);
    return is;
}

/* The fork server sleeps: nobody hears of the death before the worker is to be killed. */
START_TEST(a_death_that_is_told_late_is_one)
{
    pid_t forkserver, pids[4];
    struct server *s = server_new(NULL, two_workers);
    eventually(worker_pids(s, pids, 4) == 2, LONG_MS);
    ck_assert_uint_ge(descendants(s->pid, &forkserver, 1), 1);
    ck_assert_int_eq(kill(forkserver, SIGSTOP), 0);
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
    eventually(is_told_dying(s), LONG_MS);
    ck_assert_int_eq(kill(forkserver, SIGCONT), 0);
    eventually(pool_is_whole(s, 2), LONG_MS);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 1);
    eventually(log_has(s, "died: signal 9"), LONG_MS);
    server_free(s);
}
END_TEST

/* ---- stopped by a signal ---- */

static int stopped_workers(struct server *s)
{
    int n = 0;
    struct answer *a = get(s, "/v1/workers", 200);
    for (const char *at = a->body; (at = strstr(at, "\"stopped\":true")); at++)
        n++;
    answer_free(a);
    return n;
}

static pid_t worker_of(struct server *s, const char *id)
{
    pid_t pid = 0;
    struct answer *a = get(s, "/v1/workers", 200);
    json_t *workers = jget(a->json, "workers");
    for (size_t i = 0; i < json_array_size(workers); i++) {
        json_t *w = json_array_get(workers, i);
        if (strcmp(jstr(w, "job"), id) == 0)
            pid = (pid_t)jint(w, "pid");
    }
    answer_free(a);
    return pid;
}

/* In one look: between two, the dead worker's job is nobody's. */
static bool runs_on_another(struct server *s, const char *id, pid_t than)
{
    pid_t pid = worker_of(s, id);
    return pid != 0 && pid != than;
}

START_TEST(a_stopped_worker_is_given_nothing)
{
    pid_t pids[4];
    struct server *s = server_new("[server]\nstopped_timeout = 0\n", two_workers);
    eventually(worker_pids(s, pids, 4) == 2, LONG_MS);
    ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
    eventually(stopped_workers(s) == 1, LONG_MS);
    for (int i = 0; i < 20; i++)
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    ck_assert_int_eq(kill(pids[1], SIGSTOP), 0);
    eventually(stopped_workers(s) == 2, LONG_MS);
    char *id = strdup(submit(s, "{\"task\":\"noop\"}"));
    answer_free(await_state(s, id, "queued")); /* there is nobody, and it is not lost */
    ck_assert_int_eq(kill(pids[0], SIGCONT), 0);
    answer_free(await_state(s, id, "succeeded"));
    ck_assert_int_eq(kill(pids[1], SIGCONT), 0);
    eventually(stopped_workers(s) == 0, LONG_MS);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(a_stopped_worker_is_replaced_and_its_job_runs_again)
{
    char path[96];
    struct server *s = server_new("[server]\nstopped_timeout = 0.1\n", two_workers);
    char *id = strdup(submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    eventually(worker_of(s, id) != 0, LONG_MS);
    pid_t first = worker_of(s, id);
    ck_assert_int_eq(kill(first, SIGSTOP), 0);
    eventually(process_is_gone(first), LONG_MS);
    eventually(runs_on_another(s, id, first), LONG_MS);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(jint(a->json, "attempt") == 2, "%s", a->body);
    ck_assert_str_eq(jstr(a->json, "attempts.0.error.code"), "crashed");
    ck_assert_msg(strstr(jstr(a->json, "attempts.0.error.message"), "stopped") != NULL, "%s",
                  a->body);
    ck_assert_msg(!jget(a->json, "attempts.1.error"), "the one that runs: %s", a->body);
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    answer_free(post(s, path, "", 200));
    free(id);
    server_free(s);
}
END_TEST

/* It goes on about when it is to be killed: either its word counts, or the next attempt's. */
START_TEST(a_worker_that_goes_on_late_changes_nothing)
{
    struct server *s = server_new("[server]\nstopped_timeout = 0.02\n", two_workers);
    int n = rounds(20), again = 0;
    for (int i = 0; i < n; i++) {
        char body[128];
        snprintf(body, sizeof(body),
                 "{\"task\":\"sleep\",\"input\":{\"seconds\":0.0%u},\"max_attempts\":100}",
                 1 + random_below(3));
        char *id = strdup(submit(s, body));
        pid_t pid = worker_of(s, id);
        if (pid && kill(pid, SIGSTOP) == 0) {
            pause_ms((int)random_below(40)); /* the moment is the test's matter */
            (void)kill(pid, SIGCONT);
        }
        struct answer *a = await_state(s, id, "succeeded");
        json_int_t attempt = jint(a->json, "attempt");
        ck_assert_msg(attempt == 1 || attempt == 2, "%s", a->body);
        again += attempt == 2;
        answer_free(a);
        free(id);
    }
    printf("of %d jobs of stopped workers %d ran again\n", n, again);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), n);
    ck_assert_int_eq(jobs_kept(s), n);
    server_free(s);
}
END_TEST

/* Jobs that kill their workers cost their own pool its speed, and end like any other. */
START_TEST(a_crash_loop_is_slowed_down)
{
    struct server *s = server_with_task("bad", "misbehave",
                                        "pool = apart\n[pool apart]\nworkers = 2\n", two_workers);
    char body[1024], path[96];
    char *at = body + sprintf(body, "{\"jobs\":[");
    for (int i = 0; i < 8; i++)
        at += sprintf(at, "%s{\"task\":\"bad\",\"input\":{\"do\":\"abort\"}}", i ? "," : "");
    strcpy(at, "]}");
    struct answer *a = http(s, "POST", "/v1/jobs/batch", body, NULL);
    ck_assert_int_eq(a->status, 202);
    snprintf(path, sizeof(path), "/v1/groups/%s?wait=60", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_msg(jint(a->json, "counts.failed") == 8, "%s", a->body);
    answer_free(a);
    ck_assert(log_has(s, "workers in a row died at work"));
    for (int i = 0; i < 2; i++) { /* one that ends ends it */
        a = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"fail_for_good\"}}");
        ck_assert_str_eq(jstr(a->json, "error.code"), "my_code");
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(workers_that_die_at_birth_are_started_ever_later)
{
    static const char *const single[] = {"--workers", "1", NULL};
    int64_t from = now_ms();
    struct server *s = server_with_task("stillborn", "dies_at_birth", "", single);
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
    eventually(stat_of(s, "pools.0.failures") >= 9, LONG_MS);
    ck_assert_int_ge(now_ms() - from, 2500); /* 10 + 20 + … + 1280 ms: pauses that double */
    server_free(s);
}
END_TEST

START_TEST(a_task_that_cannot_be_loaded_says_so)
{
    struct server *s = server_with_task(
        "none", "no_entry",
        "[task lost]\nmodule = ./nowhere.so\n[task gone]\ncommand = /nonexistent/program\n", NULL);
    s->errors_ok = true;
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
    answer_free(get(s, "/readyz", 200)); /* the others run */
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

START_TEST(spawned_workers_do_the_same)
{
    struct server *s = server_with_task(
        "bad", "misbehave", "[pool default]\nstart_method = spawn\nworkers = 2\n", NULL);
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

/* So many short jobs that a worker is handed several at once. */
static void warm_up(struct server *s)
{
    char body[16384] = "{\"jobs\":[{\"task\":\"noop\"}";
    for (int i = 1; i < 500; i++)
        strcat(body, ",{\"task\":\"noop\"}");
    strcat(body, "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    eventually(stat_of(s, "jobs.succeeded") >= 500, LONG_MS);
}

/* One after the other on one worker: short ones, one of another kind, a short one. */
static void in_a_row(struct server *s, const char *other, char ids[5][64])
{
    char body[512];
    snprintf(body, sizeof(body),
             "{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"noop\"},{\"task\":\"noop\"},%s,"
             "{\"task\":\"noop\"}]}",
             other);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    for (size_t i = 0; i < 5; i++)
        snprintf(ids[i], 64, "%s",
                 json_string_value(
                     json_object_get(json_array_get(json_object_get(a->json, "jobs"), i), "id")));
    answer_free(a);
}

/* Jobs of one length let the next one be claimed before the last has ended. When that takes longer
 * than they did, what was claimed is seen in the queue again, is cancelled there, and has lost no
 * attempt. */
START_TEST(what_was_claimed_too_early_is_queued_again)
{
    static const char *const one[] = {"--workers", "1", NULL};
    struct server *s = server_new(NULL, one);
    char running[40], behind[40], path[100];
    for (int i = 0; i < 20; i++)
        answer_free(run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.01}}"));
    snprintf(running, sizeof(running), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, running, "running"));
    for (int i = 0; i < 3; i++) {
        snprintf(behind, sizeof(behind), "%s",
                 submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.01}}"));
        answer_free(await_state(s, behind, "queued"));
    }
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", behind);
    answer_free(post(s, path, "", 200));
    answer_free(await_state(s, behind, "cancelled"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", running);
    struct answer *a = http(s, "POST", path, "", NULL);
    ck_assert(a->status == 200 || a->status == 202);
    answer_free(a);
    eventually(stat_of(s, "jobs.succeeded") == 22, LONG_MS);
    a = get(s, "/v1/jobs?state=succeeded&limit=2", 200);
    for (int i = 0; i < 2; i++) {
        char attempt[32];
        snprintf(attempt, sizeof(attempt), "jobs.%d.attempt", i);
        ck_assert_int_eq(jint(a->json, attempt), 1);
    }
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(no_outcome_waits_behind_a_long_job)
{
    static const char *const one_worker[] = {"--workers", "1", NULL};
    char ids[5][64], path[128];
    struct server *s = server_new(NULL, one_worker);
    warm_up(s);
    for (int round = 0; round < 3; round++) {
        in_a_row(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":3600}}", ids);
        for (int i = 0; i < 3; i++)
            answer_free(await_state(s, ids[i], "succeeded"));
        answer_free(await_state(s, ids[3], "running"));
        snprintf(path, sizeof(path), "/v1/jobs/%s", ids[4]);
        struct answer *a = get(s, path, 200); /* what had not begun may still */
        ck_assert_str_ne(jstr(a->json, "state"), "succeeded");
        answer_free(a);
        snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", ids[3]);
        answer_free(http(s, "POST", path, NULL, NULL)); /* 202, or 200: it had not begun yet */
        answer_free(await_state(s, ids[3], "cancelled"));
        answer_free(await_state(s, ids[4], "succeeded"));
    }
    server_free(s);
}
END_TEST

START_TEST(no_job_waits_behind_a_long_one)
{
    char ids[5][64], path[128];
    struct server *s = server_new(NULL, two_workers);
    warm_up(s);
    for (int round = 0; round < 5; round++) {
        in_a_row(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":3600}}", ids);
        answer_free(await_state(s, ids[4], "succeeded")); /* by the other worker */
        answer_free(await_state(s, ids[3], "running"));
        snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", ids[3]);
        answer_free(http(s, "POST", path, NULL, NULL)); /* 202, or 200: it had not begun yet */
        answer_free(await_state(s, ids[3], "cancelled"));
    }
    server_free(s);
}
END_TEST

START_TEST(the_last_words_of_a_worker_count)
{
    static const char *const one_worker[] = {"--workers", "1", NULL};
    char ids[5][64];
    struct server *s = server_with_task("bad", "misbehave", "", one_worker);
    warm_up(s);
    for (int round = 0; round < 20; round++) {
        in_a_row(s, "{\"task\":\"bad\",\"input\":{\"do\":\"exit\"},\"max_attempts\":1}", ids);
        for (int i = 0; i < 5; i++) {
            struct answer *a = await_state(s, ids[i], i == 3 ? "failed" : "succeeded");
            ck_assert_int_eq(jint(a->json, "attempt"), 1); /* its neighbours lost nothing */
            answer_free(a);
        }
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_way_to_end_badly_is_told_apart,
        killed_workers_cost_an_attempt_each,
        a_death_that_is_told_late_is_one,
        workers_that_die_at_birth_are_started_ever_later,
        a_task_that_cannot_be_loaded_says_so,
        spawned_workers_do_the_same,
        what_was_claimed_too_early_is_queued_again,
        no_outcome_waits_behind_a_long_job,
        no_job_waits_behind_a_long_one,
        the_last_words_of_a_worker_count,
        a_stopped_worker_is_given_nothing,
        a_stopped_worker_is_replaced_and_its_job_runs_again,
        a_worker_that_goes_on_late_changes_nothing,
        a_crash_loop_is_slowed_down,
    };
    return run_suite("workers", tests, sizeof(tests) / sizeof(tests[0]));
}
