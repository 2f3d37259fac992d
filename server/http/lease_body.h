/*
 * lease_body.h - what remote workers send: their wishes, their heartbeats, how their jobs ended. Each reads a body that was
 * checked (submit_parse), of which root is the tree, and answers 0 or what problem_set() does. HTTP threads.
 */
#ifndef JOBMILL_SERVER_HTTP_LEASE_BODY_H
#define JOBMILL_SERVER_HTTP_LEASE_BODY_H

#include "problem.h"
#include "request.h"

#include <jansson.h>

int lease_body_ask(struct request *rq, struct lease_ask *a, json_t *root, struct problem *p); /* sets rq->wait_us, too */
/* May the caller say something of this lease? 0 also if there is none; -ERR_FORBIDDEN with p: it is for a task of others. */
int lease_may_touch(const struct id *id, struct problem *p);
int lease_body_beat(struct request *rq, struct lease_end *e, json_t *root, struct problem *p);
int lease_body_failure(struct lease_end *e, json_t *root, struct problem *p);
int lease_body_result(struct request *rq, struct lease_end *e, json_t *root, struct problem *p);

#endif
