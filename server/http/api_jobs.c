/*
 * api_jobs.c - submitting jobs, asking for them, and stopping them. HTTP threads.
 *
 * A submission is answered as it was accepted, not as it is by now, so that a repeated one gets the
 * same bytes. A request that waits asks the store only when it is resumed.
 */
#include "answers.h"
#include "api.h"
#include "api_jobs.h"
#include "json.h"
#include "request.h"
#include "submit.h"
#include "trace.h"

#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_TOLD 20

static void answer_job(struct request *rq, int status, const struct job *job)
{
    struct buf *out = request_json(rq, status);
    json_job_now(out, job);
    buf_addc(out, '\n');
}

bool jobs_read(struct request *rq, unsigned what, size_t inline_max, struct job *job)
{
    int err = reader_job(&rq->id, what, inline_max, job);
    if (!err && caller_sees(&rq->caller, job->owner))
        return true;
    if (!err) { /* somebody else's: as if it were not there */
        job_release(job);
        err = -ERR_NO_JOB;
    }
    if (err == -ERR_NO_JOB) {
        char text[ID_TEXT];
        struct problem p;
        id_format(&rq->id, text);
        problem_set(&p, err, "there is no job %s", text);
        request_problem(rq, &p);
    } else {
        request_error(rq, err);
    }
    return false;
}

bool jobs_read_id(struct request *rq)
{
    if (id_parse(&rq->id, rq->part.text, rq->part.len))
        return true;
    struct problem p;
    problem_set(&p, ERR_NO_JOB, "`%.*s` is not the id of a job",
                (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
    request_problem(rq, &p);
    return false;
}

/* ---- submit ---- */

void json_accepted(struct buf *out, const struct new_job *asked, const struct job *kept,
                   const char *input, size_t input_len)
{
    struct job job; /* owns nothing: for telling only */
    memcpy(&job, kept, offsetof(struct job, error));
    job_error_clear(&job.error);
    job.run_at_us = submit_due(asked, job.created_us);
    job.state = submit_state(asked, job.created_us);
    job.expires_us = asked->asked_expires_us;
    /* a retry by hand raises it to the next attempt; else only the setting is another one by now */
    bool raised = job.attempt >= asked->asked_attempts && job.max_attempts <= job.attempt + 1;
    if (asked->gave_attempts || raised)
        job.max_attempts = asked->asked_attempts;
    job.attempt = 0;
    job.waits = 0;
    job.held = false;
    job.started_us = job.finished_us = job.worker = 0;
    job.cancel_requested = job.has_result = false;
    job.result = BUF_INIT;
    job.input = BUF_INIT;
    if (input && job.input_size <= http_conf->inline_max && job.input_size > 0) {
        job.input.data = (char *)(uintptr_t)input; /* only read */
        job.input.len = input_len;
    }
    json_job(out, &job, NULL);
}

static void add_location(struct request *rq)
{
    static const char name_and_path[] =
        "Location\0/v1/jobs/"; /* without printf: each submission has it */
    char text[ID_TEXT];
    id_format(&rq->id, text);
    buf_add(&rq->reply.headers, name_and_path, sizeof(name_and_path) - 1);
    buf_add(&rq->reply.headers, text, ID_TEXT);
}

static void answer_accepted(struct request *rq)
{
    const struct new_job *n = &rq->change->one;
    /* the request's own bytes: the change's went on to the worker, a replay has none */
    const char *data = rq->body.data;
    size_t len = rq->body.len;
    struct buf *out = request_json(rq, 202);
    if (n->duplicate) {
        json_job_now(out, &n->job);
    } else {
        if (rq->route->body == BODY_JSON) {
            data = n->input_len > 0 ? data + n->input_at : "null";
            len = n->input_len > 0 ? n->input_len : 4;
        }
        json_accepted(out, n, &n->job, data, len);
    }
    buf_addc(out, '\n');
}

/* What was submitted has succeeded at the first attempt, and its outcome is at hand: the job as the
 * store has it, without asking the store. */
static bool answer_finish(struct request *rq)
{
    struct finish *f = rq->waiter.finish;
    if (!f || f->attempt.number != 1 || rq->change->one.replayed || rq->change->one.duplicate)
        return false;
    struct job *job = &rq->change->one.job;
    struct attempt *a = &f->attempt;
    job->state = JOB_SUCCEEDED;
    job->attempt = 1;
    job->waits = 0;
    job->started_us = a->started_us;
    job->finished_us = a->finished_us;
    job->has_result = true;
    job->result_size = a->result.len;
    memcpy(job->result_type, a->result_type, sizeof(job->result_type));
    if (a->result.len <= http_conf->inline_max)
        buf_move(&job->result, &a->result);
    if (job->input.len > http_conf->inline_max)
        buf_release(&job->input);
    answer_job(rq, 200, job);
    return true;
}

/* After a wait: 200 with what is final, 202 with what is not. */
static void answer_waited(struct request *rq)
{
    struct job job;
    if (answer_finish(rq))
        return;
    if (!jobs_read(rq, READ_INPUT | READ_RESULT, http_conf->inline_max, &job))
        return;
    answer_job(rq, job_state_final(job.state) ? 200 : 202, &job);
    job_release(&job);
}

/* Begins to wait for rq->id, unless it is over already. */
static void wait_or(struct request *rq, void (*then)(struct request *rq))
{
    struct job job;
    if (!jobs_read(rq, 0, 0, &job))
        return;
    bool final = job_state_final(job.state);
    job_release(&job);
    if (final) {
        then(rq);
        return;
    }
    request_wait(rq, then);
    if (!rq->parked)
        return;
    if (reader_job(&rq->id, 0, 0, &job) == 0) {
        final = job_state_final(job.state);
        job_release(&job);
    } else {
        final = true; /* asked again when resumed, and told then */
    }
    if (final)
        request_wait_not(rq);
}

static enum problem_place place_of(const struct request *rq)
{
    return rq->route->body == BODY_RAW ? PLACE_PARAMETER : PLACE_POINTER;
}

void refuse_change(struct request *rq)
{
    const struct change *c = rq->change;
    struct problem p;
    char id[ID_TEXT];
    id_format(&c->which, id);
    if (c->err == -ERR_KEY_REUSED) {
        problem_field(&p, c->err, PLACE_HEADER, "Idempotency-Key", NULL, NULL);
        snprintf(p.detail, sizeof(p.detail),
                 "the Idempotency-Key `%.80s` came before with another request",
                 request_header(rq, "Idempotency-Key"));
        request_problem(rq, &p);
    } else if (c->err == -ERR_FORGOTTEN) {
        submit_forgotten(&p, c->work.kind == CHANGE_BATCH, &c->which);
        request_problem(rq, &p);
    } else if (c->err == -ERR_UNKNOWN_DEPENDENCY) {
        submit_unknown(c, place_of(rq), &p);
        request_problem(rq, &p);
    } else if (c->err == -ERR_NOT_UNIQUE) {
        problem_set(&p, c->err, "the same job exists: %s", id);
        request_add_header(rq, "Location", "/v1/jobs/%s", id);
        request_problem(rq, &p);
    } else if (c->err == -ERR_NO_JOB) {
        id_format(&rq->id, id);
        problem_set(&p, c->err, "there is no job %s", id);
        request_problem(rq, &p);
    } else if (c->err == -ERR_CLOSED) {
        request_error(rq, -ERR_DRAINING);
    } else {
        request_error(rq, c->err);
    }
}

static void submitted(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err) {
        refuse_change(rq);
        return;
    }
    rq->id = c->one.job.id;
    add_location(rq);
    if (c->one.replayed)
        request_add_header(rq, "Idempotency-Replayed", "true");
    if (c->one.duplicate)
        request_add_header(rq, "Jobmill-Duplicate", "true");
    bool over = c->one.duplicate && job_state_final(c->one.job.state); /* then it is told whole */
    if (rq->wait_us == 0 && !over)
        answer_accepted(rq);
    else if (c->one.replayed || c->one.duplicate)
        wait_or(rq, answer_waited);
    else
        answer_waited(rq);
}

void api_jobs_submit(struct request *rq)
{
    bool raw = rq->route->body == BODY_RAW;
    struct problem p;
    p.err = 0;
    if (http_draining()) {
        request_error(rq, -ERR_DRAINING);
        return;
    }
    struct change *c = request_change(rq, CHANGE_SUBMIT);
    if (!c)
        return;
    bool validate_only = false;
    int err = raw ? submit_multipart(rq, &p) : 0;
    if (!err)
        err = request_read_wait(rq, &p);
    if (!err)
        err = submit_validate_only(rq, &validate_only, &p);
    if (!err)
        err = submit_key(c, request_header(rq, "Idempotency-Key"), &p);
    if (!err && !raw)
        err = request_no_more_params(rq, &p);
    if (!err)
        err = raw ? submit_raw(c, rq, &p) : submit_json(c, rq->body.data, rq->body.len, &p);
    if (!err && validate_only)
        err = submit_check_parents(c, place_of(rq), &p);
    if (err) {
        request_problem(rq, &p);
        return;
    }
    if (validate_only) {
        rq->reply.status = 204;
        return;
    }
    trace_take(c, request_header(rq, "traceparent"));
    request_commit(rq, &c->one.job.id, submitted);
}

/* ---- get ---- */

static void got(struct request *rq)
{
    struct job job;
    uint64_t version = answers_version(rq);
    if (answers_give(rq, version))
        return;
    if (!jobs_read(rq, READ_INPUT | READ_RESULT, http_conf->inline_max, &job))
        return;
    struct attempt_record past[ATTEMPTS_TOLD];
    size_t n = 0;
    /* the first one is kept if another follows, or was to */
    bool has_past = job.attempt > 1 ||
                    (job.attempt == 1 && job.state != JOB_RUNNING && job.state != JOB_SUCCEEDED);
    int err = has_past ? reader_attempts(&rq->id, ATTEMPTS_TOLD, past, &n) : 0;
    if (err) {
        request_error(rq, err);
    } else {
        struct buf *out = request_json(rq, 200);
        json_job_whole(out, &job, past, n);
        buf_addc(out, '\n');
        char tag[REPLY_ETAG_MAX];
        request_etag_text(out->data, out->len, tag);
        answers_keep(rq, version, &job, tag);
        request_with_this_etag(rq, tag);
    }
    job_release(&job);
}

void api_jobs_get(struct request *rq)
{
    struct problem p;
    p.err = 0;
    if (!jobs_read_id(rq))
        return;
    if (request_read_wait(rq, &p) || request_no_more_params(rq, &p))
        request_problem(rq, &p);
    else if (rq->wait_us > 0)
        wait_or(rq, got);
    else
        got(rq);
}

/* ---- cancel, retry, delete ---- */

static void cancelled(struct request *rq)
{
    const struct change *c = rq->change;
    struct problem p;
    if (c->err == -ERR_CONFLICT) {
        problem_set(&p, c->err, "the job is %s: there is nothing to cancel",
                    job_state_name(c->one.job.state));
        request_problem(rq, &p);
    } else if (c->err) {
        refuse_change(rq);
    } else {
        answer_waited(rq);
    }
}

static void retried(struct request *rq)
{
    const struct change *c = rq->change;
    struct problem p;
    if (c->err == -ERR_CONFLICT) {
        problem_set(&p, c->err, "the job is %s: only failed, cancelled and expired ones run again",
                    job_state_name(c->one.job.state));
        request_problem(rq, &p);
    } else if (c->err) {
        refuse_change(rq);
    } else if (rq->wait_us > 0) {
        wait_or(rq, answer_waited);
    } else {
        answer_waited(rq);
    }
}

static void deleted(struct request *rq)
{
    const struct change *c = rq->change;
    struct problem p;
    if (c->err == -ERR_CONFLICT) {
        problem_set(&p, c->err, "the job is %s: %s", job_state_name(c->one.job.state),
                    job_state_final(c->one.job.state)
                        ? "jobs that depend on it are still being told; try again in a moment"
                        : "only those that have ended can be forgotten");
        request_problem(rq, &p);
    } else if (c->err) {
        refuse_change(rq);
    } else {
        rq->reply.status = 204;
    }
}

/* When a wait for the job's end begins. */
enum wait_from { WAIT_NEVER, WAIT_FROM_NOW, WAIT_FROM_COMMIT };

static void change_one(struct request *rq, enum change_kind kind, enum wait_from wait,
                       void (*then)(struct request *rq))
{
    struct problem p = {0};
    if (!jobs_read_id(rq))
        return;
    if ((wait != WAIT_NEVER && request_read_wait(rq, &p)) || request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    if (rq->caller.token) { /* whose is it? that does not change */
        struct job job;
        if (!jobs_read(rq, 0, 0, &job))
            return;
        int err = caller_may_change(&rq->caller, job.owner, "job", &p);
        job_release(&job);
        if (err) {
            request_problem(rq, &p);
            return;
        }
    }
    if (wait == WAIT_FROM_COMMIT && rq->wait_us > 0 && !request_may_wait(rq))
        return;
    struct change *c = request_change(rq, kind);
    if (!c)
        return;
    c->one.job.id = rq->id;
    request_commit(rq, wait == WAIT_FROM_NOW ? &rq->id : NULL, then);
}

void api_jobs_cancel(struct request *rq)
{
    change_one(rq, CHANGE_CANCEL, WAIT_FROM_NOW, cancelled);
}

void api_jobs_retry(struct request *rq)
{
    /* its last end is on disk, but may not have been told to those who wait: not for this one */
    change_one(rq, CHANGE_RETRY, WAIT_FROM_COMMIT, retried);
}

void api_jobs_delete(struct request *rq)
{
    change_one(rq, CHANGE_DELETE, WAIT_NEVER, deleted);
}
