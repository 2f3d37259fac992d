/* check_clock.c - times as text and back, deadlines, the stand-in clocks. */
#include "../common/clock.h"

#include "suite.h"

#include <limits.h>
#include <string.h>

START_TEST(formats)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {1000, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400) * US_PER_S, "2000-02-29T00:00:00.000Z"},
        {INT64_C(4107542399) * US_PER_S + 999999, "2100-02-28T23:59:59.999Z"},
        {INT64_C(253402300799) * US_PER_S, "9999-12-31T23:59:59.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[CLOCK_TEXT];
        clock_format(rows[i].us, out);
        ck_assert_str_eq(out, rows[i].text);
    }
}
END_TEST

START_TEST(parses)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1970-01-01T00:00:00.1Z", 100000},
        {"1970-01-01T00:00:00.123456789Z", 123456},
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * US_PER_S},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800) * US_PER_S},
        {"9999-12-31T23:59:59Z", INT64_C(253402300799) * US_PER_S},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t us = -1;
        ck_assert_msg(clock_parse(rows[i].text, strlen(rows[i].text), &us), "%s", rows[i].text);
        ck_assert_int_eq(us, rows[i].us);
    }
}
END_TEST

START_TEST(refuses)
{
    static const char *const rows[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2001-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970-01-01X00:00:00Z",
        "1970/01/01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t us;
        ck_assert_msg(!clock_parse(rows[i], strlen(rows[i]), &us), "%s", rows[i]);
    }
    int64_t us; /* the length counts, not a zero */
    ck_assert(!clock_parse("1970-01-01T00:00:00Z", 19, &us));
    ck_assert(!clock_parse("1970-01-01T00:00:00\0Z", 21, &us));
}
END_TEST

START_TEST(text_and_back)
{
    /* a step that falls on all months, hours and milliseconds; from year 0 to 9999 */
    for (int64_t ms = INT64_C(-62167219200000); ms < INT64_C(253402300800000);
         ms += 3155695200123) {
        char text[CLOCK_TEXT];
        int64_t us;
        clock_format(ms * US_PER_MS, text);
        ck_assert_uint_eq(strlen(text), CLOCK_TEXT - 1);
        ck_assert(clock_parse(text, CLOCK_TEXT - 1, &us));
        ck_assert_int_eq(us, ms * US_PER_MS);
    }
}
END_TEST

START_TEST(deadlines)
{
    clock_fake(5, 1000000);
    ck_assert_int_eq(clock_wall_us(), 5);
    ck_assert_int_eq(clock_mono_us(), 1000000);
    ck_assert_int_eq(clock_wait_ms(0, 100), 0);
    ck_assert_int_eq(clock_wait_ms(INT64_MIN, 100), 0);
    ck_assert_int_eq(clock_wait_ms(1000000, 100), 0);
    ck_assert_int_eq(clock_wait_ms(1000001, 100), 1); /* up: waking too early would spin */
    ck_assert_int_eq(clock_wait_ms(1001000, 100), 1);
    ck_assert_int_eq(clock_wait_ms(1001001, 100), 2);
    ck_assert_int_eq(clock_wait_ms(1100000, 100), 100);
    ck_assert_int_eq(clock_wait_ms(9000000, 100), 100);
    ck_assert_int_eq(clock_wait_ms(INT64_MAX, 100), 100);
    ck_assert_int_eq(clock_wait_ms(INT64_MAX, INT_MAX), INT_MAX);
    clock_fake(-1, -1);
    ck_assert_int_gt(clock_wall_us(), INT64_C(1600000000) * US_PER_S);
    int64_t before = clock_mono_us();
    ck_assert_int_le(before, clock_mono_us());
    ck_assert_int_ge(clock_cpu_us(), 0);
}
END_TEST

int main(void)
{
    return SUITE("clock", NULL, NULL, formats, parses, refuses, text_and_back, deadlines);
}
