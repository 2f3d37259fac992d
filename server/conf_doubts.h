/*
 * conf_doubts.h - what is accepted, and can hardly be meant. Main thread.
 */
#ifndef JOBMILL_SERVER_CONF_DOUBTS_H
#define JOBMILL_SERVER_CONF_DOUBTS_H

#include "../common/buf.h"
#include "conf.h"

/* Appends a line for each: a variable JOBMILL_… that is no setting, a token for a task that is not
 * there. While c->tokens is still the configuration's. */
void conf_doubts(const struct conf *c, struct buf *out);
void conf_doubts_log(const struct buf *doubts); /* each as a warning */

#endif
