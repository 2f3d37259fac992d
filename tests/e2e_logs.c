/*
 * e2e_logs.c - what jobs log: kept line by line for each of them, within bounds, and gone with
 * the job. (How it is followed: e2e_follow.c.)
 */
#include "harness_logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char conf[] =
    "[server]\nlog_max = 20000\n" TASK_SAY
    "[task binary]\ncommand = /bin/sh -c 'printf \"a\\000b\\377\\033[31mc\\303\\251\\r\\n<4>warned"
    "\\n\" >&2; echo {}'\n"
    "[task flood]\ncommand = /bin/sh -c 'yes 0123456789abcdef | head -n 3000 >&2; echo {}'\n";

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const two_workers[] = {"--workers", "2", NULL};

/* Files of logs in the service's data. */
static size_t count_files(const struct server *s)
{
    char path[512];
    size_t n = 0;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(path, sizeof(path), "%s/data/logs/%02x", s->dir, i);
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir));)
            n += e->d_name[0] != '.';
        if (dir)
            closedir(dir);
    }
    return n;
}

START_TEST(each_job_has_its_own_lines)
{
    struct server *s = server_new(conf, two_workers);
    char id[8][40], path[80];
    static const char *const who[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (int i = 0; i < 8; i++)
        say(s, who[i], 50, id[i]);
    for (int i = 0; i < 8; i++) {
        answer_free(await_state(s, id[i], "succeeded"));
        char *text = logs_of(s, id[i], ""), *rest = text, want[64];
        for (int k = 1; k <= 50; k++) {
            snprintf(want, sizeof(want), "1 info %s %d", who[i], k);
            ck_assert_str_eq(next_line(&rest), want);
        }
        ck_assert_str_eq(rest, "");
        free(text);
    }
    const char *silent = submit(s, "{\"task\":\"noop\"}");
    answer_free(await_state(s, silent, "succeeded"));
    char *text = logs_of(s, silent, "?follow=true");
    ck_assert_str_eq(text, "");
    free(text);
    ck_assert_uint_eq(count_files(s), 8);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs", "01890000-0000-7000-8000-000000000000");
    answer_free(get(s, path, 404));
    server_free(s);
}
END_TEST

START_TEST(a_module_logs_too)
{
    struct server *s = server_with_task("mis", "misbehave", "", one_worker);
    struct answer *a = run_job(s, "{\"task\":\"mis\",\"input\":{\"do\":\"talk\"}}");
    char *text = logs_of(s, jstr(a->json, "id"), ""), *rest = text;
    size_t n = count_lines(text);
    ck_assert_uint_gt(n, 1);
    while (*rest)
        ck_assert_int_eq(strncmp(next_line(&rest), "1 info ", 7), 0);
    free(text);
    answer_free(a);
    server_free(s);
}
END_TEST

/* log_level is that of the service's own log. */
START_TEST(all_levels_are_kept)
{
    static const char *const least[] = {"info", "error"};
    for (size_t i = 0; i < 2; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "[server]\nlog_level = %s\n[task say]\ncommand = /bin/sh -c 'echo \"<7>low\" >&2; "
                 "echo \"DEBUG: lower\" >&2; echo plain >&2; echo \"<3>high\" >&2; echo {}'\n",
                 least[i]);
        struct server *s = server_new(text, one_worker);
        s->errors_ok = true; /* the job's */
        struct answer *a = run_job(s, "{\"task\":\"say\"}");
        char *lines = logs_of(s, jstr(a->json, "id"), ""), *rest = lines;
        ck_assert_str_eq(next_line(&rest), "1 debug low");
        ck_assert_str_eq(next_line(&rest), "1 debug DEBUG: lower");
        ck_assert_str_eq(next_line(&rest), "1 info plain");
        ck_assert_str_eq(next_line(&rest), "1 error high");
        ck_assert_str_eq(rest, "");
        free(lines);
        answer_free(a);
        eventually(log_has(s, "high"), LONG_MS);
        ck_assert(!log_has(s, "low"));
        ck_assert_int_eq(log_has(s, "plain"), i == 0);
        server_free(s);
    }
}
END_TEST

START_TEST(a_part_of_it)
{
    static const char *const ndjson[] = {"Accept: application/x-ndjson", NULL};
    static const char *const bad[] = {"?tail=-1", "?tail=1.5", "?attempt=0",   "?follow=maybe",
                                      "?x=1",     "?skip=x",   "?follow=99999"};
    struct server *s = server_new(conf, two_workers);
    char id[40], path[100];
    say(s, "w", 30, id);
    answer_free(await_state(s, id, "succeeded"));
    char *text = logs_of(s, id, "?tail=2"), *rest = text;
    ck_assert_str_eq(next_line(&rest), "1 info w 29");
    ck_assert_str_eq(next_line(&rest), "1 info w 30");
    ck_assert_str_eq(rest, "");
    free(text);
    rest = text = logs_of(s, id, "?skip=28&attempt=1");
    ck_assert_str_eq(next_line(&rest), "1 info w 29");
    free(text);
    text = logs_of(s, id, "?attempt=2");
    ck_assert_str_eq(text, "");
    free(text);
    text = logs_of(s, id, "?tail=0");
    ck_assert_str_eq(text, "");
    free(text);
    text = logs_of(s, id, "?tail=1000&follow=0.1");
    ck_assert_uint_eq(count_lines(text), 30);
    free(text);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs?tail=1", id);
    struct answer *a = http(s, "GET", path, NULL, ndjson);
    ck_assert_str_eq(jstr(a->json, "text"), "w 30");
    ck_assert_str_eq(jstr(a->json, "level"), "info");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    char head[200];
    int fd = raw_open(s);
    snprintf(head, sizeof(head), "HEAD %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             path);
    raw_send(fd, head);
    text = raw_read(fd, NULL, LONG_MS);
    ck_assert_int_eq(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0);
    ck_assert_ptr_null(strstr(text, "info"));
    free(text);
    close(fd);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(path, sizeof(path), "/v1/jobs/%s/logs%s", id, bad[i]);
        answer_free(get(s, path, 400));
    }
    server_free(s);
}
END_TEST

/* ---- bounds, garbage ---- */

START_TEST(a_log_has_a_limit)
{
    struct server *s = server_new(conf, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"flood\"}");
    char id[40], path[512];
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    for (int i = 0; i < 2; i++) { /* nothing is added to it, also not after a restart */
        char *text = logs_of(s, id, "");
        ck_assert_uint_lt(strlen(text), 20000 + 200);
        ck_assert_uint_gt(strlen(text), 19000);
        char *last = strstr(text, "1 warn (jobmill: log_max = 20000 bytes are reached");
        ck_assert_ptr_nonnull(last);
        ck_assert_uint_eq(count_lines(last), 1);
        free(text);
        server_kill9(s);
        server_restart(s);
    }
    snprintf(path, sizeof(path), "%s/data/logs/%s/%s", s->dir, id + 34, id);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0400);
    server_free(s);
}
END_TEST

/* Lines of two bytes, millions of them, on either descriptor: the service's own log is bounded,
 * too. */
START_TEST(a_flood_of_short_lines_is_cut)
{
    struct server *s = server_new("[task err]\ncommand = /bin/sh -c 'yes | head -c 4000000 >&2'\n"
                                  "[task msg]\ncommand = /bin/sh -c 'yes | head -c 4000000 >&4'\n",
                                  two_workers);
    static const char *const tasks[] = {"err", "msg"};
    for (size_t i = 0; i < 2; i++) {
        char body[32];
        snprintf(body, sizeof(body), "{\"task\":\"%s\"}", tasks[i]);
        struct answer *a = run_job(s, body);
        ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
        answer_free(a);
        snprintf(body, sizeof(body), "task %s: 19", tasks[i]); /* lines of 2000000 */
        eventually(log_has(s, body), LONG_MS);
    }
    char *log = server_log(s);
    ck_assert_uint_lt(strlen(log), 20u << 20);
    free(log);
    server_free(s);
}
END_TEST

/* The last line that is kept is of one byte more or less, or the worker's own bound is met at once.
 */
START_TEST(what_is_not_kept_is_told)
{
    static const struct {
        const char *flag, *command;
    } row[] = {{"1MiB", "for i in $(seq 40000); do echo; done >&2"},
               {"1MiB", "head -c 1200000 /dev/zero | tr \"\\0\" a | fold -w 100 >&2; echo >&2"},
               {"1MiB", "head -c 2000000 /dev/zero | tr \"\\0\" a >&2"},
               {"2MiB", "yes | head -c 4000000 >&2"},
               {"200", "yes | head -c 4000 >&2"}};
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const char *const flags[] = {"--workers", "1", "--log-max", row[i].flag, NULL};
        char text[300], id[40];
        snprintf(text, sizeof(text), "[task flood]\ncommand = /bin/sh -c '%s; echo {}'\n",
                 row[i].command);
        struct server *s = server_new(text, flags);
        struct answer *a = run_job(s, "{\"task\":\"flood\"}");
        ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
        snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
        answer_free(a);
        char *log = logs_of(s, id, "?tail=1"), *rest = log;
        const char *last = next_line(&rest);
        ck_assert_msg(strncmp(last, "1 warn (jobmill: log_max = ", 27) == 0, "%s: %s",
                      row[i].command, last);
        free(log);
        if (strcmp(row[i].flag, "200") != 0) { /* the service's own log has these */
            snprintf(text, sizeof(text), "bytes were not kept\",\"job\":\"%s\",\"attempt\":1}", id);
            eventually(log_has(s, text), LONG_MS);
        }
        server_free(s);
    }
}
END_TEST

START_TEST(blank_lines_are_lines)
{
    struct server *s = server_new("[task blanks]\ncommand = /bin/sh -c 'printf "
                                  "\"\\na\\n\\n\\r\\n<3>\\nb\\n\\n\" >&2; exit 1'\n"
                                  "max_attempts = 1\n",
                                  two_workers);
    struct answer *a = run_job(s, "{\"task\":\"blanks\"}");
    static const char *const lines[] = {"1 info ",  "1 info a", "1 info ", "1 info ",
                                        "1 error ", "1 info b", "1 info "};
    char *text = logs_of(s, jstr(a->json, "id"), ""), *rest = text;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_str_eq(next_line(&rest), lines[i]);
    ck_assert_str_eq(rest, "");
    free(text);
    /* the last that says something */
    ck_assert_str_eq(jstr(a->json, "error.message"), "the program ended with exit status 1: b");
    answer_free(a);
    server_free(s);
}
END_TEST

/* Whoever starts the service may have closed its standard descriptors: its log is then lost, and
 * not written over what the service opened instead. */
START_TEST(a_log_without_a_place_hurts_nobody)
{
    char script[] = "/tmp/jobmill-closed-XXXXXX", body[64], path[64], target[64];
    char *real = realpath(server_binary(), NULL);
    int fd = mkstemp(script);
    ck_assert(real && fd >= 0);
    ck_assert_int_gt(dprintf(fd, "#!/bin/sh\nexec '%s' \"$@\" <&- 2>&-\n", real), 0);
    ck_assert_int_eq(fchmod(fd, 0700), 0);
    close(fd);
    setenv("JOBMILL_BIN", script, 1); /* of this test's process */
    struct server *s = server_new(conf, two_workers);
    unlink(script);
    snprintf(body, sizeof(body), "{\"task\":\"say\",\"input\":{\"n\":300,\"who\":\"it\"}}");
    struct answer *a = run_job(s, body);
    char *text = logs_of(s, jstr(a->json, "id"), "");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    ck_assert_ptr_nonnull(strstr(text, "it 300"));
    free(text);
    answer_free(a);
    for (int i = 0; i < 3; i += 2) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)s->pid, i);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        ck_assert_int_gt(n, 0);
        target[n] = '\0';
        ck_assert_str_eq(target, "/dev/null");
    }
    free(real);
    server_free(s);
}
END_TEST

START_TEST(nothing_is_kept_where_nothing_may_be)
{
    static const char *const none[] = {"--log-max", "0", NULL};
    struct server *s = server_new(NULL, none);
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    char *text = logs_of(s, jstr(a->json, "id"), "");
    ck_assert_str_eq(text, "");
    free(text);
    answer_free(a);
    ck_assert_uint_eq(count_files(s), 0);
    server_free(s);
}
END_TEST

START_TEST(garbage_is_shown_not_obeyed)
{
    static const char *const ndjson[] = {"Accept: application/x-ndjson", NULL};
    struct server *s = server_new(conf, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"binary\"}");
    char path[100];
    char *text = logs_of(s, jstr(a->json, "id"), ""), *rest = text;
    ck_assert_str_eq(next_line(&rest), "1 info a\\x00b\\xff\\x1b[31mc\xC3\xA9");
    ck_assert_str_eq(next_line(&rest), "1 warn warned");
    free(text);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs", jstr(a->json, "id"));
    answer_free(a);
    a = http(s, "GET", path, NULL, ndjson);
    ck_assert_ptr_nonnull(
        strstr(a->body, "\"text\":\"a\\u0000b\xEF\xBF\xBD\\u001b[31mc\xC3\xA9\"}\n"));
    answer_free(a);
    server_free(s);
}
END_TEST

/* ---- forgotten ---- */

START_TEST(a_log_goes_with_its_job)
{
    struct server *s = server_new(conf, two_workers);
    char id[3][40], path[512], young[512];
    for (int i = 0; i < 3; i++) {
        say(s, "x", 3, id[i]);
        answer_free(await_state(s, id[i], "succeeded"));
        free(logs_of(s, id[i], ""));
    }
    ck_assert_uint_eq(count_files(s), 3);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id[0]);
    answer_free(http(s, "DELETE", path, NULL, NULL));
    eventually(count_files(s) == 2, LONG_MS);
    strcat(path, "/logs");
    answer_free(get(s, path, 404));
    /* one of a job that the store does not know, and what is no log of ours */
    snprintf(path, sizeof(path), "%s/data/logs/00/01890000-0000-7000-8000-000000000000", s->dir);
    server_kill9(s);
    *strrchr(path, '/') = '\0';
    (void)mkdir(path, 0700);
    strcat(path, "/01890000-0000-7000-8000-000000000000");
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(young, sizeof(young), "%s/data/logs/00/01ffffff-0000-7000-8000-000000000000", s->dir);
    close(open(young, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* as if it ran ahead */
    server_restart(s);
    eventually(log_has(s, "the logs of 1 jobs that are gone were removed"), LONG_MS);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(unlink(young), 0);
    ck_assert_uint_eq(count_files(s), 2);
    free(logs_of(s, id[1], ""));
    s->flags[2] = strdup("--keep-max"); /* what retention forgets */
    s->flags[3] = strdup("1");
    s->flags[4] = NULL;
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    eventually(count_files(s) == 1, LONG_MS);
    free(logs_of(s, id[2], ""));
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_job_has_its_own_lines,
                                  a_module_logs_too,
                                  all_levels_are_kept,
                                  a_part_of_it,
                                  a_log_has_a_limit,
                                  a_flood_of_short_lines_is_cut,
                                  what_is_not_kept_is_told,
                                  blank_lines_are_lines,
                                  a_log_without_a_place_hurts_nobody,
                                  nothing_is_kept_where_nothing_may_be,
                                  garbage_is_shown_not_obeyed,
                                  a_log_goes_with_its_job};
    return run_suite("logs", tests, sizeof(tests) / sizeof(tests[0]));
}
