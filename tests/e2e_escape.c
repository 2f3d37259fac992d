/*
 * e2e_escape.c - hostile programs (tests/programs/escape) as commands: they get at nothing, hog
 * nothing, leave nothing, their jobs end with a clear code, and the service answers meanwhile.
 * What it shows of root it shows as root, the rest as anybody (`make escape`).
 */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const two_workers[] = {"--workers", "2", NULL};
static char hostile[64]; /* a directory with the program, for every user to read */
static char abstract[64];
static char
    secret[64]; /* the file with that of webhooks, where a program of `basic` may read all else */
static int listener;

static void copy_program(const char *to)
{
    char from[PATH_MAX], block[65536];
    ssize_t n;
    snprintf(from, sizeof(from), "%s/tests/programs/escape", getenv("JOBMILL_BUILD"));
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ck_assert_msg(in >= 0 && out >= 0, "%s", from);
    while ((n = read(in, block, sizeof(block))) > 0)
        ck_assert_int_eq(write(out, block, (size_t)n), n);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(fchmod(out, 0755), 0);
    close(in);
    close(out);
}

/* An abstract socket of the test's, which is not below the service. */
static void listen_abstract(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(abstract, sizeof(abstract), "jobmill-escape-%d", (int)getpid());
    memcpy(a.sun_path + 1, abstract, strlen(abstract));
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&a,
                          (socklen_t)(sizeof(sa_family_t) + 1 + strlen(abstract))),
                     0);
    ck_assert_int_eq(listen(listener, 8), 0);
}

static void make_secret(void)
{
    static const char text[] = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n"; /* nobody's */
    snprintf(secret, sizeof(secret), "/var/tmp/jobmill-secret-XXXXXX");
    int fd = mkstemp(secret);
    ck_assert_int_ge(fd, 0);
    removed_after(secret);
    ck_assert_int_eq(fchmod(fd, 0644), 0); /* only the sandbox keeps it from a program */
    ck_assert_int_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
    close(fd);
}

/* What this machine offers at most. (A program under TSan has a thread more, and so no namespaces.)
 */
static bool offers(const char *level)
{
    static char out[1 << 16];
    const char *const args[] = {"check-config", NULL};
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 0);
    const char *at = strstr(out, "the strongest sandbox here: ");
    ck_assert_ptr_nonnull(at);
    return strstr(at, "strict") || (strstr(at, "basic") && strcmp(level, "basic") == 0);
}

/* Of one job alone: needs a namespace of users, or root, whose programs are another user's. */
static bool can_count(void)
{
    return offers("strict") || geteuid() == 0;
}

static struct server *begin(void)
{
    static char conf[4096];
    char program[128], text[3072] = "";
    size_t at = 0;
    static const char *const levels[] = {"none", "basic", "strict"};
    snprintf(hostile, sizeof(hostile), "/tmp/jobmill-hostile-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(hostile));
    removed_after(hostile);
    ck_assert_int_eq(chmod(hostile, 0755), 0);
    snprintf(program, sizeof(program), "%s/escape", hostile);
    copy_program(program);
    make_secret();
    listen_abstract();
    for (int i = 0; i < 3; i++) {
        const char *own = i == 0 ? "" : "open_files = 32\nmemory = 64MiB\n";
        const char *count = i == 0 || !can_count() ? "" : "processes = 30\n";
        if (i > 0 && !offers(levels[i]))
            break;
        at += (size_t)snprintf(
            text + at, sizeof(text) - at,
            "[task quiet_%s]\ncommand = %s quiet %d {input.scoped} {input.pid} {input.port} "
            "{input.database} {input.config} {input.abstract} {input.secret}\nresult = text\n"
            "sandbox = %s\nfile_size = 1MiB\nmax_attempts = 1\ntimeout = 60s\n"
            "[task %s]\ncommand = %s {input.what}\nresult = text\nsandbox = %s\n%s%s"
            "file_size = 1MiB\ncpu_time = 1s\noutput_max = 1MiB\nmax_attempts = 1\n"
            "[task link_%s]\ncommand = %s symlink_result {input.database}\nresult = text\n"
            "sandbox = %s\nresult_file = out.bin\nmax_attempts = 1\n",
            levels[i], program, i, levels[i], levels[i], program, levels[i], own, count, levels[i],
            program, levels[i]);
        ck_assert_uint_lt(at, sizeof(text));
    }
    snprintf(conf, sizeof(conf), "[server]\nkill_grace = 0.1\nwebhook_secret_file = %s\n%s", secret,
             text);
    return server_new(conf, two_workers);
}

static void finish(struct server *s)
{
    char program[128];
    snprintf(program, sizeof(program), "%s/escape", hostile);
    server_free(s);
    unlink(program);
    unlink(secret);
    rmdir(hostile);
    close(listener);
}

static void at_each_level(void (*check)(struct server *s, const char *level))
{
    struct server *s = begin();
    if (offers("basic"))
        check(s, "basic");
    if (offers("strict"))
        check(s, "strict");
    else
        printf("this machine does not offer all: see jobmill check-config\n");
    finish(s);
}

/* ---- quiet attempts ---- */

static char *attempts(struct server *s, const char *level)
{
    char body[2048];
    struct answer *a = get(s, "/v1/stats", 200);
    bool scoped = jint(a->json, "sandbox.landlock") >= 6;
    answer_free(a);
    snprintf(body, sizeof(body),
             "{\"task\":\"quiet_%s\",\"input\":{\"scoped\":%d,\"pid\":%d,\"port\":%d,"
             "\"database\":\"%s/data/jobmill.db\",\"config\":\"%s/"
             "conf\",\"abstract\":\"%s\",\"secret\":\"%s\"}}",
             level, scoped, (int)s->pid, s->port, s->dir, s->dir, abstract, secret);
    a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    char *text = strdup(jstr(a->json, "result"));
    answer_free(a);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static void all_are_refused(struct server *s, const char *level)
{
    char *text = attempts(s, level);
    ck_assert_msg(count(text, "ESCAPED ") == 0, "%s:\n%s", level, text);
    ck_assert_msg(count(text, "refused ") >= 75, "%s:\n%s", level, text);
    ck_assert_msg(count(text, "no process") == 0, "%s:\n%s", level, text);
    free(text);
}

START_TEST(quiet_attempts_are_refused)
{
    at_each_level(all_are_refused);
}
END_TEST

/* The attempts are what they say: without a sandbox they get out. */
START_TEST(without_a_sandbox_they_get_out)
{
    struct server *s = begin();
    char *text = attempts(s, "none");
    ck_assert_msg(count(text, "ESCAPED ") == 5 && count(text, "refused ") == 0, "%s", text);
    free(text);
    finish(s);
}
END_TEST

/* ---- hogs ---- */

/* Runs one to its end while others ask whether the service is well. */
static struct answer *hog(struct server *s, const char *level, const char *what, const char *more)
{
    char body[256], path[96];
    snprintf(body, sizeof(body), "{\"task\":\"%s\",\"input\":{\"what\":\"%s\"}%s}", level, what,
             more);
    snprintf(path, sizeof(path), "/v1/jobs/%s", submit(s, body));
    int64_t until = now_ms() + 3 * LONG_MS; /* some burn a second of CPU */
    for (;;) {
        answer_free(get(s, "/healthz", 200));
        answer_free(run_job(s, "{\"task\":\"noop\"}"));
        struct answer *a = get(s, path, 200);
        const char *state = jstr(a->json, "state");
        if (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0)
            return a;
        answer_free(a);
        ck_assert_msg(now_ms() < until, "%s does not end", what);
    }
}

static void ends_with(struct server *s, const char *level, const char *what, const char *more,
                      const char *code)
{
    struct answer *a = hog(s, level, what, more);
    ck_assert_msg(!strcmp(jstr(a->json, "error.code"), code), "%s %s: %s", level, what, a->body);
    answer_free(a);
}

static void hogs_end(struct server *s, const char *level)
{
    ends_with(s, level, "memory_bomb", "", "out_of_memory");
    ends_with(s, level, "disk_filler", "", "file_limit");
    ends_with(s, level, "flood", "", "bad_result");
    ends_with(s, level, "spin", "", "cpu_limit");
}

START_TEST(hogs_end_with_a_clear_code)
{
    at_each_level(hogs_end);
}
END_TEST

static int number(struct server *s, const char *level, const char *what)
{
    struct answer *a = hog(s, level, what, "");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    int n = atoi(jstr(a->json, "result"));
    answer_free(a);
    return n;
}

/* Below the service there are the fork server and two workers again. */
static bool nothing_is_left(struct server *s)
{
    pid_t below[64];
    return descendants(s->pid, below, 64) == 3;
}

static void numbers_are_bounded(struct server *s, const char *level)
{
    int n = can_count() ? number(s, level, "many_processes") : 20;
    ck_assert_msg(n >= 20 && n < 30, "%d processes", n);
    ck_assert(nothing_is_left(s)); /* dead before the job had ended */
    n = number(s, level, "many_files");
    ck_assert_msg(n >= 20 && n < 32, "%d files", n);
    if (!can_count())
        return;
    struct answer *a = hog(s, level, "fork_bomb", ",\"timeout\":0.5");
    const char *code = jstr(a->json, "error.code");
    ck_assert_msg(!strcmp(code, "timeout") || !strcmp(code, "cpu_limit"), "%s", a->body);
    answer_free(a);
    ck_assert(nothing_is_left(s));
}

START_TEST(processes_and_files_are_counted)
{
    at_each_level(numbers_are_bounded);
}
END_TEST

static void leaves_nothing(struct server *s, const char *level)
{
    char body[512];
    struct answer *a = hog(s, level, "daemon", "");
    ck_assert_str_eq(jstr(a->json, "result"), "left\n");
    answer_free(a);
    ck_assert(nothing_is_left(s));
    snprintf(body, sizeof(body),
             "{\"task\":\"link_%s\",\"input\":{\"database\":\"%s/data/jobmill.db\"}}", level,
             s->dir);
    a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, "error.code"), "bad_result"), "%s", a->body);
    answer_free(a);
}

START_TEST(nothing_is_left_nor_taken_along)
{
    at_each_level(leaves_nothing);
}
END_TEST

/* ---- refused at start ---- */

static void is_refused(const char *text, const char *words)
{
    char out[4096];
    const char *const args[] = {"check-config", "--config", conf_file(text), NULL};
    ck_assert_int_eq(run_binary(args, out, sizeof(out)), 78);
    ck_assert_msg(strstr(out, words) != NULL, "%s", out);
}

START_TEST(what_does_not_fit_is_refused)
{
    is_refused("[task a]\ncommand = true\nprocesses = 5\n", "processes: only with a sandbox");
    is_refused("[task a]\ncommand = true\nread = /srv\n", "read: only with a sandbox");
    is_refused("[task a]\ncommand = true\nsandbox = some\n", "must be none, basic, strict or best");
    is_refused("[server]\nsandbox = some\n", "must be none, basic, strict or best");
    is_refused("[task noop]\nsandbox = basic\n", "give it a pool of its own");
    is_refused("[pool p]\n[task noop]\npool = p\nsandbox = strict\n", "a module can have basic");
    is_refused("[pool p]\n[task noop]\npool = p\nsandbox = basic\n"
               "[task a]\npool = p\ncommand = true\nsandbox = basic\n",
               "[task a] of [pool p] asks for another");
    is_refused("[task a]\ncommand = true\npersistent = yes\ncpu_time = 5s\n",
               "timeout bounds each");
    is_refused("[task a]\ncommand = true\ncpu_time = 0.5s\n", "a time of 1s to 30d");
    is_refused("[task a]\ncommand = true\nopen_files = 3\n", "16 to 1000000");
}
END_TEST

/* ---- workers of modules ---- */

START_TEST(a_module_runs_in_its_workers_sandbox)
{
    struct server *s = server_new("[pool apart]\nworkers = 1\n"
                                  "[task noop]\npool = apart\nsandbox = basic\n"
                                  "[task sha256]\npool = apart\nsandbox = basic\n",
                                  two_workers);
    pid_t pids[4];
    char path[64], line[256];
    bool seccomp = false;
    eventually(worker_pids(s, pids, 4) == 3, LONG_MS);
    struct answer *a = get(s, "/v1/workers", 200);
    for (size_t i = 0; i < json_array_size(jget(a->json, "workers")); i++) {
        json_t *w = json_array_get(jget(a->json, "workers"), i);
        if (strcmp(jstr(w, "pool"), "apart") != 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/status", (int)jint(w, "pid"));
        FILE *f = fopen(path, "r");
        ck_assert_ptr_nonnull(f);
        while (fgets(line, sizeof(line), f))
            seccomp = seccomp || !strcmp(line, "Seccomp:\t2\n");
        fclose(f);
    }
    answer_free(a);
    ck_assert(seccomp);
    a = run_job(s, "{\"task\":\"sha256\",\"input\":{\"text\":\"abc\"}}");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    answer_free(a);
    server_free(s);
}
END_TEST

/* ---- what must go on working ---- */

static struct server *useful(const char *level)
{
    static char conf[2048];
    snprintf(conf, sizeof(conf),
             "[server]\nkill_grace = 60\nsandbox = %s\n"
             "[task deaf]\ncommand = /bin/sh -c 'trap \"exit 7\" TERM; echo "
             "\"{\\\"progress\\\":{\\\"message\\\":\\\"1\\\"}}\" >&4; sleep 600 & wait'\n"
             "[task status]\ncommand = /bin/sh -c 'exit 9'\nmax_attempts = 1\n"
             "[task dies]\ncommand = /bin/sh -c 'kill -11 $$'\nmax_attempts = 1\n"
             "[task file]\ncommand = /bin/sh -c 'pwd >out; test -w \"$HOME\"'\nresult = text\n"
             "result_file = out\n"
             "[task warm]\npersistent = yes\ninput = raw\ncommand = /bin/sh -c 'echo "
             "\"{\\\"ready\\\":true}\" >&4; while read -r l <&3; do cat input >copy && "
             "echo \"{\\\"result\\\":\\\"read\\\"}\" >&4; done'\n",
             level);
    return server_new(conf, two_workers);
}

static void ends(struct server *s, const char *task, const char *pointer, int value)
{
    char body[64];
    snprintf(body, sizeof(body), "{\"task\":\"%s\"}", task);
    struct answer *a = run_job(s, body);
    ck_assert_msg(jint(a->json, pointer) == value, "%s", a->body);
    answer_free(a);
}

static void works_in(const char *level)
{
    setenv("HOME", "/tmp", 1); /* the service's own is the program's without a sandbox */
    struct server *s = useful(level);
    ends(s, "status", "error.exit_code", 9);
    ends(s, "dies", "error.signal", 11);
    struct answer *a = run_job(s, "{\"task\":\"file\"}");
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    answer_free(a);
    for (int i = 0; i < 3; i++) { /* bytes come to a warm program as a file */
        const char *const headers[] = {"Content-Type: text/plain", NULL};
        a = http_bytes(s, "/v1/tasks/warm/jobs?wait=60", "bytes", 5, headers);
        ck_assert_msg(!strcmp(jstr(a->json, "result"), "read"), "%s", a->body);
        answer_free(a);
    }
    /* SIGTERM comes through: kill_grace is longer than this test waits */
    char id[64], path[128];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"deaf\"}"));
    (void)await_number(s, id);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(post(s, path, "", 202));
    answer_free(await_state(s, id, "cancelled"));
    server_free(s);
}

START_TEST(programs_work_in_a_sandbox)
{
    works_in("none");
    if (offers("basic"))
        works_in("basic");
    if (offers("strict"))
        works_in("strict");
}
END_TEST

/* What a shell, flock(1) or an init system left open when the service began: its own descriptors
 * have other numbers then. */
START_TEST(descriptors_left_open_change_nothing)
{
    for (int most = 3; most < 6; most++) {
        if (fcntl(most, F_GETFD) < 0)
            ck_assert_int_eq(dup2(STDIN_FILENO, most), most);
        if (offers("basic"))
            works_in("basic");
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        quiet_attempts_are_refused,           without_a_sandbox_they_get_out,
        hogs_end_with_a_clear_code,           processes_and_files_are_counted,
        nothing_is_left_nor_taken_along,      what_does_not_fit_is_refused,
        a_module_runs_in_its_workers_sandbox, programs_work_in_a_sandbox,
        descriptors_left_open_change_nothing,
    };
    return run_suite("escape", tests, sizeof(tests) / sizeof(tests[0]));
}
