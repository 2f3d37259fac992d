/*
 * list_states.c - a page of jobs in any of several states: the pages of each, merged. HTTP threads.
 *
 * Each is a look of its own, at a moment of its own, in the order in which jobs go from state to
 * state: one that goes on meanwhile is found twice and told once.
 */
#include "api_list.h"

#include "../../common/err.h"

#include <stdlib.h>
#include <string.h>

struct merge {
    struct job_page part[JOB_STATES];
    size_t at[JOB_STATES], n;
    bool bounded;
    struct id bound; /* what is older was not looked at in some state */
};

static int read_parts(const struct job_filter *f, struct merge *m)
{
    struct job_filter one = *f;
    int err = 0;
    one.states = 0;
    for (one.state = 0; one.state < JOB_STATES && !err; one.state++) {
        if (!(f->states >> one.state & 1))
            continue;
        struct job_page *p = &m->part[m->n];
        err = reader_list(&one, 0, 0, p);
        m->n += !err;
        if (!err && p->more && (!m->bounded || id_key(&p->last) > id_key(&m->bound))) {
            m->bounded = true;
            m->bound = p->last;
        }
    }
    return err;
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
        if (out->count > 0 && id_equal(&out->jobs[out->count - 1].id, &job->id))
            continue;
        if (out->count == limit) {
            out->more = true;
            out->last = out->jobs[limit - 1].id;
            return;
        }
        out->jobs[out->count++] = *job; /* moved */
        job_init(job);
    }
}

int list_read(const struct job_filter *f, struct job_page *out)
{
    struct merge m = {0};
    if (!f->states)
        return reader_list(f, 0, 0, out);
    *out = (struct job_page){0};
    int err = read_parts(f, &m);
    if (!err) {
        out->jobs = calloc(f->limit, sizeof(*out->jobs));
        err = out->jobs ? 0 : -ERR_NOMEM;
    }
    if (!err)
        merge(&m, f->limit, out);
    for (size_t i = 0; i < m.n; i++)
        job_page_release(&m.part[i]);
    return err;
}
