/*
 * log.h - structured log lines, from any process to the one collector.
 *
 * A line is one record of at most PIPE_BUF bytes written with one write(2), which the kernel keeps
 * whole among all writers of a pipe; longer texts go as several records that the collector joins by
 * (pid, thread). So no line is torn, and what a process wrote before it died is read.
 * Before log_open() lines go to standard error as text. log_* keep errno, never allocate, are
 * thread-safe, and take no lock. Control bytes are escaped by the collector.
 */
#ifndef JOBMILL_COMMON_LOG_H
#define JOBMILL_COMMON_LOG_H

#include "id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Where lines go (the pipe's write end, close-on-exec is the caller's matter), the least level that
 * is written, and this process's name in the lines ("front", "forkserver", "worker 3"). */
void log_open(int pipe_fd, enum log_level least, const char *who);
void log_who(const char *who); /* a new name, e.g. in a child after fork */
enum log_level log_level(void);
int log_level_parse(const char *name); /* "debug" … "error" -> level, or -1 */
const char *log_level_name(enum log_level level);

/* `event` is a short constant word pair such as "worker died"; the rest is free text. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line written by or for a job (a task's own log, a command's stderr). It goes to the collector whatever
 * its level, for the job's own log has all of them; the collector leaves those below the least out of
 * standard error. */
void log_job(enum log_level level, const struct id *job, unsigned attempt, const char *text,
             size_t len);

/* A line of named values, which stay apart: members of the JSON line, name=value in text. `what` is a
 * constant word or two. A value is cut at LOG_VALUE_MAX bytes; all must fit into one record, or the last
 * are left out. */
#define LOG_VALUE_MAX 512
struct log_field {
    const char *name; /* a constant of [a-z_] */
    const char *value;
    bool number; /* digits with at most a point: a number in the JSON line */
};
void log_fields(enum log_level level, const char *what, const struct log_field *fields, size_t n);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* Logs at LOG_ERROR and ends the process with `status`, without running atexit handlers. For the
 * time before the service is ready, the fork server, and broken invariants. */
void log_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* ---- the collector's side of the pipe ---- */

#define LOG_TEXT_MAX 16384 /* bytes of a joined line; what is longer is cut, and says so */

/* LOG_HAS_FIELDS: the text is `what`, a zero, and for each field `s` or (a number) `n`, its name, a zero,
 * its value, a zero. */
enum log_flag { LOG_FIRST = 1, LOG_LAST = 2, LOG_HAS_JOB = 4, LOG_HAS_FIELDS = 8 };

struct log_record { /* header of one record; `len` bytes of text follow */
    uint16_t len;
    uint8_t level;
    uint8_t flags; /* enum log_flag */
    uint32_t pid;
    uint32_t tid;
    uint32_t attempt;
    int64_t wall_us;
    struct id job;
    char who[16];
};

#endif
