/*
 * stop.c - jobs that must not go on: cancelled, out of time, or still running when a drain is over.
 * Dispatch's thread.
 *
 * Its task is asked to give up; after a grace the worker, or the program that it runs, is killed.
 * What had not begun is taken back, and costs nothing. So that no other job pays for it, all that
 * its worker has said is heard before: it may be at the next one already.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"

/* A program's grace is kept by its worker, which lives on. One that does not is killed this later.
 */
#define MARGIN_US (2 * US_PER_S)

/* Asks the task of the first held job to give up; after the grace it is killed. */
static void stop_head(struct dispatcher *d, struct slot *s, enum stop_reason why, int64_t grace_us)
{
    if (s->stop != STOP_NONE && why != STOP_DRAIN)
        return;
    s->stop = why;
    atomic_store_explicit(&s->board->cancel_seq, s->held[0].seq, memory_order_release);
    struct msg m = {.kind = MSG_CANCEL, .fd = -1};
    m.u.CANCEL = (struct msg_CANCEL){.generation = s->generation, .seq = s->held[0].seq};
    if (why != STOP_DRAIN && d->defs->task[s->held[0].claim->task_index].kind != TASK_MODULE)
        grace_us += MARGIN_US;
    (void)msg_send(s->sock, &m); /* only wakes a worker that waits; the flag is on the board */
    s->kill_at_us = clock_mono_us() + grace_us;
    if (grace_us <= 0)
        supervise_kill(d, s);
}

static bool cancel_in_slot(struct dispatcher *d, struct slot *s, const struct id *job,
                           uint32_t attempt)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct claim *c = s->held[i].claim;
        if (c->attempt != attempt || !id_equal(&c->job, job))
            continue;
        c->cancel_requested = true;
        if (cell_revoke(s->board, s->held[i].cell, s->held[i].seq)) {
            struct pool *p = s->pool;
            deliver_return(d, p, slot_take(s, i));
            if (s->count == 0 && s->state == SLOT_BUSY)
                slot_set_state(s, SLOT_IDLE);
            else if (i == 0 && s->count)
                deliver_head_starts(d, s);
            deliver_pending(d, p);
        }
        /* else it has begun: stop_timers() of this pass finds it, or of that in which it is the
         * first */
        return true;
    }
    return false;
}

void stop_cancel(struct dispatcher *d, const struct id *job, uint32_t attempt)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        struct pool *p = &d->pools[i];
        for (uint32_t k = 0; k < p->size; k++) {
            if (cancel_in_slot(d, &p->slots[k], job, attempt))
                return;
        }
        for (struct inbox_node *n = p->pending; n; n = n->next) {
            struct claim *c = INBOX_OWNER(n, struct claim, order.node);
            if (c->attempt == attempt && id_equal(&c->job, job)) {
                c->cancel_requested = true; /* returned as cancelled when its turn comes */
                return;
            }
        }
    }
}

/* A worker begins a job when it has told the end of the one before it. So where what is behind the
 * first cannot be taken back, the first is over, and its end waits to be heard. True: it was, and
 * the slot has another first job, or none. */
static bool first_was_over(struct dispatcher *d, struct slot *s)
{
    uint64_t seq = s->held[0].seq;
    deliver_take_back(s, 1);
    if (s->count > 1)
        deliver_hear_all(d, s);
    return s->count == 0 || s->held[0].seq != seq;
}

void stop_timers(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    const struct claim *c = s->held[0].claim;
    if (s->stop != STOP_NONE)
        return;
    int64_t deadline = c->timeout_us > 0 ? s->head_since_us + c->timeout_us : INT64_MAX;
    enum stop_reason why = c->cancel_requested ? STOP_CANCEL : STOP_TIMEOUT;
    if (why == STOP_TIMEOUT && deadline > now_us) {
        *next_us = deadline < *next_us ? deadline : *next_us;
        return;
    }
    if (first_was_over(d, s))
        *next_us = now_us; /* what is first now is looked at in the next pass */
    else
        stop_head(d, s, why, d->conf->kill_grace_us);
    deliver_pending(d, s->pool);
}

void stop_all(struct dispatcher *d)
{
    for (uint32_t i = 0; i < d->defs->pools; i++) {
        for (uint32_t k = 0; k < d->pools[i].size; k++) {
            struct slot *s = &d->pools[i].slots[k];
            if (!s->count || s->state != SLOT_BUSY || s->stop == STOP_DRAIN)
                continue;
            deliver_take_back(s, 1);
            stop_head(d, s, STOP_DRAIN, 0);
        }
    }
}
