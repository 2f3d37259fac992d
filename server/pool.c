/*
 * pool.c - the pools' slots. Dispatch's thread alone.
 *
 * Invariants: held = sum of the slots' counts; a slot holds jobs only while its worker lives or is
 * being buried; held + waiting + granted never exceeds what the pool could take when it was
 * granted.
 */
#include "pool.h"

#include "../common/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * A worker is handed more than one job only while jobs are so short that the way to it and back
 * would leave its core idle: as many as it runs in PREFETCH_US, the round trip counted with each.
 * From an outcome to the job that takes its place two commits may pass, the one under way and its
 * own, and the time until dispatch looks.
 */
#define PREFETCH_US   INT64_C(12000)
#define ROUND_TRIP_US INT64_C(30)

/* So much that jobs of half the mean last until dispatch looks, and what it sends then arrives. */
#define SUPPLY_US (3 * SUPPLIED_LOOK_US)

/*
 * Waking a worker costs more than a short job. So one that has to be woken anyway is handed what it
 * does in about that time, before another one is woken.
 */
#define WAKE_US INT64_C(50)
#define EACH_US INT64_C(3) /* what a job costs a worker beside its run */

struct pool *pools_new(const struct taskdefs *defs, struct board *board)
{
    struct pool *pools = calloc(defs->pools, sizeof(*pools));
    if (!pools)
        return NULL;
    for (uint32_t i = 0; i < defs->pools; i++) {
        struct pool *p = &pools[i];
        p->def = &defs->pool[i];
        p->board = &board->pool[i];
        p->pending_end = &p->pending;
        p->depth = 1;
        p->run_ewma_us = PREFETCH_US;
        p->workers = p->size = p->def->workers;
        atomic_store_explicit(&p->board->workers, p->workers, memory_order_relaxed);
        p->slots = calloc(p->def->room, sizeof(*p->slots));
        if (!p->slots) {
            pools_free(pools, defs);
            return NULL;
        }
        for (uint32_t k = 0; k < p->def->room; k++) {
            struct slot *s = &p->slots[k];
            s->index = p->def->first_slot + k;
            s->pool = p;
            s->board = &board->slot[s->index];
            s->sock = -1;
            s->kill_at_us = s->ready_by_us = s->spawn_at_us = INT64_MAX;
            atomic_store_explicit(&s->board->pool, i, memory_order_relaxed);
        }
    }
    return pools;
}

void pools_free(struct pool *pools, const struct taskdefs *defs)
{
    if (!pools)
        return;
    for (uint32_t i = 0; i < defs->pools; i++) {
        struct pool *p = &pools[i];
        for (struct claim *c; (c = pool_unpend(p));)
            claim_free(c);
        for (uint32_t k = 0; p->slots && k < p->def->room; k++) {
            while (p->slots[k].count)
                claim_free(slot_take(&p->slots[k], 0));
        }
        for (uint32_t k = 0; p->slots && k < p->def->room; k++)
            ring_close(&p->slots[k].ring);
        free(p->slots);
    }
    free(pools);
}

static bool counts_as_live(enum slot_state state)
{
    return state == SLOT_IDLE || state == SLOT_BUSY;
}

/* It is given nothing. */
static bool is_out(const struct slot *s)
{
    return s->leaving || s->stopped_us;
}

static bool is_able(const struct slot *s)
{
    return counts_as_live(s->state) && !is_out(s);
}

static void set_out(struct slot *s, bool leaving, int64_t stopped_us)
{
    s->pool->able -= is_able(s);
    s->pool->out -= is_out(s);
    s->leaving = leaving;
    s->stopped_us = stopped_us;
    s->pool->out += is_out(s);
    s->pool->able += is_able(s);
}

void slot_set_leaving(struct slot *s, bool leaving)
{
    set_out(s, leaving, s->stopped_us);
}

void slot_set_stopped(struct slot *s, int64_t since_us)
{
    set_out(s, s->leaving, since_us);
    atomic_store_explicit(&s->board->stopped, since_us != 0, memory_order_release);
}

bool slot_is_spent(const struct slot *s)
{
    uint32_t most = s->pool->def->recycle_jobs;
    return most > 0 && s->done + s->count >= most;
}

void slot_set_state(struct slot *s, enum slot_state state)
{
    struct board_pool *b = s->pool->board;
    s->pool->able -= is_able(s);
    if (counts_as_live(state) != counts_as_live(s->state)) {
        uint32_t live = atomic_load_explicit(&b->live, memory_order_relaxed);
        live = counts_as_live(state) ? live + 1 : live - 1;
        atomic_store_explicit(&b->live, live, memory_order_release);
    }
    if ((state == SLOT_BUSY) != (s->state == SLOT_BUSY)) {
        uint32_t busy = atomic_load_explicit(&b->busy, memory_order_relaxed);
        busy = state == SLOT_BUSY ? busy + 1 : busy - 1;
        atomic_store_explicit(&b->busy, busy, memory_order_release);
    }
    s->state = state;
    s->pool->able += is_able(s);
    atomic_store_explicit(&s->board->state, (uint32_t)state, memory_order_release);
}

void pool_pend(struct pool *p, struct claim *c)
{
    c->order.node.next = NULL;
    *p->pending_end = &c->order.node;
    p->pending_end = &c->order.node.next;
    p->waiting++;
}

void pool_pend_first(struct pool *p, struct claim *c)
{
    c->order.node.next = p->pending;
    if (!p->pending)
        p->pending_end = &c->order.node.next;
    p->pending = &c->order.node;
    p->waiting++;
}

struct claim *pool_unpend(struct pool *p)
{
    if (!p->pending)
        return NULL;
    struct claim *c = INBOX_OWNER(p->pending, struct claim, order.node);
    p->pending = c->order.node.next;
    if (!p->pending)
        p->pending_end = &p->pending;
    c->order.node.next = NULL;
    p->waiting--;
    return c;
}

struct slot *pool_choose(struct pool *p)
{
    struct slot *best = NULL;
    for (uint32_t k = 0; k < p->size; k++) {
        struct slot *s = &p->slots[k];
        if (!is_able(s) || s->stop != STOP_NONE || s->full || s->count >= p->depth ||
            (s->stuck && s->count > 0))
            continue;
        bool being_woken = s->untold > 0 && s->untold == s->count;
        if (being_woken && s->untold_us < WAKE_US)
            return s;
        if (!best || s->count < best->count)
            best = s;
        if (best->count == 0)
            break; /* who is being woken stands before the first that is idle */
    }
    return best;
}

bool pool_has_idle(const struct pool *p)
{
    for (uint32_t k = 0; k < p->size; k++) {
        const struct slot *s = &p->slots[k];
        if (s->state == SLOT_IDLE && !is_out(s) && s->stop == STOP_NONE && !s->full)
            return true;
    }
    return false;
}

/* What stands against the pool's capacity: not what those do who are no part of it. */
static uint32_t used_up(const struct pool *p)
{
    uint32_t used = p->held + p->waiting + p->granted;
    for (uint32_t k = 0; p->out && k < p->size; k++)
        used -= is_out(&p->slots[k]) ? p->slots[k].count : 0;
    return used;
}

/* Will it take another when its only job ends? */
static bool goes_on(const struct slot *s)
{
    return is_able(s) && s->count == 1 && s->stop == STOP_NONE;
}

static uint32_t soon_done(const struct pool *p)
{
    uint32_t n = 0;
    for (uint32_t k = 0; p->depth == 1 && k < p->size; k++) {
        const struct slot *s = &p->slots[k];
        n += (s->soon == SOON || s->soon == SOON_HAND) && goes_on(s);
    }
    return n;
}

bool pool_has_hand(const struct pool *p)
{
    for (uint32_t k = 0; p->depth == 1 && k < p->size; k++) {
        if (p->slots[k].soon == SOON_HAND && goes_on(&p->slots[k]))
            return true;
    }
    return false;
}

int64_t slot_more_us(const struct slot *s)
{
    return s->count > 1 && s->stop == STOP_NONE && !s->stuck
               ? (int64_t)(s->count - 1) * s->pool->run_ewma_us
               : 0;
}

bool slot_is_supplied(const struct slot *s)
{
    return s->pool->run_ewma_us <= SUPPLIED_LOOK_US && slot_more_us(s) >= SUPPLY_US;
}

static bool all_have_more(const struct pool *p)
{
    uint32_t n = 0;
    for (uint32_t k = 0; p->depth > 1 && k < p->size; k++)
        n += is_able(&p->slots[k]) && slot_more_us(&p->slots[k]) >= SUPPLIED_LOOK_US;
    return n > 0 && n == p->able;
}

bool pool_is_patient(const struct pool *p)
{
    return p->granted == 0 || (pool_has_hand(p) && !pool_has_idle(p)) || all_have_more(p);
}

/* Of what the workers may hold, what those are not given whose first job runs long. */
static uint32_t behind_stuck(const struct pool *p)
{
    uint32_t n = 0;
    for (uint32_t k = 0; p->depth > 1 && k < p->size; k++) {
        const struct slot *s = &p->slots[k];
        if (s->stuck && s->count > 0 && is_able(s))
            n += s->count < p->depth ? p->depth - s->count : 0;
    }
    return n;
}

uint32_t pool_grant(struct pool *p)
{
    uint32_t capacity = p->able * p->depth + soon_done(p) - behind_stuck(p), used = used_up(p);
    if (used >= capacity)
        return 0;
    p->granted += capacity - used;
    return capacity - used;
}

bool pool_has_excess(struct pool *p)
{
    if (p->shrunk && used_up(p) <= p->able * p->depth)
        p->shrunk = false;
    return p->shrunk && p->pending;
}

/* ---- size ---- */

bool slot_is_wanted(const struct slot *s)
{
    return s->index - s->pool->def->first_slot < s->pool->workers;
}

void pool_trim(struct pool *p)
{
    while (p->size > p->workers && p->slots[p->size - 1].state == SLOT_EMPTY)
        p->size--;
}

void pool_resize(struct pool *p, uint32_t workers)
{
    assert(workers >= 1 && workers <= p->def->room);
    p->shrunk = p->shrunk || workers < p->workers;
    p->workers = workers;
    if (p->size < workers)
        p->size = workers;
    atomic_store_explicit(&p->board->workers, workers, memory_order_release);
    for (uint32_t k = 0; k < p->size; k++) {
        struct slot *s = &p->slots[k];
        bool wanted = slot_is_wanted(s);
        if (s->state != SLOT_EMPTY)
            slot_set_leaving(s, !wanted || slot_is_spent(s));
        else if (!wanted)
            s->spawn_at_us = INT64_MAX;
        else if (s->spawn_at_us == INT64_MAX)
            s->spawn_at_us = 0; /* at once */
    }
    pool_trim(p);
}

void pool_ran(struct pool *p, int64_t run_us)
{
    p->run_ewma_us += (run_us - p->run_ewma_us) / 8;
    int64_t each = p->run_ewma_us + ROUND_TRIP_US;
    int64_t depth = PREFETCH_US / each;
    p->depth = depth < 1 ? 1 : depth > BOARD_DEPTH ? BOARD_DEPTH : (uint32_t)depth;
}

unsigned slot_free_cell(const struct slot *s)
{
    uint64_t used = 0;
    _Static_assert(BOARD_DEPTH <= 64, "cells fit one word");
    for (unsigned i = 0; i < s->count; i++)
        used |= UINT64_C(1) << s->held[i].cell;
    unsigned cell = 0;
    while (used & UINT64_C(1) << cell)
        cell++;
    assert(cell < BOARD_DEPTH);
    return cell;
}

void slot_untold(struct slot *s, int64_t run_us)
{
    if (s->untold == 0)
        s->untold_us = 0;
    s->untold++;
    s->untold_us += EACH_US + (run_us > 0 ? run_us : WAKE_US);
}

/* The worker tells its CPU time now and then. */
static void see_use(struct slot *s, int64_t cpu_us, int64_t now_us)
{
    if (cpu_us == s->cpu_told_us)
        return;
    s->computes = 2 * (cpu_us - s->cpu_told_us) > now_us - s->cpu_seen_us;
    s->cpu_told_us = cpu_us;
    s->cpu_seen_us = now_us;
}

void slot_head_starts(struct slot *s)
{
    s->head_since_us = clock_mono_us();
    s->head_cpu_us = atomic_load_explicit(&s->board->cpu_us, memory_order_relaxed);
    see_use(s, s->head_cpu_us, s->head_since_us);
    s->stuck = false;
    s->soon = SOON_UNKNOWN;
    if (s->stop == STOP_DRAIN)
        return; /* of all that it still holds */
    s->stop = STOP_NONE;
    s->kill_at_us = INT64_MAX;
}

struct claim *slot_take(struct slot *s, unsigned i)
{
    assert(i < s->count);
    struct claim *c = s->held[i].claim;
    s->count--;
    memmove(&s->held[i], &s->held[i + 1], (s->count - i) * sizeof(s->held[0]));
    s->pool->held--;
    return c;
}
