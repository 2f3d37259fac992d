/* check_fdio.c - whole reads and writes, flags, sealed memory files, closing all but a few. */
#include "../common/fdio.h"

#include "../common/err.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG (1u << 20)

static char big[BIG];

static void *write_big(void *arg)
{
    return fd_write_all(*(int *)arg, big, BIG) == 0 ? NULL : arg;
}

START_TEST(more_than_a_pipe_holds)
{
    int fds[2];
    pthread_t t;
    void *failed;
    char *got = malloc(BIG);
    ck_assert_ptr_nonnull(got);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 31 >> 3);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, write_big, &fds[1]), 0);
    ck_assert_int_eq(fd_read_full(fds[0], got, BIG), BIG);
    pthread_join(t, &failed);
    ck_assert_ptr_null(failed);
    ck_assert_mem_eq(got, big, BIG);
    ck_assert_int_eq(fd_write_all(fds[1], "abc", 3), 0);
    fd_close(&fds[1]);
    ck_assert_int_eq(fd_read_full(fds[0], got, BIG), 3); /* to the end of file */
    ck_assert_int_eq(fd_read_full(fds[0], got, BIG), 0);
    fd_close(&fds[0]);
    free(got);
}
END_TEST

START_TEST(failures_are_told)
{
    char c;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(fd_write_all(full, "x", 1), -ERR_SYSTEM);
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert_int_eq(fd_write_all(full, NULL, 0), 0);
    fd_close(&full);
    ck_assert_int_eq(fd_read_full(-1, &c, 1), -ERR_SYSTEM);
    ck_assert_int_eq(fd_nonblock(-1, true), -ERR_SYSTEM);
    ck_assert_int_eq(fd_cloexec(-1, true), -ERR_SYSTEM);
}
END_TEST

START_TEST(closing_keeps_errno)
{
    int none = -1, fd = open("/dev/null", O_RDONLY | O_CLOEXEC), was = fd;
    errno = ENOTTY;
    fd_close(&none);
    fd_close(&fd);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(fcntl(was, F_GETFD), -1);
    {
        AUTO_FD scoped = open("/dev/null", O_RDONLY | O_CLOEXEC);
        was = scoped;
        ck_assert_int_ge(fcntl(was, F_GETFD), 0);
    }
    ck_assert_int_eq(fcntl(was, F_GETFD), -1);
}
END_TEST

START_TEST(flags)
{
    int pair[2];
    ck_assert_int_eq(fd_socketpair(pair, 1 << 18), 0);
    for (int i = 0; i < 2; i++) {
        int type = 0, bytes = 0;
        socklen_t len = sizeof(type);
        ck_assert_int_eq(getsockopt(pair[i], SOL_SOCKET, SO_TYPE, &type, &len), 0);
        ck_assert_int_eq(type, SOCK_SEQPACKET);
        len = sizeof(bytes);
        ck_assert_int_eq(getsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, &len), 0);
        ck_assert_int_ge(bytes, 65536 + 4096); /* room for a message of the greatest size */
        ck_assert_int_ne(fcntl(pair[i], F_GETFD) & FD_CLOEXEC, 0);
    }
    ck_assert_int_eq(fd_nonblock(pair[0], true), 0);
    ck_assert_int_ne(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fcntl(pair[1], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fd_nonblock(pair[0], true), 0);
    ck_assert_int_eq(fd_nonblock(pair[0], false), 0);
    ck_assert_int_eq(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fd_cloexec(pair[0], false), 0);
    ck_assert_int_eq(fcntl(pair[0], F_GETFD) & FD_CLOEXEC, 0);
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}
END_TEST

START_TEST(a_memfd_is_sealed)
{
    void *data;
    size_t len;
    int fd = fd_memfd("test", "hello", 5);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(write(fd, "x", 1), -1);
    ck_assert_int_eq(ftruncate(fd, 1), -1);
    ck_assert_int_eq(ftruncate(fd, 100), -1);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), -1); /* the seals are sealed */
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), 0);
    fd_close(&fd); /* the map stays */
    ck_assert_uint_eq(len, 5);
    ck_assert_mem_eq(data, "hello", 5);
    munmap(data, len);
    fd = fd_memfd("empty", NULL, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), 0);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(len, 0);
    fd_close(&fd);
}
END_TEST

START_TEST(what_could_shrink_is_refused)
{
    void *data;
    size_t len;
    int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), -ERR_PROTOCOL);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), -ERR_PROTOCOL); /* its bytes could change */
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), 0);
    munmap(data, len);
    fd_close(&fd);
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(fd_memfd_map(fd, &data, &len), -ERR_PROTOCOL);
    fd_close(&fd);
}
END_TEST

/* In a child: opens 40 descriptors, keeps some, and looks which are open. */
static int closes_all_but(const int *keep, size_t n)
{
    bool open_before[128];
    for (int i = 0; i < 40; i++)
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int fd = 0; fd < 128; fd++)
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    fd_close_all_but(3, keep, n);
    for (int fd = 0; fd < 128; fd++) {
        bool kept = fd < 3;
        for (size_t i = 0; i < n; i++)
            kept = kept || keep[i] == fd;
        if ((fcntl(fd, F_GETFD) >= 0) != (kept && open_before[fd]))
            return 1 + fd;
    }
    return 0;
}

START_TEST(closes_all_but_those)
{
    static const int keep[] = {20, 11, 12, 3, 20, -1, 1, 27};
    for (size_t n = 0; n <= sizeof(keep) / sizeof(keep[0]); n++) {
        int status;
        pid_t pid = test_fork();
        if (pid == 0)
            _exit(closes_all_but(keep, n));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "%zu kept: descriptor %d", n, WEXITSTATUS(status) - 1);
    }
}
END_TEST

/* In a child, with these descriptors closed: the next one that is opened is none of the three. */
static int opens_standard(int closed)
{
    for (int fd = 0; fd < 3; fd++) {
        if (closed & 1 << fd)
            close(fd);
    }
    if (fd_standard(true) != 0)
        return 1;
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) != 0) /* also for programs that are started */
            return 2;
        if (closed & 1 << fd && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
            return 3;
    }
    return open("/dev/null", O_RDONLY | O_CLOEXEC) < 3 ? 4 : 0;
}

START_TEST(closed_ones_lead_nowhere)
{
    for (int closed = 0; closed < 8; closed++) {
        int status;
        pid_t pid = test_fork();
        if (pid == 0)
            _exit(opens_standard(closed));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "closed %d: %d", closed, WEXITSTATUS(status));
    }
}
END_TEST

int main(void)
{
    return SUITE("fdio", NULL, NULL, more_than_a_pipe_holds, failures_are_told, closing_keeps_errno,
                 flags, a_memfd_is_sealed, what_could_shrink_is_refused, closes_all_but_those,
                 closed_ones_lead_nowhere);
}
