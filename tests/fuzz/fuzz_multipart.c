/*
 * fuzz_multipart.c - libFuzzer: CONTENT-TYPE \n BODY: it becomes parts that lie in the body, apart and in
 * order, or is refused with a reason.
 */
#include "../../server/http/multipart.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t type_len = line ? (size_t)(line - data) : 0, len = line ? size - type_len - 1 : 0;
    char *type = calloc(1, type_len + 1), *body = malloc(len + 1);
    struct multipart_part part[MULTIPART_MAX];
    const char *why = NULL;
    size_t n;
    memcpy(type, data, type_len);
    if (len)
        memcpy(body, line + 1, len);
    body[len] = '\0';
    int err = multipart_parse(type, body, len, part, &n, &why);
    if (n > MULTIPART_MAX || (err != 0) != (why != NULL))
        abort();
    const char *after = body;
    for (size_t i = 0; i < n && !err; i++) {
        const struct multipart_part *p = &part[i];
        if (p->data < after || p->data + p->len > body + len || p->data[p->len] != '\0')
            abort();
        if (p->name < body || strlen(p->name) > MULTIPART_NAME_MAX || !p->name[0])
            abort();
        after = p->data + p->len;
    }
    free(type);
    free(body);
    return 0;
}
