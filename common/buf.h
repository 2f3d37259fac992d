/*
 * buf.h - growable bytes.
 *
 * Invariants: data == NULL iff cap == 0; len <= cap; when data != NULL there is always room for a
 * terminating zero, which the functions keep (data[len] == 0).
 * A failed allocation is remembered in `failed`, later appends do nothing, and the caller checks
 * once at the end. Not thread-safe; each buf has one owner.
 */
#ifndef JOBMILL_COMMON_BUF_H
#define JOBMILL_COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    bool failed; /* an allocation failed: contents are incomplete */
};

#define BUF_INIT ((struct buf){0})

void buf_init(struct buf *b);
void buf_release(struct buf *b); /* frees the bytes; b is empty and usable again */
void buf_clear(struct buf *b);   /* length 0, keeps the memory, forgets `failed` */
bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes; false: out of memory */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
void buf_add_u64(struct buf *b, unsigned long long v);
/* Appends text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_add_json_string(struct buf *b, const char *text, size_t len);
/* The length of the UTF-8 sequence at text (RFC 3629), at most len; 0: it is none. len > 0. */
size_t buf_utf8(const char *text, size_t len);
/* How many bytes of text are kept where `most` may be: none of a UTF-8 sequence that would be cut. */
size_t buf_utf8_cut(const char *text, size_t len, size_t most);
/* Moves the bytes out to the caller, who frees them with free(); b becomes empty. */
char *buf_take(struct buf *b, size_t *len);
void buf_move(struct buf *to, struct buf *from); /* releases to, then moves from's bytes into it */

/* These make most of a JSON document: where there is room, without a call. */

void buf_add_grow(struct buf *b, const void *data, size_t len);

/* Is there room for len bytes and the zero? */
static inline bool buf_has_room(const struct buf *b, size_t len)
{
    return b->data && !b->failed && len < b->cap - b->len;
}

static inline void buf_add(struct buf *b, const void *data, size_t len)
{
    char *to = b->data;
    if (len == 0 || !to || !buf_has_room(b, len)) {
        buf_add_grow(b, data, len);
        return;
    }
    memcpy(to + b->len, data, len);
    b->len += len;
    to[b->len] = '\0';
}

static inline void buf_adds(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

static inline void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

static inline void buf_auto_release(struct buf *b)
{
    buf_release(b);
}
#define AUTO_BUF __attribute__((cleanup(buf_auto_release))) struct buf

#endif
