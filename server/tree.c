/*
 * tree.c - JSON text to jansson's tree, its allocations watched. Any thread; each knows of its own.
 */
#include "tree.h"

#include "../common/err.h"

#include <stdlib.h>
#include <string.h>

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

/* After the string that begins at i. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++)
        i += text[i] == '\\';
    return i + 1;
}

/* After the number that begins at i. */
static size_t skip_number(const char *text, size_t len, size_t i, bool *is_int)
{
    *is_int = true;
    for (; i < len && text[i] && strchr("0123456789+-.eE", text[i]); i++)
        *is_int = *is_int && !strchr(".eE", text[i]);
    return i;
}

bool tree_numbers(const char *text, size_t len,
                  bool (*anew)(const char *number, size_t len, bool is_int, struct buf *out),
                  struct buf *out)
{
    size_t copied = 0;
    AUTO_BUF number = BUF_INIT;
    bool is_int, any = false;
    for (size_t i = 0; i < len;) {
        size_t from = i;
        if (text[i] == '"') {
            i = skip_string(text, len, i);
            continue;
        }
        if (text[i] != '-' && (text[i] < '0' || text[i] > '9')) {
            i++;
            continue;
        }
        i = skip_number(text, len, i, &is_int);
        buf_clear(&number);
        if (!anew(text + from, i - from, is_int, &number))
            continue;
        any = true;
        buf_add(out, text + copied, from - copied);
        buf_add(out, number.data, number.len);
        out->failed |= number.failed;
        copied = i;
    }
    if (any)
        buf_add(out, text + copied, len - copied);
    return any;
}
