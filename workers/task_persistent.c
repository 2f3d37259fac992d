/*
 * task_persistent.c - tasks of the kind `command` with persistent = true: one JSON line a job to a
 * program that is kept warm (warm.c), one JSON line back. The line is carried, not parsed.
 */
#include "task.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/jsonscan.h"
#include "../common/log.h"
#include "limits.h"
#include "warm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH      512
#define INPUT_FILE "input"

int persistent_open(struct task *t)
{
    return t->state ? 0 : task_broken(t, "it is not of this pool");
}

/* ---- the job's line ---- */

/* Line ends between the values of a JSON text become blanks, which mean the same. */
static void add_in_one_line(struct buf *out, const char *json, size_t len)
{
    size_t from = out->len;
    buf_add(out, json, len);
    if (out->failed)
        return;
    for (char *p = out->data + from; (p = strpbrk(p, "\r\n")); p++)
        *p = ' ';
}

static bool is_json(const struct task *t, const struct task_run *r)
{
    if (!task_is_json(r->input_type))
        return false;
    /* a raw submission was stored as it came */
    return t->def->input == TASK_INPUT_JSON ||
           jsonscan(r->input, r->input_len, DEPTH, NULL, NULL) == 0;
}

/* Bytes of any other type go through a file in the program's directory. False: the run has failed.
 */
static bool add_file(struct warm *w, struct task_run *r)
{
    char path[sizeof(w->dir) + sizeof(INPUT_FILE) + 1];
    snprintf(path, sizeof(path), "%s/%s", w->dir, INPUT_FILE);
    (void)unlink(path);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* the directory is closed to others; in a sandbox the program may be another user's */
    if (fd < 0 || fchmod(fd, 0644) < 0 || fd_write_all(fd, r->input, r->input_len) != 0) {
        task_fail(r, false, JOB_ERROR_TASK, "the job's input cannot be written to a file: %s",
                  strerror(errno));
        return false;
    }
    buf_adds(&w->line, "\"input_file\":");
    buf_add_json_string(&w->line, path, strlen(path));
    buf_adds(&w->line, ",\"input_type\":");
    buf_add_json_string(&w->line, r->input_type, strlen(r->input_type));
    return true;
}

static bool make_line(struct warm *w, struct task_run *r)
{
    char id[ID_TEXT];
    id_format(&r->job, id);
    buf_clear(&w->line);
    buf_addf(&w->line, "{\"job\":{\"id\":\"%s\",\"task\":\"%s\",\"attempt\":%u,", id,
             w->task->def->name, r->attempt);
    if (r->traceparent[0])
        buf_addf(&w->line, "\"traceparent\":\"%s\",", r->traceparent);
    if (r->checkpoint[0]) {
        buf_adds(&w->line, "\"checkpoint\":");
        add_in_one_line(&w->line, r->checkpoint, strlen(r->checkpoint));
        buf_addc(&w->line, ',');
    }
    if (!is_json(w->task, r)) {
        if (!add_file(w, r))
            return false;
    } else {
        buf_adds(&w->line, "\"input\":");
        add_in_one_line(&w->line, r->input_len ? r->input : "null",
                        r->input_len ? r->input_len : 4);
    }
    buf_adds(&w->line, "}}\n");
    if (w->line.failed)
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the job");
    return !w->line.failed;
}

/* ---- its course ---- */

/* Asked to give up: SIGTERM to its group, and after the grace it is killed. True: it was asked. */
static bool heed_cancel(struct warm *w, struct task_run *r, int64_t *kill_at_us)
{
    if (*kill_at_us == INT64_MAX && slot_cancelled(r->slot)) {
        *kill_at_us = clock_mono_us() + r->kill_grace_us;
        kill(-w->child.pid, SIGTERM);
    }
    if (*kill_at_us <= clock_mono_us() && !w->dead)
        warm_kill(w);
    return *kill_at_us != INT64_MAX;
}

static void crashed(const struct warm *w, struct task_run *r)
{
    const char *last = w->log.last, *sentence;
    const char *code = limits_cause(w->task->def, WIFSIGNALED(w->status) ? WTERMSIG(w->status) : 0,
                                    w->peak_bytes, 0, w->was_full, &sentence);
    if (code) {
        task_fail(r, false, code, "%s%s%s", sentence, *last ? ": " : "", last);
        return;
    }
    if (WIFSIGNALED(w->status)) {
        task_fail(r, false, JOB_ERROR_CRASHED, "the program was killed by signal %d (%s)%s%s",
                  WTERMSIG(w->status), strsignal(WTERMSIG(w->status)), *last ? ": " : "", last);
        r->error.signal = WTERMSIG(w->status);
    } else {
        task_fail(r, false, JOB_ERROR_CRASHED,
                  "the program ended with exit status %d before it answered%s%s",
                  WEXITSTATUS(w->status), *last ? ": " : "", last);
        r->error.exit_code = WEXITSTATUS(w->status);
    }
    r->retry_now = true;
}

static void judge(const struct warm *w, struct task_run *r)
{
    if (w->answered)
        return;
    if (w->bad[0])
        task_fail(r, w->too_long, JOB_ERROR_BAD_RESULT, "%s", w->bad);
    else
        crashed(w, r);
    r->has_result = false;
}

void persistent_run(struct task *t, struct task_run *r)
{
    int64_t kill_at = INT64_MAX;
    bool asked = false;
    struct warm *w = warm_take(t, r);
    if (!w)
        return;
    if (!make_line(w, r)) {
        warm_give_back(w, false);
        return;
    }
    warm_send(w);
    warm_ahead();
    while (!w->answered && !w->dead && !w->bad[0]) {
        asked = heed_cancel(w, r, &kill_at);
        task_checkpoint_send(r);
        int64_t due = kill_at < w->deadline_us ? kill_at : w->deadline_us;
        if (r->has_left && r->left_due_us < due)
            due = r->left_due_us;
        if (!w->dead)
            warm_turn(r, due);
        if (!w->dead && !w->answered && clock_mono_us() >= w->deadline_us)
            snprintf(w->bad, sizeof(w->bad), "the program closed fd 4");
    }
    judge(w, r);
    if (w->answered && w->bad[0])
        log_warn("task %s: its program is replaced: %s", t->def->name, w->bad);
    warm_give_back(w, asked);
}
