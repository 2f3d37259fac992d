/*
 * submit_many.c - many jobs in one submission: a batch, or lines; and the names by which they refer
 * to each other. HTTP threads.
 */
#include "submit_priv.h"

#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "request.h"
#include "webhook.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF_COST 256 /* bytes that a name takes, about */

struct refs {
    json_t *index; /* name -> index in id */
    struct id *id;
    size_t count;
};

bool refs_find(const struct refs *refs, const char *name, struct id *id)
{
    json_t *at = json_object_get(refs->index, name);
    if (!at)
        return false;
    *id = refs->id[json_integer_value(at)];
    return true;
}

int refs_add(struct refs *refs, const char *name, const struct id *id, struct terms *t)
{
    struct id ignored;
    if (refs_find(refs, name, &ignored)) {
        int err = fields_refuse(t, "ref", "the name of one job", name);
        snprintf(t->problem->detail, sizeof(t->problem->detail),
                 "`%s/ref`: an earlier job of the batch has the `ref` `%s` already", t->prefix + 1,
                 name);
        return err;
    }
    struct id *more = realloc(refs->id, (refs->count + 1) * sizeof(*more));
    if (more)
        refs->id = more;
    if (!more || json_object_set_new(refs->index, name, json_integer((json_int_t)refs->count)) != 0)
        return problem_set(t->problem, ERR_NOMEM, "no memory for the batch");
    refs->id[refs->count++] = *id;
    t->new->ref = (uint32_t)refs->count;
    return 0;
}

struct submit_lines {
    struct refs refs;
    struct problem *late; /* of struct terms */
    size_t cap;           /* of the change's items */
    size_t parents;       /* that the jobs of a batch depend on */
};

struct submit_lines *submit_lines_new(void)
{
    struct submit_lines *l = calloc(1, sizeof(*l));
    if (l)
        l->refs.index = json_object();
    if (l && !l->refs.index) {
        free(l);
        return NULL;
    }
    return l;
}

void submit_lines_free(struct submit_lines *l)
{
    if (!l)
        return;
    json_decref(l->refs.index);
    free(l->refs.id);
    free(l);
}

size_t submit_lines_memory(const struct submit_lines *l)
{
    return l->refs.count * REF_COST;
}

void submit_lines_kept(struct submit_lines *l, const struct change *c)
{
    for (size_t i = 0; i < c->items_count; i++) {
        const struct new_job *n = &c->items[i];
        if (n->duplicate && n->ref)
            l->refs.id[n->ref - 1] = n->job.id;
    }
}

bool submit_lines_refs(const struct submit_lines *l)
{
    return json_object_size(l->refs.index) > 0;
}

static struct new_job *next_item(struct submit_lines *l, struct change *c)
{
    if (c->items_count == 0)
        l->cap = c->items ? l->cap : 0;
    if (c->items_count == l->cap) {
        size_t more = l->cap ? l->cap * 2 : 16;
        struct new_job *items = realloc(c->items, more * sizeof(*items));
        if (!items)
            return NULL;
        c->items = items;
        l->cap = more;
    }
    struct new_job *n = &c->items[c->items_count++];
    new_job_init(n);
    return n;
}

/* A checked text that is one job of a batch. */
static int submit_item(struct submit_lines *l, struct change *c, const char *text, size_t len,
                       const struct jsonscan_look *look, size_t number, struct problem *p)
{
    struct terms t;
    struct new_job *n = next_item(l, c);
    if (!n)
        return problem_set(p, ERR_NOMEM, "no memory for the batch");
    submit_begin(&t, n, p, PLACE_POINTER);
    t.refs = &l->refs;
    t.late = l->late;
    snprintf(t.prefix, sizeof(t.prefix), "/jobs/%zu", number);
    n->job.group = c->group;
    n->number = number;
    return submit_text(&t, text, len, look);
}

int submit_line(struct submit_lines *l, struct change *c, const char *line, size_t len,
                size_t number, struct problem *p)
{
    size_t where = 0;
    const char *why = "";
    struct jsonscan_look look;
    unsigned depth = (unsigned)http_conf->max_json_depth;
    int err = jsonscan_look(line, len, depth, &where, &why, &look);
    if (err)
        return problem_set(p, err, "line %zu: at byte %zu: %s", number + 1, where, why);
    if (line[strspn(line, " \t\r")] != '{')
        return problem_set(p, ERR_BAD_FIELD, "line %zu: a job must be an object", number + 1);
    err = submit_item(l, c, line, len, &look, number, p);
    if (err)
        problem_in_line(p);
    return err;
}

size_t submit_count_new(const struct change *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->items_count; i++)
        n += !c->items[i].duplicate;
    return n;
}

struct batch_walk {
    struct submit_lines *lines;
    struct change *change;
    struct problem *problem;
    bool has_jobs;
    int err;
};

/* Each takes the writer's time, in one transaction. */
static int count_parents(struct submit_lines *l, const struct change *c, size_t index,
                         struct problem *p)
{
    char field[64], limit[120], value[32];
    l->parents += c->items[index].job.parents_count;
    if (l->parents <= (size_t)http_conf->max_batch_depends_on)
        return 0;
    snprintf(field, sizeof(field), "/jobs/%zu/depends_on", index);
    snprintf(limit, sizeof(limit),
             "with those of the jobs before it at most %lld ids (`max_batch_depends_on`)",
             (long long)http_conf->max_batch_depends_on);
    snprintf(value, sizeof(value), "%zu", l->parents);
    return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, field, limit, value);
}

static bool each_job(void *arg, size_t index, const char *value, size_t vlen)
{
    struct batch_walk *b = arg;
    if ((int64_t)index >= http_conf->max_batch_jobs) {
        char limit[64];
        snprintf(limit, sizeof(limit), "an array of at most %lld jobs",
                 (long long)http_conf->max_batch_jobs);
        b->err = problem_field(b->problem, ERR_BAD_FIELD, PLACE_POINTER, "/jobs", limit, NULL);
    } else {
        struct jsonscan_look look;
        submit_look(value, vlen, &look);
        b->err = submit_item(b->lines, b->change, value, vlen, &look, index, b->problem);
        if (!b->err)
            b->err = count_parents(b->lines, b->change, index, b->problem);
    }
    return b->err == 0;
}

static int take_url(struct batch_walk *b, const char *value, size_t vlen)
{
    struct buf *out = &b->change->callback_url;
    char url[JOB_URL_MAX + 1];
    if (value[0] != '"' || !jsonscan_text(out, value, vlen) || !submit_url_ok(out->data, out->len))
        return problem_field(b->problem, ERR_BAD_FIELD, PLACE_POINTER, "/callback_url",
                             SUBMIT_URL_TEXT, NULL);
    memcpy(url, out->data, out->len);
    url[out->len] = 0;
    struct terms t = {.problem = b->problem, .late = b->lines->late};
    return webhook_host_ok(url)
               ? 0
               : submit_later(&t, problem_field(b->problem, ERR_BAD_FIELD, PLACE_POINTER,
                                                "/callback_url", SUBMIT_HOST_TEXT, url));
}

static bool take_batch_member(struct batch_walk *b, const char *name, size_t nlen,
                              const char *value, size_t vlen)
{
    bool jobs = nlen == 4 && memcmp(name, "jobs", 4) == 0;
    bool url = nlen == 12 && memcmp(name, "callback_url", 12) == 0;
    if (jobs && !b->has_jobs) {
        b->has_jobs = true;
        if (!jsonscan_elements(value, vlen, each_job, b))
            b->err = problem_field(b->problem, ERR_BAD_FIELD, PLACE_POINTER, "/jobs",
                                   "an array of jobs", NULL);
    } else if (url && b->change->callback_url.len == 0) {
        b->err = take_url(b, value, vlen);
    } else if (jobs || url) {
        b->err = problem_set(b->problem, ERR_BAD_JSON, "`%.*s` is given twice", (int)nlen, name);
    } else {
        char field[96];
        snprintf(field, sizeof(field), "/%.*s", (int)(nlen < 80 ? nlen : 80), name);
        b->err = problem_unknown(b->problem, field, "jobs, callback_url");
    }
    return b->err == 0;
}

static bool each_member(void *arg, const char *name, size_t nlen, const char *value, size_t vlen)
{
    struct batch_walk *b = arg;
    AUTO_BUF plain = BUF_INIT;
    if (memchr(name, '\\', nlen)) { /* with its quotes it is a value */
        jsonscan_text(&plain, name - 1, nlen + 2);
        if (plain.failed)
            b->err = problem_set(b->problem, ERR_NOMEM, "no memory for the batch");
        name = plain.data ? plain.data : "";
        nlen = plain.len;
    }
    return !b->err && take_batch_member(b, name, nlen, value, vlen);
}

int submit_batch(struct change *c, const char *body, size_t len, struct problem *p)
{
    struct batch_walk b = {.change = c, .problem = p};
    struct problem late;
    int err = submit_check_text(body, len, NULL, p);
    if (!err && id_new(&c->group) != 0)
        err = problem_set(p, ERR_SYSTEM, "no random bytes for an id");
    if (err)
        return err;
    c->begin = true;
    snprintf(c->owner, sizeof(c->owner), "%s", caller_owner(auth_caller));
    b.lines = submit_lines_new();
    struct problem *put_off = submit_begin_late(c, &late);
    if (b.lines)
        b.lines->late = put_off;
    if (!b.lines)
        b.err = problem_set(p, ERR_NOMEM, "no memory for the batch");
    else if (!jsonscan_each(body, len, each_member, &b))
        b.err = problem_set(p, ERR_BAD_FIELD, "the body must be an object with `jobs`");
    else if (!b.err && c->items_count == 0)
        b.err = problem_missing(p, "/jobs", "an array of at least one job");
    submit_lines_free(b.lines);
    submit_fingerprint(c, "POST /v1/jobs/batch", body, len);
    return b.err ? b.err : submit_now(c, put_off, p);
}
