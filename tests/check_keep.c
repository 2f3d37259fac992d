/*
 * check_keep.c - what the store forgets, and what it keeps for now: by age, by number and by name;
 * what keys, groups and jobs that depend on it know afterwards. Single thread; each test has a data
 * directory of its own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <stdio.h>

static void ends(const struct id *id, uint32_t number, enum attempt_end how, enum job_state want)
{
    enum job_state state;
    ck_assert_int_eq(end(id, number, how, false, &state), 0);
    ck_assert_int_eq(state, want);
}

/* ---- jobs, their keys and groups ---- */

/* Finished so many microseconds after it was submitted. */
static struct id ended_after(int64_t us)
{
    struct id id = add(alpha, JOB_RUNNING, 0);
    int64_t finished_us = id_time_us(&id) + us;
    struct attempt a = {
        .job = id, .number = 1, .end = ATTEMPT_SUCCEEDED, .finished_us = finished_us};
    struct finish_policy p = {.now_us = finished_us, .backoff_us = backoff};
    enum job_state state;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    commit();
    return id;
}

/* Sweeps in steps of 3 until the end; how many went. */
static size_t sweep(const struct keep_rule *rule)
{
    size_t all = 0;
    bool more;
    do {
        size_t gone = 0;
        begin();
        ck_assert_int_eq(store_sweep_jobs(s, rule, 3, &gone, &more), 0);
        ck_assert_uint_le(gone, 3);
        commit();
        all += gone;
    } while (more);
    return all;
}

START_TEST(the_old_are_forgotten_step_by_step)
{
    struct id old[7], young, waiting = add(alpha, JOB_QUEUED, 0);
    for (int i = 0; i < 7; i++)
        old[i] = ended_after(i);
    young = ended_after(60000000);
    struct keep_rule rule = {
        .task_id = alpha, .before_us = id_time_us(&young) + 60000000, .most = UINT64_MAX};
    ck_assert_uint_eq(sweep(&rule), 7);
    struct job j;
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(store_read_job(r, &old[i], 0, 0, &j), -ERR_NO_JOB);
    ck_assert_int_eq(state_of(&young), JOB_SUCCEEDED);
    ck_assert_int_eq(state_of(&waiting), JOB_QUEUED);
    ck_assert_uint_eq(sweep(&rule), 0);
    recount();
}
END_TEST

/* Ids go on from where a clock that was years ahead left them. */
START_TEST(the_old_are_forgotten_after_a_clock_that_was_ahead)
{
    static const int64_t day_us = INT64_C(86400000000);
    static const int days[] = {3650, 3650, -3, -2, -1, 0}; /* when they were made, and ended */
    struct id id[6];
    int64_t now_us = 0;
    for (int i = 0; i < 6; i++) {
        struct job j;
        enum job_state state;
        make(&j, alpha, JOB_RUNNING, 0);
        now_us = now_us ? now_us : id_time_us(&j.id) - 3650 * day_us;
        j.created_us = now_us + days[i] * day_us;
        id[i] = keep(&j);
        struct attempt a = {.job = id[i],
                            .number = 1,
                            .end = ATTEMPT_SUCCEEDED,
                            .finished_us = now_us + days[i] * day_us};
        struct finish_policy p = {.now_us = now_us, .backoff_us = backoff};
        begin();
        ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
        commit();
    }
    struct keep_rule rule = {.task_id = alpha,
                             .now_us = now_us,
                             .before_us = now_us - day_us * 3 / 2,
                             .most = UINT64_MAX};
    ck_assert_uint_eq(sweep(&rule), 2);
    struct job j;
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(store_read_job(r, &id[i], 0, 0, &j), days[i] < -1 ? -ERR_NO_JOB : 0);
    recount();
}
END_TEST

START_TEST(so_many_are_kept)
{
    struct id ids[8];
    for (int i = 0; i < 8; i++)
        ids[i] = ended_after(i);
    struct keep_rule rule = {.task_id = alpha, .most = 5};
    ck_assert_uint_eq(sweep(&rule), 3);
    struct job j;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(store_read_job(r, &ids[i], 0, 0, &j), -ERR_NO_JOB);
    for (int i = 3; i < 8; i++)
        ck_assert_int_eq(state_of(&ids[i]), JOB_SUCCEEDED);
    recount();
}
END_TEST

/* A key stands for its job, also when that is forgotten: what it was for is not done twice. */
START_TEST(a_key_outlives_its_job)
{
    struct job a, b;
    uint8_t print[32] = {1}, other[32] = {2};
    struct store_key key = {.key = "k", .fingerprint = print, .now_us = 10, .expires_us = 20};
    enum job_state state;
    make(&a, alpha, JOB_RUNNING, 0);
    make(&b, alpha, JOB_QUEUED, 0);
    begin();
    ck_assert_int_eq(insert(&a, &key), 0);
    commit();
    ends(&a.id, 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    begin();
    ck_assert_int_eq(store_delete(s, &a.id, &state), 0);
    ck_assert_int_eq(insert(&b, &key), -ERR_FORGOTTEN);
    ck_assert(id_equal(&b.id, &a.id));
    key.fingerprint = other;
    ck_assert_int_eq(insert(&b, &key), -ERR_KEY_REUSED);
    commit();
    job_release(&b);
    make(&b, alpha, JOB_QUEUED, 0);
    key.now_us = 20;
    key.expires_us = 30;
    begin();
    ck_assert_int_eq(insert(&b, &key), 0);
    commit();
    job_release(&a);
    job_release(&b);
    recount();
}
END_TEST

START_TEST(a_key_outlives_its_group)
{
    uint8_t print[32] = {1};
    struct store_key key = {.key = "k", .fingerprint = print, .now_us = 10, .expires_us = 20};
    struct group g = {.created_us = 1000};
    struct id found;
    struct job j;
    enum job_state state;
    bool more;
    ck_assert_int_eq(id_new(&g.id), 0);
    make(&j, alpha, JOB_RUNNING, 0);
    j.group = g.id;
    begin();
    ck_assert_int_eq(store_group_add(s, &g), 0);
    ck_assert_int_eq(store_keep_key(s, &key, &g.id, true), 0);
    ck_assert_int_eq(insert(&j, NULL), 0);
    ck_assert_int_eq(store_replay(s, &key, &found), STORE_REPLAYED_GROUP);
    commit();
    struct attempt a = {.job = j.id, .number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    ck_assert_int_eq(store_settle(s, 5000, &more), 0);
    ck_assert_int_eq(store_delete(s, &j.id, &state), 0);
    ck_assert_int_eq(store_settle(s, 5000, &more), 0);
    ck_assert_int_eq(store_replay(s, &key, &found), -ERR_FORGOTTEN);
    ck_assert(id_equal(&found, &g.id));
    commit();
    job_release(&j);
}
END_TEST

static int64_t finished_of(const struct id *id)
{
    struct group g;
    ck_assert_int_eq(store_read_group(r, id, &g), 0);
    int64_t us = g.finished_us;
    group_release(&g);
    return us;
}

/* A stream's key comes again when it has expired, and before the sweep saw that. */
START_TEST(a_group_is_closed_when_its_key_is_another_ones)
{
    uint8_t print[32] = {1};
    struct store_key key = {.key = "k", .fingerprint = print, .now_us = 10, .expires_us = 20};
    struct group g[2];
    struct stream_mark m = {.lines = 1}, known;
    struct job j;
    for (int i = 0; i < 2; i++) {
        g[i] = (struct group){.created_us = 1000, .open = true};
        ck_assert_int_eq(id_new(&g[i].id), 0);
        begin();
        ck_assert_int_eq(store_stream_get(s, "k", key.now_us, &known), 0);
        ck_assert(!known.known);
        ck_assert_int_eq(store_group_add(s, &g[i]), 0);
        m.group = g[i].id;
        ck_assert_int_eq(store_stream_put(s, &key, &m), 0);
        commit();
        ck_assert_int_eq(finished_of(&g[i].id), 0);
        key.now_us += 10;
        key.expires_us += 10;
    }
    ck_assert_int_ne(finished_of(&g[0].id), 0);
    make(&j, alpha, JOB_QUEUED, 0); /* and by a job alone */
    begin();
    ck_assert_int_eq(insert(&j, &key), 0);
    commit();
    ck_assert_int_ne(finished_of(&g[1].id), 0);
    job_release(&j);
}
END_TEST

/* All that a batch was to have was there already: nobody else forgets its group. */
START_TEST(a_group_of_nothing_is_forgotten)
{
    struct group g = {.created_us = 1000}, none;
    struct id jobs[1], empty, full;
    size_t gone = 0;
    bool more;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(id_new(&g.id), 0);
        g.open = true;
        begin();
        ck_assert_int_eq(store_group_add(s, &g), 0);
        if (i == 1) {
            struct job j;
            make(&j, alpha, JOB_RUNNING, 0);
            j.group = g.id;
            ck_assert_int_eq(insert(&j, NULL), 0);
            jobs[0] = j.id;
            job_release(&j);
        }
        ck_assert_int_eq(store_group_close(s, &g.id, 4000), 0);
        commit();
        *(i ? &full : &empty) = g.id;
    }
    ends(&jobs[0], 1, ATTEMPT_SUCCEEDED, JOB_SUCCEEDED);
    begin();
    ck_assert_int_eq(store_sweep_groups(s, 3999, 10, &gone), 0);
    ck_assert_uint_eq(gone, 0);
    ck_assert_int_eq(store_sweep_groups(s, INT64_MAX, 10, &gone), 0);
    ck_assert_uint_eq(gone, 1);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    ck_assert_int_eq(store_read_group(r, &empty, &none), -ERR_NO_GROUP);
    ck_assert_int_ne(finished_of(&full), 0);
}
END_TEST

START_TEST(only_what_has_ended_is_deleted)
{
    struct id run = add(alpha, JOB_RUNNING, 0), done = ended_after(1), nil = {{0}};
    enum job_state state;
    begin();
    ck_assert_int_eq(store_delete(s, &run, &state), -ERR_CONFLICT);
    ck_assert_int_eq(state, JOB_RUNNING);
    ck_assert_int_eq(store_delete(s, &done, &state), 0);
    ck_assert_int_eq(store_delete(s, &done, &state), -ERR_NO_JOB);
    ck_assert_int_eq(store_delete(s, &nil, &state), -ERR_NO_JOB);
    commit();
    recount();
}
END_TEST

/* ---- what others depend on ---- */

static int forget(const struct id *id)
{
    enum job_state state;
    begin();
    int err = store_delete(s, id, &state);
    commit();
    return err;
}

/* By DELETE, or by a sweep while others of it ran. */
START_TEST(a_group_keeps_how_its_forgotten_jobs_ended)
{
    struct id jobs[3];
    for (int failed = 0; failed < 2; failed++) {
        struct id g = group_of(3, jobs), child = child_of(&g, 1, false), late;
        enum job_state want = failed ? JOB_FAILED : JOB_CANCELLED;
        struct group now;
        ends_and_settles(&jobs[0], failed ? ATTEMPT_FAILED : ATTEMPT_CANCELLED);
        ends_and_settles(&jobs[1], ATTEMPT_CANCELLED);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(forget(&jobs[i]), 0);
        ck_assert_int_eq(store_read_group(r, &g, &now), 0);
        ck_assert(!now.open);
        ck_assert_uint_eq(now.state[JOB_FAILED] + now.state[JOB_CANCELLED], 0);
        group_release(&now);
        service_dies(); /* which ends the last of them */
        settle();
        ck_assert_int_eq(state_of(&jobs[2]), JOB_QUEUED);
        runs_and_ends(&jobs[2], 2, ATTEMPT_SUCCEEDED);
        late = child_of(&g, 1, false);
        ck_assert_int_eq(state_of(&child), want);
        ck_assert_int_eq(state_of(&late), want);
        ck_assert_int_eq(forget(&jobs[2]), 0); /* the last takes the group along */
        ck_assert_int_eq(store_read_group(r, &g, &now), -ERR_NO_GROUP);
    }
    recount();
}
END_TEST

/* Lines still come, and the first of them has failed and is forgotten. */
START_TEST(an_open_group_keeps_how_its_forgotten_jobs_ended)
{
    struct group g = {.created_us = 1000, .open = true}, now;
    struct id jobs[2];
    ck_assert_int_eq(id_new(&g.id), 0);
    for (int i = 0; i < 2; i++) {
        struct job j;
        begin();
        if (i == 0)
            ck_assert_int_eq(store_group_add(s, &g), 0);
        make(&j, alpha, JOB_RUNNING, 0);
        j.group = g.id;
        ck_assert_int_eq(insert(&j, NULL), 0);
        jobs[i] = j.id;
        job_release(&j);
        commit();
        ends_and_settles(&jobs[i], i ? ATTEMPT_SUCCEEDED : ATTEMPT_FAILED);
        if (i == 0)
            ck_assert_int_eq(forget(&jobs[i]), 0);
        ck_assert_int_eq(store_read_group(r, &g.id, &now), 0);
        ck_assert(now.open && !now.finished_us);
        group_release(&now);
    }
    struct id child = child_of(&g.id, 1, false);
    bool more;
    begin();
    ck_assert_int_eq(store_group_close(s, &g.id, 8000), 0);
    ck_assert_int_eq(store_group_close(s, &g.id, 8000), -ERR_NO_GROUP);
    ck_assert_int_eq(store_settle(s, 8000, &more), 0);
    commit();
    ck_assert_int_eq(state_of(&child), JOB_FAILED);
    recount();
}
END_TEST

/* What a start after a crash passes on is how it stands then. */
START_TEST(a_parent_is_kept_until_all_its_children_know)
{
    struct id jobs[1];
    for (int in_group = 0; in_group < 2; in_group++) {
        struct id group = group_of(1, jobs);
        struct keep_rule rule = {.task_id = alpha, .most = 0};
        struct group g;
        size_t gone = 0;
        begin();
        add_children(in_group ? &group : jobs);
        commit();
        ends_and_settles_some(jobs);
        ck_assert_int_eq(forget(jobs), -ERR_CONFLICT);
        ck_assert_uint_eq(sweep(&rule), 0);
        ck_assert_int_eq(state_of(jobs), JOB_SUCCEEDED);
        begin();
        ck_assert_int_eq(store_sweep_groups(s, INT64_MAX, 10, &gone), 0);
        commit();
        ck_assert_int_eq(store_read_group(r, &group, &g), 0);
        group_release(&g);
        service_dies();
        ck_assert_uint_eq(store_count(s, beta, JOB_QUEUED), CHILDREN * (1 + (size_t)in_group));
        ck_assert_int_eq(forget(jobs), 0);
        ck_assert_int_eq(store_read_group(r, &group, &g), -ERR_NO_GROUP);
        recount();
    }
}
END_TEST

/* It stands for the one that is kept longer, and none younger goes in its place. */
START_TEST(what_must_be_kept_takes_no_place_of_others)
{
    struct id p = add(alpha, JOB_RUNNING, 0), young[3];
    struct keep_rule rule = {.task_id = alpha, .most = 2};
    struct job j;
    begin();
    add_children(&p);
    commit();
    ends_and_settles_some(&p);
    for (int i = 0; i < 3; i++) {
        young[i] = add(alpha, JOB_RUNNING, 0);
        enum job_state state;
        ck_assert_int_eq(end(&young[i], 1, ATTEMPT_SUCCEEDED, false, &state), 0);
    }
    ck_assert_uint_eq(sweep(&rule), 1);
    ck_assert_int_eq(state_of(&p), JOB_SUCCEEDED);
    ck_assert_int_eq(store_read_job(r, &young[0], 0, 0, &j), -ERR_NO_JOB);
    ck_assert_int_eq(state_of(&young[1]), JOB_SUCCEEDED);
    settle();
    ck_assert_uint_eq(sweep(&rule), 1);
    ck_assert_int_eq(store_read_job(r, &p, 0, 0, &j), -ERR_NO_JOB);
    ck_assert_int_eq(state_of(&young[1]), JOB_SUCCEEDED);
    recount();
}
END_TEST

int main(void)
{
    return SUITE("keep", kit_setup, kit_teardown, the_old_are_forgotten_step_by_step,
                 the_old_are_forgotten_after_a_clock_that_was_ahead, so_many_are_kept,
                 only_what_has_ended_is_deleted, a_group_is_closed_when_its_key_is_another_ones,
                 a_group_of_nothing_is_forgotten, a_key_outlives_its_job, a_key_outlives_its_group,
                 a_group_keeps_how_its_forgotten_jobs_ended,
                 an_open_group_keeps_how_its_forgotten_jobs_ended,
                 a_parent_is_kept_until_all_its_children_know,
                 what_must_be_kept_takes_no_place_of_others);
}
