/* limits.c - resource limits of workers and their programs. */
#include "limits.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

void limits_worker(const struct pooldef *pool)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        log_warn("limits: %s", strerror(errno));
    if (pool->nice != 0 && setpriority(PRIO_PROCESS, 0, pool->nice) < 0)
        log_warn("pool %s: nice = %d: %s", pool->name, pool->nice, strerror(errno));
    int err = cpus_count(&pool->affinity) ? cpus_bind(&pool->affinity) : 0;
    if (err)
        log_warn("pool %s: affinity: %s", pool->name, strerror(err));
}

/* Bytes of address space in use: the first number of /proc/self/statm, in pages. */
static uint64_t address_space(void)
{
    char text[64] = {0};
    AUTO_FD fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* RLIMIT_CPU counts whole seconds. */
static rlim_t cpu_seconds(int64_t us)
{
    return (rlim_t)((us + US_PER_S - 1) / US_PER_S);
}

static int64_t cpu_used_us(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
        return 0;
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* The soft limit alone, so that it can be taken back. */
static void begin(int what, rlim_t value, struct rlimit *before)
{
    if (getrlimit(what, before) < 0)
        *before = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit now = {value < before->rlim_max ? value : before->rlim_max, before->rlim_max};
    if (setrlimit(what, &now) < 0)
        log_warn("limit %d: %s", what, strerror(errno));
}

void limits_job_begin(const struct taskdef *def, struct limits_before *b)
{
    if (def->memory)
        begin(RLIMIT_AS, address_space() + def->memory, &b->memory);
    if (def->cpu_time_us)
        begin(RLIMIT_CPU, cpu_seconds(cpu_used_us() + def->cpu_time_us), &b->cpu);
    if (def->file_size)
        begin(RLIMIT_FSIZE, def->file_size, &b->file_size);
    if (def->open_files)
        begin(RLIMIT_NOFILE, def->open_files, &b->open_files);
}

void limits_job_end(const struct taskdef *def, const struct limits_before *b)
{
    if (def->memory)
        (void)setrlimit(RLIMIT_AS, &b->memory);
    if (def->cpu_time_us)
        (void)setrlimit(RLIMIT_CPU, &b->cpu);
    if (def->file_size)
        (void)setrlimit(RLIMIT_FSIZE, &b->file_size);
    if (def->open_files)
        (void)setrlimit(RLIMIT_NOFILE, &b->open_files);
}

/* At most what is allowed already: an ordinary user can raise nothing. */
static int set(int what, rlim_t soft, rlim_t hard)
{
    struct rlimit now;
    if (getrlimit(what, &now) < 0)
        return errno;
    struct rlimit lim = {soft < now.rlim_max ? soft : now.rlim_max,
                         hard < now.rlim_max ? hard : now.rlim_max};
    return setrlimit(what, &lim) < 0 ? errno : 0;
}

int limits_program(const struct taskdef *def, uint32_t processes)
{
    int err = 0;
    if (processes)
        err = set(RLIMIT_NPROC, processes, processes);
    if (!err && def->file_size)
        err = set(RLIMIT_FSIZE, def->file_size, def->file_size);
    if (!err && def->open_files)
        err = set(RLIMIT_NOFILE, def->open_files, def->open_files);
    if (!err && def->cpu_time_us) /* first SIGXCPU, a second later SIGKILL */
        err = set(RLIMIT_CPU, cpu_seconds(def->cpu_time_us), cpu_seconds(def->cpu_time_us) + 1);
    if (!err && def->memory)
        err = set(RLIMIT_AS, def->memory, def->memory);
    return err;
}

/* Nobody tells that an allocation was refused. A program that failed with its resident memory near
 * the limit of its address space is taken to have run out of it. */
static bool is_near(uint64_t limit, uint64_t peak)
{
    return limit && peak >= limit / 2 &&
           (peak + (UINT64_C(32) << 20) >= limit || peak >= limit / 4 * 3);
}

const char *limits_cause(const struct taskdef *def, int signal, int64_t peak_bytes, int64_t cpu_us,
                         bool was_full, const char **sentence)
{
    bool spent = def->cpu_time_us && cpu_us >= def->cpu_time_us;
    if (signal == SIGXCPU || (signal == SIGKILL && spent)) {
        *sentence = "it used more CPU time than cpu_time";
        return JOB_ERROR_CPU;
    }
    if (signal == SIGXFSZ) {
        *sentence = "it wrote a file larger than file_size";
        return JOB_ERROR_FILE;
    }
    if (was_full || (peak_bytes > 0 && is_near(def->memory, (uint64_t)peak_bytes))) {
        *sentence = "its memory reached the limit";
        return JOB_ERROR_MEMORY;
    }
    return NULL;
}
