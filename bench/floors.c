/*
 * floors.c - what this machine and the libraries allow, with nothing of jobmill in between.
 *
 *   floors http [T [MEMORY]]  an empty libmicrohttpd handler (epoll, one thread if none are told):
 *                             /suspended, /json and /same are less empty; prints "listening on
 *                             PORT", ends at end of file on standard input. MEMORY: bytes of a
 *                             connection, which the library clears one and a half times a request;
 *                             else as many as the service gives it (head_memory)
 *   floors sqlite DIR N S     bare group commit: N inserts of 200 bytes a transaction, WAL and
 *                             FULL, S seconds
 *   floors socketpair S       round trips of 200 bytes with one forked process, S seconds
 *   floors primes SO N P [R]  the bare computation of `primes` below N, R times in each of P
 *                             processes at once: wall and CPU seconds
 *   floors fsync DIR S        append 4 KiB and fdatasync
 *   floors spawn FILE P N     a program started, given a line, and read until it ends: N times in
 *                             each of P processes
 *
 * Each but http prints one line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MEMORY 16384 /* the service's default, see server/conf.def */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int fail(const char *what)
{
    fprintf(stderr, "floors: %s: %s\n", what, strerror(errno));
    return 1;
}

/* ---- http ---- */

/* The state of a request that has nothing of its own. */
static int seen, resumed;

/* /suspended is answered after another thread has resumed it: the least that the library needs for
 * what waits for something, as a submission for its commit. */
static struct MHD_Connection *waiting[4096];
static size_t waiting_count;
static bool ending;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

static enum MHD_Result suspend(struct MHD_Connection *conn, void **state)
{
    *state = &resumed;
    MHD_suspend_connection(conn);
    pthread_mutex_lock(&lock);
    waiting[waiting_count++] = conn; /* there are fewer connections than places */
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
    return MHD_YES;
}

static void *resume(void *arg)
{
    (void)arg;
    for (;;) {
        static struct MHD_Connection *taken[4096];
        pthread_mutex_lock(&lock);
        while (waiting_count == 0 && !ending)
            pthread_cond_wait(&more, &lock);
        size_t n = waiting_count;
        memcpy(taken, waiting, n * sizeof(taken[0]));
        waiting_count = 0;
        pthread_mutex_unlock(&lock);
        for (size_t i = 0; i < n; i++)
            MHD_resume_connection(taken[i]);
        if (n == 0)
            return NULL;
    }
}

/* /json is the least that takes a small JSON: its body is gathered and parsed, and the answer is
 * made of what it says. */
struct gathered {
    size_t len;
    char body[4096];
};

static enum MHD_Result answer_json(struct MHD_Connection *conn, const char *upload,
                                   size_t *upload_len, void **state)
{
    static _Atomic unsigned long long made;
    struct gathered *g = *state;
    if (!g) {
        *state = g = malloc(sizeof(*g));
        if (g)
            g->len = 0;
        return g ? MHD_YES : MHD_NO;
    }
    if (*upload_len) {
        size_t room = sizeof(g->body) - g->len, n = *upload_len < room ? *upload_len : room;
        memcpy(g->body + g->len, upload, n);
        g->len += n;
        *upload_len = 0;
        return MHD_YES;
    }
    json_t *root = json_loadb(g->body, g->len, 0, NULL);
    const char *task = json_string_value(json_object_get(root, "task"));
    char *text = malloc(512);
    int len = !text ? -1
                    : snprintf(text, 512,
                               "{\"id\":\"0193588a-0000-7000-8000-%012llx\",\"task\":\"%.64s\","
                               "\"state\":\"queued\",\"priority\":%d,\"attempt\":0,"
                               "\"max_attempts\":3,\"created_at\":\"2026-11-23T03:19:00.000Z\"}",
                               ++made, task ? task : "",
                               (int)json_integer_value(json_object_get(root, "priority")));
    json_decref(root);
    struct MHD_Response *r =
        len < 0 ? NULL : MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result ok = MHD_queue_response(conn, task ? 201 : 400, r);
    MHD_destroy_response(r);
    return ok;
}

/* /same is an answer of the size and with the headers of one about a job, made once: what the
 * library and the kernel take for such an answer. */
static struct MHD_Response *same;

static bool make_same(void)
{
    static const char *const headers[][2] = {
        {"Content-Type", "application/json"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-cache"},
        {"ETag", "\"d67155615eb41c929d28bd6f7502ec60\""},
        {"X-Request-Id", "f03e98cd-1"},
    };
    static char body[663];
    memset(body, 'x', sizeof(body) - 1);
    same = MHD_create_response_from_buffer(sizeof(body) - 1, body, MHD_RESPMEM_PERSISTENT);
    bool ok = same;
    for (size_t i = 0; ok && i < sizeof(headers) / sizeof(headers[0]); i++)
        ok = MHD_add_response_header(same, headers[i][0], headers[i][1]) == MHD_YES;
    return ok;
}

static void completed(void *cls, struct MHD_Connection *conn, void **state,
                      enum MHD_RequestTerminationCode how)
{
    (void)cls, (void)conn, (void)how;
    if (*state != &seen && *state != &resumed)
        free(*state);
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *conn, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_len, void **state)
{
    (void)cls, (void)method, (void)version;
    static char body[] =
        "{\"id\":\"0193588a-0000-7000-8000-000000000000\",\"task\":\"noop\",\"state\":"
        "\"queued\",\"priority\":0,\"attempt\":0,\"max_attempts\":3,\"created_at\":"
        "\"2026-11-23T03:19:00.000Z\"}";
    if (strcmp(url, "/json") == 0)
        return answer_json(conn, upload, upload_len, state);
    if (!*state) { /* answering here would close the connection */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_len) {
        *upload_len = 0;
        return MHD_YES;
    }
    if (*state == &seen && strcmp(url, "/suspended") == 0)
        return suspend(conn, state);
    if (strcmp(url, "/same") == 0)
        return MHD_queue_response(conn, 200, same);
    struct MHD_Response *r =
        MHD_create_response_from_buffer(sizeof(body) - 1, body, MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result ok = MHD_queue_response(conn, 200, r);
    MHD_destroy_response(r);
    return ok;
}

static int http(unsigned threads, size_t memory)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, NULL,
        MHD_OPTION_SOCK_ADDR, &a, MHD_OPTION_CONNECTION_LIMIT, 16000u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    pthread_t resumer;
    if (!d || !make_same() || pthread_create(&resumer, NULL, resume, NULL) != 0)
        return fail("libmicrohttpd");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
    printf("listening on %u\n", info->port);
    fflush(stdout);
    char c;
    while (read(0, &c, 1) > 0)
        ;
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_cond_signal(&more);
    pthread_mutex_unlock(&lock);
    pthread_join(resumer, NULL);
    MHD_stop_daemon(d);
    MHD_destroy_response(same);
    return 0;
}

/* ---- sqlite ---- */

static int sql(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

static int sqlite(const char *dir, int group, double seconds)
{
    char path[512], payload[200];
    snprintf(path, sizeof(path), "%s/floor.db", dir);
    unlink(path);
    memset(payload, 'x', sizeof(payload));
    sqlite3 *db;
    sqlite3_stmt *ins;
    if (sqlite3_open(path, &db) != SQLITE_OK || sql(db, "PRAGMA journal_mode=WAL") ||
        sql(db, "PRAGMA synchronous=FULL") || sql(db, "PRAGMA secure_delete=OFF") ||
        sql(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, state INTEGER, body BLOB)") ||
        sqlite3_prepare_v2(db, "INSERT INTO t(state, body) VALUES(1, ?1)", -1, &ins, NULL))
        return fail(sqlite3_errmsg(db));
    int64_t begin = now_ns(), end = begin + (int64_t)(seconds * 1e9), rows = 0;
    while (now_ns() < end) {
        if (sql(db, "BEGIN IMMEDIATE"))
            return fail(sqlite3_errmsg(db));
        for (int i = 0; i < group; i++, rows++) {
            sqlite3_bind_blob(ins, 1, payload, sizeof(payload), SQLITE_STATIC);
            if (sqlite3_step(ins) != SQLITE_DONE)
                return fail(sqlite3_errmsg(db));
            sqlite3_reset(ins);
        }
        if (sql(db, "COMMIT"))
            return fail(sqlite3_errmsg(db));
    }
    printf("{\"rate\":%.1f}\n", (double)rows / ((double)(now_ns() - begin) / 1e9));
    sqlite3_finalize(ins);
    sqlite3_close(db);
    unlink(path);
    return 0;
}

/* ---- socketpair ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int socketpair_floor(double seconds)
{
    int fd[2];
    char msg[200] = {0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd) < 0)
        return fail("socketpair");
    pid_t child = fork();
    if (child < 0)
        return fail("fork");
    if (child == 0) {
        close(fd[0]);
        while (recv(fd[1], msg, sizeof(msg), 0) > 0) {
            if (send(fd[1], msg, sizeof(msg), MSG_NOSIGNAL) < 0)
                break;
        }
        _exit(0);
    }
    close(fd[1]);
    size_t cap = 2000000, n = 0;
    int64_t *took = malloc(cap * sizeof(*took)), begin = now_ns();
    if (!took)
        return fail("malloc");
    int64_t end = begin + (int64_t)(seconds * 1e9);
    for (int64_t t = begin; t < end && n < cap;) {
        if (send(fd[0], msg, sizeof(msg), MSG_NOSIGNAL) < 0 ||
            recv(fd[0], msg, sizeof(msg), 0) <= 0)
            return fail("round trip");
        int64_t u = now_ns();
        took[n++] = u - t;
        t = u;
    }
    qsort(took, n, sizeof(*took), by_value);
    printf("{\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", (double)n / seconds,
           (double)took[n / 2] / 1e3, (double)took[n * 99 / 100] / 1e3);
    close(fd[0]);
    waitpid(child, NULL, 0);
    free(took);
    return 0;
}

/* ---- fsync ---- */

static int fsync_floor(const char *dir, double seconds)
{
    char path[512], block[4096];
    snprintf(path, sizeof(path), "%s/floor.sync", dir);
    memset(block, 'x', sizeof(block));
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
    size_t cap = 200000, n = 0;
    int64_t *took = malloc(cap * sizeof(*took));
    if (fd < 0 || !took)
        return fail(path);
    int64_t end = now_ns() + (int64_t)(seconds * 1e9);
    for (int64_t t = now_ns(); t < end && n < cap;) {
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fdatasync(fd) < 0)
            return fail(path);
        int64_t u = now_ns();
        took[n++] = u - t;
        t = u;
    }
    qsort(took, n, sizeof(*took), by_value);
    printf("{\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", (double)n / seconds,
           (double)took[n / 2] / 1e3, (double)took[n * 99 / 100] / 1e3);
    close(fd);
    unlink(path);
    free(took);
    return 0;
}

/* ---- in several processes at once ---- */

/* 0 if `work` was 0 in all of them. */
static int in_processes(int processes, int (*work)(const void *arg), const void *arg)
{
    int bad = 0, status;
    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return fail("fork");
        if (pid == 0)
            _exit(work(arg) ? 1 : 0);
    }
    for (int i = 0; i < processes; i++)
        bad |= wait(&status) < 0 || status != 0;
    return bad;
}

/* ---- primes ---- */

/* The task's own code is loaded, so that the floor is the very same computation. */
#include "../include/jobmill_task.h"
#include <dlfcn.h>

static void no_progress(struct jobmill_call *c, double f, const char *m)
{
    (void)c, (void)f, (void)m;
}
static void no_log(struct jobmill_call *c, int level, const char *text, size_t len)
{
    (void)c, (void)level, (void)text, (void)len;
}
static int not_cancelled(struct jobmill_call *c)
{
    (void)c;
    return 0;
}
static int any_result(struct jobmill_call *c, const char *type, const void *data, size_t len)
{
    (void)c, (void)type, (void)data, (void)len;
    return 0;
}
static int any_failure(struct jobmill_call *c, const char *code, const char *text, int permanent)
{
    (void)c, (void)code, (void)permanent;
    fprintf(stderr, "floors: %s\n", text);
    return 1;
}

struct computation {
    const struct jobmill_task *task;
    struct jobmill_call *call;
    int repeats;
};

static int compute(const void *arg)
{
    const struct computation *c = arg;
    int err = 0;
    for (int k = 0; k < c->repeats && !err; k++)
        err = c->task->run(c->call, NULL);
    return err;
}

static int primes(const char *object, const char *limit, int processes, int repeats)
{
    void *so = dlopen(object, RTLD_NOW);
    const struct jobmill_task *task = so ? dlsym(so, "jobmill_task") : NULL;
    if (!task) {
        fprintf(stderr, "floors: %s\n", dlerror());
        return 1;
    }
    char input[64];
    int len = snprintf(input, sizeof(input), "{\"limit\":%s}", limit);
    struct jobmill_host host = {JOBMILL_TASK_ABI, no_progress, no_log, not_cancelled,
                                any_result,       any_failure, NULL};
    struct jobmill_call call = {
        .abi = JOBMILL_TASK_ABI, .attempt = 1, .job_id = "", .task = "primes"};
    call.input_type = "application/json";
    call.input = input;
    call.input_len = (size_t)len;
    call.host = &host;
    int64_t begin = now_ns();
    int bad = in_processes(processes, compute, &(struct computation){task, &call, repeats});
    double took = (double)(now_ns() - begin) / 1e9;
    struct rusage u;
    if (getrusage(RUSAGE_CHILDREN, &u) < 0)
        return fail("getrusage");
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", took, cpu);
    return bad;
}

/* ---- programs ---- */

static int run_once(const char *file)
{
    char *argv[] = {(char *)(uintptr_t)file, NULL}, said[4096];
    const char line[] = "{\"a\":1}\n";
    int in[2], out[2], status = 0;
    pid_t pid;
    posix_spawn_file_actions_t to;
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return fail("pipe");
    if (posix_spawn_file_actions_init(&to) || posix_spawn_file_actions_adddup2(&to, in[0], 0) ||
        posix_spawn_file_actions_adddup2(&to, out[1], 1) ||
        posix_spawn(&pid, file, &to, NULL, argv, environ))
        return fail(file);
    posix_spawn_file_actions_destroy(&to);
    close(in[0]);
    close(out[1]);
    (void)!write(in[1], line, sizeof(line) - 1); /* it may have ended by now */
    close(in[1]);
    while (read(out[0], said, sizeof(said)) > 0)
        ;
    close(out[0]);
    return waitpid(pid, &status, 0) != pid || status != 0;
}

struct program {
    const char *file;
    int times;
};

static int run_often(const void *arg)
{
    const struct program *p = arg;
    int bad = 0;
    for (int k = 0; k < p->times && !bad; k++)
        bad = run_once(p->file);
    return bad;
}

static int spawn_floor(const char *file, int processes, int times)
{
    signal(SIGPIPE, SIG_IGN);
    int64_t begin = now_ns();
    int bad = in_processes(processes, run_often, &(struct program){file, times});
    printf("{\"rate\":%.1f}\n", (double)processes * times / ((double)(now_ns() - begin) / 1e9));
    return bad;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && argc <= 4 && strcmp(argv[1], "http") == 0)
        return http(argc > 2 ? (unsigned)atoi(argv[2]) : 1,
                    argc > 3 ? (size_t)atol(argv[3]) : HEAD_MEMORY);
    if (argc == 5 && strcmp(argv[1], "sqlite") == 0)
        return sqlite(argv[2], atoi(argv[3]), atof(argv[4]));
    if (argc == 3 && strcmp(argv[1], "socketpair") == 0)
        return socketpair_floor(atof(argv[2]));
    if (argc == 4 && strcmp(argv[1], "fsync") == 0)
        return fsync_floor(argv[2], atof(argv[3]));
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "primes") == 0)
        return primes(argv[2], argv[3], atoi(argv[4]), argc == 6 ? atoi(argv[5]) : 1);
    if (argc == 5 && strcmp(argv[1], "spawn") == 0)
        return spawn_floor(argv[2], atoi(argv[3]), atoi(argv[4]));
    fprintf(stderr,
            "usage: floors http [THREADS] | sqlite DIR GROUP SECONDS | socketpair SECONDS | "
            "fsync DIR SECONDS | primes OBJECT LIMIT PROCESSES [REPEATS] | "
            "spawn FILE PROCESSES TIMES\n");
    return 64;
}
