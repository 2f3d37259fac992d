/*
 * backoff.h - pure: attempt number -> pause before the next attempt.
 * Exponential with full range above the half: pause = min(max, base * 2^(attempt-1)) * (0.5 .. 1.0).
 */
#ifndef JOBMILL_SERVER_BACKOFF_H
#define JOBMILL_SERVER_BACKOFF_H

#include <stdint.h>

/* attempt >= 1: the one that failed. random: any 64 bits. All times in microseconds. */
int64_t backoff_us(uint32_t attempt, int64_t base_us, int64_t max_us, uint64_t random);

#endif
