/*
 * auth.h - a request's token -> what it may do.
 *
 * Without tokens in the configuration everybody may do everything (and the service listens on loopback
 * alone). The tokens in use are a snapshot that auth_use replaces; a request keeps the one it began with.
 */
#ifndef JOBMILL_HTTP_AUTH_H
#define JOBMILL_HTTP_AUTH_H

#include "../tokens.h"
#include "problem.h"

struct auth; /* a snapshot */

/* Takes the tokens (heap; NULL: there are none). Main thread, at start and at a reload. 0, -ERR_NOMEM. */
int auth_use(struct tokens *tokens);
void auth_end(void); /* no request is left */

/* Who asks. Zeroed: nobody in particular, who may do everything. */
struct caller {
    struct auth *snapshot; /* held; NULL: there are no tokens */
    const struct token *token;
};
/* `header`: Authorization, or NULL. 0 and *c (auth_leave it); -ERR_UNAUTHORIZED, -ERR_FORBIDDEN with p. */
int auth_enter(struct caller *c, const char *header, enum scope scope, struct problem *p);
void auth_leave(struct caller *c);

/* The name under which what it makes is kept; "": none. */
const char *caller_owner(const struct caller *c);
bool caller_sees(const struct caller *c, const char *owner);
/* What it sees of others is not its to change, but for `admin`. owner "": nobody's in particular. 0, or
 * -ERR_FORBIDDEN with p, which names the thing. */
bool caller_changes(const struct caller *c, const char *owner);
int caller_may_change(const struct caller *c, const char *owner, const char *thing, struct problem *p);
bool caller_has(const struct caller *c, enum scope scope); /* or all of them, by `admin` */
bool caller_is_limited(const struct caller *c); /* to some tasks */
/* 0, or -ERR_FORBIDDEN with p: the token is for other tasks. */
int caller_may_task(const struct caller *c, const char *task, struct problem *p);

/* Of the request that this HTTP thread handles; set around its handlers. */
extern _Thread_local const struct caller *auth_caller;

#endif
