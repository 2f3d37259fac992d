/* noop.c - the task `noop`: does nothing, for trying out and for measuring. The result is null. */
#include "jobmill_task.h"

static int run(struct jobmill_call *call, void *state)
{
    (void)call, (void)state;
    return 0;
}

JOBMILL_TASK(.description = "does nothing; the result is null", .run = run)
