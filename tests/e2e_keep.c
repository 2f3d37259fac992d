/*
 * e2e_keep.c - what is kept of jobs that ended, by the real service: so many of a task, so many
 * bytes of all; and the file is as large as what it holds, when that is new and when it is gone.
 * By age: e2e_clock.c.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MIB      (1024 * 1024)
#define MANY     2500
#define LINE     1024
#define STEP_MIB 2 /* so much may stay unused: it is given back in pieces of this size */

/* Jobs of a task that are kept. */
static size_t kept(struct server *s, const char *task)
{
    char path[64];
    snprintf(path, sizeof(path), "/v1/jobs?limit=100&task=%s", task);
    struct answer *a = get(s, path, 200);
    size_t n = json_array_size(jget(a->json, "jobs"));
    answer_free(a);
    return n;
}

static bool is_there(struct server *s, const char *id)
{
    char path[80];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = http(s, "GET", path, NULL, NULL);
    bool there = a->status == 200;
    ck_assert(there || a->status == 404);
    answer_free(a);
    return there;
}

START_TEST(so_many_of_a_task_are_kept)
{
    struct server *s = server_new("[server]\nkeep_max = 8\n[task noop]\nkeep_max = 3\n", NULL);
    char id[40], waits[40], first[2][40], last[2][40];
    static const char *const body[] = {"{\"task\":\"noop\"}", "{\"task\":\"echo\"}"};
    snprintf(waits, sizeof(waits), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    for (int i = 0; i < 20; i++) {
        for (int task = 0; task < 2; task++) {
            struct answer *a = run_job(s, body[task]);
            snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
            memcpy(i == 0 ? first[task] : last[task], id, sizeof(id));
            answer_free(a);
        }
    }
    for (int again = 0; again < 2; again++) {
        eventually(kept(s, "noop") == 3 + 1 && kept(s, "echo") == 8, LONG_MS);
        for (int task = 0; task < 2; task++) {
            ck_assert(!is_there(s, first[task]));
            ck_assert(is_there(s, last[task]));
        }
        ck_assert(is_there(s, waits)); /* one that has not ended does not count */
        server_kill9(s);
        server_restart(s);
    }
    server_free(s);
}
END_TEST

/* The service's own rule holds for what is left of a task that is not configured any more. */
START_TEST(a_task_that_is_gone_is_forgotten_too)
{
    struct server *s = server_new("[task brief]\ncommand = /bin/true\nkeep_max = 5\n", NULL);
    for (int i = 0; i < 4; i++)
        answer_free(run_job(s, "{\"task\":\"brief\"}"));
    server_kill9(s);
    server_configure(s, "[server]\nkeep_max = 2\n");
    server_restart(s);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    eventually(jobs_kept(s) == 2 + 1, LONG_MS);
    server_free(s);
}
END_TEST

static int64_t file_bytes(const struct server *s)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

/* Jobs of two tasks in turns, each a KiB; all of them have ended. */
static void run_many(struct server *s, int jobs)
{
    static const char *const json_lines[] = {"Content-Type: application/x-ndjson", NULL};
    char *body = malloc((size_t)jobs * LINE + 1), *at = body, pad[LINE];
    ck_assert_ptr_nonnull(body);
    memset(pad, 'x', sizeof(pad));
    for (int i = 0; i < jobs; i++)
        at += snprintf(at, LINE, "{\"task\":\"%s\",\"input\":\"%.900s\"}\n",
                       i % 2 ? "echo" : "noop", pad);
    struct answer *a = http(s, "POST", "/v1/jobs/batch?wait=60", body, json_lines);
    ck_assert_msg(a->status == 200 && jint(a->json, "counts.succeeded") == jobs, "%s", a->body);
    answer_free(a);
    free(body);
}

START_TEST(the_oldest_go_while_the_store_is_too_large)
{
    struct server *s = server_new(NULL, NULL);
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    char first[40], last[40];
    snprintf(first, sizeof(first), "%s", jstr(a->json, "id"));
    answer_free(a);
    run_many(s, MANY);
    a = run_job(s, "{\"task\":\"sha256\",\"input\":{\"text\":\"\"}}");
    snprintf(last, sizeof(last), "%s", jstr(a->json, "id"));
    answer_free(a);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    ck_assert_int_gt(file_bytes(s), (2 + STEP_MIB) * MIB);
    ck_assert_int_eq(setenv("JOBMILL_KEEP_BYTES", "2MiB", 1), 0);
    server_restart(s);
    eventually(file_bytes(s) <= (2 + STEP_MIB) * MIB, LONG_MS); /* while nobody asks for anything */
    ck_assert(!is_there(s, first));
    ck_assert(is_there(s, last));
    /* no more than was needed: of each task the newest are there, and fill the room */
    json_int_t left = jobs_kept(s);
    ck_assert_msg(left > MANY / 6 && left < MANY * 2 / 3, "%d are left", (int)left);
    a = get(s, "/v1/jobs?limit=100", 200);
    for (size_t i = 1; i < 100; i++)
        ck_assert_str_eq(
            json_string_value(json_object_get(json_array_get(jget(a->json, "jobs"), i), "task")),
            i % 2 ? "echo" : "noop");
    answer_free(a);
    server_free(s);
}
END_TEST

/* The log holds them, and is far from its limit: who starts next need not read it. */
START_TEST(in_a_quiet_moment_the_log_is_moved)
{
    enum { JOBS = 400 };
    struct server *s = server_new(NULL, NULL);
    int64_t before = file_bytes(s);
    run_many(s, JOBS);
    eventually(file_bytes(s) > before + JOBS * LINE / 2, LONG_MS);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {so_many_of_a_task_are_kept, a_task_that_is_gone_is_forgotten_too,
                                  the_oldest_go_while_the_store_is_too_large,
                                  in_a_quiet_moment_the_log_is_moved};
    return run_suite("keep", tests, sizeof(tests) / sizeof(tests[0]));
}
