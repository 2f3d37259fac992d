/*
 * history.h - how much was done in the last quarter of an hour and in the last day, for charts: two
 * rings of points, in memory, about 90 KiB in all whatever the load. What was before the start of
 * the service is in nobody's memory but Prometheus's.
 *
 * history_tick is the history thread's alone (or a test's); reading: any thread.
 */
#ifndef JOBMILL_SERVER_HISTORY_H
#define JOBMILL_SERVER_HISTORY_H

#include "metrics.h"

#include <stddef.h>
#include <stdint.h>

#define HISTORY_TICK_S 5 /* between two looks, and the step of the fine ring */

enum history_span { HISTORY_FINE, HISTORY_COARSE, HISTORY_SPANS };

#define HISTORY_FINE_POINTS   180 /* of 5 s: 15 minutes */
#define HISTORY_COARSE_POINTS 288 /* of 300 s: 24 hours */
#define HISTORY_COARSE_TICKS  60

/* What is seen at one moment; the counts are since the start of the service. */
struct history_look {
    int64_t wall_us, mono_us;
    uint64_t submitted;
    uint64_t depth; /* jobs in the queue */
    uint32_t busy, workers;
    struct metrics_work work;
};

struct history_point {
    uint64_t submitted, succeeded, failed; /* in the step; the latter two are attempts */
    uint64_t depth;                        /* the most that was seen */
    uint32_t busy_sum, looks;              /* their quotient: how many workers were busy */
    uint32_t workers;                      /* at its end */
    struct metrics_times times;            /* of what began, and of what ended, in it */
};

/* A copy of a ring: points oldest first, the newest may still grow. */
struct history_view {
    int64_t until_us;  /* wall: the last look; 0: none yet */
    int64_t newest_us; /* how long the newest point is */
    unsigned step_s;
    size_t count;
    struct history_point point[HISTORY_COARSE_POINTS];
};

void history_clear(void);
void history_tick(const struct history_look *now);
void history_read(enum history_span span, struct history_view *out);

/* The thread that looks. 0 or -ERR_SYSTEM. Metrics, board and store are there between the two. */
int history_start(void);
void history_stop(void);

#endif
