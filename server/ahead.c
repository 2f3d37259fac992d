/*
 * ahead.c - jobs that run ahead of their first commit. The writer's thread.
 *
 * A client that waits for the outcome is told nothing before it. So its job goes to a worker at
 * once, if one is free and nothing is queued before it, and what is written, by one commit, is the
 * job with its outcome. One that is not over `run_ahead` later is written as running, and is like
 * all others from then on: nobody but its own client could have known of it before.
 *
 * A job is here from when it is handed over until a transaction that holds it was begun. That
 * transaction tells its client, committed or not.
 */
#include "writer_priv.h"

#include "../common/clock.h"
#include "../common/cpus.h"
#include "../common/err.h"
#include "dispatch.h"

#include <stdlib.h>

#define PLACES      1024
#define BRIEF_US    50
#define BRIEF_BYTES 4096 /* of its input */
#define LOOK_US     100  /* for their outcomes: what they take, and until a worker wakes */

struct place {
    struct change *change;  /* NULL: free */
    int64_t write_by_us;    /* mono */
    uint32_t before, after; /* in order of time, or the next that is free; 0: none */
};

/* Place 0 stands for none. */
static struct {
    struct place *place;
    uint32_t free, first, last;
    bool others; /* there are other processors for the workers */
} a;

int ahead_start(void)
{
    a.place = calloc(PLACES, sizeof(*a.place));
    if (!a.place)
        return -ERR_NOMEM;
    for (uint32_t i = 1; i + 1 < PLACES; i++)
        a.place[i].after = i + 1;
    a.free = 1;
    a.first = a.last = 0;
    a.others = cpus_usable() > 1;
    return 0;
}

void ahead_release(void)
{
    free(a.place);
    a.place = NULL;
}

int64_t ahead_next_us(void)
{
    return a.first ? a.place[a.first].write_by_us : INT64_MAX;
}

/* ---- places ---- */

static uint32_t enter(struct change *c)
{
    uint32_t at = a.free;
    struct place *p = &a.place[at];
    a.free = p->after;
    *p = (struct place){.change = c, .write_by_us = clock_mono_us() + w.conf->run_ahead_us};
    p->before = a.last;
    *(a.last ? &a.place[a.last].after : &a.first) = at;
    a.last = at;
    return at;
}

static struct change *leave(uint32_t at)
{
    struct place *p = &a.place[at];
    struct change *c = p->change;
    *(p->before ? &a.place[p->before].after : &a.first) = p->after;
    *(p->after ? &a.place[p->after].before : &a.last) = p->before;
    *p = (struct place){.after = a.free};
    a.free = at;
    return c;
}

/* The change of a job that may be at this place. NULL: the job is in the store. */
static struct change *leave_if(uint32_t at, const struct id *job)
{
    const struct change *c = at < PLACES ? a.place[at].change : NULL;
    return c && id_equal(&c->one.job.id, job) ? leave(at) : NULL;
}

/* ---- out to the workers ---- */

/* Not where limits count what the store knows, and not what others may ask for by another name. */
static bool may_run(const struct batch *b, const struct change *c)
{
    const struct new_job *n = &c->one;
    return c->awaited && !c->key[0] && !n->unique && n->job.callback_url.len == 0 &&
           !claims_limited(n->task_index) && claims_direct(b, &n->job, n->task_index);
}

static struct claim *send_out(struct change *c)
{
    struct new_job *n = &c->one;
    struct job *job = &n->job;
    job->task_id = w.task_ids[n->task_index];
    job->rank_us = id_time_us(&job->id) - job->priority * w.conf->priority_ageing_us; /* as all */
    job->attempt = 1;
    struct claim *k = claims_new(job, n->task_index, true);
    job->attempt = 0;
    if (!k)
        return NULL;
    k->ahead = enter(c);
    atomic_fetch_sub_explicit(&w.credit[w.defs->task[n->task_index].pool], 1, memory_order_relaxed);
    return k;
}

/* So much so that to wait for it here is no more than to sleep and be woken. */
static bool is_brief(const struct claim *c)
{
    int64_t usual_us = w.usual_us[c->task_index];
    return usual_us > 0 && usual_us <= BRIEF_US && c->input.len <= BRIEF_BYTES;
}

/* Where nothing else is to be done for now, this thread hands them over itself, and looks a moment
 * for their outcomes: a client alone waits for two or three wake-ups less. */
void ahead_take(struct batch *b)
{
    struct inbox_node *out = NULL, **end = &out, **at = &b->nodes;
    bool brief = true;
    while (w.conf->run_ahead_us > 0 && !w.undone && *at && a.free) {
        struct work *k = INBOX_OWNER(*at, struct work, node);
        struct change *c = k->kind == CHANGE_SUBMIT ? INBOX_OWNER(k, struct change, work) : NULL;
        struct inbox_node *next = (*at)->next;
        struct claim *claim = c && may_run(b, c) ? send_out(c) : NULL;
        if (!claim) {
            at = &(*at)->next;
            continue;
        }
        *at = next;
        b->count--;
        brief = brief && is_brief(claim);
        *end = &claim->order.node;
        end = &claim->order.node.next;
    }
    *end = NULL;
    if (!out)
        return;
    struct claim *list = INBOX_OWNER(out, struct claim, order.node);
    if (brief && !b->nodes && a.others)
        dispatch_run(list, LOOK_US, writer_has_work);
    else
        dispatch_claimed(list);
}

/* ---- into the store ---- */

/* As it is told: that it runs, or ran, shows in the first poll or by its outcome. */
static int insert(struct change *c, int64_t started_us, const struct attempt *ended)
{
    struct job *job = &c->one.job;
    struct store_new new = {.job = job, .ended = ended, .stays = true};
    job->state = JOB_RUNNING;
    job->attempt = 1;
    job->started_us = started_us;
    int err = store_insert(w.store, &new);
    job->state = JOB_QUEUED;
    job->attempt = 0;
    job->started_us = 0;
    return err;
}

/* The transaction's, whatever comes of it. */
static int begin(struct batch *b, struct change *c)
{
    c->next_waiting = b->begun;
    b->begun = c;
    b->claimed++;
    b->count++;
    return insert(c, clock_wall_us(), NULL);
}

int ahead_due(struct batch *b)
{
    int err = 0;
    for (int64_t now_us = clock_mono_us(); !err && ahead_next_us() <= now_us;)
        err = begin(b, leave(a.first));
    return err;
}

int ahead_checkpoint(struct batch *b, const struct checkpoint *k)
{
    struct change *c = leave_if(k->ahead, &k->job);
    return c ? begin(b, c) : 0;
}

int ahead_finish(struct batch *b, struct finish *f, bool *kept)
{
    const struct attempt *t = &f->attempt;
    struct change *c = leave_if(f->ahead, &t->job);
    *kept = false;
    if (!c)
        return 0;
    if (t->end != ATTEMPT_SUCCEEDED || !t->started_us || !t->finished_us)
        return begin(b, c);
    f->change = c;
    b->claimed++;
    *kept = true;
    return insert(c, t->started_us, t);
}

/* ---- after the transaction ---- */

void ahead_tell(struct batch *b, int err)
{
    for (struct change *c = b->begun, *next; c; c = next) {
        next = c->next_waiting;
        c->err = err;
        if (err) /* it is refused, and its outcome would find no job */
            dispatch_cancel(&c->one.job.id, 1);
        writer_told(c);
    }
}
