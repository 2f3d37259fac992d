/*
 * fuzz_submit.c - libFuzzer: any bytes as the body of a submission: one job, a batch, lines, a schedule,
 * or the query string of a raw one. It becomes jobs that keep every limit, or is refused with a
 * reason, and in either case no memory for bodies stays taken.
 */
#include "../../common/err.h"
#include "../../common/log.h"
#include "../../server/conf.h"
#include "../../server/http/request.h"
#include "../../server/http/submit.h"
#include "../../server/reader.h"
#include "../../server/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char settings[] =
    "[server]\nbody_memory = 1MiB\n"
    "[task a]\ncommand = /bin/true\nmax_attempts = 3\n"
    "[task b]\ncommand = /bin/true {input.x}\ninput = raw\n"
    "[task c]\ncommand = /bin/true\n";
static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"maximum\":9}}}";

static struct conf conf;

static void setup(void)
{
    struct buf why = BUF_INIT;
    char path[64];
    int fd = memfd_create("conf", 0), of_schema = memfd_create("schema", 0), board_fd;
    if (write(of_schema, schema, sizeof(schema) - 1) != (ssize_t)sizeof(schema) - 1 ||
        dprintf(fd, "%sinput_schema = /proc/self/fd/%d\n", settings, of_schema) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    char *argv[] = {(char *)"serve", (char *)"--config", path, NULL};
    if (conf_load(&conf, 3, argv, &why) != 0) {
        fprintf(stderr, "%s\n", why.data);
        abort();
    }
    struct board *board = board_new(conf.defs.slots, &board_fd);
    if (!board || reader_start(NULL, board, &conf.defs) != 0)
        abort();
    http_conf = &conf;
    tree_setup();
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "fuzz");
    close(fd);
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What the store relies on. */
static void check_job(const struct new_job *n)
{
    const struct job *j = &n->job;
    must(n->task_index < conf.defs.tasks);
    must(j->priority >= JOB_PRIORITY_MIN && j->priority <= JOB_PRIORITY_MAX);
    must(j->max_attempts >= 1 && j->max_attempts <= JOB_ATTEMPTS_MAX);
    must(j->timeout_us >= 0 && j->expires_us >= 0 && j->run_at_us >= 0);
    must(n->asked_delay_us >= -1 && n->asked_run_at_us >= 0);
    must(j->parents_count <= JOB_PARENTS_MAX && n->known <= j->parents_count);
    must(strlen(j->concurrency_key) <= JOB_CONCURRENCY_KEY_MAX);
    must(strlen(j->backoff) <= JOB_BACKOFF_MAX && j->callback_url.len <= JOB_URL_MAX);
    must(!j->input.failed && !j->tags.failed && !j->depends_on.failed);
    must(j->attempt == 0 && !j->cancel_requested && !j->has_result && !id_is_nil(&j->id));
    enum job_state state = submit_state(n, INT64_C(1700000000000000));
    must(state == JOB_QUEUED || state == JOB_SCHEDULED);
    must(submit_due(n, INT64_C(1700000000000000)) >= 0);
}

static int lines(struct change *c, const char *body, size_t len, struct problem *p)
{
    struct submit_lines *l = submit_lines_new();
    must(l != NULL);
    int err = 0;
    for (size_t number = 0; len && !err; number++) {
        const char *end = memchr(body, '\n', len);
        size_t n = end ? (size_t)(end - body) : len;
        err = submit_line(l, c, body, n, number, p);
        body += n + (end != NULL);
        len -= n + (end != NULL);
    }
    submit_lines_free(l);
    return err;
}

static int raw(struct change *c, const char *text, size_t len, struct problem *p)
{
    struct request rq = {0};
    struct query q;
    char copy[512];
    len = len < sizeof(copy) - 1 ? len : sizeof(copy) - 1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    int err = query_parse(&q, copy);
    if (err) {
        query_release(&q);
        return problem_set(p, -err, "no query");
    }
    rq.query = &q;
    rq.part = (struct route_part){.text = copy[0] & 1 ? "a" : "b", .len = 1};
    buf_adds(&rq.body, copy[len / 2] & 1 ? "{\"n\":1}" : "words");
    err = submit_raw(c, &rq, p);
    buf_release(&rq.body);
    query_release(&q);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct problem p = {0};
    struct change c = {0};
    if (!http_conf)
        setup();
    if (len == 0)
        return 0;
    job_init(&c.one.job);
    if (data[0] % 5 == 3) /* as its handler does */
        c.schedule = calloc(1, sizeof(*c.schedule));
    char *body = malloc(len);
    must(body != NULL);
    memcpy(body, data + 1, len - 1);
    body[len - 1] = '\0';
    int err = data[0] % 5 == 0   ? submit_json(&c, body, len - 1, &p)
              : data[0] % 5 == 1 ? submit_batch(&c, body, len - 1, &p)
              : data[0] % 5 == 2 ? lines(&c, body, len - 1, &p)
              : data[0] % 5 == 3 ? submit_schedule(&c, body, len - 1, &p)
                                 : raw(&c, body, len - 1, &p);
    must(err <= 0 && (err == 0) == (p.err == 0));
    must(!err || (p.err == -err && p.detail[0]));
    must(err != -ERR_NOMEM);
    if (!err && (data[0] % 5 == 0 || data[0] % 5 == 4))
        check_job(&c.one);
    for (size_t i = 0; i < c.items_count && !err; i++)
        check_job(&c.items[i]);
    change_release(&c);
    free(body);
    must(request_charge(conf.body_memory)); /* nothing stayed taken */
    request_discharge(conf.body_memory);
    return 0;
}
