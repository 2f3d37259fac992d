/*
 * msg.h - messages between the front end, the fork server and the workers, over SOCK_SEQPACKET.
 *
 * One struct msg_<kind> per row of msg.def; pack, unpack, send and receive follow from the row.
 * A message that does not unpack exactly (unknown kind, a byte short, a byte left over) is
 * -ERR_PROTOCOL, and the receiver treats its sender as broken.
 */
#ifndef JOBMILL_COMMON_MSG_H
#define JOBMILL_COMMON_MSG_H

#include "id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_MAX    (65536 + 1024) /* bytes of a packed message: of the largest checkpoint, too */
#define MSG_INLINE 32768          /* inputs and results above this go as a memfd */

enum msg_kind {
    MSG_NONE,
#define MSG(kind, fd, fields) MSG_##kind,
#include "msg.def"
#undef MSG
    MSG_KINDS
};

struct msg_bytes {
    const char *data; /* not zero-terminated */
    size_t len;
};

#define U32(name)   uint32_t name;
#define U64(name)   uint64_t name;
#define I64(name)   int64_t name;
#define ID(name)    struct id name;
#define STR(name)   struct msg_bytes name;
#define BYTES(name) struct msg_bytes name;
#define MSG(kind, fd, fields) struct msg_##kind { fields };
#include "msg.def"
#undef MSG
#undef U32
#undef U64
#undef I64
#undef ID
#undef STR
#undef BYTES

struct msg {
    enum msg_kind kind;
    int fd; /* -1: none. Received: the receiver's to close (msg_release). Sent: stays the sender's. */
    void *map; /* received: the mapped memfd that the BYTES field points into; NULL: none */
    size_t map_len;
    union {
#define MSG(kind, fd, fields) struct msg_##kind kind;
#include "msg.def"
#undef MSG
    } u;
};

/* Packs m into buf (MSG_MAX bytes). Returns the length, or -ERR_PROTOCOL when it does not fit. */
int msg_pack(const struct msg *m, void *buf);
/* Unpacks; STR and BYTES point into buf. 0 or -ERR_PROTOCOL. Reads nothing outside [buf, buf+len). */
int msg_unpack(struct msg *m, const void *buf, size_t len);

/* Sends one message. An input or a result above MSG_INLINE is put into a memfd by the call itself.
 * 0; -ERR_CLOSED: the peer is gone; -ERR_TIMEOUT: a non-blocking socket is full; -ERR_SYSTEM. */
int msg_send(int sock, const struct msg *m);
/* Receives one message into m, whose STR/BYTES point into buf (MSG_MAX bytes, the caller's) or a map.
 * 1: a message, which the caller msg_release()s; 0: end of file; -ERR_TIMEOUT: none waits on a
 * non-blocking socket; -ERR_PROTOCOL, -ERR_SYSTEM. */
int msg_recv(int sock, struct msg *m, void *buf);
void msg_release(struct msg *m); /* closes the fd, unmaps; legal twice */

/*
 * Several messages in one packet, for one system call and one wake-up: what waits for the same
 * receiver at the same time. A message with a descriptor goes alone.
 */
struct packet { /* received */
    const char *at; /* the next message */
    size_t left;    /* bytes from there */
    int fd;         /* came with it, not taken yet; -1: none */
};

/* Puts m behind the *len bytes of buf (MSG_MAX). 0; -ERR_PROTOCOL: no room, or it has to go by msg_send(). */
int packet_add(void *buf, size_t *len, const struct msg *m);
int packet_send(int sock, const void *buf, size_t len); /* returns as msg_send() */
/* As msg_recv(): 1: a packet of at least a byte, in buf (MSG_MAX, the caller's). */
int packet_recv(int sock, struct packet *p, void *buf);
/* Its next message, as if it had come alone. 1: the caller msg_release()s it; 0: no more;
 * -ERR_PROTOCOL, -ERR_SYSTEM: the rest is dropped. */
int packet_next(struct packet *p, struct msg *m);
void packet_release(struct packet *p); /* drops the rest; legal twice */

const char *msg_kind_name(enum msg_kind kind);

#endif
