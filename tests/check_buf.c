/* check_buf.c - growable bytes: invariants, formats, JSON strings, failure that sticks. */
#include "../common/buf.h"

#include "suite.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

static void ck_buf(const struct buf *b, const char *text)
{
    ck_assert(!b->failed);
    ck_assert_uint_eq(b->len, strlen(text));
    ck_assert_uint_lt(b->len, b->cap);
    ck_assert_str_eq(b->data, text);
}

START_TEST(empty_holds_nothing)
{
    struct buf b;
    buf_init(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.cap, 0);
    buf_clear(&b);
    buf_release(&b);
    buf_release(&b);
    size_t len = 1;
    ck_assert_ptr_null(buf_take(&b, &len));
    ck_assert_uint_eq(len, 0);
    buf_add(&b, NULL, 0); /* nothing of nowhere still ends with a zero */
    ck_buf(&b, "");
    buf_release(&b);
}
END_TEST

START_TEST(grows_and_keeps_its_zero)
{
    AUTO_BUF b = BUF_INIT;
    char want[5001];
    for (size_t i = 0; i < 5000; i++) {
        want[i] = (char)('a' + i % 26);
        want[i + 1] = '\0';
        buf_addc(&b, want[i]);
        ck_assert_uint_eq(b.len, i + 1);
        ck_assert_int_eq(b.data[b.len], 0);
    }
    ck_buf(&b, want);
    const char *data = b.data;
    buf_clear(&b);
    ck_buf(&b, "");
    ck_assert_ptr_eq(b.data, data);
}
END_TEST

START_TEST(keeps_zero_bytes)
{
    AUTO_BUF b = BUF_INIT;
    buf_add(&b, "a\0b", 3);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_mem_eq(b.data, "a\0b", 4);
}
END_TEST

START_TEST(formats_of_any_length)
{
    AUTO_BUF b = BUF_INIT;
    char text[1024];
    for (size_t n = 0; n < sizeof(text); n += 13) {
        memset(text, 'x', n);
        text[n] = '\0';
        buf_clear(&b);
        buf_addf(&b, "<%s|%d>", text, 7);
        ck_assert_uint_eq(b.len, n + 4);
        ck_assert_int_eq(b.data[b.len], 0);
        ck_assert_int_eq(b.data[b.len - 1], '>');
    }
}
END_TEST

START_TEST(numbers)
{
    AUTO_BUF b = BUF_INIT;
    buf_add_u64(&b, 0);
    buf_addc(&b, ' ');
    buf_add_u64(&b, 10);
    buf_addc(&b, ' ');
    buf_add_u64(&b, ULLONG_MAX);
    ck_buf(&b, "0 10 18446744073709551615");
}
END_TEST

START_TEST(a_failure_sticks_until_cleared)
{
    AUTO_BUF b = BUF_INIT;
    buf_adds(&b, "abc");
    ck_assert(!buf_reserve(&b, SIZE_MAX));
    ck_assert(b.failed);
    buf_adds(&b, "def");
    buf_addf(&b, "%d", 1);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_str_eq(b.data, "abc");
    buf_clear(&b);
    ck_assert(!b.failed);
    buf_adds(&b, "ghi");
    ck_buf(&b, "ghi");
}
END_TEST

START_TEST(json_strings)
{
    static const struct {
        const char *from;
        size_t len;
        const char *to;
    } rows[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9,
         "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},    /* two, three and four bytes */
        {"a\xC3", 2, "\"a\xEF\xBF\xBD\""},               /* cut short */
        {"\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* overlong */
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* a surrogate */
        {"\xF4\x90\x80\x80", 4,
         "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* above U+10FFFF */
        {"\xFFz", 2, "\"\xEF\xBF\xBDz\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_BUF b = BUF_INIT;
        buf_add_json_string(&b, rows[i].from, rows[i].len);
        ck_buf(&b, rows[i].to);
    }
}
END_TEST

START_TEST(no_character_is_cut)
{
    static const struct {
        const char *text;
        size_t most, kept;
    } rows[] = {{"", 0, 0},
                {"abc", 3, 3},
                {"abc", 2, 2},
                {"a\xC3\xA4z", 2, 1},
                {"a\xC3\xA4z", 3, 3},
                {"\xE2\x82\xAC", 2, 0},
                {"\xF0\x9F\x98\x80", 3, 0},
                {"\xF0\x9F\x98\x80", 4, 4}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_uint_eq(buf_utf8_cut(rows[i].text, strlen(rows[i].text), rows[i].most),
                          rows[i].kept);
}
END_TEST

START_TEST(take_and_move_hand_over)
{
    struct buf a = BUF_INIT, b = BUF_INIT;
    size_t len;
    buf_adds(&a, "first");
    buf_adds(&b, "second");
    buf_move(&a, &b);
    ck_buf(&a, "second");
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.cap, 0);
    char *text = buf_take(&a, &len);
    ck_assert_str_eq(text, "second");
    ck_assert_uint_eq(len, 6);
    ck_assert_ptr_null(a.data);
    free(text);
}
END_TEST

int main(void)
{
    return SUITE("buf", NULL, NULL, empty_holds_nothing, grows_and_keeps_its_zero, keeps_zero_bytes,
                 formats_of_any_length, numbers, a_failure_sticks_until_cleared, json_strings,
                 no_character_is_cut, take_and_move_hand_over);
}
