/*
 * e2e_faults.c - the real service while its system calls fail (strace injects it), with few
 * descriptors, with a store that was damaged, or that may only be read. It serves, refuses with 503
 * or 507, or ends with a status and a sentence; it never dies of a signal, never hangs, and what it
 * acknowledged is there when the fault is over.
 *
 * JOBMILL_ROUNDS (`make faults`): every n-th call of each kind, else a few.
 */
#include "harness.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64

static char acknowledged[JOBS_MAX][40];
static int jobs;

/* ---- a start that may fail ---- */

struct fault {
    const char *call, *error; /* as strace names them */
    int n;                    /* the n-th call of each thread; 0: none fails */
    rlim_t fds;               /* RLIMIT_NOFILE; 0: as it is */
};

static void exec_service(struct server *s, const struct fault *f, int out)
{
    char data[300], log[300], trace[300], inject[128];
    const char *bin = server_binary(), *argv[24];
    int n = 0;
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(log, sizeof(log), "%s/log", s->dir);
    snprintf(trace, sizeof(trace), "%s/trace", s->dir);
    snprintf(inject, sizeof(inject), "inject=%s:error=%s:when=%d", f->call, f->error, f->n);
    if (f->n) {
        const char *const with[] = {"strace", "-f", "-DDD", "-qq", "-o", trace, "-e", inject};
        for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
            argv[n++] = with[i];
    }
    const char *const serve[] = {bin,  "serve",           "--listen", "127.0.0.1:0", "--data-dir",
                                 data, "--drain-timeout", "0.5",      "--workers",   "1",
                                 NULL};
    for (size_t i = 0; i < sizeof(serve) / sizeof(serve[0]); i++)
        argv[n++] = serve[i];
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    if (f->fds) {
        struct rlimit lim = {.rlim_cur = f->fds, .rlim_max = f->fds};
        if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
            _exit(126);
    }
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(126);
}

/* Starts it; true: it listens, s->port is set. False: it ended, or is about to. */
static bool try_start(struct server *s, const struct fault *f)
{
    int out[2];
    char line[256];
    size_t n = 0;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t parent = getpid();
    s->pid = test_fork();
    if (s->pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(126);
        exec_service(s, f, out[1]);
    }
    close(out[1]);
    s->out_fd = out[0];
    for (int64_t until = now_ms() + 2 * LONG_MS; n < sizeof(line) - 1;) {
        struct pollfd p = {.fd = s->out_fd, .events = POLLIN};
        ck_assert_msg(now_ms() < until, "%s %s %d: it neither starts nor ends", f->call, f->error,
                      f->n);
        if (poll(&p, 1, 100) > 0 && read(s->out_fd, line + n, 1) != 1)
            break;
        if (p.revents && line[n++] == '\n')
            break;
    }
    line[n] = '\0';
    const char *colon = strrchr(line, ':');
    s->port = strncmp(line, "listening on", 12) == 0 && colon ? atoi(colon + 1) : 0;
    return s->port > 0;
}

/* What the service and strace leave is reaped here; true: nothing lives. */
static bool all_gone(void)
{
    pid_t left[64];
    size_t n = descendants(getpid(), left, 64);
    for (size_t i = 0; i < n; i++)
        waitpid(left[i], NULL, WNOHANG);
    return n == 0;
}

/* Waits for the end and looks at how it ended. Not server_wait(): what is said before the log is
 * there is plain text. */
static void check_end(struct server *s, const struct fault *f, bool good)
{
    char path[300], command[340];
    struct stat st;
    int status = 0;
    int64_t until = now_ms() + LONG_MS;
    while (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        ck_assert_msg(now_ms() < until, "%s %s %d fds %d: it does not end", f->call, f->error, f->n,
                      (int)f->fds);
        pause_ms(2);
    }
    s->pid = 0;
    close(s->out_fd);
    eventually(all_gone(), LONG_MS);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 126, "%s %s %d fds %d: ended with %x",
                  f->call, f->error, f->n, (int)f->fds, (unsigned)status);
    snprintf(path, sizeof(path), "%s/log", s->dir);
    if (!good)
        ck_assert_msg(WEXITSTATUS(status) != 0 && stat(path, &st) == 0 && st.st_size > 0,
                      "%s %s %d fds %d: it did not start and did not say why (%d)", f->call,
                      f->error, f->n, (int)f->fds, WEXITSTATUS(status));
    snprintf(command, sizeof(command), "grep -q malformed %s", path);
    ck_assert_msg(strcmp(f->error, "EIO") != 0 || system(command) != 0,
                  "%s %d: an I/O error is told as a damaged store", f->call, f->n);
    no_report(s);
    ck_assert_int_eq(truncate(path, 0), 0); /* its lines were looked at */
}

static bool was_hit(struct server *s)
{
    char command[400];
    snprintf(command, sizeof(command), "grep -q INJECTED %s/trace 2>/dev/null", s->dir);
    return system(command) == 0;
}

static void submit_some(struct server *s, int n)
{
    for (int i = 0; i < n && jobs < JOBS_MAX; i++) {
        struct answer *a = http_try(s, "POST", i % 3 ? "/v1/jobs" : "/v1/jobs?wait=1",
                                    "{\"task\":\"noop\"}", NULL);
        if (!a)
            return; /* it ended */
        ck_assert_msg(a->status == 202 || a->status == 200 || a->status == 503 ||
                          a->status == 507 || a->status == 500,
                      "%d %s", a->status, a->body);
        if (a->status < 300)
            snprintf(acknowledged[jobs++], 40, "%s", jstr(a->json, "id"));
        answer_free(a);
    }
    struct answer *a =
        http_try(s, "GET", "/v1/jobs?limit=5", NULL, NULL); /* reads of HTTP threads */
    if (!a)
        return;
    ck_assert_msg(a->status == 200 || a->status == 503 || a->status == 500, "%d %s", a->status,
                  a->body);
    answer_free(a);
}

static void check_acknowledged(struct server *s)
{
    for (int i = 0; i < jobs; i++)
        answer_free(await_state(s, acknowledged[i], "succeeded"));
    jobs = 0;
}

/* One life with the fault, and one without. True: the fault came. */
static bool live(struct server *s, const struct fault *f)
{
    int64_t begin = now_ms();
    bool started = try_start(s, f);
    if (started) {
        submit_some(s, 12);
        if (s->pid && kill(s->pid, 0) == 0)
            kill(s->pid, SIGTERM);
    }
    check_end(s, f, started);
    bool hit = was_hit(s);
    /* A start that failed leaves more to read for the next: the n-th read would come before its end
     * for ever. */
    if (!started || jobs > JOBS_MAX / 2 || !hit) {
        server_restart(s);
        check_acknowledged(s);
        server_signal(s, SIGTERM);
        ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    }
    if (now_ms() - begin > 10000) /* somebody waited for what did not come */
        printf("%s %s %d fds %d: %lld ms\n", f->call, f->error, f->n, (int)f->fds,
               (long long)(now_ms() - begin));
    return hit;
}

static struct server *stopped_server(void)
{
    struct server *s = server_new(NULL, NULL);
    s->errors_ok = true;
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    return s;
}

/* ---- system calls ---- */

/* Each with its first n: the loader of any program dies of its first mmaps. Not epoll_ctl:
 * libmicrohttpd aborts when a removal fails, which no kernel lets it. */
static const struct fault faults[] = {
    {"fdatasync", "EIO", 0, 0},
    {"pwrite64", "EIO", 0, 0},
    {"pwrite64", "ENOSPC", 0, 0},
    {"fsync", "EIO", 0, 0},
    {"pread64", "EIO", 0, 0},
    {"ftruncate", "EIO", 0, 0},
    {"openat", "EMFILE", 0, 0},
    {"mmap", "ENOMEM", 90, 0},
    {"clone,clone3,fork,vfork", "EAGAIN", 0, 0},
    {"socketpair", "EMFILE", 0, 0},
    {"memfd_create", "EMFILE", 0, 0},
    {"eventfd2", "EMFILE", 0, 0},
    {"pipe2", "EMFILE", 0, 0},
    {"sendmsg", "ENOBUFS", 0, 0},
    {"accept4", "EMFILE", 0, 0},
    {"fcntl", "ENOLCK", 0, 0},
    {"unlink", "EIO", 0, 0},
    {"mkdir", "EIO", 0, 0},
};

/* Every n of a call until none is met, or a few. */
static void fail_calls(struct server *s, struct fault f)
{
    bool every = getenv("JOBMILL_ROUNDS") != NULL;
    int hits = 0, from = f.n ? f.n : 1, to = from + (every ? 1000 : 20);
    for (f.n = from; f.n < to; f.n += every ? 1 : 12) {
        if (!live(s, &f))
            break;
        hits++;
    }
    printf("%s %s: %d of its calls failed\n", f.call, f.error, hits);
    ck_assert_msg(hits > 0, "%s is never called", f.call);
}

static bool no_strace(void)
{
    bool none = SANITIZED || system("strace -o /dev/null true 2>/dev/null") != 0;
    if (none)
        puts("no strace here: passed over");
    return none;
}

START_TEST(calls_fail)
{
    if (no_strace())
        return;
    struct server *s = stopped_server();
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        fail_calls(s, faults[i]);
    server_restart(s);
    check_acknowledged(s);
    server_free(s);
}
END_TEST

/* ---- a slow writer ---- */

/* The writer's thread; it is there before the service listens. */
static int writer_of(const struct server *s)
{
    char command[200], line[32] = "";
    snprintf(
        command, sizeof(command),
        "grep -l '^writer$' /proc/%d/task/*/comm | tr -dc '0-9/' | tr -s / ' ' | cut -d' ' -f3",
        s->pid);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_int_gt(atoi(line), 0);
    return atoi(line);
}

/* From now on each lock that the writer takes or leaves takes it 50 ms: so long stands a commit to
 * be seen and is not yet told. The pid of what is to be killed for an end of that. */
static pid_t slow_locks(struct server *s)
{
    char tid[16], said[200] = "";
    int out[2];
    snprintf(tid, sizeof(tid), "%d", writer_of(s));
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 2);
        execlp("strace", "strace", "-o", "/dev/null", "-e", "trace=fcntl", "-e",
               "inject=fcntl:delay_exit=50000", "-p", tid, (char *)NULL);
        _exit(126);
    }
    close(out[1]);
    ck_assert_int_gt(read(out[0], said, sizeof(said) - 1), 0);
    ck_assert_msg(strstr(said, "attached") != NULL, "%s", said);
    close(out[0]);
    test_owns(pid);
    return pid;
}

/* Its last end is on disk, and those who wait for it are about to be told: who asks for another run
 * waits for the end of that. */
START_TEST(a_retry_waits_for_its_own_end)
{
    char path[120], first[40], id[40], body[120];
    if (no_strace())
        return;
    struct server *s = server_new(NULL, NULL);
    snprintf(first, sizeof(first), "%s", submit(s, "{\"task\":\"noop\",\"delay\":3600}"));
    snprintf(body, sizeof(body), "{\"task\":\"noop\",\"depends_on\":[\"%s\"]}", first);
    snprintf(id, sizeof(id), "%s", submit(s, body));
    pid_t slow = slow_locks(s);
    snprintf(path, sizeof(path), "POST /v1/jobs/%s/cancel HTTP/1.1\r\nHost: localhost\r\n\r\n",
             first);
    int fd = raw_open(s);
    raw_send(fd, path);
    answer_free(await_state(s, id, "cancelled"));
    snprintf(path, sizeof(path), "/v1/jobs/%s/retry?wait=60", id);
    struct answer *a = post(s, path, NULL, 200);
    ck_assert_str_eq(jstr(a->json, "state"), "succeeded");
    answer_free(a);
    close(fd);
    kill(slow, SIGTERM);
    ck_assert_int_eq(waitpid(slow, NULL, 0), slow);
    test_owns(0);
    server_free(s);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(few_descriptors)
{
    struct server *s = stopped_server();
    bool every = getenv("JOBMILL_ROUNDS") != NULL;
    for (struct fault f = {.call = "few", .error = "fds", .fds = 4}; f.fds < 90;
         f.fds += every ? 1 : 9)
        live(s, &f);
    server_restart(s);
    check_acknowledged(s);
    server_free(s);
}
END_TEST

/* Clients that only connect take none of those that a result of some size comes by. */
START_TEST(a_crowd_where_descriptors_are_few)
{
    enum { FDS = 200, CROWD = 250 };
    struct server *s = stopped_server();
    struct fault f = {.call = "few", .error = "crowd", .fds = FDS};
    int crowd[CROWD];
    ck_assert(try_start(s, &f));
    int fd = raw_open(s);
    raw_send(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    free(raw_read(fd, "\r\n\r\n", LONG_MS));
    for (int i = 0; i < CROWD; i++)
        crowd[i] = raw_open(s);
    raw_send(fd, "POST /v1/jobs?wait=60 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 21\r\n\r\n"
                 "{\"task\":\"mandelbrot\"}");
    char *said = raw_read(fd, "\"result_size\"", LONG_MS);
    ck_assert_msg(strstr(said, "\"succeeded\"") && strstr(said, "\"attempt\":1,"), "%s", said);
    free(said);
    close(fd);
    for (int i = 0; i < CROWD; i++)
        raw_reset(crowd[i]);
    kill(s->pid, SIGTERM);
    check_end(s, &f, true);
    server_free(s);
}
END_TEST

/* ---- a damaged store ---- */

static void damage(const char *path, int round)
{
    struct stat st;
    char junk[4096];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    unsigned size = (unsigned)st.st_size;
    if (round % 4 == 3) {
        ck_assert_int_eq(ftruncate(fd, (off_t)random_below(size)), 0);
    } else {
        for (size_t i = 0; i < sizeof(junk); i++)
            junk[i] = (char)random_below(256);
        size_t len = round % 4 == 0 ? 1 : round % 4 == 1 ? 100 : sizeof(junk);
        for (int i = 0; i < 5; i++)
            ck_assert_int_gt(pwrite(fd, junk, len, (off_t)random_below(size)), 0);
    }
    close(fd);
}

START_TEST(a_damaged_store)
{
    char db[300], good[300], command[1300];
    struct server *s = server_new(NULL, NULL);
    s->errors_ok = true;
    for (int i = 0; i < 30; i++)
        submit(s, "{\"task\":\"echo\",\"input\":\"some words\",\"tags\":[\"t\"]}");
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    snprintf(db, sizeof(db), "%s/data/jobmill.db", s->dir);
    snprintf(good, sizeof(good), "%s/good.db", s->dir);
    snprintf(command, sizeof(command), "cp %s %s", db, good);
    ck_assert_int_eq(system(command), 0);
    int refused = 0, served = 0;
    for (int i = 0; i < rounds(16); i++) {
        struct fault none = {.call = "no", .error = "call"};
        snprintf(command, sizeof(command), "rm -f %s-wal %s-shm; cp %s %s", db, db, good, db);
        ck_assert_int_eq(system(command), 0);
        damage(db, i);
        bool started = try_start(s, &none);
        if (started) {
            submit_some(s, 5);
            struct answer *a = http_try(s, "GET", "/v1/jobs", NULL, NULL);
            answer_free(a);
            if (kill(s->pid, 0) == 0)
                kill(s->pid, SIGTERM);
        }
        jobs = 0; /* a damaged store promises nothing */
        served += started;
        refused += !started;
        check_end(s, &none, started);
    }
    printf("damaged: %d refused, %d served\n", refused, served);
    ck_assert_int_gt(refused, 0);
    snprintf(command, sizeof(command), "rm -f %s-wal %s-shm; cp %s %s", db, db, good, db);
    ck_assert_int_eq(system(command), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

START_TEST(a_store_that_may_only_be_read)
{
    char data[300];
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        puts("not allowed to mount: passed over");
        return;
    }
    struct server *s = stopped_server();
    struct fault none = {.call = "no", .error = "call"};
    snprintf(data, sizeof(data), "%s/data", s->dir);
    ck_assert_int_eq(mount(data, data, NULL, MS_BIND, NULL), 0);
    ck_assert_int_eq(mount(NULL, data, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    ck_assert(!try_start(s, &none));
    check_end(s, &none, false);
    ck_assert_int_eq(umount(data), 0);
    server_restart(s);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {calls_fail,      a_retry_waits_for_its_own_end,
                                  few_descriptors, a_crowd_where_descriptors_are_few,
                                  a_damaged_store, a_store_that_may_only_be_read};
    return run_suite("faults", tests, sizeof(tests) / sizeof(tests[0]));
}
