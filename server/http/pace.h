/*
 * pace.h - how often a client may ask: a token bucket for each. Any thread.
 *
 * A client is the name of its token, else its address: of IPv6 the network of 64 bits, but for IPv4 in
 * the form of IPv6. Of the many that may come, those that asked last are remembered; whoever is
 * forgotten begins anew with a full bucket, so forgetting only errs to the client's favour.
 */
#ifndef JOBMILL_HTTP_PACE_H
#define JOBMILL_HTTP_PACE_H

#include <stdint.h>

struct sockaddr;

/* rate: requests a second, 0: no limit; burst: so many at once. 0, -ERR_NOMEM, -ERR_SYSTEM. */
int pace_start(double rate, double burst);
void pace_stop(void);

/* `owner`: the token's name; "" or NULL: by `from`, which may be NULL (nobody is held up then).
 * 0: it may, and one request is taken; else microseconds until it may. now_us: mono. */
int64_t pace_ask(const char *owner, const struct sockaddr *from, int64_t now_us);

#endif
