/* fuzz_conf.c - libFuzzer: any text as a configuration file: read, or refused with a reason. */
#include "../../server/conf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[64];
    int fd = memfd_create("conf", 0);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    char *argv[] = {(char *)"serve", (char *)"--config", path, NULL};
    struct conf c;
    struct buf why = BUF_INIT;
    int err = conf_load(&c, 3, argv, &why);
    if (err == 0)
        conf_release(&c);
    else if (why.len == 0)
        abort(); /* a refusal without a reason */
    buf_release(&why);
    close(fd);
    return 0;
}
