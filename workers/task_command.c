/*
 * task_command.c - tasks of the kind `command`: one program for each job. Input on stdin, result
 * from stdout, log from stderr; progress, result and error lines on fd 4.
 *
 * While the program runs the worker waits for its pipes, its death and the worker's own socket at
 * once. What it leaves running is the worker's to kill (worker.c).
 */
#include "task.h"

#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/jsonscan.h"
#include "../common/log.h"
#include "child.h"
#include "reaper.h"
#include "workdir.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192      /* of a log line; longer ones are cut into several */
#define LOG_MAX_BYTES  (1 << 20) /* of a job's log; what comes after is counted, not kept */
#define LAST_MAX       400       /* bytes of the last log line that go into the error */
#define MAX_WAIT_MS    60000
#define CLEAR_MS       5000
#define MSG_DEPTH      512

struct program {
    struct task *task;
    struct task_run *run;
    struct child child;
    struct buf out;      /* what stdout said so far */
    struct buf err_line; /* a line of stderr that has no end yet */
    struct buf msg_line; /* the same of fd 4 */
    char last[LAST_MAX + 1];
    size_t logged, unlogged;
    bool result_came; /* on fd 4: stands before stdout */
    bool too_large;
    bool told; /* SIGTERM was sent */
    int status;
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

/* ---- the words of the command ---- */

/* Appends the value of a field of the input as text. False: the run has failed. */
static bool add_field(struct task_run *r, struct buf *out, const char *name)
{
    const char *value;
    size_t len;
    if (!task_is_json(r->input_type) ||
        !jsonscan_member(r->input, r->input_len, name, &value, &len)) {
        task_fail(r, true, JOB_ERROR_BAD_INPUT, "the input lacks the field `%s`", name);
        return false;
    }
    if (!jsonscan_text(out, value, len)) {
        task_fail(r, true, JOB_ERROR_BAD_INPUT,
                  "the field `%s` of the input must be a string, number or boolean", name);
        return false;
    }
    return true;
}

/* A word with each {input.x} replaced; it stays one word. NULL: the run has failed. */
static char *make_word(struct task_run *r, const char *word)
{
    AUTO_BUF out = BUF_INIT;
    buf_adds(&out, "");
    for (const char *p = word; *p;) {
        const char *open = strstr(p, "{input."), *close = open ? strchr(open, '}') : NULL;
        if (!close) {
            buf_adds(&out, p);
            break;
        }
        char name[128];
        size_t n = (size_t)(close - open) - 7;
        buf_add(&out, p, (size_t)(open - p));
        if (n >= sizeof(name)) {
            task_fail(r, true, JOB_ERROR_BAD_INPUT, "a field's name in the command is too long");
            return NULL;
        }
        memcpy(name, open + 7, n);
        name[n] = '\0';
        if (!add_field(r, &out, name))
            return NULL;
        p = close + 1;
    }
    if (out.failed) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the command");
        return NULL;
    }
    return buf_take(&out, NULL);
}

static void free_words(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static char **make_argv(const struct task *t, struct task_run *r)
{
    size_t n = 0;
    while (t->def->argv[n])
        n++;
    char **argv = calloc(n + 1, sizeof(*argv));
    if (!argv) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the command");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        argv[i] = make_word(r, t->def->argv[i]);
        if (!argv[i]) {
            free_words(argv);
            return NULL;
        }
    }
    return argv;
}

/* A clean environment: what programs need, and the job's name. */
static char **make_env(const struct task *t, const struct task_run *r, const char *dir)
{
    static const char *const kept[] = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"};
    size_t n = 0;
    char **env = calloc(16, sizeof(*env));
    if (!env)
        return NULL;
    bool ok = true;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = getenv(kept[i]);
        if (value && ok)
            ok = asprintf(&env[n], "%s=%s", kept[i], value) >= 0 && ++n;
    }
    char id[ID_TEXT];
    id_format(&r->job, id);
    ok = ok && asprintf(&env[n], "JOBMILL_JOB_ID=%s", id) >= 0 && ++n;
    ok = ok && asprintf(&env[n], "JOBMILL_TASK=%s", t->def->name) >= 0 && ++n;
    ok = ok && asprintf(&env[n], "JOBMILL_ATTEMPT=%u", r->attempt) >= 0 && ++n;
    ok = ok && asprintf(&env[n], "JOBMILL_DIR=%s", dir) >= 0 && ++n;
    if (!ok) {
        env[n] = NULL;
        free_words(env);
        return NULL;
    }
    return env;
}

/* ---- what it says ---- */

static void log_line(struct program *p, const char *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\r')
        len--;
    if (len == 0)
        return;
    size_t keep = len < LAST_MAX ? len : LAST_MAX;
    memcpy(p->last, text, keep);
    p->last[keep] = '\0';
    if (p->logged + len > LOG_MAX_BYTES) {
        p->unlogged++;
        return;
    }
    p->logged += len;
    log_job(LOG_INFO, &p->run->job, p->run->attempt, text, len);
}

/* A line of fd 4: {"progress":{…}}, {"result":…} or {"error":{…}}. */
static void message_line(struct program *p, const char *text, size_t len)
{
    struct task_run *r = p->run;
    const char *v, *f;
    size_t vlen, flen;
    if (len == 0)
        return;
    if (jsonscan(text, len, MSG_DEPTH, NULL, NULL) != 0) {
        log_job(LOG_WARN, &r->job, r->attempt, "fd 4: a line that is not JSON", 29);
        return;
    }
    if (jsonscan_member(text, len, "progress", &v, &vlen)) {
        AUTO_BUF words = BUF_INIT;
        bool has = jsonscan_member(v, vlen, "message", &f, &flen) && jsonscan_text(&words, f, flen);
        double fraction = jsonscan_member(v, vlen, "fraction", &f, &flen) ? strtod(f, NULL) : -1;
        slot_progress(r->slot, fraction, has && words.data ? words.data : NULL, words.len);
    } else if (jsonscan_member(text, len, "result", &v, &vlen)) {
        p->result_came = true;
        buf_clear(&r->result);
        buf_add(&r->result, v, vlen);
        r->result_type[0] = '\0';
        r->has_result = true;
    } else if (jsonscan_member(text, len, "error", &v, &vlen)) {
        AUTO_BUF code = BUF_INIT;
        AUTO_BUF words = BUF_INIT;
        if (jsonscan_member(v, vlen, "code", &f, &flen))
            (void)jsonscan_text(&code, f, flen);
        if (jsonscan_member(v, vlen, "message", &f, &flen))
            (void)jsonscan_text(&words, f, flen);
        bool permanent = jsonscan_member(v, vlen, "permanent", &f, &flen) && flen == 4 && *f == 't';
        task_fail(r, permanent, code.len ? code.data : JOB_ERROR_TASK, "%s",
                  words.len ? words.data : "the task failed");
    }
}

/* Cuts what came into lines. `max`: a line without an end is taken as one when it is this long. */
static void take_lines(struct program *p, struct buf *part, const char *data, size_t len,
                       size_t max, void (*each)(struct program *p, const char *text, size_t len))
{
    while (len > 0) {
        const char *nl = memchr(data, '\n', len);
        size_t n = nl ? (size_t)(nl - data) : len;
        if (!nl || part->len > 0) {
            size_t room = max > part->len ? max - part->len : 0;
            buf_add(part, data, n < room ? n : room);
        }
        if (nl && part->len == 0)
            each(p, data, n < max ? n : max);
        else if (nl || part->len >= max) {
            each(p, part->data ? part->data : "", part->len);
            buf_clear(part);
        }
        data += n + (nl != NULL);
        len -= n + (nl != NULL);
    }
}

static void take_stdout(struct program *p, const char *data, size_t len)
{
    if (p->out.len + len > p->task->def->output_max)
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
            take_lines(p, &p->err_line, data, (size_t)n, LINE_MAX_BYTES, log_line);
        else
            take_lines(p, &p->msg_line, data, (size_t)n, (size_t)p->task->def->output_max + 4096,
                       message_line);
    }
    return false;
}

/* ---- waiting ---- */

static void reap(struct program *p)
{
    while (waitpid(p->child.pid, &p->status, 0) < 0 && errno == EINTR)
        ;
    p->dead = true;
}

/* Asked to give up: the program may clean up; after the grace the front end has all killed. */
static void heed_cancel(struct program *p)
{
    if (p->told || !slot_cancelled(p->run->slot))
        return;
    p->told = true;
    kill(-p->child.pid, SIGTERM);
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
        int n = poll(fds, 5, MAX_WAIT_MS);
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
    (void)reaper_clear(NULL, NULL, CLEAR_MS);
    (void)drain(p, p->child.out_fd);
    (void)drain(p, p->child.err_fd);
    (void)drain(p, p->child.msg_fd);
    if (p->err_line.len)
        log_line(p, p->err_line.data, p->err_line.len);
    if (p->msg_line.len)
        message_line(p, p->msg_line.data, p->msg_line.len);
}

/* ---- the outcome ---- */

static void use_stdout(struct program *p)
{
    struct task_run *r = p->run;
    const struct taskdef *def = p->task->def;
    if (def->result == TASK_RESULT_JSON) {
        while (p->out.len > 0 && strchr(" \t\r\n", p->out.data[p->out.len - 1]))
            p->out.data[--p->out.len] = '\0';
        if (p->out.len == 0)
            buf_adds(&p->out, "null");
        r->result_type[0] = '\0';
    } else if (def->result == TASK_RESULT_TEXT) {
        snprintf(r->result_type, sizeof(r->result_type), "text/plain; charset=utf-8");
    } else {
        memcpy(r->result_type, def->result_type, sizeof(r->result_type));
    }
    buf_move(&r->result, &p->out);
    r->has_result = true;
}

static void judge(struct program *p)
{
    struct task_run *r = p->run;
    if (p->unlogged)
        log_write(LOG_WARN, "task %s: %zu log lines beyond %d bytes were not kept",
                  p->task->def->name, p->unlogged, LOG_MAX_BYTES);
    if (p->too_large) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT,
                  "the output is larger than output_max = %llu bytes",
                  (unsigned long long)p->task->def->output_max);
    } else if (r->failed) {
        if (WIFEXITED(p->status))
            r->error.exit_code = WEXITSTATUS(p->status);
    } else if (WIFSIGNALED(p->status)) {
        task_fail(r, false, JOB_ERROR_CRASHED, "the program was killed by signal %d (%s)%s%s",
                  WTERMSIG(p->status), strsignal(WTERMSIG(p->status)), *p->last ? ": " : "",
                  p->last);
        r->error.signal = WTERMSIG(p->status);
    } else if (WEXITSTATUS(p->status) != 0) {
        task_fail(r, false, JOB_ERROR_TASK, "the program ended with exit status %d%s%s",
                  WEXITSTATUS(p->status), *p->last ? ": " : "", p->last);
        r->error.exit_code = WEXITSTATUS(p->status);
    } else if (p->out.failed || r->result.failed) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the output");
    } else if (!p->result_came) {
        use_stdout(p);
    }
}

static void run_program(struct program *p, char *const *argv, const char *dir)
{
    struct task_run *r = p->run;
    char **env = make_env(p->task, r, dir);
    AUTO_FD in = fd_memfd("jobmill-stdin", r->input, r->input_len);
    if (!env || in < 0 || lseek(in, 0, SEEK_SET) < 0) {
        task_fail(r, false, JOB_ERROR_MEMORY, "the program's input cannot be made: %s",
                  strerror(errno));
        free_words(env);
        return;
    }
    struct child_options o = {.argv = argv, .env = env, .dir = dir, .stdin_fd = in};
    o.memory = p->task->def->memory;
    int why = child_start(&p->child, &o);
    free_words(env);
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
    struct program p = {.task = t, .run = r};
    char dir[PATH_MAX];
    char **argv = make_argv(t, r);
    if (!argv)
        return;
    int why = workdir_make(dir, sizeof(dir));
    if (why) {
        task_fail(r, false, JOB_ERROR_TASK, "no directory for the job: %s", strerror(why));
    } else {
        run_program(&p, argv, dir);
        workdir_remove(dir);
    }
    free_words(argv);
    buf_release(&p.out);
    buf_release(&p.err_line);
    buf_release(&p.msg_line);
}
