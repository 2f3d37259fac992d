/*
 * submit_json.c - a job as JSON: its text checked, its members taken.
 *
 * The caller's input is never rebuilt: it is a span of the body as it came. jansson reads the body
 * once for what a span check cannot see (names given twice) and for the values of our own fields.
 */
#include "submit_priv.h"

#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "../tree.h"
#include "input_check.h"
#include "request.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LOOK 64 /* names that are longer are of no field: the tree tells which */

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
    struct jsonscan_look look;
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
                       json_is_array(root) ? ", not an array" : "");
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

static bool is_array(const char *text, size_t len)
{
    while (len > 0 && jsonscan_blank(*text)) {
        text++;
        len--;
    }
    return len > 0 && *text == '[';
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
    if (is_array(body, len))
        return problem_set(p, ERR_BAD_FIELD,
                           "the body must be an object, not an array; many jobs at once go to "
                           "/v1/jobs/batch, as {\"jobs\":[…]}");
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
