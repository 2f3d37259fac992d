/* e2e_front.c - clients that cheat, dawdle, leave or hurt: none holds the service or another
 * client. */
#include "harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define POLLS 1000

static const char *const quick[] = {"--header-timeout",
                                    "0.5",
                                    "--body-timeout",
                                    "0.5",
                                    "--idle-timeout",
                                    "1",
                                    "--workers",
                                    "2",
                                    NULL};

/* A hidden second request that, if it ran, would leave a job behind. */
#define HIDDEN                                                                                     \
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n{\"task\":\"noop\"}"

START_TEST(no_request_hides_in_another)
{
    static const char *const vectors[] = {
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "5\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: "
        "90\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length : 0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        "18446744073709551616\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, "
        "identity\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : "
        "chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer_Encoding: chunked\r\n X: "
        "y\r\nContent-Length : 3\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n" HIDDEN,
        "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n" HIDDEN,
        "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" HIDDEN,
        "GET /health%00z HTTP/1.1\r\nHost: localhost\r\n\r\n" HIDDEN,
        "G\x01T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" HIDDEN,
    };
    struct server *s = server_new(NULL, quick);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        int fd = raw_open(s);
        raw_send(fd, vectors[i]);
        char *said = raw_read(fd, NULL, LONG_MS);
        ck_assert_msg(strncmp(said, "HTTP/1.1 2", 10) != 0, "vector %zu was answered: %s", i, said);
        free(said);
        close(fd);
        ck_assert_msg(jobs_kept(s) == 0, "vector %zu ran a hidden request", i);
    }
    server_free(s);
}
END_TEST

START_TEST(other_sites_change_nothing)
{
    static const char *const cross[] = {"Origin: http://evil.example", NULL};
    static const char *const fetched[] = {"Sec-Fetch-Site: cross-site", NULL};
    static const char *const rebound[] = {"Host: evil.example", NULL};
    struct server *s = server_new(NULL, quick);
    struct answer *a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", cross);
    ck_assert_int_eq(a->status, 403);
    answer_free(a);
    a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", fetched);
    ck_assert_int_eq(a->status, 403);
    ck_assert_str_eq(jstr(a->json, "detail"), "a page of another site asked for a change");
    answer_free(a);
    a = http(s, "GET", "/v1/jobs", NULL, rebound);
    ck_assert_int_eq(a->status, 421);
    answer_free(a);
    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

/* A byte now and then buys no time: these are cut while more comes. */
static void cut_though_it_goes_on(int head, int body)
{
    struct pollfd p[] = {{.fd = head, .events = POLLIN}, {.fd = body, .events = POLLIN}};
    for (int64_t until = now_ms() + LONG_MS; !p[0].revents || !p[1].revents;) {
        ck_assert_int_lt(now_ms(), until);
        raw_send(head, p[0].revents ? "" : "x");
        raw_send(body, p[1].revents ? "" : "x");
        ck_assert_int_ge(poll(p, 2, 0), 0);
        pause_ms(20);
    }
}

START_TEST(dawdlers_are_cut)
{
    static const char *const patient[] = {
        "--header-timeout", "2", "--body-timeout", "2", "--idle-timeout", "1", NULL};
    static const char head[] = "GET /healthz HTTP/1.1\r\nHo";
    static const char body[] =
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"ta";
    static const char whole[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char *const begins[] = {"", head, body, whole, head, body};
    int fd[6];
    struct server *s = server_new(NULL, patient);
    for (int i = 0; i < 6; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], begins[i]);
    }
    cut_though_it_goes_on(fd[4], fd[5]);
    ck_assert(raw_is_closed(fd[0], LONG_MS));
    for (int i = 1; i < 3; i++) {
        char *said = raw_read(fd[i], NULL, LONG_MS);
        ck_assert_msg(strncmp(said, "HTTP/1.1 408 ", 13) == 0, "%s", said);
        free(said);
        ck_assert(raw_is_closed(fd[i], LONG_MS));
    }
    ck_assert(raw_is_closed(fd[3], LONG_MS));
    for (int i = 0; i < 6; i++)
        close(fd[i]);
    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

/* As many as the service and this test may have descriptors for: main() has taken all it can get.
 */
static int polls_here(void)
{
    struct rlimit lim;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
    ck_assert_uint_gt(lim.rlim_cur, 400);
    return lim.rlim_cur < POLLS + 200 ? (int)lim.rlim_cur - 200 : POLLS;
}

START_TEST(many_long_polls_hold_no_thread_and_are_missed_when_they_leave)
{
    static int fd[POLLS];
    char id[64], request[256];
    int polls = polls_here();
    struct server *s = server_new(NULL, quick);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    snprintf(request, sizeof(request),
             "GET /v1/jobs/%s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    for (int i = 0; i < polls; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], request);
    }
    eventually(stat_of(s, "http.waiting") == polls, LONG_MS);
    for (int i = 0; i < 20; i++)
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < polls / 2; i++)
        close(fd[i]);
    eventually(stat_of(s, "http.waiting") == polls / 2, LONG_MS);
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(post(s, path, NULL, 200));
    for (int i = polls / 2; i < polls; i++) {
        char *said = raw_read(fd[i], "\"cancelled\"", LONG_MS);
        ck_assert_msg(strstr(said, "\"cancelled\"") != NULL, "poll %d: %s", i, said);
        free(said);
        close(fd[i]);
    }
    eventually(stat_of(s, "http.waiting") == 0, LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(large_bodies_are_refused_unread)
{
    struct server *s = server_new(NULL, quick);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    char *said = raw_read(fd, NULL, LONG_MS);
    ck_assert_msg(strstr(said, " 413 ") != NULL, "%s", said);
    free(said);
    close(fd);
    /* chunked: the size shows only as it comes */
    fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    char *chunk = malloc(65536 + 32);
    ck_assert_ptr_nonnull(chunk);
    int n = sprintf(chunk, "10000\r\n");
    memset(chunk + n, 'x', 65536);
    strcpy(chunk + n + 65536, "\r\n");
    for (int i = 0; i < 40; i++)
        raw_send(fd, chunk);
    raw_send(fd, "0\r\n\r\n");
    said = raw_read(fd, NULL, LONG_MS);
    ck_assert_msg(strstr(said, " 413 ") != NULL, "%s", said);
    free(said);
    free(chunk);
    close(fd);
    ck_assert_int_eq(jobs_kept(s), 0);
    answer_free(get(s, "/healthz", 200));
    server_free(s);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    struct server *s = server_new(NULL, quick);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                 "15\r\n\r\n{\"task\":\"noop\"}"
                 "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                 "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    char *said = raw_read(fd, NULL, LONG_MS);
    char *first = strstr(said, "\"succeeded\""), *second = strstr(said, "\"ok\""),
         *third = strstr(said, " 404 ");
    ck_assert_msg(first && second && third && first < second && second < third, "%s", said);
    free(said);
    close(fd);
    server_free(s);
}
END_TEST

/* ---- JSON that is meant to hurt ---- */

static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
    size_t h = strlen(head), p = strlen(part), t = strlen(tail);
    char *text = malloc(h + n * p + t + 1), *at = text;
    ck_assert_ptr_nonnull(text);
    at = (char *)memcpy(at, head, h) + h;
    for (size_t i = 0; i < n; i++)
        at = (char *)memcpy(at, part, p) + p;
    memcpy(at, tail, t + 1);
    return text;
}

/* Many members with names that differ. */
static char *many_names(size_t n)
{
    char *text = malloc(n * 16 + 64);
    ck_assert_ptr_nonnull(text);
    char *at = text + sprintf(text, "{\"task\":\"noop\",\"input\":{");
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s\"k%zu\":0", i ? "," : "", i);
    strcpy(at, "}}");
    return text;
}

/* The CPU time of the service so far, whatever else the machine does meanwhile. */
static double cpu_seconds(struct server *s)
{
    clockid_t clock;
    struct timespec t;
    ck_assert_int_eq(clock_getcpuclockid(s->pid, &clock), 0);
    ck_assert_int_eq(clock_gettime(clock, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void throw_bomb(struct server *s, char *body, int want)
{
    double before = cpu_seconds(s);
    struct answer *a = http(s, "POST", "/v1/jobs", body, NULL);
    ck_assert_msg(a->status == want, "%.60s…: %d, not %d: %.300s", body, a->status, want, a->body);
    double took = cpu_seconds(s) - before;
    ck_assert_msg(SANITIZED || took < 2, "%.60s… took %g s of CPU", body, took);
    answer_free(a);
    answer_free(get(s, "/healthz", 200));
    free(body);
}

START_TEST(json_bombs_cost_little)
{
#define IN "{\"task\":\"noop\",\"input\":"
    struct server *s = server_new(NULL, quick);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    long before = memory_peak_kib(s->pid);
    throw_bomb(s, repeat("", "[", 1000000, ""), 400);
    throw_bomb(s, repeat(IN, "[", 400000, ""), 400);
    throw_bomb(s, repeat(IN, "{\"a\":", 150000, ""), 400);
    throw_bomb(s, repeat("{\"task\":\"noop\",\"tags\":[\"\"", ",[[[[[[]]]]]]", 60000, "]}"), 400);
    throw_bomb(s, repeat("{\"tags\":[\"a\"", ",\"a\"", 200000, "]}"), 400);
    throw_bomb(s, repeat("{\"task\":\"noop\"", ",\"x\":1", 100000, "}"), 400);
    throw_bomb(s, repeat("{\"task\":\"noop\",\"priority\":1", "0", 500000, "}"), 400);
    throw_bomb(s, repeat("{\"task\":\"", "\\u0041", 150000, "\"}"), 422);
    throw_bomb(s, repeat(IN "\"", "\\ud83d", 100000, "\"}"), 400);
    throw_bomb(s, repeat(IN "\"", "\xc3", 100000, "\"}"), 400);
    throw_bomb(s, repeat(IN, " ", 2000000, "0}"), 413);
    throw_bomb(s, repeat(IN "1", "0", 500000, "}"), 400); /* no number that a reader could hold */
    /* valid, and the task's own matter: kept as bytes */
    throw_bomb(s, repeat(IN "[0", ",{}", 300000, "]}"), 202);
    throw_bomb(s, many_names(60000), 202);
    if (!SANITIZED)
        ck_assert_int_lt(memory_peak_kib(s->pid) - before, 128 * 1024);
    server_free(s);
}
END_TEST

/* The library has so much memory for a head and its answer's; no size ends in silence. */
START_TEST(a_head_of_any_size_is_answered)
{
#define REST " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    static const char *const kinds[][3] = {
        {"GET /healthz" REST "Cookie: ", "x", "\r\n\r\n"},
        {"GET /healthz" REST "Cookie: ", "a=b; ", "\r\n\r\n"},
        {"GET /healthz" REST "X-A: ", "x", "\r\n\r\n"},
        {"GET /healthz" REST, "X-A: 1234567890123456789012345678901234567890\r\n", "\r\n"},
        {"GET /healthz?", "a&", REST "\r\n"},
        {"GET /healthz?", "a", REST "\r\n"},
        {"G\x01T /healthz" REST "X-A: ", "x", "\r\n\r\n"},
    };
    struct server *s = server_new(NULL, quick);
    unsigned refused = 0;
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        for (size_t size = 100; size < 15800; size += 97) {
            char *head = repeat(kinds[kind][0], kinds[kind][1], size / strlen(kinds[kind][1]),
                                kinds[kind][2]);
            int fd = raw_open(s);
            raw_send(fd, head);
            char *said = raw_read(fd, "\r\n\r\n", LONG_MS);
            bool known =
                strncmp(said, "HTTP/1.1 200", 12) == 0 || strncmp(said, "HTTP/1.1 4", 10) == 0;
            ck_assert_msg(known, "kind %zu, %zu bytes: `%s`", kind, size, said);
            refused += strstr(said, "application/problem+json") != NULL;
            free(said);
            free(head);
            close(fd);
        }
    }
    ck_assert_uint_gt(refused, 0);
    server_free(s);
}
END_TEST

static void send_head(const char *head_memory, char *header, int want)
{
    const char *const flags[] = {"--head-memory", head_memory, NULL};
    struct server *s = server_new(NULL, flags);
    struct answer *a = http(s, "GET", "/v1/jobs", NULL, (const char *[]){header, NULL});
    ck_assert_int_eq(a->status, want);
    if (want != 200) {
        ck_assert_ptr_nonnull(strstr(a->body, "\"head_too_large\""));
        ck_assert_ptr_nonnull(strstr(a->body, "head_memory"));
    }
    answer_free(a);
    server_free(s);
    free(header);
}

START_TEST(a_head_may_be_as_large_as_is_set)
{
    send_head("16KiB", repeat("X-A: ", "x", 15400, ""), 431);
    send_head("17KiB", repeat("X-A: ", "x", 15400, ""), 200);
    send_head("32KiB", repeat("Cookie: a=", "x", 14000, ""), 200); /* takes twice its size */
    send_head("1MiB", repeat("Cookie: a=", "x", 400000, ""), 200);
}
END_TEST

int main(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    const TTest *const tests[] = {
        no_request_hides_in_another,
        a_head_of_any_size_is_answered,
        a_head_may_be_as_large_as_is_set,
        other_sites_change_nothing,
        dawdlers_are_cut,
        many_long_polls_hold_no_thread_and_are_missed_when_they_leave,
        large_bodies_are_refused_unread,
        pipelined_requests_are_answered_in_order,
        json_bombs_cost_little,
    };
    return run_suite("front", tests, sizeof(tests) / sizeof(tests[0]));
}
