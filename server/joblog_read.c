/*
 * joblog_read.c - a job's file of lines -> what a client is given. Any thread; the file is open
 * during a call only, and is read a block at a time.
 */
#include "joblog.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK    32768        /* more than a line: LOG_TEXT_MAX and its head */
#define HEAD_MAX 64           /* TIME ATTEMPT LEVEL and a space */
#define LOOK     (256u << 10) /* bytes that one call of joblog_read looks at, about */

/* ---- a line ---- */

struct line {
    const char *time, *level, *text;
    uint32_t attempt;
    size_t level_len, text_len;
};

/* False: joblog.c did not write it, or a crash of the machine left it. */
static bool parse(const char *at, size_t len, struct line *out)
{
    const size_t time_len = CLOCK_TEXT - 1;
    if (len < time_len + 5 || at[time_len] != ' ' || at[time_len - 1] != 'Z')
        return false;
    out->time = at;
    const char *end = at + len, *p = at + time_len + 1;
    uint64_t n = 0;
    for (; p < end && *p >= '0' && *p <= '9' && n <= UINT32_MAX; p++)
        n = n * 10 + (uint64_t)(*p - '0');
    if (p == end || *p != ' ' || n == 0 || n > UINT32_MAX)
        return false;
    out->attempt = (uint32_t)n;
    out->level = ++p;
    const char *space = memchr(p, ' ', (size_t)(end - p));
    if (!space || space - p > 5 || space == p)
        return false;
    out->level_len = (size_t)(space - p);
    out->text = space + 1;
    out->text_len = (size_t)(end - out->text);
    return true;
}

/* What a terminal would obey is shown: control bytes, U+0080..U+009F, and what is no UTF-8. */
static void add_visible(struct buf *b, const char *text, size_t len)
{
    size_t plain = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = c >= 0x80 ? buf_utf8(text + i, len - i) : c == '\t' || (c >= 0x20 && c != 0x7F);
        if (n == 2 && c == 0xC2 && (unsigned char)text[i + 1] < 0xA0)
            n = 0;
        if (n) {
            i += n;
            continue;
        }
        buf_add(b, text + plain, i - plain);
        buf_addf(b, "\\x%02x", c);
        plain = ++i;
    }
    buf_add(b, text + plain, len - plain);
}

static void tell(const struct joblog_view *v, const struct line *line, struct buf *out)
{
    if (v->json) {
        buf_addf(out,
                 "{\"time\":\"%.*s\",\"attempt\":%u,\"level\":\"%.*s\",\"text\":", CLOCK_TEXT - 1,
                 line->time, line->attempt, (int)line->level_len, line->level);
        buf_add_json_string(out, line->text, line->text_len);
        buf_adds(out, "}\n");
    } else {
        buf_add(out, line->time, (size_t)(line->text - line->time));
        add_visible(out, line->text, line->text_len);
        buf_addc(out, '\n');
    }
}

static bool wants(const struct joblog_view *v, const char *at, size_t len, struct line *line)
{
    return parse(at, len, line) && (v->attempt == 0 || line->attempt == v->attempt);
}

/* ---- the file ---- */

/* -1 and *err 0: there is none. */
static int open_log(const struct id *job, int *err)
{
    char path[JOBLOG_PATH];
    int dir = joblog_dir();
    *err = 0;
    if (dir < 0)
        return -1;
    joblog_path(job, path);
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        *err = -ERR_SYSTEM;
    return fd;
}

/* Goes over whole lines from v->at on. Each that is wanted is told to `out`, until it has `room`
 * bytes or LOOK bytes were looked at; or, without `out`, counted up to `most`. */
static int walk(struct joblog_view *v, struct buf *out, size_t room, uint64_t most)
{
    int err;
    AUTO_FD fd = open_log(&v->job, &err);
    char block[BLOCK];
    uint64_t n = 0, begin = v->at;
    v->all = fd < 0;
    while (fd >= 0 && (out ? out->len < room && v->at - begin < LOOK : n < most)) {
        ssize_t got = pread(fd, block, sizeof(block), (off_t)v->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -ERR_SYSTEM;
        size_t at = 0, len = (size_t)got;
        for (const char *end;
             (out ? out->len < room : n < most) && (end = memchr(block + at, '\n', len - at));) {
            struct line line;
            size_t line_len = (size_t)(end - block) - at;
            if (wants(v, block + at, line_len, &line)) {
                n++;
                if (out)
                    tell(v, &line, out);
            }
            at += line_len + 1;
        }
        if (at == 0 && len < sizeof(block)) { /* no whole line is left */
            v->seen = v->at + len;
            v->all = true;
            break;
        }
        v->at += at ? at : len;
    }
    return err ? err : out && out->failed ? -ERR_NOMEM : 0;
}

int joblog_read(struct joblog_view *v, size_t room, struct buf *out)
{
    return walk(v, out, room, 0);
}

int joblog_skip(struct joblog_view *v, uint64_t lines)
{
    return walk(v, NULL, 0, lines);
}

bool joblog_has_more(const struct joblog_view *v)
{
    char path[JOBLOG_PATH];
    struct stat st;
    int dir = joblog_dir();
    joblog_path(&v->job, path);
    return dir >= 0 && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)st.st_size > v->seen;
}

/* From the end to the beginning. Each block is read with the head of the line that begins at its
 * end. */
static int seek_back(struct joblog_view *v, int fd, uint64_t end, uint64_t lines)
{
    char block[BLOCK + HEAD_MAX];
    uint64_t pos = end;
    v->at = end;
    while (lines > 0 && pos > 0) {
        size_t want = pos < BLOCK ? (size_t)pos : BLOCK;
        pos -= want;
        ssize_t got = pread(fd, block, want + HEAD_MAX, (off_t)pos);
        if (got < (ssize_t)want)
            return got < 0 ? -ERR_SYSTEM : 0;
        for (size_t i = want; i-- > 0 && lines > 0;) {
            bool begins = pos + i == 0 || (i > 0 && block[i - 1] == '\n');
            if (i == 0 && pos > 0) { /* the byte before is in the next block */
                char before = 0;
                begins = pread(fd, &before, 1, (off_t)pos - 1) == 1 && before == '\n';
            }
            struct line line;
            size_t head = (size_t)got - i < HEAD_MAX ? (size_t)got - i : HEAD_MAX;
            if (begins && wants(v, block + i, head, &line)) {
                v->at = pos + i;
                lines--;
            }
        }
    }
    return 0;
}

int joblog_seek_tail(struct joblog_view *v, uint64_t lines)
{
    struct stat st;
    int err;
    AUTO_FD fd = open_log(&v->job, &err);
    if (fd < 0)
        return err;
    return fstat(fd, &st) == 0 ? seek_back(v, fd, (uint64_t)st.st_size, lines) : -ERR_SYSTEM;
}
