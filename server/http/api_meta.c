/*
 * api_meta.c - what the service says of itself: figures, probes, its contract, where things are.
 * HTTP threads.
 */
#include "api.h"
#include "json.h"
#include "request.h"

#include "../../common/clock.h"
#include "../../common/embed.h"
#include "../../common/err.h"
#include "../conf.h"
#include "../conf_limits.h"
#include "../conf_machine.h"
#include "../reader.h"
#include "../waiters.h"
#include "../writer.h"

#include <inttypes.h>
#include <string.h>

static uint32_t load32(const _Atomic uint32_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* ---- /v1/stats ---- */

static void add_pools(struct buf *out)
{
    const struct taskdefs *defs = reader_tasks();
    const struct board *board = reader_board();
    int64_t now_us = clock_mono_us();
    for (uint32_t i = 0; i < defs->pools; i++) {
        const struct board_pool *b = &board->pool[i];
        int64_t retry_us = atomic_load_explicit(&b->retry_at_us, memory_order_relaxed);
        buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
        json_text(out, defs->pool[i].name);
        buf_addf(out,
                 ",\"workers\":%" PRIu32 ",\"live\":%" PRIu32 ",\"busy\":%" PRIu32
                 ",\"failures\":%" PRIu32 ",\"deaths\":%" PRIu64,
                 load32(&b->workers), load32(&b->live), load32(&b->busy), load32(&b->failures),
                 atomic_load_explicit(&b->deaths, memory_order_relaxed));
        if (retry_us > now_us) {
            buf_adds(out, ",\"retry_in\":");
            json_seconds(out, retry_us - now_us);
        }
        buf_addc(out, '}');
    }
}

static void add_writer(struct buf *out)
{
    struct writer_figures w;
    writer_figures(&w);
    buf_addf(out,
             "{\"commits\":%" PRIu64 ",\"submitted\":%" PRIu64 ",\"finished\":%" PRIu64
             ",\"claimed\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"refused\":%" PRIu64
             ",\"waiting\":%zu,\"last_batch\":%" PRIu64 ",\"commit_seconds\":",
             w.commits, w.submitted, w.finished, w.claimed, w.replayed, w.refused, w.waiting,
             w.last_batch);
    json_seconds(out, (int64_t)w.commit_us_sum);
    buf_adds(out, ",\"commit_seconds_max\":");
    json_seconds(out, (int64_t)w.commit_us_max);
    buf_addc(out, '}');
}

static void add_http(struct buf *out)
{
    struct http_figures h;
    http_figures(&h);
    buf_addf(out,
             "{\"requests\":%" PRIu64 ",\"responses_4xx\":%" PRIu64 ",\"responses_5xx\":%" PRIu64
             ",\"connections\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"cut\":%" PRIu64
             ",\"refused_guard\":%" PRIu64 "}",
             h.requests, h.responses_4xx, h.responses_5xx, h.connections, h.waiting, h.cut,
             h.refused_guard);
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

static void add_machine(struct buf *out)
{
    const struct machine *m = &reader_tasks()->machine;
    buf_addf(out,
             "{\"strongest\":\"%s\",\"seccomp\":%s,\"landlock\":%d,\"user_namespaces\":%s,"
             "\"namespaces\":%s,\"other_user\":%s,\"cgroup\":%s}",
             limits_level_name(conf_strongest(m)), truth(m->seccomp), m->landlock,
             truth(m->user_namespace), truth(m->namespaces), truth(m->own_user),
             truth(m->cgroup[0] != '\0'));
}

void api_meta_stats(struct request *rq)
{
    struct job_counts counts;
    struct store_sizes sizes;
    uint64_t busy = 0, live = 0;
    uint32_t total = 0;
    if (!request_no_params(rq))
        return;
    int err = reader_counts(NULL, &counts);
    if (err) {
        request_error(rq, err);
        return;
    }
    reader_sizes(&sizes);
    for (uint32_t i = 0; i < reader_tasks()->pools; i++) {
        busy += load32(&reader_board()->pool[i].busy);
        live += load32(&reader_board()->pool[i].live);
        total += load32(&reader_board()->pool[i].workers);
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"version\":\"" JOBMILL_VERSION "\",\"uptime\":");
    json_seconds(out, clock_mono_us() - http_started_us());
    size_t steady = out->len; /* from here on … */
    buf_adds(out, ",\"jobs\":");
    json_counts(out, counts.state);
    buf_addf(out,
             ",\"queue_depth\":%" PRIu64 ",\"workers\":{\"total\":%" PRIu32 ",\"live\":%" PRIu64
             ",\"busy\":%" PRIu64 "},\"pools\":[",
             counts.state[JOB_QUEUED], total, live, busy);
    add_pools(out);
    size_t moving = out->len; /* … to here nothing moves while nothing is done */
    buf_adds(out, "],\"writer\":");
    add_writer(out);
    buf_adds(out, ",\"http\":");
    add_http(out);
    buf_addf(out,
             ",\"store\":{\"db_bytes\":%" PRIu64 ",\"wal_bytes\":%" PRIu64
             "},\"waiters\":%zu,\"sandbox\":",
             sizes.db, sizes.wal, waiters_count());
    add_machine(out);
    buf_adds(out, "}\n");
    struct writer_figures done;
    AUTO_BUF matters = BUF_INIT;
    writer_figures(&done);
    buf_add(&matters, out->data ? out->data + steady : "", moving - steady);
    buf_addf(&matters, "%" PRIu64 " %" PRIu64, done.submitted, done.finished);
    if (!matters.failed)
        request_with_weak_etag_of(rq, matters.data, matters.len);
}

/* ---- probes ---- */

/* Asks nothing of the store: an answer means that the HTTP threads turn. */
void api_meta_health(struct request *rq)
{
    if (request_no_params(rq))
        buf_adds(request_json(rq, 200), "{\"status\":\"ok\"}\n");
}

static void add_reason(struct buf *out, const char *fmt, const char *name)
{
    buf_adds(out, out->len ? "; " : "");
    buf_addf(out, fmt, name);
}

/* Why work that is submitted now would not be begun soon; empty: it would. */
static void find_reasons(struct buf *out)
{
    const struct taskdefs *defs = reader_tasks();
    const struct board *board = reader_board();
    int64_t now_us = clock_mono_us();
    if (http_draining() || load32(&board->draining))
        buf_adds(out, "the service is shutting down");
    if (!load32(&board->loaded))
        add_reason(out, "the tasks are still being loaded%s", "");
    for (uint32_t i = 0; i < defs->pools; i++) {
        const struct board_pool *b = &board->pool[i];
        if (atomic_load_explicit(&b->retry_at_us, memory_order_relaxed) > now_us)
            add_reason(out, "workers of the pool `%s` die at birth again and again",
                       defs->pool[i].name);
        else if (load32(&b->live) == 0)
            add_reason(out, "the pool `%s` has no live worker", defs->pool[i].name);
    }
}

void api_meta_ready(struct request *rq)
{
    AUTO_BUF why = BUF_INIT;
    struct problem p;
    if (!request_no_params(rq))
        return;
    find_reasons(&why);
    if (why.failed) {
        request_error(rq, -ERR_NOMEM);
    } else if (why.len > 0) {
        problem_set(&p, ERR_NOT_READY, "%s", why.data);
        p.retry_after = 1;
        request_problem(rq, &p);
    } else {
        buf_adds(request_json(rq, 200), "{\"status\":\"ready\"}\n");
    }
}

/* ---- the contract and the index ---- */

void api_meta_contract(struct request *rq)
{
    if (!request_no_params(rq))
        return;
    const struct embed *file = embed_find("api.yaml");
    if (!file) {
        request_error(rq, -ERR_NOT_FOUND);
        return;
    }
    rq->reply.status = 200;
    rq->reply.type = "application/yaml";
    rq->reply.fixed = file->data;
    rq->reply.fixed_len = file->len;
}

void api_meta_index(struct request *rq)
{
    if (!request_no_params(rq) || assets_page(rq))
        return;
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"name\":\"jobmill\",\"version\":\"" JOBMILL_VERSION "\",\"routes\":[");
    for (size_t i = 0; i < route_count; i++)
        buf_addf(out, "%s\n{\"method\":\"%s\",\"path\":\"%s\"}", i ? "," : "",
                 route_table[i].method == METHOD_POST     ? "POST"
                 : route_table[i].method == METHOD_DELETE ? "DELETE"
                                                          : "GET",
                 route_table[i].pattern);
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}
