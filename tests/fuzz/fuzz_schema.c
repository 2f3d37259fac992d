/*
 * fuzz_schema.c - libFuzzer: SCHEMA \n VALUE: the schema is compiled or refused with a reason; the value is
 * checked within its steps, twice with the same verdict, and a refusal names at least one error.
 */
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../../server/schema.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct schema *s, const char *text, size_t len)
{
    struct schema_report report, again;
    json_t *v = NULL;
    struct buf why = BUF_INIT;
    size_t where;
    const char *what;
    if (jsonscan(text, len, 64, &where, &what) == 0 && schema_load(text, len, &v, &why) == 0) {
        int err = schema_check(s, v, "/input", 100000, &report);
        if (err == -ERR_INVALID_INPUT ? report.count == 0 : report.count != 0)
            abort();
        if (err && err != -ERR_INVALID_INPUT && err != -ERR_TOO_COMPLEX)
            abort();
        if (err == 0 && schema_check(s, v, "", 100000, &again) != 0)
            abort();
        if (err == -ERR_INVALID_INPUT && schema_takes_all(s))
            abort();
    }
    json_decref(v);
    buf_release(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *line = len ? memchr(text, '\n', len) : NULL;
    size_t n = line ? (size_t)(line - text) : len;
    struct buf why = BUF_INIT;
    struct schema *s;
    int err = schema_compile(text, n, len & 1, &s, &why);
    if (err == 0) {
        check(s, line ? line + 1 : "null", line ? len - n - 1 : 4);
        schema_free(s);
    } else if (err != -ERR_CONFIG || why.len == 0) {
        abort();
    }
    buf_release(&why);
    return 0;
}
