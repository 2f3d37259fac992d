/* limits.c - resource limits of workers and their programs. */
#include "limits.h"

#include "../common/fdio.h"
#include "../common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void limits_worker(int nice_value)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        log_warn("limits: %s", strerror(errno));
    if (nice_value != 0 && setpriority(PRIO_PROCESS, 0, nice_value) < 0)
        log_warn("nice %d: %s", nice_value, strerror(errno));
}

/* Bytes of address space in use: the first number of /proc/self/statm, in pages. */
static uint64_t address_space(void)
{
    char text[64] = {0};
    AUTO_FD fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void limits_memory_begin(uint64_t bytes, struct rlimit *before)
{
    if (getrlimit(RLIMIT_AS, before) < 0)
        *before = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit now = {.rlim_cur = address_space() + bytes, .rlim_max = before->rlim_max};
    if (setrlimit(RLIMIT_AS, &now) < 0)
        log_warn("memory limit: %s", strerror(errno));
}

void limits_memory_end(const struct rlimit *before)
{
    (void)setrlimit(RLIMIT_AS, before);
}

int limits_memory_program(uint64_t bytes)
{
    struct rlimit lim = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &lim);
}
