/*
 * sqlite_lent.c - the SQLite driver's loans: jobs that a worker was given while their rows still
 * say that they are queued. The writer's thread.
 *
 * A short job's claim would be written only to be written over by its outcome. So the claim of one
 * that may be tried again anyway is kept here, and what is written is the outcome, by one change of
 * the row, from queued to succeeded. Whatever else is to become of the job, or when it has run for
 * a while, its claim is written first, and from then on it runs as all others do. One that is lent
 * briefly is written with whatever comes next, which saves a commit for its claim alone. As long as
 * it waits for its turn there is nothing to write: it is queued. A service that dies in between
 * finds the job queued: it forgets that this attempt had begun, no more.
 *
 * The queue's index holds a job that is lent; a claim passes over it. What the open transaction
 * changes here is undone with it.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdlib.h>
#include <string.h>

#define LENT_MAX 4096 /* jobs; one more is claimed the plain way */
#define BUCKETS  4096 /* a power of two */

enum { LENT_NEW = 1, LENT_OVER = 2 }; /* by the open transaction */

struct lent {
    struct who who;
    int64_t since_us; /* mono */
    int64_t started_us;
    uint32_t attempt; /* which it runs as */
    uint32_t number;  /* of the loan: see struct loan */
    uint32_t flags;
    bool briefly;
    uint32_t same, before, after; /* of its bucket; in order of time, or the next free. 0: none */
};

/* Place 0 stands for none. */
struct loans {
    struct lent place[LENT_MAX];
    struct loan_begun begun[LENT_MAX];
    uint32_t numbers;
    uint32_t bucket[BUCKETS];
    uint32_t free, first, last;
    uint32_t briefly;           /* so many of them */
    uint32_t changed[LENT_MAX]; /* by the open transaction */
    size_t changed_count;
};

int lent_start(struct sqlite_store *s)
{
    s->loans = calloc(1, sizeof(*s->loans));
    if (!s->loans)
        return -ERR_NOMEM;
    for (uint32_t i = 1; i + 1 < LENT_MAX; i++)
        s->loans->place[i].after = i + 1;
    s->loans->free = 1;
    return 0;
}

void lent_release(struct sqlite_store *s)
{
    free(s->loans);
}

/* Keys of one time differ in their low bits, which are a counter. */
static uint32_t *bucket_of(struct loans *l, int64_t key)
{
    uint64_t mixed = (uint64_t)key * 0x9e3779b97f4a7c15u;
    return &l->bucket[mixed >> 52 & (BUCKETS - 1)];
}

/* 0: none, also of a loan that the open transaction ended. */
static uint32_t place_of(struct loans *l, int64_t key)
{
    uint32_t at = *bucket_of(l, key);
    while (at && (l->place[at].who.key != key || l->place[at].flags & LENT_OVER))
        at = l->place[at].same;
    return at;
}

bool is_lent(struct sqlite_store *s, int64_t key)
{
    return place_of(s->loans, key) != 0;
}

static void count_lent(struct sqlite_store *s, const struct lent *p, int by)
{
    sqlite_task(s, p->who.task_id)->lent += by;
}

static void drop(struct loans *l, uint32_t at)
{
    struct lent *p = &l->place[at];
    uint32_t *link = bucket_of(l, p->who.key);
    while (*link != at)
        link = &l->place[*link].same;
    *link = p->same;
    *(p->before ? &l->place[p->before].after : &l->first) = p->after;
    *(p->after ? &l->place[p->after].before : &l->last) = p->before;
    l->briefly -= p->briefly;
    *p = (struct lent){.after = l->free};
    l->free = at;
}

/* ---- lending ---- */

bool lent_may(const struct sqlite_store *s, const struct job *job)
{
    return s->loans->free && job->attempt + 1 < job->max_attempts && !job->expires_us &&
           !job->concurrency_key[0] && !job->gathers;
}

/* 2^32 loans later a number comes again: by then nobody has the old one. */
struct loan lent_add(struct sqlite_store *s, const struct who *who, uint32_t attempt,
                     const struct claim_quota *quota, int64_t started_us)
{
    struct loans *l = s->loans;
    uint32_t at = l->free;
    struct lent *p = &l->place[at];
    l->free = p->after;
    *p = (struct lent){.who = *who,
                       .attempt = attempt,
                       .number = ++l->numbers,
                       .since_us = quota->lent_us,
                       .started_us = started_us,
                       .briefly = quota->lent_briefly,
                       .flags = LENT_NEW};
    uint32_t *bucket = bucket_of(l, who->key);
    p->same = *bucket;
    *bucket = at;
    p->before = l->last;
    *(l->last ? &l->place[l->last].after : &l->first) = at;
    l->last = at;
    l->briefly += p->briefly;
    l->changed[l->changed_count++] = at;
    count_lent(s, p, 1);
    return (struct loan){&l->begun[at], p->number};
}

/* A worker has begun it. */
static bool has_begun(const struct loans *l, uint32_t at)
{
    return atomic_load_explicit(&l->begun[at].number, memory_order_acquire) == l->place[at].number;
}

/* Mono: from when on it runs without a word of it. INT64_MAX: it has not begun. */
static int64_t runs_since_us(const struct loans *l, uint32_t at)
{
    return has_begun(l, at) ? atomic_load_explicit(&l->begun[at].at_us, memory_order_relaxed)
                            : INT64_MAX;
}

/* ---- and its end ---- */

static void end_loan(struct sqlite_store *s, uint32_t at)
{
    struct loans *l = s->loans;
    struct lent *p = &l->place[at];
    if (!(p->flags & LENT_NEW))
        l->changed[l->changed_count++] = at; /* at most once each: there is room for all */
    p->flags |= LENT_OVER;
    count_lent(s, p, -1);
}

static int write_claim(struct sqlite_store *s, uint32_t at)
{
    const struct lent *p = &s->loans->place[at];
    int64_t runs_us = runs_since_us(s->loans, at);
    int64_t waited_us = runs_us != INT64_MAX && runs_us > p->since_us ? runs_us - p->since_us : 0;
    int err =
        db_run_one(s, STMT_JOB_START,
                   PARAMS(P_INT(p->who.key), P_INT(p->attempt), P_INT(p->started_us + waited_us),
                          row_room(s, p->who.task_id, true)));
    if (err)
        return err;
    count_move(s, &p->who, JOB_QUEUED, JOB_RUNNING);
    end_loan(s, at);
    return 0;
}

int lent_write(struct sqlite_store *s, const struct id *id)
{
    uint32_t at = place_of(s->loans, (int64_t)id_key(id));
    return at ? write_claim(s, at) : 0;
}

enum loan_end lent_finish(struct sqlite_store *s, const struct attempt *a, int *err)
{
    uint32_t at = place_of(s->loans, (int64_t)id_key(&a->job));
    const struct lent *p = &s->loans->place[at];
    *err = 0;
    if (!at || p->attempt != a->number)
        return LOAN_NONE;
    if (a->end == ATTEMPT_RETURNED) {
        end_loan(s, at);
        return LOAN_RETURNED;
    }
    if (attempt_is_plain(s, a)) {
        int changed = succeed_by(s, STMT_JOB_SUCCEED_LENT, a);
        if (changed == 1) {
            struct who who = p->who;
            end_loan(s, at);
            count_move(s, &who, JOB_QUEUED, JOB_RUNNING);
            *err = count_success(s, &who, a);
            return LOAN_PAID;
        }
        *err = changed;
    }
    if (*err == 0)
        *err = write_claim(s, at);
    return LOAN_NONE;
}

int sqlite_lent_due(struct store *base, int64_t until_us, bool briefly)
{
    struct sqlite_store *s = sqlite_of(base);
    struct loans *l = s->loans;
    uint32_t brief = briefly ? l->briefly : 0; /* that are still to come */
    int err = 0;
    for (uint32_t at = l->first; at && !err; at = l->place[at].after) {
        const struct lent *p = &l->place[at];
        bool asked = brief > 0 && p->briefly;
        if (p->since_us > until_us && brief == 0)
            break;
        int64_t runs_us = runs_since_us(l, at);
        if ((runs_us <= until_us || (asked && runs_us != INT64_MAX)) && !(p->flags & LENT_OVER))
            err = write_claim(s, at);
        brief -= asked;
    }
    return err;
}

int64_t sqlite_lent_since_us(const struct store *base, int64_t until_us)
{
    const struct loans *l = ((const struct sqlite_store *)base)->loans;
    int64_t least = INT64_MAX;
    uint32_t at = l->first;
    for (; at && l->place[at].since_us <= until_us; at = l->place[at].after) {
        int64_t runs_us = runs_since_us(l, at);
        least = runs_us < least ? runs_us : least;
    }
    return at && l->place[at].since_us < least ? l->place[at].since_us : least;
}

void lent_settle(struct sqlite_store *s, bool kept)
{
    struct loans *l = s->loans;
    for (size_t i = 0; i < l->changed_count; i++) {
        uint32_t at = l->changed[i];
        struct lent *p = &l->place[at];
        bool over = p->flags & LENT_OVER, new = p->flags &LENT_NEW;
        if (!kept && over && !new)
            count_lent(s, p, 1);
        else if (!kept && new && !over)
            count_lent(s, p, -1);
        if (kept ? over : new)
            drop(l, at);
        else
            p->flags = 0;
    }
    l->changed_count = 0;
}
