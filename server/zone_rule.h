/*
 * zone_rule.h - pure: the rule at the end of a time zone file ("CET-1CEST,M3.5.0,M10.5.0/3", POSIX's TZ
 * with the hours of RFC 8536), which says what comes after the file's last change.
 */
#ifndef JOBMILL_SERVER_ZONE_RULE_H
#define JOBMILL_SERVER_ZONE_RULE_H

#include "zone.h"

#include <stdbool.h>

struct zone_day {
    enum { DAY_MONTH, DAY_NO_LEAP, DAY_LEAP } kind; /* Mm.w.d, Jn, n */
    unsigned month, week, day;
    int32_t time; /* seconds after the day's midnight, local */
};

struct zone_rule {
    int32_t standard, summer; /* seconds east of UTC */
    bool has_summer;
    struct zone_day begin, end; /* of summer time */
};

bool zone_rule_parse(const char *text, size_t len, struct zone_rule *out);
/* The span that t is in. */
void zone_rule_span(const struct zone_rule *r, int64_t t, struct zone_span *out);

#endif
