/* check_range.c - the Range header against ranges that were worked out by hand, and by trying all.
 */
#include "../server/http/range.h"

#include "suite.h"

#include <stdio.h>

static const struct {
    const char *text;
    uint64_t size;
    enum range is;
    uint64_t from, len;
} cases[] = {
    {NULL, 10, RANGE_WHOLE, 0, 0},
    {"bytes=0-0", 10, RANGE_PIECE, 0, 1},
    {"bytes=0-", 10, RANGE_PIECE, 0, 10},
    {"BYTES= 2-5 ", 10, RANGE_PIECE, 2, 4},
    {"bytes=9-", 10, RANGE_PIECE, 9, 1},
    {"bytes=9-99", 10, RANGE_PIECE, 9, 1},
    {"bytes=0-9", 10, RANGE_PIECE, 0, 10},
    {"bytes=-1", 10, RANGE_PIECE, 9, 1},
    {"bytes=-10", 10, RANGE_PIECE, 0, 10},
    {"bytes=-11", 10, RANGE_PIECE, 0, 10},
    {"bytes=10-", 10, RANGE_NOWHERE, 0, 0},
    {"bytes=10-11", 10, RANGE_NOWHERE, 0, 0},
    {"bytes=-0", 10, RANGE_NOWHERE, 0, 0},
    {"bytes=0-", 0, RANGE_NOWHERE, 0, 0},
    {"bytes=-1", 0, RANGE_NOWHERE, 0, 0},
    {"bytes=99999999999999999999999-", 10, RANGE_NOWHERE, 0, 0},
    {"bytes=1-99999999999999999999999", 10, RANGE_PIECE, 1, 9},
    {"bytes=18446744073709551615-18446744073709551615", UINT64_MAX, RANGE_NOWHERE, 0, 0},
    {"bytes=0-18446744073709551615", UINT64_MAX, RANGE_PIECE, 0, UINT64_MAX},
    {"bytes=5-2", 10, RANGE_WHOLE, 0, 0},
    {"bytes=0-1,3-4", 10, RANGE_WHOLE, 0, 0},
    {"bytes=", 10, RANGE_WHOLE, 0, 0},
    {"bytes=-", 10, RANGE_WHOLE, 0, 0},
    {"bytes=1", 10, RANGE_WHOLE, 0, 0},
    {"bytes=a-b", 10, RANGE_WHOLE, 0, 0},
    {"bytes=1-2x", 10, RANGE_WHOLE, 0, 0},
    {"lines=1-2", 10, RANGE_WHOLE, 0, 0},
    {"", 10, RANGE_WHOLE, 0, 0},
};

START_TEST(cases_by_hand)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t from = 0, len = 0;
        enum range is = range_parse(cases[i].text, cases[i].size, &from, &len);
        ck_assert_msg(is == cases[i].is, "%s", cases[i].text);
        if (is == RANGE_PIECE)
            ck_assert_msg(from == cases[i].from && len == cases[i].len, "%s", cases[i].text);
    }
}
END_TEST

/* What is given is what lies both in the range and in the bytes that there are. */
START_TEST(all_small_ones)
{
    for (unsigned size = 0; size < 8; size++) {
        for (unsigned a = 0; a < 10; a++) {
            for (unsigned b = a; b < 10; b++) {
                char text[40];
                uint64_t from, len;
                snprintf(text, sizeof(text), "bytes=%u-%u", a, b);
                enum range is = range_parse(text, size, &from, &len);
                ck_assert_int_eq(is, a < size ? RANGE_PIECE : RANGE_NOWHERE);
                if (is != RANGE_PIECE)
                    continue;
                ck_assert_uint_eq(from, a);
                ck_assert_uint_eq(from + len, b + 1 < size ? b + 1 : size);
            }
        }
    }
}
END_TEST

int main(void)
{
    return SUITE("range", NULL, NULL, cases_by_hand, all_small_ones);
}
