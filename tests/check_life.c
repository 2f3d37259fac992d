/*
 * check_life.c - the life of a job in the store, by a clock that the test sets: attempts, expiry,
 * concurrency keys, what may be there once. Single thread; each test has a data directory of its
 * own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

static void ends(const struct id *id, uint32_t number, enum attempt_end how, enum job_state want)
{
    enum job_state state;
    ck_assert_int_eq(end(id, number, how, false, &state), 0);
    ck_assert_int_eq(state, want);
}

/* ---- attempts ---- */

START_TEST(every_attempt_is_kept)
{
    struct job j;
    make(&j, alpha, JOB_RUNNING, 0);
    j.max_attempts = 3;
    struct id id = keep(&j);
    ends(&id, 1, ATTEMPT_FAILED, JOB_SCHEDULED);
    ck_assert_uint_eq(due(5999), 0); /* ended at 5000, paused for 1000 */
    ck_assert_uint_eq(due(6000), 1);
    ck_assert(id_equal(&(struct id[]){claim_one()}[0], &id));
    ends(&id, 2, ATTEMPT_FAILED, JOB_SCHEDULED);
    ck_assert_uint_eq(due(6999), 0);
    ck_assert_uint_eq(due(7000), 1);
    claim_one();
    ends(&id, 3, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);

    struct attempt_record old[4];
    size_t n;
    ck_assert_int_eq(store_read_attempts(r, &id, 4, old, &n), 0);
    ck_assert_uint_eq(n, 2);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(old[i].number, 2 - i);
        ck_assert_str_eq(old[i].error.code, "boom");
        ck_assert_str_eq(old[i].error.message, "it broke");
    }
    ck_assert_int_eq(store_read_attempts(r, &id, 1, old, &n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(old[0].number, 2);
}
END_TEST

START_TEST(a_retry_by_hand_gives_one_more_attempt)
{
    struct job j;
    make(&j, alpha, JOB_RUNNING, 0);
    j.max_attempts = 1;
    struct id id = keep(&j), good = add(alpha, JOB_RUNNING, 0), nil = {{0}};
    ends(&id, 1, ATTEMPT_FAILED, JOB_FAILED);
    ends(&good, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    job_init(&j);
    begin();
    ck_assert_int_eq(store_retry(s, &id, 8000, &j), 0);
    ck_assert_int_eq(j.state, JOB_QUEUED);
    ck_assert_uint_eq(j.max_attempts, 2);
    ck_assert_int_eq(store_retry(s, &id, 8000, &j), -ERR_CONFLICT);
    ck_assert_int_eq(store_retry(s, &good, 8000, &j), -ERR_CONFLICT);
    ck_assert_int_eq(store_retry(s, &nil, 8000, &j), -ERR_NO_JOB);
    commit();
    job_release(&j);
    claim_one();
    j = get(&id);
    ck_assert_uint_eq(j.attempt, 2);
    ck_assert_str_eq(j.error.code, ""); /* that was the attempt before */
    job_release(&j);
    ends(&id, 2, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    recount();
}
END_TEST

START_TEST(what_has_not_begun_expires)
{
    struct job j;
    make(&j, alpha, JOB_QUEUED, 0);
    j.expires_us = 4000;
    struct id queued = keep(&j);
    make(&j, alpha, JOB_SCHEDULED, 0);
    j.run_at_us = 90000;
    j.expires_us = 4000;
    struct id later = keep(&j);
    make(&j, alpha, JOB_RUNNING, 0);
    j.expires_us = 4000;
    struct id running = keep(&j);
    due(3999);
    ck_assert_int_eq(state_of(&queued), JOB_QUEUED);
    due(4000);
    ck_assert_int_eq(state_of(&queued), JOB_EXPIRED);
    ck_assert_int_eq(state_of(&later), JOB_EXPIRED);
    ck_assert_int_eq(state_of(&running), JOB_RUNNING);
    struct job out[1];
    ck_assert_uint_eq(claim(1, out), 0);
    recount();
}
END_TEST

/* Before the step that ends what is over came to it. */
START_TEST(what_is_claimed_too_late_expires)
{
    struct id id[2], key;
    struct job j, out[4];
    bool more;
    for (int i = 0; i < 2; i++) { /* both at once: in front of its key, and without one */
        make(&j, alpha, JOB_QUEUED, 5);
        j.expires_us = 3000;
        if (i == 0)
            snprintf(j.concurrency_key, sizeof(j.concurrency_key), "k");
        id[i] = keep(&j);
    }
    make(&j, alpha, JOB_QUEUED, 0);
    snprintf(j.concurrency_key, sizeof(j.concurrency_key), "k");
    j.expires_us = 3001;
    key = keep(&j);
    make(&j, beta, JOB_QUEUED, 9);
    j.run_anyway = true;
    j.parents = malloc(sizeof(id[0]));
    ck_assert_ptr_nonnull(j.parents);
    j.parents[0] = id[0];
    j.parents_count = 1;
    struct id child = keep(&j);
    for (int brief = 0; brief < 2; brief++) {
        struct claim_quota quota = {alpha, 1, 1, 0, false, brief};
        size_t n = 0;
        begin();
        ck_assert_int_eq(store_claim(s, &quota, 1, 1, 3000, out, &n), 0);
        ck_assert_uint_eq(n, brief ? 0 : 1);
        if (n) {
            ck_assert(id_equal(&out[0].id, &key));
            job_release(&out[0]);
            ck_assert_uint_eq(store_ended_count(s), 2);
        }
        ck_assert_int_eq(store_settle(s, 3000, &more), 0);
        commit();
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(state_of(&id[i]), JOB_EXPIRED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
    recount();
}
END_TEST

/* A worker had it already, and gave it back unbegun. */
START_TEST(what_came_back_unbegun_expires)
{
    for (int began = 0; began < 2; began++) {
        struct job j;
        make(&j, alpha, JOB_RUNNING, 0);
        j.expires_us = 60000;
        struct id id = keep(&j);
        struct attempt a = {.job = id, .number = 1, .end = ATTEMPT_RETURNED, .began = began};
        struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
        enum job_state state;
        begin();
        ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
        ck_assert_int_eq(state, JOB_QUEUED);
        ck_assert_int_eq(store_due_hint_us(s), began ? INT64_MAX : 60000);
        commit();
        due(60000);
        ck_assert_int_eq(state_of(&id), began ? JOB_QUEUED : JOB_EXPIRED);
    }
    recount();
}
END_TEST

/* ---- order ---- */

/* The time is for its beginning: between its attempts it has begun. */
START_TEST(what_has_begun_does_not_expire)
{
    struct job j;
    make(&j, alpha, JOB_RUNNING, 0);
    j.expires_us = 5500;
    j.max_attempts = 3;
    struct id id = keep(&j);
    ends(&id, 1, ATTEMPT_FAILED, JOB_SCHEDULED); /* until 6000 */
    ck_assert_uint_eq(due(5999), 0);
    ck_assert_int_eq(state_of(&id), JOB_SCHEDULED);
    ck_assert_uint_eq(due(6000), 1);
    due(INT64_C(1) << 60);
    ck_assert_int_eq(state_of(&id), JOB_QUEUED);
    claim_one();
    ends(&id, 2, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    recount();
}
END_TEST

START_TEST(age_makes_up_for_priority)
{
    /* a point of priority is worth a minute: what is two minutes older overtakes one point */
    struct job j;
    make(&j, alpha, JOB_QUEUED, 1);
    j.created_us = INT64_C(130000000);
    j.rank_us = j.created_us - INT64_C(60000000);
    struct id urgent = keep(&j);
    make(&j, alpha, JOB_QUEUED, 0);
    j.created_us = j.rank_us = INT64_C(10000000);
    struct id old = keep(&j);
    make(&j, beta, JOB_QUEUED, 0);
    j.created_us = j.rank_us = INT64_C(125000000);
    struct id young = keep(&j);
    const struct id *want[] = {&old, &urgent, &young};
    for (int i = 0; i < 3; i++) {
        struct id got = claim_one();
        ck_assert_msg(id_equal(&got, want[i]), "place %d", i);
    }
}
END_TEST

START_TEST(a_key_runs_so_many_at_once)
{
    struct job j;
    struct id id[3];
    for (int i = 0; i < 3; i++) {
        make(&j, alpha, JOB_QUEUED, i == 2 ? 5 : 0); /* the last one is first in line */
        snprintf(j.concurrency_key, sizeof(j.concurrency_key), "customer-7");
        id[i] = keep(&j);
    }
    struct id free_one = add(alpha, JOB_QUEUED, -5), first = claim_one(), second = claim_one();
    ck_assert(id_equal(&first, &id[2]));
    ck_assert(id_equal(&second, &free_one)); /* what is held blocks nobody */
    struct job out[1];
    ck_assert_uint_eq(claim(1, out), 0);
    ends(&id[2], 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    settle();
    struct id third = claim_one();
    ck_assert(id_equal(&third, &id[0]));
    ck_assert_uint_eq(claim(1, out), 0);
    job_init(&j);
    begin();
    ck_assert_int_eq(store_cancel(s, &id[1], 9, &j), 0); /* while it is held */
    commit();
    job_release(&j);
    ends(&id[0], 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    settle();
    ck_assert_uint_eq(claim(1, out), 0);
    ck_assert_int_eq(state_of(&id[1]), JOB_CANCELLED);
    recount();
}
END_TEST

START_TEST(a_key_holds_over_a_restart)
{
    struct job j, out[2];
    struct id id[2];
    for (int i = 0; i < 2; i++) {
        make(&j, alpha, JOB_QUEUED, 0);
        snprintf(j.concurrency_key, sizeof(j.concurrency_key), "k");
        id[i] = keep(&j);
    }
    ck_assert_uint_eq(claim(2, out), 1);
    job_release(&out[0]);
    close_store();
    open_store();
    struct recovery rec;
    ck_assert_int_eq(store_recover(s, 7000, &rec), 0);
    settle();
    struct id again = claim_one();
    ck_assert(id_equal(&again, &id[0]));
    ck_assert_uint_eq(claim(2, out), 0);
    ends(&id[0], 2, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    settle();
    again = claim_one();
    ck_assert(id_equal(&again, &id[1]));
}
END_TEST

/* ---- what may be there once ---- */

static int insert_unique(struct job *j, int64_t until_us, bool queued_only)
{
    struct store_unique u = {.hash = {7}, .until_us = until_us, .queued_only = queued_only};
    struct store_new new = {.job = j, .unique = &u};
    make(j, alpha, JOB_QUEUED, 0);
    begin();
    int err = store_insert(s, &new);
    commit();
    return err;
}

START_TEST(unique_while_it_has_not_ended)
{
    struct job a, b;
    ck_assert_int_eq(insert_unique(&a, 0, false), 0);
    ck_assert_int_eq(insert_unique(&b, 0, false), STORE_DUPLICATE);
    ck_assert(id_equal(&a.id, &b.id));
    job_release(&b);
    claim_one();
    ck_assert_int_eq(insert_unique(&b, 0, false), STORE_DUPLICATE);
    job_release(&b);
    ends(&a.id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_int_eq(insert_unique(&b, 0, false), 0);
    ck_assert(!id_equal(&a.id, &b.id));
    job_release(&b);
    job_release(&a);
    recount();
}
END_TEST

/* A request that is refused has made nothing: with its key it may come again. */
START_TEST(a_key_of_what_was_refused_is_free)
{
    struct job a, b;
    uint8_t print[32] = {1};
    struct store_key key = {.key = "k", .fingerprint = print, .now_us = 10, .expires_us = 20};
    struct store_unique u = {.hash = {7}};
    struct store_new new = {.job = &b, .key = &key, .unique = &u, .reject = true};
    ck_assert_int_eq(insert_unique(&a, 0, false), 0);
    for (int i = 0; i < 2; i++) {
        make(&b, alpha, JOB_QUEUED, 0);
        begin();
        ck_assert_int_eq(store_insert(s, &new), STORE_DUPLICATE);
        commit();
        ck_assert(id_equal(&a.id, &b.id));
        job_release(&b);
    }
    claim_one();
    ends(&a.id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    make(&b, alpha, JOB_QUEUED, 0);
    begin();
    ck_assert_int_eq(store_insert(s, &new), 0);
    ck_assert_int_eq(store_insert(s, &new), STORE_REPLAYED);
    commit();
    ck_assert(!id_equal(&a.id, &b.id));
    job_release(&b);
    job_release(&a);
    recount();
}
END_TEST

START_TEST(unique_until_it_runs)
{
    struct job a, b;
    ck_assert_int_eq(insert_unique(&a, 0, true), 0);
    ck_assert_int_eq(insert_unique(&b, 0, true), STORE_DUPLICATE);
    job_release(&b);
    claim_one();
    ck_assert_int_eq(insert_unique(&b, 0, true), 0);
    job_release(&b);
    job_release(&a);
}
END_TEST

START_TEST(unique_for_a_time)
{
    struct job a, b;
    ck_assert_int_eq(insert_unique(&a, 2000, false), 0); /* jobs are made at 1000 */
    claim_one();
    ends(&a.id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    ck_assert_int_eq(insert_unique(&b, 2000, false), STORE_DUPLICATE);
    ck_assert(id_equal(&a.id, &b.id));
    job_release(&b);
    make(&b, alpha, JOB_QUEUED, 0);
    b.created_us = 2000;
    struct store_unique u = {.hash = {7}, .until_us = 3000};
    struct store_new new = {.job = &b, .unique = &u};
    begin();
    ck_assert_int_eq(store_insert(s, &new), 0);
    commit();
    job_release(&b);
    job_release(&a);
}
END_TEST

/* ---- rows ---- */

static void shows_no_result(const struct id *id, enum job_state want)
{
    struct job j = get(id);
    ck_assert_int_eq(j.state, want);
    ck_assert(!j.has_result);
    ck_assert_uint_eq(j.result.len, 0);
    job_release(&j);
}

/* A row holds room for a result of the length that the task's last ones had. */
START_TEST(room_for_a_result_is_no_result)
{
    struct id first = add(alpha, JOB_RUNNING, 0);
    ends(&first, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    struct id id = add(alpha, JOB_QUEUED, 0);
    shows_no_result(&id, JOB_QUEUED);
    ck_assert(id_equal(&id, &(struct id[]){claim_one()}[0]));
    shows_no_result(&id, JOB_RUNNING);
    ends(&id, 1, ATTEMPT_FAILED, JOB_SCHEDULED);
    shows_no_result(&id, JOB_SCHEDULED);
    ck_assert_uint_eq(due(INT64_C(1) << 40), 1);
    (void)claim_one();
    ends(&id, 2, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    struct job j = get(&id);
    ck_assert(j.has_result);
    ck_assert_uint_eq(j.result.len, 2);
    ck_assert_mem_eq(j.result.data, "42", 2);
    job_release(&j);
}
END_TEST

int main(void)
{
    return SUITE("life", kit_setup, kit_teardown, every_attempt_is_kept,
                 a_retry_by_hand_gives_one_more_attempt, what_has_not_begun_expires,
                 what_has_begun_does_not_expire, what_is_claimed_too_late_expires,
                 what_came_back_unbegun_expires, age_makes_up_for_priority,
                 a_key_runs_so_many_at_once, a_key_holds_over_a_restart,
                 unique_while_it_has_not_ended, unique_until_it_runs, unique_for_a_time,
                 a_key_of_what_was_refused_is_free, room_for_a_result_is_no_result);
}
