/* buf.c - growable bytes; see buf.h for the invariants. Not thread-safe. */
#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b)
{
    *b = BUF_INIT;
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->data && more < b->cap - b->len)
        return true;
    if (more >= SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap <= b->len + more)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return true;
}

void buf_add_grow(struct buf *b, const void *data, size_t len)
{
    if (!buf_reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = buf_reserve(b, 128) ? vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap) : -1;
    if (n >= 0 && (size_t)n >= b->cap - b->len) {
        if (buf_reserve(b, (size_t)n + 1))
            n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
        else
            n = -1;
    }
    va_end(again);
    if (n < 0) {
        b->failed = true;
        if (b->data)
            b->data[b->len] = '\0';
        return;
    }
    b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_add_u64(struct buf *b, unsigned long long v)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + n, sizeof(digits) - n);
}

size_t buf_utf8(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    static const struct {
        unsigned char lo, hi, second_lo, second_hi, length;
    } row[] = {
        {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        if (s[0] < row[i].lo || s[0] > row[i].hi)
            continue;
        if (row[i].length == 1)
            return 1;
        if (len < row[i].length || s[1] < row[i].second_lo || s[1] > row[i].second_hi)
            return 0;
        for (size_t k = 2; k < row[i].length; k++) {
            if ((s[k] & 0xC0) != 0x80)
                return 0;
        }
        return row[i].length;
    }
    return 0;
}

size_t buf_utf8_cut(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--;
    return most;
}

static void add_escaped(struct buf *b, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *at = memchr(from, c, sizeof(from) - 1);
    if (at) {
        char pair[2] = {'\\', to[at - from]};
        buf_add(b, pair, 2);
    } else {
        buf_addf(b, "\\u%04x", c);
    }
}

void buf_add_json_string(struct buf *b, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t plain = 0;
    buf_addc(b, '"');
    for (size_t i = 0; i < len;) {
        if (s[i] >= 0x20 && s[i] < 0x7F && s[i] != '"' && s[i] != '\\') {
            i++;
            continue;
        }
        size_t n = s[i] >= 0x80 ? buf_utf8(text + i, len - i) : 0;
        if (n) {
            i += n;
            continue;
        }
        buf_add(b, text + plain, i - plain);
        if (s[i] >= 0x80)
            buf_adds(b, "\xEF\xBF\xBD");
        else
            add_escaped(b, s[i]);
        plain = ++i;
    }
    buf_add(b, text + plain, len - plain);
    buf_addc(b, '"');
}

char *buf_take(struct buf *b, size_t *len)
{
    char *data = b->data;
    if (len)
        *len = b->len;
    *b = BUF_INIT;
    return data;
}

void buf_move(struct buf *to, struct buf *from)
{
    buf_release(to);
    *to = *from;
    *from = BUF_INIT;
}
