/*
 * warm.c - the programs that a worker keeps warm. Single-threaded.
 *
 * Invariants: all programs are in one list, and only warm_sweep() and warm_give_back() take one
 * out, so a turn may hand lines to a program without it vanishing; a program that is BUSY is left
 * for its job's side to judge, whatever it does.
 */
#include "warm_priv.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "reaper.h"
#include "remover.h"
#include "words.h"
#include "workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLEAR_MS  5000
#define END_US    (300 * US_PER_MS)
#define RETIRE_US (5 * US_PER_S)
#define MUTE_US   (1 * US_PER_S) /* alive this long after it closed fd 4: it can never answer */
#define FDS       5              /* of a program: log twice, answers, death, jobs */

struct warm *warm_programs;

bool warm_keeps(pid_t pid, void *arg)
{
    (void)arg;
    for (const struct warm *w = warm_programs; w; w = w->next) {
        if (w->child.pid == pid && !w->dead)
            return true;
    }
    return remover_is(pid);
}

/* ---- what a program says ---- */

void warm_is_bad(struct warm *w, const char *fmt, ...)
{
    va_list ap;
    if (w->bad[0])
        return;
    va_start(ap, fmt);
    vsnprintf(w->bad, sizeof(w->bad), fmt, ap);
    va_end(ap);
}

static void on_message(void *arg, const char *text, size_t len)
{
    struct warm *w = arg;
    const char *why = "";
    if (w->bad[0] || w->state == WARM_RETIRED || len == 0)
        return;
    if (w->msg.cut) {
        w->too_long = true;
        warm_is_bad(w, "an answer is larger than output_max = %llu bytes",
                    (unsigned long long)w->task->def->output_max);
        return;
    }
    if (w->answered) {
        warm_is_bad(w, "it said more after its answer");
        return;
    }
    switch (said_message(w->task->def, w->run, w->dir, text, len, &why)) {
    case SAID_READY:
        if (w->state != WARM_STARTING) {
            warm_is_bad(w, "it said twice that it is ready");
            break;
        }
        w->state = WARM_READY;
        w->deadline_us = INT64_MAX;
        warm_works(keeping_of(w->task));
        break;
    case SAID_RESULT:
    case SAID_ERROR:
        w->answered = true;
        break;
    case SAID_PROGRESS:
        break;
    case SAID_BAD:
        warm_is_bad(w, "a line on fd 4 is not understood: %s", why);
        break;
    }
}

void warm_drain(struct warm *w, int *fd)
{
    char data[65536];
    for (int i = 0; i < 64 && *fd >= 0; i++) {
        ssize_t n = read(*fd, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            if (fd == &w->child.msg_fd && w->deadline_us > clock_mono_us() + MUTE_US)
                w->deadline_us = clock_mono_us() + MUTE_US;
            fd_close(fd);
        } else if (fd == &w->child.msg_fd) {
            lines_take(&w->msg, data, (size_t)n, said_message_max(w->task->def), on_message, w);
        } else {
            struct lines *l = fd == &w->child.out_fd ? &w->out : &w->err;
            lines_take(l, data, (size_t)n, SAID_LINE_MAX, said_log_line, &w->log);
        }
        if ((size_t)n < sizeof(data))
            return; /* that was all: poll() says when there is more */
    }
}

void warm_drain_log(struct warm *w)
{
    warm_drain(w, &w->child.out_fd);
    warm_drain(w, &w->child.err_fd);
    lines_end(&w->out, said_log_line, &w->log);
    lines_end(&w->err, said_log_line, &w->log);
}

void warm_send(struct warm *w)
{
    while (w->child.job_fd >= 0 && w->sent < w->line.len) {
        ssize_t n = write(w->child.job_fd, w->line.data + w->sent, w->line.len - w->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) /* it reads no more: its death or its silence will be the outcome */
            fd_close(&w->child.job_fd);
        else
            w->sent += (size_t)n;
    }
}

/* ---- birth and death ---- */

static int start_in(struct warm *w)
{
    const struct taskdef *def = w->task->def;
    char **env = words_env(def, NULL, w->dir);
    AUTO_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct child_options o = {.argv = def->argv,
                              .env = env,
                              .dir = w->dir,
                              .stdin_fd = null,
                              .job_pipe = true,
                              .def = def};
    int why = !env ? ENOMEM : null < 0 ? errno : child_start(&w->child, &o);
    words_free(env);
    return why;
}

struct warm *warm_start(struct keeping *k)
{
    struct warm *w = calloc(1, sizeof(*w));
    int why = w ? workdir_make(w->dir, sizeof(w->dir)) : ENOMEM;
    if (!why) {
        w->task = k->task;
        w->log.def = k->task->def;
        why = start_in(w);
        if (why)
            remover_remove(w->dir);
    }
    if (why) {
        warm_does_not_work(k, "%s cannot be started: %s", k->task->def->argv[0], strerror(why));
        free(w);
        return NULL;
    }
    w->born_us = clock_mono_us();
    w->deadline_us = w->born_us + k->task->def->ready_timeout_us;
    w->next = warm_programs;
    warm_programs = w;
    return w;
}

/* Its last words, then its body. */
static void reap(struct warm *w)
{
    struct rusage used = {0};
    pid_t got;
    do {
        got = wait4(w->child.pid, &w->status, WNOHANG, &used);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return;
    w->dead = true;
    w->peak_bytes = used.ru_maxrss * INT64_C(1024);
    w->was_full = child_was_full(&w->child);
    warm_drain(w, &w->child.msg_fd);
    lines_end(&w->msg, on_message, w);
    warm_drain_log(w);
}

void warm_kill(struct warm *w)
{
    for (int i = 0; i < CLEAR_MS / 100 && !w->dead; i++) {
        struct pollfd p = {.fd = w->child.pid_fd, .events = POLLIN};
        reaper_kill_tree(w->child.pid);
        if (poll(&p, 1, 100) > 0)
            reap(w);
    }
    if (!w->dead) {
        log_error("task %s: its program %d does not die", w->task->def->name, w->child.pid);
        w->dead = true;
    }
}

void warm_forget(struct warm *w)
{
    struct warm **at = &warm_programs;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (reaper_has_strangers(warm_keeps, NULL)) /* what it left behind */
        (void)reaper_clear(warm_keeps, NULL, CLEAR_MS);
    child_close(&w->child);
    remover_remove(w->dir);
    buf_release(&w->out.part);
    buf_release(&w->err.part);
    buf_release(&w->msg.part);
    buf_release(&w->line);
    free(w);
}

void warm_retire(struct warm *w)
{
    fd_close(&w->child.job_fd);
    w->state = WARM_RETIRED;
    w->deadline_us = clock_mono_us() + RETIRE_US;
}

/* ---- turns ---- */

static void handle(struct warm *w, const struct pollfd *p)
{
    if (p[0].revents)
        warm_drain(w, &w->child.out_fd);
    if (p[1].revents)
        warm_drain(w, &w->child.err_fd);
    if (p[2].revents)
        warm_drain(w, &w->child.msg_fd);
    if (p[4].revents)
        warm_send(w);
    if (p[3].revents)
        reap(w);
}

bool warm_listen(int sock, int64_t until_us)
{
    static struct pollfd *fds;
    static size_t cap;
    size_t n = 1;
    for (const struct warm *w = warm_programs; w; w = w->next)
        n += FDS;
    if (n > cap) {
        struct pollfd *more = realloc(fds, 2 * n * sizeof(*fds));
        if (!more)
            log_die(71, "out of memory");
        fds = more;
        cap = 2 * n;
    }
    fds[0] = (struct pollfd){.fd = sock, .events = POLLIN};
    struct pollfd *at = fds + 1;
    for (const struct warm *w = warm_programs; w; w = w->next, at += FDS) {
        bool sending = w->sent < w->line.len;
        at[0] = (struct pollfd){.fd = w->child.out_fd, .events = POLLIN};
        at[1] = (struct pollfd){.fd = w->child.err_fd, .events = POLLIN};
        at[2] = (struct pollfd){.fd = w->child.msg_fd, .events = POLLIN};
        at[3] = (struct pollfd){.fd = w->dead ? -1 : w->child.pid_fd, .events = POLLIN};
        at[4] = (struct pollfd){.fd = sending ? w->child.job_fd : -1, .events = POLLOUT};
    }
    if (poll(fds, n, clock_wait_ms(until_us, (int)(MAX_WAIT_US / US_PER_MS))) <= 0)
        return false;
    at = fds + 1;
    for (struct warm *w = warm_programs; w; w = w->next, at += FDS)
        handle(w, at);
    return fds[0].revents != 0;
}

void warm_turn(struct task_run *r, int64_t until_us)
{
    int64_t next = warm_sweep();
    if (warm_listen(r->sock, next < until_us ? next : until_us))
        r->on_socket(r->arg);
}

/* ---- for a job ---- */

static struct warm *choose(const struct task *t)
{
    struct warm *best = NULL;
    for (struct warm *w = warm_programs; w; w = w->next) {
        if (w->task == t && w->state == WARM_READY && !w->dead && !w->bad[0] &&
            w->child.msg_fd >= 0 && (!best || w->born_us < best->born_us))
            best = w;
    }
    return best;
}

/* Is one of which it is not known yet what becomes of it? Also one that has closed fd 4 and is not
 * dead: warm_sweep() will say why it was none. */
static bool is_starting(const struct task *t)
{
    for (const struct warm *w = warm_programs; w; w = w->next) {
        if (w->task == t && w->state == WARM_STARTING)
            return true;
    }
    return false;
}

struct warm *warm_take(struct task *t, struct task_run *r)
{
    struct keeping *k = keeping_of(t);
    bool tried = false;
    struct warm *w;
    if (warm_listen(r->sock, 0)) /* what happened since the last job */
        r->on_socket(r->arg);
    (void)warm_sweep();
    while (!(w = choose(t))) {
        if (slot_cancelled(r->slot)) {
            task_fail(r, false, JOB_ERROR_CANCELLED, "cancelled before it began");
            return NULL;
        }
        if (!is_starting(t) && (tried || !warm_start(k))) {
            task_fail(r, false, JOB_ERROR_NO_TASK, "the task cannot be run: %s", k->why);
            return NULL;
        }
        tried = true;
        warm_turn(r, INT64_MAX);
        (void)warm_sweep();
    }
    w->state = WARM_BUSY;
    w->run = r;
    w->log.run = r;
    w->answered = false;
    w->sent = 0;
    return w;
}

void warm_give_back(struct warm *w, bool done_with)
{
    if (!w->dead)
        warm_drain_log(w);
    said_log_end(&w->log);
    w->log.run = NULL;
    w->log.last[0] = '\0';
    w->run = NULL;
    if (w->answered) {
        struct keeping *k = keeping_of(w->task);
        w->jobs++;
        k->idle_ends = 0;
        k->again_us = 0;
    }
    w->answered = false;
    buf_clear(&w->line);
    w->sent = 0;
    if (w->bad[0] && !w->dead)
        warm_kill(w);
    if (w->dead) {
        warm_forget(w);
    } else if (done_with || warm_used_up(w)) {
        warm_retire(w);
    } else {
        w->state = WARM_READY;
        if (w->line.cap > 1 << 20)
            buf_release(&w->line);
    }
}

/* ---- the end ---- */

void warm_end(void)
{
    int64_t until = clock_mono_us() + END_US;
    for (struct warm *w = warm_programs; w; w = w->next)
        warm_retire(w);
    for (struct warm *w = warm_programs; w; w = w->next) {
        struct pollfd p = {.fd = w->child.pid_fd, .events = POLLIN};
        while (!w->dead && poll(&p, 1, clock_wait_ms(until, 1000)) < 0 && errno == EINTR)
            ;
        reap(w);
    }
    while (warm_programs) {
        if (!warm_programs->dead)
            warm_kill(warm_programs);
        warm_forget(warm_programs);
    }
}
