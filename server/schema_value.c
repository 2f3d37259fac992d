/* schema_value.c - pure: JSON values as JSON Schema sees them. Any thread. */
#include "schema_value.h"

#include "../common/err.h"
#include "schema.h"
#include "tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT_END 9223372036854775808.0 /* 2^63 */

__extension__ typedef unsigned __int128 u128;

/* ---- numbers ---- */

static int compare_mixed(int64_t i, double d)
{
    if (d >= INT_END)
        return -1;
    if (d < -INT_END)
        return 1;
    double below = floor(d);
    int64_t whole = (int64_t)below;
    if (i != whole)
        return i < whole ? -1 : 1;
    return d > below ? -1 : 0;
}

int value_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    double x = json_real_value(a), y = json_real_value(b);
    return (x > y) - (x < y);
}

bool value_is_integer(const json_t *number)
{
    if (json_is_integer(number))
        return true;
    double d = json_real_value(number);
    return json_is_real(number) && floor(d) == d;
}

/* The shortest text that gives the same double back. */
static void real_text(double d, char out[32])
{
    for (int digits = 14; digits <= 16; digits++) {
        snprintf(out, 32, "%.*e", digits, d);
        if (strtod(out, NULL) == d)
            return;
    }
}

struct decimal {
    uint64_t digits; /* without the sign; at most 19 digits */
    long exponent;   /* of ten */
};

static struct decimal decimal_of(const json_t *number)
{
    struct decimal out = {0};
    if (json_is_integer(number)) {
        json_int_t i = json_integer_value(number);
        out.digits = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
        return out;
    }
    char text[32];
    real_text(json_real_value(number), text);
    const char *p = text;
    for (bool fraction = false; *p && *p != 'e'; p++) {
        if (*p == '.')
            fraction = true;
        if (*p < '0' || *p > '9')
            continue;
        out.digits = out.digits * 10 + (uint64_t)(*p - '0');
        out.exponent -= fraction;
    }
    if (*p == 'e')
        out.exponent += strtol(p + 1, NULL, 10);
    return out;
}

bool value_multiple(const json_t *number, const json_t *of)
{
    struct decimal a = decimal_of(number), b = decimal_of(of);
    if (a.digits == 0 || b.digits == 0)
        return a.digits == 0;
    for (; a.exponent < b.exponent; a.exponent++) {
        if (a.digits % 10 != 0)
            return false;
        a.digits /= 10;
    }
    uint64_t rest = a.digits % b.digits, power = 10 % b.digits;
    for (unsigned long n = (unsigned long)(a.exponent - b.exponent); n > 0 && rest > 0; n >>= 1) {
        if (n & 1)
            rest = (uint64_t)((u128)rest * power % b.digits);
        power = (uint64_t)((u128)power * power % b.digits);
    }
    return rest == 0;
}

/* ---- equality ---- */

static bool step(uint64_t *steps)
{
    if (*steps == 0)
        return false;
    (*steps)--;
    return true;
}

static bool objects_equal(const json_t *a, const json_t *b, uint64_t *steps)
{
    const char *name;
    size_t len;
    json_t *member;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_keylen_foreach((json_t *)(uintptr_t)a, name, len, member)
    {
        const json_t *other = json_object_getn(b, name, len);
        if (!other || !value_equal(member, other, steps))
            return false;
    }
    return true;
}

bool value_equal(const json_t *a, const json_t *b, uint64_t *steps)
{
    if (!step(steps))
        return false;
    if (json_is_number(a) && json_is_number(b))
        return value_compare(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return false;
    switch (json_typeof(a)) {
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    case JSON_ARRAY:
        if (json_array_size(a) != json_array_size(b))
            return false;
        for (size_t i = 0; i < json_array_size(a); i++) {
            if (!value_equal(json_array_get(a, i), json_array_get(b, i), steps))
                return false;
        }
        return true;
    case JSON_OBJECT:
        return objects_equal(a, b, steps);
    default:
        return true; /* the type says it all */
    }
}

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static uint64_t hash_number(const json_t *v, uint64_t h)
{
    double d = json_real_value(v);
    int64_t i = json_integer_value(v);
    if (json_is_integer(v) || (floor(d) == d && d >= -INT_END && d < INT_END)) {
        i = json_is_integer(v) ? i : (int64_t)d;
        return mix(h, &i, sizeof(i));
    }
    return mix(h, &d, sizeof(d));
}

uint64_t value_hash(const json_t *v, uint64_t *steps)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    if (!step(steps))
        return 0;
    if (json_is_number(v))
        return hash_number(v, h);
    h += (uint64_t)json_typeof(v) + 1;
    if (json_is_string(v)) {
        h = mix(h, json_string_value(v), json_string_length(v));
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v) && *steps > 0; i++) {
            uint64_t item = value_hash(json_array_get(v, i), steps);
            h = mix(h, &item, sizeof(item));
        }
    } else if (json_is_object(v)) {
        const char *name;
        size_t len;
        json_t *member;
        json_object_keylen_foreach((json_t *)(uintptr_t)v, name, len, member)
        {
            /* a sum: the order of members does not count */
            uint64_t value = value_hash(member, steps);
            h += mix(mix(UINT64_C(0x9e3779b97f4a7c15), name, len), &value, sizeof(value));
        }
    }
    return h;
}

/* ---- text ---- */

size_t value_length(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* What json_dump_callback() writes, until there is no more room. */
struct shown {
    char *out;
    size_t size, len;
};

static int show_some(const char *data, size_t len, void *arg)
{
    struct shown *s = arg;
    size_t room = s->size - s->len;
    size_t some = len < room ? len : room;
    memcpy(s->out + s->len, data, some);
    s->len += some;
    return some < len ? -1 : 0;
}

void value_show(const json_t *v, char *out, size_t size)
{
    if (json_is_real(v)) {
        double d = json_real_value(v);
        int digits = 15;
        do
            snprintf(out, size, "%.*g", digits, d);
        while (strtod(out, NULL) != d && ++digits <= 17);
        return;
    }
    struct shown s = {out, size - 4, 0};
    if (json_dump_callback(v, show_some, &s, JSON_ENCODE_ANY | JSON_COMPACT) == 0) {
        out[s.len] = '\0';
        return;
    }
    while (s.len > 0 && ((unsigned char)out[s.len - 1] & 0xc0) == 0x80)
        s.len--; /* no half of a character */
    if (s.len > 0 && (unsigned char)out[s.len - 1] >= 0xc0)
        s.len--;
    memcpy(out + s.len, "...", 4);
}

/* ---- reading ---- */

/* Whether the digits of an integer are too large for int64_t. */
static bool is_long(const char *digits, size_t n, bool negative)
{
    static const char greatest[] = "9223372036854775807", least[] = "9223372036854775808";
    if (n != 19)
        return n > 19;
    return memcmp(digits, negative ? least : greatest, 19) > 0;
}

/* A ".0" makes jansson read an integer above 64 bits as a real. */
static bool mark_long_integer(const char *number, size_t len, bool is_int, struct buf *out)
{
    bool negative = *number == '-';
    if (!is_int || !is_long(number + negative, len - negative, negative))
        return false;
    buf_add(out, number, len);
    buf_adds(out, ".0");
    return true;
}

int schema_load(const char *text, size_t len, json_t **out, struct buf *why)
{
    AUTO_BUF marked = BUF_INIT;
    json_error_t e;
    *out = NULL;
    if (tree_numbers(text, len, mark_long_integer, &marked)) {
        text = marked.data;
        len = marked.len;
    }
    if (marked.failed)
        return -ERR_NOMEM;
    int err = tree_parse(text, len, 0, out, &e);
    if (err != -ERR_BAD_JSON)
        return err;
    buf_addf(why, "at byte %d: %s", e.position, e.text);
    return -ERR_BAD_JSON;
}
