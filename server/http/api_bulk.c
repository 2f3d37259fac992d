/*
 * api_bulk.c - cancelling, retrying and forgetting many jobs at once. HTTP threads.
 *
 * What the filter names is looked up here, a bounded number of jobs, and changed by the writer in
 * one transaction; each is changed only if its state then allows it. The answer has the address
 * that goes on behind them, state by state and from new to old, so that a client gets to all of
 * them, also where what was changed is soon again as the filter wants it. A retry goes from old to
 * new, as what depends on others is younger, up to what there was when it was first asked for.
 */
#include "api.h"
#include "api_list.h"
#include "json.h"
#include "request.h"

#include "../../common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BULK_LIMIT 1000 /* jobs of one request */
#define BULK_PAGES 10   /* looks at the store: each is bounded */

/* Jobs in each of some states, one state after the other. */
struct look {
    const enum job_state *states;
    size_t n, at;                    /* states[at] is looked at; at == n: all were */
    enum job_state some[JOB_STATES]; /* `states`, where the filter names some of the act's */
    bool upward;
    bool has_before; /* in which so much was seen: */
    struct id before;
    struct id *ids; /* what was found; room for BULK_LIMIT */
    size_t count;
};

/* A cursor: the state, and, where some of it was seen, a list's cursor behind a point. */
static bool cursor_read(const char *text, struct look *l)
{
    size_t len = strcspn(text, ".");
    int state = job_state_parse(text, len);
    while (l->at < l->n && (int)l->states[l->at] != state)
        l->at++;
    l->has_before = text[len] != 0;
    return l->at < l->n && (!l->has_before || list_cursor_parse(text + len + 1, &l->before));
}

static void add_next(struct request *rq, const struct job_filter *f, const struct look *l,
                     struct buf *out)
{
    char cursor[16 + LIST_CURSOR_TEXT], before[LIST_CURSOR_TEXT] = "";
    if (l->has_before)
        list_cursor_format(&l->before, before);
    snprintf(cursor, sizeof(cursor), "%s%s%s", job_state_name(l->states[l->at]),
             l->has_before ? "." : "", before);
    list_address(rq->route->pattern, f, cursor, out);
}

/* One look at the store; 0 or an error. */
static int look_on(struct job_filter f, struct look *l)
{
    struct job_page page;
    f.state = (int)l->states[l->at];
    f.states = 0;
    f.upward = l->upward;
    f.has_before = l->has_before;
    f.before = l->before;
    f.limit = (unsigned)(BULK_LIMIT - l->count);
    int err = reader_list(&f, 0, 0, &page);
    if (err)
        return err;
    for (size_t i = 0; i < page.count; i++)
        l->ids[l->count++] = page.jobs[i].id;
    l->has_before = page.more;
    l->before = page.last;
    l->at += !page.more;
    job_page_release(&page);
    return 0;
}

/* Finds a number of them, and keeps in rq->next where it goes on: the query, of which the filter
 * is, is gone when that is told. */
static int find(struct request *rq, const struct job_filter *f, struct look *l)
{
    int err = 0;
    for (int i = 0; i < BULK_PAGES && l->count < BULK_LIMIT && l->at < l->n && !err; i++)
        err = look_on(*f, l);
    if (err || l->at == l->n)
        return err;
    AUTO_BUF next = BUF_INIT;
    size_t len;
    add_next(rq, f, l, &next);
    if (next.failed)
        return -ERR_NOMEM;
    rq->next = buf_take(&next, &len);
    return 0;
}

static void changed(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err) {
        request_error(rq, c->err);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_addf(out, "{\"matched\":%zu,\"changed\":%zu,\"more\":%s,\"next\":", c->ids_count,
             c->changed, rq->next ? "true" : "false");
    if (rq->next)
        json_text(out, rq->next);
    else
        buf_adds(out, "null");
    buf_adds(out, "}\n");
}

/* It can be done in others. */
static int refuse_state(const struct look *l, enum job_state state, struct problem *p)
{
    char limit[sizeof(p->limit)];
    size_t at = 0;
    for (size_t i = 0; i < l->n && at < sizeof(limit); i++)
        at += (size_t)snprintf(limit + at, sizeof(limit) - at, "%s%s",
                               i == 0          ? ""
                               : i + 1 == l->n ? " or "
                                               : ", ",
                               job_state_name(l->states[i]));
    return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "state", limit,
                         job_state_name(state));
}

/* Of the act's those that the filter names; others are an error in p. */
static int choose_states(const struct job_filter *f, struct look *l, struct problem *p)
{
    unsigned wanted = f->state >= 0 ? 1u << f->state : f->states;
    size_t n = 0;
    if (!wanted)
        return 0;
    for (size_t i = 0; i < l->n; i++) {
        if (wanted >> l->states[i] & 1)
            l->some[n++] = l->states[i];
        wanted &= ~(1u << l->states[i]);
    }
    for (int i = 0; i < JOB_STATES; i++) {
        if (wanted >> i & 1)
            return refuse_state(l, (enum job_state)i, p);
    }
    l->states = l->some;
    l->n = n;
    return 0;
}

/* The parameters; 0, or an error in p. */
static int read_params(struct request *rq, struct job_filter *f, struct look *l, struct problem *p)
{
    int err = list_filter(rq, f, p);
    const char *cursor = err ? NULL : request_param(rq, "cursor", p);
    if (!err)
        err = request_no_more_params(rq, p);
    if (err)
        return err;
    if (!caller_changes(&rq->caller, "")) /* whatever it sees */
        f->owner = caller_owner(&rq->caller);
    err = choose_states(f, l, p);
    if (err)
        return err;
    if (cursor && !cursor_read(cursor, l))
        return problem_field(p, ERR_BAD_CURSOR, PLACE_PARAMETER, "cursor",
                             "what `next` of an earlier answer had", cursor);
    return 0;
}

static bool has_id(const struct change *c, const struct id *id)
{
    for (size_t i = 0; i < c->ids_count; i++) {
        if (id_equal(&c->ids[i], id))
            return true;
    }
    return false;
}

/* Of jobs that are named: those that are there and the caller's, so many that all are of one
 * request. */
static int find_named(struct request *rq, const char *text, struct change *c, struct problem *p)
{
    static const char *const others[] = {"state",         "task",           "tag",    "group",
                                         "created_after", "created_before", "cursor", NULL};
    size_t n = 0;
    struct id ids[LIST_IDS_MAX];
    int err = list_ids_read(text, ids, &n, p);
    if (!err)
        err = list_refuse_other(rq, others, "left out where `ids` is given", p);
    if (!err)
        err = request_no_more_params(rq, p);
    for (size_t i = 0; i < n && !err; i++) {
        struct job job;
        err = reader_job(&ids[i], 0, 0, &job);
        if (err == -ERR_NO_JOB) {
            err = 0;
            continue;
        }
        if (err)
            return problem_set(p, err, "%s", err_sentence(err));
        if (caller_sees(&rq->caller, job.owner) && caller_changes(&rq->caller, job.owner) &&
            !has_id(c, &ids[i]))
            c->ids[c->ids_count++] = ids[i];
        job_release(&job);
    }
    return err;
}

static void bulk_named(struct request *rq, enum change_kind kind, const char *text)
{
    struct problem p = {0};
    struct change *c = request_change(rq, CHANGE_BULK);
    if (!c)
        return;
    c->bulk = kind;
    c->ids = calloc(LIST_IDS_MAX, sizeof(*c->ids));
    if (!c->ids)
        request_error(rq, -ERR_NOMEM);
    else if (find_named(rq, text, c, &p))
        request_problem(rq, &p);
    else
        request_commit(rq, NULL, changed);
}

/* All that there is by now is older than an id that is made now. */
static int set_end(struct job_filter *f)
{
    struct id now;
    int err = f->until_us ? 0 : id_new(&now);
    if (!err && !f->until_us)
        f->until_us = id_time_us(&now) + US_PER_MS;
    return err;
}

/* `states`: those that the act is for, the filter's own being one of them. */
static void bulk(struct request *rq, enum change_kind kind, const enum job_state *states, size_t n)
{
    struct job_filter f = {.state = -1};
    struct look l = {.states = states, .n = n, .upward = kind == CHANGE_RETRY};
    struct problem p = {0};
    const char *ids = request_param(rq, "ids", &p);
    if (ids) {
        bulk_named(rq, kind, ids);
        return;
    }
    if (p.err || read_params(rq, &f, &l, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct change *c = request_change(rq, CHANGE_BULK);
    if (!c)
        return;
    c->bulk = kind;
    c->ids = l.ids = calloc(BULK_LIMIT, sizeof(*l.ids));
    int err = l.ids ? 0 : -ERR_NOMEM;
    if (!err && l.upward)
        err = set_end(&f);
    if (!err)
        err = find(rq, &f, &l);
    c->ids_count = l.count;
    if (err)
        request_error(rq, err);
    else
        request_commit(rq, NULL, changed);
}

void api_bulk_cancel(struct request *rq)
{
    static const enum job_state states[] = {JOB_SCHEDULED, JOB_QUEUED, JOB_RUNNING};
    bulk(rq, CHANGE_CANCEL, states, 3);
}

void api_bulk_retry(struct request *rq)
{
    static const enum job_state states[] = {JOB_FAILED, JOB_CANCELLED, JOB_EXPIRED};
    struct problem p = {0};
    /* what was cancelled or expired runs again only when it is named */
    const char *state = request_param(rq, "state", &p);
    bulk(rq, CHANGE_RETRY, states, state ? 3 : 1);
}

void api_bulk_delete(struct request *rq)
{
    static const enum job_state states[] = {JOB_FAILED, JOB_CANCELLED, JOB_EXPIRED, JOB_SUCCEEDED};
    struct problem p = {0};
    if (!request_param(rq, "state", &p) && !(rq->query && query_has(rq->query, "ids"))) {
        problem_field(&p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "state",
                      "given (succeeded, failed, cancelled or expired), or `ids`", NULL);
        request_problem(rq, &p);
        return;
    }
    bulk(rq, CHANGE_DELETE, states, 4);
}
