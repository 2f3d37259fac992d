/*
 * main.c - a hostile program: tries to get out of its sandbox. Each attempt is a process of its own
 * and prints a line, "refused NAME: why" or "ESCAPED NAME". Others hog what they can, by name.
 *
 * escape quiet LEVEL ALL SERVICE_PID PORT DATABASE CONFIG ABSTRACT SECRET
 *     LEVEL: 0 none: what is safe to try; 1 basic, 2 strict. ALL: 1: the kernel scopes signals and
 *     abstract sockets.
 * escape NAME [DATABASE]     one of the hogs
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct target target;

bool opened(const char *path, int flags)
{
    int fd = open(path, flags, 0666);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool of_service(const char *file, int flags)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)target.service, file);
    return opened(path, flags);
}

enum level { OPEN, BASIC, STRICT, SCOPED };

static const struct {
    enum level level;
    const char *name;
    bool (*attempt)(void);
} attempts[] = {
#define TRY(level, name) {level, #name, name},
#include "attempts.def"
#undef TRY
};

static void try_one(const char *name, bool (*attempt)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        errno = 0;
        bool out = attempt();
        printf(out ? "ESCAPED %s\n" : "refused %s: %s\n", name, strerror(errno));
        fflush(stdout);
        _exit(0);
    }
    int status;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        printf("refused %s: killed by %s\n", name, strsignal(WTERMSIG(status)));
    if (pid < 0)
        printf("no process for %s: %s\n", name, strerror(errno));
}

static int quiet(int level, bool scoped)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        enum level least = attempts[i].level;
        if (least == SCOPED)
            least = scoped ? BASIC : STRICT;
        if ((int)least <= level)
            try_one(attempts[i].name, attempts[i].attempt);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 10 && strcmp(argv[1], "quiet") == 0) {
        target = (struct target){.service = atoi(argv[4]),
                                 .port = atoi(argv[5]),
                                 .database = argv[6],
                                 .config = argv[7],
                                 .abstract = argv[8],
                                 .secret = argv[9]};
        return quiet(atoi(argv[2]), atoi(argv[3]) != 0);
    }
    target.database = argc > 2 ? argv[2] : "";
    return hog(argc > 1 ? argv[1] : "");
}
