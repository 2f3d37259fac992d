/*
 * warm_keep.c - what is kept for a task: whether its programs can be kept warm, what follows when
 * one ends or is used up, and when its spares are started. Single-threaded.
 */
#include "warm_priv.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_US     (1 * US_PER_S) /* before a spare that failed is tried again; doubles */
#define PAUSE_MAX_US (60 * US_PER_S)

static struct keeping *keepings;

void warm_add(struct task *t, int64_t grace_us, warm_tell_fn *tell, void *arg)
{
    struct keeping *k = calloc(1, sizeof(*k));
    if (!k)
        log_die(71, "out of memory");
    *k = (struct keeping){.task = t, .grace_us = grace_us, .tell = tell, .arg = arg};
    k->next = keepings;
    keepings = k;
    t->state = k;
}

/* ---- can it be kept warm? ---- */

/* After so many failures one after the other. */
static int64_t pause_us(unsigned failures)
{
    return failures < 6 ? PAUSE_US << failures : PAUSE_MAX_US;
}

void warm_works(struct keeping *k)
{
    k->failures = 0;
    k->retry_us = 0;
    if (k->told && k->ok)
        return;
    k->told = k->ok = true;
    k->tell(k->arg, k->task->index, true, "");
}

void warm_does_not_work(struct keeping *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(k->why, sizeof(k->why), fmt, ap);
    va_end(ap);
    k->retry_us = clock_mono_us() + pause_us(k->failures++);
    k->told = true;
    k->ok = false;
    log_warn("task %s: %s", k->task->def->name, k->why);
    k->tell(k->arg, k->task->index, false, k->why);
}

/* ---- one that has no job ---- */

static const char *end_of(const struct warm *w, char *out, size_t size)
{
    if (WIFSIGNALED(w->status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(w->status),
                 strsignal(WTERMSIG(w->status)));
    else
        snprintf(out, size, "ended with exit status %d", WEXITSTATUS(w->status));
    return out;
}

/* As it goes on from "its program". */
static const char *bad_of(const struct warm *w, char *out, size_t size)
{
    bool of_it = strncmp(w->bad, "it ", 3) == 0;
    snprintf(out, size, "%s%.140s", of_it ? "" : "is of no use: ", of_it ? w->bad + 3 : w->bad);
    return out;
}

static void failed_to_start(struct warm *w, const char *what)
{
    warm_does_not_work(keeping_of(w->task), "its program %s%s%s", what, w->log.last[0] ? ": " : "",
                       w->log.last);
}

/* Whoever says that it is ready and ends, again and again, must not be started as fast as it can.
 */
static void ended_idle(const struct warm *w)
{
    struct keeping *k = keeping_of(w->task);
    int64_t pause = w->jobs ? 0 : pause_us(k->idle_ends++);
    char words[160], later[32] = "";
    if (pause) {
        k->again_us = clock_mono_us() + pause;
        snprintf(later, sizeof(later), " in %d s", (int)(pause / US_PER_S));
    }
    log_warn("task %s: its program %d %s between jobs: replaced%s", w->task->def->name,
             w->child.pid,
             w->bad[0] ? bad_of(w, words, sizeof(words)) : end_of(w, words, sizeof(words)), later);
}

/* A program that has no job: what happened to it, and what follows. True: it is forgotten. */
static bool settle(struct warm *w, int64_t now)
{
    char words[96], all[160];
    if (w->state == WARM_BUSY)
        return false;
    if (!w->dead && w->deadline_us <= now && w->state == WARM_STARTING) {
        warm_drain(w, &w->child.msg_fd); /* it may have said so while nobody listened */
        if (w->state == WARM_STARTING && !w->bad[0])
            warm_is_bad(w,
                        w->child.msg_fd < 0 ? "it closed fd 4"
                                            : "it was not ready within ready_timeout (%g s)",
                        (double)w->task->def->ready_timeout_us / (double)US_PER_S);
    } else if (!w->dead && w->deadline_us <= now && w->state == WARM_READY) {
        warm_is_bad(w, "it closed fd 4");
    }
    bool late = w->state == WARM_RETIRED && w->deadline_us <= now;
    if (!w->dead && !w->bad[0] && !late)
        return false;
    bool died = w->dead;
    if (!died)
        warm_kill(w);
    warm_drain_log(w);
    if (w->state == WARM_STARTING && died && !w->bad[0]) {
        snprintf(all, sizeof(all), "%s before it was ready", end_of(w, words, sizeof(words)));
        failed_to_start(w, all);
    } else if (w->state == WARM_STARTING) {
        failed_to_start(w, bad_of(w, all, sizeof(all)));
    } else if (w->state == WARM_READY) {
        ended_idle(w);
    }
    warm_forget(w);
    return true;
}

/* ---- recycling ---- */

static uint64_t resident(pid_t pid)
{
    char path[64], text[128] = {0}, *end;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return 0;
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t expires_us(const struct warm *w)
{
    int64_t after = w->task->def->recycle_after_us;
    return w->state == WARM_READY && w->jobs && after ? w->born_us + after : INT64_MAX;
}

bool warm_used_up(const struct warm *w)
{
    const struct taskdef *def = w->task->def;
    return (def->recycle_jobs && w->jobs >= def->recycle_jobs) ||
           (def->recycle_memory && resident(w->child.pid) > def->recycle_memory);
}

/* ---- turns ---- */

int64_t warm_sweep(void)
{
    int64_t now = clock_mono_us(), next = now + MAX_WAIT_US;
    for (struct warm *w = warm_programs, *after; w; w = after) {
        after = w->next;
        if (settle(w, now))
            continue;
        if (expires_us(w) <= now)
            warm_retire(w);
        if (w->state != WARM_BUSY && w->deadline_us < next)
            next = w->deadline_us;
        if (expires_us(w) < next)
            next = expires_us(w);
    }
    return next;
}

/* Starts one spare, of any task that lacks one. True: there may be more to start. *next_us: when.
 */
static bool start_missing(int64_t *next_us)
{
    int64_t now = clock_mono_us();
    for (struct keeping *k = keepings; k; k = k->next) {
        uint32_t have = 0;
        for (const struct warm *w = warm_programs; w; w = w->next)
            have += w->task == k->task && (w->state == WARM_STARTING || w->state == WARM_READY);
        if (have >= k->task->def->spares)
            continue;
        int64_t due_us = k->retry_us > k->again_us ? k->retry_us : k->again_us;
        if (due_us <= now) {
            (void)warm_start(k);
            return true;
        }
        if (due_us < *next_us)
            *next_us = due_us;
    }
    return false;
}

void warm_wait(int sock)
{
    while (keepings) {
        if (warm_listen(sock, 0)) /* jobs first */
            return;
        int64_t next = warm_sweep();
        if (!start_missing(&next) && warm_listen(sock, next))
            return;
    }
}

void warm_ahead(void)
{
    int64_t next = INT64_MAX;
    (void)start_missing(&next);
}
