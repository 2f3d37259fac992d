/*
 * lease.h - a job that a remote worker holds for a time.
 */
#ifndef JOBMILL_SERVER_LEASE_H
#define JOBMILL_SERVER_LEASE_H

#include "../common/job.h"

#define LEASE_WORKER_MAX 64
#define LEASES_AT_ONCE   100 /* of one request */

struct lease {
    struct id id, job;
    uint32_t attempt; /* the fence */
    uint32_t task_id;
    int64_t started_us, expires_us; /* wall */
    int64_t ends_us;                /* not prolonged beyond; 0: no limit */
    int64_t duration_us;            /* by which a heartbeat prolongs it */
    char worker[LEASE_WORKER_MAX + 1];
    bool has_fraction;
    double fraction; /* 0..1 */
    char message[JOB_PROGRESS_TEXT_MAX + 1]; /* "": none */
};

#endif
