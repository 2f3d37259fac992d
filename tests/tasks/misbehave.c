/*
 * misbehave.c - a task that does on purpose what tasks should not: {"do": WHAT}.
 */
#include "jobmill_task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

/* A daemon of the old school: forks twice, a session of its own, all signals ignored. Tells its
 * pid. */
static int leave_daemon(struct jobmill_call *call, int stay)
{
    int fd[2], pid = 0;
    if (pipe(fd) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            pid = getpid();
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            if (write(fd[1], &pid, sizeof(pid)) < 0)
                _exit(1);
            wait_for_ever();
        }
        _exit(0);
    }
    if (child < 0 || read(fd[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
        return 1;
    waitpid(child, NULL, 0);
    char text[64];
    int n = snprintf(text, sizeof(text), "%d", pid);
    jobmill_progress(call, 0.5, text);
    if (stay)
        wait_for_ever();
    return jobmill_result_json(call, text, (size_t)n);
}

static int crash(void)
{
    volatile int *nowhere = NULL;
    signal(SIGSEGV, SIG_DFL); /* also where a sanitizer would rather report */
    raise(SIGSEGV);
    return *nowhere;
}

static int large(struct jobmill_call *call)
{
    size_t n = 5000000;
    char *text = malloc(n);
    if (!text)
        return 1;
    memset(text, 'x', n);
    text[0] = text[n - 1] = '"';
    int err = jobmill_result_json(call, text, n);
    free(text);
    return err;
}

static int talk(struct jobmill_call *call)
{
    char line[10000];
    memset(line, 'l', sizeof(line));
    for (int i = 0; i < 200; i++)
        jobmill_log(call, JOBMILL_INFO, line, (size_t)(i * 50));
    return 0;
}

/* The first attempt leaves something and dies; the next tells what it was given. */
static int resume(struct jobmill_call *call)
{
    static const char left[] = "{\"at\":2}";
    if (call->checkpoint[0])
        return jobmill_result_json(call, call->checkpoint, strlen(call->checkpoint));
    char *large = malloc(70000);
    if (!large)
        return 1;
    memset(large, '1', 70000);
    int refused = jobmill_checkpoint(call, large, 70000);
    free(large);
    if (!refused || !jobmill_checkpoint(call, "{", 1) ||
        jobmill_checkpoint(call, left, sizeof(left) - 1))
        return 1;
    return crash();
}

/* The first attempt leaves all that it may and fails; the next tells how much it was given. */
static int most(struct jobmill_call *call)
{
    static char left[65536];
    char text[32];
    if (call->checkpoint[0])
        return jobmill_result_json(
            call, text, (size_t)snprintf(text, sizeof(text), "%zu", strlen(call->checkpoint)));
    memset(left, '1', sizeof(left));
    return jobmill_checkpoint(call, left, sizeof(left)) ||
           jobmill_fail(call, "once", "the next attempt goes on", 0);
}

static int run(struct jobmill_call *call, void *state)
{
    char what[32] = "";
    (void)state;
    const char *at = strstr(call->input, "\"do\":\"");
    if (at)
        sscanf(at, "\"do\":\"%31[a-z_]", what);
    if (!strcmp(what, "crash"))
        return crash();
    if (!strcmp(what, "crash_once"))
        return call->attempt == 1 ? crash() : 0;
    if (!strcmp(what, "resume"))
        return resume(call);
    if (!strcmp(what, "most"))
        return most(call);
    if (!strcmp(what, "abort")) {
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
    }
    if (!strcmp(what, "exit"))
        _exit(0);
    if (!strcmp(what, "hang")) {
        jobmill_progress(call, 0.1, "hanging");
        wait_for_ever();
    }
    if (!strcmp(what, "daemon"))
        return leave_daemon(call, 0);
    if (!strcmp(what, "daemon_hang"))
        return leave_daemon(call, 1);
    if (!strcmp(what, "bad_json"))
        return jobmill_result_json(call, "{\"a\":}", 6);
    if (!strcmp(what, "trace"))
        return jobmill_result(call, "text/plain", call->traceparent, strlen(call->traceparent));
    if (!strcmp(what, "large"))
        return large(call);
    if (!strcmp(what, "talk"))
        return talk(call);
    if (!strcmp(what, "fail"))
        return jobmill_fail(call, "my_code", "my message", 0);
    if (!strcmp(what, "fail_for_good"))
        return jobmill_fail(call, "my_code", "my message", 1);
    if (!strcmp(what, "fail_twice") && call->attempt <= 2)
        return jobmill_fail(call, "my_code", "not yet", 0);
    return 0;
}

JOBMILL_TASK(.description = "misbehaves on purpose", .run = run)
