/*
 * api_bulk.c - cancelling, retrying and forgetting many jobs at once. HTTP threads.
 *
 * What the filter names is looked up here, a bounded number of jobs, and changed by the writer in
 * one transaction; each is changed only if its state then allows it. The answer says whether there
 * may be more, so that a client goes on until there is none.
 */
#include "api.h"
#include "api_list.h"
#include "request.h"

#include "../../common/err.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BULK_LIMIT 1000 /* jobs of one request */
#define BULK_PAGES 10   /* looks at the store: each is bounded */

struct found {
    struct id *ids;
    size_t count;
    bool more;
};

/* Adds what the filter names to the ids; 0 or an error. */
static int find(struct job_filter f, struct found *to)
{
    f.has_before = false;
    for (int i = 0; i < BULK_PAGES && to->count < BULK_LIMIT; i++) {
        struct job_page page;
        f.limit = (unsigned)(BULK_LIMIT - to->count);
        int err = reader_list(&f, 0, 0, &page);
        if (err)
            return err;
        for (size_t k = 0; k < page.count; k++)
            to->ids[to->count++] = page.jobs[k].id;
        bool more = page.more;
        f.before = page.last;
        f.has_before = true;
        job_page_release(&page);
        if (!more)
            return 0;
    }
    to->more = true;
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
    buf_addf(out, "{\"matched\":%zu,\"changed\":%zu,\"more\":%s}\n", c->ids_count, c->changed,
             c->more ? "true" : "false");
}

/* `states`: those that the act is for, the filter's own being one of them. */
static void bulk(struct request *rq, enum change_kind kind, const enum job_state *states, size_t n)
{
    struct job_filter f = {.state = -1};
    struct problem p = {0};
    struct found found = {0};
    if (list_filter(rq, &f, &p) || request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    bool fits = f.state < 0;
    for (size_t i = 0; i < n; i++)
        fits = fits || (int)states[i] == f.state;
    if (!fits) {
        problem_field(&p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "state",
                      "a state in which this can be done", job_state_name((enum job_state)f.state));
        request_problem(rq, &p);
        return;
    }
    struct change *c = request_change(rq, CHANGE_BULK);
    if (!c)
        return;
    found.ids = calloc(BULK_LIMIT, sizeof(*found.ids));
    int err = found.ids ? 0 : -ERR_NOMEM;
    int only = f.state;
    for (size_t i = 0; i < n && !err; i++) {
        f.state = (int)states[i];
        if (only < 0 || only == f.state)
            err = find(f, &found);
    }
    c->ids = found.ids;
    c->ids_count = found.count;
    c->more = found.more;
    c->bulk = kind;
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
    if (!request_param(rq, "state", &p)) {
        problem_field(&p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "state",
                      "given: succeeded, failed, cancelled or expired", NULL);
        request_problem(rq, &p);
        return;
    }
    bulk(rq, CHANGE_DELETE, states, 4);
}
