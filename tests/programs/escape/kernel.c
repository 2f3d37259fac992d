/*
 * kernel.c - calls and files of the kernel that no job needs.
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <stdint.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

bool keys(void)
{
    return syscall(SYS_keyctl, 0, -5, 1) >= 0 || syscall(SYS_add_key, "user", "x", "y", 1, -2) >= 0;
}

bool load_bpf(void)
{
    union bpf_attr a = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) >= 0;
}

bool perf(void)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .exclude_kernel = 1};
    return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0) >= 0;
}

bool fault_handler(void)
{
    return syscall(SYS_userfaultfd, 1) >= 0 || syscall(SYS_userfaultfd, 0) >= 0;
}

bool io_uring(void)
{
    struct io_uring_params p = {0};
    return syscall(SYS_io_uring_setup, 4, &p) >= 0;
}

/* Input for another's terminal; there is none here, so anything but the refusal counts. */
bool terminal_input(void)
{
    return (ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM) ||
           (syscall(SYS_ioctl, 0, UINT64_C(0x100000000) | TIOCSTI, "x") == 0 || errno != EPERM);
}

bool set_clock(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return settimeofday(&now, NULL) == 0;
}

bool set_name(void)
{
    return sethostname("escaped", 7) == 0;
}

bool load_module(void)
{
    return syscall(SYS_init_module, "", 0, "") == 0 || errno != EPERM;
}

bool reboot_it(void)
{
    return syscall(SYS_reboot, 0, 0, 0, NULL) == 0 || errno != EPERM;
}

bool swap(void)
{
    return swapon("disk", 0) == 0 || errno != EPERM;
}

bool other_architecture(void)
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

bool change_personality(void)
{
    return personality(ADDR_NO_RANDOMIZE) >= 0;
}

bool core_pattern(void)
{
    return opened("/proc/sys/kernel/core_pattern", O_WRONLY);
}

bool kernel_log(void)
{
    char text[64];
    return klogctl(3, text, sizeof(text)) >= 0;
}

bool kernel_memory(void)
{
    return opened("/proc/kcore", O_RDONLY) || opened("/dev/kmem", O_RDONLY) ||
           opened("/dev/target.port", O_RDONLY);
}

bool kernel_settings(void)
{
    return opened("/proc/sys/vm/drop_caches", O_WRONLY) ||
           opened("/proc/sysrq-trigger", O_WRONLY) || opened("/proc/self/oom_adj", O_WRONLY) ||
           opened("/sys/kernel/uevent_helper", O_WRONLY);
}

bool ports_of_machine(void)
{
#ifdef __x86_64__
    return iopl(3) == 0;
#else
    errno = ENOSYS;
    return false;
#endif
}
