/*
 * task_command.c - tasks of the kind `command`: one program for each job. Input on stdin, result
 * from stdout, log from stderr; progress, result and error lines on fd 4.
 *
 * While the program runs the worker waits for its pipes, its death and the worker's own socket at
 * once. What it leaves running is the worker's to kill (worker.c).
 */
#include "task.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "child.h"
#include "limits.h"
#include "reaper.h"
#include "remover.h"
#include "said.h"
#include "warm.h"
#include "words.h"
#include "workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WAIT_MS   60000
#define CLEAR_MS      5000
#define KILL_AGAIN_US (100 * US_PER_MS)

struct program {
    struct task *task;
    struct task_run *run;
    const char *dir;
    struct child child;
    struct buf out; /* what stdout said so far */
    struct lines out_line, err_line, msg_line;
    struct said_log log;
    bool result_came; /* on fd 4: stands before stdout */
    bool too_large;
    bool told; /* SIGTERM was sent */
    int64_t kill_at_us;
    int status;
    struct rusage used;
    bool dead;
};

int command_load(struct task *t)
{
    int why = child_lookup(t->def->argv[0]);
    return why ? task_broken(t, "%s: %s", t->def->argv[0], strerror(why)) : 0;
}

const char *command_describe(const struct task *t)
{
    (void)t;
    return NULL;
}

int command_open(struct task *t)
{
    (void)t;
    return 0;
}

void command_close(struct task *t)
{
    (void)t;
}

/* ---- what it says ---- */

static void message_line(void *arg, const char *text, size_t len)
{
    struct program *p = arg;
    const char *why = "";
    char note[160];
    if (p->msg_line.cut) /* what it was to say is not known */
        p->too_large = true;
    if (p->too_large || len == 0)
        return;
    switch (said_message(p->task->def, p->run, p->dir, text, len, &why)) {
    case SAID_RESULT:
        p->result_came = true;
        break;
    case SAID_BAD:
        snprintf(note, sizeof(note), "fd 4: a line that is not understood: %s", why);
        task_log(p->run, LOG_WARN, note, strlen(note));
        break;
    case SAID_READY:
    case SAID_PROGRESS:
    case SAID_ERROR:
        break;
    }
}

/* With a result_file what it prints is log. */
static void take_stdout(struct program *p, const char *data, size_t len)
{
    if (p->task->def->result_file[0])
        lines_take(&p->out_line, data, len, SAID_LINE_MAX, said_log_line, &p->log);
    else if (p->out.len + len > p->task->def->output_max)
        p->too_large = true;
    else
        buf_add(&p->out, data, len);
}

/* Reads what there is; true: the other end is closed. */
static bool drain(struct program *p, int fd)
{
    char data[65536];
    for (int i = 0; i < 64; i++) {
        ssize_t n = read(fd, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno != EAGAIN;
        if (n == 0)
            return true;
        if (fd == p->child.out_fd)
            take_stdout(p, data, (size_t)n);
        else if (fd == p->child.err_fd)
            lines_take(&p->err_line, data, (size_t)n, SAID_LINE_MAX, said_log_line, &p->log);
        else
            lines_take(&p->msg_line, data, (size_t)n, said_message_max(p->task->def), message_line,
                       p);
    }
    return false;
}

/* ---- waiting ---- */

static void reap(struct program *p)
{
    while (wait4(p->child.pid, &p->status, 0, &p->used) < 0 && errno == EINTR)
        ;
    p->dead = true;
}

/* Asked to give up: the program may clean up; after the grace it is killed with all below it. */
static void heed_cancel(struct program *p)
{
    int64_t now = clock_mono_us();
    if (!p->told && slot_cancelled(p->run->slot)) {
        p->told = true;
        p->kill_at_us = now + p->run->kill_grace_us;
        kill(-p->child.pid, SIGTERM);
    }
    if (p->told && now >= p->kill_at_us) {
        reaper_kill_tree(p->child.pid);
        p->kill_at_us = now + KILL_AGAIN_US; /* its death comes through the pidfd */
    }
}

static int wait_ms(const struct program *p)
{
    int64_t due_us = p->told ? p->kill_at_us : INT64_MAX;
    if (p->run->has_left && p->run->left_due_us < due_us)
        due_us = p->run->left_due_us;
    return due_us < INT64_MAX ? clock_wait_ms(due_us, MAX_WAIT_MS) : MAX_WAIT_MS;
}

static void wait_for_end(struct program *p)
{
    struct pollfd fds[] = {{.fd = p->child.out_fd, .events = POLLIN},
                           {.fd = p->child.err_fd, .events = POLLIN},
                           {.fd = p->child.msg_fd, .events = POLLIN},
                           {.fd = p->child.pid_fd, .events = POLLIN},
                           {.fd = p->run->sock, .events = POLLIN}};
    while (!p->dead) {
        heed_cancel(p);
        task_checkpoint_send(p->run);
        int n = poll(fds, 5, wait_ms(p));
        if (n < 0 && errno != EINTR)
            break;
        if (n <= 0)
            continue;
        for (int i = 0; i < 3; i++) {
            if (fds[i].revents && drain(p, fds[i].fd))
                fds[i].fd = -1; /* poll passes over it from now on */
        }
        if (fds[4].revents)
            p->run->on_socket(p->run->arg);
        if (p->too_large)
            kill(-p->child.pid, SIGKILL);
        if (fds[3].revents)
            reap(p);
    }
    /* What it left behind may still hold the pipes: kill that first, then read what was written. */
    (void)reaper_clear(warm_keeps, NULL, CLEAR_MS);
    (void)drain(p, p->child.out_fd);
    (void)drain(p, p->child.err_fd);
    (void)drain(p, p->child.msg_fd);
    lines_end(&p->out_line, said_log_line, &p->log);
    lines_end(&p->err_line, said_log_line, &p->log);
    lines_end(&p->msg_line, message_line, p);
}

/* ---- the outcome ---- */

static void use_stdout(struct program *p)
{
    struct task_run *r = p->run;
    if (p->task->def->result == TASK_RESULT_JSON) {
        while (p->out.len > 0 && strchr(" \t\r\n", p->out.data[p->out.len - 1]))
            p->out.data[--p->out.len] = '\0';
        if (p->out.len == 0)
            buf_adds(&p->out, "null");
    }
    said_type(p->task->def, r);
    buf_move(&r->result, &p->out);
    r->has_result = true;
}

static void judge_exit(struct program *p, const char *last)
{
    struct task_run *r = p->run;
    int status = WEXITSTATUS(p->status);
    bool permanent = taskdef_exit_is_permanent(p->task->def, (unsigned)status);
    task_fail(r, permanent, JOB_ERROR_TASK, "the program ended with exit status %d%s%s", status,
              *last ? ": " : "", last);
    r->error.exit_code = status;
}

/* Did it die of a limit, or fail for want of memory? */
static bool judge_limits(struct program *p, const char *last)
{
    const struct rusage *u = &p->used;
    int signal = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : 0;
    int64_t cpu_us = (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * US_PER_S + u->ru_utime.tv_usec +
                     u->ru_stime.tv_usec;
    const char *sentence;
    const char *code = limits_cause(p->task->def, signal, u->ru_maxrss * INT64_C(1024), cpu_us,
                                    child_was_full(&p->child), &sentence);
    if (!code)
        return false;
    task_fail(p->run, false, code, "%s%s%s", sentence, *last ? ": " : "", last);
    if (signal)
        p->run->error.signal = signal;
    else
        p->run->error.exit_code = WEXITSTATUS(p->status);
    return true;
}

static void judge(struct program *p)
{
    struct task_run *r = p->run;
    const char *last = p->log.last;
    if (p->too_large) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT,
                  "the output is larger than output_max = %llu bytes",
                  (unsigned long long)p->task->def->output_max);
    } else if (r->failed) {
        if (WIFEXITED(p->status)) {
            r->error.exit_code = WEXITSTATUS(p->status);
            r->permanent = r->permanent || taskdef_exit_is_permanent(
                                               p->task->def, (unsigned)WEXITSTATUS(p->status));
        }
    } else if (p->status != 0 && judge_limits(p, last)) {
        return;
    } else if (WIFSIGNALED(p->status)) {
        task_fail(r, false, JOB_ERROR_CRASHED, "the program was killed by signal %d (%s)%s%s",
                  WTERMSIG(p->status), strsignal(WTERMSIG(p->status)), *last ? ": " : "", last);
        r->error.signal = WTERMSIG(p->status);
    } else if (WEXITSTATUS(p->status) != 0) {
        judge_exit(p, last);
    } else if (p->out.failed || r->result.failed) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the output");
    } else if (!p->result_came && p->task->def->result_file[0]) {
        said_file(p->task->def, r, p->dir, p->task->def->result_file, NULL);
    } else if (!p->result_came) {
        use_stdout(p);
    }
}

/* The file that JOBMILL_CHECKPOINT names. False: the run has failed. */
static bool add_checkpoint(struct program *p)
{
    struct task_run *r = p->run;
    char path[PATH_MAX + sizeof(WORDS_CHECKPOINT) + 1];
    if (!r->checkpoint[0])
        return true;
    snprintf(path, sizeof(path), "%s/%s", p->dir, WORDS_CHECKPOINT);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* in a sandbox the program may be another user's, and the directory is closed to all others */
    if (fd >= 0 && fchmod(fd, 0644) == 0 &&
        fd_write_all(fd, r->checkpoint, strlen(r->checkpoint)) == 0)
        return true;
    task_fail(r, false, JOB_ERROR_TASK, "the job's checkpoint cannot be written to a file: %s",
              strerror(errno));
    return false;
}

static void run_program(struct program *p, char *const *argv)
{
    struct task_run *r = p->run;
    char **env = words_env(p->task->def, r, p->dir);
    AUTO_FD in = fd_memfd("jobmill-stdin", r->input, r->input_len);
    if (!env || in < 0 || lseek(in, 0, SEEK_SET) < 0) {
        task_fail(r, false, JOB_ERROR_MEMORY, "the program's input cannot be made: %s",
                  strerror(errno));
        words_free(env);
        return;
    }
    if (!add_checkpoint(p)) {
        words_free(env);
        return;
    }
    struct child_options o = {.argv = argv, .env = env, .dir = p->dir, .stdin_fd = in};
    o.def = p->task->def;
    int why = child_start(&p->child, &o);
    words_free(env);
    if (why) {
        task_fail(r, false, JOB_ERROR_TASK, "%s cannot be started: %s", argv[0], strerror(why));
        return;
    }
    wait_for_end(p);
    child_close(&p->child);
    judge(p);
}

void command_run(struct task *t, struct task_run *r)
{
    struct program p = {.task = t, .run = r, .log = {.def = t->def, .run = r}};
    char dir[PATH_MAX];
    char **argv = words_argv(t, r);
    if (!argv)
        return;
    int why = workdir_make(dir, sizeof(dir));
    if (why) {
        task_fail(r, false, JOB_ERROR_TASK, "no directory for the job: %s", strerror(why));
    } else {
        p.dir = dir;
        run_program(&p, argv);
        remover_remove(dir);
    }
    words_free(argv);
    buf_release(&p.out);
    buf_release(&p.out_line.part);
    buf_release(&p.err_line.part);
    buf_release(&p.msg_line.part);
}
