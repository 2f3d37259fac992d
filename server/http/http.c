/*
 * http.c - the daemons of libmicrohttpd: their threads and limits, their birth and end. One serves
 * all; another, where admin_listen says so, has a thread and connections of its own and serves
 * probes and figures, so that those are answered when the first is full or busy.
 *
 * http_start and http_stop are called by one thread. The library's threads call into request.c; the
 * watchdog of deadline.c has a thread of its own.
 */
#include "http.h"

#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"
#include "../conf.h"
#include "deadline.h"
#include "listener.h"
#include "pace.h"
#include "request.h"
#include "tls.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONN_MEMORY (16 * 1024) /* of one connection: its header, and a piece of its body */
#define END_WAIT_MS 5000
#define ADMIN_CONNS 64

/* Each resume makes the library walk all suspended connections of that thread: with 10,000
 * long-polls on one thread that adds 0.3 ms to every other client's answer, on four a third of it.
 */
#define THREADS_LEAST 4

static struct MHD_Daemon *daemon_of_http, *daemon_of_admin;
static struct front main_front, admin_front;

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
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        deadline_conn_free(*context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct front *front = arg;
    struct conn *c = info ? deadline_conn_new(info->connect_fd, front->tls) : NULL;
    if (c)
        c->front = front;
    *context = c;
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
    /* a callback instead of the bytes: each handshake asks for what was loaded last */
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_retrieve},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (main_front.tls)
        flags |= MHD_USE_TLS;
    daemon_of_http = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)conf->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, &main_front, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_ARRAY, per_ip, MHD_OPTION_ARRAY,
        main_front.tls ? tls : none, MHD_OPTION_END);
    return daemon_of_http ? 0 : -ERR_SYSTEM;
}

static int start_admin(int fd)
{
    daemon_of_admin = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONN_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_raw, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, &admin_front, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_END);
    return daemon_of_admin ? 0 : -ERR_SYSTEM;
}

static int open_front(struct front *f, const char *address, uint16_t *port)
{
    int fd = listener_open(address, f->host, sizeof(f->host), port);
    f->loopback = conf_is_loopback(f->host);
    return fd;
}

int http_start(const struct conf *conf, uint16_t *port, uint16_t *admin_port)
{
    int admin_fd = -1;
    int fd = open_front(&main_front, conf->listen, port);
    if (fd < 0)
        return fd;
    int err = 0;
    main_front.tls = tls_is_on();
    if (conf->admin_listen[0]) {
        admin_front.admin = true;
        admin_fd = open_front(&admin_front, conf->admin_listen, admin_port);
        if (admin_fd < 0) {
            err = admin_fd;
            goto close_fd;
        }
    }
    request_setup(conf);
    struct deadline_hooks hooks = {.over = request_wait_over, .resume = request_wait_resume};
    err = pace_start((double)conf->client_rate, (double)conf->client_burst);
    if (!err)
        err = deadline_start(conf, &hooks);
    if (err)
        goto stop_pace;
    if (admin_fd >= 0)
        err = start_admin(admin_fd);
    if (err)
        goto stop_deadline;
    err = start_daemon(conf, fd);
    if (err)
        goto stop_admin;
    return 0;
stop_admin:
    if (daemon_of_admin) {
        MHD_stop_daemon(daemon_of_admin); /* closes its socket */
        daemon_of_admin = NULL;
        admin_fd = -1;
    }
stop_deadline:
    deadline_stop();
stop_pace:
    pace_stop();
close_fd:
    fd_close(&admin_fd);
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
    if (daemon_of_admin)
        MHD_stop_daemon(daemon_of_admin);
    daemon_of_admin = NULL;
    deadline_stop();
    pace_stop();
}

void http_figures(struct http_figures *out)
{
    request_figures(out);
    out->cut = deadline_cuts();
    out->connections = deadline_conns();
}
