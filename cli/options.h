/*
 * options.h - the command line of the client, read by the rows of cli.def. One thread.
 */
#ifndef JOBMILL_CLI_OPTIONS_H
#define JOBMILL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum cli_command {
#define CLI_COMMAND(symbol, ...) CLI_##symbol,
#include "cli.def"
#undef CLI_COMMAND
    CLI_COMMANDS
};

#define CLI_LIST_MAX 64 /* more is refused here; the service's own limit is lower */

struct cli_list {
    const char *item[CLI_LIST_MAX];
    size_t n;
};

struct cli_number {
    bool set;
    double value; /* whole for an INT; seconds for SECONDS */
};

/* What was given; strings are argv's. Not given: false, NULL, n == 0, !set. */
struct cli_options {
#define CLI_TYPE_FLAG                 bool
#define CLI_TYPE_TEXT                 const char *
#define CLI_TYPE_LIST                 struct cli_list
#define CLI_TYPE_INT                  struct cli_number
#define CLI_TYPE_SECONDS              struct cli_number
#define CLI_OPTION(member, kind, ...) CLI_TYPE_##kind member;
#include "cli.def"
#undef CLI_OPTION
};

/* Reads argv, whose first word is the command's name. The words that are no options are moved to
 * the front of argv[1…], *args tells how many. 0, or 64 after a message on standard error. */
int options_parse(enum cli_command command, struct cli_options *o, int argc, char **argv,
                  int *args);

/* The help of one command. */
void options_help(enum cli_command command, FILE *out);

/* The rows for the generators of documents, fields separated by tabs:
 *   command NAME ARGUMENTS HELP
 *   option COMMAND NAME LETTER VALUE HELP      one line for each command that has it */
void options_describe(FILE *out);

#endif
