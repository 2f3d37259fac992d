/*
 * submit_fields.c - the fields of a submission: one table that serves the JSON body, a job of a
 * batch, and the query parameters of a raw submission. HTTP threads; keeps nothing.
 */
#include "submit_priv.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../backoff.h"
#include "../reader.h"
#include "query.h"
#include "request.h"
#include "task_name.h"
#include "webhook.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX  315360000.0 /* ten years */
#define SECONDS_TEXT "a number of seconds from 0 to 315360000"

/* One value of one field: a number, a text, or other JSON. */
struct value {
    bool is_number, is_text;
    double number;
    const char *text; /* for a number: as written, for messages */
    size_t len;
    json_t *json; /* NULL: a query parameter */
};

int fields_refuse(struct terms *t, const char *name, const char *limit, const char *value)
{
    char field[96];
    snprintf(field, sizeof(field), "%s%s%s", t->prefix, t->place == PLACE_POINTER ? "/" : "", name);
    int err = t->place == PLACE_POINTER ? ERR_BAD_FIELD : ERR_BAD_PARAMETER;
    return problem_field(t->problem, err, t->place, field, limit, value);
}

const char *fields_show(const json_t *value, bool text_wanted, char shown[FIELDS_SHOWN])
{
    if (json_is_string(value) && text_wanted)
        return json_string_value(value);
    if (json_is_string(value))
        snprintf(shown, FIELDS_SHOWN, "\"%s\"", json_string_value(value));
    else if (json_is_number(value))
        snprintf(shown, FIELDS_SHOWN, "%.15g", json_number_value(value));
    else
        snprintf(shown, FIELDS_SHOWN, "%s",
                 json_is_null(value)    ? "null"
                 : json_is_true(value)  ? "true"
                 : json_is_false(value) ? "false"
                 : json_is_array(value) ? "[…]"
                                        : "{…}");
    return value ? shown : NULL;
}

static int refuse(struct terms *t, const char *name, const char *limit, const struct value *v)
{
    char shown[FIELDS_SHOWN];
    const char *text = v && v->json && !v->text ? fields_show(v->json, true, shown)
                       : v                      ? v->text
                                                : NULL;
    return fields_refuse(t, name, limit, text);
}

/* The same where a number was to be given: a text is told from it. */
static int refuse_number(struct terms *t, const char *name, const char *limit,
                         const struct value *v)
{
    char shown[FIELDS_SHOWN];
    return v->json ? fields_refuse(t, name, limit, fields_show(v->json, false, shown))
                   : refuse(t, name, limit, v);
}

static bool whole(const struct value *v, double least, double most)
{
    return v->is_number && v->number >= least && v->number <= most && floor(v->number) == v->number;
}

static bool seconds(const struct value *v, int64_t *us)
{
    if (!v->is_number || !(v->number >= 0) || v->number > SECONDS_MAX)
        return false;
    *us = (int64_t)(v->number * (double)US_PER_S + 0.5);
    return true;
}

/* Texts that are shown and compared: without control characters. */
static bool plain(const struct value *v, size_t most)
{
    bool ok = v->is_text && v->len > 0 && v->len <= most;
    for (size_t i = 0; ok && i < v->len; i++)
        ok = (unsigned char)v->text[i] >= 0x20 && v->text[i] != 0x7f;
    return ok;
}

static struct value value_of(json_t *json, char shown[64])
{
    struct value v = {
        .is_number = json_is_number(json), .is_text = json_is_string(json), .json = json};
    if (v.is_text) {
        v.text = json_string_value(json);
        v.len = json_string_length(json);
    } else if (v.is_number) {
        v.number = json_number_value(json);
        snprintf(shown, 64, "%.15g", v.number);
        v.text = shown;
    }
    return v;
}

/* ---- when and how often ---- */

static int take_task(struct terms *t, const char *name, const struct value *v)
{
    if (!v->is_text)
        return refuse(t, name, "the name of a task", v);
    t->has_task = true;
    int err = task_name_find(v->text, v->len, &t->new->task_index, t->place, t->problem);
    if (err && t->prefix[0])
        snprintf(t->problem->name, sizeof(t->problem->name), "%s/task", t->prefix);
    return err;
}

static int take_priority(struct terms *t, const char *name, const struct value *v)
{
    if (!whole(v, JOB_PRIORITY_MIN, JOB_PRIORITY_MAX))
        return refuse_number(t, name, "a whole number from -100 to 100", v);
    t->new->job.priority = (int)v->number;
    return 0;
}

static bool moment(const struct value *v, int64_t *us)
{
    return v->is_text && clock_parse(v->text, v->len, us);
}

static int take_run_at(struct terms *t, const char *name, const struct value *v)
{
    int64_t us;
    if (!moment(v, &us) || us > clock_wall_us() + (int64_t)SECONDS_MAX * US_PER_S)
        return refuse(t, name, "a time such as 2026-11-23T03:19:00Z, at most ten years ahead", v);
    t->new->asked_run_at_us = us > 0 ? us : 1; /* 0 would be none, and is as long ago */
    return 0;
}

static int take_delay(struct terms *t, const char *name, const struct value *v)
{
    return seconds(v, &t->new->asked_delay_us) ? 0 : refuse_number(t, name, SECONDS_TEXT, v);
}

static int take_expires_at(struct terms *t, const char *name, const struct value *v)
{
    int64_t *us = &t->new->job.expires_us;
    bool is = moment(v, us);
    if (is && *us > clock_wall_us())
        return 0;
    int err = refuse(t, name, "a time to come, such as 2026-11-23T03:19:00Z", v);
    return is ? submit_later(t, err) : err;
}

static int take_timeout(struct terms *t, const char *name, const struct value *v)
{
    int64_t us;
    if (!seconds(v, &us) || us < US_PER_MS)
        return refuse_number(t, name, "a number of seconds from 0.001 to 315360000", v);
    t->has_timeout = true;
    t->new->job.timeout_us = us;
    return 0;
}

static int take_max_attempts(struct terms *t, const char *name, const struct value *v)
{
    if (!whole(v, 1, JOB_ATTEMPTS_MAX))
        return refuse_number(t, name, "a whole number from 1 to 1000", v);
    t->has_attempts = true;
    t->new->job.max_attempts = (uint32_t)v->number;
    return 0;
}

/* ---- backoff ---- */

static int backoff_delay(struct terms *t, const char *name, json_t *json, struct backoff *b)
{
    char shown[64];
    struct value v = value_of(json, shown);
    if (b->count == BACKOFF_LIST_MAX || !json || !seconds(&v, &b->delay_us[b->count]))
        return refuse_number(t, name, SECONDS_TEXT, &v);
    b->count++;
    return 0;
}

static int backoff_list(struct terms *t, json_t *delays, struct backoff *b)
{
    size_t n = json_array_size(delays); /* 0 for what is no array */
    int err = n == 0 || n > BACKOFF_LIST_MAX
                  ? refuse(t, "backoff/delays", "an array of 1 to 20 numbers of seconds", NULL)
                  : 0;
    for (size_t i = 0; i < n && !err; i++)
        err = backoff_delay(t, "backoff/delays", json_array_get(delays, i), b);
    return err;
}

static int take_backoff(struct terms *t, const char *name, const struct value *v)
{
    const char *kind = json_string_value(json_object_get(v->json, "kind"));
    json_t *delay = json_object_get(v->json, "delay"), *max = json_object_get(v->json, "max");
    json_t *delays = json_object_get(v->json, "delays");
    struct backoff b = {0};
    int err;
    size_t known = 1;
    if (kind && strcmp(kind, "exponential") == 0) {
        b.kind = BACKOFF_EXPONENTIAL;
        err = backoff_delay(t, "backoff/delay", delay, &b);
        if (!err && max)
            err = backoff_delay(t, "backoff/max", max, &b);
        else if (!err)
            b.delay_us[b.count++] = 3600 * US_PER_S;
        known += max ? 2 : 1;
    } else if (kind && strcmp(kind, "fixed") == 0) {
        b.kind = BACKOFF_FIXED;
        err = backoff_delay(t, "backoff/delay", delay, &b);
        known++;
    } else if (kind && strcmp(kind, "list") == 0) {
        b.kind = BACKOFF_LIST;
        err = backoff_list(t, delays, &b);
        known++;
    } else {
        const struct value shown = {.text = kind};
        return kind ? refuse(t, "backoff/kind", "`exponential`, `fixed` or `list`", &shown)
                    : refuse(t, name,
                             "an object with `kind`: exponential (delay, max), fixed (delay) or "
                             "list (delays)",
                             NULL);
    }
    if (!err && json_object_size(v->json) != known)
        err = refuse(t, name, "`kind` and the members of its kind, and no others", NULL);
    if (!err && backoff_format(&b, t->new->job.backoff, sizeof(t->new->job.backoff)))
        err = refuse(t, name, "shorter", NULL);
    return err;
}

/* ---- what it is told by ---- */

static int take_tag(struct terms *t, const char *name, const struct value *v)
{
    if (!plain(v, JOB_TAG_MAX))
        return refuse(t, name, "a text of 1 to 64 bytes without control characters", v);
    struct buf *tags = &t->new->job.tags;
    if (++t->tags > JOB_TAGS_MAX) {
        int err = refuse(t, name, "one of at most 16 tags", NULL);
        snprintf(t->problem->detail, sizeof(t->problem->detail), "`%s` may have at most %d",
                 t->place == PLACE_POINTER ? "tags" : name, JOB_TAGS_MAX);
        return err;
    }
    if (tags->len > 0)
        tags->len--; /* the bracket */
    buf_addc(tags, t->tags == 1 ? '[' : ',');
    buf_add_json_string(tags, v->text, v->len);
    buf_addc(tags, ']');
    return 0;
}

static int take_concurrency_key(struct terms *t, const char *name, const struct value *v)
{
    if (!plain(v, JOB_CONCURRENCY_KEY_MAX))
        return refuse(t, name, "a text of 1 to 64 bytes without control characters", v);
    memcpy(t->new->job.concurrency_key, v->text, v->len);
    return 0;
}

static int take_callback_url(struct terms *t, const char *name, const struct value *v)
{
    if (!submit_url_ok(v->is_text ? v->text : NULL, v->len))
        return refuse(t, name, SUBMIT_URL_TEXT, v);
    if (!webhook_host_ok(v->text)) { /* the list may be another one by now */
        int err = submit_later(t, refuse(t, name, SUBMIT_HOST_TEXT, v));
        if (err)
            return err;
    }
    buf_clear(&t->new->job.callback_url);
    buf_add(&t->new->job.callback_url, v->text, v->len);
    return 0;
}

/* ---- what it waits for ---- */

static int add_parent(struct terms *t, const struct id *id)
{
    struct job *job = &t->new->job;
    char text[ID_TEXT];
    struct id *more = realloc(job->parents, (job->parents_count + 1) * sizeof(*more));
    if (!more)
        return problem_set(t->problem, ERR_NOMEM, "no memory for the job");
    job->parents = more;
    job->parents[job->parents_count++] = *id;
    id_format(id, text);
    if (job->depends_on.len > 0)
        job->depends_on.len--; /* the bracket */
    buf_adds(&job->depends_on, job->depends_on.len ? ",\"" : "[\"");
    buf_adds(&job->depends_on, text);
    buf_adds(&job->depends_on, "\"]");
    return 0;
}

static int take_parent(struct terms *t, const char *name, const struct value *v)
{
    struct id id;
    struct job *job = &t->new->job;
    if (!v->is_text)
        return refuse(t, name, "the id of a job or group", v);
    if (job->parents_count == JOB_PARENTS_MAX)
        return refuse(t, name, "at most 1000 ids", NULL);
    bool known = t->refs && refs_find(t->refs, v->text, &id);
    if (!known && !id_parse(&id, v->text, v->len))
        return refuse(t, name,
                      t->refs ? "an id, or the `ref` of an earlier job of the batch"
                              : "the id of a job or group",
                      v);
    for (size_t i = 0; i < job->parents_count; i++) {
        if (id_equal(&job->parents[i], &id))
            return refuse(t, name, "given once", v);
    }
    if (!known && t->new->known > 0)
        return refuse(t, name, "before the `ref`s: ids come first", v);
    int err = add_parent(t, &id);
    t->new->known += known;
    return err;
}

static int take_on_dependency_failure(struct terms *t, const char *name, const struct value *v)
{
    if (!v->is_text || (strcmp(v->text, "fail") != 0 && strcmp(v->text, "run") != 0))
        return refuse(t, name, "`fail` or `run`", v);
    t->new->job.run_anyway = strcmp(v->text, "run") == 0;
    return 0;
}

/* ---- unique ---- */

static int unique_member(struct terms *t, const char *name, json_t *json)
{
    char shown[64], field[40];
    struct value v = value_of(json, shown);
    struct unique_terms *u = &t->unique;
    snprintf(field, sizeof(field), "unique/%.30s", name);
    const char *text = v.is_text ? v.text : "";
    if (strcmp(name, "by") == 0) {
        u->by = strcmp(text, "task") == 0  ? UNIQUE_BY_TASK
                : strcmp(text, "key") == 0 ? UNIQUE_BY_KEY
                                           : UNIQUE_BY_INPUT;
        return u->by == UNIQUE_BY_INPUT && strcmp(text, "input") != 0
                   ? refuse(t, field, "`task`, `input` or `key`", &v)
                   : 0;
    }
    if (strcmp(name, "key") == 0) {
        if (!v.text || !plain(&v, sizeof(u->key) - 1))
            return refuse(t, field, "a text of 1 to 255 bytes without control characters", &v);
        memcpy(u->key, v.text, v.len);
        return 0;
    }
    if (strcmp(name, "while") == 0) {
        t->new->same.queued_only = strcmp(text, "queued") == 0;
        return t->new->same.queued_only || strcmp(text, "unfinished") == 0
                   ? 0
                   : refuse(t, field, "`queued` or `unfinished`", &v);
    }
    if (strcmp(name, "period") == 0)
        return seconds(&v, &u->period_us) && u->period_us > 0
                   ? 0
                   : refuse_number(t, field, "a number of seconds above 0, at most 315360000", &v);
    if (strcmp(name, "on_conflict") == 0) {
        t->new->reject = strcmp(text, "reject") == 0;
        return t->new->reject || strcmp(text, "return") == 0
                   ? 0
                   : refuse(t, field, "`return` or `reject`", &v);
    }
    char pointer[96];
    snprintf(pointer, sizeof(pointer), "%s/%s", t->prefix, field);
    return problem_unknown(t->problem, pointer, "by, key, while, period, on_conflict");
}

static int take_unique(struct terms *t, const char *name, const struct value *v)
{
    const char *member;
    json_t *json;
    if (!json_is_object(v->json))
        return refuse(t, name, "an object with by, key, while, period, on_conflict", v);
    t->new->unique = true;
    if (json_object_get(v->json, "key") && !json_object_get(v->json, "by"))
        t->unique.by = UNIQUE_BY_KEY;
    json_object_foreach(v->json, member, json)
    {
        int err = unique_member(t, member, json);
        if (err)
            return err;
    }
    if (t->unique.key[0] && t->unique.by != UNIQUE_BY_KEY)
        return refuse(t, "unique/key", "left out unless `by` is `key`", NULL);
    if (t->unique.by == UNIQUE_BY_KEY && !t->unique.key[0])
        return refuse(t, "unique/key", "given with `by`: `key`", NULL);
    if (t->new->reject && t->refs)
        return refuse(t, "unique/on_conflict", "`return` in a batch", NULL);
    return 0;
}

static int take_ref(struct terms *t, const char *name, const struct value *v)
{
    if (!t->refs)
        return refuse(t, name, "given in a batch only", v);
    if (!plain(v, SUBMIT_REF_MAX))
        return refuse(t, name, "a text of 1 to 64 bytes", v);
    memcpy(t->ref, v->text, v->len); /* of zeros */
    return 0;
}

static int take_input(struct terms *t, const char *name, const struct value *v)
{
    (void)name;
    (void)v;
    t->has_input = true;
    return 0;
}

/* ---- the table ---- */

static const struct field {
    const char *name;
    int (*take)(struct terms *t, const char *name, const struct value *v);
    const char *parameter; /* its name in a query string; NULL: not there */
    bool many;             /* JSON: an array of values; query: may be repeated */
} fields[] = {
    {"task", take_task, NULL, false},
    {"input", take_input, NULL, false},
    {"priority", take_priority, "priority", false},
    {"run_at", take_run_at, "run_at", false},
    {"delay", take_delay, "delay", false},
    {"expires_at", take_expires_at, "expires_at", false},
    {"timeout", take_timeout, "timeout", false},
    {"max_attempts", take_max_attempts, "max_attempts", false},
    {"backoff", take_backoff, NULL, false},
    {"tags", take_tag, "tag", true},
    {"depends_on", take_parent, "depends_on", true},
    {"on_dependency_failure", take_on_dependency_failure, "on_dependency_failure", false},
    {"concurrency_key", take_concurrency_key, "concurrency_key", false},
    {"unique", take_unique, NULL, false},
    {"callback_url", take_callback_url, "callback_url", false},
    {"ref", take_ref, NULL, false},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static int take_many(struct terms *t, const struct field *f, json_t *value)
{
    if (!json_is_array(value))
        return refuse(t, f->name, "an array of texts", &(struct value){.json = value});
    size_t i;
    json_t *each;
    json_array_foreach(value, i, each)
    {
        char name[48], shown[64];
        snprintf(name, sizeof(name), "%s/%zu", f->name, i);
        struct value v = value_of(each, shown);
        int err = f->take(t, name, &v);
        if (err)
            return err;
    }
    return 0;
}

static int unknown_field(struct terms *t, const char *name)
{
    char field[96], known[320];
    size_t at = 0;
    snprintf(field, sizeof(field), "%s/%s", t->prefix, name);
    for (size_t i = 0; i < FIELDS && at < sizeof(known); i++)
        at +=
            (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "", fields[i].name);
    return problem_unknown(t->problem, field, known);
}

int fields_take_json(struct terms *t, const char *name, json_t *value)
{
    char shown[64];
    size_t i = 0;
    while (i < FIELDS && strcmp(fields[i].name, name) != 0)
        i++;
    if (i == FIELDS)
        return unknown_field(t, name);
    if (fields[i].many)
        return take_many(t, &fields[i], value);
    struct value v = value_of(value, shown);
    return fields[i].take(t, name, &v);
}

static int take_param(struct terms *t, const struct field *f, const char *text)
{
    struct value v = {.is_text = true, .text = text, .len = strlen(text)};
    v.is_number = query_number(text, &v.number);
    return f->take(t, f->parameter, &v);
}

int fields_take_params(struct terms *t, struct request *rq)
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
