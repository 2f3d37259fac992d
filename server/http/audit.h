/*
 * audit.h - a record in the log for every act of control, and for every caller who was refused.
 */
#ifndef JOBMILL_HTTP_AUDIT_H
#define JOBMILL_HTTP_AUDIT_H

#include "request.h"

struct sockaddr;

/* Once, when the request is over: writes the record, if there is to be one. `from`: NULL is legal.
 * Refusals beyond AUDIT_REFUSALS in a second are counted, and told with the next. HTTP threads. */
#define AUDIT_REFUSALS 20
void audit_request(const struct request *rq, const struct sockaddr *from);

#endif
