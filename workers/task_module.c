/*
 * task_module.c - tasks of the kind `module`: a shared object against include/jobmill_task.h.
 *
 * Loaded once in the fork server, so that the workers share its pages; opened in each worker.
 */
#include "task.h"

#include "../common/clock.h"
#include "../common/embed.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "jobmill_task.h"
#include "limits.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ABI_LEAST                                                                                  \
    1 /* what came later stands at the end of struct jobmill_call, unseen by older tasks */
#define BUILTIN "builtin:"

/* A shipped task is a file inside the binary: loaded through a memory file. The descriptor stays
 * open: the loader takes two objects for one when they were opened under the same name, and the
 * name here is the descriptor's number. */
static void *open_builtin(struct task *t, const char *name)
{
    char file[JOB_TASK_MAX + 16], path[64];
    snprintf(file, sizeof(file), "tasks/%s.so", name);
    const struct embed *e = embed_find(file);
    if (!e) {
        task_broken(t, "there is no shipped task %s", name);
        return NULL;
    }
    int fd = fd_memfd(file, e->data, e->len);
    if (fd < 0) {
        task_broken(t, "shipped task %s: %s", name, strerror(errno));
        return NULL;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        task_broken(t, "%s", dlerror());
    return so;
}

int module_load(struct task *t)
{
    const char *path = t->def->module;
    bool shipped = strncmp(path, BUILTIN, sizeof(BUILTIN) - 1) == 0;
    void *so =
        shipped ? open_builtin(t, path + sizeof(BUILTIN) - 1) : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return t->broken ? -1 : task_broken(t, "%s", dlerror());
    const struct jobmill_task *code = dlsym(so, "jobmill_task");
    if (!code)
        return task_broken(t, "%s: exports no symbol jobmill_task; is JOBMILL_TASK() there?", path);
    if (code->abi < ABI_LEAST || code->abi > JOBMILL_TASK_ABI)
        return task_broken(
            t, "%s: made for version %u of the task interface, this knows up to version %d", path,
            code->abi, JOBMILL_TASK_ABI);
    if (!code->run)
        return task_broken(t, "%s: has no run function", path);
    t->code = code;
    return 0;
}

const char *module_describe(const struct task *t)
{
    const struct jobmill_task *code = t->code;
    return code->description;
}

int module_open(struct task *t)
{
    const struct jobmill_task *code = t->code;
    int n = code->open ? code->open(&t->state) : 0;
    return n ? task_broken(t, "%s: its open function failed with %d", t->def->module, n) : 0;
}

void module_close(struct task *t)
{
    const struct jobmill_task *code = t->code;
    if (t->opened && !t->broken && code->close)
        code->close(t->state);
}

/* ---- the host's functions ---- */

static struct task_run *run_of(struct jobmill_call *call)
{
    return call->host_data;
}

static void host_progress(struct jobmill_call *call, double fraction, const char *message)
{
    slot_progress(run_of(call)->slot, fraction, message, message ? strlen(message) : 0);
}

static void host_log(struct jobmill_call *call, int level, const char *text, size_t len)
{
    struct task_run *r = run_of(call);
    if (level < JOBMILL_DEBUG || level > JOBMILL_ERROR)
        level = JOBMILL_INFO;
    task_log(r, (enum log_level)level, text, len);
}

static int host_cancelled(struct jobmill_call *call)
{
    return slot_cancelled(run_of(call)->slot);
}

static int host_result(struct jobmill_call *call, const char *type, const void *data, size_t len)
{
    struct task_run *r = run_of(call);
    if (!type || strlen(type) > JOB_TYPE_MAX) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT, "a content type is 1 to %d bytes", JOB_TYPE_MAX);
        return 1;
    }
    memcpy(r->result_type, type, strlen(type) + 1);
    buf_clear(&r->result);
    buf_add(&r->result, data, len);
    r->has_result = true;
    return r->result.failed;
}

static int host_fail(struct jobmill_call *call, const char *code, const char *message,
                     int permanent)
{
    task_fail(run_of(call), permanent != 0, code && task_code_ok(code) ? code : JOB_ERROR_TASK,
              "%s", message ? message : "the task failed");
    return 1;
}

/* Many are slowed down, rather than that one is held back and lost in a crash. */
static int host_checkpoint(struct jobmill_call *call, const char *json, size_t len)
{
    struct task_run *r = run_of(call);
    const char *why;
    if (!task_checkpoint(r, json, len, &why))
        return 1;
    while (r->has_left) {
        int64_t wait_us = r->left_due_us - clock_mono_us();
        struct timespec t = {.tv_nsec = wait_us > 0 ? (long)(wait_us * 1000) : 0};
        nanosleep(&t, NULL);
        task_checkpoint_send(r);
    }
    return r->left.failed;
}

static const struct jobmill_host host = {
    .abi = JOBMILL_TASK_ABI,
    .progress = host_progress,
    .log = host_log,
    .cancelled = host_cancelled,
    .result = host_result,
    .fail = host_fail,
    .checkpoint = host_checkpoint,
};

void module_run(struct task *t, struct task_run *r)
{
    const struct jobmill_task *code = t->code;
    char id[ID_TEXT];
    id_format(&r->job, id);
    struct jobmill_call call = {
        .abi = JOBMILL_TASK_ABI,
        .attempt = r->attempt,
        .job_id = id,
        .task = t->def->name,
        .input_type = *r->input_type ? r->input_type : "application/json",
        .input = r->input,
        .input_len = r->input_len,
        .host = &host,
        .host_data = r,
        .traceparent = r->traceparent,
        .checkpoint = r->checkpoint,
    };
    struct limits_before before;
    limits_job_begin(t->def, &before);
    int n = code->run(&call, t->state);
    limits_job_end(t->def, &before);
    if (n != 0 && !r->failed)
        task_fail(r, false, JOB_ERROR_TASK, "the task returned %d", n);
}
