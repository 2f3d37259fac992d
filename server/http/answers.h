/*
 * answers.h - answers to GET /v1/jobs/{id} that are given again while their job does not change.
 *
 * Each HTTP thread has its own (answer_cache bytes at most), so there is no lock. HTTP threads.
 */
#ifndef JOBMILL_HTTP_ANSWERS_H
#define JOBMILL_HTTP_ANSWERS_H

#include "../../common/job.h"

#include <stdbool.h>
#include <stdint.h>

struct request;

int answers_start(void); /* 0 or -ERR_SYSTEM (errno) */
/* The number of rq->id's job, to be asked for before it is read; 0: it may not be kept. */
uint64_t answers_version(const struct request *rq);
/* Sets the answer that was kept for this version. */
bool answers_give(struct request *rq, uint64_t version);
/* Keeps the answer in the request's body and its entity tag, if nothing but the job's row goes into it. */
void answers_keep(const struct request *rq, uint64_t version, const struct job *job, const char *tag);

#endif
