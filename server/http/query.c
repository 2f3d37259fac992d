/*
 * query.c - the query string, decoded once into one block of memory.
 * Any thread; a struct query has one owner.
 */
#include "query.h"

#include "../../common/buf.h"
#include "../../common/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool query_unescape(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '%') {
            int high = hex(p[1]);
            int low = high < 0 ? -1 : hex(p[2]);
            if (low < 0)
                return false;
            c = (unsigned char)(high * 16 + low);
            p += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        *to++ = (char)c;
    }
    *to = 0;
    return true;
}

static bool is_utf8(const char *text)
{
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = (unsigned char)*text < 0x80 ? 1 : buf_utf8(text, left);
        if (n == 0)
            return false;
    }
    return true;
}

int query_parse(struct query *q, const char *raw)
{
    q->count = 0;
    q->text = q->added = NULL;
    q->wrong = NULL;
    if (!raw || !*raw)
        return 0;
    q->text = strdup(raw);
    if (!q->text)
        return -ERR_NOMEM;
    char *rest = q->text;
    for (char *part = strsep(&rest, "&"); part; part = strsep(&rest, "&")) {
        if (!*part)
            continue;
        if (q->count == QUERY_MAX)
            return -ERR_BAD_PARAMETER;
        char *value = strchr(part, '=');
        if (value)
            *value++ = 0;
        else
            value = part + strlen(part);
        if (!query_unescape(part, true) || !query_unescape(value, true))
            return -ERR_BAD_PARAMETER;
        if (!is_utf8(part))
            return -ERR_BAD_PARAMETER;
        if (!is_utf8(value)) {
            q->wrong = part;
            return -ERR_BAD_PARAMETER;
        }
        q->item[q->count++] = (struct query_item){.name = part, .value = value};
    }
    return 0;
}

int query_add(struct query *q, const struct query_pair *pairs, size_t n)
{
    size_t bytes = 0;
    if (n > QUERY_MAX - q->count)
        return -ERR_BAD_PARAMETER;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(pairs[i].name) + strlen(pairs[i].value) + 2;
    char *to = q->added = malloc(bytes ? bytes : 1);
    if (!to)
        return -ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct query_item *item = &q->item[q->count++];
        *item = (struct query_item){.name = to};
        to = stpcpy(to, pairs[i].name) + 1;
        item->value = to;
        to = stpcpy(to, pairs[i].value) + 1;
    }
    return 0;
}

void query_release(struct query *q)
{
    free(q->text);
    free(q->added);
    q->text = q->added = NULL;
    q->count = 0;
}

const char *query_next(struct query *q, const char *name, size_t *at)
{
    while (*at < q->count) {
        struct query_item *item = &q->item[(*at)++];
        if (strcmp(item->name, name) == 0) {
            item->used = true;
            return item->value;
        }
    }
    return NULL;
}

const char *query_one(struct query *q, const char *name, bool *twice)
{
    size_t at = 0;
    const char *value = query_next(q, name, &at);
    *twice = value && query_next(q, name, &at);
    return value;
}

const char *query_unused(const struct query *q)
{
    for (size_t i = 0; i < q->count; i++) {
        if (!q->item[i].used)
            return q->item[i].name;
    }
    return NULL;
}

bool query_number(const char *text, double *out)
{
    const char *p = text;
    if (*p == '-')
        p++;
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    p += digits;
    if (*p == '.') {
        size_t fraction = strspn(++p, "0123456789");
        if (fraction == 0 || fraction > 18)
            return false;
        p += fraction;
    }
    if (*p)
        return false;
    *out = strtod(text, NULL);
    return isfinite(*out);
}
