/* e2e_config.c - settings, command tasks, and what is wrong with them, through the real binary. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char commands[] =
    "[server]\nretry_delay = 10ms\nkill_grace = 200ms\n"
    "[task args]\ncommand = /usr/bin/printf '[%s][%s]' {input.a} x{input.b}y\nresult = text\n"
    "[task upper]\ncommand = tr a-z A-Z\nresult = text\n"
    "[task json]\ncommand = cat\n"
    "[task notjson]\ncommand = /bin/echo hello\n"
    "[task png]\ncommand = cat\ninput = raw\nresult = image/png\n"
    "[task code]\ncommand = /bin/sh -c 'echo first >&2; echo reason >&2; exit 7'\nmax_attempts = "
    "1\n"
    "[task env]\ncommand = /bin/sh -c 'echo \"$JOBMILL_TASK $JOBMILL_ATTEMPT $SECRET "
    "$PWD\"'\nresult = text\n"
    "[task fd4]\ncommand = /bin/sh -c 'echo "
    "\"{\\\"progress\\\":{\\\"fraction\\\":0.5,\\\"message\\\":\\\"half\\\"}}\" >&4; "
    "echo stray; echo \"{\\\"result\\\":{\\\"from\\\":4}}\" >&4'\n"
    "[task fd4error]\ncommand = /bin/sh -c 'echo "
    "\"{\\\"error\\\":{\\\"code\\\":\\\"no_luck\\\",\\\"message\\\":\\\"m\\\",\\\"permanent\\\":"
    "true}}\" >&4; exit 1'\n"
    "[task flood]\ncommand = /usr/bin/yes\noutput_max = 64KiB\nresult = text\n"
    "[task killed]\ncommand = /bin/sh -c 'kill -9 $$'\nmax_attempts = 1\n";

START_TEST(commands_do_what_the_file_says)
{
    struct server *s = server_new(commands, NULL);
    struct answer *a =
        run_job(s, "{\"task\":\"args\",\"input\":{\"a\":\"one; $(two) 'three'\",\"b\":7}}");
    ck_assert_str_eq(jstr(a->json, "result"),
                     "[one; $(two) 'three'][x7y]"); /* whole words, no shell */
    answer_free(a);
    a = run_job(s, "{\"task\":\"args\",\"input\":{\"a\":null,\"b\":1.50}}");
    ck_assert_str_eq(jstr(a->json, "result"), "[][x1.50y]");
    answer_free(a);
    a = post(s, "/v1/jobs", "{\"task\":\"args\",\"input\":{\"a\":[],\"b\":1}}", 422);
    ck_assert_str_eq(jstr(a->json, "detail"),
                     "the field `a` of the input must be a string, number, boolean or null");
    answer_free(a);
    a = post(s, "/v1/jobs", "{\"task\":\"args\",\"input\":{\"a\":\"x\"}}", 422);
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/input/b");
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), "`b`"));
    answer_free(a);
    a = run_job(s, "{\"task\":\"upper\",\"input\":\"abc\"}");
    ck_assert_str_eq(jstr(a->json, "result"), "\"ABC\"");
    answer_free(a);
    a = run_job(s, "{\"task\":\"json\",\"input\":{\"k\":[1,2]}}");
    ck_assert_int_eq(jint(a->json, "result.k.1"), 2);
    answer_free(a);
    a = run_job(s, "{\"task\":\"notjson\"}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "bad_result");
    answer_free(a);
    a = run_job(s, "{\"task\":\"code\"}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "task_error");
    ck_assert_int_eq(jint(a->json, "error.exit_code"), 7);
    ck_assert_ptr_nonnull(strstr(jstr(a->json, "error.message"), "reason"));
    answer_free(a);
    a = run_job(s, "{\"task\":\"killed\"}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    ck_assert_int_eq(jint(a->json, "error.signal"), SIGKILL);
    answer_free(a);
    a = run_job(s, "{\"task\":\"fd4\"}");
    ck_assert_int_eq(jint(a->json, "result.from"), 4);
    answer_free(a);
    a = run_job(s, "{\"task\":\"fd4error\"}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "no_luck");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    a = run_job(s, "{\"task\":\"flood\"}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "bad_result");
    answer_free(a);
    eventually(log_has(s, "\"msg\":\"first\""), LONG_MS); /* stderr is the job's log */
    server_free(s);
}
END_TEST

START_TEST(a_command_gets_a_clean_place)
{
    setenv("SECRET", "do-not-tell", 1);
    struct server *s = server_new(commands, NULL);
    struct answer *a = run_job(s, "{\"task\":\"env\"}");
    const char *said = jstr(a->json, "result");
    ck_assert_msg(strncmp(said, "env 1  /", 8) == 0, "%s", said);
    char dir[256];
    snprintf(dir, sizeof(dir), "%s", said + 7);
    dir[strcspn(dir, "\n")] = '\0';
    ck_assert_int_ne(access(dir, F_OK), 0); /* removed after */
    answer_free(a);
    server_free(s);
}
END_TEST

/* Both the check and the service itself end with the place and the reason. */
static void refused_in(const char *data_dir, const char *conf, const char *words)
{
    char out[4096];
    const char *path = conf_file(conf);
    const char *const check[] = {"check-config", "--config", path, NULL};
    const char *const serve[] = {"serve", "--config", path, "--data-dir", data_dir, NULL};
    int status = run_binary(check, out, sizeof(out));
    ck_assert_msg(status == 78 && strstr(out, words), "status %d for\n%s: %s", status, conf, out);
    status = run_binary(serve, out, sizeof(out));
    ck_assert_msg(status == 78 && strstr(out, words), "status %d for\n%s: %s", status, conf, out);
}

static void refused(const char *conf, const char *words)
{
    refused_in("/nonexistent/never", conf, words);
}

START_TEST(wrong_settings_are_refused_with_their_place)
{
    refused("[server]\nlisten = nowhere\n", "listen = nowhere");
    refused("[server]\nmax_wiat = 3\n", ":2: max_wiat: not a setting");
    refused("[server]\nmax_body = 10GiB\n", ":2: max_body = 10GiB: must be");
    refused("[server]\n\nkill_grace = 5 parsecs\n", ":3: kill_grace");
    refused("[server]\nmax_body = 1MiB\nmax_body = 2MiB\n", "set twice");
    refused("[nonsense]\na = b\n", "not a section");
    refused("[task a]\ncommand = x\npool = b\n", "no [pool b]");
    refused("[task a]\ncommand = 'x\n", "quote");
    refused("[task a]\ntimeout = 5\n", "neither a module nor a command");
    refused("[task Ä]\ncommand = x\n", "name");
    refused("[pool p]\nworkers = 9999\n", "workers = 9999");
    refused("[task a]\ncommand = x\nspares = 1\n", "persistent = true");
    refused("a = b\n", "before any section");
}
END_TEST

/* What needs more than the file to be seen. */
START_TEST(a_check_refuses_what_the_service_does)
{
    char dir[300]; /* a secret is read by the service alone, after it has forked its workers */
    const char *path = conf_file("");
    snprintf(dir, sizeof(dir), "%.*s/data", (int)(strrchr(path, '/') - path), path);
    refused_in(dir, "[server]\nwebhook_allow = 10.0.0.0/33\n",
               "webhook_allow = 10.0.0.0/33: must be");
    refused_in(dir, "[server]\nwebhook_allow = example.org\n",
               "webhook_allow = example.org: must be");
    refused_in(dir, "[server]\nwebhook_delays = 5x\n", "webhook_delays = 5x: must be times");
    refused_in(dir, "[server]\nwebhook_delays = 5s, 5x\n",
               "webhook_delays = 5s, 5x: must be times");
    refused_in(dir, "[server]\nwebhook_delays =\n", "webhook_delays = : must be times");
    refused_in(dir, "[server]\nwebhook_secret_file = /nonexist\n",
               "webhook_secret_file = /nonexist");
    refused("[server]\nlisten = 0.0.0.0:0\n", "listen = 0.0.0.0:0: not a loopback address");
    refused("[server]\nadmin_listen = 0.0.0.0:0\n", "admin_listen = 0.0.0.0:0: not a loopback");
    refused_in(dir, "[server]\ntls_cert = /nonexist\ntls_key = /nonexist\n", "/nonexist");
}
END_TEST

#define A_TOKEN                                                                                    \
    "[token t]\nscopes = read\n"                                                                   \
    "hash = sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"

START_TEST(what_can_hardly_be_meant_is_told)
{
    static const char text[] = "[task lost]\ncommand = /nonexist/program {input.x}\n"
                               "[task gone]\nmodule = /nonexist/task.so\n"
                               "[task warm]\ncommand = no-such-program\npersistent = yes\n"
                               "[task there]\ncommand = /bin/true {inputx} a{inputx} {other}\n"
                               "[task far]\nkind = remote\n" A_TOKEN "tasks = there, nope\n";
    static const char *const said[] = {
        "jobmill: warning: [task lost]: /nonexist/program: No such file",
        "jobmill: warning: [task gone]: /nonexist/task.so: cannot open",
        "jobmill: warning: [task warm]: no-such-program: No such file",
        "jobmill: warning: [task there]: command: the word `{inputx}` stays as it is",
        "jobmill: warning: [token t]: tasks: there is no [task nope]\n",
        "jobmill: warning: environment: JOBMILL_WORKRS: no setting has this name",
    };
    char out[65536];
    const char *const args[] = {"check-config", "--config", conf_file(text), NULL};
    const char *const others[] = {"JOBMILL_SERVER", "JOBMILL_PORT", "JOBMILL_SERVICE_HOST"};
    setenv("JOBMILL_WORKRS", "3", 1);
    setenv("JOBMILL_WORKERS", "3", 1);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        setenv(others[i], "tcp://10.0.0.1:80", 1);
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        ck_assert_msg(strstr(out, said[i]) != NULL, "`%s` is not in %s", said[i], out);
    size_t n = 0;
    for (const char *at = out; (at = strstr(at, "warning:")) != NULL; at++)
        n++;
    ck_assert_msg(n == sizeof(said) / sizeof(said[0]), "%s", out);
    static const char *const one[] = {"--workers", "1", NULL};
    struct server *s = server_new("[task there]\ncommand = /bin/true\n", one);
    eventually(log_has(s, "environment: JOBMILL_WORKRS: no setting"), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(flags_over_environment_over_file)
{
    char out[65536];
    const char *path = conf_file("[server]\nmax_wait = 11s ; a comment\nidle_timeout = 12s\n"
                                 "[pool default]\nworkers = 3\n"
                                 "[task far]\nkind = remote\noutput_max = 7KiB\n"
                                 "[task braces]\ncommand = awk '{input=$1} {print}' {} ${x} "
                                 "'{input.a b}' {config_dir}\n");
    setenv("JOBMILL_IDLE_TIMEOUT", "13", 1);
    const char *const args[] = {"check-config", "--config", path, "--workers=5", NULL};
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(strstr(out, "max_wait = 11s\n"));
    ck_assert_ptr_nonnull(strstr(out, "idle_timeout = 13s\n"));
    ck_assert_ptr_nonnull(strstr(out, "workers = 5\n; max_workers: not set, 13 in force\n"));
    ck_assert_ptr_nonnull(strstr(out, "[task far]\nkind = remote\n"));
    unsetenv("JOBMILL_IDLE_TIMEOUT");
    /* what check-config prints is itself a configuration that means the same */
    char again[65536];
    const char *const printed[] = {"check-config", "--config", conf_file(out), NULL};
    ck_assert_msg(run_binary(printed, again, sizeof(again)) == 0, "%s", again);
    ck_assert_str_eq(again, out);
}
END_TEST

START_TEST(every_setting_is_in_the_help)
{
    static const char *const names[] = {
#define CONF_TEXT(name, standard, help)                       #name,
#define CONF_SIZE(name, standard, least, greatest, help)      #name,
#define CONF_TIME(name, standard, least, greatest, help)      #name,
#define CONF_INT(name, standard, least, greatest, unit, help) #name,
#define CONF_BOOL(name, standard, help)                       #name,
#include "../server/conf.def"
    };
    static const char *const ways[] = {"help", "--help"};
    char out[65536];
    for (size_t w = 0; w < 2; w++) {
        const char *const args[] = {ways[w], NULL};
        ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            char flag[64];
            snprintf(flag, sizeof(flag), "--%s ", names[i]);
            for (char *c = flag; *c; c++)
                *c = *c == '_' ? '-' : *c;
            ck_assert_msg(strstr(out, flag) != NULL, "no %s in %s", flag, out);
        }
    }
    static const char *const usage[][2] = {{"backup", "usage: jobmill backup FILE [SETTING...]\n"},
                                           {"token", "usage: jobmill token [NAME]\n"},
                                           {"version", "usage: jobmill version\n"}};
    for (size_t i = 0; i < 3; i++) {
        const char *const ask[] = {usage[i][0], "--help", NULL}, *const name[] = {
                                                                     "help", usage[i][0], NULL};
        ck_assert_int_eq(run_binary(ask, out, sizeof(out)), 0);
        ck_assert_msg(strncmp(out, usage[i][1], strlen(usage[i][1])) == 0, "%s", out);
        ck_assert_int_eq(strstr(out, "--data-dir ") != NULL, i == 0);
        ck_assert_int_eq(run_binary(name, out, sizeof(out)), 0);
        ck_assert_msg(strncmp(out, usage[i][1], strlen(usage[i][1])) == 0, "%s", out);
    }
    const char *const serve[] = {"serve", "--help", NULL};
    ck_assert_int_eq(run_binary(serve, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(strstr(out, "--drain-timeout"));
}
END_TEST

START_TEST(the_document_is_what_the_table_says)
{
    const char *bin = server_binary();
    char command[512];
    snprintf(command, sizeof(command),
             "docs/gen-configuration.sh %s | diff -u docs/configuration.md -", bin);
    ck_assert_msg(system(command) == 0, "run: docs/gen-configuration.sh build/jobmill "
                                        ">docs/configuration.md");
}
END_TEST

START_TEST(the_examples_work)
{
    char conf[2048], cwd[512], out[65536];
    const char *const check[] = {"check-config", "--config", "examples/jobmill.ini", NULL};
    ck_assert_int_eq(run_binary(check, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    const char *dir = conf_file("");
    char object[600];
    snprintf(object, sizeof(object), "%.*s/hello.so", (int)(strrchr(dir, '/') - dir), dir);
    snprintf(conf, sizeof(conf),
             "cc -shared -fPIC -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Iinclude "
             "-o %s examples/hello/hello.c",
             object);
    ck_assert_int_eq(system(conf), 0);
    snprintf(conf, sizeof(conf),
             "[task hello]\nmodule = %s\n"
             "[task wordcount]\ncommand = /usr/bin/python3 %s/examples/wordcount.py\n",
             object, cwd);
    struct server *s = server_new(conf, NULL);
    struct answer *a = run_job(s, "{\"task\":\"hello\",\"input\":\"world\"}");
    ck_assert_msg(!strcmp(jstr(a->json, "result.hello"), "world"), "%s", a->body);
    answer_free(a);
    a = run_job(s, "{\"task\":\"wordcount\",\"input\":{\"text\":\"to be or not to be\"}}");
    ck_assert_msg(jint(a->json, "result.to") == 2 && jint(a->json, "result.or") == 1, "%s",
                  a->body);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(a_wrong_command_line_is_no_wrong_configuration)
{
    static const struct {
        const char *const args[5];
        int status;
        const char *words;
    } rows[] = {
        {{"serve", "--no-such-flag"}, 64, "--no-such-flag: no such flag"},
        {{"serve", "--max_wait=3s"}, 64, "--max_wait: no such flag"},
        {{"serve", "foo"}, 64, "foo: not a flag"},
        {{"serve", "--listen"}, 64, "--listen: needs a value"},
        {{"serve", "--config"}, 64, "--config: needs a value"},
        {{"serve", "--config", "/nonexistent/conf", "--foo"}, 64, "--foo: no such flag"},
        {{"check-config", "--foo"}, 64, "--foo: no such flag"},
        {{"check-config", "--insecure", "foo"}, 64, "foo: not a flag"},
        {{"migrate", "foo"}, 64, "foo: not a flag"},
        {{"backup", "/nonexistent/file", "--foo"}, 64, "--foo: no such flag"},
        {{"recover", "/nonexistent/file", "foo"}, 64, "foo: not a flag"},
        {{"token", "a", "b"}, 64, "usage: jobmill token"},
        {{"serve", "--workers", "many"}, 78, "--workers"},
        {{"check-config", "--workers=many"}, 78, "--workers"},
        {{"check-config", "--insecure=many"}, 78, "--insecure"},
        {{"migrate", "--config", "/nonexistent/conf"}, 78, "/nonexistent/conf"},
    };
    char out[65536];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = run_binary(rows[i].args, out, sizeof(out));
        ck_assert_msg(status == rows[i].status && strstr(out, rows[i].words), "%zu: %d, %s", i,
                      status, out);
    }
}
END_TEST

START_TEST(only_loopback_without_being_told)
{
    char err[65536];
    const char *const args[] = {"serve",      "--listen",           "0.0.0.0:0",
                                "--data-dir", "/nonexistent/never", NULL};
    ck_assert_int_eq(run_binary(args, err, sizeof(err)), 78);
    ck_assert_ptr_nonnull(strstr(err, "--insecure"));
    const char *const help[] = {"--help", NULL};
    ck_assert_int_eq(run_binary(help, err, sizeof(err)), 0);
    const char *const none[] = {"frobnicate", NULL};
    ck_assert_int_eq(run_binary(none, err, sizeof(err)), 64);
}
END_TEST

START_TEST(a_store_is_migrated_by_hand_too)
{
    char dir[300], out[2048];
    struct server *s = server_new(NULL, NULL);
    snprintf(dir, sizeof(dir), "%s/other", s->dir);
    const char *const args[] = {"migrate", "--data-dir", dir, NULL};
    for (int i = 0; i < 2; i++) { /* once more: there is nothing left to do */
        ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
        ck_assert_msg(strstr(out, "schema version") != NULL, "%s", out);
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        commands_do_what_the_file_says,
        a_command_gets_a_clean_place,
        wrong_settings_are_refused_with_their_place,
        a_check_refuses_what_the_service_does,
        what_can_hardly_be_meant_is_told,
        flags_over_environment_over_file,
        every_setting_is_in_the_help,
        the_document_is_what_the_table_says,
        the_examples_work,
        a_wrong_command_line_is_no_wrong_configuration,
        only_loopback_without_being_told,
        a_store_is_migrated_by_hand_too,
    };
    return run_suite("config", tests, sizeof(tests) / sizeof(tests[0]));
}
