/*
 * namespace.c - a program's own view of users, processes, mounts and the network. Between fork and
 * exec.
 *
 * Three processes stand where there was one: the relay, which the worker knows, and which ends as
 * the program ends; the first of the namespace, which reaps what is orphaned in it, and with whose
 * end the kernel kills all the rest; and the program. SIGTERM to the relay's process group reaches
 * the program alone: the others block it, or are not to be hit by it.
 */
#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void namespace_maps(struct namespace_wish *w, uint32_t uid, uint32_t gid)
{
    snprintf(w->uid_map, sizeof(w->uid_map), "%u %u 1\n", uid, uid);
    snprintf(w->gid_map, sizeof(w->gid_map), "%u %u 1\n", gid, gid);
}

int namespace_user(uint32_t uid, uint32_t gid)
{
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return errno;
    /* A change of user undoes both: the first is needed to write its own maps in /proc. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    return 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    size_t len = strlen(text);
    ssize_t n = write(fd, text, len);
    int err = n == (ssize_t)len ? 0 : n < 0 ? errno : EIO;
    close(fd);
    return err;
}

static int write_maps(const struct namespace_wish *w)
{
    int err = write_file("/proc/self/setgroups", "deny");
    if (!err)
        err = write_file("/proc/self/gid_map", w->gid_map);
    return err ? err : write_file("/proc/self/uid_map", w->uid_map);
}

/* ---- mounts ---- */

static int set_readonly(const char *path, bool on)
{
    struct mount_attr a = {0};
    *(on ? &a.attr_set : &a.attr_clr) = MOUNT_ATTR_RDONLY;
    return mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &a, sizeof(a)) < 0 ? errno : 0;
}

/* A mount of its own for what stays writable. */
static int set_apart(const char *path)
{
    return mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ? errno : 0;
}

static int lay_mounts(const struct namespace_wish *w)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return errno;
    int err = set_apart(w->dir);
    for (char *const *p = w->write; p && *p && !err; p++)
        err = set_apart(*p);
    if (!err)
        err = set_readonly("/", true);
    if (!err)
        err = set_readonly(w->dir, false);
    for (char *const *p = w->write; p && *p && !err; p++)
        err = set_readonly(*p, false);
    if (err)
        return err;
    /* Where parts of /proc are covered, as in containers, there is no new one: the old one stays,
     * which shows that other processes are there, and nothing of them that is not for all. */
    (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    return chdir(w->dir) < 0 ? errno : 0;
}

/* ---- the processes ---- */

static void keep_only(int fd)
{
    if (fd > 0)
        close_range(0, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
}

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Ends as the program ended, whose wait status comes through the pipe. */
static _Noreturn void relay(pid_t first, int fd)
{
    int status = SIGKILL; /* the first of the namespace was killed, and all others with it */
    block_signals();
    keep_only(fd);
    while (read(fd, &status, sizeof(status)) < 0 && errno == EINTR)
        ;
    while (waitpid(first, NULL, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        sigset_t none;
        sigemptyset(&none);
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
        sigprocmask(SIG_SETMASK, &none, NULL);
        _exit(128 + WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* The first process: reaps until the program is dead, tells how it died, and ends everything. */
static _Noreturn void first_process(pid_t program, int fd)
{
    int status = 0;
    pid_t got;
    keep_only(fd);
    prctl(PR_SET_NAME, "sandbox");
    do {
        got = waitpid(-1, &status, 0);
    } while (got != program && (got >= 0 || errno == EINTR));
    if (got != program)
        status = SIGKILL;
    ssize_t n = write(fd, &status, sizeof(status));
    _exit(n == (ssize_t)sizeof(status) ? 0 : 1);
}

static int enter_processes(const struct namespace_wish *w)
{
    int told[2];
    if (pipe2(told, O_CLOEXEC) < 0)
        return errno;
    pid_t first = fork();
    if (first < 0)
        return errno;
    if (first > 0)
        relay(first, told[0]);
    close(told[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int err = lay_mounts(w);
    if (err) {
        int status = 127 << 8;
        (void)!write(told[1], &status, sizeof(status));
        return err;
    }
    pid_t program = fork();
    if (program < 0)
        return errno;
    if (program > 0)
        first_process(program, told[1]);
    close(told[1]);
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? errno : 0;
}

int namespace_enter(const struct namespace_wish *w)
{
    int flags = CLONE_NEWUSER;
    if (w->all)
        flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    if (w->all && !w->network)
        flags |= CLONE_NEWNET;
    if (unshare(flags) < 0)
        return errno;
    int err = write_maps(w);
    return err || !w->all ? err : enter_processes(w);
}

int namespace_drop(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        return errno;
    if (data[0].effective & 1u << CAP_SETPCAP) {
        for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
            (void)prctl(PR_CAPBSET_DROP, cap);
        /* user 0 is one like any other from now on */
        const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        if (prctl(PR_SET_SECUREBITS, bits) < 0)
            return errno;
    }
    memset(data, 0, sizeof(data));
    return syscall(SYS_capset, &head, data) < 0 ? errno : 0;
}
