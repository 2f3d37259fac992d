/* schema_format.c - pure: texts of a given format, by the RFCs that JSON Schema names. Any thread.
 */
#include "schema_format.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Exactly n digits. */
static bool number(struct cursor *c, int n, int *out)
{
    for (*out = 0; n > 0; n--) {
        if (c->at == c->end || !is_digit(*c->at))
            return false;
        *out = *out * 10 + (*c->at++ - '0');
    }
    return true;
}

static bool literal(struct cursor *c, const char *one_of)
{
    if (c->at == c->end || !*c->at || !strchr(one_of, *c->at))
        return false;
    c->at++;
    return true;
}

/* ---- times: RFC 3339 ---- */

static bool full_date(struct cursor *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d;
    if (!number(c, 4, &y) || !literal(c, "-") || !number(c, 2, &m) || !literal(c, "-") ||
        !number(c, 2, &d) || m < 1 || m > 12 || d < 1)
        return false;
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    return d <= days[m - 1] + (m == 2 && leap);
}

static bool full_time(struct cursor *c)
{
    int h, m, s, off_h = 0, off_m = 0, n = 0;
    if (!number(c, 2, &h) || !literal(c, ":") || !number(c, 2, &m) || !literal(c, ":") ||
        !number(c, 2, &s) || h > 23 || m > 59 || s > 60)
        return false;
    if (literal(c, ".")) {
        for (; c->at < c->end && is_digit(*c->at); c->at++)
            n++;
        if (n == 0)
            return false;
    }
    if (!literal(c, "zZ")) {
        bool minus = c->at < c->end && *c->at == '-';
        if (!literal(c, "+-") || !number(c, 2, &off_h) || !literal(c, ":") ||
            !number(c, 2, &off_m) || off_h > 23 || off_m > 59)
            return false;
        if (minus) {
            off_h = -off_h;
            off_m = -off_m;
        }
    }
    /* a leap second is the last of a day in UTC */
    int utc = ((h - off_h) * 60 + m - off_m + 2880) % 1440;
    return s < 60 || utc == 1439;
}

static bool format_date(const char *text, size_t len)
{
    struct cursor c = {text, text + len};
    return full_date(&c) && c.at == c.end;
}

static bool format_time(const char *text, size_t len)
{
    struct cursor c = {text, text + len};
    return full_time(&c) && c.at == c.end;
}

static bool format_date_time(const char *text, size_t len)
{
    struct cursor c = {text, text + len};
    return full_date(&c) && literal(&c, "tT") && full_time(&c) && c.at == c.end;
}

/* A run of "<digits><letter>" with letters in the order of `letters`, none left out in between when
 * `strict`; how many there were, or -1. */
static int duration_part(struct cursor *c, const char *letters)
{
    int parts = 0;
    const char *want = letters;
    while (c->at < c->end && is_digit(*c->at)) {
        while (c->at < c->end && is_digit(*c->at))
            c->at++;
        const char *found = c->at < c->end ? strchr(want, *c->at) : NULL;
        if (!found || !*found || (parts > 0 && found != want))
            return -1;
        want = found + 1;
        c->at++;
        parts++;
    }
    return parts;
}

static bool format_duration(const char *text, size_t len)
{
    struct cursor c = {text, text + len};
    if (!literal(&c, "P") || c.at == c.end)
        return false;
    if (len > 2 && text[len - 1] == 'W')
        return duration_part(&c, "W") == 1 && c.at == c.end;
    int date = duration_part(&c, "YMD"), time = 0;
    if (date >= 0 && literal(&c, "T"))
        time = duration_part(&c, "HMS") > 0 ? 1 : -1;
    return date >= 0 && time >= 0 && date + time > 0 && c.at == c.end;
}

/* ---- addresses ---- */

static bool address(int family, const char *text, size_t len)
{
    char copy[64];
    unsigned char out[16];
    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static bool format_ipv4(const char *text, size_t len)
{
    return address(AF_INET, text, len);
}

static bool format_ipv6(const char *text, size_t len)
{
    return address(AF_INET6, text, len);
}

/* RFC 1123: letters, digits and hyphens; no part of "xn--" is looked into. */
static bool format_hostname(const char *text, size_t len)
{
    size_t label = 0;
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.') {
            if (label == 0 || text[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!is_alnum(text[i]) && (text[i] != '-' || label == 0))
            return false;
        if (++label > 63)
            return false;
        if (label == 4 && text[i] == '-' && text[i - 1] == '-' &&
            strncasecmp(text + i - 3, "xn", 2) != 0)
            return false;
    }
    return label > 0 && text[len - 1] != '-';
}

static bool dot_atom(const char *text, size_t len)
{
    bool dot = true; /* at the beginning none may stand */
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '.' ? dot : !is_alnum(c) && (!c || !strchr("!#$%&'*+/=?^_`{|}~-", c)))
            return false;
        dot = c == '.';
    }
    return !dot;
}

static bool quoted(const char *text, size_t len)
{
    if (len < 2 || text[0] != '"' || text[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++) {
        if ((text[i] == '\\' && ++i == len - 1) || text[i] < 0x20 || text[i] > 0x7e ||
            (text[i] == '"' && text[i - 1] != '\\'))
            return false;
    }
    return true;
}

static bool domain(const char *text, size_t len)
{
    if (len < 2 || text[0] != '[' || text[len - 1] != ']')
        return format_hostname(text, len);
    text++;
    len -= 2;
    if (len > 5 && strncasecmp(text, "IPv6:", 5) == 0)
        return format_ipv6(text + 5, len - 5);
    return format_ipv4(text, len);
}

/* RFC 5321: a mailbox. */
static bool format_email(const char *text, size_t len)
{
    const char *at = memrchr(text, '@', len);
    if (!at || at == text || at - text > 64)
        return false;
    size_t local = (size_t)(at - text);
    return (dot_atom(text, local) || quoted(text, local)) && domain(at + 1, len - local - 1);
}

/* ---- identifiers ---- */

static bool format_uuid(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return len == 36;
}

/* Characters of a part of a URI: unreserved, escapes, and `more`. */
static bool uri_chars(const char *from, const char *to, const char *more)
{
    for (; from < to; from++) {
        if (*from == '%') {
            if (to - from < 3 || !is_hex(from[1]) || !is_hex(from[2]))
                return false;
            from += 2;
        } else if (!is_alnum(*from) && (!*from || !strchr("-._~", *from)) &&
                   (!*from || !strchr(more, *from))) {
            return false;
        }
    }
    return true;
}

#define SUB_DELIMS "!$&'()*+,;="

static bool uri_authority(const char *from, const char *to)
{
    const char *at = memchr(from, '@', (size_t)(to - from));
    if (at && !uri_chars(from, at, SUB_DELIMS ":"))
        return false;
    const char *host = at ? at + 1 : from, *port = to;
    if (host < to && *host == '[') {
        const char *close = memchr(host, ']', (size_t)(to - host));
        if (!close)
            return false;
        bool future = close - host > 1 && (host[1] == 'v' || host[1] == 'V');
        if (future ? !uri_chars(host + 1, close, SUB_DELIMS ":")
                   : !format_ipv6(host + 1, (size_t)(close - host - 1)))
            return false;
        port = close + 1;
        if (port < to && *port != ':')
            return false;
    } else {
        const char *colon = memchr(host, ':', (size_t)(to - host));
        port = colon ? colon : to;
        if (!uri_chars(host, port, SUB_DELIMS))
            return false;
    }
    for (port += port < to; port < to; port++) {
        if (!is_digit(*port))
            return false;
    }
    return true;
}

/* RFC 3986 after the scheme. */
static bool uri_rest(const char *at, const char *end, bool has_scheme)
{
    const char *fragment = memchr(at, '#', (size_t)(end - at));
    const char *stop = fragment ? fragment : end;
    const char *query = memchr(at, '?', (size_t)(stop - at));
    const char *path_end = query ? query : stop;
    if (path_end - at >= 2 && at[0] == '/' && at[1] == '/') {
        const char *slash = memchr(at + 2, '/', (size_t)(path_end - at - 2));
        const char *authority_end = slash ? slash : path_end;
        if (!uri_authority(at + 2, authority_end))
            return false;
        at = authority_end;
    } else if (!has_scheme) {
        const char *slash = memchr(at, '/', (size_t)(path_end - at));
        if (memchr(at, ':', (size_t)((slash ? slash : path_end) - at)))
            return false;
    }
    return uri_chars(at, path_end, SUB_DELIMS ":@/") &&
           (!query || uri_chars(query + 1, stop, SUB_DELIMS ":@/?")) &&
           (!fragment || uri_chars(fragment + 1, end, SUB_DELIMS ":@/?"));
}

/* After "scheme:", or NULL. */
static const char *uri_scheme(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ':' && i > 0)
            return text + i + 1;
        if (!is_alnum(text[i]) && (i == 0 || !text[i] || !strchr("+-.", text[i])))
            return NULL;
        if (i == 0 && is_digit(text[0]))
            return NULL;
    }
    return NULL;
}

static bool format_uri(const char *text, size_t len)
{
    const char *rest = uri_scheme(text, len);
    return rest && uri_rest(rest, text + len, true);
}

static bool format_uri_reference(const char *text, size_t len)
{
    return format_uri(text, len) || uri_rest(text, text + len, false);
}

/* RFC 6901. */
static bool format_json_pointer(const char *text, size_t len)
{
    if (len > 0 && text[0] != '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '~' && (i + 1 == len || (text[i + 1] != '0' && text[i + 1] != '1')))
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    format_fn fn;
} formats[] = {
    {"date-time", format_date_time},
    {"date", format_date},
    {"time", format_time},
    {"duration", format_duration},
    {"email", format_email},
    {"hostname", format_hostname},
    {"ipv4", format_ipv4},
    {"ipv6", format_ipv6},
    {"uri", format_uri},
    {"uri-reference", format_uri_reference},
    {"uuid", format_uuid},
    {"json-pointer", format_json_pointer},
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

format_fn format_find(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].fn;
    }
    return NULL;
}

void format_names(char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < FORMATS && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", formats[i].name);
}
