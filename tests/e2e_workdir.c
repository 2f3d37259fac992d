/*
 * e2e_workdir.c - jobs that leave so many files that removing them takes long: nobody waits for it,
 * and nothing of them stays.
 */
#include "harness.h"
#include "harness_preload.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The files take 20 s to remove. */
#define FILL "i=0; while [ $i -lt 1000 ]; do : >slow-$i; i=$((i+1)); done; "

static const char conf[] =
    "[pool default]\nworkers = 1\n[pool apart]\nworkers = 1\n"
    "[task fills]\npool = apart\nmax_attempts = 1\ncommand = /bin/sh -c '" FILL
    "echo \"{\\\"progress\\\":{\\\"message\\\":\\\"$$\\\"}}\" >&4; exec sleep 600'\n"
    "[task ends]\nmax_attempts = 1\ntimeout = 3s\ncommand = /bin/sh -c '" FILL "echo 1'\n";

static char tmp[256];        /* for the jobs' directories alone */
static const char *slowness; /* as long as this file is there */

static struct server *slow_service(void)
{
    own_directory("tmp", tmp, sizeof(tmp));
    setenv("TMPDIR", tmp, 1);
    slowness = preload("slow", "JOBMILL_SLOW");
    return server_new(conf, NULL);
}

static int directories(void)
{
    int n = 0;
    DIR *d = opendir(tmp);
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void all_go(void)
{
    ck_assert_int_eq(unlink(slowness), 0);
    eventually(directories() == 0, LONG_MS);
}

static pid_t worker_of(struct server *s, const char *pool)
{
    struct answer *a = get(s, "/v1/workers", 200);
    json_t *list = jget(a->json, "workers"), *w;
    size_t i;
    pid_t pid = 0;
    json_array_foreach(list, i, w)
    {
        if (strcmp(jstr(w, "pool"), pool) == 0 && strcmp(jstr(w, "state"), "starting") != 0)
            pid = (pid_t)jint(w, "pid");
    }
    answer_free(a);
    return pid;
}

static bool is_replaced(struct server *s, const char *pool, pid_t by)
{
    pid_t pid = worker_of(s, pool);
    return pid > 0 && pid != by;
}

/* A job has filled its directory when its worker dies. */
static void dies_full(struct server *s)
{
    char *id = strdup(submit(s, "{\"task\":\"fills\"}"));
    (void)await_number(s, id);
    pid_t pid = worker_of(s, "apart");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    answer_free(await_state(s, id, "failed"));
    eventually(is_replaced(s, "apart", pid), LONG_MS);
    free(id);
}

START_TEST(no_pool_waits_for_a_removal)
{
    struct server *s = slow_service();
    for (int i = 1; i <= 3; i++) {
        dies_full(s);
        pid_t pid = worker_of(s, "default");
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        eventually(is_replaced(s, "default", pid), LONG_MS);
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
        ck_assert_int_eq(directories(), i); /* all of them are still being removed */
    }
    all_go();
    server_free(s);
}
END_TEST

START_TEST(a_removal_is_no_run_time)
{
    struct server *s = slow_service();
    for (int i = 1; i <= 3; i++) {
        struct answer *a = run_job(s, "{\"task\":\"ends\"}");
        ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
        ck_assert_int_eq(directories(), i);
        answer_free(a);
    }
    all_go();
    server_free(s);
}
END_TEST

/* What a worker had not removed when it died, the fork server goes on with. */
START_TEST(a_removal_outlives_its_worker)
{
    struct server *s = slow_service();
    answer_free(run_job(s, "{\"task\":\"ends\"}"));
    pid_t pid = worker_of(s, "default");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    eventually(is_replaced(s, "default", pid), LONG_MS);
    ck_assert_int_eq(directories(), 1);
    all_go();
    server_free(s);
}
END_TEST

/* Neither an end nor a start waits for it; after the start it is gone on with. */
START_TEST(a_removal_outlives_its_service)
{
    struct server *s = slow_service();
    dies_full(s);
    answer_free(run_job(s, "{\"task\":\"ends\"}"));
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    ck_assert_int_eq(directories(), 2);
    server_restart(s);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    ck_assert_int_eq(directories(), 2);
    all_go();
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {no_pool_waits_for_a_removal, a_removal_is_no_run_time,
                                  a_removal_outlives_its_worker, a_removal_outlives_its_service};
    return run_suite("workdir", tests, sizeof(tests) / sizeof(tests[0]));
}
