/*
 * e2e_pages.c - pages of what is large: they end before they are too much for one answer, and
 * clients that do not read them hold no more memory than they may.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESULTS 60
#define RESULT  40000 /* bytes */
#define SLOW    12    /* clients that do not read … */
#define ASKED   20    /* … and what each asks for */

/* A group of that many large results; its address. */
static const char *with_results(struct server *s)
{
    static char path[100];
    char *body = malloc((size_t)RESULTS * (RESULT + 100)), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < RESULTS; i++) {
        at += sprintf(at, "{\"task\":\"echo\",\"input\":\"");
        memset(at, 'a' + i % 26, RESULT);
        at += RESULT;
        at += sprintf(at, "\"},");
    }
    strcpy(at - 1, "]}");
    struct answer *a = post(s, "/v1/jobs/batch?wait=60", body, 200);
    snprintf(path, sizeof(path), "/v1/groups/%s/results", jstr(a->json, "id"));
    answer_free(a);
    free(body);
    return path;
}

START_TEST(a_page_of_results_ends_when_it_is_large)
{
    struct server *s = server_new(NULL, NULL);
    char path[200];
    int n = 0, pages = 0;
    snprintf(path, sizeof(path), "%s?limit=1000", with_results(s));
    for (; path[0]; pages++) {
        struct answer *a = get(s, path, 200);
        json_t *job;
        size_t i;
        ck_assert_uint_lt(a->len, 1200000);
        ck_assert_uint_gt(json_array_size(jget(a->json, "results")), 0);
        json_array_foreach(jget(a->json, "results"), i, job)
        {
            ck_assert_int_eq(jstr(job, "result")[RESULT - 1], 'a' + n % 26);
            n++;
        }
        snprintf(path, sizeof(path), "%s", jstr(a->json, "next"));
        answer_free(a);
    }
    ck_assert_int_eq(n, RESULTS);
    ck_assert_int_eq(pages, 3);
    server_free(s);
}
END_TEST

static int status_of(struct server *s, const char *path)
{
    struct answer *a = http(s, "GET", path, NULL, NULL);
    int status = a->status;
    answer_free(a);
    return status;
}

START_TEST(who_does_not_read_holds_no_more_than_a_half)
{
    struct server *s = server_new("[server]\nbody_memory = 16MiB\n", NULL);
    const char *path = with_results(s);
    char request[300], each[120];
    int fd[SLOW];
    snprintf(each, sizeof(each), "%s?limit=1000", path);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", each);
    for (int i = 0; i < SLOW; i++) {
        fd[i] = raw_open(s);
        for (int k = 0; k < ASKED; k++)
            raw_send(fd[i], request);
    }
    eventually(status_of(s, each) == 503, LONG_MS);
    struct answer *job = run_job(s, "{\"task\":\"noop\"}"); /* the other half is for these */
    answer_free(job);
    ck_assert_int_eq(status_of(s, "/v1/jobs?limit=10"), 200);
    for (int i = 0; i < SLOW; i++)
        raw_reset(fd[i]);
    eventually(status_of(s, each) == 200, LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(a_list_of_schedules_has_no_large_inputs)
{
    struct server *s = server_new("[server]\ninline_max = 100\n", NULL);
    char input[300], body[500];
    memset(input, 'x', sizeof(input) - 1);
    input[sizeof(input) - 1] = 0;
    for (int large = 0; large < 2; large++) {
        snprintf(
            body, sizeof(body),
            "{\"name\":\"%s\",\"cron\":\"@yearly\",\"job\":{\"task\":\"echo\",\"input\":\"%s\"}}",
            large ? "b" : "a", large ? input : "small");
        answer_free(post(s, "/v1/schedules", body, 200));
    }
    struct answer *a = get(s, "/v1/schedules", 200);
    ck_assert_str_eq(jstr(a->json, "schedules.0.job.input"), "small");
    ck_assert_str_eq(jstr(a->json, "schedules.1.name"), "b");
    ck_assert_ptr_null(jget(a->json, "schedules.1.job.input"));
    answer_free(a);
    a = get(s, "/v1/schedules/b", 200);
    ck_assert_str_eq(jstr(a->json, "job.input"), input);
    answer_free(a);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_page_of_results_ends_when_it_is_large,
        who_does_not_read_holds_no_more_than_a_half,
        a_list_of_schedules_has_no_large_inputs,
    };
    return run_suite("pages", tests, sizeof(tests) / sizeof(tests[0]));
}
