/*
 * lease_body.c - what remote workers send: their wishes, their heartbeats, how their jobs ended.
 * HTTP threads.
 */
#include "lease_body.h"

#include "json.h"
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

#define MAX_LIMIT "a whole number from 1 to 100, or 0 with `ended`"

/* Whoever is limited to some tasks cannot have been given a lease of another one. */
int lease_may_touch(const struct id *id, struct problem *p)
{
    struct lease lease;
    struct job job;
    if (!caller_is_limited(auth_caller))
        return 0;
    int err = reader_find_lease(id, &lease);
    if (!err)
        err = reader_job(&lease.job, 0, 0, &job);
    if (err == -ERR_LEASE_LOST || err == -ERR_NO_JOB)
        return 0;
    if (err)
        return problem_set(p, -err, "%s", err_sentence(err));
    err = caller_may_task(auth_caller, job.task, p);
    job_release(&job);
    return err;
}

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
    if (!json_is_number(v) || !(n >= 0) || n > LEASES_AT_ONCE || n != (double)(size_t)n)
        return bad_number(p, "/max", MAX_LIMIT, v);
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
    const char *text = message ? json_string_value(message) : "";
    size_t len = buf_utf8_cut(text, strlen(text), JOB_PROGRESS_TEXT_MAX);
    memcpy(e->message, text, len);
    e->message[len] = '\0';
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

int lease_body_beat(struct request *rq, struct lease_end *e, json_t *root, struct problem *p)
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

/* The error that an attempt ended with. */
static int read_error(struct attempt *a, json_t *error, const char *pointer, struct problem *p)
{
    json_t *code = json_object_get(error, "code"), *text = json_object_get(error, "message");
    json_t *permanent = json_object_get(error, "permanent");
    size_t known = (size_t) !!code + (size_t) !!text + (size_t) !!permanent;
    const char *word = code ? json_string_value(code) : JOB_ERROR_TASK;
    bool ok = json_is_object(error) && json_object_size(error) == known && word && word[0] &&
              strlen(word) <= JOB_ERROR_CODE_MAX &&
              strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(word) &&
              (!text || json_is_string(text)) && (!permanent || json_is_boolean(permanent));
    if (!ok)
        return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, pointer,
                             "an object with `code` (a-z 0-9 _), `message`, `permanent`", NULL);
    a->end = ATTEMPT_FAILED;
    a->permanent = json_is_true(permanent);
    job_error_set(&a->error, word, "%s", text ? json_string_value(text) : "");
    return 0;
}

int lease_body_failure(struct lease_end *e, json_t *root, struct problem *p)
{
    json_t *error = json_object_size(root) == 1 ? json_object_get(root, "error") : NULL;
    return read_error(&e->attempt, error, "/error", p);
}

/* The bytes of the member `result` of an object as they came. */
static int read_result(struct attempt *a, const char *text, size_t len, struct problem *p)
{
    const char *result = "null";
    size_t size = 4;
    jsonscan_member(text, len, "result", &result, &size);
    a->end = ATTEMPT_SUCCEEDED;
    buf_add(&a->result, result, size);
    return a->result.failed ? problem_set(p, ERR_NOMEM, "no memory for the result") : 0;
}

int lease_body_result(struct request *rq, struct lease_end *e, json_t *root, struct problem *p)
{
    const char *name;
    json_t *v;
    json_object_foreach(root, name, v)
    {
        if (strcmp(name, "result") != 0)
            return unknown(p, name, "result");
    }
    return read_result(&e->attempt, rq->body.data, rq->body.len, p);
}

/* ---- those that it has ended ---- */

struct ended {
    struct lease_ask *ask;
    json_t *list;
    struct problem *p;
    int err;
};

static int read_ended(struct lease_end *e, size_t index, json_t *v, const char *text, size_t len,
                      struct problem *p)
{
    char at[48], pointer[96];
    json_t *id = json_object_get(v, "id"), *error = json_object_get(v, "error"), *member;
    const char *name;
    snprintf(at, sizeof(at), "/ended/%zu", index);
    if (!json_is_object(v) || (error && json_object_get(v, "result")))
        return bad(p, at, "an object with `id` and either `result` or `error`", v);
    json_object_foreach(v, name, member)
    {
        snprintf(pointer, sizeof(pointer), "%s/%.40s", at, name);
        if (strcmp(name, "id") != 0 && strcmp(name, "result") != 0 && strcmp(name, "error") != 0)
            return problem_unknown(p, pointer, "id, result, error");
    }
    snprintf(pointer, sizeof(pointer), "%s/id", at);
    if (!json_is_string(id) || !id_parse(&e->lease, json_string_value(id), json_string_length(id)))
        return bad(p, pointer, "the id of a lease", id);
    struct problem why;
    int err = lease_may_touch(&e->lease, &why);
    if (err && err != -ERR_FORBIDDEN) {
        *p = why;
        return err;
    }
    e->not_his = err != 0;
    job_error_clear(&e->attempt.error);
    snprintf(pointer, sizeof(pointer), "%s/error", at);
    return error ? read_error(&e->attempt, error, pointer, p)
                 : read_result(&e->attempt, text, len, p);
}

static bool each_ended(void *arg, size_t index, const char *text, size_t len)
{
    struct ended *x = arg;
    struct lease_end *e = &x->ask->ended[index];
    x->ask->ended_count = index + 1;
    x->err = read_ended(e, index, json_array_get(x->list, index), text, len, x->p);
    return x->err == 0;
}

static int take_ended(struct request *rq, struct lease_ask *a, json_t *list, struct problem *p)
{
    struct ended x = {a, list, p, 0};
    size_t n = json_array_size(list), len = 0;
    const char *text = "";
    if (!json_is_array(list) || n > LEASES_AT_ONCE)
        return bad(p, "/ended", "an array of at most 100 leases that have ended", list);
    a->ended = n ? calloc(n, sizeof(*a->ended)) : NULL;
    if (n && !a->ended)
        return problem_set(p, ERR_NOMEM, "no memory for the leases that have ended");
    jsonscan_member(rq->body.data, rq->body.len, "ended", &text, &len);
    (void)jsonscan_elements(text, len, each_ended, &x);
    return x.err;
}

/* ---- asking ---- */

int lease_body_ask(struct request *rq, struct lease_ask *a, json_t *root, struct problem *p)
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
        else if (strcmp(name, "ended") == 0)
            err = take_ended(rq, a, v, p);
        else
            err = unknown(p, name, "tasks, wait, duration, max, worker, ended");
        if (err)
            return err;
    }
    if (a->most == 0 && a->ended_count == 0)
        return bad_number(p, "/max", MAX_LIMIT, json_object_get(root, "max"));
    for (uint32_t i = 0; !json_object_get(root, "tasks") && i < reader_tasks()->tasks; i++) {
        const struct taskdef *t = &reader_tasks()->task[i];
        struct problem other; /* those that the token is not for are left out */
        if (t->kind == TASK_REMOTE && caller_may_task(auth_caller, t->name, &other) == 0)
            a->tasks[a->tasks_count++] = i;
    }
    return 0;
}
