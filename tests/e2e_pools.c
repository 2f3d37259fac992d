/*
 * e2e_pools.c - what a pool's workers are: their nice value and CPUs, how long they stay, how many
 * they are.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 4096 /* of CPUs, as text */

/* ---- nice and affinity ---- */

static long nice_of(pid_t pid)
{
    char path[64], line[1024];
    long nice = 1000;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    ck_assert_int_eq(fclose(f), 0);
    const char *at = strrchr(line, ')'); /* the 2nd field; nice is the 19th */
    for (int i = 2; at && i < 19; i++)
        at = strchr(at + 1, ' ');
    ck_assert(at && sscanf(at, "%ld", &nice) == 1);
    return nice;
}

static void cpus_of(pid_t pid, char out[LIST_MAX])
{
    char path[64], line[LIST_MAX + 64];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f))
        (void)sscanf(line, "Cpus_allowed_list: %4095s", out);
    ck_assert_int_eq(fclose(f), 0);
}

static pid_t worker_of(struct server *s, const char *pool)
{
    struct answer *a = get(s, "/v1/workers", 200);
    json_t *list = jget(a->json, "workers"), *w;
    size_t i;
    pid_t pid = 0;
    json_array_foreach(list, i, w)
    {
        if (strcmp(jstr(w, "pool"), pool) == 0)
            pid = (pid_t)jint(w, "pid");
    }
    answer_free(a);
    ck_assert_int_gt(pid, 0);
    return pid;
}

static bool has_workers(struct server *s, size_t n)
{
    pid_t pids[16];
    return worker_pids(s, pids, 16) == n;
}

START_TEST(nice_and_cpus_are_those_of_the_pool)
{
    char one[LIST_MAX], all[LIST_MAX], now[LIST_MAX], want[LIST_MAX + 32], *conf = NULL;
    cpus_of(getpid(), all);
    snprintf(one, sizeof(one), "%.*s", (int)strcspn(all, ",-"), all);
    ck_assert_int_gt(
        asprintf(&conf,
                 "[pool forked]\nworkers = 1\nnice = 7\naffinity = %s\n"
                 "[pool fresh]\nworkers = 1\nnice = 3\naffinity = %s\nstart_method = spawn\n"
                 "[task look]\npool = forked\nresult = text\n"
                 "command = /bin/sh -c 'nice; grep Cpus_allowed_list /proc/self/status'\n",
                 one, one),
        0);
    struct server *s = server_new(conf, (const char *const[]){"--workers", "1", NULL});
    free(conf);
    eventually(has_workers(s, 3), LONG_MS);
    ck_assert_int_eq(nice_of(worker_of(s, "forked")), 7);
    ck_assert_int_eq(nice_of(worker_of(s, "fresh")), 3);
    ck_assert_int_eq(nice_of(worker_of(s, "default")), nice_of(getpid()));
    cpus_of(worker_of(s, "forked"), now);
    ck_assert_str_eq(now, one);
    cpus_of(worker_of(s, "fresh"), now);
    ck_assert_str_eq(now, one);
    cpus_of(worker_of(s, "default"), now);
    ck_assert_str_eq(now, all);
    struct answer *a = run_job(s, "{\"task\":\"look\"}"); /* and of what they start */
    snprintf(want, sizeof(want), "7\nCpus_allowed_list:\t%s\n", one);
    ck_assert_str_eq(jstr(a->json, "result"), want);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(cpus_that_are_not_there_are_refused)
{
    char out[8192];
    const char *path = conf_file("[pool far]\naffinity = 0,1023\n");
    ck_assert_int_eq(
        run_binary((const char *const[]){"check-config", "--config", path, NULL}, out, sizeof(out)),
        78);
    ck_assert_msg(strstr(out, "[pool far]: affinity = 0,1023: this machine lets the service use") !=
                      NULL,
                  "%s", out);
}
END_TEST

/* ---- recycling ---- */

/* How many attempts the worker of each job had; all succeeded at their first. */
static int most_of_one_worker(struct server *s, char (*ids)[64], int jobs)
{
    int *pid = calloc((size_t)jobs, sizeof(*pid)), most = 0;
    ck_assert_ptr_nonnull(pid);
    for (int i = 0; i < jobs; i++) {
        char path[128];
        answer_free(await_state(s, ids[i], "succeeded"));
        snprintf(path, sizeof(path), "/v1/jobs/%.63s", ids[i]);
        struct answer *a = get(s, path, 200);
        ck_assert_int_eq(jint(a->json, "attempt"), 1);
        pid[i] = (int)jint(a->json, "attempts.0.worker");
        answer_free(a);
    }
    for (int i = 0; i < jobs; i++) {
        int n = 0;
        for (int k = 0; k < jobs; k++)
            n += pid[k] == pid[i];
        most = n > most ? n : most;
    }
    free(pid);
    return most;
}

START_TEST(a_worker_goes_after_so_many_jobs)
{
    enum { JOBS = 40 };
    static char ids[JOBS][64];
    struct server *s = server_new("[pool default]\nworkers = 2\nrecycle_jobs = 3\n", NULL);
    for (int i = 0; i < JOBS; i++) /* short ones, of which a worker is handed several */
        snprintf(ids[i], sizeof(ids[i]), "%s",
                 submit(s, i % 4 ? "{\"task\":\"noop\"}"
                                 : "{\"task\":\"sleep\",\"input\":{\"seconds\":0.02}}"));
    int most = most_of_one_worker(s, ids, JOBS);
    ck_assert_int_le(most, 3);
    for (int i = 0; i < 6; i++) /* one by one */
        snprintf(ids[i], sizeof(ids[i]), "%s", submit(s, "{\"task\":\"noop\"}")),
            answer_free(await_state(s, ids[i], "succeeded"));
    ck_assert_int_le(most_of_one_worker(s, ids, 6), 3);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0); /* nothing died that was not to go */
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), JOBS + 6);
    server_free(s);
}
END_TEST

static bool all_are_new(struct server *s, const pid_t *old, size_t n)
{
    pid_t now[16];
    size_t have = worker_pids(s, now, 16);
    for (size_t i = 0; i < have; i++) {
        for (size_t k = 0; k < n; k++) {
            if (now[i] == old[k])
                return false;
        }
    }
    return have == n;
}

START_TEST(a_worker_goes_after_so_long_but_not_under_its_job)
{
    pid_t first[16];
    struct server *s = server_new("[pool default]\nworkers = 3\nrecycle_after = 300ms\n", NULL);
    char id[64];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":1.5}}"));
    eventually(worker_pids(s, first, 16) == 3, LONG_MS);
    struct answer *a = await_state(s, id, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    eventually(all_are_new(s, first, 3), LONG_MS);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0);
    server_free(s);
}
END_TEST

static bool births_fail(struct server *s)
{
    return stat_of(s, "pools.0.failures") >= 5;
}

/* Two grow old while none can be born: one has gone, the other stays and works. */
START_TEST(the_last_old_ones_stay_while_none_is_born)
{
    char path[256];
    pid_t first[16], now[16];
    snprintf(path, sizeof(path), "%s", own_path("die"));
    ck_assert_int_eq(setenv("DIES_WITH", path, 1), 0);
    struct server *s = server_with_task("stillborn", "dies_at_birth",
                                        "[pool default]\nworkers = 2\nrecycle_after = 1s\n", NULL);
    eventually(worker_pids(s, first, 16) == 2, LONG_MS);
    int fd = creat(path, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    eventually(births_fail(s), LONG_MS);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    size_t n = worker_pids(s, now, 16);
    ck_assert_uint_ge(n, 1);
    ck_assert_int_eq(unlink(path), 0);
    eventually(all_are_new(s, first, 2), LONG_MS);
    ck_assert_int_eq(stat_of(s, "pools.0.failures"), 0);
    server_free(s);
}
END_TEST

/* A module that does not come back from its loading costs its own pool its worker, for as long as
 * that lasts, and no other anything. */
START_TEST(a_worker_that_hangs_at_birth_is_killed)
{
    static const char *const flags[] = {"--birth-timeout", "500ms", "--workers", "1", NULL};
    char path[256];
    snprintf(path, sizeof(path), "%s", own_path("hang"));
    ck_assert_int_eq(setenv("HANGS_WITH", path, 1), 0);
    struct server *s = server_with_task("hung", "hangs_at_birth",
                                        "pool = slow\n"
                                        "[pool slow]\nworkers = 1\nstart_method = spawn\n"
                                        "[task quick]\ncommand = /bin/echo 1\npool = fresh\n"
                                        "[pool fresh]\nworkers = 1\nstart_method = spawn\n",
                                        flags);
    answer_free(run_job(s, "{\"task\":\"hung\"}"));
    int fd = creat(path, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(kill(worker_of(s, "slow"), SIGKILL), 0);
    eventually(log_has(s, "of pool slow was not ready within birth_timeout (0.5 s): killed"),
               LONG_MS);
    eventually(log_has(s, "pool slow: 2 workers in a row died at birth"), LONG_MS);
    char *id = strdup(submit(s, "{\"task\":\"hung\"}"));
    ck_assert_int_eq(kill(worker_of(s, "fresh"), SIGKILL), 0);
    answer_free(run_job(s, "{\"task\":\"quick\"}"));
    ck_assert(!log_has(s, "of pool fresh was not ready"));
    ck_assert_int_eq(unlink(path), 0);
    answer_free(await_state(s, id, "succeeded"));
    free(id);
    server_free(s);
}
END_TEST

/* ---- size ---- */

static void reload(struct server *s, const char *conf)
{
    server_configure(s, conf);
    server_signal(s, SIGHUP);
}

static json_int_t pool_figure(struct server *s, const char *figure)
{
    char path[64];
    snprintf(path, sizeof(path), "pools.0.%s", figure);
    struct answer *a = get(s, "/v1/pools", 200);
    json_int_t n = jint(a->json, path);
    answer_free(a);
    return n;
}

#define SLEEPS "{\"task\":\"sleep\",\"input\":{\"seconds\":%s},\"max_attempts\":1}"

static void begin(struct server *s, char id[64], const char *seconds)
{
    char body[128];
    snprintf(body, sizeof(body), SLEEPS, seconds);
    snprintf(id, 64, "%s", submit(s, body));
}

/* Jobs that run until the test lets them end: by a file of their own. */
static const char *held_conf(int workers)
{
    static char conf[512];
    snprintf(
        conf, sizeof(conf),
        "[pool default]\nworkers = %d\n[task held]\nmax_attempts = 1\n"
        "command = /bin/sh -c 'until [ -e \"$0\" ]; do sleep 0.02; done; echo 1' {input.until}\n",
        workers);
    return conf;
}

static void file_of(struct server *s, int i, char out[400])
{
    snprintf(out, 400, "%s/until-%d", s->dir, i);
}

static void hold(struct server *s, int i, char id[64])
{
    char body[512], path[400];
    file_of(s, i, path);
    snprintf(body, sizeof(body), "{\"task\":\"held\",\"input\":{\"until\":\"%s\"}}", path);
    snprintf(id, 64, "%s", submit(s, body));
}

static void let_end(struct server *s, int i)
{
    char path[400];
    file_of(s, i, path);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fclose(f), 0);
}

static int ran_once_by(struct server *s, const char *id)
{
    char path[128];
    answer_free(await_state(s, id, "succeeded"));
    snprintf(path, sizeof(path), "/v1/jobs/%.63s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    ck_assert_uint_eq(json_array_size(jget(a->json, "attempts")), 1);
    int pid = (int)jint(a->json, "attempts.0.worker");
    answer_free(a);
    return pid;
}

/* 1, 3 and 1 workers, under jobs that go on meanwhile. */
START_TEST(a_pool_grows_and_shrinks_under_running_jobs)
{
    static char ids[6][64];
    struct server *s = server_new(held_conf(1), NULL);
    pid_t first[16], now[16];
    for (int i = 0; i < 3; i++)
        hold(s, i, ids[i]);
    answer_free(await_state(s, ids[0], "running"));
    ck_assert_uint_eq(worker_pids(s, first, 16), 1);
    ck_assert_int_eq(pool_figure(s, "max_workers"), 9);

    reload(s, held_conf(3));
    answer_free(await_state(s, ids[1], "running")); /* all three at once */
    answer_free(await_state(s, ids[2], "running"));
    eventually(has_workers(s, 3), LONG_MS);
    ck_assert_int_eq(pool_figure(s, "workers"), 3);
    ck_assert_int_eq(stat_of(s, "workers.total"), 3);
    eventually(stat_of(s, "workers.busy") == 3, LONG_MS); /* a moment later than it is written */

    reload(s, held_conf(1));
    eventually(pool_figure(s, "workers") == 1, LONG_MS);
    ck_assert_uint_eq(worker_pids(s, now, 16), 3); /* they end their jobs first */
    for (int i = 3; i < 6; i++) {
        hold(s, i, ids[i]);
        let_end(s, i);
    }
    let_end(s, 1);
    let_end(s, 2);
    ck_assert_int_ne(ran_once_by(s, ids[1]), first[0]);
    ck_assert_int_ne(ran_once_by(s, ids[2]), first[0]);
    eventually(has_workers(s, 1), LONG_MS);
    answer_free(await_state(s, ids[0], "running"));
    let_end(s, 0);
    ck_assert_int_eq(ran_once_by(s, ids[0]), first[0]);
    for (int i = 3; i < 6; i++) /* what came later was for the one that stays */
        ck_assert_int_eq(ran_once_by(s, ids[i]), first[0]);
    ck_assert_uint_eq(worker_pids(s, now, 16), 1);
    ck_assert_int_eq(now[0], first[0]);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0);
    eventually(log_has(s, "pool default has 3 workers instead of 1"), LONG_MS);
    eventually(log_has(s, "pool default has 1 workers instead of 3"), LONG_MS);
    ck_assert(!log_has(s, "only a restart changes"));
    server_free(s);
}
END_TEST

START_TEST(idle_workers_go_at_once_and_nothing_waits_for_them)
{
    static char ids[20][64];
    struct server *s = server_new("[pool default]\nworkers = 4\n", NULL);
    for (int round = 0; round < 3; round++) {
        reload(s, "[pool default]\nworkers = 1\n");
        eventually(has_workers(s, 1), LONG_MS);
        for (int i = 0; i < 20; i++) /* more than one can take, with the credit of four */
            begin(s, ids[i], "0.005");
        for (int i = 0; i < 20; i++) {
            struct answer *a = await_state(s, ids[i], "succeeded");
            ck_assert_int_eq(jint(a->json, "attempt"), 1);
            answer_free(a);
        }
        reload(s, "[pool default]\nworkers = 4\n");
        eventually(has_workers(s, 4), LONG_MS);
    }
    server_free(s);
}
END_TEST

START_TEST(more_than_there_is_room_for_is_refused)
{
    struct server *s = server_new("[pool default]\nworkers = 1\nmax_workers = 2\n", NULL);
    reload(s, "[pool default]\nworkers = 3\nmax_workers = 3\n");
    eventually(log_has(s, "workers = 3 is refused, it keeps its 1: there is room for 2"), LONG_MS);
    eventually(log_has(s, "only a restart changes [pool default] max_workers"), LONG_MS);
    ck_assert_int_eq(pool_figure(s, "workers"), 1);
    eventually(has_workers(s, 1), LONG_MS);
    reload(s, "[pool default]\nworkers = 2\nmax_workers = 2\n");
    eventually(has_workers(s, 2), LONG_MS);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

START_TEST(pools_that_are_gone_or_new_wait_for_a_restart)
{
    struct server *s = server_new("[pool default]\nworkers = 1\n[pool old]\nworkers = 2\n"
                                  "[task there]\ncommand = /bin/echo 1\npool = old\n",
                                  NULL);
    eventually(has_workers(s, 3), LONG_MS);
    reload(s, "[pool new]\nworkers = 5\n[pool default]\nworkers = 2\n"
              "[task there]\ncommand = /bin/echo 1\npool = new\n");
    eventually(log_has(s, "only a restart changes [pool old]"), LONG_MS);
    eventually(log_has(s, "[pool new]"), LONG_MS);
    ck_assert(log_has(s, "pool default has 2 workers instead of 1"));
    ck_assert(!log_has(s, "pool old has"));
    eventually(has_workers(s, 4), LONG_MS);
    answer_free(run_job(s, "{\"task\":\"there\"}")); /* in the pool that runs */
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    eventually(has_workers(s, 7), LONG_MS);
    answer_free(run_job(s, "{\"task\":\"there\"}"));
    server_free(s);
}
END_TEST

/* A pool whose jobs were short has credit for many; a long one then lets none of them begin. */
static void nothing_waits_unseen(const char *recycle)
{
    char conf[1024], ids[3][64], path[128];
    snprintf(conf, sizeof(conf), "[pool default]\n%s%s", recycle,
             held_conf(1) + strlen("[pool default]\n"));
    struct server *s = server_new(conf, NULL);
    for (int i = 0; i < 99; i++)
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < 3; i++)
        hold(s, i, ids[i]);
    answer_free(await_state(s, ids[0], "running"));
    for (int i = 1; i < 3; i++)
        answer_free(await_state(s, ids[i], "queued")); /* as it is, though it was claimed */
    snprintf(path, sizeof(path), "/v1/jobs/%.63s/cancel", ids[1]);
    answer_free(http(s, "POST", path, NULL, NULL)); /* 200, or 202: it was just claimed again */
    answer_free(await_state(s, ids[1], "cancelled"));
    let_end(s, 0);
    let_end(s, 2);
    (void)ran_once_by(s, ids[0]);
    (void)ran_once_by(s, ids[2]);
    server_free(s);
}

START_TEST(what_no_worker_can_take_is_queued)
{
    nothing_waits_unseen("");
}
END_TEST

START_TEST(what_a_leaving_worker_cannot_take_is_queued)
{
    nothing_waits_unseen("recycle_jobs = 100\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nice_and_cpus_are_those_of_the_pool,
                                  cpus_that_are_not_there_are_refused,
                                  a_worker_goes_after_so_many_jobs,
                                  a_worker_goes_after_so_long_but_not_under_its_job,
                                  the_last_old_ones_stay_while_none_is_born,
                                  a_worker_that_hangs_at_birth_is_killed,
                                  a_pool_grows_and_shrinks_under_running_jobs,
                                  idle_workers_go_at_once_and_nothing_waits_for_them,
                                  more_than_there_is_room_for_is_refused,
                                  pools_that_are_gone_or_new_wait_for_a_restart,
                                  what_no_worker_can_take_is_queued,
                                  what_a_leaving_worker_cannot_take_is_queued};
    return run_suite("pools", tests, sizeof(tests) / sizeof(tests[0]));
}
