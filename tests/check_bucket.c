/* check_bucket.c - the token bucket, by a clock that the test sets. */
#include "../server/bucket.h"
#include "suite.h"

#define S INT64_C(1000000)

START_TEST(begins_full_and_fills_by_its_rate)
{
    struct bucket k = {0};
    int64_t next = INT64_MAX;
    ck_assert_uint_eq(bucket_tokens(&k, 2, 5, 100 * S, &next), 5);
    bucket_take(&k, 5);
    ck_assert_uint_eq(bucket_tokens(&k, 2, 5, 100 * S, &next), 0);
    ck_assert_int_ge(next, 100 * S + S / 2); /* two a second: the next in half of one */
    ck_assert_int_le(next, 100 * S + S / 2 + 1);
    ck_assert_uint_eq(bucket_tokens(&k, 2, 5, next, &next), 1);
    ck_assert_uint_eq(bucket_tokens(&k, 2, 5, 1000 * S, &next), 5); /* no more than that */
}
END_TEST

START_TEST(what_comes_slowly_is_not_lost)
{
    struct bucket k = {0};
    int64_t next = INT64_MAX, now = S;
    uint32_t got = 0;
    (void)bucket_tokens(&k, 3, 1, now, &next);
    bucket_take(&k, 1);
    for (int i = 0; i < 10000; i++) { /* asked each millisecond for ten seconds */
        now += S / 1000;
        uint32_t n = bucket_tokens(&k, 3, 1, now, &next);
        bucket_take(&k, n);
        got += n;
    }
    ck_assert_uint_ge(got, 29);
    ck_assert_uint_le(got, 30);
}
END_TEST

START_TEST(a_burst_of_none_is_one)
{
    struct bucket k = {0};
    int64_t next = INT64_MAX;
    ck_assert_uint_eq(bucket_tokens(&k, 0.001, 0, S, &next), 1);
    bucket_take(&k, 1);
    ck_assert_uint_eq(bucket_tokens(&k, 0.001, 0, S, &next), 0);
    ck_assert_int_gt(next, 1000 * S);
    ck_assert_uint_eq(bucket_tokens(&k, 0.001, 0, next, &next), 1);
}
END_TEST

START_TEST(what_was_not_used_comes_back)
{
    struct bucket k = {0};
    int64_t next = INT64_MAX;
    bucket_take(&k, 2); /* before it was asked for the first time */
    ck_assert_uint_eq(bucket_tokens(&k, 1, 4, S, &next), 2);
    bucket_take(&k, 2);
    bucket_take(&k, -2);
    ck_assert_uint_eq(bucket_tokens(&k, 1, 4, S, &next), 2);
    int64_t early = 5;
    bucket_take(&k, 2);
    ck_assert_uint_eq(bucket_tokens(&k, 1, 4, S, &early), 0);
    ck_assert_int_eq(early, 5); /* somebody else is earlier */
}
END_TEST

int main(void)
{
    return SUITE("bucket", NULL, NULL, begins_full_and_fills_by_its_rate,
                 what_comes_slowly_is_not_lost, a_burst_of_none_is_one,
                 what_was_not_used_comes_back);
}
