/*
 * e2e_aside.c - what takes long of a request is done beside the HTTP threads: nobody else waits for
 * it, and all that is true of other requests is true of these.
 */
#include "harness.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS       10000
#define SEARCH     "GET /v1/jobs?text=nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define MANY       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" /* found nearly */
#define SLOW       "GET /v1/jobs?text=" MANY "y HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define LONG_JOBS  10000
#define LONG_INPUT 1000
#define CLIENTS    20
#define FEW        5 /* of these clients */
#define CROWD      200
#define LARGE      100000 /* bytes: done aside */

static const char *const flags[] = {"--workers", "2", "--http-threads", "1", "--slow-threads",
                                    "1",         NULL};

/* A service with so many jobs that a search among them takes a while. */
static struct server *with_jobs(const char *const *with)
{
    struct server *s = server_new(NULL, with);
    static const char job[] = "{\"task\":\"noop\"},";
    char *body = malloc(JOBS * sizeof(job) + 20), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < JOBS; i++, at += sizeof(job) - 1)
        memcpy(at, job, sizeof(job));
    strcpy(at - 1, "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    free(body);
    eventually(stat_of(s, "jobs.succeeded") == JOBS, LONG_MS);
    return s;
}

/* A search of SLOW among these takes as long as a page may, or nearly. */
static struct server *with_long_jobs(const char *const *with)
{
    struct server *s = server_new(NULL, with);
    static const char before[] = "{\"task\":\"noop\",\"input\":\"", after[] = "\"},";
    char *body = malloc(LONG_JOBS * (sizeof(before) + LONG_INPUT + sizeof(after)) + 20), *at = body;
    ck_assert_ptr_nonnull(body);
    at += sprintf(at, "{\"jobs\":[");
    for (int i = 0; i < LONG_JOBS; i++) {
        at = stpcpy(at, before);
        memset(at, 'x', LONG_INPUT);
        at = stpcpy(at + LONG_INPUT, after);
    }
    strcpy(at - 1, "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    free(body);
    eventually(stat_of(s, "jobs.succeeded") == LONG_JOBS, LONG_MS);
    return s;
}

static int answered(const int *fd, int clients)
{
    int n = 0;
    for (int i = 0; i < clients; i++) {
        struct pollfd p = {.fd = fd[i], .events = POLLIN};
        n += poll(&p, 1, 0) == 1;
    }
    return n;
}

static void ask(struct server *s, const char *text, int *fd, int clients)
{
    for (int i = 0; i < clients; i++) {
        fd[i] = raw_open(s);
        raw_send(fd[i], text);
    }
}

static void search(struct server *s, int fd[CLIENTS])
{
    ask(s, SEARCH, fd, CLIENTS);
}

/* Some of the searches go on still; all of them are answered. */
static void not_behind(const int fd[CLIENTS])
{
    int before = answered(fd, CLIENTS);
    ck_assert_msg(before < CLIENTS, "all %d searches came first", before);
    for (int i = 0; i < CLIENTS; i++) {
        char *said = raw_read(fd[i], "\"next\":", LONG_MS);
        ck_assert_msg(strstr(said, "200 OK") != NULL, "%s", said);
        free(said);
        close(fd[i]);
    }
}

START_TEST(others_do_not_wait_for_it)
{
    struct server *s = with_jobs(flags);
    int fd[CLIENTS];
    search(s, fd);
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    answer_free(get(s, "/v1/tasks/noop", 200));
    not_behind(fd);
    server_free(s);
}
END_TEST

/* Even one that comes alone may wait for its thread, on a busy machine. */
static bool finds_time(struct server *s)
{
    struct answer *a = http(s, "GET", "/v1/jobs?text=nowhere", NULL, NULL);
    bool ok = a->status == 200;
    answer_free(a);
    return ok;
}

START_TEST(who_waited_too_long_is_refused)
{
    static const char *const hasty[] = {
        "--workers", "2",           "--http-threads", "1", "--slow-threads",
        "1",         "--slow-wait", "0.05",           NULL};
    struct server *s = with_jobs(hasty);
    int fd[CLIENTS], refused = 0;
    search(s, fd);
    for (int i = 0; i < CLIENTS; i++) {
        char *said = raw_read(fd[i], "}\n", LONG_MS);
        bool ok = strstr(said, " 200 OK") != NULL;
        ck_assert_msg(ok || (strstr(said, " 503 ") && strstr(said, "\"overloaded\"") &&
                             strstr(said, "Retry-After: ")),
                      "%s", said);
        refused += !ok;
        free(said);
        close(fd[i]);
    }
    ck_assert_int_gt(refused, 0);
    eventually(finds_time(s), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(clients_may_leave)
{
    struct server *s = with_jobs(flags);
    int fd[CLIENTS];
    for (int round = 0; round < 3; round++) {
        search(s, fd);
        for (int i = 0; i < CLIENTS; i++) {
            if (i % 2)
                raw_reset(fd[i]);
            else
                close(fd[i]);
        }
        answer_free(get(s, "/v1/jobs?limit=1000", 200));
    }
    eventually(stat_of(s, "http.connections") == 1, LONG_MS);
    server_free(s);
}
END_TEST

/* All were read once one is answered: there is one HTTP thread. */
static void end_under(struct server *s, const char *text, int *fd, int clients)
{
    ask(s, text, fd, clients);
    while (answered(fd, clients) == 0)
        poll(NULL, 0, 1);
    server_signal(s, SIGTERM);
}

START_TEST(the_end_waits_for_it)
{
    struct server *s = with_jobs(flags);
    int fd[FEW];
    end_under(s, SEARCH, fd, FEW);
    for (int i = 0; i < FEW; i++) {
        char *said = raw_read(fd[i], "\"next\":", LONG_MS);
        ck_assert_msg(strstr(said, "200 OK") != NULL, "%s", said);
        free(said);
        close(fd[i]);
    }
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_free(s);
}
END_TEST

START_TEST(the_end_does_not_wait_for_all_of_a_crowd)
{
    struct server *s = with_long_jobs(flags);
    int fd[CROWD], refused = 0;
    end_under(s, SLOW, fd, CROWD);
    for (int i = 0; i < CROWD; i++) {
        char *said = raw_read(fd[i], "}\n", LONG_MS);
        bool ok = strstr(said, " 200 OK") != NULL;
        ck_assert_msg(ok || (strstr(said, " 503 ") && strstr(said, "\"draining\"")), "%s", said);
        ck_assert(ok || i > 0);
        refused += !ok;
        free(said);
        close(fd[i]);
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_free(s);
}
END_TEST

/* `before`, LARGE bytes of a string, `after`. */
static char *large(const char *before, const char *after)
{
    char *body = malloc(LARGE + strlen(before) + strlen(after) + 1);
    ck_assert_ptr_nonnull(body);
    size_t n = (size_t)sprintf(body, "%s", before);
    memset(body + n, 'x', LARGE);
    strcpy(body + n + LARGE, after);
    return body;
}

START_TEST(a_large_submission_is_as_any_other)
{
    struct server *s = server_new(NULL, flags);
    static const char *const key[] = {"Idempotency-Key: k", NULL};
    char *good = large("{\"task\":\"echo\",\"input\":\"", "\"}");
    char *bad = large("{\"task\":\"echo\",\"input\":\"", "\",\"priority\":\"high\"}");
    char *broken = large("{\"task\":\"echo\",\"input\":\"", "\"");
    char id[40], said[100];
    struct answer *a = http(s, "POST", "/v1/jobs?wait=30", good, key);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    ck_assert_int_eq(jint(a->json, "result_size"), LARGE + 2);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    a = http(s, "POST", "/v1/jobs", good, key);
    ck_assert_int_eq(a->status, 202);
    ck_assert_str_eq(jstr(a->json, "id"), id);
    ck_assert(answer_header(a, "Idempotency-Replayed", said, sizeof(said)));
    answer_free(a);
    a = http(s, "POST", "/v1/tasks/sha256/jobs", good, key); /* the key came with something else */
    ck_assert_int_eq(a->status, 422);
    answer_free(a);
    a = post(s, "/v1/jobs", bad, 400);
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/priority");
    answer_free(a);
    answer_free(post(s, "/v1/jobs", broken, 400));
    answer_free(post(s, "/v1/jobs?validate_only=true", good, 204));
    answer_free(post(s, "/v1/jobs?wait=many", good, 400));
    a = post(s, "/v1/tasks/echo/jobs?wait=30&priority=3", good, 200);
    ck_assert_int_eq(jint(a->json, "priority"), 3);
    answer_free(a);
    ck_assert_int_eq(jobs_kept(s), 2);
    free(good);
    free(bad);
    free(broken);
    server_free(s);
}
END_TEST

START_TEST(a_large_batch_is_as_any_other)
{
    struct server *s = server_new(NULL, flags);
    static const char *const key[] = {"Idempotency-Key: k", NULL};
    char *good = large("{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"echo\",\"input\":\"", "\"}]}");
    char *bad = large("{\"jobs\":[{\"task\":\"none\"},{\"task\":\"echo\",\"input\":\"", "\"}]}");
    char id[40];
    struct answer *a = http(s, "POST", "/v1/jobs/batch", good, key);
    ck_assert_int_eq(a->status, 202);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 2);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    a = http(s, "POST", "/v1/jobs/batch?wait=30", good, key);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "id"), id);
    answer_free(a);
    a = http(s, "POST", "/v1/jobs/batch", good, key);
    ck_assert_uint_eq(json_array_size(jget(a->json, "jobs")), 2);
    answer_free(a);
    a = post(s, "/v1/jobs/batch", bad, 422);
    ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/jobs/0/task");
    answer_free(a);
    a = post(s, "/v1/jobs/batch?wait=30", good, 200);
    ck_assert_int_eq(jint(a->json, "counts.succeeded"), 2);
    answer_free(a);
    a = post(s, "/v1/jobs/delete?state=succeeded", "", 200);
    ck_assert_int_eq(jint(a->json, "changed"), 4);
    answer_free(a);
    free(good);
    free(bad);
    server_free(s);
}
END_TEST

/* How often the one thread beside the others has gone to sleep; -1: it does not sleep now. */
static long sleeps(struct server *s)
{
    char path[64], line[200], state = 0;
    long n = -1;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)s->pid);
    DIR *all = opendir(path);
    ck_assert_ptr_nonnull(all);
    for (struct dirent *e; state == 0 && (e = readdir(all));) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", (int)s->pid, e->d_name);
        FILE *f = fopen(path, "re");
        bool ours = f && fgets(line, sizeof(line), f) && strcmp(line, "Name:\taside\n") == 0;
        while (ours && fgets(line, sizeof(line), f)) {
            (void)sscanf(line, "State: %c", &state);
            (void)sscanf(line, "voluntary_ctxt_switches: %ld", &n);
        }
        if (f)
            fclose(f);
    }
    closedir(all);
    return state == 'S' ? n : -1;
}

/* Asks, and awaits that the thread aside has done something. */
static void goes_aside(struct server *s, const char *method, const char *path, const char *body,
                       const char *type, int status)
{
    const char *const headers[] = {type, NULL};
    long before;
    eventually((before = sleeps(s)) >= 0, LONG_MS);
    struct answer *a = http(s, method, path, body, headers);
    ck_assert_msg(a->status == status, "%s %s: %d %s", method, path, a->status, a->body);
    answer_free(a);
    eventually(sleeps(s) > before, LONG_MS);
}

static void ends(struct server *s, char *path, const char *word)
{
    struct answer *a = post(s, "/v1/leases", "{}", 200);
    snprintf(path, 100, "/v1/leases/%s/%s", jstr(a->json, "leases.0.id"), word);
    answer_free(a);
}

START_TEST(a_large_body_is_read_aside_whatever_it_is_for)
{
    struct server *s = server_new("[task far]\nkind = remote\n", flags);
    const char *json = "Content-Type: application/json";
    char *text = large("{\"result\":\"", "\"}"), *beat = large("{\"checkpoint\":\"", "\"}");
    char *fails = large("{\"error\":{\"message\":\"", "\"}}"),
         *ask = large("{\"worker\":\"", "\"}");
    char *job = large("{\"name\":\"n\",\"cron\":\"@daily\",\"job\":{\"task\":\"echo\",\"input\":\"",
                      "\"}}");
    char path[100];
    for (int i = 0; i < 3; i++)
        submit(s, "{\"task\":\"far\"}");
    ends(s, path, "complete");
    goes_aside(s, "POST", path, text, json, 200);
    ends(s, path, "complete");
    goes_aside(s, "POST", path, text, "Content-Type: image/png", 200);
    ends(s, path, "heartbeat");
    goes_aside(s, "POST", path, beat, json, 400); /* larger than a checkpoint may be */
    strcpy(strrchr(path, '/'), "/fail");
    goes_aside(s, "POST", path, fails, json, 200);
    goes_aside(s, "POST", "/v1/leases", ask, json, 400);
    goes_aside(s, "POST", "/v1/schedules", job, json, 200);
    free(text);
    free(beat);
    free(fails);
    free(ask);
    free(job);
    server_free(s);
}
END_TEST

START_TEST(what_changes_something_is_not_behind_all_searches)
{
    struct server *s = with_jobs(flags);
    char *body = large("{\"task\":\"echo\",\"input\":\"", "\"}");
    int fd[CLIENTS];
    search(s, fd);
    answer_free(post(s, "/v1/jobs", body, 202));
    not_behind(fd);
    free(body);
    server_free(s);
}
END_TEST

START_TEST(what_reads_much_is_aside)
{
    struct server *s = server_new("[task far]\nkind = remote\n", flags);
    char path[200], id[40], other[40];
    struct answer *a = run_job(s, "{\"task\":\"noop\"}");
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(other, sizeof(other), "%s", submit(s, "{\"task\":\"far\"}"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs?tail=3", id);
    goes_aside(s, "GET", path, NULL, NULL, 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs?skip=3", id);
    goes_aside(s, "GET", path, NULL, NULL, 200);
    snprintf(path, sizeof(path), "/v1/jobs?ids=%s,%s", id, other);
    goes_aside(s, "GET", path, NULL, NULL, 200);
    snprintf(path, sizeof(path), "/v1/jobs?ids=%s,%s&wait=30", other, id); /* it has ended */
    goes_aside(s, "GET", path, NULL, NULL, 200);
    snprintf(path, sizeof(path), "/v1/jobs?ids=%s&wait=0.05", other);
    goes_aside(s, "GET", path, NULL, NULL, 200);
    goes_aside(s, "GET", "/v1/schedules", NULL, NULL, 200);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        others_do_not_wait_for_it,
        who_waited_too_long_is_refused,
        clients_may_leave,
        the_end_waits_for_it,
        the_end_does_not_wait_for_all_of_a_crowd,
        a_large_submission_is_as_any_other,
        a_large_batch_is_as_any_other,
        a_large_body_is_read_aside_whatever_it_is_for,
        what_changes_something_is_not_behind_all_searches,
        what_reads_much_is_aside,
    };
    return run_suite("aside", tests, sizeof(tests) / sizeof(tests[0]));
}
