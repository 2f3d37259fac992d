/*
 * clock.h - time. All times are int64 microseconds.
 *
 * Wall time is for what people see and for run_at; monotonic time is for timeouts and deadlines.
 * Tests replace both with clock_fake().
 */
#ifndef JOBMILL_COMMON_CLOCK_H
#define JOBMILL_COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define US_PER_S  INT64_C(1000000)
#define US_PER_MS INT64_C(1000)

int64_t clock_wall_us(void); /* since 1970-01-01 UTC */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC: the same in all processes */
int64_t clock_boot_us(void); /* the monotonic clock, and the time that the machine slept */
int64_t clock_cpu_us(void);  /* CPU time of this process */

/* Milliseconds to wait from now until a monotonic deadline, rounded up, within 0..max_ms, for
 * poll(2); INT64_MAX as the deadline gives max_ms. */
int clock_wait_ms(int64_t deadline_us, int max_ms);
struct timespec clock_timespec(int64_t us); /* of either clock; us >= 0 */

#define CLOCK_TEXT 25 /* "2026-11-23T03:19:00.123Z" and the zero */
void clock_format(int64_t wall_us, char out[CLOCK_TEXT]);
/* RFC 3339 with any offset and 0 to 9 fractional digits; false: not a valid time. */
bool clock_parse(const char *text, size_t len, int64_t *wall_us);

/* For tests: from now on both clocks stand at the given values until called again; -1 un-fakes. */
void clock_fake(int64_t wall_us, int64_t mono_us);

#endif
