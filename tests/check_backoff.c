/* check_backoff.c - pauses between attempts: growth, spread, limits. */
#include "../server/backoff.h"

#include "suite.h"

#define S INT64_C(1000000)

START_TEST(doubles_up_to_the_limit)
{
    static const int64_t want[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (uint32_t attempt = 1; attempt <= 9; attempt++) {
        int64_t least = INT64_MAX, most = 0;
        for (uint64_t r = 0; r < 1000; r++) {
            int64_t us = backoff_us(attempt, S, 60 * S, r * UINT64_C(0x9E3779B97F4A7C15));
            least = us < least ? us : least;
            most = us > most ? us : most;
        }
        ck_assert_int_ge(least, want[attempt - 1] * S / 2);
        ck_assert_int_le(most, want[attempt - 1] * S);
        ck_assert_int_gt(most - least, want[attempt - 1] * S / 3); /* spread over the half */
    }
}
END_TEST

START_TEST(extremes)
{
    ck_assert_int_eq(backoff_us(1, 0, 60 * S, UINT64_MAX), 0);
    ck_assert_int_eq(backoff_us(1000, 0, 60 * S, 3), 0);
    ck_assert_int_eq(backoff_us(5, 10 * S, 0, 3), 0); /* no pause is allowed */
    ck_assert_int_eq(backoff_us(1, 1, S, UINT64_MAX), 1);
    ck_assert_int_eq(backoff_us(1, -5, S, 0), 0);
    ck_assert_int_le(backoff_us(UINT32_MAX, S, INT64_MAX, UINT64_MAX), INT64_MAX);
    ck_assert_int_ge(backoff_us(UINT32_MAX, S, INT64_MAX, 0), INT64_MAX / 2);
    ck_assert_int_ge(backoff_us(0, S, 60 * S, 0), S / 2); /* no attempt counts as the first */
    ck_assert_int_le(backoff_us(0, S, 60 * S, UINT64_MAX), S);
    ck_assert_int_eq(backoff_us(3, S, 60 * S, 12345), backoff_us(3, S, 60 * S, 12345));
}
END_TEST

int main(void)
{
    return SUITE("backoff", NULL, NULL, doubles_up_to_the_limit, extremes);
}
