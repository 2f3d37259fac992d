/*
 * zone.h - time zones by their IANA names: the offset from UTC at any moment, read from the system's time
 * zone files (RFC 8536), never through TZ or localtime(), which belong to the whole process.
 *
 * A zone is immutable once it is open; any thread may ask it.
 */
#ifndef JOBMILL_SERVER_ZONE_H
#define JOBMILL_SERVER_ZONE_H

#include "../common/buf.h"

#include <stddef.h>
#include <stdint.h>

#define ZONE_NAME_MAX 64
#define ZONE_DIR      "/usr/share/zoneinfo"

struct zone;

/* "Europe/Berlin"; "UTC" needs no file. 0 and *out (zone_free() it); -ERR_BAD_FIELD with *why; -ERR_NOMEM. */
int zone_open(const char *name, struct zone **out, struct buf *why);
/* The same from the bytes of a file. */
int zone_parse(const void *data, size_t len, struct zone **out, struct buf *why);
void zone_free(struct zone *z); /* may be NULL */

/* A time with one offset. Seconds since 1970-01-01 UTC. */
struct zone_span {
    int64_t start, end; /* start <= t < end; INT64_MIN, INT64_MAX: it has none */
    int32_t offset;     /* seconds east of UTC */
    int32_t before;     /* the offset until `start` */
};

/* The span that t is in. Neighbouring spans may have the same offset. */
void zone_span(const struct zone *z, int64_t t, struct zone_span *out);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. month: 1 to 12. */
int64_t date_to_days(int64_t year, unsigned month, unsigned day);
void date_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
unsigned date_month_days(int64_t year, unsigned month);

#endif
