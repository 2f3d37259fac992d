/*
 * wait.h - waits for the end of a job, across restarts of the service, with a progress bar where
 * there is a terminal; and tells how it ended.
 */
#ifndef JOBMILL_CLI_WAIT_H
#define JOBMILL_CLI_WAIT_H

#include "cli.h"

/* Waits until the job has ended, at most until `deadline` (term_now(); 0: no limit). CLI_OK: *job
 * (to be released by the caller) is the ended job and `body` its bytes; else *job is NULL and the
 * status was explained on standard error. A service that had answered and then does not is waited
 * for, one minute at most. */
int wait_job(struct cli *c, const char *id, double deadline, json_t **job, struct buf *body);

bool wait_has_ended(const json_t *job); /* by its state; false where it has none */

/* The status that belongs to an ended job; with `tell`, an end that is no success is explained on
 * standard error. */
int wait_outcome(const json_t *job, bool tell);

/* The moment when the wait that is asked for now is over; 0: no limit. */
double wait_deadline(const struct cli *c);

bool wait_is_over(double deadline);

/* Of two ends the one that a script must hear of. */
int wait_worse(int a, int b);

#endif
