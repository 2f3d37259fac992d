/*
 * harness_cli.h - the real binary as a client: run to its end, or left running, with what it is
 * given and what it says; and a server of canned answers for what no real service does on demand.
 * Every function ends the test when what it promises does not come about. Main thread.
 */
#ifndef JOBMILL_TESTS_HARNESS_CLI_H
#define JOBMILL_TESTS_HARNESS_CLI_H

#include "harness.h"

#include <stdatomic.h>

struct ran {
    int status; /* the exit status, or 128 + signal */
    char *out, *err;
    size_t out_len;
};

struct client {
    pid_t pid;
    int out, err; /* files that it writes into */
};

/* Runs `jobmill ARGS…` (at most 16, NULL-terminated) with JOBMILL_SERVER as given and `input`
 * (NULL: nothing) on its standard input. */
struct client client_start(const char *url, const char *input, const char *const *args);
struct ran client_end(struct client *c);
/* What it has said on standard error so far; heap. */
char *client_said(const struct client *c);
struct ran client_run(const char *url, const char *input, const char *const *args);
void ran_free(struct ran *r);

/* Runs it against the service and asserts its status; the arguments are words. */
#define CLIENT(s, want, ...) CLIENT_IN(s, NULL, want, __VA_ARGS__)
#define CLIENT_IN(s, input, want, ...)                                                             \
    client_expect(client_url(s), input, want, (const char *const[]){__VA_ARGS__, NULL})
struct ran client_expect(const char *url, const char *input, int want, const char *const *args);
const char *client_url(const struct server *s); /* valid until the next call */

/* The same with a terminal as its standard input, output and error; the other end in *terminal. */
pid_t client_on_terminal(const char *url, const char *const *args, int *terminal);

/* Reads what is drawn on a terminal until `until` was seen, `ms` are over or the client has ended;
 * heap. */
char *client_drawn(int terminal, const char *until, int ms);

/* A server of canned answers, one for each connection, in a thread of its own. */
#define CANNED_MAX 16
struct canned {
    int fd, port, n;                 /* n: answers there are */
    atomic_int seen;                 /* requests that came, each there when it is counted */
    const char *answers[CANNED_MAX]; /* whole: status line, header, body */
    char *requests[CANNED_MAX];      /* what came, whole */
    unsigned long thread;
};
void canned_start(struct canned *c, const char *const *answers);
/* Waits until all answers are given. */
void canned_end(struct canned *c);
const char *canned_url(const struct canned *c);

#endif
