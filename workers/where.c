/*
 * where.c - a worker says what it runs, for how long, and by which functions it got there.
 *
 * It is said by the handler itself, as nobody else would come to say it while a task runs: log.c
 * takes no lock and no memory. The libraries that backtrace() loads at its first call are loaded
 * before.
 */
#include "where.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "../common/log.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FRAMES     48
#define TEXT_MAX   16384
#define OWN_FRAMES 2 /* the handler, and the kernel's way into it */

static struct {
    volatile sig_atomic_t busy; /* the rest is valid */
    struct id job;
    uint32_t attempt;
    const char *task;
    int64_t began_us; /* mono */
} now;

static void say(const char *text, size_t len)
{
    if (now.busy)
        log_job(LOG_WARN, &now.job, now.attempt, text, len);
    else
        log_write(LOG_WARN, "%.*s", (int)len, text);
}

/* Frames are written into a pipe that has room for all of them, and read back as lines. */
static void say_frames(void)
{
    void *frame[FRAMES];
    char text[TEXT_MAX];
    int n = backtrace(frame, FRAMES), fd[2];
    if (n <= OWN_FRAMES || pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
        return;
    backtrace_symbols_fd(frame + OWN_FRAMES, n - OWN_FRAMES, fd[1]);
    fd_close(&fd[1]);
    ssize_t len = fd_read_full(fd[0], text, sizeof(text));
    fd_close(&fd[0]);
    for (const char *at = text, *end; len > 0; at = end + 1) {
        end = memchr(at, '\n', (size_t)len);
        if (!end)
            break;
        say(at, (size_t)(end - at));
        len -= end + 1 - at;
    }
}

static void on_signal(int sig)
{
    char text[160];
    int keep = errno, n;
    (void)sig;
    if (now.busy)
        n = snprintf(text, sizeof(text), "SIGUSR1: runs the task %s for %.3f s, here:", now.task,
                     (double)(clock_mono_us() - now.began_us) / (double)US_PER_S);
    else
        n = snprintf(text, sizeof(text), "SIGUSR1: idle, here:");
    say(text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    say_frames();
    errno = keep;
}

void where_setup(void)
{
    void *frame[1];
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)backtrace(frame, 1);
    sigemptyset(&a.sa_mask);
    (void)sigaction(SIGUSR1, &a, NULL);
}

void where_job(const struct id *job, uint32_t attempt, const char *task)
{
    now.job = *job;
    now.attempt = attempt;
    now.task = task;
    now.began_us = clock_mono_us();
    atomic_signal_fence(memory_order_seq_cst); /* the handler sees all of it, or none */
    now.busy = 1;
}

void where_idle(void)
{
    now.busy = 0;
}
