/*
 * submit.c - the course of a submission, and a job of it as JSON. The fields themselves are in
 * submit_fields.c, batches and lines in submit_many.c, raw bodies in submit_raw.c.
 *
 * The caller's input is never rebuilt: it is a span of the body as it came. jansson reads the body
 * once for what a span check cannot see (names given twice) and for the values of our own fields.
 */
#include "submit_priv.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "../reader.h"
#include "../tree.h"
#include "input_check.h"
#include "json.h"
#include "request.h"
#include "task_name.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 127 /* bytes of the name of a field that a command uses */
#define NAME_LOOK 64  /* names that are longer are of no field: the tree tells which */

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

/* 1.0 and 1e0 are 1, as a schema takes them; `json` is replaced in its parent by what this returns,
 * or NULL: it stays. */
static json_t *plain_number(const json_t *json)
{
    double v = json_real_value(json);
    return json_is_real(json) && fabs(v) < 9e18 && v == trunc(v) ? json_integer((json_int_t)v)
                                                                 : NULL;
}

/* No deeper than a body may be. */
static void plain_numbers(json_t *json)
{
    const char *name;
    json_t *at, *number;
    size_t i;
    json_array_foreach(json, i, at)
    {
        if ((number = plain_number(at)) != NULL)
            (void)json_array_set_new(json, i, number);
        else
            plain_numbers(at);
    }
    json_object_foreach(json, name, at)
    {
        if ((number = plain_number(at)) != NULL)
            (void)json_object_iter_set_new(json, json_object_key_to_iter(name), number);
        else
            plain_numbers(at);
    }
}

/* The same value in another form (order of members, blanks, escapes, 1.0 for 1) is the same input.
 */
static int hash_input(struct terms *t, struct sha256_ctx *ctx)
{
    const struct buf *in = &t->new->job.input;
    size_t cost = input_parse_cost(in->data, in->len);
    int err = submit_charge(cost, t->problem);
    if (err)
        return err;
    json_t *root = json_loadb(in->data, in->len, JSON_DECODE_ANY, NULL);
    json_t *number = root ? plain_number(root) : NULL;
    if (number) {
        json_decref(root);
        root = number;
    }
    plain_numbers(root);
    char *text = root ? json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    bool no_memory = root && !text;
    if (text)
        sha256_update(ctx, strlen(text), (const uint8_t *)text);
    else /* with a number that no tree holds it is the same only as it is */
        sha256_update(ctx, in->len, (const uint8_t *)in->data);
    free(text);
    json_decref(root);
    request_discharge(cost);
    return no_memory ? problem_set(t->problem, ERR_NOMEM, "no memory for the input") : 0;
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

static int unknown_parent(struct problem *p, enum problem_place place, const char *prefix,
                          const struct job *job, size_t at)
{
    char field[64], id[ID_TEXT];
    id_format(&job->parents[at], id);
    if (place == PLACE_POINTER)
        snprintf(field, sizeof(field), "%s/depends_on/%zu", prefix, at);
    problem_field(p, ERR_UNKNOWN_DEPENDENCY, place, place == PLACE_POINTER ? field : "depends_on",
                  NULL, id);
    snprintf(p->detail, sizeof(p->detail),
             "`%s`: there is no job or group `%s`, or it was forgotten",
             place == PLACE_POINTER ? p->name + 1 : p->name, id);
    return -p->err;
}

/* Whose it is: 0 and if the caller sees it, or -ERR_NO_GROUP, … */
static int find_parent(const struct id *id, bool *seen)
{
    struct job job;
    struct group group;
    int err = reader_job(id, 0, 0, &job);
    if (!err) {
        *seen = caller_sees(auth_caller, job.owner);
        job_release(&job);
        return 0;
    }
    err = err == -ERR_NO_JOB ? reader_group(id, &group) : err;
    if (!err) {
        *seen = caller_sees(auth_caller, group.owner);
        group_release(&group);
    }
    return err;
}

/* May the caller use the task, and see what the job is to wait for? */
static int check_rights(struct terms *t, const struct taskdef *task)
{
    const struct job *job = &t->new->job;
    if (!auth_caller || !auth_caller->token)
        return 0;
    if (caller_may_task(auth_caller, task->name, t->problem))
        return -ERR_FORBIDDEN;
    for (size_t i = 0; i < job->parents_count - t->new->known; i++) {
        bool seen;
        if (find_parent(&job->parents[i], &seen) == 0 && !seen)
            return unknown_parent(t->problem, t->place, t->prefix, job, i);
    }
    return 0;
}

/* A field of the input that stands in the command's words; 0, or a problem: it is not there, or no
 * word can be made of it. */
static int check_word(struct terms *t, const char *name, size_t len)
{
    const struct job *job = &t->new->job;
    AUTO_BUF word = BUF_INIT;
    char field[FIELD_MAX + 1], pointer[FIELD_MAX + sizeof(t->prefix) + 8];
    const char *value;
    size_t n;
    if (len > FIELD_MAX)
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
             there       ? "the field `%s` of the input must be a string, number or boolean"
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

/* ---- JSON ---- */

int submit_check_text(const char *body, size_t len, struct jsonscan_look *look, struct problem *p)
{
    size_t where = 0;
    const char *why = "", *text = body ? body : "";
    unsigned depth = (unsigned)http_conf->max_json_depth;
    if (len == 0)
        return problem_set(p, ERR_BAD_JSON, "the body is empty");
    int err = look ? jsonscan_look(text, len, depth, &where, &why, look)
                   : jsonscan(text, len, depth, &where, &why);
    if (err == -ERR_TOO_DEEP)
        return problem_set(p, err, "more than %lld levels at byte %zu",
                           (long long)http_conf->max_json_depth, where);
    if (err)
        return problem_set(p, err, "at byte %zu: %s", where, why);
    return 0;
}

/* Tells why tree_parse() gave no tree. */
static int unparsed(struct problem *p, int err, const json_error_t *e, const char *prefix)
{
    if (err == -ERR_NOMEM)
        return problem_set(p, ERR_NOMEM, "no memory for the body");
    const char *quote = prefix[0] ? "`" : "", *colon = prefix[0] ? ": " : "";
    bool range = json_error_code(e) == json_error_numeric_overflow;
    return problem_set(p, ERR_BAD_JSON, "%s%s%s%sat byte %d: %s", quote, prefix, quote, colon,
                       e->position, range ? "a number outside the range of a double" : e->text);
}

int submit_charge(size_t cost, struct problem *p)
{
    if (cost > http_conf->body_memory)
        return problem_set(p, ERR_TOO_LARGE,
                           "reading the body would take %zu bytes of memory; at most %llu", cost,
                           (unsigned long long)http_conf->body_memory);
    return cost == 0 || request_charge(cost)
               ? 0
               : problem_set(p, ERR_OVERLOADED, "no memory for the body now");
}

int submit_check_whole(const char *body, size_t len, struct problem *p)
{
    struct jsonscan_look look = {0};
    json_error_t e;
    json_t *root = NULL;
    look.plain = false; /* clang-tidy cannot see that it is set where there is no error */
    int err = submit_check_text(body, len, &look, p);
    if (err || look.plain)
        return err;
    size_t cost = input_parse_cost(body, len);
    err = submit_charge(cost, p);
    if (err)
        return err;
    err = tree_parse(body, len, JSON_DECODE_INT_AS_REAL, &root, &e);
    json_decref(root);
    request_discharge(cost);
    return err ? unparsed(p, err, &e, "") : 0;
}

/* submit_charge() for a part of a body, which is named; prefix: as in struct terms. */
static int charge_part(size_t cost, const char *prefix, struct problem *p)
{
    int err = submit_charge(cost, p);
    if (err == -ERR_TOO_LARGE && prefix[0]) {
        p->place = PLACE_POINTER;
        snprintf(p->name, sizeof(p->name), "%s", prefix);
    }
    return err;
}

static int not_an_object(struct problem *p, const json_t *root, const char *prefix)
{
    char shown[FIELDS_SHOWN];
    if (prefix[0])
        return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, prefix, "an object",
                             fields_show(root, false, shown));
    return problem_set(p, ERR_BAD_FIELD, "the body must be an object%s",
                       json_is_array(root) ? ", not an array; many jobs at once go to "
                                             "/v1/jobs/batch, as {\"jobs\":[…]}"
                                           : "");
}

/* A checked text that must be an object; prefix: as in struct terms. */
static int parse_checked(const char *text, size_t len, const char *prefix, json_t **root,
                         size_t *charged, struct problem *p)
{
    size_t cost = input_parse_cost(text, len);
    json_error_t e;
    int err = charge_part(cost, prefix, p);
    if (err)
        return err;
    err = tree_parse(text, len, JSON_DECODE_INT_AS_REAL, root, &e);
    if (err)
        err = unparsed(p, err, &e, prefix);
    else if (!json_is_object(*root))
        err = not_an_object(p, *root, prefix);
    if (err) {
        json_decref(*root);
        request_discharge(cost);
    }
    *charged = cost;
    return err;
}

int submit_parse(const char *body, size_t len, json_t **root, size_t *charged, struct problem *p)
{
    int err = submit_check_text(body, len, NULL, p);
    return err ? err : parse_checked(body, len, "", root, charged, p);
}

void submit_fingerprint(struct change *c, const char *what, const char *body, size_t len)
{
    struct sha256_ctx ctx;
    if (!c->key[0])
        return;
    sha256_init(&ctx);
    sha256_update(&ctx, strlen(what) + 1, (const uint8_t *)what);
    sha256_update(&ctx, len, (const uint8_t *)body);
    sha256_digest(&ctx, sizeof(c->fingerprint), c->fingerprint);
}

/* The fields are taken: now the input, a span of a checked text (NULL: there is none), and what
 * follows of them all. */
static int take_rest(struct terms *t, const char *text, const char *input, size_t len)
{
    if (input) {
        t->new->input_at = (size_t)(input - text);
        t->new->input_len = len;
    } else {
        input = "null";
        len = 4;
    }
    bool gathers = !t->has_input && t->new->job.parents_count > 0;
    bool refused = t->late && t->late->err; /* it is in any case, and there is one report */
    if (t->has_task && !gathers && !refused && input_is_checked(t->new->task_index)) {
        char pointer[48];
        snprintf(pointer, sizeof(pointer), "%s/input", t->prefix);
        int err = input_check(t->new->task_index, input, len, pointer, t->problem);
        if (err == -ERR_INVALID_INPUT) /* the schema may be another one by now */
            err = submit_later(t, err);
        if (err)
            return err;
    }
    buf_add(&t->new->job.input, input, len);
    return submit_complete(t);
}

/* One job's object, of which `text` is the checked text. */
static int take_object(struct terms *t, json_t *root, const char *text, size_t len)
{
    const char *name, *input = NULL;
    size_t input_len = 0;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        int err = fields_take_json(t, name, value);
        if (err)
            return err;
    }
    jsonscan_member(text, len, "input", &input, &input_len);
    return take_rest(t, text, input, input_len);
}

static int take_member(struct terms *t, const struct jsonscan_member *m)
{
    char name[NAME_LOOK + 1];
    json_t *json = NULL;
    json_error_t e;
    e.position = 0;
    e.text[0] = e.text[JSON_ERROR_TEXT_LENGTH - 1] = 0;
    size_t cost = input_parse_cost(m->value, m->vlen);
    bool plain = m->value[0] == '"' && !memchr(m->value, '\\', m->vlen);
    memcpy(name, m->name, m->nlen);
    name[m->nlen] = 0;
    int err = charge_part(cost, t->prefix, t->problem);
    if (err)
        return err;
    err = plain ? tree_string(m->value + 1, m->vlen - 2, &json)
                : tree_parse(m->value, m->vlen, JSON_DECODE_INT_AS_REAL, &json, &e);
    err = err ? unparsed(t->problem, err, &e, t->prefix) : fields_take_json(t, name, json);
    json_decref(json);
    request_discharge(cost);
    return err;
}

/* One job's object by its members, the input of which stays text: most of a body is that. */
static int take_members(struct terms *t, const char *text, const struct jsonscan_look *look)
{
    const char *input = NULL;
    size_t input_len = 0;
    int err = 0;
    for (unsigned i = 0; i < look->members && !err; i++) {
        const struct jsonscan_member *m = &look->member[i];
        if (m->nlen == 5 && memcmp(m->name, "input", 5) == 0) {
            t->has_input = true;
            input = m->value;
            input_len = m->vlen;
        } else {
            err = take_member(t, m);
        }
    }
    return err ? err : take_rest(t, text, input, input_len);
}

/* Whether take_members() says the same as take_object() would. */
static bool members_will_do(const struct jsonscan_look *look)
{
    bool ok = look->plain && look->members > 0;
    for (unsigned i = 0; ok && i < look->members; i++)
        ok = look->member[i].nlen <= NAME_LOOK;
    return ok;
}

static int take_tree(struct terms *t, const char *text, size_t len)
{
    json_t *root = NULL;
    size_t charged = 0;
    int err = parse_checked(text, len, t->prefix, &root, &charged, t->problem);
    if (err)
        return err;
    err = take_object(t, root, text, len);
    json_decref(root);
    request_discharge(charged);
    return err;
}

int submit_text(struct terms *t, const char *text, size_t len, const struct jsonscan_look *look)
{
    int err = members_will_do(look) ? take_members(t, text, look) : take_tree(t, text, len);
    return !err && t->ref[0] ? refs_add(t->refs, t->ref, &t->new->job.id, t) : err;
}

void submit_look(const char *text, size_t len, struct jsonscan_look *look)
{
    unsigned depth = (unsigned)http_conf->max_json_depth;
    if (jsonscan_look(text, len, depth, NULL, NULL, look) != 0)
        look->plain = false; /* cannot be: it was checked */
}

int submit_json(struct change *c, const char *body, size_t len, struct problem *p)
{
    struct terms t;
    struct jsonscan_look look;
    struct problem late;
    submit_begin(&t, &c->one, p, PLACE_POINTER);
    int err = submit_check_text(body, len, &look, p);
    if (err)
        return err;
    t.late = submit_begin_late(c, &late);
    err = submit_text(&t, body, len, &look);
    submit_fingerprint(c, "POST /v1/jobs", body, len);
    return err ? err : submit_now(c, t.late, p);
}

int submit_part(struct new_job *n, const char *text, size_t len, const char *prefix,
                struct problem *p)
{
    struct terms t;
    struct jsonscan_look look;
    submit_begin(&t, n, p, PLACE_POINTER);
    snprintf(t.prefix, sizeof(t.prefix), "%s", prefix);
    submit_look(text, len, &look);
    return submit_text(&t, text, len, &look);
}

/* ---- what it depends on ---- */

int submit_validate_only(struct request *rq, bool *on, struct problem *p)
{
    const char *text = request_param(rq, "validate_only", p);
    *on = text && strcmp(text, "true") == 0;
    if (p->err || !text || *on || strcmp(text, "false") == 0)
        return -p->err;
    return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "validate_only", "true or false",
                         text);
}

/* prefix: as in struct terms. */
static int check_parents_of(const struct new_job *n, enum problem_place place, const char *prefix,
                            struct problem *p)
{
    const struct job *job = &n->job;
    for (size_t i = 0; i < job->parents_count - n->known; i++) {
        bool seen;
        int err = find_parent(&job->parents[i], &seen);
        if (err == -ERR_NO_GROUP)
            return unknown_parent(p, place, prefix, job, i);
        if (err)
            return problem_set(p, err, "%s", err_sentence(err));
    }
    return 0;
}

int submit_check_parents(const struct change *c, enum problem_place place, struct problem *p)
{
    char prefix[32];
    int err = check_parents_of(&c->one, place, "", p);
    for (size_t i = 0; i < c->items_count && !err; i++) {
        snprintf(prefix, sizeof(prefix), "/jobs/%zu", c->items[i].number);
        err = check_parents_of(&c->items[i], place, prefix, p);
    }
    return err;
}

static bool find_which(const struct change *c, const struct job *job, size_t *at)
{
    for (*at = 0; *at < job->parents_count; (*at)++) {
        if (id_equal(&job->parents[*at], &c->which))
            return true;
    }
    return false;
}

int submit_unknown(const struct change *c, enum problem_place place, struct problem *p)
{
    char prefix[32];
    size_t at;
    if (find_which(c, &c->one.job, &at))
        return unknown_parent(p, place, "", &c->one.job, at);
    for (size_t i = 0; i < c->items_count; i++) {
        if (find_which(c, &c->items[i].job, &at)) {
            snprintf(prefix, sizeof(prefix), "/jobs/%zu", c->items[i].number);
            return unknown_parent(p, PLACE_POINTER, prefix, &c->items[i].job, at);
        }
    }
    return problem_set(p, ERR_UNKNOWN_DEPENDENCY, "%s", err_sentence(ERR_UNKNOWN_DEPENDENCY));
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
