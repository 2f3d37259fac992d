/*
 * check_foresee.c - what dispatch does by how long jobs take: who is woken, what is shared, what is
 * claimed ahead.
 */
#include "deliverkit.h"
#include "suite.h"

/* ---- short jobs, several at a time ---- */

static void take_us(int64_t us)
{
    d->pools[0].run_ewma_us = us;
    atomic_store(&board->task[MODULE].run_ewma_us, us);
}

/* The first worker alone has them. */
static void holds(unsigned n, int64_t each_us)
{
    d->pools[0].depth = n;
    take_us(each_us);
    for (unsigned i = 0; i < n; i++)
        gets(MODULE);
    give_all();
    ck_assert_uint_eq(slot(0)->count, n);
}

/* Until when, as far as its workers go. */
static int64_t sleeps(void)
{
    int64_t next_us = INT64_MAX;
    ck_assert(deliver_sleep(d, now_us, &next_us));
    return next_us;
}

/* It is heard of sooner than it could be out of work. */
START_TEST(a_worker_with_much_to_do_wakes_nobody)
{
    holds(8, US_PER_MS);
    slot_set_stopped(slot(1), 1);
    struct assignment a = begins(0);
    ck_assert_int_eq(time_comes(), INT64_MAX);
    ck_assert_int_eq(sleeps(),
                     now_us + SUPPLIED_LOOK_US); /* also if it was given them after that */
    ends(&a, true, true);
    ck_assert(!ring_wake(&ring[0]));
    deliver_look(d);
    ck_assert_uint_eq(slot(0)->count, 7);

    while (slot(0)->count > 3) { /* until it has not so much */
        a = begins(0);
        ends(&a, true, true);
        deliver_look(d);
    }
    (void)sleeps();
    a = begins(0);
    ends(&a, true, true);
    ck_assert(ring_wake(&ring[0]));
}
END_TEST

START_TEST(one_that_is_told_to_stop_wakes_dispatch)
{
    holds(8, US_PER_MS);
    struct assignment a = begins(0);
    slot(0)->stop = STOP_CANCEL;
    (void)sleeps();
    ends(&a, true, true);
    ck_assert(ring_wake(&ring[0]));
}
END_TEST

/* Its end will be told: only that it is no short one is to be seen. */
START_TEST(a_job_that_is_not_short_is_looked_at_once)
{
    holds(2, 5 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    (void)begins(0);
    ck_assert_int_eq(time_comes(), now_us + US_PER_MS);
    ck_assert_int_eq(at(US_PER_MS), now_us + 9 * US_PER_MS);
}
END_TEST

START_TEST(what_waits_long_is_shared_with_who_is_idle)
{
    holds(6, 400);
    (void)begins(0);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 3);
    ck_assert_uint_eq(slot(1)->count, 3);
}
END_TEST

START_TEST(what_is_soon_done_is_not)
{
    holds(6, 100);
    (void)begins(0);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 6);
    (void)at(US_PER_MS); /* the first is not short */
    ck_assert_uint_lt(slot(0)->count, 6);
}
END_TEST

/* ---- the next job in hand ---- */

static struct loan_begun begun; /* of all that are lent */

static struct id gets_lent(void)
{
    static uint32_t loans;
    struct id id = gets(MODULE);
    struct inbox_node *n = d->pools[0].pending;
    while (n->next)
        n = n->next;
    INBOX_OWNER(n, struct claim, order.node)->loan = (struct loan){&begun, ++loans};
    return id;
}

static void has_begun(uint32_t number)
{
    ck_assert_uint_eq(atomic_load(&begun.number), number);
    ck_assert_int_eq(atomic_load(&begun.at_us), now_us);
}

/* The only worker computes: a job that is thought to take 20 ms, and was lent. */
static struct id one_in_hand(void)
{
    slot(0)->computes = true;
    d->pools[0].depth = 1;
    d->pools[0].run_ewma_us = 20 * US_PER_MS;
    atomic_store(&board->task[MODULE].run_ewma_us, 20 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    struct id id = gets_lent();
    d->pools[0].granted = 0;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].granted, 1); /* for the one that follows */
    has_begun(1);
    ck_assert(!d->late); /* it came just now: the writer looks again by itself */
    return id;
}

static struct id follows(void)
{
    struct id id = gets_lent();
    d->pools[0].granted--;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].waiting, 1);
    has_begun(1);
    d->slept++;
    return id;
}

START_TEST(it_begins_with_the_end_of_the_one_before)
{
    struct id id = one_in_hand(), next = follows();
    struct assignment a = begins(0);
    ends(&a, true, false);
    deliver_socket(d, slot(0));
    ended(&id, ATTEMPT_SUCCEEDED);
    ck_assert(id_equal(&slot(0)->held[0].claim->job, &next));
    has_begun(2);
    ck_assert_uint_eq(d->ended->credit, 1); /* for the third, with the outcome */
    ck_assert_uint_eq(d->pools[0].granted, 1);
    ck_assert(d->late);
    ck_assert(pool_is_patient(&d->pools[0]));
}
END_TEST

/* Of several, each as its turn comes. */
START_TEST(what_a_worker_holds_begins_in_turn)
{
    struct id one = gets_lent(), two = gets_lent();
    (void)gets_lent();
    slot_set_stopped(slot(1), 1);
    deliver_pending(d, &d->pools[0]);
    has_begun(1);
    struct assignment a = begins(0);
    (void)at(300);
    ends(&a, true, true);
    deliver_look(d);
    ended(&one, ATTEMPT_SUCCEEDED);
    has_begun(2);
    (void)at(100);
    stop_cancel(d, &two, 1); /* it had not begun */
    ended(&two, ATTEMPT_CANCELLED);
    has_begun(3);
}
END_TEST

START_TEST(it_goes_back_when_the_one_before_goes_on)
{
    struct id id = one_in_hand(), next = follows();
    (void)begins(0);
    int64_t due_us = at(50 * US_PER_MS); /* a little longer than usual */
    ck_assert_int_gt(due_us, now_us);
    ck_assert_ptr_null(outcome(&next));
    for (int i = 0; i < 2; i++) { /* it is not thought to end soon; and then, nobody takes it */
        ck_assert_ptr_null(outcome(&next));
        due_us = at(due_us - now_us);
    }
    ended(&next, ATTEMPT_RETURNED);
    ck_assert_ptr_null(outcome(&id));
    ck_assert_uint_eq(atomic_load(&begun.number), 1);
    ck_assert_uint_eq(d->ended->credit, 0);
    ck_assert(pool_is_patient(&d->pools[0])); /* it asked for none */
}
END_TEST

static void takes_none_in_hand(void)
{
    d->pools[0].depth = 1;
    atomic_store(&board->task[MODULE].run_ewma_us, 20 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    d->pools[0].granted = 0;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].granted, 0);
    ck_assert_int_eq(slot(0)->soon, SOON_UNKNOWN);
}

START_TEST(none_is_taken_in_hand_behind_one_that_was_written)
{
    slot(0)->computes = true;
    (void)gets(MODULE);
    takes_none_in_hand();
}
END_TEST

START_TEST(nor_by_a_worker_that_waits_for_something)
{
    (void)gets_lent();
    takes_none_in_hand();
}
END_TEST

int main(void)
{
    return SUITE("foresee", kit_setup, NULL, a_worker_with_much_to_do_wakes_nobody,
                 one_that_is_told_to_stop_wakes_dispatch, a_job_that_is_not_short_is_looked_at_once,
                 what_waits_long_is_shared_with_who_is_idle, what_is_soon_done_is_not,
                 it_begins_with_the_end_of_the_one_before, what_a_worker_holds_begins_in_turn,
                 it_goes_back_when_the_one_before_goes_on,
                 none_is_taken_in_hand_behind_one_that_was_written,
                 nor_by_a_worker_that_waits_for_something);
}
