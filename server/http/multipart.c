/*
 * multipart.c - parts between delimiters. Strict: CRLF alone ends a line, nothing stands before the
 * first delimiter or after the last. Any thread.
 */
#include "multipart.h"

#include "../../common/err.h"

#include <string.h>
#include <strings.h>

#define BOUNDARY_MAX 70

struct reader {
    char *at, *end;
    char delimiter[BOUNDARY_MAX + 5]; /* CRLF -- boundary */
    size_t delimiter_len;
    const char **why;
};

static int bad(struct reader *r, const char *why)
{
    *r->why = why;
    return -ERR_BAD_REQUEST;
}

bool multipart_is(const char *content_type)
{
    static const char name[] = "multipart/form-data";
    return content_type && strncasecmp(content_type, name, sizeof(name) - 1) == 0 &&
           strchr("; \t", content_type[sizeof(name) - 1]);
}

/* ---- parameters of a header ---- */

/* Up to the quote that ends a text: a backslash takes the next byte along. */
static size_t quoted_len(const char *text)
{
    size_t n = 0;
    while (text[n] && text[n] != '"')
        n += text[n] == '\\' && text[n + 1] ? 2 : 1;
    return n;
}

/* Finds NAME=VALUE after a `;` in text; VALUE is a token or a quoted text, with the backslashes
 * that are in it. False: absent, or not as it should be. */
static bool parameter(char *text, const char *name, char **value, size_t *len)
{
    size_t n = strlen(name);
    for (char *p = strchr(text, ';'); p; p = strchr(p, ';')) {
        p++;
        p += strspn(p, " \t");
        bool ours = strncasecmp(p, name, n) == 0 && p[n] == '=';
        p += strcspn(p, "=;");
        if (*p != '=')
            continue;
        p++;
        bool quoted = *p == '"';
        *value = quoted ? ++p : p;
        *len = quoted ? quoted_len(p) : strcspn(p, "; \t\"\\");
        p += *len;
        if (quoted && *p++ != '"')
            return false;
        if (ours)
            return true;
    }
    return false;
}

static bool read_boundary(struct reader *r, const char *content_type)
{
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ";
    char text[256], *value;
    size_t len;
    if (strlen(content_type) >= sizeof(text))
        return false;
    memcpy(text, content_type, strlen(content_type) + 1);
    if (!parameter(text, "boundary", &value, &len) || len == 0 || len > BOUNDARY_MAX ||
        value[len - 1] == ' ' || strspn(value, allowed) < len)
        return false;
    memcpy(r->delimiter, "\r\n--", 4);
    memcpy(r->delimiter + 4, value, len);
    r->delimiter_len = len + 4;
    return true;
}

/* ---- a part ---- */

static bool is_header(const char *line, const char *name, char **value)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    *value = (char *)(size_t)(line + n + 1);
    *value += strspn(*value, " \t");
    return true;
}

static bool name_ok(const char *name, size_t len)
{
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";
    return len > 0 && len <= MULTIPART_NAME_MAX && strspn(name, allowed) >= len;
}

static int take_disposition(struct reader *r, char *value, struct multipart_part *out)
{
    static const char kind[] = "form-data";
    char *name, *file;
    size_t len, file_len;
    if (out->name)
        return bad(r, "a part has two headers Content-Disposition");
    if (strncasecmp(value, kind, sizeof(kind) - 1) != 0 || !strchr("; \t", value[sizeof(kind) - 1]))
        return bad(r, "a part is not form-data");
    out->file = parameter(value, "filename", &file, &file_len) ||
                parameter(value, "filename*", &file, &file_len);
    if (!parameter(value, "name", &name, &len) || !name_ok(name, len))
        return bad(r, "a part's name must be 1 to 64 letters, digits, `_`, `.` and `-`");
    name[len] = '\0'; /* last: what follows it in the header is looked at no more */
    out->name = name;
    return 0;
}

/* Header lines up to the empty one. */
static int take_head(struct reader *r, struct multipart_part *out)
{
    const char *begin = r->at;
    for (;;) {
        size_t left = (size_t)(r->end - r->at);
        size_t used = (size_t)(r->at - begin);
        size_t most = used < MULTIPART_HEAD_MAX ? MULTIPART_HEAD_MAX - used : 0;
        char *line = r->at, *value, *end = memmem(line, left < most ? left : most, "\r\n", 2);
        if (!end)
            return bad(r, "a part's head does not end within 4096 bytes");
        r->at = end + 2;
        if (end == line)
            break;
        *end = '\0';
        for (const char *p = line; p < end; p++) {
            if ((unsigned char)*p < 0x20 && *p != '\t')
                return bad(r, "a part's head has a control byte");
        }
        if (is_header(line, "Content-Disposition", &value)) {
            int err = take_disposition(r, value, out);
            if (err)
                return err;
        } else if (is_header(line, "Content-Type", &value)) {
            out->type = value;
        } else if (is_header(line, "Content-Transfer-Encoding", &value)) {
            if (strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 &&
                strcasecmp(value, "7bit") != 0)
                return bad(r, "a part's Content-Transfer-Encoding is not supported");
        } else if (!strchr(line, ':')) {
            return bad(r, "a line of a part's head is no header");
        }
    }
    return out->name ? 0 : bad(r, "a part has no name");
}

/* Behind a delimiter: 1: a part follows; 0: it was the last; negative: an error. */
static int after_delimiter(struct reader *r)
{
    size_t left = (size_t)(r->end - r->at);
    bool last = left >= 2 && memcmp(r->at, "--", 2) == 0;
    if (last) {
        r->at += 2;
        left -= 2;
        if (left == 0 || (left == 2 && memcmp(r->at, "\r\n", 2) == 0))
            return 0;
        return bad(r, "there are bytes after the last delimiter");
    }
    if (left < 2 || memcmp(r->at, "\r\n", 2) != 0)
        return bad(r, "a delimiter is not at the end of its line");
    r->at += 2;
    return 1;
}

int multipart_parse(const char *content_type, char *data, size_t len,
                    struct multipart_part part[MULTIPART_MAX], size_t *n, const char **why)
{
    struct reader r = {.at = data, .end = data + len, .why = why};
    *n = 0;
    if (!read_boundary(&r, content_type))
        return bad(&r, "the Content-Type has no boundary of 1 to 70 bytes");
    size_t first = r.delimiter_len - 2; /* the first has no line before it */
    if (len < first || memcmp(data, r.delimiter + 2, first) != 0)
        return bad(&r, "the body does not begin with the delimiter");
    r.at += first;
    for (;;) {
        int more = after_delimiter(&r);
        if (more <= 0)
            return more;
        if (*n == MULTIPART_MAX)
            return bad(&r, "there are more than 64 parts");
        struct multipart_part *out = &part[*n];
        *out = (struct multipart_part){0};
        int err = take_head(&r, out);
        if (err)
            return err;
        /* an empty part's delimiter begins with the end of its head */
        char *from = r.at - 2;
        char *end = memmem(from, (size_t)(r.end - from), r.delimiter, r.delimiter_len);
        if (!end)
            return bad(&r, "the last delimiter is missing");
        out->data = end < r.at ? end : r.at;
        out->len = (size_t)(end - out->data);
        *end = '\0';
        r.at = end + r.delimiter_len;
        ++*n;
    }
}
