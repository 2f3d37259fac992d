/*
 * schema_build.h - a schema while it is compiled. For schema.c and schema_ref.c alone.
 */
#ifndef JOBMILL_SERVER_SCHEMA_BUILD_H
#define JOBMILL_SERVER_SCHEMA_BUILD_H

#include "schema_priv.h"

/* A $ref whose rule has no node yet. */
struct reference {
    struct rule *rule;
    uint32_t from; /* the node that it stands in */
    char *where;
};

struct anchor {
    const char *name;
    const json_t *value;
};

struct builder {
    struct schema *s;
    struct buf *why;
    struct buf where; /* pointer to what is being read */
    bool formats;
    const char *base; /* $id of the document, or NULL */
    uint32_t current; /* the node that is being read */
    struct reference *reference;
    size_t references;
    struct anchor *anchor;
    size_t anchors;
};

/* *why = "#WHERE: …". Returns -ERR_CONFIG. */
int schema_bad(struct builder *b, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Compiles the schema that stands at b->where. */
int schema_node(struct builder *b, const json_t *value, uint32_t *out);
/* When all is read: gives every $ref its node. */
int schema_resolve(struct builder *b);

#endif
