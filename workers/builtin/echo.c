/* echo.c - the task `echo`: the result is the input, byte for byte, with its content type. */
#include "jobmill_task.h"

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    return jobmill_result(call, call->input_type, call->input, call->input_len);
}

JOBMILL_TASK(.description = "gives its input back", .run = run)
