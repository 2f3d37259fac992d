/*
 * trace.h - the header traceparent of W3C Trace Context.
 */
#ifndef JOBMILL_HTTP_TRACE_H
#define JOBMILL_HTTP_TRACE_H

#include "../../common/job.h"

#include <stdbool.h>

struct change;

/* A header's value (NULL: none came) -> what is kept, "" where it is malformed and therefore ignored, as
 * the standard wants it. That of a later version becomes version 00, with what this one knows of it. */
bool trace_parse(const char *header, char out[JOB_TRACE_MAX + 1]);
/* Gives the trace to all jobs of a submission. */
void trace_take(struct change *c, const char *header);

#endif
