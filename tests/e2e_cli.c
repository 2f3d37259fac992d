/* e2e_cli.c - the client's commands against the real service: what they print and how they end. */
#include "harness_cli.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const two_workers[] = {"--workers", "2", NULL};

/* An id from the client's standard output: its newline goes. */
static char *id_of(struct ran *r)
{
    r->out[strcspn(r->out, "\n")] = '\0';
    ck_assert_uint_eq(strlen(r->out), 36);
    return r->out;
}

static struct answer *job_of(struct server *s, const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    return get(s, path, 200);
}

static const char *file_with(struct server *s, const char *name, const char *text)
{
    static char path[320];
    snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

START_TEST(a_job_from_submit_to_its_result)
{
    struct server *s = server_new(NULL, two_workers);
    struct ran job = CLIENT(s, 0, "submit", "primes", "--input", "{\"limit\":1000}");
    const char *id = id_of(&job);
    struct ran r = CLIENT(s, 0, "wait", id);
    ck_assert_ptr_nonnull(strstr(r.out, "succeeded"));
    ran_free(&r);
    r = CLIENT(s, 0, "result", id);
    ck_assert_str_eq(r.out, "{\"count\":168}");
    ran_free(&r);
    r = CLIENT(s, 0, "get", id);
    ck_assert_ptr_nonnull(strstr(r.out, "succeeded, attempt 1 of 3"));
    ck_assert_ptr_nonnull(strstr(r.out, "{\"count\":168}"));
    ck_assert_ptr_null(strchr(r.out, '\033'));
    ran_free(&r);
    struct answer *a = job_of(s, id);
    r = CLIENT(s, 0, "get", "--json", id);
    ck_assert_uint_eq(r.out_len, a->len + (a->body[a->len - 1] != '\n'));
    ck_assert_mem_eq(r.out, a->body, a->len);
    ran_free(&r);
    answer_free(a);
    ran_free(&job);
    server_free(s);
}
END_TEST

START_TEST(submit_waits_and_prints_the_result)
{
    struct server *s = server_new(NULL, two_workers);
    struct ran r = CLIENT(s, 0, "submit", "primes", "--wait", "--input={\"limit\":1000}");
    ck_assert_str_eq(r.out, "{\"count\":168}\n");
    ck_assert_str_eq(r.err, "");
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "-wj", "primes", "--input", "{\"limit\":1000}");
    json_t *job = json_loads(r.out, 0, NULL);
    ck_assert_int_eq(jint(job, "result.count"), 168);
    json_decref(job);
    ran_free(&r);
    char png[320];
    snprintf(png, sizeof(png), "%s/out.png", s->dir);
    r = CLIENT(s, 0, "submit", "mandelbrot", "--wait", "-o", png, "--input",
               "{\"width\":64,\"height\":48}");
    ck_assert_str_eq(r.out, "");
    ran_free(&r);
    char magic[8] = "";
    FILE *f = fopen(png, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(magic, 1, 8, f), 8);
    fclose(f);
    ck_assert_mem_eq(magic, "\x89PNG\r\n\x1a\n", 8);
    server_free(s);
}
END_TEST

START_TEST(inputs_from_everywhere)
{
    struct server *s = server_new(NULL, two_workers);
    struct ran r = CLIENT_IN(s, "[1,  2.50]", 0, "submit", "echo", "-", "--wait");
    ck_assert_str_eq(r.out, "[1,  2.50]\n"); /* byte for byte */
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "echo", file_with(s, "in.json", "{\"a\": 1}\n"), "--wait");
    ck_assert_str_eq(r.out, "{\"a\": 1}\n");
    ran_free(&r);
    r = CLIENT_IN(s, "abc", 0, "submit", "sha256", "-", "--raw", "text/plain", "--wait", "-t", "x");
    ck_assert_ptr_nonnull(strstr(r.out, "ba7816bf8f01cfea"));
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "noop", "--wait");
    ck_assert_str_eq(r.out, "null\n");
    ran_free(&r);
    /* what is no input */
    r = CLIENT_IN(s, "{\"a\":1},\"priority\":5,\"b\":{}", 65, "submit", "echo", "-");
    ck_assert_ptr_nonnull(strstr(r.err, "no JSON"));
    ran_free(&r);
    r = CLIENT(s, 66, "submit", "echo", "/nonexistent/x.json");
    ran_free(&r);
    r = CLIENT(s, 64, "submit", "echo", "-", "--input", "1");
    ran_free(&r);
    server_free(s);
}
END_TEST

START_TEST(options_reach_the_service)
{
    struct server *s = server_new(NULL, two_workers);
    struct ran r = CLIENT(s, 0, "submit", "noop", "-p", "-7", "--delay", "1h", "--timeout", "1.5",
                          "--max-attempts=2", "--tag", "a", "-tb");
    struct answer *a = job_of(s, id_of(&r));
    ck_assert_str_eq(jstr(a->json, "state"), "scheduled");
    ck_assert_int_eq(jint(a->json, "priority"), -7);
    ck_assert_int_eq(jint(a->json, "max_attempts"), 2);
    ck_assert(json_number_value(jget(a->json, "timeout")) > 1.49);
    ck_assert(json_number_value(jget(a->json, "timeout")) < 1.51);
    ck_assert_str_eq(jstr(a->json, "tags.0"), "a");
    ck_assert_str_eq(jstr(a->json, "tags.1"), "b");
    answer_free(a);
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "noop", "--run-at", "2030-01-31T08:00:00Z");
    a = job_of(s, id_of(&r));
    ck_assert_str_eq(jstr(a->json, "run_at"), "2030-01-31T08:00:00.000Z");
    answer_free(a);
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "noop", "--key", "one");
    struct ran again = CLIENT(s, 0, "submit", "noop", "--key", "one");
    ck_assert_str_eq(r.out, again.out);
    ran_free(&r);
    ran_free(&again);
    server_free(s);
}
END_TEST

/* Numbers that fit no int64, and reals of few digits: as they were given, wherever they are shown.
 */
START_TEST(numbers_stay_as_they_were)
{
    static const char input[] = "{\"n\": 123456789012345678901234567890, \"f\": [0.1, -0]}\n";
    static const char value[] = "{\"n\":123456789012345678901234567890,\"f\":[0.1,-0]}";
    char lines[200], want[200], id[64];
    struct server *s = server_new(NULL, two_workers);
    struct ran r = CLIENT_IN(s, input, 0, "submit", "echo", "-", "--wait");
    ck_assert_str_eq(r.out, input);
    ran_free(&r);
    snprintf(lines, sizeof(lines), "18446744073709551616\n%s", input);
    r = CLIENT_IN(s, lines, 0, "submit", "echo", "--ndjson", "-", "--wait");
    ck_assert_str_eq(r.out, lines);
    ran_free(&r);
    r = CLIENT(s, 0, "list", "--quiet", "--limit", "1");
    snprintf(id, sizeof(id), "%.36s", r.out);
    ran_free(&r);
    r = CLIENT(s, 0, "get", id);
    snprintf(want, sizeof(want), ": %s\n", value);
    const char *at = strstr(r.out, want);
    ck_assert_msg(at && strstr(at + 1, want), "%s", r.out); /* input and result */
    ran_free(&r);
    r = CLIENT(s, 0, "wait", id, "--json");
    ck_assert_msg(strstr(r.out, "123456789012345678901234567890, \"f\""), "%s", r.out);
    ran_free(&r);
    r = CLIENT(s, 0, "watch");
    ck_assert_msg(strstr(r.out, id), "%s", r.out);
    ran_free(&r);
    server_free(s);
}
END_TEST

START_TEST(how_jobs_end_is_how_the_client_ends)
{
    struct server *s = server_new("[task fails]\ncommand = /bin/false\n", two_workers);
    struct ran r = CLIENT(s, 1, "submit", "fails", "--input", "7", "--max-attempts", "1", "-w");
    ck_assert_ptr_nonnull(strstr(r.err, "failed: task_error"));
    ck_assert_str_eq(r.out, "");
    ran_free(&r);
    struct ran slow = CLIENT(s, 0, "submit", "sleep", "--input", "{\"seconds\":60}");
    const char *id = id_of(&slow);
    r = CLIENT(s, 124, "wait", id, "--timeout", "50ms");
    ck_assert_ptr_nonnull(strstr(r.err, id));
    ran_free(&r);
    r = CLIENT(s, 124, "submit", "sleep", "--input", "{\"seconds\":60}", "-w", "--wait-timeout",
               "0.05");
    ran_free(&r);
    answer_free(await_state(s, id, "running"));
    r = CLIENT(s, 0, "cancel", id);
    ran_free(&r);
    r = CLIENT(s, 2, "wait", id);
    ck_assert_ptr_nonnull(strstr(r.err, "cancelled"));
    ran_free(&r);
    struct ran good = CLIENT(s, 0, "submit", "noop");
    r = CLIENT(s, 2, "wait", id_of(&good), id); /* one of two */
    ran_free(&r);
    r = CLIENT(s, 65, "cancel", id, "01a206c9-3464-7000-93c5-f3a31ec3a416");
    ran_free(&r);
    ran_free(&good);
    ran_free(&slow);
    server_free(s);
}
END_TEST

/* What a job has logged: as text, or an object a line; nothing is nothing in both. */
START_TEST(logs_as_text_and_as_json)
{
    struct server *s = server_new(
        "[task says]\ncommand = sh -c \"echo one >&2; echo two >&2; echo 1\"\n", two_workers);
    struct ran job = CLIENT(s, 0, "submit", "says");
    struct ran silent = CLIENT(s, 0, "submit", "noop");
    const char *id = id_of(&job), *none = id_of(&silent);
    struct ran r = CLIENT(s, 0, "logs", "-f", id);
    ck_assert_ptr_nonnull(strstr(r.out, " 1 info one\n"));
    ran_free(&r);
    r = CLIENT(s, 0, "logs", "--json", id);
    static const char *const said[] = {"one", "two"};
    const char *line = r.out;
    for (size_t i = 0; i < 2; i++) {
        json_t *o = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        ck_assert_msg(o != NULL, "%s", r.out);
        ck_assert_str_eq(jstr(o, "text"), said[i]);
        ck_assert_int_eq(jint(o, "attempt"), 1);
        json_decref(o);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    ck_assert_str_eq(line, "");
    ran_free(&r);
    r = CLIENT(s, 0, "wait", none);
    ran_free(&r);
    r = CLIENT(s, 0, "logs", "--json", none);
    ck_assert_str_eq(r.out, "");
    ck_assert_str_eq(r.err, "");
    ran_free(&r);
    ran_free(&job);
    ran_free(&silent);
    server_free(s);
}
END_TEST

START_TEST(what_is_wrong_is_said)
{
    struct server *s = server_new(NULL, two_workers);
    static const char *const wrong[][6] = {
        {"submit"},
        {"submit", "noop", "a", "b"},
        {"submit", "noop", "--bogus"},
        {"submit", "noop", "-z"},
        {"submit", "noop", "--priority", "high"},
        {"submit", "noop", "--priority"},
        {"submit", "noop", "--priority", "1.5"},
        {"submit", "noop", "--wait=yes"},
        {"submit", "noop", "--delay", "-1"},
        {"submit", "noop", "--delay", "nan"},
        {"submit", "noop", "--wait-timeout", "1"},
        {"submit", "noop", "--ndjson"},
        {"list", "noop"},
        {"get", "x", "--server", "ftp://127.0.0.1"},
        {"tasks", "--token-file", "/dev/null"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct ran bad = client_expect(client_url(s), NULL, 64, wrong[i]);
        ck_assert_msg(strncmp(bad.err, "jobmill: ", 9) == 0, "%s", bad.err);
        ck_assert_str_eq(bad.out, "");
        ran_free(&bad);
    }
    struct ran r = CLIENT(s, 65, "submit", "nope");
    ck_assert_ptr_nonnull(strstr(r.err, "jobmill: There is no such task: "));
    ran_free(&r);
    r = CLIENT(s, 65, "pause", "nope");
    ck_assert_msg(strstr(r.err, ": there is no task `nope`") != NULL, "%s", r.err);
    ran_free(&r);
    r = CLIENT(s, 65, "submit", "noop", "--priority", "1000");
    ck_assert_ptr_nonnull(strstr(r.err, "from -100 to 100"));
    ran_free(&r);
    r = CLIENT(s, 65, "get", "../tasks");
    ran_free(&r);
    char bare[32];
    snprintf(bare, sizeof(bare), "127.0.0.1:%d", s->port);
    r = CLIENT(s, 0, "tasks", "--server", bare);
    ran_free(&r);
    r = CLIENT(s, 69, "tasks", "--server", "localhost:1");
    ck_assert_ptr_nonnull(strstr(r.err, "not reachable"));
    ran_free(&r);
    r = CLIENT(s, 69, "tasks", "--server", "http://127.0.0.1:1");
    ck_assert_ptr_nonnull(strstr(r.err, "not reachable"));
    ran_free(&r);
    r = CLIENT(s, 0, "submit", "--help");
    ck_assert_ptr_nonnull(strstr(r.out, "--max-attempts N"));
    ran_free(&r);
    server_free(s);
}
END_TEST

START_TEST(many_jobs_by_lines_and_pages)
{
    enum { JOBS = 1100 };
    static char lines[JOBS * 16];
    struct server *s = server_new(NULL, two_workers);
    size_t n = 0, found = 0;
    for (int i = 0; i < JOBS; i++)
        n += (size_t)snprintf(lines + n, sizeof(lines) - n, "{\"n\":%d}\n", i);
    struct ran ids = CLIENT_IN(s, lines, 0, "submit", "echo", "--ndjson", "-");
    struct ran list = CLIENT(s, 0, "list", "--all", "--quiet");
    ck_assert_uint_eq(ids.out_len, JOBS * 37);
    ck_assert_uint_eq(list.out_len, JOBS * 37);
    for (char *at = strtok(ids.out, "\n"); at; at = strtok(NULL, "\n"))
        found += strstr(list.out, at) != NULL;
    ck_assert_uint_eq(found, JOBS);
    ran_free(&list);
    ran_free(&ids);
    list = CLIENT(s, 0, "list", "-n", "1050", "-q"); /* a page and a part of the next */
    ck_assert_uint_eq(list.out_len, 1050 * 37);
    ran_free(&list);
    list = CLIENT(s, 0, "list", "--task", "echo", "-n", "2");
    ck_assert_ptr_nonnull(strstr(list.out, "echo"));
    ran_free(&list);
    list = CLIENT(s, 0, "list", "--state", "failed", "--quiet");
    ck_assert_str_eq(list.out, "");
    ran_free(&list);
    server_free(s);
}
END_TEST

START_TEST(lines_in_results_out_in_their_order)
{
    struct server *s =
        server_new("[task less]\ncommand = /bin/sh -c 'x=$(cat); test \"$x\" != 7 && "
                   "printf %s \"$x\"'\n",
                   two_workers);
    struct ran r = CLIENT_IN(s, "{\"a\":10}\n\n{\"a\":100}\n7\n{\"a\":1000}", 1, "submit", "less",
                             "--ndjson", "-", "--wait", "--max-attempts", "1");
    ck_assert_str_eq(r.out, "{\"a\":10}\n{\"a\":100}\nnull\n{\"a\":1000}\n");
    ran_free(&r);
    r = CLIENT_IN(s, "1\n2\n{\n4\n", 65, "submit", "echo", "--ndjson", "-");
    ck_assert_ptr_nonnull(strstr(r.err, "line 3 "));
    ck_assert_ptr_nonnull(strstr(r.err, "2 jobs were submitted"));
    ck_assert_uint_eq(r.out_len, 2 * 37);
    ran_free(&r);
    char *many = calloc(1200, 16); /* more than a call takes, and one that the service refuses */
    ck_assert_ptr_nonnull(many);
    for (int i = 0; i < 1100; i++)
        strcat(many, i == 1049 ? "{\"limit\":-1}\n" : i == 700 ? "\n" : "{\"limit\":1}\n");
    r = CLIENT_IN(s, many, 65, "submit", "primes", "--ndjson", "-");
    ck_assert_msg(strstr(r.err, "jobmill: line 1050: ") && strstr(r.err, "`/input/limit` must be"),
                  "%s", r.err);
    ck_assert_ptr_nonnull(strstr(r.err, "1000 jobs were submitted"));
    ran_free(&r);
    free(many);
    server_free(s);
}
END_TEST

START_TEST(the_service_is_shown)
{
    struct server *s = server_new(NULL, two_workers);
    static const char *const commands[] = {"tasks", "workers", "stats", "list", "watch"};
    static const char *const words[] = {"mandelbrot", "default", "queue_depth", "STATE"};
    for (size_t i = 0; i < 4; i++) {
        struct ran r = CLIENT(s, 0, commands[i]);
        ck_assert_msg(strstr(r.out, words[i]), "%s: %s", commands[i], r.out);
        ck_assert_ptr_null(strchr(r.out, '\033'));
        ran_free(&r);
    }
    for (size_t i = 0; i < 5; i++) {
        struct ran r = CLIENT(s, 0, commands[i], "--json");
        json_t *json = json_loads(r.out, 0, NULL);
        ck_assert_msg(json_is_object(json), "%s: %s", commands[i], r.out);
        json_decref(json);
        ran_free(&r);
    }
    struct ran r = CLIENT(s, 0, "watch");
    ck_assert_ptr_nonnull(strstr(r.out, "no jobs yet"));
    ran_free(&r);
    r = CLIENT(s, 0, "tasks", "-q");
    ck_assert_ptr_nonnull(strstr(r.out, "primes\n"));
    ran_free(&r);
    server_free(s);
}
END_TEST

/* ---- the service goes away and comes back ---- */

/* Below those that the kernel gives away: nobody has it while the service is gone. */
static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    for (int tries = 0;; tries++) {
        a.sin_port = htons((uint16_t)(10000 + random_below(20000)));
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
            break;
        ck_assert_int_lt(tries, 100);
    }
    close(fd);
    return ntohs(a.sin_port);
}

static bool has_said(const struct client *c, const char *words)
{
    char *said = client_said(c);
    bool yes = strstr(said, words) != NULL;
    free(said);
    return yes;
}

START_TEST(a_wait_outlives_the_service)
{
    char listen[64];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", free_port());
    const char *const flags[] = {"--workers", "1", "--listen", listen, NULL};
    struct server *s =
        server_new("[task first]\ncommand = /bin/sh -c 'test $JOBMILL_ATTEMPT = 2 || "
                   "exec sleep 600; echo 1'\n",
                   flags);
    const char *const args[] = {"submit", "first", "--wait", NULL};
    struct client c = client_start(client_url(s), NULL, args);
    eventually(stat_of(s, "jobs.running") == 1, LONG_MS);
    eventually(stat_of(s, "http.waiting") >= 1, LONG_MS); /* the client's long poll */
    server_kill9(s);
    eventually(has_said(&c, "waiting for it to come back"), LONG_MS);
    server_restart(s);
    struct ran r = client_end(&c);
    ck_assert_int_eq(r.status, 0);
    ck_assert_ptr_nonnull(strstr(r.err, "answers again"));
    ck_assert_int_eq(jobs_kept(s), 1);
    ran_free(&r);
    server_free(s);
}
END_TEST

/* It takes connections, and says nothing. */
START_TEST(a_wait_ends_in_time_whatever_the_service_does)
{
    struct server *s = server_new(NULL, two_workers);
    const char *const args[] = {"submit",         "sleep", "--wait", "--input", "{\"seconds\":600}",
                                "--wait-timeout", "5s",    NULL};
    char id[64];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    struct client c = client_start(client_url(s), NULL, args);
    eventually(stat_of(s, "http.waiting") >= 1, LONG_MS);
    ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
    struct ran r = client_end(&c);
    ck_assert_msg(r.status == 124, "%d %s", r.status, r.err);
    ck_assert_ptr_nonnull(strstr(r.err, "jobmill wait "));
    ran_free(&r);
    r = CLIENT(s, 124, "wait", id, id, "--timeout", "100ms");
    ck_assert_ptr_nonnull(strstr(r.err, "no longer waiting"));
    ran_free(&r);
    r = CLIENT(s, 124, "submit", "noop", "--wait", "--wait-timeout", "100ms");
    ck_assert_ptr_nonnull(strstr(r.err, "not known whether"));
    ran_free(&r);
    ck_assert_int_eq(kill(s->pid, SIGCONT), 0);
    server_kill9(s);
    server_free(s);
}
END_TEST

START_TEST(an_interrupt_says_how_to_go_on)
{
    struct server *s = server_new(NULL, two_workers);
    const char *const args[] = {"submit", "sleep", "--wait", "--input", "{\"seconds\":60}", NULL};
    struct client c = client_start(client_url(s), NULL, args);
    eventually(stat_of(s, "http.waiting") >= 1, LONG_MS);
    ck_assert_int_eq(kill(c.pid, SIGINT), 0);
    struct ran r = client_end(&c);
    ck_assert_int_eq(r.status, 130);
    ck_assert_ptr_nonnull(strstr(r.err, "jobmill wait "));
    ran_free(&r);
    server_free(s);
}
END_TEST

/* ---- terminals ---- */

/* Reads what the client draws until the words have come. */
static void await_drawn(int terminal, const char *words)
{
    char *drawn = client_drawn(terminal, words, LONG_MS);
    ck_assert_msg(strstr(drawn, words), "`%s` was not drawn: %s", words, drawn);
    free(drawn);
}

static int end_of(pid_t pid, int terminal)
{
    int status = 0;
    free(client_drawn(terminal, NULL, LONG_MS));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    test_owns(0);
    close(terminal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

START_TEST(progress_is_drawn_on_a_terminal)
{
    int terminal;
    struct server *s =
        server_new("[task half]\ncommand = /bin/sh -c 'echo "
                   "\"{\\\"progress\\\":{\\\"fraction\\\":0.5}}\" >&4; "
                   "until [ -e \"$0\" ]; do sleep 0.02; done; echo 1' {input.file}\n",
                   two_workers);
    char input[400];
    snprintf(input, sizeof(input), "{\"file\":\"%s/go\"}", s->dir);
    const char *const args[] = {"submit", "half", "--wait", "--input", input, NULL};
    pid_t pid = client_on_terminal(client_url(s), args, &terminal);
    await_drawn(terminal, "half running [######");
    (void)file_with(s, "go", "");
    ck_assert_int_eq(end_of(pid, terminal), 0);
    server_free(s);
}
END_TEST

START_TEST(watch_lives_until_q)
{
    int terminal;
    struct server *s = server_new(NULL, two_workers);
    const char *const args[] = {"watch", "--interval", "0.1", NULL};
    pid_t pid = client_on_terminal(client_url(s), args, &terminal);
    await_drawn(terminal, "no jobs yet");
    submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":60}}");
    await_drawn(terminal, "1 busy of 2");
    ck_assert_int_eq(write(terminal, "q", 1), 1);
    ck_assert_int_eq(end_of(pid, terminal), 0);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_job_from_submit_to_its_result,
        submit_waits_and_prints_the_result,
        inputs_from_everywhere,
        options_reach_the_service,
        numbers_stay_as_they_were,
        how_jobs_end_is_how_the_client_ends,
        logs_as_text_and_as_json,
        what_is_wrong_is_said,
        many_jobs_by_lines_and_pages,
        lines_in_results_out_in_their_order,
        the_service_is_shown,
        a_wait_outlives_the_service,
        a_wait_ends_in_time_whatever_the_service_does,
        an_interrupt_says_how_to_go_on,
        progress_is_drawn_on_a_terminal,
        watch_lives_until_q,
    };
    return run_suite("cli", tests, sizeof(tests) / sizeof(tests[0]));
}
