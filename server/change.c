/*
 * change.c - what the writer is handed, made empty and freed with what it holds: changes of
 * clients, outcomes of attempts, checkpoints. Any thread.
 */
#include "writer.h"

#include "../common/spare.h"
#include "must.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct spares finishes = SPARES_INIT(sizeof(struct finish));

struct finish *finish_new(void)
{
    struct finish *f = spare_take(&finishes);
    if (!f)
        f = must_calloc(sizeof(*f), "the outcome of a job cannot be kept");
    memset(f, 0, offsetof(struct finish, attempt));
    attempt_init(&f->attempt);
    return f;
}

void finish_free(struct finish *f)
{
    if (f)
        attempt_release(&f->attempt);
    spare_give(&finishes, f);
}

void new_job_init(struct new_job *n)
{
    memset(n, 0, offsetof(struct new_job, job));
    job_init(&n->job);
}

void change_init(struct change *c, enum change_kind kind)
{
    memset(c, 0, offsetof(struct change, one));
    c->work.kind = kind;
    new_job_init(&c->one);
}

void change_release(struct change *c)
{
    job_release(&c->one.job);
    for (size_t i = 0; i < c->items_count; i++)
        job_release(&c->items[i].job);
    free(c->items);
    free(c->ids);
    lease_ask_free(c->lease_ask);
    lease_end_free(c->lease_end);
    if (c->schedule)
        schedule_release(c->schedule);
    free(c->schedule);
    free(c->delivery);
    buf_release(&c->callback_url);
}

void checkpoint_free(struct checkpoint *c)
{
    buf_release(&c->data);
    free(c);
}
