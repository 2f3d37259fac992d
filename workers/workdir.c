/* workdir.c - the directory of a job. */
#include "workdir.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "jobmill-job-%08" PRIx32 "-" /* then the worker's pid */
#define LEVELS 64 /* of a tree that are gone into at once: a descriptor each */

static uint32_t home;
static int64_t end_us; /* mono: of the time for what is removed now */

void workdir_of(uint32_t of)
{
    home = of;
}

const char *workdir_base(void)
{
    const char *base = getenv("TMPDIR");
    return base && *base ? base : "/tmp";
}

int workdir_make(char *out, size_t size)
{
    int n = snprintf(out, size, "%s/" PREFIX "%d-XXXXXX", workdir_base(), home, (int)getpid());
    if (n < 0 || (size_t)n >= size)
        return ENAMETOOLONG;
    return mkdtemp(out) ? 0 : errno;
}

/* What is nested deeper than LEVELS is moved up to `top`, under a name that nobody could guess. */
static int move_up(int dir, const char *name, int top)
{
    uint64_t any;
    char to[32];
    if (getrandom(&any, sizeof(any), 0) != (ssize_t)sizeof(any))
        return errno;
    snprintf(to, sizeof(to), "deep-%016" PRIx64, any);
    return renameat(dir, name, top, to) < 0 ? errno : 0;
}

/* Empties the directory behind fd, which it closes. 0, or an errno of the first thing that stays;
 * *moved: there is more in `top` now. */
static int empty(int fd, int levels, int top, bool *moved)
{
    (void)fchmod(fd, 0700); /* its program may have closed it to itself */
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int why = errno;
        close(fd);
        return why;
    }
    int why = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (clock_mono_us() >= end_us) {
            why = ETIME;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
            continue;
        int sub = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0 && errno == EACCES && fchmodat(dirfd(dir), e->d_name, 0700, 0) == 0)
            sub = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int bad = sub < 0 ? errno : 0;
        if (sub >= 0 && levels == 0) {
            (void)fchmod(sub, 0700);
            close(sub);
            bad = move_up(dirfd(dir), e->d_name, top);
            *moved = *moved || !bad;
        } else if (sub >= 0) {
            bad = empty(sub, levels - 1, top, moved);
            if (!bad && unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) < 0)
                bad = errno;
        }
        why = why && bad != ETIME ? why : bad;
    }
    closedir(dir);
    return why;
}

/* Passes over it until nothing had to be moved up: each takes LEVELS away from what is nested
 * deepest. */
static int empty_all(int top)
{
    bool moved = true;
    int why = 0;
    while (moved && !why) {
        moved = false;
        int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        why = fd < 0 ? errno : empty(fd, LEVELS, top, &moved);
    }
    return why;
}

bool workdir_remove(const char *path, int64_t until_us)
{
    if (fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return true;
    end_us = until_us;
    AUTO_FD top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int why = top < 0 ? errno : empty_all(top);
    if (why == ETIME)
        return false;
    if (rmdir(path) < 0 && errno != ENOENT)
        why = why ? why : errno;
    if (why && why != ENOENT)
        log_warn("the directory of a job, %s, cannot be removed: %s", path, strerror(why));
    return true;
}

void workdir_find(pid_t worker, uint32_t uid, struct buf *paths)
{
    char prefix[64];
    struct stat st;
    int n = snprintf(prefix, sizeof(prefix), PREFIX, home);
    if (worker)
        snprintf(prefix + n, sizeof(prefix) - (size_t)n, "%d-", (int)worker);
    DIR *dir = opendir(workdir_base());
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (st.st_uid != geteuid() && st.st_uid != uid))
            continue; /* anybody can make one of such a name, with whatever in it */
        buf_addf(paths, "%s/%s", workdir_base(), e->d_name);
        buf_add(paths, "", 1);
    }
    closedir(dir);
}

bool workdir_remove_all(const struct buf *paths, int64_t until_us)
{
    for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1) {
        if (!workdir_remove(paths->data + at, until_us))
            return false;
    }
    return true;
}
