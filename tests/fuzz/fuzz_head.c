/*
 * fuzz_head.c - libFuzzer: any head of a request, given as the library gives it: METHOD, VERSION, TARGET
 * and NAME:VALUE, a line each. The guard lets through no head that two readers could understand in two
 * ways, or that comes from elsewhere; what handlers read of the target and of the headers then keeps its
 * limits.
 */
#include "../../common/err.h"
#include "../../common/log.h"
#include "../../server/conf.h"
#include "../../server/http/access.h"
#include "../../server/http/address.h"
#include "../../server/http/auth.h"
#include "../../server/http/guard.h"
#include "../../server/http/query.h"
#include "../../server/http/range.h"
#include "../../server/http/request.h"
#include "../../server/http/route.h"
#include "../../server/http/submit.h"
#include "../../server/http/trace.h"
#include "../../server/http/webhook.h"
#include "../../server/tokens.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct conf conf;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void setup(void)
{
    struct buf why = BUF_INIT;
    struct tokens *tokens = NULL;
    char *argv[] = {(char *)"serve", NULL};
    must(conf_load(&conf, 1, argv, &why) == 0);
    http_conf = &conf;
    must(tokens_set(&tokens, "a", "hash",
                    "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
                    &why) == 0); /* of "x" */
    must(tokens_set(&tokens, "a", "scopes", "read", &why) == 0 && tokens_check(tokens, &why) == 0);
    must(auth_use(tokens) == 0);
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "fuzz");
}

/* ---- what handlers make of it ---- */

static void read_query(const char *text)
{
    struct query q;
    double d;
    if (query_parse(&q, text) == 0) {
        must(q.count <= QUERY_MAX);
        for (size_t i = 0; i < q.count; i++) {
            for (const char *c = q.item[i].value; *c; c++)
                must((unsigned char)*c >= 0x20 && *c != 0x7f);
            (void)query_number(q.item[i].value, &d);
        }
    }
    query_release(&q);
}

static void read_path(const char *path, const char *method)
{
    const struct route *route = NULL;
    struct route_part part = {0};
    char *copy = strdup(path);
    must(copy != NULL);
    char *query = strchr(copy, '?');
    if (query)
        *query++ = '\0';
    read_query(query);
    if (route_find(route_method(method), copy, &route, &part) == 0) {
        must(route != NULL && route->handler != NULL);
        must(!part.text || (part.text >= copy && part.text + part.len <= copy + strlen(copy)));
        must(!part.text || (part.len > 0 && !memchr(part.text, '/', part.len)));
        if (part.text) {
            char *text = strndup(part.text, part.len);
            must(text != NULL);
            if (query_unescape(text, false)) /* no byte 0 and no control byte comes out */
                for (const char *c = text; *c; c++)
                    must((unsigned char)*c >= 0x20);
            free(text);
        }
    }
    struct buf allow = BUF_INIT;
    route_allow(copy, &allow);
    buf_release(&allow);
    free(copy);
}

static void read_key(const char *value)
{
    struct change c = {0};
    struct problem p = {0};
    const struct caller nobody = {0};
    auth_caller = &nobody;
    int err = submit_key(&c, value, &p);
    auth_caller = NULL;
    must((err == 0) == (p.err == 0) && (!err || p.detail[0]));
    must(err || (c.key[0] && strlen(c.key) <= 255));
    for (const char *k = c.key; *k && !err; k++)
        must(*k > 0x20 && *k < 0x7f);
}

static void read_range(const char *value)
{
    static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t from = 0, n = 0;
        if (range_parse(value, sizes[i], &from, &n) == RANGE_PIECE)
            must(n > 0 && from < sizes[i] && n <= sizes[i] - from);
    }
}

static void read_value(const char *value)
{
    char trace[JOB_TRACE_MAX + 1];
    struct caller c = {0};
    struct problem p = {0};
    struct address_list list = {0};
    read_key(value);
    read_range(value);
    if (trace_parse(value, trace))
        must(strlen(trace) == 55 && strspn(trace, "0123456789abcdef-") == 55);
    if (access_id_ok(value))
        must(strlen(value) <= REQUEST_ID_MAX && !strpbrk(value, "\"\r\n <"));
    int err = auth_enter(&c, value, SCOPE_READ, &p);
    must(err == 0 ? strncasecmp(value, "Bearer", 6) == 0 && strchr(value, 'x')
                  : err == -ERR_UNAUTHORIZED && p.err);
    auth_leave(&c);
    if (submit_url_ok(value, strlen(value)))
        must(strncmp(value, "http", 4) == 0 && strlen(value) <= JOB_URL_MAX &&
             !memchr(value, '@', strcspn(value + 8, "/?#") + 8));
    struct buf why = BUF_INIT;
    must(webhook_check_delays(value, &why) == 0 ? webhook_delay(value, 0) >= 0 : why.len > 0);
    buf_release(&why);
    (void)address_list_parse(&list, value);
}

/* ---- the head ---- */

struct seen {
    unsigned hosts, lengths, codings;
    bool chunked, origin;
};

static bool is(const char *name, size_t n, const char *want)
{
    return n == strlen(want) && strncasecmp(name, want, n) == 0;
}

static void look(struct seen *s, const char *name, size_t n, const char *value)
{
    s->hosts += is(name, n, "host");
    s->lengths += is(name, n, "content-length");
    s->codings += is(name, n, "transfer-encoding");
    s->origin |= is(name, n, "origin") && *value;
    if (is(name, n, "content-length"))
        must(*value && value[strspn(value, "0123456789")] == '\0');
    if (is(name, n, "transfer-encoding"))
        must(strcasecmp(value, "chunked") == 0);
    for (size_t i = 0; i < n; i++)
        must((unsigned char)name[i] > 0x20 && name[i] != 0x7f && name[i] != ':');
    for (; *value; value++)
        must((unsigned char)*value >= 0x20 || *value == '\t');
}

static bool is_ours(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcasecmp(host, "mill.test") == 0 ||
           host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

static char *next_line(char **rest)
{
    char *line = strsep(rest, "\n");
    return line ? line : (char *)"";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!http_conf)
        setup();
    if (len == 0)
        return 0;
    char *text = malloc(len), *rest = text, *line;
    must(text != NULL);
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    struct guard g;
    guard_init(&g, data[0] & 1, data[0] & 2 ? "mill.test" : NULL, 15360);
    struct seen seen = {0};
    const char *method = next_line(&rest), *version = next_line(&rest), *target = next_line(&rest),
               *path;
    int err = guard_begin(&g, method, version, target, &path);
    while (!err && rest) {
        line = next_line(&rest);
        char *value = strchr(line, ':');
        if (!value)
            continue;
        size_t n = (size_t)(value++ - line);
        value += strspn(value, " ");
        if (guard_header(&g, line, n, value, strlen(value)) == 0)
            look(&seen, line, n, value);
        read_value(value);
    }
    if (!err)
        err = guard_end(&g);
    must((err == 0) == (g.problem.err == 0) && (!err || g.problem.detail[0]));
    if (!err) {
        must(seen.hosts == 1 || (seen.hosts == 0 && strcmp(version, "HTTP/1.0") == 0));
        must(seen.lengths + seen.codings <= 1);
        must(path >= target && (*path == '/' || strcmp(path, "*") == 0));
        must(!g.loopback || !seen.hosts || is_ours(g.host));
        must(!seen.codings || strcmp(version, "HTTP/1.1") == 0);
        for (const char *c = path; *c; c++)
            must(*c > 0x20 && *c < 0x7f && strncmp(c, "%00", 3) != 0);
        read_path(path, method);
    }
    free(text);
    return 0;
}
