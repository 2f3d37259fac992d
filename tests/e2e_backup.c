/*
 * e2e_backup.c - `jobmill backup` while the service works, and a service that is started from the
 * copy: what was acknowledged before the backup began is in it, and it goes on from there.
 */
#include "harness.h"
#include "suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 4
#define IDS_MAX 20000

struct client {
    struct server *s;
    pthread_t thread;
    unsigned number;
    _Atomic size_t acknowledged;
    char (*id)[40];
};

static struct client client[CLIENTS];
static _Atomic bool stop;

static void *load(void *arg)
{
    struct client *c = arg;
    for (unsigned i = 0; !atomic_load(&stop) && i < IDS_MAX; i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"task\":\"%s\",\"input\":{\"seconds\":0.00%u}}",
                 i % 3 ? "noop" : "sleep", i % 9 + 1);
        struct answer *a = http(c->s, "POST", "/v1/jobs", body, NULL);
        ck_assert_int_eq(a->status, 202);
        snprintf(c->id[i], sizeof(c->id[i]), "%s", jstr(a->json, "id"));
        atomic_store(&c->acknowledged, i + 1);
        answer_free(a);
    }
    return NULL;
}

static void start_load(struct server *s)
{
    atomic_store(&stop, false);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client[i].s = s;
        client[i].number = i;
        client[i].id = calloc(IDS_MAX, sizeof(*client[i].id));
        ck_assert_ptr_nonnull(client[i].id);
        ck_assert_int_eq(pthread_create(&client[i].thread, NULL, load, &client[i]), 0);
    }
}

static void end_load(void)
{
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_join(client[i].thread, NULL), 0);
}

static int backup(struct server *s, const char *file, char *out, size_t size)
{
    char data[300];
    snprintf(data, sizeof(data), "%s/data", s->dir);
    return run_binary((const char *const[]){"backup", file, "--data-dir", data, NULL}, out, size);
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    ck_assert_msg(system(command) == 0, "%s", command);
}

/* The store becomes what the copy holds, as docs/operations.md says it. */
static void restore(struct server *s, const char *copy)
{
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    shell("mv %s/data %s/data.old && mkdir -m 700 %s/data && cp %s %s/data/jobmill.db", s->dir,
          s->dir, s->dir, copy, s->dir);
    server_restart(s);
}

START_TEST(under_load_and_back)
{
    char file[300], out[1024];
    size_t before[CLIENTS];
    struct server *s = server_new(NULL, NULL);
    snprintf(file, sizeof(file), "%s/copy.db", s->dir);
    start_load(s);
    for (int i = 0; i < CLIENTS; i++)
        eventually(atomic_load(&client[i].acknowledged) > 100, LONG_MS);
    for (int i = 0; i < CLIENTS; i++)
        before[i] = atomic_load(&client[i].acknowledged);
    int status = backup(s, file, out, sizeof(out));
    ck_assert_msg(status == 0, "%s", out);
    for (int i = 0; i < CLIENTS; i++) /* the service went on meanwhile, and goes on after */
        eventually(atomic_load(&client[i].acknowledged) > before[i] + 100, LONG_MS);
    end_load();
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    restore(s, file);
    for (int i = 0; i < CLIENTS; i++) {
        for (size_t k = 0; k < before[i]; k++)
            answer_free(await_state(s, client[i].id[k], "succeeded"));
        free(client[i].id);
    }
    answer_free(run_job(s, "{\"task\":\"noop\"}"));
    shell("test \"$(sqlite3 -readonly %s/data/jobmill.db 'PRAGMA integrity_check')\" = ok", s->dir);
    server_free(s);
}
END_TEST

START_TEST(nothing_is_overwritten_or_left)
{
    char file[300], out[1024], data[300];
    struct server *s = server_new(NULL, NULL);
    snprintf(file, sizeof(file), "%s/copy.db", s->dir);
    shell("echo mine > %s", file);
    ck_assert_int_eq(backup(s, file, out, sizeof(out)), 73);
    ck_assert_ptr_nonnull(strstr(out, "nothing is overwritten"));
    shell("test \"$(cat %s)\" = mine && rm %s", file, file);
    snprintf(data, sizeof(data), "%s/none/copy.db", s->dir);
    ck_assert_int_eq(backup(s, data, out, sizeof(out)), 73);
    ck_assert_int_eq(backup(s, "/dev/full/copy.db", out, sizeof(out)), 73);
    ck_assert_int_eq(
        run_binary((const char *const[]){"backup", file, "--data-dir", "/nowhere", NULL}, out,
                   sizeof(out)),
        69);
    ck_assert_ptr_nonnull(strstr(out, "/nowhere/jobmill.db"));
    shell("! ls %s/*.part-* 2>/dev/null && ! test -e %s", s->dir, file);
    ck_assert_int_eq(run_binary((const char *const[]){"backup", NULL}, out, sizeof(out)), 64);
    const char *const forgotten[] = {"backup", "--data-dir", s->dir, NULL};
    ck_assert_int_eq(run_binary(forgotten, out, sizeof(out)), 64);
    ck_assert_ptr_nonnull(strstr(out, "usage: jobmill backup FILE"));
    server_free(s);
}
END_TEST

START_TEST(of_a_service_that_was_killed)
{
    char file[300], out[1024];
    struct server *s = server_new(NULL, NULL);
    snprintf(file, sizeof(file), "%s/copy.db", s->dir);
    const char *id = submit(s, "{\"task\":\"noop\",\"delay\":3600}");
    server_kill9(s);
    ck_assert_int_eq(backup(s, file, out, sizeof(out)), 0);
    ck_assert_ptr_nonnull(strstr(out, ": 1 jobs"));
    shell("rm -r %s/data/*", s->dir); /* the log too: the copy stands for itself */
    shell("cp %s %s/data/jobmill.db", file, s->dir);
    server_restart(s);
    answer_free(await_state(s, id, "scheduled"));
    server_free(s);
}
END_TEST

/* The file appears whole or not at all, whenever the backup is ended. */
START_TEST(ended_at_any_moment)
{
    char data[300], file[300];
    const char *bin = server_binary();
    struct server *s = server_new(NULL, NULL);
    for (int i = 0; i < 40; i++)
        submit(s, "{\"task\":\"echo\",\"input\":\"0123456789\"}");
    snprintf(data, sizeof(data), "%s/data", s->dir);
    for (int round = 0; round < 20; round++) {
        struct stat st;
        int status;
        snprintf(file, sizeof(file), "%s/copy-%d.db", s->dir, round);
        sigset_t term, was;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, &was); /* the child must not run Check's handler */
        pid_t pid = test_fork();
        if (pid == 0) {
            signal(SIGTERM, SIG_DFL);
            sigprocmask(SIG_SETMASK, &was, NULL);
            execl(bin, bin, "backup", file, "--data-dir", data, (char *)NULL);
            _exit(127);
        }
        sigprocmask(SIG_SETMASK, &was, NULL);
        test_owns(pid);
        usleep(random_below(8000));
        kill(pid, SIGTERM);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        test_owns(0);
        bool there = stat(file, &st) == 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            ck_assert(there);
        if (there)
            shell("test \"$(sqlite3 %s 'PRAGMA integrity_check')\" = ok && rm %s", file, file);
    }
    shell("! ls %s/*.part-* 2>/dev/null", s->dir);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {under_load_and_back, nothing_is_overwritten_or_left,
                                  of_a_service_that_was_killed, ended_at_any_moment};
    return run_suite("backup", tests, sizeof(tests) / sizeof(tests[0]));
}
