/*
 * e2e_refused.c - whatever is wrong with a field, a parameter or a header is refused with a problem
 * document that names it; what is at the border is taken and shown as it was given.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char conf[] =
    "[server]\nmax_batch_depends_on = 2\n[task far]\nkind = remote\n[task other]\nkind = remote\n";

struct row {
    const char *body, *name; /* what is wrong, as `errors` names it */
};

/* The one error's place: a pointer, a parameter or a header. */
static const char *place(struct answer *a)
{
    static const char *const kinds[] = {"errors.0.pointer", "errors.0.parameter",
                                        "errors.0.header"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (jget(a->json, kinds[i]))
            return jstr(a->json, kinds[i]);
    }
    return "";
}

static void refused(struct server *s, const char *method, const char *path, const char *body,
                    const char *const *headers, const char *name)
{
    char type[64];
    json_int_t kept = jobs_kept(s);
    struct answer *a = http(s, method, path, body, headers);
    ck_assert_msg(a->status == 400 || a->status == 404 || a->status == 422, "%s %s %s: %d %s",
                  method, path, body ? body : "", a->status, a->body);
    ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
    ck_assert_str_eq(type, "application/problem+json");
    ck_assert_msg(!strcmp(place(a), name), "%s %s %s: %s is not named: %s", method, path,
                  body ? body : "", name, a->body);
    ck_assert_str_ne(jstr(a->json, "code"), "");
    ck_assert_str_ne(jstr(a->json, "detail"), "");
    ck_assert_int_eq(jobs_kept(s), kept);
    answer_free(a);
}

static void all_refused(struct server *s, const char *path, const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        refused(s, "POST", path, row[i].body, NULL, row[i].name);
}
#define ALL_REFUSED(s, path, rows) all_refused(s, path, rows, sizeof(rows) / sizeof((rows)[0]))

#define ID     "\"01a206c9-3464-7000-93c5-f3a31ec3a416\""
#define E8     "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"
#define IN_URL "%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9%C3%A9"
#define E32    E8 E8 E8 E8 /* 64 bytes: it is those that are counted */
#define ID2    "\"01a206c9-3464-7000-93c5-f3a31ec3a417\""

static const struct row jobs[] = {
    {"{}", "/task"},
    {"{\"task\":1}", "/task"},
    {"{\"task\":\"nobody\"}", "/task"},
    {"{\"task\":\"noop\",\"colour\":1}", "/colour"},
    {"{\"task\":\"noop\",\"priority\":101}", "/priority"},
    {"{\"task\":\"noop\",\"priority\":-101}", "/priority"},
    {"{\"task\":\"noop\",\"priority\":1.5}", "/priority"},
    {"{\"task\":\"noop\",\"priority\":\"1\"}", "/priority"},
    {"{\"task\":\"noop\",\"run_at\":1}", "/run_at"},
    {"{\"task\":\"noop\",\"run_at\":\"soon\"}", "/run_at"},
    {"{\"task\":\"noop\",\"run_at\":\"2999-01-01T00:00:00Z\"}", "/run_at"},
    {"{\"task\":\"noop\",\"run_at\":\"1960-02-30T00:00:00Z\"}", "/run_at"},
    {"{\"task\":\"noop\",\"delay\":-1}", "/delay"},
    {"{\"task\":\"noop\",\"delay\":315360001}", "/delay"},
    {"{\"task\":\"noop\",\"delay\":\"1\"}", "/delay"},
    {"{\"task\":\"noop\",\"expires_at\":\"2020-01-01T00:00:00Z\"}", "/expires_at"},
    {"{\"task\":\"noop\",\"expires_at\":\"1969-12-31T23:59:59Z\"}", "/expires_at"},
    {"{\"task\":\"noop\",\"expires_at\":true}", "/expires_at"},
    {"{\"task\":\"noop\",\"timeout\":0}", "/timeout"},
    {"{\"task\":\"noop\",\"timeout\":0.0001}", "/timeout"},
    {"{\"task\":\"noop\",\"timeout\":null}", "/timeout"},
    {"{\"task\":\"noop\",\"max_attempts\":0}", "/max_attempts"},
    {"{\"task\":\"noop\",\"max_attempts\":1001}", "/max_attempts"},
    {"{\"task\":\"noop\",\"backoff\":1}", "/backoff"},
    {"{\"task\":\"noop\",\"backoff\":{}}", "/backoff"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"never\"}}", "/backoff/kind"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"fixed\"}}", "/backoff/delay"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"fixed\",\"delay\":-1}}", "/backoff/delay"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"fixed\",\"delay\":1,\"max\":2}}", "/backoff"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"exponential\",\"delay\":\"1\"}}",
     "/backoff/delay"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"exponential\",\"delay\":1,\"max\":\"x\"}}",
     "/backoff/max"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"list\"}}", "/backoff/delays"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"list\",\"delays\":[]}}", "/backoff/delays"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"list\",\"delays\":[1,\"2\"]}}", "/backoff/delays"},
    {"{\"task\":\"noop\",\"backoff\":{\"kind\":\"list\",\"delays\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
     "1,1,1,1,1,1]}}",
     "/backoff/delays"},
    {"{\"task\":\"noop\",\"tags\":\"a\"}", "/tags"},
    {"{\"task\":\"noop\",\"tags\":[\"a\",\"\"]}", "/tags/1"},
    {"{\"task\":\"noop\",\"tags\":[1]}", "/tags/0"},
    {"{\"task\":\"noop\",\"tags\":[\"a\\nb\"]}", "/tags/0"},
    {"{\"task\":\"noop\",\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\","
     "\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
     "/tags/16"},
    {"{\"task\":\"noop\",\"tags\":[\"a\",\"" E32 "a\"]}", "/tags/1"},
    {"{\"task\":\"noop\",\"concurrency_key\":\"" E32 "a\"}", "/concurrency_key"},
    {"{\"task\":\"noop\",\"concurrency_key\":\"\"}", "/concurrency_key"},
    {"{\"task\":\"noop\",\"concurrency_key\":7}", "/concurrency_key"},
    {"{\"task\":\"noop\",\"callback_url\":7}", "/callback_url"},
    {"{\"task\":\"noop\",\"callback_url\":\"ftp://a/\"}", "/callback_url"},
    {"{\"task\":\"noop\",\"depends_on\":" ID "}", "/depends_on"},
    {"{\"task\":\"noop\",\"depends_on\":[7]}", "/depends_on/0"},
    {"{\"task\":\"noop\",\"depends_on\":[\"x\"]}", "/depends_on/0"},
    {"{\"task\":\"noop\",\"depends_on\":[" ID "," ID "]}", "/depends_on/1"},
    {"{\"task\":\"noop\",\"on_dependency_failure\":1}", "/on_dependency_failure"},
    {"{\"task\":\"noop\",\"on_dependency_failure\":\"wait\"}", "/on_dependency_failure"},
    {"{\"task\":\"noop\",\"ref\":\"a\"}", "/ref"},
    {"{\"task\":\"noop\",\"unique\":true}", "/unique"},
    {"{\"task\":\"noop\",\"unique\":{\"by\":\"name\"}}", "/unique/by"},
    {"{\"task\":\"noop\",\"unique\":{\"by\":\"key\"}}", "/unique/key"},
    {"{\"task\":\"noop\",\"unique\":{\"by\":\"task\",\"key\":\"a\"}}", "/unique/key"},
    {"{\"task\":\"noop\",\"unique\":{\"key\":\"\"}}", "/unique/key"},
    {"{\"task\":\"noop\",\"unique\":{\"while\":\"running\"}}", "/unique/while"},
    {"{\"task\":\"noop\",\"unique\":{\"period\":0}}", "/unique/period"},
    {"{\"task\":\"noop\",\"unique\":{\"period\":\"1\"}}", "/unique/period"},
    {"{\"task\":\"noop\",\"unique\":{\"on_conflict\":\"wait\"}}", "/unique/on_conflict"},
    {"{\"task\":\"noop\",\"unique\":{\"colour\":1}}", "/unique/colour"},
    {"{\"task\":\"noop\",\"run_at\":\"2030-01-01T00:00:00Z\",\"delay\":1}", "/delay"},
};

static const struct row batches[] = {
    {"{}", "/jobs"},
    {"{\"jobs\":{}}", "/jobs"},
    {"{\"jobs\":[],\"colour\":1}", "/colour"},
    {"{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"nobody\"}]}", "/jobs/1/task"},
    {"{\"jobs\":[{\"task\":\"noop\",\"colour\":1}]}", "/jobs/0/colour"},
    {"{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"noop\",\"run_at\":\"2030-01-01T00:00:00Z\","
     "\"delay\":1}]}",
     "/jobs/1/delay"},
    {"{\"jobs\":[{\"task\":\"noop\",\"ref\":\"\"}]}", "/jobs/0/ref"},
    {"{\"jobs\":[{\"task\":\"noop\",\"depends_on\":[\"a\"]}]}", "/jobs/0/depends_on/0"},
    {"{\"jobs\":[{\"task\":\"noop\",\"ref\":\"a\"},{\"task\":\"noop\",\"depends_on\":[\"a\",\"a\"]}"
     "]}",
     "/jobs/1/depends_on/1"},
    {"{\"jobs\":[{\"task\":\"noop\",\"ref\":\"a\"},{\"task\":\"noop\",\"ref\":\"b\"},"
     "{\"task\":\"noop\",\"depends_on\":[\"a\",\"b\"]},{\"task\":\"noop\",\"depends_on\":[\"a\"]}]"
     "}",
     "/jobs/3/depends_on"},
    {"{\"jobs\":[{\"task\":\"noop\",\"unique\":{\"on_conflict\":\"reject\"}}]}",
     "/jobs/0/unique/on_conflict"},
};

static const struct row leases[] = {
    {"{\"tasks\":\"far\"}", "/tasks"},
    {"{\"tasks\":[]}", "/tasks"},
    {"{\"tasks\":[7]}", "/tasks"},
    {"{\"tasks\":[\"nobody\"]}", "/tasks"},
    {"{\"tasks\":[\"noop\"]}", "/tasks"},
    {"{\"tasks\":[\"far\"],\"wait\":-1}", "/wait"},
    {"{\"tasks\":[\"far\"],\"wait\":\"1\"}", "/wait"},
    {"{\"tasks\":[\"far\"],\"wait\":1000000}", "/wait"},
    {"{\"tasks\":[\"far\"],\"duration\":0}", "/duration"},
    {"{\"tasks\":[\"far\"],\"duration\":1e9}", "/duration"},
    {"{\"tasks\":[\"far\"],\"max\":0}", "/max"},
    {"{\"tasks\":[\"far\"],\"max\":1.5}", "/max"},
    {"{\"tasks\":[\"far\"],\"max\":101}", "/max"},
    {"{\"tasks\":[\"far\"],\"max\":\"1\"}", "/max"},
    {"{\"tasks\":[\"far\"],\"worker\":\"\"}", "/worker"},
    {"{\"tasks\":[\"far\"],\"worker\":7}", "/worker"},
    {"{\"tasks\":[\"far\"],\"worker\":\"" E32 "a\"}", "/worker"},
    {"{\"tasks\":[\"far\"],\"worker\":\"a\\u0001\"}", "/worker"},
    {"{\"tasks\":[\"far\"],\"worker\":\"a\\u007f\"}", "/worker"},
    {"{\"tasks\":[\"far\"],\"colour\":1}", "/colour"},
};

#define JOB ",\"job\":{\"task\":\"noop\"}"
static const struct row schedules[] = {
    {"{}", "/name"},
    {"{\"name\":\"a\"" JOB "}", "/cron"},
    {"{\"name\":\"a\",\"cron\":\"@daily\"}", "/job"},
    {"{\"name\":7,\"cron\":\"@daily\"" JOB "}", "/name"},
    {"{\"name\":\"A b\",\"cron\":\"@daily\"" JOB "}", "/name"},
    {"{\"name\":\"a\",\"cron\":7" JOB "}", "/cron"},
    {"{\"name\":\"a\",\"cron\":\"61 * * * *\"" JOB "}", "/cron"},
    {"{\"name\":\"a\",\"cron\":\"0 0 30 2 *\"" JOB "}", "/cron"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"time_zone\":\"\"" JOB "}", "/time_zone"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"time_zone\":7" JOB "}", "/time_zone"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"time_zone\":\"Nowhere/City\"" JOB "}", "/time_zone"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"time_zone\":\"../../etc/passwd\"" JOB "}",
     "/time_zone"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"overlap\":7" JOB "}", "/overlap"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"overlap\":\"maybe\"" JOB "}", "/overlap"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"missed\":7" JOB "}", "/missed"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"missed\":\"all\"" JOB "}", "/missed"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"paused\":1" JOB "}", "/paused"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":[]}", "/job"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{}}", "/job/task"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"nobody\"}}", "/job/task"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\",\"priority\":1000}}",
     "/job/priority"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\",\"delay\":1}}", "/job"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\",\"run_at\":\"2030-01-01T00:00:"
     "00Z\"}}",
     "/job"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\",\"unique\":{}}}", "/job"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"job\":{\"task\":\"noop\",\"depends_on\":[" ID "]}}",
     "/job"},
    {"{\"name\":\"a\",\"cron\":\"@daily\",\"colour\":1" JOB "}", "/colour"},
};

START_TEST(fields)
{
    struct server *s = server_new(conf, NULL);
    ALL_REFUSED(s, "/v1/jobs", jobs);
    ALL_REFUSED(s, "/v1/jobs/batch", batches);
    ALL_REFUSED(s, "/v1/leases", leases);
    ALL_REFUSED(s, "/v1/schedules", schedules);
    struct answer *a = get(s, "/v1/schedules", 200);
    ck_assert_uint_eq(json_array_size(jget(a->json, "schedules")), 0);
    answer_free(a);
    server_free(s);
}
END_TEST

/* What a job depends on, where nobody knows it: named in each way that it can be said. */
START_TEST(unknown_dependencies)
{
    static const char *const lines[] = {"Content-Type: application/x-ndjson", NULL};
    static const char body[] = "{\"task\":\"noop\",\"depends_on\":[" ID "]}", bare[] = ID;
    static const char three[] = "{\"jobs\":[{\"task\":\"noop\",\"ref\":\"a\"},{\"task\":\"noop\"},"
                                "{\"task\":\"noop\",\"depends_on\":[" ID ",\"a\"]}]}";
    static const char second[] =
        "\n{\"task\":\"noop\"}\n{\"task\":\"noop\",\"depends_on\":[" ID "]}\n";
    char raw[120], validated[160];
    struct server *s = server_new(conf, NULL);
    snprintf(raw, sizeof(raw), "/v1/tasks/echo/jobs?depends_on=%.36s", bare + 1);
    snprintf(validated, sizeof(validated), "%s&validate_only=true", raw);
    refused(s, "POST", "/v1/jobs", body, NULL, "/depends_on/0");
    refused(s, "POST", "/v1/jobs?validate_only=true", body, NULL, "/depends_on/0");
    refused(s, "POST", raw, "1", NULL, "depends_on");
    refused(s, "POST", validated, "1", NULL, "depends_on");
    refused(s, "POST", "/v1/jobs/batch", three, NULL, "/jobs/2/depends_on/0");
    refused(s, "POST", "/v1/jobs/batch?validate_only=true", three, NULL, "/jobs/2/depends_on/0");
    refused(s, "POST", "/v1/jobs/batch?validate_only=true", second, lines, "validate_only");
    answer_free(post(s, "/v1/jobs/batch?validate_only=true",
                     "{\"jobs\":[{\"task\":\"noop\",\"ref\":\"a\"},"
                     "{\"task\":\"noop\",\"depends_on\":[\"a\"]}]}",
                     204));
    ck_assert_int_eq(jobs_kept(s), 0);
    refused(s, "POST", "/v1/jobs/batch", second, lines, "/depends_on/0");
    server_free(s);
}
END_TEST

/* A later job that is right leaves what is said of it. */
START_TEST(with_a_key_it_is_told_where)
{
    static const char *const key[] = {"Idempotency-Key: k", NULL};
    struct server *s = server_new(conf, NULL);
    refused(s, "POST", "/v1/jobs/batch",
            "{\"jobs\":[{\"task\":\"primes\",\"input\":{\"limit\":1}},"
            "{\"task\":\"primes\",\"input\":{\"limit\":-1}},"
            "{\"task\":\"primes\",\"input\":{\"limit\":1}}]}",
            key, "/jobs/1/input/limit");
    server_free(s);
}
END_TEST

START_TEST(limits_are_told)
{
    char body[400], *cron = calloc(1, 300);
    struct server *s = server_new(conf, NULL);
    memset(cron, '1', 257);
    snprintf(body, sizeof(body), "{\"name\":\"a\",\"cron\":\"%s\"" JOB "}", cron);
    struct answer *a = post(s, "/v1/schedules", body, 400);
    ck_assert_str_eq(jstr(a->json, "errors.0.limit"), "a text of at most 256 bytes");
    answer_free(a);
    free(cron);
    server_free(s);
}
END_TEST

START_TEST(parameters)
{
    static const struct {
        const char *path, *name;
    } lists[] = {
        {"/v1/jobs?state=done", "state"},
        {"/v1/jobs?state=failed&state=queued", "state"},
        {"/v1/jobs?limit=0", "limit"},
        {"/v1/jobs?limit=1001", "limit"},
        {"/v1/jobs?limit=1.0", "limit"},
        {"/v1/jobs?limit=x", "limit"},
        {"/v1/jobs?task=A%20b", "task"},
        {"/v1/jobs?tag=", "tag"},
        {"/v1/jobs?tag=%C3", "tag"},
        {"/v1/jobs?tag=" IN_URL IN_URL IN_URL IN_URL "a", "tag"},
        {"/v1/jobs?text=a%ED%A0%80", "text"},
        {"/v1/jobs?group=x", "group"},
        {"/v1/jobs?group=01a206c9-3464-7000-93c5-f3a31ec3a416&tag=a", "group"},
        {"/v1/jobs?created_after=now", "created_after"},
        {"/v1/jobs?created_before=1960-13-01T00:00:00Z", "created_before"},
        {"/v1/jobs?text=", "text"},
        {"/v1/jobs?cursor=x", "cursor"},
        {"/v1/jobs?cursor=AAAAAAAAAAAAAAAAAAAAA_", "cursor"},
        {"/v1/jobs?cursor=AAAAAAAAAAAAAAAAAAAA%2A%2A", "cursor"},
        {"/v1/jobs?colour=1", "colour"},
        {"/v1/schedules?limit=0", "limit"},
        {"/v1/schedules?cursor=A", "cursor"},
        {"/v1/schedules?cursor=", "cursor"},
        {"/v1/jobs?ids=x", "ids"},
        {"/v1/jobs?ids=01a206c9-3464-7000-93c5-f3a31ec3a416&wait=x", "wait"},
        {"/v1/jobs?ids=01a206c9-3464-7000-93c5-f3a31ec3a416&state=queued", "state"},
        {"/v1/jobs/01a206c9-3464-7000-93c5-f3a31ec3a416?wait=-1", "wait"},
        {"/v1/jobs/01a206c9-3464-7000-93c5-f3a31ec3a416?colour=1", "colour"},
        {"/v1/groups/01a206c9-3464-7000-93c5-f3a31ec3a416?wait=x", "wait"},
        {"/v1/groups/01a206c9-3464-7000-93c5-f3a31ec3a416?colour=1", "colour"},
    };
    static const struct {
        const char *query, *name;
    } raw[] = {
        {"priority=1000", "priority"},
        {"priority=x", "priority"},
        {"delay=-1", "delay"},
        {"run_at=soon", "run_at"},
        {"run_at=2030-01-01T00:00:00Z&delay=1", "delay"},
        {"timeout=0", "timeout"},
        {"max_attempts=0", "max_attempts"},
        {"expires_at=x", "expires_at"},
        {"tag=", "tag"},
        {"tag=a&tag=%FF", "tag"},
        {"concurrency_key=%FF", "concurrency_key"},
        {"depends_on=x", "depends_on"},
        {"on_dependency_failure=x", "on_dependency_failure"},
        {"callback_url=x", "callback_url"},
        {"concurrency_key=", "concurrency_key"},
        {"wait=x", "wait"},
    };
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        refused(s, "GET", lists[i].path, NULL, NULL, lists[i].name);
    for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/v1/tasks/echo/jobs?%s", raw[i].query);
        refused(s, "POST", path, "1", NULL, raw[i].name);
    }
    server_free(s);
}
END_TEST

START_TEST(words_of_remote_workers)
{
    static const struct {
        const char *word, *body, *name;
    } rows[] = {
        {"heartbeat", "{\"progress\":1}", "/progress"},
        {"heartbeat", "{\"progress\":{\"fraction\":2}}", "/progress"},
        {"heartbeat", "{\"progress\":{\"fraction\":-1}}", "/progress"},
        {"heartbeat", "{\"progress\":{\"fraction\":\"1\"}}", "/progress"},
        {"heartbeat", "{\"progress\":{\"message\":1}}", "/progress"},
        {"heartbeat", "{\"progress\":{\"colour\":1}}", "/progress"},
        {"heartbeat", "{\"duration\":0}", "/duration"},
        {"heartbeat", "{\"colour\":1}", "/colour"},
        {"complete", "{\"colour\":1}", "/colour"},
        {"complete", "{\"result\":1,\"colour\":1}", "/colour"},
        {"fail", "{}", "/error"},
        {"fail", "{\"error\":1}", "/error"},
        {"fail", "{\"error\":{\"code\":\"\"}}", "/error"},
        {"fail", "{\"error\":{\"code\":\"A\"}}", "/error"},
        {"fail", "{\"error\":{\"code\":1}}", "/error"},
        {"fail", "{\"error\":{\"code\":\"a\",\"message\":1}}", "/error"},
        {"fail", "{\"error\":{\"code\":\"a\",\"permanent\":1}}", "/error"},
        {"fail", "{\"error\":{\"code\":\"a\",\"colour\":1}}", "/error"},
        {"fail", "{\"error\":{\"code\":\"a\"},\"colour\":1}", "/error"},
    };
    const char *const text[] = {"Content-Type: text", NULL};
    const char *const plain[] = {"Content-Type: text/plain", NULL};
    struct server *s = server_new(conf, NULL);
    char path[96], *job;
    submit(s, "{\"task\":\"far\"}");
    char *lease = take_lease(
        s, "{\"tasks\":[\"far\",\"other\",\"far\"],\"max\":100,\"wait\":10,\"worker\":\"w\"}",
        &job);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(path, sizeof(path), "/v1/leases/%s/%s", lease, rows[i].word);
        refused(s, "POST", path, rows[i].body, NULL, rows[i].name);
    }
    ck_assert_int_eq(end_lease(s, lease, "heartbeat",
                               "{\"progress\":{\"fraction\":0.5,\"message\":\"half\"},"
                               "\"duration\":60,\"checkpoint\":[1]}"),
                     200);
    snprintf(path, sizeof(path), "/v1/jobs/%s", job);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "progress.message"), "half");
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/leases/%s/complete", lease);
    refused(s, "POST", path, "word", text, "Content-Type");
    a = http(s, "POST", path, "just words", plain);
    ck_assert_int_eq(a->status, 200);
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", job);
    a = get(s, path, 200);
    ck_assert_str_eq(a->body, "just words");
    answer_free(a);
    ck_assert_int_eq(end_lease(s, lease, "complete", "{\"result\":1}"), 409); /* it was used */
    ck_assert_int_eq(end_lease(s, "none", "complete", "{\"result\":1}"), 409);
    free(lease);
    free(job);
    server_free(s);
}
END_TEST

/* What is taken is shown as it was given. */
START_TEST(borders)
{
    static const struct {
        const char *fields, *shown, *want;
    } rows[] = {
        {"\"priority\":100", "priority", "100"},
        {"\"priority\":-100", "priority", "-100"},
        {"\"priority\":1e1", "priority", "10"},
        {"\"max_attempts\":1000", "max_attempts", "1000"},
        {"\"timeout\":0.001", "timeout", "0.001"},
        {"\"timeout\":315360000", "timeout", "315360000"},
        {"\"backoff\":{\"kind\":\"fixed\",\"delay\":0}", "backoff",
         "{\"kind\":\"fixed\",\"delay\":0}"},
        {"\"backoff\":{\"kind\":\"exponential\",\"delay\":1.5}", "backoff.max", "3600"},
        {"\"backoff\":{\"kind\":\"exponential\",\"delay\":1,\"max\":7}", "backoff.max", "7"},
        {"\"backoff\":{\"kind\":\"list\",\"delays\":[1,2.5,0]}", "backoff.delays", "[1,2.5,0]"},
        {"\"tags\":[\"a\",\"\\u00fc\"]", "tags", "[\"a\",\"ü\"]"},
        {"\"tags\":[\"" E32 "\"]", "tags", "[\"" E32 "\"]"},
        {"\"concurrency_key\":\"k\"", "concurrency_key", "\"k\""},
        {"\"concurrency_key\":\"" E32 "\"", "concurrency_key", "\"" E32 "\""},
    };
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[256];
        snprintf(body, sizeof(body), "{\"task\":\"noop\",\"delay\":60,%s}", rows[i].fields);
        struct answer *a = post(s, "/v1/jobs", body, 202);
        char *shown = json_dumps(jget(a->json, rows[i].shown), JSON_COMPACT | JSON_ENCODE_ANY);
        ck_assert_msg(shown && !strcmp(shown, rows[i].want), "%s: %s, not %s", rows[i].fields,
                      shown ? shown : a->body, rows[i].want);
        free(shown);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

/* Whatever lies in the past is now, and none is too far away to expire by then. */
START_TEST(times_of_any_year)
{
    static const char *const past[] = {"2020-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
                                       "1969-12-31T23:59:59.9Z", "0000-01-01T00:00:00Z"};
    static const struct {
        const char *given, *shown;
    } far[] = {
        {"2037-01-01T00:00:00Z", "2037-01-01T00:00:00.000Z"},
        {"2999-01-01T00:00:00.5Z", "2999-01-01T00:00:00.500Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"},
        {"9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999Z"}, /* a time has four digits */
    };
    struct server *s = server_new(conf, NULL);
    char body[200], url[200];
    for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++) {
        snprintf(body, sizeof(body), "{\"task\":\"noop\",\"run_at\":\"%s\"}", past[i]);
        struct answer *a = run_job(s, body);
        ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
        answer_free(a);
        snprintf(url, sizeof(url), "/v1/jobs?created_after=%s", past[i]);
        a = get(s, url, 200);
        ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), i + 1);
        answer_free(a);
        snprintf(url, sizeof(url), "/v1/jobs?created_before=%s", past[i]);
        a = get(s, url, 200);
        ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 0);
        answer_free(a);
    }
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        snprintf(body, sizeof(body), "{\"task\":\"far\",\"expires_at\":\"%s\"}", far[i].given);
        struct answer *a = post(s, "/v1/jobs", body, 202);
        ck_assert_str_eq(jstr(a->json, "expires_at"), far[i].shown);
        answer_free(a);
        snprintf(url, sizeof(url), "/v1/tasks/echo/jobs?wait=60&expires_at=%s", far[i].given);
        a = post(s, url, "1", 200);
        ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
        answer_free(a);
    }
    server_kill9(s);
    server_restart(s);
    ck_assert_int_eq(stat_of(s, "jobs.queued"), 4);
    snprintf(body, sizeof(body), "{\"task\":\"far\",\"expires_at\":\"%s\",\"delay\":0.1}",
             far[2].given);
    submit(s, body); /* those that are due are seen to as ever */
    eventually(stat_of(s, "jobs.queued") == 5, LONG_MS);
    server_free(s);
}
END_TEST

/* What is said: what is allowed, and what came, as it came. */
START_TEST(sentences)
{
    static const struct {
        const char *method, *path, *body, *detail;
    } rows[] = {
        {"POST", "/v1/jobs", "", "the body is empty"},
        {"POST", "/v1/jobs", "[{\"task\":\"noop\"}]",
         "the body must be an object, not an array; many jobs at once go to /v1/jobs/batch, as "
         "{\"jobs\":[…]}"},
        {"POST", "/v1/jobs/batch", "[{\"task\":\"noop\"}]",
         "the body must be an object with `jobs`"},
        {"POST", "/v1/jobs", "7", "the body must be an object"},
        {"POST", "/v1/leases", " []", "the body must be an object, not an array"},
        {"POST", "/v1/schedules", "[]", "the body must be an object, not an array"},
        {"POST", "/v1/leases/0193588a-0000-7000-8000-000000000000/heartbeat", "[]",
         "the body must be an object, not an array"},
        {"POST", "/v1/leases/0193588a-0000-7000-8000-000000000000/complete", "[]",
         "the body must be an object, not an array"},
        {"POST", "/v1/leases/0193588a-0000-7000-8000-000000000000/fail", "[]",
         "the body must be an object, not an array"},
        {"POST", "/v1/jobs/batch", "{\"jobs\":[7]}",
         "the field `jobs/0` must be an object, not `7`"},
        {"POST", "/v1/tasks/echo/pause", "{\"wait\":1}",
         "this address takes no body, but an empty `{}`"},
        {"GET", "/v1/tasks", "{}", "this address takes no body"},
        {"POST", "/v1/jobs", "{}", "the field `task` is missing: the name of a task"},
        {"POST", "/v1/jobs", "{\"task\":null}",
         "the field `task` must be the name of a task, not `null`"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"priority\":\"5\"}",
         "the field `priority` must be a whole number from -100 to 100, not the text `\"5\"`"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"priority\":101}",
         "the field `priority` must be a whole number from -100 to 100, not `101`"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"tags\":[\"" E32 "a\"]}",
         "the field `tags/0` must be a text of 1 to 64 bytes without control characters, not `" E32
         "a`"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"tags\":{}}",
         "the field `tags` must be an array of texts, not `{…}`"},
        {"POST", "/v1/jobs",
         "{\"task\":\"noop\",\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
         "\"10\","
         "\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
         "`tags` may have at most 16"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"unique\":{\"colour\":1}}",
         "the field `unique/colour` is not known; known are: by, key, while, period, on_conflict"},
        {"POST", "/v1/jobs/batch", "{\"jobs\":[],\"tags\":[]}",
         "the field `tags` is not known; known are: jobs, callback_url"},
        {"POST", "/v1/jobs/batch",
         "{\"jobs\":[{\"task\":\"noop\",\"ref\":\"a\"},{\"task\":\"noop\",\"ref\":\"a\"}]}",
         "`jobs/1/ref`: an earlier job of the batch has the `ref` `a` already"},
        {"POST", "/v1/jobs", "{\"task\":\"noop\",\"depends_on\":[" ID "]}",
         "`depends_on/0`: there is no job or group `01a206c9-3464-7000-93c5-f3a31ec3a416`, or it "
         "was forgotten"},
        {"POST", "/v1/leases", "{\"tasks\":[\"far\"],\"max\":\"1\"}",
         "the field `max` must be a whole number from 1 to 100, or 0 with `ended`, not the text "
         "`\"1\"`"},
        {"POST", "/v1/leases", "{\"tasks\":[\"far\"],\"x\":1}",
         "the field `x` is not known; known are: tasks, wait, duration, max, worker, ended"},
        {"POST", "/v1/schedules", "{\"name\":\"-a\"}",
         "the field `name` must be 1 to 64 of a-z 0-9 _ . -, the first a letter or digit, not "
         "`-a`"},
        {"POST", "/v1/schedules", "{\"x\":1}",
         "the field `x` is not known; known are: name, cron, time_zone, overlap, missed, paused, "
         "job"},
        {"POST", "/v1/schedules", "{\"name\":\"a\",\"cron\":null}",
         "the field `cron` must be a text of at most 256 bytes, not `null`"},
        {"POST", "/v1/schedules", "{\"name\":\"a\"}",
         "the field `cron` is missing: when it runs, such as `30 3 * * *`"},
        {"GET", "/v1/jobs?state=done", NULL,
         "the query parameter `state` must be scheduled, queued, running, succeeded, failed, "
         "cancelled or expired, or several with commas between them, not `done`"},
        {"GET", "/v1/jobs?wait=1", NULL,
         "the query parameter `wait` must be given together with `ids` only"},
        {"GET", "/v1/jobs?ids=01a206c9-3464-7000-93c5-f3a31ec3a416&limit=5", NULL,
         "the query parameter `limit` must be left out where `ids` is given"},
        {"GET", "/v1/groups/01a206c9-3464-7000-93c5-f3a31ec3a416?colour=1", NULL,
         "the query parameter `colour` is not known here; known are: wait"},
        {"GET", "/v1/pools?colour=1", NULL,
         "the query parameter `colour` is not known here, nor is any other"},
        {"POST", "/v1/jobs/delete", NULL,
         "the query parameter `state` must be given (succeeded, failed, cancelled or expired), or "
         "`ids`"},
        {"POST", "/v1/jobs/cancel?state=queued,failed", NULL,
         "the query parameter `state` must be scheduled, queued or running, not `failed`"},
        {"POST", "/v1/jobs/cancel?ids=01a206c9-3464-7000-93c5-f3a31ec3a416&tag=a", NULL,
         "the query parameter `tag` must be left out where `ids` is given"},
        {"POST", "/v1/jobs/delete?state=running", NULL,
         "the query parameter `state` must be failed, cancelled, expired or succeeded, not "
         "`running`"},
    };
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer *a = http(s, rows[i].method, rows[i].path, rows[i].body, NULL);
        ck_assert_int_eq(a->status / 100, 4);
        ck_assert_str_eq(jstr(a->json, "detail"), rows[i].detail);
        answer_free(a);
    }
    struct answer *a = post(s, "/v1/jobs", "{\"task\":\"\"}", 422);
    ck_assert_ptr_null(strstr(a->body, "did you mean"));
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(bodies)
{
    static const char *const packed[] = {"Content-Encoding: gzip", NULL};
    static const char *const plain[] = {"Content-Encoding: identity", NULL};
    static const char *const paths[] = {"/v1/jobs", "/v1/jobs/batch", "/v1/tasks/echo/jobs",
                                        "/v1/leases", "/v1/schedules"};
    static const char *const nothing[] = {"{}", "", " { } \r\n", "\n"};
    char value[16];
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct answer *a = http(s, "POST", paths[i], "{\"task\":\"noop\"}", packed);
        ck_assert_int_eq(a->status, 415);
        ck_assert_str_eq(jstr(a->json, "code"), "unsupported_encoding");
        ck_assert(answer_header(a, "Accept-Encoding", value, sizeof(value)));
        answer_free(a);
    }
    struct answer *a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", plain);
    ck_assert_int_eq(a->status, 202);
    answer_free(a);
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        a = post(s, "/v1/tasks/echo/pause", nothing[i], 200);
        ck_assert(json_is_true(jget(a->json, "paused")));
        answer_free(a);
        answer_free(post(s, "/v1/tasks/echo/resume", nothing[i], 200));
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        fields,          unknown_dependencies, with_a_key_it_is_told_where,
        limits_are_told, parameters,           words_of_remote_workers,
        borders,         times_of_any_year,    sentences,
        bodies};
    return run_suite("refused", tests, sizeof(tests) / sizeof(tests[0]));
}
