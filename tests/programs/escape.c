/*
 * escape.c - a hostile program: tries to get out of its sandbox. Each attempt is a process of its
 * own and prints a line, "refused NAME: why" or "ESCAPED NAME". Others hog what they can, by name.
 *
 * escape quiet LEVEL ALL SERVICE_PID PORT DATABASE CONFIG ABSTRACT SECRET
 *     LEVEL: 0 none: what is safe to try; 1 basic, 2 strict. ALL: 1: the kernel scopes signals and
 * abstract sockets. escape NAME     one of the hogs at the end of the file
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t service;
static int port;
static const char *database, *config, *abstract, *secret;

/* Each gives true when it got out; errno says why not. */
typedef bool attempt_fn(void);

static bool opened(const char *path, int flags)
{
    int fd = open(path, flags, 0666);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool of_service(const char *file, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)service, file);
    return opened(path, flags);
}

/* ---- files ---- */

static bool read_database(void)
{
    return opened(database, O_RDONLY);
}

static bool write_database(void)
{
    return opened(database, O_WRONLY);
}

static bool truncate_database(void)
{
    return truncate(database, 0) == 0;
}

static bool truncate_by_reading(void)
{
    return opened(database, O_RDONLY | O_TRUNC);
}

static bool remove_database(void)
{
    return unlink(database) == 0;
}

static bool rename_database(void)
{
    return rename(database, "mine") == 0;
}

static bool link_database(void)
{
    return link(database, "mine") == 0;
}

static bool database_by_symlink(void)
{
    return symlink(database, "innocent") == 0 && opened("innocent", O_RDONLY);
}

static bool database_by_exec(void)
{
    execl(database, database, NULL);
    return errno == ENOEXEC; /* it was read */
}

static bool database_by_root_link(void)
{
    char path[512];
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)service, database);
    return opened(path, O_RDONLY);
}

static bool database_by_up(void)
{
    char path[512];
    snprintf(path, sizeof(path), "../../../../../..%s", database);
    return opened(path, O_RDONLY);
}

static bool read_config(void)
{
    return opened(config, O_RDONLY);
}

static bool read_secret(void)
{
    return opened(secret, O_RDONLY);
}

static bool change_mode(void)
{
    return chmod(database, 0666) == 0;
}

static bool read_shadow(void)
{
    return opened("/etc/shadow", O_RDONLY);
}

static bool other_jobs(void)
{
    DIR *d = opendir("/tmp");
    if (d)
        closedir(d);
    return d != NULL;
}

static bool write_tmp(void)
{
    return opened("/tmp/escaped", O_WRONLY | O_CREAT);
}

static bool write_shm(void)
{
    return opened("/dev/shm/escaped", O_WRONLY | O_CREAT);
}

static bool rename_own_directory(void)
{
    char dir[512];
    return getcwd(dir, sizeof(dir)) && rename(dir, "/tmp/elsewhere") == 0;
}

static bool make_device(void)
{
    return mknod("disk", S_IFBLK | 0600, makedev(8, 0)) == 0;
}

static bool read_memory_device(void)
{
    return opened("/dev/mem", O_RDONLY) || opened("/dev/kmsg", O_RDONLY);
}

static bool core_pattern(void)
{
    return opened("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static bool by_handle(void)
{
    struct {
        struct file_handle h;
        char room[128];
    } f = {.h.handle_bytes = 128};
    int mount_id;
    return name_to_handle_at(AT_FDCWD, ".", &f.h, &mount_id, 0) == 0 &&
           open_by_handle_at(AT_FDCWD, &f.h, O_RDONLY) >= 0;
}

/* ---- network ---- */

static bool made(int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool connect_service(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static bool inet(void)
{
    return made(AF_INET, SOCK_STREAM) || made(AF_INET, SOCK_DGRAM);
}

static bool inet6(void)
{
    return made(AF_INET6, SOCK_DGRAM);
}

static bool raw(void)
{
    return made(AF_INET, SOCK_RAW) || made(AF_PACKET, SOCK_RAW);
}

static bool rare_families(void)
{
    return made(AF_VSOCK, SOCK_STREAM) || made(AF_ALG, SOCK_SEQPACKET) ||
           made(AF_NETLINK, SOCK_RAW);
}

static bool unix_socket(void)
{
    return made(AF_UNIX, SOCK_STREAM);
}

static bool abstract_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(abstract);
    memcpy(a.sun_path + 1, abstract, n);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0 &&
           connect(fd, (struct sockaddr *)&a, (socklen_t)(sizeof(sa_family_t) + 1 + n)) == 0;
}

/* ---- other processes ---- */

static bool signal_service(void)
{
    return kill(service, 0) == 0;
}

static bool signal_parents(void)
{
    return kill(service, SIGCONT) == 0 || kill(service + 1, SIGCONT) == 0 ||
           syscall(SYS_tgkill, service, service, SIGCONT) == 0;
}

static bool signal_by_pidfd(void)
{
    long fd = syscall(SYS_pidfd_open, service, 0);
    return fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) == 0;
}

static bool trace_service(void)
{
    return ptrace(PTRACE_SEIZE, service, NULL, NULL) == 0;
}

static bool trace_sibling(void)
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

static bool read_process(void)
{
    char here[8];
    struct iovec to = {here, 8}, from = {here, 8};
    return process_vm_readv(service, &to, 1, &from, 1, 0) >= 0;
}

static bool memory_of_service(void)
{
    return of_service("mem", O_RDWR);
}

static bool environment_of_service(void)
{
    return of_service("environ", O_RDONLY);
}

static bool descriptors_of_service(void)
{
    return of_service("fd/0", O_RDONLY) || of_service("fd/3", O_RDONLY) ||
           of_service("cwd", O_RDONLY);
}

static bool take_descriptor(void)
{
    long fd = syscall(SYS_pidfd_open, service, 0);
    return fd >= 0 && syscall(SYS_pidfd_getfd, fd, 3, 0) >= 0;
}

static bool nice_service(void)
{
    return setpriority(PRIO_PROCESS, (id_t)service, 19) == 0;
}

static bool limit_service(void)
{
    struct rlimit l = {0, 0};
    return prlimit(service, RLIMIT_NOFILE, &l, NULL) == 0;
}

/* ---- privileges and the kernel ---- */

static bool become_root(void)
{
    return setuid(0) == 0 || setresuid(0, 0, 0) == 0;
}

static bool mount_it(void)
{
    return mount("none", ".", "tmpfs", 0, NULL) == 0 || mount("/", ".", NULL, MS_BIND, NULL) == 0;
}

static bool remount(void)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ||
           umount2("/proc", MNT_DETACH) == 0;
}

static bool new_mount_calls(void)
{
    struct mount_attr a = {.attr_clr = MOUNT_ATTR_RDONLY};
    return syscall(SYS_fsopen, "tmpfs", 0) >= 0 || syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0 ||
           mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &a, sizeof(a)) == 0;
}

static bool change_root(void)
{
    return chroot(".") == 0;
}

static bool unshare_it(void)
{
    return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWNET) == 0;
}

static bool clone_it(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool clone3_it(void)
{
    struct clone_args a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &a, sizeof(a));
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool join_namespace(void)
{
    int fd = open("/proc/self/ns/user", O_RDONLY);
    return fd >= 0 && setns(fd, 0) == 0;
}

static bool keys(void)
{
    return syscall(SYS_keyctl, 0, -5, 1) >= 0 || syscall(SYS_add_key, "user", "x", "y", 1, -2) >= 0;
}

static bool load_bpf(void)
{
    union bpf_attr a = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) >= 0;
}

static bool perf(void)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .exclude_kernel = 1};
    return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0;
}

static bool fault_handler(void)
{
    return syscall(SYS_userfaultfd, 1) >= 0 || syscall(SYS_userfaultfd, 0) >= 0;
}

static bool io_uring(void)
{
    struct io_uring_params p = {0};
    return syscall(SYS_io_uring_setup, 4, &p) >= 0;
}

/* Input for another's terminal; there is none here, so anything but the refusal counts. */
static bool terminal_input(void)
{
    return (ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM) ||
           (syscall(SYS_ioctl, 0, UINT64_C(0x100000000) | TIOCSTI, "x") == 0 || errno != EPERM);
}

static bool set_clock(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return settimeofday(&now, NULL) == 0;
}

static bool set_name(void)
{
    return sethostname("escaped", 7) == 0;
}

static bool load_module(void)
{
    return syscall(SYS_init_module, "", 0, "") == 0 || errno != EPERM;
}

static bool reboot_it(void)
{
    return syscall(SYS_reboot, 0, 0, 0, NULL) == 0 || errno != EPERM;
}

static bool other_architecture(void)
{
#ifdef __x86_64__
    long out;
    __asm__ volatile("int $0x80" : "=a"(out) : "a"(20L) : "memory"); /* getpid of i386 */
    errno = out < 0 ? (int)-out : 0;
    return out > 0;
#else
    errno = ENOSYS;
    return false;
#endif
}

static bool raise_limits(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = l.rlim_max = RLIM_INFINITY;
    return setrlimit(RLIMIT_FSIZE, &l) == 0;
}

static bool write_process(void)
{
    char here[8] = {0};
    struct iovec from = {here, 8}, to = {here, 8};
    return process_vm_writev(service, &from, 1, &to, 1, 0) >= 0;
}

static bool trace_me(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool signal_group(void)
{
    pid_t group = getpgid(service);
    return group > 1 && kill(-group, SIGCONT) == 0;
}

static bool map_of_service(void)
{
    return of_service("maps", O_RDONLY) || of_service("auxv", O_RDONLY);
}

static bool files_by_service(void)
{
    return of_service("root/etc/passwd", O_RDONLY) || of_service("task/1/cwd", O_RDONLY);
}

static bool join_service(void)
{
    static const char *const kinds[] = {"mnt", "net", "pid", "ipc", "uts", "user"};
    char path[64];
    bool out = false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)service, kinds[i]);
        int fd = open(path, O_RDONLY);
        out = out || (fd >= 0 && setns(fd, 0) == 0);
    }
    return out;
}

static bool compare_processes(void)
{
    return syscall(SYS_kcmp, getpid(), service, 0 /* KCMP_FILE */, 0, 0) >= 0;
}

static bool advise_process(void)
{
    long fd = syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec one = {&port, sizeof(port)};
    return syscall(SYS_process_madvise, fd, &one, 1, MADV_COLD, 0) >= 0;
}

/* What it executes gains nothing by set-user-id bits. */
static bool gain_by_exec(void)
{
    errno = EPERM;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static bool change_personality(void)
{
    return personality(ADDR_NO_RANDOMIZE) >= 0;
}

static bool kernel_log(void)
{
    char text[64];
    return klogctl(3, text, sizeof(text)) >= 0;
}

static bool kernel_memory(void)
{
    return opened("/proc/kcore", O_RDONLY) || opened("/dev/kmem", O_RDONLY) ||
           opened("/dev/port", O_RDONLY);
}

static bool kernel_settings(void)
{
    return opened("/proc/sys/vm/drop_caches", O_WRONLY) ||
           opened("/proc/sysrq-trigger", O_WRONLY) || opened("/proc/self/oom_adj", O_WRONLY) ||
           opened("/sys/kernel/uevent_helper", O_WRONLY);
}

static bool swap(void)
{
    return swapon("disk", 0) == 0 || errno != EPERM;
}

static bool pivot(void)
{
    return syscall(SYS_pivot_root, ".", ".") == 0 || errno != EPERM;
}

static bool watch_files(void)
{
    return syscall(SYS_fanotify_init, 0, O_RDONLY) >= 0;
}

static bool ports_of_machine(void)
{
#ifdef __x86_64__
    return iopl(3) == 0;
#else
    errno = ENOSYS;
    return false;
#endif
}

static bool go_first(void)
{
    struct sched_param p = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &p) == 0 || setpriority(PRIO_PROCESS, 0, -10) == 0;
}

static bool open_tty(void)
{
    return opened("/dev/tty", O_RDWR) || opened("/dev/ptmx", O_RDWR) ||
           opened("/dev/console", O_RDWR);
}

static bool leave_for_root(void)
{
    return opened("/etc/cron.d/escaped", O_WRONLY | O_CREAT) ||
           opened("/etc/ld.so.preload", O_WRONLY | O_CREAT) ||
           opened("/run/escaped", O_WRONLY | O_CREAT);
}

static bool read_shm(void)
{
    DIR *d = opendir("/dev/shm");
    return d != NULL;
}

static bool control_group(void)
{
    return opened("/sys/fs/cgroup/cgroup.procs", O_WRONLY) ||
           mkdir("/sys/fs/cgroup/escaped", 0700) == 0;
}

enum {
    OPEN,
    BASIC,
    STRICT,
    SCOPED
}; /* the least that stops it; OPEN: what is safe to do without; SCOPED: basic on newer kernels */

#define TRY(level, name)                                                                           \
    {                                                                                              \
        level, #name, name                                                                         \
    }
static const struct {
    int level;
    const char *name;
    attempt_fn *attempt;
} attempts[] = {
    TRY(OPEN, read_database),
    TRY(BASIC, write_database),
    TRY(BASIC, truncate_database),
    TRY(BASIC, truncate_by_reading),
    TRY(BASIC, remove_database),
    TRY(BASIC, rename_database),
    TRY(BASIC, link_database),
    TRY(BASIC, database_by_symlink),
    TRY(BASIC, database_by_exec),
    TRY(BASIC, database_by_root_link),
    TRY(BASIC, database_by_up),
    TRY(OPEN, read_config),
    TRY(OPEN, read_secret),
    TRY(STRICT, change_mode),
    TRY(BASIC, read_shadow),
    TRY(BASIC, other_jobs),
    TRY(BASIC, write_tmp),
    TRY(BASIC, write_shm),
    TRY(BASIC, rename_own_directory),
    TRY(BASIC, make_device),
    TRY(BASIC, read_memory_device),
    TRY(BASIC, core_pattern),
    TRY(BASIC, by_handle),
    TRY(OPEN, connect_service),
    TRY(BASIC, inet),
    TRY(BASIC, inet6),
    TRY(BASIC, raw),
    TRY(BASIC, rare_families),
    TRY(STRICT, unix_socket),
    TRY(SCOPED, abstract_socket),
    TRY(SCOPED, signal_service),
    TRY(SCOPED, signal_parents),
    TRY(SCOPED, signal_by_pidfd),
    TRY(BASIC, trace_service),
    TRY(BASIC, trace_sibling),
    TRY(BASIC, read_process),
    TRY(BASIC, memory_of_service),
    TRY(OPEN, environment_of_service),
    TRY(BASIC, descriptors_of_service),
    TRY(BASIC, take_descriptor),
    TRY(STRICT, nice_service),
    TRY(STRICT, limit_service),
    TRY(BASIC, become_root),
    TRY(BASIC, mount_it),
    TRY(BASIC, remount),
    TRY(BASIC, new_mount_calls),
    TRY(BASIC, change_root),
    TRY(BASIC, unshare_it),
    TRY(BASIC, clone_it),
    TRY(BASIC, clone3_it),
    TRY(BASIC, join_namespace),
    TRY(BASIC, keys),
    TRY(BASIC, load_bpf),
    TRY(BASIC, perf),
    TRY(BASIC, fault_handler),
    TRY(BASIC, io_uring),
    TRY(BASIC, terminal_input),
    TRY(BASIC, set_clock),
    TRY(BASIC, set_name),
    TRY(BASIC, load_module),
    TRY(BASIC, reboot_it),
    TRY(BASIC, other_architecture),
    TRY(BASIC, raise_limits),
    TRY(BASIC, write_process),
    TRY(BASIC, trace_me),
    TRY(SCOPED, signal_group),
    TRY(BASIC, map_of_service),
    TRY(BASIC, files_by_service),
    TRY(BASIC, join_service),
    TRY(BASIC, compare_processes),
    TRY(BASIC, advise_process),
    TRY(BASIC, gain_by_exec),
    TRY(BASIC, change_personality),
    TRY(BASIC, kernel_log),
    TRY(BASIC, kernel_memory),
    TRY(BASIC, kernel_settings),
    TRY(BASIC, swap),
    TRY(BASIC, pivot),
    TRY(BASIC, watch_files),
    TRY(BASIC, ports_of_machine),
    TRY(BASIC, go_first),
    TRY(BASIC, open_tty),
    TRY(BASIC, leave_for_root),
    TRY(BASIC, read_shm),
    TRY(BASIC, control_group),
};

static void try_one(const char *name, attempt_fn *attempt)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        errno = 0;
        bool out = attempt();
        printf(out ? "ESCAPED %s\n" : "refused %s: %s\n", name, strerror(errno));
        fflush(stdout);
        _exit(0);
    }
    int status;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        printf("refused %s: killed by %s\n", name, strsignal(WTERMSIG(status)));
    if (pid < 0)
        printf("no process for %s: %s\n", name, strerror(errno));
}

static int quiet(int level, bool scoped)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        int least = attempts[i].level == SCOPED ? (scoped ? BASIC : STRICT) : attempts[i].level;
        if (least <= level)
            try_one(attempts[i].name, attempts[i].attempt);
    }
    return 0;
}

/* ---- hogs: none of these ends well ---- */

/* All of them live: how many there could be? */
static int many_processes(void)
{
    int n = 0;
    while (n < 5000) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            pause();
            _exit(0);
        }
        n++;
    }
    printf("%d\n", n);
    fflush(stdout);
    return 0; /* leaves them behind */
}

static _Noreturn void fork_bomb(void)
{
    for (;;)
        (void)!fork();
}

static int memory_bomb(void)
{
    for (;;) {
        char *p = malloc(1 << 20);
        if (!p)
            abort();
        memset(p, 1, 1 << 20);
    }
}

static int disk_filler(void)
{
    static char block[1 << 16];
    int fd = open("big", O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    return 1;
}

static int flood(int fd)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof(block));
    while (write(fd, block, sizeof(block)) > 0)
        ;
    return 1;
}

static _Noreturn void spin(void)
{
    for (volatile unsigned n = 0;; n++)
        ;
}

static int many_files(void)
{
    int n = 0;
    while (n < 5000 && open("/dev/null", O_RDONLY) >= 0)
        n++;
    printf("%d\n", n);
    return 0;
}

/* Two forks and a session of its own; its number is the result. */
static int daemon_left(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        pid = fork();
        if (pid != 0)
            _exit(0);
        for (int i = 0; i < 5; i++)
            close(i);
        for (;;)
            sleep(600);
    }
    waitpid(pid, NULL, 0);
    puts("left");
    return 0;
}

static int symlink_result(void)
{
    return symlink(database, "out.bin");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 10 && !strcmp(what, "quiet")) {
        service = atoi(argv[4]);
        port = atoi(argv[5]);
        database = argv[6];
        config = argv[7];
        abstract = argv[8];
        secret = argv[9];
        return quiet(atoi(argv[2]), atoi(argv[3]) != 0);
    }
    if (!strcmp(what, "fork_bomb"))
        fork_bomb();
    if (!strcmp(what, "many_processes"))
        return many_processes();
    if (!strcmp(what, "memory_bomb"))
        return memory_bomb();
    if (!strcmp(what, "disk_filler"))
        return disk_filler();
    if (!strcmp(what, "flood"))
        return flood(1);
    if (!strcmp(what, "flood_messages"))
        return flood(4);
    if (!strcmp(what, "spin"))
        spin();
    if (!strcmp(what, "many_files"))
        return many_files();
    if (!strcmp(what, "daemon"))
        return daemon_left();
    database = argc > 2 ? argv[2] : "";
    return strcmp(what, "symlink_result") == 0 ? symlink_result() : 64;
}
