/* table.c - columns of text, aligned: for lists and for the live view. */
#include "term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, int state_column, size_t columns, ...)
{
    va_list ap;
    *t = (struct table){.columns = columns, .state_column = state_column};
    va_start(ap, columns);
    for (size_t i = 0; i < columns; i++)
        table_cell(t, va_arg(ap, const char *));
    va_end(ap);
}

void table_cell(struct table *t, const char *text)
{
    term_add_text(&t->cells, text ? text : "");
    buf_addc(&t->cells, '\0');
    t->n++;
}

void table_cellf(struct table *t, const char *fmt, ...)
{
    AUTO_BUF text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    table_cell(t, text.data);
}

/* Columns on a screen: bytes that begin a character. Wide characters count as one. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* As much of the text as fits. */
static size_t bytes_of(const char *text, size_t columns)
{
    size_t i = 0;
    for (size_t n = 0; text[i]; i++) {
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
        if (n > columns)
            break;
    }
    return i;
}

/* One cell; `left` is what the line still holds, `pad` the column's width, 0 in the last. */
static void add_cell(const struct cli *c, struct buf *out, const char *cell, const char *color,
                     size_t pad, size_t *left)
{
    size_t len = bytes_of(cell, *left), shown = width_of(cell);
    shown = shown < *left ? shown : *left;
    buf_adds(out, color);
    buf_add(out, cell, len);
    if (*color)
        buf_adds(out, term_color_end(c));
    for (; shown < pad && shown < *left; shown++)
        buf_addc(out, ' ');
    *left -= shown;
}

void table_lines(const struct cli *c, const struct table *t, int width, struct buf *out)
{
    size_t widths[TABLE_COLUMNS] = {0}, left = 0;
    const char *cell = t->cells.data;
    if (!cell || t->cells.failed) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < t->n; i++, cell += strlen(cell) + 1) {
        size_t n = width_of(cell);
        if (n > widths[i % t->columns])
            widths[i % t->columns] = n;
    }
    cell = t->cells.data;
    for (size_t i = 0; i < t->n; i++, cell += strlen(cell) + 1) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        const char *color = i < t->columns ? term_bold(c) : "";
        if (column == 0)
            left = width > 0 ? (size_t)width : SIZE_MAX;
        if (i >= t->columns && (int)column == t->state_column)
            color = term_state_color(c, cell);
        add_cell(c, out, cell, color, last ? 0 : widths[column] + 2, &left);
        if (!last)
            continue;
        while (out->len > 0 && out->data[out->len - 1] == ' ')
            out->data[--out->len] = '\0';
        buf_addc(out, '\n');
    }
}

int table_print(const struct cli *c, struct table *t)
{
    AUTO_BUF out = BUF_INIT;
    int columns, lines;
    term_size(&columns, &lines);
    table_lines(c, t, c->tty_out ? columns : 0, &out);
    table_release(t);
    if (out.failed || !out.data)
        return CLI_SYSTEM;
    return term_bytes(out.data, out.len, false) ? CLI_OK : CLI_NO_OUTPUT;
}

void table_release(struct table *t)
{
    buf_release(&t->cells);
}
