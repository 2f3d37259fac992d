/*
 * schedule.h - a schedule: when, in which zone, and the job that is submitted then.
 */
#ifndef JOBMILL_SERVER_SCHEDULE_H
#define JOBMILL_SERVER_SCHEDULE_H

#include "../common/job.h"
#include "cron.h"
#include "zone.h"

#define SCHEDULE_NAME_MAX 64

enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_REPLACE };

struct schedule {
    char name[SCHEDULE_NAME_MAX + 1]; /* as a task's name */
    char cron[CRON_TEXT_MAX + 1];
    char time_zone[ZONE_NAME_MAX + 1];
    enum overlap overlap; /* while its last job has not ended */
    bool catch_up;        /* runs that were missed are made up for by one */
    bool paused;
    int64_t created_us, next_us, last_us; /* wall; 0: not known, never again, never yet */
    struct id last_job;                   /* nil: none */
    struct job job; /* what is submitted: task, priority, attempts, timeout, tags, backoff, keys, input */
};

/* Where one stands among all of them, by when they are due. Zero: before all. */
struct schedule_place {
    int64_t next_us;
    char name[SCHEDULE_NAME_MAX + 1];
};

/* Which of them a page has: by name, those behind `after` ("": all), of one owner (NULL: of anybody). */
struct schedule_look {
    const char *after, *owner;
    size_t inline_max; /* a larger input is left out */
};

void schedule_init(struct schedule *s);
void schedule_release(struct schedule *s);

/* The first moments after `after_us`, at most n of them; how many there are. -ERR_BAD_FIELD, with a sentence in
 * *why: the expression or the zone cannot be read (any more, or while its file is replaced); -ERR_NOMEM: not now,
 * for want of memory or descriptors. */
int schedule_next(const struct schedule *s, int64_t after_us, int64_t *out_us, int n,
                  struct buf *why);

const char *overlap_name(enum overlap o);
bool overlap_parse(const char *name, enum overlap *out);

#endif
