/*
 * term.h - what people see: text that cannot harm a terminal, colours, columns, times and sizes in
 * words; and the clock. One thread.
 */
#ifndef JOBMILL_CLI_TERM_H
#define JOBMILL_CLI_TERM_H

#include "cli.h"

/* Finds out what standard output and standard error are; NO_COLOR and TERM are honoured. */
void term_init(struct cli *c);
void term_size(int *columns, int *lines); /* 80 and 24 when not known */

double term_now(void); /* monotonic, seconds */
/* Pauses; shorter when SIGINT comes. */
void term_pause(int ms);

/* Text from elsewhere: control characters become `?`. */
void term_text(FILE *out, const char *text);
void term_line(const char *text); /* to standard output, with a newline */
void term_add_text(struct buf *out, const char *text);

/* What was printed so far is written; false after a message, which comes once: it could not be. */
bool term_flush(void);
/* The bytes, and a newline if they do not end with one. false after a message: they could not be
 * written. */
bool term_bytes(const char *data, size_t len, bool newline);

/* "12 s", "3 min", "5 h", "2 d"; "1.2 KiB". The buffer is the caller's. */
const char *term_duration(double seconds, char out[static 24]);
const char *term_bytes_size(double bytes, char out[static 24]);
/* Seconds since 1970 of an RFC 3339 time in UTC; negative: none. */
double term_time(const char *text);

/* The colour of a state, and the end of a colour; "" without colours. */
const char *term_state_color(const struct cli *c, const char *state);
const char *term_color_end(const struct cli *c);
const char *term_bold(const struct cli *c);

/* Columns: cells are added row by row, then printed aligned. A cell is escaped as term_text. */
enum { TABLE_COLUMNS = 10 };
struct table {
    size_t columns;
    struct buf cells; /* strings with their zeros, row by row */
    size_t n;
    int state_column; /* coloured as a state; -1: none */
};
void table_init(struct table *t, int state_column, size_t columns, ...); /* with the head's cells */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends the lines to out; lines are cut at `width` columns, 0: not. */
void table_lines(const struct cli *c, const struct table *t, int width, struct buf *out);
/* Prints and releases it. */
int table_print(const struct cli *c, struct table *t);
void table_release(struct table *t);

#endif
