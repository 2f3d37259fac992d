/* abi_next.c - a task that was compiled against an interface to come. */
#include "jobmill_task.h"

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    return jobmill_result_json(call, "1", 1);
}

__attribute__((visibility("default"))) extern const struct jobmill_task jobmill_task;
const struct jobmill_task jobmill_task = {.abi = JOBMILL_TASK_ABI + 1, .run = run};
