/*
 * check_workdir.c - the directories of jobs: which are found, and that removing them ends when it
 * is to. Single thread.
 */
#include "../common/clock.h"
#include "../workers/workdir.h"
#include "suite.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HOME    0x1234abcdu
#define NOBODY  65534
#define ANOTHER 12345

static char base[] = "/tmp/jobmill-workdir-XXXXXX";

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(base));
    ck_assert_int_eq(setenv("TMPDIR", base, 1), 0);
    workdir_of(HOME);
}

static void teardown(void)
{
    ck_assert_int_eq(rmdir(base), 0); /* nothing is left in it */
}

static void make(const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", base, name);
    ck_assert_int_eq(mkdir(out, 0700), 0);
}

static size_t found(pid_t worker, uid_t uid, struct buf *paths)
{
    size_t n = 0;
    buf_clear(paths);
    workdir_find(worker, uid, paths);
    for (size_t at = 0; at < paths->len; at += strlen(paths->data + at) + 1)
        n++;
    return n;
}

START_TEST(those_of_a_worker_and_of_all_are_found)
{
    char dir[PATH_MAX];
    struct buf paths = BUF_INIT;
    ck_assert_int_eq(workdir_make(dir, sizeof(dir)), 0);
    make("jobmill-job-1234abcd-1-aaaaaa", dir);
    make("jobmill-job-1234abcd-12-aaaaaa", dir);
    ck_assert_uint_eq(found(getpid(), 0, &paths), 1);
    ck_assert_uint_eq(found(1, 0, &paths), 1);
    ck_assert_uint_eq(found(2, 0, &paths), 0);
    ck_assert_uint_eq(found(0, 0, &paths), 3);
    ck_assert(workdir_remove_all(&paths, INT64_MAX));
    ck_assert_uint_eq(found(0, 0, &paths), 0);
    buf_release(&paths);
}
END_TEST

/* Anybody can make a directory of such a name, with as many files as he likes. */
START_TEST(nobody_elses_is_found)
{
    char dir[PATH_MAX];
    struct buf paths = BUF_INIT;
    make("jobmill-job-00000001-1-aaaaaa", dir); /* of another service */
    ck_assert_uint_eq(found(0, 0, &paths), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    if (geteuid() != 0)
        return;
    make("jobmill-job-1234abcd-1-aaaaaa", dir);
    ck_assert_int_eq(chown(dir, NOBODY, (gid_t)-1), 0);
    ck_assert_uint_eq(found(1, ANOTHER, &paths), 0);
    ck_assert_uint_eq(found(0, ANOTHER, &paths), 0);
    ck_assert_uint_eq(found(1, NOBODY, &paths), 1); /* sandbox_user's */
    ck_assert(workdir_remove_all(&paths, INT64_MAX));
    buf_release(&paths);
}
END_TEST

START_TEST(removing_ends_when_it_is_to)
{
    char dir[PATH_MAX], file[PATH_MAX + 16];
    ck_assert_int_eq(workdir_make(dir, sizeof(dir)), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(file, sizeof(file), "%s/%d", dir, i);
        int fd = creat(file, 0600);
        ck_assert_int_ge(fd, 0);
        close(fd);
    }
    ck_assert(!workdir_remove(dir, clock_mono_us()));
    ck_assert_int_eq(access(file, F_OK), 0);
    ck_assert(workdir_remove(dir, INT64_MAX));
    ck_assert(workdir_remove(dir, 0)); /* it is gone: that takes no time */
}
END_TEST

int main(void)
{
    return SUITE("workdir", setup, teardown, those_of_a_worker_and_of_all_are_found,
                 nobody_elses_is_found, removing_ends_when_it_is_to);
}
