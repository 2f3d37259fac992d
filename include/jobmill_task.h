/*
 * jobmill_task.h - the C interface of a `module` task. The only header of jobmill that a task
 * includes; it needs nothing else of jobmill, neither to compile nor to link.
 *
 * A task is a shared object that exports one symbol:
 *
 *     static int run(struct jobmill_call *call, void *state)
 *     {
 *         return jobmill_result_json(call, "{\"hello\":\"world\"}", 17);
 *     }
 *     JOBMILL_TASK(.description = "says hello", .run = run)
 *
 *     cc -shared -fPIC -o hello.so hello.c        and in the configuration:  [task hello]
 *                                                                           module = ./hello.so
 *
 * Process context: the object is loaded once, in the single-threaded fork server, before the workers
 * are forked from it (start method forkserver), or in each worker (start method spawn). `open` runs
 * once in each worker before its first job, `run` once for each job, one at a time, `close` when the
 * worker ends in good order. A crash, exit() or endless loop in `run` costs that job's attempt and
 * that worker, nothing else. Threads that `run` starts must have ended when it returns; processes
 * that it leaves behind are killed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JOBMILL_TASK_H
#define JOBMILL_TASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 2: struct jobmill_call has traceparent. 3: checkpoints. A host takes tasks of its own version and of all before. */
#define JOBMILL_TASK_ABI 3

enum jobmill_log_level { JOBMILL_DEBUG, JOBMILL_INFO, JOBMILL_WARN, JOBMILL_ERROR };

/* One call of a task: what it is given, and what it may ask of its host. Valid until run returns. */
struct jobmill_call {
    uint32_t abi;           /* JOBMILL_TASK_ABI of the host */
    uint32_t attempt;       /* 1 for the first */
    const char *job_id;     /* UUID text */
    const char *task;       /* the name under which it was submitted */
    const char *input_type; /* content type of the input; "application/json" for a JSON submission */
    const void *input;      /* the caller's bytes as they came; never NULL; one zero byte follows them */
    size_t input_len;
    const struct jobmill_host *host;
    void *host_data;
    const char *traceparent; /* the submission's trace, as in W3C Trace Context; "" where it had none */
    const char *checkpoint;  /* JSON that an attempt before this one left; "" where there is none */
};

/* The host's functions; call them through the jobmill_* helpers below. Only from the thread in which
 * `run` was called. */
struct jobmill_host {
    uint32_t abi;
    void (*progress)(struct jobmill_call *, double fraction, const char *message);
    void (*log)(struct jobmill_call *, int level, const char *text, size_t len);
    int (*cancelled)(struct jobmill_call *);
    int (*result)(struct jobmill_call *, const char *content_type, const void *data, size_t len);
    int (*fail)(struct jobmill_call *, const char *code, const char *message, int permanent);
    int (*checkpoint)(struct jobmill_call *, const char *json, size_t len);
};

/* What a shared object exports as `jobmill_task`. */
struct jobmill_task {
    uint32_t abi;             /* JOBMILL_TASK_ABI; set by JOBMILL_TASK() */
    const char *description;  /* one line, or NULL */
    const char *input_schema; /* a JSON Schema as text, for those who read the object, or NULL; what
                               * is checked is the file that the setting `input_schema` names */
    int (*open)(void **state); /* may be NULL; non-zero: the task is unavailable in this worker */
    /* Runs one job. Return what jobmill_result* or jobmill_fail returned. 0 without a result is
     * success with the result `null`; non-zero without jobmill_fail is the failure task_error. */
    int (*run)(struct jobmill_call *call, void *state);
    void (*close)(void *state); /* may be NULL */
};

#define JOBMILL_TASK(...)                                                                          \
    __attribute__((visibility("default"))) extern const struct jobmill_task jobmill_task;          \
    const struct jobmill_task jobmill_task = {.abi = JOBMILL_TASK_ABI, __VA_ARGS__};

/* Progress for those who poll: a fraction of 0..1 (a negative one: leave it) and a short message (NULL:
 * leave it). Costs a write to shared memory; call it as often as you like. */
static inline void jobmill_progress(struct jobmill_call *call, double fraction, const char *message)
{
    call->host->progress(call, fraction, message);
}

/* A line of the job's log; without a newline at its end. */
static inline void jobmill_log(struct jobmill_call *call, int level, const char *text, size_t len)
{
    call->host->log(call, level, text, len);
}

/* Non-zero when the job was cancelled or timed out: clean up and return jobmill_fail(). A task that
 * does not ask is killed after the grace period. Costs a read of shared memory. */
static inline int jobmill_cancelled(struct jobmill_call *call)
{
    return call->host->cancelled(call);
}

/* Leaves JSON text of at most 65536 bytes for the job's next attempt, should there be one: how far this one
 * has got. The last one stands. It is on disk within a second or so, so the next attempt may be given an
 * earlier one; after a failure of the task's own it is the last. At most 50 a second: more wait. Returns 0,
 * or non-zero where it is not JSON or too large. */
static inline int jobmill_checkpoint(struct jobmill_call *call, const char *json, size_t len)
{
    return call->host->checkpoint(call, json, len);
}

/* The job's result: bytes of any content type. The bytes are copied. Returns 0, or non-zero when they
 * cannot be kept (too large, out of memory), which run should return. A second call replaces the first. */
static inline int jobmill_result(struct jobmill_call *call, const char *content_type,
                                 const void *data, size_t len)
{
    return call->host->result(call, content_type, data, len);
}

/* The same for JSON text, which must be one valid JSON value. */
static inline int jobmill_result_json(struct jobmill_call *call, const char *json, size_t len)
{
    return call->host->result(call, "application/json", json, len);
}

/* Fails the job with a code of the task's own ([a-z0-9_], at most 63 bytes; NULL: "task_error") and a
 * message. `permanent`: do not try again. Returns non-zero, which run should return. */
static inline int jobmill_fail(struct jobmill_call *call, const char *code, const char *message,
                               int permanent)
{
    return call->host->fail(call, code, message, permanent);
}

#ifdef __cplusplus
}
#endif

#endif
