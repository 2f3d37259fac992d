/*
 * e2e_bug.c - a change that the store refuses, which no code foresaw, harms no other: by a trigger
 * in the database that refuses jobs of one priority, and outcomes of jobs of another.
 */
#include "harness.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void refuse(struct server *s, const char *sql)
{
    char path[300];
    sqlite3 *db;
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    snprintf(path, sizeof(path), "%s/data/jobmill.db", s->dir);
    ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    server_restart(s);
}

START_TEST(the_service_goes_on)
{
    struct server *s = server_new(NULL, NULL);
    s->errors_ok = true; /* it says so */
    refuse(s, "CREATE TRIGGER no BEFORE INSERT ON jobs WHEN NEW.priority = 77"
              " BEGIN SELECT RAISE(ABORT, 'no'); END");
    int many[20];
    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) { /* with none of the other kind */
        many[i] = raw_open(s);
        raw_send(many[i], "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 29\r\n\r\n"
                          "{\"task\":\"noop\",\"priority\":77}");
    }
    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
        char *said = raw_read(many[i], "\"internal\"", LONG_MS);
        ck_assert_msg(strstr(said, " 500 ") != NULL, "%s", said);
        free(said);
        close(many[i]);
    }
    for (int i = 0; i < 10; i++) {
        struct answer *a = post(s, "/v1/jobs", "{\"task\":\"noop\",\"priority\":77}", 500);
        ck_assert_str_eq(jstr(a->json, "code"), "internal");
        answer_free(a);
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
    }
    ck_assert_int_eq(jobs_kept(s), 10);
    ck_assert(log_has(s, "a change could not be made"));
    server_free(s);
}
END_TEST

/* What has happened cannot be refused: then it ends, as its next start finds what is so. */
START_TEST(an_outcome_is_not_given_up)
{
    struct server *s = server_new(NULL, NULL);
    s->errors_ok = true;
    refuse(s, "CREATE TRIGGER no BEFORE UPDATE ON jobs WHEN NEW.state = 3 AND NEW.priority = 77"
              " BEGIN SELECT RAISE(ABORT, 'no'); END");
    answer_free(post(s, "/v1/jobs", "{\"task\":\"noop\",\"priority\":77}", 202));
    ck_assert_int_eq(server_wait(s, LONG_MS), 74);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_service_goes_on, an_outcome_is_not_given_up};
    return run_suite("bug", tests, sizeof(tests) / sizeof(tests[0]));
}
