/*
 * history.c - two rings of points, and the thread that looks every 5 s. Each look is a few thousand
 * loads of memory: no statement, no lock of another part.
 *
 * A point holds what was counted between two looks. The coarse ring's newest point is made anew at
 * every look until it is full, so that a chart of the day ends now.
 */
#include "history.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"
#include "reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

struct ring {
    size_t room, ticks;       /* points it holds; looks of one point */
    size_t head, count;       /* head: the newest */
    size_t filled;            /* looks that the newest has had */
    struct history_look from; /* the look at which the newest began */
    struct history_point *point;
};

static struct history_point fine[HISTORY_FINE_POINTS], coarse[HISTORY_COARSE_POINTS];

static struct {
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t stopped;
    bool stop, running, any;
    pthread_t thread;
    struct history_look last;
    struct ring ring[HISTORY_SPANS];
} h = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void clear(void)
{
    h.any = false;
    h.ring[HISTORY_FINE] = (struct ring){.room = HISTORY_FINE_POINTS, .ticks = 1, .point = fine};
    h.ring[HISTORY_COARSE] = (struct ring){
        .room = HISTORY_COARSE_POINTS, .ticks = HISTORY_COARSE_TICKS, .point = coarse};
}

void history_clear(void)
{
    pthread_mutex_lock(&h.lock);
    clear();
    pthread_mutex_unlock(&h.lock);
}

/* ---- points ---- */

static struct history_point *ring_push(struct ring *r, const struct history_look *from)
{
    r->head = r->count ? (r->head + 1) % r->room : 0;
    r->count += r->count < r->room;
    r->filled = 0;
    r->from = *from;
    r->point[r->head] = (struct history_point){.workers = from->workers};
    return &r->point[r->head];
}

static void ring_tick(struct ring *r, const struct history_look *before,
                      const struct history_look *now)
{
    struct history_point *p =
        r->count == 0 || r->filled == r->ticks ? ring_push(r, before) : &r->point[r->head];
    const struct metrics_work *old = &r->from.work, *new = &now->work;
    r->filled++;
    p->submitted = now->submitted - r->from.submitted;
    p->succeeded = new->succeeded - old->succeeded;
    p->failed = new->failed - old->failed;
    p->depth = now->depth > p->depth ? now->depth : p->depth;
    p->busy_sum += now->busy;
    p->looks++;
    p->workers = now->workers;
    for (size_t i = 0; i < METRICS_WORK_BUCKETS; i++) {
        p->times.wait[i] = (uint32_t)(new->wait[i] - old->wait[i]);
        p->times.run[i] = (uint32_t)(new->run[i] - old->run[i]);
    }
}

/* Looks that were missed, as when the machine slept: steps in which nothing is known to have been
 * done. */
static size_t missed_ticks(const struct history_look *now)
{
    int64_t step_us = HISTORY_TICK_S * US_PER_S;
    int64_t late = (now->mono_us - h.last.mono_us + step_us / 2) / step_us - 1;
    int64_t most = (int64_t)HISTORY_COARSE_POINTS * HISTORY_COARSE_TICKS;
    return late <= 0 ? 0 : (size_t)(late < most ? late : most);
}

void history_tick(const struct history_look *now)
{
    pthread_mutex_lock(&h.lock);
    size_t missed = h.any ? missed_ticks(now) : 0;
    for (size_t k = 0; k < HISTORY_SPANS && h.any; k++) {
        for (size_t i = 0; i < missed; i++)
            ring_tick(&h.ring[k], &h.last, &h.last);
        ring_tick(&h.ring[k], &h.last, now);
    }
    h.last = *now; /* the first one is where counting begins */
    h.any = true;
    pthread_mutex_unlock(&h.lock);
}

void history_read(enum history_span span, struct history_view *out)
{
    pthread_mutex_lock(&h.lock);
    const struct ring *r = &h.ring[span];
    out->until_us = h.any ? h.last.wall_us : 0;
    out->newest_us = (int64_t)r->filled * HISTORY_TICK_S * US_PER_S;
    out->step_s = (unsigned)r->ticks * HISTORY_TICK_S;
    out->count = r->count;
    for (size_t i = 0; i < r->count; i++)
        out->point[i] = r->point[(r->head + r->room - r->count + 1 + i) % r->room];
    pthread_mutex_unlock(&h.lock);
}

/* ---- the thread ---- */

static void look(struct history_look *out)
{
    struct job_counts counts;
    const struct board *board = reader_board();
    memset(out, 0, sizeof(*out));
    out->wall_us = clock_wall_us();
    out->mono_us = clock_mono_us();
    if (reader_counts(NULL, &counts) == 0) {
        out->submitted = counts.made;
        out->depth = counts.state[JOB_QUEUED];
    } else {
        out->submitted = h.last.submitted;
    }
    for (uint32_t i = 0; i < reader_tasks()->pools; i++) {
        out->busy += atomic_load_explicit(&board->pool[i].busy, memory_order_relaxed);
        out->workers += atomic_load_explicit(&board->pool[i].workers, memory_order_relaxed);
    }
    metrics_work_done(&out->work);
}

/* False: it is time to end. */
static bool wait_until(int64_t mono_us)
{
    const struct timespec until = clock_timespec(mono_us);
    int late = 0;
    pthread_mutex_lock(&h.lock);
    while (!h.stop && !late)
        late = pthread_cond_timedwait(&h.stopped, &h.lock, &until);
    bool go = !h.stop;
    pthread_mutex_unlock(&h.lock);
    return go;
}

static void *run(void *arg)
{
    (void)arg;
    int64_t next_us = clock_mono_us();
    prctl(PR_SET_NAME, "history");
    do {
        struct history_look now;
        look(&now);
        history_tick(&now);
        next_us += HISTORY_TICK_S * US_PER_S;
        if (next_us < now.mono_us) /* it was held up: no looks to be caught up with */
            next_us = now.mono_us + HISTORY_TICK_S * US_PER_S;
    } while (wait_until(next_us));
    return NULL;
}

int history_start(void)
{
    pthread_condattr_t attr;
    h.stop = false;
    clear();
    if (pthread_condattr_init(&attr) != 0)
        return -ERR_SYSTEM;
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&h.stopped, &attr) == 0 &&
              pthread_create(&h.thread, NULL, run, NULL) == 0;
    pthread_condattr_destroy(&attr);
    h.running = ok;
    return ok ? 0 : -ERR_SYSTEM;
}

void history_stop(void)
{
    if (!h.running)
        return;
    pthread_mutex_lock(&h.lock);
    h.stop = true;
    pthread_cond_signal(&h.stopped);
    pthread_mutex_unlock(&h.lock);
    pthread_join(h.thread, NULL);
    h.running = false;
}
