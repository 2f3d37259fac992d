/*
 * check_lent.c - jobs that are lent: claimed, and written by their outcomes alone. Single thread;
 * each test has a data directory of its own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>

#define MANY 5000 /* more than may be lent at a time */
#define NOW  1000 /* later than all that is lent */

/* In the open transaction; of alpha alone. No worker has them yet. */
static size_t lend(size_t want, int64_t at_us, struct job *out)
{
    const struct claim_quota quota = {alpha, UINT32_MAX, 1, at_us, false, true};
    size_t n = 0;
    ck_assert_int_eq(store_claim(s, &quota, 1, want, 3000, out, &n), 0);
    return n;
}

/* One that is lent at 100, and waits for its worker. */
static struct loan lent_early(struct id *id)
{
    *id = add(alpha, JOB_QUEUED, 0);
    struct job out[2];
    begin();
    ck_assert_uint_eq(lend(2, 100, out), 1);
    commit();
    ck_assert(id_equal(&out[0].id, id));
    ck_assert_int_eq(out[0].state, JOB_RUNNING);
    ck_assert_uint_eq(out[0].attempt, 1);
    ck_assert_ptr_nonnull(out[0].loan.begun);
    job_release(&out[0]);
    return out[0].loan;
}

/* A worker has begun it. */
static struct id lent_one(void)
{
    struct id id;
    struct loan loan = lent_early(&id);
    loan_begins(&loan, 100);
    return id;
}

static void finish(const struct id *id, uint32_t number, enum attempt_end how, enum job_state want)
{
    struct attempt a = {.job = *id,
                        .task_id = alpha,
                        .number = number,
                        .end = how,
                        .worker = 77,
                        .started_us = 3100,
                        .finished_us = 3200,
                        .error = JOB_ERROR_NONE};
    struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
    enum job_state state;
    if (how == ATTEMPT_SUCCEEDED)
        buf_adds(&a.result, "42");
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    ck_assert_int_eq(state, want);
    attempt_release(&a);
}

static void is(const struct id *id, enum job_state state, uint32_t attempt)
{
    struct job j = get(id);
    ck_assert_int_eq(j.state, state);
    ck_assert_uint_eq(j.attempt, attempt);
    job_release(&j);
}

static size_t lend_again(void)
{
    struct job out[2];
    begin();
    size_t n = lend(2, 200, out);
    commit();
    for (size_t i = 0; i < n; i++) {
        loan_begins(&out[i].loan, 200);
        job_release(&out[i]);
    }
    return n;
}

/* Its worker died before it had begun; then its claim was written, and its place lent again. */
START_TEST(an_old_loan_says_nothing_of_a_newer_one)
{
    struct loan_begun place = {0};
    struct loan old = {&place, UINT32_MAX}, next = {&place, 1}; /* it begins anew after 2^32 */
    loan_begins(&old, 100);
    loan_begins(&next, 200);
    loan_begins(&old, 300);
    ck_assert_uint_eq(atomic_load(&place.number), 1);
    ck_assert_int_eq(atomic_load(&place.at_us), 200);
    loan_begins(&next, 400);
    ck_assert_int_eq(atomic_load(&place.at_us), 400);
}
END_TEST

START_TEST(its_outcome_is_all_that_is_written)
{
    struct id id = lent_one();
    is(&id, JOB_QUEUED, 0);
    ck_assert_uint_eq(store_ready(s, alpha), 0);
    ck_assert_uint_eq(lend_again(), 0);
    ck_assert_int_eq(store_lent_since_us(s, NOW), 100);
    begin();
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_uint_eq(store_ended_count(s), 1);
    commit();
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
    struct job j = get(&id);
    ck_assert_int_eq(j.state, JOB_SUCCEEDED);
    ck_assert_uint_eq(j.attempt, 1);
    ck_assert_int_eq(j.started_us, 3100);
    ck_assert_int_eq(j.finished_us, 3200);
    ck_assert_int_eq(j.worker, 77);
    ck_assert_uint_eq(j.result.len, 2);
    job_release(&j);
    struct job_counts c;
    ck_assert_int_eq(store_read_counts(s, "alpha", &c), 0);
    ck_assert_uint_eq(c.came[JOB_RUNNING], 1); /* it is counted as having run */
    recount();
}
END_TEST

START_TEST(a_failure_is_an_attempt_like_others)
{
    struct id id = lent_one();
    begin();
    finish(&id, 1, ATTEMPT_FAILED, JOB_SCHEDULED);
    commit();
    is(&id, JOB_SCHEDULED, 1);
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
    recount();
}
END_TEST

START_TEST(a_cancel_finds_it_running)
{
    struct id id = lent_one();
    struct job j;
    job_init(&j);
    begin();
    ck_assert_int_eq(store_cancel(s, &id, 4000, &j), 0);
    ck_assert_int_eq(j.state, JOB_RUNNING);
    ck_assert_uint_eq(j.attempt, 1);
    commit();
    job_release(&j);
    is(&id, JOB_RUNNING, 1);
    begin();
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_CANCELLED);
    commit();
    recount();
}
END_TEST

START_TEST(a_checkpoint_finds_it_running)
{
    struct id id = lent_one();
    AUTO_BUF data = BUF_INIT;
    buf_adds(&data, "{\"at\":7}");
    begin();
    ck_assert_int_eq(store_checkpoint_keep(s, &id, 1, &data), 0);
    commit();
    is(&id, JOB_RUNNING, 1);
    begin();
    finish(&id, 1, ATTEMPT_FAILED, JOB_SCHEDULED);
    size_t moved;
    int64_t next;
    ck_assert_int_eq(store_due(s, 1000000, 10, &moved, &next), 0);
    struct job out[1];
    ck_assert_uint_eq(lend(1, 300, out), 1);
    commit();
    ck_assert_uint_eq(out[0].checkpoint.len, data.len);
    job_release(&out[0]);
}
END_TEST

START_TEST(what_comes_too_late_is_dropped)
{
    struct id id = lent_one();
    struct attempt a = {.job = id, .task_id = alpha, .number = 2, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
    enum job_state state;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), -ERR_CONFLICT);
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    a.number = 1;
    ck_assert_int_eq(store_finish(s, &a, &p, &state), -ERR_CONFLICT);
    commit();
    is(&id, JOB_SUCCEEDED, 1);
    recount();
}
END_TEST

START_TEST(given_back_it_waits_as_before)
{
    struct id id = lent_one();
    struct job out[2];
    begin();
    finish(&id, 1, ATTEMPT_RETURNED, JOB_QUEUED);
    ck_assert_uint_eq(store_ready(s, alpha), 1);
    ck_assert_uint_eq(lend(2, 300, out), 1); /* by the same transaction */
    ck_assert_uint_eq(out[0].attempt, 1);
    ck_assert_uint_eq(lend(2, 300, out + 1), 0);
    commit();
    loan_begins(&out[0].loan, 300);
    job_release(&out[0]);
    is(&id, JOB_QUEUED, 0);
    ck_assert_int_eq(store_lent_since_us(s, NOW), 300);
    begin();
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    commit();
    recount();
}
END_TEST

START_TEST(what_is_undone_was_not)
{
    struct id id = add(alpha, JOB_QUEUED, 0);
    struct job out[2];
    begin();
    ck_assert_uint_eq(lend(2, 100, out), 1);
    ck_assert_int_eq(store_rollback(s), 0);
    job_release(&out[0]);
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
    ck_assert_uint_eq(store_ready(s, alpha), 1);
    ck_assert_uint_eq(lend_again(), 1);

    begin(); /* an outcome, undone: it is lent still */
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_uint_eq(store_ready(s, alpha), 0);
    ck_assert_uint_eq(lend_again(), 0);

    begin(); /* given back and lent again, undone */
    finish(&id, 1, ATTEMPT_RETURNED, JOB_QUEUED);
    ck_assert_uint_eq(lend(2, 300, out), 1);
    job_release(&out[0]);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_uint_eq(store_ready(s, alpha), 0);
    ck_assert_int_eq(store_lent_since_us(s, NOW), 200);

    begin(); /* its claim, undone */
    ck_assert_int_eq(store_lent_due(s, 200, false), 0);
    ck_assert_int_eq(store_rollback(s), 0);
    is(&id, JOB_QUEUED, 0);
    ck_assert_uint_eq(store_ready(s, alpha), 0);

    begin();
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    commit();
    is(&id, JOB_SUCCEEDED, 1);
    recount();
}
END_TEST

START_TEST(after_a_while_its_claim_is_written)
{
    struct id first = lent_one(), second = add(alpha, JOB_QUEUED, 0);
    ck_assert_uint_eq(lend_again(), 1);
    begin();
    ck_assert_int_eq(store_lent_due(s, 199, false), 0);
    commit();
    is(&first, JOB_RUNNING, 1);
    is(&second, JOB_QUEUED, 0);
    ck_assert_int_eq(store_lent_since_us(s, NOW), 200);
    struct job j = get(&first);
    ck_assert_int_eq(j.started_us, 3000);
    job_release(&j);
    begin();
    finish(&first, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    finish(&second, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    commit();
    recount();
}
END_TEST

/* With the next thing that is written, and no sooner; also among others that are lent for longer.
 */
START_TEST(one_that_is_lent_briefly_is_written_with_others)
{
    const struct claim_quota quota = {alpha, 1, 1, 150, true, true};
    struct id before = lent_one(), id = add(alpha, JOB_QUEUED, 0), after;
    struct job out[2];
    size_t n = 0;
    begin();
    ck_assert_int_eq(store_claim(s, &quota, 1, 1, 3000, out, &n), 0);
    commit();
    ck_assert_uint_eq(n, 1);
    loan_begins(&out[0].loan, 150);
    job_release(&out[0]);
    after = add(alpha, JOB_QUEUED, 0);
    ck_assert_uint_eq(lend_again(), 1);
    begin();
    ck_assert_int_eq(store_lent_due(s, 99, false), 0);
    commit();
    is(&id, JOB_QUEUED, 0);

    begin(); /* undone */
    ck_assert_int_eq(store_lent_due(s, 99, true), 0);
    ck_assert_int_eq(store_rollback(s), 0);
    is(&id, JOB_QUEUED, 0);
    ck_assert_uint_eq(store_ready(s, alpha), 0);

    for (int i = 0; i < 2; i++) { /* twice: then there is none */
        begin();
        ck_assert_int_eq(store_lent_due(s, 99, true), 0);
        commit();
        is(&before, JOB_QUEUED, 0);
        is(&id, JOB_RUNNING, 1);
        is(&after, JOB_QUEUED, 0);
    }
    ck_assert_int_eq(store_lent_since_us(s, NOW), 100);
    begin();
    finish(&before, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    finish(&after, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    commit();
    recount();
}
END_TEST

/* Whatever else is written, and however long it waits; but a cancel finds it running. */
START_TEST(one_that_waits_for_its_turn_is_not_written)
{
    struct id id, next;
    struct loan loan = lent_early(&id), old;
    ck_assert_int_eq(store_lent_since_us(s, 99), 100);
    ck_assert_int_eq(store_lent_since_us(s, 100), INT64_MAX);
    begin();
    ck_assert_int_eq(store_lent_due(s, NOW, true), 0);
    commit();
    is(&id, JOB_QUEUED, 0);

    struct id other = add(alpha, JOB_QUEUED, 0); /* which has its worker before it */
    ck_assert_uint_eq(lend_again(), 1);
    ck_assert_int_eq(store_lent_since_us(s, NOW), 200);
    begin();
    ck_assert_int_eq(store_lent_due(s, NOW, false), 0);
    commit();
    is(&id, JOB_QUEUED, 0);
    is(&other, JOB_RUNNING, 1);

    loan_begins(&loan, 250); /* from then on it counts */
    ck_assert_int_eq(store_lent_since_us(s, NOW), 250);
    begin();
    ck_assert_int_eq(store_lent_due(s, 249, false), 0);
    commit();
    is(&id, JOB_QUEUED, 0);
    begin();
    ck_assert_int_eq(store_lent_due(s, 250, false), 0);
    commit();
    is(&id, JOB_RUNNING, 1);
    struct job late = get(&id);
    ck_assert_int_eq(late.started_us, 3150); /* lent at 3000 */
    job_release(&late);

    old = loan;
    loan = lent_early(&next); /* at the same place */
    ck_assert_ptr_eq(loan.begun, old.begun);
    loan_begins(&old, 250);
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
    struct job j;
    job_init(&j);
    begin();
    ck_assert_int_eq(store_cancel(s, &next, 4000, &j), 0);
    ck_assert_int_eq(j.state, JOB_RUNNING);
    finish(&next, 1, ATTEMPT_CANCELLED, JOB_CANCELLED);
    finish(&id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    finish(&other, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    commit();
    job_release(&j);
    recount();
}
END_TEST

START_TEST(a_last_attempt_is_written)
{
    struct job j[3], out[4];
    for (int i = 0; i < 3; i++)
        make(&j[i], alpha, JOB_QUEUED, 0);
    j[0].max_attempts = 1;
    j[1].expires_us = 9000;
    snprintf(j[2].concurrency_key, sizeof(j[2].concurrency_key), "one");
    begin();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(insert(&j[i], NULL), 0);
    ck_assert_uint_eq(lend(4, 100, out), 3);
    commit();
    for (int i = 0; i < 3; i++) {
        is(&j[i].id, JOB_RUNNING, 1);
        job_release(&out[i]);
        job_release(&j[i]);
    }
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
}
END_TEST

START_TEST(a_dead_service_forgets_that_it_began)
{
    struct id id = lent_one();
    struct recovery rec;
    close_store();
    open_store();
    ck_assert_int_eq(store_recover(s, 6000, &rec), 0);
    ck_assert_uint_eq(rec.requeued, 0);
    is(&id, JOB_QUEUED, 0);
    ck_assert_uint_eq(lend_again(), 1);
}
END_TEST

START_TEST(unique_until_it_runs_ends_with_the_loan)
{
    struct store_unique u = {.hash = {1}, .queued_only = true};
    struct job j, again;
    make(&j, alpha, JOB_QUEUED, 0);
    make(&again, alpha, JOB_QUEUED, 0);
    struct store_new new = {.job = &j, .unique = &u}, second = {.job = &again, .unique = &u};
    begin();
    ck_assert_int_eq(store_insert(s, &new), 0);
    commit();
    ck_assert_uint_eq(lend_again(), 1);
    begin();
    ck_assert_int_eq(store_insert(s, &second), 0);
    commit();
    job_release(&j);
    job_release(&again);
}
END_TEST

START_TEST(as_many_as_there_is_room_for)
{
    static struct job out[MANY];
    size_t n = 0;
    begin();
    for (int i = 0; i < MANY; i++) {
        struct job j;
        make(&j, alpha, JOB_QUEUED, i % 5);
        ck_assert_int_eq(insert(&j, NULL), 0);
        job_release(&j);
    }
    commit();
    while (n < MANY) {
        begin();
        size_t more = lend(64, 100, out + n);
        ck_assert_uint_gt(more, 0);
        n += more;
        commit();
    }
    ck_assert_uint_eq(store_ready(s, alpha), 0);
    begin();
    for (size_t i = 0; i < n; i++) { /* not in their order */
        size_t at = i * 7919 % n;
        finish(&out[at].id, 1, at % 9 ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED,
               at % 9 ? JOB_SUCCEEDED : JOB_SCHEDULED);
        job_release(&out[at]);
    }
    commit();
    ck_assert_int_eq(store_lent_since_us(s, NOW), INT64_MAX);
    recount();
}
END_TEST

int main(void)
{
    return SUITE(
        "lent", kit_setup, kit_teardown, an_old_loan_says_nothing_of_a_newer_one,
        its_outcome_is_all_that_is_written, a_failure_is_an_attempt_like_others,
        a_cancel_finds_it_running, a_checkpoint_finds_it_running, what_comes_too_late_is_dropped,
        given_back_it_waits_as_before, what_is_undone_was_not, after_a_while_its_claim_is_written,
        one_that_is_lent_briefly_is_written_with_others, one_that_waits_for_its_turn_is_not_written,
        a_last_attempt_is_written, a_dead_service_forgets_that_it_began,
        unique_until_it_runs_ends_with_the_loan, as_many_as_there_is_room_for);
}
