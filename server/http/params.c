/* params.c - what handlers ask of the query: a parameter, nothing else, and how long to wait. HTTP
 * threads. */
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../conf.h"
#include "query.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *request_param(struct request *rq, const char *name, struct problem *p)
{
    bool twice = false;
    const char *value = rq->query ? query_one(rq->query, name, &twice) : NULL;
    if (!twice)
        return value;
    problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, name, "given once", NULL);
    return NULL;
}

/* What was asked for is what is known. */
static void tell_known(const struct query *q, const char *name, struct problem *p)
{
    size_t room = sizeof(p->detail);
    size_t at = (size_t)snprintf(p->detail, room, "the query parameter `%.80s` is not known here%s",
                                 name, q->asked_count ? "; known are:" : ", nor is any other");
    for (size_t i = 0; i < q->asked_count && at < room; i++) {
        size_t before = 0;
        while (before < i && strcmp(q->asked[before], q->asked[i]) != 0)
            before++;
        if (before == i)
            at += (size_t)snprintf(p->detail + at, room - at, "%s %s", i ? "," : "", q->asked[i]);
    }
}

int request_no_more_params(struct request *rq, struct problem *p)
{
    if (p->err)
        return -p->err;
    const char *name = rq->query ? query_unused(rq->query) : NULL;
    if (!name)
        return 0;
    problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, name, NULL, NULL);
    tell_known(rq->query, name, p);
    return -p->err;
}

bool request_no_params(struct request *rq)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p) == 0)
        return true;
    request_problem(rq, &p);
    return false;
}

/* Prefer: wait=S among other preferences; those that are not understood are to be ignored. */
static bool preferred_wait(const char *text, double *seconds)
{
    while (*text) {
        text += strspn(text, " \t,;");
        size_t len = strcspn(text, ",;");
        char part[32];
        if (len > 5 && len < sizeof(part) && strncasecmp(text, "wait=", 5) == 0) {
            memcpy(part, text + 5, len - 5);
            part[len - 5] = 0;
            part[strcspn(part, " \t")] = 0;
            if (query_number(part, seconds) && *seconds >= 0)
                return true;
        }
        text += len;
    }
    return false;
}

int request_read_wait(struct request *rq, struct problem *p)
{
    double most = (double)http_conf->max_wait_us / (double)US_PER_S, seconds = 0;
    const char *text = request_param(rq, "wait", p);
    if (p->err)
        return -p->err;
    if (text) {
        if (!query_number(text, &seconds) || seconds < 0 || seconds > most) {
            char limit[64];
            snprintf(limit, sizeof(limit), "a number of seconds from 0 to %g", most);
            return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "wait", limit, text);
        }
    } else {
        const char *prefer = request_header(rq, "Prefer");
        if (!prefer || !preferred_wait(prefer, &seconds))
            return 0;
        if (seconds > most)
            seconds = most;
        rq->wait_preferred = true;
        request_add_header(rq, "Preference-Applied", "wait=%.15g", seconds);
    }
    rq->wait_us = (int64_t)(seconds * (double)US_PER_S);
    return 0;
}
