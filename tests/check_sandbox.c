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
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
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

static void enter(enum filter_sockets sockets, bool calls, bool old_landlock)
{
    struct filter f;
    ck_assert_int_eq(filter_make(&f, sockets, calls, old_landlock), 0);
    ck_assert_uint_gt(f.count, 0);
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(filter_enter(&f), 0);
    filter_release(&f);
}

static bool socket_made(int family)
{
    int fd = socket(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return errno != EPERM; /* not refused: another reason */
    close(fd);
    return true;
}

START_TEST(no_sockets)
{
    int pair[2];
    enter(FILTER_SOCKETS_NONE, true, false);
    ck_assert(!socket_made(AF_UNIX));
    ck_assert(!socket_made(AF_INET));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_lt(syscall(SYS_clone3, NULL, 0), 0);
    ck_assert_int_eq(errno, ENOSYS);
    ck_assert_int_lt(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

START_TEST(local_sockets)
{
    enter(FILTER_SOCKETS_LOCAL, true, false);
    ck_assert(socket_made(AF_UNIX));
    for (int family = 2; family < 64; family++)
        ck_assert_msg(!socket_made(family), "%d", family);
    ck_assert(!socket_made(-1));
    ck_assert(!socket_made(0));
}
END_TEST

START_TEST(internet_sockets)
{
    enter(FILTER_SOCKETS_INET, true, false);
    for (int family = 0; family < 64; family++) {
        bool allowed =
            family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
        ck_assert_msg(socket_made(family) == allowed, "%d", family);
    }
}
END_TEST

START_TEST(sockets_alone)
{
    enter(FILTER_SOCKETS_LOCAL, false, true);
    ck_assert(!socket_made(AF_INET));
    ck_assert_int_lt(syscall(SYS_clone3, NULL, 0), 0);
    ck_assert_int_ne(errno, ENOSYS); /* it was asked, and did not like the arguments */
}
END_TEST

START_TEST(truncation_for_an_old_landlock)
{
    enter(FILTER_SOCKETS_LOCAL, true, true);
    ck_assert(!opens("open/file", O_RDONLY | O_TRUNC));
    ck_assert_int_lt(truncate(below("open/file"), 0), 0);
    ck_assert(opens("open/file", O_RDONLY));
    ck_assert(opens("open/file", O_WRONLY | O_TRUNC)); /* Landlock's matter */
}
END_TEST

int main(void)
{
    return SUITE("sandbox", setup, teardown, each_version_hides_what_is_hidden, no_sockets,
                 local_sockets, internet_sockets, sockets_alone, truncation_for_an_old_landlock);
}
