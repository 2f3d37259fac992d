/*
 * schema_check.c - holds a JSON value against a compiled schema: the run, and the rules for scalars
 * and for other schemas of the same value (objects and arrays: schema_deep.c). Any thread; schema
 * and value are only read. Every look costs a step, so that the time is bounded whatever schema and
 * value are.
 */
#include "../common/err.h"
#include "schema_run.h"
#include "schema_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 1000u

/* ---- the run ---- */

bool run_spend(struct run *r, uint64_t n)
{
    if (r->err)
        return false;
    if (r->steps < n) {
        r->err = -ERR_TOO_COMPLEX;
        return false;
    }
    r->steps -= n;
    return true;
}

/* Appends "/part" whole or not at all. False: there was no room. */
static bool pointer_part(char *out, size_t size, size_t *at, const char *part)
{
    size_t n = *at;
    if (n + 2 > size)
        return false;
    out[n++] = '/';
    for (; *part; part++) {
        bool coded = *part == '~' || *part == '/';
        if (n + (coded ? 3 : 2) > size) {
            out[*at] = '\0';
            return false;
        }
        if (coded)
            out[n++] = '~';
        out[n++] = coded ? (*part == '~' ? '0' : '1') : *part;
    }
    out[n] = '\0';
    *at = n;
    return true;
}

static bool pointer_write(const struct way *w, char *out, size_t size, size_t *at)
{
    char index[24];
    if (!w)
        return true;
    if (!pointer_write(w->up, out, size, at))
        return false;
    snprintf(index, sizeof(index), "%zu", w->index);
    return pointer_part(out, size, at, w->name ? w->name : index);
}

bool run_fail(struct run *r, const char *fmt, ...)
{
    if (!r->report || r->err || r->report->count == SCHEMA_ERRORS_MAX)
        return false;
    struct schema_error *e = &r->report->error[r->report->count++];
    size_t at = (size_t)snprintf(e->pointer, sizeof(e->pointer), "%s", r->prefix);
    (void)pointer_write(r->way, e->pointer, sizeof(e->pointer), &at);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
    va_end(ap);
    /* no half of a character at the end */
    size_t n = strlen(e->detail);
    if (n == sizeof(e->detail) - 1) {
        while (n > 0 && ((unsigned char)e->detail[n - 1] & 0xc0) == 0x80)
            n--;
        e->detail[n > 0 && (unsigned char)e->detail[n - 1] >= 0xc0 ? n - 1 : n] = '\0';
    }
    return false;
}

/* Whether more errors are wanted after one was found. */
bool run_goes_on(const struct run *r)
{
    return !r->err && r->report && r->report->count < SCHEMA_ERRORS_MAX;
}

struct schema_report *run_hush(struct run *r)
{
    struct schema_report *kept = r->report;
    r->report = NULL;
    return kept;
}

bool run_child(struct run *r, uint32_t node, const json_t *v, const char *name, size_t index)
{
    struct way here = {r->way, name, index};
    r->way = &here;
    bool ok = run_node(r, node, v, NULL);
    r->way = here.up;
    return ok;
}

/* ---- what was looked at ---- */

static bool marks_begin(struct run *r, struct marks *m, const json_t *v)
{
    *m = (struct marks){.n = json_is_array(v) ? json_array_size(v) : json_object_size(v)};
    if (!run_spend(r, m->n / 8))
        return false;
    m->seen = calloc(m->n ? m->n : 1, 1);
    if (!m->seen)
        r->err = -ERR_NOMEM;
    return m->seen != NULL;
}

/* Ends the marks of a schema that was held against the same value; what it saw counts when it fits.
 */
static void marks_end(struct marks *of, bool ok, struct marks *into)
{
    for (size_t i = 0; ok && into && of->seen && i < of->n; i++)
        into->seen[i] |= of->seen[i];
    free(of->seen);
}

/* A schema held against the same value, whose marks count only when it fits. */
bool run_branch(struct run *r, uint32_t node, const json_t *v, struct marks *m)
{
    struct marks own;
    if (!m)
        return run_node(r, node, v, NULL);
    if (!marks_begin(r, &own, v))
        return false;
    bool ok = run_node(r, node, v, &own);
    marks_end(&own, ok, m);
    return ok;
}

/* ---- any type ---- */

static unsigned type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return OBJECT;
    case JSON_ARRAY:
        return ARRAY;
    case JSON_STRING:
        return STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return NUMBER;
    case JSON_NULL:
        return NULL_;
    default:
        return BOOLEAN;
    }
}

static const char *type_name(unsigned bit)
{
    return bit == NULL_     ? "null"
           : bit == BOOLEAN ? "true or false"
           : bit == OBJECT  ? "an object"
           : bit == ARRAY   ? "an array"
           : bit == NUMBER  ? "a number"
           : bit == STRING  ? "a string"
                            : "an integer";
}

bool check_type(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    unsigned type = type_of(v);
    bool ok =
        rule->count & type || (type == NUMBER && rule->count & INTEGER && value_is_integer(v));
    if (ok || !r->report)
        return ok;
    char want[128] = "", came[32] = "";
    size_t at = 0;
    for (unsigned bit = 1; bit <= INTEGER; bit <<= 1) {
        if (rule->count & bit)
            at += (size_t)snprintf(want + at, sizeof(want) - at, "%s%s", at ? " or " : "",
                                   type_name(bit));
    }
    if (type & (NUMBER | BOOLEAN))
        value_show(v, came, sizeof(came));
    return run_fail(r, "must be %s, not %s", want, came[0] ? came : type_name(type));
}

bool check_const(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    char want[120];
    bool ok = value_equal(rule->value, v, &r->steps);
    if (ok || !r->report)
        return ok;
    value_show(rule->value, want, sizeof(want));
    return run_fail(r, "must be %s", want);
}

bool check_enum(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    char want[180];
    for (size_t i = 0; i < json_array_size(rule->value); i++) {
        if (value_equal(json_array_get(rule->value, i), v, &r->steps))
            return true;
    }
    if (!r->report)
        return false;
    value_show(rule->value, want, sizeof(want));
    return run_fail(r, "must be one of %s", want);
}

/* ---- numbers ---- */

static bool bound(struct run *r, const struct rule *rule, const json_t *v, bool ok,
                  const char *words)
{
    char limit[40], came[40];
    if (ok || !r->report)
        return ok;
    value_show(rule->value, limit, sizeof(limit));
    value_show(v, came, sizeof(came));
    return run_fail(r, "must be %s %s, not %s", words, limit, came);
}

bool check_minimum(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return bound(r, rule, v, value_compare(v, rule->value) >= 0, "at least");
}

bool check_exclusiveMinimum(struct run *r, const struct rule *rule, const json_t *v,
                            struct marks *m)
{
    (void)m;
    return bound(r, rule, v, value_compare(v, rule->value) > 0, "more than");
}

bool check_maximum(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return bound(r, rule, v, value_compare(v, rule->value) <= 0, "at most");
}

bool check_exclusiveMaximum(struct run *r, const struct rule *rule, const json_t *v,
                            struct marks *m)
{
    (void)m;
    return bound(r, rule, v, value_compare(v, rule->value) < 0, "less than");
}

bool check_multipleOf(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return bound(r, rule, v, value_multiple(v, rule->value), "a multiple of");
}

/* ---- strings ---- */

bool run_count_ok(struct run *r, uint64_t n, uint64_t least, uint64_t most, const char *what)
{
    if (n < least)
        return run_fail(r, "must have at least %llu %s, not %llu", (unsigned long long)least, what,
                        (unsigned long long)n);
    if (n > most)
        return run_fail(r, "must have at most %llu %s, not %llu", (unsigned long long)most, what,
                        (unsigned long long)n);
    return true;
}

static uint64_t characters(struct run *r, const json_t *v)
{
    size_t len = json_string_length(v);
    return run_spend(r, len / 64) ? value_length(json_string_value(v), len) : 0;
}

bool check_minLength(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, characters(r, v), rule->count, UINT64_MAX, "characters");
}

bool check_maxLength(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, characters(r, v), 0, rule->count, "characters");
}

bool run_matches(struct run *r, const struct pattern *p, const char *text, size_t len)
{
    int n = r->err ? r->err : pattern_match(p, text, len, &r->steps);
    if (n < 0)
        r->err = n;
    return n > 0;
}

bool check_pattern(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    if (run_matches(r, rule->pattern[0], json_string_value(v), json_string_length(v)))
        return true;
    return run_fail(r, "must match the pattern %.160s", pattern_text(rule->pattern[0]));
}

bool check_format(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    size_t len = json_string_length(v);
    if (!rule->format || !run_spend(r, len / 16) || rule->format(json_string_value(v), len))
        return true;
    return run_fail(r, "must be of the format %s", json_string_value(rule->value));
}

/* ---- other schemas for the same value ---- */

bool check_ref(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    return run_branch(r, rule->node[0], v, m);
}

bool check_allOf(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    bool ok = true;
    for (size_t i = 0; i < rule->nodes && (ok || run_goes_on(r)); i++)
        ok = run_branch(r, rule->node[i], v, m) && ok;
    return ok;
}

/* How many of the schemas fit; stops when there are `enough` and nobody asks what they looked at.
 */
static size_t count_fits(struct run *r, const struct rule *rule, const json_t *v, struct marks *m,
                         size_t enough)
{
    struct schema_report *report = run_hush(r);
    size_t fits = 0;
    for (size_t i = 0; i < rule->nodes && !r->err && (m || fits < enough); i++)
        fits += run_branch(r, rule->node[i], v, m);
    r->report = report;
    return fits;
}

/* None fits: the errors of the one schema of the value's type, if there is just one. */
static bool explain(struct run *r, const struct rule *rule, const json_t *v)
{
    size_t of_type = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < rule->nodes; i++) {
        const struct node *n = &r->s->node[rule->node[i]];
        bool excluded = rule->node[i] == NODE_FALSE;
        for (size_t k = 0; k < n->rules; k++)
            excluded |= n->rule[k].keyword == KW_type && !(n->rule[k].count & type_of(v)) &&
                        !(type_of(v) == NUMBER && n->rule[k].count & INTEGER);
        if (excluded)
            continue;
        of_type++;
        node = rule->node[i];
    }
    unsigned before = r->report->count;
    if (of_type == 1 && run_goes_on(r))
        (void)run_node(r, node, v, NULL);
    return r->report->count > before;
}

bool check_anyOf(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    if (count_fits(r, rule, v, m, 1) > 0)
        return true;
    if (r->report && !explain(r, rule, v))
        return run_fail(r, "fits none of the %zu schemas of `anyOf`", rule->nodes);
    return false;
}

bool check_oneOf(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    size_t n = count_fits(r, rule, v, m, 2);
    if (n == 1)
        return true;
    if (n > 1)
        return run_fail(r, "fits more than one of the %zu schemas of `oneOf`", rule->nodes);
    if (r->report && !explain(r, rule, v))
        return run_fail(r, "fits none of the %zu schemas of `oneOf`", rule->nodes);
    return false;
}

bool check_not(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    struct schema_report *report = run_hush(r);
    bool fits = run_node(r, rule->node[0], v, NULL);
    r->report = report;
    return !fits || run_fail(r, "must not fit the schema of `not`");
}

bool check_if(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    struct schema_report *report = run_hush(r);
    const struct rule *next = rule->with[!run_branch(r, rule->node[0], v, m)];
    r->report = report;
    return !next || run_branch(r, next->node[0], v, m);
}

/* ---- the whole ---- */

static bool (*const checks[KEYWORDS])(struct run *r, const struct rule *rule, const json_t *v,
                                      struct marks *m) = {
#define RULE(symbol, name, argument, types) [KW_##symbol] = check_##symbol,
#define PART(symbol, name, argument)
#define REMARK(symbol, name, argument)
#include "schema.def"
};

static bool rules_check(struct run *r, const struct node *n, const json_t *v, struct marks *m)
{
    unsigned type = type_of(v);
    bool ok = true;
    for (size_t i = 0; i < n->rules; i++) {
        const struct rule *rule = &n->rule[i];
        if (!(rule->types & type))
            continue;
        bool late =
            rule->keyword == KW_unevaluatedProperties || rule->keyword == KW_unevaluatedItems;
        if (!run_spend(r, 1) || (!ok && (late || !run_goes_on(r))))
            break;
        ok = checks[rule->keyword](r, rule, v, m) && ok;
        if (r->steps == 0 && !r->err)
            r->err = -ERR_TOO_COMPLEX;
    }
    return ok && !r->err;
}

/* m: where to note what was looked at, or NULL when nobody asks. */
bool run_node(struct run *r, uint32_t index, const json_t *v, struct marks *m)
{
    const struct node *n = &r->s->node[index];
    struct marks own = {0};
    if (!run_spend(r, 1))
        return false;
    if (index == NODE_FALSE)
        return run_fail(r, "is not allowed here");
    if (r->depth == DEPTH_MAX) {
        r->err = -ERR_TOO_COMPLEX;
        return false;
    }
    bool asks = n->unevaluated && (json_is_object(v) || json_is_array(v));
    if (asks && !marks_begin(r, &own, v))
        return false;
    r->depth++;
    bool ok = rules_check(r, n, v, asks ? &own : m);
    r->depth--;
    if (asks)
        marks_end(&own, ok, m);
    return ok;
}

int schema_check(const struct schema *s, const json_t *value, const char *prefix, uint64_t steps,
                 struct schema_report *report)
{
    struct run r = {.s = s, .steps = steps, .report = report, .prefix = prefix};
    report->count = 0;
    bool ok = run_node(&r, s->root, value, NULL);
    if (r.err) {
        report->count = 0;
        return r.err;
    }
    return ok ? 0 : -ERR_INVALID_INPUT;
}
