/*
 * http.c - the daemon of libmicrohttpd: its listening socket, threads and limits, its birth and
 * end.
 *
 * http_start and http_stop are called by one thread. The library's threads call into request.c; the
 * watchdog of deadline.c has a thread of its own. The listening socket is ours, so that its port
 * can be 0 and be told, and so that it can be of either address family.
 */
#include "http.h"

#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"
#include "../conf.h"
#include "deadline.h"
#include "request.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG     1024
#define CONN_MEMORY (16 * 1024) /* of one connection: its header, and a piece of its body */
#define END_WAIT_MS 5000
#define HOST_ROOM   256

/* Each resume makes the library walk all suspended connections of that thread: with 10,000
 * long-polls on one thread that adds 0.3 ms to every other client's answer, on four a third of it.
 */
#define THREADS_LEAST 4

static struct MHD_Daemon *daemon_of_http;
static char listen_host[HOST_ROOM];

/* ---- callbacks ---- */

static void on_log(void *arg, const char *fmt, va_list ap)
{
    char text[512];
    (void)arg;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = 0;
    log_debug("http: %s", text);
}

/* Paths and queries stay as they came; what needs decoding is decoded by its reader. */
static size_t keep_raw(void *arg, struct MHD_Connection *mhd, char *text)
{
    (void)arg;
    (void)mhd;
    return strlen(text);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)arg;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        deadline_conn_free(*context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = info ? deadline_conn_new(info->connect_fd) : NULL;
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
    (void)arg;
    return request_new(mhd, target);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **context)
{
    (void)arg;
    (void)mhd;
    (void)url;
    struct request *rq = *context;
    if (!rq) /* out of memory when it began */
        return MHD_NO;
    return request_step(rq, method, version, data, len) ? MHD_YES : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)mhd;
    (void)how;
    request_free(*context);
    *context = NULL;
}

/* ---- the socket ---- */

static int open_address(const struct addrinfo *a)
{
    int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    fd_close(&fd);
    return -1;
}

static int open_listener(const char *address, uint16_t *port)
{
    char service[8];
    uint16_t wanted;
    if (!conf_split_address(address, listen_host, sizeof(listen_host), &wanted))
        return -ERR_CONFIG;
    snprintf(service, sizeof(service), "%u", wanted);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    if (getaddrinfo(listen_host[0] ? listen_host : NULL, service, &hints, &found) != 0)
        return -ERR_CONFIG;
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = open_address(a);
    freeaddrinfo(found);
    if (fd < 0)
        return -ERR_SYSTEM;
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
        fd_close(&fd);
        return -ERR_SYSTEM;
    }
    *port = bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                                        : ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

/* ---- life ---- */

static unsigned thread_count(const struct conf *conf)
{
    if (conf->http_threads > 0)
        return (unsigned)conf->http_threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores / 2 > THREADS_LEAST ? (unsigned)(cores / 2) : THREADS_LEAST;
}

static int start_daemon(const struct conf *conf, int fd)
{
    unsigned threads = thread_count(conf);
    struct MHD_OptionItem pool[] = {
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem per_ip[] = {
        {conf->max_connections_per_ip > 0 ? MHD_OPTION_PER_IP_CONNECTION_LIMIT : MHD_OPTION_END,
         (intptr_t)conf->max_connections_per_ip, NULL},
        {MHD_OPTION_END, 0, NULL}};
    daemon_of_http = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)conf->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_ARRAY, per_ip, MHD_OPTION_END);
    return daemon_of_http ? 0 : -ERR_SYSTEM;
}

int http_start(const struct conf *conf, uint16_t *port)
{
    int fd = open_listener(conf->listen, port);
    if (fd < 0)
        return fd;
    request_setup(conf, listen_host);
    struct deadline_hooks hooks = {.over = request_wait_over, .resume = request_wait_resume};
    int err = deadline_start(conf, &hooks);
    if (err)
        goto close_fd;
    err = start_daemon(conf, fd);
    if (err)
        goto stop_deadline;
    return 0;
stop_deadline:
    deadline_stop();
close_fd:
    fd_close(&fd);
    return err;
}

void http_drain(void)
{
    request_drain();
}

void http_stop(void)
{
    if (!daemon_of_http)
        return;
    request_drain();
    int fd = MHD_quiesce_daemon(daemon_of_http);
    fd_close(&fd);
    if (!request_end_all(END_WAIT_MS)) {
        /* Stopping the library now would be a use of what the writer still holds. */
        log_error("http: requests are still suspended after %d ms; left as they are", END_WAIT_MS);
        return;
    }
    MHD_stop_daemon(daemon_of_http);
    daemon_of_http = NULL;
    deadline_stop();
}

void http_figures(struct http_figures *out)
{
    request_figures(out);
    out->cut = deadline_cuts();
    out->connections = deadline_conns();
}
