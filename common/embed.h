/*
 * embed.h - files that are part of the binary: migrations, api.yaml, the shipped task modules.
 * The table is made at build time (see the Makefile's rule for build/embed.S).
 */
#ifndef JOBMILL_COMMON_EMBED_H
#define JOBMILL_COMMON_EMBED_H

#include <stddef.h>

struct embed {
    const char *name; /* "migrations/sqlite/0001_jobs.sql", "api.yaml", "tasks/primes.so"; NULL ends the table */
    const unsigned char *data;
    size_t len;
};

extern const struct embed embed_table[];
const struct embed *embed_find(const char *name); /* NULL: none */

#endif
