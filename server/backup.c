/*
 * backup.c - `jobmill backup FILE` and `jobmill recover FILE`: a temporary file beside FILE, the
 * store's copy or what is left of it in it, and then its name. A process of its own, one thread;
 * see backup.h.
 */
#include "backup.h"

#include "../common/buf.h"
#include "../common/err.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_UNAVAILABLE = 69, EXIT_CANTCREAT = 73, EXIT_IO = 74, EXIT_CONFIG = 78 };

/* The temporary file, for the handler of signals; empty: there is none. */
static char temporary[4096];
static char journal[4096 + 16]; /* SQLite's, beside it */

static void remove_temporary(void)
{
    if (!temporary[0])
        return;
    unlink(temporary);
    unlink(journal);
}

static void leave(int sig)
{
    remove_temporary();
    _exit(128 + sig);
}

static void clean_when_ended(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = leave};
    sigfillset(&act.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &act, NULL);
}

static int say(int status, const char *what, const char *file)
{
    fprintf(stderr, "jobmill: cannot %s %s: %s\n", what, file, strerror(errno));
    return status;
}

static int make_temporary(const char *file)
{
    struct stat st;
    if (lstat(file, &st) == 0) {
        fprintf(stderr, "jobmill: %s is there already, and nothing is overwritten\n", file);
        return EXIT_CANTCREAT;
    }
    if (snprintf(temporary, sizeof(temporary), "%s.part-XXXXXX", file) >= (int)sizeof(temporary)) {
        temporary[0] = '\0';
        fprintf(stderr, "jobmill: the file's name is too long\n");
        return EXIT_CANTCREAT;
    }
    sigset_t all, was; /* the handler must not see the name before the file has it */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &was);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600; SQLite takes an empty file */
    int error = errno;
    snprintf(journal, sizeof(journal), "%s-journal", temporary);
    if (fd < 0)
        temporary[0] = '\0';
    sigprocmask(SIG_SETMASK, &was, NULL);
    errno = error;
    if (fd < 0)
        return say(EXIT_CANTCREAT, "make", file);
    close(fd);
    return 0;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd), was = errno;
    close(fd);
    errno = was;
    return rc;
}

/* Gives the copy its name, never over another file, and makes that certain. */
static int publish(const char *file)
{
    char dir[4096];
    if (sync_path(temporary, O_RDWR) != 0)
        return say(EXIT_IO, "sync", temporary);
    int rc = renameat2(AT_FDCWD, temporary, AT_FDCWD, file, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) { /* not every file system can */
        rc = link(temporary, file);
        if (rc == 0)
            unlink(temporary);
    }
    if (rc != 0)
        return say(EXIT_CANTCREAT, "make", file);
    temporary[0] = '\0';
    snprintf(dir, sizeof(dir), "%s", file);
    if (sync_path(dirname(dir), O_RDONLY | O_DIRECTORY) != 0)
        return say(EXIT_IO, "sync the directory of", file);
    return 0;
}

static int copy(const char *data_dir, char *told, size_t size, struct buf *why)
{
    struct store_copy c;
    int err = store_copy(data_dir, temporary, &c, why);
    snprintf(told, size, "%lld jobs, schema version %d", (long long)c.jobs, c.version);
    return err;
}

static int salvage(const char *data_dir, char *told, size_t size, struct buf *why)
{
    struct store_salvage c;
    int err = store_salvage(data_dir, temporary, &c, why);
    snprintf(told, size, "%lld jobs, %llu rows, schema version %d; %s, %llu rows were left out",
             (long long)c.jobs, (unsigned long long)c.rows, c.version,
             c.damaged ? "parts of the store could not be read" : "all pages could be read",
             (unsigned long long)c.bad_rows);
    return err;
}

static int run(const char *data_dir, const char *file,
               int (*make)(const char *data_dir, char *told, size_t size, struct buf *why))
{
    AUTO_BUF why = BUF_INIT;
    char told[200];
    struct stat st;
    clean_when_ended();
    int status = make_temporary(file);
    if (status)
        return status;
    int err = make(data_dir, told, sizeof(told), &why);
    if (err) {
        fprintf(stderr, "jobmill: %s\n", why.data ? why.data : err_sentence(err));
        status = err == -ERR_STORE_FULL    ? EXIT_IO
                 : err == -ERR_STORE_NEWER ? EXIT_CONFIG
                                           : EXIT_UNAVAILABLE;
    } else {
        status = publish(file);
    }
    remove_temporary();
    if (status == 0 && stat(file, &st) == 0)
        printf("%s: %s, %lld bytes\n", file, told, (long long)st.st_size);
    return status;
}

int backup_run(const char *data_dir, const char *file)
{
    return run(data_dir, file, copy);
}

int recover_run(const char *data_dir, const char *file)
{
    return run(data_dir, file, salvage);
}
