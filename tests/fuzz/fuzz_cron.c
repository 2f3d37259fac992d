/*
 * fuzz_cron.c - libFuzzer: EXPRESSION \n a time zone file: each is read, or refused with a reason; what
 * follows a moment is later than it and a minute of the schedule's, and spans have their moment in them.
 */
#include "../../common/err.h"
#include "../../server/cron.h"

#include <stdlib.h>
#include <string.h>

static void ask(const struct cron *c, const struct zone *z, int64_t t)
{
    for (int i = 0; i < 4; i++) {
        struct zone_span span;
        int64_t next;
        zone_span(z, t / 1000000, &span);
        if (span.start > t / 1000000 || span.end <= t / 1000000)
            abort();
        int err = cron_next(c, z, t, &next);
        if (err == -ERR_NOT_FOUND)
            return;
        if (err || next <= t)
            abort();
        t = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *line = len ? memchr(text, '\n', len) : NULL;
    size_t n = line ? (size_t)(line - text) : len;
    struct buf why = BUF_INIT, other = BUF_INIT;
    struct cron c;
    struct zone *z = NULL;
    int err = cron_parse(text, n, &c, &why);
    if (err ? why.len == 0 : why.len != 0)
        abort();
    int zone_err = line ? zone_parse(line + 1, len - n - 1, &z, &other) : zone_open("UTC", &z, &other);
    if (zone_err ? other.len == 0 : !z)
        abort();
    if (!err && !zone_err) {
        ask(&c, z, INT64_C(1700000000000000));
        ask(&c, z, INT64_C(-2000000000000000));
        ask(&c, z, INT64_C(9000000000000000));
    }
    zone_free(z);
    buf_release(&why);
    buf_release(&other);
    return 0;
}
