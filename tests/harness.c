/*
 * harness.c - the service's process as a test object: start, end, and what must be true after. The
 * test's process is a subreaper, so whatever outlives a service falls to it and is found. Main
 * thread of the test only. harness_http.c speaks to the service.
 */
#include "harness.h"
#include "suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_LEN      512
#define PROCESSES_MAX 512

static char suite_dir[128]; /* of all tests of this file; made by run_suite */

/* ---- time and chance ---- */

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

unsigned random_below(unsigned n)
{
    static uint64_t state;
    if (state == 0) {
        const char *text = getenv("JOBMILL_SEED");
        state = text ? strtoull(text, NULL, 10) : (uint64_t)now_ms() ^ (uint64_t)getpid() << 32;
        state += state == 0;
        printf("JOBMILL_SEED=%llu\n", (unsigned long long)state);
        fflush(stdout);
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

int rounds(int short_form)
{
    const char *text = getenv("JOBMILL_ROUNDS");
    int n = text ? atoi(text) : 0;
    return n > 0 ? n : short_form;
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t len = 0, cap = 65536;
    char *text = malloc(cap);
    ck_assert_ptr_nonnull(text);
    while (f) {
        size_t n = fread(text + len, 1, cap - len - 1, f);
        len += n;
        if (n == 0)
            break;
        if (cap - len < 2) {
            cap *= 2;
            text = realloc(text, cap);
            ck_assert_ptr_nonnull(text);
        }
    }
    if (f)
        fclose(f);
    text[len] = '\0';
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *own_path(const char *name)
{
    static char path[PATH_LEN];
    ck_assert_msg(suite_dir[0] == '/', "main() has not called run_suite()");
    snprintf(path, sizeof(path), "%s/%s", suite_dir, name);
    return path;
}

void own_directory(const char *name, char *path, size_t size)
{
    ck_assert_int_lt(snprintf(path, size, "%s", own_path(name)), (int)size);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* The suite's process, which removes it, finds it by a link. */
void removed_after(const char *path)
{
    char name[32];
    static int n;
    snprintf(name, sizeof(name), "elsewhere-%d", n++);
    ck_assert_int_eq(symlink(path, own_path(name)), 0);
}

const char *conf_file(const char *text)
{
    const char *path = own_path("conf");
    write_file(path, text);
    return path;
}

char *server_log(struct server *s)
{
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/log", s->dir);
    return read_file(path);
}

bool log_has(struct server *s, const char *words)
{
    char *log = server_log(s);
    bool has = strstr(log, words) != NULL;
    free(log);
    return has;
}

/* ---- processes ---- */

static size_t add_children(pid_t pid, pid_t *out, size_t max)
{
    char path[PATH_LEN];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));) {
        int child;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, e->d_name);
        FILE *f = fopen(path, "r");
        while (f && n < max && fscanf(f, "%d", &child) == 1)
            out[n++] = child;
        if (f)
            fclose(f);
    }
    if (threads)
        closedir(threads);
    return n;
}

size_t descendants(pid_t pid, pid_t *out, size_t max)
{
    size_t n = add_children(pid, out, max);
    for (size_t i = 0; i < n; i++)
        n += add_children(out[i], out + n, max - n);
    return n;
}

bool process_is_gone(pid_t pid)
{
    return kill(pid, 0) != 0;
}

long memory_peak_kib(pid_t pid)
{
    char path[64];
    long kib = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    char *text = read_file(path);
    const char *line = strstr(text, "VmHWM:");
    if (line)
        kib = strtol(line + 6, NULL, 10);
    free(text);
    ck_assert_int_gt(kib, 0);
    return kib;
}

void server_configure(struct server *s, const char *text)
{
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/conf", s->dir);
    write_file(path, text);
}

const char *server_binary(void)
{
    const char *bin = getenv("JOBMILL_BIN");
    return bin ? bin : "build/jobmill";
}

static const char *build_dir(void)
{
    const char *dir = getenv("JOBMILL_BUILD");
    return dir ? dir : "build";
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In a child: dies with the test; what it orphans falls to the test. */
static void bind_to(pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

/* What tells the tests how to run is no setting of the service, which would warn of it. */
static void forget_own_variables(void)
{
    static const char *const names[] = {"JOBMILL_BIN",    "JOBMILL_BUILD",  "JOBMILL_FAULTS",
                                        "JOBMILL_IMAGES", "JOBMILL_ROUNDS", "JOBMILL_SEED"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

/* ---- start ---- */

static void start_child(struct server *s, int out, pid_t parent)
{
    char conf[PATH_LEN], data[PATH_LEN], log[PATH_LEN];
    const char *argv[32] = {server_binary(), "serve", "--listen",        "127.0.0.1:0",
                            "--data-dir",    data,    "--drain-timeout", "0.5"};
    int n = 8;
    snprintf(conf, sizeof(conf), "%s/conf", s->dir);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(log, sizeof(log), "%s/log", s->dir);
    bind_to(parent);
    if (s->conf) {
        argv[n++] = "--config";
        argv[n++] = conf;
    }
    for (int i = 0; s->flags[i]; i++)
        argv[n++] = s->flags[i];
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (err < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(1);
    forget_own_variables();
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* The line that says the port. */
static void read_port(struct server *s)
{
    char line[256];
    size_t n = 0;
    int64_t until = now_ms() + LONG_MS;
    while (n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n')) {
        struct pollfd p = {.fd = s->out_fd, .events = POLLIN};
        if (now_ms() > until || poll(&p, 1, 1000) < 0)
            break;
        if (p.revents && read(s->out_fd, line + n, 1) != 1)
            break;
        n += p.revents != 0;
    }
    line[n] = '\0';
    const char *colon = strrchr(line, ':');
    ck_assert_msg(strncmp(line, "listening on http", 17) == 0 && colon,
                  "the service did not start: `%s`", line);
    s->port = atoi(colon + 1);
}

void server_restart(struct server *s)
{
    int out[2];
    ck_assert_int_eq(s->pid, 0);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t parent = getpid();
    s->pid = test_fork();
    if (s->pid == 0)
        start_child(s, out[1], parent);
    close(out[1]);
    s->out_fd = out[0];
    read_port(s);
}

struct server *server_new(const char *conf, const char *const *flags)
{
    struct server *s = calloc(1, sizeof(*s));
    ck_assert_ptr_nonnull(s);
    ck_assert_msg(suite_dir[0] == '/', "main() has not called run_suite()");
    snprintf(s->dir, sizeof(s->dir), "%s/%s-XXXXXX", suite_dir, tcase_name());
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    if (conf) {
        char path[PATH_LEN];
        snprintf(path, sizeof(path), "%s/conf", s->dir);
        s->conf = strdup(conf);
        ck_assert_ptr_nonnull(s->conf);
        write_file(path, conf);
    }
    for (int i = 0; flags && flags[i]; i++) {
        ck_assert_int_lt(i, 15);
        s->flags[i] = strdup(flags[i]);
        ck_assert_ptr_nonnull(s->flags[i]);
    }
    server_restart(s);
    return s;
}

struct server *server_with_task(const char *name, const char *object, const char *more,
                                const char *const *flags)
{
    char *conf = NULL, *dir = realpath(build_dir(), NULL);
    ck_assert_ptr_nonnull(dir);
    ck_assert_int_gt(asprintf(&conf,
                              "[server]\nretry_delay = 10ms\nkill_grace = 200ms\n"
                              "[task %s]\nmodule = %s/tests/tasks/%s.so\n%s",
                              name, dir, object, more),
                     0);
    struct server *s = server_new(conf, flags);
    free(conf);
    free(dir);
    return s;
}

/* ---- end ---- */

static pid_t owned; /* of the test itself */

void test_owns(pid_t pid)
{
    owned = pid;
}

/* Reaps what fell to the test; true when nothing below it lives. */
static bool nothing_is_left(void)
{
    pid_t below[PROCESSES_MAX];
    size_t n = descendants(getpid(), below, PROCESSES_MAX), left = 0;
    for (size_t i = 0; i < n; i++) {
        if (below[i] != owned)
            waitpid(below[i], NULL, WNOHANG);
    }
    n = descendants(getpid(), below, PROCESSES_MAX);
    for (size_t i = 0; i < n; i++)
        left += below[i] != owned;
    return left == 0;
}

static void check_line(struct server *s, const char *line, size_t len)
{
    json_t *json = json_loadb(line, len, JSON_ALLOW_NUL, NULL); /* a task may say that too */
    ck_assert_msg(json && *jstr(json, "time") && *jstr(json, "level") && jget(json, "msg"),
                  "a line of the log is torn: %.*s", (int)len, line);
    bool of_a_job = jget(json, "job") != NULL; /* a task may say what it likes */
    ck_assert_msg(s->errors_ok || of_a_job || strcmp(jstr(json, "level"), "error") != 0,
                  "the service logged an error: %.*s", (int)len, line);
    json_decref(json);
}

/* From there on it is shown: each.sh does not try again what a sanitizer found. */
static void no_report_in(const char *text)
{
    static const char *const bad[] = {"Sanitizer", "runtime error:", "data race"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *at = strstr(text, bad[i]);
        ck_assert_msg(!at, "a sanitizer's report: %.16384s", at ? at : "");
    }
}

void no_report(struct server *s)
{
    char *log = server_log(s);
    no_report_in(log);
    free(log);
}

static void check_log(struct server *s)
{
    char *log = server_log(s);
    no_report_in(log);
    /* what follows the last newline was being written when it was killed */
    for (char *line = log, *end; (end = strchr(line, '\n')); line = end + 1)
        check_line(s, line, (size_t)(end - line));
    free(log);
}

/* The line that a kill cut short must not run into the next start's first. */
static void end_last_line(struct server *s)
{
    char path[PATH_LEN], last;
    snprintf(path, sizeof(path), "%s/log", s->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    off_t size = lseek(fd, 0, SEEK_END);
    while (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
        size--;
    ck_assert_int_eq(ftruncate(fd, size), 0);
    close(fd);
}

int server_wait(struct server *s, int ms)
{
    int status = 0;
    int64_t until = now_ms() + ms;
    while (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        ck_assert_msg(now_ms() < until, "the service did not end within %d ms", ms);
        pause_ms(2);
    }
    s->pid = 0;
    close(s->out_fd);
    eventually(nothing_is_left(), LONG_MS);
    check_log(s);
    end_last_line(s);
    return exit_status(status);
}

void server_signal(struct server *s, int sig)
{
    ck_assert_int_gt(s->pid, 0);
    ck_assert_int_eq(kill(s->pid, sig), 0);
}

void server_kill9(struct server *s)
{
    server_signal(s, SIGKILL);
    ck_assert_int_eq(server_wait(s, LONG_MS), 128 + SIGKILL);
}

void server_free(struct server *s)
{
    if (s->pid) {
        server_signal(s, SIGTERM);
        ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    }
    ck_assert_int_eq(remove_tree(s->dir), 0);
    for (int i = 0; s->flags[i]; i++)
        free(s->flags[i]);
    free(s->conf);
    free(s);
}

int run_binary(const char *const *args, char *out, size_t out_size)
{
    int fd[2], status;
    size_t n = 0;
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
    pid_t parent = getpid(), pid = test_fork();
    if (pid == 0) {
        const char *argv[32] = {server_binary()};
        for (int i = 0; args[i] && i < 30; i++)
            argv[i + 1] = args[i];
        bind_to(parent);
        if (dup2(fd[1], 1) < 0 || dup2(fd[1], 2) < 0)
            _exit(1);
        forget_own_variables();
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fd[1]);
    for (ssize_t got; n < out_size - 1 && (got = read(fd[0], out + n, out_size - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = '\0';
    close(fd[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    no_report_in(out);
    return exit_status(status);
}

/* ---- the suite ---- */

/* Runs in the suite's process before each test. */
static void before(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(suite_dir, sizeof(suite_dir), "%s/jobmill-test-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(suite_dir));
}

static void print_log(const char *name)
{
    char path[PATH_LEN];
    snprintf(path, sizeof(path), "%s/%s/log", suite_dir, name);
    if (access(path, F_OK) != 0)
        return; /* no service's directory */
    char *log = read_file(path);
    size_t len = strlen(log), from = len > 16384 ? len - 16384 : 0;
    printf("---- the log of %s%s\n%s----\n", name, from ? ", its end" : "", log + from);
    fflush(stdout);
    free(log);
}

static void remove_elsewhere(const char *name)
{
    char to[PATH_LEN];
    ssize_t n = readlink(own_path(name), to, sizeof(to) - 1);
    to[n > 0 ? n : 0] = '\0';
    remove_tree(to); /* the test may have done so itself */
}

/* Runs in the suite's process after each test, also after one that failed or crashed: a service's
 * directory is still there then. */
static void after(void)
{
    pid_t left[PROCESSES_MAX];
    int64_t until = now_ms() + LONG_MS;
    for (size_t n = 1; n > 0 && now_ms() < until; pause_ms(2)) {
        n = descendants(getpid(), left, PROCESSES_MAX);
        for (size_t i = 0; i < n; i++) {
            kill(left[i], SIGKILL);
            waitpid(left[i], NULL, WNOHANG);
        }
    }
    DIR *d = opendir(suite_dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            print_log(e->d_name);
        if (e->d_type == DT_LNK)
            remove_elsewhere(e->d_name);
    }
    if (d)
        closedir(d);
    remove_tree(suite_dir);
}

int run_suite(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return EXIT_FAILURE;
    for (size_t i = 0; i < n; i++) {
        TCase *t = tcase_create(tests[i]->name);
        tcase_set_timeout(t, getenv("JOBMILL_ROUNDS") ? 0 : 170);
        tcase_add_unchecked_fixture(t, before, after);
        tcase_add_test(t, tests[i]);
        suite_add_tcase(suite, t);
    }
    return suite_end(suite);
}
