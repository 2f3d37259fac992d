/*
 * words.h - the words and the environment with which a command is started. Workers; no state.
 */
#ifndef JOBMILL_WORKERS_WORDS_H
#define JOBMILL_WORKERS_WORDS_H

#include "task.h"

/* The command's words with each {input.x} replaced by that field of the job's input; a word stays one
 * word. NULL: the run has failed, and says why. The caller frees with words_free(). */
char **words_argv(const struct task *t, struct task_run *r);

/* A clean environment: PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR as the service has them, the
 * task's own settings (env.NAME), JOBMILL_TASK, JOBMILL_DIR = `dir`, and with a run JOBMILL_JOB_ID and
 * JOBMILL_ATTEMPT. `r` NULL: for a program that outlives its jobs. NULL: out of memory. */
#define WORDS_CHECKPOINT ".jobmill-checkpoint.json" /* of the job's directory */
char **words_env(const struct taskdef *def, const struct task_run *r, const char *dir);

void words_free(char **words); /* a NULL-terminated array and its strings; NULL is fine */

#endif
