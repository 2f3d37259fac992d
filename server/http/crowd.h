/*
 * crowd.h - how many connections each address has (max_connections_per_ip). Any thread.
 */
#ifndef JOBMILL_HTTP_CROWD_H
#define JOBMILL_HTTP_CROWD_H

#include <stdbool.h>
#include <sys/socket.h>

struct crowd;

int crowd_start(long limit); /* 0: none. 0 or -ERR_SYSTEM (errno) */
bool crowd_full(const struct sockaddr *from);
/* Counts a connection; NULL: it is not counted (no limit, no IP address, no memory). */
struct crowd *crowd_enter(const struct sockaddr *from);
void crowd_leave(struct crowd *c); /* once for each that was entered; NULL is legal */

#endif
