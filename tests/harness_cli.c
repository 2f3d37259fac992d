/*
 * harness_cli.c - the real binary as a client, and a server of canned answers for it.
 */
#include "harness_cli.h"
#include "suite.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 16

static char *bytes_of(int fd, size_t *len)
{
    off_t size = lseek(fd, 0, SEEK_END);
    ck_assert_int_ge(size, 0);
    char *text = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ssize_t n = pread(fd, text, (size_t)size, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    if (len)
        *len = (size_t)n;
    return text;
}

/* What a client is called with. Made before the fork: another thread of the test may hold a lock of
 * the heap meanwhile, which in the child nobody would give back. */
struct call {
    const char *argv[ARGS_MAX + 2];
    const char **env; /* owned */
    char server[512]; /* one of them */
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void call_make(struct call *c, const char *url, const char *const *args, bool terminal)
{
    static const char name[] = "JOBMILL_SERVER=", term[] = "TERM=";
    size_t all = 0, n = 0;
    *c = (struct call){.argv = {server_binary()}};
    for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
        c->argv[i + 1] = args[i];
    int len = snprintf(c->server, sizeof(c->server), "%s%s", name, url);
    ck_assert(len > 0 && (size_t)len < sizeof(c->server));
    while (environ[all])
        all++;
    c->env = calloc(all + 3, sizeof(*c->env));
    ck_assert_ptr_nonnull(c->env);
    for (size_t i = 0; i < all; i++) {
        if (!begins(environ[i], name) && !(terminal && begins(environ[i], term)))
            c->env[n++] = environ[i];
    }
    c->env[n++] = c->server;
    if (terminal)
        c->env[n] = "TERM=xterm";
}

/* In the child. */
static void become_client(const struct call *c)
{
    execve(c->argv[0], (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)c->env);
    _exit(127);
}

struct client client_start(const char *url, const char *input, const char *const *args)
{
    struct client c = {.out = memfd_create("out", MFD_CLOEXEC),
                       .err = memfd_create("err", MFD_CLOEXEC)};
    int in = memfd_create("in", MFD_CLOEXEC);
    size_t len = input ? strlen(input) : 0;
    ck_assert(in >= 0 && c.out >= 0 && c.err >= 0);
    ck_assert_int_eq(pwrite(in, input ? input : "", len, 0), (ssize_t)len);
    struct call call;
    call_make(&call, url, args, false);
    pid_t parent = getpid();
    c.pid = test_fork();
    if (c.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || dup2(in, 0) < 0 || dup2(c.out, 1) < 0 || dup2(c.err, 2) < 0)
            _exit(1);
        become_client(&call);
    }
    free(call.env);
    close(in);
    test_owns(c.pid);
    return c;
}

struct ran client_end(struct client *c)
{
    int status = 0;
    struct ran r = {0};
    int64_t until = now_ms() + LONG_MS * 3;
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        ck_assert_msg(now_ms() < until, "the client does not end");
        pause_ms(1);
    }
    test_owns(0);
    r.out = bytes_of(c->out, &r.out_len);
    r.err = bytes_of(c->err, NULL);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ck_assert_msg(!strstr(r.err, "Sanitizer") && !strstr(r.err, "runtime error:"), "%s", r.err);
    close(c->out);
    close(c->err);
    return r;
}

char *client_said(const struct client *c)
{
    return bytes_of(c->err, NULL);
}

struct ran client_run(const char *url, const char *input, const char *const *args)
{
    struct client c = client_start(url, input, args);
    return client_end(&c);
}

void ran_free(struct ran *r)
{
    free(r->out);
    free(r->err);
}

struct ran client_expect(const char *url, const char *input, int want, const char *const *args)
{
    struct ran r = client_run(url, input, args);
    ck_assert_msg(r.status == want, "jobmill %s … ended with %d, not %d\n%s\n%s", args[0], r.status,
                  want, r.out, r.err);
    return r;
}

const char *client_url(const struct server *s)
{
    static char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", s->port);
    return url;
}

pid_t client_on_terminal(const char *url, const char *const *args, int *terminal)
{
    struct winsize size = {.ws_row = 24, .ws_col = 100};
    struct call call;
    call_make(&call, url, args, true);
    pid_t pid = forkpty(terminal, NULL, NULL, &size);
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become_client(&call);
    }
    free(call.env);
    test_owns(pid);
    return pid;
}

char *client_drawn(int terminal, const char *until, int ms)
{
    size_t cap = 1 << 22, n = 0;
    char *text = calloc(1, cap);
    ck_assert_ptr_nonnull(text);
    for (int64_t end = now_ms() + ms; n < cap - 1 && now_ms() < end;) {
        struct pollfd p = {.fd = terminal, .events = POLLIN};
        if (until && strstr(text, until))
            break;
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t got = read(terminal, text + n, cap - n - 1);
        if (got <= 0) /* EIO: the other side is closed */
            break;
        for (char *at = text + n; at < text + n + got; at++)
            *at = *at ? *at : '?';
        n += (size_t)got;
    }
    return text;
}

/* ---- canned answers ---- */

/* Reads a request with its body. */
static char *read_request(int fd)
{
    size_t cap = 1 << 22, n = 0;
    char *text = calloc(1, cap);
    for (int64_t until = now_ms() + LONG_MS; text && now_ms() < until;) {
        char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        size_t body = end && length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (end && n >= (size_t)(end + 4 - text) + body)
            break;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&p, 1, 1000) > 0 ? recv(fd, text + n, cap - n - 1, 0) : 0;
        if (p.revents && got <= 0)
            break;
        n += (size_t)got;
    }
    return text;
}

static void *serve_canned(void *arg)
{
    struct canned *c = arg;
    for (int i = 0; i < c->n; i++) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int fd = poll(&p, 1, LONG_MS) > 0 ? accept(c->fd, NULL, NULL) : -1;
        if (fd < 0)
            break;
        c->requests[i] = read_request(fd);
        c->seen++;
        raw_send(fd, c->answers[i]);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

void canned_start(struct canned *c, const char *const *answers)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    pthread_t thread;
    memset(c, 0, sizeof(*c));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (answers[c->n]) {
        ck_assert_int_lt(c->n, CANNED_MAX);
        c->answers[c->n] = answers[c->n];
        c->n++;
    }
    ck_assert_int_ge(c->fd, 0);
    ck_assert_int_eq(bind(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(c->fd, 16), 0);
    ck_assert_int_eq(getsockname(c->fd, (struct sockaddr *)&a, &len), 0);
    c->port = ntohs(a.sin_port);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_canned, c), 0);
    c->thread = thread;
}

void canned_end(struct canned *c)
{
    ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
    for (int i = 0; i < c->seen; i++)
        free(c->requests[i]);
    close(c->fd);
}

const char *canned_url(const struct canned *c)
{
    static char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", c->port);
    return url;
}
