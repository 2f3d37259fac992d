/* fdio.c - file descriptors. Any process; nothing here logs or holds state. */
#include "fdio.h"

#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int keep = errno;
    close(*fd);
    *fd = -1;
    errno = keep;
}

int fd_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -ERR_SYSTEM;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, (char *)data + got, len - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -ERR_SYSTEM;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
    int flags = fcntl(fd, get);
    if (flags < 0)
        return -ERR_SYSTEM;
    int want = on ? flags | flag : flags & ~flag;
    return want == flags || fcntl(fd, set, want) == 0 ? 0 : -ERR_SYSTEM;
}

int fd_nonblock(int fd, bool on)
{
    return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_cloexec(int fd, bool on)
{
    return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_standard(bool writable)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* the lowest that is free: those below are open; programs that are started inherit it */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", writable ? O_RDWR : O_RDONLY) != fd)
            return -ERR_SYSTEM;
    }
    return 0;
}

int fd_socketpair(int out[2], int bytes)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out) < 0)
        return -ERR_SYSTEM;
    for (int i = 0; i < 2; i++) {
        /* Beyond net.core.wmem_max only a privileged process gets what it asks for: best effort. */
        if (setsockopt(out[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
            (void)setsockopt(out[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    return 0;
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int fd_memfd(const char *name, const void *data, size_t len)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -ERR_SYSTEM;
    if (fd_write_all(fd, data, len) != 0 || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0) {
        fd_close(&fd);
        return -ERR_SYSTEM;
    }
    return fd;
}

int fd_memfd_map(int fd, void **data, size_t *len)
{
    *data = NULL;
    *len = 0;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    if (seals < 0 || (seals & SEALS) != SEALS)
        return -ERR_PROTOCOL;
    if (fstat(fd, &st) < 0)
        return -ERR_SYSTEM;
    if (st.st_size == 0)
        return 0;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -ERR_SYSTEM;
    *data = map;
    *len = (size_t)st.st_size;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

void fd_close_all_but(int first, const int *keep, size_t n)
{
    int sorted[16] = {0};
    size_t count = 0;
    for (size_t i = 0; i < n && count < 16; i++) {
        if (keep[i] >= first)
            sorted[count++] = keep[i];
    }
    qsort(sorted, count, sizeof(sorted[0]), by_value);
    unsigned from = (unsigned)first;
    for (size_t i = 0; i < count; i++) {
        unsigned kept = (unsigned)sorted[i];
        if (kept > from)
            (void)close_range(from, kept - 1, 0);
        if (kept >= from)
            from = kept + 1;
    }
    (void)close_range(from, ~0u, 0);
}
