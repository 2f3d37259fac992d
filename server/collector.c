/*
 * collector.c - the sole reader of the log pipe. A thread of its own; it reads records as they were
 * written, joins those of one line, and writes whole lines to standard error, and those of a job to
 * its file too, which has all of them: the service's own log begins at log_level.
 *
 * When standard error takes nothing for STUCK_MS, lines are dropped and counted rather than that
 * the whole service waits for a terminal; the count is told once it flows again. A line whose rest
 * does not come within PART_MS is shown as far as it came: its process died within it. Bytes that
 * are no record (a task that writes to a stranger's descriptor) are thrown away and counted too.
 */
#include "collector.h"

#include "../common/buf.h"
#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "joblog.h"
#include "metrics.h"
#include "waiters.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define STUCK_MS   1000
#define PART_MS    1000
#define LOST_MS    60000 /* between two words on lines that could not be kept */
#define OPEN_LINES 64    /* lines of which only a part came yet */
#define TEXT_MAX   (PIPE_BUF - sizeof(struct log_record))

struct part {
    bool used;
    int64_t began_us; /* mono */
    struct log_record head;
    struct buf text;
};

static struct {
    pthread_t thread;
    int fd;
    int wake_fd; /* eventfd: something was asked, see the last lines */
    bool json;
    bool running;
    struct part part[OPEN_LINES];
    struct buf line;
    unsigned long long dropped;
    bool torn; /* the last line was written in part: the next begins on a new one */
    char in[65536];
    size_t in_len;
    _Atomic int64_t stop_at_us; /* mono; 0: not asked to stop */

    /* tickets: `marked` of those asked pass once `taken` bytes have reached `target` */
    _Atomic uint64_t asked, passed;
    uint64_t marked, taken, target;
    unsigned long long lost; /* lines of jobs */
    int64_t lost_said_us;

    pthread_mutex_t lock; /* guards forget_* */
    struct id *forget;
    size_t forget_count, forget_room;
} c = {.fd = -1, .wake_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

const struct id collector_key = {{'c', 'o', 'l', 'l', 'e', 'c', 't', 'o', 'r'}};

int collector_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -ERR_SYSTEM;
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* more room for bursts where it is allowed */
    return 0;
}

/* ---- one line, as text or JSON ---- */

/* Text on a terminal: control bytes are shown, not obeyed; also U+0080..U+009F, which some obey. */
static void add_visible(struct buf *b, const char *text, size_t len)
{
    unsigned char before = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)text[i];
        bool upper_control = ch >= 0x80 && ch < 0xA0 && (before < 0x80 || before == 0xC2);
        if (ch == '\t' || (ch >= 0x20 && ch != 0x7F && !upper_control))
            buf_addc(b, (char)ch);
        else
            buf_addf(b, "\\x%02x", ch);
        before = ch;
    }
}

/* ---- fields: see LOG_HAS_FIELDS; what does not hold to it ends the list ---- */

struct field {
    bool number;
    const char *name, *value; /* value_len bytes, which may hold anything */
    size_t value_len;
};

/* Splits off the first zero-terminated part of [*at, end). */
static const char *next_part(const char **at, const char *end, size_t *len)
{
    const char *part = *at, *zero = memchr(part, 0, (size_t)(end - part));
    if (!zero)
        return NULL;
    *len = (size_t)(zero - part);
    *at = zero + 1;
    return part;
}

static bool next_field(const char **at, const char *end, struct field *f)
{
    size_t len;
    const char *name = next_part(at, end, &len);
    if (!name || len < 2 || strspn(name + 1, "abcdefghijklmnopqrstuvwxyz_") != len - 1)
        return false;
    f->name = name + 1;
    f->value = next_part(at, end, &f->value_len);
    if (!f->value)
        return false;
    size_t digits = strspn(f->value, "0123456789"), tail = 0;
    if (digits && f->value[digits] == '.')
        tail = strspn(f->value + digits + 1, "0123456789");
    f->number = name[0] == 'n' && digits && (f->value[0] != '0' || digits == 1) &&
                digits + (tail ? tail + 1 : 0) == f->value_len;
    return true;
}

/* The line's own text; *fields: what follows it. */
static size_t text_of(const struct log_record *r, const char *text, size_t len, const char **fields)
{
    *fields = text + len;
    const char *zero = r->flags & LOG_HAS_FIELDS ? memchr(text, 0, len) : NULL;
    if (!zero)
        return len;
    *fields = zero + 1;
    return (size_t)(zero - text);
}

static void as_text(const struct log_record *r, const char *text, size_t len)
{
    char time[CLOCK_TEXT], id[ID_TEXT];
    clock_format(r->wall_us, time);
    buf_addf(&c.line, "%s %-5s %.*s: ", time, log_level_name((enum log_level)r->level),
             (int)strnlen(r->who, sizeof(r->who)), r->who);
    const char *at, *end = text + len;
    add_visible(&c.line, text, text_of(r, text, len, &at));
    for (struct field f; next_field(&at, end, &f);) {
        buf_addf(&c.line, " %s=", f.name);
        add_visible(&c.line, f.value, f.value_len);
    }
    if (r->flags & LOG_HAS_JOB) {
        id_format(&r->job, id);
        buf_addf(&c.line, " [job=%s attempt=%u]", id, r->attempt);
    }
    buf_addc(&c.line, '\n');
}

static void as_json(const struct log_record *r, const char *text, size_t len)
{
    char time[CLOCK_TEXT], id[ID_TEXT];
    clock_format(r->wall_us, time);
    buf_addf(&c.line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":", time,
             log_level_name((enum log_level)r->level));
    buf_add_json_string(&c.line, r->who, strnlen(r->who, sizeof(r->who)));
    buf_addf(&c.line, ",\"pid\":%u,\"msg\":", r->pid);
    const char *at, *end = text + len;
    buf_add_json_string(&c.line, text, text_of(r, text, len, &at));
    for (struct field f; next_field(&at, end, &f);) {
        buf_addf(&c.line, ",\"%s\":", f.name);
        if (f.number)
            buf_add(&c.line, f.value, f.value_len);
        else
            buf_add_json_string(&c.line, f.value, f.value_len);
    }
    if (r->flags & LOG_HAS_JOB) {
        id_format(&r->job, id);
        buf_addf(&c.line, ",\"job\":\"%s\",\"attempt\":%u", id, r->attempt);
    }
    buf_adds(&c.line, "}\n");
}

/* Writes c.line; false: standard error takes nothing. */
static bool write_line(void)
{
    size_t at = 0;
    while (at < c.line.len) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        int n = poll(&p, 1, c.dropped && at == 0 ? 0 : STUCK_MS); /* it is waited for once */
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || (p.revents & (POLLERR | POLLNVAL)))
            break;
        size_t some = c.line.len - at < PIPE_BUF ? c.line.len - at : PIPE_BUF;
        ssize_t w = write(STDERR_FILENO, c.line.data + at, some);
        if (w < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (w <= 0)
            break;
        at += (size_t)w;
    }
    if (at > 0)
        c.torn = at < c.line.len;
    return at == c.line.len;
}

static void drop_line(void)
{
    c.dropped++;
    metrics_log_dropped();
}

static void format_line(const struct log_record *r, const char *text, size_t len)
{
    buf_clear(&c.line);
    if (c.torn)
        buf_addc(&c.line, '\n');
    if (c.json)
        as_json(r, text, len);
    else
        as_text(r, text, len);
}

/* A line of the collector's own into c.line. */
static void own_line(const char *fmt, unsigned long long n) __attribute__((format(printf, 1, 0)));
static void own_line(const char *fmt, unsigned long long n)
{
    char text[128];
    struct log_record own = {.level = LOG_WARN, .pid = (uint32_t)getpid(), .who = "collector"};
    own.wall_us = clock_wall_us();
    int len = snprintf(text, sizeof(text), fmt, n);
    format_line(&own, text, len < 0 ? 0 : (size_t)len);
}

static void put_line(const struct log_record *r, const char *text, size_t len)
{
    if (r->flags & LOG_HAS_JOB)
        joblog_add(r, text, len);
    if (r->level < log_level())
        return; /* of a job, whose own log has it */
    if (c.dropped > 0) {
        own_line("%llu log lines were dropped: standard error took nothing", c.dropped);
        if (c.line.failed || !write_line()) {
            drop_line();
            return;
        }
        c.dropped = 0;
    }
    format_line(r, text, len);
    if (c.line.failed || !write_line())
        drop_line();
}

/* ---- records to lines ---- */

static struct part *find_part(const struct log_record *r)
{
    for (int i = 0; i < OPEN_LINES; i++) {
        struct part *p = &c.part[i];
        if (p->used && p->head.pid == r->pid && p->head.tid == r->tid)
            return p;
    }
    return NULL;
}

static void end_part(struct part *p)
{
    put_line(&p->head, p->text.data ? p->text.data : "", p->text.len);
    buf_release(&p->text);
    p->used = false;
}

static struct part *new_part(const struct log_record *r)
{
    struct part *oldest = &c.part[0];
    for (int i = 0; i < OPEN_LINES; i++) {
        struct part *p = &c.part[i];
        if (!p->used) {
            oldest = p;
            break;
        }
        if (p->began_us < oldest->began_us)
            oldest = p;
    }
    if (oldest->used)
        end_part(oldest); /* its process died within a line: what came of it is shown */
    oldest->used = true;
    oldest->began_us = clock_mono_us();
    oldest->head = *r;
    return oldest;
}

static void take_record(const struct log_record *r, const char *text)
{
    struct part *p = find_part(r);
    if ((r->flags & LOG_FIRST) && p) {
        end_part(p);
        p = NULL;
    }
    if ((r->flags & LOG_FIRST) && (r->flags & LOG_LAST)) {
        put_line(r, text, r->len);
        return;
    }
    if (!p)
        p = new_part(r);
    if (p->text.len + r->len <= LOG_TEXT_MAX)
        buf_add(&p->text, text, r->len);
    if (r->flags & LOG_LAST)
        end_part(p);
}

/* A record that log.c did not make: what follows it cannot be told apart any more. */
static bool is_foreign(const struct log_record *r)
{
    return r->len > TEXT_MAX || r->level > LOG_ERROR ||
           (r->flags & ~(LOG_FIRST | LOG_LAST | LOG_HAS_JOB | LOG_HAS_FIELDS)) != 0;
}

static void take_bytes(void)
{
    size_t at = 0;
    while (c.in_len - at >= sizeof(struct log_record)) {
        struct log_record r;
        memcpy(&r, c.in + at, sizeof(r));
        if (is_foreign(&r)) {
            own_line("%llu bytes in the log pipe are no log record", c.in_len - at);
            if (c.line.failed || !write_line())
                drop_line();
            c.in_len = 0;
            return;
        }
        if (c.in_len - at < sizeof(r) + r.len)
            break;
        take_record(&r, c.in + at + sizeof(r));
        at += sizeof(r) + r.len;
    }
    memmove(c.in, c.in + at, c.in_len - at);
    c.in_len -= at;
}

/* Shows the parts that are older than PART_MS. Returns when the next will be; INT64_MAX: never. */
static int64_t end_old_parts(void)
{
    int64_t now = clock_mono_us(), next = INT64_MAX;
    for (int i = 0; i < OPEN_LINES; i++) {
        struct part *p = &c.part[i];
        if (!p->used)
            continue;
        int64_t due = p->began_us + PART_MS * US_PER_MS;
        if (due <= now)
            end_part(p);
        else if (due < next)
            next = due;
    }
    return next;
}

/* ---- tickets ---- */

static void wake(void)
{
    (void)eventfd_write(c.wake_fd, 1);
}

uint64_t collector_ask(void)
{
    uint64_t ticket = atomic_fetch_add(&c.asked, 1) + 1;
    wake();
    return ticket;
}

bool collector_passed(uint64_t ticket)
{
    return atomic_load(&c.passed) >= ticket;
}

void collector_forget(const struct id *job)
{
    pthread_mutex_lock(&c.lock);
    if (c.forget_count == c.forget_room) {
        size_t room = c.forget_room ? c.forget_room * 2 : 64;
        struct id *more = realloc(c.forget, room * sizeof(*more));
        if (more) {
            c.forget = more;
            c.forget_room = room;
        }
    }
    if (c.forget_count < c.forget_room) /* else the sweep of the next start finds it */
        c.forget[c.forget_count++] = *job;
    pthread_mutex_unlock(&c.lock);
    atomic_fetch_add(&c.asked, 1);
    wake();
}

/* Notes how much was in the pipe when the last ticket was asked for; nobody else reads from it. */
static void mark_tickets(void)
{
    uint64_t asked = atomic_load(&c.asked);
    int left = 0;
    if (c.marked != atomic_load(&c.passed) || c.marked == asked)
        return;
    (void)ioctl(c.fd, FIONREAD, &left);
    c.marked = asked;
    c.target = c.taken + (uint64_t)left;
}

/* All that was to be forgotten when the ticket was marked, and perhaps more, whose turn may be
 * early: their jobs had ended, and the sweep of the next start finds what comes late. */
static void pass_tickets(void)
{
    if (c.marked == atomic_load(&c.passed) || c.taken < c.target)
        return;
    pthread_mutex_lock(&c.lock);
    struct id *forget = c.forget;
    size_t n = c.forget_count;
    c.forget = NULL;
    c.forget_count = c.forget_room = 0;
    pthread_mutex_unlock(&c.lock);
    for (size_t i = 0; i < n; i++)
        joblog_remove(&forget[i]);
    free(forget);
    atomic_store(&c.passed, c.marked);
    (void)waiters_job_ended(&collector_key, NULL);
}

static void flush_jobs(void)
{
    joblog_flush();
    c.lost += joblog_lost();
    int64_t now = clock_mono_us();
    if (c.lost == 0 || (c.lost_said_us && now - c.lost_said_us < LOST_MS * US_PER_MS))
        return;
    own_line("%llu lines could not be written to the logs of their jobs: is the disk full?",
             c.lost);
    if (c.line.failed || !write_line())
        drop_line();
    c.lost = 0;
    c.lost_said_us = now;
}

/* One wait and one read. False: the end of the log. */
static bool collect_some(void)
{
    int64_t part_due = end_old_parts();
    flush_jobs();
    mark_tickets();
    pass_tickets();
    int64_t stop_at = atomic_load_explicit(&c.stop_at_us, memory_order_acquire);
    int64_t due = stop_at && stop_at < part_due ? stop_at : part_due;
    struct pollfd p[2] = {{.fd = c.fd, .events = POLLIN}, {.fd = c.wake_fd, .events = POLLIN}};
    int n = poll(p, 2, due == INT64_MAX ? -1 : clock_wait_ms(due, STUCK_MS));
    if (n < 0)
        return errno == EINTR;
    if (p[1].revents) {
        eventfd_t ignored;
        (void)eventfd_read(c.wake_fd, &ignored);
    }
    if (!p[0].revents)
        return !stop_at || clock_mono_us() < stop_at;
    ssize_t got = read(c.fd, c.in + c.in_len, sizeof(c.in) - c.in_len);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0)
        return false; /* every writer is gone */
    c.in_len += (size_t)got;
    c.taken += (uint64_t)got;
    take_bytes();
    return !stop_at || clock_mono_us() < stop_at + STUCK_MS * US_PER_MS;
}

static void *collect(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "collector");
    while (collect_some())
        ;
    for (int i = 0; i < OPEN_LINES; i++) {
        if (c.part[i].used)
            end_part(&c.part[i]);
    }
    joblog_rest();
    buf_release(&c.line);
    return NULL;
}

int collector_start(int read_fd, bool json)
{
    c.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c.wake_fd < 0)
        return -ERR_SYSTEM;
    c.fd = read_fd;
    c.json = json;
    c.in_len = 0;
    atomic_store(&c.stop_at_us, 0);
    if (pthread_create(&c.thread, NULL, collect, NULL) != 0) {
        fd_close(&c.wake_fd);
        return -ERR_SYSTEM;
    }
    c.running = true;
    return 0;
}

void collector_stop(int timeout_ms)
{
    if (!c.running)
        return;
    atomic_store_explicit(&c.stop_at_us, clock_mono_us() + timeout_ms * US_PER_MS,
                          memory_order_release);
    wake();
    pthread_join(c.thread, NULL);
    c.running = false;
    fd_close(&c.fd);
    fd_close(&c.wake_fd);
    free(c.forget);
    c.forget = NULL;
    c.forget_count = c.forget_room = 0;
}
