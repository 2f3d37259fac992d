/*
 * api_history.c - GET /v1/history: what was done in the last 15 minutes or 24 hours, as columns
 * that a chart draws. HTTP threads.
 */
#include "api.h"
#include "json.h"
#include "request.h"

#include "../../common/err.h"
#include "../history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One column: a number of each point. */
#define COLUMN(out, v, name, fmt, value)                                                           \
    do {                                                                                           \
        buf_adds(out, ",\n\"" name "\":[");                                                        \
        for (size_t i = 0; i < (v)->count; i++) {                                                  \
            const struct history_point *p = &(v)->point[i];                                        \
            buf_addf(out, "%s" fmt, i ? "," : "", value);                                          \
        }                                                                                          \
        buf_addc(out, ']');                                                                        \
    } while (0)

/* The quantiles that are told: of which times, and which. */
static const struct {
    const char *name;
    bool run;
    unsigned share;
} quantiles[] = {
    {"wait_p50", false, 50}, {"wait_p95", false, 95}, {"run_p50", true, 50}, {"run_p95", true, 95}};
#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

static void add_quantile(struct buf *out, const struct metrics_times *t, size_t which)
{
    int64_t us = metrics_quantile(quantiles[which].run ? t->run : t->wait, quantiles[which].share);
    if (us < 0)
        buf_adds(out, "null");
    else
        json_seconds(out, us);
}

static void add_quantiles(struct buf *out, const struct history_view *v)
{
    for (size_t k = 0; k < QUANTILES; k++) {
        buf_addf(out, ",\n\"%s\":[", quantiles[k].name);
        for (size_t i = 0; i < v->count; i++) {
            buf_adds(out, i ? "," : "");
            add_quantile(out, &v->point[i].times, k);
        }
        buf_addc(out, ']');
    }
}

/* All points as if they were one. */
static void add_span(struct buf *out, const struct history_view *v)
{
    struct history_point sum = {0};
    for (size_t i = 0; i < v->count; i++) {
        const struct history_point *p = &v->point[i];
        sum.submitted += p->submitted;
        sum.succeeded += p->succeeded;
        sum.failed += p->failed;
        for (size_t k = 0; k < METRICS_WORK_BUCKETS; k++) {
            sum.times.wait[k] += p->times.wait[k];
            sum.times.run[k] += p->times.run[k];
        }
    }
    buf_addf(out,
             ",\n\"span\":{\"submitted\":%" PRIu64 ",\"succeeded\":%" PRIu64 ",\"failed\":%" PRIu64,
             sum.submitted, sum.succeeded, sum.failed);
    for (size_t k = 0; k < QUANTILES; k++) {
        buf_addf(out, ",\"%s\":", quantiles[k].name);
        add_quantile(out, &sum.times, k);
    }
    buf_addc(out, '}');
}

static double busy_of(const struct history_point *p)
{
    return p->looks ? (double)p->busy_sum / p->looks : 0;
}

static void answer(struct request *rq, const struct history_view *v)
{
    struct buf *out = request_json(rq, 200);
    buf_addf(out, "{\"step\":%u", v->step_s);
    if (v->until_us) {
        buf_adds(out, ",\"until\":");
        json_time(out, v->until_us);
    }
    buf_adds(out, ",\"newest_seconds\":");
    json_seconds(out, v->newest_us);
    COLUMN(out, v, "submitted", "%" PRIu64, p->submitted);
    COLUMN(out, v, "succeeded", "%" PRIu64, p->succeeded);
    COLUMN(out, v, "failed", "%" PRIu64, p->failed);
    COLUMN(out, v, "depth", "%" PRIu64, p->depth);
    COLUMN(out, v, "busy", "%.4g", busy_of(p));
    COLUMN(out, v, "workers", "%" PRIu32, p->workers);
    add_quantiles(out, v);
    add_span(out, v);
    buf_adds(out, "}\n");
    request_with_etag(rq);
}

void api_history_get(struct request *rq)
{
    struct problem p = {0};
    const char *step = request_param(rq, "step", &p);
    enum history_span span = step && strcmp(step, "300") == 0 ? HISTORY_COARSE : HISTORY_FINE;
    if (step && !p.err && span == HISTORY_FINE && strcmp(step, "5") != 0)
        problem_field(&p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "step", "5 or 300", step);
    if (p.err || request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct history_view *v = malloc(sizeof(*v));
    if (!v) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    history_read(span, v);
    answer(rq, v);
    free(v);
}
