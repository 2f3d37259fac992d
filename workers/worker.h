/* worker.h - a worker's whole life. A process of its own, single-threaded. */
#ifndef JOBMILL_WORKERS_WORKER_H
#define JOBMILL_WORKERS_WORKER_H

#include "../common/heritage.h"
#include "task.h"

#include <sys/types.h>

struct worker_birth {
    const struct heritage *heritage;
    struct task *tasks; /* loaded */
    uint32_t slot, generation, pool;
    int sock;
    pid_t parent; /* the fork server */
};

/* Ends with the process: 0 when the front end closed the socket. */
_Noreturn void worker_main(const struct worker_birth *b);

#endif
