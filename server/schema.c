/*
 * schema.c - compiles a JSON Schema: each schema in it becomes a node, each keyword a rule, each
 * $ref an index (schema_ref.c). Before any thread exists; what it makes is immutable.
 */
#include "schema.h"

#include "../common/err.h"
#include "../common/jsonscan.h"
#include "schema_build.h"
#include "schema_value.h"

#include <stdlib.h>
#include <string.h>

int schema_bad(struct builder *b, const char *where, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_addf(b->why, "#%s: ", where ? where : "");
    buf_vaddf(b->why, fmt, ap);
    va_end(ap);
    return -ERR_CONFIG;
}

#define bad(b, ...) schema_bad(b, (b)->where.data, __VA_ARGS__)

/* Goes one part deeper; leave() with what it returned goes back. */
static size_t enter(struct builder *b, const char *part)
{
    size_t mark = b->where.len;
    buf_addc(&b->where, '/');
    for (; *part; part++) {
        if (*part == '~' || *part == '/')
            buf_adds(&b->where, *part == '~' ? "~0" : "~1");
        else
            buf_addc(&b->where, *part);
    }
    return mark;
}

static size_t enter_index(struct builder *b, size_t i)
{
    size_t mark = b->where.len;
    buf_addf(&b->where, "/%zu", i);
    return mark;
}

static void leave(struct builder *b, size_t mark)
{
    b->where.len = mark;
    if (b->where.data)
        b->where.data[mark] = '\0';
}

/* ---- arguments: each reads rule->value into the rule ---- */

static int arg_any(struct builder *b, struct rule *r)
{
    (void)b, (void)r;
    return 0;
}

static int arg_text(struct builder *b, struct rule *r)
{
    return json_is_string(r->value) ? 0 : bad(b, "must be a string");
}

static int arg_bool(struct builder *b, struct rule *r)
{
    r->count = json_is_true(r->value);
    return json_is_boolean(r->value) ? 0 : bad(b, "must be true or false");
}

static int arg_array(struct builder *b, struct rule *r)
{
    return json_is_array(r->value) ? 0 : bad(b, "must be an array");
}

static int arg_number(struct builder *b, struct rule *r)
{
    return json_is_number(r->value) ? 0 : bad(b, "must be a number");
}

static int arg_positive(struct builder *b, struct rule *r)
{
    bool ok = json_is_number(r->value) && json_number_value(r->value) > 0;
    return ok ? 0 : bad(b, "must be a number greater than 0");
}

static int arg_count(struct builder *b, struct rule *r)
{
    if (!json_is_number(r->value) || !value_is_integer(r->value) || json_number_value(r->value) < 0)
        return bad(b, "must be a whole number of at least 0");
    if (json_is_integer(r->value))
        r->count = (uint64_t)json_integer_value(r->value);
    else
        r->count =
            json_real_value(r->value) < 1e18 ? (uint64_t)json_real_value(r->value) : UINT64_MAX;
    return 0;
}

static int arg_dialect(struct builder *b, struct rule *r)
{
    static const char uri[] = "https://json-schema.org/draft/2020-12/schema";
    const char *text = json_string_value(r->value);
    size_t n = sizeof(uri) - 1;
    if (!text || strncmp(text, uri, n) != 0 || (text[n] && strcmp(text + n, "#") != 0))
        return bad(b, "must be %s: no other draft is supported", uri);
    return b->current == b->s->root ? 0 : bad(b, "may stand at the root only");
}

static int arg_id(struct builder *b, struct rule *r)
{
    const char *text = json_string_value(r->value);
    if (!text || (strchr(text, '#') && strchr(text, '#')[1]))
        return bad(b, "must be a URI without a fragment");
    if (b->current != b->s->root)
        return bad(b, "`$id` is supported at the root only; use $defs, or $anchor");
    b->base = text;
    return 0;
}

static int arg_anchor(struct builder *b, struct rule *r)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-.";
    const char *name = json_string_value(r->value);
    if (!name || strspn(name, first) < 1 || strspn(name, rest) != strlen(name))
        return bad(b, "must be a name of letters, digits and _ - .");
    for (size_t i = 0; i < b->anchors; i++) {
        if (strcmp(b->anchor[i].name, name) == 0)
            return bad(b, "the anchor `%s` is there twice", name);
    }
    struct anchor *more = realloc(b->anchor, (b->anchors + 1) * sizeof(*more));
    if (!more)
        return -ERR_NOMEM;
    b->anchor = more;
    b->anchor[b->anchors++] = (struct anchor){name, b->s->node[b->current].value};
    return 0;
}

static int type_bit(const char *name)
{
    static const struct {
        const char *name;
        int bit;
    } types[] = {{"null", NULL_},    {"boolean", BOOLEAN}, {"object", OBJECT},  {"array", ARRAY},
                 {"number", NUMBER}, {"string", STRING},   {"integer", INTEGER}};
    for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].bit;
    }
    return 0;
}

static int arg_type(struct builder *b, struct rule *r)
{
    size_t n = json_is_array(r->value) ? json_array_size(r->value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *each = json_is_array(r->value) ? json_array_get(r->value, i) : r->value;
        unsigned bit = (unsigned)type_bit(json_string_value(each));
        if (!bit)
            return bad(b, "must be of null, boolean, object, array, number, string, integer");
        if (r->count & bit)
            return bad(b, "names a type twice");
        r->count |= bit;
    }
    return n ? 0 : bad(b, "names no type");
}

static int names_check(struct builder *b, const json_t *names)
{
    if (!json_is_array(names))
        return bad(b, "must be an array of names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name)
            return bad(b, "must be an array of names");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(json_string_value(json_array_get(names, k)), name) == 0)
                return bad(b, "has the name `%.64s` twice", name);
        }
    }
    return 0;
}

static int arg_names(struct builder *b, struct rule *r)
{
    return names_check(b, r->value);
}

static int arg_names_map(struct builder *b, struct rule *r)
{
    const char *name;
    json_t *names;
    int err = 0;
    if (!json_is_object(r->value))
        return bad(b, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)r->value, name, names)
    {
        size_t mark = enter(b, name);
        err = names_check(b, names);
        leave(b, mark);
        if (err)
            break;
    }
    return err;
}

static int nodes_new(struct rule *r, size_t n)
{
    r->node = calloc(n ? n : 1, sizeof(*r->node));
    return r->node ? 0 : -ERR_NOMEM;
}

static int arg_schema(struct builder *b, struct rule *r)
{
    int err = nodes_new(r, 1);
    if (!err)
        err = schema_node(b, r->value, &r->node[r->nodes++]);
    return err;
}

static int arg_schemas(struct builder *b, struct rule *r)
{
    size_t n = json_array_size(r->value);
    if (!json_is_array(r->value) || n == 0)
        return bad(b, "must be an array of at least one schema");
    int err = nodes_new(r, n);
    for (size_t i = 0; i < n && !err; i++) {
        size_t mark = enter_index(b, i);
        err = schema_node(b, json_array_get(r->value, i), &r->node[r->nodes++]);
        leave(b, mark);
    }
    return err;
}

static int pattern_of(struct builder *b, const char *text, struct rule *r)
{
    AUTO_BUF why = BUF_INIT;
    int err = pattern_compile(text, strlen(text), &r->pattern[r->patterns], &why);
    if (err == -ERR_CONFIG)
        return bad(b, "%s", why.data ? why.data : "the pattern is wrong");
    r->patterns += !err;
    return err;
}

static int map_of(struct builder *b, struct rule *r, bool patterns)
{
    const char *name;
    json_t *each;
    if (!json_is_object(r->value))
        return bad(b, "must be an object whose members are schemas");
    size_t n = json_object_size(r->value);
    int err = nodes_new(r, n);
    r->at = json_object();
    r->pattern = patterns ? calloc(n + 1, sizeof(*r->pattern)) : NULL;
    if (!r->at || (patterns && !r->pattern))
        return -ERR_NOMEM;
    json_object_foreach((json_t *)(uintptr_t)r->value, name, each)
    {
        if (err)
            break;
        size_t mark = enter(b, name);
        if (json_object_set_new(r->at, name, json_integer((json_int_t)r->nodes)) != 0)
            err = -ERR_NOMEM;
        if (!err && patterns)
            err = pattern_of(b, name, r);
        if (!err)
            err = schema_node(b, each, &r->node[r->nodes++]);
        leave(b, mark);
    }
    return err;
}

static int arg_schema_map(struct builder *b, struct rule *r)
{
    return map_of(b, r, false);
}

static int arg_pattern_map(struct builder *b, struct rule *r)
{
    return map_of(b, r, true);
}

static int arg_pattern(struct builder *b, struct rule *r)
{
    if (!json_is_string(r->value))
        return bad(b, "must be a string");
    r->pattern = calloc(1, sizeof(*r->pattern));
    return r->pattern ? pattern_of(b, json_string_value(r->value), r) : -ERR_NOMEM;
}

static int arg_format(struct builder *b, struct rule *r)
{
    char known[256];
    const char *name = json_string_value(r->value);
    if (!name)
        return bad(b, "must be a string");
    if (!b->formats)
        return 0;
    format_names(known, sizeof(known));
    r->format = format_find(name);
    return r->format ? 0 : bad(b, "`%.64s` is not known; known are %s", name, known);
}

static int arg_ref(struct builder *b, struct rule *r)
{
    if (!json_is_string(r->value))
        return bad(b, "must be a string");
    struct reference *more = realloc(b->reference, (b->references + 1) * sizeof(*more));
    if (!more)
        return -ERR_NOMEM;
    b->reference = more;
    b->reference[b->references++] =
        (struct reference){r, b->current, strdup(b->where.data ? b->where.data : "")};
    return b->reference[b->references - 1].where ? nodes_new(r, 1) : -ERR_NOMEM;
}

/* ---- keywords ---- */

static const struct keyword_row {
    const char *name;
    int (*argument)(struct builder *b, struct rule *r);
    unsigned types;
} keywords[KEYWORDS] = {
#define RULE(symbol, name, argument, types) [KW_##symbol] = {name, argument, types},
#define PART(symbol, name, argument)        [KW_##symbol] = {name, argument, 0},
#define REMARK(symbol, name, argument)      [KW_##symbol] = {name, argument, 0},
#include "schema.def"
};

/* Which keywords beside it change what a keyword says. */
static const struct {
    enum keyword keyword, with[2];
} companions[] = {
    {KW_additionalProperties, {KW_properties, KW_patternProperties}},
    {KW_items, {KW_prefixItems, KEYWORDS}},
    {KW_contains, {KW_minContains, KW_maxContains}},
    {KW_if, {KW_then, KW_else}},
};

static int unknown_keyword(struct builder *b, const char *name)
{
    static const char *const instead[][2] = {
        {"definitions", "$defs"},
        {"dependencies", "dependentRequired or dependentSchemas"},
        {"additionalItems", "prefixItems and items"},
        {"$dynamicRef", "$ref"},
        {"$dynamicAnchor", "$anchor"},
        {"id", "$id"},
    };
    for (size_t i = 0; i < sizeof(instead) / sizeof(instead[0]); i++) {
        if (strcmp(instead[i][0], name) == 0)
            return bad(b, "the keyword `%s` is not supported; use %s", name, instead[i][1]);
    }
    return bad(b, "the keyword `%.64s` is not supported", name);
}

/* How many rules an object will have. */
static int count_keywords(struct builder *b, const json_t *object, size_t *count)
{
    const char *name;
    json_t *value;
    *count = 0;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t k = 0;
        while (k < KEYWORDS && strcmp(keywords[k].name, name) != 0)
            k++;
        if (k == KEYWORDS)
            return unknown_keyword(b, name);
        ++*count;
    }
    return 0;
}

static struct rule *rule_find(const struct node *n, enum keyword k)
{
    for (size_t i = 0; i < n->rules; i++) {
        if (n->rule[i].keyword == k)
            return &n->rule[i];
    }
    return NULL;
}

static void link_companions(struct node *n)
{
    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
        struct rule *r = rule_find(n, companions[i].keyword);
        for (size_t k = 0; r && k < 2; k++)
            r->with[k] = rule_find(n, companions[i].with[k]);
    }
    n->unevaluated = rule_find(n, KW_unevaluatedProperties) || rule_find(n, KW_unevaluatedItems);
}

static int rules_compile(struct builder *b, const json_t *object, uint32_t index)
{
    size_t count = 0;
    int err = count_keywords(b, object, &count);
    if (err)
        return err;
    struct rule *rules = calloc(count ? count : 1, sizeof(*rules));
    if (!rules)
        return -ERR_NOMEM;
    b->s->node[index].rule = rules;
    for (size_t k = 0; k < KEYWORDS && !err; k++) {
        const json_t *value = json_object_get(object, keywords[k].name);
        if (!value)
            continue;
        struct rule *r = &rules[b->s->node[index].rules++];
        *r = (struct rule){.keyword = (enum keyword)k, .types = keywords[k].types, .value = value};
        size_t mark = enter(b, keywords[k].name);
        b->current = index;
        err = keywords[k].argument(b, r);
        leave(b, mark);
    }
    link_companions(&b->s->node[index]);
    return err;
}

/* ---- nodes ---- */

static int node_new(struct builder *b, const json_t *value, uint32_t *out)
{
    struct schema *s = b->s;
    if (s->nodes == SCHEMA_NODES_MAX)
        return bad(b, "more than %u schemas in one file", SCHEMA_NODES_MAX);
    if (s->nodes == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct node *more = realloc(s->node, room * sizeof(*more));
        if (!more)
            return -ERR_NOMEM;
        s->node = more;
        s->room = room;
    }
    *out = (uint32_t)s->nodes++;
    s->node[*out] = (struct node){.value = value};
    return 0;
}

int schema_node(struct builder *b, const json_t *value, uint32_t *out)
{
    if (json_is_boolean(value)) {
        *out = json_is_true(value) ? NODE_TRUE : NODE_FALSE;
        return 0;
    }
    if (!json_is_object(value))
        return bad(b, "a schema must be an object, true or false");
    int err = node_new(b, value, out);
    return err ? err : rules_compile(b, value, *out);
}

/* ---- the whole ---- */

static int build(struct builder *b)
{
    uint32_t fixed;
    int err = node_new(b, NULL, &fixed);
    if (!err)
        err = node_new(b, NULL, &fixed);
    b->s->root = (uint32_t)b->s->nodes; /* what the first object becomes */
    if (!err)
        err = schema_node(b, b->s->document, &b->s->root);
    return err ? err : schema_resolve(b);
}

static int keep_text(struct schema *s, const char *text, size_t len)
{
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    while (len > 0 && strchr(" \t\r\n", *text)) {
        text++;
        len--;
    }
    s->text = strndup(text, len);
    s->len = len;
    return s->text ? 0 : -ERR_NOMEM;
}

static int compile(struct builder *b, const char *text, size_t len)
{
    size_t where = 0;
    const char *what = "";
    if (len > SCHEMA_TEXT_MAX)
        return bad(b, "larger than %u bytes", SCHEMA_TEXT_MAX);
    int err = jsonscan(text, len, SCHEMA_LEVELS_MAX, &where, &what);
    if (err == -ERR_TOO_DEEP)
        return bad(b, "more than %u levels at byte %zu", SCHEMA_LEVELS_MAX, where);
    if (err)
        return bad(b, "not JSON at byte %zu: %s", where, what);
    err = keep_text(b->s, text, len);
    AUTO_BUF why = BUF_INIT;
    if (!err)
        err = schema_load(text, len, &b->s->document, &why);
    if (err == -ERR_BAD_JSON)
        return bad(b, "not JSON: %s", why.data ? why.data : "");
    return err ? err : build(b);
}

int schema_compile(const char *text, size_t len, bool formats, struct schema **out, struct buf *why)
{
    struct builder b = {.s = calloc(1, sizeof(*b.s)), .why = why, .formats = formats};
    *out = NULL;
    int err = b.s ? compile(&b, text, len) : -ERR_NOMEM;
    for (size_t i = 0; i < b.references; i++)
        free(b.reference[i].where);
    free(b.reference);
    free(b.anchor);
    buf_release(&b.where);
    if (err)
        schema_free(b.s);
    else
        *out = b.s;
    return err;
}

static void rule_release(struct rule *r)
{
    for (size_t i = 0; i < r->patterns; i++)
        pattern_free(r->pattern[i]);
    free(r->pattern);
    free(r->node);
    json_decref(r->at);
}

void schema_free(struct schema *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nodes; i++) {
        for (size_t k = 0; k < s->node[i].rules; k++)
            rule_release(&s->node[i].rule[k]);
        free(s->node[i].rule);
    }
    free(s->node);
    json_decref(s->document);
    free(s->text);
    free(s);
}

const char *schema_text(const struct schema *s, size_t *len)
{
    *len = s->len;
    return s->text;
}

bool schema_takes_all(const struct schema *s)
{
    const struct node *root = &s->node[s->root];
    bool all = s->root != NODE_FALSE;
    for (size_t i = 0; i < root->rules; i++)
        all = all && root->rule[i].types == 0;
    return all;
}
