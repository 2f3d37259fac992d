/*
 * id.c - makes, reads and writes UUID version 7. Any thread; right after fork() too, since the
 * random bytes that a parent buffered are thrown away in its child.
 */
#include "id.h"

#include "clock.h"
#include "err.h"
#include "word.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

static _Atomic uint64_t last_key;
static _Atomic unsigned forks; /* of this process's line, as far as ids were made before them */

static void forked(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forked);
}

/* 8 random bytes from a buffer of the thread's own: one system call for 32 ids. */
static int random_u64(uint64_t *out)
{
    static _Thread_local struct {
        uint64_t word[32];
        unsigned left, forks;
    } pool;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
    if (pool.left == 0 || pool.forks != now) {
        pthread_once(&once, watch_forks);
        if (getrandom(pool.word, sizeof(pool.word), 0) != (ssize_t)sizeof(pool.word))
            return -ERR_SYSTEM;
        pool.left = 32;
        pool.forks = now;
    }
    *out = pool.word[--pool.left];
    pool.word[pool.left] = 0;
    return 0;
}

int id_new(struct id *out)
{
    uint64_t tail;
    if (random_u64(&tail) != 0)
        return -ERR_SYSTEM;
    uint64_t now = (uint64_t)(clock_wall_us() / US_PER_MS) << 12;
    uint64_t last = atomic_load_explicit(&last_key, memory_order_relaxed), key;
    do {
        key = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last_key, &last, key, memory_order_relaxed,
                                                    memory_order_relaxed));
    id_make(out, key, tail);
    return 0;
}

void id_floor(uint64_t key)
{
    uint64_t last = atomic_load_explicit(&last_key, memory_order_relaxed);
    while (last < key && !atomic_compare_exchange_weak_explicit(
                             &last_key, &last, key, memory_order_relaxed, memory_order_relaxed))
        ;
}

void id_make(struct id *out, uint64_t key, uint64_t tail)
{
    uint64_t ms = key >> 12;
    for (int i = 0; i < 6; i++)
        out->b[i] = (uint8_t)(ms >> (40 - 8 * i));
    out->b[6] = (uint8_t)(0x70 | ((key >> 8) & 0x0F));
    out->b[7] = (uint8_t)key;
    out->b[8] = (uint8_t)(0x80 | ((tail >> 56) & 0x3F));
    for (int i = 9; i < 16; i++)
        out->b[i] = (uint8_t)(tail >> (8 * (15 - i)));
}

uint64_t id_key(const struct id *id)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->b[i];
    return ms << 12 | (uint64_t)(id->b[6] & 0x0F) << 8 | id->b[7];
}

uint64_t id_tail(const struct id *id)
{
    uint64_t tail = id->b[8] & 0x3F;
    for (int i = 9; i < 16; i++)
        tail = tail << 8 | id->b[i];
    return tail;
}

int64_t id_time_us(const struct id *id)
{
    return (int64_t)(id_key(id) >> 12) * US_PER_MS;
}

/* Eight hex digits of either case, the first in x's lowest byte, as four bytes. */
static bool read_hex(uint8_t out[4], uint64_t x)
{
    if (x & WORD_HIGH)
        return false;
    uint64_t lower = x | WORD_ONES * 0x20;
    uint64_t digit = word_from(x, '0') & ~word_from(x, '9' + 1);
    uint64_t letter = word_from(lower, 'a') & ~word_from(lower, 'f' + 1);
    if (((digit | letter) & WORD_HIGH) != WORD_HIGH)
        return false;
    uint64_t value = (x & WORD_ONES * 0x0f) + ((letter & WORD_HIGH) >> 7) * 9;
    value = value << 4 | value >> 8; /* each second byte: its digit and the next */
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 16 * i);
    return true;
}

bool id_parse(struct id *out, const char *text, size_t len)
{
    static const uint8_t dashes[] = {8, 13, 18, 23};
    struct id id;
    if (len != ID_TEXT - 1)
        return false;
    for (size_t i = 0; i < sizeof(dashes); i++) {
        if (text[dashes[i]] != '-')
            return false;
    }
    char digits[32]; /* those between the dashes, together */
    memcpy(digits, text, 8);
    memcpy(digits + 8, text + 9, 4);
    memcpy(digits + 12, text + 14, 4);
    memcpy(digits + 16, text + 19, 4);
    memcpy(digits + 20, text + 24, 12);
    for (size_t i = 0; i < 4; i++) {
        if (!read_hex(id.b + 4 * i, word_at(digits + 8 * i)))
            return false;
    }
    if (id.b[6] >> 4 != 7 || id.b[8] >> 6 != 2)
        return false;
    *out = id;
    return true;
}

void id_format(const struct id *id, char out[ID_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t n = 0; n < 16; n++) {
        if (n == 4 || n == 6 || n == 8 || n == 10)
            out[at++] = '-';
        out[at++] = hex[id->b[n] >> 4];
        out[at++] = hex[id->b[n] & 15];
    }
    out[at] = '\0';
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool id_is_nil(const struct id *id)
{
    static const struct id nil;
    return id_equal(id, &nil);
}
