/* conf_value.c - pure: the text of a setting -> its value. */
#include "conf_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool value_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                 {"no", false}, {"false", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

bool value_int(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        return false;
    *out = v;
    return true;
}

struct unit {
    const char *name;
    double factor;
};

/* A number that is not negative, with one of the units. */
static bool with_unit(const char *text, const struct unit *units, double *out)
{
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    double v = strtod(text, &end);
    if (end == text || errno || !isfinite(v) || strpbrk(text, "xXpP"))
        return false;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(u->name, end) == 0) {
            *out = v * u->factor;
            return true;
        }
    }
    return false;
}

bool value_size(const char *text, uint64_t *out)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"KiB", 1024.0},
                                        {"MiB", 1048576.0},
                                        {"GiB", 1073741824.0},
                                        {"TiB", 1099511627776.0},
                                        {NULL, 0}};
    double v;
    if (!with_unit(text, units, &v) || v > 9e15)
        return false;
    *out = (uint64_t)v;
    return true;
}

bool value_time(const char *text, int64_t *out)
{
    static const struct unit units[] = {{"", 1e6},   {"us", 1},     {"ms", 1e3},    {"s", 1e6},
                                        {"m", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {NULL, 0}};
    double v;
    if (!with_unit(text, units, &v) || v > 9e15)
        return false;
    *out = (int64_t)(v + 0.5);
    return true;
}

void value_words_free(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

/* One word at *p, which is not blank; steps behind it. NULL: open quote or no memory. */
static char *one_word(const char **p)
{
    char *word = malloc(strlen(*p) + 1), quote = 0;
    size_t n = 0;
    if (!word)
        return NULL;
    for (; **p; (*p)++) {
        if (quote && **p == quote)
            quote = 0;
        else if (!quote && (**p == '\'' || **p == '"'))
            quote = **p;
        else if (!quote && strchr(" \t", **p))
            break;
        else
            word[n++] = **p;
    }
    word[n] = '\0';
    if (quote) {
        free(word);
        return NULL;
    }
    return word;
}

char **value_words(const char *text)
{
    size_t count = 0, cap = strlen(text) / 2 + 2;
    char **words = calloc(cap, sizeof(*words));
    if (!words)
        return NULL;
    for (const char *p = text + strspn(text, " \t"); *p; p += strspn(p, " \t")) {
        words[count] = one_word(&p);
        if (!words[count++]) {
            value_words_free(words);
            return NULL;
        }
    }
    if (count == 0) {
        free(words);
        return NULL;
    }
    return words;
}
