/*
 * check_child.c - the start of a program: what it finds, what of its starter it leaves as it was,
 * and that a start which fails leaves nothing behind.
 */
#include "../common/fdio.h"
#include "../workers/child.h"
#include "../workers/sandbox.h"
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct taskdef def;
static struct taskdefs defs;

static void setup(void)
{
    def = (struct taskdef){.name = "any", .kind = TASK_COMMAND, .network = true};
    defs = (struct taskdefs){.task = &def, .tasks = 1};
    ck_assert_int_eq(sandbox_worker(&defs, 0), 0);
}

static int starts(struct child *c, const char *program, const char *word)
{
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)word, NULL}, *env[] = {NULL};
    int in = fd_memfd("nothing", "", 0);
    ck_assert_int_ge(in, 0);
    struct child_options o = {.argv = argv, .env = env, .dir = "/tmp", .stdin_fd = in, .def = &def};
    int err = child_start(c, &o);
    fd_close(&in);
    return err;
}

/* All that it says until it ends well. */
static void says(struct child *c, char *text, size_t size)
{
    int status;
    ck_assert_int_eq(fd_nonblock(c->out_fd, false), 0);
    ssize_t n = fd_read_full(c->out_fd, text, size - 1);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    ck_assert_int_eq(waitpid(c->pid, &status, 0), c->pid);
    ck_assert_msg(status == 0, "%d: %s", status, text);
    child_close(c);
}

static volatile sig_atomic_t heard;

static void hear(int sig)
{
    heard = sig;
}

/* A line of /proc/PID/status, without the two signals that are the C library's own, and which
 * whoever has started all this may have left ignored. */
static uint64_t signals(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    ck_assert_msg(line != NULL, "%s: %s", name, text);
    return strtoull(line + strlen(name), NULL, 16) & ~(UINT64_C(3) << 31);
}

/* The child has its memory until exec, but neither its handlers nor its mask. */
START_TEST(signals_are_the_programs_own)
{
    char text[4096];
    struct child c;
    struct sigaction a = {.sa_handler = hear}, now;
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigaction(SIGUSR1, &a, NULL);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    ck_assert_int_eq(starts(&c, "/bin/cat", "/proc/self/status"), 0);
    says(&c, text, sizeof(text));
    ck_assert_uint_eq(signals(text, "SigBlk:"), 0);
    ck_assert_uint_eq(signals(text, "SigIgn:"), 0);
    ck_assert_uint_eq(signals(text, "SigCgt:"), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert(now.sa_handler == hear);
    ck_assert_int_eq(sigaction(SIGTERM, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_IGN);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &after), 0);
    ck_assert_int_eq(sigismember(&after, SIGUSR2), 1);
    ck_assert_int_eq(sigismember(&after, SIGCHLD), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(heard, SIGUSR1);
}
END_TEST

/* Limits and the directory are the program's, too. */
START_TEST(limits_are_the_programs_own)
{
    char text[4096], *here = getcwd(NULL, 0);
    struct child c;
    def.open_files = 50;
    def.file_size = 12345;
    ck_assert_int_eq(starts(&c, "/bin/cat", "/proc/self/limits"), 0);
    says(&c, text, sizeof(text));
    ck_assert_msg(strstr(text, "12345 ") != NULL, "%s", text);
    struct rlimit own;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &own), 0);
    ck_assert_uint_ne(own.rlim_cur, 12345);
    ck_assert_int_eq(starts(&c, "/bin/pwd", NULL), 0);
    says(&c, text, sizeof(text));
    ck_assert_str_eq(text, "/tmp\n");
    char *still = getcwd(NULL, 0);
    ck_assert_str_eq(here, still);
    free(still);
    free(here);
}
END_TEST

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

START_TEST(a_start_that_fails_leaves_nothing)
{
    static const struct {
        const char *program;
        int err;
    } bad[] = {{"/nowhere/at-all", ENOENT}, {"/tmp", EACCES}, {"not-in-any-path", ENOENT}};
    struct child c;
    unsigned before = descriptors();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(starts(&c, bad[i].program, NULL), bad[i].err);
        ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
        ck_assert_int_eq(errno, ECHILD);
        ck_assert_uint_eq(descriptors(), before);
    }
}
END_TEST

/* Only who stays its user and has no helper may have its starter's memory. */
START_TEST(who_may_have_its_starters_memory)
{
    struct sandbox box;
    ck_assert_int_eq(sandbox_prepare(&box, &def, "/tmp"), 0);
    ck_assert(sandbox_is_plain(&box));
    box.own_user = true;
    ck_assert(!sandbox_is_plain(&box));
    box.own_user = false;
    box.user_namespace = true;
    ck_assert(!sandbox_is_plain(&box));
    sandbox_release(&box);
}
END_TEST

int main(void)
{
    return SUITE("child", setup, NULL, signals_are_the_programs_own, limits_are_the_programs_own,
                 a_start_that_fails_leaves_nothing, who_may_have_its_starters_memory);
}
