/*
 * check_reaper.c - whole trees of processes are killed and reaped; those that do not die are waited
 * for once.
 *
 * kill(2) is wrapped: no signal reaches the process `deaf`, as none reaches one that waits for a
 * device in the kernel.
 */
#include "../common/fdio.h"
#include "../workers/reaper.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT_MS 1000
#define LONG_MS  60000 /* nothing here waits so long, but for what must not be waited for */

static pid_t deaf;

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
    return pid == deaf ? 0 : __real_kill(pid, sig);
}

static void setup(void)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

static pid_t start(void)
{
    pid_t pid = test_fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

/* Starts one below a child of its own; the pid of the lower one. */
static pid_t start_two(void)
{
    int fd[2];
    pid_t lower = 0;
    ck_assert_int_eq(pipe(fd), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        setsid();
        lower = fork();
        alarm(170); /* whatever becomes of the test */
        if (lower > 0 && write(fd[1], &lower, sizeof(lower)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(fd[0], &lower, sizeof(lower)), sizeof(lower));
    fd_close(&fd[0]);
    fd_close(&fd[1]);
    return lower;
}

static bool is_gone(pid_t pid)
{
    return __real_kill(pid, 0) < 0 && errno == ESRCH;
}

static void end_deaf(void)
{
    pid_t pid = deaf;
    siginfo_t si;
    deaf = 0;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0); /* dead, not reaped */
}

static bool keep_one(pid_t pid, void *arg)
{
    return pid == *(const pid_t *)arg;
}

START_TEST(none_is_left)
{
    pid_t upper = start(), kept = start(), lower = start_two();
    ck_assert(reaper_has_strangers(keep_one, &kept));
    ck_assert(reaper_clear(keep_one, &kept, LONG_MS));
    ck_assert(is_gone(upper) && is_gone(lower) && !is_gone(kept));
    ck_assert(!reaper_has_strangers(keep_one, &kept));
    ck_assert(reaper_has_strangers(NULL, NULL)); /* none is to be kept */
    ck_assert(reaper_clear(NULL, NULL, LONG_MS));
    ck_assert(is_gone(kept));
    ck_assert(!reaper_has_strangers(NULL, NULL));
}
END_TEST

START_TEST(one_that_does_not_die_is_waited_for_once)
{
    deaf = start_two();
    ck_assert(!reaper_clear(NULL, NULL, SHORT_MS));
    ck_assert(!is_gone(deaf));
    ck_assert(!reaper_has_strangers(NULL, NULL));
    ck_assert(reaper_clear(NULL, NULL, LONG_MS)); /* at once */
    pid_t other = start();
    ck_assert(reaper_has_strangers(NULL, NULL));
    ck_assert(reaper_clear(NULL, NULL, LONG_MS));
    ck_assert(is_gone(other) && !is_gone(deaf));

    pid_t pid = deaf;
    end_deaf();
    ck_assert(reaper_clear(NULL, NULL, LONG_MS));
    ck_assert(is_gone(pid)); /* reaped */
}
END_TEST

START_TEST(asking_reaps_it)
{
    pid_t pid = deaf = start();
    ck_assert(!reaper_clear(NULL, NULL, SHORT_MS));
    end_deaf();
    ck_assert(!reaper_has_strangers(NULL, NULL));
    ck_assert(is_gone(pid));
}
END_TEST

/* A task's code may wait for any child. Then its number can be that of another. */
START_TEST(one_that_was_reaped_elsewhere_is_forgotten)
{
    deaf = start();
    ck_assert(!reaper_clear(NULL, NULL, SHORT_MS));
    pid_t pid = deaf, other = start();
    end_deaf();
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    deaf = other;
    ck_assert(!reaper_clear(NULL, NULL, SHORT_MS));
    end_deaf();
    ck_assert(reaper_clear(NULL, NULL, LONG_MS));
    ck_assert(is_gone(other));
}
END_TEST

/* A worker's children are others than those of the fork server, whose memory it has. */
START_TEST(a_forked_process_knows_of_none)
{
    int status;
    deaf = start();
    ck_assert(!reaper_clear(NULL, NULL, SHORT_MS));
    pid_t pid = test_fork();
    if (pid == 0)
        _exit(start() > 0 && reaper_has_strangers(NULL, NULL) && reaper_clear(NULL, NULL, LONG_MS)
                  ? 0
                  : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    end_deaf();
    ck_assert(reaper_clear(NULL, NULL, LONG_MS));
}
END_TEST

int main(void)
{
    return SUITE("reaper", setup, NULL, none_is_left, one_that_does_not_die_is_waited_for_once,
                 asking_reaps_it, one_that_was_reaped_elsewhere_is_forgotten,
                 a_forked_process_knows_of_none);
}
