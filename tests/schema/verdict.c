/*
 * verdict.c - for ajv.mjs: reads lines [SCHEMA, [VALUE, …]], and for each prints a 1 or 0 for each value, or why the
 * schema is refused.
 */
#include "../../common/err.h"
#include "../../server/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(const json_t *line)
{
    size_t i;
    json_t *value;
    struct schema *s;
    struct buf why = BUF_INIT;
    struct schema_report report;
    char *text = json_dumps(json_array_get(line, 0), JSON_ENCODE_ANY);
    if (schema_compile(text, strlen(text), true, &s, &why) != 0) {
        printf("refused: %s\n", why.data);
    } else {
        json_array_foreach(json_array_get(line, 1), i, value)
        {
            int err = schema_check(s, value, "", 10000000, &report);
            putchar(err == 0 ? '1' : err == -ERR_INVALID_INPUT ? '0' : '?');
        }
        putchar('\n');
        schema_free(s);
    }
    buf_release(&why);
    free(text);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) > 0) {
        struct buf why = BUF_INIT;
        json_t *doc;
        if (schema_load(line, (size_t)len, &doc, &why) != 0) {
            fprintf(stderr, "%s: %s", why.data, line);
            return 1;
        }
        answer(doc);
        json_decref(doc);
        buf_release(&why);
    }
    free(line);
    return 0;
}
