/* schema_deep.c - the rules of JSON Schema for objects and arrays. Any thread; all is only read. */
#include "../common/err.h"
#include "schema_run.h"
#include "schema_value.h"

#include <stdlib.h>
#include <string.h>

/* ---- objects ---- */

bool check_minProperties(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, json_object_size(v), rule->count, UINT64_MAX, "properties");
}

bool check_maxProperties(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, json_object_size(v), 0, rule->count, "properties");
}

/* All names are there; `because`: the property that asks for them, or NULL. */
static bool all_there(struct run *r, const json_t *names, const json_t *v, const char *because)
{
    bool ok = true;
    for (size_t i = 0; i < json_array_size(names) && (ok || run_goes_on(r)); i++) {
        const json_t *name = json_array_get(names, i);
        if (!run_spend(r, 1))
            return false;
        if (json_object_getn(v, json_string_value(name), json_string_length(name)))
            continue;
        ok = because ? run_fail(r, "lacks the property `%.64s`, which `%.64s` asks for",
                                json_string_value(name), because)
                     : run_fail(r, "lacks the property `%.64s`", json_string_value(name));
    }
    return ok;
}

bool check_required(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return all_there(r, rule->value, v, NULL);
}

bool check_dependentRequired(struct run *r, const struct rule *rule, const json_t *v,
                             struct marks *m)
{
    (void)m;
    const char *name;
    json_t *names;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)rule->value, name, names)
    {
        if (!run_spend(r, 1) || (!ok && !run_goes_on(r)))
            return false;
        if (json_object_get(v, name))
            ok = all_there(r, names, v, name) && ok;
    }
    return ok;
}

/* Calls `each` for every member with its place in the order of iteration. */
#define EACH_MEMBER(v, i, name, len, member)                                                       \
    i = 0;                                                                                         \
    for (void *iter_ = json_object_iter((json_t *)(uintptr_t)(v));                                 \
         iter_ && ((name) = json_object_iter_key(iter_), (len) = json_object_iter_key_len(iter_),  \
                  (member) = json_object_iter_value(iter_), true);                                 \
         iter_ = json_object_iter_next((json_t *)(uintptr_t)(v), iter_), (i)++)

struct member {
    size_t i, len;
    const char *name;
    const json_t *value;
};

bool check_propertyNames(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    struct member e;
    bool ok = true;
    EACH_MEMBER(v, e.i, e.name, e.len, e.value)
    {
        if (!ok && !run_goes_on(r))
            return false;
        json_t *name = json_stringn_nocheck(e.name, e.len);
        if (!name) {
            r->err = -ERR_NOMEM;
            return false;
        }
        struct schema_report *report = run_hush(r);
        bool fits = run_node(r, rule->node[0], name, NULL);
        r->report = report;
        if (!fits)
            ok = run_fail(r, "has the property `%.64s`, whose name is not allowed", e.name);
        json_decref(name);
    }
    return ok;
}

bool check_properties(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    struct member e;
    bool ok = true;
    EACH_MEMBER(v, e.i, e.name, e.len, e.value)
    {
        const json_t *at = json_object_getn(rule->at, e.name, e.len);
        if (!run_spend(r, 1) || (!ok && !run_goes_on(r)))
            return false;
        if (!at)
            continue;
        ok = run_child(r, rule->node[json_integer_value(at)], e.value, e.name, 0) && ok;
        marks_set(m, e.i);
    }
    return ok;
}

bool check_patternProperties(struct run *r, const struct rule *rule, const json_t *v,
                             struct marks *m)
{
    struct member e;
    bool ok = true;
    EACH_MEMBER(v, e.i, e.name, e.len, e.value)
    {
        for (size_t k = 0; k < rule->patterns; k++) {
            if (r->err || (!ok && !run_goes_on(r)))
                return false;
            if (!run_matches(r, rule->pattern[k], e.name, e.len))
                continue;
            ok = run_child(r, rule->node[k], e.value, e.name, 0) && ok;
            marks_set(m, e.i);
        }
    }
    return ok;
}

/* Whether `properties` or `patternProperties` beside it speak of the member. */
static bool is_named(struct run *r, const struct rule *rule, const struct member *e)
{
    const struct rule *properties = rule->with[0], *patterns = rule->with[1];
    if (properties && json_object_getn(properties->at, e->name, e->len))
        return true;
    for (size_t k = 0; patterns && k < patterns->patterns; k++) {
        if (run_matches(r, patterns->pattern[k], e->name, e->len))
            return true;
    }
    return false;
}

/* One member that no other rule speaks of. */
static bool other_member(struct run *r, const struct rule *rule, const struct member *e)
{
    if (rule->node[0] != NODE_FALSE)
        return run_child(r, rule->node[0], e->value, e->name, 0);
    struct way here = {r->way, e->name, 0};
    r->way = &here;
    (void)run_fail(r, "is not a property that is known here");
    r->way = here.up;
    return false;
}

bool check_additionalProperties(struct run *r, const struct rule *rule, const json_t *v,
                                struct marks *m)
{
    struct member e;
    bool ok = true;
    EACH_MEMBER(v, e.i, e.name, e.len, e.value)
    {
        if (!run_spend(r, 1) || (!ok && !run_goes_on(r)))
            return false;
        if (is_named(r, rule, &e))
            continue;
        ok = other_member(r, rule, &e) && ok;
        marks_set(m, e.i);
    }
    return ok;
}

bool check_unevaluatedProperties(struct run *r, const struct rule *rule, const json_t *v,
                                 struct marks *m)
{
    struct member e;
    bool ok = true;
    EACH_MEMBER(v, e.i, e.name, e.len, e.value)
    {
        if (!run_spend(r, 1) || (!ok && !run_goes_on(r)))
            return false;
        if (!m->seen[e.i])
            ok = other_member(r, rule, &e) && ok;
    }
    marks_all(m);
    return ok;
}

bool check_dependentSchemas(struct run *r, const struct rule *rule, const json_t *v,
                            struct marks *m)
{
    const char *name;
    json_t *at;
    bool ok = true;
    json_object_foreach(rule->at, name, at)
    {
        if (!run_spend(r, 1) || (!ok && !run_goes_on(r)))
            return false;
        if (json_object_get(v, name))
            ok = run_branch(r, rule->node[json_integer_value(at)], v, m) && ok;
    }
    return ok;
}

/* ---- arrays ---- */

bool check_minItems(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, json_array_size(v), rule->count, UINT64_MAX, "items");
}

bool check_maxItems(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    return run_count_ok(r, json_array_size(v), 0, rule->count, "items");
}

struct hashed {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Of items sorted by hash. */
static bool all_differ(struct run *r, const json_t *v, const struct hashed *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n && h[k].hash == h[i].hash; k++) {
            if (value_equal(json_array_get(v, h[i].index), json_array_get(v, h[k].index),
                            &r->steps))
                return run_fail(r, "must have no item twice: %zu and %zu are equal", h[i].index,
                                h[k].index);
        }
    }
    return true;
}

bool check_uniqueItems(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    (void)m;
    size_t n = json_array_size(v);
    if (!rule->count || n < 2)
        return true;
    struct hashed *h = malloc(n * sizeof(*h));
    if (!h) {
        r->err = -ERR_NOMEM;
        return false;
    }
    for (size_t i = 0; i < n; i++)
        h[i] = (struct hashed){value_hash(json_array_get(v, i), &r->steps), i};
    bool ok = r->steps > 0;
    if (ok) {
        qsort(h, n, sizeof(*h), by_hash);
        ok = all_differ(r, v, h, n);
    }
    free(h);
    return ok;
}

bool check_prefixItems(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    bool ok = true;
    for (size_t i = 0; i < rule->nodes && i < json_array_size(v) && (ok || run_goes_on(r)); i++) {
        ok = run_child(r, rule->node[i], json_array_get(v, i), NULL, i) && ok;
        marks_set(m, i);
    }
    return ok;
}

bool check_items(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    size_t n = json_array_size(v), first = rule->with[0] ? rule->with[0]->nodes : 0;
    bool ok = true;
    if (rule->node[0] == NODE_FALSE && n > first)
        return run_count_ok(r, n, 0, first, "items");
    for (size_t i = first; i < n && (ok || run_goes_on(r)); i++)
        ok = run_child(r, rule->node[0], json_array_get(v, i), NULL, i) && ok;
    marks_all(m);
    return ok;
}

bool check_contains(struct run *r, const struct rule *rule, const json_t *v, struct marks *m)
{
    uint64_t least = rule->with[0] ? rule->with[0]->count : 1, found = 0;
    uint64_t most = rule->with[1] ? rule->with[1]->count : UINT64_MAX;
    struct schema_report *report = run_hush(r);
    for (size_t i = 0; i < json_array_size(v) && !r->err; i++) {
        if (!run_node(r, rule->node[0], json_array_get(v, i), NULL))
            continue;
        found++;
        marks_set(m, i);
        if (!m && found >= least && most == UINT64_MAX)
            break;
    }
    r->report = report;
    return run_count_ok(r, found, least, most, "items that fit `contains`");
}

bool check_unevaluatedItems(struct run *r, const struct rule *rule, const json_t *v,
                            struct marks *m)
{
    bool ok = true;
    for (size_t i = 0; i < json_array_size(v) && (ok || run_goes_on(r)); i++) {
        if (run_spend(r, 1) && !m->seen[i])
            ok = run_child(r, rule->node[0], json_array_get(v, i), NULL, i) && ok;
    }
    marks_all(m);
    return ok;
}
