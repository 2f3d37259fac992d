/*
 * msg.c - packs, unpacks, sends and receives the messages of msg.def. Any process; one socket is
 * used by one thread at a time in each direction.
 *
 * On the wire: u32 kind, then the row's fields in native byte order (both ends are the same
 * binary). STR: u32 length, bytes. BYTES: u32 length, bytes; or UINT32_MAX, and the bytes in the
 * passed fd. So a message says itself where it ends, and several stand one behind the other.
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

static int pack(const struct msg *m, char *buf, size_t size, bool in_fd)
{
    struct packer p = {buf, buf + size, true};
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
    return pack(m, buf, MSG_MAX, false);
}

/* The first message of buf. Returns its length, or -ERR_PROTOCOL. */
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
    return u.ok ? (int)(u.at - (const char *)buf) : -ERR_PROTOCOL;
}

int msg_unpack(struct msg *m, const void *buf, size_t len)
{
    struct msg_bytes *in_fd = NULL;
    int used = unpack(m, buf, len, &in_fd);
    return used < 0 || (size_t)used != len || in_fd ? -ERR_PROTOCOL : 0;
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
    int len = pack(m, buf, sizeof(buf), memfd >= 0);
    if (len < 0)
        return len;
    return send_packed(sock, buf, (size_t)len,
                       memfd >= 0            ? memfd
                       : carries_fd(m->kind) ? m->fd
                                             : -1);
}

int packet_add(void *buf, size_t *len, const struct msg *m)
{
    const struct msg_bytes *big = payload(m);
    if ((big && big->len > MSG_INLINE) || (carries_fd(m->kind) && m->fd >= 0))
        return -ERR_PROTOCOL;
    int more = pack(m, (char *)buf + *len, MSG_MAX - *len, false);
    if (more < 0)
        return more;
    *len += (size_t)more;
    return 0;
}

int packet_send(int sock, const void *buf, size_t len)
{
    return send_packed(sock, buf, len, -1);
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

int packet_recv(int sock, struct packet *p, void *buf)
{
    *p = (struct packet){.at = buf, .fd = -1};
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
    p->fd = take_fd(&h);
    p->left = (size_t)n;
    if (n > 0 && !(h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return 1;
    packet_release(p);
    return n == 0 ? 0 : -ERR_PROTOCOL;
}

/* A descriptor comes with a packet of one message. Hands it on, or maps what it holds. */
static int take_descriptor(struct packet *p, struct msg *m, struct msg_bytes *in_fd)
{
    if (p->fd >= 0 && (p->left || !carries_fd(m->kind)))
        return -ERR_PROTOCOL;
    m->fd = p->fd;
    p->fd = -1;
    if (!in_fd)
        return 0;
    int err = m->fd < 0 ? -ERR_PROTOCOL : fd_memfd_map(m->fd, &m->map, &m->map_len);
    fd_close(&m->fd);
    in_fd->data = m->map;
    in_fd->len = m->map_len;
    return err;
}

int packet_next(struct packet *p, struct msg *m)
{
    m->fd = -1;
    m->map = NULL;
    m->map_len = 0;
    m->kind = MSG_NONE;
    if (p->left == 0)
        return 0;
    struct msg_bytes *in_fd = NULL;
    int used = unpack(m, p->at, p->left, &in_fd), err = used < 0 ? used : 0;
    if (!err) {
        p->at += used;
        p->left -= (size_t)used;
        err = take_descriptor(p, m, in_fd);
    }
    if (!err)
        return 1;
    packet_release(p);
    msg_release(m);
    return err;
}

void packet_release(struct packet *p)
{
    fd_close(&p->fd);
    p->left = 0;
}

int msg_recv(int sock, struct msg *m, void *buf)
{
    struct packet p;
    int got = packet_recv(sock, &p, buf);
    *m = (struct msg){.kind = MSG_NONE, .fd = -1};
    if (got <= 0)
        return got;
    got = packet_next(&p, m);
    if (got == 1 && p.left)
        got = -ERR_PROTOCOL;
    packet_release(&p);
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
