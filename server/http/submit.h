/*
 * submit.h - what a client sent for a new job -> a change that the writer can keep.
 */
#ifndef JOBMILL_HTTP_SUBMIT_H
#define JOBMILL_HTTP_SUBMIT_H

#include "../writer.h"
#include "problem.h"

#include <stddef.h>
#include <stdint.h>

struct request;

/* When a job is to run, as it was asked. */
struct submit_when {
    int64_t run_at_us; /* 0: not given */
    int64_t delay_us;  /* -1: not given */
};

/* Each fills c (from request_change) but its key; 0, or a negative enum err with p filled. */
int submit_json(struct change *c, const char *body, size_t len, struct submit_when *when,
                struct problem *p);
/* A raw body for the task that the path names; takes the request's query parameters, and its body. */
int submit_raw(struct change *c, struct request *rq, struct submit_when *when, struct problem *p);

/* The Idempotency-Key header, or NULL, and the fingerprint of what was asked. */
int submit_key(struct change *c, const char *header, struct problem *p);

/* When a job made at created_us with these words becomes due, and the state it starts in. */
int64_t submit_due(const struct submit_when *when, int64_t created_us);
enum job_state submit_state(const struct submit_when *when, int64_t created_us);

#endif
