/*
 * usage.c - /proc -> what each worker's tree of processes takes. Any thread.
 *
 * Only what is below the workers is looked at, by the kernel's lists of children, so that it costs
 * some 20 µs a process, and nothing for those of others.
 */
#include "usage.h"

#include "../common/clock.h"
#include "../common/fdio.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_MAX 1024 /* processes of one worker that are looked at */
#define FRESH_US US_PER_S

static struct {
    pthread_mutex_t reading; /* whose holder alone reads, and takes its time */
    pthread_mutex_t lock;    /* taken for a copy alone; guards what follows */
    int64_t read_us;         /* mono; 0: never */
    struct usage slot[SLOTS_MAX];
} u = {.reading = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

struct tree {
    pid_t pid[TREE_MAX];
    size_t n;
};

/* A file of /proc, with a zero behind it; its length, or 0. */
static size_t read_file(const char *path, char *out, size_t size)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : fd_read_full(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

size_t usage_children(const char *text, pid_t *out, size_t most)
{
    size_t n = 0;
    char *end;
    for (long child; n < most && (child = strtol(text, &end, 10)) > 0 && *end == ' '; text = end)
        out[n++] = (pid_t)child;
    return n;
}

static void add_children(struct tree *t, pid_t pid)
{
    char path[64], text[8192];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path); /* each thread has children of its own */
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        char file[384];
        snprintf(file, sizeof(file), "%s/%s/children", path, e->d_name);
        (void)read_file(file, text, sizeof(text));
        t->n += usage_children(text, t->pid + t->n, TREE_MAX - t->n);
    }
    if (dir)
        closedir(dir);
}

/* Adds a process to the sum. False: it is gone. */
static bool add_process(struct usage *sum, pid_t pid)
{
    char path[64], text[1024];
    unsigned long utime, stime;
    long cutime, cstime, rss;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    const char *at = read_file(path, text, sizeof(text)) ? strrchr(text, ')') : NULL;
    /* state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt, and 5 behind the
     * times, starttime, vsize */
    if (!at || sscanf(at + 1,
                      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d "
                      "%*d %*u %*u %ld",
                      &utime, &stime, &cutime, &cstime, &rss) != 5)
        return false;
    int64_t ticks = (int64_t)utime + (int64_t)stime + cutime + cstime;
    sum->cpu_us += ticks * (US_PER_S / sysconf(_SC_CLK_TCK));
    sum->rss_bytes += rss * sysconf(_SC_PAGESIZE);
    sum->processes++;
    return true;
}

static void read_tree(struct usage *sum, int32_t worker)
{
    static struct tree t; /* of who reads */
    *sum = (struct usage){0};
    if (worker <= 0 || !add_process(sum, worker))
        return;
    sum->pid = worker;
    t.n = 0;
    add_children(&t, worker);
    for (size_t i = 0; i < t.n; i++) {
        if (add_process(sum, t.pid[i]))
            add_children(&t, t.pid[i]);
    }
}

/* For who has `reading`. */
static void read_all(const struct board *board)
{
    static struct usage now[SLOTS_MAX];
    for (uint32_t i = 0; i < board->slots; i++) {
        struct slot_view v;
        slot_copy(&board->slot[i], &v);
        read_tree(&now[i], v.state == SLOT_EMPTY ? 0 : v.pid);
    }
    pthread_mutex_lock(&u.lock);
    memcpy(u.slot, now, board->slots * sizeof(now[0]));
    u.read_us = clock_mono_us();
    pthread_mutex_unlock(&u.lock);
}

static bool is_fresh(void)
{
    pthread_mutex_lock(&u.lock);
    bool fresh = u.read_us && clock_mono_us() - u.read_us < FRESH_US;
    pthread_mutex_unlock(&u.lock);
    return fresh;
}

void usage_read(const struct board *board, struct usage *out)
{
    if (!is_fresh() && pthread_mutex_trylock(&u.reading) == 0) {
        if (!is_fresh()) /* nobody did it meanwhile */
            read_all(board);
        pthread_mutex_unlock(&u.reading);
    }
    pthread_mutex_lock(&u.lock);
    memcpy(out, u.slot, board->slots * sizeof(*out));
    pthread_mutex_unlock(&u.lock);
}
