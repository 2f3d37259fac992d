/*
 * warm.c - the programs that a worker keeps warm. Single-threaded.
 *
 * Invariants: all programs are in one list, and only sweep() and warm_give_back() take one out, so
 * a turn may hand lines to a program without it vanishing; a program that is BUSY is left for its
 * job's side to judge, whatever it does.
 */
#include "warm.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "reaper.h"
#include "words.h"
#include "workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WAIT_US  (60 * US_PER_S)
#define CLEAR_MS     5000
#define END_US       (300 * US_PER_MS)
#define RETIRE_US    (5 * US_PER_S)
#define MUTE_US      (1 * US_PER_S) /* alive this long after it closed fd 4: it can never answer */
#define PAUSE_US     (1 * US_PER_S) /* before a spare that failed is tried again; doubles */
#define PAUSE_MAX_US (60 * US_PER_S)
#define FDS          5 /* of a program: log twice, answers, death, jobs */

/* What is kept for a task, in its `state`. */
struct keeping {
    struct task *task;
    int64_t grace_us;
    warm_tell_fn *tell;
    void *arg;
    bool told, ok; /* what the front end was told last */
    unsigned failures,
        idle_ends;              /* one after the other: before it was ready; before its first job */
    int64_t retry_us, again_us; /* mono; for either, no spare is started before */
    char why[BOARD_TROUBLE_MAX + 1];
    struct keeping *next;
};

static struct warm *programs;
static struct keeping *keepings;

static struct keeping *keeping_of(const struct task *t)
{
    return t->state;
}

bool warm_keeps(pid_t pid, void *arg)
{
    (void)arg;
    for (const struct warm *w = programs; w; w = w->next) {
        if (w->child.pid == pid && !w->dead)
            return true;
    }
    return false;
}

void warm_add(struct task *t, int64_t grace_us, warm_tell_fn *tell, void *arg)
{
    struct keeping *k = calloc(1, sizeof(*k));
    if (!k)
        log_die(71, "out of memory");
    *k = (struct keeping){.task = t, .grace_us = grace_us, .tell = tell, .arg = arg};
    k->next = keepings;
    keepings = k;
    t->state = k;
}

/* ---- can it be kept warm? ---- */

/* After so many failures one after the other. */
static int64_t pause_us(unsigned failures)
{
    return failures < 6 ? PAUSE_US << failures : PAUSE_MAX_US;
}

static void works(struct keeping *k)
{
    k->failures = 0;
    k->retry_us = 0;
    if (k->told && k->ok)
        return;
    k->told = k->ok = true;
    k->tell(k->arg, k->task->index, true, "");
}

static void does_not_work(struct keeping *k, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void does_not_work(struct keeping *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(k->why, sizeof(k->why), fmt, ap);
    va_end(ap);
    k->retry_us = clock_mono_us() + pause_us(k->failures++);
    k->told = true;
    k->ok = false;
    log_warn("task %s: %s", k->task->def->name, k->why);
    k->tell(k->arg, k->task->index, false, k->why);
}

/* ---- what a program says ---- */

static void is_bad(struct warm *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void is_bad(struct warm *w, const char *fmt, ...)
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
        is_bad(w, "an answer is larger than output_max = %llu bytes",
               (unsigned long long)w->task->def->output_max);
        return;
    }
    if (w->answered) {
        is_bad(w, "it said more after its answer");
        return;
    }
    switch (said_message(w->task->def, w->run, w->dir, text, len, &why)) {
    case SAID_READY:
        if (w->state != WARM_STARTING) {
            is_bad(w, "it said twice that it is ready");
            break;
        }
        w->state = WARM_READY;
        w->deadline_us = INT64_MAX;
        works(keeping_of(w->task));
        break;
    case SAID_RESULT:
    case SAID_ERROR:
        w->answered = true;
        break;
    case SAID_PROGRESS:
        break;
    case SAID_BAD:
        is_bad(w, "a line on fd 4 is not understood: %s", why);
        break;
    }
}

/* Reads what there is of one of its descriptors; closes it at its end. */
static void drain(struct warm *w, int *fd)
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

static void drain_log(struct warm *w)
{
    drain(w, &w->child.out_fd);
    drain(w, &w->child.err_fd);
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

static struct warm *start(struct keeping *k)
{
    struct warm *w = calloc(1, sizeof(*w));
    int why = w ? workdir_make(w->dir, sizeof(w->dir)) : ENOMEM;
    if (!why) {
        w->task = k->task;
        w->log.def = k->task->def;
        why = start_in(w);
        if (why)
            workdir_remove(w->dir);
    }
    if (why) {
        does_not_work(k, "%s cannot be started: %s", k->task->def->argv[0], strerror(why));
        free(w);
        return NULL;
    }
    w->born_us = clock_mono_us();
    w->deadline_us = w->born_us + k->task->def->ready_timeout_us;
    w->next = programs;
    programs = w;
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
    drain(w, &w->child.msg_fd);
    lines_end(&w->msg, on_message, w);
    drain_log(w);
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

static void forget(struct warm *w)
{
    struct warm **at = &programs;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (reaper_has_strangers(warm_keeps, NULL)) /* what it left behind */
        (void)reaper_clear(warm_keeps, NULL, CLEAR_MS);
    child_close(&w->child);
    workdir_remove(w->dir);
    buf_release(&w->out.part);
    buf_release(&w->err.part);
    buf_release(&w->msg.part);
    buf_release(&w->line);
    free(w);
}

static void retire(struct warm *w)
{
    fd_close(&w->child.job_fd);
    w->state = WARM_RETIRED;
    w->deadline_us = clock_mono_us() + RETIRE_US;
}

static const char *end_of(const struct warm *w, char *out, size_t size)
{
    if (WIFSIGNALED(w->status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(w->status),
                 strsignal(WTERMSIG(w->status)));
    else
        snprintf(out, size, "ended with exit status %d", WEXITSTATUS(w->status));
    return out;
}

/* As it goes on from "its program". */
static const char *bad_of(const struct warm *w, char *out, size_t size)
{
    bool of_it = strncmp(w->bad, "it ", 3) == 0;
    snprintf(out, size, "%s%.140s", of_it ? "" : "is of no use: ", of_it ? w->bad + 3 : w->bad);
    return out;
}

static void failed_to_start(struct warm *w, const char *what)
{
    does_not_work(keeping_of(w->task), "its program %s%s%s", what, w->log.last[0] ? ": " : "",
                  w->log.last);
}

/* Whoever says that it is ready and ends, again and again, must not be started as fast as it can.
 */
static void ended_idle(const struct warm *w)
{
    struct keeping *k = keeping_of(w->task);
    int64_t pause = w->jobs ? 0 : pause_us(k->idle_ends++);
    char words[160], later[32] = "";
    if (pause) {
        k->again_us = clock_mono_us() + pause;
        snprintf(later, sizeof(later), " in %d s", (int)(pause / US_PER_S));
    }
    log_warn("task %s: its program %d %s between jobs: replaced%s", w->task->def->name,
             w->child.pid,
             w->bad[0] ? bad_of(w, words, sizeof(words)) : end_of(w, words, sizeof(words)), later);
}

/* A program that has no job: what happened to it, and what follows. True: it is forgotten. */
static bool settle(struct warm *w, int64_t now)
{
    char words[96], all[160];
    if (w->state == WARM_BUSY)
        return false;
    if (!w->dead && w->deadline_us <= now && w->state == WARM_STARTING) {
        drain(w, &w->child.msg_fd); /* it may have said so while nobody listened */
        if (w->state == WARM_STARTING && !w->bad[0])
            is_bad(w,
                   w->child.msg_fd < 0 ? "it closed fd 4"
                                       : "it was not ready within ready_timeout (%g s)",
                   (double)w->task->def->ready_timeout_us / (double)US_PER_S);
    } else if (!w->dead && w->deadline_us <= now && w->state == WARM_READY) {
        is_bad(w, "it closed fd 4");
    }
    bool late = w->state == WARM_RETIRED && w->deadline_us <= now;
    if (!w->dead && !w->bad[0] && !late)
        return false;
    bool died = w->dead;
    if (!died)
        warm_kill(w);
    drain_log(w);
    if (w->state == WARM_STARTING && died && !w->bad[0]) {
        snprintf(all, sizeof(all), "%s before it was ready", end_of(w, words, sizeof(words)));
        failed_to_start(w, all);
    } else if (w->state == WARM_STARTING) {
        failed_to_start(w, bad_of(w, all, sizeof(all)));
    } else if (w->state == WARM_READY) {
        ended_idle(w);
    }
    forget(w);
    return true;
}

/* ---- recycling ---- */

static uint64_t resident(pid_t pid)
{
    char path[64], text[128] = {0}, *end;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t expires_us(const struct warm *w)
{
    int64_t after = w->task->def->recycle_after_us;
    return w->state == WARM_READY && w->jobs && after ? w->born_us + after : INT64_MAX;
}

static bool used_up(const struct warm *w)
{
    const struct taskdef *def = w->task->def;
    return (def->recycle_jobs && w->jobs >= def->recycle_jobs) ||
           (def->recycle_memory && resident(w->child.pid) > def->recycle_memory);
}

/* ---- turns ---- */

/* Judges all programs without a job; the next moment at which one must be judged again. */
static int64_t sweep(void)
{
    int64_t now = clock_mono_us(), next = now + MAX_WAIT_US;
    for (struct warm *w = programs, *after; w; w = after) {
        after = w->next;
        if (settle(w, now))
            continue;
        if (expires_us(w) <= now)
            retire(w);
        if (w->state != WARM_BUSY && w->deadline_us < next)
            next = w->deadline_us;
        if (expires_us(w) < next)
            next = expires_us(w);
    }
    return next;
}

/* Starts one spare, of any task that lacks one. True: there may be more to start. *next_us: when.
 */
static bool start_missing(int64_t *next_us)
{
    int64_t now = clock_mono_us();
    for (struct keeping *k = keepings; k; k = k->next) {
        uint32_t have = 0;
        for (const struct warm *w = programs; w; w = w->next)
            have += w->task == k->task && (w->state == WARM_STARTING || w->state == WARM_READY);
        if (have >= k->task->def->spares)
            continue;
        int64_t due_us = k->retry_us > k->again_us ? k->retry_us : k->again_us;
        if (due_us <= now) {
            (void)start(k);
            return true;
        }
        if (due_us < *next_us)
            *next_us = due_us;
    }
    return false;
}

static void handle(struct warm *w, const struct pollfd *p)
{
    if (p[0].revents)
        drain(w, &w->child.out_fd);
    if (p[1].revents)
        drain(w, &w->child.err_fd);
    if (p[2].revents)
        drain(w, &w->child.msg_fd);
    if (p[4].revents)
        warm_send(w);
    if (p[3].revents)
        reap(w);
}

/* Waits for all programs and the socket, hands on what came. True: the socket is readable. */
static bool listen_all(int sock, int64_t until_us)
{
    static struct pollfd *fds;
    static size_t cap;
    size_t n = 1;
    for (const struct warm *w = programs; w; w = w->next)
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
    for (const struct warm *w = programs; w; w = w->next, at += FDS) {
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
    for (struct warm *w = programs; w; w = w->next, at += FDS)
        handle(w, at);
    return fds[0].revents != 0;
}

void warm_turn(struct task_run *r, int64_t until_us)
{
    int64_t next = sweep();
    if (listen_all(r->sock, next < until_us ? next : until_us))
        r->on_socket(r->arg);
}

void warm_wait(int sock)
{
    while (keepings) {
        if (listen_all(sock, 0)) /* jobs first */
            return;
        int64_t next = sweep();
        if (!start_missing(&next) && listen_all(sock, next))
            return;
    }
}

/* ---- for a job ---- */

static struct warm *choose(const struct task *t)
{
    struct warm *best = NULL;
    for (struct warm *w = programs; w; w = w->next) {
        if (w->task == t && w->state == WARM_READY && !w->dead && !w->bad[0] &&
            w->child.msg_fd >= 0 && (!best || w->born_us < best->born_us))
            best = w;
    }
    return best;
}

/* Is one of which it is not known yet what becomes of it? Also one that has closed fd 4 and is not
 * dead: sweep() will say why it was none. */
static bool is_starting(const struct task *t)
{
    for (const struct warm *w = programs; w; w = w->next) {
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
    if (listen_all(r->sock, 0)) /* what happened since the last job */
        r->on_socket(r->arg);
    (void)sweep();
    while (!(w = choose(t))) {
        if (slot_cancelled(r->slot)) {
            task_fail(r, false, JOB_ERROR_CANCELLED, "cancelled before it began");
            return NULL;
        }
        if (!is_starting(t) && (tried || !start(k))) {
            task_fail(r, false, JOB_ERROR_NO_TASK, "the task cannot be run: %s", k->why);
            return NULL;
        }
        tried = true;
        warm_turn(r, INT64_MAX);
        (void)sweep();
    }
    w->state = WARM_BUSY;
    w->run = r;
    w->log.run = r;
    w->answered = false;
    w->sent = 0;
    return w;
}

void warm_ahead(void)
{
    int64_t next = INT64_MAX;
    (void)start_missing(&next);
}

void warm_give_back(struct warm *w, bool done_with)
{
    if (!w->dead)
        drain_log(w);
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
        forget(w);
    } else if (done_with || used_up(w)) {
        retire(w);
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
    for (struct warm *w = programs; w; w = w->next)
        retire(w);
    for (struct warm *w = programs; w; w = w->next) {
        struct pollfd p = {.fd = w->child.pid_fd, .events = POLLIN};
        while (!w->dead && poll(&p, 1, clock_wait_ms(until, 1000)) < 0 && errno == EINTR)
            ;
        reap(w);
    }
    while (programs) {
        if (!programs->dead)
            warm_kill(programs);
        forget(programs);
    }
}
