/*
 * deliver.c - one job's way to a worker and back: assign, hear, take back. Dispatch's
 * thread.
 *
 * A claim lives in one place at a time: pending in its pool, held by a slot, or on its way back to
 * the writer as a finish. `open attempts` are the first two.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "../workers/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* A worker that holds nothing, and whose socket was full, is tried again after this. */
#define FULL_US US_PER_MS

/* A worker whose socket is closed is dead or dying; one that lives on after this is killed. */
#define CLOSED_US (100 * US_PER_MS)

/* ---- checkpoints ---- */

static void checkpoint(struct slot *s, const struct msg_CHECKPOINT *m)
{
    struct claim *c = NULL;
    for (unsigned i = 0; i < s->count && !c; i++)
        c = s->held[i].seq == m->seq ? s->held[i].claim : NULL;
    if (!c || m->data.len > JOB_CHECKPOINT_MAX)
        return;
    buf_clear(&c->left);
    buf_add(&c->left, m->data.data, m->data.len);
    c->has_left = !c->left.failed;
    if (c->has_left && clock_mono_us() >= c->left_due_us)
        outcome_left(c);
}

/* ---- back to the queue ---- */

void deliver_return(struct dispatcher *d, struct pool *p, struct claim *c)
{
    outcome_post(d, p, outcome_new(c, c->cancel_requested ? ATTEMPT_CANCELLED : ATTEMPT_RETURNED),
                 c);
}

/* ---- to the worker ---- */

void deliver_head_starts(struct dispatcher *d, struct slot *s)
{
    slot_head_starts(s);
    if (s->count == 0)
        return;
    const struct claim *c = s->held[0].claim;
    loan_begins(&c->loan, s->head_since_us);
    d->late = d->late || (c->loan.begun && c->slept != d->slept);
    foresee_begin(d, s);
}

/* The worker holds the job from now on; it is told with the others of this pass. Takes c. */
static void hold(struct dispatcher *d, struct slot *s, struct claim *c)
{
    unsigned cell = slot_free_cell(s);
    uint64_t seq = ++d->next_seq;
    atomic_store_explicit(&s->board->cell[cell], cell_word(seq, CELL_ASSIGNED),
                          memory_order_release);
    s->held[s->count] = (struct assignment){.claim = c, .seq = seq, .cell = cell};
    s->count++;
    s->pool->held++;
    slot_untold(s, foresee_takes_us(d, c));
    if (s->count == 1)
        deliver_head_starts(d, s);
    if (s->state == SLOT_IDLE)
        slot_set_state(s, SLOT_BUSY);
    if (slot_is_spent(s))
        slot_set_leaving(s, true);
}

static struct msg assign_of(const struct slot *s, const struct assignment *a)
{
    const struct claim *c = a->claim;
    struct msg m = {.kind = MSG_ASSIGN, .fd = -1};
    m.u.ASSIGN = (struct msg_ASSIGN){
        .generation = s->generation,
        .seq = a->seq,
        .cell = a->cell,
        .job = c->job,
        .attempt = c->attempt,
        .task = c->task_index,
        .timeout_us = c->timeout_us,
        .input_type = {c->input_type, strlen(c->input_type)},
        .traceparent = {c->traceparent, strlen(c->traceparent)},
        .params_len = c->params_len,
        .checkpoint_len = c->checkpoint_len,
        .input = {c->input.data, c->input.len},
    };
    return m;
}

/* Sends what it was not sent yet, as many jobs in a packet as fit. 0; -ERR_TIMEOUT: its socket is
 * full; else the worker is broken or the first of the untold cannot be sent. */
static int tell(struct dispatcher *d, struct slot *s)
{
    size_t len = 0;
    unsigned packed = 0;
    int err = 0;
    while (s->untold && !err) {
        if (packed < s->untold) {
            struct msg m = assign_of(s, &s->held[s->count - s->untold + packed]);
            if (packet_add(d->out, &len, &m) == 0) {
                packed++;
                continue;
            }
            if (packed == 0) { /* too large to share a packet */
                err = msg_send(s->sock, &m);
                s->untold -= err == 0;
                continue;
            }
        }
        err = packet_send(s->sock, d->out, len);
        if (!err)
            s->untold -= packed;
        packed = 0;
        len = 0;
    }
    return err;
}

/* Its DEATH is on the way; until then it gets nothing more. */
static void socket_closed(struct slot *s)
{
    s->full = s->closed = true;
    s->fell = s->fell || s->state != SLOT_DYING;
    if (s->kill_at_us == INT64_MAX)
        s->kill_at_us = clock_mono_us() + CLOSED_US;
}

/* The job cannot be sent at all, by no fault of its own (no descriptors, no memory). */
static void cannot_send(struct dispatcher *d, struct pool *p, struct claim *c, int err)
{
    struct finish *f = outcome_new(c, ATTEMPT_FAILED);
    job_error_set(&f->attempt.error, err_code(err), "the job could not be sent to a worker: %s",
                  strerror(errno));
    log_error("a job could not be sent to a worker: %s", strerror(errno));
    outcome_post(d, p, f, c);
}

/* It took no more, or one job cannot be sent: what it was not sent is not its. */
static void untell(struct dispatcher *d, struct slot *s, int err)
{
    unsigned first = s->count - s->untold;
    if (err == -ERR_CLOSED)
        socket_closed(s);
    else if (err == -ERR_TIMEOUT) /* also of what was taken back, and it did not read yet */
        s->full = true;
    else
        cannot_send(d, s->pool, slot_take(s, first), err);
    s->full_us = clock_mono_us();
    while (s->count > first)
        pool_pend_first(s->pool, slot_take(s, s->count - 1));
    s->untold = 0;
    if (s->count == 0 && s->state == SLOT_BUSY)
        slot_set_state(s, SLOT_IDLE);
}

/* Shares the pending claims out. False: nothing changed hands. */
static bool share_out(struct dispatcher *d, struct pool *p)
{
    bool any = false;
    struct slot *s;
    while (p->pending && (s = pool_choose(p))) {
        struct claim *c = pool_unpend(p);
        if (c->cancel_requested) {
            deliver_return(d, p, c);
            continue;
        }
        hold(d, s, c);
        p->stalled_us = 0;
        any = true;
    }
    return any;
}

void deliver_pending(struct dispatcher *d, struct pool *p)
{
    while (share_out(d, p)) { /* again, when one took less than it was given */
        for (uint32_t k = 0; k < p->size; k++) {
            int err = tell(d, &p->slots[k]);
            if (err)
                untell(d, &p->slots[k], err);
        }
    }
    while (pool_has_excess(p))
        deliver_return(d, p, pool_unpend(p));
    uint32_t credit = d->draining ? 0 : pool_grant(p), pool = (uint32_t)(p - d->pools);
    if (credit && d->ended && d->ended_last->pool == pool)
        d->ended_last->credit += credit; /* the writer gets it with that outcome */
    else if (credit)
        writer_credit(pool, credit);
}

/* ---- back from the worker ---- */

void deliver_take_back(struct slot *s, unsigned from)
{
    for (unsigned i = s->count; i-- > from;) {
        if (cell_revoke(s->board, s->held[i].cell, s->held[i].seq))
            pool_pend_first(s->pool, slot_take(s, i));
    }
}

void deliver_return_pending(struct dispatcher *d, struct pool *p)
{
    for (struct claim *c; (c = pool_unpend(p));)
        deliver_return(d, p, c);
}

static void done(struct dispatcher *d, struct slot *s, const struct msg_DONE *said)
{
    const struct msg_DONE plain = outcome_plausible(said), *m = &plain;
    unsigned i = 0;
    while (i < s->count && s->held[i].seq != m->seq)
        i++;
    if (i == s->count) {
        log_error("worker %d ended a job that it does not hold", s->pid);
        return;
    }
    struct claim *c = s->held[i].claim;
    struct finish *f = outcome_of_done(d, s, i, m);
    (void)slot_take(s, i);
    s->done++;
    s->full = false;
    s->pool->deaths = 0;
    if (i == 0)
        deliver_head_starts(d, s);
    if (s->count == 0 && s->state == SLOT_BUSY)
        slot_set_state(s, SLOT_IDLE);
    pool_ran(s->pool, m->run_us);
    board_task_ended(&d->board->task[c->task_index], f->attempt.end, m->run_us);
    outcome_post(d, s->pool, f, c);
}

/* ---- programs that are to be kept warm ---- */

static bool is_troubled(const struct slot *s, uint32_t task)
{
    return s->troubled[task / 64] >> task % 64 & 1;
}

static void set_troubled(struct slot *s, uint32_t task, bool troubled)
{
    uint64_t bit = UINT64_C(1) << task % 64;
    s->troubled[task / 64] =
        troubled ? s->troubled[task / 64] | bit : s->troubled[task / 64] & ~bit;
}

/* What the workers say of one: the last word stands. */
static void task_state(struct dispatcher *d, struct slot *s, const struct msg_TASK_STATE *m)
{
    if (m->task >= d->defs->tasks || &d->pools[d->defs->task[m->task].pool] != s->pool)
        return;
    set_troubled(s, m->task, !m->ok);
    board_trouble_set(&d->board->task[m->task], m->why.data, m->ok ? 0 : m->why.len);
}

/* Its trouble went with it; where others are well, they have said so long ago. */
static void forget_troubles(struct dispatcher *d, struct slot *s)
{
    for (uint32_t task = 0; task < d->defs->tasks; task++) {
        if (!is_troubled(s, task))
            continue;
        set_troubled(s, task, false);
        bool others = false;
        for (uint32_t k = 0; k < s->pool->size; k++)
            others = others || is_troubled(&s->pool->slots[k], task);
        if (!others)
            board_trouble_set(&d->board->task[task], NULL, 0);
    }
}

/* ---- what a worker says ---- */

/* What came from a worker in one packet. 0; -ERR_PROTOCOL, -ERR_SYSTEM: it cannot be read. */
static int hear(struct dispatcher *d, struct slot *s, struct packet *p)
{
    bool freed = false;
    struct msg m;
    int got;
    while ((got = packet_next(p, &m)) == 1) {
        if (m.kind == MSG_READY && m.u.READY.generation == s->generation)
            supervise_ready(d, s, m.fd);
        else if (m.kind == MSG_DONE && m.u.DONE.generation == s->generation)
            done(d, s, &m.u.DONE), freed = true;
        else if (m.kind == MSG_TASK_STATE && m.u.TASK_STATE.generation == s->generation)
            task_state(d, s, &m.u.TASK_STATE);
        else if (m.kind == MSG_CHECKPOINT && m.u.CHECKPOINT.generation == s->generation)
            checkpoint(s, &m.u.CHECKPOINT);
        msg_release(&m);
    }
    if (freed)
        deliver_pending(d, s->pool);
    return got;
}

/* Its socket is at its end, or what it sent cannot be read. */
static void deaf(struct dispatcher *d, struct slot *s, int err)
{
    epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->sock, NULL);
    socket_closed(s);
    if (err < 0 && s->state != SLOT_DYING) {
        log_error("worker %d sent what cannot be read: %s", s->pid, err_sentence(err));
        supervise_kill(d, s);
    }
}

/* One packet from its socket. False: there is no more, or it is deaf now. */
static bool receive(struct dispatcher *d, struct slot *s)
{
    struct packet p;
    int got = packet_recv(s->sock, &p, d->in);
    if (got == -ERR_TIMEOUT)
        return false;
    int err = got == 1 ? hear(d, s, &p) : got;
    if (got == 1 && !err)
        return true;
    deaf(d, s, err);
    return false;
}

/* Where more waits, epoll tells again: no call only to hear that there is none. */
void deliver_socket(struct dispatcher *d, struct slot *s)
{
    (void)receive(d, s);
}

static void look(struct dispatcher *d, struct slot *s)
{
    _Static_assert(RING_BYTES <= MSG_MAX, "a ring is a packet");
    int got = ring_take(&s->ring, d->in);
    struct packet p = {.at = d->in, .left = got > 0 ? (size_t)got : 0, .fd = -1};
    int err = got > 0 ? hear(d, s, &p) : got;
    if (!err)
        return;
    ring_close(&s->ring);
    deaf(d, s, err);
}

void deliver_hear_all(struct dispatcher *d, struct slot *s)
{
    for (int i = 0; i < 2 * BOARD_DEPTH && receive(d, s); i++)
        ;
    look(d, s);
}

void deliver_last_words(struct dispatcher *d, struct slot *s)
{
    deliver_hear_all(d, s);
    ring_close(&s->ring);
}

void deliver_look(struct dispatcher *d)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].size; k++) {
            struct slot *s = &d->pools[i].slots[k];
            ring_awake(&s->ring);
            look(d, s);
        }
    }
}

bool deliver_sleep(struct dispatcher *d, int64_t now_us, int64_t *next_us)
{
    bool may = true, look = false;
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].size; k++) {
            struct slot *s = &d->pools[i].slots[k];
            bool supplied = slot_is_supplied(s);
            look = look || supplied;
            may = (supplied || ring_sleep(&s->ring)) && may;
        }
    }
    if (look && now_us + SUPPLIED_LOOK_US < *next_us)
        *next_us = now_us + SUPPLIED_LOOK_US;
    return may;
}

/* The worker and its whole tree are dead: its jobs get their outcomes. */
void deliver_buried(struct dispatcher *d, struct slot *s, const struct msg_DEATH *death)
{
    forget_troubles(d, s);
    deliver_take_back(s, 0); /* what had not begun has lost nothing */
    while (s->count) {
        struct claim *c = slot_take(s, 0);
        struct finish *f = outcome_new(c, ATTEMPT_FAILED);
        int st = (int)death->status;
        f->attempt.retry_now = true;
        f->attempt.worker = s->pid;
        f->attempt.started_us =
            atomic_load_explicit(&s->board->job_started_us, memory_order_relaxed);
        struct job_error *e = &f->attempt.error;
        const char *sentence;
        const struct taskdef *task = &d->defs->task[c->task_index];
        /* a program's limits are not its worker's, nor is its memory */
        const char *code =
            WIFSIGNALED(st) && task->kind == TASK_MODULE
                ? limits_cause(task, WTERMSIG(st), death->rss_bytes, 0, false, &sentence)
                : NULL;
        if (code) {
            job_error_set(e, code, "%s", sentence);
            e->signal = WTERMSIG(st);
            f->attempt.retry_now = false;
        } else if (s->stopped_us && WIFSIGNALED(st)) {
            job_error_set(e, JOB_ERROR_CRASHED,
                          "the worker was stopped by a signal, and then killed");
            e->signal = WTERMSIG(st);
        } else if (WIFSIGNALED(st)) {
            job_error_set(e, JOB_ERROR_CRASHED, "the worker was killed by signal %d (%s)",
                          WTERMSIG(st), strsignal(WTERMSIG(st)));
            e->signal = WTERMSIG(st);
        } else {
            job_error_set(e, JOB_ERROR_CRASHED, "the worker ended with exit status %d",
                          WEXITSTATUS(st));
            e->exit_code = WEXITSTATUS(st);
        }
        outcome_stopped(d, f, s, c, death->cpu_us);
        if (c->cancel_requested)
            f->attempt.end = ATTEMPT_CANCELLED;
        board_task_ended(&d->board->task[c->task_index], f->attempt.end, -1);
        outcome_post(d, s->pool, f, c);
        slot_head_starts(s); /* what stopped the first is not the next one's */
    }
    atomic_store_explicit(&s->board->cancel_seq, 0, memory_order_release);
    if (d->draining)
        deliver_return_pending(d, s->pool);
}

/* What it has not begun, and while it is stopped cannot begin, goes to others. */
void deliver_stopped(struct dispatcher *d, struct slot *s, bool stopped)
{
    slot_set_stopped(s, stopped ? clock_mono_us() : 0);
    if (stopped) {
        deliver_take_back(s, 0);
        if (s->count == 0 && s->state == SLOT_BUSY)
            slot_set_state(s, SLOT_IDLE);
    }
    deliver_pending(d, s->pool);
}

/* ---- time ---- */

/* It holds nothing, so no DONE will tell that there is room: it is tried again. */
static void full_timer(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    if (!s->full || s->closed || s->state != SLOT_IDLE)
        return;
    if (s->full_us + FULL_US <= now_us) {
        s->full = false;
        deliver_pending(d, s->pool); /* it may be full again */
    }
    if (s->full && s->full_us + FULL_US < *next_us)
        *next_us = s->full_us + FULL_US;
}

static void slot_timers(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    full_timer(d, s, now_us, next_us);
    if (s->state != SLOT_BUSY || s->count == 0)
        return;
    struct claim *c = s->held[0].claim;
    if (c->has_left && c->left_due_us <= now_us)
        outcome_left(c);
    if (c->has_left && c->left_due_us < *next_us)
        *next_us = c->left_due_us;
    stop_timers(d, s, now_us, next_us);
    if (s->state != SLOT_BUSY || s->count == 0)
        return; /* it had ended */
    foresee_slot(d, s, now_us, next_us);
}

void deliver_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].size; k++)
            slot_timers(d, &d->pools[i].slots[k], now_us, next_us);
        foresee_pool(d, &d->pools[i], now_us, next_us);
    }
}

/* ---- the end ---- */

void deliver_drain(struct dispatcher *d)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        struct pool *p = &d->pools[i];
        for (uint32_t k = 0; k < p->size; k++) {
            struct slot *s = &p->slots[k];
            deliver_take_back(s, 0);
            if (s->count == 0 && s->state == SLOT_BUSY)
                slot_set_state(s, SLOT_IDLE);
        }
        deliver_return_pending(d, p);
    }
}
