/* harness_clock.c - see harness_clock.h. The clock is tests/preload/clock.c, told by a file. */
#include "harness_clock.h"

#include "harness.h"
#include "harness_preload.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *ahead_us;

void clock_own(void)
{
    int fd = open(preload("clock", "JOBMILL_CLOCK"), O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(*ahead_us)), 0);
    ahead_us = mmap(NULL, sizeof(*ahead_us), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne((void *)ahead_us, MAP_FAILED);
    close(fd);
    atomic_store(ahead_us, 0);
}

void clock_step(double seconds)
{
    atomic_fetch_add(ahead_us, (int64_t)(seconds * 1e6));
}

int64_t clock_now_us(void)
{
    struct timespec t;
    ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &t), 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + atomic_load(ahead_us);
}
