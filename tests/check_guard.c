/* check_guard.c - a request's head: what is let through, what is refused, and what it takes. */
#include "../common/err.h"
#include "../server/http/guard.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_ROOM ((size_t)15360)

struct head {
    const char *method, *version, *target;
    const char *headers; /* name=value;name=value */
};

static int judge(const struct head *h, struct guard *g, const char **path)
{
    memset(g, 0xff, sizeof(*g)); /* what guard_init() leaves is not read */
    guard_init(g, true, "mill.test", HEAD_ROOM);
    int err = guard_begin(g, h->method, h->version, h->target, path);
    char text[4096];
    snprintf(text, sizeof(text), "%s", h->headers);
    char *rest = text;
    for (char *part; !err && (part = strsep(&rest, ";"));) {
        char *value = strchr(part, '=');
        if (!value)
            continue;
        *value++ = 0;
        guard_header(g, part, strlen(part), value, strlen(value));
    }
    return err ? err : guard_end(g);
}

static const struct {
    struct head head;
    int err;
} heads[] = {
    {{"GET", "HTTP/1.1", "/", "Host=localhost"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:8080"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=127.0.0.1:1"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=[::1]:1"}, 0},
    {{"GET", "HTTP/1.1", "/", "Host=MILL.test"}, 0},
    {{"GET", "HTTP/1.0", "/", ""}, 0},
    {{"GET", "HTTP/1.1", "http://localhost/x", "Host=localhost"}, 0},
    {{"OPTIONS", "HTTP/1.1", "*", "Host=localhost"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5;Idempotency-Key=a"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=chunked"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=Chunked"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost:9;Origin=http://localhost:9"}, 0},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Sec-Fetch-Site=same-origin"}, 0},
    {{"POST", "HTTP/1.1", "/",
      "Host=localhost;Origin=https://example.org;Sec-Fetch-Site=same-origin"},
     0},
    {{"GET", "HTTP/1.1", "/", "Host=localhost;Origin=http://evil"}, 0},

    {{"GET", "HTTP/1.1", "/", ""}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost;Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host="}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=a b"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:x"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=localhost:123456"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=[::1"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=user@localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/", "Host=evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.1", "/", "Host=[evil]"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.1", "/", "Host=127.0.0.1.evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/1.0", "/", "Host=evil.example"}, ERR_WRONG_HOST},
    {{"GET", "HTTP/2.0", "/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"G T", "HTTP/1.1", "/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "x", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "*", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/a b", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/a#b", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/\x80", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%00", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%4", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "/%zz", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "http://other/x", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "http://", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"GET", "HTTP/1.1", "https://localhost/", "Host=localhost"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5;Content-Length=5"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Idempotency-Key=a;idempotency-key=a"},
     ERR_BAD_HEADER},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=+5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=5, 5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length="}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length=18446744073709551621"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Content-Length =5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;X\t=5"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;X=a\r\n b"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=chunked;Content-Length=5"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/",
      "Host=localhost;Transfer-Encoding=chunked;Transfer-Encoding=chunked"},
     ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=xchunked"}, ERR_NOT_IMPLEMENTED},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Transfer-Encoding=gzip, chunked"},
     ERR_NOT_IMPLEMENTED},
    {{"POST", "HTTP/1.0", "/", "Host=localhost;Transfer-Encoding=chunked"}, ERR_BAD_REQUEST},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=http://evil"}, ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost:9;Origin=http://localhost:10"},
     ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=null"}, ERR_FORBIDDEN_ORIGIN},
    {{"POST", "HTTP/1.1", "/", "Host=localhost;Origin=https://localhost.evil;Sec-Fetch-Site=none"},
     ERR_FORBIDDEN_ORIGIN},
    {{"DELETE", "HTTP/1.1", "/", "Host=localhost;Sec-Fetch-Site=cross-site"}, ERR_FORBIDDEN_ORIGIN},
};

START_TEST(guard_lets_through_and_refuses)
{
    struct guard g;
    const char *path;
    int err = judge(&heads[_i].head, &g, &path);
    ck_assert_msg(err == -heads[_i].err, "row %d (%s %s): %d, not %d: %s", _i,
                  heads[_i].head.target, heads[_i].head.headers, err, -heads[_i].err,
                  g.problem.detail);
    ck_assert_int_eq(g.problem.err, heads[_i].err);
}
END_TEST

/* One byte in the midst of others, at each place of the words that are looked at eight bytes at a
 * time, and behind them. */
static void put(char *text, size_t at, int byte)
{
    memset(text, 'a', 20);
    text[20] = 0;
    text[at] = (char)byte;
}

START_TEST(guard_knows_each_byte_at_each_place)
{
    char text[21];
    for (int byte = 1; byte < 256; byte++) {
        bool visible = byte > 0x20 && byte < 0x7f;
        for (size_t at = 1; at < 20; at++) {
            struct guard g;
            const char *path;
            put(text, at, byte);
            text[0] = '/';
            struct head h = {"GET", "HTTP/1.1", text, "Host=localhost"};
            bool fine = visible && !strchr("#\\", byte) && (byte != '%' || at < 18);
            ck_assert_msg((judge(&h, &g, &path) == 0) == fine, "target: %02x at %zu", byte, at);

            guard_init(&g, false, NULL, HEAD_ROOM);
            put(text, at, byte);
            fine = visible && !strchr("#,/?@\\", byte) && (byte != ':' || at == 19); /* no port */
            ck_assert_msg((guard_header(&g, "Host", 4, text, 20) == 0) == fine, "Host: %02x at %zu",
                          byte, at);

            guard_init(&g, false, NULL, HEAD_ROOM);
            fine = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
            ck_assert_msg((guard_header(&g, "X", 1, text, 20) == 0) == fine, "value: %02x at %zu",
                          byte, at);
        }
    }
}
END_TEST

START_TEST(guard_finds_path_and_length)
{
    struct guard g;
    const char *path;
    struct head h = {"POST", "HTTP/1.1", "http://localhost/a?b",
                     "Host=localhost;Content-Length=0012"};
    ck_assert_int_eq(judge(&h, &g, &path), 0);
    ck_assert_str_eq(path, "/a?b");
    ck_assert_uint_eq(g.length, 12);
    ck_assert(!g.chunked);
}
END_TEST

START_TEST(guard_counts_headers_and_bytes)
{
    struct guard g = {0};
    const char *path;
    for (int i = 0; i < GUARD_HEADERS_MAX; i++)
        ck_assert_int_eq(guard_header(&g, "X", 1, "", 0), 0);
    ck_assert_int_eq(guard_header(&g, "X", 1, "", 0), -ERR_HEAD_TOO_LARGE);
    char *target = malloc(GUARD_TARGET_MAX + 2);
    ck_assert_ptr_nonnull(target);
    memset(target, '/', GUARD_TARGET_MAX + 1);
    target[GUARD_TARGET_MAX + 1] = 0;
    struct head h = {"GET", "HTTP/1.1", target, "Host=localhost"};
    ck_assert_int_eq(judge(&h, &g, &path), -ERR_URI_TOO_LONG);
    free(target);
}
END_TEST

START_TEST(guard_counts_the_memory_of_a_head)
{
    struct guard g;
    struct problem p;
    const char *path;
    char *text = malloc(HEAD_ROOM);
    ck_assert_ptr_nonnull(text);
    guard_init(&g, true, "mill.test", HEAD_ROOM);
    ck_assert_int_eq(guard_begin(&g, "GET", "HTTP/1.1", "/a?b&c", &path), 0);
    ck_assert_uint_eq(g.memory, 6 + 2 * GUARD_RECORD);
    ck_assert_int_eq(guard_header(&g, "Host", 4, "localhost", 9), 0);
    ck_assert_uint_eq(g.memory, 6 + 4 + 9 + 4 + 3 * GUARD_RECORD);
    size_t before = g.memory;
    ck_assert_int_eq(guard_header(&g, "cookie", 6, "a=1; b=2", 8),
                     0); /* and a copy, and two records */
    ck_assert_uint_eq(g.memory - before, 6 + 8 + 4 + GUARD_RECORD + 8 + 2 * GUARD_RECORD);
    before = g.memory + 1 + 4 + GUARD_RECORD;
    memset(text, 'x', HEAD_ROOM);
    ck_assert_int_eq(guard_header(&g, "X", 1, text, HEAD_ROOM - before), 0);
    ck_assert_int_eq(guard_end(&g), 0);
    ck_assert(guard_has_room(&g));
    g.memory++;
    ck_assert(!guard_has_room(&g));
    ck_assert_int_eq(guard_end(&g), -ERR_HEAD_TOO_LARGE);
    /* a target alone: '/', and parameters without a name */
    size_t n = HEAD_ROOM / (GUARD_RECORD + 1);
    memset(text, '&', n);
    text[0] = '/';
    text[n] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), 0);
    text[n] = '&';
    text[n + 1] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), -ERR_HEAD_TOO_LARGE);
    memset(text, '&', GUARD_TARGET_MAX + 1);
    text[GUARD_TARGET_MAX + 1] = 0;
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), -ERR_URI_TOO_LONG);
    memset(text, 'x', GUARD_TARGET_MAX + 1); /* the library has room for this one: guard_begin's */
    ck_assert_int_eq(guard_target(text, HEAD_ROOM, &p), 0);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guard");
    TCase *t = tcase_create("guard");
    tcase_add_loop_test(t, guard_lets_through_and_refuses, 0, sizeof(heads) / sizeof(heads[0]));
    tcase_add_test(t, guard_knows_each_byte_at_each_place);
    tcase_add_test(t, guard_finds_path_and_length);
    tcase_add_test(t, guard_counts_headers_and_bytes);
    tcase_add_test(t, guard_counts_the_memory_of_a_head);
    suite_add_tcase(suite, t);
    return suite_end(suite);
}
