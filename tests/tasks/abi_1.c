/* abi_1.c - a task that was compiled against version 1 of the interface. */
#include "jobmill_task.h"

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    return jobmill_result_json(call, "\"old\"", 5);
}

__attribute__((visibility("default"))) extern const struct jobmill_task jobmill_task;
const struct jobmill_task jobmill_task = {.abi = 1, .run = run};
