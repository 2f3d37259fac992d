/*
 * conf_flow.c - how many jobs of a task run, how they are tried again, and how long they are kept.
 * Before any thread exists.
 */
#include "conf_flow.h"

#include "../common/err.h"
#include "backoff.h"
#include "conf_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_US (INT64_C(365) * 86400 * 1000000)

static int bad(struct buf *why, const char *name, const char *value, const char *must)
{
    buf_addf(why, "%s = %s: must be %s", name, value, must);
    return -ERR_CONFIG;
}

static bool count_of(const char *v, uint32_t *out)
{
    int64_t n;
    if (!value_int(v, &n) || n < 0 || n > 1000000)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool set_concurrency(struct taskdef *t, const char *v)
{
    return count_of(v, &t->concurrency);
}

static bool set_key_concurrency(struct taskdef *t, const char *v)
{
    return count_of(v, &t->key_concurrency) && t->key_concurrency > 0;
}

/* "10", "10/s", "100/m", "5000/h": jobs a second. */
static bool set_rate(struct taskdef *t, const char *v)
{
    char *end;
    double n = strtod(v, &end);
    double per = strcmp(end, "") == 0 || strcmp(end, "/s") == 0 ? 1
                 : strcmp(end, "/m") == 0                       ? 60
                 : strcmp(end, "/h") == 0                       ? 3600
                                                                : 0;
    if (end == v || per == 0 || !(n >= 0) || n > 1e6)
        return false;
    t->rate = n / per;
    return true;
}

static bool set_burst(struct taskdef *t, const char *v)
{
    uint32_t n;
    if (!count_of(v, &n) || n == 0)
        return false;
    t->burst = n;
    return true;
}

static bool set_backoff(struct taskdef *t, const char *v)
{
    struct backoff b;
    return backoff_words(&b, v, value_time) == 0 &&
           backoff_format(&b, t->backoff, sizeof(t->backoff)) == 0;
}

static bool set_keep_for(struct taskdef *t, const char *v)
{
    return value_time(v, &t->keep_for_us) && t->keep_for_us >= 0 && t->keep_for_us <= 10 * YEAR_US;
}

static bool set_keep_max(struct taskdef *t, const char *v)
{
    return value_int(v, &t->keep_max) && t->keep_max >= 0 && t->keep_max <= INT64_C(1000000000000);
}

static const struct {
    const char *name;
    bool (*set)(struct taskdef *t, const char *value);
    const char *must;
} settings[] = {
    {"concurrency", set_concurrency, "0 (no limit) to 1000000"},
    {"key_concurrency", set_key_concurrency, "1 to 1000000"},
    {"rate", set_rate, "0 (no limit) or jobs in a time, as 10/s, 100/m or 5000/h"},
    {"burst", set_burst, "1 to 1000000"},
    {"backoff", set_backoff, "as `exponential 1s 1h`, `fixed 5s` or `list 1s 10s 1m`"},
    {"keep_for", set_keep_for, "a time of 0 (for ever) to ten years"},
    {"keep_max", set_keep_max, "0 (all) to 1000000000000"},
};

void flow_begin(struct taskdef *t)
{
    t->keep_for_us = -1;
    t->keep_max = -1;
}

int flow_set(struct taskdef *t, const char *name, const char *value, uint64_t *seen,
             struct buf *why)
{
    size_t i = 0;
    while (i < sizeof(settings) / sizeof(settings[0]) && strcmp(settings[i].name, name) != 0)
        i++;
    if (i == sizeof(settings) / sizeof(settings[0]))
        return 1;
    if (*seen & UINT64_C(1) << i) {
        buf_addf(why, "%s is set twice", name);
        return -ERR_CONFIG;
    }
    *seen |= UINT64_C(1) << i;
    return settings[i].set(t, value) ? 0 : bad(why, name, value, settings[i].must);
}

static void print_backoff(const struct taskdef *t, FILE *out)
{
    static const char *const kind[] = {"exponential", "fixed", "list"};
    struct backoff b;
    if (!t->backoff[0] || backoff_parse(&b, t->backoff) != 0)
        return;
    fprintf(out, "backoff = %s", kind[b.kind]);
    for (size_t i = 0; i < b.count; i++)
        fprintf(out, " %.15gs", (double)b.delay_us[i] / 1e6);
    fputc('\n', out);
}

void flow_print(const struct taskdef *t, FILE *out)
{
    if (t->concurrency)
        fprintf(out, "concurrency = %" PRIu32 "\n", t->concurrency);
    if (t->key_concurrency)
        fprintf(out, "key_concurrency = %" PRIu32 "\n", t->key_concurrency);
    if (t->rate > 0)
        fprintf(out, "rate = %.15g/h\n", t->rate * 3600);
    if (t->burst > 0)
        fprintf(out, "burst = %.0f\n", t->burst);
    print_backoff(t, out);
    if (t->keep_for_us >= 0)
        fprintf(out, "keep_for = %.15gs\n", (double)t->keep_for_us / 1e6);
    if (t->keep_max >= 0)
        fprintf(out, "keep_max = %" PRId64 "\n", t->keep_max);
}
