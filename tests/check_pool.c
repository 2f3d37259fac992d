/* check_pool.c - slots, pending claims, credit and the depth of prefetch. */
#include "../common/clock.h"
#include "../server/pool.h"
#include "suite.h"

static struct board *board;
static int board_fd;
static struct pooldef defs_pool[2];
static struct taskdefs defs;
static struct pool *pools;

static void setup(void)
{
    defs_pool[0] = (struct pooldef){.name = "default", .workers = 2, .room = 2, .first_slot = 0};
    defs_pool[1] = (struct pooldef){.name = "other", .workers = 1, .room = 3, .first_slot = 2};
    defs = (struct taskdefs){.pool = defs_pool, .pools = 2, .slots = 5};
    board = board_new(5, &board_fd);
    ck_assert_ptr_nonnull(board);
    pools = pools_new(&defs, board);
    ck_assert_ptr_nonnull(pools);
}

static void teardown(void)
{
    pools_free(pools, &defs);
    board_unmap(board);
}

static struct claim *claim(uint32_t n)
{
    struct claim *c = calloc(1, sizeof(*c));
    ck_assert_ptr_nonnull(c);
    c->attempt = n;
    return c;
}

static void hold(struct slot *s, struct claim *c)
{
    s->held[s->count] =
        (struct assignment){.claim = c, .seq = c->attempt, .cell = slot_free_cell(s)};
    s->count++;
    s->pool->held++;
}

START_TEST(pending_keeps_order)
{
    struct pool *p = &pools[0];
    pool_pend(p, claim(1));
    pool_pend(p, claim(2));
    pool_pend_first(p, claim(3));
    ck_assert_uint_eq(p->waiting, 3);
    const uint32_t want[] = {3, 1, 2};
    for (int i = 0; i < 3; i++) {
        struct claim *c = pool_unpend(p);
        ck_assert_uint_eq(c->attempt, want[i]);
        claim_free(c);
    }
    ck_assert_ptr_null(pool_unpend(p));
    pool_pend_first(p, claim(4)); /* onto an empty list, then behind it */
    pool_pend(p, claim(5));
    struct claim *c = pool_unpend(p);
    ck_assert_uint_eq(c->attempt, 4);
    claim_free(c);
    c = pool_unpend(p);
    ck_assert_uint_eq(c->attempt, 5);
    claim_free(c);
}
END_TEST

START_TEST(credit_is_what_live_workers_can_take)
{
    struct pool *p = &pools[0];
    ck_assert_uint_eq(pool_grant(p), 0); /* none lives */
    slot_set_state(&p->slots[0], SLOT_STARTING);
    ck_assert_uint_eq(pool_grant(p), 0);
    slot_set_state(&p->slots[0], SLOT_IDLE);
    ck_assert_uint_eq(pool_grant(p), 1);
    ck_assert_uint_eq(pool_grant(p), 0); /* granted once */
    slot_set_state(&p->slots[1], SLOT_IDLE);
    ck_assert_uint_eq(pool_grant(p), 1);
    p->granted = 0;
    hold(&p->slots[0], claim(1));
    ck_assert_uint_eq(pool_grant(p), 1);
    p->depth = 4;
    ck_assert_uint_eq(pool_grant(p), 6); /* 2 * 4 - 1 held - 1 granted */
    slot_set_state(&p->slots[1], SLOT_EMPTY);
    ck_assert_uint_eq(pool_grant(p), 0);
}
END_TEST

/* One more for a worker that is thought to end its only job at once, until it is stopped or leaves.
 */
START_TEST(credit_for_who_is_soon_done)
{
    struct pool *p = &pools[0];
    struct slot *s = &p->slots[0];
    slot_set_state(s, SLOT_IDLE);
    hold(s, claim(1));
    ck_assert_uint_eq(p->depth, 1);
    ck_assert_uint_eq(pool_grant(p), 0);
    s->soon = SOON;
    ck_assert_uint_eq(pool_grant(p), 1);
    ck_assert_uint_eq(pool_grant(p), 0);
    p->granted = 0;
    s->stop = STOP_CANCEL;
    ck_assert_uint_eq(pool_grant(p), 0);
    s->stop = STOP_NONE;
    slot_set_leaving(s, true);
    ck_assert_uint_eq(pool_grant(p), 0);
    slot_set_leaving(s, false);
    s->soon = SOON_WRONG;
    ck_assert_uint_eq(pool_grant(p), 0);
    s->soon = SOON;
    p->depth = 2; /* then it is given more as it is */
    ck_assert_uint_eq(pool_grant(p), 1);
    ck_assert_uint_eq(pool_grant(p), 0);
}
END_TEST

/* What is pending waits for who soon ends; and where all are busy, so may what else is claimed. */
START_TEST(who_has_the_next_job_in_hand)
{
    struct pool *p = &pools[0];
    struct slot *s = &p->slots[0];
    slot_set_state(s, SLOT_IDLE);
    ck_assert(pool_is_patient(p)); /* nothing will come */
    ck_assert_uint_eq(pool_grant(p), 1);
    ck_assert(!pool_is_patient(p));
    p->granted = 0;
    hold(s, claim(1));
    slot_set_state(s, SLOT_BUSY);
    ck_assert(!pool_has_hand(p));
    s->soon = SOON_HAND;
    ck_assert(pool_has_hand(p));
    ck_assert_uint_eq(pool_grant(p), 1);
    ck_assert_uint_eq(pool_grant(p), 0);
    ck_assert(pool_is_patient(p));
    slot_set_state(&p->slots[1], SLOT_IDLE); /* this one is not */
    ck_assert(!pool_is_patient(p));
    slot_set_state(&p->slots[1], SLOT_EMPTY);
    s->stop = STOP_TIMEOUT;
    ck_assert(!pool_has_hand(p));
    ck_assert(!pool_is_patient(p));
    s->stop = STOP_NONE;
    s->soon = SOON_WRONG;
    ck_assert(!pool_has_hand(p));
    s->soon = SOON_HAND;
    p->depth = 2;
    ck_assert(!pool_has_hand(p));
}
END_TEST

/* What is claimed may wait until a worker is done, where all have more to do by then. */
START_TEST(who_has_more_to_do)
{
    struct pool *p = &pools[0];
    struct slot *s = &p->slots[0];
    p->depth = 8;
    p->run_ewma_us = 1000;
    slot_set_state(s, SLOT_BUSY);
    ck_assert_uint_gt(pool_grant(p), 0);
    for (uint32_t i = 1; i <= 3; i++) {
        ck_assert(!pool_is_patient(p));
        hold(s, claim(i));
    }
    ck_assert_int_eq(slot_more_us(s), 2000);
    ck_assert(pool_is_patient(p));
    slot_set_state(&p->slots[1], SLOT_IDLE); /* this one has nothing */
    ck_assert(!pool_is_patient(p));
    slot_set_leaving(&p->slots[1], true); /* and is given nothing */
    ck_assert(pool_is_patient(p));
    ck_assert(!slot_is_supplied(s));
    for (uint32_t i = 4; i <= 7; i++)
        hold(s, claim(i));
    ck_assert(slot_is_supplied(s));
    p->run_ewma_us = 2001; /* then it is as good to be woken */
    ck_assert(!slot_is_supplied(s));
    p->run_ewma_us = 1000;
    s->stuck = true; /* who knows how long */
    ck_assert(!slot_is_supplied(s));
    ck_assert(!pool_is_patient(p));
}
END_TEST

START_TEST(board_follows_the_state)
{
    struct pool *p = &pools[0];
    slot_set_state(&p->slots[0], SLOT_IDLE);
    slot_set_state(&p->slots[1], SLOT_BUSY);
    ck_assert_uint_eq(atomic_load(&board->pool[0].live), 2);
    ck_assert_uint_eq(atomic_load(&board->pool[0].busy), 1);
    slot_set_state(&p->slots[1], SLOT_DYING);
    ck_assert_uint_eq(atomic_load(&board->pool[0].live), 1);
    ck_assert_uint_eq(atomic_load(&board->pool[0].busy), 0);
    ck_assert_uint_eq(atomic_load(&board->slot[1].state), SLOT_DYING);
    ck_assert_uint_eq(atomic_load(&board->slot[2].pool), 1);
}
END_TEST

START_TEST(the_emptiest_worker_is_chosen)
{
    struct pool *p = &pools[0];
    p->depth = 2;
    ck_assert_ptr_null(pool_choose(p));
    slot_set_state(&p->slots[0], SLOT_BUSY);
    slot_set_state(&p->slots[1], SLOT_IDLE);
    hold(&p->slots[0], claim(1));
    ck_assert_ptr_eq(pool_choose(p), &p->slots[1]);
    hold(&p->slots[1], claim(2));
    hold(&p->slots[1], claim(3));
    ck_assert_ptr_eq(pool_choose(p), &p->slots[0]);
    p->slots[0].full = true;
    ck_assert_ptr_null(pool_choose(p));
    p->slots[0].full = false;
    p->slots[0].stop = STOP_TIMEOUT;
    ck_assert_ptr_null(pool_choose(p));
}
END_TEST

/* Whose first job runs long gets nothing behind it, and no credit for that, until it has ended. */
START_TEST(nothing_is_put_behind_a_long_job)
{
    struct pool *p = &pools[0];
    struct slot *s = &p->slots[0];
    p->depth = 4;
    slot_set_state(s, SLOT_BUSY);
    hold(s, claim(1));
    ck_assert_ptr_eq(pool_choose(p), s);
    s->stuck = true;
    ck_assert_ptr_null(pool_choose(p));
    ck_assert_uint_eq(pool_grant(p), 0);
    slot_set_state(&p->slots[1], SLOT_IDLE);
    ck_assert_ptr_eq(pool_choose(p), &p->slots[1]);
    ck_assert_uint_eq(pool_grant(p), 4);
    slot_head_starts(s);
    ck_assert_uint_eq(pool_grant(p), 3);
}
END_TEST

START_TEST(one_wake_up_for_several_short_jobs)
{
    struct pool *p = &pools[0];
    p->depth = BOARD_DEPTH;
    slot_set_state(&p->slots[0], SLOT_IDLE);
    slot_set_state(&p->slots[1], SLOT_IDLE);
    ck_assert(pool_has_idle(p));
    uint32_t n = 0;
    for (struct slot *s; (s = pool_choose(p)) == &p->slots[0]; n++) {
        hold(s, claim(n));
        slot_untold(s, 2);
        slot_set_state(s, SLOT_BUSY);
    }
    ck_assert_uint_gt(n, 3); /* then it has enough to do that the next one is worth waking */
    ck_assert_uint_lt(n, BOARD_DEPTH);
    ck_assert_ptr_eq(pool_choose(p), &p->slots[1]);
    p->slots[0].untold = 0; /* what it does may be long: who is idle comes first */
    while (p->slots[0].count > 1)
        claim_free(slot_take(&p->slots[0], 0));
    ck_assert_ptr_eq(pool_choose(p), &p->slots[1]);
    for (int64_t run_us = 0; run_us < 3000; run_us += 1000) { /* not known, or long: shared out */
        p->slots[0].untold = 0;
        slot_untold(&p->slots[0], run_us);
        ck_assert_ptr_eq(pool_choose(p), &p->slots[1]);
    }
    p->slots[0].untold = 0;
    slot_untold(&p->slots[0], 1);
    ck_assert_ptr_eq(pool_choose(p), &p->slots[0]);
    slot_set_state(&p->slots[1], SLOT_BUSY);
    ck_assert(!pool_has_idle(p));
}
END_TEST

START_TEST(who_leaves_is_no_part_of_the_pool)
{
    struct pool *p = &pools[0];
    slot_set_state(&p->slots[0], SLOT_IDLE);
    slot_set_state(&p->slots[1], SLOT_BUSY);
    hold(&p->slots[1], claim(1));
    p->depth = 2;
    slot_set_leaving(&p->slots[1], true);
    ck_assert_ptr_eq(pool_choose(p), &p->slots[0]);
    ck_assert_uint_eq(pool_grant(p), 2); /* what it still does stands against nothing */
    p->granted = 0;
    slot_set_leaving(&p->slots[0], true);
    ck_assert_ptr_null(pool_choose(p));
    ck_assert(!pool_has_idle(p));
    ck_assert_uint_eq(pool_grant(p), 0);
    slot_set_state(&p->slots[0], SLOT_DYING);
    slot_set_state(&p->slots[0], SLOT_EMPTY);
    slot_set_leaving(&p->slots[0], false);
    slot_set_state(&p->slots[0], SLOT_STARTING);
    ck_assert_uint_eq(pool_grant(p), 0);
    slot_set_state(&p->slots[0], SLOT_IDLE);
    ck_assert_uint_eq(pool_grant(p), 2);
    ck_assert_uint_eq(p->able, 1);
    ck_assert_uint_eq(p->out, 1);
}
END_TEST

START_TEST(a_pool_grows_and_shrinks)
{
    struct pool *p = &pools[1];
    slot_set_state(&p->slots[0], SLOT_IDLE);
    ck_assert_uint_eq(pool_grant(p), 1);
    pool_resize(p, 3);
    ck_assert_uint_eq(atomic_load(&board->pool[1].workers), 3);
    ck_assert_uint_eq(p->size, 3);
    ck_assert_int_eq(p->slots[2].spawn_at_us, 0); /* to be started */
    slot_set_state(&p->slots[1], SLOT_IDLE);
    slot_set_state(&p->slots[2], SLOT_BUSY);
    hold(&p->slots[2], claim(1));
    ck_assert_uint_eq(pool_grant(p), 1); /* 3 less one held, one granted */

    pool_resize(p, 1);
    ck_assert(!p->slots[0].leaving && p->slots[1].leaving && p->slots[2].leaving);
    ck_assert_uint_eq(p->size, 3); /* as long as they are there */
    ck_assert_ptr_eq(pool_choose(p), &p->slots[0]);
    ck_assert_uint_eq(pool_grant(p), 0);
    ck_assert(!pool_has_excess(p));    /* nothing to give back yet */
    for (uint32_t i = 0; i < 2; i++) { /* the credit of before comes back as claims */
        p->granted--;
        pool_pend(p, claim(i));
    }
    ck_assert(pool_has_excess(p));
    claim_free(pool_unpend(p));
    ck_assert(!pool_has_excess(p)); /* one it can take */
    ck_assert(!p->shrunk);

    slot_set_state(&p->slots[1], SLOT_EMPTY);
    slot_set_leaving(&p->slots[1], false);
    pool_trim(p);
    ck_assert_uint_eq(p->size, 3); /* the third still works */
    pool_resize(p, 2);
    ck_assert_int_eq(p->slots[1].spawn_at_us, 0);
    ck_assert(p->slots[2].leaving);
    pool_resize(p, 3); /* it may stay after all */
    ck_assert(!p->slots[2].leaving);
    ck_assert_uint_eq(p->out, 0);
    pool_resize(p, 1);
    claim_free(slot_take(&p->slots[2], 0));
    slot_set_state(&p->slots[2], SLOT_EMPTY);
    slot_set_leaving(&p->slots[2], false);
    pool_trim(p);
    ck_assert_uint_eq(p->size, 1);
    ck_assert_int_eq(p->slots[1].spawn_at_us, INT64_MAX);
}
END_TEST

START_TEST(a_worker_is_spent_with_what_it_holds)
{
    struct slot *s = &pools[0].slots[0];
    ck_assert(!slot_is_spent(s)); /* no limit */
    defs_pool[0].recycle_jobs = 3;
    s->done = 1;
    hold(s, claim(1));
    ck_assert(!slot_is_spent(s));
    hold(s, claim(2));
    ck_assert(slot_is_spent(s));
}
END_TEST

START_TEST(depth_follows_run_time)
{
    struct pool *p = &pools[0];
    for (int i = 0; i < 200; i++)
        pool_ran(p, 2);
    ck_assert_uint_eq(p->depth, BOARD_DEPTH);
    for (int i = 0; i < 200; i++)
        pool_ran(p, 20000);
    ck_assert_uint_eq(p->depth, 1);
    for (int i = 0; i < 200; i++)
        pool_ran(p, 2000);
    ck_assert_uint_gt(p->depth, 2);
    ck_assert_uint_lt(p->depth, 10);
}
END_TEST

/* Over the time between two of its figures, whatever there was of jobs between. */
START_TEST(a_worker_computes_or_waits)
{
    struct slot *s = &pools[0].slots[0];
    static const struct {
        int64_t after_us, cpu_us; /* since the figure before */
        bool computes;
    } told[] = {{100000, 40000, false}, {100000, 60000, true}, {20000, 0, true},
                {90000, 56000, true},   {1000, 0, true},       {100000, 50, false},
                {5, 0, false},          {100000, -100, false}};
    int64_t now_us = 1000000, cpu_us = 0;
    clock_fake(1, now_us);
    slot_head_starts(s);
    atomic_store(&s->board->cpu_us, ++cpu_us);
    slot_head_starts(s);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        clock_fake(1, now_us += told[i].after_us);
        atomic_store(&s->board->cpu_us, cpu_us += told[i].cpu_us);
        slot_head_starts(s);
        ck_assert_msg(s->computes == told[i].computes, "figure %d", (int)i);
    }
    clock_fake(0, 0);
}
END_TEST

START_TEST(cells_are_not_shared)
{
    struct slot *s = &pools[0].slots[0];
    for (uint32_t i = 0; i < BOARD_DEPTH; i++)
        hold(s, claim(i + 1));
    uint64_t used = 0;
    for (unsigned i = 0; i < s->count; i++)
        used |= UINT64_C(1) << s->held[i].cell;
    ck_assert_uint_eq(used, UINT64_MAX >> (64 - BOARD_DEPTH));
    unsigned cell = s->held[7].cell;
    claim_free(slot_take(s, 7));
    ck_assert_uint_eq(s->count, BOARD_DEPTH - 1);
    ck_assert_uint_eq(s->pool->held, BOARD_DEPTH - 1);
    ck_assert_uint_eq(slot_free_cell(s), cell);
    ck_assert_uint_eq(s->held[7].seq, 9);
}
END_TEST

int main(void)
{
    return SUITE("pool", setup, teardown, pending_keeps_order, credit_is_what_live_workers_can_take,
                 credit_for_who_is_soon_done, who_has_the_next_job_in_hand, who_has_more_to_do,
                 board_follows_the_state, the_emptiest_worker_is_chosen,
                 nothing_is_put_behind_a_long_job, one_wake_up_for_several_short_jobs,
                 who_leaves_is_no_part_of_the_pool, a_pool_grows_and_shrinks,
                 a_worker_is_spent_with_what_it_holds, depth_follows_run_time,
                 a_worker_computes_or_waits, cells_are_not_shared);
}
