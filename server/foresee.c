/*
 * foresee.c - when a worker will be done, by how long its jobs took of late, and what follows from
 * that: the next job is claimed in time, and what waits behind a long one goes elsewhere.
 * Dispatch's thread.
 */
#include "dispatch_priv.h"

#include "../common/clock.h"

/* A job that runs this long while others wait behind it in the same worker is not short: they are
 * taken back and given to another worker, or to the queue. */
#define STUCK_US (10 * US_PER_MS)

/* A worker that has more to do puts outcomes in its ring and does not wake dispatch at once. When
 * what it does then takes long, they are found after this time; and what waits so long behind its
 * job goes to a worker that is idle, if there is one. One that has much more to do wakes nobody:
 * all that it ended since the last look is found at once, and shares a commit. */
#define LOOK_US US_PER_MS

/* A worker that has done a job which took longer than a few of these would stand idle while its
 * outcome, with the next claim, is committed. So the next one is claimed a little before: what a
 * commit takes, and some of what such jobs differ by. Of long jobs that pause is nothing. */
#define AHEAD_US       US_PER_MS
#define AHEAD_PART     16 /* and this part of what they take */
#define AHEAD_LEAST_US (2 * US_PER_MS)
#define AHEAD_MOST_US  (200 * US_PER_MS)

/* Of shorter ones the next is claimed when the job begins. One that runs this long was thought to
 * be short, and is not. */
#define WRONG_US (2 * CLAIM_HAND_US + STUCK_US)

int64_t foresee_takes_us(const struct dispatcher *d, const struct claim *c)
{
    return atomic_load_explicit(&d->board->task[c->task_index].run_ewma_us, memory_order_relaxed);
}

/* What follows it may be claimed as it begins: that will most likely be lent, as this one was. Not
 * for workers that wait for something else: there processors are idle, and that dispatch wakes a
 * little before the end of a job, for the next claim, lets it hear of the end sooner. */
static bool is_handy(const struct dispatcher *d, const struct slot *s, const struct claim *c)
{
    int64_t takes = foresee_takes_us(d, c);
    return s->computes && c->loan.begun && takes >= AHEAD_LEAST_US && takes <= CLAIM_HAND_US;
}

void foresee_begin(const struct dispatcher *d, struct slot *s)
{
    if (s->count == 1 && is_handy(d, s, s->held[0].claim))
        s->soon = SOON_HAND;
}

/* The worker holds more than it runs: is the one that runs long, and are its outcomes unread? */
static void long_head(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    int64_t since_us = now_us - s->head_since_us;
    bool long_behind = since_us >= LOOK_US || slot_more_us(s) >= LOOK_US;
    if (s->stop == STOP_NONE && since_us >= STUCK_US) {
        s->stuck = true;
        s->pool->run_ewma_us = STUCK_US;
        s->pool->depth = 1;
        deliver_take_back(s, 1);
        deliver_pending(d, s->pool);
        deliver_return_pending(d, s->pool);
    } else if (s->stop == STOP_NONE && long_behind && pool_has_idle(s->pool)) {
        deliver_take_back(s, 1);
        deliver_pending(d, s->pool);
    }
    if (slot_is_supplied(s))
        return; /* deliver_sleep sees to it */
    int64_t look_us = now_us + LOOK_US;
    if (since_us >= LOOK_US && since_us < STUCK_US) /* its end will be told: it is not short */
        look_us = s->head_since_us + STUCK_US;
    if (look_us < *next_us)
        *next_us = look_us;
}

/* Claimed with credit of before its workers got a long job, or began to leave: what nobody takes is
 * to be seen in the queue, and cancelled there. */
void foresee_pool(struct dispatcher *d, struct pool *p, int64_t now_us, int64_t *next_us)
{
    if (!p->pending || pool_has_hand(p)) {
        p->stalled_us = 0;
        return;
    }
    if (p->stalled_us == 0)
        p->stalled_us = now_us;
    int64_t due_us = p->stalled_us + STUCK_US;
    if (due_us <= now_us) {
        for (uint32_t k = 0; k < p->size; k++) {
            if (p->slots[k].soon == SOON)
                p->slots[k].soon = SOON_WRONG;
        }
        deliver_return_pending(d, p);
    } else if (due_us < *next_us)
        *next_us = due_us;
}

/* Is the only job that it holds about to end, by what such jobs took of late? */
static void foresee_end(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    int64_t takes = foresee_takes_us(d, s->held[0].claim), due_us;
    if (s->soon == SOON_HAND)
        due_us = s->head_since_us + WRONG_US;
    else if (s->soon != SOON_UNKNOWN || s->pool->depth > 1 || takes < AHEAD_LEAST_US ||
             takes > AHEAD_MOST_US)
        return;
    else
        due_us = s->head_since_us + takes - AHEAD_US - takes / AHEAD_PART;
    if (due_us > now_us) {
        if (due_us < *next_us)
            *next_us = due_us;
        return;
    }
    s->soon = s->soon == SOON_HAND ? SOON_WRONG : SOON;
    if (s->soon == SOON)
        deliver_pending(d, s->pool);
}

void foresee_slot(struct dispatcher *d, struct slot *s, int64_t now_us, int64_t *next_us)
{
    if (s->count > 1)
        long_head(d, s, now_us, next_us);
    else if (s->stop == STOP_NONE)
        foresee_end(d, s, now_us, next_us);
}
