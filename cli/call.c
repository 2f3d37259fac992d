/* call.c - when a call is asked again, and how its failure is told. */
#include "call.h"

#include "term.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIES = 6, /* of a call that can be asked again */
    FIRST_PAUSE_MS = 100,
    LONGEST_PAUSE_MS = 5000 /* also when the service asks for a longer one */
};

#define LEAST_S 0.001 /* libcurl takes less for no limit */

/* ---- JSON ---- */

json_t *call_parse(const char *bytes, size_t len, size_t flags, json_error_t *e)
{
    json_t *json = json_loadb(bytes ? bytes : "", len, flags, e);
    return json ? json : json_loadb(bytes ? bytes : "", len, flags | JSON_DECODE_INT_AS_REAL, e);
}

/* ---- what went wrong ---- */

static bool is_temporary(int status)
{
    return status == 429 || (status >= 500 && status != 501);
}

bool call_passes(int status)
{
    return is_temporary(status) && status != 500;
}

static int exit_of(int status)
{
    return is_temporary(status) ? CLI_TEMPORARY : CLI_REFUSED;
}

int call_refused(const char *about, const struct http_reply *r)
{
    json_t *problem = call_parse(r->body.data, r->body.len, 0, NULL);
    int status = call_refused_by(about, r->status, problem);
    json_decref(problem);
    return status;
}

int call_refused_by(const char *about, int status, const json_t *problem)
{
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    fputs("jobmill: ", stderr);
    if (about) {
        term_text(stderr, about);
        fputs(": ", stderr);
    }
    if (title)
        term_text(stderr, title);
    else
        fprintf(stderr, "the server answered %d, which is no problem document", status);
    if (detail) {
        fputs(": ", stderr);
        term_text(stderr, detail);
    }
    fputc('\n', stderr);
    return exit_of(status);
}

bool call_has_detail(const struct http_reply *r)
{
    json_t *problem = call_parse(r->body.data, r->body.len, 0, NULL);
    bool has = json_is_string(json_object_get(problem, "detail"));
    json_decref(problem);
    return has;
}

bool call_not_served(const struct http_reply *r)
{
    if (r->status == 405 || r->status == 501)
        return true;
    if (r->status != 404 || !r->body.data)
        return r->status == 404;
    json_t *problem = call_parse(r->body.data, r->body.len, 0, NULL);
    const char *code = json_string_value(json_object_get(problem, "code"));
    bool not_served = !code || strcmp(code, "not_found") == 0;
    json_decref(problem);
    return not_served;
}

int call_given_up(void)
{
    fputs("jobmill: no longer following; the job goes on\n", stderr);
    return CLI_TIMED_OUT;
}

static int no_answer(struct cli *c, const struct http_call *call, enum http_end end)
{
    switch (end) {
    case HTTP_INTERRUPTED:
        return CLI_INTERRUPTED;
    case HTTP_NO_MEMORY:
        fputs("jobmill: out of memory\n", stderr);
        return CLI_SYSTEM;
    case HTTP_REFUSED: /* who refused has said why */
        return CLI_NO_OUTPUT;
    case HTTP_TIMEOUT:
        if (call->endless) /* a stream flowed as long as was wanted */
            return call_given_up();
        /* fall through */
    case HTTP_BROKEN:
        fprintf(stderr, "jobmill: no answer from %s: %s\n", c->server, http_why(c->http));
        return CLI_UNREACHABLE;
    default:
        fprintf(stderr, "jobmill: %s is not reachable: %s\n", c->server, http_why(c->http));
        return CLI_UNREACHABLE;
    }
}

/* ---- the call ---- */

/* `broke` says that an earlier try had a connection: then one that is refused may come back. */
static bool try_again(const struct http_call *call, enum http_end end, const struct http_reply *r,
                      bool broke)
{
    bool safe = strcmp(call->method, "GET") == 0 || call->key;
    if (!safe || call->sink)
        return false;
    if (end == HTTP_ANSWERED)
        return call_passes(r->status);
    return end == HTTP_BROKEN || (end == HTTP_UNREACHABLE && broke);
}

static int pause_before(const struct http_reply *r, int tries)
{
    int ms = FIRST_PAUSE_MS << tries;
    if (r->retry_after > 0)
        ms = r->retry_after < LONGEST_PAUSE_MS / 1000 ? r->retry_after * 1000 : LONGEST_PAUSE_MS;
    return ms < LONGEST_PAUSE_MS ? ms : LONGEST_PAUSE_MS;
}

int call_any(struct cli *c, const struct http_call *wanted, struct http_reply *r)
{
    struct http_call call = *wanted;
    bool broke = false;
    if (c->o.timeout.set && call.seconds <= 0)
        call.seconds = c->o.timeout.value > LEAST_S ? c->o.timeout.value : LEAST_S;
    double until = call.seconds > 0 ? term_now() + call.seconds : 0;
    for (int tries = 0;; tries++) {
        enum http_end end = http_do(c->http, &call, r);
        broke = broke || end == HTTP_BROKEN;
        c->met = c->met || end == HTTP_ANSWERED;
        int ms = pause_before(r, tries);
        bool time = !(until > 0) || term_now() + ms / 1000.0 < until;
        if (tries + 1 >= TRIES || !time || !try_again(&call, end, r, broke))
            return end == HTTP_ANSWERED ? CLI_OK : no_answer(c, &call, end);
        http_reply_release(r);
        term_pause(ms);
        if (cli_stop)
            return CLI_INTERRUPTED;
        if (until > 0)
            call.seconds = call_seconds(until);
    }
}

double call_seconds(double deadline)
{
    double left = deadline > 0 ? deadline - term_now() : 0;
    return deadline > 0 && left < LEAST_S ? LEAST_S : left;
}

int call_do(struct cli *c, const struct http_call *call, struct http_reply *r)
{
    int status = call_any(c, call, r);
    if (status == CLI_OK && (r->status < 200 || r->status > 299))
        status = call_refused(NULL, r);
    return status;
}

json_t *call_json(struct cli *c, const struct http_reply *r)
{
    json_t *json = call_parse(r->body.data, r->body.len, JSON_ALLOW_NUL, NULL);
    if (!json)
        fprintf(stderr, "jobmill: %s answered what is no JSON: is it a jobmill?\n", c->server);
    return json;
}

int call_get(struct cli *c, const char *path, json_t **out, struct buf *body)
{
    AUTO_REPLY r = {0};
    *out = NULL;
    int status = call_do(c, &(struct http_call){.method = "GET", .path = path}, &r);
    if (status)
        return status;
    *out = call_json(c, &r);
    if (!*out)
        return CLI_REFUSED;
    if (body)
        buf_move(body, &r.body);
    return CLI_OK;
}

/* ---- addresses ---- */

void call_escape(struct buf *to, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (isalnum(byte) || strchr("-_.~", byte))
            buf_addc(to, (char)byte);
        else
            buf_addf(to, "%%%02X", byte);
    }
}

void call_parameter(struct buf *path, const char *name, const char *value)
{
    buf_addc(path, path->data && strchr(path->data, '?') ? '&' : '?');
    buf_adds(path, name);
    buf_addc(path, '=');
    call_escape(path, value);
}
