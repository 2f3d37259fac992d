/*
 * e2e_cli_talk.c - what the client says to a service and makes of its answers, with a server of
 * canned ones; and the completions and the manual page.
 */
#include "harness_cli.h"
#include "harness_preload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID    "01a206c9-3464-7000-93c5-f3a31ec3a416"
#define OTHER "01a206c9-3464-7000-93c5-f3a31ec3a417"
#define ANSWER(status, type, body)                                                                 \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n" body
#define JSON(status, body)    ANSWER(status, "application/json", body)
#define PROBLEM(status, body) ANSWER(status, "application/problem+json", body)
#define JOB(id)               "{\"id\":\"" id "\",\"task\":\"noop\",\"state\":\"queued\"}"
#define ENDED(id, state, more)                                                                     \
    "{\"id\":\"" id "\",\"task\":\"noop\",\"state\":\"" state "\"" more "}"
#define NOT_SERVED PROBLEM("404 Not Found", "{\"title\":\"none\",\"code\":\"not_found\"}")
#define OVERLOADED                                                                                 \
    PROBLEM("503 Service Unavailable", "{\"title\":\"Too much\",\"code\":\"overloaded\"}")

/* Runs the client against the answers, which must all be asked for; the requests stay in `c`. */
#define TALK(c, want, input, answers, ...)                                                         \
    talk(c, want, input, answers, (const char *const[]){__VA_ARGS__, NULL})
static struct ran talk(struct canned *c, int want, const char *input, const char *const *answers,
                       const char *const *args)
{
    canned_start(c, answers);
    struct ran r = client_expect(canned_url(c), input, want, args);
    ck_assert_msg(c->seen == c->n, "%d of %d requests came", c->seen, c->n);
    return r;
}

/* A header's value of a request. */
static void header_of(const char *request, const char *name, char *out, size_t size)
{
    const char *at = strstr(request, name);
    ck_assert_msg(at, "no %s in %s", name, request);
    at += strlen(name) + 2;
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
}

START_TEST(a_submission_is_asked_again_with_its_key)
{
    static const char *const answers[] = {OVERLOADED, "", JSON("202 Accepted", JOB(ID)), NULL};
    char keys[3][80];
    struct canned c;
    struct ran r = TALK(&c, 0, NULL, answers, "submit", "noop"); /* refused, then cut */
    ck_assert_str_eq(r.out, ID "\n");
    for (int i = 0; i < 3; i++)
        header_of(c.requests[i], "Idempotency-Key", keys[i], sizeof(keys[i]));
    ck_assert_uint_ge(strlen(keys[0]), 32);
    ck_assert_str_eq(keys[0], keys[1]);
    ck_assert_str_eq(keys[0], keys[2]);
    ran_free(&r);
    canned_end(&c);
}
END_TEST

START_TEST(an_overloaded_service_is_temporary)
{
    static const char *const answers[] = {OVERLOADED, OVERLOADED, OVERLOADED, OVERLOADED,
                                          OVERLOADED, OVERLOADED, NULL};
    struct canned c;
    struct ran r = TALK(&c, 75, NULL, answers, "submit", "noop");
    ck_assert_str_eq(r.err, "jobmill: Too much\n");
    ran_free(&r);
    canned_end(&c);
    static const char *const once[] = {OVERLOADED, NULL};
    r = TALK(&c, 75, NULL, once, "retry", ID); /* asking again could run it twice */
    ran_free(&r);
    canned_end(&c);
}
END_TEST

START_TEST(lines_go_in_groups_where_these_are_served)
{
    static const char *const group[] = {
        JSON("202 Accepted", "{\"id\":\"g\",\"jobs\":[" JOB(ID) "," JOB(OTHER) "]}"), NULL};
    struct canned c;
    struct ran r = TALK(&c, 0, "{\"n\": 1}\n2\n", group, "submit", "echo", "--ndjson", "-", "-p3");
    ck_assert_str_eq(r.out, ID "\n" OTHER "\n");
    ck_assert_int_eq(strncmp(c.requests[0], "POST /v1/jobs/batch ", 20), 0);
    json_t *body = json_loads(strstr(c.requests[0], "\r\n\r\n") + 4, 0, NULL);
    ck_assert_int_eq(jint(body, "jobs.0.input.n"), 1);
    ck_assert_int_eq(jint(body, "jobs.1.input"), 2);
    ck_assert_int_eq(jint(body, "jobs.1.priority"), 3);
    json_decref(body);
    ran_free(&r);
    canned_end(&c);
    /* and one by one where they are not; the question is not asked twice */
    static const char *const single[] = {NOT_SERVED, JSON("202 Accepted", JOB(ID)),
                                         JSON("202 Accepted", JOB(OTHER)), NULL};
    r = TALK(&c, 0, "1\n2\n", single, "submit", "echo", "--ndjson", "-", "--key", "k");
    ck_assert_str_eq(r.out, ID "\n" OTHER "\n");
    ck_assert_ptr_nonnull(strstr(c.requests[1], "Idempotency-Key: k.2\r\n"));
    ck_assert_ptr_nonnull(strstr(c.requests[2], "Idempotency-Key: k.3\r\n"));
    ran_free(&r);
    canned_end(&c);
}
END_TEST

START_TEST(a_wait_is_a_chain_of_long_polls)
{
    static const char *const answers[] = {
        JSON("200 OK", JOB(ID)), OVERLOADED, "",
        JSON("200 OK", ENDED(ID, "expired", ",\"error\":{\"code\":\"expired\",\"message\":\"m\"}")),
        NULL};
    struct canned c;
    struct ran r = TALK(&c, 2, NULL, answers, "wait", ID);
    ck_assert_ptr_nonnull(strstr(c.requests[0], "Prefer: wait=30"));
    ck_assert_ptr_nonnull(strstr(r.err, "waiting for it to come back"));
    ran_free(&r);
    canned_end(&c);
}
END_TEST

START_TEST(what_other_servers_have_and_lack)
{
    static const char *const commands[][4] = {
        {"logs", ID, "-f"}, {"retry", ID}, {"delete", ID}, {"pause", "noop"}, {"resume", "noop"}};
    static const char *const asked[] = {
        "GET /v1/jobs/" ID "/logs?follow=", "POST /v1/jobs/" ID "/retry ",
        "DELETE /v1/jobs/" ID " ", "POST /v1/tasks/noop/pause ", "POST /v1/tasks/noop/resume "};
    static const char *const lacks[] = {"no logs", "cannot retry", "cannot delete", "cannot pause",
                                        "cannot pause"};
    static const char *const none[] = {NOT_SERVED, NULL};
    static const char *const some[] = {ANSWER("200 OK", "text/plain", "one\ntwo\n"), NULL};
    /* a stream that the server ended before the job has ended is gone on with */
    static const char *const cut[] = {ANSWER("200 OK", "text/plain", "one\ntwo\n"),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", "three\n"),
                                      JSON("200 OK", ENDED(ID, "succeeded", "")), NULL};
    for (size_t i = 0; i < 5; i++) {
        struct canned c;
        struct ran r = talk(&c, 65, NULL, none, commands[i]);
        ck_assert_msg(strstr(r.err, lacks[i]), "%s", r.err);
        ran_free(&r);
        canned_end(&c);
        r = talk(&c, 0, NULL, i == 0 ? cut : some, commands[i]);
        ck_assert_int_eq(strncmp(c.requests[0], asked[i], strlen(asked[i])), 0);
        if (i == 0) {
            ck_assert_ptr_nonnull(strstr(c.requests[2], "follow=true&skip=2"));
            ck_assert_str_eq(r.out, "one\ntwo\nthree\n");
        }
        ran_free(&r);
        canned_end(&c);
    }
}
END_TEST

START_TEST(the_token_is_sent_and_not_shown)
{
    static const char *const answers[] = {JSON("200 OK", "{\"tasks\":[]}"), NULL};
    const char *path = own_path("token");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "s3cret\n", 7), 7);
    struct canned c;
    struct ran r = TALK(&c, 0, NULL, answers, "tasks", "--token-file", path);
    ck_assert_ptr_nonnull(strstr(c.requests[0], "Authorization: Bearer s3cret\r\n"));
    ran_free(&r);
    canned_end(&c);
    ck_assert_int_eq(setenv("JOBMILL_TOKEN", "an0ther", 1), 0);
    r = TALK(&c, 0, NULL, answers, "tasks");
    ck_assert_ptr_nonnull(strstr(c.requests[0], "Authorization: Bearer an0ther\r\n"));
    ran_free(&r);
    canned_end(&c);
    ck_assert_int_eq(setenv("JOBMILL_TOKEN", "two\r\nHeader: x", 1), 0);
    r = client_expect("http://127.0.0.1:1", NULL, 64, (const char *const[]){"tasks", NULL});
    ck_assert_ptr_null(strstr(r.err, "Header"));
    ran_free(&r);
    close(fd);
}
END_TEST

START_TEST(answers_cannot_harm_a_terminal)
{
    static const char *const problem[] = {
        PROBLEM("422 Unprocessable", "{\"title\":\"a\\u001b[2Jb\",\"detail\":\"c\\u009bd\"}"),
        NULL};
    struct canned c;
    struct ran r = TALK(&c, 65, NULL, problem, "submit", "noop");
    ck_assert_str_eq(r.err, "jobmill: a?[2Jb: c?d\n");
    ran_free(&r);
    canned_end(&c);
    static const char *const list[] = {
        JSON("200 OK", "{\"jobs\":[{\"id\":\"\\u001b]0;x\",\"task\":\"t\\u0007\",\"state\":\"s\"}],"
                       "\"next\":null}"),
        NULL};
    static const char *const ways[] = {"--limit=1", "--quiet"};
    for (size_t i = 0; i < 2; i++) {
        r = TALK(&c, 0, NULL, list, "list", ways[i]);
        ck_assert_msg(strstr(r.out, "?]0;x") && !strchr(r.out, '\033') && !strchr(r.out, '\a'),
                      "%s", r.out);
        ran_free(&r);
        canned_end(&c);
    }
}
END_TEST

START_TEST(pages_of_other_places_are_not_followed)
{
    static const char *const next[] = {"//127.0.0.1:1/x", "http://127.0.0.1:1/x"};
    for (size_t i = 0; i < 2; i++) {
        char page[256];
        snprintf(page, sizeof(page), JSON("200 OK", "{\"jobs\":[" JOB(ID) "],\"next\":\"%s\"}"),
                 next[i]);
        struct canned c;
        struct ran r =
            TALK(&c, 0, NULL, ((const char *const[]){page, NULL}), "list", "--all", "-q");
        ck_assert_str_eq(r.out, ID "\n");
        ran_free(&r);
        canned_end(&c);
    }
}
END_TEST

START_TEST(what_is_no_jobmill_is_told)
{
    static const char *const page[] = {ANSWER("200 OK", "text/html", "<html>"), NULL};
    static const char *const error[] = {ANSWER("403 Forbidden", "text/html", "<html>"), NULL};
    struct canned c;
    struct ran r = TALK(&c, 65, NULL, page, "tasks");
    ck_assert_ptr_nonnull(strstr(r.err, "is it a jobmill?"));
    ran_free(&r);
    canned_end(&c);
    r = TALK(&c, 65, NULL, error, "tasks");
    ck_assert_ptr_nonnull(strstr(r.err, "403"));
    ran_free(&r);
    canned_end(&c);
}
END_TEST

/* A refusal is no outage, whatever asks. */
START_TEST(a_refusal_is_told_as_that)
{
    static const char *const refused[] = {
        PROBLEM("401 Unauthorized", "{\"title\":\"No token\",\"code\":\"unauthorized\"}"), NULL};
    static const char *const damaged[] = {
        PROBLEM("500 Internal Server Error", "{\"title\":\"Damaged\",\"code\":\"store_corrupt\"}"),
        NULL};
    struct canned c;
    struct ran r = TALK(&c, 65, NULL, refused, "watch", "--json");
    ck_assert_str_eq(r.err, "jobmill: No token\n");
    ran_free(&r);
    canned_end(&c);
    r = TALK(&c, 75, NULL, damaged, "wait", ID);
    ck_assert_ptr_nonnull(strstr(r.err, "Damaged"));
    ran_free(&r);
    canned_end(&c);
}
END_TEST

START_TEST(only_what_runs_is_being_cancelled)
{
#define ASKED(state)                                                                               \
    JSON("200 OK", "{\"id\":\"" ID "\",\"state\":\"" state                                         \
                   "\",\"cancel_requested\":true,\"attempt\":1,\"max_attempts\":3}")
    static const char *const running[] = {ASKED("running"), NULL};
    static const char *const ended[] = {ASKED("cancelled"), NULL};
    struct canned c;
    struct ran r = TALK(&c, 0, NULL, running, "get", ID);
    ck_assert_ptr_nonnull(strstr(r.out, "running, attempt 1 of 3, is being cancelled\n"));
    ran_free(&r);
    canned_end(&c);
    r = TALK(&c, 0, NULL, ended, "get", ID);
    ck_assert_ptr_nonnull(strstr(r.out, "cancelled, attempt 1 of 3\n"));
    ran_free(&r);
    canned_end(&c);
#undef ASKED
}
END_TEST

START_TEST(silence_ends_when_it_was_said_to)
{
    static const char *const none[] = {NULL}; /* connections are made and never answered */
    struct canned c;
    struct ran r = TALK(&c, 69, NULL, none, "tasks", "--timeout", "100ms");
    ck_assert_ptr_nonnull(strstr(r.err, "no answer from"));
    ran_free(&r);
    canned_end(&c);
    r = TALK(&c, 124, NULL, none, "logs", "-f", ID, "--timeout", "0.1");
    ran_free(&r);
    canned_end(&c);
}
END_TEST

/* Of a name service: neither a time that was set nor ^C waits for it. */
START_TEST(a_name_that_is_not_found_in_time)
{
    static const char url[] = "http://no.silent:1";
    names_own();
    struct ran r =
        client_expect(url, NULL, 69, (const char *const[]){"tasks", "--timeout", "100ms", NULL});
    ck_assert_ptr_nonnull(strstr(r.err, "no.silent"));
    ran_free(&r);
    size_t before = names_asked(); /* 0, if its thread did not come to that in time */
    struct client c = client_start(url, NULL, (const char *const[]){"tasks", NULL});
    eventually(names_asked() > before, LONG_MS);
    ck_assert_int_eq(kill(c.pid, SIGINT), 0);
    r = client_end(&c);
    ck_assert_int_eq(r.status, 130);
    ran_free(&r);
}
END_TEST

/* Each of these streams ends at once, as if something between the two cut it. */
START_TEST(a_stream_that_is_cut_is_followed_in_peace)
{
    static const char *const cut[] = {ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      ANSWER("200 OK", "text/plain", ""),
                                      JSON("200 OK", JOB(ID)),
                                      NULL};
    struct canned c;
    canned_start(&c, cut);
    struct ran r = client_expect(canned_url(&c), NULL, 124,
                                 (const char *const[]){"logs", "-f", ID, "--timeout", "0.6", NULL});
    ck_assert_ptr_nonnull(strstr(r.err, "no longer following"));
    ck_assert_int_le(c.seen, 6); /* a pause after each, and one time for all */
    ran_free(&r);
    shutdown(c.fd, SHUT_RDWR); /* nobody comes for the others */
    canned_end(&c);
}
END_TEST

/* ---- what is made of the table ---- */

/* Runs a command of the shell; what it prints goes to out. */
static int shell(const char *command, char *out, size_t size)
{
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The completions of bash for words, of which the last is being typed. */
static void complete(const char *url, const char *words, char *out, size_t size)
{
    char command[1024];
    const char *bin = server_binary();
    snprintf(command, sizeof(command),
             "bash -c '. completions/jobmill.bash; export JOBMILL_SERVER=%s; COMP_WORDS=(%s %s); "
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _jobmill; echo \" ${COMPREPLY[*]} \"'",
             url, bin, words);
    ck_assert_int_eq(shell(command, out, size), 0);
}

static bool completes(struct server *s, const char *words, const char *want)
{
    char out[4096];
    complete(client_url(s), words, out, sizeof(out));
    return strcmp(out, want) == 0;
}

START_TEST(completions_complete)
{
    char out[4096];
    struct server *s = server_new(NULL, NULL);
    ck_assert_int_eq(shell("bash -n completions/jobmill.bash", out, sizeof(out)), 0);
    complete(client_url(s), "sub", out, sizeof(out));
    ck_assert_str_eq(out, " submit \n");
    complete(client_url(s), "submit --max", out, sizeof(out));
    ck_assert_str_eq(out, " --max-attempts \n");
    complete(client_url(s), "list --state ca", out, sizeof(out));
    ck_assert_str_eq(out, " cancelled \n");
    complete(client_url(s), "serve --drain", out, sizeof(out));
    ck_assert_str_eq(out, " --drain-timeout \n");
    /* the service is asked, and what takes long is given up */
    eventually(completes(s, "submit mand", " mandelbrot \n"), LONG_MS);
    char id[64], want[80];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\"}"));
    snprintf(want, sizeof(want), " %s \n", id);
    eventually(completes(s, "get 0", want), LONG_MS);
    server_free(s);
    complete("http://127.0.0.1:1", "submit mand", out, sizeof(out)); /* and need not be there */
    ck_assert_str_eq(out, "  \n");
}
END_TEST

/* Runs it where nothing can be written, against answers that must all be asked for, and no more. */
static void write_nothing(const char *const *answers, const char *words)
{
    char command[512], out[1024];
    const char *bin = getenv("JOBMILL_BIN");
    struct canned c;
    canned_start(&c, answers);
    snprintf(command, sizeof(command),
             "printf '1\\n2\\n' | JOBMILL_SERVER=%s %s %s 2>&1 >/dev/full", canned_url(&c),
             bin ? bin : "build/jobmill", words);
    int status = shell(command, out, sizeof(out));
    ck_assert_msg(status == 74, "%s: %d %s", words, status, out);
    ck_assert_str_eq(out, "jobmill: standard output: No space left on device\n");
    ck_assert_int_eq(c.seen, c.n);
    canned_end(&c);
}

START_TEST(what_cannot_be_written_is_not_asked_for)
{
#define PAGE JSON("200 OK", "{\"jobs\":[" JOB(ID) "],\"next\":\"/v1/jobs?limit=1&cursor=x\"}")
#define DONE JSON("200 OK", ENDED(ID, "succeeded", ""))
    static const char *const page[] = {PAGE, NULL}, *const job[] = {DONE, NULL};
    static const char *const batch[] = {
        JSON("202 Accepted", "{\"id\":\"g\",\"jobs\":[" JOB(ID) "," JOB(OTHER) "]}"), DONE, NULL};
    char out[200], command[200];
    const char *bin = getenv("JOBMILL_BIN");
    snprintf(command, sizeof(command), "%s token x 2>&1 >&-", bin ? bin : "build/jobmill");
    ck_assert_int_eq(shell(command, out, sizeof(out)), 74); /* it is not shown again */
    write_nothing(page, "list --all --quiet --timeout 10");
    write_nothing(page, "list --all --json --timeout 10");
    write_nothing(job, "get --timeout 10 " ID " " OTHER);
    write_nothing(job, "get --quiet --timeout 10 " ID " " OTHER);
    write_nothing(job, "get --json --timeout 10 " ID " " OTHER);
    write_nothing(job, "wait --timeout 10 " ID " " OTHER);
    write_nothing(job, "wait --json --timeout 10 " ID " " OTHER);
    write_nothing(batch, "submit echo --ndjson - --wait --wait-timeout 10");
    write_nothing(batch, "submit echo --ndjson - --wait --wait-timeout 10 --json");
}
END_TEST

START_TEST(a_service_cannot_make_the_completion_run_anything)
{
    static const char *const evil[] = {
        JSON("200 OK", "{\"tasks\":[{\"name\":\"$(echo ran)\"},{\"name\":\"`echo ran`\"}]}"), NULL};
    char out[4096];
    struct canned c;
    canned_start(&c, evil);
    complete(canned_url(&c), "submit \"\"", out, sizeof(out));
    canned_end(&c);
    ck_assert_msg(!strstr(out, " ran "), "%s", out);
}
END_TEST

START_TEST(generated_documents_are_current)
{
    char out[4096], command[256];
    static const char *const made[][2] = {{"man", "docs/man/jobmill.1"},
                                          {"bash", "completions/jobmill.bash"},
                                          {"zsh", "completions/_jobmill"}};
    const char *bin = server_binary();
    for (size_t i = 0; i < 3; i++) {
        snprintf(command, sizeof(command), "docs/gen-cli.sh %s %s | diff %s -", made[i][0], bin,
                 made[i][1]);
        ck_assert_msg(shell(command, out, sizeof(out)) == 0, "make generated:\n%s", out);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_submission_is_asked_again_with_its_key,
        an_overloaded_service_is_temporary,
        lines_go_in_groups_where_these_are_served,
        a_wait_is_a_chain_of_long_polls,
        what_other_servers_have_and_lack,
        the_token_is_sent_and_not_shown,
        answers_cannot_harm_a_terminal,
        pages_of_other_places_are_not_followed,
        what_is_no_jobmill_is_told,
        a_refusal_is_told_as_that,
        only_what_runs_is_being_cancelled,
        silence_ends_when_it_was_said_to,
        a_name_that_is_not_found_in_time,
        a_stream_that_is_cut_is_followed_in_peace,
        what_cannot_be_written_is_not_asked_for,
        completions_complete,
        a_service_cannot_make_the_completion_run_anything,
        generated_documents_are_current,
    };
    return run_suite("cli_talk", tests, sizeof(tests) / sizeof(tests[0]));
}
