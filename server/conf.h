/*
 * conf.h - the settings: flags over JOBMILL_* environment over the configuration file over defaults.
 *
 * [server] settings are rows of conf.def; [pool NAME] and [task NAME] sections become taskdefs.
 * Loaded once, before the fork server; read-only after, any thread.
 */
#ifndef JOBMILL_SERVER_CONF_H
#define JOBMILL_SERVER_CONF_H

#include "../common/buf.h"
#include "../common/taskdef.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct schema;
struct tokens;

struct conf {
#define CONF_TEXT(name, def, help)                char *name;
#define CONF_SIZE(name, def, min, max, help)      uint64_t name;      /* bytes */
#define CONF_TIME(name, def, min, max, help)      int64_t name##_us;  /* microseconds */
#define CONF_INT(name, def, min, max, unit, help) int64_t name;
#define CONF_BOOL(name, def, help)                bool name;
#include "conf.def"
    int64_t connections, waiting; /* max_connections and max_waiting, as far as descriptors reach; serve.c */
    struct taskdefs defs;
    char **schema_file;     /* of each task in defs: the file of its input schema, or NULL; or no array */
    struct schema **schema; /* of each task in defs: what its input must fit; NULL: anything */
    struct tokens *tokens; /* NULL: none; taken by auth_use() */
    char *file;             /* the configuration file that was read, or NULL */
};

/* The words of the command line: 0; -ERR_CONFIG with *why: one is no flag, or a flag that is not known or has no
 * value. Whether a value is allowed is for conf_load(), which says of these words the same. */
int conf_check_flags(int argc, char **argv, struct buf *why);

/* Reads everything; argv[0] is the sub-command. 0; -ERR_CONFIG with *why = one line that names the file
 * and line, the setting, the range and the value; -ERR_NOMEM. */
int conf_load(struct conf *c, int argc, char **argv, struct buf *why);
void conf_release(struct conf *c);
/* Does --NAME take the next word as its value? So for --config, and all settings but those of yes or no. */
bool conf_flag_needs_value(const char *name);

/* "127.0.0.1:8080", "[::1]:0", "localhost:80" (127.0.0.1) -> address and port; false: malformed. */
bool conf_split_address(const char *text, char *host, size_t host_len, uint16_t *port);
bool conf_is_loopback(const char *host);

/* A setting of [server] as it holds. */
enum conf_kind { CONF_IS_TEXT, CONF_IS_NUMBER, CONF_IS_BOOL };
struct conf_setting {
    const char *name, *unit, *help; /* unit: "" or as seconds, bytes */
    enum conf_kind kind;
    const char *value; /* of a number or bool: as JSON has it */
    bool changed;      /* it is not the default */
};
void conf_each(const struct conf *c, void (*with)(const struct conf_setting *s, void *arg), void *arg);

void conf_help(FILE *out);  /* the flags and settings, from the table */
void conf_print(const struct conf *c, FILE *out); /* every setting with its value, as an INI file */

#endif
