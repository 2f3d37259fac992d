/*
 * suite.h - runs the tests of one file as one Check suite; each test in a process of its own.
 */
#ifndef JOBMILL_TESTS_SUITE_H
#define JOBMILL_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* fork(), of which only the parent checks what came: Check notes each check under a lock, which
 * another thread may have held when the child began, so that the child would wait for ever. */
static inline pid_t test_fork(void)
{
    pid_t pid = fork();
    if (pid != 0)
        ck_assert_int_gt(pid, 0);
    return pid;
}

/* Runs the suite and frees it. Returns what main() returns. */
static inline int suite_end(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* setup and teardown may be NULL; `tests` ends with NULL. Returns what main() returns. */
static inline int suite_run(const char *name, void (*setup)(void), void (*teardown)(void),
                            const TTest *const tests[])
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 170); /* sanitizers on a busy machine */
    if (setup || teardown)
        tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; tests[i]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite_end(suite);
}

#define SUITE(name, setup, teardown, ...)                                                          \
    suite_run(name, setup, teardown, (const TTest *const[]){__VA_ARGS__, NULL})

#endif
