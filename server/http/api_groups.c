/*
 * api_groups.c - jobs submitted together: all or none in one commit, their counts, and their
 * results in the order of submission. HTTP threads.
 */
#include "api.h"
#include "api_list.h"
#include "json.h"
#include "request.h"
#include "stream.h"
#include "submit.h"
#include "trace.h"

#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"

#include <stdio.h>
#include <string.h>

#define PAGE          1000
#define ITEMS_AT_ONCE 2000 /* told without going aside: a millisecond or two */

static bool read_group(struct request *rq, struct group *g)
{
    int err = reader_group(&rq->id, g);
    if (!err && caller_sees(&rq->caller, g->owner))
        return true;
    if (!err) { /* somebody else's: as if it were not there */
        group_release(g);
        err = -ERR_NO_GROUP;
    }
    if (err == -ERR_NO_GROUP) {
        char text[ID_TEXT];
        struct problem p;
        id_format(&rq->id, text);
        problem_set(&p, err, "there is no group %s", text);
        request_problem(rq, &p);
    } else {
        request_error(rq, err);
    }
    return false;
}

static bool read_id(struct request *rq)
{
    if (id_parse(&rq->id, rq->part.text, rq->part.len))
        return true;
    struct problem p;
    problem_set(&p, ERR_NO_GROUP, "`%.*s` is not the id of a group",
                (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
    request_problem(rq, &p);
    return false;
}

/* ---- submit ---- */

static void head(struct request *rq, struct buf *out, size_t total)
{
    buf_adds(out, "{\"id\":");
    json_id(out, &rq->id);
    buf_addf(out, ",\"total\":%zu,\"jobs\":[", total);
}

/* The jobs that the first request made and that are kept, in its order: `as_asked`, of whom this
 * request says how they were asked, or as they are now. */
static int tell_jobs(struct request *rq, bool as_asked, struct buf *out, size_t *told)
{
    const struct change *c = rq->change;
    struct job_filter f = {.state = -1, .group = &rq->id, .upward = true, .limit = PAGE};
    buf_clear(out);
    *told = 0;
    for (bool more = true; more;) {
        struct job_page page;
        int err = reader_list(&f, 0, 0, &page);
        if (err)
            return err;
        for (size_t i = 0; i < page.count; i++, (*told)++) {
            buf_adds(out, *told ? ",\n" : "\n");
            if (as_asked && *told < c->items_count)
                json_accepted(out, &c->items[*told], &page.jobs[i], NULL, 0);
            else
                json_job_now(out, &page.jobs[i]);
        }
        more = page.more;
        f.before = page.last;
        f.has_before = true;
        job_page_release(&page);
    }
    return 0;
}

/* Is each job of the request one of the group, and kept? Then the n-th is the n-th. */
static bool is_whole(struct request *rq)
{
    struct group g;
    uint64_t jobs = 0;
    if (reader_group(&rq->id, &g) != 0)
        return false;
    for (int i = 0; i < JOB_STATES; i++)
        jobs += g.state[i];
    group_release(&g);
    return jobs == rq->change->items_count;
}

static int replay(struct request *rq, struct buf *out)
{
    AUTO_BUF jobs = BUF_INIT;
    size_t told;
    int err = tell_jobs(rq, true, &jobs, &told);
    if (!err && !is_whole(rq)) /* asked after they were read: none was missing then */
        err = tell_jobs(rq, false, &jobs, &told);
    if (err || jobs.failed)
        return err ? err : -ERR_NOMEM;
    head(rq, out, told);
    buf_add(out, jobs.data, jobs.len);
    return 0;
}

static void answer_submitted(struct request *rq)
{
    const struct change *c = rq->change;
    struct buf *out = request_json(rq, 202);
    int err = 0;
    if (c->replayed_group)
        err = replay(rq, out);
    else
        head(rq, out, submit_count_new(c));
    for (size_t i = 0; i < c->items_count && !c->replayed_group; i++) {
        buf_adds(out, i ? ",\n" : "\n");
        if (c->items[i].duplicate)
            json_job_now(out, &c->items[i].job);
        else
            json_accepted(out, &c->items[i], &c->items[i].job, NULL, 0);
    }
    buf_adds(out, "]}\n");
    if (err)
        request_error(rq, err);
}

static void answer_group(struct request *rq)
{
    struct group g;
    if (!read_group(rq, &g))
        return;
    bool post = rq->route->method == METHOD_POST;
    struct buf *out = request_json(rq, post && !g.finished_us ? 202 : 200);
    json_group(out, &g);
    if (g.callback_url.len && out->len > 0) { /* into the object */
        size_t mark = --out->len;
        buf_adds(out, ",\"deliveries\":");
        if (!json_deliveries(out, &g.id))
            out->len = mark;
        buf_addc(out, '}');
    }
    buf_addc(out, '\n');
    group_release(&g);
    if (!post)
        request_with_etag(rq);
}

/* Begins to wait for the group, unless it has ended already. */
static void wait_or_answer(struct request *rq)
{
    struct group g;
    if (!read_group(rq, &g))
        return;
    bool done = g.finished_us > 0;
    group_release(&g);
    if (done) {
        answer_group(rq);
        return;
    }
    request_wait(rq, answer_group);
    if (!rq->parked)
        return;
    done = reader_group(&rq->id, &g) != 0 || g.finished_us > 0; /* asked again when resumed */
    group_release(&g);
    if (done)
        request_wait_not(rq);
}

static void submitted(struct request *rq)
{
    const struct change *c = rq->change;
    char text[ID_TEXT];
    if (c->err) {
        refuse_change(rq);
        return;
    }
    rq->id = c->group;
    id_format(&rq->id, text);
    request_add_header(rq, "Location", "/v1/groups/%s", text);
    if (c->replayed_group)
        request_add_header(rq, "Idempotency-Replayed", "true");
    if (rq->wait_us == 0 && c->items_count > ITEMS_AT_ONCE)
        request_aside(rq, answer_submitted);
    else if (rq->wait_us == 0)
        answer_submitted(rq);
    else if (c->replayed_group)
        wait_or_answer(rq);
    else
        answer_group(rq);
}

/* A stream's answer is the group: its jobs may be a million. */
static void streamed(struct request *rq)
{
    char text[ID_TEXT];
    rq->id = rq->change->group;
    id_format(&rq->id, text);
    request_add_header(rq, "Location", "/v1/groups/%s", text);
    if (rq->change->replayed_group)
        request_add_header(rq, "Idempotency-Replayed", "true");
    if (rq->change->replayed_group && rq->wait_us > 0)
        wait_or_answer(rq);
    else
        answer_group(rq);
}

static void submit_all(struct request *rq)
{
    struct problem p = {0};
    if (http_draining()) {
        request_error(rq, -ERR_DRAINING);
        return;
    }
    struct change *c = request_change(rq, CHANGE_BATCH);
    if (!c)
        return;
    bool validate_only = false;
    int err = request_read_wait(rq, &p);
    if (!err)
        err = submit_validate_only(rq, &validate_only, &p);
    if (!err)
        err = submit_key(c, request_header(rq, "Idempotency-Key"), &p);
    if (!err)
        err = request_no_more_params(rq, &p);
    if (!err)
        err = submit_batch(c, rq->body.data, rq->body.len, &p);
    if (!err && validate_only)
        err = submit_check_parents(c, PLACE_POINTER, &p);
    if (err) {
        request_problem(rq, &p);
        return;
    }
    if (validate_only) {
        rq->reply.status = 204;
        return;
    }
    trace_take(c, request_header(rq, "traceparent"));
    request_commit(rq, &c->group, submitted);
}

void api_groups_submit(struct request *rq)
{
    if (rq->stream)
        stream_end(rq, streamed);
    else
        submit_all(rq);
}

/* ---- get ---- */

void api_groups_get(struct request *rq)
{
    struct problem p = {0};
    if (!read_id(rq))
        return;
    if (request_read_wait(rq, &p) || request_no_more_params(rq, &p))
        request_problem(rq, &p);
    else if (rq->wait_us > 0)
        wait_or_answer(rq);
    else
        answer_group(rq);
}

void api_groups_results(struct request *rq)
{
    struct job_filter f = {.state = -1, .group = &rq->id, .upward = true};
    struct problem p = {0};
    struct job_page page;
    struct group g;
    char path[64], text[ID_TEXT];
    size_t share = http_conf->body_memory / 8;
    f.bytes = share < RESULTS_BYTES ? share : RESULTS_BYTES;
    if (!read_id(rq))
        return;
    if (list_cursor(rq, &f, &p)) {
        request_problem(rq, &p);
        return;
    }
    if (!read_group(rq, &g))
        return;
    group_release(&g);
    int err = reader_list(&f, READ_RESULT, http_conf->inline_max, &page);
    if (err) {
        request_error(rq, err);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"results\":[");
    for (size_t i = 0; i < page.count; i++) {
        buf_adds(out, i ? ",\n" : "\n");
        json_outcome(out, &page.jobs[i]);
    }
    buf_adds(out, "],\"next\":");
    id_format(&rq->id, text);
    snprintf(path, sizeof(path), "/v1/groups/%s/results", text);
    list_next(rq, path, &f, &page, out);
    buf_adds(out, "}\n");
    job_page_release(&page);
    request_with_etag(rq);
}
