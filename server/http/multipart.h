/*
 * multipart.h - a body of multipart/form-data (RFC 7578): its parts, in place. Any thread; keeps nothing,
 * allocates nothing.
 */
#ifndef JOBMILL_HTTP_MULTIPART_H
#define JOBMILL_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_MAX      64   /* parts of a body */
#define MULTIPART_HEAD_MAX 4096 /* bytes of a part's head */
#define MULTIPART_NAME_MAX 64   /* bytes of a part's name: letters, digits, `_`, `.`, `-` */

struct multipart_part {
    const char *name; /* zero-terminated */
    const char *type; /* of its content; zero-terminated; NULL: not told */
    bool file;        /* has a file name */
    char *data;       /* zero-terminated, and may hold zeros */
    size_t len;
};

/* Is it multipart/form-data? */
bool multipart_is(const char *content_type);
/* Writes zeros into `data`, of which data[len] is one; the parts point into it. 0 and *n, or -ERR_BAD_REQUEST
 * and *why, a constant phrase. */
int multipart_parse(const char *content_type, char *data, size_t len,
                    struct multipart_part part[MULTIPART_MAX], size_t *n, const char **why);

#endif
