/*
 * id.h - job ids: UUID version 7 (RFC 9562, section 5.7 and the fixed-length counter of 6.2).
 *
 * Layout as made here: 48 bits of Unix milliseconds, version, a 12-bit counter (rand_a), variant,
 * 62 random bits. (milliseconds << 12 | counter) is the id's `key`: 60 bits, unique within one
 * store and growing, so that the store can use it as its integer primary key.
 */
#ifndef JOBMILL_COMMON_ID_H
#define JOBMILL_COMMON_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id {
    uint8_t b[16]; /* network order */
};

#define ID_TEXT 37 /* 36 characters and the terminating zero */

/* Makes a new id from the wall clock; never returns a key twice nor a smaller one than before, also
 * when the clock steps back. Any thread. 0, or -ERR_SYSTEM when the kernel gives no random bytes. */
int id_new(struct id *out);

/* Ids made from now on have keys above `key`. Called at start with the store's largest key. */
void id_floor(uint64_t key);

uint64_t id_key(const struct id *id);
uint64_t id_tail(const struct id *id);                       /* the 62 random bits */
void id_make(struct id *out, uint64_t key, uint64_t tail);   /* the inverse of the two above */
int64_t id_time_us(const struct id *id);                     /* its milliseconds, in microseconds */

bool id_parse(struct id *out, const char *text, size_t len); /* false: not a version 7 UUID; takes either case */
void id_format(const struct id *id, char out[ID_TEXT]);      /* lower case */
bool id_equal(const struct id *a, const struct id *b);
bool id_is_nil(const struct id *id);

#endif
