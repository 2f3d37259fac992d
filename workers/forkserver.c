/*
 * forkserver.c - the one-threaded process that loads the tasks, forks workers, reaps them and what
 * they leave behind, and reports births, deaths, and who was stopped.
 *
 * Invariants: every child of this process is a known worker, one that removes directories, or a
 * stranger (an orphan that fell to it from below a dead worker), and a stranger is killed; a DEATH
 * is sent only when no stranger is left, but such as do not die. Nothing here waits for a directory
 * to be removed, which takes as long as there are files in it.
 */
#include "forkserver.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "../common/msg.h"
#include "cgroup.h"
#include "reaper.h"
#include "remover.h"
#include "task.h"
#include "workdir.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_BYTES (1 << 20)
#define WORKER_BYTES  (1 << 20)
#define CONTROL_TAG   UINT32_MAX
#define SIGNAL_TAG    (UINT32_MAX - 1)
#define CLEAR_MS      10000
#define DRAIN_MS      500 /* the same in a drain, when others are to be killed and buried in time */
#define END_MS        1500
#define MAX_WAIT_MS   60000
#define SWEEP_MS      1000 /* for directories, where somebody waits: at the start and the end */

struct known { /* a worker */
    pid_t pid; /* 0: none in this slot */
    int pid_fd;
    uint32_t generation;
};

static struct {
    struct heritage h;
    struct task *tasks;
    struct known *worker; /* by slot */
    int epoll_fd, signal_fd;
    struct buf left; /* directories of dead workers: to be removed (workdir_find()) */
    bool began;      /* a worker was asked for: the data directory is this service's */
    char buf[MSG_MAX];
} fs;

/* How long what cannot be killed is waited for. */
static int clear_ms(void)
{
    return atomic_load_explicit(&fs.h.board->draining, memory_order_acquire) ? DRAIN_MS : CLEAR_MS;
}

static void find_directories(pid_t worker)
{
    workdir_find(worker, fs.h.defs->sandbox_uid, &fs.left);
    if (fs.left.failed) { /* the next start finds them */
        log_error("no memory for the names of directories to be removed");
        buf_clear(&fs.left);
    }
}

static void remove_directories(void)
{
    remover_reap();
    if (fs.left.len)
        (void)remover_start(&fs.left); /* else it is tried again */
}

/* Nothing that was started here is left, nor a cgroup of it, nor a directory that can be removed in
 * the time that there is. Only of its own workers: a new service may already run on the same data
 * directory. */
static _Noreturn void end_with_all(int status)
{
    reaper_kill_tree(getpid());
    (void)reaper_clear(NULL, NULL, CLEAR_MS);
    for (uint32_t i = 0; i < fs.h.board->slots; i++) {
        if (fs.worker[i].pid)
            find_directories(fs.worker[i].pid);
    }
    int64_t until_us = clock_mono_us() + SWEEP_MS * US_PER_MS;
    if (!workdir_remove_all(&fs.left, until_us) || !remover_finish(until_us))
        log_warn("directories of jobs are left for the next start to remove");
    cgroup_sweep(fs.h.defs->machine.cgroup);
    _exit(status);
}

static void send_front(const struct msg *m)
{
    if (msg_send(fs.h.control_fd, m) != 0)
        end_with_all(1); /* the front end is gone */
}

static bool is_own(pid_t pid, void *arg)
{
    (void)arg;
    if (remover_is(pid))
        return true;
    for (uint32_t i = 0; i < fs.h.board->slots; i++) {
        if (fs.worker[i].pid == pid)
            return true;
    }
    return false;
}

/* ---- deaths ---- */

static void bury(uint32_t slot)
{
    struct known *w = &fs.worker[slot];
    int status = 0;
    struct rusage u = {0};
    pid_t got;
    do {
        got = wait4(w->pid, &status, WNOHANG, &u);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return; /* not dead after all */
    struct msg m = {.kind = MSG_DEATH, .fd = -1};
    m.u.DEATH = (struct msg_DEATH){
        .slot = slot,
        .generation = w->generation,
        .pid = (uint32_t)w->pid,
        .status = (uint32_t)status,
        .cpu_us = (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * US_PER_S + u.ru_utime.tv_usec +
                  u.ru_stime.tv_usec,
        .rss_bytes = (int64_t)u.ru_maxrss * 1024,
    };
    fd_close(&w->pid_fd); /* leaves the epoll set by that */
    (void)reaper_clear(is_own, NULL, clear_ms());
    send_front(&m);
    *w = (struct known){.pid_fd = -1};
    find_directories((pid_t)m.u.DEATH.pid);
    cgroup_forget(fs.h.defs->machine.cgroup, (pid_t)m.u.DEATH.pid);
}

/* Workers that were stopped by a signal, or go on. The system tells of each as of a death. */
static void tell_halts(void)
{
    siginfo_t si = {0};
    while (waitid(P_ALL, 0, &si, WSTOPPED | WCONTINUED | WNOHANG) == 0 && si.si_pid) {
        struct msg m = {.kind = MSG_HALT, .fd = -1};
        for (uint32_t i = 0; i < fs.h.board->slots; i++) {
            if (fs.worker[i].pid != si.si_pid)
                continue;
            m.u.HALT = (struct msg_HALT){i, fs.worker[i].generation, si.si_code != CLD_CONTINUED};
            send_front(&m);
        }
        si.si_pid = 0;
    }
}

static void on_sigchld(void)
{
    struct signalfd_siginfo si;
    while (read(fs.signal_fd, &si, sizeof(si)) > 0)
        ;
    tell_halts();
    remover_reap();
    /* Workers are buried by their pidfd; anything else that died or appeared is a stranger. */
    siginfo_t dead = {0};
    if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid &&
        !is_own(dead.si_pid, NULL))
        (void)reaper_clear(is_own, NULL, clear_ms());
}

/* ---- births ---- */

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child of a fork: all that is the fork server's own goes, the worker begins. */
static void forked(uint32_t slot, uint32_t generation, uint32_t pool, int sock, pid_t parent)
{
    const int keep[] = {fs.h.board_fd, fs.h.log_fd, sock};
    fd_close_all_but(3, keep, 3);
    reset_signals();
    static struct worker_birth b;
    b = (struct worker_birth){&fs.h, fs.tasks, slot, generation, pool, sock, parent};
    worker_main(&b);
}

/* The child of a fork that becomes a fresh image (start method spawn). `defs`: a memfd. */
static void spawned(uint32_t slot, uint32_t generation, uint32_t pool, int sock, pid_t parent,
                    int defs)
{
    char word[8][24];
    const long value[8] = {fs.h.board_fd, fs.h.log_fd,      sock,       defs,
                           (long)slot,    (long)generation, (long)pool, (long)parent};
    char *argv[11] = {(char *)(uintptr_t) "jobmill", (char *)(uintptr_t) "worker"};
    for (int i = 0; i < 8; i++) {
        snprintf(word[i], sizeof(word[i]), "%ld", value[i]);
        argv[i + 2] = word[i];
    }
    argv[10] = NULL;
    const int keep[] = {fs.h.board_fd, fs.h.log_fd, sock, defs};
    fd_close_all_but(3, keep, 4);
    for (int i = 0; i < 4; i++)
        (void)fd_cloexec(keep[i], false);
    reset_signals();
    execv("/proc/self/exe", argv);
    log_die(127, "a worker image cannot be started: %s", strerror(errno));
}

static int pack_defs(void)
{
    AUTO_BUF all = BUF_INIT;
    uint32_t level = (uint32_t)fs.h.log_level;
    buf_add(&all, &level, sizeof(level));
    if (taskdefs_pack(fs.h.defs, &all) != 0)
        return -ERR_NOMEM;
    return fd_memfd("jobmill-tasks", all.data, all.len);
}

static void unborn(const struct msg_SPAWN *m, int why)
{
    struct msg out = {.kind = MSG_UNBORN, .fd = -1};
    out.u.UNBORN = (struct msg_UNBORN){m->slot, m->generation, (uint32_t)why};
    send_front(&out);
}

static int watch_worker(uint32_t slot, pid_t pid, uint32_t generation)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = slot};
    if (pid_fd < 0 || epoll_ctl(fs.epoll_fd, EPOLL_CTL_ADD, pid_fd, &ev) < 0) {
        int why = errno;
        fd_close(&pid_fd);
        return why;
    }
    (void)fd_cloexec(pid_fd, true);
    fs.worker[slot] = (struct known){pid, pid_fd, generation};
    return 0;
}

static void spawn(const struct msg_SPAWN *m)
{
    int pair[2];
    if (m->slot >= fs.h.board->slots || m->pool >= fs.h.defs->pools || fs.worker[m->slot].pid)
        log_die(1, "the front end asked for a worker in a slot that is not free");
    if (!fs.began)
        find_directories(0); /* of the last life: what there was no time for at the start */
    fs.began = true;
    if (fd_socketpair(pair, WORKER_BYTES) != 0) {
        unborn(m, errno);
        return;
    }
    AUTO_FD theirs = pair[0];
    AUTO_FD ours = pair[1];
    bool fresh = fs.h.defs->pool[m->pool].start == START_SPAWN;
    AUTO_FD defs = fresh ? pack_defs() : -1;
    pid_t parent = getpid();
    pid_t pid = fresh && defs < 0 ? -1 : fork();
    if (pid == 0 && fresh)
        spawned(m->slot, m->generation, m->pool, ours, parent, defs);
    if (pid == 0)
        forked(m->slot, m->generation, m->pool, ours, parent);
    int why = pid < 0 ? errno : watch_worker(m->slot, pid, m->generation);
    if (why) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            (void)waitpid(pid, NULL, 0);
        }
        unborn(m, why);
        return;
    }
    struct msg out = {.kind = MSG_BORN, .fd = theirs};
    out.u.BORN = (struct msg_BORN){m->slot, m->generation, (uint32_t)pid};
    send_front(&out);
}

static void kill_worker(const struct msg_KILL *m)
{
    if (m->slot >= fs.h.board->slots)
        return;
    const struct known *w = &fs.worker[m->slot];
    if (w->pid && w->generation == m->generation)
        reaper_kill_tree(w->pid);
}

/* ---- the loop ---- */

/* After a drain the workers have read end of file and end by themselves, with what they keep warm.
 */
static void let_workers_end(void)
{
    int64_t until = clock_mono_us() + END_MS * US_PER_MS;
    for (uint32_t i = 0; i < fs.h.board->slots; i++) {
        struct pollfd p = {.fd = fs.worker[i].pid_fd, .events = POLLIN};
        while (p.fd >= 0 && poll(&p, 1, clock_wait_ms(until, END_MS)) < 0 && errno == EINTR)
            ;
    }
}

static void end(void)
{
    if (atomic_load_explicit(&fs.h.board->drained, memory_order_acquire))
        let_workers_end();
    end_with_all(0);
}

static void on_control(void)
{
    struct msg m;
    int got = msg_recv(fs.h.control_fd, &m, fs.buf);
    if (got == 0)
        end();
    if (got < 0)
        log_die(1, "the control socket: %s", err_sentence(got));
    if (m.kind == MSG_SPAWN)
        spawn(&m.u.SPAWN);
    else if (m.kind == MSG_KILL)
        kill_worker(&m.u.KILL);
    else
        log_error("a %s is nothing for the fork server", msg_kind_name(m.kind));
    msg_release(&m);
}

static int watch(int fd, uint32_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = tag};
    return epoll_ctl(fs.epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void set_up(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    fs.worker = calloc(fs.h.board->slots ? fs.h.board->slots : 1, sizeof(*fs.worker));
    fs.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    fs.signal_fd = sigprocmask(SIG_SETMASK, &set, NULL) == 0
                       ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                       : -1;
    if (!fs.worker || fs.epoll_fd < 0 || fs.signal_fd < 0 ||
        watch(fs.h.control_fd, CONTROL_TAG) < 0 || watch(fs.signal_fd, SIGNAL_TAG) < 0)
        log_die(1, "the fork server cannot begin: %s", strerror(errno));
    for (uint32_t i = 0; i < fs.h.board->slots; i++)
        fs.worker[i].pid_fd = -1;
}

static void loop(void)
{
    for (;;) {
        struct epoll_event ev[64];
        int n = epoll_wait(fs.epoll_fd, ev, 64, MAX_WAIT_MS);
        if (n < 0 && errno != EINTR)
            log_die(1, "the fork server cannot wait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            uint32_t tag = ev[i].data.u32;
            if (tag == CONTROL_TAG)
                on_control();
            else if (tag == SIGNAL_TAG)
                on_sigchld();
            else if (fs.worker[tag].pid)
                bury(tag);
        }
        remove_directories();
    }
}

/* Standard input and output are not for task code: nothing to read, and what it prints is not part
 * of what the service says on standard output. */
static void redirect_standard(void)
{
    AUTO_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

static _Noreturn void forkserver_main(void)
{
    const int keep[] = {fs.h.board_fd, fs.h.log_fd, fs.h.control_fd};
    fd_close_all_but(3, keep, 3);
    redirect_standard();
    prctl(PR_SET_NAME, "forkserver");
    log_who("forkserver");
    remover_setup(fs.h.log_fd);
    /* The front end's end is the end of file on the control socket: then there is time to kill the
     * trees of all jobs. A signal at its death could only kill this process. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* a worker asked where it is before it can tell lives on */
    set_up();
    fs.tasks = tasks_load(fs.h.defs, TASKS_OF_ALL_POOLS, fs.h.board);
    if (!fs.tasks)
        log_die(1, "out of memory");
    atomic_store_explicit(&fs.h.board->loaded, 1, memory_order_release);
    loop();
    abort(); /* loop() does not return */
}

static const struct taskdefs *swept; /* the data directory is this service's: so are the jobs' */

/* What takes long is left: at a start for the fork server, at an end for the next start. */
static void sweep(void)
{
    AUTO_BUF paths = BUF_INIT;
    workdir_find(0, swept->sandbox_uid, &paths);
    if (!paths.failed)
        (void)workdir_remove_all(&paths, clock_mono_us() + SWEEP_MS * US_PER_MS);
    cgroup_sweep(swept->machine.cgroup);
}

void forkserver_sweep(const struct taskdefs *defs)
{
    swept = defs;
    sweep();
}

void forkserver_kill_all(int limit_ms)
{
    (void)reaper_clear(NULL, NULL, limit_ms);
    if (swept)
        sweep();
}

pid_t forkserver_start(const struct heritage *h, int *control)
{
    int pair[2];
    if (fd_socketpair(pair, CONTROL_BYTES) != 0)
        return -ERR_SYSTEM;
    workdir_of(h->defs->home);
    fflush(NULL); /* what is buffered is written once */
    pid_t pid = fork();
    if (pid == 0) {
        fs.h = *h;
        fs.h.control_fd = pair[1];
        forkserver_main();
    }
    fd_close(&pair[1]);
    if (pid < 0) {
        fd_close(&pair[0]);
        return -ERR_SYSTEM;
    }
    *control = pair[0];
    return pid;
}

/* ---- the other side of `spawned` ---- */

int forkserver_spawned(int argc, char **argv)
{
    static struct taskdefs defs;
    static struct worker_birth b;
    long v[8];
    if (argc != 9) {
        fputs("jobmill worker is started by the service\n", stderr);
        return 64;
    }
    for (int i = 0; i < 8; i++)
        v[i] = strtol(argv[i + 1], NULL, 10);
    for (int i = 0; i < 4; i++)
        (void)fd_cloexec((int)v[i], true);
    void *bytes;
    size_t len;
    uint32_t level;
    struct board *board = board_map((int)v[0]);
    if (!board || fd_memfd_map((int)v[3], &bytes, &len) != 0 || len < sizeof(level))
        return 70;
    memcpy(&level, bytes, sizeof(level));
    if (taskdefs_unpack(&defs, (char *)bytes + sizeof(level), len - sizeof(level)) != 0 ||
        v[4] < 0 || (uint32_t)v[4] >= board->slots || v[6] < 0 || (uint32_t)v[6] >= defs.pools)
        return 70;
    log_open((int)v[1], (enum log_level)level, "worker");
    workdir_of(defs.home);
    fs.h = (struct heritage){.board = board,
                             .board_fd = (int)v[0],
                             .log_fd = (int)v[1],
                             .control_fd = -1,
                             .defs = &defs,
                             .log_level = (int)level};
    /* its own: what loads slowly, or never, is to hold up no pool but its own */
    fs.tasks = tasks_load(&defs, (uint32_t)v[6], NULL);
    if (!fs.tasks)
        log_die(71, "out of memory");
    b = (struct worker_birth){&fs.h,          fs.tasks,  (uint32_t)v[4], (uint32_t)v[5],
                              (uint32_t)v[6], (int)v[2], (pid_t)v[7]};
    worker_main(&b);
}
