/*
 * schema_run.h - one check of one value while it runs. For schema_check.c and schema_deep.c alone; each
 * run belongs to one thread.
 */
#ifndef JOBMILL_SERVER_SCHEMA_RUN_H
#define JOBMILL_SERVER_SCHEMA_RUN_H

#include "schema_priv.h"

#include <string.h>

/* The way from the root to the value that is looked at. */
struct way {
    const struct way *up;
    const char *name; /* NULL: an item of an array */
    size_t index;
};

/* Which members (in the order of iteration) or items of one value were looked at with success. */
struct marks {
    unsigned char *seen;
    size_t n;
};

struct run {
    const struct schema *s;
    const struct way *way;
    uint64_t steps;
    unsigned depth;
    int err;                      /* the check has ended without a verdict */
    struct schema_report *report; /* NULL: only the verdict is asked for */
    const char *prefix;
};

/* Takes n steps. False: there are none left, and the run has ended. */
bool run_spend(struct run *r, uint64_t n);
/* Notes an error at the value that is looked at, if errors are asked for. Returns false. */
bool run_fail(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether more errors are wanted after one was found. */
bool run_goes_on(const struct run *r);
/* No errors from here on: only the verdict counts. Returns what to put back into r->report. */
struct schema_report *run_hush(struct run *r);

/* Holds v against a schema. m: where to note what was looked at, or NULL when nobody asks. */
bool run_node(struct run *r, uint32_t node, const json_t *v, struct marks *m);
/* The same for a member (name) or an item (NULL, index) of the value that is looked at. */
bool run_child(struct run *r, uint32_t node, const json_t *v, const char *name, size_t index);
/* The same for another schema and the same value: what it looked at counts when it fits. */
bool run_branch(struct run *r, uint32_t node, const json_t *v, struct marks *m);

bool run_matches(struct run *r, const struct pattern *p, const char *text, size_t len);
bool run_count_ok(struct run *r, uint64_t n, uint64_t least, uint64_t most, const char *what);

static inline void marks_set(struct marks *m, size_t i)
{
    if (m)
        m->seen[i] = 1;
}

static inline void marks_all(struct marks *m)
{
    if (m)
        memset(m->seen, 1, m->n);
}

/* A function for each rule: whether v, which is of a type that the rule applies to, keeps it. */
#define RULE(symbol, name, argument, types)                                                        \
    bool check_##symbol(struct run *r, const struct rule *rule, const json_t *v, struct marks *m);
#define PART(symbol, name, argument)
#define REMARK(symbol, name, argument)
#include "schema.def"

#endif
