/*
 * e2e_lease_ends.c - what a remote worker says of the jobs that it has leased: how they ended,
 * their results, checkpoints for the next attempt.
 */
#include "harness.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char conf[] = "[task far]\nkind = remote\nmax_attempts = 50\n"
                           "[task once]\nkind = remote\nmax_attempts = 1\n";

/* Three leases: one that succeeded, one that failed, and one that is no more. */
static void end_three(struct server *s, char *const lease[3], const char *more)
{
    char body[512];
    snprintf(body, sizeof(body),
             "{\"ended\":[{\"id\":\"%s\",\"result\":{\"x\": 1.50}},"
             "{\"id\":\"%s\",\"error\":{\"code\":\"no\",\"permanent\":true}},{\"id\":\"%s\"}]%s}",
             lease[0], lease[1], lease[2], more);
    struct answer *a = post(s, "/v1/leases", body, 200);
    ck_assert_str_eq(jstr(a->json, "ended.0.state"), "succeeded");
    ck_assert_str_eq(jstr(a->json, "ended.1.id"), lease[1]);
    ck_assert_str_eq(jstr(a->json, "ended.1.state"), "failed");
    ck_assert_str_eq(jstr(a->json, "ended.2.error.code"), "lease_lost");
    ck_assert_msg(!jget(a->json, "leases.0"), "%s", a->body);
    answer_free(a);
}

START_TEST(with_the_next_request_others_are_ended)
{
    struct server *s = server_new(conf, NULL);
    char *job[3], *lease[3], path[128];
    for (int i = 0; i < 3; i++) {
        job[i] = strdup(submit(s, "{\"task\":\"far\"}"));
        lease[i] = take_lease(s, "{}", NULL);
    }
    ck_assert_int_eq(end_lease(s, lease[2], "complete", "{\"result\":7}"), 200);
    end_three(s, lease, ",\"max\":0");
    server_kill9(s);
    server_restart(s);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", job[0]);
    struct answer *a = get(s, path, 200); /* its bytes as they came */
    ck_assert_str_eq(a->body, "{\"x\": 1.50}");
    answer_free(a);
    a = await_state(s, job[1], "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "no");
    answer_free(a);
    a = await_state(s, job[2], "succeeded");
    ck_assert_int_eq(jint(a->json, "result"), 7);
    answer_free(a);
    for (int i = 0; i < 3; i++) {
        free(job[i]);
        free(lease[i]);
    }
    server_free(s);
}
END_TEST

/* The next job comes with the same answer; who waits for one has ended the last one all the same.
 */
START_TEST(what_is_ended_does_not_wait_for_a_job)
{
    struct server *s = server_new(conf, NULL);
    char *id = strdup(submit(s, "{\"task\":\"far\"}")), body[128], text[256];
    char *first = take_lease(s, "{}", NULL);
    char *next = strdup(submit(s, "{\"task\":\"far\"}")), *job = NULL;
    snprintf(body, sizeof(body), "{\"ended\":[{\"id\":\"%s\"}]}", first);
    char *second = take_lease(s, body, &job);
    ck_assert_str_eq(job, next);
    answer_free(await_state(s, id, "succeeded"));
    int n = snprintf(body, sizeof(body), "{\"wait\":300,\"ended\":[{\"id\":\"%s\"}]}", second);
    snprintf(text, sizeof(text),
             "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", n,
             body);
    int fd = raw_open(s);
    raw_send(fd, text);
    answer_free(await_state(s, next, "succeeded"));
    (void)submit(s, "{\"task\":\"once\"}");
    char *said = raw_read(fd, "\"succeeded\"", LONG_MS);
    ck_assert_msg(strstr(said, "\"once\"") && strstr(said, second), "%s", said);
    free(said);
    close(fd);
    free(second);
    free(job);
    free(next);
    free(first);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(a_bad_end_among_others_ends_none)
{
    static const struct {
        const char *body, *pointer;
    } bad[] = {{"{\"ended\":3}", "/ended"},
               {"{\"ended\":[{\"id\":\"%s\"},3]}", "/ended/1"},
               {"{\"ended\":[{\"id\":\"%s\"},{\"id\":\"x\"}]}", "/ended/1/id"},
               {"{\"ended\":[{\"id\":\"%s\"},{\"result\":1}]}", "/ended/1/id"},
               {"{\"ended\":[{\"id\":\"%s\",\"result\":1,\"error\":{}}]}", "/ended/0"},
               {"{\"ended\":[{\"id\":\"%s\",\"error\":\"no\"}]}", "/ended/0/error"},
               {"{\"ended\":[{\"id\":\"%s\",\"eror\":{}}]}", "/ended/0/eror"},
               {"{\"ended\":[{\"id\":\"%s\"}],\"max\":101}", "/max"},
               {"{\"max\":0}", "/max"}};
    struct server *s = server_new(conf, NULL);
    (void)submit(s, "{\"task\":\"far\"}");
    char *lease = take_lease(s, "{}", NULL), body[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *at = strstr(bad[i].body, "%s");
        int n = at ? (int)(at - bad[i].body) : (int)strlen(bad[i].body);
        snprintf(body, sizeof(body), "%.*s%s%s", n, bad[i].body, at ? lease : "", at ? at + 2 : "");
        struct answer *a = post(s, "/v1/leases", body, 400);
        ck_assert_msg(strcmp(jstr(a->json, "errors.0.pointer"), bad[i].pointer) == 0, "%s: %s",
                      body, a->body);
        answer_free(a);
    }
    ck_assert_int_eq(end_lease(s, lease, "complete", "{\"result\":7}"), 200);
    free(lease);
    server_free(s);
}
END_TEST

/* The lease of the only job that is there, and the number `at` of its checkpoint; 0: it has none.
 */
static char *next_lease(struct server *s, int *at)
{
    struct answer *a = http(s, "POST", "/v1/leases", "{\"duration\":600,\"wait\":60}", NULL);
    ck_assert_msg(a->status == 200 && jget(a->json, "leases.0.id"), "%d: %s", a->status, a->body);
    char *id = strdup(jstr(a->json, "leases.0.id"));
    *at = jget(a->json, "leases.0.checkpoint") ? (int)jint(a->json, "leases.0.checkpoint.at") : 0;
    answer_free(a);
    return id;
}

START_TEST(a_checkpoint_comes_with_the_next_lease)
{
    char text[256];
    snprintf(text, sizeof(text), "[server]\nretry_delay = 10ms\n%s", conf);
    struct server *s = server_new(text, NULL);
    char *job = strdup(submit(s, "{\"task\":\"far\"}"));
    int at;
    char *lost = next_lease(s, &at);
    ck_assert_int_eq(at, 0);
    ck_assert_int_eq(end_lease(s, lost, "heartbeat", "{\"checkpoint\":{\"at\":1}}"), 200);
    ck_assert_int_eq(
        end_lease(s, lost, "heartbeat", "{\"checkpoint\":{\n\"at\": 2},\"duration\":0.1}"), 200);
    server_kill9(s); /* it was on disk when it was answered */
    server_restart(s);
    char *held = next_lease(s, &at);
    ck_assert_int_eq(at, 2);
    /* neither who lost it nor who says nothing of it changes it */
    ck_assert_int_eq(end_lease(s, lost, "heartbeat", "{\"checkpoint\":{\"at\":3}}"), 409);
    ck_assert_int_eq(end_lease(s, held, "heartbeat", "{}"), 200);
    ck_assert_int_eq(end_lease(s, held, "fail", "{\"error\":{}}"), 200);
    char *last = next_lease(s, &at);
    ck_assert_int_eq(at, 2);
    ck_assert_int_eq(end_lease(s, last, "complete", "{\"result\":7}"), 200);
    struct answer *a = await_state(s, job, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 3);
    answer_free(a);
    free(last);
    free(held);
    free(lost);
    free(job);
    server_free(s);
}
END_TEST

/* {"checkpoint":"xxx…"}, `size` bytes of JSON: the caller's. */
static char *checkpoint_of(size_t size)
{
    static const char head[] = "{\"checkpoint\":\"";
    size_t h = strlen(head);
    char *body = malloc(h + size + 2);
    ck_assert_ptr_nonnull(body);
    strcpy(body, head);
    memset(body + h, 'x', size - 2);
    strcpy(body + h + size - 2, "\"}");
    return body;
}

START_TEST(a_checkpoint_has_a_limit)
{
    struct server *s = server_new(conf, NULL);
    char path[128], *most = checkpoint_of(65536), *more = checkpoint_of(65537);
    answer_free(await_state(s, submit(s, "{\"task\":\"far\"}"), "queued"));
    char *lease = take_lease(s, "{\"duration\":600}", NULL);
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", most), 200);
    snprintf(path, sizeof(path), "/v1/leases/%s/heartbeat", lease);
    struct answer *a = http(s, "POST", path, more, NULL);
    ck_assert_int_eq(a->status, 400);
    ck_assert_str_eq(jstr(a->json, "code"), "bad_field");
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/checkpoint");
    ck_assert_str_eq(jstr(a->json, "errors.0.limit"), "a value of at most 65536 bytes");
    ck_assert_str_eq(jstr(a->json, "errors.0.value"), "65537 bytes");
    answer_free(a);
    free(lease);
    free(most);
    free(more);
    server_free(s);
}
END_TEST

/* Only application/json is the object with the result in it. */
START_TEST(a_result_has_any_type)
{
    static const char *const type[] = {"Content-Type: application/geo+json",
                                       "Content-Type: application/json-patch+json",
                                       "Content-Type: text/plain"};
    struct server *s = server_new(conf, NULL);
    char path[128];
    for (size_t i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
        const char *const headers[] = {type[i], NULL};
        char *id = strdup(submit(s, "{\"task\":\"far\"}")), *lease = take_lease(s, "{}", NULL);
        snprintf(path, sizeof(path), "/v1/leases/%s/complete", lease);
        struct answer *a = http(s, "POST", path, "{\"type\":", headers);
        ck_assert_int_eq(a->status, i == 2 ? 200 : 400); /* what is no JSON is no +json */
        answer_free(a);
        if (i < 2) {
            a = http(s, "POST", path, "{\"type\":\"Point\"}", headers);
            ck_assert_msg(a->status == 200, "%s", a->body);
            answer_free(a);
        }
        a = await_state(s, id, "succeeded");
        ck_assert_str_eq(jstr(a->json, "result_type"), strchr(type[i], ' ') + 1);
        ck_assert_str_eq(jstr(a->json, i < 2 ? "result.type" : "result"),
                         i < 2 ? "Point" : "{\"type\":");
        answer_free(a);
        free(lease);
        free(id);
    }
    server_free(s);
}
END_TEST

/* One that is too large fails the job, as it does of a task that runs here. */
START_TEST(a_result_has_a_limit)
{
    static const char *const json[] = {"Content-Type: application/json", NULL};
    static const char *const bytes[] = {"Content-Type: image/png", NULL};
    static const struct {
        const char *const *headers;
        const char *body;
        bool fits;
    } rows[] = {{json, "{\"result\":\"12345678\"}", true}, /* with its quotes */
                {json, "{\"result\":\"123456789\"}", false},
                {bytes, "1234567890", true},
                {bytes, "12345678901", false}};
    struct server *s = server_new("[task far]\nkind = remote\noutput_max = 10\n", NULL);
    char path[128];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *state = rows[i].fits ? "succeeded" : "failed";
        char *id = strdup(submit(s, "{\"task\":\"far\"}")), *lease = take_lease(s, "{}", NULL);
        snprintf(path, sizeof(path), "/v1/leases/%s/complete", lease);
        struct answer *a = http(s, "POST", path, rows[i].body, rows[i].headers);
        ck_assert_int_eq(a->status, 200);
        ck_assert_str_eq(jstr(a->json, "state"), state); /* at once: it would be too large again */
        answer_free(a);
        a = await_state(s, id, state);
        ck_assert_str_eq(jstr(a->json, "error.code"), rows[i].fits ? "" : "bad_result");
        ck_assert((jget(a->json, "result") == NULL) == (i != 0));
        answer_free(a);
        free(lease);
        free(id);
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        with_the_next_request_others_are_ended,
        what_is_ended_does_not_wait_for_a_job,
        a_bad_end_among_others_ends_none,
        a_checkpoint_comes_with_the_next_lease,
        a_checkpoint_has_a_limit,
        a_result_has_any_type,
        a_result_has_a_limit,
    };
    return run_suite("lease_ends", tests, sizeof(tests) / sizeof(tests[0]));
}
