/*
 * joblog_sweep.c - removes the logs of jobs that the store does not know: they were forgotten while
 * the service ended, or the store came from a backup. A thread of its own, which goes over all
 * files once after the start and ends. Jobs that came since then are left alone: one that runs
 * ahead of its commit is not in the store yet.
 */
#include "joblog.h"

#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/log.h"
#include "collector.h"
#include "reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STEP_FILES 100
#define PAUSE_NS   5000000 /* after each STEP_FILES, and each directory */

static struct {
    pthread_mutex_t lock;    /* guards stop and running */
    pthread_cond_t stopped;  /* stop is set */
    pthread_cond_t finished; /* running is false */
    bool stop, running;
    uint64_t first; /* ids of this service's have greater keys */
    unsigned long long gone;
} s = {.lock = PTHREAD_MUTEX_INITIALIZER,
       .stopped = PTHREAD_COND_INITIALIZER,
       .finished = PTHREAD_COND_INITIALIZER};

/* False: it is time to end. */
static bool pause_a_little(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PAUSE_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&s.lock);
    int late = 0;
    while (!s.stop && !late)
        late = pthread_cond_clockwait(&s.stopped, &s.lock, CLOCK_MONOTONIC, &until);
    bool go = !s.stop;
    pthread_mutex_unlock(&s.lock);
    return go;
}

/* Only what is for certain no job of this store's goes. */
static void look_at(const char *name)
{
    struct id id;
    struct job job;
    if (!id_parse(&id, name, strlen(name)) || id_key(&id) > s.first)
        return;
    int err = reader_job(&id, 0, 0, &job);
    if (!err) {
        job_release(&job);
    } else if (err == -ERR_NO_JOB) {
        collector_forget(&id);
        s.gone++;
    }
}

static bool sweep_dir(int fd)
{
    DIR *dir = fdopendir(fd);
    bool go = true;
    if (!dir) {
        fd_close(&fd);
        return true;
    }
    size_t n = 0;
    for (struct dirent *e; go && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        look_at(e->d_name);
        if (++n % STEP_FILES == 0)
            go = pause_a_little();
    }
    closedir(dir);
    return go;
}

static void *sweep(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "log sweep");
    bool go = true;
    for (unsigned i = 0; i < JOBLOG_DIRS && go; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%02x", i);
        int fd = openat(joblog_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
            go = sweep_dir(fd) && pause_a_little();
    }
    if (s.gone > 0)
        log_info("the logs of %llu jobs that are gone were removed", s.gone);
    pthread_mutex_lock(&s.lock);
    s.running = false;
    pthread_cond_broadcast(&s.finished);
    pthread_mutex_unlock(&s.lock);
    return NULL;
}

/* Detached: it ends long before the service, and nobody joins it until then. */
int joblog_sweep_start(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    s.stop = false;
    s.gone = 0;
    if (joblog_dir() < 0)
        return 0;
    struct id id;
    if (id_new(&id) != 0)
        return -ERR_SYSTEM;
    s.first = id_key(&id);
    if (pthread_attr_init(&attr) != 0)
        return -ERR_SYSTEM;
    s.running = true;
    bool started = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
                   pthread_create(&thread, &attr, sweep, NULL) == 0;
    pthread_attr_destroy(&attr);
    if (!started)
        s.running = false;
    return started ? 0 : -ERR_SYSTEM;
}

void joblog_sweep_stop(void)
{
    pthread_mutex_lock(&s.lock);
    s.stop = true;
    pthread_cond_broadcast(&s.stopped);
    while (s.running)
        pthread_cond_wait(&s.finished, &s.lock);
    pthread_mutex_unlock(&s.lock);
}
