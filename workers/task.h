/*
 * task.h - a task as the worker processes know it: loaded once in the fork server, opened once in each
 * worker, run once for each job.
 */
#ifndef JOBMILL_WORKERS_TASK_H
#define JOBMILL_WORKERS_TASK_H

#include "../common/board.h"
#include "../common/job.h"
#include "../common/log.h"
#include "../common/taskdef.h"

#include <stdbool.h>
#include <stddef.h>

#define TASK_WHY_MAX 231

struct task {
    const struct taskdef *def;
    uint32_t index;
    const void *code; /* kind module: its struct jobmill_task */
    void *state;      /* what open made */
    bool opened;
    bool broken;
    char why[TASK_WHY_MAX + 1]; /* broken: of what */
};

/* One job while it runs. In: all but the last group. */
struct task_run {
    const struct taskdef *def; /* task_do() sets it */
    struct id job;
    uint32_t attempt;
    const char *input; /* one zero byte follows it */
    size_t input_len;
    const char *input_type; /* zero-terminated; "" = application/json */
    const char *checkpoint; /* zero-terminated: JSON that the last attempt left; "" = none */
    const char *params; /* zero-terminated: a JSON object of what stands for {input.x}; "" = the input is asked */
    const char *traceparent; /* zero-terminated; "" = none */
    struct board_slot *slot;
    int sock;                           /* the worker's socket: readable means on_socket is to be called */
    void (*on_socket)(void *arg);       /* may not return: the front end is gone */
    void *arg;
    int64_t kill_grace_us; /* from SIGTERM to SIGKILL, for kinds that run a program */

    /* out: what it leaves for the next attempt */
    struct buf left; /* told last; the caller releases it */
    bool has_left;   /* and not yet sent */
    int64_t left_due_us; /* mono: not before */
    void (*send_left)(struct task_run *r); /* sends `left` */

    size_t logged, unlogged; /* bytes of its log that were passed on; lines that were not: task_log() */

    /* out: a result or an error */
    bool has_result;
    bool failed;
    bool permanent;
    bool retry_now; /* failed, and it was the program's death: no pause before the next attempt */
    struct job_error error;
    char result_type[JOB_TYPE_MAX + 1]; /* "" = application/json */
    struct buf result;                  /* the caller releases it */
};

struct task_ops {
    const char *name;
    int (*load)(struct task *t);  /* in the fork server; non-zero: why is set */
    const char *(*describe)(const struct task *t); /* what a loaded task says of itself; NULL: nothing */
    int (*open)(struct task *t);  /* in a worker, before its first job; non-zero: why is set */
    void (*run)(struct task *t, struct task_run *r);
    void (*close)(struct task *t);
};

const struct task_ops *task_ops(const struct task *t);

/* All tasks of the definitions; those of the pool are loaded. What failed is noted in the task and on the board, and
 * logged. NULL: out of memory. The memory is given back by the end of the process. */
#define TASKS_OF_ALL_POOLS UINT32_MAX
struct task *tasks_load(const struct taskdefs *defs, uint32_t pool, struct board *board);

/* Runs one job of a task and judges its result: after it exactly one of r->failed and a result. */
void task_do(struct task *t, struct task_run *r);

/* What a line of a log costs beside its text, at least: a file has its time, attempt and level. */
#define TASK_LOG_HEAD 33

/* A line of the job's log, as long as there is room (log_bytes of the task), and one more; then it is only counted.
 * Never more is counted than joblog.c does: so that one's last line says that there was more. */
void task_log(struct task_run *r, enum log_level level, const char *text, size_t len);
size_t task_log_bytes(const struct taskdef *def);

void task_fail(struct task_run *r, bool permanent, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Takes a checkpoint, which is sent at once, or, where many come, a little later: call task_checkpoint_send
 * in turns, at the latest at r->left_due_us when r->has_left. False and *why: it is not JSON, or too large. */
bool task_checkpoint(struct task_run *r, const char *json, size_t len, const char **why);
void task_checkpoint_send(struct task_run *r);
int task_broken(struct task *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool task_is_json(const char *content_type);
/* May a task give its error this code? [a-z0-9_], 1 to JOB_ERROR_CODE_MAX bytes. */
bool task_code_ok(const char *code);

#define KIND(symbol, name, load, describe, open, run, close)                                       \
    int load(struct task *t);                                                                      \
    const char *describe(const struct task *t);                                                    \
    int open(struct task *t);                                                                      \
    void run(struct task *t, struct task_run *r);                                                  \
    void close(struct task *t);
#include "task.def"
#undef KIND

#endif
