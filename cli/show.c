/* show.c - the service's JSON as text for people. */
#include "show.h"

#include "../common/jsonscan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INLINE_MAX 2000 /* longer values are not printed with a job */
#define DEPTH      2048 /* of jansson's */

const char *show_string(const json_t *from, const char *name)
{
    const char *text = json_string_value(json_object_get(from, name));
    return text ? text : "";
}

double show_number(const json_t *from, const char *name)
{
    return json_number_value(json_object_get(from, name));
}

/* ---- times ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What the last attempt took, or has taken so far; negative: it has not begun. */
static double took(const json_t *job)
{
    double from = term_time(show_string(job, "started_at"));
    double to = term_time(show_string(job, "finished_at"));
    if (from < 0)
        return -1;
    if (to < 0 && strcmp(show_string(job, "state"), "running") == 0)
        to = now();
    return to < from ? -1 : to - from;
}

static void add_progress(struct buf *out, const json_t *progress)
{
    const json_t *fraction = json_object_get(progress, "fraction");
    const char *message = show_string(progress, "message");
    if (fraction)
        buf_addf(out, "%.0f %%", json_number_value(fraction) * 100);
    if (*message)
        buf_addf(out, "%s%s", fraction ? " " : "", message);
}

/* ---- one job ---- */

static void line(const char *name, const char *text)
{
    printf("%-9s ", name);
    term_text(stdout, text);
    putchar('\n');
}

static void time_line(const json_t *job, const char *name, const char *field)
{
    char text[96], ago[24];
    const char *at = show_string(job, field);
    double seconds = now() - term_time(at);
    if (!*at)
        return;
    term_duration(seconds < 0 ? -seconds : seconds, ago);
    snprintf(text, sizeof(text), seconds < 0 ? "%s (in %s)" : "%s (%s ago)", at, ago);
    line(name, text);
}

/* JSON without the white space between its values; of a long one only the beginning. */
static void add_compact(struct buf *out, const char *json, size_t len)
{
    bool text = false;
    for (size_t i = 0; i < len && out->len <= INLINE_MAX; i++) {
        if (json[i] == '"')
            text = !text;
        if (text && json[i] == '\\' && i + 1 < len)
            buf_addc(out, json[i++]);
        if (text || !strchr(" \t\r\n", json[i]))
            buf_addc(out, json[i]);
    }
}

/* A member of the job as its bytes are: what was parsed is no longer the number that was given. */
static void add_member(struct buf *out, const struct buf *body, const char *name)
{
    const char *value, *why;
    size_t len;
    if (jsonscan(body->data, body->len, DEPTH, NULL, &why) == 0 &&
        jsonscan_member(body->data, body->len, name, &value, &len))
        add_compact(out, value, len);
}

/* An input or a result: its type and size, and itself where it is short text. */
static void value_line(const json_t *job, const struct buf *body, const char *name)
{
    char field[32], size[24];
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF value = BUF_INIT;
    snprintf(field, sizeof(field), "%s_size", name);
    const json_t *bytes = json_object_get(job, field);
    if (!bytes)
        return;
    snprintf(field, sizeof(field), "%s_type", name);
    const char *type = show_string(job, field);
    buf_addf(&text, "%s%s%s", term_bytes_size(json_number_value(bytes), size), *type ? " " : "",
             type);
    add_member(&value, body, name);
    if (value.len > 0 && value.len <= INLINE_MAX && !value.failed)
        buf_addf(&text, ": %s", value.data);
    if (text.data)
        line(name, text.data);
}

static void error_line(const json_t *error)
{
    AUTO_BUF text = BUF_INIT;
    if (!error)
        return;
    buf_addf(&text, "%s: %s", show_string(error, "code"), show_string(error, "message"));
    if (text.data)
        line("error", text.data);
}

static void tags_line(const json_t *tags)
{
    AUTO_BUF text = BUF_INIT;
    const json_t *tag;
    size_t i;
    json_array_foreach(tags, i, tag)
    {
        buf_addf(&text, "%s%s", i ? " " : "", json_string_value(tag));
    }
    if (text.data)
        line("tags", text.data);
}

void show_job(const struct cli *c, const json_t *job, const struct buf *body)
{
    const char *state = show_string(job, "state");
    bool stopping =
        strcmp(state, "running") == 0 && json_is_true(json_object_get(job, "cancel_requested"));
    char time[24];
    line("id", show_string(job, "id"));
    line("task", show_string(job, "task"));
    printf("%-9s %s%s%s, attempt %.0f of %.0f%s\n", "state", term_state_color(c, state), state,
           *term_state_color(c, state) ? term_color_end(c) : "", show_number(job, "attempt"),
           show_number(job, "max_attempts"), stopping ? ", is being cancelled" : "");
    if (show_number(job, "priority") < 0 || show_number(job, "priority") > 0)
        printf("%-9s %.0f\n", "priority", show_number(job, "priority"));
    time_line(job, "created", "created_at");
    if (strcmp(state, "scheduled") == 0)
        time_line(job, "runs", "run_at");
    time_line(job, "started", "started_at");
    time_line(job, "finished", "finished_at");
    if (took(job) >= 0)
        line("took", term_duration(took(job), time));
    AUTO_BUF progress = BUF_INIT;
    add_progress(&progress, json_object_get(job, "progress"));
    if (progress.data)
        line("progress", progress.data);
    if (*show_string(job, "group"))
        line("group", show_string(job, "group"));
    tags_line(json_object_get(job, "tags"));
    value_line(job, body, "input");
    value_line(job, body, "result");
    error_line(json_object_get(job, "error"));
}

/* ---- tables ---- */

void show_jobs_begin(struct table *t)
{
    table_init(t, 2, 6, "ID", "TASK", "STATE", "AGE", "TOOK", "NOTE");
}

void show_jobs_row(struct table *t, const json_t *job)
{
    char age[24], time[24] = "";
    const json_t *error = json_object_get(job, "error");
    const char *state = show_string(job, "state");
    AUTO_BUF note = BUF_INIT;
    if (error)
        buf_addf(&note, "%s: %s", show_string(error, "code"), show_string(error, "message"));
    else if (strcmp(state, "succeeded") != 0)
        add_progress(&note, json_object_get(job, "progress"));
    if (took(job) >= 0)
        term_duration(took(job), time);
    table_cell(t, show_string(job, "id"));
    table_cell(t, show_string(job, "task"));
    table_cell(t, state);
    table_cell(t, term_duration(now() - term_time(show_string(job, "created_at")), age));
    table_cell(t, time);
    table_cell(t, note.data);
}

void show_workers_begin(struct table *t)
{
    table_init(t, 2, 8, "SLOT", "POOL", "STATE", "PID", "DONE", "CPU", "MEMORY", "RUNS");
}

void show_workers_row(struct table *t, const json_t *w)
{
    char cpu[24], size[24];
    const char *task = show_string(w, "task");
    AUTO_BUF runs = BUF_INIT;
    if (*task) {
        buf_addf(&runs, "%s ", task);
        add_progress(&runs, json_object_get(w, "progress"));
        buf_addf(&runs, "  %s", show_string(w, "job"));
    }
    table_cellf(t, "%.0f", show_number(w, "slot"));
    table_cell(t, show_string(w, "pool"));
    table_cell(t,
               json_is_true(json_object_get(w, "stopped")) ? "stopped" : show_string(w, "state"));
    table_cellf(t, "%.0f", show_number(w, "pid"));
    table_cellf(t, "%.0f", show_number(w, "jobs_done"));
    table_cell(t, term_duration(show_number(w, "cpu_seconds"), cpu));
    table_cell(t, term_bytes_size(show_number(w, "rss_bytes"), size));
    table_cell(t, runs.data);
}

void show_tasks_begin(struct table *t)
{
    table_init(t, -1, 7, "TASK", "POOL", "QUEUED", "RUNNING", "FAILED", "MEAN", "WHAT IT DOES");
}

void show_tasks_row(struct table *t, const json_t *task)
{
    char mean[24];
    const json_t *counts = json_object_get(task, "counts");
    const json_t *attempts = json_object_get(task, "attempts");
    const char *error = show_string(task, "error");
    bool paused = json_is_true(json_object_get(task, "paused"));
    table_cell(t, show_string(task, "name"));
    table_cell(t, show_string(task, "pool"));
    table_cellf(t, "%.0f", show_number(counts, "queued") + show_number(counts, "scheduled"));
    table_cellf(t, "%.0f", show_number(counts, "running"));
    table_cellf(t, "%.0f", show_number(counts, "failed"));
    table_cell(t, show_number(attempts, "started") > 0
                      ? term_duration(show_number(attempts, "mean_seconds"), mean)
                      : "");
    if (*error)
        table_cellf(t, "not available: %s", error);
    else
        table_cellf(t, "%s%s", paused ? "(paused) " : "", show_string(task, "description"));
}

void show_counts(const struct cli *c, const json_t *counts, struct buf *out)
{
    static const char *const states[] = {"scheduled", "queued",    "running", "succeeded",
                                         "failed",    "cancelled", "expired"};
    bool any = false;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        double n = show_number(counts, states[i]);
        if (!(n > 0))
            continue;
        buf_addf(out, "%s%s%s%s %.0f", any ? "   " : "", term_state_color(c, states[i]), states[i],
                 term_color_end(c), n);
        any = true;
    }
    if (!any)
        buf_adds(out, "no jobs yet");
}
