/*
 * conf_value.h - pure: the text of a setting -> its value. No state; any thread.
 */
#ifndef JOBMILL_SERVER_CONF_VALUE_H
#define JOBMILL_SERVER_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool value_bool(const char *text, bool *out);
bool value_int(const char *text, int64_t *out);
/* "64MiB", "1.5GiB", "4096", "10k" is not a size. */
bool value_size(const char *text, uint64_t *out);
/* "30", "2.5", "500ms", "5m", "1h", "2d": microseconds. */
bool value_time(const char *text, int64_t *out);
/* Splits at blanks; '…' and "…" keep what is in them together. A NULL-terminated array of strings, all
 * to be freed with value_words_free(); NULL: out of memory, an open quote, or no word at all. */
char **value_words(const char *text);
void value_words_free(char **words);

#endif
