/* task.c - what all kinds of task share. Fork server and workers; single-threaded. */
#include "task.h"

#include "../common/err.h"
#include "../common/clock.h"
#include "../common/jsonscan.h"
#include "../common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Checkpoints of a job, to the front end: one in this time, but for some that come together. */
#define LEFT_EVERY_US (20 * US_PER_MS)
#define LEFT_TOGETHER 8
#define RESULT_DEPTH  512
#define LOG_BYTES     (1u << 20) /* of a job's log, where its task does not say */

/* Its jobs never come here: they are leased to workers elsewhere. */
static int remote_load(struct task *t)
{
    (void)t;
    return 0;
}

static const struct task_ops kinds[TASK_KINDS] = {
#define KIND(symbol, name, load, describe, open, run, close)                                       \
    [symbol] = {name, load, describe, open, run, close},
#include "task.def"
#undef KIND
    [TASK_REMOTE] = {.name = "remote", .load = remote_load},
};

const struct task_ops *task_ops(const struct task *t)
{
    return &kinds[t->def->kind];
}

int task_broken(struct task *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->why, sizeof(t->why), fmt, ap);
    va_end(ap);
    t->broken = true;
    return -ERR_TASK_UNAVAILABLE;
}

struct task *tasks_load(const struct taskdefs *defs, uint32_t pool, struct board *board)
{
    struct task *tasks = calloc(defs->tasks ? defs->tasks : 1, sizeof(*tasks));
    if (!tasks)
        return NULL;
    for (uint32_t i = 0; i < defs->tasks; i++) {
        struct task *t = &tasks[i];
        t->def = &defs->task[i];
        t->index = i;
        if (pool == TASKS_OF_ALL_POOLS || pool == t->def->pool)
            (void)task_ops(t)->load(t);
        else
            (void)task_broken(t, "it is another pool's");
        if (!board)
            continue;
        if (t->broken) {
            log_error("task %s cannot be loaded: %s", t->def->name, t->why);
            memcpy(board->task[i].why, t->why, sizeof(t->why));
        }
        const char *said = t->broken || !task_ops(t)->describe ? NULL : task_ops(t)->describe(t);
        snprintf(board->task[i].description, sizeof(board->task[i].description), "%s",
                 said ? said : "");
        atomic_store_explicit(&board->task[i].status, t->broken ? TASK_BROKEN : TASK_READY,
                              memory_order_release);
    }
    return tasks;
}

void task_fail(struct task_run *r, bool permanent, const char *code, const char *fmt, ...)
{
    char text[JOB_ERROR_TEXT_MAX + 1];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->failed = true;
    r->permanent = permanent;
    job_error_set(&r->error, code, "%s", text);
}

bool task_is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t n = sizeof(json) - 1;
    return !*type ||
           (strncasecmp(type, json, n) == 0 && (!type[n] || type[n] == ';' || type[n] == ' '));
}

bool task_code_ok(const char *code)
{
    size_t n = strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && !code[n] && n <= JOB_ERROR_CODE_MAX;
}

/* A result is what it says it is, or none. */
static void judge(const struct task *t, struct task_run *r)
{
    if (r->failed)
        return;
    if (!r->has_result) {
        buf_clear(&r->result);
        buf_adds(&r->result, "null");
        r->result_type[0] = '\0';
    }
    if (r->result.failed) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the result");
        return;
    }
    if (r->result.len > t->def->output_max) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT,
                  "the result is larger than output_max = %llu bytes",
                  (unsigned long long)t->def->output_max);
        return;
    }
    if (!task_is_json(r->result_type))
        return;
    size_t where;
    const char *why;
    r->result_type[0] = '\0';
    if (jsonscan(r->result.data ? r->result.data : "", r->result.len, RESULT_DEPTH, &where, &why))
        task_fail(r, true, JOB_ERROR_BAD_RESULT, "the result is not JSON: %s, at byte %zu", why,
                  where);
}

bool task_checkpoint(struct task_run *r, const char *json, size_t len, const char **why)
{
    size_t where;
    *why = "its checkpoint is larger than 65536 bytes";
    if (len > JOB_CHECKPOINT_MAX || jsonscan(json, len, RESULT_DEPTH, &where, why) != 0)
        return false;
    buf_clear(&r->left);
    buf_add(&r->left, json, len);
    r->has_left = !r->left.failed;
    task_checkpoint_send(r);
    return true;
}

void task_checkpoint_send(struct task_run *r)
{
    int64_t now_us = clock_mono_us();
    if (!r->has_left || !r->send_left || now_us + LEFT_TOGETHER * LEFT_EVERY_US < r->left_due_us)
        return;
    r->left_due_us = (r->left_due_us > now_us ? r->left_due_us : now_us) + LEFT_EVERY_US;
    r->has_left = false;
    r->send_left(r);
}

size_t task_log_bytes(const struct taskdef *def)
{
    return def->log_bytes ? def->log_bytes : LOG_BYTES;
}

/* A newline at its end is none of it, and what is too long is cut. */
static size_t text_kept(const char *text, size_t len)
{
    if (len > LOG_TEXT_MAX)
        return LOG_TEXT_MAX;
    return len > 0 && text[len - 1] == '\n' ? len - 1 : len;
}

/* The service's own log names the job that did not stop. */
static void tell_unlogged(const struct task_run *r)
{
    char text[JOB_TASK_MAX + 100];
    int n = snprintf(text, sizeof(text), "task %s: %zu log lines beyond %zu bytes were not kept",
                     r->def->name, r->unlogged, task_log_bytes(r->def));
    if (n > 0)
        log_job(LOG_WARN, &r->job, r->attempt, text, (size_t)n);
}

void task_log(struct task_run *r, enum log_level level, const char *text, size_t len)
{
    if (r->logged > task_log_bytes(r->def)) {
        r->unlogged++;
        return;
    }
    r->logged += TASK_LOG_HEAD + text_kept(text, len);
    log_job(level, &r->job, r->attempt, text, len);
}

void task_do(struct task *t, struct task_run *r)
{
    r->def = t->def;
    r->error = JOB_ERROR_NONE;
    if (!t->broken && !t->opened) {
        t->opened = true;
        (void)task_ops(t)->open(t);
    }
    if (t->broken)
        task_fail(r, false, JOB_ERROR_NO_TASK, "the task cannot be run: %s", t->why);
    else
        task_ops(t)->run(t, r);
    judge(t, r);
    if (r->unlogged)
        tell_unlogged(r);
    if (r->failed)
        buf_clear(&r->result);
}
