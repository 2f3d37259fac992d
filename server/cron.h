/*
 * cron.h - pure: cron expressions, and the next moment of one in a time zone. No state; any thread.
 *
 * Five fields: minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or JAN-DEC, weekday 0-7 or SUN-SAT
 * (0 and 7 are Sunday). A field is a list of `*`, `N`, `N-M`, each range or `*` with a step `/S`. Or one of
 * @yearly @annually @monthly @weekly @daily @midnight @hourly.
 *
 * Days: when neither day field begins with `*`, a day matches that either field names; else both must.
 *
 * Summer time: a schedule whose hour field begins with `*` is a rhythm: times that the clock leaves out are
 * left out, those that it shows twice run twice. Any other names times of the day: each runs once, the first
 * time that the clock shows it; those that the clock leaves out run together, at the first moment after
 * the gap. The same holds for every change of a zone's offset. So do Vixie's cron and its descendants, to
 * which a minute field that begins with `*` is a rhythm, too: that would leave out a day's whole hour here.
 */
#ifndef JOBMILL_SERVER_CRON_H
#define JOBMILL_SERVER_CRON_H

#include "../common/buf.h"
#include "zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_TEXT_MAX 256

struct cron {
    uint64_t minute; /* a bit for each value */
    uint32_t hour, day;
    uint16_t month;
    uint8_t weekday; /* bits 0 to 6 */
    bool any_hour, any_day, any_weekday; /* the field begins with `*` */
};

/* 0; -ERR_BAD_FIELD with *why = one sentence with the field and the value: also for an expression that
 * never matches, such as 30 February. */
int cron_parse(const char *text, size_t len, struct cron *out, struct buf *why);

/* The first moment of the schedule that is later than after_us (microseconds since 1970-01-01 UTC). 0;
 * -ERR_NOT_FOUND: none in the next hundred years. */
int cron_next(const struct cron *c, const struct zone *z, int64_t after_us, int64_t *out_us);

#endif
