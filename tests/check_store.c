/*
 * check_store.c - the store through its one door: what every driver must do. Single thread; each
 * test has a data directory of its own.
 */
#include "../common/err.h"
#include "../common/clock.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(claims_by_priority_then_age)
{
    struct id a = add(alpha, JOB_QUEUED, 0), b = add(beta, JOB_QUEUED, 5);
    struct id c = add(beta, JOB_QUEUED, 0), d = add(alpha, JOB_QUEUED, 5);
    const struct id *want[] = {&b, &d, &a, &c};
    struct job out[8];
    ck_assert_uint_eq(claim(3, out), 3);
    ck_assert_uint_eq(claim(5, out + 3), 1);
    for (int i = 0; i < 4; i++) {
        ck_assert(id_equal(&out[i].id, want[i]));
        ck_assert_uint_eq(out[i].attempt, 1);
        ck_assert_int_eq(out[i].state, JOB_RUNNING);
        ck_assert_str_eq(out[i].input.data, "{\"n\":1}");
        job_release(&out[i]);
    }
    ck_assert_uint_eq(store_count(s, alpha, JOB_RUNNING), 2);
    recount();
}
END_TEST

/* A job of which everything is set that a claim may need. */
static struct id add_full(size_t input)
{
    struct job j;
    struct store_new new = {.job = &j};
    make(&j, alpha, JOB_QUEUED, 3);
    j.run_at_us = 2000;
    j.timeout_us = 4000;
    j.expires_us = 9000;
    j.max_attempts = 5;
    struct group g = {.created_us = 1000, .open = true};
    ck_assert_int_eq(id_new(&g.id), 0);
    j.group = g.id;
    strcpy(j.input_type, "text/plain");
    strcpy(j.concurrency_key, "one");
    strcpy(j.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    buf_adds(&j.params, "{\"width\":\"12\"}");
    buf_clear(&j.input);
    for (size_t i = 0; i < input; i++)
        buf_addc(&j.input, (char)('a' + i % 26));
    ck_assert_int_eq(store_begin(s), 0);
    ck_assert_int_eq(store_group_add(s, &g), 0);
    ck_assert_int_eq(store_insert(s, &new), 0);
    ck_assert_int_eq(store_commit(s), 0);
    struct id id = j.id;
    job_release(&j);
    return id;
}

static void claim_briefly(size_t input)
{
    struct id id = add_full(input);
    struct job whole, brief;
    struct claim_quota quota = {alpha, UINT32_MAX, 9, 0, false, true};
    size_t n = 0;
    ck_assert_int_eq(store_begin(s), 0);
    ck_assert_int_eq(store_claim(s, &quota, 1, 1, 3000, &brief, &n), 0);
    ck_assert_int_eq(store_commit(s), 0);
    ck_assert_uint_eq(n, 1);
    whole = get(&id);
    ck_assert(id_equal(&brief.id, &id));
    ck_assert(id_equal(&brief.group, &whole.group));
    ck_assert_uint_eq(brief.task_id, alpha);
    ck_assert_str_eq(brief.task, whole.task);
    ck_assert_int_eq(brief.state, JOB_RUNNING);
    ck_assert_uint_eq(brief.attempt, 1);
    ck_assert_uint_eq(brief.max_attempts, 5);
    ck_assert_int_eq(brief.created_us, whole.created_us);
    ck_assert_int_eq(brief.run_at_us, 2000);
    ck_assert_int_eq(brief.timeout_us, 4000);
    ck_assert_int_eq(brief.expires_us, 9000);
    ck_assert_int_eq(brief.started_us, 3000);
    ck_assert_str_eq(brief.input_type, "text/plain");
    ck_assert_str_eq(brief.concurrency_key, "one");
    ck_assert_str_eq(brief.traceparent, whole.traceparent);
    ck_assert_str_eq(brief.params.data, whole.params.data);
    ck_assert_uint_eq(brief.input_size, whole.input_size);
    ck_assert_uint_eq(brief.input.len, whole.input.len);
    ck_assert_mem_eq(brief.input.data, whole.input.data, whole.input.len);
    job_release(&brief);
    job_release(&whole);
}

START_TEST(a_brief_claim_has_what_it_needs)
{
    claim_briefly(100);  /* in the row */
    claim_briefly(5000); /* and beside it */
}
END_TEST

START_TEST(finish_is_fenced)
{
    struct id id = add(alpha, JOB_RUNNING, 0);
    enum job_state state;
    ck_assert_int_eq(end(&id, 2, ATTEMPT_SUCCEEDED, false, &state), -ERR_CONFLICT);
    ck_assert_int_eq(end(&id, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
    ck_assert_int_eq(state, JOB_SUCCEEDED);
    ck_assert_int_eq(end(&id, 1, ATTEMPT_FAILED, false, &state), -ERR_CONFLICT);
    struct job j = get(&id);
    ck_assert(j.has_result);
    ck_assert_str_eq(j.result.data, "42");
    ck_assert_str_eq(j.error.code, "");
    job_release(&j);
    struct id other;
    id_make(&other, id_key(&id), id_tail(&id) ^ 1);
    ck_assert_int_eq(end(&other, 1, ATTEMPT_FAILED, false, &state), -ERR_NO_JOB);
    ck_assert_int_eq(store_read_job(r, &other, 0, 0, &j), -ERR_NO_JOB);
    recount();
}
END_TEST

/* A job that is written with its outcome is what it would be after two steps. */
START_TEST(kept_with_its_outcome)
{
    struct job j, steps[2];
    struct id id[2];
    for (int i = 0; i < 2; i++) {
        make(&j, alpha, JOB_RUNNING, 2);
        j.started_us = 2000;
        j.timeout_us = 7000;
        j.expires_us = 1 << 30;
        buf_adds(&j.tags, "[\"x\"]");
        strcpy(j.owner, "me");
        strcpy(j.backoff, "fixed 1");
        struct attempt a = {.job = j.id, .task_id = alpha, .number = 1, .end = ATTEMPT_SUCCEEDED};
        a.worker = 77;
        a.started_us = 3000;
        a.finished_us = 4000;
        a.error = JOB_ERROR_NONE;
        strcpy(a.result_type, "text/plain");
        buf_adds(&a.result, "hello");
        struct store_new new = {.job = &j, .ended = i ? &a : NULL};
        struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
        enum job_state state = JOB_SUCCEEDED;
        ck_assert_int_eq(store_begin(s), 0);
        ck_assert_int_eq(store_insert(s, &new), 0);
        if (i == 0)
            ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
        ck_assert_uint_eq(store_ended_count(s), 1);
        ck_assert_int_eq(store_commit(s), 0);
        ck_assert_int_eq(state, JOB_SUCCEEDED);
        ck_assert_int_eq(j.state, JOB_RUNNING);
        id[i] = j.id;
        attempt_release(&a);
        job_release(&j);
    }
    for (int i = 0; i < 2; i++)
        steps[i] = get(&id[i]);
    for (int i = 0; i < 2; i++) {
        const struct job *k = &steps[i];
        ck_assert_int_eq(k->state, JOB_SUCCEEDED);
        ck_assert_uint_eq(k->attempt, 1);
        ck_assert_int_eq(k->priority, 2);
        ck_assert_int_eq(k->started_us, 3000);
        ck_assert_int_eq(k->finished_us, 4000);
        ck_assert_int_eq(k->timeout_us, 7000);
        ck_assert_int_eq(k->expires_us, 1 << 30);
        ck_assert_int_eq(k->rank_us, steps[0].rank_us);
        ck_assert_int_eq(k->worker, 77);
        ck_assert_int_eq(k->error.exit_code, -1);
        ck_assert_str_eq(k->result_type, "text/plain");
        ck_assert_str_eq(k->tags.data, "[\"x\"]");
        ck_assert_str_eq(k->owner, "me");
        ck_assert_str_eq(k->backoff, "fixed 1");
        ck_assert_uint_eq(k->result_size, 5);
        ck_assert_str_eq(k->result.data, "hello");
        ck_assert_str_eq(k->input.data, "{\"n\":1}");
        job_release(&steps[i]);
    }
    ck_assert_uint_eq(store_count(s, alpha, JOB_SUCCEEDED), 2);
    ck_assert_uint_eq(store_count(s, alpha, JOB_RUNNING), 0);
    recount();
}
END_TEST

START_TEST(failures_are_followed_up)
{
    struct id id = add(alpha, JOB_RUNNING, 0);
    enum job_state state;
    ck_assert_int_eq(end(&id, 1, ATTEMPT_FAILED, false, &state), 0);
    ck_assert_int_eq(state, JOB_SCHEDULED);
    size_t moved;
    int64_t next;
    store_begin(s);
    ck_assert_int_eq(store_due(s, 5999, 10, &moved, &next), 0);
    ck_assert_uint_eq(moved, 0);
    ck_assert_int_eq(next, 6000);
    ck_assert_int_eq(store_due(s, 6000, 10, &moved, &next), 0);
    ck_assert_uint_eq(moved, 1);
    ck_assert_int_eq(next, INT64_MAX);
    store_commit(s);
    struct job out[1];
    ck_assert_uint_eq(claim(1, out), 1);
    ck_assert_uint_eq(out[0].attempt, 2);
    job_release(out);
    ck_assert_int_eq(end(&id, 2, ATTEMPT_RETURNED, false, &state), 0);
    ck_assert_int_eq(state, JOB_QUEUED);
    ck_assert_uint_eq(claim(1, out), 1);
    ck_assert_uint_eq(out[0].attempt, 2);
    job_release(out);
    ck_assert_int_eq(end(&id, 2, ATTEMPT_FAILED, true, &state), 0);
    ck_assert_int_eq(state, JOB_FAILED);
    struct job j = get(&id);
    ck_assert_str_eq(j.error.code, "boom");
    job_release(&j);
    id = add(alpha, JOB_RUNNING, 0);
    ck_assert_int_eq(end(&id, 1, ATTEMPT_FAILED, true, &state), 0);
    ck_assert_int_eq(state, JOB_QUEUED);
    recount();
}
END_TEST

START_TEST(a_last_attempt_that_began_does_not_go_back)
{
    struct id id = add(alpha, JOB_RUNNING, 0);
    struct attempt a = {.job = id, .number = 1, .end = ATTEMPT_RETURNED, .began = true};
    struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
    enum job_state state;
    a.error = JOB_ERROR_NONE;
    job_error_set(&a.error, JOB_ERROR_CRASHED, "the service ended");
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    commit();
    ck_assert_int_eq(state, JOB_QUEUED); /* of two */
    ck_assert(id_equal(&(struct id[]){claim_one()}[0], &id));
    ck_assert_int_eq(end(&id, 1, ATTEMPT_FAILED, true, &state), 0);
    claim_one();
    a.number = 2;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    commit();
    ck_assert_int_eq(state, JOB_FAILED);
    struct job j = get(&id);
    ck_assert_uint_eq(j.attempt, 2);
    ck_assert_str_eq(j.error.code, JOB_ERROR_CRASHED);
    job_release(&j);
    recount();
}
END_TEST

START_TEST(cancels)
{
    struct id q = add(alpha, JOB_QUEUED, 0), run = add(alpha, JOB_RUNNING, 0);
    struct id done = add(alpha, JOB_RUNNING, 0), nil = {{0}};
    enum job_state state;
    ck_assert_int_eq(end(&done, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
    struct job j;
    job_init(&j);
    store_begin(s);
    ck_assert_int_eq(store_cancel(s, &q, 9, &j), 0);
    ck_assert_int_eq(j.state, JOB_CANCELLED);
    ck_assert_int_eq(store_cancel(s, &q, 9, &j), 0);
    ck_assert_int_eq(store_cancel(s, &run, 9, &j), 0);
    ck_assert_int_eq(j.state, JOB_RUNNING);
    ck_assert(j.cancel_requested);
    ck_assert_int_eq(store_cancel(s, &run, 9, &j), 0);
    ck_assert_int_eq(store_cancel(s, &done, 9, &j), -ERR_CONFLICT);
    ck_assert_int_eq(j.state, JOB_SUCCEEDED);
    ck_assert_int_eq(store_cancel(s, &nil, 9, &j), -ERR_NO_JOB);
    store_commit(s);
    job_release(&j);
    ck_assert_int_eq(end(&run, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
    ck_assert_int_eq(state, JOB_CANCELLED);
    recount();
}
END_TEST

START_TEST(keys_replay)
{
    uint8_t print[32] = {1}, other[32] = {2};
    struct store_key key = {.key = "k", .fingerprint = print, .now_us = 10, .expires_us = 20};
    struct job j, again, third;
    make(&j, alpha, JOB_QUEUED, 0);
    make(&again, alpha, JOB_QUEUED, 0);
    make(&third, alpha, JOB_QUEUED, 0);
    store_begin(s);
    ck_assert_int_eq(insert(&j, &key), 0);
    ck_assert_int_eq(insert(&again, &key), STORE_REPLAYED);
    ck_assert(id_equal(&j.id, &again.id));
    key.fingerprint = other;
    ck_assert_int_eq(insert(&third, &key), -ERR_KEY_REUSED);
    key.now_us = 20;
    key.expires_us = 30;
    ck_assert_int_eq(insert(&third, &key), 0);
    size_t gone;
    ck_assert_int_eq(store_sweep_keys(s, 29, 10, &gone), 0);
    ck_assert_uint_eq(gone, 0);
    ck_assert_int_eq(store_sweep_keys(s, 30, 10, &gone), 0);
    ck_assert_uint_eq(gone, 1);
    store_commit(s);
    job_release(&j);
    job_release(&again);
    job_release(&third);
    recount();
}
END_TEST

START_TEST(rollback_restores)
{
    struct job j;
    make(&j, alpha, JOB_QUEUED, 0);
    uint32_t gamma, same;
    store_begin(s);
    ck_assert_int_eq(store_task_id(s, "gamma", &gamma), 0);
    ck_assert_int_eq(insert(&j, NULL), 0);
    ck_assert_uint_eq(store_count(s, alpha, JOB_QUEUED), 0);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_uint_eq(store_count(s, alpha, JOB_QUEUED), 0);
    ck_assert_int_eq(store_task_id(s, "gamma", &same), 0);
    ck_assert_uint_eq(same, gamma);
    struct job none;
    ck_assert_int_eq(store_read_job(r, &j.id, 0, 0, &none), -ERR_NO_JOB);
    job_release(&j);
    close_store();
    open_store();
    ck_assert_int_eq(store_task_id(s, "gamma", &same), 0);
    ck_assert_uint_eq(same, gamma);
}
END_TEST

START_TEST(recovers)
{
    struct id a = add(alpha, JOB_RUNNING, 0), b = add(beta, JOB_RUNNING, 0);
    struct id c = add(alpha, JOB_RUNNING, 0);
    enum job_state state;
    ck_assert_int_eq(end(&b, 1, ATTEMPT_FAILED, true, &state), 0);
    struct job out[1], j;
    ck_assert_uint_eq(claim(1, out), 1); /* b's second and last attempt */
    job_release(out);
    job_init(&j);
    store_begin(s);
    ck_assert_int_eq(store_cancel(s, &c, 9, &j), 0);
    store_commit(s);
    job_release(&j);
    close_store();
    open_store();
    struct recovery rec;
    ck_assert_int_eq(store_recover(s, 7000, &rec), 0);
    ck_assert_uint_eq(rec.requeued, 1);
    ck_assert_uint_eq(rec.failed, 1);
    ck_assert_uint_eq(rec.cancelled, 1);
    ck_assert_uint_eq(rec.largest_key, id_key(&c));
    ck_assert_int_eq(state_of(&a), JOB_QUEUED);
    ck_assert_int_eq(state_of(&b), JOB_FAILED);
    ck_assert_int_eq(state_of(&c), JOB_CANCELLED);
    ck_assert_uint_eq(claim(1, out), 1);
    ck_assert_uint_eq(out[0].attempt, 2);
    job_release(out);
    recount();
}
END_TEST

START_TEST(large_payloads_are_exact)
{
    static const size_t sizes[] = {0, 1, 1024, 1025, 2 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct job j;
        make(&j, alpha, JOB_RUNNING, 0);
        buf_clear(&j.input);
        for (size_t n = 0; n < sizes[i]; n++)
            buf_addc(&j.input, (char)(n * 31 + n / 255));
        struct attempt a = {.job = j.id, .number = 1, .end = ATTEMPT_SUCCEEDED};
        buf_add(&a.result, j.input.data ? j.input.data : "", sizes[i]);
        struct finish_policy p = {.now_us = 1, .backoff_us = backoff};
        enum job_state state;
        store_begin(s);
        ck_assert_int_eq(insert(&j, NULL), 0);
        ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
        ck_assert_int_eq(store_commit(s), 0);
        struct job back = get(&j.id);
        ck_assert_uint_eq(back.input.len, sizes[i]);
        ck_assert_uint_eq(back.result.len, sizes[i]);
        ck_assert(back.has_result);
        if (sizes[i]) {
            ck_assert(memcmp(back.input.data, j.input.data, sizes[i]) == 0);
            ck_assert(memcmp(back.result.data, a.result.data, sizes[i]) == 0);
        }
        job_release(&back);
        job_release(&j);
        attempt_release(&a);
    }
}
END_TEST

START_TEST(one_service_only)
{
    AUTO_BUF why = BUF_INIT;
    struct store_options o = {.data_dir = dir, .cache_bytes = 1 << 20, .wal_limit = 1 << 20};
    struct store *second;
    ck_assert_int_eq(store_open(&o, &second, &why), -ERR_STORE_BUSY);
    char pid[32];
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    ck_assert_ptr_nonnull(strstr(why.data, pid));
}
END_TEST

START_TEST(a_commit_may_have_nothing_to_write)
{
    begin();
    commit();
    ck_assert(!store_wrote(s));
    (void)add(alpha, JOB_QUEUED, 0);
    ck_assert(store_wrote(s));
    begin();
    commit();
    ck_assert(!store_wrote(s));
}
END_TEST

START_TEST(reopens_with_all)
{
    struct id id = add(alpha, JOB_QUEUED, 3);
    ck_assert_int_eq(store_checkpoint(s, STORE_IDLE), 0);
    close_store();
    open_store();
    ck_assert_int_eq(state_of(&id), JOB_QUEUED);
    ck_assert_uint_eq(store_count(s, alpha, JOB_QUEUED), 1);
    ck_assert_int_eq(store_schema_version(s), 16);
    recount();
}
END_TEST

/* The number of a job is another one after each change, and none while it is being changed. */
START_TEST(a_job_has_another_version_after_each_change)
{
    struct id id = add(alpha, JOB_QUEUED, 0), other = add(beta, JOB_SCHEDULED, 0);
    struct job job;
    enum job_state state;
    uint64_t was = store_job_version(s, &id), others = store_job_version(s, &other);
    ck_assert_uint_ne(was, 0);
    ck_assert_uint_eq(store_job_version(s, &id), was);
    ck_assert_uint_eq(claim(1, &job), 1);
    job_release(&job);
    uint64_t now = store_job_version(s, &id);
    ck_assert_uint_ne(now, 0);
    ck_assert_uint_ne(now, was);
    ck_assert_uint_eq(store_job_version(s, &other), others);
    was = now;
    ck_assert_int_eq(end(&id, 1, ATTEMPT_SUCCEEDED, false, &state), 0);
    now = store_job_version(s, &id);
    ck_assert_uint_ne(now, was);
    was = now;

    ck_assert_int_eq(store_begin(s),
                     0); /* a rollback shows nothing, but who looks meanwhile waits */
    ck_assert_int_eq(store_delete(s, &id, &state), 0);
    ck_assert_uint_eq(store_job_version(s, &id), 0);
    ck_assert_uint_eq(store_job_version(s, &other), others);
    ck_assert_int_eq(store_rollback(s), 0);
    now = store_job_version(s, &id);
    ck_assert_uint_ne(now, 0);
    ck_assert_uint_ne(now, was);

    ck_assert_int_eq(store_begin(s), 0); /* more than are noted one by one */
    others = store_job_version(s, &other);
    for (int i = 0; i < 20000; i++) {
        struct job many;
        make(&many, alpha, JOB_QUEUED, 0);
        ck_assert_int_eq(insert(&many, NULL), 0);
        job_release(&many);
    }
    ck_assert_uint_eq(store_job_version(s, &other), 0);
    ck_assert_int_eq(store_commit(s), 0);
    ck_assert_uint_ne(store_job_version(s, &other), 0);
    ck_assert_uint_ne(store_job_version(s, &other), others);
}
END_TEST

int main(void)
{
    return SUITE("store", kit_setup, kit_teardown, claims_by_priority_then_age,
                 a_brief_claim_has_what_it_needs, finish_is_fenced, kept_with_its_outcome,
                 failures_are_followed_up, a_last_attempt_that_began_does_not_go_back, cancels,
                 keys_replay, rollback_restores, recovers, large_payloads_are_exact,
                 one_service_only, a_commit_may_have_nothing_to_write, reopens_with_all,
                 a_job_has_another_version_after_each_change);
}
