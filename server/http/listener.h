/*
 * listener.h - "127.0.0.1:8080" -> a socket that listens there.
 */
#ifndef JOBMILL_HTTP_LISTENER_H
#define JOBMILL_HTTP_LISTENER_H

#include <stddef.h>
#include <stdint.h>

/* `host` gets the address as it was written, *port the port that was bound. The descriptor (the
 * caller's, not blocking), -ERR_CONFIG: not an address; -ERR_SYSTEM (errno). */
int listener_open(const char *address, char *host, size_t host_len, uint16_t *port);

#endif
