/*
 * jsonscan.c - a strict JSON checker over the caller's bytes. No allocation but in jsonscan_text().
 *
 * One pass, no recursion: what is open is a bit for each level (array or object), so depth is
 * bounded by JSONSCAN_LEVELS whatever the caller allows.
 */
#include "jsonscan.h"

#include "err.h"
#include "word.h"

#include <stdint.h>
#include <string.h>

#define JSONSCAN_LEVELS 1024

struct scan {
    const unsigned char *at, *end;
    const char *why;
    struct look *look; /* what is noted on the way; NULL: nothing, or nothing more */
};

static bool bad(struct scan *s, const char *why)
{
    if (!s->why)
        s->why = why;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && jsonscan_blank((char)*s->at))
        s->at++;
}

static int hex4(const unsigned char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], d;
        if (c >= '0' && c <= '9')
            d = c - '0';
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            d = (c | 32) - 'a' + 10;
        else
            return -1;
        v = v << 4 | d;
    }
    return v;
}

/* At the backslash; steps behind the escape. */
static bool escape(struct scan *s)
{
    if (s->end - s->at < 2)
        return bad(s, "the text ends within an escape");
    unsigned char c = s->at[1];
    if (c != 'u') {
        if (!c || !strchr("\"\\/bfnrt", c))
            return bad(s, "an escape that JSON does not have");
        s->at += 2;
        return true;
    }
    int u = s->end - s->at >= 6 ? hex4(s->at + 2) : -1;
    if (u < 0)
        return bad(s, "\\u without four hexadecimal digits");
    if (u == 0)
        return bad(s, "\\u0000 is not allowed");
    if (u >= 0xDC00 && u <= 0xDFFF)
        return bad(s, "a lone surrogate");
    s->at += 6;
    if (u < 0xD800 || u > 0xDBFF)
        return true;
    int low = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u' ? hex4(s->at + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return bad(s, "a lone surrogate");
    s->at += 6;
    return true;
}

/* At a byte >= 0x80; steps behind its sequence (RFC 3629: no overlong form, no surrogate). */
static bool utf8(struct scan *s)
{
    const unsigned char *p = s->at;
    ptrdiff_t left = s->end - p;
    unsigned char c = p[0];
    int n = c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (n == 0 || left < n)
        return bad(s, "bytes that are not UTF-8");
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return bad(s, "bytes that are not UTF-8");
    }
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) || (c == 0xF0 && p[1] < 0x90) ||
        (c == 0xF4 && p[1] > 0x8F))
        return bad(s, "bytes that are not UTF-8");
    s->at += n;
    return true;
}

/* Steps over bytes that may stand in a string as they are, eight at a time: none of them is below
 * 0x20, above 0x7f, a quote or a backslash. */
static void skip_plain(struct scan *s)
{
    while (s->end - s->at >= 8) {
        uint64_t x = word_at(s->at),
                 marks = (x | word_below(x, 0x20) | word_equal(x, '"') | word_equal(x, '\\')) &
                         WORD_HIGH;
        if (marks) {
            s->at += __builtin_ctzll(marks) / 8;
            return;
        }
        s->at += 8;
    }
    while (s->at < s->end && *s->at >= 0x20 && *s->at < 0x80 && *s->at != '"' && *s->at != '\\')
        s->at++;
}

/* At the opening quote; steps behind the closing one. */
static bool string(struct scan *s)
{
    s->at++;
    for (;;) {
        skip_plain(s);
        if (s->at == s->end)
            return bad(s, "the text ends within a string");
        if (*s->at == '"') {
            s->at++;
            return true;
        }
        if (*s->at < 0x20)
            return bad(s, "a control character within a string");
        if (!(*s->at == '\\' ? escape(s) : utf8(s)))
            return false;
    }
}

/* ---- what is noted on the way ---- */

#define LOOK_LEVELS 32
#define LOOK_DIGITS 300 /* fewer, with the zeros of an exponent: less than any too large */

struct look {
    struct jsonscan_look *out;
    struct {
        const unsigned char *text;
        size_t len;
    } name[JSONSCAN_NAMES]; /* of all objects that are open */
    unsigned names, depth;
    unsigned first[LOOK_LEVELS]; /* of the names of the object at this level */
};

/* It is not plain, or not known to be. */
static void look_away(struct scan *s)
{
    s->look->out->plain = false;
    s->look = NULL;
}

static void look_open(struct scan *s)
{
    struct look *l = s->look;
    if (!l)
        return;
    if (l->depth == LOOK_LEVELS)
        look_away(s);
    else
        l->first[l->depth++] = l->names;
}

static void look_close(struct scan *s)
{
    if (s->look)
        s->look->names = s->look->first[--s->look->depth];
}

/* A name of the object that is open: the text between its quotes. */
static void look_name(struct scan *s, const unsigned char *text, size_t len)
{
    struct look *l = s->look;
    if (!l)
        return;
    bool plain = l->names < JSONSCAN_NAMES && !memchr(text, '\\', len);
    for (unsigned i = l->first[l->depth - 1]; plain && i < l->names; i++)
        plain = l->name[i].len != len || memcmp(l->name[i].text, text, len) != 0;
    if (!plain) {
        look_away(s);
        return;
    }
    l->name[l->names].text = text;
    l->name[l->names++].len = len;
    if (l->depth == 1) {
        struct jsonscan_member *m = &l->out->member[l->out->members++];
        m->name = (const char *)text;
        m->nlen = len;
    }
}

/* A number's digits, about, and the zeros that its exponent adds; more than LOOK_DIGITS: more. */
static size_t magnitude(const unsigned char *from, const unsigned char *end)
{
    const unsigned char *e = from;
    size_t zeros = 0;
    while (e < end && (*e | 32) != 'e')
        e++;
    if (e < end && e[1] != '-') {
        for (const unsigned char *p = e + 1 + (e[1] == '+'); p < end && zeros <= LOOK_DIGITS; p++)
            zeros = zeros * 10 + (size_t)(*p - '0');
    }
    return (size_t)(e - from) + zeros;
}

static void look_number(struct scan *s, const unsigned char *from)
{
    if (s->look && magnitude(from, s->at) > LOOK_DIGITS)
        look_away(s);
}

/* The value of the last name begins here, or ends. */
static void look_value(struct scan *s, bool ends)
{
    struct jsonscan_look *out = s->look ? s->look->out : NULL;
    if (!out || s->look->depth != 1 || out->members == 0)
        return;
    struct jsonscan_member *m = &out->member[out->members - 1];
    if (ends)
        m->vlen = (size_t)((const char *)s->at - m->value);
    else
        m->value = (const char *)s->at;
}

/* ---- values ---- */

static bool some_digits(struct scan *s)
{
    const unsigned char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from || bad(s, "a number without a digit where one must be");
}

static bool number(struct scan *s)
{
    if (*s->at == '-')
        s->at++;
    if (s->at < s->end && *s->at == '0') {
        s->at++;
        if (s->at < s->end && *s->at >= '0' && *s->at <= '9')
            return bad(s, "a number that begins with 0");
    } else if (!some_digits(s)) {
        return false;
    }
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!some_digits(s))
            return false;
    }
    if (s->at < s->end && (*s->at | 32) == 'e') {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        return some_digits(s);
    }
    return true;
}

static bool word(struct scan *s, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, w, n) != 0)
        return bad(s, "not a JSON value");
    s->at += n;
    return true;
}

/* A value that is neither object nor array. */
static bool scalar(struct scan *s)
{
    switch (*s->at) {
    case '"':
        return string(s);
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9')) {
            const unsigned char *from = s->at;
            bool ok = number(s);
            if (ok)
                look_number(s, from);
            return ok;
        }
        return bad(s, "not a JSON value");
    }
}

static bool name_and_colon(struct scan *s)
{
    skip_space(s);
    if (s->at == s->end || *s->at != '"')
        return bad(s, "a member's name must be a string");
    const unsigned char *name = s->at + 1;
    if (!string(s))
        return false;
    look_name(s, name, (size_t)(s->at - 1 - name));
    skip_space(s);
    if (s->at == s->end || *s->at != ':')
        return bad(s, "a colon must follow a member's name");
    s->at++;
    return true;
}

/* One value with all that is in it. 0, -ERR_BAD_JSON, -ERR_TOO_DEEP; s->at: behind it, or the
 * fault. */
static int value(struct scan *s, unsigned max_depth)
{
    uint8_t is_object[JSONSCAN_LEVELS / 8] = {0};
    unsigned depth = 0;
    if (max_depth > JSONSCAN_LEVELS)
        max_depth = JSONSCAN_LEVELS;
    for (;;) {
        skip_space(s);
        if (s->at == s->end) {
            bad(s, "the text ends where a value must be");
            return -ERR_BAD_JSON;
        }
        look_value(s, false);
        if (*s->at == '{' || *s->at == '[') {
            bool object = *s->at == '{';
            if (depth == max_depth) {
                bad(s, "nested too deeply");
                return -ERR_TOO_DEEP;
            }
            is_object[depth / 8] = (uint8_t)((is_object[depth / 8] & ~(1u << depth % 8)) |
                                             ((unsigned)object << depth % 8));
            depth++;
            look_open(s);
            s->at++;
            skip_space(s);
            if (s->at == s->end || *s->at != (object ? '}' : ']')) {
                if (object && !name_and_colon(s))
                    return -ERR_BAD_JSON;
                continue;
            }
        } else {
            if (!scalar(s))
                return -ERR_BAD_JSON;
            if (depth == 0)
                return 0;
            look_value(s, true);
            skip_space(s);
        }
        /* behind a value, or at the bracket that closes an empty one: close as many as close here
         */
        for (;;) {
            bool object = is_object[(depth - 1) / 8] & 1u << (depth - 1) % 8;
            if (s->at == s->end) {
                bad(s, "the text ends within an object or array");
                return -ERR_BAD_JSON;
            }
            if (*s->at == ',') {
                s->at++;
                if (object && !name_and_colon(s))
                    return -ERR_BAD_JSON;
                break;
            }
            if (*s->at != (object ? '}' : ']')) {
                bad(s, object ? "a comma or } must be here" : "a comma or ] must be here");
                return -ERR_BAD_JSON;
            }
            s->at++;
            if (--depth == 0)
                return 0;
            look_close(s);
            look_value(s, true);
            skip_space(s);
        }
    }
}

/* One value and nothing else. */
static int scan(struct scan *s, const unsigned char *text, unsigned max_depth, size_t *where,
                const char **why)
{
    int err = value(s, max_depth);
    if (err == 0) {
        skip_space(s);
        if (s->at != s->end) {
            bad(s, "more text after the value");
            err = -ERR_BAD_JSON;
        }
    }
    if (where)
        *where = (size_t)(s->at - text);
    if (why)
        *why = s->why ? s->why : "";
    return err;
}

static struct scan scan_of(const char *text, size_t len)
{
    return (struct scan){.at = (const unsigned char *)text,
                         .end = (const unsigned char *)text + len};
}

int jsonscan(const char *text, size_t len, unsigned max_depth, size_t *where, const char **why)
{
    struct scan s = scan_of(text, len);
    return scan(&s, s.at, max_depth, where, why);
}

int jsonscan_look(const char *text, size_t len, unsigned max_depth, size_t *where, const char **why,
                  struct jsonscan_look *out)
{
    struct scan s = scan_of(text, len);
    struct look look; /* the names are written before they are read */
    look.out = out;
    look.names = look.depth = 0;
    out->plain = true;
    out->members = 0;
    s.look = &look;
    return scan(&s, s.at, max_depth, where, why);
}

bool jsonscan_each(const char *text, size_t len,
                   bool (*each)(void *arg, const char *name, size_t nlen, const char *value,
                                size_t vlen),
                   void *arg)
{
    struct scan s = scan_of(text, len);
    skip_space(&s);
    if (s.at == s.end || *s.at != '{')
        return false;
    s.at++;
    skip_space(&s);
    while (s.at < s.end && *s.at == '"') {
        const unsigned char *name = s.at + 1;
        if (!string(&s))
            return false;
        size_t nlen = (size_t)(s.at - 1 - name);
        skip_space(&s);
        if (s.at == s.end || *s.at++ != ':')
            return false;
        skip_space(&s);
        const unsigned char *from = s.at;
        if (value(&s, JSONSCAN_LEVELS) != 0)
            return false;
        if (!each(arg, (const char *)name, nlen, (const char *)from, (size_t)(s.at - from)))
            return true;
        skip_space(&s);
        if (s.at < s.end && *s.at == ',')
            s.at++;
        skip_space(&s);
    }
    return true;
}

bool jsonscan_elements(const char *text, size_t len,
                       bool (*each)(void *arg, size_t index, const char *value, size_t vlen),
                       void *arg)
{
    struct scan s = scan_of(text, len);
    skip_space(&s);
    if (s.at == s.end || *s.at != '[')
        return false;
    s.at++;
    skip_space(&s);
    for (size_t i = 0; s.at < s.end && *s.at != ']'; i++) {
        const unsigned char *from = s.at;
        if (value(&s, JSONSCAN_LEVELS) != 0)
            return false;
        if (!each(arg, i, (const char *)from, (size_t)(s.at - from)))
            return true;
        skip_space(&s);
        if (s.at < s.end && *s.at == ',')
            s.at++;
        skip_space(&s);
    }
    return true;
}

/* ---- texts ---- */

static void add_code_point(struct buf *out, unsigned u)
{
    char b[4];
    size_t n = 0;
    if (u < 0x80) {
        b[n++] = (char)u;
    } else if (u < 0x800) {
        b[n++] = (char)(0xC0 | u >> 6);
        b[n++] = (char)(0x80 | (u & 0x3F));
    } else if (u < 0x10000) {
        b[n++] = (char)(0xE0 | u >> 12);
        b[n++] = (char)(0x80 | (u >> 6 & 0x3F));
        b[n++] = (char)(0x80 | (u & 0x3F));
    } else {
        b[n++] = (char)(0xF0 | u >> 18);
        b[n++] = (char)(0x80 | (u >> 12 & 0x3F));
        b[n++] = (char)(0x80 | (u >> 6 & 0x3F));
        b[n++] = (char)(0x80 | (u & 0x3F));
    }
    buf_add(out, b, n);
}

/* The text between the quotes of a checked string, decoded. */
static void decode(struct buf *out, const char *raw, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    for (size_t i = 0; i < len;) {
        if (raw[i] != '\\') {
            size_t n = 1;
            while (i + n < len && raw[i + n] != '\\')
                n++;
            buf_add(out, raw + i, n);
            i += n;
            continue;
        }
        char c = raw[i + 1];
        const char *at = memchr(from, c, sizeof(from) - 1);
        if (c != 'u') {
            buf_addc(out, at ? to[at - from] : c);
            i += 2;
            continue;
        }
        unsigned u = (unsigned)hex4((const unsigned char *)raw + i + 2);
        i += 6;
        if (u >= 0xD800 && u <= 0xDBFF) {
            unsigned low = (unsigned)hex4((const unsigned char *)raw + i + 2);
            u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
            i += 6;
        }
        add_code_point(out, u);
    }
}

struct wanted {
    const char *name;
    size_t nlen;
    const char *value;
    size_t vlen;
};

static bool is_wanted(void *arg, const char *name, size_t nlen, const char *value_text, size_t vlen)
{
    struct wanted *w = arg;
    bool same;
    if (memchr(name, '\\', nlen)) {
        AUTO_BUF plain = BUF_INIT;
        decode(&plain, name, nlen);
        same = !plain.failed && plain.len == w->nlen &&
               (w->nlen == 0 || memcmp(plain.data, w->name, w->nlen) == 0);
    } else {
        same = nlen == w->nlen && memcmp(name, w->name, nlen) == 0;
    }
    if (!same)
        return true;
    w->value = value_text;
    w->vlen = vlen;
    return false;
}

bool jsonscan_member(const char *text, size_t len, const char *name, const char **value_out,
                     size_t *vlen)
{
    struct wanted w = {.name = name, .nlen = strlen(name)};
    if (!jsonscan_each(text, len, is_wanted, &w) || !w.value)
        return false;
    *value_out = w.value;
    *vlen = w.vlen;
    return true;
}

bool jsonscan_text(struct buf *out, const char *value_text, size_t vlen)
{
    if (vlen == 0 || value_text[0] == '{' || value_text[0] == '[')
        return false;
    if (value_text[0] == '"')
        decode(out, value_text + 1, vlen - 2);
    else if (value_text[0] != 'n')
        buf_add(out, value_text, vlen);
    return true;
}
