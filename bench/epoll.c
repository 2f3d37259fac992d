/*
 * epoll.c - for floors.c: libmicrohttpd never gets as many events at a time as it has room for.
 *
 * Its own threads take up to 128 events a call. When they get exactly that many, version 0.9.75
 * calls again for the rest, and with the same timeout: if there is no rest, all 128 connections
 * wait for a stranger's event or the first timeout, as their own events are already taken. One
 * fewer, and the rest is taken in the next round, after these were served. The executable's
 * definition of this name comes before the C library's for every shared library in the process.
 */
#include <signal.h>
#include <sys/epoll.h>

#define FULL 128 /* MAX_EVENTS of the library's epoll loop */

int epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout_ms)
{
    return epoll_pwait(epoll_fd, events, room == FULL ? FULL - 1 : room, timeout_ms, NULL);
}
