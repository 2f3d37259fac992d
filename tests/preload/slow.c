/*
 * slow.c - a file system that is slow at one thing: preloaded, it takes 20 ms to remove a file
 * whose name begins with "slow-", as long as the file JOBMILL_SLOW is there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int unlinkat(int dir, const char *name, int flags)
{
    const char *path = getenv("JOBMILL_SLOW");
    if (path && strncmp(name, "slow-", 5) == 0 && access(path, F_OK) == 0)
        (void)usleep(20000);
    return (int)syscall(SYS_unlinkat, dir, name, flags);
}
