/*
 * serve.h - the sub-command `serve`: the service's birth, life and end.
 */
#ifndef JOBMILL_SERVER_SERVE_H
#define JOBMILL_SERVER_SERVE_H

/* Runs the service until it is told to end. argv[0] is the sub-command. Returns the exit status:
 * 0 after a drain, 64 (EX_USAGE) for a wrong command line, 78 (EX_CONFIG) for a wrong configuration, 69 (EX_UNAVAILABLE) when it cannot start. */
int serve_main(int argc, char **argv);

/* Ends the process at once, after the log has been written out (at most a second): for what leaves
 * nothing that could be promised. Any thread; of several the first, and its reason. The workers end with it. */
void serve_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
