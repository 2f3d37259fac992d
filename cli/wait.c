/* wait.c - long polls until a job has ended, and `jobmill wait`. */
#include "wait.h"

#include "call.h"
#include "term.h"

#include <string.h>

#define POLL_S   30.0 /* one long poll; a service with a shorter limit cuts it */
#define REDRAW_S 0.25 /* the same while a progress bar is drawn */
#define OUTAGE_S 60.0 /* a service that does not come back in this time is given up */
#define PAUSE_MS 250  /* between two tries while it is away */
#define BAR      24

struct waiting {
    struct cli *c;
    const char *id;
    double began, deadline;
    double away_since; /* 0: it answers */
    bool drawn;        /* there is a bar on the line */
};

/* ---- the bar ---- */

static void bar_clear(struct waiting *w)
{
    if (w->drawn)
        fputs("\r\033[K", stderr);
    w->drawn = false;
}

static void bar_draw(struct waiting *w, json_t *job)
{
    json_t *progress = json_object_get(job, "progress");
    json_t *fraction = json_object_get(progress, "fraction");
    const char *message = json_string_value(json_object_get(progress, "message"));
    const char *state = json_string_value(json_object_get(job, "state"));
    const char *task = json_string_value(json_object_get(job, "task"));
    char bar[BAR + 1] = "", time[24];
    AUTO_BUF line = BUF_INIT;
    int columns, lines;
    if (!w->c->tty_err || w->c->o.quiet)
        return;
    double f = json_number_value(fraction);
    for (int i = 0; i < BAR; i++)
        bar[i] = f * BAR >= i + 1 ? '#' : '.';
    term_add_text(&line, task ? task : "");
    buf_addf(&line, " %s ", state ? state : "");
    if (fraction)
        buf_addf(&line, "[%s] %3.0f %% ", bar, f * 100);
    buf_adds(&line, term_duration(term_now() - w->began, time));
    if (message) {
        buf_adds(&line, "  ");
        term_add_text(&line, message);
    }
    term_size(&columns, &lines);
    if (line.failed)
        return;
    struct table t;
    AUTO_BUF out = BUF_INIT;
    table_init(&t, -1, 1, line.data); /* cuts it at the terminal's edge */
    struct cli plain = {0};
    table_lines(&plain, &t, columns - 1, &out);
    table_release(&t);
    if (!out.failed && out.len > 0)
        fprintf(stderr, "\r\033[K%.*s", (int)out.len - 1, out.data);
    w->drawn = true;
}

/* ---- the service goes away and comes back ---- */

static int gone(struct waiting *w, const char *why)
{
    struct cli *c = w->c;
    bar_clear(w);
    if (w->away_since > 0 && term_now() - w->away_since > OUTAGE_S) {
        fprintf(stderr, "jobmill: %s did not come back; once it does: jobmill wait %s\n", c->server,
                w->id);
        return CLI_UNREACHABLE;
    }
    if (!(w->away_since > 0)) {
        w->away_since = term_now();
        if (!c->o.quiet)
            fprintf(stderr, "jobmill: %s does not answer (%s); waiting for it to come back\n",
                    c->server, why);
    }
    double left = w->deadline > 0 ? (w->deadline - term_now()) * 1000 : PAUSE_MS;
    term_pause(left < PAUSE_MS ? (left > 0 ? (int)left : 0) : PAUSE_MS);
    return CLI_OK;
}

static void is_back(struct waiting *w)
{
    if (w->away_since > 0 && !w->c->o.quiet)
        fprintf(stderr, "jobmill: %s answers again\n", w->c->server);
    w->away_since = 0;
}

/* ---- the polls ---- */

bool wait_has_ended(const json_t *job)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    return state && strcmp(state, "scheduled") != 0 && strcmp(state, "queued") != 0 &&
           strcmp(state, "running") != 0;
}

/* One answer. CLI_OK with *job NULL: not ended yet. */
static int look(struct waiting *w, double seconds, json_t **job, struct http_reply *r)
{
    AUTO_BUF path = BUF_INIT;
    buf_adds(&path, "/v1/jobs/");
    call_escape(&path, w->id);
    if (path.failed)
        return CLI_SYSTEM;
    double began = term_now();
    struct http_call call = {
        .method = "GET", .path = path.data, .wait = seconds, .seconds = call_seconds(w->deadline)};
    enum http_end end = http_do(w->c->http, &call, r);
    if (end == HTTP_INTERRUPTED || cli_stop)
        return CLI_OK;
    if (end == HTTP_TIMEOUT && wait_is_over(w->deadline))
        return CLI_TIMED_OUT;
    if (end != HTTP_ANSWERED && w->c->met)
        return gone(w, http_why(w->c->http));
    if (end != HTTP_ANSWERED) {
        fprintf(stderr, "jobmill: %s is not reachable: %s\n", w->c->server, http_why(w->c->http));
        return CLI_UNREACHABLE;
    }
    w->c->met = true;
    if (call_passes(r->status))
        return gone(w, "it is overloaded or not ready");
    is_back(w);
    if (r->status != 200) {
        bar_clear(w);
        return call_refused(w->id, r);
    }
    json_t *now = call_json(w->c, r);
    if (!now)
        return CLI_REFUSED;
    if (wait_has_ended(now)) {
        *job = now;
        return CLI_OK;
    }
    bar_draw(w, now);
    json_decref(now);
    if (term_now() - began < seconds / 2)
        term_pause(PAUSE_MS); /* something between us does not know how to wait */
    return CLI_OK;
}

int wait_job(struct cli *c, const char *id, double deadline, json_t **job, struct buf *body)
{
    struct waiting w = {.c = c, .id = id, .began = term_now(), .deadline = deadline};
    int status = CLI_OK;
    *job = NULL;
    while (!status && !*job) {
        AUTO_REPLY r = {0};
        double seconds = c->tty_err && !c->o.quiet ? REDRAW_S : POLL_S, left = POLL_S;
        if (deadline > 0)
            left = deadline - term_now();
        if (cli_stop)
            status = CLI_INTERRUPTED;
        else if (wait_is_over(deadline))
            status = CLI_TIMED_OUT;
        else
            status = look(&w, left < seconds ? left : seconds, job, &r);
        if (*job)
            buf_move(body, &r.body);
    }
    bar_clear(&w);
    if (status == CLI_TIMED_OUT || status == CLI_INTERRUPTED)
        fprintf(stderr, "jobmill: no longer waiting; the job goes on: jobmill wait %s\n", id);
    return status;
}

int wait_outcome(const json_t *job, bool tell)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    const char *id = json_string_value(json_object_get(job, "id"));
    const json_t *error = json_object_get(job, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));
    if (!state || strcmp(state, "succeeded") == 0)
        return CLI_OK;
    bool failed = strcmp(state, "failed") == 0;
    if (tell) {
        fprintf(stderr, "jobmill: the job %s %s%s", id ? id : "", failed ? "" : "was ", state);
        if (failed || (code && strcmp(code, state) != 0)) {
            fprintf(stderr, ": ");
            term_text(stderr, code ? code : "");
            fputs(": ", stderr);
            term_text(stderr, message ? message : "");
        }
        fputc('\n', stderr);
    }
    return failed ? CLI_FAILED : CLI_CANCELLED;
}

double wait_deadline(const struct cli *c)
{
    const struct cli_number *n = c->o.wait_timeout.set ? &c->o.wait_timeout : &c->o.timeout;
    return n->set ? term_now() + n->value : 0;
}

/* libcurl counts in whole milliseconds */
bool wait_is_over(double deadline)
{
    return deadline > 0 && term_now() + 0.002 >= deadline;
}

/* a failure before a cancel before success; what is no job's end before all */
int wait_worse(int a, int b)
{
    if (a > CLI_CANCELLED || b > CLI_CANCELLED)
        return a > CLI_CANCELLED ? a : b;
    if (a == CLI_FAILED || b == CLI_FAILED)
        return CLI_FAILED;
    return a > b ? a : b;
}

int cli_wait(struct cli *c)
{
    int all = CLI_OK;
    double deadline = wait_deadline(c);
    for (int i = 0; i < c->n_args; i++) {
        AUTO_BUF body = BUF_INIT;
        json_t *job;
        int status = wait_job(c, c->args[i], deadline, &job, &body);
        if (status == CLI_OK) {
            status = wait_outcome(job, !c->o.json);
            if (c->o.json && !term_bytes(body.data, body.len, true))
                status = CLI_NO_OUTPUT;
            else if (!c->o.json && !c->o.quiet)
                printf("%s %s\n", c->args[i], json_string_value(json_object_get(job, "state")));
        }
        json_decref(job);
        all = wait_worse(all, status);
        bool told = term_flush();
        if (!told)
            all = wait_worse(all, CLI_NO_OUTPUT);
        if (status == CLI_TIMED_OUT || status == CLI_UNREACHABLE || !told || cli_stop)
            break;
    }
    return all;
}
