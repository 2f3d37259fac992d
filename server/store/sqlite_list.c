/*
 * sqlite_list.c - the SQLite driver's lists: a page of the jobs that a filter names.
 *
 * Any thread, each with a connection of its own; see sqlite_read.c. A page looks at a bounded
 * number of rows and takes a bounded time, whatever it finds.
 */
#include "sqlite.h"

#include "../../common/clock.h"
#include "../../common/err.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCAN_ROWS_MAX 20000 /* rows that one page of a list may look at */
#define SCAN_US_MAX   (100 * US_PER_MS)
#define SCAN_LOOK     256 /* rows between two looks at the clock */

struct scan {
    const struct job_filter *filter;
    uint32_t task_id;             /* 0: any */
    uint64_t key_from, key_until; /* only keys from this one on, and below that one */
    unsigned states;              /* a bit for each that is wanted; 0: all */
    enum stmt stmt;
    unsigned rows, rows_max;
    int64_t until_us;
};

#define BIT(state) (1u << (state))
/* Each of these has an index, or its part of one, and its jobs are few beside all. */
#define FAILURES (BIT(JOB_FAILED) | BIT(JOB_CANCELLED) | BIT(JOB_EXPIRED))
#define INDEXED  (BIT(JOB_RUNNING) | FAILURES)

static bool is_one(unsigned states)
{
    return states && (states & (states - 1)) == 0;
}

/* The least key of an id made at that time or later. */
static uint64_t key_at(int64_t wall_us)
{
    return wall_us <= 0 ? 0 : (uint64_t)((wall_us + US_PER_MS - 1) / US_PER_MS) << 12;
}

/* Chooses what drives the list: the rarest of what the filter names. 1 a row, 0 none, or an error.
 */
static int scan_first(struct scan *sc, const struct db *d)
{
    const struct job_filter *f = sc->filter;
    uint64_t before = f->has_before ? id_key(&f->before) : INT64_MAX;
    before = before < sc->key_until ? before : sc->key_until;
    if (f->upward) { /* above it */
        before = f->has_before ? id_key(&f->before) : 0;
        before = before + 1 < sc->key_from ? sc->key_from - 1 : before;
    }
    if (f->group) {
        sc->stmt = f->upward ? STMT_LIST_GROUP_UP : STMT_LIST_GROUP;
        return db_first(d, sc->stmt, PARAMS(P_INT(before), P_INT(id_key(f->group))));
    }
    if (f->tag) {
        sc->stmt = f->upward ? STMT_LIST_TAG_UP : STMT_LIST_TAG;
        return db_first(d, sc->stmt, PARAMS(P_INT(before), P_STR(f->tag)));
    }
    if (is_one(sc->states & FAILURES) && is_one(sc->states)) {
        sc->stmt = f->upward ? STMT_LIST_ENDED_UP : STMT_LIST_ENDED;
        return db_first(d, sc->stmt, PARAMS(P_INT(before), P_INT(__builtin_ctz(sc->states))));
    }
    if (sc->task_id && sc->states != BIT(JOB_RUNNING)) {
        sc->stmt = STMT_LIST_TASK;
        return db_first(d, sc->stmt, PARAMS(P_INT(before), P_INT(sc->task_id)));
    }
    sc->stmt = sc->states == BIT(JOB_RUNNING) ? STMT_LIST_RUNNING : STMT_LIST_ALL;
    return db_first(d, sc->stmt, PARAMS(P_INT(before)));
}

static bool scan_matches(const struct scan *sc, sqlite3_stmt *row)
{
    if (sc->states && !(sc->states >> sqlite3_column_int(row, 2) & 1))
        return false;
    return !sc->task_id || (uint32_t)sqlite3_column_int64(row, 3) == sc->task_id;
}

static bool is_anothers(const struct job_filter *f, const struct job *job)
{
    return f->owner && strcmp(f->owner, job->owner) != 0;
}

static bool scan_over(struct scan *sc)
{
    if (++sc->rows >= sc->rows_max)
        return true;
    return sc->rows % SCAN_LOOK == 0 && clock_mono_us() > sc->until_us;
}

static bool has_text(const char *text, size_t n, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= n; i++) {
        if (strncasecmp(text + i, part, len) == 0)
            return true;
    }
    return false;
}

static bool buf_has(const struct buf *b, const char *part)
{
    return b->data && has_text(b->data, b->len, part);
}

/* Looks into what stands in the job's row, which was read with its input. */
static bool job_has_text(const struct job *job, const char *part)
{
    const char *const words[] = {job->task, job->error.code, job->error.message,
                                 job->concurrency_key, job->owner};
    char id[ID_TEXT];
    id_format(&job->id, id);
    if (has_text(id, strlen(id), part) || buf_has(&job->tags, part) || buf_has(&job->input, part) ||
        buf_has(&job->params, part))
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_text(words[i], strlen(words[i]), part))
            return true;
    }
    return false;
}

/* The indexes do not know whose a job is, nor what stands in it. */
static bool job_is_wanted(const struct job_filter *f, const struct job *job)
{
    return !is_anothers(f, job) && (!f->text || job_has_text(job, f->text));
}

/* The job at which the scan stands; the scan's statement keeps the snapshot. */
static int page_add(const struct sqlite_reader *r, const struct id *id, unsigned what,
                    size_t inline_max, struct job_page *page)
{
    int err = row_find(r->store, &r->db, id, what, inline_max, &page->jobs[page->count]);
    if (err)
        return err == -ERR_NO_JOB ? -ERR_STORE_CORRUPT : err;
    page->count++;
    return 0;
}

static bool page_full(const struct job_filter *f, const struct job_page *page, size_t bytes)
{
    return page->count == f->limit || (f->bytes > 0 && bytes >= f->bytes);
}

static int scan_page(struct sqlite_reader *r, struct scan *sc, unsigned what, size_t inline_max,
                     struct job_page *page)
{
    bool search = sc->filter->text && !(what & READ_INPUT);
    int got = scan_first(sc, &r->db);
    sqlite3_stmt *row = r->db.stmt[sc->stmt];
    size_t bytes = 0; /* of inputs and results on the page */
    for (; got == 1; got = db_next(&r->db, sc->stmt)) {
        uint64_t key = (uint64_t)sqlite3_column_int64(row, 0);
        if (sc->filter->upward ? key >= sc->key_until : key < sc->key_from)
            break; /* the rest is younger, or older */
        bool match = scan_matches(sc, row);
        if (match && page_full(sc->filter, page, bytes)) {
            page->more = true;
            break;
        }
        id_make(&page->last, key, (uint64_t)sqlite3_column_int64(row, 1));
        int err = !match   ? 0
                  : search ? page_add(r, &page->last, what | READ_INPUT, STORE_INLINE, page)
                           : page_add(r, &page->last, what, inline_max, page);
        if (err) {
            db_done(&r->db, sc->stmt);
            return err;
        }
        struct job *job = match ? &page->jobs[page->count - 1] : NULL;
        if (job && !job_is_wanted(sc->filter, job))
            job_release(&page->jobs[--page->count]);
        else if (job && search)
            buf_release(&job->input); /* it was for the search alone */
        else if (job)
            bytes += job->input.len + job->result.len;
        if (scan_over(sc)) {
            page->more = true;
            break;
        }
    }
    if (got == 1)
        db_done(&r->db, sc->stmt);
    return got < 0 ? got : 0;
}

static int page_new(const struct job_filter *f, struct job_page *out)
{
    out->jobs = calloc(f->limit ? f->limit : 1, sizeof(*out->jobs));
    return out->jobs ? 0 : -ERR_NOMEM;
}

/* ---- several states, each by its index ---- */

struct merge {
    struct job_page part[JOB_STATES];
    size_t at[JOB_STATES], n;
    bool bounded;
    struct id bound; /* what is older was not looked at in some state */
};

/* A look at each, of the same moment: a job that goes from one state to another is in one of them.
 * The looks share what one may take. */
static int read_parts(struct sqlite_reader *r, const struct scan *all, unsigned what,
                      size_t inline_max, struct merge *m)
{
    unsigned states = all->states, parts = (unsigned)__builtin_popcount(states);
    int err = db_run(&r->db, STMT_LIST_BEGIN, NULL, 0);
    if (err < 0)
        return err;
    for (err = 0; states && !err; states &= states - 1) {
        struct job_page *p = &m->part[m->n];
        struct scan sc = *all;
        sc.states = states & -states;
        sc.rows_max = all->rows_max / parts;
        sc.until_us = clock_mono_us() + SCAN_US_MAX / parts;
        err = page_new(all->filter, p);
        m->n += !err;
        if (!err)
            err = scan_page(r, &sc, what, inline_max, p);
        if (!err && p->more && (!m->bounded || id_key(&p->last) > id_key(&m->bound))) {
            m->bounded = true;
            m->bound = p->last;
        }
    }
    int end = db_run(&r->db, STMT_LIST_END, NULL, 0);
    return err ? err : end < 0 ? end : 0;
}

/* The newest that is left, of which page; NULL: none is, of those that are surely all. */
static struct job *newest(struct merge *m, size_t *of)
{
    struct job *best = NULL;
    for (size_t i = 0; i < m->n; i++) {
        struct job *job = m->at[i] < m->part[i].count ? &m->part[i].jobs[m->at[i]] : NULL;
        if (job && (!best || id_key(&job->id) > id_key(&best->id))) {
            best = job;
            *of = i;
        }
    }
    return best && m->bounded && id_key(&best->id) < id_key(&m->bound) ? NULL : best;
}

static void merge(struct merge *m, unsigned limit, struct job_page *out)
{
    size_t of = 0;
    out->more = m->bounded;
    out->last = m->bound;
    for (struct job *job; (job = newest(m, &of)); m->at[of]++) {
        if (out->count == limit) {
            out->more = true;
            out->last = out->jobs[limit - 1].id;
            return;
        }
        out->jobs[out->count++] = *job; /* moved */
        job_init(job);
    }
}

static int list_parts(struct sqlite_reader *r, const struct scan *sc, unsigned what,
                      size_t inline_max, struct job_page *out)
{
    struct merge m = {0};
    int err = read_parts(r, sc, what, inline_max, &m);
    if (!err)
        merge(&m, sc->filter->limit, out);
    for (size_t i = 0; i < m.n; i++)
        job_page_release(&m.part[i]);
    return err;
}

int sqlite_read_list(struct store_reader *base, const struct job_filter *f, unsigned what,
                     size_t inline_max, struct job_page *out)
{
    struct sqlite_reader *r = (struct sqlite_reader *)base;
    struct scan sc = {.filter = f,
                      .states = f->states       ? f->states
                                : f->state >= 0 ? BIT(f->state)
                                                : 0,
                      .key_from = key_at(f->from_us),
                      .key_until = f->until_us ? key_at(f->until_us) : INT64_MAX,
                      .rows_max = SCAN_ROWS_MAX,
                      .until_us = clock_mono_us() + SCAN_US_MAX};
    if (f->task) {
        sc.task_id = sqlite_task_named(r->store, f->task);
        if (sc.task_id == 0)
            return 0; /* never seen: no jobs */
    }
    bool parts = sc.states && !is_one(sc.states) && !(sc.states & ~INDEXED) && !f->group && !f->tag;
    int err = page_new(f, out);
    if (!err)
        err = parts ? list_parts(r, &sc, what, inline_max, out)
                    : scan_page(r, &sc, what, inline_max, out);
    if (err)
        job_page_release(out);
    return err;
}
