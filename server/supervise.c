/*
 * supervise.c - the talk with the fork server: asks for workers, hears of births and deaths, writes
 * the obituary, and waits ever longer before it replaces workers that die at birth. Dispatch's
 * thread.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "metrics.h"
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PAUSE_US (10 * US_PER_MS)
#define BUSY_RETRY_US  (10 * US_PER_MS) /* the control socket was full */

/* Jobs that kill their worker, one after the other: from then on a pool starts one worker in this
 * time. */
#define CRASHES_IN_A_ROW 20
#define CRASH_PAUSE_US   (100 * US_PER_MS)

struct slot *supervise_slot(struct dispatcher *d, uint32_t index)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        const struct pooldef *def = d->pools[i].def;
        if (index >= def->first_slot && index - def->first_slot < def->room)
            return &d->pools[i].slots[index - def->first_slot];
    }
    return NULL;
}

/* A time limit from now on: for the fork server's answer, then for the worker's READY. */
static void limit_birth(const struct dispatcher *d, struct slot *s)
{
    int64_t limit_us = d->conf->birth_timeout_us;
    s->ready_by_us = limit_us ? clock_mono_us() + limit_us : INT64_MAX;
}

static void ask_for_worker(struct dispatcher *d, struct slot *s)
{
    s->generation++;
    s->ready = s->fell = false;
    atomic_store_explicit(&s->board->generation, s->generation, memory_order_release);
    struct msg m = {.kind = MSG_SPAWN, .fd = -1};
    m.u.SPAWN = (struct msg_SPAWN){
        .slot = s->index, .generation = s->generation, .pool = (uint32_t)(s->pool - d->pools)};
    int err = msg_send(d->control_fd, &m);
    if (err == 0) {
        s->spawn_at_us = INT64_MAX;
        limit_birth(d, s);
        slot_set_state(s, SLOT_STARTING);
    } else if (err == -ERR_TIMEOUT) {
        s->spawn_at_us = clock_mono_us() + BUSY_RETRY_US;
    } else {
        serve_die(70, "the fork server is gone: the service cannot go on");
    }
}

void supervise_begin(struct dispatcher *d)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].workers; k++)
            ask_for_worker(d, &d->pools[i].slots[k]);
    }
}

void supervise_kill(struct dispatcher *d, struct slot *s)
{
    struct msg m = {.kind = MSG_KILL, .fd = -1};
    m.u.KILL = (struct msg_KILL){.slot = s->index, .generation = s->generation};
    int err = msg_send(d->control_fd, &m);
    if (err == 0) {
        s->kill_at_us = INT64_MAX;
        slot_set_state(s, SLOT_DYING);
    } else if (err == -ERR_TIMEOUT) {
        s->kill_at_us = clock_mono_us() + BUSY_RETRY_US;
    } else {
        serve_die(70, "the fork server is gone: the service cannot go on");
    }
}

/* A birth came to nothing: the next one waits twice as long as the last. */
static void pause_births(struct dispatcher *d, struct slot *s)
{
    struct pool *p = s->pool;
    int64_t pause = FIRST_PAUSE_US;
    for (uint32_t i = 0; i < p->failures && pause < d->conf->restart_pause_max_us; i++)
        pause *= 2;
    if (pause > d->conf->restart_pause_max_us)
        pause = d->conf->restart_pause_max_us;
    p->failures++;
    s->spawn_at_us = clock_mono_us() + pause;
    atomic_store_explicit(&p->board->failures, p->failures, memory_order_relaxed);
    atomic_store_explicit(&p->board->retry_at_us, s->spawn_at_us, memory_order_release);
    log_warn("pool %s: %u workers in a row died at birth, next start in %lld ms", p->def->name,
             p->failures, (long long)(pause / US_PER_MS));
}

/* It died at work. It is replaced at once, unless its pool does nothing but die. */
static void replace(struct dispatcher *d, struct slot *s)
{
    struct pool *p = s->pool;
    int64_t now = clock_mono_us();
    if (p->deaths <= CRASHES_IN_A_ROW) {
        ask_for_worker(d, s);
        return;
    }
    if (p->deaths == CRASHES_IN_A_ROW + 1)
        log_warn("pool %s: %u workers in a row died at work: one is started every %lld ms",
                 p->def->name, p->deaths, (long long)(CRASH_PAUSE_US / US_PER_MS));
    p->next_birth_us = p->next_birth_us > now ? p->next_birth_us : now;
    p->next_birth_us += CRASH_PAUSE_US;
    s->spawn_at_us = p->next_birth_us;
    atomic_store_explicit(&p->board->retry_at_us, s->spawn_at_us, memory_order_release);
}

void supervise_ready(struct dispatcher *d, struct slot *s, int ring_fd)
{
    struct pool *p = s->pool;
    if (s->state != SLOT_STARTING)
        return;
    int err = ring_fd >= 0 ? ring_open(&s->ring, ring_fd) : 0;
    if (err) {
        log_error("worker %d cannot be listened to: its ring: %s", s->pid, err_sentence(err));
        supervise_kill(d, s);
        return;
    }
    s->ready = true;
    s->ready_by_us = s->kill_at_us = INT64_MAX;
    s->ready_us = clock_mono_us();
    s->done = 0;
    p->failures = 0;
    atomic_store_explicit(&p->board->failures, 0, memory_order_relaxed);
    atomic_store_explicit(&p->board->retry_at_us, 0, memory_order_release);
    slot_set_state(s, SLOT_IDLE);
    deliver_pending(d, p);
}

static void born(struct dispatcher *d, struct msg *m)
{
    struct slot *s = supervise_slot(d, m->u.BORN.slot);
    if (!s || s->generation != m->u.BORN.generation || s->state != SLOT_STARTING || m->fd < 0) {
        log_error("birth of an unknown worker: slot %u generation %u", m->u.BORN.slot,
                  m->u.BORN.generation);
        return;
    }
    s->sock = m->fd;
    m->fd = -1;
    s->pid = (int)m->u.BORN.pid;
    limit_birth(d, s);
    atomic_store_explicit(&s->board->pid, s->pid, memory_order_relaxed);
    atomic_store_explicit(&s->board->born_us, clock_wall_us(), memory_order_release);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = s->index};
    if (fd_nonblock(s->sock, true) || epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, s->sock, &ev) < 0) {
        log_error("worker %d cannot be listened to: %s", s->pid, strerror(errno));
        supervise_kill(d, s);
    }
}

/* What waitpid(2) said, in words. */
static const char *cause(uint32_t status, char *out, size_t len)
{
    int st = (int)status;
    if (WIFSIGNALED(st))
        snprintf(out, len, "signal %d (%s)%s", WTERMSIG(st), strsignal(WTERMSIG(st)),
                 WCOREDUMP(st) ? ", core dumped" : "");
    else
        snprintf(out, len, "exit status %d", WEXITSTATUS(st));
    return out;
}

static void died(struct dispatcher *d, const struct msg_DEATH *m)
{
    struct slot *s = supervise_slot(d, m->slot);
    if (!s || s->generation != m->generation)
        return;
    bool asked = s->state == SLOT_DYING && !s->fell; /* else that kill came after its death */
    bool at_birth = !s->ready;
    slot_set_state(s, SLOT_DYING); /* so that it is given nothing more */
    /* What it sent before it died is still in its socket. */
    if (s->sock >= 0) {
        deliver_last_words(d, s);
        epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->sock, NULL);
        fd_close(&s->sock);
    }
    char words[96];
    if (!asked) {
        log_warn("worker %d of pool %s died: %s", s->pid, s->pool->def->name,
                 cause(m->status, words, sizeof(words)));
        atomic_fetch_add_explicit(&s->pool->board->deaths, 1, memory_order_relaxed);
        s->pool->deaths += !at_birth;
    }
    metrics_worker_end((uint32_t)(s->pool - d->pools), at_birth ? WORKER_END_BIRTH
                                                       : asked  ? WORKER_END_ASKED
                                                       : WIFSIGNALED((int)m->status)
                                                           ? WORKER_END_SIGNAL
                                                           : WORKER_END_EXIT);
    slot_set_state(s, SLOT_EMPTY);
    atomic_store_explicit(&s->board->pid, 0, memory_order_release);
    atomic_fetch_add_explicit(&s->board->restarts, 1, memory_order_relaxed);
    s->full = s->closed = false;
    deliver_buried(d, s, m); /* names it */
    slot_job_end(s->board);  /* else its successor would seem to run its job until it is awake */
    slot_set_leaving(s, false);
    slot_set_stopped(s, 0);
    s->pid = 0;
    s->stop = STOP_NONE;
    s->kill_at_us = INT64_MAX;
    if (d->draining || !slot_is_wanted(s))
        s->spawn_at_us = INT64_MAX;
    else if (at_birth)
        pause_births(d, s);
    else
        replace(d, s);
    pool_trim(s->pool);
    deliver_pending(d, s->pool);
}

static void halted(struct dispatcher *d, const struct msg_HALT *m)
{
    struct slot *s = supervise_slot(d, m->slot);
    if (!s || s->generation != m->generation || s->state == SLOT_DYING || s->state == SLOT_EMPTY)
        return; /* who is killed is stopped first */
    log_warn("worker %d of pool %s %s", s->pid, s->pool->def->name,
             m->stopped ? "was stopped by a signal" : "goes on");
    deliver_stopped(d, s, m->stopped != 0);
}

/* One that was stopped for so long is not waited for any more. */
static void stopped_timer(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    int64_t limit_us = d->conf->stopped_timeout_us;
    if (!s->stopped_us || !limit_us || s->state == SLOT_DYING)
        return;
    int64_t due_us = s->stopped_us + limit_us;
    if (due_us > now_us) {
        *next_us = due_us < *next_us ? due_us : *next_us;
        return;
    }
    log_warn("worker %d of pool %s was stopped for %.3f s: killed", s->pid, s->pool->def->name,
             (double)limit_us / (double)US_PER_S);
    supervise_kill(d, s);
}

/* The fork server does not answer: what it was asked for comes when it goes on, and is no failure
 * of the pool. */
static void warn_of_unborn(struct dispatcher *d, struct pool *p)
{
    unsigned n = 0;
    for (uint32_t k = 0; k < p->size; k++) {
        struct slot *s = &p->slots[k];
        if (s->state != SLOT_STARTING || s->pid)
            continue;
        limit_birth(d, s); /* said once for all of them in this time */
        n++;
    }
    log_warn("pool %s: the fork server has not answered for %g s: %u workers are waited for",
             p->def->name, (double)d->conf->birth_timeout_us / (double)US_PER_S, n);
}

/* One that hangs at its birth, as in a module's constructor, would be waited for without end. */
static void birth_timer(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    if (s->state != SLOT_STARTING)
        return;
    if (s->ready_by_us <= now_us && !s->pid) {
        warn_of_unborn(d, s->pool);
    } else if (s->ready_by_us <= now_us) {
        log_warn("worker %d of pool %s was not ready within birth_timeout (%g s): killed", s->pid,
                 s->pool->def->name, (double)d->conf->birth_timeout_us / (double)US_PER_S);
        s->ready_by_us = INT64_MAX;
        supervise_kill(d, s);
    }
    if (s->state == SLOT_STARTING && s->ready_by_us < *next_us)
        *next_us = s->ready_by_us;
}

static void unborn(struct dispatcher *d, const struct msg_UNBORN *m)
{
    struct slot *s = supervise_slot(d, m->slot);
    if (!s || s->generation != m->generation || s->state != SLOT_STARTING)
        return;
    log_error("pool %s: a worker could not be started: %s", s->pool->def->name,
              strerror((int)m->error));
    metrics_worker_end((uint32_t)(s->pool - d->pools), WORKER_END_BIRTH);
    slot_set_state(s, SLOT_EMPTY);
    slot_set_leaving(s, false);
    if (slot_is_wanted(s))
        pause_births(d, s);
    else
        s->spawn_at_us = INT64_MAX;
    pool_trim(s->pool);
}

void supervise_control(struct dispatcher *d)
{
    for (int i = 0; i < 64; i++) {
        struct msg m;
        int got = msg_recv(d->control_fd, &m, d->in);
        if (got == -ERR_TIMEOUT)
            return;
        if (got <= 0)
            serve_die(70, "the fork server is gone (%s): the service cannot go on",
                      got == 0 ? "end of file" : err_sentence(got));
        switch (m.kind) {
        case MSG_BORN:
            born(d, &m);
            break;
        case MSG_HALT:
            halted(d, &m.u.HALT);
            break;
        case MSG_UNBORN:
            unborn(d, &m.u.UNBORN);
            break;
        case MSG_DEATH:
            /* died() receives into d->in; the fixed fields of m stay what they are */
            died(d, &m.u.DEATH);
            break;
        default:
            log_error("the fork server sent a %s", msg_kind_name(m.kind));
        }
        msg_release(&m);
    }
}

void supervise_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us)
{
    leave_timers(d, now_us, next_us);
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].size; k++) {
            struct slot *s = &d->pools[i].slots[k];
            if (s->state == SLOT_EMPTY && s->spawn_at_us <= now_us && !d->draining)
                ask_for_worker(d, s);
            if (s->state == SLOT_EMPTY && s->spawn_at_us < *next_us && !d->draining)
                *next_us = s->spawn_at_us;
            if (s->state == SLOT_EMPTY)
                continue;
            birth_timer(d, s, now_us, next_us);
            stopped_timer(d, s, now_us, next_us);
            if (s->kill_at_us <= now_us)
                supervise_kill(d, s);
            if (s->kill_at_us < *next_us)
                *next_us = s->kill_at_us;
        }
    }
}
