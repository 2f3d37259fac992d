/*
 * submit.c - the course of a submission. A job as JSON is in submit_json.c, its fields in
 * submit_fields.c, what it depends on in submit_parents.c, batches and lines in submit_many.c, raw
 * bodies in submit_raw.c.
 */
#include "submit_priv.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../canonical.h"
#include "../conf.h"
#include "../reader.h"
#include "input_check.h"
#include "json.h"
#include "request.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what all submissions share ---- */

int64_t submit_due(const struct new_job *n, int64_t created_us)
{
    if (n->asked_run_at_us)
        return n->asked_run_at_us;
    return n->asked_delay_us > 0 ? created_us + n->asked_delay_us : created_us;
}

enum job_state submit_state(const struct new_job *n, int64_t created_us)
{
    return submit_due(n, created_us) > created_us || n->job.depends_on.len ? JOB_SCHEDULED
                                                                           : JOB_QUEUED;
}

bool submit_url_ok(const char *text, size_t len)
{
    if (!text || len > JOB_URL_MAX)
        return false;
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    size_t host = scheme ? strcspn(text + scheme, "/?#") : 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= 0x20 || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
            return false;
    }
    return host > 0 && !memchr(text + scheme, '@', host);
}

/* The wire's times have milliseconds: what is told must be what is kept. */
static int64_t now_ms(void)
{
    int64_t now_us = clock_wall_us();
    return now_us - now_us % US_PER_MS;
}

/* The same value in another form is the same input. */
static int hash_input(struct terms *t, struct sha256_ctx *ctx)
{
    AUTO_BUF form = BUF_INIT;
    const struct buf *in = &t->new->job.input;
    size_t cost = input_parse_cost(in->data, in->len) + 2 * in->len; /* numbered, and the form */
    int err = submit_charge(cost, t->problem);
    if (err)
        return err;
    err = canonical_json(in->data, in->len, &form);
    sha256_update(ctx, form.len, (const uint8_t *)form.data);
    request_discharge(cost);
    return err ? problem_set(t->problem, -err, "%s", err_sentence(-err)) : 0;
}

static int make_unique(struct terms *t)
{
    struct new_job *n = t->new;
    struct sha256_ctx ctx;
    int err = 0;
    uint8_t by = (uint8_t)t->unique.by;
    sha256_init(&ctx);
    sha256_update(&ctx, strlen(n->job.owner) + 1, (const uint8_t *)n->job.owner);
    sha256_update(&ctx, strlen(n->job.task) + 1, (const uint8_t *)n->job.task);
    sha256_update(&ctx, 1, &by);
    if (t->unique.by == UNIQUE_BY_KEY)
        sha256_update(&ctx, strlen(t->unique.key), (const uint8_t *)t->unique.key);
    else if (t->unique.by == UNIQUE_BY_INPUT)
        err = hash_input(t, &ctx);
    if (t->unique.by == UNIQUE_BY_INPUT)
        sha256_update(&ctx, n->job.params.len, (const uint8_t *)n->job.params.data);
    sha256_digest(&ctx, sizeof(n->same.hash), n->same.hash);
    n->same_parents =
        t->unique.by == UNIQUE_BY_INPUT && n->job.gathers; /* its input is made of them */
    n->same.until_us = t->unique.period_us ? n->job.created_us + t->unique.period_us : 0;
    return err;
}

static int check_task(struct terms *t, const struct taskdef *task)
{
    const struct board_task *state = &reader_board()->task[t->new->task_index];
    /* acquire: `why` is complete once the status is seen */
    if (atomic_load_explicit(&state->status, memory_order_acquire) != TASK_BROKEN)
        return 0;
    return problem_set(t->problem, ERR_TASK_UNAVAILABLE, "the task `%s` could not be loaded: %s",
                       task->name, state->why);
}

/* May the caller use the task, and see what the job is to wait for? */
static int check_rights(struct terms *t, const struct taskdef *task)
{
    if (!auth_caller || !auth_caller->token)
        return 0;
    if (caller_may_task(auth_caller, task->name, t->problem))
        return -ERR_FORBIDDEN;
    return submit_parents_seen(t);
}

/* A field of the input that stands in the command's words; 0, or a problem: it is not there, or no
 * word can be made of it. */
static int check_word(struct terms *t, const char *name, size_t len)
{
    const struct job *job = &t->new->job;
    AUTO_BUF word = BUF_INIT;
    char field[FIELD_NAME_MAX + 1], pointer[FIELD_NAME_MAX + sizeof(t->prefix) + 8];
    const char *value;
    size_t n;
    if (len > FIELD_NAME_MAX)
        return 0; /* the worker tells */
    memcpy(field, name, len);
    field[len] = 0;
    if (job->params.len > 0 &&
        jsonscan_member(job->params.data, job->params.len, field, &value, &n))
        return 0;
    bool json = json_type_is_json(job->input_type), raw = t->place == PLACE_PARAMETER;
    bool there = json && jsonscan_member(job->input.data, job->input.len, field, &value, &n);
    if (there && jsonscan_text(&word, value, n))
        return 0;
    const struct taskdef *task = &reader_tasks()->task[t->new->task_index];
    bool parameter = raw && task->input == TASK_INPUT_RAW && !there;
    snprintf(pointer, sizeof(pointer), "%s%s/%s", t->prefix, raw ? "" : "/input", field);
    problem_field(t->problem, ERR_INVALID_INPUT, parameter ? PLACE_PARAMETER : PLACE_POINTER,
                  parameter ? field : pointer, NULL, NULL);
    snprintf(t->problem->detail, sizeof(t->problem->detail),
             there       ? "the field `%s` of the input must be a string, number, boolean or null"
             : parameter ? "the query parameter `%s` is missing, of which the command is made"
             : json      ? "the input lacks the field `%s`, of which the command is made"
                         : "the input lacks the field `%s`, of which the command is made: send "
                           "JSON, with Content-Type: application/json",
             field);
    return -ERR_INVALID_INPUT;
}

/* What a command is made of is known now; the input that is made of others' results is not. */
static int check_words(struct terms *t, const struct taskdef *task)
{
    int err = 0;
    const char *name;
    size_t len;
    if (task->kind != TASK_COMMAND || t->new->job.gathers)
        return 0;
    for (char *const *word = task->argv; *word && !err; word++) {
        const char *at = *word;
        while (!err && taskdef_field(&at, &name, &len))
            err = check_word(t, name, len);
    }
    return err;
}

int submit_complete(struct terms *t)
{
    struct new_job *n = t->new;
    struct job *job = &n->job;
    if (!t->has_task) {
        char field[64];
        snprintf(field, sizeof(field), "%s/task", t->prefix);
        return problem_missing(t->problem, field, "the name of a task");
    }
    if (n->asked_run_at_us && n->asked_delay_us >= 0)
        return fields_refuse(t, "delay", "left out where `run_at` is given", NULL);
    const struct taskdef *task = &reader_tasks()->task[n->task_index];
    int err = check_rights(t, task);
    if (!err)
        err = submit_later(t, check_task(t, task));
    if (err)
        return err;
    _Static_assert(sizeof(job->owner) == sizeof(auth_caller->token->name), "a token's name");
    memcpy(job->owner, caller_owner(auth_caller), strlen(caller_owner(auth_caller)) + 1);
    if (!t->has_timeout)
        job->timeout_us = task->timeout_us;
    if (!t->has_attempts)
        job->max_attempts =
            task->max_attempts ? task->max_attempts : (uint32_t)http_conf->max_attempts;
    _Static_assert(sizeof(job->task) == sizeof(task->name), "a task's name");
    memcpy(job->task, task->name, sizeof(job->task));
    err = id_new(&job->id);
    if (err)
        return problem_set(t->problem, err, "no random bytes for an id");
    job->created_us = now_ms();
    job->run_at_us = submit_due(n, job->created_us);
    job->state = submit_state(n, job->created_us);
    job->gathers = job->parents_count > 0 && !t->has_input && t->place == PLACE_POINTER;
    if (job->expires_us && job->expires_us <= job->run_at_us)
        err = submit_later(
            t, fields_refuse(t, "expires_at", "after the time at which it is to run", NULL));
    if (!err)
        err = submit_later(t, check_words(t, task));
    if (err)
        return err;
    n->asked_expires_us = job->expires_us;
    n->asked_attempts = job->max_attempts;
    n->gave_attempts = t->has_attempts;
    job->input_size = job->input.len;
    if (n->unique && (err = make_unique(t)) != 0)
        return err;
    if (job->tags.failed || job->input.failed || job->depends_on.failed || job->callback_url.failed)
        return problem_set(t->problem, ERR_NOMEM, "no memory for the job");
    return 0;
}

void submit_begin(struct terms *t, struct new_job *n, struct problem *p, enum problem_place place)
{
    *t = (struct terms){.new = n, .problem = p, .place = place};
    n->asked_run_at_us = 0;
    n->asked_delay_us = -1;
    p->err = 0;
}

struct problem *submit_begin_late(const struct change *c, struct problem *late)
{
    late->err = 0;
    return c->key[0] ? late : NULL;
}

int submit_later(struct terms *t, int err)
{
    if (!err || !t->late)
        return err;
    if (!t->late->err) /* the first is told */
        *t->late = *t->problem;
    t->problem->err = 0;
    return 0;
}

int submit_now(const struct change *c, const struct problem *late, struct problem *p)
{
    struct stream_mark m;
    if (!late || !late->err)
        return 0;
    if (reader_stream(c->key, &m) == 0 && m.known && !m.stream &&
        memcmp(m.prefix, c->fingerprint, sizeof(m.prefix)) == 0)
        return 0;
    *p = *late;
    return -p->err;
}

int submit_validate_only(struct request *rq, bool *on, struct problem *p)
{
    const char *text = request_param(rq, "validate_only", p);
    *on = text && strcmp(text, "true") == 0;
    if (p->err || !text || *on || strcmp(text, "false") == 0)
        return -p->err;
    return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "validate_only", "true or false",
                         text);
}

/* ---- headers ---- */

int submit_forgotten(struct problem *p, bool is_group, const struct id *which)
{
    char id[ID_TEXT];
    id_format(which, id);
    problem_field(p, ERR_FORGOTTEN, PLACE_HEADER, "Idempotency-Key", NULL, NULL);
    snprintf(
        p->detail, sizeof(p->detail),
        "the Idempotency-Key was for the %s %s, which has ended and was forgotten; nothing was "
        "submitted",
        is_group ? "group" : "job", id);
    return -ERR_FORGOTTEN;
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
    const char *owner = caller_owner(auth_caller); /* keys of different callers do not meet */
    snprintf(c->key, sizeof(c->key), "%s%s%.*s", owner, owner[0] ? " " : "", (int)len, header);
    return 0;
}
