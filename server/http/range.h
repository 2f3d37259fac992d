/*
 * range.h - Range (RFC 9110, section 14): the header's text -> one piece of so many bytes. Any thread.
 */
#ifndef JOBMILL_HTTP_RANGE_H
#define JOBMILL_HTTP_RANGE_H

#include <stdint.h>

/* RANGE_WHOLE: there is none that is to be heeded: another unit, several pieces, or no range at all.
 * RANGE_NOWHERE: none of the bytes that it wants are there. */
enum range { RANGE_WHOLE, RANGE_PIECE, RANGE_NOWHERE };

/* `text`: the header, or NULL. RANGE_PIECE: *from and *len > 0, within `size`. */
enum range range_parse(const char *text, uint64_t size, uint64_t *from, uint64_t *len);

#endif
