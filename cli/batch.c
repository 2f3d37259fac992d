/* batch.c - lines become jobs: a thousand in a call, or one by one where a service knows no better.
 */
#include "batch.h"

#include "call.h"
#include "input.h"
#include "result.h"
#include "term.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP_JOBS = 1000,
    GROUP_BYTES = 768 * 1024 /* below the service's usual limit of a body, 1 MiB */
};

struct batch {
    struct cli *c;
    struct buf jobs;         /* submissions of the group with commas between them */
    struct buf ids;          /* of all jobs so far, with their zeros */
    size_t n, total;         /* jobs of the group, and of all groups that were sent */
    size_t line[GROUP_JOBS]; /* of the input, where each job of the group stands */
    size_t parts;            /* calls made: each has its own key */
    size_t one;              /* one by one: which of the group */
    bool one_by_one;
};

/* ---- sending ---- */

static int keep_id(struct batch *b, const json_t *job)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    if (!id) {
        fputs("jobmill: the service answered without an id\n", stderr);
        return CLI_REFUSED;
    }
    if (!b->c->o.json && !b->c->o.wait)
        term_line(id);
    if (b->c->o.wait)
        buf_add(&b->ids, id, strlen(id) + 1);
    return b->ids.failed ? CLI_SYSTEM : CLI_OK;
}

/* The ids of an answer: of a group, or of one job. */
static int keep_answer(struct batch *b, const struct http_reply *r)
{
    json_t *answer = call_json(b->c, r), *jobs = json_object_get(answer, "jobs"), *job;
    size_t i;
    int status = answer ? CLI_OK : CLI_REFUSED;
    if (answer && !jobs)
        status = keep_id(b, answer);
    json_array_foreach(jobs, i, job)
    {
        if (status == CLI_OK)
            status = keep_id(b, job);
    }
    json_decref(answer);
    if (!status && b->c->o.json && !b->c->o.wait)
        (void)term_bytes(r->body.data, r->body.len,
                         true); /* send_group() asks whether that went well */
    return status;
}

/* In the service's words it is a job of the call; the user knows lines of the input. */
static int refused(struct batch *b, struct http_reply *r)
{
    json_t *problem = call_parse(r->body.data, r->body.len, 0, NULL);
    const char *pointer = json_string_value(
        json_object_get(json_array_get(json_object_get(problem, "errors"), 0), "pointer"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    char line[40], job[48];
    size_t at = 0;
    bool known = pointer && sscanf(pointer, "/jobs/%zu", &at) == 1 && at < b->n;
    if (b->one_by_one && b->one < b->n) {
        at = b->one;
        known = true;
    }
    if (known && detail) {
        AUTO_BUF text = BUF_INIT;
        snprintf(job, sizeof(job), "jobs/%zu/", at);
        const char *found = strstr(detail, job);
        size_t before = found ? (size_t)(found - detail) : strlen(detail);
        buf_add(&text, detail, before);
        buf_adds(&text, found ? found + strlen(job) : "");
        if (!text.failed)
            json_object_set_new(problem, "detail", json_stringn(text.data, text.len));
    }
    snprintf(line, sizeof(line), "line %zu", known ? b->line[at] : 0);
    int status = call_refused_by(known ? line : NULL, r->status, problem);
    json_decref(problem);
    return status;
}

/* CLI_OK with *served false: the service does not take groups, nothing was submitted. */
static int post(struct batch *b, const char *path, const struct buf *body, bool *served)
{
    AUTO_BUF key = BUF_INIT;
    AUTO_REPLY r = {0};
    if (body->failed || !input_key(b->c, ++b->parts, &key))
        return CLI_SYSTEM;
    struct http_call call = {
        .method = "POST", .path = path, .body = body->data, .len = body->len, .key = key.data};
    int status = call_any(b->c, &call, &r);
    if (status)
        return status;
    if (served && call_not_served(&r)) {
        *served = false;
        return CLI_OK;
    }
    return r.status > 299 ? refused(b, &r) : keep_answer(b, &r);
}

static int post_one(struct batch *b, const char *job, size_t len)
{
    AUTO_BUF body = BUF_INIT;
    buf_add(&body, job, len);
    int status = post(b, "/v1/jobs", &body, NULL);
    b->total += status == CLI_OK;
    return status;
}

/* The submissions are JSON without raw newlines, so a newline can divide them. */
static int post_each(struct batch *b)
{
    int status = CLI_OK;
    b->one = 0;
    for (const char *at = b->jobs.data, *end; at && *at && !status; at = end + 1, b->one++) {
        end = strchr(at, '\n');
        size_t len = (size_t)(end - at);
        status = post_one(b, at, len - (at[len - 1] == ','));
    }
    return status;
}

static int send_group(struct batch *b)
{
    int status = CLI_OK;
    bool served = !b->one_by_one;
    if (b->n > 0 && served) {
        AUTO_BUF body = BUF_INIT;
        buf_adds(&body, "{\"jobs\":[");
        buf_add(&body, b->jobs.data, b->jobs.len);
        buf_adds(&body, "]}");
        body.failed |= b->jobs.failed;
        status = post(b, "/v1/jobs/batch", &body, &served);
        b->one_by_one = !served;
        if (served && !status)
            b->total += b->n;
    }
    if (b->n > 0 && !served) {
        buf_addc(&b->jobs, '\n');
        status = b->jobs.failed ? CLI_SYSTEM : post_each(b);
    }
    buf_clear(&b->jobs);
    b->n = 0;
    return status || term_flush() ? status : CLI_NO_OUTPUT;
}

/* ---- lines ---- */

static int add_line(struct batch *b, const char *line, size_t len, size_t number)
{
    int status = CLI_OK;
    if (b->n == GROUP_JOBS || (b->n > 0 && b->jobs.len + len > GROUP_BYTES))
        status = send_group(b);
    if (status)
        return status;
    b->line[b->n] = number;
    if (b->n++ > 0)
        buf_adds(&b->jobs, ",\n");
    input_submission(b->c, line, len, &b->jobs);
    return CLI_OK;
}

static int read_lines(struct batch *b, FILE *f)
{
    char *line = NULL;
    size_t cap = 0, number = 0;
    ssize_t n;
    int status = CLI_OK;
    while (!status && (n = getline(&line, &cap, f)) >= 0) {
        char name[32];
        size_t len = (size_t)n;
        number++;
        while (len > 0 && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
            len--;
        if (len == 0)
            continue;
        snprintf(name, sizeof(name), "line %zu", number);
        if (input_is_json(name, line, len))
            status = add_line(b, line, len, number);
        else
            status = CLI_REFUSED;
    }
    bool unread = ferror(f) && !cli_stop;
    if (unread)
        fprintf(stderr, "jobmill: the input cannot be read: %s\n", strerror(errno));
    free(line);
    if (status == CLI_REFUSED || unread) { /* what came before is good */
        int sent = send_group(b);
        return sent ? sent : unread ? CLI_NO_INPUT : status;
    }
    return status ? status : send_group(b);
}

/* ---- ends ---- */

/* One line, whatever the JSON's spaces are: raw newlines stand in no JSON string. */
static int print_result(struct cli *c, const char *id, double deadline)
{
    AUTO_REPLY r = {0};
    int status = result_fetch(c, id, deadline, &r);
    if (status)
        return status;
    for (size_t i = 0; i < r.body.len; i++) {
        if (r.body.data[i] == '\n' || r.body.data[i] == '\r')
            r.body.data[i] = ' ';
    }
    bool json = strcmp(r.type, "application/json") == 0;
    if (json)
        return term_bytes(r.body.data, r.body.len, true) ? CLI_OK : CLI_NO_OUTPUT;
    AUTO_BUF line = BUF_INIT;
    buf_adds(&line, "{\"id\":");
    buf_add_json_string(&line, id, strlen(id));
    buf_adds(&line, ",\"result_type\":");
    buf_add_json_string(&line, r.type, strlen(r.type));
    buf_addf(&line, ",\"result_size\":%zu}", r.body.len);
    return !line.failed && term_bytes(line.data, line.len, true) ? CLI_OK : CLI_NO_OUTPUT;
}

static int wait_all(struct batch *b)
{
    struct cli *c = b->c;
    double deadline = wait_deadline(c);
    int all = CLI_OK;
    for (size_t at = 0; at < b->ids.len && !cli_stop;) {
        const char *id = b->ids.data + at;
        AUTO_BUF body = BUF_INIT;
        json_t *job;
        int status = wait_job(c, id, deadline, &job, &body);
        if (status == CLI_OK) {
            status = wait_outcome(job, !c->o.json);
            bool result = status == CLI_OK && json_object_get(job, "result_size");
            if (c->o.json)
                term_bytes(body.data, body.len, true);
            else if (!result)
                puts("null");
            else
                status = print_result(c, id, deadline);
            if (!term_flush())
                status = CLI_NO_OUTPUT;
        }
        json_decref(job);
        all = wait_worse(all, status);
        if (status > CLI_CANCELLED)
            break;
        at += strlen(id) + 1;
    }
    return all;
}

int batch_submit(struct cli *c)
{
    struct batch b = {.c = c};
    if (c->n_args < 2) {
        fputs("jobmill: --ndjson needs a file, or `-` for standard input\n", stderr);
        return CLI_USAGE;
    }
    FILE *f = input_open(c);
    if (!f)
        return CLI_NO_INPUT;
    int status = read_lines(&b, f);
    input_close(f);
    if (status && b.total > 0)
        fprintf(stderr, "jobmill: %zu jobs were submitted before that\n", b.total);
    if (c->o.wait && (!status || b.total > 0))
        status = wait_worse(wait_all(&b), status);
    buf_release(&b.jobs);
    buf_release(&b.ids);
    return cli_stop ? CLI_INTERRUPTED : status;
}
