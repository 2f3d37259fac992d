/* harness_clock.c - see harness_clock.h. The clock is tests/preload/clock.c, told by a file. */
#include "harness_clock.h"

#include "harness.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *ahead_us;

void clock_own(void)
{
    char path[4096], file[4096], *real;
    const char *build = getenv("JOBMILL_BUILD"), *asan = getenv("ASAN_OPTIONS");
    snprintf(path, sizeof(path), "%s/tests/preload/clock.so", build ? build : "build");
    real = realpath(path, NULL);
    ck_assert_msg(real != NULL, "there is no %s", path);
    snprintf(file, sizeof(file), "%s", conf_file(""));
    snprintf(strrchr(file, '/'), 16, "/clock");
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof(*ahead_us)), 0);
    ahead_us = mmap(NULL, sizeof(*ahead_us), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne((void *)ahead_us, MAP_FAILED);
    close(fd);
    atomic_store(ahead_us, 0);
    snprintf(path, sizeof(path), "%s%sverify_asan_link_order=0", asan ? asan : "", asan ? ":" : "");
    ck_assert_int_eq(setenv("ASAN_OPTIONS", path, 1), 0);
    ck_assert_int_eq(setenv("JOBMILL_CLOCK", file, 1), 0);
    ck_assert_int_eq(setenv("LD_PRELOAD", real, 1), 0);
    free(real);
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
