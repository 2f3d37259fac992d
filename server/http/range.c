/* range.c - the Range header: "bytes=FIRST-LAST", "bytes=FIRST-", "bytes=-SUFFIX". Any thread. */
#include "range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Digits -> *out, which stops at its greatest value; false: there are none. */
static bool number(const char **at, uint64_t *out)
{
    const char *p = *at;
    *out = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
    }
    bool any = p != *at;
    *at = p;
    return any;
}

enum range range_parse(const char *text, uint64_t size, uint64_t *from, uint64_t *len)
{
    uint64_t first = 0, last = 0;
    if (!text || strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    const char *p = text + 6;
    p += strspn(p, " \t");
    bool has_first = number(&p, &first);
    if (*p++ != '-')
        return RANGE_WHOLE;
    bool has_last = number(&p, &last);
    p += strspn(p, " \t");
    if (*p || (!has_first && !has_last) || (has_first && has_last && last < first))
        return RANGE_WHOLE;
    if (!has_first) {
        if (last == 0 || size == 0)
            return RANGE_NOWHERE;
        *len = last < size ? last : size;
        *from = size - *len;
        return RANGE_PIECE;
    }
    if (first >= size)
        return RANGE_NOWHERE;
    *from = first;
    *len = has_last && last < size ? last - first + 1 : size - first;
    return RANGE_PIECE;
}
