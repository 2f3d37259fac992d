/*
 * clock.c - a wall clock that a test sets: preloaded, it adds what stands in the file JOBMILL_CLOCK
 * (microseconds, as bytes of an int64_t) to CLOCK_REALTIME. Clocks that nobody can set stay.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *ahead_us; /* shared with the test, and with all that is forked */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("JOBMILL_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof(*ahead_us), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED)
        ahead_us = at;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r != 0 || !ahead_us || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return r;
    int64_t us = (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000 + atomic_load(ahead_us);
    t->tv_sec = us / 1000000;
    t->tv_nsec = us % 1000000 * 1000 + t->tv_nsec % 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    int r = clock_gettime(CLOCK_REALTIME, &t);
    if (r == 0)
        *out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return r;
}
