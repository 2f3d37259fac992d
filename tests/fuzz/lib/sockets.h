/*
 * sockets.h - for fuzz_dispatch: pairs of sockets and an epoll descriptor that are no more than
 * memory of this process, for dispatch and for the harness. One thread.
 *
 * socketpair(2), sendmsg(2), recvmsg(2), send(2), shutdown(2), fcntl(2), close(2), epoll_ctl(2) and
 * epoll_wait(2) of what is linked with --wrap find their descriptors by number; every other
 * descriptor is the kernel's and goes on to it.
 */
#ifndef JOBMILL_TESTS_FUZZ_SOCKETS_H
#define JOBMILL_TESTS_FUZZ_SOCKETS_H

/* The descriptor for epoll_ctl() and epoll_wait(): there is one, it is never closed. */
#define SOCKETS_EPOLL 1000000

/* All are closed: the next execution begins as the first did. Aborts when one is left open, or a
 * descriptor that was sent over one was not closed. */
void sockets_end(void);

#endif
