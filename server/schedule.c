/*
 * schedule.c - the care of a schedule's memory, and its next moments. Any thread; keeps nothing.
 */
#include "schedule.h"

#include "../common/err.h"

#include <string.h>

static const char *const overlap_names[] = {"skip", "queue", "replace"};

void schedule_init(struct schedule *s)
{
    *s = (struct schedule){.catch_up = true};
    job_init(&s->job);
}

void schedule_release(struct schedule *s)
{
    job_release(&s->job);
}

int schedule_next(const struct schedule *s, int64_t after_us, int64_t *out_us, int n,
                  struct buf *why)
{
    struct cron cron;
    struct zone *zone = NULL;
    int found = 0;
    int err = cron_parse(s->cron, strlen(s->cron), &cron, why);
    if (!err)
        err = zone_open(s->time_zone, &zone, why);
    if (err)
        return why->failed ? -ERR_NOMEM : err;
    while (found < n && cron_next(&cron, zone, after_us, &out_us[found]) == 0)
        after_us = out_us[found++];
    zone_free(zone);
    return found;
}

const char *overlap_name(enum overlap o)
{
    return overlap_names[o];
}

bool overlap_parse(const char *name, enum overlap *out)
{
    for (size_t i = 0; i < sizeof(overlap_names) / sizeof(overlap_names[0]); i++) {
        if (strcmp(overlap_names[i], name) == 0) {
            *out = (enum overlap)i;
            return true;
        }
    }
    return false;
}
