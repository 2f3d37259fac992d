/*
 * e2e_caps.c - how much clients may take: connections, waits, requests a second, and memory: of
 * what they do not read, and of what is parsed.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

START_TEST(a_batch_takes_what_is_parsed_of_it)
{
    struct server *s = server_new("[server]\nbody_memory = 4MiB\n", NULL);
    char *body = malloc(1u << 20);
    ck_assert_ptr_nonnull(body);
    for (int costly = 0; costly < 2; costly++) {
        size_t at = (size_t)sprintf(body, "{\"jobs\":[");
        for (int i = 0; i < 4; i++) { /* each would take 4.8 MB as a tree */
            at += (size_t)sprintf(body + at, "%s{\"task\":\"echo\",\"%s\":[1", i ? "," : "",
                                  costly && i == 3 ? "inp\\u0075t" : "input");
            for (int k = 0; k < 50000; k++, at += 2)
                memcpy(body + at, ",1", 2);
            at += (size_t)sprintf(body + at, "]}");
        }
        strcpy(body + at, "]}");
        struct answer *a = http(s, "POST", "/v1/jobs/batch", body, NULL);
        ck_assert_msg(a->status == (costly ? 413 : 202), "%d: %.300s", a->status, a->body);
        ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), costly ? "/jobs/3" : "");
        answer_free(a);
    }
    free(body);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        too_many_who_wait_are_told,
        one_address_cannot_take_all_connections,
        more_connections_than_allowed_wait,
        all_connections_may_speak_at_once,
        who_asks_too_often_is_told_when_to_ask_again,
        probes_are_answered_when_the_service_is_full,
        a_client_that_does_not_read_is_cut,
        who_reads_slowly_keeps_nobody_from_submitting,
        a_batch_takes_what_is_parsed_of_it,
    };
    return run_suite("caps", tests, sizeof(tests) / sizeof(tests[0]));
}
