/* service.c - the commands about the service: tasks, pause, resume, workers, stats. */
#include "call.h"
#include "show.h"

#include <string.h>

/* A GET whose answer is printed as it came, or row by row. `name` is that of the list and, without
 * its table, of the field that --quiet prints. */
static int list_of(struct cli *c, const char *path, const char *list, const char *name,
                   void (*begin)(struct table *), void (*row)(struct table *, const json_t *))
{
    AUTO_BUF body = BUF_INIT;
    json_t *json;
    const json_t *one;
    struct table t;
    size_t i;
    int status = call_get(c, path, &json, &body);
    if (status)
        return status;
    begin(&t);
    json_array_foreach(json_object_get(json, list), i, one)
    {
        if (c->o.quiet && json_is_string(json_object_get(one, name)))
            term_line(show_string(one, name));
        else if (c->o.quiet)
            printf("%.0f\n", show_number(one, name));
        else
            row(&t, one);
    }
    json_decref(json);
    if (!c->o.json && !c->o.quiet)
        return table_print(c, &t);
    table_release(&t);
    if (c->o.json && !term_bytes(body.data, body.len, true))
        return CLI_NO_OUTPUT;
    return CLI_OK;
}

int cli_tasks(struct cli *c)
{
    c->o.quiet = c->o.quiet && !c->o.json;
    return list_of(c, "/v1/tasks", "tasks", "name", show_tasks_begin, show_tasks_row);
}

int cli_workers(struct cli *c)
{
    c->o.quiet = c->o.quiet && !c->o.json;
    return list_of(c, "/v1/workers", "workers", "pid", show_workers_begin, show_workers_row);
}

/* ---- pause, resume ---- */

static int act(struct cli *c, const char *tail, const char *done)
{
    int all = CLI_OK;
    for (int i = 0; i < c->n_args && !cli_stop; i++) {
        AUTO_BUF path = BUF_INIT;
        AUTO_REPLY r = {0};
        buf_adds(&path, "/v1/tasks/");
        call_escape(&path, c->args[i]);
        buf_adds(&path, tail);
        if (path.failed)
            return CLI_SYSTEM;
        int status = call_any(c, &(struct http_call){.method = "POST", .path = path.data}, &r);
        if (!status && r.status > 299 && call_not_served(&r) && !call_has_detail(&r)) {
            fputs("jobmill: this server cannot pause tasks\n", stderr);
            status = CLI_REFUSED;
        } else if (!status && r.status > 299) {
            status = call_refused(c->args[i], &r);
        } else if (!status && c->o.json && r.body.len > 0) {
            term_bytes(r.body.data, r.body.len, true);
        } else if (!status && !c->o.json && !c->o.quiet) {
            printf("%s %s\n", c->args[i], done);
        }
        all = all ? all : status;
    }
    return all;
}

int cli_pause(struct cli *c)
{
    return act(c, "/pause", "is paused");
}

int cli_resume(struct cli *c)
{
    return act(c, "/resume", "runs again");
}

/* ---- stats ---- */

/* Every figure with its path, so that what a later service adds is shown too. */
static void print_figures(const json_t *at, struct buf *path)
{
    const char *name;
    json_t *value;
    size_t len = path->len, i;
    json_object_foreach((json_t *)(uintptr_t)at, name, value)
    {
        buf_addf(path, "%s%s", len ? "." : "", name);
        print_figures(value, path);
        path->len = len;
    }
    json_array_foreach(at, i, value)
    {
        const char *of = show_string(value, "name");
        if (*of)
            buf_addf(path, ".%s", of);
        else
            buf_addf(path, ".%zu", i);
        print_figures(value, path);
        path->len = len;
    }
    if (json_is_object(at) || json_is_array(at) || !path->data)
        return;
    printf("%-32.*s ", (int)path->len, path->data);
    if (json_is_string(at))
        term_text(stdout, json_string_value(at));
    else if (json_is_integer(at))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(at));
    else if (json_is_number(at))
        printf("%.10g", json_number_value(at));
    else
        fputs(json_is_true(at) ? "true" : json_is_false(at) ? "false" : "-", stdout);
    putchar('\n');
}

int cli_stats(struct cli *c)
{
    AUTO_BUF body = BUF_INIT, path = BUF_INIT;
    json_t *stats;
    int status = call_get(c, "/v1/stats", &stats, &body);
    if (status)
        return status;
    if (c->o.json)
        status = term_bytes(body.data, body.len, true) ? CLI_OK : CLI_NO_OUTPUT;
    else
        print_figures(stats, &path);
    json_decref(stats);
    return status;
}
