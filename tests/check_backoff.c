/* check_backoff.c - pauses between attempts: growth, spread, limits. */
#include "../server/backoff.h"

#include "../common/err.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

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

static bool seconds(const char *word, int64_t *us)
{
    char *end;
    *us = strtoll(word, &end, 10) * S;
    return *end == 's' && end[1] == '\0';
}

START_TEST(words_of_the_configuration)
{
    static const char *const bad[] = {
        "",
        " ",
        "never 1s",
        "fixed",
        "fixed 1s 2s",
        "fixed 1",
        "fixed -1s",
        "exponential 1s",
        "exponential 1s 2s 3s",
        "list",
        "list x",
        "list 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s"};
    struct backoff b;
    ck_assert_int_eq(backoff_words(&b, "exponential 1s 60s", seconds), 0);
    ck_assert_int_eq(backoff_next(&b, 1, 0), backoff_us(1, S, 60 * S, 0));
    ck_assert_int_eq(backoff_next(&b, 9, UINT64_MAX), backoff_us(9, S, 60 * S, UINT64_MAX));
    ck_assert_int_eq(backoff_words(&b, "fixed\t5s", seconds), 0);
    ck_assert_int_eq(backoff_next(&b, 1, 7), 5 * S);
    ck_assert_int_eq(backoff_next(&b, 9, 7), 5 * S);
    ck_assert_int_eq(backoff_words(&b, "list 1s 10s 3s", seconds), 0);
    ck_assert_int_eq(backoff_next(&b, 0, 7), S);
    ck_assert_int_eq(backoff_next(&b, 1, 7), S);
    ck_assert_int_eq(backoff_next(&b, 2, 7), 10 * S);
    ck_assert_int_eq(backoff_next(&b, 3, 7), 3 * S);
    ck_assert_int_eq(backoff_next(&b, 1000, 7), 3 * S); /* the last one again and again */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(backoff_words(&b, bad[i], seconds) == -ERR_BAD_FIELD, "%s", bad[i]);
    char longer[600];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ck_assert_int_eq(backoff_words(&b, longer, seconds), -ERR_BAD_FIELD);
}
END_TEST

START_TEST(the_text_that_is_kept)
{
    static const char *const good[] = {"exponential 1s 60s", "fixed 0s", "list 1s 10s 3s"};
    static const char *const bad[] = {
        "",  "x 1", "e",     "e 1",  "f",  "f 1 2",
        "l", "l x", "l 1,2", "l -1", "f1", "l 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"};
    struct backoff b, again;
    char text[256], short_one[4];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(backoff_words(&b, good[i], seconds), 0);
        ck_assert_int_eq(backoff_format(&b, text, sizeof(text)), 0);
        ck_assert_int_eq(backoff_parse(&again, text), 0);
        ck_assert_int_eq(again.kind, b.kind);
        ck_assert_uint_eq(again.count, b.count);
        ck_assert_mem_eq(again.delay_us, b.delay_us, b.count * sizeof(b.delay_us[0]));
        ck_assert_int_eq(backoff_format(&b, short_one, 1), -ERR_TOO_LARGE);
    }
    ck_assert_int_eq(backoff_format(&b, short_one, sizeof(short_one)), -ERR_TOO_LARGE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(backoff_parse(&b, bad[i]) == -ERR_BAD_FIELD, "%s", bad[i]);
}
END_TEST

int main(void)
{
    return SUITE("backoff", NULL, NULL, doubles_up_to_the_limit, extremes,
                 words_of_the_configuration, the_text_that_is_kept);
}
