/* cgroup.c - cgroup v2, where it is delegated. Single-threaded processes, but for the quota. */
#include "cgroup.h"

#include "../common/fdio.h"
#include "../common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SERVICE    "jobmill"
#define WANTED     "+memory +pids"
#define UNWANTED   "-memory -pids"
#define TEXT_MAX   65536 /* bytes of a file of /proc that are looked at */
#define REMOVE_MS  20    /* what was killed may be about to end */
#define PROCESSES  "cgroup.procs"
#define SUBTREE    "cgroup.subtree_control"
#define DIGITS     "0123456789"
#define CONTROLLED "cgroup.controllers"

static char set_up[CGROUP_PATH]; /* by this process; "": it was not */

/* ---- files ---- */

static bool join(char out[PATH_MAX], const char *dir, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* What is in a small file, ended by a zero. False: it cannot be read. */
static bool read_text(const char *dir, const char *name, char *out, size_t size)
{
    char path[PATH_MAX];
    size_t len = 0;
    ssize_t n = -1;
    AUTO_FD fd = join(path, dir, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    while (fd >= 0 && len < size - 1 && (n = read(fd, out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    return fd >= 0 && n >= 0;
}

/* One write, as these files want it. 0, or an errno. */
static int write_text(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    AUTO_FD fd = join(path, dir, name) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; *(at += strspn(at, " \n")); at += strcspn(at, " \n")) {
        if (strcspn(at, " \n") == len && memcmp(at, word, len) == 0)
            return true;
    }
    return false;
}

/* ---- the own one ---- */

/* The n-th field of a line of /proc/self/mounts, from 0. */
static const char *field(const char *line, int n, size_t *len)
{
    while (n-- > 0 && *line != '\n' && *line) {
        line += strcspn(line, " \n");
        line += *line == ' ';
    }
    *len = strcspn(line, " \n");
    return line;
}

bool cgroup_find(const char *mounts, const char *self, char own[CGROUP_PATH])
{
    const char *at = NULL, *later = strstr(self, "\n0::/");
    const char *path = strncmp(self, "0::/", 4) == 0 ? self + 3 : later ? later + 4 : NULL;
    size_t at_len = 0, type_len;
    for (const char *line = mounts; *line && !at; line += line[strcspn(line, "\n")] == '\n') {
        const char *type = field(line, 2, &type_len);
        if (type_len == strlen("cgroup2") && memcmp(type, "cgroup2", type_len) == 0)
            at = field(line, 1, &at_len);
        line += strcspn(line, "\n");
    }
    if (!at || !path)
        return false;
    size_t len = strcspn(path, "\n");
    if (len >= 3 && memcmp(path, "/..", 3) == 0)
        return false; /* it is above what is mounted here */
    len -= len == 1;
    return snprintf(own, CGROUP_PATH, "%.*s%.*s", (int)at_len, at, (int)len, path) < CGROUP_PATH;
}

/* "QUOTA PERIOD", in microseconds, or "max PERIOD". */
static unsigned cpus_of(const char *text)
{
    char *rest;
    unsigned long long quota = strtoull(text, &rest, 10), period = strtoull(rest, NULL, 10);
    if (rest == text || period == 0)
        return 0;
    unsigned long long cpus = quota / period + (quota % period > 0);
    return cpus < 1 ? 1 : cpus < UINT_MAX ? (unsigned)cpus : UINT_MAX;
}

unsigned cgroup_cpu_quota(const char *own)
{
    char dir[CGROUP_PATH], text[64];
    unsigned least = 0;
    snprintf(dir, sizeof(dir), "%s", own);
    for (char *end; (end = strrchr(dir, '/')); *end = '\0') {
        unsigned n = read_text(dir, "cpu.max", text, sizeof(text)) ? cpus_of(text) : 0;
        if (n > 0 && (least == 0 || n < least))
            least = n;
    }
    return least;
}

/* False: there is none. */
static bool find_own(char own[CGROUP_PATH])
{
    char *mounts = malloc(TEXT_MAX), *self = malloc(TEXT_MAX);
    bool found = mounts && self && read_text("/proc/self", "mounts", mounts, TEXT_MAX) &&
                 read_text("/proc/self", "cgroup", self, TEXT_MAX) &&
                 cgroup_find(mounts, self, own);
    free(mounts);
    free(self);
    return found;
}

unsigned cgroup_cpu_quota_here(void)
{
    char own[CGROUP_PATH];
    return find_own(own) ? cgroup_cpu_quota(own) : 0;
}

static bool enable(const char *own)
{
    char now[256];
    if (read_text(own, SUBTREE, now, sizeof(now)) && has_word(now, "memory") &&
        has_word(now, "pids"))
        return true;
    return write_text(own, SUBTREE, WANTED) == 0;
}

const char *cgroup_set_up(const char *own)
{
    char offered[256], service[PATH_MAX];
    if (!read_text(own, CONTROLLED, offered, sizeof(offered)) || !has_word(offered, "memory") ||
        !has_word(offered, "pids"))
        return "the service's cgroup has no controllers of memory and processes";
    if (!join(service, own, SERVICE) || (mkdir(service, 0755) < 0 && errno != EEXIST))
        return "the service's cgroup is not delegated to it";
    if (write_text(service, PROCESSES, "0") == 0) {
        if (enable(own)) {
            snprintf(set_up, sizeof(set_up), "%s", own);
            return NULL;
        }
        (void)write_text(own, PROCESSES, "0");
    }
    (void)rmdir(service);
    return "the service's cgroup is not delegated to it, or other processes are in it";
}

void cgroup_take_down(void)
{
    char service[PATH_MAX];
    if (!set_up[0])
        return;
    if (write_text(set_up, SUBTREE, UNWANTED) == 0 && write_text(set_up, PROCESSES, "0") == 0 &&
        join(service, set_up, SERVICE))
        (void)rmdir(service);
    set_up[0] = '\0';
}

const char *cgroup_begin(char own[CGROUP_PATH])
{
    const char *why = find_own(own) ? cgroup_set_up(own) : "there is no cgroup v2 here";
    if (why)
        own[0] = '\0';
    return why;
}

/* ---- a program's ---- */

static int limit(const char *path, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return value ? write_text(path, name, text) : 0;
}

int cgroup_make(struct cgroup *g, const char *own, uint64_t memory, uint32_t processes)
{
    static unsigned made;
    char file[PATH_MAX];
    *g = (struct cgroup){.enter_fd = -1};
    if (!own[0] || (!memory && !processes))
        return 0;
    int err = EEXIST; /* left behind by one that had this number before */
    while (err == EEXIST) {
        int len = snprintf(g->path, sizeof(g->path), "%s/" SERVICE "-%d-%u", own, getpid(), ++made);
        err = len >= (int)sizeof(g->path) ? ENAMETOOLONG : mkdir(g->path, 0755) < 0 ? errno : 0;
    }
    if (err) {
        g->path[0] = '\0';
        return err;
    }
    err = limit(g->path, "memory.max", memory);
    if (!err && memory) { /* where these are not there, the limit is less sharp */
        (void)write_text(g->path, "memory.swap.max", "0");
        (void)write_text(g->path, "memory.oom.group", "1");
    }
    if (!err)
        err = limit(g->path, "pids.max", processes);
    if (!err && join(file, g->path, PROCESSES))
        g->enter_fd = open(file, O_WRONLY | O_CLOEXEC);
    if (!err && g->enter_fd < 0)
        err = errno;
    if (err)
        cgroup_remove(g);
    return err;
}

int cgroup_enter(const struct cgroup *g)
{
    return g->enter_fd >= 0 && write(g->enter_fd, "0", 1) < 0 ? errno : 0;
}

bool cgroup_was_full(struct cgroup *g)
{
    char text[512];
    static const char name[] = "\noom_kill ";
    if (g->path[0] && read_text(g->path, "memory.events", text, sizeof(text))) {
        const char *at = strstr(text, name);
        g->was_full = at && at[sizeof(name) - 1] != '0';
    }
    return g->was_full;
}

void cgroup_remove(struct cgroup *g)
{
    fd_close(&g->enter_fd);
    if (!g->path[0])
        return;
    (void)cgroup_was_full(g);
    int ms = 0;
    while (rmdir(g->path) < 0 && errno == EBUSY && ms++ < REMOVE_MS)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    g->path[0] = '\0'; /* what is left now goes with the worker: cgroup_forget() */
}

/* The number of the worker whose program's it is; 0: it is no program's. */
static pid_t worker_of(const char *name)
{
    static const char begin[] = SERVICE "-";
    if (strncmp(name, begin, sizeof(begin) - 1) != 0)
        return 0;
    const char *at = name + sizeof(begin) - 1;
    size_t digits = strspn(at, DIGITS),
           more = at[digits] == '-' ? strspn(at + digits + 1, DIGITS) : 0;
    long pid = digits && more && !at[digits + 1 + more] ? strtol(at, NULL, 10) : 0;
    return pid <= INT_MAX ? (pid_t)pid : 0;
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

/* Those of this worker; 0: of all that are dead. */
static void remove_those(const char *own, pid_t worker)
{
    DIR *d = own[0] ? opendir(own) : NULL;
    if (!d)
        return;
    for (const struct dirent *e; (e = readdir(d));) {
        pid_t of = worker_of(e->d_name);
        if (!of || (worker ? of != worker : is_alive(of)))
            continue;
        if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0 && (worker || errno != EBUSY))
            log_warn("the cgroup %s cannot be removed: %s", e->d_name, strerror(errno));
    }
    closedir(d);
}

void cgroup_forget(const char *own, pid_t worker)
{
    remove_those(own, worker);
}

/* Another service may be in the same cgroup: those of its workers stay. So may one whose worker's
 * number somebody else has by now: cgroup_make() passes over it. */
void cgroup_sweep(const char *own)
{
    remove_those(own, 0);
}
