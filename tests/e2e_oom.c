/*
 * e2e_oom.c - the real service while the n-th allocation after a request's arrival fails, in any
 * thread and any library, or many from the n-th on: for every n until a request meets none
 * (JOBMILL_ROUNDS; else for some). It answers as ever, or with 503, or ends the connection; it
 * lives on, and what it acknowledged is there.
 */
#include "harness.h"

#include "tasks/failalloc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST    4000 /* allocations of one request, and of what it sets going; there are fewer */
#define KEPT    20000
#define LASTING 50 /* allocations that fail in a row, in the second form */

static struct failalloc *f;
static char (*kept)[40];
static int kept_count;
static long met, answered, refused, ended;

static void arm(struct server *s, long at, long lasting)
{
    atomic_store(&f->at, 0);
    atomic_store(&f->count, 0);
    atomic_store(&f->hits, 0);
    atomic_store(&f->pid, s->pid);
    atomic_store(&f->lasting, lasting);
    atomic_store(&f->at, at);
}

static struct server *started(void)
{
    char object[4200];
    const char *path = own_path("failalloc");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(*f)), 0);
    f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert(f != MAP_FAILED);
    close(fd);
    const char *build = getenv("JOBMILL_BUILD");
    char *dir = realpath(build ? build : "build", NULL);
    ck_assert_ptr_nonnull(dir);
    snprintf(object, sizeof(object), "%s/tests/tasks/failalloc.so", dir);
    free(dir);
    ck_assert_int_eq(access(object, R_OK), 0);
    setenv("FAILALLOC", path, 1);
    setenv("LD_PRELOAD", object, 1);
    struct server *s =
        server_new("[task far]\nkind = remote\n", (const char *const[]){"--workers", "2", NULL});
    unsetenv("LD_PRELOAD");
    unsetenv("FAILALLOC");
    unlink(path);
    s->errors_ok = true; /* it says that there is no memory */
    kept = calloc(KEPT, sizeof(*kept));
    ck_assert_ptr_nonnull(kept);
    return s;
}

struct call {
    const char *method, *path, *body;
    int status;
};

/* %s: a job that has ended. */
static const struct call calls[] = {
    {"GET", "/healthz", NULL, 200},
    {"GET", "/readyz", NULL, 200},
    {"GET", "/metrics", NULL, 200},
    {"GET", "/v1/stats", NULL, 200},
    {"GET", "/v1/workers", NULL, 200},
    {"GET", "/v1/tasks", NULL, 200},
    {"GET", "/v1/pools", NULL, 200},
    {"GET", "/docs", NULL, 200},
    {"GET", "/v1/jobs/%s", NULL, 200},
    {"GET", "/v1/jobs/%s/result", NULL, 200},
    {"GET", "/v1/jobs?limit=5&state=succeeded&tag=t", NULL, 200},
    {"GET", "/v1/jobs?ids=%s&wait=1", NULL, 200},
    {"POST", "/v1/jobs", "{\"task\":\"noop\"}", 202},
    {"POST", "/v1/jobs",
     "{\"task\":\"echo\",\"input\":{\"a\":[1,\"\\u00e4\",1.5e3]},\"tags\":[\"t\"]}", 202},
    {"POST", "/v1/jobs?wait=20", "{\"task\":\"echo\",\"input\":\"words\"}", 200},
    {"POST", "/v1/jobs",
     "{\"task\":\"noop\",\"depends_on\":[\"%s\"],\"unique\":{\"by\":\"input\"}}", 202},
    {"POST", "/v1/jobs", "{\"task\":\"noop\",", 400},
    {"POST", "/v1/jobs", "{\"task\":\"primes\",\"input\":{\"limit\":-1}}", 422},
    {"POST", "/v1/jobs/batch", "{\"jobs\":[{\"task\":\"noop\"},{\"task\":\"echo\",\"input\":1}]}",
     202},
    {"POST", "/v1/tasks/echo/jobs?tag=raw", "\"raw\"", 202},
    {"POST", "/v1/jobs/%s/retry", "", 409},
    {"POST", "/v1/jobs/%s/cancel", "", 409},
    {"POST", "/v1/tasks/noop/pause", "", 200},
    {"POST", "/v1/tasks/noop/resume", "", 200},
    {"POST", "/v1/schedules", "{\"name\":\"s\",\"cron\":\"0 3 * * *\",\"job\":{\"task\":\"noop\"}}",
     200},
    {"POST", "/v1/leases", "{\"tasks\":[\"far\"],\"wait\":0}", 200},
};

static void note(struct answer *a)
{
    const char *id = jstr(a->json, "id");
    if (a->status == 202 && *id && !jget(a->json, "jobs") && kept_count < KEPT)
        snprintf(kept[kept_count++], sizeof(kept[0]), "%s", id);
}

static bool is_over(const struct server *s)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid;
}

/* One request; true: it met the fault. */
static bool one(struct server *s, const struct call *c, const char *ended_job, long at,
                long lasting)
{
    char path[300], body[300];
    snprintf(path, sizeof(path), c->path, ended_job);
    snprintf(body, sizeof(body), c->body ? c->body : "", ended_job);
    arm(s, at, lasting);
    struct answer *a = http_try(s, c->method, path, c->body ? body : NULL, NULL);
    pause_ms(1); /* what it set going in other threads */
    atomic_store(&f->at, 0);
    bool hit = atomic_load(&f->hits) > 0;
    ck_assert_msg(!is_over(s), "%s %s, allocation %ld: the service ended", c->method, path, at);
    ck_assert_msg(a || hit, "%s %s: no answer", c->method, path);
    ck_assert_msg(!a || a->status == c->status || (hit && a->status == 503),
                  "%s %s, allocation %ld: %d %.300s", c->method, path, at, a->status, a->body);
    met += hit;
    answered += hit && a && a->status != 503;
    refused += hit && a && a->status == 503;
    ended += hit && !a;
    if (a)
        note(a);
    answer_free(a);
    return hit;
}

static void each(long lasting, long step)
{
    struct server *s = started();
    char id[40];
    struct answer *a = run_job(s, "{\"task\":\"echo\",\"input\":\"x\",\"tags\":[\"t\"]}");
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    answer_free(a);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        long n = 1, none = 0;
        for (int free_of = 0; free_of < 3 && n < MOST; n += step) {
            bool hit = one(s, &calls[i], id, n, lasting);
            free_of = hit ? 0 : free_of + 1;
            none += !hit;
        }
        ck_assert_int_lt(n, MOST);
        answer_free(get(s, "/healthz", 200));
    }
    printf("%ld failed allocations: %ld answered as ever, %ld refused with 503, %ld ended without "
           "an answer\n",
           met, answered, refused, ended);
    ck_assert_int_gt(refused, 0);
    answer_free(post(s, "/v1/tasks/noop/resume", "", 200));
    for (int i = 0; i < kept_count; i++)
        answer_free(await_state(s, kept[i], "succeeded"));
    server_kill9(s);
    server_restart(s);
    for (int i = 0; i < kept_count; i++)
        answer_free(await_state(s, kept[i], "succeeded"));
    printf("%d jobs acknowledged, all there\n", kept_count);
    server_free(s);
    free(kept);
}

START_TEST(each_allocation_fails_once)
{
    if (SANITIZED) { /* whose allocator is not to be replaced */
        puts("passed over");
        return;
    }
    each(1, getenv("JOBMILL_ROUNDS") ? 1 : 41);
}
END_TEST

START_TEST(many_fail_in_a_row)
{
    if (SANITIZED) {
        puts("passed over");
        return;
    }
    each(LASTING, getenv("JOBMILL_ROUNDS") ? 1 : 67);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {each_allocation_fails_once, many_fail_in_a_row};
    return run_suite("oom", tests, sizeof(tests) / sizeof(tests[0]));
}
