/*
 * check_oom.c - the way from a request's body to a job while the n-th allocation fails, of ours and
 * of jansson's, for every n until a run meets none. Single thread.
 *
 * A job as it should be, or -ERR_NOMEM with a problem to tell: no other refusal, no crash, and
 * under ASan no leak; memory for bodies is given back.
 */
#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "../server/conf.h"
#include "../server/http/json.h"
#include "../server/http/request.h"
#include "../server/http/submit.h"
#include "../server/reader.h"
#include "../server/tree.h"
#include "crashvfs.h"
#include "suite.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct conf conf;

static void setup(void)
{
    static const char settings[] = "[task a]\ncommand = /bin/true\n"
                                   "[task b]\ncommand = /bin/true\ninput_schema = ";
    static const char schema[] = "{\"type\":\"object\",\"required\":[\"n\"],"
                                 "\"properties\":{\"n\":{\"type\":\"integer\",\"maximum\":9}}}";
    AUTO_BUF why = BUF_INIT;
    char path[64];
    int fd = memfd_create("conf", 0), of_schema = memfd_create("schema", 0), board_fd;
    ck_assert_int_eq(write(of_schema, schema, sizeof(schema) - 1), sizeof(schema) - 1);
    ck_assert_int_gt(dprintf(fd, "%s/proc/self/fd/%d\n", settings, of_schema), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    char *argv[] = {(char *)"serve", (char *)"--config", path, NULL};
    tree_setup();
    json_object_seed(1); /* not from a file, whose buffer is the library's */
    int err = conf_load(&conf, 3, argv, &why);
    ck_assert_msg(err == 0, "%s", why.data ? why.data : "");
    struct board *board = board_new(conf.defs.slots, &board_fd);
    ck_assert_ptr_nonnull(board);
    ck_assert_int_eq(reader_start(NULL, board, &conf.defs), 0);
    http_conf = &conf;
    clock_fake(INT64_C(1795000000000000), 1); /* `expires_at` is to come */
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "test");
    close(fd);
    close(of_schema);
}

static void teardown(void)
{
    conf_release(&conf);
}

enum way { ONE, BATCH, LINE, QUERY };

static const struct {
    enum way way;
    int err; /* without faults */
    const char *body;
} bodies[] = {
    {ONE, 0,
     "{\"task\":\"a\",\"input\":{\"n\":[1,2,{\"x\":\"y\"}]},\"priority\":5,\"delay\":1.5,\"tags\":"
     "[\"x\",\"y\"],\"timeout\":30,\"max_attempts\":2,\"expires_at\":\"2030-01-01T00:00:00Z\","
     "\"depends_on\":[\"01a206c9-3464-7000-93c5-f3a31ec3a416\"],\"concurrency_key\":\"k\","
     "\"callback_url\":\"https://example.org/x\"}"},
    {ONE, 0, "{\"task\":\"b\",\"input\":{\"n\":3}}"},
    {ONE, ERR_INVALID_INPUT, "{\"task\":\"b\",\"input\":{\"n\":30}}"},
    {ONE, ERR_UNKNOWN_FIELD, "{\"task\":\"a\",\"tusk\":1}"},
    {ONE, ERR_UNKNOWN_TASK, "{\"task\":\"c\"}"},
    {ONE, ERR_BAD_JSON, "{\"task\":\"a\",}"},
    {BATCH, 0,
     "{\"jobs\":[{\"task\":\"a\",\"ref\":\"x\",\"input\":1},{\"task\":\"a\",\"depends_on\":[\"x\"]"
     ",\"input\":\"two\"},{\"task\":\"b\",\"input\":{\"n\":1}}]}"},
    {LINE, 0, "{\"task\":\"a\",\"ref\":\"q\",\"input\":[1]}"},
    {QUERY, 0, "state=queued&task=a&tag=x%20y&limit=5"},
};

static int submit_body(enum way way, struct change *c, const char *body, struct problem *p)
{
    if (way == ONE)
        return submit_json(c, body, strlen(body), p);
    if (way == BATCH)
        return submit_batch(c, body, strlen(body), p);
    if (way == QUERY) {
        struct query q;
        int err = query_parse(&q, body);
        query_release(&q);
        return err ? problem_set(p, -err, "no query") : 0;
    }
    struct submit_lines *l = submit_lines_new();
    int err =
        l ? submit_line(l, c, body, strlen(body), 0, p) : problem_set(p, ERR_NOMEM, "no memory");
    submit_lines_free(l);
    return err;
}

/* One run; true: it met the fault. */
static bool run(int at, long n, long lasting)
{
    struct change c = {0};
    struct problem p = {0};
    job_init(&c.one.job);
    crashvfs_fail(CRASH_MEMORY, n, lasting, false);
    int err = submit_body(bodies[at].way, &c, bodies[at].body, &p);
    bool hit = crashvfs_hit();
    crashvfs_fail(0, 0, 0, false);
    ck_assert_int_eq(p.err, -err);
    ck_assert_msg(err == -bodies[at].err || (hit && err == -ERR_NOMEM),
                  "body %d, allocation %ld: %d %s", at, n, err, p.detail);
    AUTO_BUF told = BUF_INIT;
    if (err)
        problem_json(&p, NULL, &told);
    ck_assert(!err || (told.len > 0 && !told.failed));
    if (!err && bodies[at].way == ONE) /* nothing was left out for want of memory */
        ck_assert(c.one.job.input.len > 0 && !c.one.job.input.failed && !c.one.job.tags.failed);
    change_release(&c);
    ck_assert(request_charge(conf.body_memory));
    request_discharge(conf.body_memory);
    return hit;
}

START_TEST(each_allocation_fails)
{
    long met = 0;
    for (int at = 0; at < (int)(sizeof(bodies) / sizeof(bodies[0])); at++) {
        ck_assert(!run(at, LONG_MAX, 1));
        long n = 1;
        while (run(at, n, 1) && n < 10000)
            n++;
        for (long k = 1; k < n; k++)
            ck_assert(run(at, k, LONG_MAX));
        ck_assert_int_lt(n, 10000);
        met += n - 1;
    }
    ck_assert_int_gt(met, 100);
}
END_TEST

int main(void)
{
    return SUITE("oom", setup, teardown, each_allocation_fails);
}
