/* jobs.c - the commands about jobs that are there: get, list, logs, cancel, retry, delete. */
#include "call.h"
#include "show.h"
#include "wait.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 1000, LIMIT = 50 };

#define CUT_S    1.0 /* a stream that ended sooner was cut */
#define PAUSE_MS 250 /* before it is asked for again */

static void job_path(struct buf *path, const char *id, const char *tail)
{
    buf_adds(path, "/v1/jobs/");
    call_escape(path, id);
    buf_adds(path, tail);
}

int cli_get(struct cli *c)
{
    int all = CLI_OK;
    for (int i = 0; i < c->n_args && !cli_stop; i++) {
        AUTO_BUF path = BUF_INIT, body = BUF_INIT;
        json_t *job;
        job_path(&path, c->args[i], "");
        int status = path.failed ? CLI_SYSTEM : call_get(c, path.data, &job, &body);
        if (status) {
            all = all ? all : status;
            continue;
        }
        if (c->o.json) {
            term_bytes(body.data, body.len, true);
        } else if (c->o.quiet) {
            term_line(show_string(job, "state"));
        } else {
            if (i > 0)
                putchar('\n');
            show_job(c, job, &body);
        }
        json_decref(job);
        if (!term_flush())
            return CLI_NO_OUTPUT;
    }
    return all;
}

/* ---- list ---- */

static void list_path(const struct cli *c, double limit, struct buf *path)
{
    char text[32];
    buf_adds(path, "/v1/jobs");
    snprintf(text, sizeof(text), "%.0f", limit);
    call_parameter(path, "limit", text);
    if (c->o.state)
        call_parameter(path, "state", c->o.state);
    if (c->o.task)
        call_parameter(path, "task", c->o.task);
    if (c->o.list_tag)
        call_parameter(path, "tag", c->o.list_tag);
    if (c->o.group)
        call_parameter(path, "group", c->o.group);
}

/* One page. Rows go to the table, or lines to standard output; *left is counted down. */
static void list_page(struct cli *c, const json_t *page, const struct buf *body, struct table *t,
                      double *left)
{
    const json_t *jobs = json_object_get(page, "jobs"), *job;
    size_t i;
    *left -= (double)json_array_size(jobs);
    if (c->o.json) {
        term_bytes(body->data, body->len, true);
        return;
    }
    json_array_foreach(jobs, i, job)
    {
        if (c->o.quiet)
            term_line(show_string(job, "id"));
        else
            show_jobs_row(t, job);
    }
}

/* The page after this one; only an address of the same service is followed: a token goes with it.
 */
static bool next_path(const json_t *page, struct buf *path)
{
    const char *next = json_string_value(json_object_get(page, "next"));
    buf_clear(path);
    if (!next || next[0] != '/' || next[1] == '/')
        return false;
    buf_adds(path, next);
    return !path->failed;
}

int cli_list(struct cli *c)
{
    AUTO_BUF path = BUF_INIT;
    struct table t;
    double left = c->o.limit.set ? c->o.limit.value : c->o.all ? 1e15 : LIMIT;
    int status = CLI_OK;
    bool more = true;
    list_path(c, left < PAGE ? left : PAGE, &path);
    show_jobs_begin(&t);
    while (more && !status && !cli_stop) {
        AUTO_BUF body = BUF_INIT;
        json_t *page;
        status = path.failed ? CLI_SYSTEM : call_get(c, path.data, &page, &body);
        if (status)
            break;
        list_page(c, page, &body, &t, &left);
        status = term_flush() ? CLI_OK : CLI_NO_OUTPUT;
        more = next_path(page, &path) && left > 0;
        json_decref(page);
        if (more && left < PAGE) { /* the last page is shorter: later words stand */
            AUTO_BUF shorter = BUF_INIT;
            const char *at = strstr(path.data, "limit=");
            if (at) {
                buf_add(&shorter, path.data, (size_t)(at - path.data));
                buf_addf(&shorter, "limit=%.0f%s", left, at + strcspn(at, "&"));
                buf_move(&path, &shorter);
            }
        }
    }
    if (!status && !c->o.json && !c->o.quiet)
        return table_print(c, &t);
    table_release(&t);
    return status;
}

/* ---- logs ---- */

/* *arg counts lines. */
static bool write_through(void *arg, const char *data, size_t len)
{
    size_t *lines = arg;
    for (size_t i = 0; i < len; i++)
        *lines += data[i] == '\n';
    return term_bytes(data, len, false);
}

/* The server ends a stream after a time of its own: has the job ended too? */
static int ask_ended(struct cli *c, double deadline, bool *ended)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_REPLY r = {0};
    job_path(&path, c->args[0], "");
    if (path.failed)
        return CLI_SYSTEM;
    struct http_call call = {.method = "GET",
                             .path = path.data,
                             .seconds = call_seconds(deadline),
                             .endless = deadline > 0}; /* then its end is that of the following */
    int status = call_do(c, &call, &r);
    json_t *job = status ? NULL : call_json(c, &r);
    *ended = wait_has_ended(job) || !*show_string(job, "state");
    if (!status && !job)
        status = CLI_REFUSED;
    json_decref(job);
    return status;
}

/* One answer, without the lines that were written already. */
static int logs_once(struct cli *c, double deadline, size_t *lines, bool *more)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_REPLY r = {0};
    char skip[32];
    *more = false;
    job_path(&path, c->args[0], "/logs");
    if (c->o.follow)
        call_parameter(&path, "follow", "true");
    snprintf(skip, sizeof(skip), "%zu", *lines);
    if (*lines > 0)
        call_parameter(&path, "skip", skip);
    if (path.failed)
        return CLI_SYSTEM;
    struct http_call call = {.method = "GET",
                             .path = path.data,
                             .accept = c->o.json ? "application/x-ndjson" : NULL,
                             .seconds = call_seconds(deadline),
                             .endless = c->o.follow,
                             .sink = write_through,
                             .arg = lines};
    int status = call_any(c, &call, &r);
    *more = !status && c->o.follow && r.status == 200 && !cli_stop;
    if (status || (r.status >= 200 && r.status < 300))
        return status;
    if (!call_not_served(&r))
        return call_refused(c->args[0], &r);
    fputs("jobmill: this server has no logs\n", stderr);
    return CLI_REFUSED;
}

int cli_logs(struct cli *c)
{
    double deadline = c->o.timeout.set ? term_now() + c->o.timeout.value : 0;
    size_t lines = 0;
    for (;;) {
        double began = term_now();
        bool more, ended = true;
        int status = logs_once(c, deadline, &lines, &more);
        if (more)
            status = ask_ended(c, deadline, &ended);
        if (status || ended || cli_stop)
            return status;
        if (term_now() - began < CUT_S) /* something between us does not let it flow */
            term_pause(PAUSE_MS);
        if (wait_is_over(deadline))
            return call_given_up();
    }
}

/* ---- cancel, retry, delete ---- */

struct action {
    const char *method, *tail;
    const char *done, *begun; /* what 200 or 204, and 202, mean */
    const char *missing;      /* what a server that knows no such call lacks */
};

static int act_on(struct cli *c, const struct action *a, const char *id)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_REPLY r = {0};
    job_path(&path, id, a->tail);
    if (path.failed)
        return CLI_SYSTEM;
    int status = call_any(c, &(struct http_call){.method = a->method, .path = path.data}, &r);
    if (status)
        return status;
    if (r.status >= 200 && r.status < 300) {
        if (c->o.json && r.body.len > 0)
            term_bytes(r.body.data, r.body.len, true);
        else if (!c->o.json && !c->o.quiet)
            printf("%s %s\n", id, r.status == 202 ? a->begun : a->done);
        return CLI_OK;
    }
    if (!call_not_served(&r))
        return call_refused(id, &r);
    fprintf(stderr, "jobmill: this server cannot %s\n", a->missing);
    return CLI_REFUSED;
}

static int act(struct cli *c, const struct action *a)
{
    int all = CLI_OK;
    for (int i = 0; i < c->n_args && !cli_stop; i++) {
        int status = act_on(c, a, c->args[i]);
        all = all ? all : status;
        if (status == CLI_UNREACHABLE)
            break;
    }
    return all;
}

int cli_cancel(struct cli *c)
{
    return act(c,
               &(struct action){"POST", "/cancel", "cancelled", "is being stopped", "cancel jobs"});
}

int cli_retry(struct cli *c)
{
    return act(c, &(struct action){"POST", "/retry", "runs again", "runs again", "retry jobs"});
}

int cli_delete(struct cli *c)
{
    return act(c, &(struct action){"DELETE", "", "deleted", "is being deleted", "delete jobs"});
}
