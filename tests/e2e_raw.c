/*
 * e2e_raw.c - bodies as they are: what their parameters become for a command, and the same in
 * multipart/form-data.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const two_workers[] = {"--workers", "2", NULL};
static const char conf[] = "[server]\nretry_delay = 0.01\n"
                           "[task words]\ncommand = /bin/sh -c 'printf \"%s|\" \"$@\"; cat' sh "
                           "{input.size} a-{input.to}-z\ninput = raw\nresult = text\n"
                           "[task again]\ncommand = /bin/sh -c 'test $JOBMILL_ATTEMPT = 2 && echo "
                           "{input.size}'\ninput = raw\nresult = text\n"
                           "[task json]\ncommand = /bin/echo {input.size}\nresult = text\n";
static const char *const form[] = {"Content-Type: multipart/form-data; boundary=B", NULL};

static void expect(struct server *s, struct answer *a, const char *want)
{
    char path[100];
    ck_assert_msg(a->status == 200 && !strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_str_eq(a->body, want);
    answer_free(a);
}

START_TEST(parameters_are_words)
{
    static const char *const key[] = {"Idempotency-Key: one", NULL};
    struct server *s = server_new(conf, two_workers);
    struct answer *a =
        post(s, "/v1/tasks/words/jobs?wait=60&priority=3&to=x%20%22%24(id)%0A&size=10", "in", 400);
    answer_free(a); /* a control byte */
    a = post(s, "/v1/tasks/words/jobs?wait=60&priority=3&to=x%20%22%24(id)%C3%A9&size=10", "in",
             200);
    ck_assert_int_eq(jint(a->json, "priority"), 3);
    ck_assert_str_eq(jstr(a->json, "parameters.size"), "10");
    ck_assert_str_eq(jstr(a->json, "parameters.to"), "x \"$(id)\xC3\xA9");
    expect(s, a, "10|a-x \"$(id)\xC3\xA9-z|in");
    a = post(s, "/v1/tasks/words/jobs?wait=60&to=&size=", "", 200);
    expect(s, a, "|a--z|");
    a = post(s, "/v1/tasks/again/jobs?wait=60&size=7", "", 200); /* kept for the next attempt */
    expect(s, a, "7\n");
    a = post(s, "/v1/tasks/words/jobs?wait=60&to=1", "", 200); /* one is missing */
    ck_assert_str_eq(jstr(a->json, "error.code"), "bad_input");
    answer_free(a);
    a = http(s, "POST", "/v1/tasks/words/jobs?to=1&size=2", "", key);
    ck_assert_int_eq(a->status, 202);
    answer_free(a);
    a = http(s, "POST", "/v1/tasks/words/jobs?to=1&size=3", "", key);
    ck_assert_int_eq(a->status, 422);
    answer_free(a);
    static const char *const bad[] = {
        "/v1/tasks/words/jobs?x=1",           "/v1/tasks/words/jobs?size=1&size=2",
        "/v1/tasks/words/jobs?size=%FF&to=1", "/v1/tasks/json/jobs?size=1",
        "/v1/tasks/noop/jobs?size=1",         "/v1/tasks/words/jobs?input.size=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        answer_free(post(s, bad[i], "", 400));
    server_free(s);
}
END_TEST

START_TEST(they_outlive_the_service)
{
    struct server *s = server_new(conf, two_workers);
    struct answer *a = post(s, "/v1/tasks/words/jobs?to=1&size=2&delay=0.5", "in", 202);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s?wait=60", jstr(a->json, "id"));
    answer_free(a);
    server_kill9(s);
    server_restart(s);
    expect(s, get(s, path, 200), "2|a-1-z|in");
    server_free(s);
}
END_TEST

#define FIELD(name, value)                                                                         \
    "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_OF(type, data)                                                                        \
    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n" type "\r\n" data    \
    "\r\n"
#define PNG "Content-Type: image/png\r\n"

START_TEST(a_form_is_the_same)
{
    static const char body[] = FIELD("size", "5") FILE_OF(PNG, "\x89PN\r\nG") FIELD("priority", "4")
        FIELD("to", "\xC3\xA9") FIELD("wait", "60") "--B--\r\n";
    struct server *s = server_new(conf, two_workers);
    struct answer *a = http_bytes(s, "/v1/tasks/words/jobs?tag=t", body, sizeof(body) - 1, form);
    char path[100];
    ck_assert_msg(jint(a->json, "priority") == 4, "%s", a->body);
    ck_assert_str_eq(jstr(a->json, "tags.0"), "t");
    ck_assert_str_eq(jstr(a->json, "input_type"), "image/png");
    ck_assert_int_eq(jint(a->json, "input_size"), 6);
    snprintf(path, sizeof(path), "/v1/jobs/%s/input", jstr(a->json, "id"));
    struct answer *in = get(s, path, 200);
    ck_assert_uint_eq(in->len, 6);
    ck_assert_int_eq(memcmp(in->body, "\x89PN\r\nG", 6), 0);
    answer_free(in);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_int_eq(memcmp(a->body, "5|a-\xC3\xA9-z|\x89PN\r\nG", 15), 0);
    answer_free(a);
    static const char json[] = FILE_OF("Content-Type: application/json\r\n", "{\"a\":1}") "--B--";
    a = http_bytes(s, "/v1/tasks/echo/jobs?wait=60", json, sizeof(json) - 1, form);
    ck_assert_int_eq(jint(a->json, "result.a"), 1);
    answer_free(a);
    static const char *const bad[] = {"",
                                      "--B--",
                                      FIELD("size", "5") "--B--",
                                      FILE_OF("", "x") FILE_OF("", "y") "--B--",
                                      FILE_OF("", "x") FIELD("other", "1") "--B--",
                                      FILE_OF("", "x") FIELD("size", "\x01") "--B--",
                                      FILE_OF("", "x") FIELD("size", "\xFF") "--B--",
                                      FILE_OF("", "x") "--B",
                                      FILE_OF("Content-Type: application/json\r\n", "{") "--B--"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        a = http_bytes(s, "/v1/tasks/words/jobs", bad[i], strlen(bad[i]), form);
        ck_assert_msg(a->status == 400, "%zu: %s", i, a->body);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(what_is_more_than_json_keeps_its_type)
{
    static const char *const type[][2] = {
        {"Content-Type: application/json", "application/json"},
        {"Content-Type: application/json; charset=utf-8", "application/json"},
        {"Content-Type: application/json-patch+json", "application/json-patch+json"},
        {"Content-Type: application/geo+json", "application/geo+json"},
    };
    struct server *s = server_new(NULL, NULL);
    for (size_t i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
        const char *const headers[] = {type[i][0], NULL};
        struct answer *a = http(s, "POST", "/v1/tasks/echo/jobs", "[1]", headers);
        ck_assert_msg(a->status == 202, "%s", a->body);
        ck_assert_str_eq(jget(a->json, "input_type") ? jstr(a->json, "input_type") : type[0][1],
                         type[i][1]);
        ck_assert_int_eq(jint(a->json, "input.0"), 1);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

/* What is JSON, whichever way it comes. */
START_TEST(all_ways_agree_what_is_json)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"{\"a\":1,\"b\":1}", true},
        {"{\"a\":1,\"a\":2}", false},
        {"{\"a\":1,\"\\u0061\":2}", false},
        {"[{\"a\":{\"b\":[1e5,-2.5E-7],\"c\":1}}]", true},
        {"1e308", true},
        {"[1e-400]", true},
        {"1e400", false},
        {"[-1e309]", false},
        {"{\"\\u0061\":1}", true},
        {"\"\\ud800\"", false},
        {"01", false},
    };
    static const char *const types[][2] = {{"Content-Type: application/json", NULL},
                                           {"Content-Type: application/json", NULL},
                                           {"Content-Type: application/x-ndjson", NULL},
                                           {"Content-Type: application/json", NULL},
                                           {"Content-Type: application/x+json", NULL}};
    static const char *const paths[] = {"/v1/jobs", "/v1/jobs/batch", "/v1/jobs/batch",
                                        "/v1/tasks/echo/jobs", "/v1/tasks/echo/jobs"};
    static const char *const forms[] = {"{\"task\":\"echo\",\"input\":%s}",
                                        "{\"jobs\":[{\"task\":\"echo\",\"input\":%s}]}",
                                        "{\"task\":\"echo\",\"input\":%s}\n", "%s", "%s"};
    struct server *s = server_new(NULL, two_workers);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
            char *body = NULL;
            ck_assert_int_gt(asprintf(&body, forms[k], rows[i].text), 0);
            struct answer *a = http(s, "POST", paths[k], body, types[k]);
            ck_assert_msg(rows[i].ok ? a->status / 100 == 2
                                     : !strcmp(jstr(a->json, "code"), "bad_json"),
                          "%s %s: %d: %s", paths[k], body, a->status, a->body);
            ck_assert_msg(!strchr(rows[i].text, 'e') || rows[i].ok ||
                              strstr(jstr(a->json, "detail"), "the range of a double"),
                          "%s", a->body);
            answer_free(a);
            free(body);
        }
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {parameters_are_words, they_outlive_the_service,
                                  a_form_is_the_same, what_is_more_than_json_keeps_its_type,
                                  all_ways_agree_what_is_json};
    return run_suite("raw", tests, sizeof(tests) / sizeof(tests[0]));
}
