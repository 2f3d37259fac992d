/* zone.c - reads a time zone file (TZif, RFC 8536, version 2 and later). Immutable after; any
 * thread. */
#include "zone.h"

#include "../common/err.h"
#include "zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX   (1 << 20)
#define HEADER     44u
#define OFFSET_MAX (26 * 3600)

struct zone {
    size_t changes;
    int64_t *at;     /* moments of change, rising */
    int32_t *offset; /* from each of them on */
    int32_t first;   /* the offset before all */
    bool has_rule;   /* for what comes after the last change */
    struct zone_rule rule;
};

static int bad(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct buf *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return -ERR_BAD_FIELD;
}

/* ---- the file ---- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct counts {
    uint32_t utc, std, leap, time, type, chars;
};

/* The header at p, and the length of what follows it with times of `width` bytes; SIZE_MAX: not
 * one. */
static size_t read_header(const unsigned char *p, size_t len, size_t width, struct counts *n)
{
    if (len < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return SIZE_MAX;
    *n = (struct counts){be32(p + 20), be32(p + 24), be32(p + 28),
                         be32(p + 32), be32(p + 36), be32(p + 40)};
    if (n->utc > FILE_MAX || n->std > FILE_MAX || n->leap > FILE_MAX || n->time > FILE_MAX ||
        n->type > 256 || n->type == 0 || n->chars > FILE_MAX)
        return SIZE_MAX;
    size_t rest = (size_t)n->time * (width + 1) + (size_t)n->type * 6 + n->chars +
                  (size_t)n->leap * (width + 4) + n->std + n->utc;
    return rest <= len - HEADER ? rest : SIZE_MAX;
}

static bool type_offset(const unsigned char *types, const struct counts *n, unsigned type,
                        int32_t *out)
{
    if (type >= n->type)
        return false;
    *out = (int32_t)be32(types + (size_t)6 * type);
    return *out > -OFFSET_MAX && *out < OFFSET_MAX;
}

static int read_changes(struct zone *z, const unsigned char *p, const struct counts *n,
                        struct buf *why)
{
    const unsigned char *indices = p + 8 * (size_t)n->time, *types = indices + n->time;
    z->at = calloc(n->time + 1u, sizeof(*z->at));
    z->offset = calloc(n->time + 1u, sizeof(*z->offset));
    if (!z->at || !z->offset)
        return -ERR_NOMEM;
    if (!type_offset(types, n, 0, &z->first))
        return bad(why, "the time zone file has a wrong type");
    for (; z->changes < n->time; z->changes++) {
        size_t i = z->changes;
        z->at[i] = be64(p + 8 * i);
        if (!type_offset(types, n, indices[i], &z->offset[i]) ||
            (i > 0 && z->at[i] <= z->at[i - 1]))
            return bad(why, "the time zone file has a wrong change");
    }
    return 0;
}

static int read_rule(struct zone *z, const unsigned char *p, const unsigned char *end,
                     struct buf *why)
{
    const unsigned char *close =
        p < end && *p == '\n' ? memchr(p + 1, '\n', (size_t)(end - p - 1)) : NULL;
    if (!close)
        return bad(why, "the time zone file has no end");
    z->has_rule = close > p + 1;
    if (z->has_rule && !zone_rule_parse((const char *)p + 1, (size_t)(close - p - 1), &z->rule))
        return bad(why, "the time zone file has a rule that is not understood");
    return 0;
}

static int parse(struct zone *z, const unsigned char *p, size_t len, struct buf *why)
{
    struct counts n;
    size_t old = read_header(p, len, 4, &n);
    if (old == SIZE_MAX)
        return bad(why, "not a time zone");
    p += HEADER + old;
    len -= HEADER + old;
    size_t rest = read_header(p, len, 8, &n);
    if (rest == SIZE_MAX)
        return bad(why, "the time zone file is not whole");
    if (n.leap > 0)
        return bad(why, "a time zone that counts leap seconds is not supported");
    int err = read_changes(z, p + HEADER, &n, why);
    return err ? err : read_rule(z, p + HEADER + rest, p + len, why);
}

int zone_parse(const void *data, size_t len, struct zone **out, struct buf *why)
{
    struct zone *z = calloc(1, sizeof(*z));
    *out = NULL;
    if (!z)
        return -ERR_NOMEM;
    int err = parse(z, data, len, why);
    if (err)
        zone_free(z);
    else
        *out = z;
    return err;
}

void zone_free(struct zone *z)
{
    if (!z)
        return;
    free(z->at);
    free(z->offset);
    free(z);
}

/* ---- by name ---- */

/* A path below the directory: parts of letters, digits, _ + - . that do not begin with a dot. */
static bool name_ok(const char *name)
{
    static const char known[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-./";
    size_t len = strlen(name);
    if (len == 0 || len > ZONE_NAME_MAX || strspn(name, known) != len || name[len - 1] == '/')
        return false;
    for (const char *p = name; *p; p++) {
        bool begins = p == name || p[-1] == '/';
        if (begins && (*p == '.' || *p == '/'))
            return false;
    }
    return true;
}

static int read_file(const char *name, int fd, struct zone **out, struct buf *why)
{
    AUTO_BUF data = BUF_INIT;
    struct stat st;
    char piece[4096];
    ssize_t n = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return bad(why, "there is no time zone `%s`", name);
    while (data.len <= FILE_MAX && (n = read(fd, piece, sizeof(piece))) > 0)
        buf_add(&data, piece, (size_t)n);
    if (n < 0)
        return bad(why, "the time zone `%s` cannot be read: %s", name, strerror(errno));
    if (data.failed)
        return -ERR_NOMEM;
    AUTO_BUF detail = BUF_INIT;
    int err = zone_parse(data.data ? data.data : "", data.len, out, &detail);
    if (err == -ERR_BAD_FIELD)
        return bad(why, "`%s`: %s", name, detail.data ? detail.data : "refused");
    return err;
}

int zone_open(const char *name, struct zone **out, struct buf *why)
{
    char path[sizeof(ZONE_DIR) + ZONE_NAME_MAX + 2];
    *out = NULL;
    if (strcmp(name, "UTC") == 0) {
        *out = calloc(1, sizeof(**out));
        return *out ? 0 : -ERR_NOMEM;
    }
    if (!name_ok(name))
        return bad(why, "`%.64s` is not the name of a time zone, such as Europe/Berlin", name);
    snprintf(path, sizeof(path), "%s/%s", ZONE_DIR, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return -ERR_NOMEM; /* not now */
    if (fd < 0)
        return bad(why, "there is no time zone `%s`", name);
    int err = read_file(name, fd, out, why);
    close(fd);
    return err;
}

/* ---- asking ---- */

/* How many changes there were at t. */
static size_t changes_until(const struct zone *z, int64_t t)
{
    size_t low = 0, high = z->changes;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (z->at[mid] <= t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void zone_span(const struct zone *z, int64_t t, struct zone_span *out)
{
    size_t n = changes_until(z, t);
    if (n == z->changes && z->has_rule) {
        int64_t last = n ? z->at[n - 1] : INT64_MIN;
        zone_rule_span(&z->rule, t, out);
        if (n && out->start <= last) { /* the rule's span began before the file's end */
            out->start = last;
            out->before = n > 1 ? z->offset[n - 2] : z->first;
        }
        return;
    }
    *out = (struct zone_span){.start = n ? z->at[n - 1] : INT64_MIN,
                              .end = n < z->changes ? z->at[n] : INT64_MAX,
                              .offset = n ? z->offset[n - 1] : z->first,
                              .before = n > 1 ? z->offset[n - 2] : z->first};
}
