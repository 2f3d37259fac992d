/*
 * submit_raw.c - a body as it is -> a job; its parameters stand in the query, or, in
 * multipart/form-data, in parts beside the one that is the body. HTTP threads.
 */
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "../reader.h"
#include "input_check.h"
#include "json.h"
#include "multipart.h"
#include "request.h"
#include "submit_priv.h"
#include "task_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 16384 /* bytes of what stands for {input.x} of a command, as JSON */

/* ---- multipart ---- */

/* The parts that are parameters join those of the query. */
static int add_parameters(struct request *rq, const struct multipart_part *part, size_t n,
                          const struct multipart_part *file, struct problem *p)
{
    struct query_pair pair[MULTIPART_MAX];
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++) {
        const struct multipart_part *at = &part[i];
        if (at == file)
            continue;
        for (size_t k = 0, len; k < at->len; k += len) {
            unsigned char c = (unsigned char)at->data[k];
            len = buf_utf8(at->data + k, at->len - k);
            if (len == 0 || c < 0x20 || c == 0x7F)
                return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, at->name,
                                     "UTF-8 text without control characters", NULL);
        }
        pair[pairs++] = (struct query_pair){.name = at->name, .value = at->data};
    }
    if (!rq->query)
        rq->query = calloc(1, sizeof(*rq->query));
    int err = rq->query ? query_add(rq->query, pair, pairs) : -ERR_NOMEM;
    if (err == -ERR_BAD_PARAMETER)
        return problem_set(p, err, "there are more than %d parameters", QUERY_MAX);
    return err ? problem_set(p, err, "no memory for the parameters") : 0;
}

int submit_multipart(struct request *rq, struct problem *p)
{
    struct multipart_part part[MULTIPART_MAX];
    const struct multipart_part *file = NULL;
    const char *type = request_header(rq, "Content-Type"), *why = "";
    size_t n = 0, files = 0;
    if (!multipart_is(type))
        return 0;
    char nothing[1] = "";
    char *data = rq->body.data ? rq->body.data : nothing;
    if (multipart_parse(type, data, rq->body.len, part, &n, &why) != 0)
        return problem_set(p, ERR_BAD_REQUEST, "the multipart body: %s", why);
    for (size_t i = 0; i < n; i++) {
        files += part[i].file;
        file = part[i].file ? &part[i] : file;
    }
    if (files != 1 || !rq->body.data) /* without a body there is no part */
        return problem_set(p, ERR_BAD_REQUEST,
                           "a multipart body must have one part with a file name, not %zu", files);
    int err = add_parameters(rq, part, n, file, p);
    if (err)
        return err;
    rq->raw_type = strdup(file->type ? file->type : "application/octet-stream");
    if (!rq->raw_type)
        return problem_set(p, ERR_NOMEM, "no memory for the body");
    size_t len = file->len;
    memmove(rq->body.data, file->data, len); /* names and types of parts are no more */
    rq->body.len = len;
    rq->body.data[len] = '\0';
    return 0;
}

/* ---- what stands for {input.x} ---- */

static bool command_has(const struct taskdef *task, const char *name)
{
    const char *field;
    for (char *const *word = task->argv; word && *word; word++) {
        const char *at = *word;
        for (size_t len; taskdef_field(&at, &field, &len);) {
            if (len == strlen(name) && memcmp(field, name, len) == 0)
                return true;
        }
    }
    return false;
}

/* Behind the parameters of a submission, which are known everywhere: those of the command. */
static void tell_words(const struct taskdef *task, struct problem *p)
{
    const char *field;
    size_t at = strlen(p->detail), room = sizeof(p->detail);
    if (task->kind != TASK_COMMAND || task->input != TASK_INPUT_RAW)
        return;
    for (char *const *word = task->argv; *word; word++) {
        const char *rest = *word;
        for (size_t len; at < room && taskdef_field(&rest, &field, &len);)
            at += (size_t)snprintf(p->detail + at, room - at, ", %.*s", (int)len, field);
    }
}

static int add_word(struct terms *t, struct request *rq, const char *name)
{
    struct buf *out = &t->new->job.params;
    const char *value = request_param(rq, name, t->problem);
    if (!value)
        return -t->problem->err; /* given twice */
    buf_addc(out, out->len ? ',' : '{');
    buf_add_json_string(out, name, strlen(name));
    buf_addc(out, ':');
    buf_add_json_string(out, value, strlen(value));
    return 0;
}

/* Parameters that are not known otherwise are fields of the command, where it has such fields. */
static int take_words(struct terms *t, struct request *rq)
{
    const struct taskdef *task = &reader_tasks()->task[t->new->task_index];
    struct buf *out = &t->new->job.params;
    if (task->kind != TASK_COMMAND || task->input != TASK_INPUT_RAW || !rq->query)
        return 0;
    int err = 0;
    for (const char *name; !err && (name = query_unused(rq->query)) && command_has(task, name);)
        err = add_word(t, rq, name);
    if (err)
        return err;
    if (out->len > 0)
        buf_addc(out, '}');
    if (out->len > PARAMS_MAX)
        return problem_set(t->problem, ERR_BAD_PARAMETER,
                           "the parameters for the command take %zu bytes; at most %d", out->len,
                           PARAMS_MAX);
    return out->failed ? problem_set(t->problem, ERR_NOMEM, "no memory for the parameters") : 0;
}

/* ---- the body ---- */

/* Whether a body is JSON although it only says that it came of curl -d: a command says what it
 * takes; who has a schema may take bytes, too, and gets what looks like none of an object as it is.
 */
static bool is_for_json(uint32_t index, const struct buf *body)
{
    const struct taskdef *task = &reader_tasks()->task[index];
    if (task->kind == TASK_COMMAND || task->kind == TASK_PERSISTENT)
        return task->input == TASK_INPUT_JSON;
    size_t at = 0;
    while (at < body->len && jsonscan_blank(body->data[at]))
        at++;
    return input_is_checked(index) && at < body->len && body->data[at] == '{';
}

static int take_type(struct terms *t, struct request *rq)
{
    struct job *job = &t->new->job;
    const char *type = rq->raw_type ? rq->raw_type : request_header(rq, "Content-Type");
    if (!type || !*type)
        type = "application/octet-stream";
    size_t len = strlen(type);
    if (len > JOB_TYPE_MAX || !strchr(type, '/'))
        return problem_field(t->problem, ERR_BAD_HEADER, PLACE_HEADER, "Content-Type",
                             "a media type of at most 127 bytes", type);
    bool form = json_type_is_form(type) && is_for_json(t->new->task_index, &rq->body);
    if (form || json_type_is_json(type)) {
        int err = submit_check_whole(rq->body.data, rq->body.len, t->problem);
        if (!err)
            err = input_check(t->new->task_index, rq->body.data, rq->body.len, "", t->problem);
        if (err == -ERR_INVALID_INPUT)
            err = submit_later(t, err);
        if (err)
            return err;
        if (form || json_type_is_plain(type))
            return 0; /* the empty type */
    }
    memcpy(job->input_type, type, len + 1);
    return 0;
}

/* What was asked, the wait aside: who asks again may wait another time. */
static void raw_fingerprint(struct change *c, const struct request *rq)
{
    AUTO_BUF what = BUF_INIT;
    buf_addf(&what, "POST %s\n%s", rq->path, c->one.job.input_type);
    for (size_t i = 0; rq->query && i < rq->query->count; i++) {
        const struct query_item *item = &rq->query->item[i];
        if (strcmp(item->name, "wait") != 0)
            buf_addf(&what, "\n%s=%s", item->name, item->value);
    }
    submit_fingerprint(c, what.data ? what.data : "", rq->body.data, rq->body.len);
    c->one.job.tags.failed |= what.failed;
}

int submit_raw(struct change *c, struct request *rq, struct problem *p)
{
    struct terms t;
    struct problem late;
    submit_begin(&t, &c->one, p, PLACE_PARAMETER);
    t.late = submit_begin_late(c, &late);
    t.has_task = true;
    int err = task_name_find(rq->part.text, rq->part.len, &c->one.task_index, PLACE_NONE, p);
    if (!err)
        err = fields_take_params(&t, rq);
    if (!err)
        err = take_words(&t, rq);
    bool unknown = !err;
    if (unknown)
        err = request_no_more_params(rq, p);
    if (unknown && err == -ERR_BAD_PARAMETER)
        tell_words(&reader_tasks()->task[c->one.task_index], p);
    if (!err)
        err = take_type(&t, rq);
    if (err)
        return err;
    raw_fingerprint(c, rq);
    if (rq->body.len <= http_conf->inline_max)
        buf_add(&c->one.job.input, rq->body.data, rq->body.len);
    else
        buf_move(&c->one.job.input, &rq->body);
    err = submit_complete(&t);
    return err ? err : submit_now(c, t.late, p);
}
