/* e2e_access.c - request ids on answers and in problems, and the access log. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const logged[] = {"--access-log", "yes", "--log-format", "json", NULL};

/* The access log's line of a request; NULL: none yet. */
static json_t *line_of(struct server *s, const char *request_id)
{
    json_t *found = NULL;
    char *log = server_log(s), *rest = log;
    for (char *line; !found && (line = strsep(&rest, "\n"));) {
        json_t *j = json_loads(line, 0, NULL);
        if (j && !strcmp(jstr(j, "msg"), "request") && !strcmp(jstr(j, "request_id"), request_id))
            found = json_incref(j);
        json_decref(j);
    }
    free(log);
    return found;
}

static json_t *await_line(struct server *s, const char *request_id)
{
    json_t *line;
    eventually((line = line_of(s, request_id)) != NULL, LONG_MS);
    return line;
}

START_TEST(a_request_has_a_name)
{
    static const char *const mine[] = {"X-Request-Id: my.own/name:1", NULL};
    static const char *const bad[] = {"X-Request-Id: two words", NULL};
    char id[128], other[128];
    struct server *s = server_new(NULL, NULL);
    struct answer *a = http(s, "GET", "/healthz", NULL, mine);
    ck_assert(answer_header(a, "X-Request-Id", id, sizeof(id)));
    ck_assert_str_eq(id, "my.own/name:1");
    answer_free(a);
    a = http(s, "GET", "/v1/jobs/nonsense", NULL, mine);
    ck_assert_int_eq(a->status, 404);
    ck_assert_str_eq(jstr(a->json, "request_id"), "my.own/name:1");
    answer_free(a);
    a = http(s, "GET", "/healthz", NULL, bad);
    ck_assert(answer_header(a, "X-Request-Id", id, sizeof(id)));
    ck_assert_str_ne(id, "two words");
    answer_free(a);
    a = http(s, "GET", "/healthz", NULL, NULL);
    ck_assert(answer_header(a, "X-Request-Id", other, sizeof(other)));
    ck_assert_str_ne(id, other);
    answer_free(a);
    char *log = server_log(s); /* off unless asked for */
    ck_assert_ptr_null(strstr(log, "my.own/name"));
    free(log);
    server_free(s);
}
END_TEST

START_TEST(a_line_for_each_request)
{
    static const char *const one[] = {"X-Request-Id: one", NULL};
    static const char *const two[] = {"X-Request-Id: two", NULL};
    static const char *const three[] = {"X-Request-Id: three", NULL};
    struct server *s = server_new(NULL, logged);
    answer_free(http(s, "POST", "/v1/tasks/echo/jobs?wait=60&tag=secret", "\"abc\"", one));
    json_t *line = await_line(s, "one");
    ck_assert_str_eq(jstr(line, "method"), "POST");
    ck_assert_str_eq(jstr(line, "path"), "/v1/tasks/echo/jobs");
    ck_assert_str_eq(jstr(line, "route"), "/v1/tasks/{task}/jobs");
    ck_assert_int_eq(jint(line, "status"), 200);
    ck_assert_int_gt(jint(line, "bytes"), 100);
    ck_assert(json_is_real(jget(line, "seconds")));
    ck_assert_str_eq(jstr(line, "remote"), "127.0.0.1");
    json_decref(line);

    struct answer *a = http(s, "GET", "/no/such%22thing?key=secret", NULL, two);
    line = await_line(s, "two");
    ck_assert_str_eq(jstr(line, "path"), "/no/such%22thing");
    ck_assert_str_eq(jstr(line, "route"), "");
    ck_assert_int_eq(jint(line, "status"), 404);
    ck_assert_int_eq(jint(line, "bytes"), (json_int_t)a->len);
    json_decref(line);
    answer_free(a);

    answer_free(http(s, "HEAD", "/healthz", NULL, three));
    line = await_line(s, "three");
    ck_assert_str_eq(jstr(line, "method"), "HEAD");
    ck_assert_int_eq(jint(line, "bytes"), 0);
    json_decref(line);

    int fd = raw_open(s); /* refused before it is routed */
    raw_send(
        fd, "GET /v1/jobs?tag=secret HTTP/1.1\r\nHost: evil.example\r\nX-Request-Id: four\r\n\r\n");
    char *said = raw_read(fd, NULL, LONG_MS);
    ck_assert_ptr_nonnull(strstr(said, "X-Request-Id: four\r\n"));
    free(said);
    close(fd);
    line = await_line(s, "four");
    ck_assert_int_eq(jint(line, "status"), 421);
    ck_assert_str_eq(jstr(line, "path"), "/v1/jobs");
    json_decref(line);

    fd = raw_open(s); /* left alone in its wait */
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: five\r\n"
                 "Content-Length: 39\r\n\r\n{\"task\":\"sleep\",\"input\":{\"seconds\":60}}");
    eventually(stat_of(s, "http.waiting") == 1, LONG_MS);
    ck_assert_ptr_null(line_of(s, "five"));
    close(fd);
    line = await_line(s, "five");
    ck_assert_int_eq(jint(line, "status"), 0);
    json_decref(line);

    char *log = server_log(s);
    ck_assert_ptr_null(strstr(log, "secret"));
    free(log);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_request_has_a_name, a_line_for_each_request};
    return run_suite("access", tests, sizeof(tests) / sizeof(tests[0]));
}
