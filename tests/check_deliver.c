/*
 * check_deliver.c - dispatch's side of a worker, at moments that no clock hits: what a worker has
 * said and nobody heard yet, while its jobs are cancelled, run out of time, or it dies.
 */
#include "../common/fdio.h"
#include "deliverkit.h"
#include "suite.h"

#include <signal.h>

/* ---- the first is over, and nobody heard it ---- */

static struct id first, second;
static struct assignment later; /* the second's, which runs */

static void first_is_over(void)
{
    first = gets(MODULE);
    second = gets(MODULE);
    give_all();
    struct assignment a = begins(0);
    later = begins(1);
    ends(&a, true, true);
}

START_TEST(a_cancel_that_is_late_is_not_the_next_ones)
{
    first_is_over();
    ends(&later, true, false); /* by the socket, which is read first */
    stop_cancel(d, &first, 1);
    deliver_socket(d, slot(0));
    deliver_look(d);
    (void)time_comes();
    ended(&first, ATTEMPT_SUCCEEDED); /* the writer knows of the cancel */
    ended(&second, ATTEMPT_SUCCEEDED);
}
END_TEST

START_TEST(nobody_is_killed_for_what_is_over)
{
    struct msg m;
    first_is_over();
    stop_cancel(d, &first, 1);
    ck_assert_int_eq(time_comes(), now_us); /* look again: it is another's turn */
    (void)time_comes();
    ck_assert_int_eq(asked(&m), 0);
    ck_assert_uint_eq(atomic_load(&slot(0)->board->cancel_seq), 0);
    ends(&later, true, true);
    deliver_look(d);
    ended(&second, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(slot(0)->state, SLOT_IDLE);
}
END_TEST

START_TEST(nor_for_time_that_is_over)
{
    struct msg m;
    first_is_over();
    slot(0)->held[0].claim->timeout_us = US_PER_S;
    (void)at(2 * US_PER_S);
    (void)time_comes();
    ck_assert_int_eq(asked(&m), 0);
    ended(&first, ATTEMPT_SUCCEEDED);
    ck_assert_ptr_null(outcome(&second));
}
END_TEST

START_TEST(the_second_is_cancelled_when_it_is_the_first)
{
    struct msg m;
    first_is_over();
    stop_cancel(d, &second, 1);
    deliver_look(d);
    (void)time_comes();
    ended(&first, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(asked(&m), MSG_KILL);
    dies(SIGKILL, 0);
    ended(&second, ATTEMPT_CANCELLED);
    ck_assert_uint_eq(atomic_load(&board->task[MODULE].failed), 0);
}
END_TEST

START_TEST(what_waits_behind_goes_to_others)
{
    struct id waits;
    first_is_over();
    waits = gets(MODULE);
    give_all();
    stop_cancel(d, &second, 1);
    deliver_look(d);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 1);
    ck_assert_uint_eq(slot(1)->count, 1);
    ck_assert(id_equal(&slot(1)->held[0].claim->job, &waits));
}
END_TEST

START_TEST(a_drain_returns_the_one_that_runs)
{
    struct msg m;
    first_is_over();
    d->draining = true;
    stop_all(d);
    ck_assert_int_eq(asked(&m), MSG_KILL);
    dies(SIGKILL, 0);
    ended(&first, ATTEMPT_SUCCEEDED);
    ended(&second, ATTEMPT_RETURNED);
    ck_assert(outcome(&second)->began);
    ck_assert_uint_eq(atomic_load(&board->task[MODULE].failed), 0);
}
END_TEST

/* ---- why did it die? ---- */

static const struct attempt *killed_at_its_work(int task, int64_t peak)
{
    struct id job = gets(task);
    give_all();
    (void)begins(0);
    dies(SIGKILL, peak);
    ended(&job, ATTEMPT_FAILED);
    ck_assert_uint_eq(atomic_load(&board->task[task].failed), 1);
    return outcome(&job);
}

START_TEST(a_module_has_its_workers_memory)
{
    const struct attempt *a = killed_at_its_work(MODULE, 63 * MIB);
    ck_assert_str_eq(a->error.code, JOB_ERROR_MEMORY);
    ck_assert(!a->retry_now);
}
END_TEST

START_TEST(a_program_has_its_own)
{
    for (int task = COMMAND; task <= WARM; task++) {
        const struct attempt *a = killed_at_its_work(task, 63 * MIB);
        ck_assert_str_eq(a->error.code, JOB_ERROR_CRASHED);
        ck_assert(a->retry_now);
        struct msg m;
        ck_assert_int_eq(asked(&m), MSG_SPAWN);
        fd_close(&worker[0]);
        is_born(0);
        is_ready(0);
    }
}
END_TEST

/* ---- programs kept warm ---- */

static void tells(int i, bool ok)
{
    struct msg m = {.kind = MSG_TASK_STATE, .fd = -1};
    m.u.TASK_STATE = (struct msg_TASK_STATE){
        .generation = slot(i)->generation, .task = WARM, .ok = ok, .why = {"no model", ok ? 0 : 8}};
    ck_assert_int_eq(msg_send(worker[i], &m), 0);
    deliver_socket(d, slot(i));
}

static bool is_in_trouble(void)
{
    char why[BOARD_TROUBLE_MAX + 1];
    return board_trouble_get(&board->task[WARM], why);
}

START_TEST(a_trouble_goes_with_its_worker)
{
    tells(1, true);
    tells(0, false);
    ck_assert(is_in_trouble());
    dies(0, 0);
    ck_assert(!is_in_trouble()); /* the other has nothing new to say */
}
END_TEST

START_TEST(the_trouble_of_another_stays)
{
    tells(0, false);
    tells(1, false);
    dies(0, 0);
    ck_assert(is_in_trouble());
    tells(1, true);
    ck_assert(!is_in_trouble());
}
END_TEST

int main(void)
{
    return SUITE("deliver", kit_setup, NULL, a_cancel_that_is_late_is_not_the_next_ones,
                 nobody_is_killed_for_what_is_over, nor_for_time_that_is_over,
                 the_second_is_cancelled_when_it_is_the_first, what_waits_behind_goes_to_others,
                 a_drain_returns_the_one_that_runs, a_module_has_its_workers_memory,
                 a_program_has_its_own, a_trouble_goes_with_its_worker,
                 the_trouble_of_another_stays);
}
