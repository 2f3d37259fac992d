/*
 * reaper.c - kills whole trees of processes. Single-threaded processes: fork server, worker.
 *
 * A process is stopped before its children are read, so that it cannot fork unseen; one that forks
 * before the stop reaches it leaves children that a later pass finds, as they can only fall to the
 * subreaper that calls this. Passes repeat until one finds nothing, or only what does not die.
 */
#include "reaper.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNDYING_MAX 64

struct pids {
    pid_t *at;
    size_t count, cap;
};

/* What a process knows of its children; a forked one has inherited its parent's. */
static struct own {
    pid_t pid;        /* whose this is */
    int children_fd;  /* the list of its children, open for good, so that asking costs one read */
    unsigned undying; /* children that were killed and waited for in vain: not waited for again */
    pid_t undying_pid[UNDYING_MAX];
} own;

static bool add(struct pids *p, pid_t pid)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        pid_t *at = realloc(p->at, cap * sizeof(*at));
        if (!at)
            return false; /* a later pass finds what is left */
        p->at = at;
        p->cap = cap;
    }
    p->at[p->count++] = pid;
    return true;
}

/* Adds the numbers of one /proc/PID/task/TID/children. False: the kernel has no such file. */
static bool read_children(const char *path, struct pids *out)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    char buf[4096];
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
        buf[have] = '\0';
        char *p = buf, *end;
        for (long v; (v = strtol(p, &end, 10)) > 0 && *end == ' '; p = end)
            add(out, (pid_t)v);
        have = strlen(p); /* a number cut by the end of the buffer */
        memmove(buf, p, have);
    }
    return true;
}

static void children_of(pid_t pid, struct pids *out)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return; /* it is gone */
    for (struct dirent *e; (e = readdir(dir));) {
        char file[352];
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "/proc/%d/task/%s/children", (int)pid, e->d_name);
        (void)read_children(file, out);
    }
    closedir(dir);
}

/* Stops pid and all below it, and lists them, parents before children. */
static void stop_tree(pid_t pid, struct pids *all)
{
    size_t from = all->count;
    if (pid != getpid()) {
        kill(pid, SIGSTOP);
        if (!add(all, pid))
            return;
    } else {
        children_of(pid, all);
        for (size_t i = from; i < all->count; i++)
            kill(all->at[i], SIGSTOP);
    }
    for (size_t i = from; i < all->count; i++) {
        size_t first = all->count;
        children_of(all->at[i], all);
        for (size_t k = first; k < all->count; k++)
            kill(all->at[k], SIGSTOP);
    }
}

void reaper_kill_tree(pid_t root)
{
    struct pids all = {0};
    stop_tree(root, &all);
    for (size_t i = all.count; i-- > 0;)
        kill(all.at[i], SIGKILL);
    free(all.at);
}

static void know_own(void)
{
    pid_t pid = getpid();
    if (own.pid == pid)
        return;
    own.pid = pid;
    own.undying = 0;
    own.children_fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
}

/* ---- those that do not die ---- */

static bool is_undying(pid_t pid)
{
    for (unsigned i = 0; i < own.undying; i++) {
        if (own.undying_pid[i] == pid)
            return true;
    }
    return false;
}

static void not_undying(unsigned i)
{
    own.undying_pid[i] = own.undying_pid[--own.undying];
}

/* Reaps those that have died after all. A number that is no child's is forgotten, too: task code
 * may have reaped it, and then it may become another's. */
static void reap_undying(void)
{
    for (unsigned i = own.undying; i-- > 0;) {
        if (waitpid(own.undying_pid[i], NULL, WNOHANG) != 0)
            not_undying(i);
    }
}

/* ---- the caller's children ---- */

bool reaper_has_strangers(bool (*keep)(pid_t pid, void *arg), void *arg)
{
    siginfo_t si;
    char list[512];
    if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
        return false;
    know_own();
    reap_undying();
    ssize_t n = pread(own.children_fd, list, sizeof(list) - 1, 0);
    if (n < 0 || n == sizeof(list) - 1)
        return true; /* not known here: reaper_clear() looks closer */
    list[n] = '\0';
    char *p = list, *end;
    for (long v; (v = strtol(p, &end, 10)) > 0; p = end) {
        if ((!keep || !keep((pid_t)v, arg)) && !is_undying((pid_t)v))
            return true;
    }
    return false;
}

/* One pass: kills and reaps what it finds; in the last one, what does not die is remembered. The
 * number of strangers that were there. */
static size_t clear_pass(bool (*keep)(pid_t pid, void *arg), void *arg, bool last)
{
    struct pids mine = {0};
    size_t strangers = 0;
    know_own();
    reap_undying();
    children_of(own.pid, &mine);
    for (size_t i = 0; i < mine.count; i++) {
        pid_t pid = mine.at[i];
        if ((keep && keep(pid, arg)) || is_undying(pid))
            continue;
        strangers++;
        if (waitpid(pid, NULL, WNOHANG) != 0)
            continue; /* it was dead already */
        reaper_kill_tree(pid);
        if (waitpid(pid, NULL, WNOHANG) == 0 && last && own.undying < UNDYING_MAX)
            own.undying_pid[own.undying++] = pid;
    }
    free(mine.at);
    return strangers;
}

bool reaper_clear(bool (*keep)(pid_t pid, void *arg), void *arg, int limit_ms)
{
    int64_t until = clock_mono_us() + limit_ms * US_PER_MS;
    long pause_us = 20;
    bool last = false;
    for (size_t left; (left = clear_pass(keep, arg, last)) > 0;) {
        if (last) {
            log_error(
                "processes that a job left behind do not die, and are not waited for again: %zu",
                left);
            return false;
        }
        last = clock_mono_us() > until;
        struct timespec pause = {.tv_nsec = pause_us * 1000};
        nanosleep(&pause, NULL); /* a killed process needs a moment to become a zombie */
        if (pause_us < 2000)
            pause_us *= 2;
    }
    return true;
}
