/*
 * check_serve.c - the service ends for the first reason, whatever else breaks on the way: here the
 * death of the fork server, which dispatch's thread sees while serve_die() waits for it.
 */
#include "../common/log.h"
#include "../server/serve.h"
#include "suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 78, SECOND = 70 };

static atomic_int second_thread; /* its id, once it is about to die */

void __wrap_forkserver_kill_all(int limit_ms);

static void *die_second(void *arg)
{
    (void)arg;
    atomic_store(&second_thread, gettid());
    serve_die(SECOND, "the fork server is gone");
}

/* It waits for something, and so is no longer on its way. */
static bool sleeps(int thread)
{
    char path[64], text[128] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        _exit(99);
    close(fd);
    const char *state = strrchr(text, ')');
    return state && state[2] == 'S';
}

/* In place of the one that ends all processes: returns once the other thread can come no further.
 * Where that thread comes here, it ends the process. */
void __wrap_forkserver_kill_all(int limit_ms)
{
    pthread_t thread;
    (void)limit_ms;
    if (atomic_load(&second_thread))
        return;
    if (pthread_create(&thread, NULL, die_second, NULL) != 0)
        _exit(99);
    while (!atomic_load(&second_thread) || !sleeps(atomic_load(&second_thread)))
        sched_yield();
}

START_TEST(the_first_reason_is_told)
{
    int log[2], status;
    char text[2048] = "";
    ck_assert_int_eq(pipe2(log, O_CLOEXEC), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        log_open(log[1], LOG_ERROR, "test");
        serve_die(FIRST, "the key is wrong");
    }
    close(log[1]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), FIRST);
    ck_assert_int_gt(read(log[0], text, sizeof(text) - 1), 0);
    ck_assert_ptr_nonnull(memmem(text, sizeof(text), "the key is wrong", 16));
    ck_assert_ptr_null(memmem(text, sizeof(text), "fork server", 11));
    close(log[0]);
}
END_TEST

int main(void)
{
    return SUITE("serve", NULL, NULL, the_first_reason_is_told);
}
