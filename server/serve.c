/*
 * serve.c - the service's birth, life and end. Main thread.
 *
 * Order of birth: settings, scoreboard, log pipe, FORK SERVER, and only then threads: collector,
 * store, writer, dispatch, HTTP. The end is the reverse, after the running jobs were let finish.
 * The main thread forks the fork server and lives as long as the process: the fork server's
 * PR_SET_PDEATHSIG fires when the thread that forked it ends.
 */
#include "serve.h"

#include "../common/board.h"
#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/heritage.h"
#include "../common/log.h"
#include "../workers/forkserver.h"
#include "collector.h"
#include "conf.h"
#include "conf_doubts.h"
#include "conf_machine.h"
#include "dispatch.h"
#include "history.h"
#include "http/auth.h"
#include "http/http.h"
#include "http/tls.h"
#include "http/webhook.h"
#include "joblog.h"
#include "reader.h"
#include "reload.h"
#include "store/store.h"
#include "tree.h"
#include "waiters.h"
#include "writer.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_CONFIG = 78 };

#define LOAD_WAIT_MS       10000
#define FORKSERVER_WAIT_MS 5000
#define LOG_FLUSH_MS       1000
#define KILL_ALL_MS        2000
#define WRITER_REST_MS     5000
#define UNKILLABLE_US      (3 * US_PER_S) /* past the time limit of a drain */
#define CONNECTIONS_LEAST  8

static const struct caller_ops webhook_ops = {.pause_us = webhook_pause_us, .call = webhook_call};

struct service {
    struct conf conf;
    struct board *board;
    int board_fd;
    int log_read_fd, log_write_fd;
    int control_fd;
    pid_t forkserver;
    struct store *store;
    sigset_t signals;
};

static int log_pipe_read = -1; /* for serve_die: what is still to be written out */

void serve_die(int status, const char *fmt, ...)
{
    static atomic_flag dying = ATOMIC_FLAG_INIT;
    char text[1024];
    while (atomic_flag_test_and_set(&dying))
        pause(); /* the first reason is the reason; the others follow from it, as the fork server's
                    death does */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_error("%s", text);
    uint64_t ticket = log_pipe_read < 0 ? 0 : collector_ask();
    for (int i = 0; i < LOG_FLUSH_MS / 5 && !collector_passed(ticket); i++) {
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
    forkserver_kill_all(KILL_ALL_MS); /* also when it is the fork server that died */
    _exit(status);
}

/* With fewer than these it would start, and then hold no connection: files, threads, workers. */
#define DESCRIPTORS_LEAST(workers) (64 + 4 * (rlim_t)(workers))

static uint32_t all_workers(const struct conf *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->defs.pools; i++)
        n += c->defs.pool[i].workers;
    return n;
}

static rlim_t descriptors_wanted(const struct conf *c)
{
    return (rlim_t)c->max_connections + SLOTS_MAX + 256;
}

/* As many descriptors as the kernel lets us: each waiting client is one. False: too few. They may
 * be fewer than are wanted: share_descriptors(). */
static bool raise_descriptors(const struct conf *c)
{
    struct rlimit lim;
    rlim_t least = DESCRIPTORS_LEAST(all_workers(c));
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
        return true;
    if (lim.rlim_max < least) {
        fprintf(stderr,
                "jobmill: only %llu descriptors are allowed (ulimit -n): at least %llu are "
                "needed\n",
                (unsigned long long)lim.rlim_max, (unsigned long long)least);
        return false;
    }
    rlim_t want = descriptors_wanted(c);
    if (lim.rlim_cur >= want)
        return true;
    if (lim.rlim_max < want) {
        struct rlimit more = {.rlim_cur = want, .rlim_max = want};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return true; /* a privileged process may */
        want = lim.rlim_max;
    }
    lim.rlim_cur = want;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
    return true;
}

/* Where there are fewer than all connections would take, some are kept for workers, logs and the
 * store: a client that only connects must not cost a job its outcome. Said once the log is open, so
 * that it has its form. */
static void share_descriptors(struct conf *c)
{
    struct rlimit lim;
    c->connections = c->max_connections;
    c->waiting = c->max_waiting;
    if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= descriptors_wanted(c))
        return;
    rlim_t own = descriptors_wanted(c) - (rlim_t)c->max_connections;
    own = own < lim.rlim_cur / 2 ? own : lim.rlim_cur / 2;
    own = own > DESCRIPTORS_LEAST(all_workers(c)) ? own : DESCRIPTORS_LEAST(all_workers(c));
    rlim_t left = lim.rlim_cur > own ? lim.rlim_cur - own : 0;
    c->connections = left > CONNECTIONS_LEAST ? (int64_t)left : CONNECTIONS_LEAST;
    int64_t some = c->connections - c->connections / 8;
    c->waiting = c->waiting < some ? c->waiting : some;
    log_warn("only %llu descriptors are allowed (ulimit -n): %lld connections at once, in place of "
             "max_connections = %lld",
             (unsigned long long)lim.rlim_cur, (long long)c->connections,
             (long long)c->max_connections);
}

static int block_signals(struct service *s)
{
    sigemptyset(&s->signals);
    sigaddset(&s->signals, SIGTERM);
    sigaddset(&s->signals, SIGINT);
    sigaddset(&s->signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    return pthread_sigmask(SIG_BLOCK, &s->signals, NULL) == 0 ? 0 : -ERR_SYSTEM;
}

static bool want_json_log(const struct conf *c)
{
    if (strcmp(c->log_format, "auto") == 0)
        return !isatty(STDERR_FILENO);
    return strcmp(c->log_format, "json") == 0;
}

/* The same in each life on this data directory, and of no other: jobs' directories are named after
 * it. */
static uint32_t home_of(const char *data_dir)
{
    struct stat st = {0};
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    if ((mkdir(data_dir, 0700) < 0 && errno != EEXIST) || stat(data_dir, &st) < 0)
        return 0; /* the store will say what is wrong */
    const uint64_t words[] = {(uint64_t)st.st_dev, (uint64_t)st.st_ino};
    for (size_t i = 0; i < sizeof(words); i++)
        hash = (hash ^ (words[i / 8] >> i % 8 * 8 & 0xff)) * UINT64_C(1099511628211);
    return (uint32_t)(hash ^ hash >> 32);
}

/* Board, log pipe, fork server, collector: what must come before the other threads. */
static int start_processes(struct service *s)
{
    s->conf.defs.home = home_of(s->conf.data_dir);
    s->board = board_new(s->conf.defs.slots, &s->board_fd);
    int pipe_fds[2];
    if (!s->board || collector_pipe(pipe_fds) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -ERR_SYSTEM;
    s->log_read_fd = pipe_fds[0];
    s->log_write_fd = pipe_fds[1];
    int level = log_level_parse(s->conf.log_level);
    log_open(s->log_write_fd, (enum log_level)level, "front");
    struct heritage h = {
        .board = s->board,
        .board_fd = s->board_fd,
        .log_fd = s->log_write_fd,
        .control_fd = -1,
        .defs = &s->conf.defs,
        .parent_pid = getpid(),
        .log_level = level,
    };
    s->forkserver = forkserver_start(&h, &s->control_fd);
    if (s->forkserver < 0)
        return -ERR_SYSTEM;
    log_pipe_read = s->log_read_fd;
    int err = waiters_init(); /* the collector wakes those who follow a log */
    if (!err)
        err = collector_start(s->log_read_fd, want_json_log(&s->conf));
    if (!err)
        share_descriptors(&s->conf);
    return err;
}

static int open_store(struct service *s, struct buf *why)
{
    struct store_options o = {
        .data_dir = s->conf.data_dir,
        .cache_bytes = s->conf.store_cache,
        .reader_cache_bytes = s->conf.reader_cache,
        .wal_limit = s->conf.wal_limit,
    };
    int err = store_open(&o, &s->store, why);
    if (err)
        return err;
    if (joblog_open(s->conf.data_dir, s->conf.log_max) != 0) {
        buf_addf(why, "%s/logs cannot be opened: %s", s->conf.data_dir, strerror(errno));
        return -ERR_STORE;
    }
    struct recovery r = {0};
    err = store_recover(s->store, clock_wall_us(), &r);
    if (err) {
        buf_addf(why, "the store could not be recovered: %s", err_sentence(err));
        return err;
    }
    id_floor(r.largest_key);
    forkserver_sweep(&s->conf.defs);
    if (r.requeued + r.failed + r.cancelled > 0)
        log_warn(
            "the last service did not end in good order: of the jobs that ran, %llu run again, "
            "%llu failed for lack of attempts, %llu are cancelled",
            (unsigned long long)r.requeued, (unsigned long long)r.failed,
            (unsigned long long)r.cancelled);
    return 0;
}

/* Every pool has a worker, or is known to have trouble with their births. */
static bool pools_are_up(const struct service *s)
{
    for (uint32_t i = 0; i < s->conf.defs.pools; i++) {
        const struct board_pool *b = &s->board->pool[i];
        if (atomic_load_explicit(&b->live, memory_order_acquire) == 0 &&
            atomic_load_explicit(&b->failures, memory_order_acquire) == 0)
            return false;
    }
    return true;
}

/* The fork server loads the tasks meanwhile and forks the workers; submissions are judged by what
 * it found, and who reads "listening" finds a service that is ready. */
static void wait_for_workers(const struct service *s)
{
    int64_t until = clock_mono_us() + LOAD_WAIT_MS * US_PER_MS;
    while (!atomic_load_explicit(&s->board->loaded, memory_order_acquire) || !pools_are_up(s)) {
        if (clock_mono_us() > until) {
            log_warn("the workers are not up after %d s", LOAD_WAIT_MS / 1000);
            return;
        }
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

static int start_threads(struct service *s, uint16_t *port, uint16_t *admin_port, struct buf *why)
{
    int err = reader_start(s->store, s->board, &s->conf.defs);
    if (!err)
        err = webhook_start(&s->conf, why);
    if (!err)
        err = writer_start(&s->conf, s->store, s->board, &webhook_ops);
    if (!err)
        err = dispatch_start(&s->conf, s->board, s->control_fd);
    s->control_fd = -1; /* dispatch's now */
    if (!err)
        wait_for_workers(s);
    if (!err && s->conf.tls_cert[0]) /* after the fork: no key in the workers' memory */
        err = tls_start(s->conf.tls_cert, s->conf.tls_key, why);
    if (!err)
        err = history_start();
    if (!err)
        err = joblog_sweep_start(); /* before the first submission */
    if (!err)
        err = http_start(&s->conf, port, admin_port);
    return err;
}

/* "[::1]:8080"; false: not an address. */
static bool address_text(const char *setting, uint16_t port, char out[96])
{
    char host[64];
    uint16_t asked;
    if (!conf_split_address(setting, host, sizeof(host), &asked))
        return false;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(out, 96, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return true;
}

static int announce(const struct service *s, uint16_t port, uint16_t admin_port)
{
    char address[96];
    if (!address_text(s->conf.listen, port, address))
        return -ERR_CONFIG;
    printf("listening on http%s://%s\n", tls_is_on() ? "s" : "", address);
    if (fflush(stdout) != 0)
        log_warn("standard output cannot be written: %s", strerror(errno));
    log_info("jobmill " JOBMILL_VERSION " serves on %s, data in %s, %u workers", address,
             s->conf.data_dir, all_workers(&s->conf));
    if (s->conf.admin_listen[0] && address_text(s->conf.admin_listen, admin_port, address))
        log_info("probes and figures on http://%s", address);
    return 0;
}

static void wait_for_signal(const struct service *s)
{
    for (;;) {
        int sig = sigwaitinfo(&s->signals, NULL);
        if (sig == SIGTERM || sig == SIGINT) {
            log_info("%s: draining, for at most %.1f s", strsignal(sig),
                     (double)s->conf.drain_timeout_us / (double)US_PER_S);
            return;
        }
        if (sig == SIGHUP)
            reload_now();
    }
}

/* Lets running jobs end; a second signal, or the time limit, returns the rest to the queue. */
static void drain(struct service *s)
{
    http_drain();
    writer_drain(WRITER_REST_MS);
    int64_t until = clock_mono_us() + s->conf.drain_timeout_us;
    dispatch_drain(until);
    while (!dispatch_wait_idle(0)) {
        struct timespec wait = {.tv_nsec = 20000000};
        int sig = sigtimedwait(&s->signals, NULL, &wait);
        if (sig == SIGTERM || sig == SIGINT) {
            log_warn("%s again: what still runs is stopped and returned to the queue",
                     strsignal(sig));
            until = clock_mono_us();
            dispatch_drain(until);
        }
        if (clock_mono_us() > until + UNKILLABLE_US) {
            log_error("what still runs cannot be killed: it is left, and its jobs run again after "
                      "the next start");
            return;
        }
    }
}

static void bury_forkserver(struct service *s)
{
    if (s->forkserver <= 0)
        return;
    for (int i = 0; i < FORKSERVER_WAIT_MS / 5; i++) {
        pid_t got = waitpid(s->forkserver, NULL, WNOHANG);
        if (got == s->forkserver || (got < 0 && errno != EINTR))
            return;
        struct timespec pause = {.tv_nsec = 5000000};
        nanosleep(&pause, NULL);
    }
    log_error("the fork server does not end: killed");
    kill(s->forkserver, SIGKILL);
    (void)waitpid(s->forkserver, NULL, 0);
}

/* What other threads still use cannot be freed. Changes that were taken are committed first. The
 * readers' connections are left to the kernel, as after a kill. */
static void end_at_once(void)
{
    writer_stop();
    log_info("ended; some requests were not answered");
    log_open(-1, LOG_INFO, "front");
    collector_stop(LOG_FLUSH_MS);
    _exit(EXIT_OK);
}

static void end(struct service *s)
{
    dispatch_stop();
    bury_forkserver(s);
    webhook_stop();
    if (!http_stop())
        end_at_once();
    history_stop();
    tls_end();
    auth_end();
    reload_end();
    writer_stop();
    webhook_end(); /* which the writer called */
    writer_release();
    dispatch_end();
    joblog_sweep_stop();
    reader_stop();
    store_close(s->store);
    log_info("ended in good order");
    log_open(-1, LOG_INFO, "front");
    fd_close(&s->log_write_fd);
    collector_stop(LOG_FLUSH_MS);
    waiters_release();
    joblog_close();
    board_unmap(s->board);
    fd_close(&s->board_fd);
    conf_unsettle();
    conf_release(&s->conf);
}

static int fail(int status, const char *text)
{
    fprintf(stderr, "jobmill: %s\n", text);
    return status;
}

int serve_main(int argc, char **argv)
{
    static struct service s; /* threads point into it until the process ends */
    AUTO_BUF why = BUF_INIT;
    AUTO_BUF doubts = BUF_INIT;
    s = (struct service){.board_fd = -1, .log_read_fd = -1, .log_write_fd = -1, .control_fd = -1};
    umask(077);
    if (conf_check_flags(argc, argv, &why) != 0)
        return fail(EXIT_USAGE, why.data ? why.data : "out of memory");
    if (conf_load(&s.conf, argc, argv, &why) != 0 || reload_check_address(&s.conf, &why) != 0 ||
        reload_begin(&s.conf, argc, argv) != 0 || conf_settle(&s.conf, &why) != 0)
        return fail(EXIT_CONFIG, why.data ? why.data : "out of memory");
    conf_doubts(&s.conf, &doubts);
    if (auth_use(s.conf.tokens) != 0)
        return fail(EXIT_UNAVAILABLE, "out of memory");
    s.conf.tokens = NULL;
    tree_setup();
    json_object_seed(0);
    if (!raise_descriptors(&s.conf))
        return EXIT_UNAVAILABLE;
    if (block_signals(&s) != 0 || start_processes(&s) != 0)
        return fail(EXIT_UNAVAILABLE, strerror(errno));
    conf_doubts_log(&doubts);
    int err = open_store(&s, &why);
    if (err)
        serve_die(err == -ERR_STORE_NEWER ? EXIT_CONFIG : EXIT_UNAVAILABLE, "%s",
                  why.data ? why.data : "out of memory");
    uint16_t port = 0, admin_port = 0;
    err = start_threads(&s, &port, &admin_port, &why);
    if (err && why.len)
        serve_die(EXIT_CONFIG, "%s", why.data);
    if (err)
        serve_die(err == -ERR_CONFIG ? EXIT_CONFIG : EXIT_UNAVAILABLE, "cannot serve on %s%s%s: %s",
                  s.conf.listen, s.conf.admin_listen[0] ? " and " : "", s.conf.admin_listen,
                  err == -ERR_SYSTEM ? strerror(errno) : err_sentence(err));
    if (announce(&s, port, admin_port) != 0)
        serve_die(EXIT_CONFIG, "listen = %s: not ADDRESS:PORT", s.conf.listen);
    wait_for_signal(&s);
    drain(&s);
    end(&s);
    return EXIT_OK;
}
