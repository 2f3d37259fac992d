/*
 * backoff.h - pure: what attempt failed -> pause before the next one; and the text by which a task or
 * a job has a way of its own. Any thread.
 *
 * exponential: pause = min(max, base * 2^(attempt-1)) * (0.5 .. 1.0), the second half by chance, so
 * that what failed together is spread; fixed: always the same; list: its n-th entry, then its last.
 */
#ifndef JOBMILL_SERVER_BACKOFF_H
#define JOBMILL_SERVER_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKOFF_LIST_MAX 20

/* attempt >= 1: the one that failed. random: any 64 bits. All times in microseconds. */
int64_t backoff_us(uint32_t attempt, int64_t base_us, int64_t max_us, uint64_t random);

struct backoff {
    enum { BACKOFF_EXPONENTIAL, BACKOFF_FIXED, BACKOFF_LIST } kind;
    size_t count;                      /* of list; exponential: 2 (base, max); fixed: 1 */
    int64_t delay_us[BACKOFF_LIST_MAX];
};
int64_t backoff_next(const struct backoff *b, uint32_t attempt, uint64_t random);

/* The text that is kept: the kind's first letter and its numbers, "e 1000000 60000000". */
int backoff_format(const struct backoff *b, char *out, size_t size); /* 0, -ERR_TOO_LARGE */
int backoff_parse(struct backoff *b, const char *text); /* 0, -ERR_BAD_FIELD: not such a text */

/* As the configuration says it: "exponential 1s 1h", "fixed 5s", "list 1s 10s 1m".
 * parse_time reads one word. 0, -ERR_BAD_FIELD. */
int backoff_words(struct backoff *b, const char *text, bool (*parse_time)(const char *, int64_t *));

#endif
