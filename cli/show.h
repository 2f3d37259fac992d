/*
 * show.h - the service's JSON as text for people: a job in full, tables of jobs, workers and tasks.
 */
#ifndef JOBMILL_CLI_SHOW_H
#define JOBMILL_CLI_SHOW_H

#include "term.h"

/* All that is known of a job, a line each; `body` is what it was parsed from. */
void show_job(const struct cli *c, const json_t *job, const struct buf *body);

/* Rows for the job, worker or task are appended; _begin makes the table and its head. */
void show_jobs_begin(struct table *t);
void show_jobs_row(struct table *t, const json_t *job);
void show_workers_begin(struct table *t);
void show_workers_row(struct table *t, const json_t *worker);
void show_tasks_begin(struct table *t);
void show_tasks_row(struct table *t, const json_t *task);

/* "queued 3 · running 2": the states that have any. */
void show_counts(const struct cli *c, const json_t *counts, struct buf *out);

/* A field as text, "" when it is not there; a field as a number, 0 then. */
const char *show_string(const json_t *from, const char *name);
double show_number(const json_t *from, const char *name);

#endif
