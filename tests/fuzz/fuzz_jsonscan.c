/*
 * fuzz_jsonscan.c - libFuzzer: jsonscan against jansson. What one accepts, the other must; what it
 * accepts must be walked without reading outside the text. Known differences: jansson refuses numbers
 * beyond its types and more than 2048 levels, and takes a zero byte behind a number.
 */
#include "../../common/err.h"
#include "../../common/jsonscan.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool walk(void *arg, const char *name, size_t nlen, const char *value, size_t vlen)
{
    struct buf *out = arg;
    buf_clear(out);
    (void)nlen, (void)name;
    (void)jsonscan_text(out, value, vlen);
    return true;
}

/* The members of a plain object are those of jansson's tree, in the same order. */
static void check_members(json_t *tree, const struct jsonscan_look *look, const char *text, size_t len)
{
    const char *name;
    json_t *value, *alone;
    unsigned i = 0;
    if (!tree) /* no memory */
        return;
    if (look->members != json_object_size(tree))
        abort();
    json_object_foreach(tree, name, value)
    {
        const struct jsonscan_member *m = &look->member[i++];
        if (strlen(name) != m->nlen || memcmp(name, m->name, m->nlen) != 0 || m->value < text ||
            m->value + m->vlen > text + len)
            abort();
        alone = json_loadb(m->value, m->vlen, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        if (alone && !json_equal(alone, value))
            abort();
        json_decref(alone);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = calloc(len ? len : 1, 1); /* exactly as long as the text: ASan sees a byte too far */
    if (!text)
        return 0;
    if (len)
        memcpy(text, data, len);
    size_t where;
    const char *why;
    int err = jsonscan(text, len, 512, &where, &why);
    if (where > len)
        abort();
    bool zero = memchr(text, 0, len) != NULL;
    if (zero && err == 0)
        abort();
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &e);
    if (j && !zero && err != 0 && err != -ERR_TOO_DEEP)
        abort();
    if (!j && err == 0 && json_error_code(&e) != json_error_numeric_overflow &&
        json_error_code(&e) != json_error_stack_overflow &&
        json_error_code(&e) != json_error_out_of_memory)
        abort();
    json_decref(j);
    struct jsonscan_look look;
    size_t where_too;
    if (jsonscan_look(text, len, 512, &where_too, &why, &look) != err || where_too != where)
        abort();
    if (err == 0 && look.plain) { /* so nothing in it may be refused */
        j = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES,
                       &e);
        if (!j && json_error_code(&e) != json_error_out_of_memory)
            abort();
        check_members(j, &look, text, len);
        json_decref(j);
    }
    if (err == 0) {
        struct buf out = BUF_INIT;
        const char *value;
        size_t vlen;
        (void)jsonscan_each(text, len, walk, &out);
        if (jsonscan_member(text, len, "a", &value, &vlen) &&
            (value < text || value + vlen > text + len))
            abort();
        buf_release(&out);
    }
    free(text);
    return 0;
}
