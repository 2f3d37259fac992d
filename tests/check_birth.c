/*
 * check_birth.c - workers that are born late, or never: how long dispatch waits for each, and what
 * it asks of the fork server then.
 */
#include "deliverkit.h"
#include "suite.h"

#include <signal.h>

#define LIMIT_US (30 * US_PER_S) /* birth_timeout in the kit */

/* What the supervisor does now; when it looks again. */
static int64_t supervised(int64_t later_us)
{
    int64_t next = INT64_MAX;
    (void)at(later_us);
    supervise_timers(d, now_us, &next);
    return next;
}

static void asks(int kind)
{
    struct msg m;
    ck_assert_int_eq(asked(&m), kind);
}

/* The first worker dies at work, and another is asked for. */
static void one_is_asked_for(void)
{
    dies(SIGKILL, 0);
    asks(MSG_SPAWN);
    ck_assert_int_eq(slot(0)->state, SLOT_STARTING);
}

static void is_killed_at_birth(void)
{
    asks(MSG_KILL);
    asks(0);
    ck_assert_int_eq(slot(0)->state, SLOT_DYING);
}

START_TEST(one_that_hangs_at_birth_is_killed)
{
    one_is_asked_for();
    (void)supervised(LIMIT_US - 1); /* the fork server's time is not the worker's */
    is_born(0);
    ck_assert_int_eq(supervised(0), now_us + LIMIT_US);
    (void)supervised(LIMIT_US - 1);
    asks(0);
    (void)supervised(1);
    is_killed_at_birth();
}
END_TEST

START_TEST(the_next_one_waits_ever_longer)
{
    one_is_asked_for();
    for (int64_t pause_us = 10000; pause_us <= 80000; pause_us *= 2) {
        is_born(0);
        (void)supervised(LIMIT_US);
        is_killed_at_birth();
        dies(SIGKILL, 0);
        ck_assert_int_eq(slot(0)->state, SLOT_EMPTY);
        ck_assert_int_eq(supervised(0), now_us + pause_us);
        (void)supervised(pause_us);
        asks(MSG_SPAWN);
    }
    ck_assert_uint_eq(d->pools[0].failures, 4);
    is_born(0);
    is_ready(0);
    ck_assert_uint_eq(d->pools[0].failures, 0);
}
END_TEST

START_TEST(one_that_is_ready_has_no_such_limit)
{
    one_is_asked_for();
    is_born(0);
    (void)supervised(LIMIT_US - 1);
    is_ready(0);
    ck_assert_int_eq(supervised(1000 * LIMIT_US), INT64_MAX);
    asks(0);
    ck_assert_int_eq(slot(0)->state, SLOT_IDLE);
}
END_TEST

/* It is the fork server that hangs: there is nobody to kill, and nobody else to ask. */
START_TEST(one_that_is_not_born_is_waited_for)
{
    one_is_asked_for();
    for (int i = 0; i < 3; i++) /* and said in the log each time */
        ck_assert_int_eq(supervised(LIMIT_US), now_us + LIMIT_US);
    asks(0);
    ck_assert_uint_eq(d->pools[0].failures, 0);
    is_born(0);
    is_ready(0);
}
END_TEST

int main(void)
{
    return SUITE("birth", kit_setup, NULL, one_that_hangs_at_birth_is_killed,
                 the_next_one_waits_ever_longer, one_that_is_ready_has_no_such_limit,
                 one_that_is_not_born_is_waited_for);
}
