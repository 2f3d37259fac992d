/*
 * cli.h - the client: the sub-commands that speak to a service over its HTTP API. One thread; a
 * command runs once and the process ends with the status that it returns.
 */
#ifndef JOBMILL_CLI_CLI_H
#define JOBMILL_CLI_CLI_H

#include "http.h"
#include "options.h"

#include <jansson.h>
#include <stdint.h>

enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1,       /* a job failed */
    CLI_CANCELLED = 2,    /* a job was cancelled or expired; none failed */
    CLI_USAGE = 64,       /* the command line is wrong */
    CLI_REFUSED = 65,     /* the service refused, or an input is no JSON */
    CLI_NO_INPUT = 66,    /* a file cannot be read */
    CLI_UNREACHABLE = 69, /* no answer */
    CLI_SYSTEM = 71,      /* out of memory, or the like */
    CLI_NO_OUTPUT = 74,   /* a file or standard output cannot be written */
    CLI_TEMPORARY = 75,   /* the service is overloaded or has an error: ask again later */
    CLI_TIMED_OUT = 124,  /* a wait took longer than was allowed; the job goes on */
    CLI_INTERRUPTED = 130,
};

struct cli {
    struct cli_options o;
    char **args; /* the words that are no options */
    int n_args;
    const char *server;
    struct http *http;
    bool tty_out, tty_err; /* standard output, standard error is a terminal */
    bool color;            /* on standard output */
    bool met;              /* the service has answered: if it goes away it may come back */
};

/* The entry of every command: argv[0] is its name. The exit status. */
int cli_main(int argc, char **argv);

/* The command's help on standard output; false: the client has no such command. */
bool cli_help(const char *command);

#define CLI_COMMAND(symbol, name, function, ...) int function(struct cli *c);
#include "cli.def"
#undef CLI_COMMAND

/* Set by SIGINT: what waits ends. */
extern volatile sig_atomic_t cli_stop;

#endif
