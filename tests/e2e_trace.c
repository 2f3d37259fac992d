/* e2e_trace.c - a submission's traceparent: kept, shown, and handed to every kind of task. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const char *const two_workers[] = {"--workers", "2", NULL};
static const char *const traced[] = {"traceparent: " TRACE, NULL};
static const char *const malformed[] = {"traceparent: 00-4bf9-00f0-01", NULL};

static struct server *with_tasks(void)
{
    char more[3000], here[1024];
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    char *build = realpath(getenv("JOBMILL_BUILD"), NULL);
    ck_assert_ptr_nonnull(build);
    snprintf(more, sizeof(more),
             "[task env]\ncommand = /bin/sh -c 'echo \"<$TRACEPARENT>\"'\nresult = text\n"
             "[task own]\ncommand = /bin/sh -c 'echo \"<$TRACEPARENT>\"'\nresult = text\n"
             "env.TRACEPARENT = mine\n"
             "[task warm]\ncommand = /usr/bin/python3 %s/tests/programs/warm.py\n"
             "persistent = true\n"
             "env.PYTHONPATH = %s/clients/python\nenv.PYTHONDONTWRITEBYTECODE = 1\n"
             "[task old]\nmodule = %s/tests/tasks/abi_1.so\n"
             "[task new]\nmodule = %s/tests/tasks/abi_next.so\n",
             here, here, build, build);
    free(build);
    return server_with_task("bad", "misbehave", more, two_workers);
}

/* Submits with the headers, waits for the end; the result as text in the caller's buffer. */
static void run(struct server *s, const char *const *headers, const char *body, char *out,
                size_t size)
{
    char path[128];
    struct answer *a = http(s, "POST", "/v1/jobs?wait=60", body, headers);
    ck_assert_msg(a->status == 200 && !strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    ck_assert_str_eq(jstr(a->json, "traceparent"), headers == traced ? TRACE : "");
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    snprintf(out, size, "%s", a->body);
    answer_free(a);
}

START_TEST(every_kind_of_task_gets_it)
{
    struct server *s = with_tasks();
    s->errors_ok = true; /* of the task `new` */
    char out[256];
    run(s, traced, "{\"task\":\"env\"}", out, sizeof(out));
    ck_assert_str_eq(out, "<" TRACE ">\n");
    run(s, malformed, "{\"task\":\"env\"}", out, sizeof(out));
    ck_assert_str_eq(out, "<>\n");
    run(s, traced, "{\"task\":\"own\"}", out, sizeof(out));
    ck_assert_str_eq(out, "<mine>\n");
    run(s, traced, "{\"task\":\"bad\",\"input\":{\"do\":\"trace\"}}", out, sizeof(out));
    ck_assert_str_eq(out, TRACE);
    run(s, NULL, "{\"task\":\"bad\",\"input\":{\"do\":\"trace\"}}", out, sizeof(out));
    ck_assert_str_eq(out, "");
    run(s, traced, "{\"task\":\"warm\",\"input\":{\"do\":\"trace\"}}", out, sizeof(out));
    ck_assert_str_eq(out, "\"" TRACE "\"");
    run(s, NULL, "{\"task\":\"warm\",\"input\":{\"do\":\"trace\"}}", out, sizeof(out));
    ck_assert_str_eq(out, "\"none\"");
    run(s, traced, "{\"task\":\"old\"}", out, sizeof(out)); /* of the interface before */
    ck_assert_str_eq(out, "\"old\"");
    struct answer *a = post(s, "/v1/jobs", "{\"task\":\"new\"}", 503);
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), "version"));
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(every_way_to_submit_keeps_it)
{
    static const char *const stream[] = {"traceparent: " TRACE,
                                         "Content-Type: application/x-ndjson", NULL};
    static const char *const keyed[] = {"traceparent: " TRACE, "Idempotency-Key: one", NULL};
    static const char *const other[] = {"traceparent: 00-11112222333344445555666677778888-"
                                        "1111222233334444-00",
                                        "Idempotency-Key: one", NULL};
    struct server *s = server_new(NULL, two_workers);
    char path[128], id[64];
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    struct answer *a = http(s, "POST", "/v1/tasks/noop/jobs", "x", traced);
    ck_assert_str_eq(jstr(a->json, "traceparent"), TRACE);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    a = http(s, "POST", "/v1/jobs/batch", "{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"noop\"}]}",
             traced);
    ck_assert_str_eq(jstr(a->json, "jobs.1.traceparent"), TRACE);
    answer_free(a);
    a = http(s, "POST", "/v1/jobs/batch", "{\"task\":\"noop\"}\n{\"task\":\"noop\"}\n", stream);
    ck_assert_int_eq(a->status, 202);
    snprintf(path, sizeof(path), "/v1/jobs?group=%s", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "jobs.0.traceparent"), TRACE);
    ck_assert_str_eq(jstr(a->json, "jobs.1.traceparent"), TRACE);
    answer_free(a);

    /* asked again from another trace, it is the job of the first */
    a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", keyed);
    struct answer *b = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", other);
    ck_assert_int_eq(b->status, 202);
    ck_assert_str_eq(a->body, b->body);
    answer_free(a);
    answer_free(b);

    server_signal(s, SIGTERM); /* it is on disk */
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "traceparent"), TRACE);
    answer_free(a);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_kind_of_task_gets_it, every_way_to_submit_keeps_it};
    return run_suite("trace", tests, sizeof(tests) / sizeof(tests[0]));
}
