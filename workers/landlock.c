/*
 * landlock.c - the file system as a sandboxed program sees it. Single-threaded processes.
 *
 * The kernel knows only "this directory with all below it". To leave out a path, every sibling of
 * it and of its parents is named instead: what appears there later is not seen by a job that runs.
 */
#include "landlock.h"

#include "../common/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same on all architectures. */
#define NR_CREATE   444
#define NR_ADD      445
#define NR_RESTRICT 446

#define ASK_VERSION 1u
#define RULE_PATH   1

/* File system rights. */
#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR   (UINT64_C(1) << 6)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define FS_MAKE_BLOCK  (UINT64_C(1) << 11)
#define FS_MAKE_SYM    (UINT64_C(1) << 12)
#define FS_REFER       (UINT64_C(1) << 13) /* from version 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */
#define FS_UP_TO(last) (((last) << 1) - 1)

#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READ     (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE                                                                                   \
    (FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |        \
     FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)
#define FS_DEVICE (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_TCP   UINT64_C(3) /* bind and connect; from version 4 */
#define SCOPE_ALL UINT64_C(3) /* abstract UNIX sockets and signals; from version 6 */

struct list_attr {
    uint64_t fs, net, scoped;
};

struct path_attr {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

int landlock_version(void)
{
    long v = syscall(NR_CREATE, NULL, 0, ASK_VERSION);
    return v < 0 ? 0 : (int)v;
}

static uint64_t known_rights(int version)
{
    return version >= 5   ? FS_UP_TO(FS_IOCTL_DEV)
           : version >= 3 ? FS_UP_TO(FS_TRUNCATE)
           : version == 2 ? FS_UP_TO(FS_REFER)
                          : FS_UP_TO(FS_MAKE_SYM);
}

int landlock_new(int version, bool network)
{
    struct list_attr a = {.fs = known_rights(version)};
    if (version >= 4 && !network)
        a.net = NET_TCP;
    if (version >= 6)
        a.scoped = SCOPE_ALL;
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    return (int)syscall(NR_CREATE, &a, size, 0); /* close-on-exec by itself */
}

static int add(int list, int version, int fd, uint64_t rights)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return errno;
    struct path_attr a = {.rights = rights & known_rights(version), .fd = fd};
    if (!S_ISDIR(st.st_mode))
        a.rights &= FS_OF_FILES;
    return syscall(NR_ADD, list, RULE_PATH, &a, 0) < 0 ? errno : 0;
}

/* Is `path` the directory `dir` or below it? */
static bool is_within(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (n == 1) /* "/" */
        return true;
    return strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/');
}

static bool is_hidden(const char *path, char *const *hidden)
{
    for (; hidden && *hidden; hidden++) {
        if (is_within(path, *hidden))
            return true;
    }
    return false;
}

static bool has_hidden(const char *path, char *const *hidden)
{
    for (; hidden && *hidden; hidden++) {
        if (is_within(*hidden, path))
            return true;
    }
    return false;
}

static int allow_real(int list, int version, const char *path, uint64_t rights,
                      char *const *hidden);

/* All of a directory but what is hidden in it. Symbolic links need no right of their own. */
static int allow_entries(int list, int version, const char *path, uint64_t rights,
                         char *const *hidden)
{
    DIR *dir = opendir(path);
    int err = 0;
    if (!dir)
        return errno == ENOENT || errno == EACCES ? 0 : errno;
    for (struct dirent *e; !err && (e = readdir(dir));) {
        char sub[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || e->d_type == DT_LNK)
            continue;
        int n = snprintf(sub, sizeof(sub), "%s/%s", path[1] ? path : "", e->d_name);
        if (n > 0 && (size_t)n < sizeof(sub))
            err = allow_real(list, version, sub, rights, hidden);
    }
    closedir(dir);
    return err;
}

static int allow_real(int list, int version, const char *path, uint64_t rights, char *const *hidden)
{
    if (is_hidden(path, hidden))
        return 0;
    if (has_hidden(path, hidden))
        return allow_entries(list, version, path, rights, hidden);
    AUTO_FD fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? 0 : errno;
    int err = add(list, version, fd, rights);
    return err == EBADFD ? 0 : err; /* of a file system that has no paths: nothing to grant */
}

static const uint64_t rights_of[] = {
    [GRANT_READ] = FS_READ, [GRANT_WRITE] = FS_WRITE, [GRANT_DEVICE] = FS_DEVICE};

int landlock_allow(int list, int version, const char *path, enum landlock_grant what,
                   char *const *hidden)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : errno;
    return allow_real(list, version, real, rights_of[what], hidden);
}

int landlock_allow_here(int list, int version, const char *path, enum landlock_grant what)
{
    return allow_real(list, version, path, rights_of[what], NULL);
}

int landlock_enter(int list)
{
    return (int)syscall(NR_RESTRICT, list, 0);
}
