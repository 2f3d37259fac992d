/* check_receivers.c - how many calls a receiver may have under way, or waiting, beside others. */
#include "../server/http/receivers.h"
#include "suite.h"

#include <stdio.h>

#define S  INT64_C(1000000)
#define MS INT64_C(1000)
#define A  "http://a.example/hook"
#define B  "http://b.example/hook"
#define C  "https://c.example:444/hook"

enum { HALF = CALLS_UNDER_WAY_MAX / 2, WAITING_HALF = CALLS_WAITING_MAX / 2 };

static void forget(void)
{
    receivers_forget();
}

static struct receiver *join(const char *url)
{
    struct receiver *r = receiver_join(url);
    ck_assert_ptr_nonnull(r);
    return r;
}

/* As many as it may; how many. */
static int begin_all(const char *url)
{
    int n = 0;
    struct receiver *r = join(url);
    for (; receiver_may_begin(r); n++) {
        receiver_begin(r);
        join(url);
    }
    receiver_leave(r);
    return n;
}

static void end(const char *url, int n, bool answered, int64_t took_us)
{
    struct receiver *r = join(url);
    for (int i = 0; i < n; i++)
        receiver_end(r, answered, took_us);
    receiver_leave(r);
}

/* Its last call was not answered. */
static void fall_silent(const char *url)
{
    struct receiver *r = join(url);
    receiver_begin(r);
    receiver_end(r, false, 15 * S);
}

static void wait_for(const char *url, int n)
{
    for (int i = 0; i < n; i++)
        join(url);
}

START_TEST(one_leaves_as_much_for_the_next)
{
    ck_assert_int_eq(begin_all(A), HALF);
    ck_assert_int_eq(begin_all(B), HALF / 2);
    ck_assert_int_eq(begin_all(C), HALF / 4);
    end(A, HALF, true, 100 * MS);
    ck_assert_int_eq(begin_all(C), HALF / 2); /* until it has as many as are free */
    ck_assert_int_gt(begin_all(A), 0);
}
END_TEST

START_TEST(the_silent_share_a_half)
{
    char url[64];
    int n = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof(url), "http://10.0.0.%d:80/", i);
        fall_silent(url);
        n += begin_all(url);
        if (i == 0)
            ck_assert_int_eq(n, HALF / 2);
    }
    ck_assert_int_eq(n, HALF);
    ck_assert_int_eq(begin_all(A), HALF / 2);
    end("http://10.0.0.0:80/", 1, true, 100 * MS); /* it answers: it is like all others again */
    ck_assert_int_gt(begin_all(url), 0);
}
END_TEST

START_TEST(calls_under_way_change_sides)
{
    ck_assert_int_eq(begin_all(A), HALF);
    end(A, 1, false, 15 * S);
    ck_assert_int_eq(begin_all(A), 0); /* it has more than a silent one may have */
    end(A, HALF - 1, false, 15 * S);
    ck_assert_int_eq(begin_all(A), HALF / 2);
    end(A, HALF / 2, true, 1 * MS);
    ck_assert_int_eq(begin_all(A), HALF);
}
END_TEST

START_TEST(a_receiver_is_scheme_host_and_port)
{
    static const char *const same[] = {"http://A.Example", "http://a.example?x=@/",
                                       "HTTP://a.EXAMPLE/#", "http://u:p@a.example/other"};
    static const char *const others[] = {"https://a.example/hook", "http://a.example:81/hook",
                                         "http://a.exampl/hook", "http://a.example.org/hook"};
    struct receiver *a = join(A);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        ck_assert_msg(join(same[i]) == a, "%s", same[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(join(others[i]) != a, "%s", others[i]);
}
END_TEST

START_TEST(what_finds_no_place_comes_at_its_turn)
{
    ck_assert_int_eq(receiver_pause_us(A, 100 * S), 0);
    wait_for(A, WAITING_HALF);
    ck_assert_int_eq(receiver_pause_us(B, 100 * S), 0);
    int64_t last = 0, pause = 0;
    for (int i = 0; i < 10000; i++, last = pause) {
        pause = receiver_pause_us(A, 100 * S);
        ck_assert_int_gt(pause, 0);
        ck_assert_int_ge(pause, last);
    }
    ck_assert_int_ge(pause, 10 * S); /* twice as fast as 32 at once take 0.1 s each: 640 a second */
    ck_assert_int_le(pause, 20 * S);
    fall_silent(A);
    for (int i = 0; i < 10000; i++)
        pause = receiver_pause_us(A, 200 * S);
    ck_assert_int_ge(pause, 190 * S); /* and 50 a second of one that is silent */
    ck_assert_int_le(pause, 210 * S);
    end(A, begin_all(A), true, 1 * MS); /* it answers: those that come now are not behind these */
    wait_for(A, 1);
    ck_assert_int_le(receiver_pause_us(A, 200 * S), 1 * S);
}
END_TEST

START_TEST(a_silent_one_gives_its_places_back)
{
    wait_for(A, WAITING_HALF + 20);
    struct receiver *a = join(A);
    ck_assert(!receiver_crowds(a));
    fall_silent(A);
    int n = 0;
    for (; receiver_crowds(a); n++)
        receiver_leave(a);
    ck_assert_int_eq(n, 21);
    ck_assert_int_gt(receiver_pause_us(A, 0), 0);
    ck_assert_int_eq(receiver_pause_us(B, 0), 0);
}
END_TEST

START_TEST(when_nobody_has_a_place_nobody_is_passed_over)
{
    char url[64];
    struct receiver *r = NULL;
    for (int i = 0; i < CALLS_WAITING_MAX; i++) {
        ck_assert_int_eq(receiver_pause_us(B, 0), 0);
        snprintf(url, sizeof(url), "http://a%d.example/", i);
        r = join(url);
    }
    ck_assert_int_eq(receiver_pause_us(B, 0), -1);
    ck_assert_int_eq(receiver_pause_us(url, 0), -1);
    receiver_leave(r);
    ck_assert_int_eq(receiver_pause_us(B, 0), 0);
}
END_TEST

START_TEST(those_without_calls_are_forgotten)
{
    char url[64];
    struct receiver *a = join(A);
    for (int i = 0; i < 3 * RECEIVERS_KEPT; i++) {
        snprintf(url, sizeof(url), "http://a%d.example/", i);
        receiver_leave(join(url));
    }
    ck_assert(join(A) == a);
    ck_assert_int_eq(begin_all(A), HALF);
}
END_TEST

int main(void)
{
    return SUITE("receivers", NULL, forget, one_leaves_as_much_for_the_next,
                 the_silent_share_a_half, calls_under_way_change_sides,
                 a_receiver_is_scheme_host_and_port, what_finds_no_place_comes_at_its_turn,
                 a_silent_one_gives_its_places_back, when_nobody_has_a_place_nobody_is_passed_over,
                 those_without_calls_are_forgotten);
}
