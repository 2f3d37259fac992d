/*
 * audit.h - a record in the log for every act of control, and for every caller who was refused.
 */
#ifndef JOBMILL_HTTP_AUDIT_H
#define JOBMILL_HTTP_AUDIT_H

#include "access.h"
#include "request.h"

#include "../../common/log.h"

struct sockaddr;

/* Once, when the request is over: writes the record, if there is to be one. `from`: NULL is legal.
 * Refusals beyond AUDIT_REFUSALS in a second are counted, and told with the next. HTTP threads. */
#define AUDIT_REFUSALS 20
void audit_request(const struct request *rq, const struct sockaddr *from);

/* The newest of them are kept in memory, too; those of strangers, who could push out the others, are not. */
#define AUDIT_KEPT 200
struct audit_record {
    int64_t wall_us;
    char act[16], who[TOKEN_NAME_MAX + 1], what[LOG_VALUE_MAX + 1], result[32];
    char request_id[REQUEST_ID_MAX + 1], remote[ACCESS_ADDRESS_MAX];
    int status; /* 0: the client had left */
    bool of_many;
    size_t changed; /* of many: how many jobs */
};
/* Newest first; `with` must not call back. Any thread. */
void audit_each(void (*with)(const struct audit_record *r, void *arg), void *arg);

#endif
