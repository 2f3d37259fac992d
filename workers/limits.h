/* limits.h - what every worker and every program it starts is bound by. After fork, before task code. */
#ifndef JOBMILL_WORKERS_LIMITS_H
#define JOBMILL_WORKERS_LIMITS_H

#include "../common/taskdef.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* No core dumps, no new privileges, the pool's nice value and CPUs. */
void limits_worker(const struct pooldef *pool);

/* For a job inside a worker, until limits_job_end(): of memory and CPU time what the process has used so
 * far, and what the task's definition adds; the rest as it says. A limit that cannot be set is logged. */
struct limits_before {
    struct rlimit memory, cpu, file_size, open_files;
};
void limits_job_begin(const struct taskdef *def, struct limits_before *before);
void limits_job_end(const struct taskdef *def, const struct limits_before *before);

/* For a program about to be started, all of its definition; `processes`: 0: no limit. Async-signal-safe.
 * 0, or an errno. */
int limits_program(const struct taskdef *def, uint32_t processes);

/* What a death by this signal (0: none, it failed), after this much resident memory and CPU time, perhaps in
 * a cgroup whose memory was full, says of a limit: a code of common/job.h, and its sentence; NULL: nothing. */
const char *limits_cause(const struct taskdef *def, int signal, int64_t peak_bytes, int64_t cpu_us,
                         bool was_full, const char **sentence);

#endif
