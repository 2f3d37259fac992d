/* e2e_drain.c - the end: TERM lets running jobs finish, returns the rest, and refuses new ones. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 8
#define IDS_MAX 4000

static const char *const hasty[] = {"--workers", "1", "--drain-timeout", "0.2", NULL};
static const char *const slow[] = {"--workers", "1", "--drain-timeout", "600", NULL};

/* A job that runs until there is a file in the service's directory. */
static const char held[] = "[task held]\ncommand = /bin/sh -c 'until [ -e \"$0\" ]; do sleep 0.02; "
                           "done; echo 1' {input.file}\n";

static void hold(struct server *s, char id[64])
{
    char body[400];
    snprintf(body, sizeof(body), "{\"task\":\"held\",\"input\":{\"file\":\"%s/go\"}}", s->dir);
    snprintf(id, 64, "%s", submit(s, body));
}

static void let_go(struct server *s)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/go", s->dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fclose(f), 0);
}

static bool is_draining(struct server *s)
{
    struct answer *a = http(s, "GET", "/readyz", NULL, NULL);
    bool draining = a->status == 503;
    answer_free(a);
    return draining;
}

START_TEST(running_jobs_finish_and_new_ones_are_refused)
{
    char running[64], waiting[64], retry[16];
    struct server *s = server_new(held, slow);
    hold(s, running);
    snprintf(waiting, sizeof(waiting), "%s", submit(s, "{\"task\":\"noop\"}"));
    answer_free(await_state(s, running, "running"));
    server_signal(s, SIGTERM);
    eventually(is_draining(s), LONG_MS);
    struct answer *a = post(s, "/v1/jobs", "{\"task\":\"noop\"}", 503);
    ck_assert_str_eq(jstr(a->json, "code"), "draining");
    ck_assert(answer_header(a, "Retry-After", retry, sizeof(retry)));
    answer_free(a);
    let_go(s);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    a = await_state(s, running, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    a = await_state(s, waiting, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(what_is_left_at_the_deadline_goes_back)
{
    char id[64];
    struct server *s = server_new(NULL, hasty);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":2},\"max_attempts\":2}"));
    answer_free(await_state(s, id, "running"));
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    struct answer *a = await_state(s, id, "succeeded"); /* it did not cost an attempt */
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    server_free(s);
}
END_TEST

/* What must not run twice has begun to; what has not begun runs after the restart. */
START_TEST(a_last_attempt_that_began_is_the_last)
{
    char id[64], behind[64];
    struct server *s = server_new(NULL, hasty);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600},\"max_attempts\":1}"));
    answer_free(await_state(s, id, "running"));
    snprintf(behind, sizeof(behind), "%s", submit(s, "{\"task\":\"noop\",\"max_attempts\":1}"));
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    struct answer *a = await_state(s, id, "failed");
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    answer_free(await_state(s, behind, "succeeded"));
    server_free(s);
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once)
{
    char id[64];
    struct server *s = server_new(NULL, slow);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    answer_free(await_state(s, id, "running"));
    server_signal(s, SIGTERM);
    eventually(is_draining(s), LONG_MS);
    ck_assert_int_eq(waitpid(s->pid, NULL, WNOHANG), 0);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_free(s);
}
END_TEST

/* Their jobs go on elsewhere, and nothing but what they say now would tell how they ended. */
START_TEST(remote_workers_are_heard_to_the_end)
{
    char conf[400], local[64], body[128];
    char *job[2], *lease[2];
    snprintf(conf, sizeof(conf), "%s[task far]\nkind = remote\nmax_attempts = 1\n", held);
    struct server *s = server_new(conf, slow);
    hold(s, local);
    answer_free(await_state(s, local, "running"));
    for (int i = 0; i < 2; i++) {
        job[i] = strdup(submit(s, "{\"task\":\"far\"}"));
        lease[i] = take_lease(s, "{\"duration\":600}", NULL);
    }
    (void)submit(s, "{\"task\":\"far\"}"); /* which nobody is given any more */
    server_signal(s, SIGTERM);
    eventually(is_draining(s), LONG_MS);
    struct answer *a = post(s, "/v1/leases", "{\"wait\":5}", 503);
    ck_assert_str_eq(jstr(a->json, "code"), "draining");
    answer_free(a);
    ck_assert_int_eq(end_lease(s, lease[0], "heartbeat", "{\"duration\":300}"), 200);
    ck_assert_int_eq(end_lease(s, lease[0], "complete", "{\"result\":1}"), 200);
    snprintf(body, sizeof(body), "{\"wait\":5,\"ended\":[{\"id\":\"%s\",\"result\":2}]}", lease[1]);
    a = post(s, "/v1/leases", body, 200);
    ck_assert_str_eq(jstr(a->json, "ended.0.state"), "succeeded");
    ck_assert_uint_eq(json_array_size(jget(a->json, "leases")), 0);
    answer_free(a);
    let_go(s);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    server_restart(s);
    for (int i = 0; i < 2; i++) {
        a = await_state(s, job[i], "succeeded");
        ck_assert_int_eq(jint(a->json, "result"), i + 1);
        answer_free(a);
        free(job[i]);
        free(lease[i]);
    }
    server_free(s);
}
END_TEST

static void *long_poll(void *arg)
{
    struct server *s = ((void **)arg)[0];
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s?wait=60", (char *)((void **)arg)[1]);
    return http_try(s, "GET", path, NULL, NULL);
}

START_TEST(those_who_wait_are_answered)
{
    char id[64];
    pthread_t t;
    void *got;
    struct server *s = server_new(NULL, hasty);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"sleep\",\"input\":{\"seconds\":600}}"));
    void *arg[] = {s, id};
    ck_assert_int_eq(pthread_create(&t, NULL, long_poll, arg), 0);
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    pthread_join(t, &got);
    ck_assert_ptr_nonnull(got);
    ck_assert_int_eq(((struct answer *)got)->status, 200);
    answer_free(got);
    server_free(s);
}
END_TEST

/* ---- under load ---- */

struct client {
    struct server *s;
    pthread_t thread;
    size_t acknowledged;
    char id[IDS_MAX][40];
    int refused; /* the status that ended it; 0: the service was gone */
};

static void *load(void *arg)
{
    struct client *c = arg;
    while (c->acknowledged < IDS_MAX) {
        struct answer *a = http_try(c->s, "POST", "/v1/jobs",
                                    "{\"task\":\"sleep\",\"input\":{\"seconds\":0.003}}", NULL);
        if (!a)
            break;
        bool kept = a->status == 202;
        if (kept)
            snprintf(c->id[c->acknowledged++], sizeof(c->id[0]), "%s", jstr(a->json, "id"));
        else
            c->refused = a->status;
        answer_free(a);
        if (!kept)
            break;
    }
    return NULL;
}

START_TEST(a_drain_under_load_loses_nothing_and_costs_no_attempt)
{
    static struct client c[CLIENTS];
    struct server *s = server_new(NULL, hasty);
    size_t total = 0;
    for (int i = 0; i < CLIENTS; i++) {
        c[i].s = s;
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, load, &c[i]), 0);
    }
    eventually(jobs_kept(s) > 200, LONG_MS);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(c[i].thread, NULL);
        ck_assert_msg(c[i].refused == 503 || c[i].refused == 0, "refused with %d", c[i].refused);
        total += c[i].acknowledged;
    }
    server_restart(s);
    ck_assert_int_eq(jobs_kept(s), (json_int_t)total);
    for (int i = 0; i < CLIENTS; i++) {
        for (size_t k = 0; k < c[i].acknowledged; k++) {
            struct answer *a = await_state(s, c[i].id[k], "succeeded");
            ck_assert_int_eq(jint(a->json, "attempt"), 1);
            answer_free(a);
        }
    }
    server_free(s);
}
END_TEST

struct asker {
    struct server *s;
    const char *path;
    atomic_int *asking; /* how many have had an answer */
};

/* Asks for changes on one connection until that is ended. */
static void *ask_on(void *arg)
{
    const struct asker *of = arg;
    char ask[200];
    size_t len = (size_t)snprintf(ask, sizeof(ask),
                                  "POST %s HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 0\r\n\r\n",
                                  of->path);
    bool answered = false;
    char said[4096];
    int fd = raw_open(of->s);
    (void)send(fd, ask, len, MSG_NOSIGNAL);
    for (;;) { /* one is always on its way */
        if (send(fd, ask, len, MSG_NOSIGNAL) < 0 || recv(fd, said, sizeof(said), 0) <= 0)
            break;
        if (!answered)
            atomic_fetch_add(of->asking, 1);
        answered = true;
    }
    close(fd);
    return NULL;
}

/* The library must not be ended while one of them is with the writer. */
START_TEST(changes_come_until_the_end)
{
    pthread_t t[CLIENTS];
    atomic_int asking = 0;
    char beat[100];
    struct server *s = server_new("[task far]\nkind = remote\n", NULL);
    (void)submit(s, "{\"task\":\"far\"}");
    char *lease = take_lease(s, "{\"duration\":600}", NULL);
    snprintf(beat, sizeof(beat), "/v1/leases/%s/heartbeat", lease); /* taken in a drain, too */
    free(lease);
    struct asker of[2] = {{s, "/v1/tasks/noop/pause", &asking}, {s, beat, &asking}};
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, ask_on, &of[i % 2]), 0);
    eventually(atomic_load(&asking) == CLIENTS, LONG_MS);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        running_jobs_finish_and_new_ones_are_refused,
        what_is_left_at_the_deadline_goes_back,
        a_last_attempt_that_began_is_the_last,
        a_second_signal_ends_it_at_once,
        remote_workers_are_heard_to_the_end,
        those_who_wait_are_answered,
        a_drain_under_load_loses_nothing_and_costs_no_attempt,
        changes_come_until_the_end,
    };
    return run_suite("drain", tests, sizeof(tests) / sizeof(tests[0]));
}
