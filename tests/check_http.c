/* check_http.c - the front's parts that need no connection: guard, routes, query, problems, JSON.
 */
#include "../common/err.h"
#include "../server/http/access.h"
#include "../server/http/guard.h"
#include "../server/http/json.h"
#include "../server/http/problem.h"
#include "../server/http/query.h"
#include "../server/http/route.h"
#include "../server/http/submit.h"
#include "../server/http/trace.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- guard ---- */

#define HEAD_ROOM ((size_t)15360)

struct head {
    const char *method, *version, *target;
    const char *headers; /* name=value;name=value */
};

static int judge(const struct head *h, struct guard *g, const char **path)
{
    memset(g, 0xff, sizeof(*g)); /* what guard_init() leaves is not read */
    guard_init(g, true, "mill.test", HEAD_ROOM);
    int err = guard_begin(g, h->method, h->version, h->target, path);
    char text[4096];
    snprintf(text, sizeof(text), "%s", h->headers);
    char *rest = text;
    for (char *part; !err && (part = strsep(&rest, ";"));) {
        char *value = strchr(part, '=');
        if (!value)
            continue;
        *value++ = 0;
        guard_header(g, part, strlen(part), value, strlen(value));
    }
    return err ? err : guard_end(g);
}

static const struct {
    struct head head;
    int err;
} heads[] = {
    {{"GET", "HTTP/1.1", "/", "Host=localhost"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:8080"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=127.0.0.1:1"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=[::1]:1"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=MILL.test"}, 0},
    {{"GET", "HTTP/1.0", "/", ""}, 0},
    {{"GET", "HTTP/1.1", "http://localhost/x", "Host=localhost"}, 0},
    {{"OPTIONS", "HTTP/1.1", "*", "Host=localhost"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5;Idempotency-Key=a"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=chunked"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=Chunked"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost:9;Origin=http://localhost:9"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Sec-Fetch-Site=same-origin"}, 0},
    {{"POST", "HTTP/1.1", "/",
      "Host=localhost;Origin=https://example.org;Sec-Fetch-Site=same-origin"},
     0},
    {{"GET", "HTTP/1.1", "/", "Host=localhost;Origin=http://evil"}, 0},

    {{"GET", "HTTP/1.1", "/", ""}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost;Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host="}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=a b"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:x"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:123456"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=[::1"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=user@localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.1", "/", "Host=[evil]"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.1", "/", "Host=127.0.0.1.evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.0", "/", "Host=evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/2.0", "/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"G T", "HTTP/1.1", "/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "x", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "*", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/a b", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/a#b", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/\x80", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%00", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%4", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%zz", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "http://other/x", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "http://", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "https://localhost/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5;Content-Length=5"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Idempotency-Key=a;idempotency-key=a"},
     ERR_BAD_HEADER},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=+5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5, 5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length="}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=18446744073709551621"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length =5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;X\t=5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;X=a\r\n b"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=chunked;Content-Length=5"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/",
      "Host=localhost;Transfer-Encoding=chunked;Transfer-Encoding=chunked"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=xchunked"}, ERR_NOT_IMPLEMENTED},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=gzip, chunked"},
     ERR_NOT_IMPLEMENTED},
    {{"POST", "HTTP/1.0", "/", "Host=localhost;Transfer-Encoding=chunked"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=http://evil"}, ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost:9;Origin=http://localhost:10"},
     ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=null"}, ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=https://localhost.evil;Sec-Fetch-Site=none"},
     ERR_FORBIDDEN_ORIGIN},
    {{"DELETE", "HTTP/1.1", "/", "Host=localhost;Sec-Fetch-Site=cross-site"}, ERR_FORBIDDEN_ORIGIN},
};

START_TEST(guard_lets_through_and_refuses)
{
    struct guard g;
    const char *path;
    int err = judge(&heads[_i].head, &g, &path);
    ck_assert_msg(err == -heads[_i].err, "row %d (%s %s): %d, not %d: %s", _i,
                  heads[_i].head.target, heads[_i].head.headers, err, -heads[_i].err,
                  g.problem.detail);
    ck_assert_int_eq(g.problem.err, heads[_i].err);
}
END_TEST

/* One byte in the midst of others, at each place of the words that are looked at eight bytes at a
 * time, and behind them. */
static void put(char *text, size_t at, int byte)
{
    memset(text, 'a', 20);
    text[20] = 0;
    text[at] = (char)byte;
}

START_TEST(guard_knows_each_byte_at_each_place)
{
    char text[21];
    for (int byte = 1; byte < 256; byte++) {
        bool visible = byte > 0x20 && byte < 0x7f;
        for (size_t at = 1; at < 20; at++) {
            struct guard g;
            const char *path;
            put(text, at, byte);
            text[0] = '/';
            struct head h = {"GET", "HTTP/1.1", text, "Host=localhost"};
            bool fine = visible && !strchr("#\\", byte) && (byte != '%' || at < 18);
            ck_assert_msg((judge(&h, &g, &path) == 0) == fine, "target: %02x at %zu", byte, at);

            guard_init(&g, false, NULL, HEAD_ROOM);
            put(text, at, byte);
            fine = visible && !strchr("#,/?@\\", byte) && (byte != ':' || at == 19); /* no port */
            ck_assert_msg((guard_header(&g, "Host", 4, text, 20) == 0) == fine, "Host: %02x at %zu",
                          byte, at);

            guard_init(&g, false, NULL, HEAD_ROOM);
            fine = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
            ck_assert_msg((guard_header(&g, "X", 1, text, 20) == 0) == fine, "value: %02x at %zu",
                          byte, at);
        }
    }
}
END_TEST

START_TEST(guard_finds_path_and_length)
{
    struct guard g;
    const char *path;
    struct head h = {"POST", "HTTP/1.1", "http://localhost/a?b",
                     "Host=localhost;Content-Length=0012"};
    ck_assert_int_eq(judge(&h, &g, &path), 0);
    ck_assert_str_eq(path, "/a?b");
    ck_assert_uint_eq(g.length, 12);
    ck_assert(!g.chunked);
}
END_TEST

START_TEST(guard_counts_headers_and_bytes)
{
    struct guard g = {0};
    const char *path;
    for (int i = 0; i < GUARD_HEADERS_MAX; i++)
        ck_assert_int_eq(guard_header(&g, "X", 1, "", 0), 0);
    ck_assert_int_eq(guard_header(&g, "X", 1, "", 0), -ERR_HEAD_TOO_LARGE);
    char *target = malloc(GUARD_TARGET_MAX + 2);
    ck_assert_ptr_nonnull(target);
    memset(target, '/', GUARD_TARGET_MAX + 1);
    target[GUARD_TARGET_MAX + 1] = 0;
    struct head h = {"GET", "HTTP/1.1", target, "Host=localhost"};
    ck_assert_int_eq(judge(&h, &g, &path), -ERR_URI_TOO_LONG);
    free(target);
}
END_TEST

START_TEST(guard_counts_the_memory_of_a_head)
{
    struct guard g;
    struct problem p;
    const char *path;
    char *text = malloc(HEAD_ROOM);
    ck_assert_ptr_nonnull(text);
    guard_init(&g, true, "mill.test", HEAD_ROOM);
    ck_assert_int_eq(guard_begin(&g, "GET", "HTTP/1.1", "/a?b&c", &path), 0);
    ck_assert_uint_eq(g.memory, 6 + 2 * GUARD_RECORD);
    ck_assert_int_eq(guard_header(&g, "Host", 4, "localhost", 9), 0);
    ck_assert_uint_eq(g.memory, 6 + 4 + 9 + 4 + 3 * GUARD_RECORD);
    size_t before = g.memory;
    ck_assert_int_eq(guard_header(&g, "cookie", 6, "a=1; b=2", 8),
                     0); /* and a copy, and two records */
    ck_assert_uint_eq(g.memory - before, 6 + 8 + 4 + GUARD_RECORD + 8 + 2 * GUARD_RECORD);
    before = g.memory + 1 + 4 + GUARD_RECORD;
    memset(text, 'x', HEAD_ROOM);
    ck_assert_int_eq(guard_header(&g, "X", 1, text, HEAD_ROOM - before), 0);
    ck_assert_int_eq(guard_end(&g), 0);
    ck_assert(guard_has_room(&g));
    g.memory++;
    ck_assert(!guard_has_room(&g));
    ck_assert_int_eq(guard_end(&g), -ERR_HEAD_TOO_LARGE);
    /* a target alone: '/', and parameters without a name */
    size_t n = HEAD_ROOM / (GUARD_RECORD + 1);
    memset(text, '&', n);
    text[0] = '/';
    text[n] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), 0);
    text[n] = '&';
    text[n + 1] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), -ERR_HEAD_TOO_LARGE);
    memset(text, '&', GUARD_TARGET_MAX + 1);
    text[GUARD_TARGET_MAX + 1] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), -ERR_URI_TOO_LONG);
    memset(text, 'x', GUARD_TARGET_MAX + 1); /* the library has room for this one: guard_begin's */
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), 0);
    free(text);
}
END_TEST

/* ---- routes ---- */

static const char *pattern_of(enum method m, const char *path)
{
    const struct route *route;
    struct route_part part;
    int err = route_find(m, path, &route, &part);
    return err == -ERR_NOT_FOUND ? "none" : err == -ERR_BAD_METHOD ? "method" : route->pattern;
}

START_TEST(routes_match_whole_raw_paths)
{
    ck_assert_str_eq(pattern_of(METHOD_GET, "/"), "/");
    ck_assert_str_eq(pattern_of(METHOD_GET, "/v1/jobs"), "/v1/jobs");
    ck_assert_str_eq(pattern_of(METHOD_GET, "/v1/jobs/x"), "/v1/jobs/{id}");
    ck_assert_str_eq(pattern_of(METHOD_GET, "/v1/jobs/x%2Fresult"), "/v1/jobs/{id}");
    ck_assert_str_eq(pattern_of(METHOD_GET, "/v1/jobs/x/result"), "/v1/jobs/{id}/result");
    ck_assert_str_eq(pattern_of(METHOD_POST, "/v1/jobs/x/cancel"), "/v1/jobs/{id}/cancel");
    ck_assert_str_eq(pattern_of(METHOD_POST, "/v1/tasks/t/jobs"), "/v1/tasks/{task}/jobs");
    ck_assert_str_eq(pattern_of(METHOD_POST, "/v1/jobs/x"), "method");
    ck_assert_str_eq(pattern_of(METHOD_OTHER, "/v1/jobs"), "method");
    static const char *const none[] = {"",
                                       "/v1",
                                       "/v1/jobs/",
                                       "/v1//jobs",
                                       "/v1/jobs//result",
                                       "/v1/jobs/x/",
                                       "/v1%2Fjobs",
                                       "//",
                                       "/V1/jobs",
                                       "/v1/jobs/x/result/y",
                                       "*"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        ck_assert_str_eq(pattern_of(METHOD_GET, none[i]), "none");
}
END_TEST

START_TEST(routes_tell_part_and_methods)
{
    const struct route *route;
    struct route_part part;
    AUTO_BUF allow = BUF_INIT;
    ck_assert_int_eq(route_find(METHOD_GET, "/v1/jobs/abc/input", &route, &part), 0);
    ck_assert_uint_eq(part.len, 3);
    ck_assert(memcmp(part.text, "abc", 3) == 0);
    route_allow("/v1/jobs", &allow);
    ck_assert_str_eq(allow.data, "POST, GET, HEAD, OPTIONS");
    ck_assert_int_eq(route_method("HEAD"), METHOD_GET);
    ck_assert_int_eq(route_method("get"), METHOD_OTHER);
}
END_TEST

/* ---- query ---- */

START_TEST(query_decodes_and_counts_use)
{
    struct query q;
    bool twice;
    size_t at = 0;
    ck_assert_int_eq(query_parse(&q, "a=1&b=x%20y+z&a=2&&c&d="), 0);
    ck_assert_str_eq(query_one(&q, "b", &twice), "x y z");
    ck_assert(!twice);
    ck_assert_str_eq(query_next(&q, "a", &at), "1");
    ck_assert_str_eq(query_next(&q, "a", &at), "2");
    ck_assert_ptr_null(query_next(&q, "a", &at));
    ck_assert_str_eq(query_unused(&q), "c");
    ck_assert_str_eq(query_one(&q, "c", &twice), "");
    ck_assert_str_eq(query_one(&q, "d", &twice), "");
    ck_assert_ptr_null(query_unused(&q));
    query_one(&q, "a", &twice);
    ck_assert(twice);
    query_release(&q);
}
END_TEST

START_TEST(query_refuses)
{
    static const char *const bad[] = {"a=%",   "a=%4",  "a=%zz", "a=%00", "a=%0a",
                                      "%1f=1", "a=%7F", "a=%ff", "%c3=1", "a=\xc3"};
    struct query q;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(query_parse(&q, bad[i]), -ERR_BAD_PARAMETER);
        query_release(&q);
    }
    AUTO_BUF many = BUF_INIT;
    for (int i = 0; i <= QUERY_MAX; i++)
        buf_adds(&many, "a&");
    ck_assert_int_eq(query_parse(&q, many.data), -ERR_BAD_PARAMETER);
    query_release(&q);
    ck_assert_int_eq(query_parse(&q, NULL), 0);
    query_release(&q);
}
END_TEST

START_TEST(numbers_are_plain)
{
    static const char *const bad[] = {"",   "-",  "1e3", "0x1", "inf",   "nan", "+1",
                                      " 1", "1 ", "1.",  ".5",  "1.2.3", "1,5"};
    double n;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!query_number(bad[i], &n), "%s", bad[i]);
    ck_assert(query_number("0.25", &n) && n > 0.24 && n < 0.26);
    ck_assert(query_number("-100", &n) && n < -99 && n > -101);
}
END_TEST

/* ---- problems and JSON ---- */

static json_t *loaded(const struct buf *b)
{
    json_error_t e;
    ck_assert(!b->failed);
    json_t *root = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES, &e);
    ck_assert_msg(root != NULL, "%s: %s", e.text, b->data);
    return root;
}

START_TEST(every_error_is_a_problem_document)
{
    AUTO_BUF out = BUF_INIT;
    struct problem p;
    ck_assert_int_eq(problem_field(&p, _i, PLACE_PARAMETER, "x\"\n", "less\\", "\xff<>"), -_i);
    problem_json(&p, "a-name", &out);
    json_t *root = loaded(&out);
    ck_assert_str_eq(json_string_value(json_object_get(root, "code")), err_code(_i));
    ck_assert_int_eq(json_integer_value(json_object_get(root, "status")), err_status(_i));
    ck_assert_str_eq(json_string_value(json_object_get(root, "request_id")), "a-name");
    json_t *first = json_array_get(json_object_get(root, "errors"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "parameter")), "x\"\n");
    ck_assert_str_eq(json_string_value(json_object_get(first, "limit")), "less\\");
    json_decref(root);
}
END_TEST

START_TEST(long_values_are_cut)
{
    AUTO_BUF out = BUF_INIT;
    struct problem p;
    char big[5000];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    problem_field(&p, ERR_BAD_FIELD, PLACE_POINTER, big, big, big);
    problem_json(&p, "a-name", &out);
    ck_assert_uint_lt(out.len, 2000);
    json_decref(loaded(&out));
}
END_TEST

static void fill(struct job *job)
{
    job_init(job);
    ck_assert_int_eq(id_new(&job->id), 0);
    strcpy(job->task, "primes");
    job->state = JOB_SUCCEEDED;
    job->attempt = 1;
    job->max_attempts = 3;
    job->created_us = job->run_at_us = INT64_C(1700000000123000);
    job->timeout_us = 1500000;
    buf_adds(&job->input, "{\"a\": 1.10}");
    job->input_size = job->input.len;
}

START_TEST(a_job_tells_what_is_known)
{
    AUTO_BUF out = BUF_INIT;
    struct job job;
    fill(&job);
    json_job(&out, &job, NULL);
    ck_assert_ptr_nonnull(strstr(out.data, "\"input\":{\"a\": 1.10}"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"timeout\":1.5,"));
    ck_assert_ptr_nonnull(strstr(out.data, "\"created_at\":\"2023-11-14T22:13:20.123Z\""));
    json_t *root = loaded(&out);
    static const char *const absent[] = {"started_at",  "finished_at", "progress",
                                         "tags",        "result",      "error",
                                         "result_size", "input_type",  "cancel_requested"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        ck_assert_ptr_null(json_object_get(root, absent[i]));
    json_decref(root);
    job_release(&job);
}
END_TEST

START_TEST(payloads_by_type)
{
    AUTO_BUF out = BUF_INIT;
    struct job job;
    fill(&job);
    job.has_result = true;
    buf_add(&job.result, "a\"\xff", 3);
    job.result_size = 3;
    strcpy(job.result_type, "text/plain; charset=utf-8");
    json_job(&out, &job, NULL);
    json_t *root = loaded(&out);
    ck_assert_str_eq(json_string_value(json_object_get(root, "result")), "a\"\xef\xbf\xbd");
    json_decref(root);

    buf_clear(&out);
    strcpy(job.result_type, "image/png");
    job.input.len--; /* cut: not the whole input */
    json_job(&out, &job, NULL);
    root = loaded(&out);
    ck_assert_ptr_null(json_object_get(root, "result"));
    ck_assert_ptr_null(json_object_get(root, "input"));
    ck_assert_int_eq(json_integer_value(json_object_get(root, "result_size")), 3);
    json_decref(root);
    job_release(&job);
}
END_TEST

START_TEST(progress_is_of_this_attempt)
{
    AUTO_BUF out = BUF_INIT;
    struct slot_view v = {
        .attempt = 1, .has_progress = true, .progress = 0.5, .progress_text = "half"};
    struct job job;
    fill(&job);
    json_job(&out, &job, &v);
    ck_assert_ptr_nonnull(strstr(out.data, "\"progress\":{\"fraction\":0.5,\"message\":\"half\"}"));
    buf_clear(&out);
    v.attempt = 2;
    json_job(&out, &job, &v);
    ck_assert_ptr_null(strstr(out.data, "progress"));
    json_decref(loaded(&out));
    job_release(&job);
}
END_TEST

START_TEST(json_types)
{
    ck_assert(json_type_is_plain(""));
    ck_assert(json_type_is_plain("Application/JSON; charset=utf-8"));
    ck_assert(!json_type_is_plain("application/geo+json"));
    ck_assert(!json_type_is_plain("application/json-patch+json"));
    ck_assert(json_type_is_json(""));
    ck_assert(json_type_is_json("application/json"));
    ck_assert(json_type_is_json("Application/JSON; charset=utf-8"));
    ck_assert(json_type_is_json("application/geo+json"));
    ck_assert(!json_type_is_json("application/jsonx"));
    ck_assert(!json_type_is_json("text/json-not"));
}
END_TEST

/* ---- keys and times ---- */

START_TEST(keys_bare_and_quoted)
{
    static struct change c;
    struct problem p;
    char longest[260];
    ck_assert_int_eq(submit_key(&c, NULL, &p), 0);
    ck_assert_str_eq(c.key, "");
    ck_assert_int_eq(submit_key(&c, "\"a-b\"", &p), 0);
    ck_assert_str_eq(c.key, "a-b");
    ck_assert_int_eq(submit_key(&c, "a-b", &p), 0);
    memset(longest, 'k', sizeof(longest));
    longest[IDEMPOTENCY_KEY_MAX] = 0;
    ck_assert_int_eq(submit_key(&c, longest, &p), 0);
    longest[IDEMPOTENCY_KEY_MAX] = 'k';
    longest[IDEMPOTENCY_KEY_MAX + 1] = 0;
    ck_assert_int_eq(submit_key(&c, longest, &p), -ERR_BAD_HEADER);
    ck_assert_int_eq(submit_key(&c, "", &p), -ERR_BAD_HEADER);
    ck_assert_int_eq(submit_key(&c, "\"\"", &p), -ERR_BAD_HEADER);
    ck_assert_int_eq(submit_key(&c, "a b", &p), -ERR_BAD_HEADER);
    ck_assert_int_eq(submit_key(&c, "\xc3\xa9", &p), -ERR_BAD_HEADER);
}
END_TEST

START_TEST(due_times)
{
    struct new_job none = {.asked_delay_us = -1}, delay = {.asked_delay_us = 5},
                   zero = {.asked_delay_us = 0},
                   past = {.asked_run_at_us = 7, .asked_delay_us = -1},
                   later = {.asked_run_at_us = 200, .asked_delay_us = -1};
    ck_assert_int_eq(submit_due(&none, 100), 100);
    ck_assert_int_eq(submit_due(&delay, 100), 105);
    ck_assert_int_eq(submit_due(&past, 100), 7);
    ck_assert_int_eq(submit_state(&none, 100), JOB_QUEUED);
    ck_assert_int_eq(submit_state(&zero, 100), JOB_QUEUED);
    ck_assert_int_eq(submit_state(&past, 100), JOB_QUEUED);
    ck_assert_int_eq(submit_state(&delay, 100), JOB_SCHEDULED);
    ck_assert_int_eq(submit_state(&later, 100), JOB_SCHEDULED);
}
END_TEST

START_TEST(request_ids)
{
    static const char *const good[] = {
        "a", "01a206c9-3464-7000-93c5-f3a31ec3a416", "x/y:z=_.+@",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const bad[] = {
        "",     " a",
        "a b",  "a\n",
        "a\"",  "\xc3\xa4",
        "<a>",  "a,b",
        "a%20", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char one[REQUEST_ID_MAX + 1], two[REQUEST_ID_MAX + 1];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(access_id_ok(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!access_id_ok(bad[i]), "%s", bad[i]);
    access_id_make(1, one);
    access_id_make(UINT64_MAX, two);
    ck_assert(access_id_ok(one) && access_id_ok(two) && strcmp(one, two) != 0);
}
END_TEST

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

START_TEST(traces)
{
    static const struct {
        const char *header, *kept;
    } rows[] = {
        {"00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"},
        {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
        {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-ff"},
        {"cc-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"}, /* later versions */
        {"cc-" TRACE "-" SPAN "-fe", "00-" TRACE "-" SPAN "-00"},
        {"01-" TRACE "-" SPAN "-03-what-comes", "00-" TRACE "-" SPAN "-01"},
        {"01-" TRACE "-" SPAN "-03what", ""},
        {"00-" TRACE "-" SPAN "-01-more", ""},
        {"00-" TRACE "-" SPAN "-01 ", ""},
        {"ff-" TRACE "-" SPAN "-01", ""},
        {"00-" TRACE "-" SPAN "-1", ""},
        {"00-" TRACE "-" SPAN, ""},
        {"00-" TRACE "-0000000000000000-01", ""},
        {"00-00000000000000000000000000000000-" SPAN "-01", ""},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", ""},
        {"00_" TRACE "-" SPAN "-01", ""},
        {"0g-" TRACE "-" SPAN "-01", ""},
        {"", ""},
        {NULL, ""},
    };
    char kept[JOB_TRACE_MAX + 1];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert(trace_parse(rows[i].header, kept) == (rows[i].kept[0] != 0));
        ck_assert_str_eq(kept, rows[i].kept);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *t = tcase_create("http");
    tcase_add_loop_test(t, guard_lets_through_and_refuses, 0, sizeof(heads) / sizeof(heads[0]));
    tcase_add_test(t, guard_knows_each_byte_at_each_place);
    tcase_add_test(t, guard_finds_path_and_length);
    tcase_add_test(t, guard_counts_headers_and_bytes);
    tcase_add_test(t, guard_counts_the_memory_of_a_head);
    tcase_add_test(t, routes_match_whole_raw_paths);
    tcase_add_test(t, routes_tell_part_and_methods);
    tcase_add_test(t, query_decodes_and_counts_use);
    tcase_add_test(t, query_refuses);
    tcase_add_test(t, numbers_are_plain);
    tcase_add_loop_test(t, every_error_is_a_problem_document, 1, ERR_COUNT);
    tcase_add_test(t, long_values_are_cut);
    tcase_add_test(t, a_job_tells_what_is_known);
    tcase_add_test(t, payloads_by_type);
    tcase_add_test(t, progress_is_of_this_attempt);
    tcase_add_test(t, json_types);
    tcase_add_test(t, keys_bare_and_quoted);
    tcase_add_test(t, due_times);
    tcase_add_test(t, request_ids);
    tcase_add_test(t, traces);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
