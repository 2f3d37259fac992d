/*
 * ring.c - the ring of bytes between a worker and dispatch. See ring.h.
 *
 * No lost wake-up: the writer stores `written` and then exchanges `asleep`, the reader stores
 * `asleep` and then loads `written`, all in one order (seq_cst), so at least one of them sees the
 * other's.
 */
#include "ring.h"

#include "err.h"
#include "fdio.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASK  (RING_BYTES - 1)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

_Static_assert((RING_BYTES & MASK) == 0, "positions are taken modulo a power of two");

struct ring_memory {
    _Atomic uint32_t written;            /* bytes so far, modulo 2^32: the writer's */
    _Alignas(64) _Atomic uint32_t taken; /* the same: the reader's */
    _Atomic uint32_t asleep;             /* set by the reader, cleared by either */
    _Alignas(64) char data[RING_BYTES];
};

static struct ring_memory *map(int fd)
{
    void *m = mmap(NULL, sizeof(struct ring_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return m == MAP_FAILED ? NULL : m;
}

int ring_new(struct ring *r)
{
    *r = (struct ring){NULL, 0};
    int fd = memfd_create("jobmill-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -ERR_SYSTEM;
    if (ftruncate(fd, sizeof(struct ring_memory)) == 0 &&
        fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0)
        r->memory = map(fd);
    if (!r->memory) {
        fd_close(&fd);
        return -ERR_SYSTEM;
    }
    return fd;
}

int ring_open(struct ring *r, int fd)
{
    *r = (struct ring){NULL, 0};
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    if (seals < 0 || (seals & SEALS) != SEALS || (seals & F_SEAL_WRITE))
        return -ERR_PROTOCOL;
    if (fstat(fd, &st) < 0)
        return -ERR_SYSTEM;
    if (st.st_size != sizeof(struct ring_memory))
        return -ERR_PROTOCOL;
    r->memory = map(fd);
    return r->memory ? 0 : -ERR_SYSTEM;
}

void ring_close(struct ring *r)
{
    if (r->memory)
        munmap(r->memory, sizeof(*r->memory));
    *r = (struct ring){NULL, 0};
}

/* What reaches over the end continues at the beginning. */
static size_t before_end(uint32_t at, size_t len)
{
    size_t left = RING_BYTES - (at & MASK);
    return len < left ? len : left;
}

bool ring_put(struct ring *r, const void *data, size_t len)
{
    if (!r->memory)
        return false;
    uint32_t used = r->at - atomic_load_explicit(&r->memory->taken, memory_order_acquire);
    if (used > RING_BYTES || len > RING_BYTES - used)
        return false;
    size_t first = before_end(r->at, len);
    memcpy(r->memory->data + (r->at & MASK), data, first);
    memcpy(r->memory->data, (const char *)data + first, len - first);
    r->at += (uint32_t)len;
    atomic_store_explicit(&r->memory->written, r->at, memory_order_seq_cst);
    return true;
}

bool ring_wake(struct ring *r)
{
    return r->memory && atomic_exchange_explicit(&r->memory->asleep, 0, memory_order_seq_cst) != 0;
}

int ring_take(struct ring *r, void *buf)
{
    if (!r->memory)
        return 0;
    uint32_t waits = atomic_load_explicit(&r->memory->written, memory_order_acquire) - r->at;
    if (waits > RING_BYTES)
        return -ERR_PROTOCOL;
    if (waits == 0)
        return 0;
    size_t first = before_end(r->at, waits);
    memcpy(buf, r->memory->data + (r->at & MASK), first);
    memcpy((char *)buf + first, r->memory->data, waits - first);
    r->at += waits;
    atomic_store_explicit(&r->memory->taken, r->at, memory_order_release);
    return (int)waits;
}

bool ring_sleep(struct ring *r)
{
    if (!r->memory)
        return true;
    atomic_store_explicit(&r->memory->asleep, 1, memory_order_seq_cst);
    return atomic_load_explicit(&r->memory->written, memory_order_seq_cst) == r->at;
}

void ring_awake(struct ring *r)
{
    if (r->memory)
        atomic_store_explicit(&r->memory->asleep, 0, memory_order_relaxed);
}
