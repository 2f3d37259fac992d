/*
 * http.c - the daemons of libmicrohttpd: their threads and limits, their birth and end. One for
 * each HTTP thread, on the same socket, serves all; another, where admin_listen says so, has a
 * thread and connections of its own and serves probes and figures, so that those are answered when
 * the others are full or busy.
 *
 * http_start and http_stop are called by one thread. The HTTP threads (loop.c) and the library's
 * own of admin_listen call into request.c; the watchdog of deadline.c has a thread of its own.
 */
#include "http.h"

#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"
#include "../conf.h"
#include "answers.h"
#include "aside.h"
#include "crowd.h"
#include "deadline.h"
#include "guard.h"
#include "listener.h"
#include "loop.h"
#include "pace.h"
#include "request.h"
#include "response.h"
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_WAIT_MS 5000
#define ADMIN_CONNS 64
#define ASIDE_LEAST 2

/* Where a connection came in. */
struct ear {
    const struct front *front;
    struct loop *loop; /* NULL: a thread of the library's */
};

static struct MHD_Daemon *daemon_of_admin;
static struct front main_front, admin_front;
static const struct ear admin_ear = {.front = &admin_front};

/* The HTTP threads and what each hears by; all that are there run. */
static struct http_thread {
    struct loop loop;
    struct ear ear;
} * threads;
static size_t threads_count;

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

static enum MHD_Result may_connect(void *arg, const struct sockaddr *from, socklen_t len)
{
    (void)arg;
    (void)len;
    return crowd_full(from) ? MHD_NO : MHD_YES;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct conn *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (c) {
            /* the library forgets to tell of some that it refused itself */
            request_free(c->request);
            crowd_leave(c->crowd);
        }
        deadline_conn_free(c);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct ear *ear = arg;
    c = info ? deadline_conn_new(info->connect_fd, ear->front->tls) : NULL;
    if (c) {
        c->front = ear->front;
        c->loop = ear->loop;
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        if (ear->loop && info)
            c->crowd = crowd_enter(info->client_addr);
    }
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

/* As many as are asked for, or one for every two cores. */
static size_t thread_count(const struct conf *conf, int64_t asked, size_t least)
{
    size_t half = conf->defs.machine.cores / 2;
    return asked > 0 ? (size_t)asked : half > least ? half : least;
}

/* On a copy of the descriptor, which the daemon owns from then on. */
static struct MHD_Daemon *new_daemon(const struct conf *conf, int listen_fd, struct ear *ear)
{
    /* a callback instead of the bytes: each handshake asks for what was loaded last */
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)tls_retrieve},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    size_t most = ((size_t)conf->connections + threads_count - 1) / threads_count;
    int fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    if (main_front.tls)
        flags |= MHD_USE_TLS;
    struct MHD_Daemon *d = MHD_start_daemon(
        flags, 0, may_connect, NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)most,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, conf->head_memory, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_raw, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, ear, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        NULL, MHD_OPTION_ARRAY, main_front.tls ? tls : none, MHD_OPTION_END);
    if (!d)
        fd_close(&fd);
    return d;
}

/* Ends those that were started: their daemons hold no suspended request. */
static void end_threads(void)
{
    for (size_t i = 0; i < threads_count && threads[i].loop.daemon; i++) {
        loop_stop(&threads[i].loop);
        MHD_stop_daemon(threads[i].loop.daemon);
    }
    free(threads);
    threads = NULL;
    threads_count = 0;
}

/* A thread that looks for events has to have a processor to spare. */
static int64_t busy_poll_us(const struct conf *conf)
{
    return conf->defs.machine.cores > 1 && !conf->defs.machine.cpu_quota ? conf->busy_poll_us : 0;
}

static int start_threads(const struct conf *conf, int listen_fd)
{
    int64_t poll_us = busy_poll_us(conf);
    threads_count = thread_count(conf, conf->http_threads, 1);
    threads = calloc(threads_count, sizeof(*threads));
    if (!threads)
        return -ERR_NOMEM;
    for (size_t i = 0; i < threads_count; i++) {
        struct http_thread *t = &threads[i];
        t->ear = (struct ear){.front = &main_front, .loop = &t->loop};
        struct MHD_Daemon *d = new_daemon(conf, listen_fd, &t->ear);
        int err = d ? loop_start(&t->loop, d, poll_us) : -ERR_SYSTEM;
        if (err) {
            int saved = errno;
            if (d)
                MHD_stop_daemon(d);
            t->loop.daemon = NULL;
            end_threads();
            errno = saved;
            return err;
        }
    }
    return 0;
}

static int start_admin(const struct conf *conf, int fd)
{
    daemon_of_admin = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        conf->head_memory, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_UNESCAPE_CALLBACK, keep_raw,
        NULL, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, (void *)(uintptr_t)&admin_ear, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        NULL, MHD_OPTION_END);
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
        err = crowd_start((long)conf->max_connections_per_ip);
    if (!err)
        err = answers_start();
    if (!err)
        err = response_start();
    if (!err)
        err = deadline_start(conf, &hooks);
    if (err)
        goto stop_pace;
    if (admin_fd >= 0)
        err = start_admin(conf, admin_fd);
    if (err)
        goto stop_deadline;
    err = aside_start(thread_count(conf, conf->slow_threads, ASIDE_LEAST), request_aside_run);
    if (err)
        goto stop_admin;
    err = start_threads(conf, fd);
    if (err)
        goto stop_aside;
    fd_close(&fd);
    return 0;
stop_aside:
    aside_stop();
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

bool http_stop(void)
{
    if (!threads)
        return true;
    request_drain();
    for (size_t i = 0; i < threads_count; i++)
        loop_quiesce(&threads[i].loop);
    if (!request_end_all(END_WAIT_MS)) {
        /* Stopping the library now would be a use of what the writer still holds. */
        log_error("http: requests are still suspended after %d ms; left as they are", END_WAIT_MS);
        return false;
    }
    aside_stop();
    end_threads();
    if (daemon_of_admin)
        MHD_stop_daemon(daemon_of_admin);
    daemon_of_admin = NULL;
    deadline_stop();
    pace_stop();
    return true;
}

void http_figures(struct http_figures *out)
{
    request_figures(out);
    out->cut = deadline_cuts();
    out->connections = deadline_conns();
}
