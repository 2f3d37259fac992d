/*
 * exposition.h - rows of metrics.def and values -> the text that Prometheus reads: its own format
 * 0.0.4, or OpenMetrics 1.0.0. Any thread; an exposition has one owner.
 */
#ifndef JOBMILL_SERVER_EXPOSITION_H
#define JOBMILL_SERVER_EXPOSITION_H

#include "../common/buf.h"

#include <stddef.h>
#include <stdint.h>

enum metric {
#define METRIC(symbol, type, name, labels, help) METRIC_##symbol,
#include "metrics.def"
#undef METRIC
    METRICS
};

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* What is being told. The samples of a metric must follow each other; its # lines come by themselves. */
struct exposition {
    struct buf *out;
    enum exposition_format format;
    int open; /* the metric whose samples are being told; -1: none */
};
#define EXPOSITION(buf, which) ((struct exposition){.out = (buf), .format = (which), .open = -1})

/* Which format suits a header Accept (NULL: none came). */
enum exposition_format exposition_choose(const char *accept);
const char *exposition_type(enum exposition_format format); /* its content type */

/* A sample. `labels`: as many values as the metric has names for them. */
void expose_u64(struct exposition *e, enum metric m, const char *const *labels, uint64_t value);
void expose_us(struct exposition *e, enum metric m, const char *const *labels, int64_t us); /* as seconds */
#define LABELS(...) ((const char *const[]){__VA_ARGS__})

/* A histogram: `bounds` in what is measured (microseconds, told as seconds; or a count), buckets[0..n-1]
 * the observations up to each and buckets[n] the rest, not cumulated. */
struct exposed_histogram {
    const int64_t *bounds;
    size_t n;
    const uint64_t *buckets;
    uint64_t sum;
    int64_t unit; /* US_PER_S or 1 */
};
void expose_histogram(struct exposition *e, enum metric m, const char *const *labels,
                      const struct exposed_histogram *h);
void exposition_end(struct exposition *e);

/* For tests and documents. */
const char *metric_name(enum metric m);

#endif
