/*
 * bucket.h - a token bucket: a rate limit that lets a burst through. It begins full and fills by
 * `rate` tokens a second up to `burst`. Not locked: whoever owns it. Times are microseconds of any
 * clock that does not step.
 */
#ifndef JOBMILL_SERVER_BUCKET_H
#define JOBMILL_SERVER_BUCKET_H

#include <stdint.h>

struct bucket {
    double tokens;     /* may be below zero: what was taken before it was asked */
    int64_t filled_us; /* 0: never asked */
};

/* Whole tokens that are there now. With none *next_us is lowered to when the next one comes, if
 * that is earlier. rate > 0 tokens a second; burst: 0 counts as 1. */
uint32_t bucket_tokens(struct bucket *k, double rate, double burst, int64_t now_us,
                       int64_t *next_us);
/* n > 0: they are used; n < 0: they were not, after all. */
void bucket_take(struct bucket *k, double n);

#endif
