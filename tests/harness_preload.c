/* harness_preload.c - see harness_preload.h. */
#include "harness_preload.h"

#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *asked_for; /* a byte for each name */

const char *preload(const char *name, const char *variable)
{
    static char file[4096];
    char path[4096], *real;
    const char *build = getenv("JOBMILL_BUILD"), *asan = getenv("ASAN_OPTIONS");
    snprintf(path, sizeof(path), "%s/tests/preload/%s.so", build ? build : "build", name);
    real = realpath(path, NULL);
    ck_assert_msg(real != NULL, "there is no %s", path);
    snprintf(file, sizeof(file), "%s", conf_file(""));
    snprintf(strrchr(file, '/'), 32, "/%s", name);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(path, sizeof(path), "%s%sverify_asan_link_order=0", asan ? asan : "", asan ? ":" : "");
    ck_assert_int_eq(setenv("ASAN_OPTIONS", path, 1), 0);
    ck_assert_int_eq(setenv(variable, file, 1), 0);
    ck_assert_int_eq(setenv("LD_PRELOAD", real, 1), 0);
    free(real);
    return file;
}

void names_own(void)
{
    asked_for = preload("names", "JOBMILL_NAMES");
}

size_t names_asked(void)
{
    struct stat st;
    ck_assert_int_eq(stat(asked_for, &st), 0);
    return (size_t)st.st_size;
}
