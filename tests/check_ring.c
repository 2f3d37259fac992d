/* check_ring.c - the ring between a worker and dispatch: whole puts in order, bounds, sleep and
 * wake, a writer that is hostile or dead. */
#include "../common/ring.h"

#include "../common/err.h"
#include "../common/fdio.h"
#include "suite.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAPS 40000

static struct ring in, out; /* the writer's end, the reader's */
static int ring_fd = -1;
static char got[RING_BYTES];

static void setup(void)
{
    ring_fd = ring_new(&in);
    ck_assert_int_ge(ring_fd, 0);
    ck_assert_int_eq(ring_open(&out, ring_fd), 0);
}

static void teardown(void)
{
    ring_close(&in);
    ring_close(&in);
    ring_close(&out);
    fd_close(&ring_fd);
}

START_TEST(puts_come_in_order)
{
    ck_assert_int_eq(ring_take(&out, got), 0);
    ck_assert(ring_put(&in, "one", 3));
    ck_assert(ring_put(&in, "two", 3));
    ck_assert_int_eq(ring_take(&out, got), 6);
    ck_assert_mem_eq(got, "onetwo", 6);
    ck_assert_int_eq(ring_take(&out, got), 0);
    char text[1000];
    for (unsigned i = 0; i < 200; i++) { /* around many times */
        size_t len = 1 + i * 7 % sizeof(text);
        memset(text, (int)i, len);
        ck_assert(ring_put(&in, text, len));
        ck_assert_int_eq(ring_take(&out, got), (int)len);
        ck_assert_mem_eq(got, text, len);
    }
}
END_TEST

START_TEST(a_full_one_takes_nothing)
{
    static char text[RING_BYTES];
    memset(text, 'x', sizeof(text));
    ck_assert(ring_put(&in, text, 100));
    ck_assert_int_eq(ring_take(&out, got), 100);
    ck_assert(ring_put(&in, text, RING_BYTES - 1));
    ck_assert(!ring_put(&in, "ab", 2));
    ck_assert(ring_put(&in, "a", 1));
    ck_assert(!ring_put(&in, "b", 1));
    ck_assert_int_eq(ring_take(&out, got), RING_BYTES);
    ck_assert_mem_eq(got, text, RING_BYTES - 1);
    ck_assert_int_eq(got[RING_BYTES - 1], 'a');
    ck_assert(ring_put(&in, "b", 1));
}
END_TEST

START_TEST(woken_once_for_each_sleep)
{
    ck_assert(ring_put(&in, "a", 1));
    ck_assert(!ring_wake(&in)); /* awake: it will look */
    ck_assert(!ring_sleep(&out));
    ring_awake(&out);
    ck_assert_int_eq(ring_take(&out, got), 1);
    ck_assert(ring_sleep(&out));
    ck_assert(ring_put(&in, "b", 1));
    ck_assert(ring_wake(&in));
    ck_assert(!ring_wake(&in));
    ck_assert(!ring_sleep(&out));
}
END_TEST

START_TEST(none_is_an_empty_one)
{
    struct ring none = {0};
    ck_assert(!ring_put(&none, "a", 1));
    ck_assert(!ring_wake(&none));
    ck_assert_int_eq(ring_take(&none, got), 0);
    ck_assert(ring_sleep(&none));
    ring_awake(&none);
}
END_TEST

START_TEST(what_could_shrink_is_no_ring)
{
    struct ring r;
    AUTO_FD loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(loose, 1 << 20), 0);
    ck_assert_int_eq(ring_open(&r, loose), -ERR_PROTOCOL);
    ck_assert_int_eq(fcntl(loose, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    ck_assert_int_eq(ring_open(&r, loose), -ERR_PROTOCOL); /* of another size */
    AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(ring_open(&r, null), -ERR_PROTOCOL);
    ck_assert_int_eq(ring_open(&r, -1), -ERR_PROTOCOL);
    ck_assert_int_eq(ring_take(&r, got), 0);
    ck_assert_int_lt(ftruncate(ring_fd, 10), 0); /* ours cannot */
}
END_TEST

START_TEST(any_position_is_bounded)
{
    uint32_t *written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);
    static const uint32_t lies[] = {RING_BYTES + 1, 0x7fffffff, 0x80000000u, UINT32_MAX};
    ck_assert_ptr_ne(written, MAP_FAILED);
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        *written = lies[i];
        ck_assert_int_eq(ring_take(&out, got), -ERR_PROTOCOL);
    }
    *written = RING_BYTES;
    ck_assert_int_eq(ring_take(&out, got), RING_BYTES);
    written[16] = 12345; /* what the reader has taken, as the writer is told */
    ck_assert(!ring_put(&in, "a", 1));
    munmap(written, 4096);
}
END_TEST

/* Another process counts into the ring, and wakes by an eventfd only when it is told to. */
static void count(int event_fd)
{
    for (uint32_t i = 0; i < LAPS; i++) {
        uint64_t one = 1;
        while (!ring_put(&in, &i, sizeof(i)))
            (void)poll(NULL, 0, 1);
        if (ring_wake(&in) && write(event_fd, &one, sizeof(one)) < 0)
            _exit(1);
    }
    raise(SIGKILL); /* what it said stays */
}

START_TEST(no_wake_up_is_lost)
{
    AUTO_FD event_fd = eventfd(0, EFD_CLOEXEC);
    uint32_t next = 0, n;
    int len, status;
    pid_t pid = test_fork();
    if (pid == 0)
        count(event_fd);
    while (next < LAPS) {
        if (ring_sleep(&out)) {
            struct pollfd p = {.fd = event_fd, .events = POLLIN};
            uint64_t rung;
            ck_assert_int_eq(poll(&p, 1, 30000), 1); /* a lost one would end here */
            ck_assert_int_eq(read(event_fd, &rung, sizeof(rung)), 8);
        }
        ring_awake(&out);
        len = ring_take(&out, got);
        ck_assert_int_ge(len, 0);
        for (int i = 0; i < len; i += (int)sizeof(n), next++) {
            memcpy(&n, got + i, sizeof(n));
            ck_assert_uint_eq(n, next);
        }
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

int main(void)
{
    return SUITE("ring", setup, teardown, puts_come_in_order, a_full_one_takes_nothing,
                 woken_once_for_each_sleep, none_is_an_empty_one, what_could_shrink_is_no_ring,
                 any_position_is_bounded, no_wake_up_is_lost);
}
