/*
 * e2e_bulk.c - changes of many: a client that goes on with `next` gets to each job that there was,
 * once, whatever becomes of those that were changed.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 2300 /* more than two requests change */

static void batch(struct server *s, const char *job, int n)
{
    size_t len = strlen(job);
    char *body = malloc((len + 1) * (size_t)n + 20), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < n; i++)
        at += sprintf(at, "%s,", job);
    strcpy(at - 1, "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    free(body);
}

/* One request; what it changed, and in `next` where it goes on ("": nowhere). */
static json_int_t change(struct server *s, char next[300])
{
    struct answer *a = post(s, next, "", 200);
    json_int_t changed = jint(a->json, "changed");
    snprintf(next, 300, "%s", jstr(a->json, "next"));
    ck_assert_int_eq(json_is_true(jget(a->json, "more")), next[0] != 0);
    ck_assert_int_eq(json_is_null(jget(a->json, "next")), next[0] == 0);
    answer_free(a);
    return changed;
}

/* All jobs are of that attempt. */
static void check_attempts(struct server *s, int attempt)
{
    char path[200] = "/v1/jobs?limit=1000";
    for (size_t n = 0; path[0];) {
        struct answer *a = get(s, path, 200);
        json_t *job;
        size_t i;
        json_array_foreach(jget(a->json, "jobs"), i, job)
            ck_assert_int_eq(jint(job, "attempt"), attempt);
        n += i;
        snprintf(path, sizeof(path), "%s", jstr(a->json, "next"));
        ck_assert(path[0] || n == MANY);
        answer_free(a);
    }
}

START_TEST(what_fails_again_at_once_is_in_nobodys_way)
{
    static const char *const flags[] = {"--workers", "2", NULL};
    struct server *s = server_with_task("bad", "misbehave", "", flags);
    json_int_t changed = 0;
    char next[300] = "/v1/jobs/retry?task=bad";
    batch(s, "{\"task\":\"bad\",\"input\":{\"do\":\"fail_for_good\"}}", MANY);
    eventually(stat_of(s, "jobs.failed") == MANY, LONG_MS);
    for (int i = 0; next[0]; i++) {
        ck_assert_int_lt(i, 4);
        changed += change(s, next);
        eventually(stat_of(s, "jobs.failed") == MANY, LONG_MS);
    }
    ck_assert_int_eq(changed, MANY);
    check_attempts(s, 2);
    server_free(s);
}
END_TEST

/* What others depend on is retried by an earlier request than these; what comes meanwhile is left.
 */
static void retry_in_order(const char *path)
{
    enum { FILL = 1200 };
    static const char bad[] =
        "{\"task\":\"bad\",\"tags\":[\"x\"],\"input\":{\"do\":\"fail_for_good\"}}";
    static const char brief[] = "{\"task\":\"sleep\",\"tags\":[\"x\"],\"input\":{\"seconds\":30},"
                                "\"timeout\":0.02,\"max_attempts\":1}";
    static const char *const flags[] = {"--workers", "2", NULL};
    struct server *s = server_with_task("bad", "misbehave", "", flags);
    char body[200], next[300], parent[40], child[40], late[40] = "";
    json_int_t changed = 0;
    snprintf(next, sizeof(next), "%s", path);
    snprintf(parent, sizeof(parent), "%s", submit(s, bad));
    snprintf(body, sizeof(body), "{\"task\":\"echo\",\"tags\":[\"x\"],\"depends_on\":[\"%s\"]}",
             parent);
    batch(s, bad, FILL);
    snprintf(child, sizeof(child), "%s", submit(s, body));
    eventually(stat_of(s, "jobs.failed") == FILL + 2, LONG_MS);
    answer_free(post(s, "/v1/tasks/bad/pause", "", 200));
    while (next[0]) {
        changed += change(s, next);
        if (late[0])
            continue;
        ck_assert(next[0]);
        snprintf(late, sizeof(late), "%s", submit(s, brief));
        answer_free(await_state(s, late, "failed"));
    }
    ck_assert_int_eq(changed, FILL + 2);
    answer_free(await_state(s, parent, "queued"));
    answer_free(await_state(s, child, "scheduled"));
    answer_free(await_state(s, late, "failed"));
    server_free(s);
}

START_TEST(a_retry_begins_with_the_oldest)
{
    retry_in_order("/v1/jobs/retry");
    retry_in_order("/v1/jobs/retry?tag=x");
}
END_TEST

START_TEST(it_goes_on_from_state_to_state)
{
    struct server *s = server_new(NULL, NULL);
    char next[300] = "/v1/jobs/cancel?tag=a%20%26%20b";
    answer_free(post(s, "/v1/tasks/echo/pause", "", 200));
    batch(s, "{\"task\":\"echo\",\"tags\":[\"a & b\"],\"delay\":900}", 700);
    batch(s, "{\"task\":\"echo\",\"tags\":[\"a & b\"]}", 700);
    batch(s, "{\"task\":\"echo\",\"tags\":[\"a\"]}", 10);
    ck_assert_int_eq(change(s, next), 1000);
    ck_assert_msg(strstr(next, "/v1/jobs/cancel?tag=a%20%26%20b&cursor=queued."), "%s", next);
    ck_assert_int_eq(change(s, next), 400);
    ck_assert_str_eq(next, "");
    ck_assert_int_eq(stat_of(s, "jobs.queued"), 10);
    /* where one state ends with the last that a request takes, the next begins */
    snprintf(next, sizeof(next), "/v1/jobs/cancel");
    batch(s, "{\"task\":\"echo\",\"delay\":900}", 1000);
    ck_assert_int_eq(change(s, next), 1000);
    ck_assert_str_eq(next, "/v1/jobs/cancel?cursor=queued");
    ck_assert_int_eq(change(s, next), 10);
    ck_assert_str_eq(next, "");
    /* a state that was asked for is one */
    snprintf(next, sizeof(next), "/v1/jobs/delete?state=cancelled");
    ck_assert_int_eq(change(s, next), 1000);
    ck_assert_msg(strstr(next, "?state=cancelled&cursor=cancelled."), "%s", next);
    ck_assert_int_eq(change(s, next), 1000);
    ck_assert_int_eq(change(s, next), 410);
    ck_assert_str_eq(next, "");
    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

START_TEST(a_cursor_is_of_the_act_and_its_states)
{
    static const char *const bad[] = {
        "cancel?cursor=",
        "cancel?cursor=x",
        "cancel?cursor=failed",
        "cancel?cursor=queued.",
        "cancel?cursor=queued.AaIfouYWcAC-A2a7gcMc7",
        "cancel?cursor=queued.AaIfouYWcAC-A2a7gcMc7x",
        "cancel?cursor=AaIfouYWcAC-A2a7gcMc7w",
        "cancel?cursor=queued.AaIfouYWcAC-A2a7gcMc7w&state=running",
        "retry?cursor=cancelled.AaIfouYWcAC-A2a7gcMc7w",
        "delete?state=failed&cursor=succeeded",
    };
    struct server *s = server_new(NULL, NULL);
    char path[200];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(path, sizeof(path), "/v1/jobs/%s", bad[i]);
        struct answer *a = post(s, path, "", 400);
        ck_assert_str_eq(jstr(a->json, "code"), "bad_cursor");
        answer_free(a);
    }
    answer_free(post(s, "/v1/jobs/cancel?cursor=queued.AaIfouYWcAC-A2a7gcMc7w", "", 200));
    answer_free(post(s, "/v1/jobs/retry?state=expired&cursor=expired", "", 200));
    server_free(s);
}
END_TEST

/* Appends the ids of all pages, each with a comma behind it. */
static void walk(struct server *s, const char *first, char *out)
{
    char path[300];
    snprintf(path, sizeof(path), "%s", first);
    *out = 0;
    while (path[0]) {
        struct answer *a = get(s, path, 200);
        json_t *job;
        size_t i;
        json_array_foreach(jget(a->json, "jobs"), i, job)
        {
            strcat(out, jstr(job, "id"));
            strcat(out, ",");
        }
        snprintf(path, sizeof(path), "%s", jstr(a->json, "next"));
        answer_free(a);
    }
}

START_TEST(several_states_are_one_list)
{
    char path[200], want[4000] = "", got[4000];
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 40; i++) {
        char id[40];
        snprintf(
            id, sizeof(id), "%s",
            submit(s, i % 4 == 1 ? "{\"task\":\"noop\"}" : "{\"task\":\"noop\",\"delay\":900}"));
        if (i % 4 == 1)
            answer_free(await_state(s, id, "succeeded"));
        snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
        if (i % 4 == 2)
            answer_free(post(s, path, "", 200));
    }
    struct answer *a = get(s, "/v1/jobs?limit=1000", 200);
    json_t *job;
    size_t i, n = 0;
    json_array_foreach(jget(a->json, "jobs"), i, job)
    {
        if (!strcmp(jstr(job, "state"), "succeeded"))
            continue;
        strcat(want, jstr(job, "id"));
        strcat(want, ",");
        n++;
    }
    ck_assert_uint_eq(n, 30);
    answer_free(a);
    for (int limit = 1; limit < 40; limit += 3) {
        snprintf(path, sizeof(path), "/v1/jobs?state=cancelled,running,scheduled&limit=%d", limit);
        walk(s, path, got);
        ck_assert_str_eq(got, want);
    }
    walk(s, "/v1/jobs?state=succeeded", got);
    ck_assert_uint_eq(strlen(got), 10 * 37);
    a = post(s, "/v1/jobs/delete?state=cancelled,succeeded", "", 200);
    ck_assert_int_eq(jint(a->json, "changed"), 20);
    answer_free(a);
    ck_assert_int_eq(jobs_kept(s), 20);
    server_free(s);
}
END_TEST

/* Also one that goes from one of them to another and back meanwhile. */
START_TEST(a_job_is_always_in_some_state)
{
    char id[40];
    struct server *s = server_new("[task fail]\ncommand = /bin/false\n", NULL);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"fail\",\"max_attempts\":1000,"
                       "\"backoff\":{\"kind\":\"fixed\",\"delay\":0.001}}"));
    for (int i = 0; i < 300; i++) {
        struct answer *a = get(s, "/v1/jobs?state=scheduled,queued,running,failed", 200);
        ck_assert_str_eq(jstr(a->json, "jobs.0.id"), id);
        ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 1);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(jobs_that_are_named)
{
    char path[300], id[3][40];
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 3; i++)
        snprintf(id[i], sizeof(id[i]), "%s", submit(s, "{\"task\":\"noop\",\"delay\":900}"));
    static const char *const acts[] = {"cancel", "retry", "cancel", "delete"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path),
                 "/v1/jobs/%s?ids=%s,%s,01a206c9-3464-7000-93c5-f3a31ec3a416,%s", acts[i], id[0],
                 id[2], id[0]);
        if (i == 2) /* retried, it may have ended */
            answer_free(await_state(s, id[0], "succeeded"));
        struct answer *a = post(s, path, "", 200);
        ck_assert_int_eq(jint(a->json, "matched"), 2);
        ck_assert_msg(jint(a->json, "changed") == (i == 2 ? 0 : 2), "%s: %s", path, a->body);
        ck_assert(json_is_null(jget(a->json, "next")));
        answer_free(a);
        if (i == 1)
            answer_free(await_state(s, id[2], "succeeded"));
    }
    ck_assert_int_eq(jobs_kept(s), 1);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_fails_again_at_once_is_in_nobodys_way,
        a_retry_begins_with_the_oldest,
        it_goes_on_from_state_to_state,
        a_cursor_is_of_the_act_and_its_states,
        several_states_are_one_list,
        a_job_is_always_in_some_state,
        jobs_that_are_named,
    };
    return run_suite("bulk", tests, sizeof(tests) / sizeof(tests[0]));
}
