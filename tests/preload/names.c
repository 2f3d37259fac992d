/*
 * names.c - a name service that never answers: preloaded, it keeps whoever asks for a name that
 * ends with ".silent", and adds a byte to the file JOBMILL_NAMES for each that was asked for.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    static const char silent[] = ".silent";
    size_t len = name ? strlen(name) : 0, end = sizeof(silent) - 1;
    if (len >= end && strcmp(name + len - end, silent) == 0) {
        const char *path = getenv("JOBMILL_NAMES");
        int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
        if (fd < 0 || write(fd, "x", 1) != 1)
            abort();
        close(fd);
        for (;;)
            pause();
    }
    __typeof__(&getaddrinfo) next = NULL;
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&next, &found, sizeof(next));
    return next ? next(name, service, hints, out) : EAI_SYSTEM;
}
