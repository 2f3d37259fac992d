/*
 * harness_tokens.h - a service with tokens of every scope, and requests by them. Main thread.
 */
#ifndef JOBMILL_TESTS_HARNESS_TOKENS_H
#define JOBMILL_TESTS_HARNESS_TOKENS_H

#include "harness.h"

/* Nobody's secrets: made for this test. */
#define A_READ    "jm_read00000000000000000000000000000000000000000000000000000000"
#define A_SUBMIT  "jm_submit000000000000000000000000000000000000000000000000000000"
#define A_CONTROL "jm_control00000000000000000000000000000000000000000000000000000"
#define A_WORK    "jm_work00000000000000000000000000000000000000000000000000000000"
#define A_ADMIN   "jm_admin0000000000000000000000000000000000000000000000000000000"
#define OTHER     "jm_other0000000000000000000000000000000000000000000000000000000"
#define OLD       "jm_old000000000000000000000000000000000000000000000000000000000"

/* A schedule of this name, as it is asked for. */
#define CRON "{\"name\":\"%s\",\"cron\":\"0 3 * * *\",\"job\":{\"task\":\"noop\"}}"

/* Appends a section to the configuration, which is on the heap; `more`: its other lines. */
void add_token(char **conf, const char *name, const char *token, const char *more);
/* A configuration with all of them; heap. */
char *all_tokens(void);

/* Without a token where it is NULL. */
struct answer *ask(struct server *s, const char *token, const char *method, const char *path,
                   const char *body);
int status_of(struct server *s, const char *token, const char *method, const char *path,
              const char *body);
/* Submits a job and waits for its end; `key`: a header more, or NULL. Its id, heap. */
char *submit_as(struct server *s, const char *token, const char *body, const char *key);

#endif
