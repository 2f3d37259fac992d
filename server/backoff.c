/* backoff.c - pure: attempt number -> pause before the next attempt. Any thread. */
#include "backoff.h"

#include "../common/err.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_name[] = {"exponential", "fixed", "list"};
#define KINDS 3

int64_t backoff_us(uint32_t attempt, int64_t base_us, int64_t max_us, uint64_t random)
{
    int64_t pause = base_us < max_us ? base_us : max_us;
    for (uint32_t i = 1; i < attempt && pause < max_us; i++)
        pause = pause > max_us / 2 ? max_us : pause * 2;
    if (pause <= 1)
        return pause < 0 ? 0 : pause;
    int64_t half = pause / 2;
    return pause - half + (int64_t)(random % ((uint64_t)half + 1));
}

int64_t backoff_next(const struct backoff *b, uint32_t attempt, uint64_t random)
{
    size_t at = attempt ? attempt - 1 : 0;
    switch (b->kind) {
    case BACKOFF_EXPONENTIAL:
        return backoff_us(attempt, b->delay_us[0], b->delay_us[1], random);
    case BACKOFF_FIXED:
        return b->delay_us[0];
    case BACKOFF_LIST:
        break;
    }
    return b->delay_us[at < b->count ? at : b->count - 1];
}

static bool count_ok(const struct backoff *b)
{
    return b->kind == BACKOFF_EXPONENTIAL ? b->count == 2
           : b->kind == BACKOFF_FIXED     ? b->count == 1
                                          : b->count >= 1;
}

int backoff_format(const struct backoff *b, char *out, size_t size)
{
    size_t at = 1;
    if (size < 2)
        return -ERR_TOO_LARGE;
    out[0] = kind_name[b->kind][0];
    out[1] = 0;
    for (size_t i = 0; i < b->count; i++) {
        int n = snprintf(out + at, size - at, " %" PRId64, b->delay_us[i]);
        if (n < 0 || (size_t)n >= size - at)
            return -ERR_TOO_LARGE;
        at += (size_t)n;
    }
    return 0;
}

int backoff_parse(struct backoff *b, const char *text)
{
    unsigned kind = 0;
    *b = (struct backoff){0};
    while (kind < KINDS && kind_name[kind][0] != text[0])
        kind++;
    if (kind == KINDS)
        return -ERR_BAD_FIELD;
    b->kind = kind;
    for (const char *p = text + 1; *p;) {
        char *end;
        if (*p++ != ' ' || b->count == BACKOFF_LIST_MAX)
            return -ERR_BAD_FIELD;
        long long n = strtoll(p, &end, 10);
        if (end == p || n < 0)
            return -ERR_BAD_FIELD;
        b->delay_us[b->count++] = n;
        p = end;
    }
    return count_ok(b) ? 0 : -ERR_BAD_FIELD;
}

int backoff_words(struct backoff *b, const char *text, bool (*parse_time)(const char *, int64_t *))
{
    char words[512], *save = NULL;
    *b = (struct backoff){0};
    if (strlen(text) >= sizeof(words))
        return -ERR_BAD_FIELD;
    memcpy(words, text, strlen(text) + 1);
    char *word = strtok_r(words, " \t", &save);
    unsigned kind = 0;
    while (word && kind < KINDS && strcmp(kind_name[kind], word) != 0)
        kind++;
    if (!word || kind == KINDS)
        return -ERR_BAD_FIELD;
    b->kind = kind;
    while ((word = strtok_r(NULL, " \t", &save))) {
        if (b->count == BACKOFF_LIST_MAX || !parse_time(word, &b->delay_us[b->count]) ||
            b->delay_us[b->count] < 0)
            return -ERR_BAD_FIELD;
        b->count++;
    }
    return count_ok(b) ? 0 : -ERR_BAD_FIELD;
}
