/*
 * tokens.h - who may do what: the [token NAME] sections of the configuration.
 *
 * Only SHA-256 digests of tokens are known here. A struct tokens never changes once it is in use; a
 * reload makes another one.
 */
#ifndef JOBMILL_SERVER_TOKENS_H
#define JOBMILL_SERVER_TOKENS_H

#include "../common/buf.h"
#include "../common/taskdef.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TOKENS_MAX       256
#define TOKEN_HASHES_MAX 2 /* live at once, for rotation */
#define TOKEN_NAME_MAX   JOB_TASK_MAX
#define TOKEN_TASKS_MAX  64

/* What a caller may do; a bit each. */
enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_SUBMIT, SCOPE_CONTROL, SCOPE_WORK, SCOPE_ADMIN, SCOPES };

struct token {
    char name[TOKEN_NAME_MAX + 1];
    uint8_t hash[TOKEN_HASHES_MAX][32];
    size_t hashes;
    unsigned scopes; /* 1 << enum scope */
    bool read_all;   /* sees the jobs of others, too */
    int64_t expires_us; /* wall; 0: never */
    char task[TOKEN_TASKS_MAX][JOB_TASK_MAX + 1];
    size_t tasks; /* 0: all */
    unsigned seen; /* a bit for each setting that was given */
};

struct tokens {
    size_t count;
    struct token token[];
};

const char *scope_name(enum scope s);
bool token_may_task(const struct token *t, const char *task);

/* One setting of [token NAME]; name NULL: the section begins. *all is made and grown. 0, -ERR_CONFIG with
 * why, -ERR_NOMEM. */
int tokens_set(struct tokens **all, const char *token, const char *name, const char *value,
               struct buf *why);
int tokens_check(const struct tokens *all, struct buf *why); /* at the end: is each complete? */
void tokens_print(const struct tokens *all, FILE *out);

/* `jobmill token`: makes a token and prints it, and the lines for the configuration. */
int token_main(int argc, char **argv);

/* The digest of a token as it stands in a header. */
void token_digest(const char *text, size_t len, uint8_t out[32]);

#endif
