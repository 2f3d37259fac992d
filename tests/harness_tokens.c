/*
 * harness_tokens.c - a service with tokens of every scope, and requests by them.
 */
#include "harness_tokens.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_token(char **conf, const char *name, const char *token, const char *more)
{
    struct sha256_ctx ctx;
    uint8_t hash[32];
    char hex[65];
    sha256_init(&ctx);
    sha256_update(&ctx, strlen(token), (const uint8_t *)token);
    sha256_digest(&ctx, 32, hash);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    char *old = *conf;
    ck_assert_int_gt(
        asprintf(conf, "%s[token %s]\nhash = sha256:%s\n%s\n", old ? old : "", name, hex, more), 0);
    free(old);
}

char *all_tokens(void)
{
    char *conf = strdup("[task far]\nkind = remote\n");
    add_token(&conf, "read", A_READ, "scopes = read");
    add_token(&conf, "submit", A_SUBMIT, "scopes = read, submit\ntasks = noop, echo");
    add_token(&conf, "control", A_CONTROL, "scopes = control");
    add_token(&conf, "work", A_WORK, "scopes = work");
    add_token(&conf, "admin", A_ADMIN, "scopes = admin");
    add_token(&conf, "other", OTHER, "scopes = read, submit");
    add_token(&conf, "old", OLD, "scopes = admin\nexpires = 2020-01-01T00:00:00Z");
    return conf;
}

struct answer *ask(struct server *s, const char *token, const char *method, const char *path,
                   const char *body)
{
    char header[160];
    snprintf(header, sizeof(header), "Authorization: Bearer %s", token ? token : "");
    const char *headers[] = {token ? header : NULL, NULL};
    return http(s, method, path, body, headers);
}

int status_of(struct server *s, const char *token, const char *method, const char *path,
              const char *body)
{
    struct answer *a = ask(s, token, method, path, body);
    int status = a->status;
    answer_free(a);
    return status;
}

char *submit_as(struct server *s, const char *token, const char *body, const char *key)
{
    char header[160];
    snprintf(header, sizeof(header), "Authorization: Bearer %s", token);
    const char *headers[] = {header, key, NULL};
    struct answer *a = http(s, "POST", "/v1/jobs?wait=60", body, headers);
    ck_assert_msg(a->status == 200 || a->status == 202, "%d: %s", a->status, a->body);
    char *id = strdup(jstr(a->json, "id"));
    answer_free(a);
    return id;
}
