/*
 * e2e_bytes.c - inputs and results as bytes: large ones in flat memory, ranges of them, and what
 * happens to those who read while they are forgotten.
 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE (24u << 20)
#define SMALL 5000u

static const char *const two_workers[] = {"--workers", "2", NULL};
static const char conf[] = "[task copy]\ncommand = /bin/cat\ninput = raw\nresult = application/x\n";

static char *pattern(size_t len)
{
    char *data = malloc(len);
    uint32_t x = 12345;
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (char)(x >> 24);
    }
    return data;
}

/* A job whose input and result are `len` bytes. */
static void copy(struct server *s, const char *data, size_t len, char id[40])
{
    struct answer *a = http_bytes(s, "/v1/tasks/copy/jobs?wait=60", data, len, NULL);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    snprintf(id, 40, "%s", jstr(a->json, "id"));
    answer_free(a);
}

static struct answer *ask(struct server *s, const char *id, const char *what, const char *range,
                          const char *if_range)
{
    char path[100], line[100], other[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/%s", id, what);
    snprintf(line, sizeof(line), "Range: %s", range);
    snprintf(other, sizeof(other), "If-Range: %s", if_range ? if_range : "");
    const char *const headers[] = {line, if_range ? other : NULL, NULL};
    return http(s, "GET", path, NULL, range ? headers : NULL);
}

static void expect_piece(struct server *s, const char *id, const char *what, const char *data,
                         size_t len, size_t from, size_t to)
{
    char range[64], got[100], want[100];
    snprintf(range, sizeof(range), "bytes=%zu-%zu", from, to);
    struct answer *a = ask(s, id, what, range, NULL);
    ck_assert_int_eq(a->status, 206);
    ck_assert_uint_eq(a->len, to - from + 1);
    ck_assert_int_eq(memcmp(a->body, data + from, a->len), 0);
    snprintf(want, sizeof(want), "bytes %zu-%zu/%zu", from, to, len);
    ck_assert(answer_header(a, "Content-Range", got, sizeof(got)));
    ck_assert_str_eq(got, want);
    answer_free(a);
}

static void ranges_of(struct server *s, size_t len)
{
    char id[40], tag[80], text[80];
    char *data = pattern(len);
    copy(s, data, len, id);
    static const char *const what[] = {"input", "result"};
    for (int i = 0; i < 2; i++) {
        struct answer *a = ask(s, id, what[i], NULL, NULL);
        ck_assert_int_eq(a->status, 200);
        ck_assert_uint_eq(a->len, len);
        ck_assert_int_eq(memcmp(a->body, data, len), 0);
        ck_assert(answer_header(a, "Accept-Ranges", text, sizeof(text)));
        ck_assert(answer_header(a, "ETag", tag, sizeof(tag)));
        answer_free(a);
        expect_piece(s, id, what[i], data, len, 0, 0);
        expect_piece(s, id, what[i], data, len, 1000, 1000);
        expect_piece(s, id, what[i], data, len, len - 1, len - 1);
        expect_piece(s, id, what[i], data, len, len / 3, len - 2);
        a = ask(s, id, what[i], "bytes=-7", NULL);
        ck_assert_int_eq(a->status, 206);
        ck_assert_int_eq(memcmp(a->body, data + len - 7, 7), 0);
        answer_free(a);
        a = ask(s, id, what[i], "bytes=0-3", tag);
        ck_assert_int_eq(a->status, 206);
        ck_assert_uint_eq(a->len, 4);
        answer_free(a);
        a = ask(s, id, what[i], "bytes=0-3", "\"another\"");
        ck_assert_int_eq(a->status, 200);
        ck_assert_uint_eq(a->len, len);
        answer_free(a);
        a = ask(s, id, what[i], "bytes=99999999-", NULL);
        ck_assert_int_eq(a->status, 416);
        ck_assert_str_eq(jstr(a->json, "code"), "range_not_satisfiable");
        snprintf(text, sizeof(text), "bytes */%zu", len);
        ck_assert(answer_header(a, "Content-Range", tag, sizeof(tag)));
        ck_assert_str_eq(tag, text);
        answer_free(a);
    }
    free(data);
}

START_TEST(ranges_of_small_ones)
{
    struct server *s = server_new(conf, two_workers);
    ranges_of(s, SMALL);
    ranges_of(s, 1024); /* in the job's row */
    server_free(s);
}
END_TEST

START_TEST(ranges_of_large_ones)
{
    struct server *s = server_new(conf, two_workers);
    ranges_of(s, 3u << 20);
    ranges_of(s, (256u << 10) + 1);
    server_free(s);
}
END_TEST

static int begin_to_read(struct server *s, const char *id, const char *what)
{
    char head[200];
    int fd = raw_open(s);
    snprintf(head, sizeof(head), "GET /v1/jobs/%s/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", id,
             what);
    raw_send(fd, head);
    return fd;
}

static size_t read_rest(int fd, size_t most)
{
    static char buf[1 << 16];
    size_t n = 0;
    for (ssize_t got; n < most && (got = read(fd, buf, sizeof(buf))) > 0;)
        n += (size_t)got;
    return n;
}

START_TEST(large_ones_take_no_memory)
{
    struct server *s = server_new(conf, two_workers);
    char id[40];
    char *data = pattern(LARGE);
    copy(s, data, LARGE, id);
    free(data);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s); /* whose peak is of reading alone */
    int fd[8];
    for (int i = 0; i < 8; i++)
        fd[i] = begin_to_read(s, id, i % 2 ? "input" : "result");
    for (int i = 0; i < 8; i++) {
        ck_assert_uint_gt(read_rest(fd[i], LARGE), LARGE - 1);
        close(fd[i]);
    }
    if (!SANITIZED)
        ck_assert_int_lt(memory_peak_kib(s->pid), 2 * (long)(LARGE >> 10));
    server_free(s);
}
END_TEST

START_TEST(what_is_forgotten_ends_short)
{
    struct server *s = server_new(conf, two_workers);
    char id[40], path[64];
    char *data = pattern(LARGE);
    copy(s, data, LARGE, id);
    free(data);
    int fd = begin_to_read(s, id, "result");
    size_t first = read_rest(fd, 1);
    ck_assert_uint_gt(first, 0);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = http(s, "DELETE", path, NULL, NULL);
    ck_assert_int_eq(a->status, 204);
    answer_free(a);
    ck_assert_uint_lt(first + read_rest(fd, LARGE),
                      LARGE); /* the end of the stream: not all there was */
    close(fd);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {ranges_of_small_ones, ranges_of_large_ones,
                                  large_ones_take_no_memory, what_is_forgotten_ends_short};
    return run_suite("bytes", tests, sizeof(tests) / sizeof(tests[0]));
}
