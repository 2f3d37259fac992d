/*
 * json_job.c - a job as JSON: a table of fields, each of which says its value or that it is not
 * known; a field that is not known is absent. Any thread; keeps nothing.
 */
#include "json.h"

#include "../backoff.h"
#include "../reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct view {
    const struct job *job;
    const struct slot_view *running;
    const struct lease *lease; /* of a remote worker, or NULL */
    bool whole;                /* with its attempts */
    bool outcome;              /* nothing but how it ended */
    bool template;             /* nothing but what was asked for */
    const struct attempt_record *past;
    size_t past_count;
};

static bool add_type(struct buf *out, const char *type)
{
    json_text(out, type[0] ? type : "application/json");
    return true;
}

static bool add_time(struct buf *out, int64_t us)
{
    if (us == 0)
        return false;
    json_time(out, us);
    return true;
}

#define JOB_USUAL 640 /* bytes of most jobs, but for input and result */

/* A payload: JSON as it came, text as a string, anything else not here. */
static bool add_payload(struct buf *out, const struct buf *bytes, size_t size, const char *type)
{
    if (bytes->len != size || (size > 0 && !bytes->data))
        return false;
    if (json_type_is_json(type) && size > 0)
        buf_add(out, bytes->data, size);
    else if (strncasecmp(type, "text/", 5) == 0)
        buf_add_json_string(out, bytes->data ? bytes->data : "", size);
    else
        return false;
    return true;
}

/* ---- the fields of a job: true when the value was added ---- */

static bool add_id(struct buf *out, const struct view *v)
{
    json_id(out, &v->job->id);
    return true;
}

static bool add_task(struct buf *out, const struct view *v)
{
    json_text(out, v->job->task);
    return true;
}

static bool add_state(struct buf *out, const struct view *v)
{
    json_text(out, job_state_name(v->job->state));
    return true;
}

static bool add_cancel_requested(struct buf *out, const struct view *v)
{
    if (!v->job->cancel_requested)
        return false;
    buf_adds(out, "true");
    return true;
}

static bool add_priority(struct buf *out, const struct view *v)
{
    if (v->job->priority < 0)
        buf_addc(out, '-');
    buf_add_u64(out, (unsigned)abs(v->job->priority));
    return true;
}

static bool add_attempt(struct buf *out, const struct view *v)
{
    buf_add_u64(out, v->job->attempt);
    return true;
}

static bool add_max_attempts(struct buf *out, const struct view *v)
{
    buf_add_u64(out, v->job->max_attempts);
    return true;
}

static bool add_timeout(struct buf *out, const struct view *v)
{
    if (v->job->timeout_us == 0)
        return false;
    json_seconds(out, v->job->timeout_us);
    return true;
}

static bool add_created_at(struct buf *out, const struct view *v)
{
    return add_time(out, v->job->created_us);
}

static bool add_run_at(struct buf *out, const struct view *v)
{
    return add_time(out, v->job->run_at_us);
}

static bool add_started_at(struct buf *out, const struct view *v)
{
    return add_time(out, v->job->started_us);
}

static bool add_finished_at(struct buf *out, const struct view *v)
{
    return add_time(out, v->job->finished_us);
}

static bool add_lease_progress(struct buf *out, const struct lease *l)
{
    if (!l->has_fraction && !l->message[0])
        return false;
    json_progress(out, l->has_fraction ? &l->fraction : NULL, l->message);
    return true;
}

static bool add_progress(struct buf *out, const struct view *v)
{
    const struct slot_view *s = v->running;
    if (v->lease)
        return add_lease_progress(out, v->lease);
    if (!s || s->attempt != v->job->attempt || (!s->has_progress && !s->progress_text[0]))
        return false;
    json_progress(out, s->has_progress ? &s->progress : NULL, s->progress_text);
    return true;
}

static bool add_lease(struct buf *out, const struct view *v)
{
    const struct lease *l = v->lease;
    if (!l)
        return false;
    buf_adds(out, "{\"expires_at\":");
    json_time(out, l->expires_us);
    if (l->worker[0]) {
        buf_adds(out, ",\"worker\":");
        json_text(out, l->worker);
    }
    buf_addc(out, '}');
    return true;
}

static bool add_deliveries(struct buf *out, const struct view *v)
{
    return v->whole && v->job->callback_url.len > 0 && json_deliveries(out, &v->job->id);
}

static bool add_tags(struct buf *out, const struct view *v)
{
    if (v->job->tags.len == 0)
        return false;
    buf_add(out, v->job->tags.data, v->job->tags.len);
    return true;
}

static bool add_input_type(struct buf *out, const struct view *v)
{
    return v->job->input_type[0] && add_type(out, v->job->input_type);
}

static bool add_input_size(struct buf *out, const struct view *v)
{
    buf_add_u64(out, v->job->input_size);
    return true;
}

static bool add_input(struct buf *out, const struct view *v)
{
    return add_payload(out, &v->job->input, v->job->input_size, v->job->input_type);
}

static bool add_result_type(struct buf *out, const struct view *v)
{
    return v->job->has_result && add_type(out, v->job->result_type);
}

static bool add_result_size(struct buf *out, const struct view *v)
{
    if (!v->job->has_result)
        return false;
    buf_add_u64(out, v->job->result_size);
    return true;
}

static bool add_result(struct buf *out, const struct view *v)
{
    return v->job->has_result && v->job->result.data &&
           add_payload(out, &v->job->result, v->job->result_size, v->job->result_type);
}

static bool add_owner(struct buf *out, const struct view *v)
{
    if (!v->job->owner[0])
        return false;
    json_text(out, v->job->owner);
    return true;
}

static bool add_group(struct buf *out, const struct view *v)
{
    if (id_is_nil(&v->job->group))
        return false;
    json_id(out, &v->job->group);
    return true;
}

static bool add_expires_at(struct buf *out, const struct view *v)
{
    return add_time(out, v->job->expires_us);
}

static bool add_backoff(struct buf *out, const struct view *v)
{
    static const char *const member[][2] = {{"delay", "max"}, {"delay", ""}, {"", ""}};
    struct backoff b;
    if (!v->job->backoff[0] || backoff_parse(&b, v->job->backoff) != 0)
        return false;
    buf_addf(out, "{\"kind\":\"%s\"",
             b.kind == BACKOFF_LIST    ? "list"
             : b.kind == BACKOFF_FIXED ? "fixed"
                                       : "exponential");
    if (b.kind == BACKOFF_LIST)
        buf_adds(out, ",\"delays\":[");
    for (size_t i = 0; i < b.count; i++) {
        if (b.kind != BACKOFF_LIST)
            buf_addf(out, ",\"%s\":", member[b.kind][i]);
        else if (i > 0)
            buf_addc(out, ',');
        json_seconds(out, b.delay_us[i]);
    }
    buf_adds(out, b.kind == BACKOFF_LIST ? "]}" : "}");
    return true;
}

static bool add_concurrency_key(struct buf *out, const struct view *v)
{
    if (!v->job->concurrency_key[0])
        return false;
    json_text(out, v->job->concurrency_key);
    return true;
}

static bool add_held(struct buf *out, const struct view *v)
{
    if (!v->job->held || v->job->state != JOB_QUEUED)
        return false;
    buf_adds(out, "true");
    return true;
}

static bool add_depends_on(struct buf *out, const struct view *v)
{
    if (v->job->depends_on.len == 0)
        return false;
    buf_add(out, v->job->depends_on.data, v->job->depends_on.len);
    return true;
}

static bool add_on_dependency_failure(struct buf *out, const struct view *v)
{
    if (!v->job->run_anyway)
        return false;
    buf_adds(out, "\"run\"");
    return true;
}

static bool add_waiting_for(struct buf *out, const struct view *v)
{
    if (v->job->waits == 0)
        return false;
    buf_add_u64(out, v->job->waits);
    return true;
}

static bool add_callback_url(struct buf *out, const struct view *v)
{
    if (v->job->callback_url.len == 0)
        return false;
    buf_add_json_string(out, v->job->callback_url.data, v->job->callback_url.len);
    return true;
}

static bool add_parameters(struct buf *out, const struct view *v)
{
    if (v->job->params.len == 0)
        return false;
    buf_add(out, v->job->params.data, v->job->params.len);
    return true;
}

static bool add_traceparent(struct buf *out, const struct view *v)
{
    if (!v->job->traceparent[0])
        return false;
    json_text(out, v->job->traceparent);
    return true;
}

static bool error_json(struct buf *out, const struct job_error *e)
{
    if (!e->code[0])
        return false;
    buf_adds(out, "{\"code\":");
    json_text(out, e->code);
    buf_adds(out, ",\"message\":");
    json_text(out, e->message);
    if (e->signal > 0)
        buf_addf(out, ",\"signal\":%d", e->signal);
    if (e->exit_code >= 0)
        buf_addf(out, ",\"exit_code\":%d", e->exit_code);
    buf_addc(out, '}');
    return true;
}

static bool add_error(struct buf *out, const struct view *v)
{
    return error_json(out, &v->job->error);
}

static void attempt_json(struct buf *out, const struct attempt_record *a)
{
    buf_addf(out, "{\"number\":%" PRIu32, a->number);
    if (a->worker)
        buf_addf(out, ",\"worker\":%" PRId64, a->worker);
    if (a->started_us) {
        buf_adds(out, ",\"started_at\":");
        json_time(out, a->started_us);
    }
    if (a->finished_us) {
        buf_adds(out, ",\"finished_at\":");
        json_time(out, a->finished_us);
    }
    if (a->error.code[0]) {
        buf_adds(out, ",\"error\":");
        error_json(out, &a->error);
    }
    buf_addc(out, '}');
}

/* Oldest first. The last one stands in the job itself, unless it was kept: then the job waited for
 * another one, and may have been cancelled meanwhile. */
static bool add_attempts(struct buf *out, const struct view *v)
{
    const struct job *job = v->job;
    bool runs = job->state == JOB_RUNNING;
    size_t first = 0; /* newest first; what was kept after the job was read is left out */
    while (first < v->past_count && v->past[first].number + runs > job->attempt)
        first++;
    bool kept = first < v->past_count && v->past[first].number == job->attempt;
    bool now =
        job->attempt > 0 && job->started_us > 0 && !kept && (runs || job_state_final(job->state));
    if (!v->whole || (v->past_count == first && !now))
        return false;
    buf_addc(out, '[');
    for (size_t i = v->past_count; i-- > first;) {
        attempt_json(out, &v->past[i]);
        if (i > first || now)
            buf_addc(out, ',');
    }
    if (now) {
        struct attempt_record last = {.number = job->attempt,
                                      .worker = job->worker,
                                      .started_us = job->started_us,
                                      .finished_us = job->finished_us};
        if (job_state_final(job->state)) /* else that is the error of the attempt before */
            last.error = job->error;
        if (v->running && v->running->attempt == job->attempt)
            last.worker = v->running->pid;
        attempt_json(out, &last);
    }
    buf_addc(out, ']');
    return true;
}

/* `,"name":`, and zeros so that all keys are copied alike. */
#define KEY_ROOM 32
#define FIELD(name)                                                                                \
    {                                                                                              \
        ",\"" #name "\":", sizeof(",\"" #name "\":") - 1, #name, add_##name                        \
    }

static const struct field {
    char key[KEY_ROOM];
    size_t len;
    const char *name;
    bool (*add)(struct buf *out,
                const struct view *v); /* its value; false: it has none, and nothing was added */
} fields[] = {
    FIELD(id),           FIELD(task),
    FIELD(state),        FIELD(cancel_requested),
    FIELD(priority),     FIELD(attempt),
    FIELD(max_attempts), FIELD(timeout),
    FIELD(created_at),   FIELD(run_at),
    FIELD(expires_at),   FIELD(started_at),
    FIELD(finished_at),  FIELD(progress),
    FIELD(lease),        FIELD(tags),
    FIELD(owner),        FIELD(group),
    FIELD(depends_on),   FIELD(on_dependency_failure),
    FIELD(waiting_for),  FIELD(concurrency_key),
    FIELD(held),         FIELD(backoff),
    FIELD(callback_url), FIELD(deliveries),
    FIELD(traceparent),  FIELD(parameters),
    FIELD(input_type),   FIELD(input_size),
    FIELD(input),        FIELD(result_type),
    FIELD(result_size),  FIELD(result),
    FIELD(error),        FIELD(attempts),
};

static const char *const outcome[] = {"id",          "state",  "result_type",
                                      "result_size", "result", "error"};

static const char *const template[] = {"task",    "priority",     "max_attempts",
                                       "timeout", "tags",         "concurrency_key",
                                       "backoff", "callback_url", "input"};

/* Is the field among those that this form of a job has? */
static bool is_told(const struct view *v, const char *name)
{
    const char *const *names = v->outcome ? outcome : template;
    size_t n =
        v->outcome ? sizeof(outcome) / sizeof(outcome[0]) : sizeof(template) / sizeof(template[0]);
    bool told = false;
    for (size_t i = 0; i < n && !told; i++)
        told = strcmp(names[i], name) == 0;
    return told;
}

static void add_key(struct buf *out, const struct field *f)
{
    if (!buf_has_room(out, KEY_ROOM)) {
        buf_add(out, f->key, f->len);
        return;
    }
    memcpy(out->data + out->len, f->key, KEY_ROOM); /* of one length: no call */
    out->len += f->len;
}

static void job_json(struct buf *out, const struct view *v)
{
    bool all = !v->outcome && !v->template;
    buf_reserve(out, JOB_USUAL + v->job->input.len + v->job->result.len);
    size_t begin = out->len;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!all && !is_told(v, fields[i].name))
            continue;
        size_t mark = out->len;
        add_key(out, &fields[i]);
        if (!fields[i].add(out, v) && out->data) {
            out->len = mark;
            out->data[mark] = 0;
        }
    }
    if (out->len > begin)
        out->data[begin] = '{'; /* in place of the first comma */
    else
        buf_addc(out, '{');
    buf_addc(out, '}');
}

void json_job(struct buf *out, const struct job *job, const struct slot_view *running)
{
    struct view v = {.job = job, .running = running};
    job_json(out, &v);
}

void json_job_now(struct buf *out, const struct job *job)
{
    struct slot_view running;
    bool runs = job->state == JOB_RUNNING && board_find_job(reader_board(), &job->id, &running);
    json_job(out, job, runs ? &running : NULL);
}

void json_job_whole(struct buf *out, const struct job *job, const struct attempt_record *past,
                    size_t n)
{
    struct slot_view running;
    struct lease lease;
    bool runs = job->state == JOB_RUNNING && board_find_job(reader_board(), &job->id, &running);
    int task = job->state == JOB_RUNNING ? taskdefs_find(reader_tasks(), job->task) : -1;
    bool leased = task >= 0 && reader_tasks()->task[task].kind == TASK_REMOTE &&
                  reader_lease(&job->id, &lease) == 0;
    struct view v = {.job = job,
                     .lease = leased ? &lease : NULL,
                     .running = runs ? &running : NULL,
                     .whole = true,
                     .past = past,
                     .past_count = n};
    job_json(out, &v);
}

void json_template(struct buf *out, const struct job *job)
{
    struct view v = {.job = job, .template = true};
    job_json(out, &v);
}

void json_outcome(struct buf *out, const struct job *job)
{
    struct view v = {.job = job, .outcome = true};
    job_json(out, &v);
}
