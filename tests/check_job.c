/* check_job.c - the states' table, names, errors that are cut at a boundary; err.def's look-ups. */
#include "../common/job.h"

#include "../common/err.h"
#include "suite.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

/* The moves as the design tells them, apart from job.def: a change there must be meant. */
static const struct {
    enum job_state from, to;
} moves[] = {
    {JOB_SCHEDULED, JOB_QUEUED},  {JOB_SCHEDULED, JOB_CANCELLED}, {JOB_SCHEDULED, JOB_EXPIRED},
    {JOB_SCHEDULED, JOB_FAILED},  {JOB_QUEUED, JOB_RUNNING},      {JOB_QUEUED, JOB_CANCELLED},
    {JOB_QUEUED, JOB_EXPIRED},    {JOB_RUNNING, JOB_SUCCEEDED},   {JOB_RUNNING, JOB_FAILED},
    {JOB_RUNNING, JOB_CANCELLED}, {JOB_RUNNING, JOB_SCHEDULED},   {JOB_RUNNING, JOB_QUEUED},
    {JOB_FAILED, JOB_QUEUED},     {JOB_CANCELLED, JOB_QUEUED},    {JOB_EXPIRED, JOB_QUEUED},
    {JOB_FAILED, JOB_SCHEDULED},  {JOB_CANCELLED, JOB_SCHEDULED}, {JOB_EXPIRED, JOB_SCHEDULED},
};

static bool listed(enum job_state from, enum job_state to)
{
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        if (moves[i].from == from && moves[i].to == to)
            return true;
    }
    return false;
}

START_TEST(moves_are_as_listed)
{
    for (int from = 0; from < JOB_STATES; from++) {
        for (int to = 0; to < JOB_STATES; to++)
            ck_assert_msg(job_state_may_move((enum job_state)from, (enum job_state)to) ==
                              listed((enum job_state)from, (enum job_state)to),
                          "%s -> %s", job_state_name((enum job_state)from),
                          job_state_name((enum job_state)to));
    }
    ck_assert(!job_state_may_move((enum job_state)JOB_STATES, JOB_QUEUED));
    ck_assert(!job_state_may_move(JOB_QUEUED, (enum job_state)JOB_STATES));
    ck_assert(!job_state_may_move((enum job_state) - 1, (enum job_state) - 1));
}
END_TEST

START_TEST(names_and_back)
{
    for (int s = 0; s < JOB_STATES; s++) {
        const char *name = job_state_name((enum job_state)s);
        ck_assert_int_eq(job_state_parse(name, strlen(name)), s);
        ck_assert_int_eq(job_state_parse(name, strlen(name) - 1), -1);
    }
    ck_assert_int_eq(job_state_parse("QUEUED", 6), -1);
    ck_assert_int_eq(job_state_parse("", 0), -1);
    ck_assert_str_eq(job_state_name((enum job_state)JOB_STATES), "unknown");
    ck_assert(job_state_final(JOB_EXPIRED));
    ck_assert(!job_state_final(JOB_RUNNING));
    ck_assert(!job_state_final((enum job_state)99));
}
END_TEST

START_TEST(a_job_moves)
{
    struct job j;
    job_init(&j);
    ck_assert_int_eq(j.error.exit_code, -1);
    j.state = JOB_QUEUED;
    job_move(&j, JOB_RUNNING);
    job_move(&j, JOB_SUCCEEDED);
    ck_assert_int_eq(j.state, JOB_SUCCEEDED);
    buf_adds(&j.input, "x");
    buf_adds(&j.result, "y");
    buf_adds(&j.tags, "z");
    job_release(&j);
    ck_assert_ptr_null(j.result.data);
    job_release(&j);
}
END_TEST

START_TEST(a_wrong_move_ends_the_process)
{
    struct job j;
    job_init(&j);
    j.state = JOB_SUCCEEDED;
    job_move(&j, JOB_RUNNING);
}
END_TEST

START_TEST(task_names)
{
    static const char *const good[] = {"a", "0", "primes", "a.b-c_d", "9z"};
    static const char *const bad[] = {"", "A", "-a", ".a", "_a", "a b", "a/b", "\xC3\xA4", "a\n"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(job_task_name_ok(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!job_task_name_ok(bad[i], strlen(bad[i])), "%s", bad[i]);
    char name[JOB_TASK_MAX + 1];
    memset(name, 'n', sizeof(name));
    ck_assert(job_task_name_ok(name, JOB_TASK_MAX));
    ck_assert(!job_task_name_ok(name, JOB_TASK_MAX + 1));
    ck_assert(!job_task_name_ok("a\0b", 3));
}
END_TEST

START_TEST(errors_are_cut_at_a_boundary)
{
    static const char *const sign[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t width = 1; width <= 4; width++) {
        for (size_t lead = 0; lead < 4; lead++) {
            char text[2 * JOB_ERROR_TEXT_MAX];
            size_t n = 0;
            memset(text, '.', lead);
            for (n = lead; n + width < sizeof(text); n += width)
                memcpy(text + n, sign[width - 1], width);
            text[n] = '\0';
            struct job_error e;
            job_error_set(&e, JOB_ERROR_TASK, "%s", text);
            size_t len = strlen(e.message);
            ck_assert_uint_le(len, JOB_ERROR_TEXT_MAX);
            ck_assert_uint_gt(len + width, JOB_ERROR_TEXT_MAX); /* no more than a sign is missing */
            ck_assert_uint_eq((len - lead) % width, 0);
            ck_assert_mem_eq(e.message, text, len);
            ck_assert_str_eq(e.code, "task_error");
            ck_assert_int_eq(e.exit_code, -1);
            ck_assert_int_eq(e.signal, 0);
        }
    }
}
END_TEST

START_TEST(short_errors_stay)
{
    struct job_error e;
    job_error_set(&e, JOB_ERROR_CRASHED, "%s", "");
    ck_assert_str_eq(e.message, "");
    job_error_set(&e, JOB_ERROR_CRASHED, "caf\xC3\xA9 %d", 7);
    ck_assert_str_eq(e.message, "caf\xC3\xA9 7");
    char code[200];
    memset(code, 'c', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    job_error_set(&e, code, "x");
    ck_assert_uint_eq(strlen(e.code), JOB_ERROR_CODE_MAX);
}
END_TEST

START_TEST(errors_are_told)
{
    ck_assert_int_eq(err_status(ERR_NO_JOB), 404);
    ck_assert_int_eq(err_status(-ERR_NO_JOB), 404);
    ck_assert_str_eq(err_code(-ERR_KEY_REUSED), "idempotency_key_reused");
    ck_assert_str_eq(err_sentence(-ERR_DRAINING), "The service is shutting down");
    static const int unknown[] = {ERR_COUNT, -ERR_COUNT, 0, 1 << 30};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        ck_assert_str_eq(err_code(unknown[i]), "internal");
    for (int i = 1; i < ERR_COUNT; i++) {
        ck_assert_int_ge(err_status(i), 400);
        ck_assert_int_lt(err_status(i), 600);
        ck_assert_uint_gt(strlen(err_sentence(i)), 0);
    }
}
END_TEST

/* What was there before is not seen, though not all of it is overwritten. */
START_TEST(a_new_job_has_nothing)
{
    static struct job job;
    static struct attempt attempt;
    static const char zeros[sizeof(job)];
    memset(&job, 'x', sizeof(job));
    job_init(&job);
    ck_assert_mem_eq(&job, zeros, offsetof(struct job, input_type));
    ck_assert_str_eq(job.input_type, "");
    ck_assert_str_eq(job.result_type, "");
    ck_assert_str_eq(job.backoff, "");
    memset(&attempt, 'x', sizeof(attempt));
    attempt_init(&attempt);
    ck_assert_mem_eq(&attempt, zeros, offsetof(struct attempt, result_type));
    ck_assert_str_eq(attempt.result_type, "");
    const struct job_error *const errors[] = {&job.error, &attempt.error};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_str_eq(errors[i]->code, "");
        ck_assert_str_eq(errors[i]->message, "");
        ck_assert_int_eq(errors[i]->signal, 0);
        ck_assert_int_eq(errors[i]->exit_code, -1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job");
    TCase *t = tcase_create("job");
    tcase_add_test(t, moves_are_as_listed);
    tcase_add_test(t, names_and_back);
    tcase_add_test(t, a_job_moves);
    tcase_add_test_raise_signal(t, a_wrong_move_ends_the_process, SIGABRT);
    tcase_add_test(t, task_names);
    tcase_add_test(t, errors_are_cut_at_a_boundary);
    tcase_add_test(t, short_errors_stay);
    tcase_add_test(t, errors_are_told);
    tcase_add_test(t, a_new_job_has_nothing);
    suite_add_tcase(suite, t);
    return suite_end(suite);
}
