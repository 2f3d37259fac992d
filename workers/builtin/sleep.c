/* sleep.c - the task `sleep`: waits, tells its progress, and gives up within 10 ms when cancelled.
 */
#include "input.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    double seconds = 0;
    const struct number_field field = {"seconds", &seconds, NAN, 0, 86400, false};
    if (input_numbers(call, &field, 1))
        return 1;
    double begin = now(), passed;
    while ((passed = now() - begin) < seconds) {
        if (jobmill_cancelled(call))
            return jobmill_fail(call, "cancelled", "told to give up while it slept", 0);
        jobmill_progress(call, passed / seconds, NULL);
        double rest = seconds - passed < 0.01 ? seconds - passed : 0.01;
        struct timespec t = {.tv_nsec = (long)(rest * 1e9)};
        nanosleep(&t, NULL);
    }
    char text[64];
    int n = snprintf(text, sizeof(text), "{\"slept\":%.9g}", seconds);
    return jobmill_result_json(call, text, (size_t)n);
}

JOBMILL_TASK(.description = "waits for a number of seconds", .run = run)
