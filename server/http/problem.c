/*
 * problem.c - problem documents. Values of the client are cut to what struct problem holds and
 * escaped. Any thread; keeps nothing.
 */
#include "problem.h"

#include "../../common/err.h"
#include "../schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned retry_seconds(int err)
{
    switch (err) {
    case ERR_DRAINING:
    case ERR_TOO_MANY_WAITING:
    case ERR_TASK_UNAVAILABLE:
    case ERR_STORE_FULL:
    case ERR_NOT_READY:
        return 5;
    default:
        return err_status(err) == 503 ? 1 : 0;
    }
}

static void start(struct problem *p, int err)
{
    memset(p, 0, sizeof(*p));
    p->err = err < 0 ? -err : err;
    p->retry_after = retry_seconds(p->err);
}

int problem_set(struct problem *p, int err, const char *fmt, ...)
{
    start(p, err);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->detail, sizeof(p->detail), fmt, ap);
    va_end(ap);
    return -p->err;
}

/* As sentences name it. */
static const char *field_name(const struct problem *p)
{
    return p->place == PLACE_POINTER && p->name[0] == '/' ? p->name + 1 : p->name;
}

int problem_field(struct problem *p, int err, enum problem_place place, const char *name,
                  const char *limit, const char *value)
{
    static const char *const kind[] = {[PLACE_NONE] = "the request",
                                       [PLACE_POINTER] = "the field",
                                       [PLACE_PARAMETER] = "the query parameter",
                                       [PLACE_HEADER] = "the header"};
    start(p, err);
    p->place = place;
    snprintf(p->name, sizeof(p->name), "%s", name);
    snprintf(p->limit, sizeof(p->limit), "%s", limit ? limit : "");
    snprintf(p->value, sizeof(p->value), "%s", value ? value : "");
    const char *shown = field_name(p);
    if (p->limit[0] && value)
        snprintf(p->detail, sizeof(p->detail), "%s `%s` must be %s, not %s`%s`", kind[place], shown,
                 p->limit, place == PLACE_POINTER && value[0] == '"' ? "the text " : "", p->value);
    else if (p->limit[0])
        snprintf(p->detail, sizeof(p->detail), "%s `%s` must be %s", kind[place], shown, p->limit);
    else
        snprintf(p->detail, sizeof(p->detail), "%s `%s`: %s", kind[place], shown,
                 err_sentence(p->err));
    return -p->err;
}

/* The beginning of what is said of a field of a body. */
static void start_field(struct problem *p, int err, const char *pointer)
{
    start(p, err);
    p->place = PLACE_POINTER;
    snprintf(p->name, sizeof(p->name), "%s", pointer);
}

int problem_unknown(struct problem *p, const char *pointer, const char *known)
{
    start_field(p, ERR_UNKNOWN_FIELD, pointer);
    snprintf(p->detail, sizeof(p->detail), "the field `%s` is not known; known are: %s",
             field_name(p), known);
    return -p->err;
}

int problem_missing(struct problem *p, const char *pointer, const char *what)
{
    start_field(p, ERR_MISSING_FIELD, pointer);
    snprintf(p->limit, sizeof(p->limit), "%s", what);
    snprintf(p->detail, sizeof(p->detail), "the field `%s` is missing: %s", field_name(p), what);
    return -p->err;
}

static void add_member(struct buf *out, const char *name, const char *text)
{
    if (!text[0])
        return;
    buf_addf(out, ",\"%s\":", name);
    buf_add_json_string(out, text, strlen(text));
}

void problem_in_line(struct problem *p)
{
    char *end, old[sizeof(p->detail)], *at;
    const char begin[] = "/jobs/";
    const char *name = p->report && p->report->count > 0 ? p->report->error[0].pointer : p->name;
    if (strncmp(name, begin, sizeof(begin) - 1) != 0 || name[sizeof(begin) - 1] < '0' ||
        name[sizeof(begin) - 1] > '9')
        return;
    p->line = strtoul(name + sizeof(begin) - 1, &end, 10) + 1;
    p->skip = (size_t)(end - name);
    char job[sizeof(p->name)]; /* as sentences have it, which may say more of it than its field */
    snprintf(job, sizeof(job), "%.*s/", (int)p->skip - 1, name + 1);
    if (strncmp(p->name, begin, sizeof(begin) - 1) == 0)
        memmove(p->name, p->name + p->skip, strlen(p->name + p->skip) + 1);
    memcpy(old, p->detail, sizeof(old));
    at = strstr(old, job);
    size_t before = at ? (size_t)(at - old) : strlen(old);
    snprintf(p->detail, sizeof(p->detail), "line %zu: %.*s%s", p->line, (int)before, old,
             at ? at + strlen(job) : "");
}

static void add_line(struct buf *out, const struct problem *p)
{
    if (p->line)
        buf_addf(out, ",\"line\":%zu", p->line);
}

static void add_report(struct buf *out, const struct problem *p)
{
    const struct schema_report *r = p->report;
    for (unsigned i = 0; i < r->count; i++) {
        const char *pointer = r->error[i].pointer + p->skip;
        buf_adds(out, i ? ",{\"pointer\":" : ",\"errors\":[{\"pointer\":");
        buf_add_json_string(out, pointer, strlen(pointer));
        add_line(out, p);
        add_member(out, "detail", r->error[i].detail);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

void problem_json(const struct problem *p, const char *request_id, struct buf *out)
{
    static const char *const place[] = {[PLACE_NONE] = "detail",
                                        [PLACE_POINTER] = "pointer",
                                        [PLACE_PARAMETER] = "parameter",
                                        [PLACE_HEADER] = "header"};
    const char *code = err_code(p->err);
    buf_addf(out, "{\"type\":\"/docs/errors#%s\",\"title\":", code);
    buf_add_json_string(out, err_sentence(p->err), strlen(err_sentence(p->err)));
    buf_addf(out, ",\"status\":%d,\"code\":\"%s\"", err_status(p->err), code);
    add_member(out, "detail", p->detail);
    if (p->report && p->report->count > 0) {
        add_report(out, p);
    } else if (p->place != PLACE_NONE) {
        buf_addf(out, ",\"errors\":[{\"%s\":", place[p->place]);
        buf_add_json_string(out, p->name, strlen(p->name));
        add_line(out, p);
        add_member(out, "detail", p->detail);
        add_member(out, "limit", p->limit);
        add_member(out, "value", p->value);
        buf_adds(out, "}]");
    }
    add_member(out, "request_id", request_id ? request_id : "");
    buf_adds(out, "}\n");
}
