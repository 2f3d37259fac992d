/*
 * address.c - addresses as bytes, and: may a webhook connect to this one? The ranges are those of
 * the IANA special-purpose registries (RFC 6890 and its successors) that are not public.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const refused[] = {
    /* IPv4 */
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    /* IPv6 */
    "::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

bool address_bytes(const struct sockaddr *a, uint8_t out[16])
{
    if (a && a->sa_family == AF_INET) {
        memcpy(out, mapped, sizeof(mapped));
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return true;
    }
    if (a && a->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
        return true;
    }
    return false;
}

bool address_is_v4(const uint8_t a[16])
{
    return memcmp(a, mapped, sizeof(mapped)) == 0;
}

static bool parse_range(const char *text, struct address_range *r)
{
    char host[64];
    struct in_addr v4;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    unsigned most = 128, least = 0;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        memcpy(r->bytes, mapped, sizeof(mapped));
        memcpy(r->bytes + 12, &v4, 4);
        most = 32;
        least = 96;
    } else if (inet_pton(AF_INET6, host, r->bytes) != 1) {
        return false;
    }
    r->bits = 128;
    if (slash) {
        char *end;
        unsigned long n = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || *end || n > most)
            return false;
        r->bits = (unsigned)n + least;
    }
    return true;
}

bool address_list_parse(struct address_list *l, const char *text)
{
    char copy[2048], *save = NULL;
    l->count = 0;
    if (strlen(text) >= sizeof(copy))
        return false;
    memcpy(copy, text, strlen(text) + 1);
    for (char *w = strtok_r(copy, ", \t", &save); w; w = strtok_r(NULL, ", \t", &save)) {
        if (l->count == ADDRESS_RANGES_MAX || !parse_range(w, &l->range[l->count]))
            return false;
        l->count++;
    }
    return true;
}

static bool in_range(const uint8_t a[16], const struct address_range *r)
{
    unsigned whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(a, r->bytes, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ r->bytes[whole]) >> (8 - rest) == 0;
}

static bool is_refused(const uint8_t a[16])
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct address_range r;
        if (parse_range(refused[i], &r) && in_range(a, &r))
            return true;
    }
    return false;
}

bool address_allowed(const struct sockaddr *sa, const struct address_list *l)
{
    uint8_t a[16];
    if (!address_bytes(sa, a))
        return false;
    for (size_t i = 0; i < l->count; i++) {
        if (in_range(a, &l->range[i]))
            return true;
    }
    if (memcmp(a, nat64, sizeof(nat64)) == 0) /* what it stands for counts */
        memcpy(a, mapped, sizeof(mapped));
    return !is_refused(a);
}
