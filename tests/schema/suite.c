/*
 * suite.c DIR [--formats] - runs the official JSON-Schema-Test-Suite (DIR holds a file for each
 * keyword) against server/schema.h and prints a table row for each file: tests that agree, tests
 * that do not, and tests whose schema is refused when it is compiled. Exit 1: a verdict is wrong.
 */
#include "../../common/err.h"
#include "../../server/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 10000000u

struct tally {
    unsigned right, wrong, refused;
};

static bool formats;

static void group(const json_t *g, const char *file, struct tally *t)
{
    size_t i;
    json_t *test;
    struct schema *s;
    struct buf why = BUF_INIT;
    char *text =
        json_dumps(json_object_get(g, "schema"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    int err = schema_compile(text, strlen(text), formats, &s, &why);
    json_array_foreach(json_object_get(g, "tests"), i, test)
    {
        struct schema_report report;
        if (err) {
            t->refused++;
            continue;
        }
        int got = schema_check(s, json_object_get(test, "data"), "", STEPS, &report);
        bool want = json_is_true(json_object_get(test, "valid"));
        if ((got == 0) == want && (got == 0 || got == -ERR_INVALID_INPUT)) {
            t->right++;
            continue;
        }
        t->wrong++;
        fprintf(stderr, "WRONG %s: %s: %s: %d\n", file,
                json_string_value(json_object_get(g, "description")),
                json_string_value(json_object_get(test, "description")), got);
    }
    if (err)
        fprintf(stderr, "refused %s: %s: %s\n", file,
                json_string_value(json_object_get(g, "description")), why.data);
    else
        schema_free(s);
    buf_release(&why);
    free(text);
}

static void file(const char *dir, const char *name, struct tally *all)
{
    char path[4096];
    json_error_t e;
    struct tally t = {0};
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    json_t *groups = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!groups) {
        FILE *f = fopen(path, "r");
        char *text = calloc(1, 1 << 20);
        struct buf why = BUF_INIT;
        size_t n = f && text ? fread(text, 1, (1 << 20) - 1, f) : 0;
        if (schema_load(text ? text : "", n, &groups, &why) != 0) {
            fprintf(stderr, "%s: %s\n", path, why.data ? why.data : "");
            exit(2);
        }
        fclose(f);
        free(text);
        buf_release(&why);
    }
    size_t i;
    json_t *g;
    json_array_foreach(groups, i, g)
    {
        group(g, name, &t);
    }
    json_decref(groups);
    printf("| %.*s | %u | %u | %u |\n", (int)(strlen(name) - 5), name, t.right, t.wrong, t.refused);
    all->right += t.right;
    all->wrong += t.wrong;
    all->refused += t.refused;
}

static int is_json(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **names;
    struct tally all = {0};
    formats = argc > 2 && strcmp(argv[2], "--formats") == 0;
    int n = argc > 1 ? scandir(argv[1], &names, is_json, alphasort) : -1;
    if (n <= 0) {
        fprintf(stderr, "usage: suite DIR [--formats]\n");
        return 2;
    }
    printf("| file | right | wrong | refused |\n|---|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        file(argv[1], names[i]->d_name, &all);
        free(names[i]);
    }
    free(names);
    printf("| **all** | %u | %u | %u |\n", all.right, all.wrong, all.refused);
    return all.wrong > 0;
}
