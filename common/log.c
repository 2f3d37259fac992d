/*
 * log.c - writes log records to the collector's pipe. Any thread, any process; no lock, no
 * allocation.
 *
 * A record is at most PIPE_BUF bytes and goes with one write(2), so the kernel keeps it whole.
 */
#include "log.h"

#include "clock.h"
#include "fdio.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define CUT " ... (the line was longer)"

static const char *const names[] = {"debug", "info", "warn", "error"};

static _Atomic int out_fd = -1;
static _Atomic int least = LOG_INFO;
static char me[16] = "jobmill"; /* set before threads exist, or in a fresh child */

void log_who(const char *who)
{
    snprintf(me, sizeof(me), "%s", who);
}

void log_open(int pipe_fd, enum log_level level, const char *who)
{
    atomic_store(&least, (int)level);
    if (strcmp(me, who) != 0)
        log_who(who);
    atomic_store(&out_fd, pipe_fd);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load_explicit(&least, memory_order_relaxed);
}

int log_level_parse(const char *name)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return -1;
}

const char *log_level_name(enum log_level level)
{
    return (unsigned)level <= LOG_ERROR ? names[level] : "error";
}

/* A write of a whole record; a full pipe is waited for, which is the pipe's own bound on memory. */
static void put(int fd, struct log_record *r, const char *text, size_t len)
{
    r->len = (uint16_t)len;
    struct iovec v[2] = {{r, sizeof(*r)}, {(void *)(uintptr_t)text, len}};
    while (writev(fd, v, 2) < 0 && errno == EINTR)
        ;
}

static void stamp(struct log_record *r, enum log_level level)
{
    *r = (struct log_record){
        .level = (uint8_t)level,
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)syscall(SYS_gettid),
        .wall_us = clock_wall_us(),
    };
    memcpy(r->who, me, sizeof(r->who));
}

static void emit(enum log_level level, const struct id *job, unsigned attempt, const char *text,
                 size_t len)
{
    int keep = errno;
    int fd = atomic_load_explicit(&out_fd, memory_order_relaxed);
    if (fd < 0) {
        (void)dprintf(STDERR_FILENO, "jobmill: %s: %.*s\n", log_level_name(level), (int)len, text);
        errno = keep;
        return;
    }
    struct log_record r;
    stamp(&r, level);
    r.attempt = attempt;
    if (job)
        r.job = *job;
    const size_t room = PIPE_BUF - sizeof(r);
    const uint8_t has_job = job ? LOG_HAS_JOB : 0;
    const bool cut = len > LOG_TEXT_MAX;
    if (cut)
        len = LOG_TEXT_MAX - (sizeof(CUT) - 1);
    size_t at = 0;
    do {
        size_t n = len - at < room ? len - at : room;
        bool last = at + n == len && !cut;
        r.flags = (uint8_t)((at == 0 ? LOG_FIRST : 0) | (last ? LOG_LAST : 0) | has_job);
        put(fd, &r, text + at, n);
        at += n;
    } while (at < len);
    if (cut) {
        r.flags = LOG_LAST | has_job;
        put(fd, &r, CUT, sizeof(CUT) - 1);
    }
    errno = keep;
}

static void emit_formatted(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void emit_formatted(enum log_level level, const char *fmt, va_list ap)
{
    char text[2048];
    int keep = errno, n = vsnprintf(text, sizeof(text), fmt, ap);
    if ((size_t)n >= sizeof(text) && n > 0) {
        memcpy(text + sizeof(text) - sizeof(CUT), CUT, sizeof(CUT));
        n = (int)sizeof(text) - 1;
    }
    if (n >= 0)
        emit(level, NULL, 0, text, (size_t)n);
    errno = keep;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&least, memory_order_relaxed))
        return;
    va_list ap;
    va_start(ap, fmt);
    emit_formatted(level, fmt, ap);
    va_end(ap);
}

void log_job(enum log_level level, const struct id *job, unsigned attempt, const char *text,
             size_t len)
{
    emit(level, job, attempt, text, len);
}

/* Appends at *at; false, and nothing is changed: no room for it and for the zero behind. */
static bool append(char *text, size_t room, size_t *at, const char *part, size_t len)
{
    if (len + 1 > room - *at)
        return false;
    memcpy(text + *at, part, len);
    text[*at + len] = '\0';
    *at += len + 1;
    return true;
}

void log_fields(enum log_level level, const char *what, const struct log_field *fields, size_t n)
{
    char text[PIPE_BUF - sizeof(struct log_record)];
    size_t len = 0;
    int fd = atomic_load_explicit(&out_fd, memory_order_relaxed);
    if ((int)level < atomic_load_explicit(&least, memory_order_relaxed) || fd < 0)
        return;
    int keep = errno;
    bool room = append(text, sizeof(text), &len, what, strlen(what));
    for (size_t i = 0; i < n && room; i++) {
        char name[32];
        size_t before = len;
        int head =
            snprintf(name, sizeof(name), "%c%s", fields[i].number ? 'n' : 's', fields[i].name);
        room = head > 0 && (size_t)head < sizeof(name) &&
               append(text, sizeof(text), &len, name, (size_t)head) &&
               append(text, sizeof(text), &len, fields[i].value,
                      strnlen(fields[i].value, LOG_VALUE_MAX));
        if (!room)
            len = before;
    }
    struct log_record r;
    stamp(&r, level);
    r.flags = LOG_FIRST | LOG_LAST | LOG_HAS_FIELDS;
    put(fd, &r, text, len);
    errno = keep;
}

void log_die(int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit_formatted(LOG_ERROR, fmt, ap);
    va_end(ap);
    _exit(status);
}
