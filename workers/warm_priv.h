/*
 * warm_priv.h - what warm.c (the programs: their births, words and deaths, and the job of each) and
 * warm_keep.c (what is kept for a task: its spares, and what follows when one ends) share.
 */
#ifndef JOBMILL_WORKERS_WARM_PRIV_H
#define JOBMILL_WORKERS_WARM_PRIV_H

#include "../common/board.h"
#include "warm.h"

#define MAX_WAIT_US (60 * US_PER_S) /* of one turn */

/* What is kept for a task, in its `state`. */
struct keeping {
    struct task *task;
    int64_t grace_us;
    warm_tell_fn *tell;
    void *arg;
    bool told, ok; /* what the front end was told last */
    unsigned failures,
        idle_ends;              /* one after the other: before it was ready; before its first job */
    int64_t retry_us, again_us; /* mono; for either, no spare is started before */
    char why[BOARD_TROUBLE_MAX + 1];
    struct keeping *next;
};

extern struct warm *warm_programs; /* all of them */

static inline struct keeping *keeping_of(const struct task *t)
{
    return t->state;
}

/* ---- warm.c ---- */
struct warm *warm_start(struct keeping *k); /* NULL: it does not work, which was told */
void warm_drain(struct warm *w, int *fd);   /* reads what there is of one of its descriptors; closes it at its end */
void warm_drain_log(struct warm *w);
/* What it did that it must be replaced for; the first such thing stays. */
void warm_is_bad(struct warm *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void warm_retire(struct warm *w); /* tells it to end */
void warm_forget(struct warm *w); /* a dead one */
/* Waits for all programs and the socket, hands on what came. True: the socket is readable. */
bool warm_listen(int sock, int64_t until_us);

/* ---- warm_keep.c ---- */
void warm_works(struct keeping *k);
void warm_does_not_work(struct keeping *k, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool warm_used_up(const struct warm *w);
/* Judges all programs without a job; the next moment at which one must be judged again. */
int64_t warm_sweep(void);

#endif
