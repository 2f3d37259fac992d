/*
 * clockset.h - by which time things are forgotten, while the clock may have been set by mistake.
 */
#ifndef JOBMILL_SERVER_CLOCKSET_H
#define JOBMILL_SERVER_CLOCKSET_H

#include <stdint.h>

/* Of a moment by the wall clock (us): what it would be had the clock not been set forward within the last hour.
 * What is gone by that is gone for certain. Any thread; two words that need not agree. */
int64_t clockset_past_us(int64_t now_us);

#endif
