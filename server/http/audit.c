/*
 * audit.c - who did what, with which result: cancel, retry, delete, pause, resume, schedules, and
 * callers who were refused. HTTP threads, each for its own request.
 *
 * What is told is the token's name, never the token; should a client put one into an address, it is
 * cut out.
 */
#include "audit.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/log.h"
#include "access.h"
#include "api.h"

#include <ctype.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FIELDS 9

/* Strangers must not be able to fill the log. True: this refusal is told, with *left_out before it.
 */
static bool may_tell_refusal(uint64_t *left_out)
{
    static _Atomic int64_t second;
    static _Atomic uint32_t told;
    static _Atomic uint64_t silent;
    int64_t now = clock_mono_us() / US_PER_S;
    if (atomic_exchange(&second, now) != now)
        atomic_store(&told, 0);
    if (atomic_fetch_add(&told, 1) >= AUDIT_REFUSALS) {
        atomic_fetch_add(&silent, 1);
        return false;
    }
    *left_out = atomic_exchange(&silent, 0);
    return true;
}

static bool is_control(const struct request *rq)
{
    return rq->route &&
           (rq->route->scope == SCOPE_CONTROL || rq->route->handler == api_jobs_cancel);
}

static bool is_refusal(const struct request *rq)
{
    if (rq->err == ERR_UNAUTHORIZED) /* a browser's first visit is no refused token */
        return request_header(rq, "Authorization") != NULL;
    return rq->err == ERR_FORBIDDEN || rq->err == ERR_FORBIDDEN_ORIGIN;
}

static const char *act_name(const struct request *rq)
{
    const char *last = rq->route ? strrchr(rq->route->pattern, '/') : NULL;
    if (!is_control(rq))
        return "use";
    if (rq->route->method == METHOD_DELETE)
        return "delete";
    return rq->route->handler == api_schedules_put ? "schedule" : last + 1;
}

/* The address that was asked for, without anything that looks like a token. */
static void what_text(const struct request *rq, char out[LOG_VALUE_MAX + 1])
{
    if (rq->change && rq->change->schedule && rq->change->schedule->name[0] &&
        rq->route->method == METHOD_POST && !strchr(rq->route->pattern, '{')) {
        snprintf(out, LOG_VALUE_MAX + 1, "/v1/schedules/%s", rq->change->schedule->name);
        return;
    }
    bool many = rq->query_text && rq->change && rq->change->ids; /* the query says of which jobs */
    snprintf(out, LOG_VALUE_MAX + 1, "%s%s%s", rq->path, many ? "?" : "",
             many ? rq->query_text : "");
    for (char *p = out; (p = strstr(p, "jm_"));) {
        p += 3;
        for (; isalnum((unsigned char)*p); p++)
            *p = '*';
    }
}

static struct {
    pthread_mutex_t lock; /* guards all of it */
    size_t next, count;
    struct audit_record record[AUDIT_KEPT];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* `f`: act, who, what, result, status, request_id, remote. */
static void keep(const struct request *rq, const struct log_field *f, bool of_many, size_t changed)
{
    if (rq->err == ERR_UNAUTHORIZED || rq->err == ERR_FORBIDDEN_ORIGIN)
        return;
    pthread_mutex_lock(&kept.lock);
    struct audit_record *r = &kept.record[kept.next];
    r->wall_us = clock_wall_us();
    snprintf(r->act, sizeof(r->act), "%s", f[0].value);
    snprintf(r->who, sizeof(r->who), "%s", f[1].value);
    snprintf(r->what, sizeof(r->what), "%s", f[2].value);
    snprintf(r->result, sizeof(r->result), "%s", f[3].value);
    snprintf(r->request_id, sizeof(r->request_id), "%s", f[5].value);
    snprintf(r->remote, sizeof(r->remote), "%s", f[6].value);
    r->status = rq->answered;
    r->of_many = of_many;
    r->changed = changed;
    kept.next = (kept.next + 1) % AUDIT_KEPT;
    kept.count += kept.count < AUDIT_KEPT;
    pthread_mutex_unlock(&kept.lock);
}

void audit_each(void (*with)(const struct audit_record *r, void *arg), void *arg)
{
    pthread_mutex_lock(&kept.lock);
    for (size_t i = 1; i <= kept.count; i++)
        with(&kept.record[(kept.next + AUDIT_KEPT - i) % AUDIT_KEPT], arg);
    pthread_mutex_unlock(&kept.lock);
}

void audit_request(const struct request *rq, const struct sockaddr *from)
{
    char what[LOG_VALUE_MAX + 1], status[12], changed[24], left[24], remote[ACCESS_ADDRESS_MAX];
    uint64_t left_out = 0;
    bool refused = is_refusal(rq);
    if (!refused && !is_control(rq))
        return;
    if (rq->err == ERR_UNAUTHORIZED && !refused)
        return; /* nobody, who did nothing */
    if (refused && !may_tell_refusal(&left_out))
        return;
    const struct change *c = rq->change;
    bool ok = rq->answered ? rq->answered < 400 : c && !c->err;
    what_text(rq, what);
    snprintf(status, sizeof(status), "%d", rq->answered);
    access_address(from, remote);
    struct log_field f[FIELDS] = {
        {.name = "act", .value = act_name(rq)},
        {.name = "who", .value = caller_owner(&rq->caller)},
        {.name = "what", .value = what},
        {.name = "result",
         .value = ok        ? "ok"
                  : rq->err ? err_code(rq->err)
                            : "failed"},
        {.name = "status", .value = status, .number = true},
        {.name = "request_id", .value = rq->request_id},
        {.name = "remote", .value = remote},
    };
    size_t n = 7;
    keep(rq, f, c && c->ids, ok && c ? c->changed : 0);
    if (c && c->ids) {
        snprintf(changed, sizeof(changed), "%zu", ok ? c->changed : 0);
        f[n++] = (struct log_field){.name = "changed", .value = changed, .number = true};
    }
    if (left_out) {
        snprintf(left, sizeof(left), "%" PRIu64, left_out);
        f[n++] = (struct log_field){.name = "left_out", .value = left, .number = true};
    }
    log_fields(refused ? LOG_WARN : LOG_INFO, "audit", f, n);
}
