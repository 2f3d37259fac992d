/* term.c - text, colours, times and sizes for people; the clock. table.c has the columns. */
#include "term.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

void term_init(struct cli *c)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = !term || strcmp(term, "dumb") == 0;
    c->tty_out = isatty(STDOUT_FILENO);
    c->tty_err = isatty(STDERR_FILENO) && !dumb;
    c->color = c->tty_out && !dumb && !(no_color && *no_color);
}

void term_size(int *columns, int *lines)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col)
        (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    *columns = size.ws_col ? size.ws_col : 80;
    *lines = size.ws_row ? size.ws_row : 24;
}

double term_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void term_pause(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    if (!cli_stop)
        nanosleep(&t, NULL); /* a signal ends it: that is meant */
}

/* ---- text ---- */

void term_add_text(struct buf *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool c1 = at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0; /* U+0080 to U+009F */
        if (c1)
            at++;
        buf_addc(out, c1 || *at < 0x20 || *at == 0x7F ? '?' : (char)*at);
    }
}

void term_text(FILE *out, const char *text)
{
    AUTO_BUF clean = BUF_INIT;
    term_add_text(&clean, text);
    if (clean.data && !clean.failed)
        fputs(clean.data, out);
}

void term_line(const char *text)
{
    term_text(stdout, text);
    putchar('\n');
}

/* `why`: the error of a write before this, 0: none, or not known. */
static bool flush(int why)
{
    static bool told;
    if (fflush(stdout) != 0)
        why = errno;
    else if (!ferror(stdout))
        return true;
    if (!told)
        fprintf(stderr, "jobmill: standard output: %s\n",
                why ? strerror(why) : "it cannot be written");
    told = true;
    return false;
}

bool term_flush(void)
{
    return flush(0);
}

bool term_bytes(const char *data, size_t len, bool newline)
{
    bool ends = len > 0 && data[len - 1] == '\n';
    int why = len > 0 && fwrite(data, 1, len, stdout) < len ? errno : 0;
    if (newline && !ends)
        fputc('\n', stdout);
    return flush(why);
}

const char *term_duration(double s, char out[static 24])
{
    static const struct {
        double below, unit;
        const char *fmt;
    } steps[] = {{0.9995, 0.001, "%.0f ms"}, {9.95, 1, "%.1f s"},      {119.5, 1, "%.0f s"},
                 {7170, 60, "%.0f min"},     {172800, 3600, "%.0f h"}, {INFINITY, 86400, "%.0f d"}};
    size_t i = 0;
    if (!(s > 0))
        s = 0;
    while (i < 5 && s >= steps[i].below)
        i++;
    snprintf(out, 24, steps[i].fmt, s / steps[i].unit);
    return out;
}

const char *term_bytes_size(double bytes, char out[static 24])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    for (; i < 4 && bytes >= 1024; i++)
        bytes /= 1024;
    snprintf(out, 24, i > 0 && bytes < 99.5 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
    return out;
}

double term_time(const char *text)
{
    struct tm tm = {0};
    if (!text)
        return -1;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return -1;
    double fraction = *rest == '.' ? strtod(rest, NULL) : 0;
    return (double)timegm(&tm) + fraction;
}

/* ---- colours ---- */

const char *term_state_color(const struct cli *c, const char *state)
{
    static const struct {
        const char *state, *color;
    } colors[] = {{"running", "\033[36m"},   {"busy", "\033[36m"},      {"succeeded", "\033[32m"},
                  {"failed", "\033[31m"},    {"cancelled", "\033[33m"}, {"expired", "\033[33m"},
                  {"scheduled", "\033[35m"}, {"queued", "\033[34m"}};
    for (size_t i = 0; c->color && i < sizeof(colors) / sizeof(colors[0]); i++) {
        if (strcmp(colors[i].state, state) == 0)
            return colors[i].color;
    }
    return "";
}

const char *term_color_end(const struct cli *c)
{
    return c->color ? "\033[0m" : "";
}

const char *term_bold(const struct cli *c)
{
    return c->color ? "\033[1m" : "";
}
