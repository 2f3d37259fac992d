/*
 * e2e_held.c - clients whose submissions wait for a commit: those that leave at once, and those
 * that wait for longer than is short.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 200

static const char *const one[] = {"--workers", "2", "--http-threads", "1", NULL};
static const char *const two[] = {"--workers", "2", "--http-threads", "2", NULL};

static void send_job(int fd, const char *query, const char *body)
{
    char text[500];
    snprintf(text, sizeof(text),
             "POST /v1/jobs%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", query,
             strlen(body), body);
    raw_send(fd, text);
}

static bool nothing_waits(struct server *s)
{
    return stat_of(s, "http.waiting") == 0 && stat_of(s, "jobs.queued") == 0 &&
           stat_of(s, "jobs.running") == 0;
}

static void come_and_go(const char *const *flags)
{
    struct server *s = server_new(NULL, flags);
    static const char *const query[] = {"", "?wait=30", "?wait=0.001"};
    static const char *const body[] = {"{\"task\":\"noop\"}",
                                       "{\"task\":\"sleep\",\"input\":{\"seconds\":0.002}}"};
    int stays = raw_open(s);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = raw_open(s);
        send_job(fd, query[i % 3], body[i % 2]);
        raw_reset(fd);
        if (i % 10)
            continue;
        send_job(stays, "?wait=30", body[0]);
        char *said = raw_read(stays, "\"result\":", LONG_MS);
        ck_assert_msg(strstr(said, "\"succeeded\"") != NULL, "%s", said);
        free(said);
        close(stays);
        stays = raw_open(s);
    }
    close(stays);
    eventually(nothing_waits(s), LONG_MS);
    server_free(s); /* whose end waits for every request */
}

START_TEST(clients_that_leave_at_once_are_nobodys_trouble)
{
    come_and_go(one);
    come_and_go(two);
}
END_TEST

/* They are suspended after a while, all at the same time as others that are not. */
START_TEST(long_and_short_waits_are_told_apart)
{
    enum { LONG = 150 };
    int fd[LONG];
    struct server *s = server_new(NULL, one);
    for (int i = 0; i < LONG; i++) {
        fd[i] = raw_open(s);
        send_job(fd[i], "?wait=50", "{\"task\":\"sleep\",\"input\":{\"seconds\":0.02}}");
        answer_free(run_job(s, "{\"task\":\"noop\",\"priority\":100}"));
    }
    for (int i = 0; i < LONG; i++) {
        char *said = raw_read(fd[i], "\"result\":", LONG_MS);
        ck_assert_msg(strstr(said, "\"succeeded\"") != NULL, "%s", said);
        free(said);
        close(fd[i]);
    }
    server_free(s);
}
END_TEST

START_TEST(waits_end_in_time)
{
    struct server *s = server_new(NULL, one);
    static const char *const waits[] = {"?wait=0.001", "?wait=0.03", "?wait=0.2"};
    for (int i = 0; i < 3; i++) {
        int fd = raw_open(s);
        send_job(fd, waits[i], "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}");
        char *said = raw_read(fd, "\"sleep\"", LONG_MS);
        ck_assert_msg(strncmp(said, "HTTP/1.1 202", 12) == 0, "%s", said);
        free(said);
        close(fd);
    }
    answer_free(post(s, "/v1/jobs/cancel?task=sleep", "", 200));
    server_free(s);
}
END_TEST

/* Who has nothing more to say is still to be answered. */
START_TEST(an_end_of_what_is_sent_is_no_leaving)
{
    struct server *s = server_new(NULL, one);
    for (int i = 0; i < 20; i++) {
        int fd = raw_open(s);
        send_job(fd, "", "{\"task\":\"noop\"}");
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        char *said = raw_read(fd, "\r\n\r\n", LONG_MS);
        ck_assert_msg(strncmp(said, "HTTP/1.1 202", 12) == 0, "%d: %s", i, said);
        free(said);
        close(fd);
    }
    server_free(s);
}
END_TEST

/* What is suspended is woken by its outcome, not by the next look at the clock, which is a second
 * away: then most would take that long. */
START_TEST(a_wait_ends_when_its_job_does)
{
    struct server *s = server_new(NULL, NULL);
    enum { JOBS = 40 };
    int late = 0;
    for (int i = 0; i < JOBS; i++) {
        int64_t from = now_ms();
        answer_free(run_job(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.06}}"));
        late += now_ms() - from > 900;
    }
    ck_assert_int_lt(late, JOBS / 2);
    server_free(s);
}
END_TEST

/* The end of the wait and that of a job come together, and each ends the request. */
START_TEST(both_ends_may_come_at_once)
{
    enum { CLIENTS_AT_ONCE = 20, ROUNDS = 15 };
    struct server *s = server_new(NULL, one);
    int fd[CLIENTS_AT_ONCE];
    char text[300], id[40];
    for (int i = 0; i < CLIENTS_AT_ONCE; i++)
        fd[i] = raw_open(s);
    for (int k = 0; k < ROUNDS; k++) {
        snprintf(id, sizeof(id), "%s",
                 submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":0.03}}"));
        for (int i = 0; i < CLIENTS_AT_ONCE; i++) {
            snprintf(text, sizeof(text),
                     "GET /v1/jobs?ids=%s&wait=0.0%d HTTP/1.1\r\nHost: localhost\r\n\r\n", id,
                     20 + i);
            raw_send(fd[i], text);
        }
        for (int i = 0; i < CLIENTS_AT_ONCE; i++) {
            char *said = raw_read(fd[i], "\"next\":null", LONG_MS);
            ck_assert_msg(strncmp(said, "HTTP/1.1 200", 12) == 0, "%s", said);
            free(said);
        }
    }
    for (int i = 0; i < CLIENTS_AT_ONCE; i++)
        close(fd[i]);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        clients_that_leave_at_once_are_nobodys_trouble,
        long_and_short_waits_are_told_apart,
        waits_end_in_time,
        an_end_of_what_is_sent_is_no_leaving,
        a_wait_ends_when_its_job_does,
        both_ends_may_come_at_once,
    };
    return run_suite("held", tests, sizeof(tests) / sizeof(tests[0]));
}
