/*
 * fuzz_query.c - libFuzzer: any bytes as the query string of a list: a filter that the store can be
 * asked with, or a refusal with a reason; and the address of the next page is one that is read back
 * to the same filter.
 */
#include "../../common/log.h"
#include "../../server/conf.h"
#include "../../server/http/api_list.h"
#include "../../server/http/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static struct conf conf;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* 0: *f is filled and *rq holds what it points to. */
static int read_filter(const char *text, struct request *rq, struct job_filter *f,
                       struct problem *p)
{
    *rq = (struct request){.query = calloc(1, sizeof(struct query))};
    *f = (struct job_filter){0};
    *p = (struct problem){0};
    must(rq->query != NULL);
    int err = query_parse(rq->query, text);
    if (err)
        return problem_set(p, -err, "no query");
    err = list_filter(rq, f, p);
    return err ? err : list_cursor(rq, f, p);
}

static void drop(struct request *rq)
{
    query_release(rq->query);
    free(rq->query);
    buf_release(&rq->reply.headers);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_next(struct request *rq, const struct job_filter *f)
{
    struct request again;
    struct job_filter g;
    struct problem p;
    struct buf out = BUF_INIT, text = BUF_INIT;
    struct job_page page = {.more = true, .last = f->before};
    list_next(rq, "/v1/jobs", f, &page, &out);
    must(!out.failed && out.len > 12 && memcmp(out.data, "\"/v1/jobs?", 10) == 0);
    buf_add(&text, out.data + 10, out.len - 11);
    must(read_filter(text.data, &again, &g, &p) == 0);
    must(g.state == f->state && g.limit == f->limit && same(g.task, f->task) &&
         same(g.tag, f->tag) && g.from_us == f->from_us && g.until_us == f->until_us &&
         g.has_before && id_equal(&g.before, &f->before) && !g.group == !f->group);
    must(!g.group || id_equal(g.group, f->group));
    drop(&again);
    buf_release(&out);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct request rq;
    struct job_filter f;
    struct problem p;
    if (!http_conf) {
        struct buf why = BUF_INIT;
        char *argv[] = {(char *)"serve", NULL};
        must(conf_load(&conf, 1, argv, &why) == 0);
        http_conf = &conf;
        log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "fuzz");
    }
    char *text = malloc(len + 1);
    must(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    int err = read_filter(text, &rq, &f, &p);
    must(err <= 0 && (err == 0) == (p.err == 0) && (!err || p.detail[0]));
    if (!err) {
        must(f.limit >= 1 && f.limit <= 1000 && f.state >= -1 && f.state < JOB_STATES);
        must(!f.tag || (f.tag[0] && strlen(f.tag) <= JOB_TAG_MAX));
        check_next(&rq, &f);
    }
    drop(&rq);
    free(text);
    return 0;
}
