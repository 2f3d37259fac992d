/* e2e_submit.c - submit, look, list, wait, ask again: the main job over real HTTP. */
#include "harness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const two_workers[] = {"--workers", "2", NULL};

START_TEST(shipped_tasks_do_their_work)
{
    struct server *s = server_new(NULL, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"primes\",\"input\":{\"limit\":10000000}}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    ck_assert_int_eq(jint(a->json, "result.count"), 664579);
    answer_free(a);
    a = run_job(s, "{\"task\":\"sha256\",\"input\":{\"text\":\"abc\"}}");
    ck_assert_str_eq(jstr(a->json, "result.sha256"),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    answer_free(a);
    a = run_job(s, "{\"task\":\"noop\"}");
    ck_assert(json_is_null(jget(a->json, "result")));
    answer_free(a);
    a = run_job(s, "{\"task\":\"echo\",\"input\":{\"a\": [1,  2.50, \"\\u00e9\"] }}");
    ck_assert_ptr_nonnull(strstr(a->body, "\"result\":{\"a\": [1,  2.50, \"\\u00e9\"] }"));
    answer_free(a);
    a = run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.01}}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(small_prime_counts_are_right)
{
    static const struct {
        int limit, count;
    } known[] = {{0, 0},  {1, 0},  {2, 0},  {3, 1},    {4, 2},
                 {10, 4}, {11, 4}, {12, 5}, {100, 25}, {1000000, 78498}};
    struct server *s = server_new(NULL, two_workers);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"task\":\"primes\",\"input\":{\"limit\":%d}}",
                 known[i].limit);
        struct answer *a = run_job(s, body);
        ck_assert_int_eq(jint(a->json, "result.count"), known[i].count);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(a_picture_comes_back_as_bytes)
{
    char path[128], type[64];
    struct server *s = server_new(NULL, two_workers);
    struct answer *a =
        run_job(s, "{\"task\":\"mandelbrot\",\"input\":{\"width\":64,\"height\":48}}");
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    ck_assert_str_eq(jstr(a->json, "result_type"), "image/png");
    ck_assert_ptr_null(jget(a->json, "result"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    struct answer *png = get(s, path, 200);
    ck_assert(answer_header(png, "Content-Type", type, sizeof(type)));
    ck_assert_str_eq(type, "image/png");
    ck_assert_uint_eq(png->len, (size_t)jint(a->json, "result_size"));
    ck_assert_mem_eq(png->body, "\x89PNG\r\n\x1a\n", 8);
    answer_free(png);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(progress_is_seen_while_it_runs)
{
    char path[128];
    struct server *s = server_new(NULL, two_workers);
    snprintf(path, sizeof(path), "/v1/jobs/%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    double fraction = 0;
    for (int64_t until = now_ms() + LONG_MS; fraction <= 0 && now_ms() < until; pause_ms(2)) {
        struct answer *a = get(s, path, 200);
        fraction = json_number_value(jget(a->json, "progress.fraction"));
        answer_free(a);
    }
    ck_assert(fraction > 0 && fraction < 1);
    server_free(s);
}
END_TEST

START_TEST(waiting_by_query_and_by_preference)
{
    char path[128], value[64];
    static const char *const prefer[] = {"Prefer: respond-async, wait=30", NULL};
    struct server *s = server_new(NULL, two_workers);
    struct answer *a =
        http(s, "POST", "/v1/jobs", "{\"task\":\"sleep\",\"input\":{\"seconds\":0.05}}", prefer);
    ck_assert_int_eq(a->status, 200);
    ck_assert(answer_header(a, "Preference-Applied", value, sizeof(value)));
    ck_assert_str_eq(value, "wait=30");
    answer_free(a);
    /* a wait that ends before the job does */
    a = post(s, "/v1/jobs?wait=0.05", "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}", 202);
    answer_free(await_state(s, jstr(a->json, "id"), "running"));
    snprintf(path, sizeof(path), "/v1/jobs/%s?wait=0.05", jstr(a->json, "id"));
    struct answer *b = get(s, path, 200);
    ck_assert_str_eq(jstr(b->json, "state"), "running");
    answer_free(b);
    answer_free(a);
    a = post(s, "/v1/jobs?wait=100000", "{\"task\":\"noop\"}", 400);
    ck_assert_str_eq(jstr(a->json, "code"), "bad_parameter");
    ck_assert_str_eq(jstr(a->json, "errors.0.parameter"), "wait");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(polling_with_an_etag_costs_no_body)
{
    char path[128], tag[80], header[128], length[32], whole[32];
    struct server *s = server_new(NULL, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"noop\",\"input\":1}");
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert(answer_header(a, "ETag", tag, sizeof(tag)));
    snprintf(header, sizeof(header), "If-None-Match: %s", tag);
    const char *const headers[] = {header, NULL};
    struct answer *b = http(s, "GET", path, NULL, headers);
    ck_assert_int_eq(b->status, 304);
    ck_assert_uint_eq(b->len, 0);
    snprintf(whole, sizeof(whole), "%zu", a->len);
    ck_assert(answer_header(b, "Content-Length", length, sizeof(length)));
    ck_assert_str_eq(length, whole); /* RFC 9110, 8.6: that of the 200, or none */
    answer_free(b);
    b = http(s, "HEAD", path, NULL, NULL);
    ck_assert_int_eq(b->status, 200);
    ck_assert_uint_eq(b->len, 0);
    answer_free(b);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(priority_then_age)
{
    struct server *s = server_new(NULL, one_worker);
    char ids[5][64];
    static const int priority[5] = {0, 0, 10, -10, 10};
    static const int want[5] = {2, 4, 0, 1, 3};
    char first[64];
    snprintf(first, sizeof(first), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, first, "running"));
    for (int i = 0; i < 5; i++) {
        char body[128];
        snprintf(body, sizeof(body),
                 "{\"task\":\"sleep\",\"input\":{\"seconds\":0.02},\"priority\":%d}", priority[i]);
        snprintf(ids[i], sizeof(ids[i]), "%s", submit(s, body));
    }
    char path[128], before[32] = "";
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", first);
    answer_free(post(s, path, NULL, 200));
    for (int i = 0; i < 5; i++) {
        struct answer *a = await_state(s, ids[want[i]], "succeeded");
        ck_assert_msg(strcmp(before, jstr(a->json, "started_at")) <= 0,
                      "job %d began before job %d", want[i], want[i ? i - 1 : 0]);
        snprintf(before, sizeof(before), "%s", jstr(a->json, "finished_at"));
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(lists_pages_and_filters)
{
    struct server *s =
        server_new("[task primes]\ncommand = /bin/false\nmax_attempts = 1\n", two_workers);
    for (int i = 0; i < 25; i++)
        answer_free(run_job(s, i % 5 ? "{\"task\":\"noop\",\"tags\":[\"a b\"]}"
                                     : "{\"task\":\"primes\",\"input\":{}}"));
    char url[512] = "/v1/jobs?limit=7", last[64] = "";
    int seen = 0;
    while (url[0]) {
        struct answer *a = get(s, url, 200);
        size_t i;
        json_t *job;
        json_array_foreach(jget(a->json, "jobs"), i, job)
        {
            ck_assert(!*last || strcmp(jstr(job, "id"), last) < 0); /* newest first */
            snprintf(last, sizeof(last), "%s", jstr(job, "id"));
            seen++;
        }
        snprintf(url, sizeof(url), "%s", jstr(a->json, "next"));
        answer_free(a);
    }
    ck_assert_int_eq(seen, 25);
    static const struct {
        const char *query;
        size_t count;
    } filters[] = {{"task=primes", 5},
                   {"state=failed", 5},
                   {"tag=a%20b", 20},
                   {"task=noop&state=succeeded", 20},
                   {"task=noop&state=failed", 0},
                   {"state=queued", 0},
                   {"task=none", 0}};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        snprintf(url, sizeof(url), "/v1/jobs?limit=100&%s", filters[i].query);
        struct answer *a = get(s, url, 200);
        ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), filters[i].count);
        answer_free(a);
    }
    static const char *const bad[] = {"limit=0",    "limit=1001", "limit=x",         "state=done",
                                      "cursor=abc", "colour=red", "limit=1&limit=2", "ids=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(url, sizeof(url), "/v1/jobs?%s", bad[i]);
        answer_free(get(s, url, 400));
    }
    server_free(s);
}
END_TEST

START_TEST(a_delayed_job_runs_when_it_is_due)
{
    struct server *s = server_new(NULL, two_workers);
    struct answer *a = post(s, "/v1/jobs?wait=60", "{\"task\":\"noop\",\"delay\":0.3}", 200);
    ck_assert(strcmp(jstr(a->json, "started_at"), jstr(a->json, "run_at")) >= 0);
    answer_free(a);
    a = post(s, "/v1/jobs", "{\"task\":\"noop\",\"run_at\":\"2030-01-01T00:00:00Z\"}", 202);
    ck_assert_str_eq(jstr(a->json, "state"), "scheduled");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(names_are_what_they_say)
{
    static const char *const bodies[] = {"{\"t\\u0061sk\":\"noop\",\"\\u0069nput\":1}",
                                         "{\"j\\u006fbs\":[{\"task\":\"noop\"}],"
                                         "\"callback\\u005furl\":\"http://127.0.0.1:9/\"}"};
    static const char twice[] =
        "{\"jobs\":[{\"task\":\"noop\"}],\"j\\u006fbs\":[{\"task\":\"noop\"}]}";
    struct server *s = server_new("[server]\nwebhook_allow = 127.0.0.1\n", two_workers);
    answer_free(post(s, "/v1/jobs", bodies[0], 202));
    answer_free(post(s, "/v1/jobs/batch", bodies[1], 202));
    struct answer *a = post(s, "/v1/jobs/batch", twice, 400);
    ck_assert_str_eq(jstr(a->json, "code"), "bad_json");
    answer_free(a);
    a = post(s, "/v1/jobs/batch", "{\"c\\u006flour\":1}", 400);
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/colour");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(bad_fields_are_named_with_limit_and_value)
{
    static const struct {
        const char *body, *pointer, *code;
        int status;
        const char *limit, *value; /* NULL: not told */
    } bad[] = {
        {"{\"task\":\"noop\",\"priority\":101}", "/priority", "bad_field", 400, "from -100 to 100",
         "101"},
        {"{\"task\":\"noop\",\"priority\":1.5}", "/priority", "bad_field", 400, "a whole number",
         "1.5"},
        {"{\"task\":\"noop\",\"max_attempts\":0}", "/max_attempts", "bad_field", 400,
         "from 1 to 1000", "0"},
        {"{\"task\":\"noop\",\"timeout\":-1}", "/timeout", "bad_field", 400, "seconds from 0.001",
         "-1"},
        {"{\"task\":\"noop\",\"timeout\":\"1\"}", "/timeout", "bad_field", 400,
         "a number of seconds", "1"},
        {"{\"task\":\"noop\",\"tags\":[\"\"]}", "/tags/0", "bad_field", 400, "1 to 64 bytes", NULL},
        {"{\"task\":\"noop\",\"run_at\":\"tomorrow\"}", "/run_at", "bad_field", 400,
         "a time such as", "tomorrow"},
        {"{\"task\":\"noop\",\"nonsense\":1}", "/nonsense", "unknown_field", 400, NULL, NULL},
        {"{\"input\":1}", "/task", "missing_field", 400, "the name of a task", NULL},
        {"{\"task\":7}", "/task", "bad_field", 400, "the name of a task", "7"},
        {"{\"task\":\"nothing\"}", "/task", "unknown_task", 422, NULL, "nothing"},
        {"{\"task\":\"noop\",\"task\":\"noop\"}", NULL, "bad_json", 400, NULL, NULL},
        {"{\"task\":\"noop\"", NULL, "bad_json", 400, NULL, NULL},
        {"[]", NULL, "bad_json", 400, NULL, NULL},
        {"", NULL, "bad_json", 400, NULL, NULL},
        {"{\"task\":\"noop\",\"input\":\"\\ud800\"}", NULL, "bad_json", 400, NULL, NULL},
        {"{\"task\":\"noop\",\"input\":01}", NULL, "bad_json", 400, NULL, NULL},
    };
    struct server *s = server_new(NULL, two_workers);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char type[64];
        struct answer *a = http(s, "POST", "/v1/jobs", bad[i].body, NULL);
        ck_assert_msg(a->status == bad[i].status && strcmp(jstr(a->json, "code"), bad[i].code) == 0,
                      "%s: %s", bad[i].body, a->body);
        ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
        ck_assert_str_eq(type, "application/problem+json");
        if (bad[i].pointer)
            ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), bad[i].pointer);
        if (bad[i].limit)
            ck_assert_msg(strstr(jstr(a->json, "errors.0.limit"), bad[i].limit) != NULL, "%s",
                          a->body);
        if (bad[i].value)
            ck_assert_str_eq(jstr(a->json, "errors.0.value"), bad[i].value);
        ck_assert_int_eq(jint(a->json, "status"), bad[i].status);
        answer_free(a);
    }
    char deep[512] = "{\"task\":\"noop\",\"input\":";
    for (int i = 0; i < 100; i++)
        strcat(deep, "[");
    struct answer *a = post(s, "/v1/jobs", deep, 400);
    ck_assert_str_eq(jstr(a->json, "code"), "json_too_deep");
    answer_free(a);
    a = get(s, "/v1/stats", 200);
    ck_assert_int_eq(jint(a->json, "jobs.succeeded") + jint(a->json, "jobs.failed"),
                     0); /* nothing was kept */
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(addresses_that_are_not_there)
{
    struct server *s = server_new(NULL, two_workers);
    char allow[128];
    answer_free(get(s, "/nothing", 404));
    answer_free(get(s, "/v1/jobs/123", 404));
    answer_free(get(s, "/v1/jobs/0193588a-0000-7000-8000-000000000000", 404));
    answer_free(get(s, "/v1/jobs/0193588a-0000-7000-8000-000000000000/result", 404));
    answer_free(get(s, "/v1/tasks/none", 404));
    struct answer *a = http(s, "DELETE", "/v1/tasks", NULL, NULL);
    ck_assert_int_eq(a->status, 405);
    ck_assert(answer_header(a, "Allow", allow, sizeof(allow)));
    ck_assert_ptr_nonnull(strstr(allow, "GET"));
    answer_free(a);
    a = http(s, "OPTIONS", "/v1/jobs", NULL, NULL);
    ck_assert(answer_header(a, "Allow", allow, sizeof(allow)));
    ck_assert_ptr_nonnull(strstr(allow, "POST"));
    answer_free(a);
    answer_free(get(s, "/healthz", 200));
    answer_free(get(s, "/readyz", 200));
    a = get(s, "/api.yaml", 200);
    ck_assert_ptr_nonnull(strstr(a->body, "openapi: 3.1.0"));
    answer_free(a);
    server_free(s);
}
END_TEST

/* ---- the idempotency key ---- */

struct asker {
    struct server *s;
    char id[64];
    int status;
};

static void *ask(void *arg)
{
    struct asker *k = arg;
    static const char *const key[] = {"Idempotency-Key: at-once", NULL};
    struct answer *a = http(k->s, "POST", "/v1/jobs", "{\"task\":\"noop\",\"input\":2}", key);
    k->status = a->status;
    snprintf(k->id, sizeof(k->id), "%s", jstr(a->json, "id"));
    answer_free(a);
    return NULL;
}

START_TEST(the_same_key_is_the_same_job)
{
    static const char *const key[] = {"Idempotency-Key: \"one\"", NULL};
    static const char *const bare[] = {"Idempotency-Key: one", NULL};
    struct server *s = server_new(NULL, two_workers);
    char id[64], value[16];
    struct answer *a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\",\"input\":1}", key);
    ck_assert_int_eq(a->status, 202);
    ck_assert(!answer_header(a, "Idempotency-Replayed", value, sizeof(value)));
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    struct answer *b = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\",\"input\":1}", bare);
    ck_assert_str_eq(b->body, a->body); /* the first answer again */
    ck_assert(answer_header(b, "Idempotency-Replayed", value, sizeof(value)));
    answer_free(b);
    answer_free(a);
    a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\",\"input\":2}", key);
    ck_assert_int_eq(a->status, 422);
    ck_assert_str_eq(jstr(a->json, "code"), "idempotency_key_reused");
    answer_free(a);
    /* across a restart */
    server_kill9(s);
    server_restart(s);
    a = http(s, "POST", "/v1/jobs?wait=60", "{\"task\":\"noop\",\"input\":1}", key);
    ck_assert_str_eq(jstr(a->json, "id"), id);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    answer_free(a);
    /* eight at once */
    struct asker k[8];
    pthread_t t[8];
    for (int i = 0; i < 8; i++) {
        k[i] = (struct asker){.s = s};
        ck_assert_int_eq(pthread_create(&t[i], NULL, ask, &k[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], NULL);
        ck_assert_int_eq(k[i].status, 202);
        ck_assert_str_eq(k[i].id, k[0].id);
    }
    server_free(s);
}
END_TEST

START_TEST(raw_bodies_keep_their_bytes_and_type)
{
    char path[128], type[64];
    static const char *const octets[] = {"Content-Type: text/plain", NULL};
    struct server *s = server_new(NULL, two_workers);
    struct answer *a = http(s, "POST", "/v1/tasks/echo/jobs?wait=60&priority=3&tag=x&tag=y",
                            "a\tb\xc3\xa9", octets);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "result"), "a\tb\xc3\xa9");
    ck_assert_str_eq(jstr(a->json, "tags.1"), "y");
    ck_assert_int_eq(jint(a->json, "priority"), 3);
    snprintf(path, sizeof(path), "/v1/jobs/%s/input", jstr(a->json, "id"));
    struct answer *b = get(s, path, 200);
    ck_assert_str_eq(b->body, "a\tb\xc3\xa9");
    ck_assert(answer_header(b, "Content-Type", type, sizeof(type)));
    ck_assert_str_eq(type, "text/plain");
    answer_free(b);
    answer_free(a);
    a = http(s, "POST", "/v1/tasks/sha256/jobs?wait=60", "abc", octets);
    ck_assert_str_eq(jstr(a->json, "result.sha256"),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    answer_free(a);
    answer_free(post(s, "/v1/tasks/none/jobs", "x", 422));
    answer_free(post(s, "/v1/tasks/echo/jobs?priority=1000", "x", 400));
    server_free(s);
}
END_TEST

START_TEST(bytes_stay_bytes)
{
    char path[128], type[64], bytes[3 * 256];
    static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};
    struct server *s = server_new(NULL, two_workers);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    struct answer *job = http_bytes(s, "/v1/tasks/echo/jobs?wait=60", bytes, sizeof(bytes), octets);
    ck_assert_msg(job->status == 200, "%s", job->body);
    static const char *const parts[] = {"input", "result"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/v1/jobs/%s/%s", jstr(job->json, "id"), parts[i]);
        struct answer *a = get(s, path, 200);
        ck_assert_uint_eq(a->len, sizeof(bytes));
        ck_assert_mem_eq(a->body, bytes, sizeof(bytes));
        ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
        ck_assert_str_eq(type, "application/octet-stream");
        answer_free(a);
    }
    answer_free(job);
    /* JSON as it was written: spaces, order and numbers */
    job = run_job(s, "{\"task\":\"echo\",\"input\": { \"b\":1.10e2 ,\"a\":-0 } }");
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/v1/jobs/%s/%s", jstr(job->json, "id"), parts[i]);
        struct answer *a = get(s, path, 200);
        ck_assert_str_eq(a->body, "{ \"b\":1.10e2 ,\"a\":-0 }");
        answer_free(a);
    }
    answer_free(job);
    server_free(s);
}
END_TEST

START_TEST(many_jobs_in_one_question)
{
    char url[512], one[64], two[64];
    struct server *s = server_new(NULL, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    snprintf(one, sizeof(one), "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(two, sizeof(two), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    snprintf(url, sizeof(url), "/v1/jobs?ids=%s,%s", one, two);
    a = get(s, url, 200);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 2);
    size_t i, found = 0;
    json_t *job;
    json_array_foreach(jget(a->json, "jobs"), i, job)
    {
        found += !strcmp(jstr(job, "id"), one) && !strcmp(jstr(job, "state"), "succeeded");
        found += !strcmp(jstr(job, "id"), two) && !strcmp(jstr(job, "state"), "scheduled");
    }
    ck_assert_uint_eq(found, 2);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(large_payloads_cross_processes_whole)
{
    size_t n = 700000;
    char *body = malloc(n + 64), path[128];
    ck_assert_ptr_nonnull(body);
    struct server *s = server_new(NULL, two_workers);
    size_t at = (size_t)sprintf(body, "{\"task\":\"echo\",\"input\":\"");
    for (size_t i = 0; i < n; i++)
        body[at++] = (char)('a' + i * 7 % 26);
    strcpy(body + at, "\"}");
    struct answer *a = post(s, "/v1/jobs?wait=60", body, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    ck_assert_ptr_null(jget(a->json, "result")); /* larger than inline_max */
    ck_assert_uint_eq((size_t)jint(a->json, "result_size"), n + 2);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(a->json, "id"));
    struct answer *b = get(s, path, 200);
    ck_assert_uint_eq(b->len, n + 2);
    ck_assert_mem_eq(b->body, body + 23, n + 2);
    answer_free(b);
    answer_free(a);
    free(body);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        shipped_tasks_do_their_work,
        small_prime_counts_are_right,
        a_picture_comes_back_as_bytes,
        progress_is_seen_while_it_runs,
        waiting_by_query_and_by_preference,
        polling_with_an_etag_costs_no_body,
        priority_then_age,
        lists_pages_and_filters,
        a_delayed_job_runs_when_it_is_due,
        names_are_what_they_say,
        bad_fields_are_named_with_limit_and_value,
        addresses_that_are_not_there,
        the_same_key_is_the_same_job,
        raw_bodies_keep_their_bytes_and_type,
        bytes_stay_bytes,
        many_jobs_in_one_question,
        large_payloads_cross_processes_whole,
    };
    return run_suite("submit", tests, sizeof(tests) / sizeof(tests[0]));
}
