/* e2e_front.c - clients that cheat, dawdle, leave or flood: none holds the service or another
 * client. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static json_int_t jobs_kept(struct server *s)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t n = 0, v;
    const char *k;
    json_t *count;
    json_object_foreach(jget(a->json, "jobs"), k, count)
    {
        v = json_integer_value(count);
        n += v;
    }
    answer_free(a);
    return n;
}

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
        char *said = raw_read(fd, 4000);
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
    answer_free(a);
    a = http(s, "GET", "/v1/jobs", NULL, rebound);
    ck_assert_int_eq(a->status, 421);
    answer_free(a);
    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

static bool is_closed(int fd, int ms)
{
    int64_t until = now_ms() + ms;
    free(raw_read(fd, ms));
    return now_ms() < until;
}

START_TEST(dawdlers_are_cut)
{
    struct server *s = server_new(NULL, quick);
    int silent = raw_open(s), head = raw_open(s), body = raw_open(s), kept = raw_open(s);
    raw_send(head, "GET /healthz HTTP/1.1\r\nHo");
    raw_send(body,
             "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"ta");
    raw_send(kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    int64_t begin = now_ms();
    for (int i = 0; i < 30 && now_ms() - begin < 600; i++) { /* a byte now and then buys no time */
        raw_send(head, "x");
        raw_send(body, "x");
        pause_ms(20);
    }
    ck_assert(is_closed(silent, 5000));
    ck_assert(is_closed(head, 5000));
    ck_assert(is_closed(body, 5000));
    ck_assert(is_closed(kept, 5000));
    close(silent), close(head), close(body), close(kept);
    ck_assert_int_eq(jobs_kept(s), 0);
    server_free(s);
}
END_TEST

static json_int_t waiting(struct server *s)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t n = jint(a->json, "http.waiting");
    answer_free(a);
    return n;
}

START_TEST(many_long_polls_hold_no_thread_and_are_missed_when_they_leave)
{
    static int fd[POLLS];
    char id[64], request[256];
    struct server *s = server_new(NULL, quick);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    snprintf(request, sizeof(request),
             "GET /v1/jobs/%s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    for (int i = 0; i < POLLS; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], request);
    }
    eventually(waiting(s) == POLLS, LONG_MS);
    for (int i = 0; i < 20; i++)
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < POLLS / 2; i++)
        close(fd[i]);
    eventually(waiting(s) == POLLS / 2, LONG_MS);
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(post(s, path, NULL, 200));
    for (int i = POLLS / 2; i < POLLS; i++) {
        char *said = raw_read(fd[i], 1000); /* the connection stays open: what came is enough */
        ck_assert_msg(strstr(said, "\"cancelled\"") != NULL, "%s", said);
        free(said);
        close(fd[i]);
        if (i == POLLS / 2 + 3)
            break; /* each read waits its whole time */
    }
    for (int i = POLLS / 2 + 4; i < POLLS; i++)
        close(fd[i]);
    eventually(waiting(s) == 0, LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(too_many_who_wait_are_told)
{
    static const char *const flags[] = {"--max-waiting", "2", NULL};
    char id[64], request[256], path[128];
    struct server *s = server_new(NULL, flags);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    snprintf(request, sizeof(request),
             "GET /v1/jobs/%s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    int a = raw_open(s), b = raw_open(s);
    raw_send(a, request);
    raw_send(b, request);
    eventually(waiting(s) == 2, LONG_MS);
    snprintf(path, sizeof(path), "/v1/jobs/%s?wait=1", id);
    struct answer *no = get(s, path, 503);
    ck_assert_str_eq(jstr(no->json, "code"), "too_many_waiting");
    answer_free(no);
    close(a), close(b);
    server_free(s);
}
END_TEST

START_TEST(large_bodies_are_refused_unread)
{
    struct server *s = server_new(NULL, quick);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    char *said = raw_read(fd, 3000);
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
    said = raw_read(fd, 3000);
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
    raw_send(fd, "POST /v1/jobs?wait=5 HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                 "15\r\n\r\n{\"task\":\"noop\"}"
                 "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                 "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    char *said = raw_read(fd, 5000);
    char *first = strstr(said, "\"succeeded\""), *second = strstr(said, "\"ok\""),
         *third = strstr(said, " 404 ");
    ck_assert_msg(first && second && third && first < second && second < third, "%s", said);
    free(said);
    close(fd);
    server_free(s);
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
        other_sites_change_nothing,
        dawdlers_are_cut,
        many_long_polls_hold_no_thread_and_are_missed_when_they_leave,
        too_many_who_wait_are_told,
        large_bodies_are_refused_unread,
        pipelined_requests_are_answered_in_order,
    };
    return run_suite("front", tests, sizeof(tests) / sizeof(tests[0]));
}
