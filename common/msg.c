/*
 * msg.c - packs, unpacks, sends and receives the messages of msg.def. Any process; one socket is
 * used by one thread at a time in each direction.
 *
 * On the wire: u32 kind, then the row's fields in native byte order (both ends are the same
 * binary). STR: u32 length, bytes. BYTES: u32 length, bytes; or UINT32_MAX, and the bytes in the
 * passed fd.
 */
#include "msg.h"

#include "err.h"
#include "fdio.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_FD UINT32_MAX

struct packer {
    char *at, *end;
    bool ok;
};

struct unpacker {
    const char *at, *end;
    bool ok;
    struct msg_bytes *in_fd; /* the BYTES field whose bytes are in the fd */
};

static void put(struct packer *p, const void *data, size_t len)
{
    if (!p->ok || (size_t)(p->end - p->at) < len) {
        p->ok = false;
        return;
    }
    if (len)
        memcpy(p->at, data, len);
    p->at += len;
}

static void put_bytes(struct packer *p, const struct msg_bytes *b)
{
    uint32_t len = (uint32_t)b->len;
    if (b->len >= IN_FD)
        p->ok = false;
    put(p, &len, sizeof(len));
    put(p, b->data, b->len);
}

/* What is too large for a message is in the fd that goes with it. */
static void put_payload(struct packer *p, const struct msg_bytes *b, bool in_fd)
{
    uint32_t mark = IN_FD;
    if (in_fd)
        put(p, &mark, sizeof(mark));
    else
        put_bytes(p, b);
}

static void get(struct unpacker *u, void *out, size_t len)
{
    if (!u->ok || (size_t)(u->end - u->at) < len) {
        u->ok = false;
        memset(out, 0, len);
        return;
    }
    memcpy(out, u->at, len);
    u->at += len;
}

static void get_bytes(struct unpacker *u, struct msg_bytes *b, bool may_be_in_fd)
{
    uint32_t len;
    get(u, &len, sizeof(len));
    *b = (struct msg_bytes){NULL, 0};
    if (u->ok && len == IN_FD && may_be_in_fd && !u->in_fd) {
        u->in_fd = b;
        return;
    }
    if (!u->ok || (size_t)(u->end - u->at) < len) {
        u->ok = false;
        return;
    }
    b->data = u->at;
    b->len = len;
    u->at += len;
}

static int pack(const struct msg *m, char *buf, bool in_fd)
{
    struct packer p = {buf, buf + MSG_MAX, true};
    uint32_t kind = (uint32_t)m->kind;
    put(&p, &kind, sizeof(kind));
    switch (m->kind) {
#define U32(name)   put(&p, &f->name, sizeof(f->name));
#define U64(name)   put(&p, &f->name, sizeof(f->name));
#define I64(name)   put(&p, &f->name, sizeof(f->name));
#define ID(name)    put(&p, &f->name, sizeof(f->name));
#define STR(name)   put_bytes(&p, &f->name);
#define BYTES(name) put_payload(&p, &f->name, in_fd);
#define MSG(kind, fd, fields)                                                                      \
    case MSG_##kind: {                                                                             \
        const struct msg_##kind *f = &m->u.kind;                                                   \
        fields break;                                                                              \
    }
#include "msg.def"
#undef MSG
#undef U32
#undef U64
#undef I64
#undef ID
#undef STR
#undef BYTES
    case MSG_NONE:
    case MSG_KINDS:
    default:
        p.ok = false;
    }
    return p.ok ? (int)(p.at - buf) : -ERR_PROTOCOL;
}

int msg_pack(const struct msg *m, void *buf)
{
    return pack(m, buf, false);
}

static int unpack(struct msg *m, const void *buf, size_t len, struct msg_bytes **in_fd)
{
    struct unpacker u = {buf, (const char *)buf + len, true, NULL};
    uint32_t kind;
    get(&u, &kind, sizeof(kind));
    m->kind = u.ok && kind < MSG_KINDS ? (enum msg_kind)kind : MSG_NONE;
    switch (m->kind) {
#define U32(name)   get(&u, &f->name, sizeof(f->name));
#define U64(name)   get(&u, &f->name, sizeof(f->name));
#define I64(name)   get(&u, &f->name, sizeof(f->name));
#define ID(name)    get(&u, &f->name, sizeof(f->name));
#define STR(name)   get_bytes(&u, &f->name, false);
#define BYTES(name) get_bytes(&u, &f->name, true);
#define MSG(kind, fd, fields)                                                                      \
    case MSG_##kind: {                                                                             \
        struct msg_##kind *f = &m->u.kind;                                                         \
        fields break;                                                                              \
    }
#include "msg.def"
#undef MSG
#undef U32
#undef U64
#undef I64
#undef ID
#undef STR
#undef BYTES
    case MSG_NONE:
    case MSG_KINDS:
    default:
        return -ERR_PROTOCOL;
    }
    *in_fd = u.in_fd;
    return u.ok && u.at == u.end ? 0 : -ERR_PROTOCOL;
}

int msg_unpack(struct msg *m, const void *buf, size_t len)
{
    struct msg_bytes *in_fd;
    int err = unpack(m, buf, len, &in_fd);
    return err == 0 && in_fd ? -ERR_PROTOCOL : err;
}

/* The payload of the kinds that have one. */
static const struct msg_bytes *payload(const struct msg *m)
{
    switch (m->kind) {
    case MSG_ASSIGN:
        return &m->u.ASSIGN.input;
    case MSG_DONE:
        return &m->u.DONE.result;
    default:
        return NULL;
    }
}

static bool carries_fd(enum msg_kind kind)
{
    static const bool may[MSG_KINDS] = {
#define MSG(kind, fd, fields) [MSG_##kind] = fd,
#include "msg.def"
#undef MSG
    };
    return may[kind];
}

static int send_packed(int sock, const void *buf, size_t len, int fd)
{
    struct iovec v = {(void *)(uintptr_t)buf, len};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    if (fd >= 0) {
        h.msg_control = control.space;
        h.msg_controllen = sizeof(control.space);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    for (;;) {
        ssize_t n = sendmsg(sock, &h, MSG_NOSIGNAL);
        if (n == (ssize_t)len)
            return 0;
        if (n >= 0)
            return -ERR_PROTOCOL;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return -ERR_TIMEOUT;
        return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? -ERR_CLOSED
                                                                          : -ERR_SYSTEM;
    }
}

int msg_send(int sock, const struct msg *m)
{
    char buf[MSG_MAX];
    const struct msg_bytes *big = payload(m);
    AUTO_FD memfd = -1;
    if (big && big->len > MSG_INLINE) {
        memfd = fd_memfd("jobmill-payload", big->data, big->len);
        if (memfd < 0)
            return -ERR_SYSTEM;
    }
    int len = pack(m, buf, memfd >= 0);
    if (len < 0)
        return len;
    return send_packed(sock, buf, (size_t)len,
                       memfd >= 0            ? memfd
                       : carries_fd(m->kind) ? m->fd
                                             : -1);
}

/* Keeps the first fd that came, closes all others. */
static int take_fd(struct msghdr *h)
{
    int kept = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    return kept;
}

static int receive(int sock, struct msg *m, void *buf, size_t *len)
{
    struct iovec v = {buf, MSG_MAX};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    h.msg_control = control.space;
    h.msg_controllen = sizeof(control.space);
    ssize_t n;
    do {
        n = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return -ERR_TIMEOUT;
        return errno == ECONNRESET ? 0 : -ERR_SYSTEM;
    }
    m->fd = take_fd(&h);
    *len = (size_t)n;
    if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return -ERR_PROTOCOL;
    return n == 0 ? 0 : 1;
}

int msg_recv(int sock, struct msg *m, void *buf)
{
    size_t len = 0;
    m->fd = -1;
    m->map = NULL;
    m->map_len = 0;
    m->kind = MSG_NONE;
    int got = receive(sock, m, buf, &len);
    struct msg_bytes *in_fd = NULL;
    if (got == 1 && unpack(m, buf, len, &in_fd) != 0)
        got = -ERR_PROTOCOL;
    if (got == 1 && m->fd >= 0 && !carries_fd(m->kind))
        got = -ERR_PROTOCOL;
    if (got == 1 && in_fd) {
        int err = m->fd < 0 ? -ERR_PROTOCOL : fd_memfd_map(m->fd, &m->map, &m->map_len);
        fd_close(&m->fd);
        if (err)
            got = err;
        in_fd->data = m->map;
        in_fd->len = m->map_len;
    }
    if (got <= 0)
        msg_release(m);
    return got;
}

void msg_release(struct msg *m)
{
    fd_close(&m->fd);
    if (m->map)
        munmap(m->map, m->map_len);
    m->map = NULL;
    m->map_len = 0;
}

const char *msg_kind_name(enum msg_kind kind)
{
    static const char *const names[MSG_KINDS] = {
#define MSG(kind, fd, fields) [MSG_##kind] = #kind,
#include "msg.def"
#undef MSG
    };
    return (unsigned)kind < MSG_KINDS && names[kind] ? names[kind] : "message of an unknown kind";
}
