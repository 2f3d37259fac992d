/*
 * check_cgroup.c - cgroups: what is found, what is written where, and what an end by them is
 * called.
 *
 * On a tree of ordinary files: mkdir(2), rmdir(2) and unlinkat(2) are wrapped, and do with the
 * files of a cgroup what the kernel does.
 */
#include "../workers/cgroup.h"
#include "../workers/child.h"
#include "../workers/limits.h"
#include "../workers/sandbox.h"
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char own[CGROUP_PATH], base[64];
static int busy; /* so often rmdir says that there are still processes */

/* ---- the kernel's part ---- */

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_unlinkat(int dir, const char *name, int flags);

static const char *const files[] = {"cgroup.procs",     "memory.max", "memory.swap.max",
                                    "memory.oom.group", "pids.max",   "memory.events"};
#define FILES (sizeof(files) / sizeof(files[0]))

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static const char *content(const char *dir, const char *name)
{
    static char text[256];
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s", path);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (__real_mkdir(path, mode) < 0)
        return -1;
    for (size_t i = 0; i < FILES; i++)
        put(path, files[i], "");
    put(path, "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
    return 0;
}

int __wrap_rmdir(const char *path)
{
    char file[512];
    if (busy > 0) {
        busy--;
        errno = EBUSY;
        return -1;
    }
    for (size_t i = 0; i < FILES; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        (void)unlink(file);
    }
    return __real_rmdir(path);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    char path[512];
    if (flags != AT_REMOVEDIR)
        return __real_unlinkat(dir, name, flags);
    snprintf(path, sizeof(path), "%s/%s", own, name);
    return __wrap_rmdir(path);
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* How many cgroups are below `own`. */
static int below(void)
{
    int n = 0;
    DIR *d = opendir(own);
    ck_assert_ptr_nonnull(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, "jobmill", 7) == 0;
    closedir(d);
    return n;
}

static void begin(void)
{
    snprintf(base, sizeof(base), "/tmp/jobmill-cgroup-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(own, sizeof(own), "%s/own", base);
    ck_assert_int_eq(__wrap_mkdir(own, 0700), 0);
    put(own, "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma\n");
    put(own, "cgroup.subtree_control", "");
    busy = 0;
}

static void end(void)
{
    char path[300];
    ck_assert_int_eq(below(), 0);
    snprintf(path, sizeof(path), "%s/cgroup.controllers", own);
    (void)unlink(path);
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", own);
    (void)unlink(path);
    busy = 0;
    ck_assert_int_eq(__wrap_rmdir(own), 0);
    ck_assert_int_eq(__real_rmdir(base), 0);
}

/* ---- where ---- */

START_TEST(the_own_one_is_found)
{
    static const struct {
        const char *mounts, *self, *is;
    } rows[] = {
        {"proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n",
         "0::/system.slice/jobmill.service\n", "/sys/fs/cgroup/system.slice/jobmill.service"},
        {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/\n", "/sys/fs/cgroup"},
        {"cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n"
         "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
         "8:pids:/\n1:name=systemd:/x\n0::/a\n", "/sys/fs/cgroup/unified/a"},
        {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/../other\n", NULL},
        {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "8:pids:/\n", NULL},
        {"cgroup2 /x tmpfs rw 0 0\n", "0::/\n", NULL},
        {"", "0::/\n", NULL},
        {"cgroup2", "", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char at[CGROUP_PATH];
        bool found = cgroup_find(rows[i].mounts, rows[i].self, at);
        ck_assert_msg(found == (rows[i].is != NULL), "%zu", i);
        if (found)
            ck_assert_str_eq(at, rows[i].is);
    }
}
END_TEST

START_TEST(a_quota_of_cpu_time_is_found)
{
    static const struct {
        const char *own, *above; /* NULL: no such file */
        unsigned cpus;
    } rows[] = {
        {"200000 100000\n", NULL, 2},
        {"max 100000\n", "50000 100000\n", 1},
        {NULL, "50000 100000\n", 1},
        {"400000 100000\n", "250000 100000\n", 3},
        {"150000 100000\n", "400000 100000\n", 2},
        {"1000 1000000\n", NULL, 1},
        {"max 100000\n", "max 100000\n", 0},
        {"max 100000\n", NULL, 0},
        {NULL, NULL, 0},
        {"", "\n", 0},
        {"200000 0\n", "200000\n", 0},
    };
    char of_own[300], above[300];
    snprintf(of_own, sizeof(of_own), "%s/cpu.max", own);
    snprintf(above, sizeof(above), "%s/cpu.max", base);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].own)
            put(own, "cpu.max", rows[i].own);
        if (rows[i].above)
            put(base, "cpu.max", rows[i].above);
        ck_assert_msg(cgroup_cpu_quota(own) == rows[i].cpus, "%zu", i);
        (void)unlink(of_own);
        (void)unlink(above);
    }
}
END_TEST

START_TEST(it_is_set_up_and_given_back)
{
    char service[300];
    snprintf(service, sizeof(service), "%s/jobmill", own);
    ck_assert_ptr_null(cgroup_set_up(own));
    ck_assert_str_eq(content(service, "cgroup.procs"), "0");
    ck_assert_str_eq(content(own, "cgroup.subtree_control"), "+memory +pids");
    put(own, "cgroup.subtree_control", "");
    cgroup_take_down();
    ck_assert_str_eq(content(own, "cgroup.subtree_control"), "-memory -pids");
    ck_assert_str_eq(content(own, "cgroup.procs"), "0");
    ck_assert(!is_there(service));
    put(own, "cgroup.procs", "");
    cgroup_take_down();
    ck_assert_str_eq(content(own, "cgroup.procs"), "");
}
END_TEST

START_TEST(what_is_not_delegated_is_left_alone)
{
    char path[300];
    put(own, "cgroup.controllers", "cpu memory_not pids\n");
    ck_assert_ptr_nonnull(cgroup_set_up(own));
    ck_assert_int_eq(below(), 0);
    put(own, "cgroup.controllers", "memory pids");
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", own); /* as if it refused */
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_ptr_nonnull(cgroup_set_up(own));
    ck_assert_int_eq(below(), 0);
    ck_assert_str_eq(content(own, "cgroup.procs"), "0"); /* it went back */
    put(own, "cgroup.subtree_control", "");
    char nowhere[CGROUP_PATH];
    snprintf(nowhere, sizeof(nowhere), "%s/none", base);
    ck_assert_ptr_nonnull(cgroup_set_up(nowhere));
}
END_TEST

/* ---- a program's ---- */

START_TEST(limits_are_written_and_it_goes)
{
    struct cgroup g;
    char was[CGROUP_PATH];
    ck_assert_int_eq(cgroup_make(&g, own, 64 << 20, 7), 0);
    snprintf(was, sizeof(was), "%s", g.path);
    ck_assert_str_eq(content(was, "memory.max"), "67108864");
    ck_assert_str_eq(content(was, "memory.swap.max"), "0");
    ck_assert_str_eq(content(was, "memory.oom.group"), "1");
    ck_assert_str_eq(content(was, "pids.max"), "7");
    ck_assert_int_eq(cgroup_enter(&g), 0);
    ck_assert_str_eq(content(was, "cgroup.procs"), "0");
    ck_assert(!cgroup_was_full(&g));
    put(was, "memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n");
    busy = 3; /* what was killed is about to end */
    cgroup_remove(&g);
    ck_assert_int_eq(busy, 0);
    ck_assert(!is_there(was));
    ck_assert(cgroup_was_full(&g));
    cgroup_remove(&g);
}
END_TEST

START_TEST(without_limits_there_is_none)
{
    struct cgroup g;
    ck_assert_int_eq(cgroup_make(&g, own, 0, 0), 0);
    ck_assert_int_eq(cgroup_make(&g, "", 1 << 20, 0), 0);
    ck_assert_int_eq(below(), 0);
    ck_assert_int_eq(cgroup_enter(&g), 0);
    ck_assert(!cgroup_was_full(&g));
    cgroup_remove(&g);
    ck_assert_int_eq(cgroup_make(&g, own, 1 << 20, 0), 0);
    ck_assert_str_eq(content(g.path, "pids.max"), "");
    cgroup_remove(&g);
}
END_TEST

START_TEST(one_that_cannot_be_made_leaves_nothing)
{
    struct cgroup g;
    char nowhere[CGROUP_PATH];
    snprintf(nowhere, sizeof(nowhere), "%s/none", base);
    ck_assert_int_eq(cgroup_make(&g, nowhere, 1 << 20, 0), ENOENT);
    ck_assert_int_eq(g.enter_fd, -1);
    cgroup_remove(&g);
    ck_assert_int_eq(below(), 0);
}
END_TEST

START_TEST(those_of_a_dead_worker_go)
{
    struct cgroup one, two;
    char other[300];
    ck_assert_int_eq(cgroup_make(&one, own, 1 << 20, 0), 0);
    ck_assert_int_eq(cgroup_make(&two, own, 0, 5), 0);
    snprintf(other, sizeof(other), "%s/jobmill-%d0-1", own, getpid());
    ck_assert_int_eq(__wrap_mkdir(other, 0700), 0);
    ck_assert_int_eq(below(), 3);
    cgroup_forget(own, getpid());
    ck_assert_int_eq(below(), 1);
    ck_assert(is_there(other));
    ck_assert_int_eq(__wrap_rmdir(other), 0);
    cgroup_forget("", getpid());
    close(one.enter_fd);
    close(two.enter_fd);
}
END_TEST

START_TEST(those_of_a_killed_service_go)
{
    static const char *const left[] = {"jobmill-4194305-1", "jobmill-4194304-20"};
    static const char *const others[] = {"jobmill",     "jobmill-1",  "jobmill-1-",
                                         "jobmill-1-x", "jobmill--1", "jobmill-1-1-1"};
    char path[300];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", own, left[i]);
        ck_assert_int_eq(__wrap_mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s", own, others[i]);
        ck_assert_int_eq(__wrap_mkdir(path, 0700), 0);
    }
    cgroup_sweep("");
    ck_assert_int_eq(below(), 8);
    cgroup_sweep(own);
    ck_assert_int_eq(below(), 6);
    for (size_t i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s", own, others[i]);
        ck_assert_int_eq(__wrap_rmdir(path), 0);
    }
}
END_TEST

/* What the service logs meanwhile, in `log`. */
static void sweep_heard(char log[512])
{
    FILE *f = tmpfile();
    int was = dup(STDERR_FILENO);
    ck_assert(f && was >= 0);
    ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
    cgroup_sweep(own);
    ck_assert_int_ge(dup2(was, STDERR_FILENO), 0);
    close(was);
    rewind(f);
    log[fread(log, 1, 511, f)] = '\0';
    ck_assert_int_eq(fclose(f), 0);
}

/* Its workers live: what they have just made has no process yet, and could be removed. */
START_TEST(those_of_another_service_stay)
{
    char mine[300], others[300], dead[300], log[512];
    snprintf(mine, sizeof(mine), "%s/jobmill-%d-1", own, getpid());
    snprintf(others, sizeof(others), "%s/jobmill-1-1", own); /* nor is it ours to signal */
    snprintf(dead, sizeof(dead), "%s/jobmill-4194304-1", own);
    ck_assert_int_eq(__wrap_mkdir(mine, 0700), 0);
    ck_assert_int_eq(__wrap_mkdir(others, 0700), 0);
    ck_assert_int_eq(__wrap_mkdir(dead, 0700), 0);
    busy = 1; /* a worker that died, and not its program yet */
    sweep_heard(log);
    ck_assert_int_eq(busy, 0);
    ck_assert_str_eq(log, "");
    ck_assert_int_eq(below(), 3);
    sweep_heard(log);
    ck_assert_str_eq(log, "");
    ck_assert(is_there(mine) && is_there(others) && !is_there(dead));
    ck_assert_int_eq(__wrap_rmdir(mine), 0);
    ck_assert_int_eq(__wrap_rmdir(others), 0);
}
END_TEST

/* By a worker that had the same number, and cannot be removed. */
START_TEST(a_name_that_is_taken_is_passed_over)
{
    struct cgroup g;
    char taken[2][300];
    for (int i = 0; i < 2; i++) {
        snprintf(taken[i], sizeof(taken[i]), "%s/jobmill-%d-%d", own, getpid(), i + 1);
        ck_assert_int_eq(__wrap_mkdir(taken[i], 0700), 0);
    }
    ck_assert_int_eq(cgroup_make(&g, own, 1 << 20, 0), 0);
    ck_assert(strcmp(g.path, taken[0]) != 0 && strcmp(g.path, taken[1]) != 0);
    ck_assert_str_eq(content(taken[0], "memory.max"), "");
    cgroup_remove(&g);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(__wrap_rmdir(taken[i]), 0);
}
END_TEST

/* ---- a program in it ---- */

static void run_in_it(const char *program, bool full)
{
    static struct taskdef def = {.memory = UINT64_C(1) << 30, .network = true};
    static struct taskdefs defs = {.task = &def, .tasks = 0};
    char *argv[] = {(char *)(uintptr_t)program, NULL}, *env[] = {NULL};
    struct child c;
    int status;
    snprintf(defs.machine.cgroup, sizeof(defs.machine.cgroup), "%s", own);
    ck_assert_int_eq(sandbox_worker(&defs, 0), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct child_options o = {.argv = argv, .env = env, .dir = "/", .stdin_fd = null, .def = &def};
    int why = child_start(&c, &o);
    close(null);
    if (why) {
        ck_assert_int_eq(why, ENOENT);
        ck_assert_str_eq(program, "/none");
        return;
    }
    ck_assert_str_eq(content(c.cgroup.path, "cgroup.procs"), "0");
    ck_assert_str_eq(content(c.cgroup.path, "memory.max"), "1073741824");
    ck_assert_int_eq(waitpid(c.pid, &status, 0), c.pid);
    ck_assert_int_eq(status, 0);
    if (full)
        put(c.cgroup.path, "memory.events", "max 1\noom 1\noom_kill 1\n");
    ck_assert_int_eq(child_was_full(&c), full);
    child_close(&c);
    ck_assert_int_eq(child_was_full(&c), full);
}

START_TEST(a_program_is_in_its_own)
{
    run_in_it("/bin/true", false);
    run_in_it("/bin/true", true);
    run_in_it("/none", false);
    ck_assert_int_eq(below(), 0);
}
END_TEST

START_TEST(who_was_killed_for_memory_ran_out_of_it)
{
    const struct taskdef def = {.memory = UINT64_C(1) << 30};
    const char *sentence = "";
    ck_assert_ptr_null(limits_cause(&def, 9, 1 << 20, 0, false, &sentence));
    const char *code = limits_cause(&def, 9, 1 << 20, 0, true, &sentence);
    ck_assert_str_eq(code, "out_of_memory");
    ck_assert_str_eq(sentence, "its memory reached the limit");
}
END_TEST

int main(void)
{
    return SUITE("cgroup", begin, end, the_own_one_is_found, a_quota_of_cpu_time_is_found,
                 it_is_set_up_and_given_back, what_is_not_delegated_is_left_alone,
                 limits_are_written_and_it_goes, without_limits_there_is_none,
                 one_that_cannot_be_made_leaves_nothing, those_of_a_dead_worker_go,
                 those_of_a_killed_service_go, those_of_another_service_stay,
                 a_name_that_is_taken_is_passed_over, a_program_is_in_its_own,
                 who_was_killed_for_memory_ran_out_of_it);
}
