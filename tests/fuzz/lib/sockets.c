/*
 * sockets.c - see sockets.h. What Linux does with AF_UNIX SOCK_SEQPACKET in the cases that dispatch
 * can meet: whole packets, a full peer, one that is gone (with ECONNRESET where it had not read
 * all), a half that was shut, descriptors on the way, level-triggered epoll. All are non-blocking.
 *
 * Why: an execution of fuzz_dispatch was nine parts in ten system calls. And the kernel forgives
 * what is not forgiven here: a call with a descriptor that is closed or was never open aborts.
 */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is to be covered is dispatch: counting here would take a third of the time, and mislead. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

#define FIRST       (SOCKETS_EPOLL + 1)
#define ENDS_MAX    4096
#define SEND_BUFFER 212992 /* net.core.wmem_default */
#define EACH        768    /* what the kernel counts for a packet beside its bytes, about */

struct packet {
    struct packet *next;
    int fd; /* goes with it; -1: none */
    size_t len;
    char data[];
};

struct end {
    unsigned refs; /* descriptors of it, those on the way with it; 0: closed */
    struct packet *first, **last;
    size_t unread; /* bytes as the kernel counts them */
    bool shut;     /* for writing */
    bool reset;    /* its peer was closed with packets unread: told once */
    bool watched;
    struct epoll_event watch;
};

static struct end ends[ENDS_MAX];
static int used; /* of ends; a pair stands side by side, none is used twice in an execution */
/* The kernel's descriptors that were sent and not closed yet. */
static int kernel_fds;
static uint8_t is_sent[1024];

int __real_close(int fd);
int __real_fcntl(int fd, int cmd, ...);

static struct end *find(int fd)
{
    if (fd < FIRST)
        return NULL;
    if (fd - FIRST >= used || ends[fd - FIRST].refs == 0)
        abort(); /* closed, or never open */
    return &ends[fd - FIRST];
}

static struct end *peer_of(const struct end *e)
{
    return &ends[(e - ends) ^ 1];
}

static int fails(int why)
{
    errno = why;
    return -1;
}

int __wrap_socketpair(int domain, int type, int protocol, int out[2])
{
    (void)domain, (void)protocol;
    if (!(type & SOCK_NONBLOCK) || used + 2 > ENDS_MAX)
        abort();
    for (int i = 0; i < 2; i++) {
        struct end *e = &ends[used];
        *e = (struct end){.refs = 1};
        e->last = &e->first;
        out[i] = FIRST + used++;
    }
    return 0;
}

/* ---- descriptors on their way ---- */

/* A second descriptor of the same, as the receiver gets it. */
static int second(int fd)
{
    struct end *e = find(fd);
    if (e) {
        e->refs++;
        return fd;
    }
    int copy = __real_fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || (size_t)copy >= sizeof(is_sent))
        abort();
    is_sent[copy] = 1;
    kernel_fds++;
    return copy;
}

int __wrap_close(int fd);

static struct packet *unqueue(struct end *e)
{
    struct packet *p = e->first;
    if (!p)
        return NULL;
    e->first = p->next;
    if (!e->first)
        e->last = &e->first;
    e->unread -= p->len + EACH;
    return p;
}

int __wrap_close(int fd)
{
    struct end *e = find(fd);
    if (!e) {
        if (fd >= 0 && (size_t)fd < sizeof(is_sent) && is_sent[fd]) {
            is_sent[fd] = 0;
            kernel_fds--;
        }
        return __real_close(fd);
    }
    if (--e->refs > 0)
        return 0;
    peer_of(e)->reset = e->first != NULL;
    for (struct packet *p; (p = unqueue(e));) {
        if (p->fd >= 0)
            (void)__wrap_close(p->fd);
        free(p);
    }
    e->watched = false;
    return 0;
}

/* ---- packets ---- */

static ssize_t post(struct end *e, const void *data, size_t len, int fd)
{
    struct end *peer = peer_of(e);
    if (e->reset) {
        e->reset = false;
        return fails(ECONNRESET);
    }
    if (e->shut || peer->refs == 0)
        return fails(EPIPE);
    if (len > SEND_BUFFER - 32)
        return fails(EMSGSIZE);
    if (peer->unread >= SEND_BUFFER)
        return fails(EAGAIN);
    struct packet *p = malloc(sizeof(*p) + len);
    if (!p)
        abort();
    *p = (struct packet){.fd = fd >= 0 ? second(fd) : -1, .len = len};
    memcpy(p->data, data, len);
    *peer->last = p;
    peer->last = &p->next;
    peer->unread += len + EACH;
    return (ssize_t)len;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *h, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags)
{
    struct end *e = find(fd);
    if (!e)
        return __real_sendmsg(fd, h, flags);
    const struct cmsghdr *c = h->msg_controllen ? CMSG_FIRSTHDR(h) : NULL;
    int sent = -1;
    if (h->msg_iovlen != 1 || (c && c->cmsg_len != CMSG_LEN(sizeof(int))))
        abort();
    if (c)
        memcpy(&sent, CMSG_DATA(c), sizeof(int));
    return post(e, h->msg_iov->iov_base, h->msg_iov->iov_len, sent);
}

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    struct end *e = find(fd);
    return e ? post(e, data, len, -1) : __real_send(fd, data, len, flags);
}

/* The descriptor to the receiver, if there is room for it. */
static void hand_over(struct packet *p, struct msghdr *h)
{
    size_t room = h->msg_controllen;
    h->msg_controllen = 0;
    if (p->fd < 0)
        return;
    if (room < CMSG_SPACE(sizeof(int))) {
        h->msg_flags |= MSG_CTRUNC;
        (void)__wrap_close(p->fd);
        return;
    }
    struct cmsghdr *c = h->msg_control;
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &p->fd, sizeof(int));
    h->msg_controllen = CMSG_SPACE(sizeof(int));
}

ssize_t __real_recvmsg(int fd, struct msghdr *h, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *h, int flags)
{
    struct end *e = find(fd);
    if (!e)
        return __real_recvmsg(fd, h, flags);
    if (e->reset) {
        e->reset = false;
        return fails(ECONNRESET);
    }
    struct packet *p = unqueue(e);
    h->msg_flags = 0;
    if (!p && peer_of(e)->refs && !peer_of(e)->shut)
        return fails(EAGAIN);
    if (!p) {
        h->msg_controllen = 0;
        return 0; /* end of file */
    }
    size_t n = p->len;
    if (n > h->msg_iov->iov_len) {
        n = h->msg_iov->iov_len;
        h->msg_flags |= MSG_TRUNC;
    }
    memcpy(h->msg_iov->iov_base, p->data, n);
    hand_over(p, h);
    free(p);
    return (ssize_t)n;
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    struct end *e = find(fd);
    if (!e)
        return __real_shutdown(fd, how);
    if (how != SHUT_WR)
        abort();
    e->shut = true;
    return 0;
}

int __wrap_fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (!find(fd))
        return __real_fcntl(fd, cmd, arg);
    if (cmd != F_GETFL)
        abort(); /* all is set as it should be */
    return O_RDWR | O_NONBLOCK;
}

/* ---- epoll ---- */

int __real_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *ev)
{
    if (epoll_fd != SOCKETS_EPOLL)
        return __real_epoll_ctl(epoll_fd, op, fd, ev);
    struct end *e = find(fd);
    if (!e || (op != EPOLL_CTL_ADD && op != EPOLL_CTL_DEL))
        abort();
    if (e->watched == (op == EPOLL_CTL_ADD))
        return fails(e->watched ? EEXIST : ENOENT);
    e->watched = op == EPOLL_CTL_ADD;
    if (e->watched)
        e->watch = *ev;
    return 0;
}

int __real_epoll_wait(int epoll_fd, struct epoll_event *ev, int most, int wait_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *ev, int most, int wait_ms)
{
    if (epoll_fd != SOCKETS_EPOLL)
        return __real_epoll_wait(epoll_fd, ev, most, wait_ms);
    int n = 0;
    for (int i = 0; i < used && n < most; i++) {
        const struct end *e = &ends[i], *peer = peer_of(e);
        if (e->watched && (e->first || e->reset || peer->refs == 0 || peer->shut))
            ev[n++] = e->watch;
    }
    return n;
}

void sockets_end(void)
{
    for (int i = 0; i < used; i++) {
        if (ends[i].refs)
            abort();
    }
    if (kernel_fds)
        abort();
    used = 0;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
