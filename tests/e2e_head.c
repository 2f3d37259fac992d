/*
 * e2e_head.c - HEAD of every address that GET reads: the same status, and not a byte behind the
 * head, which a client would take for the next answer.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE (1u << 20) /* a result that is read while it is sent */

static const char conf[] =
    "[task copy]\ncommand = /bin/cat\ninput = raw\nresult = application/x\n"
    "[task say]\ncommand = /bin/sh -c 'for i in 1 2 3 4 5; do echo line $i >&2; done'\n"
    "[task far]\nkind = remote\n";
static const char *const two_workers[] = {"--workers", "2", NULL};

enum { GET, POST, DELETE };
static const struct {
    int method;
    const char *pattern;
} routes[] = {
#define ROUTE(method, pattern, handler, scope, body, where) {method, pattern},
#include "../server/http/route.def"
#undef ROUTE
};

/* What is there to be asked for. */
struct things {
    char said[64], copied[64], sleeping[64], group[64], lease[64], file[128];
};

struct row {
    const char *path; /* {x} is replaced */
    const char *header;
};

/* Besides each pattern as it is. */
static const struct row more[] = {
    {"/v1/jobs/{id}/logs?tail=2", NULL},
    {"/v1/jobs/{id}/logs?skip=1&attempt=1", NULL},
    {"/v1/jobs/{id}/logs?follow=true", NULL},
    {"/v1/jobs/{id}/logs", "Accept: application/x-ndjson"},
    {"/v1/jobs/{id}/logs?tail=x", NULL},
    {"/v1/jobs/{none}/logs", NULL},
    {"/v1/jobs/{none}", NULL},
    {"/v1/jobs/{copied}/result", NULL},
    {"/v1/jobs/{copied}/input", "Range: bytes=1-2"},
    {"/v1/jobs/{copied}/input", "If-None-Match: *"},
    {"/v1/jobs?limit=1", NULL},
    {"/v1/jobs?ids={id},{copied}&wait=5", NULL},
    {"/v1/groups/{group}?wait=5", NULL},
    {"/", "Accept: text/html"},
    {"/docs", "Accept-Encoding: gzip"},
    {"/assets/{file}", "Accept-Encoding: gzip"},
    {"/metrics", "Accept: application/openmetrics-text"},
    {"/nothing", NULL},
};

static const char *value_of(const struct things *t, const char *pattern, const char *name)
{
    const struct {
        const char *name, *begins, *value;
    } known[] = {
        {"{id}", "/v1/jobs", t->said},
        {"{id}", "/v1/groups", t->group},
        {"{id}", "/v1/leases", t->lease},
        {"{task}", "", "noop"},
        {"{name}", "", "nightly"},
        {"{pool}", "", "default"},
        {"{file}", "", t->file},
        {"{copied}", "", t->copied},
        {"{group}", "", t->group},
        {"{sleeping}", "", t->sleeping},
        {"{none}", "", "01a206c9-3464-7000-93c5-f3a31ec3a416"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(name, known[i].name, strlen(known[i].name)) == 0 &&
            strncmp(pattern, known[i].begins, strlen(known[i].begins)) == 0)
            return known[i].value;
    }
    ck_abort_msg("nothing is known for %s", pattern);
    return "";
}

static void fill(const struct things *t, const char *pattern, char *path, size_t size)
{
    size_t len = 0;
    for (const char *at = pattern; *at;) {
        if (*at != '{') {
            path[len++] = *at++;
            continue;
        }
        len += (size_t)snprintf(path + len, size - len, "%s", value_of(t, pattern, at));
        at = strchr(at, '}') + 1;
    }
    path[len] = 0;
}

static void make_things(struct server *s, struct things *t)
{
    char *data = malloc(LARGE);
    ck_assert_ptr_nonnull(data);
    memset(data, 'x', LARGE);
    struct answer *a = http_bytes(s, "/v1/tasks/copy/jobs?wait=60", data, LARGE, NULL);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    snprintf(t->copied, sizeof(t->copied), "%s", jstr(a->json, "id"));
    answer_free(a);
    free(data);
    a = run_job(s, "{\"task\":\"say\"}");
    snprintf(t->said, sizeof(t->said), "%s", jstr(a->json, "id"));
    answer_free(a);
    a = post(s, "/v1/jobs/batch?wait=60", "{\"jobs\":[{\"task\":\"noop\"}]}", 200);
    snprintf(t->group, sizeof(t->group), "%s", jstr(a->json, "id"));
    answer_free(a);
    answer_free(post(s, "/v1/schedules",
                     "{\"name\":\"nightly\",\"cron\":\"0 3 * * *\",\"job\":{\"task\":\"noop\"}}",
                     200));
    (void)submit(s, "{\"task\":\"far\"}");
    char *lease = take_lease(s, "{\"duration\":600}", NULL);
    snprintf(t->lease, sizeof(t->lease), "%s", lease);
    free(lease);
    snprintf(t->sleeping, sizeof(t->sleeping), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, t->sleeping, "running"));
    a = http(s, "GET", "/", NULL, (const char *const[]){"Accept: text/html", NULL});
    const char *file = strstr(a->body, "assets/");
    ck_assert_ptr_nonnull(file);
    file += strlen("assets/");
    snprintf(t->file, sizeof(t->file), "%.*s", (int)strcspn(file, "\"'"), file);
    answer_free(a);
}

/* The answer to a request, whose end is the connection's. The head, and what follows it; heap. */
static char *ask_raw(struct server *s, const char *request, char **rest)
{
    int fd = raw_open(s);
    raw_send(fd, request);
    char *got = raw_read(fd, NULL, LONG_MS);
    close(fd);
    ck_assert_msg(strncmp(got, "HTTP/1.1 ", 9) == 0, "%s: %s", request, got);
    *rest = strstr(got, "\r\n\r\n");
    ck_assert_msg(*rest != NULL, "%s: %s", request, got);
    **rest = 0;
    *rest += 4;
    return got;
}

/* A request with another behind it: the answer to the other, and nothing else, comes behind the
 * head, or, where that says so, the end of the connection. The status; *length: -1: none is told.
 */
static int ask(struct server *s, const char *path, const char *header, const char *version,
               long *length)
{
    char text[600], *rest;
    snprintf(text, sizeof(text),
             "HEAD %s %s\r\nHost: localhost\r\n%s%s\r\n"
             "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             path, version, header ? header : "", header ? "\r\n" : "");
    char *got = ask_raw(s, text, &rest);
    int status = atoi(got + 9);
    if (strstr(got, "\r\nConnection: close"))
        ck_assert_msg(*rest == 0, "%s is followed by %s", path, rest);
    else
        ck_assert_msg(strncmp(rest, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
                          strstr(rest, "\r\n\r\n{\"status\":\"ok\"}"),
                      "%s is followed by %s", path, rest);
    const char *told = strstr(got, "\r\nContent-Length: ");
    *length = told ? atol(told + 18) : -1;
    free(got);
    return status;
}

static void as_get(struct server *s, const struct things *t, const char *pattern,
                   const char *header)
{
    char path[300];
    const char *const headers[] = {header, NULL};
    long length;
    fill(t, pattern, path, sizeof(path));
    int status = ask(s, path, header, "HTTP/1.1", &length);
    struct answer *a = http(s, "GET", path, NULL, headers);
    int want = a->status == 206 ? 200 : a->status; /* a range is GET's alone */
    ck_assert_msg(status == want, "HEAD %s: %d, GET: %d", path, status, a->status);
    bool stays = a->status == 200 && strncmp(path, "/v1/jobs/", 9) == 0;
    ck_assert_msg(!stays || length == (long)a->len, "HEAD %s tells of %ld bytes, and %zu come",
                  path, length, a->len);
    answer_free(a);
    ck_assert_int_eq(ask(s, path, header, "HTTP/1.0", &length), status);
}

START_TEST(nothing_follows_a_head)
{
    struct server *s = server_new(conf, two_workers);
    struct things t = {0};
    make_things(s, &t);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].method == GET)
            as_get(s, &t, routes[i].pattern, NULL);
    }
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        as_get(s, &t, more[i].path, more[i].header);
    server_free(s);
}
END_TEST

START_TEST(a_head_follows_no_job)
{
    static const char *const queries[] = {"?follow=true", "?follow=true&tail=2", "?follow=50"};
    struct server *s = server_new(conf, two_workers);
    struct things t = {0};
    make_things(s, &t);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char path[128];
        long length;
        snprintf(path, sizeof(path), "/v1/jobs/%s/logs%s", t.sleeping, queries[i]);
        /* it would wait for longer */
        ck_assert_int_eq(ask(s, path, NULL, "HTTP/1.1", &length), 200);
        ck_assert_int_eq(length, -1);
    }
    server_free(s);
}
END_TEST

/* What is said past the library, as its connection is cut. */
START_TEST(a_refused_head_has_no_body)
{
    static const char *const flags[] = {"--head-memory", "16KiB", "--body-timeout", "0.1", NULL};
    static char large[15600];
    const struct {
        const char *request, *says;
    } cut[] = {
        {large, "HTTP/1.1 431 "},
        {"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 408 "},
    };
    char name[] = "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ", *rest;
    memset(large, 'x', sizeof(large) - 1);
    memcpy(large, name, strlen(name));
    memcpy(large + sizeof(large) - 5, "\r\n\r\n", 5);
    struct server *s = server_new(NULL, flags);
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        char *got = ask_raw(s, cut[i].request, &rest);
        ck_assert_msg(strncmp(got, cut[i].says, strlen(cut[i].says)) == 0, "%s", got);
        ck_assert_str_eq(rest, "");
        free(got);
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nothing_follows_a_head, a_head_follows_no_job,
                                  a_refused_head_has_no_body};
    return run_suite("head", tests, sizeof(tests) / sizeof(tests[0]));
}
