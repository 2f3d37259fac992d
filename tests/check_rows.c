/*
 * check_rows.c - rows of new jobs that wait for each other, and are written together within their
 * transaction. Single thread; each test has a data directory of its own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>

#define MANY 555 /* of four kinds: several statements for each */

static struct job job[MANY]; /* they stay until the test ends */

/* In the open transaction; it may be written later in it. */
static int add_later(struct job *j, const struct attempt *ended)
{
    struct store_new new = {.job = j, .ended = ended, .stays = true};
    return store_insert(s, &new);
}

static void make_one(int i, enum job_state state)
{
    make(&job[i], i % 2 ? alpha : beta, state, i % 7);
    buf_clear(&job[i].input);
    buf_addf(&job[i].input, "{\"n\":%d}", i);
}

static void release(int n)
{
    for (int i = 0; i < n; i++)
        job_release(&job[i]);
}

static void has_input(int i)
{
    char want[32];
    struct job j = get(&job[i].id);
    snprintf(want, sizeof(want), "{\"n\":%d}", i);
    ck_assert_uint_eq(j.input.len, strlen(want));
    ck_assert_mem_eq(j.input.data, want, j.input.len);
    ck_assert_int_eq(j.priority, job[i].priority);
    job_release(&j);
}

START_TEST(all_kinds_are_written_each_with_its_own)
{
    struct attempt ended = {.task_id = beta,
                            .number = 1,
                            .end = ATTEMPT_SUCCEEDED,
                            .worker = 77,
                            .started_us = 3100,
                            .finished_us = 3200,
                            .error = JOB_ERROR_NONE};
    struct group g = {.created_us = 1000, .open = true};
    ck_assert_int_eq(id_new(&g.id), 0);
    buf_adds(&ended.result, "42");
    begin();
    ck_assert_int_eq(store_group_add(s, &g), 0);
    for (int i = 0; i < MANY; i++) {
        bool ran = i % 3 == 2;
        make_one(i, ran ? JOB_RUNNING : JOB_QUEUED);
        if (ran)
            job[i].task_id = beta;
        if (i % 3 == 1)
            snprintf(job[i].backoff, sizeof(job[i].backoff), "fixed:%d", i); /* not plain */
        if (i % 3 == 0 && i % 2)
            job[i].group = g.id;
        ended.job = job[i].id;
        ck_assert_int_eq(add_later(&job[i], ran ? &ended : NULL), 0);
    }
    commit();
    for (int i = 0; i < MANY; i++) {
        char backoff_text[32] = "";
        has_input(i);
        struct job j = get(&job[i].id);
        ck_assert_int_eq(j.state, i % 3 == 2 ? JOB_SUCCEEDED : JOB_QUEUED);
        if (i % 3 == 1)
            snprintf(backoff_text, sizeof(backoff_text), "fixed:%d", i);
        ck_assert_str_eq(j.backoff, backoff_text);
        ck_assert(id_equal(&j.group, &job[i].group));
        ck_assert_uint_eq(j.result.len, i % 3 == 2 ? 2 : 0);
        ck_assert_int_eq(j.finished_us, i % 3 == 2 ? 3200 : 0);
        job_release(&j);
    }
    recount();
    buf_release(&ended.result);
    release(MANY);
}
END_TEST

/* Whatever asks for a job in its own transaction finds it. */
START_TEST(none_is_missed_by_its_own_transaction)
{
    struct job out[8], told;
    enum job_state state;
    bool more;
    begin();
    for (int i = 0; i < 8; i++) {
        make_one(i, JOB_QUEUED);
        job[i].priority = 0;
        job[i].rank_us = 1000;
        ck_assert_int_eq(add_later(&job[i], NULL), 0);
        if (i == 2) {
            ck_assert_int_eq(store_state_of(s, &job[1].id, &state), 0);
            ck_assert_int_eq(state, JOB_QUEUED);
        }
    }
    job_init(&told);
    ck_assert_int_eq(store_cancel(s, &job[7].id, 2000, &told), 0);
    ck_assert_int_eq(told.state, JOB_CANCELLED);
    job_release(&told);
    ck_assert_int_eq(store_settle(s, 2000, &more), 0);
    make_one(8, JOB_QUEUED); /* after that, and just before the claim */
    ck_assert_int_eq(add_later(&job[8], NULL), 0);
    const struct claim_quota quota[] = {{alpha, UINT32_MAX, 1, 0, false, false},
                                        {beta, UINT32_MAX, 1, 0, false, false}};
    size_t n = 0;
    ck_assert_int_eq(store_claim(s, quota, 2, 8, 3000, out, &n), 0);
    ck_assert_uint_eq(n, 8);
    commit();
    for (size_t i = 0; i < n; i++)
        job_release(&out[i]);
    ck_assert_int_eq(state_of(&job[7].id), JOB_CANCELLED);
    ck_assert_int_eq(state_of(&job[8].id), JOB_RUNNING);
    recount();
    release(9);
}
END_TEST

START_TEST(what_is_undone_is_written_by_no_later_one)
{
    struct job j;
    begin();
    for (int i = 0; i < 100; i++) {
        make_one(i, JOB_QUEUED);
        ck_assert_int_eq(add_later(&job[i], NULL), 0);
    }
    ck_assert_int_eq(store_rollback(s), 0);
    release(100); /* what they pointed to is gone */
    struct id kept = add(alpha, JOB_QUEUED, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(store_read_job(r, &job[i].id, 0, 0, &j), -ERR_NO_JOB);
    ck_assert_int_eq(state_of(&kept), JOB_QUEUED);
    recount();
}
END_TEST

/* A row that cannot be: the error is that of a step, and all of the transaction can be undone. */
START_TEST(one_that_cannot_be_is_told_before_the_commit)
{
    bool more;
    struct job j;
    begin();
    make_one(0, JOB_QUEUED);
    make_one(1, JOB_QUEUED);
    job[1].id = job[0].id;
    ck_assert_int_eq(add_later(&job[0], NULL), 0);
    ck_assert_int_eq(add_later(&job[1], NULL), 0);
    ck_assert_int_eq(store_settle(s, 2000, &more), -ERR_INTERNAL);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_int_eq(store_read_job(r, &job[0].id, 0, 0, &j), -ERR_NO_JOB);
    recount();
    release(2);
}
END_TEST

/* Its caller may let go of it at once. */
START_TEST(one_that_does_not_stay_is_written_at_once)
{
    struct job j;
    struct id id;
    begin();
    make(&j, alpha, JOB_QUEUED, 0);
    id = j.id;
    ck_assert_int_eq(insert(&j, NULL), 0);
    memset(j.input.data, 'x', j.input.len);
    job_release(&j);
    commit();
    j = get(&id);
    ck_assert_mem_eq(j.input.data, "{\"n\":1}", 7);
    job_release(&j);
}
END_TEST

int main(void)
{
    return SUITE("rows", kit_setup, kit_teardown, all_kinds_are_written_each_with_its_own,
                 none_is_missed_by_its_own_transaction, what_is_undone_is_written_by_no_later_one,
                 one_that_cannot_be_is_told_before_the_commit,
                 one_that_does_not_stay_is_written_at_once);
}
