/*
 * check_held.c - claims where concurrency keys are full and quotas are small: who is held, who is
 * let go, and that neither keeps others from running. Single thread; each test has a data directory
 * of its own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define MOST 8
#define MANY 1500 /* more than one transaction holds */

static struct id add_key(uint32_t task, const char *key)
{
    struct job j;
    make(&j, task, JOB_QUEUED, 0);
    snprintf(j.concurrency_key, sizeof(j.concurrency_key), "%s", key);
    return keep(&j);
}

/* Claims as a pool of these tasks does, one of each key; returns how many, and what it was told. */
static size_t claim_of(uint32_t alphas, uint32_t betas, size_t want, struct id *ids, int *told)
{
    const struct claim_quota quota[] = {{alpha, alphas, 1, 0, false, false},
                                        {beta, betas, 1, 0, false, false}};
    struct job out[MOST];
    size_t n = 0;
    begin();
    *told = store_claim(s, quota, betas ? 2 : 1, want, 3000, out, &n);
    commit();
    for (size_t i = 0; i < n; i++) {
        ids[i] = out[i].id;
        job_release(&out[i]);
    }
    return n;
}

/* As many as there are places, whatever stands before them. */
START_TEST(held_jobs_keep_no_other_waiting)
{
    struct id ids[MOST];
    int told;
    for (int i = 0; i < 100; i++)
        add_key(alpha, "k");
    struct id other = add(beta, JOB_QUEUED, 0);
    ck_assert_uint_eq(claim_of(UINT32_MAX, UINT32_MAX, 2, ids, &told), 2);
    ck_assert_int_eq(told, 0);
    ck_assert(id_equal(&ids[1], &other));
    recount();
}
END_TEST

/* `n` jobs of alpha that have one key, in one transaction. */
static void add_row(int n, int64_t expires_us)
{
    begin();
    for (int i = 0; i < n; i++) {
        struct job j;
        make(&j, alpha, JOB_QUEUED, 0);
        strcpy(j.concurrency_key, "k");
        j.expires_us = expires_us;
        ck_assert_int_eq(insert(&j, NULL), 0);
        job_release(&j);
    }
    commit();
}

/* A call has its bounds, and says that it is not at the end. */
START_TEST(a_long_row_of_held_jobs_is_passed_in_steps)
{
    struct id ids[MOST];
    int told, calls = 0;
    add_row(MANY, 0);
    struct id other = add(beta, JOB_QUEUED, 0);
    ck_assert_uint_eq(claim_of(UINT32_MAX, UINT32_MAX, 1, ids, &told), 1);
    while (claim_of(UINT32_MAX, UINT32_MAX, 1, ids, &told) == 0) {
        ck_assert_int_eq(told, STORE_HELD);
        ck_assert_int_lt(++calls, 5);
    }
    ck_assert_int_gt(calls, 0);
    ck_assert(id_equal(&ids[0], &other));
    recount();
}
END_TEST

/* So has a transaction: however many claim in it, no more jobs are held or expire than one would
 * pass, nor does the first who claims leave the others none. */
START_TEST(a_transaction_passes_so_many_and_no_more)
{
    for (int expires = 0; expires < 2; expires++) {
        const struct claim_quota row = {alpha, 1, 1, 0, false, false},
                                 quota = {beta, 1, 1, 0, false, false};
        struct job out[MOST];
        struct id ids[MOST];
        size_t n = 0, begun = 0;
        int told;
        add_row(MANY, expires ? 2000 : 0);
        if (!expires)
            ck_assert_uint_eq(claim_of(1, 0, 1, ids, &told), 1);
        struct id other = add(beta, JOB_QUEUED, 0), late = add(beta, JOB_QUEUED, 0);
        uint64_t ready = store_ready(s, alpha);
        begin();
        ck_assert_int_eq(store_claim(s, &row, 1, 1, 3000, out, &n), STORE_HELD);
        ck_assert_int_eq(store_claim(s, &quota, 1, 1, 3000, out, &n), 0);
        ck_assert_uint_eq(n, 1);
        ck_assert(id_equal(&out[0].id, &other));
        job_release(&out[0]);
        for (int i = 0; i < 60; i++)
            ck_assert_int_eq(store_claim(s, &row, 1, 1, 3000, out, &begun), STORE_HELD);
        ck_assert_uint_eq(begun, 0);
        uint64_t left = store_ready(s, alpha);
        ck_assert_int_eq(store_claim(s, &row, 1, MOST, 3000, out, &begun), STORE_HELD);
        ck_assert_uint_eq(store_ready(s, alpha), left);
        commit();
        ck_assert_uint_gt(left, 0);
        ck_assert_uint_eq(ready - left, 1000);
        while (claim_of(1, 1, 1, ids, &told) == 0) /* the next one goes on */
            ck_assert_int_eq(told, STORE_HELD);
        ck_assert(id_equal(&ids[0], &late));
        ck_assert_uint_eq(store_ready(s, alpha), 0);
        recount();
        kit_teardown();
        kit_setup();
    }
}
END_TEST

START_TEST(a_quota_holds_though_some_are_held)
{
    struct id ids[MOST];
    int told;
    const char *const keys[] = {"1", "1", "2", "3", "4", "5"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        add_key(alpha, keys[i]);
    ck_assert_uint_eq(claim_of(3, 0, 5, ids, &told), 3);
    ck_assert_uint_eq(store_count_now(s, alpha, JOB_RUNNING), 3);
    recount();
}
END_TEST

START_TEST(the_same_key_of_another_task_is_another)
{
    struct id ids[MOST];
    int told;
    enum job_state state;
    struct id first = add_key(alpha, "k"), held = add_key(alpha, "k");
    add_key(beta, "k");
    ck_assert_uint_eq(claim_of(UINT32_MAX, UINT32_MAX, 3, ids, &told), 2);
    close_store();
    open_store(); /* it is found again in the rows */
    struct recovery rec;
    ck_assert_int_eq(store_recover(s, 3000, &rec), 0);
    ck_assert_uint_eq(rec.requeued, 2);
    ck_assert_uint_eq(claim_of(UINT32_MAX, UINT32_MAX, 3, ids, &told), 2);
    ck_assert(id_equal(&ids[0], &first));
    ck_assert_int_eq(end(&first, 2, ATTEMPT_SUCCEEDED, false, &state), 0);
    struct id next = claim_one();
    ck_assert(id_equal(&next, &held));
    recount();
}
END_TEST

/* The one that was let go need not run: it is the next one's turn then. */
START_TEST(who_leaves_the_queue_lets_the_next_one_go)
{
    for (int expires = 0; expires < 2; expires++) {
        struct job j, out[4];
        enum job_state state;
        struct id first = add_key(alpha, "k");
        make(&j, alpha, JOB_QUEUED, 0);
        strcpy(j.concurrency_key, "k");
        j.expires_us = expires ? 6000 : 0;
        struct id second = keep(&j), third = add_key(alpha, "k");
        ck_assert_uint_eq(claim(4, out), 1);
        job_release(&out[0]);
        ck_assert_uint_eq(store_ready(s, alpha), 0);
        ck_assert_int_eq(end(&first, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
        ck_assert_uint_eq(store_ready(s, alpha), 1);
        if (expires) {
            due(7000);
        } else {
            job_init(&j);
            begin();
            ck_assert_int_eq(store_cancel(s, &second, 6000, &j), 0);
            commit();
            job_release(&j);
        }
        ck_assert_uint_eq(store_ready(s, alpha), 1);
        struct id next = claim_one();
        ck_assert(id_equal(&next, &third));
        ck_assert_int_eq(end(&third, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
        recount();
    }
}
END_TEST

int main(void)
{
    return SUITE("held", kit_setup, kit_teardown, held_jobs_keep_no_other_waiting,
                 a_long_row_of_held_jobs_is_passed_in_steps,
                 a_transaction_passes_so_many_and_no_more, a_quota_holds_though_some_are_held,
                 the_same_key_of_another_task_is_another,
                 who_leaves_the_queue_lets_the_next_one_go);
}
