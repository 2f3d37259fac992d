/*
 * harness_leases.c - what a remote worker asks of the service.
 */
#include "harness.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

struct answer *ask_for_lease(struct server *s, const char *body)
{
    struct answer *a = http(s, "POST", "/v1/leases", body, NULL);
    ck_assert_msg(a->status == 200 && jget(a->json, "leases.0.id"), "%d: %s", a->status, a->body);
    return a;
}

char *take_lease(struct server *s, const char *body, char **job)
{
    struct answer *a = ask_for_lease(s, body);
    char *id = strdup(jstr(a->json, "leases.0.id"));
    if (job)
        *job = strdup(jstr(a->json, "leases.0.job.id"));
    answer_free(a);
    return id;
}

int end_lease(struct server *s, const char *id, const char *word, const char *body)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/leases/%s/%s", id, word);
    struct answer *a = http(s, "POST", path, body, NULL);
    int status = a->status;
    answer_free(a);
    return status;
}
