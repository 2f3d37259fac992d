/*
 * privileges.c - more rights: users, mounts, namespaces, limits.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool become_root(void)
{
    return setuid(0) == 0 || setresuid(0, 0, 0) == 0;
}

/* What it executes gains nothing by set-user-id bits. */
bool gain_by_exec(void)
{
    errno = EPERM;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

bool raise_limits(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = l.rlim_max = RLIM_INFINITY;
    return setrlimit(RLIMIT_FSIZE, &l) == 0;
}

bool go_first(void)
{
    struct sched_param p = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &p) == 0 || setpriority(PRIO_PROCESS, 0, -10) == 0;
}

bool mount_it(void)
{
    return mount("none", ".", "tmpfs", 0, NULL) == 0 || mount("/", ".", NULL, MS_BIND, NULL) == 0;
}

bool remount(void)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ||
           umount2("/proc", MNT_DETACH) == 0;
}

bool new_mount_calls(void)
{
    struct mount_attr a = {.attr_clr = MOUNT_ATTR_RDONLY};
    return syscall(SYS_fsopen, "tmpfs", 0) >= 0 || syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0 ||
           mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &a, sizeof(a)) == 0;
}

bool change_root(void)
{
    return chroot(".") == 0;
}

bool pivot(void)
{
    return syscall(SYS_pivot_root, ".", ".") == 0 || errno != EPERM;
}

bool unshare_it(void)
{
    return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWNET) == 0;
}

bool clone_it(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

bool clone3_it(void)
{
    struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &a, sizeof(a));
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

bool join_namespace(void)
{
    int fd = open("/proc/self/ns/user", O_RDONLY);
    return fd >= 0 && setns(fd, 0) == 0;
}

bool control_group(void)
{
    return opened("/sys/fs/cgroup/cgroup.procs", O_WRONLY) ||
           mkdir("/sys/fs/cgroup/escaped", 0700) == 0;
}
