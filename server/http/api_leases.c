/*
 * api_leases.c - remote workers over HTTP: asking for jobs, saying that one still works on them,
 * and how they ended. HTTP threads.
 */
#include "api.h"
#include "json.h"
#include "request.h"
#include "submit.h"
#include "submit_priv.h"
#include "task_name.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "../reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_DEFAULT_US (60 * US_PER_S)

/* ---- the bodies ---- */

static int bad(struct problem *p, const char *pointer, const char *limit, json_t *v)
{
    char shown[FIELDS_SHOWN];
    return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, pointer, limit,
                         fields_show(v, true, shown));
}

static int bad_number(struct problem *p, const char *pointer, const char *limit, json_t *v)
{
    char shown[FIELDS_SHOWN];
    return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, pointer, limit,
                         fields_show(v, false, shown));
}

static bool seconds(json_t *v, double least, double most, int64_t *us)
{
    double s = json_number_value(v);
    if (!json_is_number(v) || !(s >= least) || s > most)
        return false;
    *us = (int64_t)(s * (double)US_PER_S);
    return true;
}

static int take_duration(json_t *v, int64_t *us, struct problem *p)
{
    char limit[64];
    double most = (double)http_conf->max_lease_us / (double)US_PER_S;
    snprintf(limit, sizeof(limit), "a number of seconds from 0.1 to %g", most);
    return seconds(v, 0.1, most, us) ? 0 : bad_number(p, "/duration", limit, v);
}

static int take_tasks(struct lease_ask *a, json_t *v, struct problem *p)
{
    size_t i;
    json_t *each;
    if (!json_is_array(v) || json_array_size(v) == 0)
        return bad(p, "/tasks", "an array of names of tasks", v);
    json_array_foreach(v, i, each)
    {
        uint32_t index = 0;
        const char *name = json_string_value(each);
        int err =
            task_name_find(name ? name : "", name ? strlen(name) : 0, &index, PLACE_POINTER, p);
        if (!err)
            err = caller_may_task(auth_caller, name, p);
        if (err) {
            snprintf(p->name, sizeof(p->name), "/tasks");
            return err;
        }
        if (reader_tasks()->task[index].kind != TASK_REMOTE)
            return bad(p, "/tasks", "names of tasks of kind `remote`", each);
        bool twice = false;
        for (size_t k = 0; k < a->tasks_count; k++)
            twice = twice || a->tasks[k] == index;
        if (!twice)
            a->tasks[a->tasks_count++] = index;
    }
    return 0;
}

static int take_wait(struct request *rq, json_t *v, struct problem *p)
{
    char limit[64];
    double most = (double)http_conf->max_wait_us / (double)US_PER_S;
    snprintf(limit, sizeof(limit), "a number of seconds from 0 to %g", most);
    return seconds(v, 0, most, &rq->wait_us) ? 0 : bad_number(p, "/wait", limit, v);
}

static int take_max(struct lease_ask *a, json_t *v, struct problem *p)
{
    double n = json_number_value(v);
    if (!json_is_number(v) || n < 1 || n > LEASES_AT_ONCE || n != (double)(size_t)n)
        return bad_number(p, "/max", "a whole number from 1 to 100", v);
    a->most = (size_t)n;
    return 0;
}

static int take_worker(struct lease_ask *a, json_t *v, struct problem *p)
{
    const char *text = json_string_value(v);
    size_t len = json_string_length(v);
    bool ok = text && len > 0 && len <= LEASE_WORKER_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    if (!ok)
        return bad(p, "/worker", "a text of 1 to 64 bytes without control characters", v);
    memcpy(a->worker, text, len);
    return 0;
}

static int unknown(struct problem *p, const char *name, const char *known)
{
    char pointer[96];
    snprintf(pointer, sizeof(pointer), "/%s", name);
    return problem_unknown(p, pointer, known);
}

static int read_ask(struct request *rq, struct lease_ask *a, json_t *root, struct problem *p)
{
    const char *name;
    json_t *v;
    int err = 0;
    json_object_foreach(root, name, v)
    {
        if (strcmp(name, "tasks") == 0)
            err = take_tasks(a, v, p);
        else if (strcmp(name, "wait") == 0)
            err = take_wait(rq, v, p);
        else if (strcmp(name, "duration") == 0)
            err = take_duration(v, &a->duration_us, p);
        else if (strcmp(name, "max") == 0)
            err = take_max(a, v, p);
        else if (strcmp(name, "worker") == 0)
            err = take_worker(a, v, p);
        else
            err = unknown(p, name, "tasks, wait, duration, max, worker");
        if (err)
            return err;
    }
    for (uint32_t i = 0; !json_object_get(root, "tasks") && i < reader_tasks()->tasks; i++) {
        const struct taskdef *t = &reader_tasks()->task[i];
        struct problem other; /* those that the token is not for are left out */
        if (t->kind == TASK_REMOTE && caller_may_task(auth_caller, t->name, &other) == 0)
            a->tasks[a->tasks_count++] = i;
    }
    return 0;
}

static int read_progress(struct lease_end *e, json_t *v, struct problem *p)
{
    json_t *fraction = json_object_get(v, "fraction"), *message = json_object_get(v, "message");
    if (!json_is_object(v) || json_object_size(v) != (size_t) !!fraction + (size_t) !!message ||
        (fraction && !(json_number_value(fraction) >= 0 && json_number_value(fraction) <= 1)) ||
        (fraction && !json_is_number(fraction)) || (message && !json_is_string(message)))
        return bad(p, "/progress", "an object with `fraction` (0 to 1) and `message`", v);
    e->has_fraction = fraction != NULL;
    e->fraction = json_number_value(fraction);
    e->has_message = message != NULL;
    snprintf(e->message, sizeof(e->message), "%s", message ? json_string_value(message) : "");
    return 0;
}

/* Its bytes as they came. */
static int read_checkpoint(struct request *rq, struct lease_end *e, struct problem *p)
{
    const char *text = "";
    size_t len = 0;
    char limit[64], size[32];
    jsonscan_member(rq->body.data, rq->body.len, "checkpoint", &text, &len);
    if (len > JOB_CHECKPOINT_MAX) {
        snprintf(limit, sizeof(limit), "a value of at most %d bytes", JOB_CHECKPOINT_MAX);
        snprintf(size, sizeof(size), "%zu bytes", len);
        return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, "/checkpoint", limit, size);
    }
    buf_add(&e->checkpoint, text, len);
    return e->checkpoint.failed ? problem_set(p, ERR_NOMEM, "no memory for the checkpoint") : 0;
}

static int read_beat(struct request *rq, struct lease_end *e, json_t *root, struct problem *p)
{
    const char *name;
    json_t *v;
    int err = 0;
    json_object_foreach(root, name, v)
    {
        if (strcmp(name, "progress") == 0)
            err = read_progress(e, v, p);
        else if (strcmp(name, "duration") == 0)
            err = take_duration(v, &e->duration_us, p);
        else if (strcmp(name, "checkpoint") == 0)
            err = read_checkpoint(rq, e, p);
        else
            err = unknown(p, name, "progress, checkpoint, duration");
        if (err)
            return err;
    }
    return 0;
}

static int read_failure(struct lease_end *e, json_t *root, struct problem *p)
{
    json_t *error = json_object_get(root, "error");
    json_t *code = json_object_get(error, "code"), *text = json_object_get(error, "message");
    json_t *permanent = json_object_get(error, "permanent");
    size_t known = (size_t) !!code + (size_t) !!text + (size_t) !!permanent;
    const char *word = code ? json_string_value(code) : JOB_ERROR_TASK;
    bool ok = json_is_object(error) && json_object_size(root) == 1 &&
              json_object_size(error) == known && word && word[0] &&
              strlen(word) <= JOB_ERROR_CODE_MAX &&
              strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(word) &&
              (!text || json_is_string(text)) && (!permanent || json_is_boolean(permanent));
    if (!ok)
        return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, "/error",
                             "an object with `code` (a-z 0-9 _), `message`, `permanent`", NULL);
    e->attempt.end = ATTEMPT_FAILED;
    e->attempt.permanent = json_is_true(permanent);
    job_error_set(&e->attempt.error, word, "%s", text ? json_string_value(text) : "");
    return 0;
}

static int read_result(struct request *rq, struct lease_end *e, json_t *root, struct problem *p)
{
    const char *result = "null";
    size_t len = 4;
    const char *name;
    json_t *v;
    json_object_foreach(root, name, v)
    {
        if (strcmp(name, "result") != 0)
            return unknown(p, name, "result");
    }
    jsonscan_member(rq->body.data, rq->body.len, "result", &result, &len);
    e->attempt.end = ATTEMPT_SUCCEEDED;
    buf_add(&e->attempt.result, result, len);
    return e->attempt.result.failed ? problem_set(p, ERR_NOMEM, "no memory for the result") : 0;
}

/* ---- asking ---- */

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
    buf_adds(out, "]}\n");
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
        err = read_ask(rq, a, root, &p);
        json_decref(root);
        request_discharge(charged);
    }
    if (!err && a->tasks_count == 0)
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
    json_id(out, &c->one.job.id);
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
    buf_adds(out, "{\"job\":");
    json_id(out, &c->one.job.id);
    buf_adds(out, ",\"state\":");
    json_text(out, job_state_name(c->one.job.state));
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
    err = word == BEAT   ? read_beat(rq, e, root, p)
          : word == FAIL ? read_failure(e, root, p)
                         : read_result(rq, e, root, p);
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
    if (request_no_more_params(rq, &p) || read_body(rq, c->lease_end, word, &p))
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
