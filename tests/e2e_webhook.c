/*
 * e2e_webhook.c - calls of callback_urls by the real service, to a receiver of the test's own: made
 * at the end, made again until they are taken, over restarts, and not to where they must not go.
 */
#include "harness.h"
#include "harness_clock.h"
#include "harness_preload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers each request with `status`, from the `turn`th call on (0: never) with 200, and keeps the
 * last one. */
static struct receiver {
    int fd, port;
    pthread_t thread;
    atomic_int status, came, calls, turn; /* came: also what is not answered yet */
    pthread_mutex_t lock;
    char last[65536];
    char first_id[64]; /* the line webhook-id of the first */
} rc = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void serve_one(int fd)
{
    static char text[65536];
    size_t n = 0;
    char *end = NULL;
    for (ssize_t got; n < sizeof(text) - 1; n += (size_t)got) {
        got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
        if (got <= 0)
            return;
        text[n + (size_t)got] = 0;
        end = strstr(text, "\r\n\r\n");
        const char *len = strcasestr(text, "content-length: ");
        if (end && len && n + (size_t)got >= (size_t)(end + 4 - text) + strtoul(len + 16, NULL, 10))
            break;
    }
    char answer[160];
    int turn = atomic_load(&rc.turn);
    int status = turn && atomic_load(&rc.calls) + 1 >= turn ? 200 : atomic_load(&rc.status);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", status,
             status == 302 ? "Location: http://127.0.0.1:1/\r\n" : "");
    atomic_fetch_add(&rc.came, 1);
    pthread_mutex_lock(&rc.lock);
    memcpy(rc.last, text, sizeof(text));
    const char *named = strcasestr(text, "webhook-id: ");
    if (named && !rc.first_id[0])
        snprintf(rc.first_id, sizeof(rc.first_id), "%.*s", (int)strcspn(named, "\r"), named);
    pthread_mutex_unlock(&rc.lock);
    atomic_fetch_add(&rc.calls, 1); /* before anybody can hear of the answer */
    (void)!write(fd, answer, strlen(answer));
}

static void *receive(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(rc.fd, NULL, NULL)) >= 0; close(fd))
        serve_one(fd);
    return NULL;
}

/* Connections are made, and nobody answers. */
static int silent_start(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void receiver_answers(void)
{
    atomic_store(&rc.status, 204);
    ck_assert_int_eq(pthread_create(&rc.thread, NULL, receive, NULL), 0);
}

static void receiver_start(void)
{
    rc.fd = silent_start(&rc.port);
    receiver_answers();
}

static void receiver_stop(void)
{
    shutdown(rc.fd, SHUT_RDWR);
    close(rc.fd);
    pthread_join(rc.thread, NULL);
}

static char *last(void)
{
    pthread_mutex_lock(&rc.lock);
    char *text = strdup(rc.last);
    pthread_mutex_unlock(&rc.lock);
    return text;
}

#define CONF "[server]\nwebhook_delays = 50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms\n"
#define MAY  "webhook_allow = 127.0.0.1\n"
#define MANY "300ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms"

static char *submit_with(struct server *s, const char *host, const char *job)
{
    char body[300];
    snprintf(body, sizeof(body), "{%s,\"callback_url\":\"http://%s:%d/hook\"}", job, host, rc.port);
    return strdup(submit(s, body));
}

/* The state of the job's delivery. */
static bool delivery_is(struct server *s, const char *id, const char *state)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    bool is = strcmp(jstr(a->json, "deliveries.0.state"), state) == 0;
    answer_free(a);
    return is;
}

/* Of so many calls it is told how they went. */
static void counted(struct server *s, double delivered, double failed, double given_up)
{
#define RESULT(r) "jobmill_webhook_deliveries_total{result=\"" r "\"}"
    ck_assert_double_eq(sample(s, RESULT("delivered")), delivered);
    ck_assert_double_eq(sample(s, RESULT("failed")), failed);
    ck_assert_double_eq(sample(s, RESULT("given_up")), given_up);
}

START_TEST(every_end_is_told)
{
    receiver_start();
    struct server *s = server_new(CONF MAY, NULL);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"echo\",\"input\":{\"x\":1}");
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    char *got = last();
    ck_assert_ptr_nonnull(strstr(got, "POST /hook HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strcasestr(got, "content-type: application/cloudevents+json\r\n"));
    ck_assert_ptr_nonnull(strcasestr(got, "webhook-id: "));
    ck_assert_ptr_nonnull(strstr(got, "\"type\":\"dev.jobmill.job.succeeded\""));
    ck_assert_ptr_nonnull(strstr(got, "\"result\":{\"x\":1}"));
    ck_assert_ptr_nonnull(strstr(got, id));
    json_error_t e;
    json_t *event = json_loads(strstr(got, "\r\n\r\n") + 4, 0, &e);
    ck_assert_msg(event != NULL, "%s", e.text);
    json_decref(event);
    free(got);
    free(id);
    id = submit_with(
        s, "127.0.0.1",
        "\"task\":\"sleep\",\"input\":{\"seconds\":60},\"timeout\":0.05,\"max_attempts\":1");
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    got = last();
    ck_assert_ptr_nonnull(strstr(got, "dev.jobmill.job.failed"));
    free(got);
    free(id);
    id = submit_with(s, "127.0.0.1", "\"task\":\"noop\",\"delay\":900");
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(http(s, "POST", path, NULL, NULL));
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    got = last();
    ck_assert_ptr_nonnull(strstr(got, "dev.jobmill.job.cancelled"));
    free(got);
    free(id);
    char body[200];
    snprintf(body, sizeof(body),
             "{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"noop\"}],"
             "\"callback_url\":\"http://127.0.0.1:%d/group\"}",
             rc.port);
    int before = atomic_load(&rc.calls);
    answer_free(http(s, "POST", "/v1/jobs/batch", body, NULL));
    eventually(atomic_load(&rc.calls) == before + 1, LONG_MS);
    got = last();
    ck_assert_ptr_nonnull(strstr(got, "dev.jobmill.group.done"));
    free(got);
    static const char *const lines[] = {"Content-Type: application/x-ndjson", NULL};
    snprintf(body, sizeof(body), "/v1/jobs/batch?callback_url=http://127.0.0.1:%d/lines", rc.port);
    answer_free(http(s, "POST", body, "{\"task\":\"noop\"}\n", lines));
    eventually(atomic_load(&rc.calls) == before + 2, LONG_MS);
    got = last();
    ck_assert_ptr_nonnull(strstr(got, "POST /lines "));
    ck_assert_ptr_nonnull(strstr(got, "dev.jobmill.group.done"));
    free(got);
    struct answer *a = http(s, "POST", "/v1/jobs/batch?callback_url=http://10.0.0.1/",
                            "{\"task\":\"noop\"}\n", lines);
    ck_assert_int_eq(a->status, 400);
    ck_assert_str_eq(jstr(a->json, "errors.0.parameter"), "callback_url");
    answer_free(a);
    server_free(s);
    receiver_stop();
}
END_TEST

START_TEST(it_is_tried_again_until_it_is_taken)
{
    receiver_start();
    atomic_store(&rc.status, 503);
    atomic_store(&rc.turn, 4);
    struct server *s = server_new(CONF MAY, NULL);
    counted(s, 0, 0, 0);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    counted(s, 1, 3, 0);
    ck_assert_int_eq(atomic_load(&rc.calls), 4);
    char *got = last();
    ck_assert_msg(rc.first_id[0] && strstr(got, rc.first_id), "%s", got); /* the same call */
    free(got);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

/* The job runs again by the time at which its end is told. */
START_TEST(the_end_is_told_that_it_was)
{
    char path[100];
    receiver_start();
    atomic_store(&rc.status, 503);
    struct server *s =
        server_new("[server]\nkill_grace = 50ms\nwebhook_delays = " MANY ", " MANY "\n" MAY, NULL);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"sleep\",\"input\":{\"seconds\":600}");
    answer_free(await_state(s, id, "running"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    answer_free(post(s, path, NULL, 200));
    eventually(atomic_load(&rc.calls) > 0, LONG_MS);
    snprintf(path, sizeof(path), "/v1/jobs/%s/retry", id);
    answer_free(post(s, path, NULL, 202));
    answer_free(await_state(s, id, "running"));
    int before = atomic_load(&rc.calls); /* one may be on its way that was made before */
    eventually(atomic_load(&rc.calls) > before, LONG_MS);
    atomic_store(&rc.status, 200);
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    char *got = last();
    ck_assert_msg(strstr(got, "\"type\":\"dev.jobmill.job.cancelled\"") != NULL, "%s", got);
    ck_assert_msg(strstr(got, "\"state\":\"running\"") != NULL, "%s", got);
    free(got);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

static bool is_gone(struct server *s, const char *id)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = http(s, "GET", path, NULL, NULL);
    bool gone = a->status == 404;
    answer_free(a);
    return gone;
}

static bool noted_of(struct server *s, const char *kind, const char *id, int attempts)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/%s/%s", kind, id);
    struct answer *a = get(s, path, 200);
    bool is = jint(a->json, "deliveries.0.attempts") == attempts;
    answer_free(a);
    return is;
}

static bool noted(struct server *s, const char *id, int attempts)
{
    return noted_of(s, "jobs", id, attempts);
}

/* Its job is old, and that of a group's call; they go when it was made. */
START_TEST(who_is_to_be_called_of_is_kept)
{
    char body[200], *id[3];
    receiver_start();
    atomic_store(&rc.status, 503);
    clock_own();
    struct server *s = server_new("[server]\nkeep_for = 1h\nwebhook_delays = 1d\n" MAY, NULL);
    id[0] = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    snprintf(body, sizeof(body),
             "{\"jobs\":[{\"task\":\"noop\"}],\"callback_url\":\"http://127.0.0.1:%d/hook\"}",
             rc.port);
    struct answer *a = post(s, "/v1/jobs/batch", body, 202);
    id[1] = strdup(jstr(a->json, "jobs.0.id"));
    char *group = strdup(jstr(a->json, "id"));
    answer_free(a);
    id[2] = strdup(submit(s, "{\"task\":\"noop\"}"));
    for (int i = 0; i < 3; i++)
        answer_free(await_state(s, id[i], "succeeded"));
    eventually(noted(s, id[0], 1) && noted_of(s, "groups", group, 1), LONG_MS);
    free(group);
    for (int day = 0; day < 2; day++) {
        server_kill9(s);
        atomic_store(&rc.status, day ? 200 : 503);
        clock_step(day ? 1.1 * 86400 : 7200);
        server_restart(s);
        if (day == 0) {
            eventually(is_gone(s, id[2]), LONG_MS);
            ck_assert(!is_gone(s, id[0]) && !is_gone(s, id[1]));
            ck_assert_int_eq(atomic_load(&rc.calls), 2);
        }
    }
    eventually(is_gone(s, id[0]) && is_gone(s, id[1]), LONG_MS);
    ck_assert_int_eq(atomic_load(&rc.calls), 4);
    for (int i = 0; i < 3; i++)
        free(id[i]);
    server_free(s);
    receiver_stop();
}
END_TEST

START_TEST(a_call_that_is_forgotten_is_told_of)
{
    char words[200];
    receiver_start();
    atomic_store(&rc.status, 503);
    struct server *s = server_new("[server]\nkeep_max = 1\nwebhook_delays = 1h\n" MAY, NULL);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    answer_free(await_state(s, id, "succeeded"));
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    snprintf(words, sizeof(words), "job %s is forgotten before its callback_url was called", id);
    eventually(log_has(s, words), LONG_MS);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

/* Its own look at the store fails, as it does for want of memory or descriptors: that is no job
 * that is gone. */
START_TEST(what_cannot_be_read_now_is_told_later)
{
    receiver_start();
    struct server *s = server_new("[server]\nwebhook_delays = " MANY "\n" MAY, NULL);
    char data[300], away[300];
    s->errors_ok = true;
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(away, sizeof(away), "%s/away", s->dir);
    ck_assert_int_eq(jobs_kept(s), 0); /* the HTTP thread has opened the store by now */
    answer_free(post(s, "/v1/tasks/noop/pause", NULL, 200));
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    ck_assert_int_eq(rename(data, away), 0);
    answer_free(post(s, "/v1/tasks/noop/resume", NULL, 200));
    eventually(sample(s, RESULT("failed")) >= 1 || sample(s, RESULT("given_up")) > 0, LONG_MS);
    ck_assert_int_eq(rename(away, data), 0);
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    ck_assert_int_eq(atomic_load(&rc.calls), 1);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

START_TEST(it_is_given_up)
{
    receiver_start();
    struct server *s = server_new(CONF MAY, NULL);
    atomic_store(&rc.status, 410);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(delivery_is(s, id, "given_up"), LONG_MS);
    ck_assert_int_eq(atomic_load(&rc.calls), 1);
    free(id);
    atomic_store(&rc.status, 302); /* nobody goes there */
    id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(delivery_is(s, id, "given_up"), LONG_MS);
    ck_assert_int_eq(atomic_load(&rc.calls), 1 + 9);
    counted(s, 0, 8, 2);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

START_TEST(addresses_that_are_not_public_are_refused)
{
    static const char *const hosts[] = {"localhost", "127.1", "2130706433", "0x7f000001",
                                        "127.0.0.1."};
    static const char *const plain[] = {"127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
                                        "10.0.0.1"};
    static const char *const forms[][2] = {
        {"/v1/jobs", "{\"task\":\"noop\",\"callback_url\":\"http://%s:%d/\"}"},
        {"/v1/jobs/batch",
         "{\"jobs\":[{\"task\":\"noop\"}],\"callback_url\":\"https:\\/\\/%s:%d?a\"}"}};
    receiver_start();
    struct server *s = server_new("[server]\nwebhook_delays = 10ms\n", NULL);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) { /* known when it is submitted */
        for (size_t k = 0; k < 2; k++) {
            char body[200];
            snprintf(body, sizeof(body), forms[k][1], plain[i], rc.port);
            struct answer *a = http(s, "POST", forms[k][0], body, NULL);
            ck_assert_msg(a->status == 400, "%s: %s", body, a->body);
            ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), "/callback_url");
            ck_assert_ptr_nonnull(strstr(jstr(a->json, "detail"), "webhook_allow"));
            answer_free(a);
        }
    }
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char *id = submit_with(s, hosts[i], "\"task\":\"noop\"");
        eventually(delivery_is(s, id, "given_up"), LONG_MS);
        free(id);
    }
    ck_assert_int_eq(atomic_load(&rc.calls), 0);
    server_free(s);
    receiver_stop();
}
END_TEST

/* Of the two of this name one may not be called, and the other one answers: that is told. */
START_TEST(one_address_of_a_name_is_enough)
{
    receiver_start();
    names_own();
    atomic_store(&rc.status, 503);
    struct server *s = server_new("[server]\nwebhook_delays = 10ms\n" MAY, NULL);
    char *id = submit_with(s, "has.two", "\"task\":\"noop\""), path[100];
    eventually(delivery_is(s, id, "given_up"), LONG_MS);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    struct answer *a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "deliveries.0.last_error"), "it answered 503");
    ck_assert_int_eq(jint(a->json, "deliveries.0.last_status"), 503);
    answer_free(a);
    atomic_store(&rc.status, 204);
    free(id);
    id = submit_with(s, "has.two", "\"task\":\"noop\"");
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

START_TEST(a_kill_loses_no_call)
{
    receiver_start();
    atomic_store(&rc.status, 500);
    struct server *s =
        server_new("[server]\nwebhook_delays = " MANY ", " MANY ", " MANY ", " MANY "\n" MAY, NULL);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(atomic_load(&rc.calls) >= 1, LONG_MS);
    eventually(delivery_is(s, id, "waiting"), LONG_MS);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    for (int noted = 0; !noted;) { /* that it failed once is on disk */
        struct answer *a = get(s, path, 200);
        noted = jint(a->json, "deliveries.0.attempts") >= 1;
        answer_free(a);
    }
    server_kill9(s);
    atomic_store(&rc.status, 200);
    server_restart(s);
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

/* That so many attempts failed is on disk. */

/* The receiver is down for days, and the service is killed after each attempt: by the pauses as
 * they are shipped, and a clock that the test sets while the service is down. */
START_TEST(days_of_attempts)
{
    static const double pause_s[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    enum { PAUSES = sizeof(pause_s) / sizeof(pause_s[0]) };
    receiver_start();
    atomic_store(&rc.status, 503);
    clock_own();
    struct server *s = server_new("[server]\n" MAY, NULL);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    for (int n = 1; n <= PAUSES; n++) {
        eventually(noted(s, id, n), LONG_MS);
        ck_assert_int_eq(atomic_load(&rc.calls), n);
        ck_assert(delivery_is(s, id, "waiting"));
        char *got = last();
        ck_assert_msg(rc.first_id[0] && strstr(got, rc.first_id), "%s", got); /* the same call */
        free(got);
        server_kill9(s);
        clock_step(pause_s[n - 1] * 0.5);
        server_restart(s); /* not yet */
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
        if (pause_s[n - 1] >= 60) /* else it may be time, where the machine stood still */
            ck_assert(noted(s, id, n));
        server_kill9(s);
        if (n == PAUSES)
            atomic_store(&rc.status, 200);
        clock_step(pause_s[n - 1] * 0.6 + 1);
        server_restart(s);
    }
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    ck_assert_int_eq(atomic_load(&rc.calls), PAUSES + 1);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

/* Nobody waits for a name that is not found: neither other calls nor the end of the service. */
START_TEST(a_name_service_that_is_silent_stops_nothing)
{
    receiver_start();
    names_own();
    struct server *s = server_new(CONF MAY, NULL);
    free(submit_with(s, "no.silent", "\"task\":\"noop\""));
    eventually(names_asked() == 1, LONG_MS);
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    free(id);
    server_free(s);
    receiver_stop();
}
END_TEST

/* More calls than may wait at once are due to one that does not answer, and a call to another one
 * after them: it does not wait for them. A kill loses none of them, wherever they are by then. */
START_TEST(a_silent_receiver_holds_up_no_other)
{
    enum { CALLS = 700 };
    char *jobs = NULL, job[200];
    size_t len = 0;
    int port;
    receiver_start();
    int fd = silent_start(&port);
    clock_own();
    struct server *s = server_new("[server]\nwebhook_delays = 1h\n" MAY, NULL);
    FILE *f = open_memstream(&jobs, &len);
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < CALLS; i++)
        fprintf(f, "%s{\"task\":\"noop\",\"callback_url\":\"http://127.0.0.1:%d/hook\"}",
                i ? "," : "{\"jobs\":[", port);
    fprintf(f, "]}");
    ck_assert_int_eq(fclose(f), 0);
    struct answer *a = post(s, "/v1/jobs/batch", jobs, 202);
    free(jobs);
    snprintf(job, sizeof(job), "\"task\":\"noop\",\"depends_on\":[\"%s\"]", jstr(a->json, "id"));
    answer_free(a);
    char *id = submit_with(s, "127.0.0.1", job);
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    ck_assert_double_lt(sample(s, RESULT("failed")), 64);
    free(id);
    server_kill9(s);
    receiver_stop();
    rc.fd = fd;
    receiver_answers();
    clock_step(150);
    server_restart(s);
    eventually(sample(s, RESULT("delivered")) == CALLS, LONG_MS);
    server_free(s);
    receiver_stop();
}
END_TEST

/* One that is under way when the service is told to end is not made again after the next start. */
START_TEST(a_drain_keeps_what_became_of_a_call)
{
    static const char *const slow[] = {"--drain-timeout", "600", NULL};
    receiver_start();
    struct server *s = server_new(CONF MAY, slow);
    char *holds = strdup(submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, holds, "running"));
    pthread_mutex_lock(&rc.lock); /* it is not answered yet */
    char *id = submit_with(s, "127.0.0.1", "\"task\":\"noop\"");
    eventually(atomic_load(&rc.came) == 1, LONG_MS);
    server_signal(s, SIGTERM);
    eventually(sample(s, "jobmill_draining") == 1, LONG_MS);
    pthread_mutex_unlock(&rc.lock);
    eventually(delivery_is(s, id, "delivered"), LONG_MS);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    ck_assert(delivery_is(s, id, "delivered"));
    receiver_stop();
    ck_assert_int_eq(atomic_load(&rc.calls), 1);
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", holds);
    answer_free(http(s, "POST", path, NULL, NULL));
    free(holds);
    free(id);
    server_free(s);
}
END_TEST

START_TEST(wrong_settings_are_refused)
{
    static const char *const wrong[] = {"webhook_allow = here\n", "webhook_delays = soon\n",
                                        "webhook_delays = 1s, 1 m, 30m, 2h\n",
                                        "webhook_secret_file = /nonexistent\n"};
    char out[8192], conf[500];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *here = conf_file("");
        snprintf(conf, sizeof(conf), "[server]\nlisten = 127.0.0.1:0\ndata_dir = %.*s/d%zu\n%s",
                 (int)(strrchr(here, '/') - here), here, i, wrong[i]);
        const char *args[] = {"serve", "--config", conf_file(conf), NULL};
        ck_assert_int_eq(run_binary(args, out, sizeof(out)), 78);
        ck_assert_msg(strstr(out, "webhook_") != NULL, "%s", out);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_end_is_told,
        it_is_tried_again_until_it_is_taken,
        the_end_is_told_that_it_was,
        who_is_to_be_called_of_is_kept,
        a_call_that_is_forgotten_is_told_of,
        what_cannot_be_read_now_is_told_later,
        it_is_given_up,
        addresses_that_are_not_public_are_refused,
        one_address_of_a_name_is_enough,
        a_kill_loses_no_call,
        a_drain_keeps_what_became_of_a_call,
        days_of_attempts,
        wrong_settings_are_refused,
        a_name_service_that_is_silent_stops_nothing,
        a_silent_receiver_holds_up_no_other,
    };
    return run_suite("webhook", tests, sizeof(tests) / sizeof(tests[0]));
}
