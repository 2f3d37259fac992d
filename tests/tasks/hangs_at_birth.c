/*
 * hangs_at_birth.c - whoever loads it waits, as for a licence, as long as the file is there that
 * HANGS_WITH names.
 */
#include "jobmill_task.h"

#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("HANGS_WITH");
    while (path && access(path, F_OK) == 0)
        (void)usleep(1000);
}

static int run(struct jobmill_call *call, void *state)
{
    (void)call, (void)state;
    return 0;
}

JOBMILL_TASK(.run = run)
