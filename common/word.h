/*
 * word.h - eight bytes of a text at a time: which of them are below a value, or are one. Plain arithmetic on what the
 * caller read; any thread.
 *
 * Each returns a word with the high bit of a byte set where it holds; the other bits are anything, so what is looked at
 * is `& WORD_HIGH`. A borrow can mark a byte wrongly only behind one that is marked rightly, so the first mark is true,
 * and so is that there is none (Bit Twiddling Hacks, "Determine if a word has a byte less than n").
 */
#ifndef JOBMILL_COMMON_WORD_H
#define JOBMILL_COMMON_WORD_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_HIGH (WORD_ONES << 7)

/* The next eight bytes at p, the first of them in the lowest bits. */
static inline uint64_t word_at(const void *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return le64toh(x);
}

/* Bytes below n, which is at most 0x80. */
static inline uint64_t word_below(uint64_t x, unsigned n)
{
    return (x - WORD_ONES * n) & ~x;
}

/* Bytes of at least n, 1 to 0x80: true of each byte, if none of them has its high bit. */
static inline uint64_t word_from(uint64_t x, unsigned n)
{
    return x + WORD_ONES * (0x80 - n);
}

static inline uint64_t word_equal(uint64_t x, unsigned char c)
{
    return word_below(x ^ WORD_ONES * c, 1);
}

#endif
