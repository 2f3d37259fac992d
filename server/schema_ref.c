/*
 * schema_ref.c - what a $ref of a schema means: the part of the file that it names, compiled if no
 * keyword led there; and that no schema refers to itself for the same value. Before any thread
 * exists.
 */
#include "../common/err.h"
#include "schema_build.h"

#include <stdlib.h>
#include <string.h>

/* The node of a schema that has been read; NODE_TRUE: it has not. */
static uint32_t node_of(const struct schema *s, const json_t *value)
{
    for (size_t i = NODE_FALSE + 1; i < s->nodes; i++) {
        if (s->node[i].value == value)
            return (uint32_t)i;
    }
    return NODE_TRUE;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes %XX in place. */
static bool percent_decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high * 16 + low);
        text += 2;
    }
    *to = '\0';
    return true;
}

/* One part of a JSON pointer, decoded in place. */
static bool part_decode(char *part)
{
    char *to = part;
    for (; *part; part++) {
        if (*part == '~') {
            part++;
            if (*part != '0' && *part != '1')
                return false;
            *to++ = *part == '0' ? '~' : '/';
        } else {
            *to++ = *part;
        }
    }
    *to = '\0';
    return true;
}

static const json_t *array_part(const json_t *array, const char *part)
{
    size_t n = strspn(part, "0123456789");
    if (n == 0 || n > 9 || part[n] || (n > 1 && part[0] == '0'))
        return NULL;
    return json_array_get(array, (size_t)strtoul(part, NULL, 10));
}

static const json_t *follow_pointer(const json_t *at, char *pointer)
{
    while (at && *pointer == '/') {
        char *part = ++pointer;
        pointer += strcspn(pointer, "/");
        bool last = *pointer == '\0';
        *pointer = '\0';
        if (!part_decode(part))
            return NULL;
        at = json_is_array(at) ? array_part(at, part) : json_object_get(at, part);
        if (!last)
            *pointer = '/';
    }
    return at;
}

static const json_t *find_target(const struct builder *b, char *fragment)
{
    if (!percent_decode(fragment))
        return NULL;
    if (*fragment == '\0' || *fragment == '/')
        return follow_pointer(b->s->document, fragment);
    for (size_t i = 0; i < b->anchors; i++) {
        if (strcmp(b->anchor[i].name, fragment) == 0)
            return b->anchor[i].value;
    }
    return NULL;
}

static int resolve(struct builder *b, size_t i)
{
    const char *text = json_string_value(b->reference[i].rule->value);
    const char *hash = strchr(text, '#');
    size_t len = hash ? (size_t)(hash - text) : strlen(text);
    bool own =
        len == 0 || (b->base && strcspn(b->base, "#") == len && strncmp(b->base, text, len) == 0);
    if (!own)
        return schema_bad(b, b->reference[i].where,
                          "`%.100s`: only references within the file are supported", text);
    char *fragment = strdup(hash ? hash + 1 : "");
    if (!fragment)
        return -ERR_NOMEM;
    const json_t *target = find_target(b, fragment);
    free(fragment);
    if (!target)
        return schema_bad(b, b->reference[i].where, "`%.100s`: there is no such schema", text);
    uint32_t node = node_of(b->s, target);
    int err = 0;
    if (node == NODE_TRUE) { /* a place that no keyword has led to */
        buf_clear(&b->where);
        buf_adds(&b->where, b->reference[i].where);
        err = schema_node(b, target, &node);
    }
    struct rule *r = b->reference[i].rule;
    r->node[0] = node;
    r->nodes = 1;
    return err;
}

/* Keywords that hold a schema against the same value again. */
static bool in_place(enum keyword k)
{
    return k == KW_ref || k == KW_allOf || k == KW_anyOf || k == KW_oneOf || k == KW_not ||
           k == KW_if || k == KW_then || k == KW_else || k == KW_dependentSchemas;
}

/* Whether `from` comes to `to` without going deeper into the value. `seen` ends the search. */
static bool reaches(const struct schema *s, uint32_t from, uint32_t to, bool *seen)
{
    if (from == to)
        return true;
    if (seen[from])
        return false;
    seen[from] = true;
    for (size_t i = 0; i < s->node[from].rules; i++) {
        const struct rule *r = &s->node[from].rule[i];
        for (size_t k = 0; in_place(r->keyword) && k < r->nodes; k++) {
            if (reaches(s, r->node[k], to, seen))
                return true;
        }
    }
    return false;
}

/* A circle has a $ref in it. */
static int refuse_circles(struct builder *b)
{
    bool *seen = calloc(b->s->nodes, sizeof(*seen));
    int err = seen ? 0 : -ERR_NOMEM;
    for (size_t i = 0; i < b->references && !err; i++) {
        const struct reference *r = &b->reference[i];
        memset(seen, 0, b->s->nodes * sizeof(*seen));
        if (reaches(b->s, r->rule->node[0], r->from, seen))
            err =
                schema_bad(b, r->where, "leads back to itself without going deeper into the value");
    }
    free(seen);
    return err;
}

int schema_resolve(struct builder *b)
{
    int err = 0;
    for (size_t i = 0; i < b->references && !err; i++) /* each may find more */
        err = resolve(b, i);
    return err ? err : refuse_circles(b);
}
