/*
 * e2e_again.c - what is asked once more: jobs that are run again with those that they depend on,
 * and requests that come again with their keys when what they made is gone.
 */
#include "harness.h"
#include "harness_clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_LEN 36

struct ids {
    char group[ID_LEN + 1], job[4][ID_LEN + 1];
};

/* Posts a batch; what it made. */
static struct ids batch_of(struct server *s, const char *body, const char *const *headers)
{
    struct ids made = {0};
    struct answer *a = http(s, "POST", "/v1/jobs/batch", body, headers);
    ck_assert_msg(a->status == 202, "%d: %s", a->status, a->body);
    snprintf(made.group, sizeof(made.group), "%s", jstr(a->json, "id"));
    for (int i = 0; i < 4; i++) {
        char path[20];
        snprintf(path, sizeof(path), "jobs.%d.id", i);
        snprintf(made.job[i], sizeof(made.job[i]), "%s", jstr(a->json, path));
    }
    answer_free(a);
    return made;
}

static void act(struct server *s, const char *id, const char *what)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/%s", id, what);
    answer_free(post(s, path, NULL, 200));
}

/* ---- jobs that are run again ---- */

START_TEST(all_of_a_chain_are_run_again_in_their_order)
{
    static const char chain[] =
        "{\"jobs\":[{\"task\":\"sleep\",\"input\":{\"seconds\":600},\"ref\":\"a\"},"
        "{\"task\":\"noop\",\"depends_on\":[\"a\"],\"ref\":\"b\"},"
        "{\"task\":\"noop\",\"depends_on\":[\"b\"]}]}";
    char path[120];
    struct server *s = server_new("[server]\nkill_grace = 50ms\n", NULL);
    struct ids made = batch_of(s, chain, NULL);
    answer_free(await_state(s, made.job[0], "running"));
    act(s, made.job[0], "cancel?wait=60");
    answer_free(await_state(s, made.job[2], "cancelled"));
    snprintf(path, sizeof(path), "/v1/jobs/retry?state=cancelled&group=%s", made.group);
    struct answer *a = post(s, path, NULL, 200);
    ck_assert_int_eq(jint(a->json, "changed"), 3);
    answer_free(a);
    answer_free(await_state(s, made.job[0], "running"));
    answer_free(await_state(s, made.job[1], "scheduled"));
    answer_free(await_state(s, made.job[2], "scheduled"));
    server_kill9(s); /* what they wait for is on disk */
    server_restart(s);
    answer_free(await_state(s, made.job[0], "running"));
    answer_free(await_state(s, made.job[1], "scheduled"));
    act(s, made.job[0], "cancel?wait=60");
    answer_free(await_state(s, made.job[2], "cancelled"));
    act(s, made.job[2], "retry?wait=60"); /* that one alone: it runs */
    answer_free(await_state(s, made.job[2], "succeeded"));
    server_free(s);
}
END_TEST

/* ---- requests that come again ---- */

static const char *const key[] = {"Idempotency-Key: order-1", NULL};

static void is_gone(struct server *s, const char *path, const char *body,
                    const char *const *headers, const char *id)
{
    struct answer *a = http(s, "POST", path, body, headers);
    ck_assert_msg(a->status == 410, "%d: %s", a->status, a->body);
    ck_assert_str_eq(jstr(a->json, "code"), "job_forgotten");
    ck_assert_msg(strstr(jstr(a->json, "detail"), id) != NULL, "%s", a->body);
    ck_assert_str_eq(jstr(a->json, "errors.0.header"), "Idempotency-Key");
    answer_free(a);
}

static void forget(struct server *s, const char *id)
{
    char path[100];
    answer_free(await_state(s, id, "succeeded"));
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = http(s, "DELETE", path, NULL, NULL);
    ck_assert_int_eq(a->status, 204);
    answer_free(a);
}

START_TEST(what_was_forgotten_is_not_done_twice)
{
    static const char *const lines[] = {"Idempotency-Key: lines-1",
                                        "Content-Type: application/x-ndjson", NULL};
    static const char *const batch_key[] = {"Idempotency-Key: batch-1", NULL};
    static const char one[] = "{\"task\":\"noop\"}", two[] = "{\"task\":\"noop\"}\n";
    static const char many[] = "{\"jobs\":[{\"task\":\"noop\"}]}";
    char path[100], id[ID_LEN + 1];
    struct server *s = server_new(NULL, NULL);

    struct answer *a = http(s, "POST", "/v1/jobs", one, key);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    forget(s, id);
    is_gone(s, "/v1/jobs", one, key, id);
    is_gone(s, "/v1/jobs?wait=10", one, key, id);

    struct ids made = batch_of(s, many, batch_key);
    forget(s, made.job[0]);
    is_gone(s, "/v1/jobs/batch", many, batch_key, made.group);

    a = http(s, "POST", "/v1/jobs/batch?wait=60", two, lines);
    ck_assert_msg(a->status == 200, "%d: %s", a->status, a->body);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/jobs?group=%s", id);
    a = get(s, path, 200);
    forget(s, jstr(a->json, "jobs.0.id"));
    answer_free(a);
    is_gone(s, "/v1/jobs/batch", two, lines, id);

    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

static struct answer *again(struct server *s, const char *body)
{
    char replayed[8];
    struct answer *a = http(s, "POST", "/v1/jobs/batch", body, key);
    ck_assert_msg(a->status == 202, "%d: %s", a->status, a->body);
    ck_assert(answer_header(a, "Idempotency-Replayed", replayed, sizeof(replayed)));
    return a;
}

/* Which of its jobs are there still is not known by their number: none is told as another. */
START_TEST(a_batch_is_told_again_by_its_own_jobs)
{
    static const char body[] =
        "{\"jobs\":[{\"task\":\"noop\",\"input\":0},"
        "{\"task\":\"noop\",\"delay\":900,\"input\":1,\"unique\":{\"key\":\"u\"}},"
        "{\"task\":\"noop\",\"input\":2},"
        "{\"task\":\"noop\",\"delay\":600,\"input\":3}]}";
    struct server *s = server_new(NULL, NULL);
    char *there = strdup(submit(s, "{\"task\":\"noop\",\"delay\":800,\"unique\":{\"key\":\"u\"}}"));
    struct ids made = batch_of(s, body, key);
    ck_assert_str_eq(made.job[1], there);
    answer_free(await_state(s, made.job[0], "succeeded"));
    answer_free(await_state(s, made.job[2], "succeeded"));
    struct answer *a = again(s, body);
    ck_assert_str_eq(jstr(a->json, "id"), made.group);
    ck_assert_int_eq(jint(a->json, "total"), 3);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 3);
    ck_assert_str_eq(jstr(a->json, "jobs.1.id"), made.job[2]);
    ck_assert_str_eq(jstr(a->json, "jobs.1.state"), "succeeded");
    ck_assert_str_eq(jstr(a->json, "jobs.2.state"), "scheduled");
    answer_free(a);
    forget(s, made.job[0]);
    a = again(s, body);
    ck_assert_int_eq(jint(a->json, "total"), 2);
    ck_assert_str_eq(jstr(a->json, "jobs.0.id"), made.job[2]);
    ck_assert_str_eq(jstr(a->json, "jobs.1.id"), made.job[3]);
    ck_assert_str_eq(jstr(a->json, "jobs.1.state"), "scheduled");
    answer_free(a);
    free(there);
    server_free(s);
}
END_TEST

START_TEST(a_group_of_nothing_is_forgotten)
{
    static const char there[] = "{\"task\":\"noop\",\"delay\":900,\"unique\":{\"key\":\"u\"}}";
    char path[100], body[200];
    struct server *s = server_new("[server]\nkeep_for = 1s\n", NULL);
    (void)submit(s, there);
    snprintf(body, sizeof(body), "{\"jobs\":[%s]}", there);
    struct ids made = batch_of(s, body, key);
    snprintf(path, sizeof(path), "/v1/groups/%s", made.group);
    for (int status = 0; status != 404;) {
        struct answer *a = http(s, "GET", path, NULL, NULL);
        status = a->status;
        answer_free(a);
    }
    is_gone(s, "/v1/jobs/batch", body, key, made.group);
    server_free(s);
}
END_TEST

/* Asks again by the same key: the same bytes as the first time. */
static void told_again(struct server *s, const char *path, const char *body,
                       const char *const *headers, const struct answer *first)
{
    char replayed[8];
    struct answer *a = http(s, "POST", path, body, headers);
    ck_assert_msg(a->status == first->status, "%d: %s", a->status, a->body);
    ck_assert(answer_header(a, "Idempotency-Replayed", replayed, sizeof(replayed)));
    ck_assert_str_eq(a->body, first->body);
    answer_free(a);
}

START_TEST(what_it_depended_on_may_be_gone)
{
    static const char *const other[] = {"Idempotency-Key: order-2", NULL};
    char id[ID_LEN + 1], body[200];
    struct server *s = server_new(NULL, NULL);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\"}"));
    answer_free(await_state(s, id, "succeeded"));
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"depends_on\":[\"%s\"]}", id);
    struct answer *first = http(s, "POST", "/v1/jobs", body, key);
    ck_assert_int_eq(first->status, 202);
    forget(s, id);
    told_again(s, "/v1/jobs", body, key, first);
    answer_free(first);
    struct answer *a = http(s, "POST", "/v1/jobs", body, other);
    ck_assert_str_eq(jstr(a->json, "code"), "unknown_dependency");
    answer_free(a);
    server_free(s);
}
END_TEST

/* The service's clock in an hour, as text. */
static const char *in_an_hour(void)
{
    static char text[40];
    struct tm t;
    time_t then = (time_t)(clock_now_us() / 1000000) + 3600;
    ck_assert_ptr_nonnull(gmtime_r(&then, &t));
    ck_assert_uint_gt(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &t), 0);
    return text;
}

START_TEST(what_was_asked_in_time_is_told_later)
{
    static const char *const keys[][2] = {{"Idempotency-Key: k1", NULL},
                                          {"Idempotency-Key: k2", NULL},
                                          {"Idempotency-Key: k3", NULL}};
    char path[3][120] = {"/v1/jobs", "/v1/jobs/batch"}, body[3][400] = {"", "", "raw"};
    struct answer *first[3];
    clock_own();
    struct server *s = server_new(NULL, NULL);
    const char *when = in_an_hour();
    snprintf(body[0], sizeof(body[0]), "{\"task\":\"noop\",\"expires_at\":\"%s\"}", when);
    snprintf(body[1], sizeof(body[1]),
             "{\"jobs\":[{\"task\":\"noop\",\"delay\":900,\"expires_at\":\"%s\"},"
             "{\"task\":\"noop\"}]}",
             when);
    snprintf(path[2], sizeof(path[2]), "/v1/tasks/echo/jobs?expires_at=%s", when);
    for (int i = 0; i < 3; i++) {
        first[i] = http(s, "POST", path[i], body[i], keys[i]);
        ck_assert_msg(first[i]->status == 202, "%s", first[i]->body);
    }
    clock_step(3000); /* sooner than with its delay, which is refused by another line */
    told_again(s, path[1], body[1], keys[1], first[1]);
    clock_step(3000);
    for (int i = 0; i < 3; i++) {
        told_again(s, path[i], body[i], keys[i], first[i]);
        struct answer *a = http(s, "POST", path[i], body[i], key);
        ck_assert_msg(a->status == 400, "%d: %s", a->status, a->body);
        ck_assert_ptr_nonnull(strstr(a->body, "expires_at"));
        answer_free(a);
        answer_free(first[i]);
    }
    server_free(s);
}
END_TEST

/* A retry by hand gives it one more attempt, and no time at which it expires. */
START_TEST(what_was_retried_is_told_as_it_was)
{
    static const char *const other[] = {"Idempotency-Key: order-2", NULL};
    char body[200], many[240];
    clock_own();
    struct server *s = server_new("[task fails]\ncommand = /bin/false\n", NULL);
    const char *when = in_an_hour();
    snprintf(body, sizeof(body), "{\"task\":\"fails\",\"max_attempts\":1,\"expires_at\":\"%s\"}",
             when);
    snprintf(many, sizeof(many), "{\"jobs\":[%s]}", body);
    struct answer *one = http(s, "POST", "/v1/jobs", body, key);
    struct answer *two = http(s, "POST", "/v1/jobs/batch", many, other);
    ck_assert_msg(two->status == 202, "%s", two->body);
    const char *ids[] = {jstr(one->json, "id"), jstr(two->json, "jobs.0.id")};
    for (int i = 0; i < 2; i++) {
        answer_free(await_state(s, ids[i], "failed"));
        act(s, ids[i], "retry?wait=60");
        struct answer *a = await_state(s, ids[i], "failed");
        ck_assert_int_eq(jint(a->json, "max_attempts"), 2);
        answer_free(a);
    }
    told_again(s, "/v1/jobs", body, key, one);
    told_again(s, "/v1/jobs/batch", many, other, two);
    answer_free(one);
    answer_free(two);
    server_free(s);
}
END_TEST

START_TEST(what_is_held_is_told_as_it_was)
{
    static const char *const other[] = {"Idempotency-Key: order-2", NULL};
    static const char body[] =
        "{\"task\":\"sleep\",\"input\":{\"seconds\":600},\"concurrency_key\":\"k\"}";
    char path[100];
    struct server *s = server_new("[server]\nkill_grace = 50ms\n", NULL);
    struct answer *one = http(s, "POST", "/v1/jobs", body, key);
    answer_free(await_state(s, jstr(one->json, "id"), "running"));
    struct answer *two = http(s, "POST", "/v1/jobs", body, other);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(two->json, "id"));
    for (bool held = false; !held;) {
        struct answer *a = get(s, path, 200);
        held = jget(a->json, "held") != NULL;
        answer_free(a);
    }
    told_again(s, "/v1/jobs", body, other, two);
    answer_free(one);
    answer_free(two);
    server_free(s);
}
END_TEST

/* Starts it again with a task whose inputs are of that type, and its number of attempts another. */
static void restart_with(struct server *s, const char *type, const char *command)
{
    char path[300], text[200];
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    snprintf(path, sizeof(path), "%s/schema.json", s->dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "{\"type\":\"%s\"}\n", type);
    ck_assert_int_eq(fclose(f), 0);
    snprintf(text, sizeof(text),
             "[task mine]\ncommand = %s\ninput_schema = schema.json\nmax_attempts = %d\n", command,
             type[0] == 'n' ? 4 : 1);
    server_configure(s, text);
    server_restart(s);
}

START_TEST(what_was_valid_is_told_later)
{
    static const char body[] = "{\"task\":\"mine\",\"delay\":900,\"input\":1}";
    static const char soon[] = "{\"task\":\"mine\",\"input\":1}";
    static const char *const other[] = {"Idempotency-Key: order-2", NULL};
    struct server *s = server_new("", NULL);
    restart_with(s, "number", "/bin/cat");
    struct answer *first = http(s, "POST", "/v1/jobs", body, key);
    ck_assert_msg(first->status == 202, "%s", first->body);
    struct answer *ended = http(s, "POST", "/v1/jobs", soon, other);
    answer_free(await_state(s, jstr(ended->json, "id"), "succeeded"));
    restart_with(s, "string", "/bin/cat");
    told_again(s, "/v1/jobs", body, key, first);
    told_again(s, "/v1/jobs", soon, other, ended);
    answer_free(ended);
    answer_free(post(s, "/v1/jobs", body, 422));
    s->errors_ok = true;
    restart_with(s, "number", "/nonexistent/program");
    told_again(s, "/v1/jobs", body, key, first);
    answer_free(first);
    answer_free(post(s, "/v1/jobs", body, 503));
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_of_a_chain_are_run_again_in_their_order,
        what_was_forgotten_is_not_done_twice,
        a_batch_is_told_again_by_its_own_jobs,
        a_group_of_nothing_is_forgotten,
        what_it_depended_on_may_be_gone,
        what_was_asked_in_time_is_told_later,
        what_was_valid_is_told_later,
        what_was_retried_is_told_as_it_was,
        what_is_held_is_told_as_it_was,
    };
    return run_suite("again", tests, sizeof(tests) / sizeof(tests[0]));
}
