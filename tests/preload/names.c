/*
 * names.c - a name service of the test's: preloaded, it keeps whoever asks for a name that ends
 * with ".silent", and adds a byte to the file JOBMILL_NAMES for each that was asked for. One that
 * ends with ".two" has two addresses, 127.0.0.2 and then 127.0.0.1.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *name, const char *end)
{
    size_t len = name ? strlen(name) : 0, n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

static void be_silent(void)
{
    const char *path = getenv("JOBMILL_NAMES");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd < 0 || write(fd, "x", 1) != 1)
        abort();
    close(fd);
    for (;;)
        pause();
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    __typeof__(&getaddrinfo) next = NULL;
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&next, &found, sizeof(next));
    if (ends_with(name, ".silent"))
        be_silent();
    if (!ends_with(name, ".two"))
        return next(name, service, hints, out);
    int err = next("127.0.0.2", service, hints, out);
    struct addrinfo **end = out;
    while (!err && *end)
        end = &(*end)->ai_next;
    return err ? err : next("127.0.0.1", service, hints, end);
}
