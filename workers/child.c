/*
 * child.c - starts a program. All that allocates is done before fork; between fork and exec only
 * async-signal-safe calls are made, and what fails there comes back through a close-on-exec pipe.
 *
 * Where nothing stands against it (lends), the child has the worker's memory until then (vfork), in
 * place of a copy of its page tables, which costs as much as all else that is done here. So it
 * writes to nothing but its own stack, and no handler of the worker's may run in it: signals are
 * blocked meanwhile.
 */
#include "child.h"

#include "../common/fdio.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_FD 3 /* where a command that is kept warm reads its jobs */
#define MSG_FD 4 /* where a command may write progress, result and error lines */

struct pipes {
    int out[2], err[2], msg[2], fail[2], job[2];
};

static void close_pipes(struct pipes *p)
{
    int *all[] = {p->out, p->err, p->msg, p->fail, p->job};
    for (size_t i = 0; i < 5; i++) {
        fd_close(&all[i][0]);
        fd_close(&all[i][1]);
    }
}

static int open_pipes(struct pipes *p, bool with_job)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    int *all[] = {p->out, p->err, p->msg, p->fail, p->job};
    for (size_t i = 0; i < (with_job ? 5 : 4); i++) {
        if (pipe2(all[i], O_CLOEXEC) < 0)
            return errno;
    }
    if (fd_nonblock(p->out[0], true) || fd_nonblock(p->err[0], true) ||
        fd_nonblock(p->msg[0], true) || (with_job && fd_nonblock(p->job[1], true)))
        return errno;
    return 0;
}

/* A copy of fd at 16 or above, so that moving the others to 0 to 4 cannot hit it. */
static int lift(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 16);
}

/* In the child: never returns. Async-signal-safe. */
static _Noreturn void become(const struct child_options *o, const struct pipes *p,
                             const struct sandbox *box, const struct cgroup *group, pid_t parent)
{
    int bound = cgroup_enter(group); /* with the service's rights, before they are dropped */
    int in = lift(o->stdin_fd), out = lift(p->out[1]), err = lift(p->err[1]);
    int msg = lift(p->msg[1]), fail = lift(p->fail[1]);
    int job = o->job_pipe ? lift(p->job[0]) : -1;
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bound == 0 && getppid() == parent && in >= 0 && out >= 0 && err >= 0 && msg >= 0 &&
        fail >= 0 && (job >= 0 || !o->job_pipe) && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 &&
        dup2(err, 2) >= 0 && dup2(msg, MSG_FD) >= 0 && chdir(o->dir) == 0) {
        if (job < 0 || dup2(job, JOB_FD) < 0)
            close(JOB_FD);
        /* fd 4 was made by dup2 and stays; the rest goes at exec */
        close_range(MSG_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
        errno = sandbox_enter(box);
        if (errno == 0)
            execvpe(o->argv[0], o->argv, o->env);
    }
    int why = bound ? bound : errno;
    while (write(fail, &why, sizeof(why)) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* The child, which has got to its exec if it has our memory; or a negative errno. */
static pid_t split(const struct child_options *o, const struct pipes *p, const struct sandbox *box,
                   const struct cgroup *group)
{
    const pid_t parent = getpid();
    /* whoever ends a cgroup that is full ends all that share memory with one of its processes */
    const bool lends = sandbox_is_plain(box) && group->enter_fd < 0;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid;
    if (lends)         /* it would wait for exec in any case */
        pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    else
        pid = fork();
    if (pid == 0) /* NOLINTNEXTLINE(clang-analyzer-unix.Vfork) */
        become(o, p, box, group, parent);
    if (pid < 0)
        pid = -errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

int child_start(struct child *c, const struct child_options *o)
{
    struct pipes p;
    struct sandbox box;
    *c = (struct child){-1, -1, -1, -1, -1, -1, {.enter_fd = -1}};
    int why = sandbox_prepare(&box, o->def, o->dir);
    if (why)
        return why;
    why = open_pipes(&p, o->job_pipe);
    if (!why)
        why = cgroup_make(&c->cgroup, box.cgroups, o->def->memory, sandbox_processes(&box));
    pid_t pid = why ? -why : split(o, &p, &box, &c->cgroup);
    sandbox_release(&box);
    if (pid < 0) {
        cgroup_remove(&c->cgroup);
        close_pipes(&p);
        return -pid;
    }
    fd_close(&p.fail[1]);
    if (fd_read_full(p.fail[0], &why, sizeof(why)) != (ssize_t)sizeof(why))
        why = 0; /* end of file: exec took place */
    int pid_fd = why ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (!why && pid_fd < 0) {
        why = errno;
        kill(pid, SIGKILL);
    }
    if (why) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        cgroup_remove(&c->cgroup);
        close_pipes(&p);
        return why;
    }
    fd_close(&c->cgroup.enter_fd);
    *c = (struct child){pid, pid_fd, p.out[0], p.err[0], p.msg[0], p.job[1], c->cgroup};
    p.out[0] = p.err[0] = p.msg[0] = p.job[1] = -1;
    close_pipes(&p);
    return 0;
}

bool child_was_full(struct child *c)
{
    return cgroup_was_full(&c->cgroup);
}

void child_close(struct child *c)
{
    cgroup_remove(&c->cgroup);
    fd_close(&c->pid_fd);
    fd_close(&c->out_fd);
    fd_close(&c->err_fd);
    fd_close(&c->msg_fd);
    fd_close(&c->job_fd);
}

int child_lookup(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0 ? 0 : errno;
    const char *path = getenv("PATH");
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t n = strcspn(path, ":");
        char file[PATH_MAX];
        int len = snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, program);
        if (n > 0 && len > 0 && (size_t)len < sizeof(file) && access(file, X_OK) == 0)
            return 0;
        path += n + (path[n] == ':');
    }
    return ENOENT;
}
