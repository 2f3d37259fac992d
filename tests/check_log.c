/* check_log.c - log records into the pipe, and the collector's way from there to standard error. */
#include "../common/log.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../server/collector.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_TEXT (PIPE_BUF - sizeof(struct log_record))

static int log_pipe[2] = {-1, -1};
static int err_pipe[2] = {-1, -1};      /* standard error of the collector */
static char text[LOG_TEXT_MAX * 2 + 1]; /* the last byte stays zero */
static char got[1 << 20];
static size_t got_len;

static void setup(void)
{
    memset(text, 'x', sizeof(text) - 1);
    ck_assert_int_eq(collector_pipe(log_pipe), 0);
}

/* ---- the writing side ---- */

static struct log_record next_record(char *out)
{
    struct log_record r;
    ck_assert_int_eq(fd_read_full(log_pipe[0], &r, sizeof(r)), sizeof(r));
    ck_assert_uint_le(r.len, RECORD_TEXT);
    ck_assert_int_eq(fd_read_full(log_pipe[0], out, r.len), r.len);
    out[r.len] = '\0';
    return r;
}

static bool nothing_waits(void)
{
    struct pollfd p = {.fd = log_pipe[0], .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

START_TEST(one_record_a_line)
{
    char out[PIPE_BUF];
    log_open(log_pipe[1], LOG_INFO, "worker 3");
    clock_fake(12345678, -1);
    errno = ENOTTY;
    log_warn("it is %d", 7);
    ck_assert_int_eq(errno, ENOTTY);
    struct log_record r = next_record(out);
    ck_assert_str_eq(out, "it is 7");
    ck_assert_int_eq(r.level, LOG_WARN);
    ck_assert_int_eq(r.flags, LOG_FIRST | LOG_LAST);
    ck_assert_uint_eq(r.pid, (uint32_t)getpid());
    ck_assert_int_eq(r.wall_us, 12345678);
    ck_assert_str_eq(r.who, "worker 3");
    log_debug("%s", "below the least level");
    ck_assert(nothing_waits());
    log_who("a name that is far too long");
    log_info("%s", "");
    r = next_record(out);
    ck_assert_uint_eq(r.len, 0);
    ck_assert_uint_eq(strnlen(r.who, sizeof(r.who)), sizeof(r.who) - 1);
}
END_TEST

START_TEST(long_lines_go_in_pieces)
{
    static const size_t sizes[] = {RECORD_TEXT - 1, RECORD_TEXT,  RECORD_TEXT + 1,
                                   2 * RECORD_TEXT, LOG_TEXT_MAX, LOG_TEXT_MAX + 1,
                                   LOG_TEXT_MAX * 2};
    char out[PIPE_BUF];
    struct id job = {{1, 2, 3}};
    log_open(log_pipe[1], LOG_INFO, "worker 3");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t total = 0;
        struct log_record r;
        log_job(LOG_INFO, &job, 4, text, sizes[i]);
        do {
            r = next_record(out);
            ck_assert_int_eq((r.flags & LOG_FIRST) != 0, total == 0);
            ck_assert_int_ne(r.flags & LOG_HAS_JOB, 0);
            ck_assert_uint_eq(r.attempt, 4);
            ck_assert(id_equal(&r.job, &job));
            total += r.len;
        } while (!(r.flags & LOG_LAST));
        ck_assert(nothing_waits());
        ck_assert_uint_eq(total, sizes[i] < LOG_TEXT_MAX ? sizes[i] : LOG_TEXT_MAX);
        ck_assert_int_eq(strstr(out, "(the line was longer)") != NULL, sizes[i] > LOG_TEXT_MAX);
    }
    log_info("%s", text); /* formatted lines have a limit of their own, and say so too */
    struct log_record r = next_record(out);
    ck_assert_uint_lt(r.len, 2048);
    ck_assert_ptr_nonnull(strstr(out, "(the line was longer)"));
}
END_TEST

START_TEST(levels_have_names)
{
    for (int l = LOG_DEBUG; l <= LOG_ERROR; l++)
        ck_assert_int_eq(log_level_parse(log_level_name((enum log_level)l)), l);
    ck_assert_int_eq(log_level_parse("INFO"), -1);
    ck_assert_int_eq(log_level_parse(""), -1);
    log_open(-1, LOG_ERROR, "front");
    ck_assert_int_eq(log_level(), LOG_ERROR);
}
END_TEST

START_TEST(die_says_why)
{
    char out[PIPE_BUF];
    int status;
    pid_t pid = test_fork();
    if (pid == 0) {
        log_open(log_pipe[1], LOG_INFO, "child");
        log_die(42, "no %s", "more");
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_int_eq(next_record(out).level, LOG_ERROR);
    ck_assert_str_eq(out, "no more");
}
END_TEST

/* ---- the collector ---- */

static void start(bool json)
{
    ck_assert_int_eq(pipe2(err_pipe, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(err_pipe[1], STDERR_FILENO), STDERR_FILENO);
    fd_close(&err_pipe[1]);
    ck_assert_int_eq(collector_start(log_pipe[0], json), 0);
    log_open(log_pipe[1], LOG_INFO, "front");
}

/* Reads what came on standard error until `want` lines are there. */
static void read_lines(size_t want)
{
    size_t lines = 0;
    int64_t until = clock_mono_us() + 20 * US_PER_S;
    got_len = 0;
    while (lines < want) {
        struct pollfd p = {.fd = err_pipe[0], .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, clock_wait_ms(until, 20000)), 1);
        ssize_t n = read(err_pipe[0], got + got_len, sizeof(got) - 1 - got_len);
        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            lines += got[got_len + (size_t)i] == '\n';
        got_len += (size_t)n;
    }
    got[got_len] = '\0';
}

static void stop(void)
{
    log_open(-1, LOG_INFO, "front");
    fd_close(&log_pipe[1]);
    collector_stop(5000);
}

/* A record as a process would write it that is not this one. */
static void put_record(uint32_t pid, uint8_t flags, const char *words)
{
    char whole[PIPE_BUF];
    struct log_record r = {.len = (uint16_t)strlen(words),
                           .level = LOG_INFO,
                           .flags = flags,
                           .pid = pid,
                           .tid = pid,
                           .who = "worker 1"};
    memcpy(whole, &r, sizeof(r));
    memcpy(whole + sizeof(r), words, r.len);
    ck_assert_int_eq(fd_write_all(log_pipe[1], whole, sizeof(r) + r.len), 0);
}

START_TEST(as_text)
{
    struct id job;
    ck_assert(id_parse(&job, "018bcfe5-687b-7abc-9def-0123456789ab", 36));
    clock_fake(INT64_C(1700000000123) * US_PER_MS, -1);
    start(false);
    log_info("%s", "hello \x1b[31m\r\nred\x7f\t\xC3\xA4\xC2\x9B");
    log_job(LOG_DEBUG, &job, 2, "quiet", 5); /* below the level: for the job's own log alone */
    log_job(LOG_ERROR, &job, 2, "words", 5);
    read_lines(2);
    ck_assert_str_eq(
        got, "2023-11-14T22:13:20.123Z info  front: hello \\x1b[31m\\x0d\\x0ared\\x7f\t\xC3\xA4"
             "\xC2\\x9b\n"
             "2023-11-14T22:13:20.123Z error front: words "
             "[job=018bcfe5-687b-7abc-9def-0123456789ab attempt=2]\n");
    stop();
}
END_TEST

START_TEST(as_json)
{
    struct id job;
    char want[512];
    ck_assert(id_parse(&job, "018bcfe5-687b-7abc-9def-0123456789ab", 36));
    clock_fake(INT64_C(1700000000123) * US_PER_MS, -1);
    start(true);
    log_job(LOG_WARN, &job, 2, "a \"b\"\n\xFF", 7);
    read_lines(1);
    snprintf(want, sizeof(want),
             "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"process\":\"front\","
             "\"pid\":%d,\"msg\":\"a \\\"b\\\"\\n\xEF\xBF\xBD\","
             "\"job\":\"018bcfe5-687b-7abc-9def-0123456789ab\",\"attempt\":2}\n",
             getpid());
    ck_assert_str_eq(got, want);
    stop();
}
END_TEST

static const struct log_field values[] = {{.name = "path", .value = "/a\n\"b"},
                                          {.name = "status", .value = "200", .number = true},
                                          {.name = "seconds", .value = "0.05", .number = true},
                                          {.name = "odd", .value = "1.2.3", .number = true},
                                          {.name = "none", .value = ""}};

START_TEST(fields_as_text)
{
    clock_fake(INT64_C(1700000000123) * US_PER_MS, -1);
    start(false);
    log_fields(LOG_INFO, "request", values, 5);
    log_fields(LOG_DEBUG, "request", values, 5); /* below the level */
    log_info("%s", "end");
    read_lines(2);
    ck_assert_str_eq(got,
                     "2023-11-14T22:13:20.123Z info  front: request path=/a\\x0a\"b status=200 "
                     "seconds=0.05 odd=1.2.3 none=\n"
                     "2023-11-14T22:13:20.123Z info  front: end\n");
    stop();
}
END_TEST

START_TEST(fields_as_json)
{
    char want[512];
    clock_fake(INT64_C(1700000000123) * US_PER_MS, -1);
    start(true);
    log_fields(LOG_INFO, "request", values, 5);
    read_lines(1);
    snprintf(want, sizeof(want),
             "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\",\"process\":\"front\","
             "\"pid\":%d,\"msg\":\"request\",\"path\":\"/a\\n\\\"b\",\"status\":200,"
             "\"seconds\":0.05,\"odd\":\"1.2.3\",\"none\":\"\"}\n",
             getpid());
    ck_assert_str_eq(got, want);
    stop();
}
END_TEST

START_TEST(fields_that_do_not_fit_are_left_out)
{
    struct log_field many[10];
    for (int i = 0; i < 10; i++)
        many[i] = (struct log_field){.name = "a", .value = text}; /* each is cut at LOG_VALUE_MAX */
    start(false);
    log_fields(LOG_INFO, "request", many, 10);
    read_lines(1);
    size_t n = 0;
    for (const char *p = got; (p = strstr(p, " a=")); p++)
        n++;
    ck_assert_uint_eq(n, (RECORD_TEXT - sizeof("request")) / (sizeof("sa") + LOG_VALUE_MAX + 1));
    ck_assert_int_eq(got[strlen(got) - 2], 'x');
    stop();
}
END_TEST

/* A record of fields that log.c did not make breaks no line and no JSON. */
START_TEST(forged_fields_do_no_harm)
{
    static const char forged[] = "what\0sgood\0yes\0sBAD\":1,\0x\0sgone\0no";
    struct log_record r = {.len = sizeof(forged) - 1,
                           .level = LOG_INFO,
                           .flags = LOG_FIRST | LOG_LAST | LOG_HAS_FIELDS,
                           .who = "x"};
    char whole[PIPE_BUF];
    start(true);
    memcpy(whole, &r, sizeof(r));
    memcpy(whole + sizeof(r), forged, r.len);
    ck_assert_int_eq(fd_write_all(log_pipe[1], whole, sizeof(r) + r.len), 0);
    read_lines(1);
    ck_assert_ptr_nonnull(strstr(got, "\"msg\":\"what\",\"good\":\"yes\"}\n"));
    stop();
}
END_TEST

START_TEST(joins_lines_that_came_in_pieces)
{
    start(false);
    put_record(1, LOG_FIRST, "one ");
    put_record(2, LOG_FIRST, "two ");
    put_record(3, LOG_FIRST | LOG_LAST, "three");
    put_record(1, 0, "and ");
    put_record(2, LOG_LAST, "and more");
    put_record(1, LOG_LAST, "more");
    read_lines(3);
    const char *three = strstr(got, "worker 1: three\n"), *two = strstr(got, ": two and more\n"),
               *one = strstr(got, ": one and more\n");
    ck_assert(three && two && one);
    ck_assert(three < two && two < one);
    stop();
}
END_TEST

START_TEST(the_part_of_a_dead_process_is_shown)
{
    start(false);
    put_record(1, LOG_FIRST, "half a li");
    read_lines(1); /* nobody writes any more */
    ck_assert_ptr_nonnull(strstr(got, ": half a li\n"));
    put_record(1, LOG_FIRST, "again half");
    put_record(1, LOG_FIRST | LOG_LAST, "a new process with the same number");
    read_lines(2);
    ck_assert_ptr_nonnull(strstr(got, ": again half\n"));
    for (uint32_t pid = 100; pid < 200; pid++) /* more than are kept open */
        put_record(pid, LOG_FIRST, "part");
    read_lines(100 - 64);
    put_record(7, LOG_FIRST, "at the end");
    stop();
    read_lines(64);
    ck_assert_ptr_nonnull(strstr(got, ": at the end\n"));
}
END_TEST

START_TEST(foreign_bytes_do_not_end_it)
{
    char junk[1000];
    memset(junk, 0xA5, sizeof(junk));
    start(false);
    ck_assert_int_eq(fd_write_all(log_pipe[1], junk, sizeof(junk)), 0);
    read_lines(1);
    ck_assert_ptr_nonnull(strstr(got, "1000 bytes in the log pipe are no log record\n"));
    log_info("%s", "still here");
    read_lines(1);
    ck_assert_ptr_nonnull(strstr(got, ": still here\n"));
    stop();
}
END_TEST

static void *log_many(void *arg)
{
    const char *name = arg;
    for (int i = 0; i < 200; i++)
        log_info("%s %d %.*s.", name, i, 1500, text);
    return NULL;
}

/* Counts the lines that are whole; each holds one of the names. */
static size_t whole_lines(const char *name)
{
    size_t n = 0;
    for (char *p = got; (p = strstr(p, name)) != NULL; p++) {
        int number;
        ck_assert_int_eq(sscanf(p + strlen(name), "%d", &number), 1);
        ck_assert_int_eq(number, (int)n); /* in the order of its thread */
        char *end = strchr(p, '\n');
        ck_assert_ptr_nonnull(end);
        ck_assert_int_eq(end[-1], '.');
        n++;
    }
    return n;
}

START_TEST(no_line_is_torn_or_lost)
{
    pthread_t a, b;
    start(false);
    pid_t pid = test_fork();
    if (pid == 0) {
        log_who("child");
        log_many((void *)(uintptr_t) "third");
        _exit(0);
    }
    ck_assert_int_eq(pthread_create(&a, NULL, log_many, (void *)(uintptr_t) "first"), 0);
    ck_assert_int_eq(pthread_create(&b, NULL, log_many, (void *)(uintptr_t) "second"), 0);
    read_lines(600);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(whole_lines("first "), 200);
    ck_assert_uint_eq(whole_lines("second "), 200);
    ck_assert_uint_eq(whole_lines("third "), 200);
    stop();
}
END_TEST

START_TEST(a_stuck_reader_loses_lines_and_hears_how_many)
{
    start(false);
    int64_t began = clock_mono_us();
    for (int i = 0; i < 3000; i++) /* 5 MB: more than both pipes hold, and nobody reads */
        log_info("%d %.*s", i, 1600, text);
    ck_assert_int_lt(clock_mono_us() - began, 20 * US_PER_S); /* not a second for each line */
    int flags = fcntl(err_pipe[0], F_GETFL);
    ck_assert_int_eq(fcntl(err_pipe[0], F_SETFL, flags | O_NONBLOCK), 0);
    bool told = false;
    int64_t until = clock_mono_us() + 20 * US_PER_S;
    for (int i = 0; !told && clock_mono_us() < until; i++) {
        struct pollfd p = {.fd = err_pipe[0], .events = POLLIN};
        log_info("%s", "later");
        if (poll(&p, 1, 100) != 1)
            continue;
        ssize_t n = read(err_pipe[0], got, sizeof(got) - 1);
        ck_assert_int_gt(n, 0);
        got[n] = '\0';
        told = strstr(got, "log lines were dropped: standard error took nothing\n") != NULL;
    }
    ck_assert(told);
    ck_assert_int_eq(fcntl(err_pipe[0], F_SETFL, flags), 0);
    stop();
}
END_TEST

START_TEST(stop_does_not_wait_for_ever)
{
    start(false);
    int64_t began = clock_mono_us();
    collector_stop(50); /* a write end is still open */
    ck_assert_int_lt(clock_mono_us() - began, 10 * US_PER_S);
    collector_stop(50);
    log_open(-1, LOG_INFO, "front");
}
END_TEST

int main(void)
{
    return SUITE("log", setup, NULL, one_record_a_line, long_lines_go_in_pieces, levels_have_names,
                 die_says_why, as_text, as_json, fields_as_text, fields_as_json,
                 fields_that_do_not_fit_are_left_out, forged_fields_do_no_harm,
                 joins_lines_that_came_in_pieces, the_part_of_a_dead_process_is_shown,
                 foreign_bytes_do_not_end_it, no_line_is_torn_or_lost,
                 a_stuck_reader_loses_lines_and_hears_how_many, stop_does_not_wait_for_ever);
}
