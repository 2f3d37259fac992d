/*
 * dies_at_birth.c - kills every worker that is forked with it, before it says that it is ready;
 * where DIES_WITH names a file, as long as there is one.
 */
#include "jobmill_task.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void in_child(void)
{
    const char *path = getenv("DIES_WITH");
    if (!path || access(path, F_OK) == 0)
        _exit(3);
}

__attribute__((constructor)) static void begin(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

static int run(struct jobmill_call *call, void *state)
{
    (void)call, (void)state;
    return 0;
}

JOBMILL_TASK(.run = run)
