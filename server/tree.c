/*
 * tree.c - JSON text to jansson's tree, its allocations watched. Any thread; each knows of its own.
 */
#include "tree.h"

#include "../common/err.h"

#include <stdbool.h>
#include <stdlib.h>

static _Thread_local bool starved; /* an allocation failed since tree_parse() began */

static void *watched_malloc(size_t n)
{
    void *p = malloc(n);
    starved = starved || !p;
    return p;
}

void tree_setup(void)
{
    json_set_alloc_funcs(watched_malloc, free);
}

int tree_parse(const char *text, size_t len, size_t flags, json_t **out, json_error_t *e)
{
    starved = false;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, e);
    if (*out && !starved)
        return 0;
    json_decref(*out);
    *out = NULL;
    return starved || json_error_code(e) == json_error_out_of_memory ? -ERR_NOMEM : -ERR_BAD_JSON;
}

int tree_string(const char *text, size_t len, json_t **out)
{
    *out = json_stringn_nocheck(text, len);
    return *out ? 0 : -ERR_NOMEM;
}
