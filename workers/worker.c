/*
 * worker.c - a worker's whole life: READY, then ASSIGN, run, DONE, until end of file.
 *
 * Jobs come several in a packet, and are run one after the other. What arrives while a program runs
 * is kept in `kept`, in order, and taken before the socket is read again. The worker decides
 * nothing about time or cancelling: it reports, and is told or killed.
 *
 * Outcomes go into the ring, which dispatch reads whenever it is awake. While more jobs are at hand
 * it is not woken for each of them, as a short job costs less than a wake-up; it is before the
 * worker waits. Should the next job turn out long, dispatch looks by itself (foresee.c, LOOK_US).
 */
#include "worker.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "../common/msg.h"
#include "../common/ring.h"
#include "limits.h"
#include "reaper.h"
#include "remover.h"
#include "sandbox.h"
#include "warm.h"
#include "where.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define USAGE_EVERY_US (100 * US_PER_MS)
#define CLEAR_MS       5000

/* Outcomes that dispatch was not woken for are at most this old when the next job begins, and the
 * job before it was shorter than this. */
#define UNTOLD_US INT64_C(100)

struct kept {
    struct kept *next;
    struct packet packet; /* points into data */
    char data[];
};

struct worker {
    const struct worker_birth *birth;
    const struct taskdefs *defs;
    struct board_slot *slot;
    struct kept *kept, **kept_end;
    int64_t usage_at_us;
    bool usage_told; /* since the last job */
    struct ring ring;
    int64_t
        untold_us; /* mono: since when the ring holds what dispatch was not woken for; 0: nothing */
    uint64_t seq;  /* of the job that runs */
    int death_signal; /* that it gets when the fork server dies */
    bool left_large;  /* it has told a checkpoint that the ring had no room for */
    char *padded;     /* a copy of the input with a zero byte behind it */
    size_t padded_cap;
    char buf[MSG_MAX + 1]; /* one more: a zero byte can stand behind an input at its end */
    char out[MSG_MAX];
    char later[MSG_MAX]; /* what comes while a program runs, before it is kept */
};

/* Kills all that is below it, which nobody else may be there to do. */
static void kill_below(void)
{
    reaper_kill_tree(getpid());
    (void)reaper_clear(NULL, NULL, CLEAR_MS);
}

static void end(struct worker *w, int status)
{
    warm_end();
    if (reaper_has_strangers(NULL, NULL))
        kill_below();
    for (uint32_t i = 0; i < w->defs->tasks; i++) {
        struct task *t = &w->birth->tasks[i];
        if (t->opened)
            task_ops(t)->close(t);
    }
    _exit(status);
}

static void send_or_end(struct worker *w, const struct msg *m)
{
    int err = msg_send(w->birth->sock, m);
    if (err == -ERR_CLOSED)
        end(w, 0);
    if (err)
        log_die(1, "a %s cannot be sent: %s: %s", msg_kind_name(m->kind), err_sentence(err),
                strerror(errno));
}

/* Dispatch is to see now what is in the ring. No system call while it is awake. */
static void wake_dispatch(struct worker *w)
{
    if (w->untold_us && ring_wake(&w->ring)) {
        struct msg m = {.kind = MSG_LOOK, .fd = -1};
        m.u.LOOK.generation = w->birth->generation;
        send_or_end(w, &m);
    }
    w->untold_us = 0;
}

/* Puts it in the ring; false: it does not fit there, and went through the socket. */
static bool say(struct worker *w, const struct msg *m, int64_t now_us)
{
    size_t len = 0;
    if (packet_add(w->out, &len, m) == 0 && ring_put(&w->ring, w->out, len)) {
        if (!w->untold_us)
            w->untold_us = now_us;
        return true;
    }
    wake_dispatch(w);
    send_or_end(w, m);
    return false;
}

/* ---- figures on the board ---- */

static int64_t usage_cpu(const struct rusage *u)
{
    return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * US_PER_S + u->ru_utime.tv_usec +
           u->ru_stime.tv_usec;
}

static void tell_usage(struct worker *w)
{
    struct rusage self, children;
    w->usage_at_us = clock_mono_us();
    if (getrusage(RUSAGE_SELF, &self) < 0 || getrusage(RUSAGE_CHILDREN, &children) < 0)
        return;
    atomic_store_explicit(&w->slot->cpu_us, usage_cpu(&self) + usage_cpu(&children),
                          memory_order_relaxed);
    atomic_store_explicit(&w->slot->rss_bytes, (int64_t)self.ru_maxrss * 1024,
                          memory_order_relaxed);
}

/* ---- one job ---- */

/* The ABI promises a zero byte behind the input. `last`: no message stands behind it in w->buf. */
static const char *with_zero(struct worker *w, const struct msg *m, bool last)
{
    struct msg_bytes in = m->u.ASSIGN.input;
    if (last && !m->map) { /* the input is the last field of its message */
        ((char *)(uintptr_t)in.data)[in.len] = '\0';
        return in.data;
    }
    if (in.len + 1 > w->padded_cap) {
        char *more = realloc(w->padded, in.len + 1);
        if (!more)
            return NULL;
        w->padded = more;
        w->padded_cap = in.len + 1;
    }
    if (in.len)
        memcpy(w->padded, in.data, in.len);
    w->padded[in.len] = '\0';
    return w->padded;
}

static void send_done(struct worker *w, const struct msg_ASSIGN *a, const struct task_run *r,
                      int64_t started_us, int64_t run_us)
{
    struct msg m = {.kind = MSG_DONE, .fd = -1};
    m.u.DONE = (struct msg_DONE){
        .generation = w->birth->generation,
        .seq = a->seq,
        .cell = a->cell,
        .ok = !r->failed,
        .permanent = r->permanent,
        .retry_now = r->retry_now,
        .started_us = started_us,
        .finished_us = clock_wall_us(),
        .run_us = run_us,
        .signal = (uint32_t)r->error.signal,
        .exit_plus_1 = (uint32_t)(r->error.exit_code + 1),
        .error_code = {r->error.code, strlen(r->error.code)},
        .error_message = {r->error.message, strlen(r->error.message)},
        .result_type = {r->result_type, strlen(r->result_type)},
        .result = {r->result.data, r->result.len},
    };
    int64_t now_us = clock_mono_us();
    if (w->left_large) { /* behind it, by the same way */
        wake_dispatch(w);
        send_or_end(w, &m);
        return;
    }
    (void)say(w, &m, now_us);
    if (run_us >= UNTOLD_US || now_us - w->untold_us >= UNTOLD_US)
        wake_dispatch(w);
}

static void on_socket(void *arg);

/* A module's function may never come back: its worker is killed with the fork server. One that has
 * programs below it lives on, to kill them: when the front end has gone too, it sees the end of its
 * socket, if need be after it was stopped; else the front end kills it, with them. */
static void choose_death(struct worker *w, bool module)
{
    int signal = module ? SIGKILL : SIGCONT;
    if (signal == w->death_signal)
        return; /* a job of a module costs no system call more */
    if (prctl(PR_SET_PDEATHSIG, signal) < 0)
        log_die(1, "prctl: %s", strerror(errno));
    w->death_signal = signal;
    if (getppid() != w->birth->parent)
        end(w, 0); /* it died before */
}

static void send_left(struct task_run *r)
{
    _Static_assert(JOB_CHECKPOINT_MAX + sizeof(struct msg_CHECKPOINT) <= MSG_MAX,
                   "a checkpoint is a message");
    struct worker *w = r->arg;
    struct msg m = {.kind = MSG_CHECKPOINT, .fd = -1};
    m.u.CHECKPOINT = (struct msg_CHECKPOINT){
        .generation = w->birth->generation, .seq = w->seq, .data = {r->left.data, r->left.len}};
    w->left_large = !say(w, &m, clock_mono_us()) || w->left_large;
    wake_dispatch(w); /* the job may go on for long */
}

static void run_job(struct worker *w, const struct msg *m, bool last)
{
    const struct msg_ASSIGN *a = &m->u.ASSIGN;
    if (a->generation != w->birth->generation || a->task >= w->defs->tasks)
        log_die(1, "a job was assigned that is not this worker's");
    if (!cell_start(w->slot, a->cell, a->seq))
        return; /* taken back */
    struct task_run r = {.job = a->job, .attempt = a->attempt, .slot = w->slot};
    char type[JOB_TYPE_MAX + 1] = {0}, trace[JOB_TRACE_MAX + 1] = {0};
    memcpy(type, a->input_type.data,
           a->input_type.len < JOB_TYPE_MAX ? a->input_type.len : JOB_TYPE_MAX);
    memcpy(trace, a->traceparent.data,
           a->traceparent.len < JOB_TRACE_MAX ? a->traceparent.len : JOB_TRACE_MAX);
    w->seq = a->seq;
    w->left_large = false;
    int64_t wall = clock_wall_us(), mono = clock_mono_us();
    slot_job_begin(w->slot, a->seq, &a->job, a->attempt, a->task, wall);
    where_job(&a->job, a->attempt, w->defs->task[a->task].name);
    r.input = with_zero(w, m, last);
    bool has_more = a->params_len > 0 || a->checkpoint_len > 0;
    size_t more = has_more ? (size_t)a->params_len + a->checkpoint_len + 2 : 0;
    if (more > a->input.len)
        log_die(1, "a job was assigned whose input is shorter than it says");
    r.input_len = a->input.len - more;
    r.params = more && r.input ? r.input + r.input_len + 1 : "";
    r.checkpoint = more && r.input ? r.params + a->params_len + 1 : "";
    r.send_left = send_left;
    r.input_type = type;
    r.traceparent = trace;
    r.sock = w->birth->sock;
    r.on_socket = on_socket;
    r.arg = w;
    r.kill_grace_us = w->defs->kill_grace_us;
    bool module = w->defs->task[a->task].kind == TASK_MODULE;
    if (!module)
        wake_dispatch(w); /* none of the other kinds is over soon */
    choose_death(w, module);
    if (r.input)
        task_do(&w->birth->tasks[a->task], &r);
    else
        task_fail(&r, false, JOB_ERROR_MEMORY, "no memory for the input");
    r.left_due_us = 0;
    if (r.failed)
        task_checkpoint_send(&r); /* the last one, before the outcome */
    if (reaper_has_strangers(warm_keeps, NULL))
        (void)reaper_clear(warm_keeps, NULL, CLEAR_MS);
    int64_t now = clock_mono_us();
    bool asked = slot_cancelled(w->slot); /* then what it used is told with its outcome */
    slot_job_end(w->slot);
    where_idle();
    atomic_fetch_add_explicit(&w->slot->jobs_done, 1, memory_order_relaxed);
    if (asked || now - w->usage_at_us >= USAGE_EVERY_US)
        tell_usage(w);
    w->usage_told = false;
    send_done(w, a, &r, wall, now - mono);
    buf_release(&r.result);
    buf_release(&r.left);
}

/* ---- messages ---- */

/* While a program runs: keeps what comes for later. Ends the process when the front end is gone. */
static void on_socket(void *arg)
{
    struct worker *w = arg;
    struct packet p;
    int got = packet_recv(w->birth->sock, &p, w->later);
    if (got <= 0) {
        kill_below();
        _exit(got == 0 ? 0 : 1);
    }
    struct kept *k = malloc(sizeof(*k) + p.left);
    if (!k)
        log_die(1, "out of memory");
    *k = (struct kept){.packet = {.at = k->data, .left = p.left, .fd = p.fd}};
    memcpy(k->data, p.at, p.left);
    *w->kept_end = k;
    w->kept_end = &k->next;
}

/* `buffered`: the packet is in w->buf. */
static void take_packet(struct worker *w, struct packet *p, bool buffered)
{
    struct msg m;
    int got;
    while ((got = packet_next(p, &m)) == 1) {
        if (m.kind == MSG_ASSIGN)
            run_job(w, &m, buffered && p->left == 0);
        else if (m.kind != MSG_CANCEL) /* that one only woke us, the flag is on the board */
            log_die(1, "a %s is nothing for a worker", msg_kind_name(m.kind));
        msg_release(&m);
    }
    if (got < 0)
        log_die(1, "the worker's socket: %s", err_sentence(got));
}

static void next_packet(struct worker *w)
{
    struct kept *k = w->kept;
    if (k) {
        w->kept = k->next;
        if (!w->kept)
            w->kept_end = &w->kept;
        take_packet(w, &k->packet, false);
        free(k);
        return;
    }
    wake_dispatch(w);
    /* Before it falls asleep it says what it used; while jobs wait there is no time for that. */
    struct pollfd p = {.fd = w->birth->sock, .events = POLLIN};
    if (!w->usage_told && poll(&p, 1, 0) == 0) {
        tell_usage(w);
        w->usage_told = true;
    }
    warm_wait(w->birth->sock);
    struct packet packet;
    int got = packet_recv(w->birth->sock, &packet, w->buf);
    if (got == 0)
        end(w, 0);
    if (got < 0)
        log_die(1, "the worker's socket: %s", err_sentence(got));
    take_packet(w, &packet, true);
}

/* ---- programs kept warm ---- */

static void tell_task_state(void *arg, uint32_t task, bool ok, const char *why)
{
    struct worker *w = arg;
    struct msg m = {.kind = MSG_TASK_STATE, .fd = -1};
    m.u.TASK_STATE = (struct msg_TASK_STATE){
        .generation = w->birth->generation, .task = task, .ok = ok, .why = {why, strlen(why)}};
    send_or_end(w, &m);
}

static void begin_warm(struct worker *w)
{
    const struct worker_birth *b = w->birth;
    for (uint32_t i = 0; i < w->defs->tasks; i++) {
        const struct taskdef *def = b->tasks[i].def;
        if (def->kind != TASK_PERSISTENT || def->pool != b->pool || b->tasks[i].broken)
            continue;
        choose_death(w, false);
        warm_add(&b->tasks[i], w->defs->kill_grace_us, tell_task_state, w);
    }
}

/* ---- birth ---- */

static void be_born(const struct worker_birth *b)
{
    char name[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != b->parent)
        _exit(0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(name, sizeof(name), "worker %u", b->slot);
    prctl(PR_SET_NAME, name);
    log_who(name);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT,
           SIG_IGN); /* a terminal's ^C and an init system's TERM are the front end's matter */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    where_setup();
    limits_worker(&b->heritage->defs->pool[b->pool]);
    int err = sandbox_worker(b->heritage->defs, b->pool);
    if (err)
        log_die(1, "the worker's sandbox cannot be entered: %s", strerror(err));
}

_Noreturn void worker_main(const struct worker_birth *b)
{
    static struct worker w;
    be_born(b);
    w.birth = b;
    remover_setup(b->heritage->log_fd);
    w.defs = b->heritage->defs;
    w.slot = &b->heritage->board->slot[b->slot];
    w.kept_end = &w.kept;
    w.death_signal = SIGKILL;
    slot_job_end(w.slot); /* what its predecessor left half written is no one's any more */
    atomic_store_explicit(&w.slot->jobs_done, 0, memory_order_relaxed);
    atomic_store_explicit(&w.slot->cpu_us, 0, memory_order_relaxed);
    tell_usage(&w);
    struct msg m = {.kind = MSG_READY, .fd = ring_new(&w.ring)};
    m.u.READY.generation = b->generation;
    send_or_end(&w, &m);
    fd_close(&m.fd);
    begin_warm(&w);
    for (;;)
        next_packet(&w);
}
