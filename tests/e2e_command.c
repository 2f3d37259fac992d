/*
 * e2e_command.c - plain commands: what they are given, what they may say on fd 4 and on standard
 * error, where their result comes from, and which exit codes are final.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const two_workers[] = {"--workers", "2", NULL};

static const char conf[] =
    "[server]\nretry_delay = 0.01\n"
    "[task env]\ncommand = /usr/bin/env\nresult = text\nenv.COLOUR = dark blue\n"
    "env.LANG = xx\nenv.EMPTY =\n"
    "[task messages]\ncommand = /bin/sh -c 'cat >&4; echo out'\nresult = text\n"
    "[task exits]\ncommand = /bin/sh -c 'exit {input.status}'\npermanent_exit_codes = 2, 64-78\n"
    "[task file]\ncommand = /bin/sh -c 'echo noise; printf abc > out.bin'\nresult_file = out.bin\n"
    "result = application/x-abc\n"
    "[task nofile]\ncommand = /bin/true\nresult_file = out.bin\nmax_attempts = 1\n"
    "[task link]\ncommand = ln -s /etc/passwd out.bin\nresult_file = out.bin\nmax_attempts = 1\n"
    "[task bigfile]\ncommand = head -c 2000 /dev/zero\nresult = text\n"
    "[task big]\ncommand = truncate -s 2000 out.bin\nresult_file = out.bin\noutput_max = 1000\n"
    "[task bigline]\ncommand = /bin/sh -c 'head -c {input.size} /dev/zero | tr \"\\0\" x > n; "
    "echo \"{\\\"{input.member}\\\":\\\"$(cat n)\\\"}\" >&4; sleep {input.then}'\n"
    "output_max = 1000\n"
    "[task nest]\nresult = text\ncommand = /bin/sh -c 'i=0; while [ $i -lt 300 ]; do mkdir d; cd "
    "d; "
    "i=$((i+1)); done; cd \"$JOBMILL_DIR\"; mkdir -p a/b; touch a/b/c; chmod 500 a/b; chmod 0 a; "
    "echo \"$JOBMILL_DIR\"; chmod 0 .'\n"
    "[task logs]\ncommand = /bin/sh -c 'echo \"<3>three\" >&2; echo \"<4>four\" >&2; "
    "echo \"WARNING:root:word\" >&2; echo \"DEBUG:root:quiet\" >&2; echo \"error of mine\" >&2'\n";

static char *text_of(struct server *s, const struct answer *job)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(job->json, "id"));
    struct answer *a = get(s, path, 200);
    char *body = strdup(a->body);
    answer_free(a);
    return body;
}

START_TEST(the_environment_is_clean)
{
    setenv("SECRET_OF_THE_SERVICE", "1", 1);
    struct server *s = server_new(conf, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"env\"}");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    char *text = text_of(s, a), id[80];
    ck_assert_ptr_null(strstr(text, "SECRET_OF_THE_SERVICE"));
    ck_assert_ptr_nonnull(strstr(text, "COLOUR=dark blue\n"));
    ck_assert_ptr_nonnull(strstr(text, "LANG=xx\n"));
    ck_assert_ptr_nonnull(strstr(text, "EMPTY=\n"));
    ck_assert_ptr_nonnull(strstr(text, "PATH=/"));
    ck_assert_ptr_nonnull(strstr(text, "JOBMILL_TASK=env\n"));
    ck_assert_ptr_nonnull(strstr(text, "JOBMILL_ATTEMPT=1\n"));
    ck_assert_ptr_nonnull(strstr(text, "JOBMILL_DIR=/"));
    snprintf(id, sizeof(id), "JOBMILL_JOB_ID=%s\n", jstr(a->json, "id"));
    ck_assert_ptr_nonnull(strstr(text, id));
    free(text);
    answer_free(a);
    server_free(s);
}
END_TEST

/* However deep it is, and whatever the program has closed. */
START_TEST(its_directory_goes)
{
    struct server *s = server_new(conf, two_workers);
    struct answer *a = run_job(s, "{\"task\":\"nest\"}");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    char *dir = strdup(jstr(a->json, "result"));
    dir[strcspn(dir, "\n")] = '\0';
    ck_assert_int_eq(dir[0], '/');
    /* a child may be at it yet, where it takes long */
    eventually(access(dir, F_OK) == -1 && errno == ENOENT, LONG_MS);
    free(dir);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(messages_on_fd_4)
{
    struct server *s = server_new(conf, two_workers);
    /* the input goes to fd 4 as it is: it is the message */
    struct answer *a = run_job(s, "{\"task\":\"messages\",\"input\":{\"result\":{\"a\":[1,2]}}}");
    ck_assert_int_eq(jint(a->json, "result.a.1"), 2);
    answer_free(a);
    a = run_job(s, "{\"task\":\"messages\",\"input\":{\"result\":\"plain\\u00e9\"}}");
    char *text = text_of(s, a);
    ck_assert_str_eq(text, "plain\xC3\xA9"); /* `result = text`: a string is the text */
    free(text);
    answer_free(a);
    a = run_job(s, "{\"task\":\"messages\",\"input\":{\"error\":{\"code\":\"too_hot\",\"message\":"
                   "\"melts\",\"permanent\":true}}}");
    ck_assert_str_eq(jstr(a->json, "state"), "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "too_hot");
    ck_assert_str_eq(jstr(a->json, "error.message"), "melts");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    a = run_job(s, "{\"task\":\"messages\",\"max_attempts\":2,\"input\":{\"error\":{\"code\":"
                   "\"Not A Code\"}}}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "task_error");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    a = run_job(s, "{\"task\":\"messages\",\"input\":{\"other\":1}}"); /* only a warning */
    text = text_of(s, a);
    ck_assert_str_eq(text, "out\n");
    free(text);
    answer_free(a);
    eventually(log_has(s, "fd 4: a line that is not understood"), LONG_MS);
    server_free(s);
}
END_TEST

static void ends_after(struct server *s, const char *status, int attempts)
{
    char body[128];
    snprintf(body, sizeof(body),
             "{\"task\":\"exits\",\"input\":{\"status\":%s},\"max_attempts\":3}", status);
    struct answer *a = run_job(s, body);
    ck_assert_str_eq(jstr(a->json, "error.code"), "task_error");
    ck_assert_int_eq(jint(a->json, "error.exit_code"), atoi(status));
    ck_assert_msg(jint(a->json, "attempt") == attempts, "%s", a->body);
    answer_free(a);
}

START_TEST(some_exit_codes_are_final)
{
    struct server *s = server_new(conf, two_workers);
    ends_after(s, "1", 3);
    ends_after(s, "2", 1);
    ends_after(s, "63", 3);
    ends_after(s, "64", 1);
    ends_after(s, "78", 1);
    ends_after(s, "79", 3);
    server_free(s);
}
END_TEST

static void fails_with(struct server *s, const char *body, const char *code, const char *words)
{
    struct answer *a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, "error.code"), code), "%s", a->body);
    ck_assert_msg(strstr(jstr(a->json, "error.message"), words) != NULL, "%s", a->body);
    answer_free(a);
}

START_TEST(a_file_may_be_the_result)
{
    char type[64];
    struct server *s = server_new(conf, two_workers);
    struct answer *job = run_job(s, "{\"task\":\"file\"}"), *a;
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(job->json, "id"));
    a = get(s, path, 200);
    ck_assert_str_eq(a->body, "abc");
    ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
    ck_assert_str_eq(type, "application/x-abc");
    answer_free(a);
    answer_free(job);
    fails_with(s, "{\"task\":\"nofile\"}", "bad_result", "out.bin cannot be read: No such file");
    fails_with(s, "{\"task\":\"link\"}", "bad_result", "out.bin cannot be read");
    fails_with(s, "{\"task\":\"big\"}", "bad_result", "larger than output_max = 1000 bytes");
    eventually(log_has(s, "noise"), LONG_MS); /* what it printed is log */
    server_free(s);
}
END_TEST

#define BIGLINE(member, size, then)                                                                \
    "{\"task\":\"bigline\",\"input\":{\"member\":\"" member "\",\"size\":" size ",\"then\":" then  \
    "}}"

/* As what it prints: the job fails, and the program is not waited for. */
START_TEST(a_result_on_fd_4_is_bounded)
{
    struct server *s = server_new(conf, two_workers);
    fails_with(s, BIGLINE("result", "2000", "0"), "bad_result", "larger than output_max = 1000");
    fails_with(s, BIGLINE("result", "1000000", "600"), "bad_result",
               "larger than output_max = 1000");
    struct answer *a = run_job(s, BIGLINE("checkpoint", "65000", "0")); /* has a size of its own */
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    answer_free(a);
    ck_assert(!log_has(s, "is not understood"));
    server_free(s);
}
END_TEST

START_TEST(log_lines_have_levels)
{
    struct server *s = server_new(conf, two_workers);
    answer_free(run_job(s, "{\"task\":\"logs\"}"));
    eventually(log_has(s, "error of mine"), LONG_MS); /* the last of them */
    char *log = server_log(s);
    static const struct {
        const char *text, *level;
    } want[] = {{"three", "error"},
                {"four", "warn"},
                {"WARNING:root:word", "warn"},
                {"error of mine", "info"}};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        char level[64], *at = strstr(log, want[i].text);
        ck_assert_msg(at != NULL, "%s", want[i].text);
        while (at > log && at[-1] != '\n')
            at--;
        snprintf(level, sizeof(level), "\"level\":\"%s\"", want[i].level);
        char *nl = strchr(at, '\n');
        *nl = '\0';
        ck_assert_msg(strstr(at, level) != NULL, "%s: %s", want[i].text, at);
        *nl = '\n';
    }
    ck_assert_ptr_null(strstr(log, "<3>"));
    ck_assert_ptr_null(strstr(log, "quiet")); /* below log_level */
    free(log);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_environment_is_clean,  its_directory_goes,       messages_on_fd_4,
        some_exit_codes_are_final, a_file_may_be_the_result, a_result_on_fd_4_is_bounded,
        log_lines_have_levels,
    };
    return run_suite("command", tests, sizeof(tests) / sizeof(tests[0]));
}
