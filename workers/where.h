/*
 * where.h - SIGUSR1 asks a worker where it is: it says so in the log, its job's too. Worker's process.
 */
#ifndef JOBMILL_WORKERS_WHERE_H
#define JOBMILL_WORKERS_WHERE_H

#include "../common/id.h"

#include <stdint.h>

/* Takes SIGUSR1. System calls that it interrupts are begun again, but for those that wait for a time. */
void where_setup(void);
/* A job begins (`task` outlives it), or has ended. */
void where_job(const struct id *job, uint32_t attempt, const char *task);
void where_idle(void);

#endif
