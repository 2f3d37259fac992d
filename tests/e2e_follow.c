/*
 * e2e_follow.c - the log of a job followed as it comes, by one and by many, and over the deaths of
 * workers and of the service.
 */
#include "harness_logs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char conf[] =
    "[server]\nretry_delay = 0.01\n" TASK_SAY
    /* says one, then, for each line that comes on the fifo, that line */
    "[task parrot]\ncommand = /bin/sh -c 'echo one >&2; while read l; do echo \"$l\" >&2; done "
    "<{input.fifo}; echo {}'\n"
    "[task stay]\ncommand = /bin/sh -c 'echo \"here in $JOBMILL_ATTEMPT\" >&2; "
    "test $JOBMILL_ATTEMPT = 2 || exec sleep 100; echo {}'\nmax_attempts = 3\n";

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const two_workers[] = {"--workers", "2", NULL};

static int follow(struct server *s, const char *id)
{
    char head[200];
    int fd = raw_open(s);
    snprintf(head, sizeof(head),
             "GET /v1/jobs/%s/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    raw_send(fd, head);
    return fd;
}

static void hear(int fd, const char *words)
{
    char *text = raw_read(fd, words, LONG_MS);
    ck_assert_msg(strstr(text, words) != NULL, "not `%s` but `%s`", words, text);
    free(text);
}

/* A job that says what is written into `*in`, which is to be closed. */
static void parrot(struct server *s, char id[40], int *in)
{
    char fifo[300], body[400];
    snprintf(fifo, sizeof(fifo), "%s/fifo", s->dir);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    snprintf(body, sizeof(body), "{\"task\":\"parrot\",\"input\":{\"fifo\":\"%s\"}}", fifo);
    snprintf(id, 40, "%s", submit(s, body));
    *in = open(fifo, O_WRONLY | O_CLOEXEC); /* waits until it is being read */
    ck_assert_int_ge(*in, 0);
}

static void tell(int in, const char *words)
{
    ck_assert_int_eq(write(in, words, strlen(words)), (ssize_t)strlen(words));
}

START_TEST(a_follower_sees_lines_as_they_come)
{
    struct server *s = server_new(conf, two_workers);
    char id[40];
    int in;
    parrot(s, id, &in);
    int fd = follow(s, id);
    hear(fd, "1 info one\n");
    tell(in, "two\n");
    hear(fd, "1 info two\n");
    tell(in, "three\n<3>four\n");
    hear(fd, "1 error four\n");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    int gone = follow(s, id);
    hear(gone, "1 error four\n");
    eventually(stat_of(s, "http.waiting") == 2, LONG_MS);
    close(gone);
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    tell(in, "last\n");
    close(in);
    hear(fd, "\r\n0\r\n\r\n"); /* the end of the answer */
    answer_free(await_state(s, id, "succeeded"));
    close(fd);
    char *text = logs_of(s, id, "?follow=true");
    ck_assert_uint_eq(count_lines(text), 5);
    free(text);
    server_free(s);
}
END_TEST

/* Somebody waits for this job, which takes the one place there is. */
static int take_the_place(struct server *s, const char *job)
{
    char head[200];
    int fd = raw_open(s);
    snprintf(head, sizeof(head), "GET /v1/jobs/%s?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n",
             job);
    raw_send(fd, head);
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    return fd;
}

START_TEST(where_too_many_wait_a_follower_is_told)
{
    struct server *s =
        server_new(conf, (const char *const[]){"--workers", "1", "--max-waiting", "1", NULL});
    char id[40], later[40], done[40], path[100];
    int in;
    say(s, "me", 3, done);
    answer_free(await_state(s, done, "succeeded"));
    parrot(s, id, &in);
    snprintf(later, sizeof(later), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    int place = take_the_place(s, later);
    char *text = logs_of(s, id, ""); /* who does not follow does not wait */
    ck_assert_uint_eq(count_lines(text), 1);
    free(text);
    text = logs_of(s, done, "?follow=true"); /* nor who follows what has ended */
    ck_assert_uint_eq(count_lines(text), 3);
    free(text);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs?follow=true", id);
    struct answer *no = get(s, path, 503);
    ck_assert_str_eq(jstr(no->json, "code"), "too_many_waiting");
    answer_free(no);
    close(place);
    eventually(stat_of(s, "http.waiting") == 0, LONG_MS);
    int fd = follow(s, id);
    hear(fd, "1 info one\n");
    close(fd);
    close(in);
    server_free(s);
}
END_TEST

/* Bytes of the job's log as it is kept. */
static off_t kept(struct server *s, const char *id)
{
    char path[512];
    struct stat st = {0};
    snprintf(path, sizeof(path), "%s/data/logs/%s/%s", s->dir, id + 34, id);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* While it reads slowly another one takes its place: its answer is not whole, and says so. */
START_TEST(a_follower_that_lost_its_place_is_cut)
{
    struct server *s =
        server_new("[server]\nlog_max = 64MiB\n[task parrot]\ncommand = /bin/sh -c 'exec "
                   "<{input.fifo}; echo one >&2; "
                   "read l; yes \"$l\" | head -c 16000000 >&2; read l'\n",
                   (const char *const[]){"--workers", "1", "--max-waiting", "1", NULL});
    char id[40], later[40], line[1000];
    int in;
    parrot(s, id, &in);
    snprintf(later, sizeof(later), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    int fd = follow(s, id);
    hear(fd, "1 info one\n");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    memset(line, 'x', sizeof(line) - 2);
    memcpy(line + sizeof(line) - 2, "\n", 2);
    tell(in, line); /* more than the kernel holds for it */
    eventually(kept(s, id) > 16000000, LONG_MS);
    eventually(stat_of(s, "http.waiting") == 0, LONG_MS);
    int place = take_the_place(s, later);
    char *text = raw_read(fd, NULL, LONG_MS);
    size_t len = strlen(text);
    ck_assert_uint_gt(len, 16000000); /* all that there was */
    ck_assert_str_ne(text + len - 5, "0\r\n\r\n");
    free(text);
    close(fd);
    close(place);
    close(in);
    server_free(s);
}
END_TEST

START_TEST(a_hundred_followers_hurt_nobody)
{
    struct server *s = server_new(conf, two_workers);
    char id[40], later[40];
    int in, fd[100], late[20];
    parrot(s, id, &in);
    for (int i = 0; i < 100; i++)
        fd[i] = follow(s, id);
    snprintf(later, sizeof(later), "%s", submit(s, "{\"task\":\"noop\",\"delay\":1000}"));
    for (int i = 0; i < 20; i++)
        late[i] = follow(s, later);
    eventually(stat_of(s, "http.waiting") == 120, LONG_MS);
    for (int i = 0; i < 100; i++)
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < 200; i++)
        tell(in, "a line that all of them are told\n");
    tell(in, "the last one\n");
    for (int i = 0; i < 100; i++)
        hear(fd[i], "1 info the last one\n");
    close(in);
    for (int i = 0; i < 100; i++) {
        hear(fd[i], "0\r\n\r\n");
        close(fd[i]);
    }
    server_signal(s, SIGTERM); /* those who would wait for longer do not hold it up */
    for (int i = 0; i < 20; i++) {
        hear(late[i], "0\r\n\r\n");
        close(late[i]);
    }
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

/* ---- deaths ---- */

START_TEST(lines_outlive_the_worker)
{
    struct server *s = server_new(conf, one_worker);
    char id[40];
    pid_t pid;
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"stay\"}"));
    int fd = follow(s, id);
    hear(fd, "1 info here in 1\n");
    eventually(worker_pids(s, &pid, 1) == 1, LONG_MS);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    char *rest_of_it = raw_read(fd, "0\r\n\r\n", LONG_MS); /* it may come in one piece */
    ck_assert_msg(strstr(rest_of_it, "2 info here in 2\n") && strstr(rest_of_it, "0\r\n\r\n"), "%s",
                  rest_of_it);
    free(rest_of_it);
    close(fd);
    char *text = logs_of(s, id, "?attempt=2"), *rest = text;
    ck_assert_str_eq(next_line(&rest), "2 info here in 2");
    ck_assert_str_eq(rest, "");
    free(text);
    text = logs_of(s, id, "");
    ck_assert_uint_eq(count_lines(text), 2);
    free(text);
    server_free(s);
}
END_TEST

/* The service is killed when a job of it has said its first line. */
static struct server *killed_at_a_line(char id[40])
{
    struct server *s = server_new(conf, one_worker);
    snprintf(id, 40, "%s", submit(s, "{\"task\":\"stay\"}"));
    int fd = follow(s, id);
    hear(fd, "1 info here in 1\n");
    close(fd);
    server_kill9(s);
    return s;
}

/* Started again, the job has that line and the next attempt's. */
static void has_both_lines(struct server *s, const char *id)
{
    server_restart(s);
    answer_free(await_state(s, id, "succeeded"));
    char *text = logs_of(s, id, ""), *rest = text;
    ck_assert_str_eq(next_line(&rest), "1 info here in 1");
    ck_assert_str_eq(next_line(&rest), "2 info here in 2");
    ck_assert_str_eq(rest, "");
    free(text);
}

START_TEST(lines_outlive_the_service)
{
    char id[40];
    struct server *s = killed_at_a_line(id);
    has_both_lines(s, id);
    server_free(s);
}
END_TEST

START_TEST(a_line_that_was_cut_spoils_no_other)
{
    char id[40], path[512];
    struct server *s = killed_at_a_line(id);
    snprintf(path, sizeof(path), "%s/data/logs/%s/%s", s->dir, id + 34, id);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    tell(fd, "2026-11-23T08");
    close(fd);
    has_both_lines(s, id);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_follower_sees_lines_as_they_come,
        where_too_many_wait_a_follower_is_told,
        a_follower_that_lost_its_place_is_cut,
        a_hundred_followers_hurt_nobody,
        lines_outlive_the_worker,
        lines_outlive_the_service,
        a_line_that_was_cut_spoils_no_other,
    };
    return run_suite("follow", tests, sizeof(tests) / sizeof(tests[0]));
}
