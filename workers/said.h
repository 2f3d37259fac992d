/*
 * said.h - what a command's program says: log lines on its standard output or error, and messages, one
 * JSON object a line, on fd 4. Carried, not parsed: the members of a line are found and handed on as the
 * bytes they are. Workers; single-threaded.
 */
#ifndef JOBMILL_WORKERS_SAID_H
#define JOBMILL_WORKERS_SAID_H

#include "task.h"

#define SAID_LINE_MAX 8192 /* bytes of a log line; longer ones are cut into several */
#define SAID_LAST_MAX 400  /* bytes of the last log line that go into an error */

/* Lines of one descriptor; what has no end yet waits in `part`. */
struct lines {
    struct buf part;
    bool cut; /* a line was longer than its limit */
    bool unended; /* what was handed over last had no end: a newline that comes next is its end, and no blank line */
};

/* Cuts what came into lines, without their newlines. A line without an end is taken as one when it is
 * `max` bytes long. lines_end() hands over what has no end yet. */
void lines_take(struct lines *l, const char *data, size_t len, size_t max,
                void (*each)(void *arg, const char *text, size_t len), void *arg);
void lines_end(struct lines *l, void (*each)(void *arg, const char *text, size_t len), void *arg);

/* The log of a program. */
struct said_log {
    const struct taskdef *def;
    struct task_run *run; /* NULL: between jobs, the lines are the service's own */
    char last[SAID_LAST_MAX + 1];
    size_t logged, unlogged; /* between jobs */
};
/* One line. Its level is what its beginning says, else info: `<3>` as for systemd (removed), or `ERROR`,
 * `WARNING`, … and a colon, as Python's logging writes. Blank ones are a job's alone. Fits lines_take(); arg: struct
 * said_log. */
void said_log_line(void *log, const char *text, size_t len);
/* Says how much was not kept between jobs, and begins to count anew. */
void said_log_end(struct said_log *log);

/* How long a line of fd 4 may be: a result has room in it, or the largest checkpoint. */
size_t said_message_max(const struct taskdef *def);

enum said { SAID_BAD, SAID_READY, SAID_PROGRESS, SAID_RESULT, SAID_ERROR };

/* A line of fd 4: puts progress on the board, a checkpoint, a result or an error into the run. `dir`: where the file
 * of a `result_file` is. SAID_BAD: it is none of these; *why is a static phrase. */
enum said said_message(const struct taskdef *def, struct task_run *r, const char *dir,
                       const char *text, size_t len, const char **why);

/* Takes the result from a file of the job's directory, and removes it. The type is the given one, or
 * (NULL) what the task's `result` says. When it cannot be read the run has failed. */
void said_file(const struct taskdef *def, struct task_run *r, const char *dir, const char *name,
               const char *type);

/* Sets the content type that the task's `result` says. */
void said_type(const struct taskdef *def, struct task_run *r);

#endif
