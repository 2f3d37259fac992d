/*
 * watch.c - `jobmill watch`: figures, workers and the last jobs, drawn again and again with plain
 * ANSI sequences. Without a terminal it prints one picture.
 */
#include "call.h"
#include "show.h"

#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* the other screen, no cursor, long lines cut */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

struct view {
    struct cli *c;
    json_t *stats, *workers, *jobs;
    struct buf bodies[3]; /* the same as they came */
    double finished, at;  /* jobs that had ended at the last look, and its time */
    double rate;          /* ended jobs a second between the last two looks; negative: not known */
    int columns, lines;
    int refused;            /* the status of an answer that was a problem; 0: none was */
    struct buf *refused_by; /* its body, one of `bodies` */
};

/* ---- what is shown ---- */

static void forget(struct view *v)
{
    json_decref(v->stats);
    json_decref(v->workers);
    json_decref(v->jobs);
    v->stats = v->workers = v->jobs = NULL;
    for (size_t i = 0; i < 3; i++)
        buf_release(&v->bodies[i]);
}

static json_t *fetch(struct view *v, const char *path, struct buf *body, const char **why)
{
    AUTO_REPLY r = {0};
    struct http_call call = {.method = "GET", .path = path, .seconds = 5};
    enum http_end end = http_do(v->c->http, &call, &r);
    json_t *json = NULL;
    if (end != HTTP_ANSWERED)
        *why = http_why(v->c->http);
    else if (r.status != 200 || !r.body.data)
        v->refused = r.status, v->refused_by = body;
    else if (!(json = call_parse(r.body.data, r.body.len, JSON_ALLOW_NUL, NULL)))
        *why = "what answers is no jobmill";
    buf_move(body, &r.body);
    return json;
}

static bool look(struct view *v, const char **why)
{
    char path[48];
    snprintf(path, sizeof(path), "/v1/jobs?limit=%d", v->lines < 1000 ? v->lines : 1000);
    forget(v);
    v->refused = 0;
    v->stats = fetch(v, "/v1/stats", &v->bodies[0], why);
    v->workers = v->stats ? fetch(v, "/v1/workers", &v->bodies[1], why) : NULL;
    v->jobs = v->workers ? fetch(v, path, &v->bodies[2], why) : NULL;
    if (!v->jobs)
        return false;
    double finished = show_number(json_object_get(v->stats, "writer"), "finished");
    double now = term_now(), span = now - v->at;
    v->rate =
        v->at > 0 && span > 0 && finished >= v->finished ? (finished - v->finished) / span : -1;
    v->finished = finished;
    v->at = now;
    return true;
}

/* ---- drawing ---- */

static void add_head(const struct view *v, struct buf *out)
{
    const struct cli *c = v->c;
    const json_t *workers = json_object_get(v->stats, "workers");
    char up[24];
    buf_addf(out, "%sjobmill %s%s at %s, up %s   workers %.0f busy of %.0f", term_bold(c),
             show_string(v->stats, "version"), term_color_end(c), c->server,
             term_duration(show_number(v->stats, "uptime"), up), show_number(workers, "busy"),
             show_number(workers, "live"));
    if (v->rate >= 0)
        buf_addf(out, "   %.*f jobs/s", v->rate < 10 ? 1 : 0, v->rate);
    buf_adds(out, "\n");
    show_counts(c, json_object_get(v->stats, "jobs"), out);
    buf_adds(out, "\n\n");
}

/* A table of the list, at most `most` rows. */
static void add_list(const struct view *v, const json_t *list, size_t most,
                     void (*begin)(struct table *), void (*row)(struct table *, const json_t *),
                     struct buf *out)
{
    struct table t;
    const json_t *one;
    size_t i;
    begin(&t);
    json_array_foreach(list, i, one)
    {
        if (i < most)
            row(&t, one);
    }
    table_lines(v->c, &t, v->c->tty_out ? v->columns : 0, out);
    table_release(&t);
}

/* The head is three lines, each table's head one, a line is between them and one at the end. */
static void draw(const struct view *v, struct buf *out)
{
    const json_t *workers = json_object_get(v->workers, "workers");
    size_t rows = v->lines > 12 ? (size_t)v->lines - 7 : 5, n = json_array_size(workers);
    size_t shown = n < rows / 2 ? n : rows / 2;
    add_head(v, out);
    add_list(v, workers, shown, show_workers_begin, show_workers_row, out);
    buf_addc(out, '\n');
    add_list(v, json_object_get(v->jobs, "jobs"), rows - shown, show_jobs_begin, show_jobs_row,
             out);
}

/* Each line is cleared to its end, and what stood below is cleared: no flicker. */
static bool put_screen(const struct buf *picture)
{
    fputs("\033[H", stdout);
    for (const char *at = picture->data, *end; at && *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end)
            break;
        fwrite(at, 1, (size_t)(end - at), stdout);
        fputs("\033[K\r\n", stdout);
    }
    fputs("\033[Jq ends", stdout);
    return fflush(stdout) == 0;
}

/* ---- the loop ---- */

/* Waits for the next look; true: q was pressed, or nobody can press it any more. */
static bool pressed_q(double seconds)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;
    if (poll(&p, 1, (int)(seconds * 1000)) <= 0)
        return false;
    return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3;
}

static void on_end(int sig)
{
    (void)sig;
    cli_stop = 1;
}

static int live(struct view *v, double interval)
{
    struct termios before, raw;
    bool keys = tcgetattr(STDIN_FILENO, &before) == 0, ok = true;
    if (keys) {
        raw = before;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    signal(SIGTERM, on_end); /* the terminal is left as it was */
    signal(SIGHUP, on_end);
    fputs(ENTER, stdout);
    while (ok && !cli_stop) {
        AUTO_BUF picture = BUF_INIT;
        const char *why = "";
        term_size(&v->columns, &v->lines);
        if (look(v, &why))
            draw(v, &picture);
        else if (v->refused)
            buf_addf(&picture, "%s answers %d: %s\n", v->c->server, v->refused,
                     v->refused == 401 || v->refused == 403 ? "it takes a token that may read"
                                                            : "asked again");
        else
            buf_addf(&picture, "%s does not answer: %s\n", v->c->server, why);
        ok = !picture.failed && put_screen(&picture);
        if (!keys)
            term_pause((int)(interval * 1000));
        else if (ok && pressed_q(interval))
            break;
    }
    fputs(LEAVE, stdout);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return CLI_OK;
}

/* The three answers in one object, each as it came. */
static int print_json(const struct view *v)
{
    static const char *const names[] = {"{\"stats\":", ",\"workers\":", ",\"jobs\":"};
    AUTO_BUF out = BUF_INIT;
    for (size_t i = 0; i < 3; i++) {
        buf_adds(&out, names[i]);
        buf_add(&out, v->bodies[i].data, v->bodies[i].len);
    }
    buf_addc(&out, '}');
    return !out.failed && term_bytes(out.data, out.len, true) ? CLI_OK : CLI_NO_OUTPUT;
}

static int once(struct view *v)
{
    AUTO_BUF picture = BUF_INIT;
    const char *why = "";
    bool looked = look(v, &why);
    if (v->refused) {
        AUTO_REPLY r = {.status = v->refused};
        buf_move(&r.body, v->refused_by);
        return call_refused(NULL, &r);
    }
    if (!looked) {
        fprintf(stderr, "jobmill: %s is not reachable: %s\n", v->c->server, why);
        return CLI_UNREACHABLE;
    }
    if (v->c->o.json)
        return print_json(v);
    draw(v, &picture);
    return !picture.failed && term_bytes(picture.data, picture.len, false) ? CLI_OK : CLI_NO_OUTPUT;
}

int cli_watch(struct cli *c)
{
    struct view v = {.c = c, .lines = 40, .columns = 80};
    double interval = c->o.interval.set && c->o.interval.value > 0.05 ? c->o.interval.value : 1;
    bool terminal = c->tty_out && !c->o.json;
    int status = terminal ? live(&v, interval < 3600 ? interval : 3600) : once(&v);
    forget(&v);
    return status;
}
