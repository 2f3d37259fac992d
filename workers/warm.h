/*
 * warm.h - the programs that a worker keeps warm: started ahead, watched while they wait, replaced when
 * they die, misbehave or are used up. task_persistent.c gives them their jobs.
 *
 * A program belongs to one worker and one task. It says {"ready":true} on fd 4 within the task's
 * ready_timeout, then waits on fd 3; end of file there means that it should end. Its directory is its
 * own and goes with it. One list for the process; single-threaded.
 */
#ifndef JOBMILL_WORKERS_WARM_H
#define JOBMILL_WORKERS_WARM_H

#include "child.h"
#include "said.h"
#include "task.h"

#include <limits.h>

enum warm_state {
    WARM_STARTING, /* not ready yet */
    WARM_READY,    /* waits for a job */
    WARM_BUSY,     /* has one: it is task_persistent.c's to judge */
    WARM_RETIRED,  /* was told to end */
};

struct warm {
    struct warm *next;
    struct task *task;
    struct child child;
    enum warm_state state;
    int64_t born_us;     /* mono */
    int64_t deadline_us; /* mono; STARTING: to be ready, RETIRED: to have ended; else INT64_MAX */
    uint32_t jobs;       /* that it has answered */
    struct lines out, err, msg;
    struct said_log log;
    char dir[PATH_MAX];
    char bad[256]; /* what it did that it must be replaced for; "": nothing */
    bool dead;     /* and reaped; `status` is as of waitpid */
    int status;
    int64_t peak_bytes; /* dead: its largest resident size */
    bool was_full;  /* dead: for want of memory, by its cgroup */

    /* BUSY */
    struct task_run *run;
    struct buf line; /* the job as it is sent */
    size_t sent;
    bool answered;
    bool too_long; /* `bad` is an answer that is larger than allowed */
};

/* Whether a task's program could be started and was ready, whenever that changes; `why` is a text. */
typedef void warm_tell_fn(void *arg, uint32_t task, bool ok, const char *why);

/* The worker has this task, loaded; its spares are started when there is nothing else to do. */
void warm_add(struct task *t, int64_t grace_us, warm_tell_fn *tell, void *arg);

/* While the worker is idle: tends the programs until the socket is readable. Returns at once when no
 * task keeps programs warm. */
void warm_wait(int sock);

/* One turn of tending while a job runs: waits at most until `until_us` (mono) for any program or the
 * run's socket, and handles what came. */
void warm_turn(struct task_run *r, int64_t until_us);

/* A program of the task for this run, BUSY; starts one when none is there, and waits until it is ready.
 * NULL: the run has failed, or was cancelled meanwhile. */
struct warm *warm_take(struct task *t, struct task_run *r);

/* Starts a spare that is missing: the next one gets warm while this job is worked on. */
void warm_ahead(void);

/* The end of its job: it waits for the next one, or (used up, bad, `done_with`) is replaced. */
void warm_give_back(struct warm *w, bool done_with);

void warm_send(struct warm *w); /* as much of `line` as it takes now */
void warm_kill(struct warm *w); /* with all below it; it is dead then */

/* For reaper_clear(): is this one of the programs, or does it remove a directory (remover.h)? */
bool warm_keeps(pid_t pid, void *arg);

/* The worker ends: the programs are told to, and killed when they do not within a moment. */
void warm_end(void);

#endif
