/*
 * check_follow.c - what follows in the store from the end of a job: groups that end with their
 * last, jobs that waited for others. Single thread; each test has a data directory of its own.
 */
#include "../common/err.h"
#include "storekit.h"
#include "suite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ---- */

START_TEST(a_group_ends_with_its_last_job)
{
    struct id jobs[3], id = group_of(3, jobs);
    struct group g;
    ends_and_settles(&jobs[1], ATTEMPT_SUCCEEDED);
    ends_and_settles(&jobs[0], ATTEMPT_FAILED);
    ck_assert_int_eq(store_read_group(r, &id, &g), 0);
    ck_assert_uint_eq(g.state[JOB_SUCCEEDED], 1);
    ck_assert_uint_eq(g.state[JOB_FAILED], 1);
    ck_assert_uint_eq(g.state[JOB_RUNNING], 1);
    ck_assert_int_eq(g.finished_us, 0);
    group_release(&g);

    struct attempt a = {.job = jobs[2], .number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy p = {.now_us = 9000, .backoff_us = backoff};
    enum job_state state;
    bool more, told = false;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    for (size_t i = 0; i < store_ended_count(s); i++) {
        struct id which;
        store_ended_id(s, i, &which);
        told = told || id_equal(&which, &id);
    }
    commit();
    ck_assert(told);
    ck_assert_int_eq(store_read_group(r, &id, &g), 0);
    ck_assert_uint_eq(g.state[JOB_RUNNING], 0);
    ck_assert_int_eq(g.finished_us, 9000);
    group_release(&g);
    recount();
}
END_TEST

START_TEST(a_group_that_is_open_does_not_end)
{
    struct group g = {.created_us = 1000, .open = true}, now;
    struct job j;
    ck_assert_int_eq(id_new(&g.id), 0);
    make(&j, alpha, JOB_RUNNING, 0);
    j.group = g.id;
    begin();
    ck_assert_int_eq(store_group_add(s, &g), 0);
    ck_assert_int_eq(insert(&j, NULL), 0);
    commit();
    ends_and_settles(&j.id, ATTEMPT_SUCCEEDED);
    job_release(&j);
    ck_assert_int_eq(store_read_group(r, &g.id, &now), 0);
    ck_assert_int_eq(now.finished_us, 0);
    group_release(&now);
    begin();
    ck_assert_int_eq(store_group_close(s, &g.id, 8000), 0);
    commit();
    settle();
    ck_assert_int_eq(store_read_group(r, &g.id, &now), 0);
    ck_assert_int_ne(now.finished_us, 0);
    group_release(&now);
}
END_TEST

START_TEST(a_forgotten_group_takes_its_calls_along)
{
    struct group g = {.created_us = 1000}, none;
    struct delivery calls[4];
    struct job j;
    size_t n = 0;
    bool more;
    buf_adds(&g.callback_url, "http://127.0.0.1/x");
    ck_assert_int_eq(id_new(&g.id), 0);
    begin();
    ck_assert_int_eq(store_group_add(s, &g), 0);
    make(&j, alpha, JOB_RUNNING, 0);
    j.group = g.id;
    ck_assert_int_eq(insert(&j, NULL), 0);
    commit();
    ends_and_settles(&j.id, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(store_read_deliveries(r, &g.id, calls, 4, &n), 0);
    ck_assert_uint_eq(n, 1);
    enum job_state state;
    begin();
    ck_assert_int_eq(store_delete(s, &j.id, &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    settle();
    ck_assert_int_eq(store_read_group(r, &g.id, &none), -ERR_NO_GROUP);
    begin();
    ck_assert_int_eq(store_deliveries_due(s, INT64_C(1) << 60, calls, 4, &n), 0);
    commit();
    ck_assert_uint_eq(n, 0);
    group_release(&g);
    job_release(&j);
}
END_TEST

/* ---- dependencies ---- */

START_TEST(a_child_waits_for_all_its_parents)
{
    struct id p[2] = {add(alpha, JOB_RUNNING, 0), add(alpha, JOB_RUNNING, 0)};
    struct id child = child_of(p, 2, false), grandchild = child_of(&child, 1, false);
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    due(INT64_C(1) << 60); /* no clock lets it go */
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ends_and_settles(&p[1], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ends_and_settles(&p[0], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
    ck_assert_int_eq(state_of(&grandchild), JOB_SCHEDULED);
    struct id got = claim_one();
    ck_assert(id_equal(&got, &child));
    recount();
}
END_TEST

/* Its parents have ended before its time: that must be known to whoever waits for it. */
START_TEST(a_child_has_its_own_time_too)
{
    struct id p = add(alpha, JOB_RUNNING, 0);
    struct job j;
    make(&j, beta, JOB_SCHEDULED, 0);
    j.run_at_us = 60000;
    struct id child = child_with(&j, &p, 1);
    struct attempt a = {.job = p, .number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy policy = {.now_us = 9000, .backoff_us = backoff};
    enum job_state state;
    bool more;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &policy, &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    ck_assert_int_eq(store_due_hint_us(s), 60000);
    commit();
    begin();
    ck_assert_int_eq(store_due_hint_us(s), INT64_MAX);
    commit();
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ck_assert_uint_eq(due(60000), 1);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
}
END_TEST

/* The last row of dependencies went with it, and is there again. */
START_TEST(what_is_undone_is_passed_on_later)
{
    struct id p = add(alpha, JOB_RUNNING, 0), child = child_of(&p, 1, false);
    struct attempt a = {.job = p, .number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy policy = {.now_us = 9000, .backoff_us = backoff};
    enum job_state state;
    bool more;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &policy, &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    ck_assert_int_eq(store_rollback(s), 0);
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ends_and_settles(&p, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
    recount();
}
END_TEST

/* Three changes of one commit: what the second will do to the group comes after the third. */
START_TEST(a_group_that_is_being_forgotten_is_a_parent_yet)
{
    struct id jobs[1], g = group_of(1, jobs), failed = add(alpha, JOB_RUNNING, 0), which;
    struct job j;
    enum job_state state;
    bool more;
    ends_and_settles(&jobs[0], ATTEMPT_SUCCEEDED);
    ends_and_settles(&failed, ATTEMPT_FAILED);
    begin();
    job_init(&j);
    ck_assert_int_eq(store_retry(s, &failed, 9000, &j), 0);
    job_release(&j);
    ck_assert_int_eq(store_delete(s, &jobs[0], &state), 0);
    ck_assert_int_eq(store_check_parents(s, &g, 1, &which), 0);
    make(&j, beta, JOB_QUEUED, 0);
    wait_for(&j, &g, 1);
    ck_assert_int_eq(insert(&j, NULL), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    ck_assert_int_eq(state_of(&j.id), JOB_QUEUED);
    job_release(&j);
    recount();
}
END_TEST

START_TEST(a_failure_is_passed_on_or_not)
{
    struct id p = add(alpha, JOB_RUNNING, 0);
    struct id child = child_of(&p, 1, false), anyway = child_of(&p, 1, true);
    struct id grandchild = child_of(&child, 1, false), cleaner = child_of(&child, 1, true);
    ends_and_settles(&p, ATTEMPT_FAILED);
    ck_assert_int_eq(state_of(&child), JOB_FAILED);
    ck_assert_int_eq(state_of(&grandchild), JOB_FAILED);
    ck_assert_int_eq(state_of(&anyway), JOB_QUEUED);
    ck_assert_int_eq(state_of(&cleaner), JOB_QUEUED);
    struct job j = get(&grandchild);
    ck_assert_str_eq(j.error.code, JOB_ERROR_DEPENDENCY);
    job_release(&j);
    struct id late = child_of(&p, 1, false), late_anyway = child_of(&p, 1, true);
    ck_assert_int_eq(state_of(&late), JOB_FAILED); /* its parent had ended before it came */
    ck_assert_int_eq(state_of(&late_anyway), JOB_QUEUED);
    recount();
}
END_TEST

START_TEST(a_cancelled_parent_decides_its_children)
{
    struct id p = add(alpha, JOB_QUEUED, 0), child = child_of(&p, 1, false);
    struct job j;
    bool more;
    job_init(&j);
    begin();
    ck_assert_int_eq(store_cancel(s, &p, 9, &j), 0);
    ck_assert_int_eq(store_settle(s, 9, &more), 0);
    commit();
    job_release(&j);
    ck_assert_int_eq(state_of(&child), JOB_CANCELLED);
    recount();
}
END_TEST

/* A group ends for its children as it would have for one that came after its end. */
START_TEST(a_group_of_cancelled_jobs_is_cancelled)
{
    struct id jobs[2];
    for (int failed = 0; failed < 2; failed++) {
        struct id g = group_of(2, jobs), child = child_of(&g, 1, false), late;
        ends_and_settles(&jobs[0], failed ? ATTEMPT_FAILED : ATTEMPT_SUCCEEDED);
        ends_and_settles(&jobs[1], ATTEMPT_CANCELLED);
        late = child_of(&g, 1, false);
        ck_assert_int_eq(state_of(&child), failed ? JOB_FAILED : JOB_CANCELLED);
        ck_assert_int_eq(state_of(&late), state_of(&child));
    }
    recount();
}
END_TEST

START_TEST(a_group_is_a_parent)
{
    struct id jobs[2], g = group_of(2, jobs), child = child_of(&g, 1, false), which, nil = {{1}};
    begin();
    ck_assert_int_eq(store_check_parents(s, &g, 1, &which), 0);
    ck_assert_int_eq(store_check_parents(s, (struct id[]){g, nil}, 2, &which),
                     -ERR_UNKNOWN_DEPENDENCY);
    ck_assert(id_equal(&which, &nil));
    commit();
    ends_and_settles(&jobs[0], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ends_and_settles(&jobs[1], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
}
END_TEST

START_TEST(many_children_take_several_transactions)
{
    struct id p = add(alpha, JOB_RUNNING, 0);
    begin();
    add_children(&p);
    commit();
    ends_and_settles_some(&p);
    service_dies();
    ck_assert_uint_eq(store_count(s, beta, JOB_QUEUED), CHILDREN);
    recount();
}
END_TEST

/* As after a recovery of a damaged store. */
START_TEST(a_parent_that_is_lost_is_named)
{
    struct id p[2] = {add(alpha, JOB_RUNNING, 0), add(alpha, JOB_RUNNING, 0)};
    struct id child = child_of(p, 2, false), anyway = child_of(p, 1, true);
    char path[100], sql[100], text[ID_TEXT];
    sqlite3 *c = NULL;
    close_store();
    snprintf(path, sizeof(path), "%s/jobmill.db", dir);
    snprintf(sql, sizeof(sql), "DELETE FROM jobs WHERE key = %llu; DELETE FROM counters",
             (unsigned long long)id_key(&p[0]));
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(c, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(c);
    open_store();
    service_dies();
    struct job j = get(&child);
    id_format(&p[0], text);
    ck_assert_int_eq(j.state, JOB_FAILED);
    ck_assert_str_eq(j.error.code, JOB_ERROR_DEPENDENCY);
    ck_assert_msg(strncmp(j.error.message, text, strlen(text)) == 0, "%s", j.error.message);
    job_release(&j);
    ck_assert_int_eq(state_of(&anyway), JOB_QUEUED);
}
END_TEST

/* What it was to be made of and is not there any more is named: it shows that something is missing.
 */
START_TEST(what_was_forgotten_is_gathered_by_its_name)
{
    struct id jobs[1], p = add(alpha, JOB_RUNNING, 0), g = group_of(1, jobs);
    struct id last = add(alpha, JOB_RUNNING, 0), parents[] = {p, g, last};
    char want[300], text[3][ID_TEXT];
    struct job j, got[1];
    enum job_state state;
    bool more;
    make(&j, beta, JOB_QUEUED, 0);
    j.gathers = true;
    struct id child = child_with(&j, parents, 3);
    ends_and_settles(&p, ATTEMPT_SUCCEEDED);
    ends_and_settles(&jobs[0], ATTEMPT_SUCCEEDED);
    begin();
    ck_assert_int_eq(store_delete(s, &p, &state), 0);
    ck_assert_int_eq(store_delete(s, &jobs[0], &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    ends_and_settles(&last, ATTEMPT_SUCCEEDED);
    ck_assert_uint_eq(claim(1, got), 1);
    ck_assert(id_equal(&got[0].id, &child));
    for (int i = 0; i < 3; i++)
        id_format(&parents[i], text[i]);
    snprintf(want, sizeof(want),
             "{\"parents\":[{\"id\":\"%s\",\"state\":\"forgotten\"},{\"id\":\"%s\",\"state\":"
             "\"forgotten\"},{\"id\":\"%s\",\"task\":\"alpha\",\"state\":\"succeeded\"",
             text[0], text[1], text[2]);
    ck_assert_msg(strncmp(got[0].input.data, want, strlen(want)) == 0, "%.*s",
                  (int)got[0].input.len, got[0].input.data);
    job_release(&got[0]);
}
END_TEST

/* ---- run again ---- */

/* In the open transaction. */
static enum job_state retried(const struct id *id)
{
    struct job j;
    job_init(&j);
    ck_assert_int_eq(store_retry(s, id, 9500, &j), 0);
    enum job_state state = j.state;
    job_release(&j);
    return state;
}

static enum job_state retry(const struct id *id)
{
    begin();
    enum job_state state = retried(id);
    commit();
    return state;
}

START_TEST(a_retried_child_waits_for_its_retried_parents)
{
    struct id p = add(alpha, JOB_RUNNING, 0), child = child_of((struct id[]){p, p}, 2, false);
    struct id grandchild = child_of(&child, 1, false);
    ends_and_settles(&p, ATTEMPT_FAILED);
    ck_assert_int_eq(state_of(&grandchild), JOB_FAILED);
    for (uint32_t again = 2; again < 4; again++) {
        ck_assert_int_eq(retry(&p), JOB_QUEUED);
        ck_assert_int_eq(retry(&child), JOB_SCHEDULED);
        ck_assert_int_eq(retry(&grandchild), JOB_SCHEDULED);
        due(INT64_C(1) << 60);
        ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
        recount();
        runs_and_ends(&p, again, again == 2 ? ATTEMPT_FAILED : ATTEMPT_SUCCEEDED);
        ck_assert_int_eq(state_of(&child), again == 2 ? JOB_FAILED : JOB_QUEUED);
        ck_assert_int_eq(state_of(&grandchild), again == 2 ? JOB_FAILED : JOB_SCHEDULED);
    }
    runs_and_ends(&child, 1, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&grandchild), JOB_QUEUED);
    recount();
}
END_TEST

/* Whoever asks for that one job wants it to run, whatever became of those before it. */
START_TEST(a_retry_of_a_child_alone_runs_it)
{
    struct id p[2] = {add(alpha, JOB_RUNNING, 0), add(alpha, JOB_RUNNING, 0)};
    struct id child = child_of(p, 1, false), late = child_of(p, 2, false), orphan;
    ends_and_settles(&p[0], ATTEMPT_FAILED);
    ck_assert_int_eq(state_of(&late), JOB_FAILED);
    ck_assert_int_eq(retry(&child), JOB_QUEUED);
    ck_assert_int_eq(retry(&late), JOB_SCHEDULED); /* for what it waited for has not ended */
    ends_and_settles(&p[1], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&late), JOB_QUEUED);
    orphan = child_of(p, 1, false);
    enum job_state state;
    begin();
    ck_assert_int_eq(store_delete(s, &p[0], &state), 0);
    ck_assert_int_eq(retried(&orphan), JOB_QUEUED);
    commit();
    settle();
    recount();
}
END_TEST

START_TEST(a_group_begins_again_with_its_jobs)
{
    struct id jobs[2], g = group_of(2, jobs), child = child_of(&g, 1, false);
    struct job late;
    ends_and_settles(&jobs[0], ATTEMPT_FAILED);
    ends_and_settles(&jobs[1], ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_FAILED);
    begin();
    ck_assert_int_eq(retried(&jobs[0]), JOB_QUEUED);
    make(&late, beta, JOB_QUEUED, 0);
    wait_for(&late, &g, 1);
    ck_assert_int_eq(insert(&late, NULL), 0);
    ck_assert_int_eq(retried(&child), JOB_SCHEDULED);
    commit();
    settle();
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    ck_assert_int_eq(state_of(&late.id), JOB_SCHEDULED);
    job_release(&late);
    runs_and_ends(&jobs[0], 2, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
    recount();
}
END_TEST

/* The parent fails, and both are retried, before its end was passed on. */
START_TEST(an_end_that_is_over_is_not_passed_on)
{
    struct id p = add(alpha, JOB_RUNNING, 0), child = child_of(&p, 1, false);
    struct job j;
    bool more;
    job_init(&j);
    begin();
    ck_assert_int_eq(store_cancel(s, &child, 9, &j), 0);
    commit();
    job_release(&j);
    struct attempt a = {.job = p, .number = 1, .end = ATTEMPT_FAILED, .permanent = true};
    a.error = JOB_ERROR_NONE;
    struct finish_policy policy = {.now_us = 9000, .backoff_us = backoff};
    enum job_state state;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &policy, &state), 0);
    ck_assert_int_eq(retried(&p), JOB_QUEUED);
    ck_assert_int_eq(retried(&child), JOB_SCHEDULED);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    close_store(); /* nor by the next start */
    open_store();
    struct recovery rec;
    ck_assert_int_eq(store_recover(s, 9000, &rec), 0);
    settle();
    ck_assert_int_eq(state_of(&child), JOB_SCHEDULED);
    runs_and_ends(&p, 2, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(state_of(&child), JOB_QUEUED);
    recount();
}
END_TEST

int main(void)
{
    return SUITE("follow", kit_setup, kit_teardown, a_group_ends_with_its_last_job,
                 a_group_that_is_open_does_not_end, a_child_waits_for_all_its_parents,
                 a_failure_is_passed_on_or_not, a_cancelled_parent_decides_its_children,
                 a_group_of_cancelled_jobs_is_cancelled, a_group_is_a_parent,
                 many_children_take_several_transactions, a_parent_that_is_lost_is_named,
                 a_child_has_its_own_time_too, what_is_undone_is_passed_on_later,
                 a_group_that_is_being_forgotten_is_a_parent_yet,
                 a_forgotten_group_takes_its_calls_along,
                 what_was_forgotten_is_gathered_by_its_name,
                 a_retried_child_waits_for_its_retried_parents, a_retry_of_a_child_alone_runs_it,
                 a_group_begins_again_with_its_jobs, an_end_that_is_over_is_not_passed_on);
}
