/*
 * leave.c - workers that go in good order: they are given nothing more, do what they hold, read end
 * of file and end; what they keep warm ends with them. Dispatch's thread.
 *
 * No running job is touched by it. A worker that does not go within its grace is killed.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"
#include "../common/log.h"

#include <sys/socket.h>

/* More than its programs' grace after its last job: they are told to end by then. */
#define LEAVE_US (5 * US_PER_S)

/* It holds nothing: its socket ends. */
static void let_go(struct dispatcher *d, struct slot *s, int64_t now_us)
{
    log_debug("worker %d of pool %s leaves after %u jobs", s->pid, s->pool->def->name, s->done);
    (void)shutdown(s->sock, SHUT_WR); /* fails where it is dead: that is told by its DEATH */
    slot_set_state(s, SLOT_DYING);
    s->kill_at_us = now_us + d->conf->kill_grace_us + LEAVE_US;
}

/* Is a worker on its way in or out? Idle ones grow old together: they go one after the other, and
 * none goes while the one before it has no heir. */
static bool has_gap(const struct pool *p)
{
    for (uint32_t k = 0; k < p->size; k++) {
        const struct slot *s = &p->slots[k];
        if (s->state == SLOT_STARTING || s->state == SLOT_DYING ||
            (s->state == SLOT_EMPTY && slot_is_wanted(s)))
            return true;
    }
    return false;
}

static void grow_old(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    int64_t due_us = s->ready_us + s->pool->def->recycle_after_us;
    if (s->leaving || (s->state != SLOT_IDLE && s->state != SLOT_BUSY))
        return;
    if (due_us > now_us) {
        *next_us = due_us < *next_us ? due_us : *next_us;
    } else if (s->pool->failures == 0 &&
               (s->state == SLOT_BUSY || !has_gap(s->pool))) { /* else the gap's end looks again */
        slot_set_leaving(s, true);
        deliver_take_back(s, 1);
        deliver_pending(d, s->pool);
    }
}

void leave_timers(struct dispatcher *d, int64_t now_us, int64_t *next_us)
{
    for (uint32_t i = 0; i < d->defs->pools && !d->draining; i++) {
        struct pool *p = &d->pools[i];
        for (uint32_t k = 0; k < p->size; k++) {
            struct slot *s = &p->slots[k];
            if (p->def->recycle_after_us > 0)
                grow_old(d, s, now_us, next_us);
            if (s->leaving && s->state == SLOT_IDLE)
                let_go(d, s, now_us);
        }
    }
}

void leave_resize(struct dispatcher *d, struct pool *p, uint32_t workers)
{
    if (workers == p->workers || d->draining)
        return;
    pool_resize(p, workers);
    for (uint32_t k = 0; k < p->size; k++) {
        if (p->slots[k].leaving)
            deliver_take_back(&p->slots[k], 1);
    }
    deliver_pending(d, p);
}
