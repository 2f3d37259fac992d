/*
 * canonical.c - the one form of JSON texts of the same value. Any thread.
 *
 * jansson sorts the members, but a number that is no integer of at most 18 digits it would round or
 * refuse. Such a number goes through it as a string that begins with NUL, which no string of a
 * checked text has.
 */
#include "canonical.h"

#include "../common/err.h"
#include "tree.h"

#include <stdbool.h>
#include <stdint.h>

#define PLAIN_DIGITS    18 /* any integer of so many fits into 64 bits */
#define EXPONENT_DIGITS 15 /* with a text's length added it fits as well */

/* A number as its text has it, with the digits between its first and its last that is not 0. */
struct decimal {
    const char *first, *last; /* NULL: it is 0 */
    size_t digits;            /* from the first to the last */
    int64_t exponent;         /* the power of ten of the last */
    bool negative;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The exponent that begins at `at`; 0 where there is none. False: it is too long. */
static bool read_exponent(const char *at, const char *end, int64_t *out)
{
    *out = 0;
    if (at == end)
        return true;
    at++; /* the e */
    bool negative = *at == '-';
    at += !is_digit(*at);
    while (at < end && *at == '0')
        at++;
    if (end - at > EXPONENT_DIGITS)
        return false;
    for (; at < end; at++)
        *out = *out * 10 + (*at - '0');
    *out = negative ? -*out : *out;
    return true;
}

static bool read_decimal(const char *text, size_t len, struct decimal *d)
{
    const char *at = text, *end = text + len;
    bool whole = true;
    int64_t digits = 0, before_point = 0, to_first = 0, to_last = 0;
    *d = (struct decimal){.negative = *text == '-'};
    for (at += d->negative; at < end && (is_digit(*at) || *at == '.'); at++) {
        whole = whole && *at != '.';
        before_point += whole;
        digits += *at != '.';
        if (*at == '0' || *at == '.')
            continue;
        if (!d->first) {
            d->first = at;
            to_first = digits;
        }
        d->last = at;
        to_last = digits;
    }
    if (!d->first)
        return true;
    if (!read_exponent(at, end, &d->exponent))
        return false;
    d->exponent += before_point - to_last;
    d->digits = (size_t)(to_last - to_first) + 1;
    return true;
}

static void add_digits(const struct decimal *d, struct buf *out)
{
    if (d->negative)
        buf_addc(out, '-');
    for (const char *p = d->first; p <= d->last; p++) {
        if (*p != '.')
            buf_addc(out, *p);
    }
}

/* As tree_numbers() asks. */
static bool write_number(const char *number, size_t len, bool is_int, struct buf *out)
{
    struct decimal d;
    if (is_int && len <= PLAIN_DIGITS)
        return false;
    if (!read_decimal(number, len, &d)) { /* another form of the same number is another one */
        buf_addf(out, "\"\\u0000%.*s\"", (int)len, number);
    } else if (!d.first) {
        buf_addc(out, '0');
    } else if (d.exponent >= 0 && d.digits <= PLAIN_DIGITS &&
               (uint64_t)d.exponent <= PLAIN_DIGITS - d.digits) {
        add_digits(&d, out);
        for (int64_t i = 0; i < d.exponent; i++)
            buf_addc(out, '0');
    } else {
        buf_adds(out, "\"\\u0000");
        add_digits(&d, out);
        buf_addf(out, "e%lld\"", (long long)d.exponent);
    }
    return true;
}

static int add(const char *data, size_t len, void *arg)
{
    struct buf *out = arg;
    buf_add(out, data, len);
    return out->failed ? -1 : 0;
}

int canonical_json(const char *text, size_t len, struct buf *out)
{
    AUTO_BUF numbered = BUF_INIT;
    json_t *root = NULL;
    json_error_t e;
    if (tree_numbers(text, len, write_number, &numbered)) {
        text = numbered.data;
        len = numbered.len;
    }
    if (numbered.failed)
        return -ERR_NOMEM;
    int err = tree_parse(text, len, JSON_ALLOW_NUL, &root, &e);
    if (!err &&
        json_dump_callback(root, add, out, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        err = -ERR_NOMEM;
    json_decref(root);
    return err;
}
