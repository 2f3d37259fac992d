/*
 * dies_at_birth.c - kills every worker that is forked with it, before it says that it is ready.
 */
#include "jobmill_task.h"

#include <pthread.h>
#include <unistd.h>

static void in_child(void)
{
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
