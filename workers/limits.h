/* limits.h - what every worker and every program it starts is bound by. After fork, before task code. */
#ifndef JOBMILL_WORKERS_LIMITS_H
#define JOBMILL_WORKERS_LIMITS_H

#include <stdint.h>
#include <sys/resource.h>

/* No core dumps, no new privileges, the pool's nice value. */
void limits_worker(int nice_value);

/* Address space: at most what the process has now plus `bytes`, until limits_memory_end(). */
void limits_memory_begin(uint64_t bytes, struct rlimit *before);
void limits_memory_end(const struct rlimit *before);

/* For a program about to be started: its whole address space. Async-signal-safe. */
int limits_memory_program(uint64_t bytes);

#endif
