/*
 * clockwork.c - schedules that are due, inside the writer's transaction: each makes its job, and
 * the moment of the next is kept in the same commit, so that a crash neither loses nor doubles one.
 */
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/log.h"

#include <stdio.h>
#include <string.h>

#define RUN_AT_ONCE  16 /* of one transaction */
#define LOOK_AT_ONCE 64
#define LATER_US     US_PER_S        /* for each LOOK_AT_ONCE that stay due */
#define TELL_US      (60 * US_PER_S) /* between two words on what cannot be read */
/* A run that is later than this was missed: the service was down, or the clock was set. */
#define MISSED_US (60 * US_PER_S)
/* A clock that was set back by less repeats no run; by more, it was wrong before. As cron has it.
 */
#define BACK_US (INT64_C(10800) * US_PER_S)

/* The writer's thread alone has these. */

/* The way through those that are due, over transactions. Who stays due is left behind until all of
 * them are looked at anew, so that they are in nobody's way. */
static struct {
    struct schedule_place at; /* the last that was looked at */
    size_t stay, unread;
    int64_t again_us; /* wall: when the way begins anew; 0: its end is not reached */
    bool untold;      /* there is one more that cannot be read */
    char first[SCHEDULE_NAME_MAX + 1], why[200]; /* of those that cannot be read */
} way;

static int64_t told_us;                    /* wall: when the log was told of them */
static struct schedule page[LOOK_AT_ONCE]; /* they have no job */

static int task_index(const char *name)
{
    return taskdefs_find(w.defs, name);
}

/* Has the schedule's last job not ended? */
static int last_runs(const struct schedule *g, bool *runs)
{
    enum job_state state;
    *runs = false;
    if (id_is_nil(&g->last_job))
        return 0;
    int err = store_state_of(w.store, &g->last_job, &state);
    if (err == -ERR_NO_JOB)
        return 0;
    *runs = !err && !job_state_final(state);
    return err;
}

/* The job of this run: a copy of the schedule's. */
static int make_job(const struct schedule *g, struct new_job *n, int64_t run_at_us, int64_t now_us)
{
    struct job *job = &n->job;
    new_job_init(n);
    n->asked_delay_us = -1;
    n->task_index = (uint32_t)task_index(g->job.task);
    int err = id_new(&job->id);
    if (err)
        return err;
    memcpy(job->task, g->job.task, sizeof(job->task));
    job->state = JOB_QUEUED;
    job->priority = g->job.priority;
    job->max_attempts = g->job.max_attempts;
    job->timeout_us = g->job.timeout_us;
    job->created_us = now_us - now_us % US_PER_MS;
    job->run_at_us = run_at_us;
    memcpy(job->owner, g->job.owner, sizeof(job->owner));
    memcpy(job->backoff, g->job.backoff, sizeof(job->backoff));
    memcpy(job->concurrency_key, g->job.concurrency_key, sizeof(job->concurrency_key));
    buf_add(&job->tags, g->job.tags.data, g->job.tags.len);
    buf_add(&job->callback_url, g->job.callback_url.data, g->job.callback_url.len);
    buf_add(&job->input, g->job.input.data, g->job.input.len);
    return job->tags.failed || job->callback_url.failed || job->input.failed ? -ERR_NOMEM : 0;
}

/* False: this run is left out, and the log says why. */
static int may_run(struct batch *b, const struct schedule *g, int64_t now_us, bool *may)
{
    bool runs = false;
    *may = false;
    if (task_index(g->job.task) < 0) {
        log_warn("schedule %s: there is no task %s any more; this run is left out", g->name,
                 g->job.task);
        return 0;
    }
    if (now_us - g->next_us > MISSED_US && !g->catch_up) {
        log_info("schedule %s: a run was missed by %.0f s and is left out", g->name,
                 (double)(now_us - g->next_us) / (double)US_PER_S);
        return 0;
    }
    int err = last_runs(g, &runs);
    if (err)
        return err;
    if (runs && g->overlap == OVERLAP_SKIP) {
        log_info("schedule %s: its last job has not ended; this run is left out", g->name);
        return 0;
    }
    *may = true;
    return runs && g->overlap == OVERLAP_REPLACE ? steps_cancel(b, &g->last_job, now_us) : 0;
}

/* A job of it, which is its last one now. */
static int submit_job(struct batch *b, struct schedule *g, int64_t run_at_us, int64_t now_us)
{
    struct new_job n;
    int err = make_job(g, &n, run_at_us, now_us);
    if (!err)
        err = steps_submit(b, &n);
    g->last_us = run_at_us;
    g->last_job = n.job.id;
    job_release(&n.job);
    return err;
}

static int make_run(struct batch *b, struct schedule *g, int64_t now_us, int64_t next_us)
{
    bool may;
    int err = may_run(b, g, now_us, &may);
    if (!err && may)
        err = submit_job(b, g, g->next_us, now_us);
    if (err)
        return err;
    g->next_us = next_us;
    return store_schedule_ran(w.store, g);
}

static void note_stay(const struct schedule *g, int err, const struct buf *why)
{
    way.stay++;
    if (err != -ERR_BAD_FIELD)
        return;
    way.untold = true;
    if (way.unread++ > 0)
        return;
    memcpy(way.first, g->name, sizeof(way.first));
    snprintf(way.why, sizeof(way.why), "%s", why->data ? why->data : "");
}

/* It stays due where its next time cannot be found now, for want of memory or descriptors, or since
 * its zone cannot be read. */
static int run(struct batch *b, const struct schedule *due, int64_t now_us, size_t *ran)
{
    struct schedule g;
    int64_t next_us = 0;
    AUTO_BUF why = BUF_INIT;
    way.at.next_us = due->next_us;
    memcpy(way.at.name, due->name, sizeof(way.at.name));
    int found = schedule_next(due, now_us, &next_us, 1, &why);
    if (found < 0) {
        note_stay(due, found, &why);
        return 0;
    }
    ++*ran;
    int err = store_schedule_get(w.store, due->name, &g); /* with its job */
    if (err)
        return err;
    err = make_run(b, &g, now_us, next_us);
    schedule_release(&g);
    return err;
}

static void tell_unread(int64_t now_us)
{
    if (!way.untold || (now_us - told_us < TELL_US && now_us >= told_us))
        return;
    if (way.unread == 1)
        log_warn("schedule %s: its next run cannot be found, and it waits until it can: %s",
                 way.first, way.why);
    else
        log_warn("schedule %s: its next run cannot be found, and it waits until it can, as do %zu"
                 " more: %s",
                 way.first, way.unread - 1, way.why);
    told_us = now_us;
    way.untold = false;
}

/* All that are due have been looked at. */
static int at_end(int64_t now_us)
{
    tell_unread(now_us);
    if (way.stay == 0)
        clockwork_anew(); /* the next may be due at a time that lies before the last one's */
    else if (way.again_us == 0)
        way.again_us = now_us + LATER_US * (int64_t)(1 + way.stay / LOOK_AT_ONCE);
    int err = store_schedule_next_us(w.store, &way.at, &w.next_schedule_us);
    if (!err && way.stay > 0 && way.again_us < w.next_schedule_us)
        w.next_schedule_us = way.again_us;
    return err;
}

void clockwork_anew(void)
{
    memset(&way, 0, sizeof(way));
}

int clockwork_run(struct batch *b, int64_t now_us)
{
    size_t n = 0, seen = 0, ran = 0;
    if (now_us < w.next_schedule_us)
        return 0;
    if (way.again_us > 0 && now_us >= way.again_us)
        clockwork_anew();
    int err = store_schedule_due(w.store, now_us, &way.at, page, LOOK_AT_ONCE, &n);
    while (!err && seen < n && ran < RUN_AT_ONCE)
        err = run(b, &page[seen++], now_us, &ran);
    for (size_t i = 0; i < n; i++)
        schedule_release(&page[i]);
    if (err)
        return err;
    b->more = b->more || ran > 0;
    if (n < LOOK_AT_ONCE && seen == n)
        return at_end(now_us);
    b->more = true;
    w.next_schedule_us = 0;
    return 0;
}

static int put_forward(struct schedule *g, int64_t now_us)
{
    int64_t want;
    AUTO_BUF why = BUF_INIT;
    if (schedule_next(g, now_us, &want, 1, &why) <= 0 || g->next_us <= want + BACK_US)
        return 0;
    log_warn("schedule %s: its next run was put off by a clock that was %.0f s ahead", g->name,
             (double)(g->next_us - want) / (double)US_PER_S);
    g->next_us = want;
    return store_schedule_ran(w.store, g);
}

int clockwork_after_step(int64_t now_us)
{
    char behind[SCHEDULE_NAME_MAX + 1] = "";
    size_t n = 0;
    int err = 0;
    clockwork_anew();
    do {
        err = store_schedule_times(w.store, behind, page, LOOK_AT_ONCE, &n);
        if (!err && n > 0)
            memcpy(behind, page[n - 1].name, sizeof(behind));
        for (size_t i = 0; i < n; i++) {
            if (!err)
                err = put_forward(&page[i], now_us);
            schedule_release(&page[i]);
        }
    } while (!err && n == LOOK_AT_ONCE);
    return err;
}

/* ---- changes by clients ---- */

/* The row as it is now: what the client's thread read of it may be another's, or of another time.
 * 0 (then the caller releases it), -ERR_NO_SCHEDULE; -ERR_FORBIDDEN: it is not of the same owner.
 */
static int get_same(const struct schedule *asked, struct schedule *g)
{
    int err = store_schedule_get(w.store, asked->name, g);
    if (err || strcmp(g->job.owner, asked->job.owner) == 0)
        return err;
    schedule_release(g);
    return -ERR_FORBIDDEN;
}

static int put(const struct schedule *asked)
{
    struct schedule g;
    size_t others = 0;
    int err = get_same(asked, &g);
    if (!err)
        schedule_release(&g);
    if (err && err != -ERR_NO_SCHEDULE)
        return err;
    err = store_schedule_count(w.store, asked->name, &others);
    if (!err && others >= (size_t)w.conf->max_schedules)
        return -ERR_CONFLICT;
    return err ? err : store_schedule_put(w.store, asked);
}

static int drop(const struct schedule *asked)
{
    struct schedule g;
    int err = get_same(asked, &g);
    if (err)
        return err;
    schedule_release(&g);
    return store_schedule_delete(w.store, asked->name);
}

/* Where no next run can be found it keeps the one it has, and is due then. */
static int hold(const struct schedule *asked, int64_t now_us)
{
    struct schedule g;
    AUTO_BUF why = BUF_INIT;
    int64_t next_us = 0;
    int err = get_same(asked, &g);
    if (err)
        return err;
    int found = schedule_next(&g, now_us, &next_us, 1, &why);
    if (found == -ERR_BAD_FIELD)
        next_us = g.next_us ? g.next_us : now_us;
    schedule_release(&g);
    return found < 0 && found != -ERR_BAD_FIELD
               ? found
               : store_schedule_pause(w.store, asked->name, asked->paused, next_us);
}

/* Out of turn, also while it is paused: its next time stays, and `overlap` holds. */
static int run_now(struct batch *b, struct change *c, int64_t now_us)
{
    struct schedule g;
    bool runs = false;
    int err = get_same(c->schedule, &g);
    if (err)
        return err;
    if (strcmp(g.job.task, c->schedule->job.task) != 0)
        err = -ERR_NO_SCHEDULE; /* the client may be allowed the old task alone */
    else if (task_index(g.job.task) < 0)
        err = -ERR_UNKNOWN_TASK;
    else
        err = last_runs(&g, &runs);
    if (!err && runs && g.overlap == OVERLAP_SKIP) {
        c->which = g.last_job;
        err = -ERR_CONFLICT;
    } else if (!err && runs && g.overlap == OVERLAP_REPLACE) {
        err = steps_cancel(b, &g.last_job, now_us);
    }
    if (!err)
        err = submit_job(b, &g, now_us - now_us % US_PER_MS, now_us);
    if (!err)
        err = store_schedule_ran(w.store, &g);
    if (!err)
        c->one.job.id = g.last_job;
    schedule_release(&g);
    return err;
}

int clockwork_change(struct batch *b, struct change *c, int64_t now_us)
{
    struct schedule *g = c->schedule;
    w.next_schedule_us = 0; /* looked up in this transaction */
    if (c->schedule_act == SCHEDULE_PUT) {
        c->err = put(g);
    } else if (c->schedule_act == SCHEDULE_DELETE) {
        c->err = drop(g);
    } else if (c->schedule_act == SCHEDULE_RUN) {
        c->err = run_now(b, c, now_us);
    } else {
        c->err = hold(g, now_us);
    }
    if (c->err == -ERR_FORBIDDEN && c->schedule_act != SCHEDULE_PUT)
        c->err = -ERR_NO_SCHEDULE; /* the one that was meant is gone */
    return c->err == -ERR_NO_SCHEDULE || c->err == -ERR_CONFLICT || c->err == -ERR_FORBIDDEN ||
                   c->err == -ERR_UNKNOWN_TASK
               ? 0
               : c->err;
}
