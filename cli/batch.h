/*
 * batch.h - `jobmill submit TASK --ndjson`: one job for each line, many in a call.
 */
#ifndef JOBMILL_CLI_BATCH_H
#define JOBMILL_CLI_BATCH_H

#include "cli.h"

/* Reads to the end of the input. Ids (or the service's answers) are printed as they come; with
 * --wait a line for each job, in the order of the input: its result, or `null` where there is none.
 */
int batch_submit(struct cli *c);

#endif
