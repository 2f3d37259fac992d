/*
 * access.c - request ids and the access log. HTTP threads, each for its own request.
 */
#include "access.h"

#include "../../common/clock.h"
#include "../../common/log.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char id_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=@";

bool access_id_ok(const char *text)
{
    size_t len = strspn(text, id_bytes);
    return len > 0 && len <= REQUEST_ID_MAX && text[len] == 0;
}

static uint32_t prefix; /* of this run of the service */

static void choose_prefix(void)
{
    if (getrandom(&prefix, sizeof(prefix), 0) != (ssize_t)sizeof(prefix))
        prefix = (uint32_t)(clock_wall_us() / US_PER_MS);
}

void access_id_make(uint64_t n, char out[REQUEST_ID_MAX + 1])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_prefix);
    /* "%08x-%x", which each request pays for */
    static const char hex[] = "0123456789abcdef";
    int digits = 1;
    for (uint64_t rest = n >> 4; rest; rest >>= 4)
        digits++;
    for (int i = 0; i < 8; i++)
        out[i] = hex[prefix >> (28 - 4 * i) & 15];
    out[8] = '-';
    out[9 + digits] = 0;
    for (int i = digits; i > 0; n >>= 4)
        out[8 + i--] = hex[n & 15];
}

void access_address(const struct sockaddr *from, char out[ACCESS_ADDRESS_MAX])
{
    const void *address = NULL;
    out[0] = 0;
    if (from && from->sa_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)from)->sin_addr;
    else if (from && from->sa_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    if (address && !inet_ntop(from->sa_family, address, out, ACCESS_ADDRESS_MAX))
        out[0] = 0;
}

void access_log(const struct request *rq, const struct sockaddr *from)
{
    char path[LOG_VALUE_MAX + 1], remote[ACCESS_ADDRESS_MAX], status[12], bytes[24], seconds[32];
    int64_t took_us = clock_mono_us() - rq->began_us;
    size_t len = strcspn(rq->path, "?");
    snprintf(path, sizeof(path), "%.*s", (int)(len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX),
             rq->path);
    access_address(from, remote);
    snprintf(status, sizeof(status), "%d", rq->answered);
    snprintf(bytes, sizeof(bytes), "%zu", rq->answered ? rq->sent : 0);
    snprintf(seconds, sizeof(seconds), "%" PRId64 ".%06" PRId64, took_us / US_PER_S,
             took_us % US_PER_S);
    const struct log_field fields[] = {
        {.name = "method", .value = rq->method},
        {.name = "path", .value = path},
        {.name = "route", .value = rq->route ? rq->route->pattern : ""},
        {.name = "status", .value = status, .number = true},
        {.name = "bytes", .value = bytes, .number = true},
        {.name = "seconds", .value = seconds, .number = true},
        {.name = "request_id", .value = rq->request_id},
        {.name = "remote", .value = remote},
    };
    log_fields(LOG_INFO, "request", fields, sizeof(fields) / sizeof(fields[0]));
}
