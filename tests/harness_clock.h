/*
 * harness_clock.h - the wall clock of the service, set by the test while it runs or while it is
 * down; those clocks that nobody can set go on. Main thread.
 */
#ifndef JOBMILL_TESTS_HARNESS_CLOCK_H
#define JOBMILL_TESTS_HARNESS_CLOCK_H

#include <stdint.h>

/* Before the service is started: from now on its wall clock is the test's. */
void clock_own(void);
/* So many seconds later (or earlier) than it is now. */
void clock_step(double seconds);
/* What the service's clock shows, in microseconds since 1970. */
int64_t clock_now_us(void);

#endif
