/*
 * failalloc.c - no task: preloaded into the service (LD_PRELOAD) by e2e_oom.c, lets the n-th
 * allocation of one process fail, of all its libraries. FAILALLOC names the file with struct
 * failalloc.
 */
#include "failalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static struct failalloc *f;

__attribute__((constructor)) static void find(void)
{
    const char *path = getenv("FAILALLOC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    f = p == MAP_FAILED ? NULL : p;
}

static bool fails(void)
{
    if (!f || f->at == 0 || f->pid != getpid())
        return false;
    long n = atomic_fetch_add(&f->count, 1) + 1;
    if (n < f->at || n - f->at >= f->lasting)
        return false;
    atomic_fetch_add(&f->hits, 1);
    errno = ENOMEM;
    return true;
}

SEEN void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

SEEN void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

SEEN void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}
