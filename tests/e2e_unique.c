/*
 * e2e_unique.c - jobs that may be there once, by the real service: what is the same, for how long,
 * for how many who ask at once, and over kills.
 */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 16
#define ROUNDS  20

static char *id_of(struct server *s, const char *body)
{
    return strdup(submit(s, body));
}

/* Are the two the same job? */
static bool same(struct server *s, const char *one, const char *other)
{
    char *a = id_of(s, one), *b = id_of(s, other);
    bool is = strcmp(a, b) == 0;
    free(a);
    free(b);
    return is;
}

static void refused(struct server *s, const char *body, int status, const char *pointer)
{
    struct answer *a = http(s, "POST", "/v1/jobs", body, NULL);
    ck_assert_msg(a->status == status, "%d: %s", a->status, a->body);
    ck_assert_msg(!pointer || strcmp(jstr(a->json, "errors.0.pointer"), pointer) == 0, "%s",
                  a->body);
    answer_free(a);
}

#define LATE "{\"task\":\"echo\",\"delay\":900,\"input\":"

START_TEST(the_same_input_is_the_same_value)
{
    static const char *const pairs[][2] = {
        {LATE "{\"a\":1,\"b\":[2,{\"c\":3,\"d\":4}]},\"unique\":{}}",
         LATE " { \"b\" : [2, {\"d\":4,\"c\":3}], \"a\":1 } ,\"unique\":{\"by\":\"input\"}}"},
        {LATE "\"\\u00e4/\",\"unique\":{}}", LATE "\"\xc3\xa4\\/\",\"unique\":{}}"},
        {LATE "{\"a\":[1.0,{\"b\":-0.0}],\"c\":2e2},\"unique\":{}}",
         LATE "{\"a\":[1,{\"b\":0}],\"c\":200},\"unique\":{}}"},
        {LATE "70.0,\"unique\":{}}", LATE "70,\"unique\":{}}"},
        {LATE "1.50,\"unique\":{}}", LATE "15e-1,\"unique\":{}}"},
        {LATE "{\"a\":1,\"b\":12345678901234567890},\"unique\":{}}",
         LATE "{\"b\":12345678901234567890,\"a\":1},\"unique\":{}}"},
        {LATE "1e22,\"unique\":{}}", LATE "10000000000000000000000,\"unique\":{}}"},
        {"{\"task\":\"echo\",\"delay\":900,\"unique\":{}}", LATE "null,\"unique\":{}}"},
    };
    static const char *const others[][2] = {
        {LATE "[1,2],\"unique\":{}}", LATE "[2,1],\"unique\":{}}"},
        {LATE "9007199254740993,\"unique\":{}}", LATE "9007199254740992,\"unique\":{}}"},
        {LATE "18446744073709551616,\"unique\":{}}", LATE "18446744073709551617,\"unique\":{}}"},
        {LATE "0.1,\"unique\":{}}", LATE "0.10000000000000001,\"unique\":{}}"},
        {LATE "1,\"unique\":{}}", LATE "\"1\",\"unique\":{}}"},
        {LATE "5,\"unique\":{}}", "{\"task\":\"noop\",\"delay\":900,\"input\":5,\"unique\":{}}"},
        {LATE "6,\"unique\":{}}", LATE "6}"},
        {LATE "8}", LATE "8,\"unique\":{}}"},
        {LATE "10,\"unique\":{\"by\":\"task\"}}", LATE "10,\"unique\":{}}"},
        {LATE "11,\"unique\":{\"key\":\"11\"}}", LATE "11,\"unique\":{}}"},
        {LATE "\"k\",\"unique\":{}}", LATE "7,\"unique\":{\"key\":\"k\"}}"},
    };
    struct server *s = server_new(NULL, NULL);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        ck_assert_msg(same(s, pairs[i][0], pairs[i][1]), "%s %s", pairs[i][0], pairs[i][1]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!same(s, others[i][0], others[i][1]), "%s %s", others[i][0], others[i][1]);
    ck_assert(
        same(s, LATE "1,\"unique\":{\"by\":\"task\"}}", LATE "2,\"unique\":{\"by\":\"task\"}}"));
    ck_assert(same(s, LATE "1,\"unique\":{\"key\":\"x\"}}",
                   LATE "2,\"unique\":{\"by\":\"key\",\"key\":\"x\"}}"));
    refused(s, LATE "1,\"unique\":{\"by\":\"input\",\"key\":\"x\"}}", 400, "/unique/key");
    refused(s, LATE "1,\"unique\":{\"key\":\"x\",\"by\":\"task\"}}", 400, "/unique/key");
    refused(s, LATE "1,\"unique\":{\"by\":\"key\"}}", 400, "/unique/key");
    refused(s, LATE "1,\"unique\":{\"period\":0}}", 400, "/unique/period");
    refused(s, LATE "1,\"unique\":{\"key\":\"x\",\"on_conflict\":\"reject\"}}", 409, NULL);
    server_free(s);
}
END_TEST

/* What such a job's input will be is known by what it is made of. */
START_TEST(the_same_parents_are_the_same_input)
{
    char body[4][200];
    struct server *s = server_new(NULL, NULL);
    char *p = id_of(s, LATE "1}"), *q = id_of(s, LATE "2}");
    const char *const of[4][2] = {{p, q}, {p, q}, {q, p}, {p, NULL}};
    for (int i = 0; i < 4; i++)
        snprintf(body[i], sizeof(body[i]),
                 "{\"task\":\"echo\",\"depends_on\":[\"%s\"%s%s%s],\"unique\":{}}", of[i][0],
                 of[i][1] ? ",\"" : "", of[i][1] ? of[i][1] : "", of[i][1] ? "\"" : "");
    ck_assert(same(s, body[0], body[1]));
    ck_assert(!same(s, body[0], body[2]));
    ck_assert(!same(s, body[0], body[3]));
    ck_assert(same(s, body[0], body[1]));
    /* one with an input of its own does not gather: it is the same whatever it waits for */
    for (int i = 0; i < 2; i++)
        snprintf(body[i], sizeof(body[i]),
                 "{\"task\":\"echo\",\"input\":9,\"depends_on\":[\"%s\"],\"unique\":{}}",
                 of[i * 2][0]);
    ck_assert(same(s, body[0], body[1]));
    free(p);
    free(q);
    server_free(s);
}
END_TEST

/* In a batch a parent may turn out to be there already, under another id. */
START_TEST(a_batch_that_is_there_is_there_with_its_last)
{
    static const char body[] =
        "{\"jobs\":[{\"task\":\"echo\",\"delay\":900,\"input\":1,\"unique\":{},"
        "\"ref\":\"a\"},{\"task\":\"echo\",\"depends_on\":[\"a\"],\"unique\":{}}]}";
    struct server *s = server_new(NULL, NULL);
    struct answer *one = post(s, "/v1/jobs/batch", body, 202);
    struct answer *two = post(s, "/v1/jobs/batch", body, 202);
    ck_assert_str_eq(jstr(one->json, "jobs.0.id"), jstr(two->json, "jobs.0.id"));
    ck_assert_str_eq(jstr(one->json, "jobs.1.id"), jstr(two->json, "jobs.1.id"));
    answer_free(one);
    answer_free(two);
    ck_assert_int_eq(jobs_kept(s), 2);
    server_free(s);
}
END_TEST

START_TEST(as_long_as_was_said_and_over_kills)
{
    static const char unfinished[] = "{\"task\":\"sleep\",\"input\":{\"seconds\":600},"
                                     "\"max_attempts\":9,\"unique\":{\"key\":\"u\"}}";
    static const char queued[] = "{\"task\":\"sleep\",\"input\":{\"seconds\":600},\"max_attempts\":"
                                 "9,\"unique\":{\"key\":\"q\",\"while\":\"queued\"}}";
    static const char *const two_workers[] = {"--workers", "2", NULL};
    char path[100];
    struct server *s = server_new("[server]\nkill_grace = 50ms\n", two_workers);
    char *first = id_of(s, unfinished);
    answer_free(await_state(s, first, "running"));
    for (int kill = 0; kill < 2; kill++) {
        ck_assert_str_eq(submit(s, unfinished), first);
        server_kill9(s);
        server_restart(s);
    }
    ck_assert_str_eq(submit(s, unfinished), first);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", first);
    answer_free(http(s, "POST", path, NULL, NULL));
    char *second = id_of(s, unfinished);
    ck_assert_str_ne(first, second);
    free(first);
    first = id_of(s, queued);
    answer_free(await_state(s, first, "running"));
    char *third = id_of(s, queued);
    ck_assert_str_ne(first, third); /* which waits, for both workers are busy */
    server_kill9(s);
    server_restart(s);
    ck_assert_str_eq(submit(s, queued), third);
    free(first);
    free(second);
    free(third);
    server_free(s);
}
END_TEST

/* A request that was refused made nothing, and asking again with its key cannot make it good. */
START_TEST(a_refused_request_is_refused_again)
{
    static const char *const key[] = {"Idempotency-Key: order-1", NULL};
    static const char body[] = LATE "1,\"unique\":{\"key\":\"r\",\"on_conflict\":\"reject\"}}";
    char path[100], where[100], replayed[8];
    struct server *s = server_new(NULL, NULL);
    char *first = id_of(s, LATE "0,\"unique\":{\"key\":\"r\"}}");
    for (int i = 0; i < 2; i++) {
        struct answer *a = http(s, "POST", "/v1/jobs", body, key);
        ck_assert_msg(a->status == 409, "%d: %s", a->status, a->body);
        ck_assert_str_eq(jstr(a->json, "code"), "not_unique");
        ck_assert(answer_header(a, "Location", where, sizeof(where)));
        ck_assert_str_eq(where + strlen("/v1/jobs/"), first);
        answer_free(a);
    }
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", first);
    answer_free(post(s, path, NULL, 200));
    struct answer *made = http(s, "POST", "/v1/jobs", body, key);
    ck_assert_int_eq(made->status, 202);
    ck_assert(!answer_header(made, "Idempotency-Replayed", replayed, sizeof(replayed)));
    ck_assert_str_ne(jstr(made->json, "id"), first);
    answer_free(made);
    ck_assert_int_eq(jobs_kept(s), 2);
    free(first);
    server_free(s);
}
END_TEST

static struct server *shared;

static void *ask(void *arg)
{
    return strdup(submit(shared, arg));
}

START_TEST(what_has_ended_is_told_whole)
{
    static const char body[] =
        "{\"task\":\"echo\",\"input\":7,\"unique\":{\"key\":\"k\",\"period\":3600}}";
    char value[8];
    struct server *s = server_new(NULL, NULL);
    struct answer *a = post(s, "/v1/jobs?wait=60", body, 200);
    char *id = strdup(jstr(a->json, "id"));
    answer_free(a);
    for (int wait = 0; wait < 2; wait++) {
        a = post(s, wait ? "/v1/jobs?wait=60" : "/v1/jobs", body, 200);
        ck_assert_str_eq(jstr(a->json, "id"), id);
        ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
        ck_assert_int_eq(jint(a->json, "input"), 7);
        ck_assert_int_eq(jint(a->json, "result"), 7);
        ck_assert(answer_header(a, "Jobmill-Duplicate", value, sizeof(value)));
        answer_free(a);
    }
    free(id);
    server_free(s);
}
END_TEST

/* Not the submission that looks for it. */
START_TEST(how_long_it_counts_its_own_submission_says)
{
    static const char *const rows[2][2] = {
        {"{\"task\":\"echo\",\"unique\":{\"key\":\"a\",\"period\":3600}}",
         "{\"task\":\"echo\",\"unique\":{\"key\":\"a\"}}"},
        {"{\"task\":\"echo\",\"unique\":{\"key\":\"b\"}}",
         "{\"task\":\"echo\",\"unique\":{\"key\":\"b\",\"period\":3600}}"},
    };
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 2; i++) {
        struct answer *first = post(s, "/v1/jobs?wait=60", rows[i][0], 200);
        struct answer *second = post(s, "/v1/jobs?wait=60", rows[i][1], 200);
        ck_assert_int_eq(strcmp(jstr(first->json, "id"), jstr(second->json, "id")) == 0, i == 0);
        answer_free(first);
        answer_free(second);
    }
    server_free(s);
}
END_TEST

/* The answer of a batch tells each job that was asked for, and counts the group's own. */
START_TEST(a_batch_counts_its_own)
{
    static const char body[] =
        "{\"jobs\":[" LATE "1,\"unique\":{}}," LATE "1,\"unique\":{}}," LATE "2}]}";
    char path[100];
    struct server *s = server_new(NULL, NULL);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    ck_assert_int_eq(jint(a->json, "total"), 2);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 3);
    ck_assert_str_eq(jstr(a->json, "jobs.0.id"), jstr(a->json, "jobs.1.id"));
    snprintf(path, sizeof(path), "/v1/groups/%s", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_int_eq(jint(a->json, "total"), 2);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(many_who_ask_at_once_get_one)
{
    pthread_t thread[CLIENTS];
    shared = server_new(NULL, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        char body[200], *first = NULL;
        snprintf(body, sizeof(body), "{\"task\":\"noop\",\"delay\":900,\"input\":%d,\"unique\":{}}",
                 round);
        for (int i = 0; i < CLIENTS; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, ask, body), 0);
        for (int i = 0; i < CLIENTS; i++) {
            void *id;
            ck_assert_int_eq(pthread_join(thread[i], &id), 0);
            if (first)
                ck_assert_str_eq(first, id);
            else
                first = strdup(id);
            free(id);
        }
        free(first);
    }
    ck_assert_int_eq(jobs_kept(shared), ROUNDS);
    server_free(shared);
}
END_TEST

/* Ids and the names of what is new and of what was there, in one list. */
START_TEST(what_was_there_is_depended_on_by_its_id)
{
    char body[1000], path[100], want[200];
    struct server *s = server_new(NULL, NULL);
    char *first = id_of(s, LATE "1}"), *there[2];
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof(body), LATE "0,\"unique\":{\"key\":\"%d\"}}", i);
        there[i] = id_of(s, body);
    }
    snprintf(body, sizeof(body),
             "{\"jobs\":[" LATE "0,\"ref\":\"x\",\"unique\":{\"key\":\"0\"}}," LATE
             "2,\"ref\":\"y\"}," LATE "0,\"unique\":{\"key\":\"0\"}}," LATE
             "0,\"ref\":\"z\",\"unique\":{\"key\":\"1\"}},"
             "{\"task\":\"noop\",\"depends_on\":[\"%s\",\"z\",\"y\",\"x\"]}]}",
             first);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    ck_assert_str_eq(jstr(a->json, "jobs.0.id"), there[0]);
    ck_assert_str_eq(jstr(a->json, "jobs.2.id"), there[0]);
    snprintf(want, sizeof(want), "\"depends_on\":[\"%s\",\"%s\",\"%s\",\"%s\"]", first, there[1],
             jstr(a->json, "jobs.1.id"), there[0]);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "jobs.4.id"));
    struct answer *job = get(s, path, 200);
    ck_assert_msg(strstr(job->body, want) != NULL, "%s, not %s", job->body, want);
    ck_assert_int_eq(jint(job->json, "waiting_for"), 4);
    answer_free(job);
    answer_free(a);
    free(first);
    free(there[0]);
    free(there[1]);
    server_free(s);
}
END_TEST

START_TEST(a_key_remembers_that_it_was_there)
{
    static const char *const key[] = {"Idempotency-Key: w1", NULL};
    static const char first[] = LATE "111,\"unique\":{\"key\":\"w\"}}";
    static const char body[] = "{\"task\":\"echo\",\"input\":222,\"unique\":{\"key\":\"w\"}}";
    char value[8];
    struct server *s = server_new(NULL, NULL);
    char *there = id_of(s, first);
    for (int i = 0; i < 3; i++) {
        struct answer *a = http(s, "POST", "/v1/jobs", body, key);
        ck_assert_msg(a->status == 202, "%d: %s", a->status, a->body);
        ck_assert_str_eq(jstr(a->json, "id"), there);
        ck_assert_str_eq(jstr(a->json, "state"), "scheduled");
        ck_assert_ptr_null(jget(a->json, "input"));
        ck_assert(answer_header(a, "Jobmill-Duplicate", value, sizeof(value)));
        ck_assert(answer_header(a, "Idempotency-Replayed", value, sizeof(value)) == (i > 0));
        answer_free(a);
        if (i == 1) {
            server_kill9(s);
            server_restart(s);
        }
    }
    free(there);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_same_input_is_the_same_value,
        the_same_parents_are_the_same_input,
        a_batch_that_is_there_is_there_with_its_last,
        as_long_as_was_said_and_over_kills,
        a_refused_request_is_refused_again,
        many_who_ask_at_once_get_one,
        what_has_ended_is_told_whole,
        how_long_it_counts_its_own_submission_says,
        a_batch_counts_its_own,
        what_was_there_is_depended_on_by_its_id,
        a_key_remembers_that_it_was_there,
    };
    return run_suite("unique", tests, sizeof(tests) / sizeof(tests[0]));
}
