/*
 * conf_file.c - reads an INI file with inih, and adds what inih leaves out: a section's whole name
 * (inih keeps 49 bytes), sections without a setting, the refusal of lines that are too long, and
 * values that go on in indented lines, joined by a blank. Before any thread exists.
 */
#include "conf_file.h"

#include "../common/err.h"

#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    conf_file_fn each;
    void *arg;
    FILE *file;
    char *raw; /* getline's */
    size_t raw_size;
    int line;
    bool indented; /* the line that inih has now begins with a blank */
    struct buf section;

    struct buf name, value; /* a setting that the next line may still go on with */
    int value_line;         /* 0: none */

    struct buf fault; /* the first one */
    int fault_line;
    int err;
};

static void refuse(struct reading *r, const char *text)
{
    if (r->err)
        return;
    buf_adds(&r->fault, text);
    r->fault_line = r->line;
    r->err = -ERR_CONFIG;
}

/* Hands over the setting that is complete now. */
static void flush(struct reading *r)
{
    if (r->value_line == 0 || r->err)
        return;
    if (r->name.failed || r->value.failed || r->section.failed)
        r->err = -ERR_NOMEM;
    else
        r->err = r->each(r->arg, r->section.data ? r->section.data : "", r->name.data,
                         r->value.data, &r->fault);
    r->fault_line = r->value_line;
    r->value_line = 0;
}

static void begin_section(struct reading *r, const char *head, size_t len)
{
    const char *close = memchr(head, ']', len);
    flush(r);
    if (r->err)
        return;
    if (!close) {
        refuse(r, "a section without its ]");
        return;
    }
    buf_clear(&r->section);
    buf_add(&r->section, head + 1, (size_t)(close - head - 1));
    r->fault_line = r->line;
    r->err =
        r->section.failed ? -ERR_NOMEM : r->each(r->arg, r->section.data, NULL, NULL, &r->fault);
}

/* inih's reader: one line into out, as fgets would; NULL ends the reading. */
static char *next_line(char *out, int size, void *stream)
{
    static const char bom[] = "\xEF\xBB\xBF";
    struct reading *r = stream;
    if (r->err)
        return NULL;
    ssize_t n = getline(&r->raw, &r->raw_size, r->file);
    if (n < 0) {
        if (ferror(r->file)) {
            r->line++;
            refuse(r, strerror(errno));
        }
        return NULL;
    }
    r->line++;
    if (n >= size)
        refuse(r, "the line is too long; a value may go on in the next line, indented");
    else if (memchr(r->raw, '\0', (size_t)n))
        refuse(r, "a zero byte is no text");
    if (r->err)
        return NULL;
    const char *start = r->line == 1 && strncmp(r->raw, bom, 3) == 0 ? r->raw + 3 : r->raw;
    r->indented = *start == ' ' || *start == '\t';
    if (*start == '[')
        begin_section(r, start, (size_t)(r->raw + n - start));
    if (r->err)
        return NULL;
    memcpy(out, r->raw, (size_t)n + 1);
    return out;
}

/* The length of a value without the comment that inih leaves in a line that goes on. */
static size_t without_comment(const char *value)
{
    size_t n = 0;
    while (value[n] && !(value[n] == ';' && (n == 0 || strchr(" \t", value[n - 1]))))
        n++;
    while (n > 0 && strchr(" \t", value[n - 1]))
        n--;
    return n;
}

static int on_line(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *r = arg;
    if (r->err)
        return 0;
    if (strncmp(section, r->section.data ? r->section.data : "", strlen(section)) != 0) {
        refuse(r, "a [section] must not be indented");
        return 0;
    }
    if (r->indented && r->value_line && strcmp(r->name.data, name) == 0) {
        buf_addc(&r->value, ' ');
        buf_add(&r->value, value, without_comment(value));
        return 1;
    }
    flush(r);
    buf_clear(&r->name);
    buf_clear(&r->value);
    buf_adds(&r->name, name);
    buf_adds(&r->value, value);
    r->value_line = r->line;
    if (r->name.failed || r->value.failed)
        r->err = -ERR_NOMEM;
    return r->err == 0;
}

int conf_file_read(const char *path, conf_file_fn each, void *arg, struct buf *why)
{
    struct reading r = {.each = each, .arg = arg, .file = fopen(path, "re")};
    if (!r.file) {
        buf_addf(why, "%s: %s", path, strerror(errno));
        return -ERR_CONFIG;
    }
    ini_max_line = CONF_LINE_MAX;
    ini_stop_on_first_error = true;
    int line = ini_parse_stream(next_line, &r, on_line, &r);
    flush(&r);
    if (!r.err && line != 0)
        refuse(&r, "neither a [section] nor a NAME = VALUE");
    if (r.err == -ERR_CONFIG)
        buf_addf(why, "%s:%d: %s", path, r.fault_line, r.fault.data ? r.fault.data : "refused");
    fclose(r.file);
    free(r.raw);
    buf_release(&r.section);
    buf_release(&r.name);
    buf_release(&r.value);
    buf_release(&r.fault);
    return r.err;
}
