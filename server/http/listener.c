/*
 * listener.c - opens a listening socket. It is ours, not the library's, so that its port can be 0
 * and be told, and so that it can be of either address family. Any thread.
 */
#include "listener.h"

#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../conf.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#define BACKLOG 1024

/* Bytes that the kernel takes of an answer beyond what is on its way: a client that does not read
 * costs it so much and the service the work for it, not some megabytes, and one that reads notices
 * nothing. Connections have it from their listener. A kernel that knows no such thing does without.
 */
#define UNSENT_MAX (128 * 1024)

static int open_address(const struct addrinfo *a)
{
    int on = 1, unsent = UNSENT_MAX;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    fd_close(&fd);
    return -1;
}

int listener_open(const char *address, char *host, size_t host_len, uint16_t *port)
{
    char service[8];
    uint16_t wanted;
    if (!conf_split_address(address, host, host_len, &wanted))
        return -ERR_CONFIG;
    snprintf(service, sizeof(service), "%u", wanted);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host[0] ? host : NULL, service, &hints, &found) != 0)
        return -ERR_CONFIG;
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = open_address(a);
    freeaddrinfo(found);
    if (fd < 0)
        return -ERR_SYSTEM;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(bound);
    if (getsockname(fd, &bound.any, &len) < 0) {
        fd_close(&fd);
        return -ERR_SYSTEM;
    }
    *port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return fd;
}
