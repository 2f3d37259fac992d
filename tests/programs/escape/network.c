/*
 * network.c - sockets of every family.
 */
#include "escape.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool made(int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool connect_service(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)target.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

bool inet(void)
{
    return made(AF_INET, SOCK_STREAM) || made(AF_INET, SOCK_DGRAM);
}

bool inet6(void)
{
    return made(AF_INET6, SOCK_DGRAM);
}

bool raw(void)
{
    return made(AF_INET, SOCK_RAW) || made(AF_PACKET, SOCK_RAW);
}

bool rare_families(void)
{
    return made(AF_VSOCK, SOCK_STREAM) || made(AF_ALG, SOCK_SEQPACKET) ||
           made(AF_NETLINK, SOCK_RAW);
}

bool unix_socket(void)
{
    return made(AF_UNIX, SOCK_STREAM);
}

bool abstract_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(target.abstract);
    memcpy(a.sun_path + 1, target.abstract, n);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0 &&
           connect(fd, (struct sockaddr *)&a, (socklen_t)(sizeof(sa_family_t) + 1 + n)) == 0;
}
