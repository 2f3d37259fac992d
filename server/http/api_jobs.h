/*
 * api_jobs.h - what the handlers of /v1/jobs/{id}/… share. HTTP threads.
 */
#ifndef JOBMILL_HTTP_API_JOBS_H
#define JOBMILL_HTTP_API_JOBS_H

#include "../../common/job.h"

#include <stdbool.h>
#include <stddef.h>

struct request;

/* The path's id into rq->id. False: it is none, and that is answered. */
bool jobs_read_id(struct request *rq);
/* The job rq->id as it is (see reader_job). False: it could not be read, or is not the caller's to see, and
 * that is answered. */
bool jobs_read(struct request *rq, unsigned what, size_t inline_max, struct job *job);

#endif
