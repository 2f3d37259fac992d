/*
 * schema_priv.h - what schema.c compiles and schema_check.c reads: a schema as an array of nodes, each a
 * list of rules. For these two files alone.
 */
#ifndef JOBMILL_SERVER_SCHEMA_PRIV_H
#define JOBMILL_SERVER_SCHEMA_PRIV_H

#include "schema.h"
#include "schema_format.h"
#include "schema_pattern.h"

enum value_type { NULL_ = 1, BOOLEAN = 2, OBJECT = 4, ARRAY = 8, NUMBER = 16, STRING = 32, INTEGER = 64 };
#define ANY_TYPE (NULL_ | BOOLEAN | OBJECT | ARRAY | NUMBER | STRING)

enum keyword {
#define RULE(symbol, name, argument, types) KW_##symbol,
#define PART(symbol, name, argument)        KW_##symbol,
#define REMARK(symbol, name, argument)      KW_##symbol,
#include "schema.def"
    KEYWORDS
};

enum { NODE_TRUE, NODE_FALSE }; /* the first two nodes of every schema: they have no rules */

/* One keyword of one schema. What is not of its argument's kind is zero. */
struct rule {
    enum keyword keyword;
    unsigned types;      /* of values that it applies to; 0: none, a PART */
    const json_t *value; /* the argument, in the schema's document */
    uint64_t count;      /* a count, cut to UINT64_MAX; for `type` the types; for a bool 0 or 1 */
    uint32_t *node;      /* schemas that it uses, in order */
    size_t nodes;
    json_t *at;               /* of a map of schemas: name -> position in node[] */
    struct pattern **pattern; /* of a map of patterns: one for each node; else one or none */
    size_t patterns;
    format_fn format;
    const struct rule *with[2]; /* rules of the same schema that change what this one says */
};

struct node {
    struct rule *rule;
    size_t rules;
    const json_t *value; /* where it stands in the document */
    bool unevaluated;    /* it has a rule that asks what others have looked at */
};

struct schema {
    char *text;
    size_t len;
    json_t *document;
    struct node *node;
    size_t nodes, room;
    uint32_t root;
};

#endif
