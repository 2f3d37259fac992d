/*
 * processes.c - the service and other processes: signals, tracing, memory, /proc.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

bool signal_service(void)
{
    return kill(target.service, 0) == 0;
}

bool signal_parents(void)
{
    return kill(target.service, SIGCONT) == 0 || kill(target.service + 1, SIGCONT) == 0 ||
           syscall(SYS_tgkill, target.service, target.service, SIGCONT) == 0;
}

bool signal_by_pidfd(void)
{
    long fd = syscall(SYS_pidfd_open, target.service, 0);
    return fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) == 0;
}

bool signal_group(void)
{
    pid_t group = getpgid(target.service);
    return group > 1 && kill(-group, SIGCONT) == 0;
}

bool trace_service(void)
{
    return ptrace(PTRACE_SEIZE, target.service, NULL, NULL) == 0;
}

bool trace_sibling(void)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    bool out = ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0;
    int why = errno;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    errno = why;
    return out;
}

bool trace_me(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

bool read_process(void)
{
    char here[8];
    struct iovec to = {here, 8}, from = {here, 8};
    return process_vm_readv(target.service, &to, 1, &from, 1, 0) >= 0;
}

bool write_process(void)
{
    char here[8] = {0};
    struct iovec from = {here, 8}, to = {here, 8};
    return process_vm_writev(target.service, &from, 1, &to, 1, 0) >= 0;
}

bool compare_processes(void)
{
    return syscall(SYS_kcmp, getpid(), target.service, 0 /* KCMP_FILE */, 0, 0) >= 0;
}

bool advise_process(void)
{
    long fd = syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec one = {&target.port, sizeof(target.port)};
    return syscall(SYS_process_madvise, fd, &one, 1, MADV_COLD, 0) >= 0;
}

bool memory_of_service(void)
{
    return of_service("mem", O_RDWR);
}

bool environment_of_service(void)
{
    return of_service("environ", O_RDONLY);
}

bool descriptors_of_service(void)
{
    return of_service("fd/0", O_RDONLY) || of_service("fd/3", O_RDONLY) ||
           of_service("cwd", O_RDONLY);
}

bool map_of_service(void)
{
    return of_service("maps", O_RDONLY) || of_service("auxv", O_RDONLY);
}

bool files_by_service(void)
{
    return of_service("root/etc/passwd", O_RDONLY) || of_service("task/1/cwd", O_RDONLY);
}

bool take_descriptor(void)
{
    long fd = syscall(SYS_pidfd_open, target.service, 0);
    return fd >= 0 && syscall(SYS_pidfd_getfd, fd, 3, 0) >= 0;
}

bool join_service(void)
{
    static const char *const kinds[] = {"mnt", "net", "pid", "ipc", "uts", "user"};
    char path[64];
    bool out = false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)target.service, kinds[i]);
        int fd = open(path, O_RDONLY);
        out = out || (fd >= 0 && setns(fd, 0) == 0);
    }
    return out;
}

bool nice_service(void)
{
    return setpriority(PRIO_PROCESS, (id_t)target.service, 19) == 0;
}

bool limit_service(void)
{
    struct rlimit l = {0, 0};
    return prlimit(target.service, RLIMIT_NOFILE, &l, NULL) == 0;
}
