/* workdir.c - the directory of a job. */
#include "workdir.h"

#include "../common/fdio.h"
#include "../common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "jobmill-job-%08" PRIx32 "-" /* then the worker's pid */
#define LEVELS 64 /* of a tree that are gone into at once: a descriptor each */

static uint32_t home;

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
        why = why ? why : bad;
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

void workdir_remove(const char *path)
{
    if (fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return;
    AUTO_FD top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int why = top < 0 ? errno : empty_all(top);
    if (rmdir(path) < 0 && errno != ENOENT)
        why = why ? why : errno;
    if (why && why != ENOENT)
        log_warn("the directory of a job, %s, cannot be removed: %s", path, strerror(why));
}

/* Those whose names begin so. `owned`: and that are `uid`'s or the caller's. */
static void remove_those(const char *prefix, bool owned, uint32_t uid)
{
    char path[PATH_MAX];
    struct stat st;
    DIR *dir = opendir(workdir_base());
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (owned && (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                      (st.st_uid != geteuid() && st.st_uid != uid)))
            continue; /* anybody can make one of such a name */
        int n = snprintf(path, sizeof(path), "%s/%s", workdir_base(), e->d_name);
        if (n > 0 && (size_t)n < sizeof(path))
            workdir_remove(path);
    }
    closedir(dir);
}

void workdir_remove_all(pid_t worker)
{
    char prefix[64];
    snprintf(prefix, sizeof(prefix), PREFIX "%d-", home, (int)worker);
    remove_those(prefix, false, 0);
}

void workdir_sweep(uint32_t uid)
{
    char prefix[64];
    snprintf(prefix, sizeof(prefix), PREFIX, home);
    remove_those(prefix, true, uid);
}
