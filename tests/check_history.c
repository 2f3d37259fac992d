/* check_history.c - the rings behind the charts: what lies between two looks, and what is passed
 * over. */
#include "suite.h"

#include "../common/clock.h"
#include "../server/history.h"

#include <string.h>

static struct history_look now;
static struct history_view view;

static void setup(void)
{
    memset(&now, 0, sizeof(now));
    now.wall_us = 1000 * US_PER_S;
    now.mono_us = 50 * US_PER_S;
    now.workers = 4;
    history_clear();
    history_tick(&now); /* where counting begins */
}

static void look_after(int64_t seconds)
{
    now.wall_us += seconds * US_PER_S;
    now.mono_us += seconds * US_PER_S;
    history_tick(&now);
}

static const struct history_point *newest(enum history_span span)
{
    history_read(span, &view);
    ck_assert_uint_gt(view.count, 0);
    return &view.point[view.count - 1];
}

START_TEST(the_first_look_tells_nothing)
{
    history_read(HISTORY_FINE, &view);
    ck_assert_uint_eq(view.count, 0);
    ck_assert_int_eq(view.until_us, now.wall_us);
    ck_assert_uint_eq(view.step_s, 5);
    history_read(HISTORY_COARSE, &view);
    ck_assert_uint_eq(view.count, 0);
    ck_assert_uint_eq(view.step_s, 300);
}
END_TEST

START_TEST(a_point_is_what_came_between)
{
    now.submitted = 7;
    now.work.succeeded = 5;
    now.work.failed = 1;
    now.depth = 3;
    now.busy = 2;
    look_after(5);
    now.submitted = 9;
    now.depth = 1;
    look_after(5);
    history_read(HISTORY_FINE, &view);
    ck_assert_uint_eq(view.count, 2);
    ck_assert_uint_eq(view.point[0].submitted, 7);
    ck_assert_uint_eq(view.point[0].succeeded, 5);
    ck_assert_uint_eq(view.point[0].failed, 1);
    ck_assert_uint_eq(view.point[0].depth, 3);
    ck_assert_uint_eq(view.point[1].submitted, 2);
    ck_assert_uint_eq(view.point[1].succeeded, 0);
    ck_assert_uint_eq(view.point[1].depth, 1);
    ck_assert_int_eq(view.newest_us, 5 * US_PER_S);
    const struct history_point *p = newest(HISTORY_COARSE); /* both, so far */
    ck_assert_uint_eq(view.count, 1);
    ck_assert_int_eq(view.newest_us, 10 * US_PER_S);
    ck_assert_uint_eq(p->submitted, 9);
    ck_assert_uint_eq(p->depth, 3);
    ck_assert_uint_eq(p->busy_sum, 4);
    ck_assert_uint_eq(p->looks, 2);
    ck_assert_uint_eq(p->workers, 4);
}
END_TEST

START_TEST(a_coarse_point_is_sixty_fine_ones)
{
    for (int i = 0; i < HISTORY_COARSE_TICKS + 1; i++) {
        now.submitted++;
        look_after(5);
    }
    history_read(HISTORY_COARSE, &view);
    ck_assert_uint_eq(view.count, 2);
    ck_assert_uint_eq(view.point[0].submitted, HISTORY_COARSE_TICKS);
    ck_assert_uint_eq(view.point[1].submitted, 1);
}
END_TEST

START_TEST(the_rings_keep_the_newest)
{
    for (int i = 1; i <= HISTORY_COARSE_TICKS * (HISTORY_COARSE_POINTS + 10); i++) {
        now.submitted += (uint64_t)i;
        look_after(5);
    }
    uint64_t last = HISTORY_COARSE_TICKS * (HISTORY_COARSE_POINTS + 10);
    ck_assert_uint_eq(newest(HISTORY_FINE)->submitted, last);
    ck_assert_uint_eq(view.count, HISTORY_FINE_POINTS);
    ck_assert_uint_eq(view.point[0].submitted, last - HISTORY_FINE_POINTS + 1);
    ck_assert_uint_eq(newest(HISTORY_COARSE)->submitted,
                      (last + last - HISTORY_COARSE_TICKS + 1) * HISTORY_COARSE_TICKS / 2);
    ck_assert_uint_eq(view.count, HISTORY_COARSE_POINTS);
}
END_TEST

START_TEST(a_machine_that_slept_leaves_a_gap)
{
    now.submitted = 1;
    look_after(5);
    now.submitted = 3;
    look_after(5 * 11); /* ten looks are missing */
    history_read(HISTORY_FINE, &view);
    ck_assert_uint_eq(view.count, 12);
    ck_assert_uint_eq(view.point[0].submitted, 1);
    for (size_t i = 1; i < 11; i++)
        ck_assert_uint_eq(view.point[i].submitted, 0);
    ck_assert_uint_eq(view.point[11].submitted, 2);
    now.submitted = 4;
    look_after(1000000000); /* longer than is kept */
    ck_assert_uint_eq(newest(HISTORY_COARSE)->submitted, 1);
    ck_assert_uint_eq(view.count, HISTORY_COARSE_POINTS);
}
END_TEST

START_TEST(quantiles_are_of_the_step_alone)
{
    look_after(5);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.run, 50), -1); /* nothing ended */
    now.work.run[0] = 100;                                                       /* to 1 ms */
    look_after(5);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.run, 50), 500);
    now.work.run[1] = 10; /* 1 to 2.5 ms */
    look_after(5);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.run, 50), 1750);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.run, 95), 2425);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.wait, 95), -1);
    now.work.wait[METRICS_WORK_BUCKETS - 1] = 1; /* beyond the last bound */
    look_after(5);
    ck_assert_int_eq(metrics_quantile(newest(HISTORY_FINE)->times.wait, 50), 1800 * US_PER_S);
    ck_assert_uint_eq(newest(HISTORY_COARSE)->times.run[0], 100); /* and all of it here */
    ck_assert_uint_eq(newest(HISTORY_COARSE)->times.run[1], 10);
}
END_TEST

int main(void)
{
    return SUITE("history", setup, NULL, the_first_look_tells_nothing, a_point_is_what_came_between,
                 a_coarse_point_is_sixty_fine_ones, the_rings_keep_the_newest,
                 a_machine_that_slept_leaves_a_gap, quantiles_are_of_the_step_alone);
}
