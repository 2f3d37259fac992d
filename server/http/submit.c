/*
 * submit.c - checking a submission, field by field, by one table that serves both the JSON body and
 * the query parameters of a raw one.
 *
 * The caller's input is never rebuilt: it is a span of the body as it came. jansson reads the body
 * once for what a span check cannot see (names given twice) and for the values of our own fields.
 */
#include "submit.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "../reader.h"
#include "input_check.h"
#include "json.h"
#include "request.h"
#include "task_name.h"

#include <jansson.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 315360000.0 /* ten years */

struct terms {
    struct change *change;
    struct submit_when *when;
    struct problem *problem;
    enum problem_place place;
    unsigned tags;
    bool has_task, has_timeout, has_attempts;
};

/* One value of one field: a number or a text. */
struct value {
    bool is_number, is_text;
    double number;
    const char *text; /* for a number: as written, for messages */
    size_t len;
};

/* ---- the fields ---- */

static int refuse(struct terms *t, const char *name, const char *limit, const struct value *v)
{
    char field[96];
    snprintf(field, sizeof(field), "%s%s", t->place == PLACE_POINTER ? "/" : "", name);
    int err = t->place == PLACE_POINTER ? ERR_BAD_FIELD : ERR_BAD_PARAMETER;
    return problem_field(t->problem, err, t->place, field, limit, v->text);
}

static bool whole(const struct value *v, double least, double most)
{
    return v->is_number && v->number >= least && v->number <= most && floor(v->number) == v->number;
}

static bool seconds(const struct value *v, double most)
{
    return v->is_number && v->number >= 0 && v->number <= most;
}

static int take_task(struct terms *t, const char *name, const struct value *v)
{
    if (!v->is_text)
        return refuse(t, name, "the name of a task", v);
    t->has_task = true;
    return task_name_find(v->text, v->len, &t->change->task_index, t->place, t->problem);
}

static int take_priority(struct terms *t, const char *name, const struct value *v)
{
    if (!whole(v, JOB_PRIORITY_MIN, JOB_PRIORITY_MAX))
        return refuse(t, name, "a whole number from -100 to 100", v);
    t->change->job.priority = (int)v->number;
    return 0;
}

static int take_run_at(struct terms *t, const char *name, const struct value *v)
{
    int64_t us;
    if (!v->is_text || !clock_parse(v->text, v->len, &us) || us <= 0 ||
        us > clock_wall_us() + (int64_t)SECONDS_MAX * US_PER_S)
        return refuse(t, name, "a time such as 2026-11-23T03:19:00Z, at most ten years ahead", v);
    t->when->run_at_us = us;
    return 0;
}

static int take_delay(struct terms *t, const char *name, const struct value *v)
{
    if (!seconds(v, SECONDS_MAX))
        return refuse(t, name, "a number of seconds from 0 to 315360000", v);
    t->when->delay_us = (int64_t)(v->number * (double)US_PER_S);
    return 0;
}

static int take_timeout(struct terms *t, const char *name, const struct value *v)
{
    if (!seconds(v, SECONDS_MAX) || v->number < 0.001)
        return refuse(t, name, "a number of seconds from 0.001 to 315360000", v);
    t->has_timeout = true;
    t->change->job.timeout_us = (int64_t)(v->number * (double)US_PER_S);
    return 0;
}

static int take_max_attempts(struct terms *t, const char *name, const struct value *v)
{
    if (!whole(v, 1, JOB_ATTEMPTS_MAX))
        return refuse(t, name, "a whole number from 1 to 1000", v);
    t->has_attempts = true;
    t->change->job.max_attempts = (uint32_t)v->number;
    return 0;
}

static int take_tag(struct terms *t, const char *name, const struct value *v)
{
    bool ok = v->is_text && v->len > 0 && v->len <= JOB_TAG_MAX;
    for (size_t i = 0; ok && i < v->len; i++)
        ok = (unsigned char)v->text[i] >= 0x20 && v->text[i] != 0x7f;
    if (!ok)
        return refuse(t, name, "a text of 1 to 64 bytes without control characters", v);
    struct buf *tags = &t->change->job.tags;
    if (++t->tags > JOB_TAGS_MAX)
        return refuse(t, name, "at most 16 tags", &(struct value){0});
    if (tags->len > 0)
        tags->len--; /* the bracket */
    buf_addc(tags, t->tags == 1 ? '[' : ',');
    buf_add_json_string(tags, v->text, v->len);
    buf_addc(tags, ']');
    return 0;
}

static const struct field {
    const char *name;
    int (*take)(struct terms *t, const char *name, const struct value *v);
    const char *parameter; /* its name in a query string; NULL: not there */
    bool many;             /* JSON: an array of values; query: may be repeated */
} fields[] = {
    {"task", take_task, NULL, false},
    {"priority", take_priority, "priority", false},
    {"run_at", take_run_at, "run_at", false},
    {"delay", take_delay, "delay", false},
    {"timeout", take_timeout, "timeout", false},
    {"max_attempts", take_max_attempts, "max_attempts", false},
    {"tags", take_tag, "tag", true},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- what all submissions share ---- */

int64_t submit_due(const struct submit_when *when, int64_t created_us)
{
    if (when->run_at_us)
        return when->run_at_us;
    return when->delay_us > 0 ? created_us + when->delay_us : created_us;
}

enum job_state submit_state(const struct submit_when *when, int64_t created_us)
{
    return submit_due(when, created_us) > created_us ? JOB_SCHEDULED : JOB_QUEUED;
}

/* The wire's times have milliseconds: what is told must be what is kept. */
static int64_t now_ms(void)
{
    int64_t now_us = clock_wall_us();
    return now_us - now_us % US_PER_MS;
}

static int complete(struct terms *t)
{
    struct job *job = &t->change->job;
    if (!t->has_task)
        return problem_field(t->problem, ERR_MISSING_FIELD, PLACE_POINTER, "/task",
                             "the name of a task", NULL);
    if (t->when->run_at_us && t->when->delay_us >= 0)
        return problem_set(t->problem, ERR_BAD_FIELD,
                           "`run_at` and `delay` exclude each other: give one");
    const struct taskdef *task = &reader_tasks()->task[t->change->task_index];
    const struct board_task *state = &reader_board()->task[t->change->task_index];
    /* acquire: `why` is complete once the status is seen */
    if (atomic_load_explicit(&state->status, memory_order_acquire) == TASK_BROKEN)
        return problem_set(t->problem, ERR_TASK_UNAVAILABLE,
                           "the task `%s` could not be loaded: %s", task->name, state->why);
    if (!t->has_timeout)
        job->timeout_us = task->timeout_us;
    if (!t->has_attempts)
        job->max_attempts =
            task->max_attempts ? task->max_attempts : (uint32_t)http_conf->max_attempts;
    snprintf(job->task, sizeof(job->task), "%s", task->name);
    int err = id_new(&job->id);
    if (err)
        return problem_set(t->problem, err, "no random bytes for an id");
    job->created_us = now_ms();
    job->run_at_us = submit_due(t->when, job->created_us);
    job->state = submit_state(t->when, job->created_us);
    job->input_size = job->input.len;
    if (job->tags.failed || job->input.failed)
        return problem_set(t->problem, ERR_NOMEM, "no memory for the job");
    return 0;
}

static void terms_begin(struct terms *t, struct change *c, struct submit_when *when,
                        struct problem *p, enum problem_place place)
{
    *t = (struct terms){.change = c, .when = when, .problem = p, .place = place};
    *when = (struct submit_when){.delay_us = -1};
    p->err = 0;
}

/* ---- JSON ---- */

static int check_text(const char *body, size_t len, struct problem *p)
{
    size_t where = 0;
    const char *why = "";
    int err = jsonscan(body ? body : "", len, (unsigned)http_conf->max_json_depth, &where, &why);
    if (err == -ERR_TOO_DEEP)
        return problem_set(p, err, "more than %lld levels at byte %zu",
                           (long long)http_conf->max_json_depth, where);
    if (err)
        return problem_set(p, err, "at byte %zu: %s", where, why);
    return 0;
}

/* On success *charged stays charged until the tree is freed. */
static int parse(const char *body, size_t len, json_t **root, size_t *charged, struct problem *p)
{
    int err = check_text(body, len, p);
    if (err)
        return err;
    size_t cost = input_parse_cost(body, len);
    if (cost > http_conf->body_memory)
        return problem_set(p, ERR_TOO_LARGE,
                           "reading the body would take %zu bytes of memory; at most %llu", cost,
                           (unsigned long long)http_conf->body_memory);
    if (!request_charge(cost))
        return problem_set(p, ERR_OVERLOADED, "no memory for the body now");
    json_error_t e;
    *root = json_loadb(body, len,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
    if (!*root && json_error_code(&e) == json_error_out_of_memory)
        err = problem_set(p, ERR_NOMEM, "no memory for the body");
    else if (!*root)
        err = problem_set(p, ERR_BAD_JSON, "at byte %d: %s", e.position, e.text);
    else if (!json_is_object(*root))
        err = problem_set(p, ERR_BAD_JSON, "the body must be an object");
    if (err) {
        json_decref(*root);
        request_discharge(cost);
    }
    *charged = cost;
    return err;
}

static int take_value(struct terms *t, const struct field *f, const char *name, const json_t *value)
{
    char shown[64];
    struct value v = {.is_number = json_is_number(value), .is_text = json_is_string(value)};
    if (v.is_text) {
        v.text = json_string_value(value);
        v.len = json_string_length(value);
    } else if (v.is_number) {
        v.number = json_number_value(value);
        snprintf(shown, sizeof(shown), "%.15g", v.number);
        v.text = shown;
    }
    return f->take(t, name, &v);
}

static int take_many(struct terms *t, const struct field *f, json_t *value)
{
    if (!json_is_array(value))
        return refuse(t, f->name, "an array of at most 16 texts", &(struct value){0});
    size_t i;
    json_t *each;
    json_array_foreach(value, i, each)
    {
        char name[48];
        snprintf(name, sizeof(name), "%s/%zu", f->name, i);
        int err = take_value(t, f, name, each);
        if (err)
            return err;
    }
    return 0;
}

static int unknown_field(struct terms *t, const char *name)
{
    char field[96];
    snprintf(field, sizeof(field), "/%s", name);
    problem_field(t->problem, ERR_UNKNOWN_FIELD, PLACE_POINTER, field, NULL, NULL);
    size_t at = (size_t)snprintf(t->problem->detail, sizeof(t->problem->detail),
                                 "the field `%.64s` is not known; known are: input", name);
    for (size_t i = 0; i < FIELDS && at < sizeof(t->problem->detail); i++)
        at += (size_t)snprintf(t->problem->detail + at, sizeof(t->problem->detail) - at, ", %s",
                               fields[i].name);
    return -ERR_UNKNOWN_FIELD;
}

static int take_object(struct terms *t, json_t *root)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        size_t i = 0;
        if (strcmp(name, "input") == 0)
            continue;
        while (i < FIELDS && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == FIELDS)
            return unknown_field(t, name);
        int err = fields[i].many ? take_many(t, &fields[i], value)
                                 : take_value(t, &fields[i], name, value);
        if (err)
            return err;
    }
    return 0;
}

static void fingerprint(struct change *c, const char *what, const char *body, size_t len)
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, strlen(what) + 1, (const uint8_t *)what);
    sha256_update(&ctx, len, (const uint8_t *)body);
    sha256_digest(&ctx, sizeof(c->fingerprint), c->fingerprint);
}

int submit_json(struct change *c, const char *body, size_t len, struct submit_when *when,
                struct problem *p)
{
    struct terms t;
    json_t *root = NULL;
    size_t charged = 0;
    terms_begin(&t, c, when, p, PLACE_POINTER);
    int err = parse(body, len, &root, &charged, p);
    if (err)
        return err;
    err = take_object(&t, root);
    json_decref(root);
    request_discharge(charged);
    if (err)
        return err;
    const char *input = "null";
    size_t input_len = 4;
    jsonscan_member(body, len, "input", &input, &input_len);
    if (t.has_task)
        err = input_check(c->task_index, input, input_len, "/input", p);
    if (err)
        return err;
    buf_add(&c->job.input, input, input_len);
    fingerprint(c, "POST /v1/jobs", body, len);
    return complete(&t);
}

/* ---- raw ---- */

static int take_param(struct terms *t, const struct field *f, const char *text)
{
    struct value v = {.is_text = true, .text = text, .len = strlen(text)};
    v.is_number = query_number(text, &v.number);
    return f->take(t, f->parameter, &v);
}

static int take_params(struct terms *t, struct request *rq)
{
    for (size_t i = 0; i < FIELDS; i++) {
        size_t at = 0;
        const char *text;
        if (!fields[i].parameter)
            continue;
        if (!fields[i].many) {
            text = request_param(rq, fields[i].parameter, t->problem);
            int err = text ? take_param(t, &fields[i], text) : -t->problem->err;
            if (err)
                return err;
            continue;
        }
        while (rq->query && (text = query_next(rq->query, fields[i].parameter, &at))) {
            int err = take_param(t, &fields[i], text);
            if (err)
                return err;
        }
    }
    return 0;
}

static int take_type(struct terms *t, struct request *rq)
{
    struct job *job = &t->change->job;
    const char *type = request_header(rq, "Content-Type");
    if (!type || !*type)
        type = "application/octet-stream";
    size_t len = strlen(type);
    if (len > JOB_TYPE_MAX || !strchr(type, '/'))
        return problem_field(t->problem, ERR_BAD_HEADER, PLACE_HEADER, "Content-Type",
                             "a media type of at most 127 bytes", type);
    if (json_type_is_json(type)) {
        int err = check_text(rq->body.data, rq->body.len, t->problem);
        if (!err)
            err = input_check(t->change->task_index, rq->body.data, rq->body.len, "", t->problem);
        if (err)
            return err;
        if (strncmp(type, "application/json", 16) == 0)
            return 0; /* the empty type */
    }
    memcpy(job->input_type, type, len + 1);
    return 0;
}

/* What was asked, the wait aside: who asks again may wait another time. */
static void raw_fingerprint(struct terms *t, const struct request *rq)
{
    AUTO_BUF what = BUF_INIT;
    buf_addf(&what, "POST %s\n%s", rq->path, t->change->job.input_type);
    for (size_t i = 0; rq->query && i < rq->query->count; i++) {
        const struct query_item *item = &rq->query->item[i];
        if (strcmp(item->name, "wait") != 0)
            buf_addf(&what, "\n%s=%s", item->name, item->value);
    }
    fingerprint(t->change, what.data ? what.data : "", rq->body.data, rq->body.len);
    t->change->job.tags.failed |= what.failed;
}

int submit_raw(struct change *c, struct request *rq, struct submit_when *when, struct problem *p)
{
    struct terms t;
    terms_begin(&t, c, when, p, PLACE_PARAMETER);
    t.has_task = true;
    int err = task_name_find(rq->part.text, rq->part.len, &c->task_index, PLACE_NONE, p);
    if (!err)
        err = take_params(&t, rq);
    if (!err)
        err = request_no_more_params(rq, p);
    if (!err)
        err = take_type(&t, rq);
    if (err)
        return err;
    raw_fingerprint(&t, rq);
    if (rq->body.len <= http_conf->inline_max)
        buf_add(&c->job.input, rq->body.data, rq->body.len);
    else
        buf_move(&c->job.input, &rq->body);
    return complete(&t);
}

int submit_key(struct change *c, const char *header, struct problem *p)
{
    if (!header)
        return 0;
    size_t len = strlen(header);
    if (len >= 2 && header[0] == '"' && header[len - 1] == '"') {
        header++;
        len -= 2;
    }
    bool ok = len > 0 && len <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = header[i] > 0x20 && header[i] < 0x7f;
    if (!ok)
        return problem_field(p, ERR_BAD_HEADER, PLACE_HEADER, "Idempotency-Key",
                             "1 to 255 printable ASCII characters without spaces", header);
    memcpy(c->key, header, len);
    c->key[len] = 0;
    return 0;
}
