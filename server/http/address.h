/*
 * address.h - addresses as bytes, and: may a webhook connect to this one? Pure; any thread.
 */
#ifndef JOBMILL_HTTP_ADDRESS_H
#define JOBMILL_HTTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_RANGES_MAX 32

struct address_range {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};
struct address_list {
    size_t count;
    struct address_range range[ADDRESS_RANGES_MAX];
};

/* The address as IPv6, IPv4 as ::ffff:a.b.c.d; false: NULL, or neither. */
bool address_bytes(const struct sockaddr *a, uint8_t out[16]);
bool address_is_v4(const uint8_t a[16]); /* of such bytes */

/* "10.0.0.0/8, ::1/128, 192.0.2.7"; false: not such a list. */
bool address_list_parse(struct address_list *l, const char *text);

/* Public addresses, and those that the list names. Loopback, private, link-local, shared, multicast,
 * documentation, reserved and such that embed one of these are refused. */
bool address_allowed(const struct sockaddr *a, const struct address_list *l);

#endif
