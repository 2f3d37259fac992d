/* e2e_front.c - clients that cheat, dawdle, leave or flood: none holds the service or another
 * client. */
#include "harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
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
    eventually(stat_of(s, "http.waiting") == 2, LONG_MS);
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

/* ---- caps ---- */

static bool is_served(int fd)
{
    raw_send(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    char *said = raw_read(fd, "\"ok\"", LONG_MS);
    bool ok = strstr(said, " 200 ") != NULL;
    free(said);
    return ok;
}

static bool a_new_one_is_served(struct server *s)
{
    int fd = raw_open(s);
    bool ok = is_served(fd);
    close(fd);
    return ok;
}

START_TEST(one_address_cannot_take_all_connections)
{
    static const char *const flags[] = {"--max-connections-per-ip", "8", NULL};
    int fd[8];
    struct server *s = server_new(NULL, flags);
    for (int i = 0; i < 8; i++) {
        fd[i] = raw_open(s);
        ck_assert(is_served(fd[i]));
    }
    ck_assert(!a_new_one_is_served(s));
    ck_assert(is_served(fd[7])); /* the others notice nothing */
    close(fd[0]);
    eventually(a_new_one_is_served(s), LONG_MS);
    for (int i = 1; i < 8; i++)
        close(fd[i]);
    eventually(a_new_one_is_served(s), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(more_connections_than_allowed_wait)
{
    static const char *const flags[] = {"--max-connections", "16", "--max-waiting", "8", NULL};
    int fd[64], served = 0;
    struct server *s = server_new(NULL, flags);
    for (int i = 0; i < 64; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    /* in the order of the accepted: a connection that is not served yet is when others have gone */
    for (int64_t until = now_ms() + LONG_MS; served < 64;) {
        ck_assert_msg(now_ms() < until, "%d served, the others not yet", served);
        for (int i = 0; i < 64; i++) {
            if (fd[i] < 0)
                continue;
            char *said = raw_read(fd[i], "\"ok\"", 20);
            bool ok = strstr(said, " 200 ") != NULL;
            free(said);
            if (!ok)
                continue;
            served++;
            close(fd[i]);
            fd[i] = -1;
        }
    }
    answer_free(get(s, "/healthz", 200));
    server_free(s);
}
END_TEST

/* The second listener's port is told in the log. */
static int admin_port(struct server *s)
{
    static const char told[] = "probes and figures on http://127.0.0.1:";
    char *log = NULL, *at = NULL;
    eventually((free(log), log = server_log(s), at = strstr(log, told)) != NULL, LONG_MS);
    int port = (int)strtol(at + strlen(told), NULL, 10);
    free(log);
    return port;
}

/* All of them speak while the service stands still, so that its only HTTP thread finds as many
 * events as it takes at a time: it must serve them, not wait for more. */
START_TEST(all_connections_may_speak_at_once)
{
    enum { AT_A_TIME = 128, LEAST = AT_A_TIME - 2, MOST = AT_A_TIME + 2 };
    const char *flags[] = {"--http-threads", "1", NULL};
    int fd[MOST], open = 0, status;
    struct server *s = server_new(NULL, flags);
    for (int many = LEAST; many <= MOST; many++) {
        for (; open < many; open++) {
            fd[open] = raw_open(s);
            raw_send(fd[open], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
            free(raw_read(fd[open], "ok\"}", LONG_MS));
        }
        ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
        ck_assert_int_eq(waitpid(s->pid, &status, WUNTRACED), s->pid);
        for (int i = 0; i < open; i++)
            raw_send(fd[i], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        ck_assert_int_eq(kill(s->pid, SIGCONT), 0);
        for (int i = 0; i < open; i++) {
            char *said = raw_read(fd[i], "ok\"}", LONG_MS);
            ck_assert_msg(strstr(said, "ok\"}") != NULL, "connection %d of %d: no answer", i, open);
            free(said);
        }
    }
    for (int i = 0; i < open; i++)
        close(fd[i]);
    server_free(s);
}
END_TEST

static bool is_refused(struct server *s)
{
    struct answer *a = http(s, "GET", "/v1/jobs", NULL, NULL);
    bool is = a->status == 429;
    answer_free(a);
    return is;
}

START_TEST(who_asks_too_often_is_told_when_to_ask_again)
{
    const char *flags[] = {"--client-rate", "1", "--client-burst", "5", NULL};
    struct server *s = server_new(NULL, flags);
    char after[40];
    int taken = 0, refused = 0;
    while (refused < 3) {
        struct answer *a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", NULL);
        if (a->status == 429) {
            refused++;
            ck_assert_str_eq(jstr(a->json, "code"), "rate_limited");
            ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), "at most 1 requests a second"));
            ck_assert(answer_header(a, "Retry-After", after, sizeof(after)));
            ck_assert_str_eq(after, "1");
            ck_assert(answer_header(a, "RateLimit-Policy", after, sizeof(after)));
            ck_assert_str_eq(after, "\"client\";q=5;w=5");
            ck_assert(answer_header(a, "RateLimit", after, sizeof(after)));
            ck_assert_str_eq(after, "\"client\";r=0;t=1");
        } else {
            ck_assert_int_eq(a->status, 202);
            taken++;
        }
        answer_free(a);
    }
    ck_assert_int_ge(taken, 5);
    for (int i = 0; i < 20; i++) { /* these are not counted */
        answer_free(get(s, "/healthz", 200));
        answer_free(get(s, "/metrics", 200));
    }
    eventually(is_refused(s), LONG_MS); /* a second may have passed, with one that is allowed */
    server_free(s);
}
END_TEST

START_TEST(probes_are_answered_when_the_service_is_full)
{
    enum { ROOM = 16 };
    const char *flags[] = {
        "--max-connections", "16", "--max-waiting", "8", "--http-threads", "1", "--admin-listen",
        "127.0.0.1:0",       NULL};
    int fd[ROOM];
    struct server *s = server_new(NULL, flags);
    struct server admin = *s;
    admin.port = admin_port(s);
    for (int i = 0; i < ROOM; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        char *said = raw_read(fd[i], "ok\"}", LONG_MS);
        ck_assert_ptr_nonnull(strstr(said, "200"));
        free(said);
    }
    int late = raw_open(s); /* the kernel takes it, the service does not */
    raw_send(late, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer_free(get(&admin, "/healthz", 200));
    answer_free(get(&admin, "/readyz", 200));
    struct answer *a = get(&admin, "/metrics", 200);
    ck_assert_ptr_nonnull(strstr(a->body, "jobmill_"));
    answer_free(a);
    char *said = raw_read(late, "ok\"}", 1); /* still not: it was full all the time */
    ck_assert_str_eq(said, "");
    free(said);
    /* nothing else is there */
    static const char *const others[] = {"/", "/v1/jobs", "/v1/stats", "/api.yaml", "/docs"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        answer_free(get(&admin, others[i], 404));
    answer_free(post(&admin, "/v1/jobs", "{\"task\":\"noop\"}", 404));
    close(late);
    for (int i = 0; i < ROOM; i++)
        close(fd[i]);
    server_free(s);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_cut)
{
    static const char *const flags[] = {"--workers", "2", "--write-timeout", "0.5", NULL};
    struct server *s = server_with_task("bad", "misbehave", "", flags);
    struct answer *job = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"large\"}}");
    char request[256];
    ck_assert_int_eq(jint(job->json, "result_size"), 5000000);
    snprintf(request, sizeof(request), "GET /v1/jobs/%s/result HTTP/1.1\r\nHost: localhost\r\n\r\n",
             jstr(job->json, "id"));
    answer_free(job);
    int fd = raw_open(s), small = 4096;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    for (int i = 0; i < 4; i++) /* more than the kernel holds for it */
        raw_send(fd, request);
    /* what the kernel still holds for it may take long to go through so small a window */
    eventually(stat_of(s, "http.cut") == 1, LONG_MS);
    close(fd);
    server_free(s);
}
END_TEST

/* Slow readers of large results have half of body_memory: what is submitted has the other. */
START_TEST(who_reads_slowly_keeps_nobody_from_submitting)
{
    static const char *const flags[] = {"--workers", "2", "--body-memory", "1MiB", NULL};
    struct server *s = server_with_task("bad", "misbehave", "", flags);
    struct answer *job = run_job(s, "{\"task\":\"bad\",\"input\":{\"do\":\"large\"}}");
    char request[256], path[128];
    int fd[2], small = 4096;
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(job->json, "id"));
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    answer_free(job);
    for (int i = 0; i < 2; i++) {
        fd[i] = raw_open(s);
        ck_assert_int_eq(setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        raw_send(fd[i], request);
        free(raw_read(fd[i], "\r\n\r\n", LONG_MS));
    }
    struct answer *a = get(s, path, 503);
    ck_assert_str_eq(jstr(a->json, "code"), "overloaded");
    answer_free(a);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    close(fd[0]);
    close(fd[1]);
    for (int64_t until = now_ms() + LONG_MS;;) {
        a = http(s, "GET", path, NULL, NULL);
        int status = a->status;
        ck_assert_msg(status == 200 || now_ms() < until, "%d", status);
        answer_free(a);
        if (status == 200)
            break;
        pause_ms(5);
    }
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
        one_address_cannot_take_all_connections,
        more_connections_than_allowed_wait,
        all_connections_may_speak_at_once,
        who_asks_too_often_is_told_when_to_ask_again,
        probes_are_answered_when_the_service_is_full,
        a_client_that_does_not_read_is_cut,
        who_reads_slowly_keeps_nobody_from_submitting,
        json_bombs_cost_little,
    };
    return run_suite("front", tests, sizeof(tests) / sizeof(tests[0]));
}
