/* sandbox.c - what keeps a job's program from all that is not its own. Single-threaded processes.
 */
#include "sandbox.h"

#include "filter.h"
#include "landlock.h"
#include "limits.h"
#include "workdir.h"

#include "../common/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What programs of a system need to run at all. */
static const char *const system_paths[] = {
    "/usr",   "/bin",    "/sbin", "/lib",  "/lib32",
    "/lib64", "/libx32", "/etc",  "/proc", "/sys/devices/system/cpu"};
static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                      "/dev/urandom"};
#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define ABOVE_PROGRAMS 16 /* child.c moves no descriptor there */

static const struct taskdefs *defs;              /* of this worker */
static struct filter filters[2][FILTER_SOCKETS]; /* [all calls?][sockets], made when first needed */

/* ---- what is to be had ---- */

/* Does a process do `entering` and end well? */
static bool works(int (*entering)(const struct namespace_wish *w), const struct namespace_wish *w,
                  uint32_t uid, uint32_t gid, bool own_user)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int err = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
        if (!err && own_user)
            err = namespace_user(uid, gid);
        if (!err && entering)
            err = entering(w);
        if (!err)
            err = namespace_drop();
        _exit(err ? 1 : 0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void sandbox_probe(struct machine *m, uint32_t uid, uint32_t gid)
{
    struct namespace_wish w = {.dir = workdir_base()};
    *m = (struct machine){.probed = true};
    m->seccomp = filter_works();
    m->landlock = landlock_version();
    m->own_user = geteuid() == 0 && uid != 0 && works(NULL, NULL, uid, gid, true);
    namespace_maps(&w, m->own_user ? uid : geteuid(), m->own_user ? gid : getegid());
    m->user_namespace = works(namespace_enter, &w, uid, gid, m->own_user);
    w.all = true;
    m->namespaces = m->user_namespace && works(namespace_enter, &w, uid, gid, m->own_user);
    const char *why = !m->seccomp          ? "the kernel has no seccomp filters"
                      : !m->landlock       ? "the kernel has no Landlock, or it is switched off"
                      : !m->user_namespace ? "user namespaces are not allowed here"
                      : !m->namespaces     ? "pid, mount or network namespaces are not allowed here"
                                           : "";
    snprintf(m->why, sizeof(m->why), "%s", why);
}

/* ---- before fork ---- */

static const struct filter *filter_for(const struct taskdef *def, bool module, int *err)
{
    bool calls = def->sandbox != SANDBOX_NONE;
    enum filter_sockets sockets = def->network                     ? FILTER_SOCKETS_INET
                                  : def->sandbox == SANDBOX_STRICT ? FILTER_SOCKETS_NONE
                                                                   : FILTER_SOCKETS_LOCAL;
    if (!calls && (def->network || module))
        return NULL;
    struct filter *f = &filters[calls][sockets];
    if (!f->code)
        *err = filter_make(f, sockets, calls, defs->machine.landlock < 3);
    return *err ? NULL : f;
}

static int allow(int list, const char *path, enum landlock_grant what, char *const *hidden)
{
    return landlock_allow(list, defs->machine.landlock, path, what, hidden);
}

/* The words of a command that are paths: its program, its script. */
static int allow_words(int list, const struct taskdef *def)
{
    int err = 0;
    for (char *const *w = def->argv; w && *w && !err; w++) {
        if ((*w)[0] == '/' && !strchr(*w, '{') && strcmp(*w, "/") != 0)
            err = allow(list, *w, GRANT_READ, defs->hidden);
    }
    return err;
}

/* basic: all that the user may read, but what is hidden, the devices, and what other jobs have. */
static int allow_system(int list, const struct taskdef *def)
{
    size_t n = 0;
    int err = 0;
    if (def->sandbox == SANDBOX_STRICT) {
        for (size_t i = 0; i < COUNT(system_paths) && !err; i++)
            err = allow(list, system_paths[i], GRANT_READ, defs->hidden);
        return err;
    }
    char base[PATH_MAX];
    while (defs->hidden && defs->hidden[n])
        n++;
    char **hidden = calloc(n + 3, sizeof(*hidden));
    if (!hidden)
        return ENOMEM;
    if (n)
        memcpy(hidden, defs->hidden, n * sizeof(*hidden));
    hidden[n++] = (char *)(uintptr_t) "/dev";
    if (realpath(workdir_base(), base))
        hidden[n] = base;
    err = allow(list, "/", GRANT_READ, hidden);
    free(hidden);
    return err;
}

static int make_list(const struct taskdef *def, const char *dir, int *out)
{
    AUTO_FD made = landlock_new(defs->machine.landlock, def->network);
    /* a program is given its descriptors before the list is entered: it must be none of those */
    int list = made < 0 ? -1 : fcntl(made, F_DUPFD_CLOEXEC, ABOVE_PROGRAMS);
    if (list < 0)
        return errno;
    int err = allow_system(list, def);
    if (!err)
        err = allow_words(list, def);
    for (size_t i = 0; i < COUNT(devices) && !err; i++)
        err = allow(list, devices[i], GRANT_DEVICE, NULL);
    for (char **p = def->read; p && *p && !err; p++)
        err = allow(list, *p, GRANT_READ, defs->hidden);
    for (char **p = def->write; p && *p && !err; p++)
        err = allow(list, *p, GRANT_WRITE, defs->hidden);
    if (!err && dir)
        err = allow(list, dir, GRANT_WRITE, NULL);
    if (err)
        close(list);
    else
        *out = list;
    return err;
}

/* The job's directory is the program's user's. */
static int give_directory(const char *dir)
{
    AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || fchown(fd, defs->sandbox_uid, defs->sandbox_gid) < 0 ? errno : 0;
}

int sandbox_prepare(struct sandbox *s, const struct taskdef *def, const char *dir)
{
    const struct machine *m = &defs->machine;
    int err = 0;
    *s = (struct sandbox){.def = def, .list = -1, .cgroups = m->cgroup};
    s->filter = filter_for(def, false, &err);
    if (err || def->sandbox == SANDBOX_NONE)
        return err;
    s->own_user = m->own_user;
    s->user_namespace = def->sandbox == SANDBOX_STRICT || (def->processes && m->user_namespace);
    s->wish.all = def->sandbox == SANDBOX_STRICT;
    s->wish.network = def->network;
    s->wish.dir = dir;
    s->wish.write = def->write;
    namespace_maps(&s->wish, m->own_user ? defs->sandbox_uid : geteuid(),
                   m->own_user ? defs->sandbox_gid : getegid());
    if (s->own_user)
        err = give_directory(dir);
    return err ? err : make_list(def, dir, &s->list);
}

void sandbox_release(struct sandbox *s)
{
    fd_close(&s->list);
}

/* ---- after fork ---- */

/* The relay and the first process of the namespace count too. */
uint32_t sandbox_processes(const struct sandbox *s)
{
    return s->def->processes ? s->def->processes + (s->wish.all ? 2 : 0) : 0;
}

bool sandbox_is_plain(const struct sandbox *s)
{
    return !s->own_user && !s->user_namespace;
}

int sandbox_enter(const struct sandbox *s)
{
    int err = 0;
    if (s->own_user)
        err = namespace_user(defs->sandbox_uid, defs->sandbox_gid);
    if (!err && s->user_namespace)
        err = namespace_enter(&s->wish);
    if (!err && s->def->sandbox != SANDBOX_NONE)
        err = namespace_drop();
    if (!err && s->wish.all) /* a new /proc is another file system than the old one */
        err = landlock_allow_here(s->list, defs->machine.landlock, "/proc", GRANT_READ);
    /* without a user namespace the user's other processes would count too: the cgroup does better
     */
    bool counted = s->cgroups[0] && !s->user_namespace;
    if (!err)
        err = limits_program(s->def, counted ? 0 : sandbox_processes(s));
    if (!err && s->list >= 0 && landlock_enter(s->list) < 0)
        err = errno;
    if (!err && s->filter && filter_enter(s->filter) < 0)
        err = errno;
    return err;
}

/* ---- modules ---- */

int sandbox_worker(const struct taskdefs *d, uint32_t pool)
{
    const struct taskdef *def = NULL;
    int list = -1, err = 0;
    defs = d;
    for (uint32_t i = 0; i < d->tasks && !def; i++) {
        if (d->task[i].pool == pool && d->task[i].kind == TASK_MODULE &&
            d->task[i].sandbox != SANDBOX_NONE)
            def = &d->task[i]; /* all tasks of this pool ask for the same: the settings see to it */
    }
    if (!def)
        return 0;
    const struct filter *f = filter_for(def, true, &err);
    if (!err)
        err = make_list(def, NULL, &list);
    if (!err && prctl(PR_SET_DUMPABLE, 0) < 0)
        err = errno;
    if (!err)
        err = namespace_drop();
    if (!err && landlock_enter(list) < 0)
        err = errno;
    fd_close(&list);
    if (!err && f && filter_enter(f) < 0)
        err = errno;
    return err;
}
