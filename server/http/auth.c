/*
 * auth.c - a request's token -> what it may do. HTTP threads, but for auth_use.
 *
 * Every token's digests are compared, each in constant time, so that the time of an answer says
 * nothing about them.
 */
#include "auth.h"

#include "../../common/clock.h"
#include "../../common/err.h"

#include <nettle/memops.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct auth {
    atomic_size_t refs;
    struct tokens *tokens;
};

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards `now`, while a reference is taken */
static struct auth *now;
static atomic_bool has_tokens;

_Thread_local const struct caller *auth_caller;

static void unref(struct auth *a)
{
    if (a && atomic_fetch_sub(&a->refs, 1) == 1) {
        free(a->tokens);
        free(a);
    }
}

int auth_use(struct tokens *tokens)
{
    struct auth *a = NULL;
    if (tokens && tokens->count > 0) {
        a = calloc(1, sizeof(*a));
        if (!a)
            return -ERR_NOMEM;
        atomic_init(&a->refs, 1);
        a->tokens = tokens;
    } else {
        free(tokens);
    }
    pthread_mutex_lock(&lock);
    struct auth *old = now;
    now = a;
    atomic_store(&has_tokens, a != NULL);
    pthread_mutex_unlock(&lock);
    unref(old);
    return 0;
}

void auth_end(void)
{
    (void)auth_use(NULL);
}

static const struct token *find(const struct tokens *all, const char *text, size_t len)
{
    uint8_t digest[32];
    const struct token *found = NULL;
    token_digest(text, len, digest);
    for (size_t i = 0; i < all->count; i++) {
        for (size_t k = 0; k < all->token[i].hashes; k++) {
            if (memeql_sec(all->token[i].hash[k], digest, sizeof(digest)))
                found = &all->token[i];
        }
    }
    if (found && found->expires_us && found->expires_us <= clock_wall_us())
        return NULL;
    return found;
}

static int refuse(struct problem *p, const char *why)
{
    return problem_set(p, ERR_UNAUTHORIZED, "%s", why);
}

bool caller_has(const struct caller *c, enum scope scope)
{
    return !c->token || c->token->scopes & (1u << scope | 1u << SCOPE_ADMIN);
}

static int check(struct caller *c, const char *header, enum scope scope, struct problem *p)
{
    if (!header)
        return refuse(p, "this service wants a token: `Authorization: Bearer …`");
    if (strncasecmp(header, "Bearer ", 7) != 0)
        return refuse(p, "the Authorization header must be `Bearer` and a token");
    header += 7;
    header += strspn(header, " ");
    c->token = find(c->snapshot->tokens, header, strlen(header));
    if (!c->token)
        return refuse(p, "the token is not known, or has expired");
    if (caller_has(c, scope))
        return 0;
    return problem_set(p, ERR_FORBIDDEN, "the token `%s` lacks the scope `%s`", c->token->name,
                       scope_name(scope));
}

int auth_enter(struct caller *c, const char *header, enum scope scope, struct problem *p)
{
    *c = (struct caller){0};
    if (scope == SCOPE_NONE || !atomic_load(&has_tokens))
        return 0;
    pthread_mutex_lock(&lock);
    c->snapshot = now;
    if (now)
        atomic_fetch_add(&now->refs, 1);
    pthread_mutex_unlock(&lock);
    return c->snapshot ? check(c, header, scope, p) : 0;
}

void auth_leave(struct caller *c)
{
    unref(c->snapshot);
    *c = (struct caller){0};
}

const char *caller_owner(const struct caller *c)
{
    return c && c->token ? c->token->name : "";
}

bool caller_is_limited(const struct caller *c)
{
    return c && c->token && c->token->tasks > 0;
}

int caller_may_task(const struct caller *c, const char *task, struct problem *p)
{
    if (!c || !c->token || token_may_task(c->token, task))
        return 0;
    return problem_set(p, ERR_FORBIDDEN, "the token `%s` may not use the task `%s`", c->token->name,
                       task);
}

bool caller_sees(const struct caller *c, const char *owner)
{
    if (!c || !c->token || c->token->read_all || c->token->scopes & 1u << SCOPE_ADMIN)
        return true;
    return strcmp(owner, c->token->name) == 0;
}

bool caller_changes(const struct caller *c, const char *owner)
{
    return caller_has(c, SCOPE_ADMIN) || strcmp(owner, c->token->name) == 0;
}

int caller_may_change(const struct caller *c, const char *owner, const char *thing,
                      struct problem *p)
{
    if (caller_changes(c, owner))
        return 0;
    return problem_set(p, ERR_FORBIDDEN,
                       "the %s is not the token `%s`'s own: changing it needs the scope `admin`",
                       thing, c->token->name);
}
