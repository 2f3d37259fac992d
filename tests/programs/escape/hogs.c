/*
 * hogs.c - programs that take what they can, or leave something behind: none of these ends well.
 */
#include "escape.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* All of them live: how many there could be? */
static int many_processes(void)
{
    int n = 0;
    while (n < 5000) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            pause();
            _exit(0);
        }
        n++;
    }
    printf("%d\n", n);
    fflush(stdout);
    return 0; /* leaves them behind */
}

static _Noreturn int fork_bomb(void)
{
    for (;;)
        (void)!fork();
}

static int memory_bomb(void)
{
    for (;;) {
        char *p = malloc(1 << 20);
        if (!p)
            abort();
        memset(p, 1, 1 << 20);
    }
}

static int disk_filler(void)
{
    static char block[1 << 16];
    int fd = open("big", O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    return 1;
}

static int flood_of(int fd)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof(block));
    while (write(fd, block, sizeof(block)) > 0)
        ;
    return 1;
}

static int flood(void)
{
    return flood_of(1);
}

static int flood_messages(void)
{
    return flood_of(4);
}

static _Noreturn int spin(void)
{
    for (volatile unsigned n = 0;; n++)
        ;
}

static int many_files(void)
{
    int n = 0;
    while (n < 5000 && open("/dev/null", O_RDONLY) >= 0)
        n++;
    printf("%d\n", n);
    return 0;
}

/* Two forks and a session of its own; its number is the result. */
static int daemon_left(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        pid = fork();
        if (pid != 0)
            _exit(0);
        for (int i = 0; i < 5; i++)
            close(i);
        for (;;)
            sleep(600);
    }
    waitpid(pid, NULL, 0);
    puts("left");
    return 0;
}

static int symlink_result(void)
{
    return symlink(target.database, "out.bin");
}

static const struct {
    const char *name;
    int (*run)(void);
} hogs[] = {
    {"fork_bomb", fork_bomb},
    {"many_processes", many_processes},
    {"memory_bomb", memory_bomb},
    {"disk_filler", disk_filler},
    {"flood", flood},
    {"flood_messages", flood_messages},
    {"spin", spin},
    {"many_files", many_files},
    {"daemon", daemon_left},
    {"symlink_result", symlink_result},
};

int hog(const char *name)
{
    for (size_t i = 0; i < sizeof(hogs) / sizeof(hogs[0]); i++) {
        if (strcmp(hogs[i].name, name) == 0)
            return hogs[i].run();
    }
    return 64;
}
