/* input.c - reads inputs and writes submissions. */
#include "input.h"

#include "call.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* ---- bytes ---- */

static const char *source(const struct cli *c)
{
    return c->n_args > 1 ? c->args[1] : NULL;
}

FILE *input_open(struct cli *c)
{
    const char *path = source(c);
    if (!path || strcmp(path, "-") == 0)
        return stdin;
    FILE *f = fopen(path, "re");
    if (!f)
        fprintf(stderr, "jobmill: %s: %s\n", path, strerror(errno));
    return f;
}

void input_close(FILE *f)
{
    if (f && f != stdin)
        fclose(f);
}

static int read_all(FILE *f, const char *name, struct buf *out)
{
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), f)) > 0 && !out->failed)
        buf_add(out, part, n);
    if (cli_stop)
        return CLI_INTERRUPTED;
    if (ferror(f)) {
        fprintf(stderr, "jobmill: %s: %s\n", name, strerror(errno));
        return CLI_NO_INPUT;
    }
    if (!out->failed)
        return CLI_OK;
    fprintf(stderr, "jobmill: %s does not fit into memory\n", name);
    return CLI_SYSTEM;
}

int input_read(struct cli *c, struct buf *out, bool *given)
{
    *given = c->o.input || source(c);
    if (c->o.input && source(c)) {
        fputs("jobmill: either --input or a file, not both\n", stderr);
        return CLI_USAGE;
    }
    if (c->o.input)
        buf_adds(out, c->o.input);
    if (!source(c))
        return out->failed ? CLI_SYSTEM : CLI_OK;
    FILE *f = input_open(c);
    if (!f)
        return CLI_NO_INPUT;
    int status = read_all(f, f == stdin ? "standard input" : source(c), out);
    input_close(f);
    return status;
}

bool input_is_json(const char *name, const char *bytes, size_t len)
{
    json_error_t e;
    json_t *json = call_parse(bytes, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!json)
        fprintf(stderr, "jobmill: %s is no JSON: line %d, column %d: %s\n", name, e.line, e.column,
                e.text);
    json_decref(json);
    return json != NULL;
}

/* ---- submissions ---- */

static void add_number(struct buf *out, const char *name, const struct cli_number *n)
{
    if (n->set)
        buf_addf(out, ",\"%s\":%.15g", name, n->value);
}

void input_submission(struct cli *c, const char *input, size_t len, struct buf *out)
{
    const struct cli_options *o = &c->o;
    buf_adds(out, "{\"task\":");
    buf_add_json_string(out, c->args[0], strlen(c->args[0]));
    add_number(out, "priority", &o->priority);
    add_number(out, "delay", &o->delay);
    add_number(out, "timeout", &o->job_timeout);
    add_number(out, "max_attempts", &o->max_attempts);
    if (o->run_at) {
        buf_adds(out, ",\"run_at\":");
        buf_add_json_string(out, o->run_at, strlen(o->run_at));
    }
    for (size_t i = 0; i < o->tag.n; i++) {
        buf_adds(out, i == 0 ? ",\"tags\":[" : ",");
        buf_add_json_string(out, o->tag.item[i], strlen(o->tag.item[i]));
    }
    if (o->tag.n > 0)
        buf_addc(out, ']');
    if (input) {
        buf_adds(out, ",\"input\":");
        buf_add(out, input, len);
    }
    buf_addc(out, '}');
}

static void parameter_number(struct buf *path, const char *name, const struct cli_number *n)
{
    char text[32];
    snprintf(text, sizeof(text), "%.15g", n->value);
    if (n->set)
        call_parameter(path, name, text);
}

void input_raw_path(struct cli *c, struct buf *out)
{
    const struct cli_options *o = &c->o;
    buf_adds(out, "/v1/tasks/");
    call_escape(out, c->args[0]);
    buf_adds(out, "/jobs");
    parameter_number(out, "priority", &o->priority);
    parameter_number(out, "delay", &o->delay);
    parameter_number(out, "timeout", &o->job_timeout);
    parameter_number(out, "max_attempts", &o->max_attempts);
    if (o->run_at)
        call_parameter(out, "run_at", o->run_at);
    for (size_t i = 0; i < o->tag.n; i++)
        call_parameter(out, "tag", o->tag.item[i]);
}

bool input_key(struct cli *c, size_t part, struct buf *out)
{
    unsigned char chance[16];
    if (c->o.key) {
        buf_adds(out, c->o.key);
        if (part > 0)
            buf_addf(out, ".%zu", part);
        return !out->failed;
    }
    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
        fprintf(stderr, "jobmill: no random numbers: %s\n", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof(chance); i++)
        buf_addf(out, "%02x", chance[i]);
    return !out->failed;
}
