/*
 * clockset.c - notices that the wall clock was set, by comparing it with one that nobody sets. What
 * counts from a moment (pauses, delays, leases, calls that wait) moves with it, so that it comes
 * neither early nor late; what was asked for at a time comes when the clock shows that time. What
 * was set forward may be set back: until then, or for an hour, nothing is forgotten by it. The
 * writer's thread, but for clockset_past_us.
 */
#include "clockset.h"
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/log.h"

#define STEP_US  (250 * US_PER_MS) /* less than this may be the machine's, or is slewed anyway */
#define READ_US  (10 * US_PER_MS)  /* of two clocks that are read later than this nothing is said */
#define DOUBT_US (3600 * US_PER_S) /* so long a step forward may be a mistake */

static bool known;
static int64_t apart_us;                         /* the wall clock less the other one */
static _Atomic int64_t ahead_us, doubt_until_us; /* what it was set forward of late; boot */

static bool read_apart(int64_t *us)
{
    for (int i = 0; i < 3; i++) {
        int64_t before = clock_boot_us(), wall = clock_wall_us();
        if (clock_boot_us() - before <= READ_US) {
            *us = wall - before;
            return true;
        }
    }
    return false;
}

static void doubt(int64_t step_us)
{
    int64_t now_us = clock_boot_us();
    bool over = now_us >= atomic_load_explicit(&doubt_until_us, memory_order_relaxed);
    int64_t us = (over ? 0 : atomic_load_explicit(&ahead_us, memory_order_relaxed)) + step_us;
    atomic_store_explicit(&ahead_us, us > 0 ? us : 0, memory_order_relaxed);
    if (step_us > 0)
        atomic_store_explicit(&doubt_until_us, now_us + DOUBT_US, memory_order_relaxed);
}

int64_t clockset_past_us(int64_t now_us)
{
    int64_t us = atomic_load_explicit(&ahead_us, memory_order_relaxed);
    if (us == 0 || clock_boot_us() >= atomic_load_explicit(&doubt_until_us, memory_order_relaxed))
        return now_us;
    return now_us - us;
}

void clockset_look(void)
{
    int64_t us;
    if (!read_apart(&us))
        return;
    int64_t step = us - apart_us;
    if (known && step < STEP_US && step > -STEP_US)
        return;
    if (known) {
        w.clock_step_us += step;
        w.clock_set = true;
        doubt(step);
        log_warn("the clock was set %s by %.3f s: pauses, delays and leases go on as they were",
                 step > 0 ? "forward" : "back",
                 (double)(step > 0 ? step : -step) / (double)US_PER_S);
    }
    known = true;
    apart_us = us;
}

int clockset_move(int64_t now_us)
{
    if (!w.clock_set)
        return 0;
    int err = w.clock_step_us ? store_clock_set(w.store, w.clock_step_us) : 0;
    if (!err)
        err = clockwork_after_step(now_us);
    w.next_due_us = w.next_schedule_us = w.next_delivery_us = w.next_lease_us = 0;
    w.next_sweep_us = now_us;
    return err;
}

void clockset_kept(void)
{
    w.clock_set = false;
    w.clock_step_us = 0;
}
