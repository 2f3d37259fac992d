/*
 * access.h - the name of a request, and its line in the log.
 */
#ifndef JOBMILL_HTTP_ACCESS_H
#define JOBMILL_HTTP_ACCESS_H

#include "request.h"

#include <stdbool.h>

struct sockaddr;

#define ACCESS_ADDRESS_MAX 46 /* of an address as text, with its zero */

/* May this stand in headers, documents and logs as it came? 1..REQUEST_ID_MAX of A-Z a-z 0-9 - _ . : / + = @ */
bool access_id_ok(const char *text);
/* A name for the service's n-th request: the same for no other, also not after a restart. */
void access_id_make(uint64_t n, char out[REQUEST_ID_MAX + 1]);

/* The client's address as text; "": not known. */
void access_address(const struct sockaddr *from, char out[ACCESS_ADDRESS_MAX]);
/* A record in the log: what was asked, by whom, and what came of it; never the query, which may hold
 * secrets. `from` may be NULL. */
void access_log(const struct request *rq, const struct sockaddr *from);

#endif
