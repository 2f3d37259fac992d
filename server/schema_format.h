/*
 * schema_format.h - pure: the values of `format` that are known, and whether a text has one.
 */
#ifndef JOBMILL_SERVER_SCHEMA_FORMAT_H
#define JOBMILL_SERVER_SCHEMA_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

typedef bool (*format_fn)(const char *text, size_t len);

format_fn format_find(const char *name); /* NULL: not known */
void format_names(char *out, size_t size); /* all that are known, with commas between them */

#endif
