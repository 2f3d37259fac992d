/*
 * e2e_stream.c - batches that come line by line with an Idempotency-Key, by the real service: cut
 * off by their client or by a kill, and sent again, each line is one job.
 */
#include "harness.h"
#include "harness_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES 4000
#define DAY   (24 * 3600.0)

static const char *const keyed[] = {"Content-Type: application/x-ndjson", "Idempotency-Key: k",
                                    NULL};

/* The lines from..to, each echoing its number; heap. */
static char *lines(int from, int to)
{
    char *text = malloc((size_t)(to - from) * 48 + 1), *at = text;
    ck_assert_ptr_nonnull(text);
    *at = 0;
    for (int i = from; i < to; i++)
        at += sprintf(at, "{\"task\":\"echo\",\"input\":%d}\n", i);
    return text;
}

static struct answer *send_lines(struct server *s, const char *query, const char *body)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/jobs/batch%s", query);
    return http(s, "POST", path, body, keyed);
}

static void refused(struct server *s, const char *body, int status, const char *code)
{
    struct answer *a = send_lines(s, "", body);
    ck_assert_msg(a->status == status && strcmp(jstr(a->json, "code"), code) == 0, "%d: %s",
                  a->status, a->body);
    answer_free(a);
}

/* The group's jobs are the lines, in their order, each once. */
static void holds_all(struct server *s, const char *group)
{
    char path[200];
    snprintf(path, sizeof(path), "/v1/groups/%s?wait=60", group);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(json_is_true(jget(a->json, "done")), "%s", a->body);
    ck_assert_int_eq(jint(a->json, "total"), LINES);
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/groups/%s/results?limit=1000", group);
    int next = 0;
    for (char *more = strdup(path); more;) {
        a = get(s, more, 200);
        size_t i;
        json_t *one;
        json_array_foreach(jget(a->json, "results"), i, one)
        {
            ck_assert_int_eq(jint(one, "result"), next);
            next++;
        }
        free(more);
        const char *link = jstr(a->json, "next");
        more = link[0] ? strdup(link) : NULL;
        answer_free(a);
    }
    ck_assert_int_eq(next, LINES);
    ck_assert_int_eq(jobs_kept(s), LINES);
}

/* Sends some of the lines and then no more; answers the connection once jobs are kept. */
static int cut_off(struct server *s, const char *text, size_t part)
{
    char head[300];
    int fd = raw_open(s);
    snprintf(head, sizeof(head),
             "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n"
             "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
             strlen(text));
    raw_send(fd, head);
    char *piece = strndup(text, part);
    json_int_t before = jobs_kept(s);
    raw_send(fd, piece);
    free(piece);
    eventually(jobs_kept(s) > before, LONG_MS);
    return fd;
}

static char *group_of(struct answer *a)
{
    ck_assert_msg(jstr(a->json, "id")[0], "%s", a->body);
    char *id = strdup(jstr(a->json, "id"));
    answer_free(a);
    return id;
}

START_TEST(the_same_lines_are_kept_once)
{
    struct server *s = server_new(NULL, NULL);
    char *all = lines(0, LINES), *fewer = lines(0, 10), *others = lines(1, LINES + 1), *again;
    char *more = lines(0, LINES + 1), value[16];
    char *group = group_of(send_lines(s, "", all));
    for (int i = 0; i < 3; i++) {
        struct answer *a = send_lines(s, i == 1 ? "?wait=60" : "", all);
        ck_assert(answer_header(a, "Idempotency-Replayed", value, sizeof(value)));
        if (i == 1)
            ck_assert_int_eq(a->status, 200);
        again = group_of(a);
        ck_assert_str_eq(group, again);
        free(again);
        if (i == 1) {
            server_kill9(s);
            server_restart(s);
        }
    }
    refused(s, fewer, 422, "idempotency_key_reused");
    refused(s, others, 422, "idempotency_key_reused");
    refused(s, more, 422, "idempotency_key_reused");
    refused(s, "", 422, "idempotency_key_reused");
    struct answer *a = send_lines(s, "?wait=abc", all);
    ck_assert_int_eq(a->status, 400);
    ck_assert_msg(!strstr(a->body, "nothing is kept"), "%s", a->body);
    answer_free(a);
    again =
        group_of(send_lines(s, "?callback_url=http://10.0.0.1/", all)); /* as it may have been */
    ck_assert_str_eq(group, again);
    free(again);
    a = http(s, "POST", "/v1/jobs", "{\"task\":\"noop\"}", keyed + 1);
    ck_assert_int_eq(a->status, 422);
    answer_free(a);
    holds_all(s, group);
    free(all);
    free(fewer);
    free(others);
    free(more);
    free(group);
    server_free(s);
}
END_TEST

START_TEST(what_was_cut_off_goes_on)
{
    struct server *s = server_new(NULL, NULL);
    char *all = lines(0, LINES), *others = lines(1, LINES + 1), path[100];
    char *first = lines(0, 600); /* what is kept at once, and no more */
    size_t part = strlen(first);
    int fd = cut_off(s, all, part);
    free(first);
    char *beside = group_of(send_lines(s, "", all)); /* the other one has not said all: this does */
    raw_send(fd, all + part);
    char *said = raw_read(fd, "idempotency_key_in_use", LONG_MS);
    ck_assert_msg(strstr(said, " 409 ") != NULL, "%s", said);
    free(said);
    close(fd);
    holds_all(s, beside);
    snprintf(path, sizeof(path), "/v1/groups/%s", beside);
    answer_free(get(s, path, 200));
    free(beside);
    free(all);
    free(others);
    server_free(s);
}
END_TEST

START_TEST(a_kill_costs_no_line_and_doubles_none)
{
    struct server *s = server_new("[server]\nmax_attempts = 10\n", NULL); /* a kill costs one */
    char *all = lines(0, LINES), *others = lines(1, LINES + 1);
    char path[100], *group = NULL;
    size_t len = strlen(all);
    for (int i = 1; i <= 3; i++) {
        int fd = cut_off(s, all, len * (size_t)i / 3 - 100);
        server_kill9(s);
        close(fd);
        server_restart(s);
    }
    struct answer *a = get(s, "/v1/jobs?limit=1", 200);
    group = strdup(jstr(a->json, "jobs.0.group"));
    answer_free(a);
    answer_free(run_job(s, "{\"task\":\"noop\",\"tags\":[\"other\"]}"));
    snprintf(path, sizeof(path), "/v1/groups/%s", group);
    a = get(s, path, 200);
    ck_assert_msg(json_is_false(jget(a->json, "done")), "it waits for the rest: %s", a->body);
    answer_free(a);
    refused(s, others, 422, "idempotency_key_reused");
    a = get(s, "/v1/jobs?tag=other", 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "jobs.0.id"));
    answer_free(a);
    answer_free(http(s, "DELETE", path, NULL, NULL));
    char *again = group_of(send_lines(s, "?wait=60", all));
    ck_assert_str_eq(group, again);
    holds_all(s, group);
    free(again);
    free(group);
    free(others);
    free(all);
    server_free(s);
}
END_TEST

START_TEST(a_wrong_line_can_be_mended)
{
    struct server *s = server_new(NULL, NULL);
    char *all = lines(0, LINES), *broken = strdup(all);
    broken[strlen(broken) - 3] = ':';
    refused(s, broken, 400, "bad_json");
    ck_assert_int_gt(jobs_kept(s), 0);
    char *group = group_of(send_lines(s, "?wait=60", all));
    holds_all(s, group);
    free(group);
    refused(s, "{\"task\":\"noop\",\"ref\":\"a\"}\n", 422, "idempotency_key_reused");
    const char *const other[] = {keyed[0], "Idempotency-Key: other", NULL};
    struct answer *a =
        http(s, "POST", "/v1/jobs/batch", "{\"task\":\"noop\",\"ref\":\"a\"}\n", other);
    ck_assert_int_eq(a->status, 400);
    answer_free(a);
    free(broken);
    free(all);
    server_free(s);
}
END_TEST

/* Where it is, and what is kept, also when it is asked again. */
START_TEST(a_wrong_line_is_named)
{
    static const struct {
        const char *line, *pointer, *detail;
    } rows[] = {
        {"{\"task\":\"noop\",\"priority\":\"5\"}", "/priority",
         "line 3: the field `priority` must be a whole number from -100 to 100, not the text "
         "`\"5\"`"},
        {"{\"task\":\"nobody\"}", "/task", "line 3: there is no task `nobody`"},
        {"{\"task\":\"primes\",\"input\":{\"limit\":-1}}", "/input/limit",
         "line 3: `/input/limit` must be at least 0"},
        {"{\"task\":\"noop\",\"ref\":\"a\"}", "/ref",
         "line 3: `ref`: an earlier job of the batch has the `ref` `a` already"},
        {"{\"task\":\"noop\",\"depends_on\":[\"01a206c9-3464-7000-93c5-f3a31ec3a416\"]}",
         "/depends_on/0", "line 3: `depends_on/0`: there is no job or group"},
        {"[]", "", "line 3: a job must be an object"},
        {"{\"task\"", "", "line 3: at byte "},
    };
    const char *const plain[] = {keyed[0], NULL};
    char text[400], group[40];
    struct server *s = server_new(NULL, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(text, sizeof(text), "{\"task\":\"noop\",\"ref\":\"a\"}\n\n%s\n", rows[i].line);
        struct answer *a = http(s, "POST", "/v1/jobs/batch", text, plain);
        const char *detail = jstr(a->json, "detail");
        ck_assert_msg(!strncmp(detail, rows[i].detail, strlen(rows[i].detail)), "%s", a->body);
        ck_assert_ptr_nonnull(strstr(detail, "kept"));
        ck_assert_str_eq(jstr(a->json, "errors.0.pointer"), rows[i].pointer);
        if (rows[i].pointer[0])
            ck_assert_int_eq(jint(a->json, "errors.0.line"), 3);
        answer_free(a);
    }
    ck_assert_int_eq(jobs_kept(s), 0);
    char *all = lines(0, LINES), *broken = malloc(strlen(all) + 100), count[64];
    snprintf(broken, strlen(all) + 100, "%s{\"task\":\"noop\",\"priority\":1000}\n", all);
    for (int again = 0; again < 3; again++) {
        struct answer *a = http(s, "POST", "/v1/jobs/batch", broken, keyed);
        snprintf(count, sizeof(count), "; %lld jobs of the lines before are kept, as group ",
                 (long long)jobs_kept(s));
        const char *at = strstr(jstr(a->json, "detail"), count);
        ck_assert_msg(at, "%s: %s", count, a->body);
        ck_assert(again == 0 || !strncmp(group, at + strlen(count), 36));
        snprintf(group, sizeof(group), "%.36s", at + strlen(count));
        answer_free(a);
    }
    char *same = malloc(LINES * 80 + 8), *end = same; /* all of them are one job */
    ck_assert_ptr_nonnull(same);
    for (int i = 0; i < LINES; i++)
        end += sprintf(end, "\r{\"task\":\"noop\",\"unique\":{\"key\":\"k\",\"period\":60}}\n");
    strcpy(end, "{}\n");
    struct answer *a = http(s, "POST", "/v1/jobs/batch", same, plain);
    ck_assert_msg(strstr(a->body, "; 1 jobs of the lines before are kept"), "%s", a->body);
    answer_free(a);
    free(same);
    free(broken);
    free(all);
    server_free(s);
}
END_TEST

START_TEST(a_key_that_is_forgotten_ends_the_group)
{
    clock_own();
    struct server *s = server_new("[server]\nidempotency_ttl = 1d\n", NULL);
    char *all = lines(0, LINES), path[100];
    int fd = cut_off(s, all, strlen(all) / 2);
    close(fd);
    struct answer *a = get(s, "/v1/jobs?limit=1", 200);
    snprintf(path, sizeof(path), "/v1/groups/%s?wait=60", jstr(a->json, "jobs.0.group"));
    answer_free(a);
    server_kill9(s);
    clock_step(DAY + 1); /* one that starts takes it as it is */
    server_restart(s);
    a = get(s, path, 200);
    ck_assert_msg(json_is_true(jget(a->json, "done")), "%s", a->body);
    ck_assert_int_lt(jint(a->json, "total"), LINES);
    answer_free(a);
    free(all);
    server_free(s);
}
END_TEST

/* Many chunks are in one read of the service's: none is taken while the part before is being kept.
 */
START_TEST(chunks_make_no_difference)
{
    enum { CHUNK = 20, SENT = 5 * LINES };
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    int fd = raw_open(s);
    raw_send(fd, "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\n"
                 "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
    char *body = malloc((size_t)SENT * 64), *at = body;
    ck_assert_ptr_nonnull(body);
    for (int i = 0; i < SENT; i += CHUNK) {
        char *text = lines(i, i + CHUNK);
        at += sprintf(at, "%zx\r\n%s\r\n", strlen(text), text);
        free(text);
    }
    memcpy(at, "0\r\n\r\n", 6);
    raw_send(fd, body);
    char *said = raw_read(fd, "\"counts\"", LONG_MS), total[32];
    snprintf(total, sizeof(total), "\"total\":%d,", SENT);
    ck_assert_msg(strstr(said, total) != NULL, "%s", said);
    ck_assert_int_eq(jobs_kept(s), SENT);
    free(said);
    free(body);
    close(fd);
    server_free(s);
}
END_TEST

/* Sends the lines without a key, and says no more; answers the connection. */
static int send_unkeyed(struct server *s, const char *query, const char *text, size_t length)
{
    char head[300];
    int fd = raw_open(s);
    snprintf(head, sizeof(head),
             "POST /v1/jobs/batch%s HTTP/1.1\r\nHost: localhost\r\n"
             "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
             query, length);
    raw_send(fd, head);
    raw_send(fd, text);
    return fd;
}

static json_int_t waiting(struct server *s)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t n = jint(a->json, "http.waiting");
    answer_free(a);
    return n;
}

/* The group of the newest job; heap. */
static char *newest_group(struct server *s)
{
    struct answer *a = get(s, "/v1/jobs?limit=1", 200);
    char *id = strdup(jstr(a->json, "jobs.0.group"));
    answer_free(a);
    return id;
}

static void ends(struct server *s, const char *group, int total)
{
    char path[100];
    snprintf(path, sizeof(path), "/v1/groups/%s?wait=60", group);
    struct answer *a = get(s, path, 200);
    ck_assert_msg(json_is_true(jget(a->json, "done")), "%s", a->body);
    ck_assert_int_eq(jint(a->json, "total"), total);
    answer_free(a);
}

/* Its group was closed by its last part already: to close it twice is not an error of the store. */
START_TEST(a_client_that_leaves_while_it_waits_harms_nobody)
{
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    char *text = lines(0, 700);
    int fd = send_unkeyed(s, "?wait=60", text, strlen(text));
    eventually(waiting(s) == 1, LONG_MS);
    raw_reset(fd);
    eventually(waiting(s) == 0, LONG_MS);
    answer_free(post(s, "/v1/tasks/echo/resume", NULL, 200));
    char *group = newest_group(s);
    ends(s, group, 700);
    free(group);
    free(text);
    server_free(s);
}
END_TEST

/* A part is committed while no more of the body comes: what is kept is a group that ends. */
START_TEST(a_group_is_closed_whenever_its_client_leaves)
{
    struct server *s = server_new(NULL, NULL);
    for (int more = 0; more <= 40; more += 40) { /* bytes of a line that has not ended */
        char *text = lines(0, 501);
        size_t all = strlen(text);
        json_int_t before = jobs_kept(s);
        *(strrchr(text, '{')) = 0; /* 500 lines: a part */
        char *sent = malloc(all + 100);
        ck_assert_ptr_nonnull(sent);
        snprintf(sent, all + 100, "%s%.*s", text, more,
                 "{\"task\":\"echo\",\"input\":\"half a line of it");
        int fd = send_unkeyed(s, "", sent, all + 1000);
        eventually(jobs_kept(s) == before + 500, LONG_MS);
        raw_reset(fd);
        char *group = newest_group(s);
        ends(s, group, 500);
        free(group);
        free(sent);
        free(text);
    }
    server_free(s);
}
END_TEST

START_TEST(a_wrong_line_is_told_at_once)
{
    struct server *s = server_new(NULL, NULL);
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    char *text = lines(0, 1200);
    text[strlen(text) - 3] = ':';
    const char *const plain[] = {keyed[0], NULL};
    struct answer *a =
        http(s, "POST", "/v1/jobs/batch?wait=300", text, plain); /* or it fails by its own clock */
    ck_assert_int_eq(a->status, 400);
    ck_assert_msg(strstr(jstr(a->json, "detail"), "jobs of the lines before are kept") != NULL,
                  "%s", a->body);
    answer_free(a);
    free(text);
    server_free(s);
}
END_TEST

/* Its last lines are kept though it cannot wait, and it is told so. */
START_TEST(where_too_many_wait_nothing_is_lost)
{
    struct server *s = server_new("[server]\nmax_waiting = 1\n", NULL);
    answer_free(post(s, "/v1/tasks/echo/pause", NULL, 200));
    char *one = lines(0, 1), *text = lines(0, 700);
    int fd = send_unkeyed(s, "?wait=60", one, strlen(one));
    eventually(waiting(s) == 1, LONG_MS);
    const char *const plain[] = {keyed[0], NULL};
    struct answer *a = http(s, "POST", "/v1/jobs/batch?wait=300", text, plain);
    ck_assert_msg(a->status == 202, "%d: %s", a->status, a->body);
    ck_assert_int_eq(jint(a->json, "total"), 700);
    answer_free(a);
    raw_reset(fd);
    free(one);
    free(text);
    server_free(s);
}
END_TEST

/* A name of an earlier part: its job may have been there under another id, or be forgotten. */
START_TEST(names_of_earlier_parts_hold)
{
    struct server *s = server_new(NULL, NULL);
    const char *const plain[] = {keyed[0], NULL};
    char *filler = lines(0, 1500), *text = malloc(strlen(filler) + 1000), path[100];
    ck_assert_ptr_nonnull(text);
    answer_free(post(s, "/v1/tasks/noop/pause", NULL, 200));
    struct answer *a = post(s, "/v1/jobs", "{\"task\":\"noop\",\"unique\":{\"by\":\"task\"}}", 202);
    char *first = strdup(jstr(a->json, "id"));
    answer_free(a);
    sprintf(text,
            "{\"task\":\"noop\",\"unique\":{\"by\":\"task\"},\"ref\":\"a\"}\n%s"
            "{\"task\":\"noop\",\"depends_on\":[\"a\"],\"tags\":[\"behind\"]}\n",
            filler);
    a = http(s, "POST", "/v1/jobs/batch", text, plain);
    ck_assert_msg(a->status == 202, "%d: %.300s", a->status, a->body);
    answer_free(a);
    a = get(s, "/v1/jobs?tag=behind", 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "jobs.0.id"));
    answer_free(a);
    a = get(s, path, 200);
    ck_assert_str_eq(jstr(a->json, "depends_on.0"), first);
    answer_free(a);
    answer_free(post(s, "/v1/tasks/noop/resume", NULL, 200));

    sprintf(text, "{\"task\":\"echo\",\"tags\":[\"gone\"],\"ref\":\"a\"}\n%s", filler);
    size_t part = strlen(text);
    sprintf(text + part, "{\"task\":\"noop\",\"depends_on\":[\"a\"]}\n");
    size_t all = strlen(text);
    text[part] = 0;
    int fd = send_unkeyed(s, "", text, all);
    text[part] = '{';
    for (bool ended = false; !ended;) {
        a = get(s, "/v1/jobs?tag=gone&state=succeeded", 200);
        ended = jstr(a->json, "jobs.0.id")[0] != 0;
        snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "jobs.0.id"));
        answer_free(a);
    }
    answer_free(http(s, "DELETE", path, NULL, NULL));
    raw_send(fd, text + part);
    char *said = raw_read(fd, "unknown_dependency", LONG_MS);
    ck_assert_msg(strstr(said, " 422 ") != NULL, "%s", said);
    close(fd);
    free(said);
    free(first);
    free(text);
    free(filler);
    server_free(s);
}
END_TEST

START_TEST(what_it_holds_is_counted)
{
    struct server *s = server_new("[server]\nbody_memory = 4MiB\n", NULL);
    char *piece = malloc(900100), *text = malloc(8 * 900100), *at = text;
    ck_assert(piece && text);
    const char *const plain[] = {keyed[0], NULL};
    for (int costly = 0; costly < 2; costly++) { /* with an escape in a name it is read as a tree */
        const char *name = costly ? "inp\\u0075t" : "input";
        for (int i = 0; i < 900000; i += 2)
            memcpy(piece + i, ",1", 2);
        piece[0] = '[';
        strcpy(piece + 900000, "]");
        at = text;
        for (int i = 0; i < 8; i++)
            at += sprintf(at, "{\"task\":\"echo\",\"%s\":%s}\n", name, piece);
        struct answer *a = http(s, "POST", "/v1/jobs/batch", text, plain);
        ck_assert_msg(costly ? a->status == 413 : a->status / 100 == 2, "%d: %.300s", a->status,
                      a->body);
        answer_free(a);
    }
    char *small = lines(0, 3000); /* all was given back */
    struct answer *a = http(s, "POST", "/v1/jobs/batch?wait=60", small, plain);
    ck_assert_msg(a->status == 200, "%d: %.300s", a->status, a->body);
    answer_free(a);
    free(small);
    free(piece);
    free(text);
    server_free(s);
}
END_TEST

START_TEST(a_line_has_a_length)
{
    static const char *const plain[] = {"Content-Type: application/x-ndjson", NULL};
    char text[1200];
    struct server *s = server_new("[server]\nmax_body = 1KiB\n", NULL);
    for (int len = 1024; len <= 1025; len++) {
        size_t at = (size_t)sprintf(text, "{\"task\":\"echo\",\"input\":\"");
        memset(text + at, 'x', sizeof(text) - at);
        strcpy(text + len - 2, "\"}\n{\"task\":\"noop\"}\n");
        struct answer *a = http(s, "POST", "/v1/jobs/batch", text, plain);
        ck_assert_msg(len > 1024 ? a->status == 413 : a->status / 100 == 2, "%d: %s", a->status,
                      a->body);
        answer_free(a);
    }
    server_free(s);
}
END_TEST

START_TEST(lines_that_are_all_there_tell_how_the_group_is)
{
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 3; i++) {
        struct answer *a = send_lines(s, "", "{\"task\":\"noop\",\"delay\":900}\n");
        ck_assert_msg(a->status == (i == 2 ? 200 : 202), "%d: %s", a->status, a->body);
        answer_free(a);
        if (i == 1)
            answer_free(post(s, "/v1/jobs/cancel?task=noop", NULL, 200));
    }
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_same_lines_are_kept_once,
        what_was_cut_off_goes_on,
        a_kill_costs_no_line_and_doubles_none,
        a_wrong_line_can_be_mended,
        a_wrong_line_is_named,
        a_key_that_is_forgotten_ends_the_group,
        chunks_make_no_difference,
        a_client_that_leaves_while_it_waits_harms_nobody,
        a_group_is_closed_whenever_its_client_leaves,
        a_wrong_line_is_told_at_once,
        where_too_many_wait_nothing_is_lost,
        names_of_earlier_parts_hold,
        what_it_holds_is_counted,
        a_line_has_a_length,
        lines_that_are_all_there_tell_how_the_group_is,
    };
    return run_suite("stream", tests, sizeof(tests) / sizeof(tests[0]));
}
