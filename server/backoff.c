/* backoff.c - pure: attempt number -> pause before the next attempt. Any thread. */
#include "backoff.h"

int64_t backoff_us(uint32_t attempt, int64_t base_us, int64_t max_us, uint64_t random)
{
    int64_t pause = base_us < max_us ? base_us : max_us;
    for (uint32_t i = 1; i < attempt && pause < max_us; i++)
        pause = pause > max_us / 2 ? max_us : pause * 2;
    if (pause <= 1)
        return pause < 0 ? 0 : pause;
    /* half of it is sure, the other half is by chance, so that what failed together is spread */
    int64_t half = pause / 2;
    return pause - half + (int64_t)(random % ((uint64_t)half + 1));
}
