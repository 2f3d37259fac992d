/*
 * check_sandbox.c - what Landlock's list shows and hides, at each version that kernels speak, and
 * what the filter refuses. Each test is a process of its own, which puts itself in.
 */
#include "../workers/filter.h"
#include "../workers/landlock.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[PATH_MAX];

static const char *below(const char *name)
{
    static char path[2][PATH_MAX + 64];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", top, name);
    return path[turn];
}

static void make_file(const char *name)
{
    int fd = open(below(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* top/open/file, top/part/{shown,hidden/file}, top/own */
static void setup(void)
{
    char made[] = "/tmp/check_sandbox-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(made));
    ck_assert_ptr_nonnull(realpath(made, top));
    static const char *const dirs[] = {"open", "part", "part/hidden", "own"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(mkdir(below(dirs[i]), 0755), 0);
    make_file("open/file");
    make_file("part/shown");
    make_file("part/hidden/file");
    ck_assert_int_eq(symlink("../part/hidden/file", below("open/link")), 0);
}

static void teardown(void)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    ck_assert_int_eq(system(command), 0);
}

static bool opens(const char *name, int flags)
{
    int fd = open(below(name), flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* In a child, whose exit status is the number of the first thing that is not as it should be. */
static int look(int version)
{
    char hidden_path[PATH_MAX + 64];
    snprintf(hidden_path, sizeof(hidden_path), "%s", below("part/hidden"));
    char *const hidden[] = {hidden_path, NULL};
    int list = landlock_new(version, false);
    if (list < 0 || landlock_allow(list, version, "/", GRANT_READ, hidden) != 0 ||
        landlock_allow(list, version, below("own"), GRANT_WRITE, hidden) != 0 ||
        landlock_allow(list, version, below("not there"), GRANT_READ, hidden) != 0 ||
        landlock_allow(list, version, below("part/hidden"), GRANT_WRITE, hidden) != 0 ||
        landlock_allow(list, version, "/dev/null", GRANT_DEVICE, NULL) != 0)
        return 1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(list) < 0)
        return 2;
    const bool as_it_should[] = {
        opens("open/file", O_RDONLY),
        opens("part/shown", O_RDONLY),
        !opens("part/hidden/file", O_RDONLY),
        !opens("open/link", O_RDONLY),
        !opens("part/hidden", O_RDONLY | O_DIRECTORY),
        !opens("open/file", O_WRONLY),
        !opens("open/new", O_WRONLY | O_CREAT),
        !opens("part/hidden/new", O_WRONLY | O_CREAT),
        opens("own/new", O_RDWR | O_CREAT),
        opens("own/new", O_WRONLY | O_TRUNC),
        unlink(below("own/new")) == 0,
        unlink(below("open/file")) < 0,
        rename(below("open/file"), below("own/file")) < 0,
        link(below("part/hidden/file"), below("own/file")) < 0,
        mkdir(below("own/sub"), 0700) == 0,
        version < 3 || truncate(below("open/file"), 0) < 0,
        version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM),
        kill(getpid(), 0) == 0,
    };
    for (size_t i = 0; i < sizeof(as_it_should) / sizeof(as_it_should[0]); i++) {
        if (!as_it_should[i])
            return (int)i + 10;
    }
    return 0;
}

START_TEST(each_version_hides_what_is_hidden)
{
    int newest = landlock_version();
    if (newest == 0)
        printf("this kernel has no Landlock\n");
    for (int version = 1; version <= newest; version++) {
        pid_t pid = test_fork();
        if (pid == 0)
            _exit(look(version));
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "version %d: %d", version, WEXITSTATUS(status));
        (void)rmdir(below("own/sub"));
    }
}
END_TEST

/* ---- the filter ---- */

/* The line of the first thing that is not as it should be. */
#define SHOULD(what)                                                                               \
    do {                                                                                           \
        if (!(what))                                                                               \
            return __LINE__;                                                                       \
    } while (0)

static int enter(enum filter_sockets sockets, bool calls, bool old_landlock)
{
    struct filter f;
    SHOULD(filter_make(&f, sockets, calls, old_landlock) == 0);
    SHOULD(f.count > 0);
    SHOULD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    SHOULD(filter_enter(&f) == 0);
    filter_release(&f);
    return 0;
}

/* In a process that ends without a sanitizer's look for leaks, which traces itself. */
static void in_child(int (*look_at)(void))
{
    int told[2], line = -1;
    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        line = look_at();
        _exit(write(told[1], &line, sizeof(line)) == (ssize_t)sizeof(line) ? 0 : 1);
    }
    close(told[1]);
    ck_assert_int_eq(read(told[0], &line, sizeof(line)), (ssize_t)sizeof(line));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_msg(line == 0, "line %d", line);
    close(told[0]);
}

static bool socket_made(int family)
{
    int fd = socket(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return errno != EPERM; /* not refused: another reason */
    close(fd);
    return true;
}

/* It would make sockets that the filter does not see. */
static bool has_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 0, NULL) >= 0 || errno != ENOSYS ||
           syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) >= 0 || errno != ENOSYS ||
           syscall(SYS_io_uring_register, -1, 0, NULL, 0) >= 0 || errno != ENOSYS;
}

static int look_without_sockets(void)
{
    int pair[2];
    SHOULD(enter(FILTER_SOCKETS_NONE, true, false) == 0);
    SHOULD(!socket_made(AF_UNIX));
    SHOULD(!socket_made(AF_INET));
    SHOULD(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    SHOULD(!has_io_uring());
    SHOULD(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
    SHOULD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM);
    return 0;
}

static int look_with_local(void)
{
    SHOULD(enter(FILTER_SOCKETS_LOCAL, true, false) == 0);
    SHOULD(socket_made(AF_UNIX));
    for (int family = 2; family < 64; family++)
        SHOULD(!socket_made(family));
    SHOULD(!socket_made(-1));
    SHOULD(!socket_made(0));
    return 0;
}

static int look_with_internet(void)
{
    SHOULD(enter(FILTER_SOCKETS_INET, true, false) == 0);
    for (int family = 0; family < 64; family++) {
        bool allowed =
            family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
        SHOULD(socket_made(family) == allowed);
    }
    return 0;
}

static int look_at_sockets_alone(void)
{
    SHOULD(enter(FILTER_SOCKETS_LOCAL, false, true) == 0);
    SHOULD(!socket_made(AF_INET));
    SHOULD(!has_io_uring());
    SHOULD(syscall(SYS_clone3, NULL, 0) < 0 && errno != ENOSYS); /* asked, and did not like it */
    return 0;
}

static int look_at_truncation(void)
{
    SHOULD(enter(FILTER_SOCKETS_LOCAL, true, true) == 0);
    SHOULD(!opens("open/file", O_RDONLY | O_TRUNC));
    SHOULD(truncate(below("open/file"), 0) < 0);
    SHOULD(opens("open/file", O_RDONLY));
    SHOULD(opens("open/file", O_WRONLY | O_TRUNC)); /* Landlock's matter */
    return 0;
}

START_TEST(the_filter_refuses_what_it_should)
{
    in_child(look_without_sockets);
    in_child(look_with_local);
    in_child(look_with_internet);
    in_child(look_at_sockets_alone);
    in_child(look_at_truncation);
}
END_TEST

int main(void)
{
    return SUITE("sandbox", setup, teardown, each_version_hides_what_is_hidden,
                 the_filter_refuses_what_it_should);
}
