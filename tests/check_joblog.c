/* check_joblog.c - a job's file of lines, by hand: what a reader is told of it while it grows. */
#include "../server/joblog.h"
#include "../workers/task.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE "2026-11-28T00:51:39.158Z 1 info "

static char dir[] = "/tmp/jobmill-joblog-XXXXXX";
static struct joblog_view view;
static char path[sizeof(dir) + JOBLOG_PATH + 8];

static void begin(void)
{
    char name[JOBLOG_PATH];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(joblog_open(dir, 1u << 20), 0);
    ck_assert_int_eq(id_new(&view.job), 0);
    joblog_path(&view.job, name);
    snprintf(path, sizeof(path), "%s/logs/%.2s", dir, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/logs/%s", dir, name);
}

static void end(void)
{
    joblog_close();
    ck_assert_int_eq(unlink(path), 0);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(rmdir(path), 0);
    snprintf(path, sizeof(path), "%s/logs", dir);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void append(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* What is read next is this text. */
static void next_is(const char *text)
{
    AUTO_BUF out = BUF_INIT;
    ck_assert_int_eq(joblog_read(&view, 16384, &out), 0);
    ck_assert_str_eq(out.data ? out.data : "", text);
}

START_TEST(who_follows_waits_for_the_rest_of_a_line)
{
    ck_assert(!joblog_has_more(&view));
    append(LINE "one\n" LINE "t"); /* as a crash of the machine leaves it */
    ck_assert(joblog_has_more(&view));
    next_is(LINE "one\n");
    next_is("");
    ck_assert(!joblog_has_more(&view));
    append("w");
    ck_assert(joblog_has_more(&view));
    next_is("");
    ck_assert(!joblog_has_more(&view));
    append("o\n" LINE "three\n");
    ck_assert(joblog_has_more(&view));
    next_is(LINE "two\n" LINE "three\n");
    next_is("");
    ck_assert(!joblog_has_more(&view));
}
END_TEST

START_TEST(a_look_has_an_end)
{
    static char many[600000], none[1];
    char *at = many;
    while (at + 100 < many + sizeof(many))
        at += sprintf(at, LINE "of another attempt, and of no interest\n");
    append(many);
    append("2026-11-28T00:51:39.158Z 2 info two\n");
    view.attempt = 2;
    for (uint64_t was = 0;; was = view.at) { /* a piece a look, until the line comes */
        AUTO_BUF out = BUF_INIT;
        ck_assert_int_eq(joblog_read(&view, 16384, &out), 0);
        ck_assert_uint_lt(view.at - was, 300000);
        if (out.len > 0)
            break;
        ck_assert(!view.all);
        ck_assert_uint_gt(view.at, was);
    }
    ck_assert_uint_gt(view.at, 500000);
    next_is(none);
    ck_assert(view.all);
    view = (struct joblog_view){.job = view.job};
    ck_assert_int_eq(joblog_seek_tail(&view, 1), 0);
    next_is("2026-11-28T00:51:39.158Z 2 info two\n");
}
END_TEST

/* A worker that counted more for a line would stop before the file says that there was more. */
START_TEST(a_line_costs_no_less_than_a_worker_counts)
{
    struct stat st;
    struct log_record r = {.level = LOG_INFO, .attempt = 1, .job = view.job};
    joblog_add(&r, "12345", 5);
    joblog_rest();
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, TASK_LOG_HEAD + 5);
}
END_TEST

int main(void)
{
    return SUITE("joblog", begin, end, who_follows_waits_for_the_rest_of_a_line, a_look_has_an_end,
                 a_line_costs_no_less_than_a_worker_counts);
}
