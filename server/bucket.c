/* bucket.c - see bucket.h. */
#include "bucket.h"

#include "../common/clock.h"

uint32_t bucket_tokens(struct bucket *k, double rate, double burst, int64_t now_us,
                       int64_t *next_us)
{
    double full = burst > 0 ? burst : 1;
    if (k->filled_us == 0)
        k->tokens += full; /* what was taken unasked counts */
    else
        k->tokens += (double)(now_us - k->filled_us) * rate / (double)US_PER_S;
    if (k->tokens > full)
        k->tokens = full;
    k->filled_us = now_us;
    if (k->tokens >= 1)
        return k->tokens < UINT32_MAX ? (uint32_t)k->tokens : UINT32_MAX;
    int64_t at = now_us + 1 + (int64_t)((1 - k->tokens) / rate * (double)US_PER_S);
    if (at < *next_us)
        *next_us = at;
    return 0;
}

void bucket_take(struct bucket *k, double n)
{
    k->tokens -= n;
}
