/*
 * e2e_auth.c - tokens by the real service: every route with every scope, tokens that expire and are
 * changed while the service runs, and that no token shows anywhere.
 */
#include "harness_tokens.h"

#include "../server/tokens.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *method, *path, *scope;
} routes[] = {
#define ROUTE(method, pattern, handler, scope, body, where) {#method, pattern, #scope},
#include "../server/http/route.def"
#undef ROUTE
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

/* {…} of the pattern by something that is not there. */
static void fill(const char *pattern, char *out)
{
    while (*pattern) {
        if (*pattern == '{') {
            out = strcpy(out, "01890000-0000-7000-8000-000000000000") + 36;
            pattern = strchr(pattern, '}') + 1;
        } else {
            *out++ = *pattern++;
        }
    }
    *out = 0;
}

START_TEST(every_route_wants_its_scope)
{
    static const struct {
        const char *token, *scopes;
    } who[] = {{A_READ, "READ"},
               {A_SUBMIT, "READ SUBMIT"},
               {A_CONTROL, "CONTROL"},
               {A_WORK, "WORK"},
               {A_ADMIN, "READ SUBMIT CONTROL WORK ADMIN"}};
    char *conf = all_tokens(), path[300];
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < ROUTES; i++) {
        const char *m = routes[i].method;
        fill(routes[i].path, path);
        if (strcmp(routes[i].scope, "NONE") == 0) {
            int got = status_of(s, NULL, m, path, NULL);
            ck_assert_msg(got != 401 && got != 403, "%s %s: %d", m, path, got);
            continue;
        }
        ck_assert_int_eq(status_of(s, NULL, m, path, NULL), 401);
        ck_assert_int_eq(status_of(s, "jm_wrong", m, path, NULL), 401);
        ck_assert_int_eq(status_of(s, "", m, path, NULL), 401);
        ck_assert_int_eq(status_of(s, OLD, m, path, NULL), 401);
        for (size_t k = 0; k < sizeof(who) / sizeof(who[0]); k++) {
            int got = status_of(s, who[k].token, m, path, NULL);
            bool may = strstr(who[k].scopes, routes[i].scope) != NULL;
            ck_assert_msg((got != 401 && got != 403) == may, "%s %s with %s: %d", m, path,
                          who[k].scopes, got);
        }
    }
    free(conf);
    server_free(s);
}
END_TEST

/* How many records of `who` (NULL: of anybody) end in this and came to that. */
static int audit_has(struct server *s, const char *who, const char *what, const char *result)
{
    struct answer *a = ask(s, OTHER, "GET", "/v1/audit", NULL);
    json_t *r, *all = jget(a->json, "records");
    int n = 0;
    size_t i;
    json_array_foreach(all, i, r) n += strstr(jstr(r, "what"), what) &&
                                       strcmp(jstr(r, "result"), result) == 0 &&
                                       (!who || strcmp(jstr(r, "who"), who) == 0);
    answer_free(a);
    return n;
}

START_TEST(who_asks_is_told_what_it_may_and_admins_alone_the_rest)
{
    static const char *const paths[] = {"/v1/settings", "/v1/audit"};
    char *conf = NULL;
    add_token(&conf, "one", A_SUBMIT, "scopes = read, control\ntasks = echo, noop");
    add_token(&conf, "boss", OTHER, "scopes = admin");
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(status_of(s, A_SUBMIT, "GET", paths[i], NULL), 403);
        ck_assert_int_eq(status_of(s, OTHER, "GET", paths[i], NULL), 200);
    }
    struct answer *a = ask(s, A_SUBMIT, "GET", "/v1/caller", NULL);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "name"), "one");
    ck_assert_uint_eq(json_array_size(jget(a->json, "scopes")), 2);
    ck_assert_str_eq(jstr(a->json, "scopes.1"), "control");
    ck_assert_str_eq(jstr(a->json, "tasks.1"), "noop");
    ck_assert(!json_boolean_value(jget(a->json, "read_all")));
    answer_free(a);
    a = ask(s, OTHER, "GET", "/v1/caller", NULL);
    ck_assert_uint_eq(json_array_size(jget(a->json, "scopes")), 5);
    answer_free(a);
    /* what strangers try is in the log alone: it must not push out the rest */
    ck_assert_int_eq(status_of(s, "jm_0123456789012345678901234567890123456789012", "POST",
                               "/v1/tasks/echo/pause", NULL),
                     401);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", "/v1/tasks/echo/pause", NULL), 200);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "POST", "/v1/tasks/primes/pause", NULL), 403);
    /* a record is made once its request is over, which may be after its answer */
    eventually(audit_has(s, "one", "echo/pause", "ok") == 1, LONG_MS);
    eventually(audit_has(s, "one", "primes/pause", "forbidden") == 1, LONG_MS);
    ck_assert_int_eq(audit_has(s, NULL, "", "unauthorized"), 0);
    free(conf);
    server_free(s);
}
END_TEST

/* A lease's id alone does not make a job theirs who are for other tasks. */
START_TEST(who_is_for_some_tasks_touches_no_lease_of_another)
{
    static const char *const words[][2] = {
        {"heartbeat", "{}"}, {"complete", "{\"result\":1}"}, {"fail", "{\"error\":{}}"}};
    char *conf = strdup("[task near]\nkind = remote\n[task far]\nkind = remote\n");
    char path[128], body[256];
    add_token(&conf, "worker", A_WORK, "scopes = work, submit");
    add_token(&conf, "other", OTHER, "scopes = work\ntasks = near, noop");
    struct server *s = server_new(conf, NULL);
    ck_assert_int_eq(status_of(s, A_WORK, "POST", "/v1/jobs", "{\"task\":\"far\"}"), 202);
    struct answer *a = ask(s, A_WORK, "POST", "/v1/leases", "{\"duration\":600}");
    char *lease = strdup(jstr(a->json, "leases.0.id"));
    answer_free(a);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "/v1/leases/%s/%s", lease, words[i][0]);
        a = ask(s, OTHER, "POST", path, words[i][1]);
        ck_assert_int_eq(a->status, 403);
        ck_assert_str_eq(jstr(a->json, "code"), "forbidden");
        answer_free(a);
    }
    snprintf(path, sizeof(path), "/v1/leases/%s/input", lease);
    ck_assert_int_eq(status_of(s, OTHER, "GET", path, NULL), 403);
    ck_assert_int_eq(status_of(s, A_WORK, "GET", path, NULL), 200);
    snprintf(body, sizeof(body), "{\"max\":0,\"ended\":[{\"id\":\"%s\",\"result\":1}]}", lease);
    a = ask(s, OTHER, "POST", "/v1/leases", body);
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(jstr(a->json, "ended.0.error.code"), "forbidden");
    answer_free(a);
    a = ask(s, A_WORK, "POST", "/v1/leases", body);
    ck_assert_str_eq(jstr(a->json, "ended.0.state"), "succeeded");
    answer_free(a);
    free(lease);
    free(conf);
    server_free(s);
}
END_TEST

static void rewrite(struct server *s, const char *conf)
{
    server_configure(s, conf);
    server_signal(s, SIGHUP);
}

START_TEST(tokens_change_without_a_restart)
{
    char *conf = NULL;
    add_token(&conf, "one", A_SUBMIT, "scopes = read");
    struct server *s = server_new(conf, NULL);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "GET", "/v1/jobs", NULL), 200);
    ck_assert_int_eq(status_of(s, OTHER, "GET", "/v1/jobs", NULL), 401);
    char *next = NULL;
    add_token(&next, "one", OTHER, "scopes = read");
    rewrite(s, next);
    eventually(status_of(s, OTHER, "GET", "/v1/jobs", NULL) == 200, LONG_MS);
    ck_assert_int_eq(status_of(s, A_SUBMIT, "GET", "/v1/jobs", NULL), 401);
    s->errors_ok = true; /* a file that is wrong changes nothing */
    rewrite(s, "[token one]\nhash = x\n");
    char *log = NULL;
    eventually((free(log), log = server_log(s), strstr(log, "nothing is changed") != NULL),
               LONG_MS);
    ck_assert_int_eq(status_of(s, OTHER, "GET", "/v1/jobs", NULL), 200);
    free(log);
    rewrite(s, conf);
    eventually(status_of(s, A_SUBMIT, "GET", "/v1/jobs", NULL) == 200, LONG_MS);
    free(conf);
    free(next);
    server_free(s);
}
END_TEST

/* The record of an act in the log, which holds all of `words`. */
static bool told(struct server *s, const char *const *words)
{
    char *log = server_log(s), *save = NULL;
    bool found = false;
    for (char *l = strtok_r(log, "\n", &save); l && !found; l = strtok_r(NULL, "\n", &save)) {
        found = strstr(l, "audit") != NULL;
        for (size_t i = 0; words[i] && found; i++)
            found = strstr(l, words[i]) != NULL;
    }
    free(log);
    return found;
}
#define TOLD(...) eventually(told(s, (const char *const[]){__VA_ARGS__, NULL}), LONG_MS)

START_TEST(every_act_of_control_is_told)
{
    char *conf = all_tokens(), path[100], body[100];
    struct server *s = server_new(conf, NULL);
    struct answer *a = ask(s, A_ADMIN, "POST", "/v1/jobs", "{\"task\":\"noop\",\"delay\":3600}");
    ck_assert_int_eq(a->status, 202);
    char *id = strdup(jstr(a->json, "id"));
    answer_free(a);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", path, NULL), 200);
    TOLD("\"act\":\"cancel\"", "\"who\":\"admin\"", path, "\"result\":\"ok\"");
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", path, NULL), 200);
    snprintf(path, sizeof(path), "/v1/jobs/%s/retry", id);
    ck_assert_int_lt(status_of(s, A_ADMIN, "POST", path, NULL), 300);
    TOLD("\"act\":\"retry\"", path);
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    eventually(status_of(s, A_ADMIN, "DELETE", path, NULL) == 204, LONG_MS);
    TOLD("\"act\":\"delete\"", path, "\"result\":\"ok\"");
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/tasks/noop/pause", NULL), 200);
    TOLD("\"act\":\"pause\"", "\"who\":\"control\"", "/v1/tasks/noop/pause");
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", "/v1/pools/default/resume", NULL), 200);
    TOLD("\"act\":\"resume\"", "/v1/pools/default/resume");
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", "/v1/jobs/cancel?task=noop", NULL), 200);
    TOLD("\"act\":\"cancel\"", "task=noop", "\"changed\":0");
    snprintf(body, sizeof(body), CRON, "night");
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", "/v1/schedules", body), 200);
    TOLD("\"act\":\"schedule\"", "/v1/schedules/night");
    /* what failed, and who was refused */
    ck_assert_int_eq(status_of(s, A_CONTROL, "POST", "/v1/pools/none/pause", NULL), 404);
    TOLD("\"act\":\"pause\"", "/v1/pools/none/pause", "\"status\":404");
    ck_assert_int_eq(status_of(s, A_READ, "POST", "/v1/tasks/noop/pause", NULL), 403);
    TOLD("\"who\":\"read\"", "\"result\":\"forbidden\"");
    ck_assert_int_eq(status_of(s, OLD, "GET", "/v1/jobs", NULL), 401);
    TOLD("\"who\":\"\"", "\"result\":\"unauthorized\"");
    server_signal(s, SIGHUP);
    TOLD("\"act\":\"reload\"", "\"result\":\"ok\"");
    /* reading is no act */
    ck_assert_int_eq(status_of(s, A_READ, "GET", "/v1/pools", NULL), 200);
    ck_assert_int_eq(status_of(s, A_ADMIN, "POST", "/v1/pools/default/pause", NULL), 200);
    TOLD("\"act\":\"pause\"", "/v1/pools/default/pause"); /* what came before is told by now */
    ck_assert(!told(s, (const char *const[]){"\"who\":\"read\"", "\"/v1/pools\"", NULL}));
    free(id);
    free(conf);
    server_free(s);
}
END_TEST

static void has_header(const struct answer *a, const char *name, const char *want)
{
    char got[200];
    ck_assert_msg(answer_header(a, name, got, sizeof(got)), "%d without %s:\n%s", a->status, name,
                  a->head);
    ck_assert_str_eq(got, want);
}

/* What goes wrong too, and what comes without a body. */
START_TEST(every_answer_tells_browsers_what_it_is)
{
    static const struct {
        const char *method, *path;
        int status;
        bool as_reader;
    } asked[] = {
        {"GET", "/v1/jobs", 200, true},         {"GET", "/v1/jobs", 401, false},
        {"POST", "/v1/jobs", 403, true},        {"GET", "/nowhere", 404, false},
        {"PUT", "/v1/jobs", 405, false},        {"GET", "/healthz", 200, false},
        {"OPTIONS", "/v1/jobs", 204, false},    {"GET", "/metrics", 200, true},
        {"GET", "/v1/jobs/none/x", 404, false}, {"GET", "/docs", 200, false},
    };
    char *conf = all_tokens();
    struct server *s = server_new(conf, NULL);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct answer *a =
            ask(s, asked[i].as_reader ? A_READ : NULL, asked[i].method, asked[i].path, NULL);
        ck_assert_int_eq(a->status, asked[i].status);
        has_header(a, "X-Content-Type-Options", "nosniff");
        has_header(a, "X-Frame-Options", "DENY");
        has_header(a, "Referrer-Policy", "no-referrer");
        has_header(a, "Cross-Origin-Resource-Policy", "same-origin");
        has_header(a, "Cache-Control", asked[i].as_reader ? "no-store" : "no-cache");
        answer_free(a);
    }
    free(conf);
    server_free(s);
}
END_TEST

START_TEST(the_outside_needs_tokens)
{
    char out[4096];
    const char *bare[] = {"serve", "--listen", "0.0.0.0:0", "--data-dir", "/nonexistent/x", NULL};
    ck_assert_int_eq(run_binary(bare, out, sizeof(out)), 78);
    ck_assert_ptr_nonnull(strstr(out, "jobmill token"));
    const char *wrong[] = {"[token A]\nhash = x\n",
                           "[token a]\nscopes = read\n",
                           "[token a]\nhash = sha256:00\nscopes = read\n",
                           "[token a]\nscopes = all\n",
                           "[token a]\nexpires = soon\n",
                           "[token a]\nx = 1\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *check[] = {"check-config", "--config", conf_file(wrong[i]), NULL};
        ck_assert_int_eq(run_binary(check, out, sizeof(out)), 78);
    }
}
END_TEST

/* A file may say another address and no tokens; the socket is the one of the start. */
START_TEST(the_outside_keeps_its_tokens)
{
    char *conf = strdup("[server]\nadmin_listen = 0.0.0.0:0\n");
    add_token(&conf, "admin", A_ADMIN, "scopes = admin");
    struct server *s = server_new(conf, NULL);
    s->errors_ok = true;
    rewrite(s, "[server]\nadmin_listen = 127.0.0.1:0\n");
    TOLD("\"act\":\"reload\"", "\"result\":\"failed\"", "until a restart admin_listen = 0.0.0.0:0");
    ck_assert_int_eq(status_of(s, NULL, "GET", "/v1/jobs", NULL), 401);
    rewrite(s, "[server]\nadmin_listen = 127.0.0.1:0\ninsecure = yes\n");
    TOLD("\"act\":\"reload\"", "\"result\":\"ok\"");
    ck_assert_int_eq(status_of(s, NULL, "GET", "/v1/jobs", NULL), 200);
    free(conf);
    server_free(s);
}
END_TEST

static bool file_holds(const char *path, const char *word)
{
    FILE *f = fopen(path, "rb");
    char *data = f ? malloc(1 << 22) : NULL;
    size_t n = data ? fread(data, 1, 1 << 22, f) : 0;
    bool found = n > 0 && memmem(data, n, word, strlen(word)) != NULL;
    free(data);
    if (f)
        fclose(f);
    return found;
}

START_TEST(no_token_shows_anywhere)
{
    char *conf = all_tokens(), path[600];
    struct server *s = server_new(conf, NULL);
    free(submit_as(s, A_SUBMIT, "{\"task\":\"noop\"}", NULL));
    struct answer *a = ask(s, "jm_secretly_wrong", "GET", "/v1/jobs", NULL);
    ck_assert_ptr_null(strstr(a->body, "jm_secretly_wrong"));
    answer_free(a);
    static const char *const files[] = {"data/jobmill.db", "data/jobmill.db-wal", "log"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", s->dir, files[i]);
        ck_assert_msg(!file_holds(path, A_SUBMIT) && !file_holds(path, "jm_secretly"), "%s", path);
    }
    pid_t pid[64];
    size_t n = descendants(s->pid, pid, 63);
    pid[n++] = s->pid;
    for (size_t i = 0; i < n; i++) {
        static const char *const parts[] = {"environ", "cmdline"};
        for (size_t k = 0; k < 2; k++) {
            snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid[i], parts[k]);
            ck_assert_msg(!file_holds(path, A_SUBMIT), "%s", path);
        }
    }
    free(conf);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_route_wants_its_scope,
        tokens_change_without_a_restart,
        every_act_of_control_is_told,
        every_answer_tells_browsers_what_it_is,
        the_outside_needs_tokens,
        the_outside_keeps_its_tokens,
        who_is_for_some_tasks_touches_no_lease_of_another,
        no_token_shows_anywhere,
        who_asks_is_told_what_it_may_and_admins_alone_the_rest,
    };
    return run_suite("auth", tests, sizeof(tests) / sizeof(tests[0]));
}
