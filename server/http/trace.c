/*
 * trace.c - reading traceparent: VERSION-TRACE-SPAN-FLAGS in lower-case hexadecimal. Any thread;
 * keeps nothing.
 */
#include "trace.h"

#include "../writer.h"

#include <string.h>

static const char shape[] = "vv-tttttttttttttttttttttttttttttttt-ssssssssssssssss-ff";
_Static_assert(sizeof(shape) - 1 == JOB_TRACE_MAX, "a job has room for it");

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_zero(const char *text, size_t len)
{
    return strspn(text, "0") >= len;
}

bool trace_parse(const char *header, char out[JOB_TRACE_MAX + 1])
{
    out[0] = 0;
    if (!header)
        return false;
    for (size_t i = 0; i < JOB_TRACE_MAX; i++) {
        if (shape[i] == '-' ? header[i] != '-' : !is_hex(header[i]))
            return false; /* also where it ends too soon */
    }
    bool first = strncmp(header, "00", 2) == 0;
    char after = header[JOB_TRACE_MAX];
    if (strncmp(header, "ff", 2) == 0 || (after && (first || after != '-')))
        return false;
    if (is_zero(header + 3, 32) || is_zero(header + 36, 16))
        return false;
    memcpy(out, header, JOB_TRACE_MAX);
    out[JOB_TRACE_MAX] = 0;
    if (!first) { /* of the flags of other versions only `sampled` is known here */
        bool sampled = strchr("13579bdf", out[JOB_TRACE_MAX - 1]) != NULL;
        memcpy(out, "00", 2);
        memcpy(out + JOB_TRACE_MAX - 2, sampled ? "01" : "00", 2);
    }
    return true;
}

void trace_take(struct change *c, const char *header)
{
    char trace[JOB_TRACE_MAX + 1];
    if (!trace_parse(header, trace))
        return;
    memcpy(c->one.job.traceparent, trace, sizeof(trace));
    for (size_t i = 0; i < c->items_count; i++)
        memcpy(c->items[i].job.traceparent, trace, sizeof(trace));
}
