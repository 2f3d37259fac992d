/* submit.c - `jobmill submit`: one job, and if asked its end and its result. batch.c has many. */
#include "batch.h"
#include "call.h"
#include "input.h"
#include "result.h"
#include "term.h"
#include "wait.h"

#include <string.h>

#define LEAST_S 1.0 /* also who waits for nothing wants to hear that the job is taken */

/* Words that say nothing together are refused, lest somebody believes that they do. */
static int check(const struct cli *c)
{
    const struct cli_options *o = &c->o;
    const char *why = NULL;
    if (o->ndjson && (o->input || o->raw || o->output))
        why = "--ndjson goes with none of --input, --raw, --output";
    else if (o->output && !o->wait)
        why = "--output needs --wait";
    else if (o->wait_timeout.set && !o->wait)
        why = "--wait-timeout needs --wait";
    else if (o->run_at && o->delay.set)
        why = "either --run-at or --delay, not both";
    if (!why)
        return CLI_OK;
    fprintf(stderr, "jobmill: %s\n", why);
    return CLI_USAGE;
}

/* Sends it; the answer is the job. */
static int send_job(struct cli *c, double deadline, struct http_reply *r)
{
    AUTO_BUF input = BUF_INIT, body = BUF_INIT, path = BUF_INIT, key = BUF_INIT;
    bool given;
    int status = input_read(c, &input, &given);
    if (status)
        return status;
    if (c->o.raw) {
        input_raw_path(c, &path);
        buf_move(&body, &input);
    } else {
        const char *name = c->o.input ? "--input" : c->args[1];
        if (given && !input_is_json(name, input.data, input.len))
            return CLI_REFUSED;
        buf_adds(&path, "/v1/jobs");
        input_submission(c, given ? input.data : NULL, input.len, &body);
    }
    if (!input_key(c, 0, &key) || path.failed || body.failed)
        return CLI_SYSTEM;
    struct http_call call = {.method = "POST",
                             .path = path.data,
                             .body = body.data ? body.data : "",
                             .len = body.len,
                             .type = c->o.raw,
                             .key = key.data,
                             .seconds = call_seconds(deadline)};
    if (deadline > 0 && call.seconds < LEAST_S)
        call.seconds = LEAST_S;
    status = call_do(c, &call, r);
    if (status != CLI_UNREACHABLE || !wait_is_over(deadline))
        return status;
    fputs("jobmill: no longer waiting; it is not known whether the job was submitted\n", stderr);
    return CLI_TIMED_OUT;
}

/* Waits and writes the result; with --json the job. */
static int finish(struct cli *c, const char *id, double deadline)
{
    AUTO_BUF body = BUF_INIT;
    AUTO_REPLY r = {0};
    json_t *job;
    int status = wait_job(c, id, deadline, &job, &body);
    if (status)
        return status;
    int outcome = wait_outcome(job, !c->o.json);
    bool result = outcome == CLI_OK && json_object_get(job, "result_size");
    json_decref(job);
    if (c->o.json && !term_bytes(body.data, body.len, true))
        return CLI_NO_OUTPUT;
    if (!result || (c->o.json && !c->o.output))
        return outcome;
    status = result_fetch(c, id, deadline, &r);
    return status ? status : result_write(c, id, &r, true);
}

int cli_submit(struct cli *c)
{
    AUTO_REPLY r = {0};
    int status = check(c);
    if (status)
        return status;
    if (c->o.ndjson)
        return batch_submit(c);
    double deadline = wait_deadline(c);
    status = send_job(c, deadline, &r);
    if (status)
        return status;
    json_t *job = call_json(c, &r);
    const char *id = json_string_value(json_object_get(job, "id"));
    if (!id)
        status = CLI_REFUSED;
    else if (c->o.wait)
        status = finish(c, id, deadline);
    else if (c->o.json)
        status = term_bytes(r.body.data, r.body.len, true) ? CLI_OK : CLI_NO_OUTPUT;
    else
        term_line(id);
    json_decref(job);
    return status;
}
