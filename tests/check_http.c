/* check_http.c - the front's parts that need no connection: routes, query, problems, JSON.
 */
#include "../common/err.h"
#include "../server/http/access.h"
#include "../server/http/json.h"
#include "../server/http/problem.h"
#include "../server/http/query.h"
#include "../server/http/route.h"
#include "../server/http/submit.h"
#include "../server/http/trace.h"
#include "suite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return suite_end(suite);
}
