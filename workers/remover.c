/*
 * remover.c - removes the directories of jobs, if need be in children of the fork server or of a
 * worker. Single-threaded.
 *
 * A directory's name is never given again while it is there, so that a child that removes it late
 * meets no other job. It dies with its parent; what it leaves then is found by the directory's
 * name: a worker's by the fork server, the fork server's by the next start.
 */
#include "remover.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "workdir.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 8
#define MOMENT_US    (100 * US_PER_MS) /* longer than nearly all take */

static struct {
    pid_t pid; /* 0: none */
    struct buf paths;
} child[CHILDREN_MAX];
static pid_t owner; /* whose children these are: a forked process has inherited its parent's */
static int log_fd = -1;

void remover_setup(int fd)
{
    log_fd = fd;
}

static void know_own(void)
{
    pid_t pid = getpid();
    for (int i = 0; i < CHILDREN_MAX && owner != pid; i++) {
        buf_release(&child[i].paths);
        child[i].pid = 0;
    }
    owner = pid;
}

/* In the child. It keeps no socket open whose end another process waits for. */
static _Noreturn void remove_and_exit(const struct buf *paths, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    fd_close_all_but(3, &log_fd, 1);
    prctl(PR_SET_NAME, "remover");
    log_who("remover");
    (void)workdir_remove_all(paths, INT64_MAX);
    _exit(0);
}

bool remover_start(struct buf *paths)
{
    remover_reap();
    int i = 0;
    while (i < CHILDREN_MAX && child[i].pid)
        i++;
    if (i == CHILDREN_MAX)
        return false;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        remove_and_exit(paths, parent);
    if (pid < 0)
        return false;
    child[i].pid = pid;
    buf_move(&child[i].paths, paths);
    return true;
}

void remover_remove(const char *path)
{
    AUTO_BUF paths = BUF_INIT;
    remover_reap();
    if (workdir_remove(path, clock_mono_us() + MOMENT_US))
        return;
    buf_add(&paths, path, strlen(path) + 1);
    if (paths.failed || !remover_start(&paths))
        (void)workdir_remove(path, INT64_MAX);
}

void remover_reap(void)
{
    know_own();
    for (int i = 0; i < CHILDREN_MAX; i++) {
        if (!child[i].pid || waitpid(child[i].pid, NULL, WNOHANG) == 0)
            continue;
        child[i].pid = 0;
        buf_release(&child[i].paths);
    }
}

bool remover_is(pid_t pid)
{
    remover_reap(); /* a number may become another's when task code has reaped it */
    for (int i = 0; i < CHILDREN_MAX; i++) {
        if (child[i].pid == pid)
            return true;
    }
    return false;
}

bool remover_finish(int64_t until_us)
{
    bool all = true;
    know_own();
    for (int i = 0; i < CHILDREN_MAX && all; i++)
        all = workdir_remove_all(&child[i].paths, until_us);
    return all;
}
