/*
 * fdio.h - file descriptors: full reads and writes, close-on-exec, passing one over a socket,
 * sealed memory files. Any process; nothing here logs.
 */
#ifndef JOBMILL_COMMON_FDIO_H
#define JOBMILL_COMMON_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void fd_close(int *fd); /* closes if >= 0, sets -1, keeps errno */
static inline void fd_auto_close(int *fd)
{
    fd_close(fd);
}
#define AUTO_FD __attribute__((cleanup(fd_auto_close))) int

int fd_write_all(int fd, const void *data, size_t len);  /* 0, -ERR_SYSTEM (errno) */
ssize_t fd_read_full(int fd, void *data, size_t len);    /* bytes until EOF or len; -ERR_SYSTEM */
int fd_nonblock(int fd, bool on);
int fd_cloexec(int fd, bool on);

/* A process may be started with one of its three standard descriptors closed: what it opens next would be taken for
 * that one, and written over by the next message on it. Those that are closed lead to /dev/null from now on, where what
 * is written is lost (`writable`), or writing fails, for who is to tell of that. 0, or -ERR_SYSTEM. Before anything is
 * opened. */
int fd_standard(bool writable);

/* A SOCK_SEQPACKET pair, both close-on-exec, with send buffers of at least `bytes` where allowed. */
int fd_socketpair(int out[2], int bytes);

/* A memfd that holds the bytes and is sealed against every change. Returns the fd, which the caller
 * closes, or -ERR_SYSTEM. */
int fd_memfd(const char *name, const void *data, size_t len);
/* Maps a sealed memfd read-only. Refuses (-ERR_PROTOCOL) one that is not sealed against shrinking
 * and writing: its sender could take the pages away. The caller munmap()s *data when *len > 0. */
int fd_memfd_map(int fd, void **data, size_t *len);

/* Closes every descriptor >= first except those listed (sorted or not, n <= 16). */
void fd_close_all_but(int first, const int *keep, size_t n);

#endif
