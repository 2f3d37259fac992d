/*
 * e2e_leases.c - who holds a job of a remote task, and for how long: leases over restarts, lost and
 * late ones, and the example worker killed at random.
 */
#include "harness.h"
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char conf[] = "[task far]\nkind = remote\nmax_attempts = 50\n"
                           "[task once]\nkind = remote\nmax_attempts = 1\n";

START_TEST(a_lease_outlives_the_service)
{
    struct server *s = server_new(conf, NULL);
    char *id = strdup(submit(s, "{\"task\":\"far\",\"input\":1}"));
    char *lease = take_lease(s, "{\"duration\":600}", NULL);
    server_kill9(s);
    server_restart(s);
    answer_free(await_state(s, id, "running"));
    ck_assert_int_eq(end_lease(s, lease, "heartbeat", "{}"), 200);
    ck_assert_int_eq(
        end_lease(s, lease, "heartbeat", "{\"progress\":{\"fraction\":0.5,\"message\":\"half\"}}"),
        200);
    struct answer *list = get(s, "/v1/jobs?state=running", 200); /* as of a job that runs here */
    ck_assert_msg(strcmp(jstr(list->json, "jobs.0.progress.message"), "half") == 0, "%s",
                  list->body);
    answer_free(list);
    ck_assert_int_eq(end_lease(s, lease, "complete", "{\"result\":7}"), 200);
    struct answer *job = await_state(s, id, "succeeded");
    ck_assert_int_eq(jint(job->json, "result"), 7);
    ck_assert_int_eq(jint(job->json, "attempt"), 1);
    answer_free(job);
    free(lease);
    free(id);
    server_free(s);
}
END_TEST

/* As that of a program here. */
START_TEST(a_long_message_is_cut_at_the_end_of_a_character)
{
    static const struct {
        const char *character;
        size_t kept; /* of 100 of them */
    } row[] = {{"a", 100}, {"\xC3\xA9", 59}, {"\xE2\x82\xAC", 39}, {"\xF0\x9F\x98\x80", 29}};
    struct server *s = server_new(conf, NULL);
    char *id = strdup(submit(s, "{\"task\":\"far\"}"));
    char *lease = take_lease(s, "{\"duration\":600}", NULL);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        char words[401] = "", want[401] = "", body[500], path[80];
        for (size_t n = 0; n < 100; n++) {
            strcat(words, row[i].character);
            strcat(want, n < row[i].kept ? row[i].character : "");
        }
        snprintf(body, sizeof(body), "{\"progress\":{\"message\":\"%s\"}}", words);
        ck_assert_int_eq(end_lease(s, lease, "heartbeat", body), 200);
        snprintf(path, sizeof(path), "/v1/jobs/%s", id);
        struct answer *a = get(s, path, 200);
        ck_assert_str_eq(jstr(a->json, "progress.message"), want);
        answer_free(a);
    }
    free(lease);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(a_late_worker_changes_nothing)
{
    struct server *s = server_new(conf, NULL);
    char *id = strdup(submit(s, "{\"task\":\"far\"}"));
    char *late = take_lease(s, "{\"duration\":0.1}", NULL);
    /* answered when the first one was lost, and the job is there again */
    char *again = take_lease(s, "{\"duration\":600,\"wait\":60}", NULL);
    ck_assert_str_ne(late, again);
    ck_assert_int_eq(end_lease(s, late, "complete", "{\"result\":\"late\"}"), 409);
    ck_assert_int_eq(end_lease(s, late, "heartbeat", "{}"), 409);
    ck_assert_int_eq(end_lease(s, late, "fail", "{\"error\":{}}"), 409);
    ck_assert_int_eq(end_lease(s, again, "complete", "{\"result\":\"right\"}"), 200);
    struct answer *job = await_state(s, id, "succeeded");
    ck_assert_str_eq(jstr(job->json, "result"), "right");
    ck_assert_int_eq(jint(job->json, "attempt"), 2);
    answer_free(job);
    free(late);
    free(again);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(a_job_may_not_take_longer_than_its_timeout)
{
    struct server *s = server_new(conf, NULL);
    char *id = strdup(submit(s, "{\"task\":\"once\",\"timeout\":0.2}"));
    free(take_lease(s, "{\"duration\":600}", NULL));
    struct answer *job = await_state(s, id, "failed");
    ck_assert_str_eq(jstr(job->json, "error.code"), "timeout");
    answer_free(job);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(who_waits_is_answered_at_the_end_of_the_service)
{
    struct server *s = server_new(conf, NULL);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
                 "{\"wait\":300}");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    server_signal(s, SIGTERM);
    char *said = raw_read(fd, "\"leases\":[]", LONG_MS);
    ck_assert_msg(strstr(said, "\"leases\":[]"), "%s", said);
    free(said);
    close(fd);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

START_TEST(a_client_that_left_gets_no_job)
{
    struct server *s = server_new(conf, NULL);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
                 "{\"wait\":300}");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    close(fd);
    eventually(stat_of(s, "http.waiting") == 0, LONG_MS);
    char *id = strdup(submit(s, "{\"task\":\"far\"}"));
    char *job = NULL;
    free(take_lease(s, "{\"wait\":60}", &job));
    ck_assert_str_eq(job, id);
    free(job);
    free(id);
    server_free(s);
}
END_TEST

/* More stand before theirs than one transaction passes: the next ones go on for them. */
START_TEST(who_waits_gets_a_job_behind_a_long_row)
{
    enum { ROW = 2500 };
    static const char job[] = "{\"task\":\"far\",\"concurrency_key\":\"k\"}";
    static const char wait[] = "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 12\r\n\r\n{\"wait\":300}";
    struct server *s = server_new(conf, NULL);
    char *body = malloc(sizeof(job) * ROW + 20), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < ROW; i++)
        at += sprintf(at, "%s,", job);
    strcpy(at - 1, "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    free(body);
    free(take_lease(s, "{\"duration\":600}", NULL)); /* all others wait for its key */
    int fd[3];
    for (int i = 0; i < 3; i++)
        (void)submit(s, "{\"task\":\"far\",\"tags\":[\"free\"]}");
    for (int i = 0; i < 3; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], wait);
    }
    for (int i = 0; i < 3; i++) {
        char *said = raw_read(fd[i], "\"free\"", LONG_MS);
        ck_assert_msg(strstr(said, "\"free\"") != NULL, "%s", said);
        free(said);
        close(fd[i]);
    }
    server_free(s);
}
END_TEST

static size_t leased(struct server *s)
{
    struct answer *a = post(s, "/v1/leases", "{\"duration\":600}", 200);
    size_t n = json_array_size(jget(a->json, "leases"));
    answer_free(a);
    return n;
}

START_TEST(a_paused_pool_gives_no_leases)
{
    char text[256];
    snprintf(text, sizeof(text), "[pool other]\nworkers = 1\n%spool = other\n", conf);
    struct server *s = server_new(text, NULL); /* `once` is in the other pool */
    answer_free(post(s, "/v1/pools/default/pause", NULL, 200));
    (void)submit(s, "{\"task\":\"far\"}");
    ck_assert_uint_eq(leased(s), 0);
    (void)submit(s, "{\"task\":\"once\"}");
    ck_assert_uint_eq(leased(s), 1);
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
                 "{\"wait\":300}");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    server_kill9(s); /* it is kept */
    close(fd);
    server_restart(s);
    ck_assert_uint_eq(leased(s), 0);
    fd = raw_open(s);
    raw_send(fd, "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
                 "{\"wait\":300}");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    answer_free(post(s, "/v1/pools/default/resume", NULL, 200));
    char *said = raw_read(fd, "\"far\"", LONG_MS); /* whoever waits gets it then */
    ck_assert_msg(strstr(said, "\"far\"") != NULL, "%s", said);
    free(said);
    close(fd);
    server_free(s);
}
END_TEST

/* The task is none of remote workers any more: who holds the job is told all the same. */
START_TEST(what_is_leased_is_cancelled_as_that)
{
    static const char *const later[] = {"", "[task far]\ncommand = /bin/true\n"};
    char path[128];
    for (int i = 0; i < 2; i++) {
        struct server *s = server_new(conf, NULL);
        char *id = strdup(submit(s, "{\"task\":\"far\"}"));
        char *lease = take_lease(s, "{\"duration\":600}", NULL);
        server_kill9(s);
        server_configure(s, later[i]);
        server_restart(s);
        snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
        struct answer *a = post(s, path, NULL, 200);
        ck_assert_str_eq(jstr(a->json, "state"), "cancelled");
        answer_free(a);
        ck_assert_int_eq(end_lease(s, lease, "complete", "{\"result\":7}"), 409);
        free(lease);
        free(id);
        server_free(s);
    }
}
END_TEST

static pid_t start_worker(struct server *s)
{
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->port);
    pid_t pid = test_fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        setenv("LEASE_DURATION", "0.5", 1);
        execlp("/usr/bin/python3", "python3", "examples/remote_worker.py", url, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* What does not stand in the job itself: the example fetches it. */
START_TEST(large_inputs_and_bytes_come_too)
{
    struct server *s = server_new(conf, NULL);
    pid_t worker = start_worker(s);
    size_t len = 200000;
    char *body = malloc(len + 64), *text = malloc(len + 1);
    ck_assert(body && text);
    memset(text, 'a', len);
    text[len] = '\0';
    sprintf(body, "{\"task\":\"far\",\"input\":\"%s\"}", text);
    char *id = strdup(submit(s, body));
    struct answer *a = await_state(s, id, "succeeded");
    char path[96];
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", id);
    answer_free(a);
    a = get(s, path, 200); /* it is larger than what stands in a job */
    ck_assert_str_eq(jstr(a->json, "input"), text);
    answer_free(a);
    const char *const png[] = {"Content-Type: image/png", NULL};
    a = http_bytes(s, "/v1/tasks/far/jobs?wait=60", text, 70000, png);
    ck_assert_msg(jint(a->json, "result.input") == 70000, "%s", a->body);
    answer_free(a);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    free(body);
    free(text);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(only_who_holds_a_job_reads_its_input)
{
    struct server *s = server_new(conf, NULL);
    char path[128], *id = strdup(submit(s, "{\"task\":\"far\",\"input\":[1, 2]}"));
    char *late = take_lease(s, "{\"duration\":0.1}", NULL);
    char *again = take_lease(s, "{\"duration\":600,\"wait\":60}", NULL);
    snprintf(path, sizeof(path), "/v1/leases/%s/input", late);
    answer_free(get(s, path, 409));
    snprintf(path, sizeof(path), "/v1/leases/%s/input", again);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(a->body, "[1, 2]");
    answer_free(a);
    ck_assert_int_eq(end_lease(s, again, "complete", "{}"), 200);
    answer_free(get(s, path, 409));
    snprintf(path, sizeof(path), "/v1/leases/%s/input", id); /* a job's id is no lease's */
    answer_free(get(s, path, 409));
    free(late);
    free(again);
    free(id);
    server_free(s);
}
END_TEST

#define JOBS    400
#define WORKERS 3

START_TEST(workers_killed_at_random_lose_nothing)
{
    struct server *s = server_new(conf, NULL);
    pid_t worker[WORKERS];
    char path[128];
    for (int i = 0; i < WORKERS; i++)
        worker[i] = start_worker(s);
    char *body = malloc(JOBS * 64 + 64);
    ck_assert_ptr_nonnull(body);
    char *at = body + sprintf(body, "{\"jobs\":[");
    for (int i = 0; i < JOBS; i++)
        at += sprintf(at, "%s{\"task\":\"far\",\"input\":%d}", i ? "," : "", i);
    strcpy(at, "]}");
    struct answer *a = http(s, "POST", "/v1/jobs/batch", body, NULL);
    ck_assert_int_eq(a->status, 202);
    snprintf(path, sizeof(path), "/v1/groups/%s", jstr(a->json, "id"));
    answer_free(a);
    for (int round = 0; round < 6; round++) {
        int which = round % WORKERS;
        struct answer *g = get(s, path, 200); /* some work between two kills */
        json_int_t before = jint(g->json, "counts.succeeded");
        answer_free(g);
        for (json_int_t now = before; now < before + 10 && now < JOBS;) {
            g = get(s, path, 200);
            now = jint(g->json, "counts.succeeded");
            answer_free(g);
        }
        kill(worker[which], SIGKILL);
        waitpid(worker[which], NULL, 0);
        worker[which] = start_worker(s);
    }
    snprintf(at = path + strlen(path), 32, "?wait=60");
    a = get(s, path, 200);
    ck_assert_msg(jint(a->json, "counts.succeeded") == JOBS, "%s", a->body);
    answer_free(a);
    strcpy(at, "/results?limit=1000");
    a = get(s, path, 200);
    for (int i = 0; i < JOBS; i++) {
        char field[48];
        snprintf(field, sizeof(field), "results.%d.result.input", i);
        ck_assert_int_eq(jint(a->json, field), i);
    }
    answer_free(a);
    for (int i = 0; i < WORKERS; i++) {
        kill(worker[i], SIGKILL);
        waitpid(worker[i], NULL, 0);
    }
    free(body);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_lease_outlives_the_service,
        a_long_message_is_cut_at_the_end_of_a_character,
        a_late_worker_changes_nothing,
        a_job_may_not_take_longer_than_its_timeout,
        who_waits_is_answered_at_the_end_of_the_service,
        a_client_that_left_gets_no_job,
        who_waits_gets_a_job_behind_a_long_row,
        a_paused_pool_gives_no_leases,
        what_is_leased_is_cancelled_as_that,
        large_inputs_and_bytes_come_too,
        only_who_holds_a_job_reads_its_input,
        workers_killed_at_random_lose_nothing,
    };
    return run_suite("leases", tests, sizeof(tests) / sizeof(tests[0]));
}
