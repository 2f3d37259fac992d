/*
 * e2e_own.c - whose jobs, groups and schedules are whose, by the real service: what a token sees of
 * others, and what it may change.
 */
#include "harness_tokens.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RACES 50

START_TEST(a_token_sees_its_own_jobs)
{
    /* single thread: what it answered to one token it has at hand for the other */
    static const char *const single[] = {"--http-threads", "1", NULL};
    char *conf = all_tokens(), path[200];
    struct server *s = server_new(conf, single);
    char *id = submit_as(s, A_SUBMIT, "{\"task\":\"noop\",\"tags\":[\"t\"]}", NULL);
    static const char *const tails[] = {"", "/result", "/input"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/v1/jobs/%s%s", id, tails[i]);
        ck_assert_int_eq(status_of(s, A_SUBMIT, "GET", path, NULL), 200);
        ck_assert_int_eq(status_of(s, A_ADMIN, "GET", path, NULL), 200);
        ck_assert_int_eq(status_of(s, OTHER, "GET", path, NULL), 404);
    }
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    ck_assert_int_eq(status_of(s, OTHER, "POST", path, NULL), 404);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", path, NULL), 409);
    static const char *const lists[] = {"/v1/jobs", "/v1/jobs?tag=t", "/v1/jobs?task=noop"};
    for (size_t i = 0; i < 3; i++) {
        struct answer *a = ask(s, OTHER, "GET", lists[i], NULL);
        ck_assert_int_eq((int)json_array_size(jget(a->json, "jobs")), 0);
        answer_free(a);
        a = ask(s, A_SUBMIT, "GET", lists[i], NULL);
        ck_assert_int_eq((int)json_array_size(jget(a->json, "jobs")), 1);
        ck_assert_str_eq(jstr(a->json, "jobs.0.owner"), "submit");
        answer_free(a);
    }
    snprintf(path, sizeof(path), "/v1/jobs?ids=%s", id);
    struct answer *a = ask(s, OTHER, "GET", path, NULL);
    ck_assert_int_eq((int)json_array_size(jget(a->json, "jobs")), 0);
    answer_free(a);
    /* nor can it be depended on, nor its key or uniqueness be met */
    char body[200];
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"depends_on\":[\"%s\"]}", id);
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/jobs", body), 422);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", "/v1/jobs", body), 202);
    char *one = submit_as(s, A_SUBMIT, "{\"task\":\"noop\"}", "Idempotency-Key: k");
    char *two = submit_as(s, OTHER, "{\"task\":\"noop\"}", "Idempotency-Key: k");
    char *same = submit_as(s, OTHER, "{\"task\":\"noop\"}", "Idempotency-Key: k");
    ck_assert_str_ne(one, two);
    ck_assert_str_eq(two, same);
    free(one), free(two), free(same);
    one = submit_as(s, A_SUBMIT, "{\"task\":\"noop\",\"unique\":{\"key\":\"u\",\"period\":99}}",
                    NULL);
    two = submit_as(s, OTHER, "{\"task\":\"noop\",\"unique\":{\"key\":\"u\",\"period\":99}}", NULL);
    ck_assert_str_ne(one, two);
    free(one), free(two);
    /* a group, and the tasks that are allowed */
    a = ask(s, A_SUBMIT, "POST", "/v1/jobs/batch", "{\"jobs\":[{\"task\":\"noop\"}]}");
    ck_assert_int_eq(a->status, 202);
    snprintf(path, sizeof(path), "/v1/groups/%s", jstr(a->json, "id"));
    answer_free(a);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "GET", path, NULL), 200);
    ck_assert_int_eq(status_of(s, OTHER, "GET", path, NULL), 404);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", "/v1/jobs",
                               "{\"task\":\"sha256\",\"input\":{\"text\":\"x\"}}"),
                     403);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", "/v1/tasks/sha256/jobs", "x"), 403);
    free(id);
    free(conf);
    server_free(s);
}
END_TEST

/* What is counted is told to whoever may read, as of the whole service; whose jobs they are and
 * what is in them is not. */
START_TEST(figures_are_of_all_and_tell_of_no_job)
{
    static const char *const paths[] = {"/v1/stats",   "/v1/tasks",   "/v1/tasks/echo", "/v1/pools",
                                        "/v1/workers", "/v1/history", "/metrics"};
    char *conf = NULL;
    add_token(&conf, "quiet-owner", A_SUBMIT, "scopes = read, submit");
    add_token(&conf, "other", OTHER, "scopes = read");
    struct server *s = server_new(conf, NULL);
    char *id = submit_as(s, A_SUBMIT,
                         "{\"task\":\"echo\",\"input\":{\"text\":\"quiet-input\"},"
                         "\"tags\":[\"quiet-tag\"],\"concurrency_key\":\"quiet-key\"}",
                         "Idempotency-Key: quiet-idempotency");
    struct answer *a = ask(s, OTHER, "GET", "/v1/jobs", NULL);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 0);
    answer_free(a);
    a = ask(s, OTHER, "GET", "/v1/stats", NULL);
    ck_assert_int_eq((int)jint(a->json, "jobs.succeeded"), 1);
    answer_free(a);
    a = ask(s, OTHER, "GET", "/v1/tasks/echo", NULL);
    ck_assert_int_eq((int)jint(a->json, "counts.succeeded"), 1);
    answer_free(a);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        a = ask(s, OTHER, "GET", paths[i], NULL);
        ck_assert_int_eq(a->status, 200);
        ck_assert_msg(!strstr(a->body, id) && !strstr(a->body, "quiet"), "%s: %s", paths[i],
                      a->body);
        answer_free(a);
    }
    free(id);
    free(conf);
    server_free(s);
}
END_TEST

static int act(struct server *s, const char *token, const char *method, const char *id,
               const char *verb)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s%s", id, verb);
    return status_of(s, token, method, path, NULL);
}

/* What it changed of many. */
static int many(struct server *s, const char *token, const char *what)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", what);
    struct answer *a = ask(s, token, "POST", path, NULL);
    ck_assert_msg(a->status == 200, "%s", a->body);
    int changed = (int)jint(a->json, "changed");
    answer_free(a);
    return changed;
}

START_TEST(who_sees_the_jobs_of_others_does_not_change_them)
{
    char *conf = NULL, path[100];
    add_token(&conf, "one", A_CONTROL, "scopes = read, submit, control");
    add_token(&conf, "all", OTHER, "scopes = read, submit, control\nread_all = yes");
    add_token(&conf, "admin", A_ADMIN, "scopes = admin");
    struct server *s = server_new(conf, NULL);
    const char *late = "{\"task\":\"noop\",\"delay\":900}";
    struct answer *a = ask(s, A_CONTROL, "POST", "/v1/jobs", late);
    char *id = strdup(jstr(a->json, "id"));
    answer_free(a);
    ck_assert_int_eq(act(s, OTHER, "GET", id, ""), 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    a = ask(s, OTHER, "DELETE", path, NULL);
    ck_assert_int_eq(a->status, 403);
    ck_assert_str_eq(jstr(a->json, "code"), "forbidden");
    ck_assert_msg(strstr(jstr(a->json, "detail"), "`admin`"), "%s", a->body);
    answer_free(a);
    ck_assert_int_eq(act(s, OTHER, "POST", id, "/cancel"), 403);
    ck_assert_int_eq(act(s, OTHER, "POST", id, "/retry"), 403);
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/jobs", late), 202);
    ck_assert_int_eq(many(s, OTHER, "cancel"), 1); /* its own */
    ck_assert_int_eq(act(s, A_CONTROL, "POST", id, "/cancel"), 200);
    ck_assert_int_eq(many(s, OTHER, "retry?state=cancelled"), 1);
    eventually(many(s, OTHER, "delete?state=succeeded") == 1, LONG_MS);
    ck_assert_int_eq(many(s, OTHER, "delete?state=cancelled"), 0);
    ck_assert_int_lt(act(s, A_ADMIN, "POST", id, "/retry"), 300);
    eventually(act(s, A_ADMIN, "DELETE", id, "") == 204, LONG_MS);
    free(id);
    /* schedules likewise */
    char body[200];
    snprintf(body, sizeof(body), CRON, "mine");
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/schedules", body), 200);
    ck_assert_int_eq(status_of(s, OTHER, "GET", "/v1/schedules/mine", NULL), 200);
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/schedules", body), 403);
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/schedules/mine/pause", NULL), 403);
    ck_assert_int_eq(status_of(s, OTHER, "DELETE", "/v1/schedules/mine", NULL), 403);
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", "/v1/schedules/mine/pause", NULL), 200);
    ck_assert_int_eq(status_of(s, A_CONTROL, "DELETE", "/v1/schedules/mine", NULL), 204);
    free(conf);
    server_free(s);
}
END_TEST

/* A schedule is its maker's, and so are its jobs. */
START_TEST(a_token_has_its_own_schedules)
{
    char *conf = NULL, body[200];
    add_token(&conf, "one", A_CONTROL, "scopes = read, submit, control");
    add_token(&conf, "two", OTHER, "scopes = read, submit, control");
    add_token(&conf, "admin", A_ADMIN, "scopes = admin");
    struct server *s = server_new(conf, NULL);
    snprintf(body, sizeof(body), CRON, "mine");
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/schedules", body), 200);
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/schedules", body), 200);
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/schedules", body), 409);
    static const struct {
        const char *method, *path;
    } acts[] = {{"GET", "/v1/schedules/mine"},
                {"POST", "/v1/schedules/mine/pause"},
                {"POST", "/v1/schedules/mine/resume"},
                {"DELETE", "/v1/schedules/mine"}};
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        ck_assert_int_eq(status_of(s, OTHER, acts[i].method, acts[i].path, NULL), 404);
    struct answer *a = ask(s, OTHER, "GET", "/v1/schedules", NULL);
    ck_assert_uint_eq(json_array_size(jget(a->json, "schedules")), 0);
    answer_free(a);
    snprintf(body, sizeof(body), CRON, "theirs"); /* behind the other, which no page tells of */
    ck_assert_int_eq(status_of(s, OTHER, "POST", "/v1/schedules", body), 200);
    a = ask(s, OTHER, "GET", "/v1/schedules?limit=1", NULL);
    ck_assert_str_eq(jstr(a->json, "schedules.0.name"), "theirs");
    ck_assert(json_is_null(jget(a->json, "next")));
    answer_free(a);
    a = ask(s, A_ADMIN, "GET", "/v1/schedules", NULL);
    ck_assert_uint_eq(json_array_size(jget(a->json, "schedules")), 2);
    answer_free(a);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        ck_assert_int_lt(status_of(s, A_CONTROL, acts[i].method, acts[i].path, NULL), 300);
    free(conf);
    server_free(s);
}
END_TEST

/* A token, and what came of the names that it asked for. */
struct rival {
    struct server *s;
    const char *token;
    pthread_barrier_t *start;
    int status[RACES];
};

static void *ask_for_all(void *arg)
{
    struct rival *r = arg;
    char body[200], name[20];
    for (int i = 0; i < RACES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(body, sizeof(body), CRON, name);
        pthread_barrier_wait(r->start);
        r->status[i] = status_of(r->s, r->token, "POST", "/v1/schedules", body);
    }
    return NULL;
}

/* Both ask for a new name at the same moment: it is the one's or the other's. */
START_TEST(a_name_is_given_once)
{
    char *conf = NULL, path[40];
    add_token(&conf, "one", A_CONTROL, "scopes = read, submit, control");
    add_token(&conf, "two", OTHER, "scopes = read, submit, control");
    struct server *s = server_new(conf, (const char *const[]){"--http-threads", "2", NULL});
    pthread_barrier_t start;
    struct rival one = {.s = s, .token = A_CONTROL, .start = &start};
    struct rival two = {.s = s, .token = OTHER, .start = &start};
    pthread_t thread;
    ck_assert_int_eq(pthread_barrier_init(&start, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_all, &two), 0);
    ask_for_all(&one);
    pthread_join(thread, NULL);
    for (int i = 0; i < RACES; i++) {
        bool first = one.status[i] == 200;
        ck_assert_int_eq(one.status[i] + two.status[i], 200 + 409);
        snprintf(path, sizeof(path), "/v1/schedules/n%d", i);
        ck_assert_int_eq(status_of(s, A_CONTROL, "GET", path, NULL), first ? 200 : 404);
        ck_assert_int_eq(status_of(s, OTHER, "GET", path, NULL), first ? 404 : 200);
    }
    pthread_barrier_destroy(&start);
    free(conf);
    server_free(s);
}
END_TEST

static void *run_often(void *arg)
{
    struct rival *r = arg;
    for (int i = 0; i < RACES; i++)
        r->status[i] = status_of(r->s, r->token, "POST", "/v1/schedules/both/run", NULL);
    return NULL;
}

/* A schedule whose task is changed while it is run by hand by who may run the old one alone. */
START_TEST(nobody_runs_another_task_than_allowed)
{
    char *conf = NULL, body[200];
    add_token(&conf, "one", A_CONTROL, "scopes = read, submit, control\ntasks = noop");
    add_token(&conf, "admin", A_ADMIN, "scopes = admin");
    struct server *s = server_new(conf, (const char *const[]){"--http-threads", "2", NULL});
    struct rival one = {.s = s, .token = A_CONTROL};
    pthread_t thread;
    for (int i = 0; i < 2 * RACES; i++) {
        snprintf(body, sizeof(body),
                 "{\"name\":\"both\",\"cron\":\"0 0 1 1 *\",\"overlap\":\"queue\",\"job\":{"
                 "\"task\":\"%s\"}}",
                 i % 2 ? "echo" : "noop");
        const char *who = i == 0 ? A_CONTROL : A_ADMIN; /* whose it stays */
        ck_assert_int_eq(status_of(s, who, "POST", "/v1/schedules", body), 200);
        if (i == 0)
            ck_assert_int_eq(pthread_create(&thread, NULL, run_often, &one), 0);
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < RACES; i++)
        ck_assert(one.status[i] == 202 || one.status[i] == 403 || one.status[i] == 404);
    struct answer *a = ask(s, A_ADMIN, "GET", "/v1/jobs?task=echo", NULL);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 0);
    answer_free(a);
    free(conf);
    server_free(s);
}
END_TEST

/* Who replaces a schedule while there are no tokens leaves it to its owner. */
START_TEST(a_time_without_tokens_takes_nothing)
{
    char *conf = NULL, body[200];
    add_token(&conf, "one", A_CONTROL, "scopes = read, submit, control");
    struct server *s = server_new(conf, NULL);
    snprintf(body, sizeof(body), CRON, "mine");
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/schedules", body), 200);
    server_configure(s, "");
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    ck_assert_int_eq(status_of(s, NULL, "POST", "/v1/schedules", body), 200);
    server_configure(s, conf);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    ck_assert_int_eq(status_of(s, A_CONTROL, "GET", "/v1/schedules/mine", NULL), 200);
    ck_assert_int_eq(status_of(s, A_CONTROL, "DELETE", "/v1/schedules/mine", NULL), 204);
    ck_assert_int_eq(status_of(s, A_CONTROL, "DELETE", "/v1/schedules/mine", NULL), 404);
    free(conf);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_token_sees_its_own_jobs,
        figures_are_of_all_and_tell_of_no_job,
        who_sees_the_jobs_of_others_does_not_change_them,
        a_token_has_its_own_schedules,
        a_name_is_given_once,
        nobody_runs_another_task_than_allowed,
        a_time_without_tokens_takes_nothing,
    };
    return run_suite("own", tests, sizeof(tests) / sizeof(tests[0]));
}
