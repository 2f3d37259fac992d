/*
 * e2e_answers.c - a job's answer is given again only while nothing in it has changed, and only to
 * those who may see it.
 */
#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READERS 3

static const char *const one[] = {"--workers", "1", "--http-threads", "1", NULL};
static const char *const two[] = {"--workers", "1", "--http-threads", "2", NULL};

/* Asked often enough that the answer is one that was kept, whichever thread gives it. */
static void is_now(struct server *s, const char *id, const char *path, const char *value)
{
    char url[100];
    snprintf(url, sizeof(url), "/v1/jobs/%s", id);
    for (int i = 0; i < 4; i++) {
        struct answer *a = get(s, url, 200);
        json_t *is = jget(a->json, path);
        char *text = is ? json_dumps(is, JSON_ENCODE_ANY) : strdup("");
        ck_assert_msg(strcmp(text, value) == 0, "%s is %s, not %s, in %s", path, text, value,
                      a->body);
        free(text);
        answer_free(a);
    }
}

static void change(struct server *s, const char *id, const char *verb, int status)
{
    char url[100];
    snprintf(url, sizeof(url), "/v1/jobs/%s/%s", id, verb);
    answer_free(post(s, url, "", status));
}

static void live_through_it_all(const char *const *flags)
{
    char id[64], child[64], body[400], url[100];
    struct server *s = server_new("[task far]\nkind = remote\n", flags);
    snprintf(id, sizeof(id), "%s",
             submit(s, "{\"task\":\"far\",\"max_attempts\":3,\"backoff\":{\"kind\":\"fixed\","
                       "\"delay\":3600}}"));
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"depends_on\":[\"%s\"]}", id);
    snprintf(child, sizeof(child), "%s", submit(s, body));
    is_now(s, id, "state", "\"queued\"");
    is_now(s, child, "waiting_for", "1");
    struct answer *a = post(s, "/v1/leases", "{\"tasks\":[\"far\"],\"wait\":10}", 200);
    is_now(s, id, "state", "\"running\"");
    snprintf(url, sizeof(url), "/v1/leases/%s/heartbeat", jstr(a->json, "leases.0.id"));
    answer_free(post(s, url, "{\"progress\":{\"message\":\"begun\"}}", 200));
    is_now(s, id, "progress", "{\"message\": \"begun\"}");
    answer_free(post(s, url, "{\"progress\":{\"fraction\":0.25}}", 200));
    is_now(s, id, "progress.fraction", "0.25");
    answer_free(post(s, url, "{\"progress\":{\"fraction\":0.75}}", 200));
    is_now(s, id, "progress.fraction", "0.75");
    answer_free(post(s, url, "{\"progress\":{\"message\":\"m\"}}", 200)); /* the rest stays */
    is_now(s, id, "progress.fraction", "0.75");
    is_now(s, id, "progress.message", "\"m\"");
    answer_free(post(s, url, "{\"progress\":{\"fraction\":1}}", 200));
    is_now(s, id, "progress.message", "\"m\"");
    snprintf(url, sizeof(url), "/v1/leases/%s/fail", jstr(a->json, "leases.0.id"));
    answer_free(post(s, url, "{\"error\":{\"code\":\"no\",\"message\":\"no\"}}", 200));
    answer_free(a);
    is_now(s, id, "state", "\"scheduled\"");
    is_now(s, id, "error.code", "\"no\"");
    change(s, id, "cancel", 200);
    is_now(s, id, "state", "\"cancelled\"");
    is_now(s, child, "state", "\"cancelled\"");
    is_now(s, child, "waiting_for", "");
    change(s, id, "retry", 202);
    is_now(s, id, "state", "\"queued\"");
    a = post(s, "/v1/leases", "{\"tasks\":[\"far\"],\"wait\":10}", 200);
    snprintf(url, sizeof(url), "/v1/leases/%s/complete", jstr(a->json, "leases.0.id"));
    answer_free(post(s, url, "{\"result\":{\"is\":7}}", 200));
    answer_free(a);
    is_now(s, id, "result.is", "7");
    server_kill9(s);
    server_restart(s);
    is_now(s, id, "result.is", "7");
    snprintf(url, sizeof(url), "/v1/jobs/%s", id);
    answer_free(http(s, "DELETE", url, NULL, NULL));
    answer_free(get(s, url, 404));
    server_free(s);
}

START_TEST(every_change_is_seen)
{
    live_through_it_all(one);
    live_through_it_all(two);
}
END_TEST

struct reader {
    struct server *s;
    const char *id;
    atomic_bool stop;
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    char url[100];
    snprintf(url, sizeof(url), "/v1/jobs/%s", r->id);
    while (!atomic_load(&r->stop))
        answer_free(get(r->s, url, 200));
    return NULL;
}

/* Others ask at the very moment of the commit. */
START_TEST(who_was_told_of_a_change_sees_it)
{
    char id[64];
    struct server *s = server_new(NULL, two);
    answer_free(post(s, "/v1/tasks/noop/pause", "", 200));
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"noop\"}"));
    struct reader r = {.s = s, .id = id};
    pthread_t t[READERS];
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, read_on, &r), 0);
    for (int i = rounds(60); i > 0; i--) {
        change(s, id, "cancel", 200);
        is_now(s, id, "state", "\"cancelled\"");
        change(s, id, "retry", 202);
        is_now(s, id, "state", "\"queued\"");
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    server_free(s);
}
END_TEST

/* The same answer to many at once: each is told its own request's id, and nobody another length or
 * tag. */
START_TEST(each_request_keeps_its_id)
{
    enum { CONNS = 24, ROUNDS = 20 };
    char id[64], url[100], etag[80], head[300], name[80], said_id[80];
    int fd[CONNS];
    struct server *s = server_new(NULL, one);
    struct answer *a =
        run_job(s, "{\"task\":\"echo\",\"input\":\"a text that stands in the result, too\"}");
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    snprintf(url, sizeof(url), "/v1/jobs/%s", id);
    a = get(s, url, 200);
    ck_assert(answer_header(a, "ETag", etag, sizeof(etag)));
    for (int i = 0; i < CONNS; i++)
        fd[i] = raw_open(s);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNS; i++) {
            snprintf(head, sizeof(head),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%dc%d\r\n\r\n", url,
                     round, i);
            raw_send(fd[i], head);
        }
        for (int i = 0; i < CONNS; i++) {
            char *said = raw_read(fd[i], "}]}\n", LONG_MS);
            snprintf(name, sizeof(name), "\r\nX-Request-Id: r%dc%d\r\n", round, i);
            ck_assert_msg(strstr(said, name) != NULL, "not %s in %s", name, said);
            ck_assert_ptr_nonnull(strstr(said, etag));
            ck_assert_ptr_eq(strstr(strstr(said, "X-Request-Id") + 1, "X-Request-Id"), NULL);
            const char *body = strstr(said, "\r\n\r\n");
            ck_assert_ptr_nonnull(body);
            ck_assert_str_eq(body + 4, a->body);
            free(said);
        }
    }
    answer_free(a);
    for (int i = 0; i < CONNS; i++)
        close(fd[i]);
    snprintf(head, sizeof(head), "If-None-Match: %.70s", etag);
    a = http(s, "GET", url, NULL, (const char *const[]){head, NULL});
    ck_assert_int_eq(a->status, 304);
    ck_assert_uint_eq(a->len, 0);
    answer_free(a);
    a = http(s, "HEAD", url, NULL, (const char *const[]){"X-Request-Id: mine", NULL});
    ck_assert_int_eq(a->status, 200);
    ck_assert(answer_header(a, "X-Request-Id", said_id, sizeof(said_id)));
    ck_assert_str_eq(said_id, "mine");
    answer_free(a);
    server_free(s);
}
END_TEST

/* Its lines but those that differ each time; heap. */
static char *lasting_head(const struct answer *a)
{
    char *head = calloc(1, strlen(a->head) + 1), *copy = strdup(a->head), *rest = copy;
    ck_assert(head && copy);
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strncmp(line, "Date:", 5) != 0 && strncmp(line, "X-Request-Id:", 13) != 0)
            strcat(head, line);
    }
    free(copy);
    return head;
}

/* What one request has in its answer for what it said is not in that of another. */
START_TEST(each_request_has_its_own_headers)
{
    static const struct {
        const char *method, *query, *header, *has;
    } other[] = {
        {"GET", "", "Prefer: wait=7", "Preference-Applied: wait=7"},
        {"GET", "?wait=5", "Prefer: wait=3", ""},
        {"GET", "?wait=5", NULL, ""},
        {"GET", "", "Connection: close", "Connection: close"},
        {"GET", "", "If-None-Match: *", "304"},
        {"GET", "", "Origin: http://localhost", ""},
        {"GET", "", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""},
        {"HEAD", "", NULL, ""},
        {"HEAD", "", "Prefer: wait=7", "Preference-Applied: wait=7"},
    };
    struct server *s = server_new(NULL, one);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        char url[100], what[120];
        const char *const headers[] = {other[i].header, NULL};
        struct answer *a = run_job(s, "{\"task\":\"noop\"}");
        snprintf(url, sizeof(url), "/v1/jobs/%s", jstr(a->json, "id"));
        snprintf(what, sizeof(what), "%s%s", url, other[i].query);
        answer_free(a);
        a = get(s, url, 200); /* it is kept; the next one may be prepared for those that follow */
        char *plain = lasting_head(a), *theirs = NULL;
        answer_free(a);
        for (int k = 0; k < 8; k++) {
            a = k % 4 < 2 ? http(s, other[i].method, what, NULL, headers) : get(s, url, 200);
            char *head = lasting_head(a);
            if (k == 0) {
                theirs = strdup(head);
                ck_assert_msg(strstr(head, other[i].has) != NULL, "%s", head);
            }
            ck_assert_str_eq(head, k % 4 < 2 ? theirs : plain);
            free(head);
            answer_free(a);
        }
        free(theirs);
        free(plain);
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_change_is_seen,
        who_was_told_of_a_change_sees_it,
        each_request_keeps_its_id,
        each_request_has_its_own_headers,
    };
    return run_suite("answers", tests, sizeof(tests) / sizeof(tests[0]));
}
