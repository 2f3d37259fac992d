/*
 * api_leases.c - remote workers over HTTP: asking for jobs, saying that one still works on them,
 * and how they ended. HTTP threads.
 */
#include "api.h"
#include "json.h"
#include "lease_body.h"
#include "request.h"
#include "submit.h"
#include "submit_priv.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_DEFAULT_US (60 * US_PER_S)

/* ---- asking ---- */

static void add_end(struct buf *out, const struct lease_end *e)
{
    buf_adds(out, "\"job\":");
    json_id(out, &e->job);
    buf_adds(out, ",\"state\":");
    json_text(out, job_state_name(e->state));
}

/* What became of those that the worker said it has ended, in its order. */
static void add_ended(struct buf *out, const struct lease_ask *a)
{
    buf_adds(out, ",\n\"ended\":[");
    for (size_t i = 0; i < a->ended_count; i++) {
        const struct lease_end *e = &a->ended[i];
        buf_adds(out, i ? ",\n{\"id\":" : "\n{\"id\":");
        json_id(out, &e->lease);
        if (e->lost || e->not_his) {
            int err = e->lost ? -ERR_LEASE_LOST : -ERR_FORBIDDEN;
            buf_adds(out, ",\"error\":{\"code\":");
            json_text(out, err_code(err));
            buf_adds(out, ",\"message\":");
            json_text(out, err_sentence(err));
            buf_addc(out, '}');
        } else {
            buf_addc(out, ',');
            add_end(out, e);
        }
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

static void answer_leases(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err) {
        refuse_change(rq);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"leases\":[");
    for (size_t i = 0; i < c->lease_ask->count; i++) {
        struct leased *g = &c->lease_ask->given[i];
        buf_adds(out, i ? ",\n{\"id\":" : "\n{\"id\":");
        json_id(out, &g->lease.id);
        buf_adds(out, ",\"expires_at\":");
        json_time(out, g->lease.expires_us);
        buf_adds(out, ",\"job\":");
        if (g->job.input.len > http_conf->inline_max && !g->job.gathers)
            buf_release(&g->job.input); /* it is at /input */
        json_job(out, &g->job, NULL);
        if (g->job.checkpoint.len > 0) {
            buf_adds(out, ",\"checkpoint\":");
            buf_add(out, g->job.checkpoint.data, g->job.checkpoint.len);
        }
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    if (c->lease_ask->ended_count > 0)
        add_ended(out, c->lease_ask);
    buf_adds(out, "}\n");
}

void api_leases_take(struct request *rq)
{
    struct problem p = {0};
    json_t *root = NULL;
    size_t charged = 0;
    struct id waits_as;
    struct change *c = request_change(rq, CHANGE_LEASE_ASK);
    struct lease_ask *a = c ? calloc(1, sizeof(*a)) : NULL;
    if (!c)
        return;
    c->lease_ask = a;
    if (!a || id_new(&waits_as) != 0) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    a->most = 1;
    a->duration_us = DURATION_DEFAULT_US < http_conf->max_lease_us ? DURATION_DEFAULT_US
                                                                   : http_conf->max_lease_us;
    int err = request_no_more_params(rq, &p);
    if (!err)
        err = submit_parse(rq->body.data, rq->body.len, &root, &charged, &p);
    if (!err) {
        err = lease_body_ask(rq, a, root, &p);
        json_decref(root);
        request_discharge(charged);
    }
    if (!err && a->tasks_count == 0 && a->most > 0)
        err = problem_field(&p, ERR_BAD_FIELD, PLACE_POINTER, "/tasks",
                            "names of tasks of kind `remote`, of which there is none", NULL);
    if (err) {
        request_problem(rq, &p);
        return;
    }
    a->until_us = clock_mono_us() + rq->wait_us;
    rq->wait_us += rq->wait_us ? US_PER_S : 0; /* the writer gives up first */
    request_commit(rq, &waits_as, answer_leases);
}

/* ---- keeping and ending ---- */

static bool read_id(struct request *rq, struct id *id)
{
    if (id_parse(id, rq->part.text, rq->part.len))
        return true;
    struct problem p;
    problem_set(&p, ERR_LEASE_LOST, "`%.*s` is not the id of a lease",
                (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
    request_problem(rq, &p);
    return false;
}

static void lost_or(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err != -ERR_LEASE_LOST) {
        refuse_change(rq);
        return;
    }
    char text[ID_TEXT];
    struct problem p;
    id_format(&c->lease_end->lease, text);
    problem_set(&p, ERR_LEASE_LOST,
                "the lease %s was lost, cancelled or used: stop, and drop what you have", text);
    request_problem(rq, &p);
}

static void beaten(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err) {
        lost_or(rq);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"id\":");
    json_id(out, &c->lease_end->lease);
    buf_adds(out, ",\"expires_at\":");
    json_time(out, c->lease_end->expires_us);
    buf_adds(out, ",\"job\":");
    json_id(out, &c->lease_end->job);
    buf_adds(out, "}\n");
}

static void ended(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err) {
        lost_or(rq);
        return;
    }
    struct buf *out = request_json(rq, 200);
    buf_addc(out, '{');
    add_end(out, c->lease_end);
    buf_adds(out, "}\n");
}

enum word { BEAT, COMPLETE, FAIL };

/* Of a type of its own. What is JSON stands in the job's as it is: so it must be some. */
static int read_bytes(struct request *rq, struct lease_end *e, const char *type, struct problem *p)
{
    if (strlen(type) > JOB_TYPE_MAX || !strchr(type, '/'))
        return problem_field(p, ERR_BAD_HEADER, PLACE_HEADER, "Content-Type",
                             "a media type of at most 127 bytes", type);
    int err = json_type_is_json(type) ? submit_check_text(rq->body.data, rq->body.len, NULL, p) : 0;
    if (err)
        return err;
    snprintf(e->attempt.result_type, sizeof(e->attempt.result_type), "%s", type);
    buf_move(&e->attempt.result, &rq->body);
    e->attempt.end = ATTEMPT_SUCCEEDED;
    return 0;
}

static int read_body(struct request *rq, struct lease_end *e, enum word word, struct problem *p)
{
    json_t *root = NULL;
    size_t charged = 0;
    const char *type = request_header(rq, "Content-Type");
    bool form = type && json_type_is_form(type);
    if (word == COMPLETE && type && !form && !json_type_is_plain(type))
        return read_bytes(rq, e, type, p);
    if (word != FAIL && rq->body.len == 0) {
        e->attempt.end = ATTEMPT_SUCCEEDED;
        buf_adds(&e->attempt.result, word == COMPLETE ? "null" : "");
        return 0;
    }
    int err = submit_parse(rq->body.data, rq->body.len, &root, &charged, p);
    if (err)
        return err;
    err = word == BEAT   ? lease_body_beat(rq, e, root, p)
          : word == FAIL ? lease_body_failure(e, root, p)
                         : lease_body_result(rq, e, root, p);
    json_decref(root);
    request_discharge(charged);
    return err;
}

static void change_lease(struct request *rq, enum word word)
{
    struct problem p = {0};
    struct id id;
    struct change *c = read_id(rq, &id)
                           ? request_change(rq, word == BEAT ? CHANGE_LEASE_BEAT : CHANGE_LEASE_END)
                           : NULL;
    if (!c)
        return;
    c->lease_end = calloc(1, sizeof(*c->lease_end));
    if (!c->lease_end) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    c->lease_end->lease = id;
    job_error_clear(&c->lease_end->attempt.error);
    if (request_no_more_params(rq, &p) || lease_may_touch(&id, &p) ||
        read_body(rq, c->lease_end, word, &p))
        request_problem(rq, &p);
    else
        request_commit(rq, NULL, word == BEAT ? beaten : ended);
}

void api_leases_beat(struct request *rq)
{
    change_lease(rq, BEAT);
}

void api_leases_complete(struct request *rq)
{
    change_lease(rq, COMPLETE);
}

void api_leases_fail(struct request *rq)
{
    change_lease(rq, FAIL);
}
