/*
 * exposition.c - the text formats of Prometheus. Any thread; tables only.
 *
 * Both formats tell the same samples with the same labels, down to the bounds of buckets ("1.0"),
 * so that a series goes on when a scraper changes its mind.
 */
#include "exposition.h"

#include "../common/clock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPENMETRICS "application/openmetrics-text"

enum type { COUNTER, GAUGE, HISTOGRAM };
#define HISTOGRAM_WORK  HISTOGRAM
#define HISTOGRAM_CALL  HISTOGRAM
#define HISTOGRAM_POLL  HISTOGRAM
#define HISTOGRAM_DISK  HISTOGRAM
#define HISTOGRAM_COUNT HISTOGRAM

static const struct {
    const char *name, *labels, *help;
    enum type type;
} metrics[] = {
#define METRIC(symbol, kind, its_name, its_labels, its_help)                                       \
    {.name = its_name, .labels = its_labels, .help = its_help, .type = kind},
#include "metrics.def"
#undef METRIC
};

const char *metric_name(enum metric m)
{
    return metrics[m].name;
}

/* ---- choosing ---- */

/* The weight of one media range of Accept, its parameters from `at` to `end`. */
static double weight(const char *at, const char *end)
{
    for (; at < end; at += strcspn(at, ";,")) {
        at += strspn(at, "; \t");
        if (at < end && (*at == 'q' || *at == 'Q') && at[1] == '=')
            return strtod(at + 2, NULL);
    }
    return 1;
}

enum exposition_format exposition_choose(const char *accept)
{
    double open = 0, text = 0;
    for (const char *at = accept ? accept : ""; *at;) {
        at += strspn(at, ", \t");
        const char *end = at + strcspn(at, ",");
        size_t name = strcspn(at, "; \t,");
        double q = weight(at + name, end);
        if (name == strlen(OPENMETRICS) && strncasecmp(at, OPENMETRICS, name) == 0)
            open = q > open ? q : open;
        else if (name == strlen("text/plain") && strncasecmp(at, "text/plain", name) == 0)
            text = q > text ? q : text;
        at = end;
    }
    return open > 0 && open >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

const char *exposition_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS ? OPENMETRICS "; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- telling ---- */

static void begin(struct exposition *e, enum metric m)
{
    static const char *const type[] = {"counter", "gauge", "histogram"};
    if (e->open == (int)m)
        return;
    e->open = (int)m;
    const char *tail = metrics[m].type == COUNTER && e->format == EXPOSITION_TEXT ? "_total" : "";
    buf_addf(e->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", metrics[m].name, tail, metrics[m].help,
             metrics[m].name, tail, type[metrics[m].type]);
}

static void add_value(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_adds(out, "\\n");
        else if (*text == '\\' || *text == '"')
            buf_addf(out, "\\%c", *text);
        else
            buf_addc(out, *text);
    }
}

/* {a="1",b="2",le="…"} or nothing. */
static void add_labels(struct buf *out, const char *names, const char *const *values,
                       const char *bound)
{
    const char *before = "{";
    for (size_t i = 0; *names; i++) {
        size_t len = strcspn(names, ",");
        buf_addf(out, "%s%.*s=\"", before, (int)len, names);
        add_value(out, values[i]);
        buf_addc(out, '"');
        before = ",";
        names += len + (names[len] == ',');
    }
    if (bound)
        buf_addf(out, "%sle=\"%s\"", before, bound);
    if (bound || before[0] == ',')
        buf_addc(out, '}');
}

static void add_sample(struct exposition *e, enum metric m, const char *tail,
                       const char *const *labels, const char *bound)
{
    buf_addf(e->out, "%s%s", metrics[m].name, tail);
    add_labels(e->out, metrics[m].labels, labels, bound);
    buf_addc(e->out, ' ');
}

/* 1.5, 3, 0.000001: without an exponent, whatever the locale. */
static void add_seconds(struct buf *out, int64_t us)
{
    if (us < 0)
        us = 0;
    buf_addf(out, "%" PRId64, us / US_PER_S);
    int64_t rest = us % US_PER_S;
    if (rest == 0)
        return;
    int digits = 6;
    for (; rest % 10 == 0; rest /= 10)
        digits--;
    buf_addf(out, ".%0*" PRId64, digits, rest);
}

static const char *tail_of(enum metric m)
{
    return metrics[m].type == COUNTER ? "_total" : "";
}

void expose_u64(struct exposition *e, enum metric m, const char *const *labels, uint64_t value)
{
    begin(e, m);
    add_sample(e, m, tail_of(m), labels, NULL);
    buf_addf(e->out, "%" PRIu64 "\n", value);
}

void expose_us(struct exposition *e, enum metric m, const char *const *labels, int64_t us)
{
    begin(e, m);
    add_sample(e, m, tail_of(m), labels, NULL);
    add_seconds(e->out, us);
    buf_addc(e->out, '\n');
}

static void add_bound(struct buf *out, int64_t bound, int64_t unit)
{
    if (unit == US_PER_S)
        add_seconds(out, bound);
    else
        buf_addf(out, "%" PRId64, bound);
    if (!memchr(out->data ? out->data : "", '.', out->len))
        buf_adds(out, ".0");
}

void expose_histogram(struct exposition *e, enum metric m, const char *const *labels,
                      const struct exposed_histogram *h)
{
    AUTO_BUF bound = BUF_INIT;
    uint64_t count = 0;
    begin(e, m);
    for (size_t i = 0; i <= h->n; i++) {
        buf_clear(&bound);
        if (i < h->n)
            add_bound(&bound, h->bounds[i], h->unit);
        else
            buf_adds(&bound, "+Inf");
        count += h->buckets[i];
        add_sample(e, m, "_bucket", labels, bound.data ? bound.data : "");
        buf_addf(e->out, "%" PRIu64 "\n", count);
    }
    add_sample(e, m, "_sum", labels, NULL);
    if (h->unit == US_PER_S)
        add_seconds(e->out, (int64_t)h->sum);
    else
        buf_addf(e->out, "%" PRIu64, h->sum);
    buf_addc(e->out, '\n');
    add_sample(e, m, "_count", labels, NULL);
    buf_addf(e->out, "%" PRIu64 "\n", count);
    if (bound.failed)
        e->out->failed = true;
}

void exposition_end(struct exposition *e)
{
    if (e->format == EXPOSITION_OPENMETRICS)
        buf_adds(e->out, "# EOF\n");
}
