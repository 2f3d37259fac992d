/*
 * guard.c - strictness about a request's head (RFC 9112, sections 3, 5 and 6), and the two checks
 * that keep other web sites out of a service on loopback: the Host's name, and the Origin of a
 * change. Any thread; a struct guard has one owner.
 */
#include "guard.h"

#include "../../common/err.h"
#include "../../common/word.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Not all of it is set to zeros: most of it is room for texts. */
void guard_init(struct guard *g, bool loopback, const char *listen_host, size_t room)
{
    g->old_version = g->changes = g->chunked = false;
    g->loopback = loopback;
    g->listen_host = listen_host;
    g->room = room;
    g->headers = g->hosts = g->lengths = g->codings = g->authorizations = g->keys = 0;
    g->length = g->memory = 0;
    g->host[0] = g->authority[0] = g->origin[0] = g->site[0] = 0;
    g->problem.err = 0;
}

/* Are all its bytes of the set, which has a bit for each byte? */
static bool all_of(const uint32_t set[8], const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!(set[c / 32] >> c % 32 & 1))
            return false;
    }
    return true;
}

/* RFC 9110, section 5.6.2: letters, digits and !#$%&'*+-.^_`|~ may stand in a token. */
static bool is_token(const char *text, size_t len)
{
    static const uint32_t tchar[8] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    return len > 0 && all_of(tchar, text, len);
}

/* Which bytes of a target are to be looked at: all but visible ASCII without # % and the backslash.
 */
static uint64_t marks_of_target(uint64_t x)
{
    return x | word_below(x, 0x21) | word_equal(x, 0x7f) | word_equal(x, '#') | word_equal(x, '%') |
           word_equal(x, '\\');
}

/* Of a header's value: control bytes. */
static uint64_t marks_of_value(uint64_t x)
{
    return word_below(x, 0x20) | word_equal(x, 0x7f);
}

/* How many of the first bytes are surely not marked: looked at eight at a time, the last of them
 * with some before them once more. */
static inline size_t unmarked(uint64_t (*marks)(uint64_t), const char *text, size_t len)
{
    size_t at = 0;
    if (len < sizeof(uint64_t))
        return 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        if (marks(word_at(text + at)) & WORD_HIGH)
            return at;
    }
    return marks(word_at(text + len - sizeof(uint64_t))) & WORD_HIGH ? at : len;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The library's records of what a text lists. */
static size_t records(const char *text, size_t len, char between)
{
    size_t n = 1;
    for (const char *p = text; (p = memchr(p, between, len - (size_t)(p - text))); p++)
        n++;
    return n * GUARD_RECORD;
}

static size_t memory_of(const char *target, size_t len)
{
    return len + records(target, len, '&');
}

static int too_long(struct problem *p, size_t len)
{
    return problem_set(p, ERR_URI_TOO_LONG, "the request target has %zu bytes; at most %d", len,
                       GUARD_TARGET_MAX);
}

int guard_target(const char *target, size_t room, struct problem *p)
{
    size_t len = strlen(target), takes = memory_of(target, len);
    if (takes <= room)
        return 0;
    if (len > GUARD_TARGET_MAX)
        return too_long(p, len);
    return problem_set(p, ERR_HEAD_TOO_LARGE,
                       "the request target takes %zu bytes: it, and %d for each parameter; at most "
                       "%zu (head_memory)",
                       takes, GUARD_RECORD, room);
}

static int check_target(struct guard *g, const char *target)
{
    size_t len = strlen(target);
    g->memory = memory_of(target, len);
    if (len > GUARD_TARGET_MAX)
        return too_long(&g->problem, len);
    for (const char *p = target + unmarked(marks_of_target, target, len); *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
            return problem_set(&g->problem, ERR_BAD_REQUEST,
                               "the request target has the byte 0x%02x at offset %zu", c,
                               (size_t)(p - target));
        if (c == '%' && (!is_hex(p[1]) || !is_hex(p[2]) || (p[1] == '0' && p[2] == '0')))
            return problem_set(&g->problem, ERR_BAD_REQUEST,
                               "the request target has a bad escape at offset %zu",
                               (size_t)(p - target));
    }
    return 0;
}

int guard_begin(struct guard *g, const char *method, const char *version, const char *target,
                const char **path)
{
    *path = target;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return problem_set(&g->problem, ERR_BAD_REQUEST,
                           "the version must be HTTP/1.1 or HTTP/1.0");
    g->old_version = version[7] == '0';
    if (!is_token(method, strlen(method)))
        return problem_set(&g->problem, ERR_BAD_REQUEST, "the method is not a token");
    g->changes =
        strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
    if (check_target(g, target))
        return -g->problem.err;
    if (strncasecmp(target, "http://", 7) == 0) {
        size_t len = strcspn(target + 7, "/?");
        if (len == 0 || len >= sizeof(g->authority) || target[7 + len] != '/')
            return problem_set(&g->problem, ERR_BAD_REQUEST, "the request target is not valid");
        memcpy(g->authority, target + 7, len);
        g->authority[len] = 0;
        *path = target + 7 + len;
    } else if (target[0] != '/' && (strcmp(target, "*") != 0 || strcmp(method, "OPTIONS") != 0)) {
        return problem_set(&g->problem, ERR_BAD_REQUEST,
                           "the request target must begin with a slash");
    }
    return 0;
}

static bool is(const char *name, size_t len, const char *want)
{
    return len == strlen(want) && strncasecmp(name, want, len) == 0;
}

static int take_length(struct guard *g, const char *value, size_t len)
{
    if (len == 0 || len > 18 || strspn(value, "0123456789") != len)
        return problem_set(&g->problem, ERR_BAD_REQUEST, "Content-Length must be 1 to 18 digits");
    g->length = 0;
    for (size_t i = 0; i < len; i++)
        g->length = g->length * 10 + (uint64_t)(value[i] - '0');
    return 0;
}

static int take_host(struct guard *g, const char *value, size_t len)
{
    /* visible ASCII but # , / ? @ and the backslash */
    static const uint32_t hchar[8] = {0, 0x7fff6ff6, 0xeffffffe, 0x7fffffff};
    if (len >= sizeof(g->host))
        return problem_set(&g->problem, ERR_BAD_REQUEST, "the Host header is too long");
    if (!all_of(hchar, value, len))
        return problem_set(&g->problem, ERR_BAD_REQUEST, "the Host header is not valid");
    if (g->authority[0] && !is(value, len, g->authority))
        return problem_set(&g->problem, ERR_BAD_REQUEST,
                           "the request target and the Host header name different hosts");
    memcpy(g->authority, value, len);
    g->authority[len] = 0;
    size_t name = len;
    if (len > 0 && value[0] == '[') {
        const char *end = memchr(value, ']', len);
        name = end ? (size_t)(end - value) + 1 : 0;
    } else {
        const char *colon = memchr(value, ':', len);
        if (colon)
            name = (size_t)(colon - value);
    }
    bool port_ok = name == len || (value[name] == ':' && len - name <= 6 &&
                                   strspn(value + name + 1, "0123456789") == len - name - 1);
    if (name == 0 || !port_ok)
        return problem_set(&g->problem, ERR_BAD_REQUEST, "the Host header is not valid");
    memcpy(g->host, value, name);
    g->host[name] = 0;
    return 0;
}

static void keep(char *to, size_t room, const char *value, size_t len)
{
    size_t n = len < room - 1 ? len : room - 1;
    memcpy(to, value, n);
    to[n] = 0;
}

int guard_header(struct guard *g, const char *name, size_t nlen, const char *value, size_t vlen)
{
    if (g->problem.err)
        return -g->problem.err;
    if (++g->headers > GUARD_HEADERS_MAX)
        return problem_set(&g->problem, ERR_HEAD_TOO_LARGE, "more than %d headers",
                           GUARD_HEADERS_MAX);
    g->memory += nlen + vlen + 4 + GUARD_RECORD;
    if (!is_token(name, nlen))
        return problem_set(&g->problem, ERR_BAD_REQUEST, "a header's name is not a token");
    for (size_t i = unmarked(marks_of_value, value, vlen); i < vlen; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return problem_set(&g->problem, ERR_BAD_REQUEST, "a header has a control byte");
    }
    if (is(name, nlen, "Cookie"))
        g->memory += vlen + records(value, vlen, ';');
    if (is(name, nlen, "Host")) {
        if (++g->hosts > 1)
            return problem_set(&g->problem, ERR_BAD_REQUEST, "more than one Host header");
        return take_host(g, value, vlen);
    }
    if (is(name, nlen, "Content-Length")) {
        if (++g->lengths > 1)
            return problem_set(&g->problem, ERR_BAD_REQUEST, "more than one Content-Length");
        return take_length(g, value, vlen);
    }
    if (is(name, nlen, "Transfer-Encoding")) {
        g->codings++;
        g->chunked = is(value, vlen, "chunked");
        if (!g->chunked)
            return problem_set(&g->problem, ERR_NOT_IMPLEMENTED,
                               "the only transfer coding is `chunked`");
    } else if (is(name, nlen, "Authorization")) {
        if (++g->authorizations > 1)
            return problem_set(&g->problem, ERR_BAD_REQUEST, "more than one Authorization header");
    } else if (is(name, nlen, "Idempotency-Key")) {
        if (++g->keys > 1)
            return problem_field(&g->problem, ERR_BAD_HEADER, PLACE_HEADER, "Idempotency-Key",
                                 "given once", NULL);
    } else if (is(name, nlen, "Origin")) {
        keep(g->origin, sizeof(g->origin), value, vlen);
    } else if (is(name, nlen, "Sec-Fetch-Site")) {
        keep(g->site, sizeof(g->site), value, vlen);
    }
    return 0;
}

/* Most requests of a thread name the same. */
static bool is_ipv4(const char *host)
{
    static _Thread_local char last[INET_ADDRSTRLEN]; /* that was one */
    unsigned char address[4];
    size_t len = strlen(host);
    if (last[0] && strcmp(host, last) == 0)
        return true;
    if (len >= sizeof(last) || inet_pton(AF_INET, host, address) != 1)
        return false;
    memcpy(last, host, len + 1);
    return true;
}

/* A name that a page of another site can make resolve to this machine (DNS rebinding) is not one of
 * these. */
static bool host_is_ours(const struct guard *g)
{
    unsigned char address[16];
    char bare[64];
    size_t len = strlen(g->host);
    if (is_ipv4(g->host) || strcasecmp(g->host, "localhost") == 0)
        return true;
    if (g->listen_host && strcasecmp(g->host, g->listen_host) == 0)
        return true;
    if (len < 4 || len >= sizeof(bare) || g->host[0] != '[')
        return false;
    memcpy(bare, g->host + 1, len - 2);
    bare[len - 2] = 0;
    return inet_pton(AF_INET6, bare, address) == 1;
}

int guard_end(struct guard *g)
{
    if (g->problem.err)
        return -g->problem.err;
    if (!guard_has_room(g))
        return problem_set(&g->problem, ERR_HEAD_TOO_LARGE,
                           "the request's head takes %zu bytes: it, cookies once more, and %d for "
                           "each header, cookie and parameter; at most %zu (head_memory)",
                           g->memory, GUARD_RECORD, g->room);
    if (g->hosts == 0 && (!g->old_version || g->authority[0]))
        return problem_set(&g->problem, ERR_BAD_REQUEST, "the Host header is missing");
    if (g->codings > 1)
        return problem_set(&g->problem, ERR_BAD_REQUEST, "more than one Transfer-Encoding");
    if (g->codings && g->lengths)
        return problem_set(&g->problem, ERR_BAD_REQUEST,
                           "both Content-Length and Transfer-Encoding");
    if (g->codings && g->old_version)
        return problem_set(&g->problem, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    if (g->loopback && g->hosts && !host_is_ours(g))
        return problem_field(&g->problem, ERR_WRONG_HOST, PLACE_HEADER, "Host",
                             "localhost, an IP address or the address listened on", g->host);
    /* behind a proxy that sends a Host of its own the Origin is another; what the browser says of
     * it then stands, which no page can set */
    if (!g->changes || strcmp(g->site, "same-origin") == 0)
        return 0;
    bool foreign = strcmp(g->site, "cross-site") == 0 || strcmp(g->site, "same-site") == 0;
    if (g->origin[0]) {
        const char *name = strstr(g->origin, "://");
        foreign |= !name || strcasecmp(name + 3, g->authority) != 0;
    }
    if (foreign && !g->origin[0])
        return problem_set(&g->problem, ERR_FORBIDDEN_ORIGIN,
                           "a page of another site asked for a change");
    if (foreign)
        return problem_set(&g->problem, ERR_FORBIDDEN_ORIGIN,
                           "a page of another site (`%.100s`) asked for a change", g->origin);
    return 0;
}
