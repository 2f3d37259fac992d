/*
 * harness_logs.h - jobs that log, and what is kept of it. Main thread.
 */
#ifndef JOBMILL_TESTS_HARNESS_LOGS_H
#define JOBMILL_TESTS_HARNESS_LOGS_H

#include "harness.h"

/* For a configuration: logs `n` lines that begin with `who`. */
#define TASK_SAY                                                                                   \
    "[task say]\ncommand = /bin/sh -c 'for i in $(seq {input.n}); do "                             \
    "echo \"{input.who} $i\" >&2; done; echo {}'\n"

/* Submits such a job. */
void say(struct server *s, const char *who, int n, char id[40]);

/* What GET /v1/jobs/ID/logs?QUERY says; heap. */
char *logs_of(struct server *s, const char *id, const char *query);
/* The text of a line without its time, which is looked at: "1 info words". */
char *next_line(char **rest);
size_t count_lines(const char *text);

#endif
