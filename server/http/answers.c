/*
 * answers.c - see answers.h. A table with one place for all ids of a hash; a newcomer takes it.
 * When all of them together are larger than they may be, all are forgotten: what is asked for often
 * is soon there again.
 */
#include "answers.h"

#include "request.h"

#include "../../common/own.h"
#include "../conf.h"
#include "../reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES    1024
#define LARGEST   8192 /* bytes of an answer that is kept */
#define PLACE_FEE 64   /* bytes that are counted for an answer besides its own */
#define HEAD_FEE  1024 /* and besides those of the response that is made of it */

struct place {
    struct id id;
    uint64_t version; /* 0: free */
    char *body;       /* owned */
    size_t len;
    struct prepared *prepared; /* made when it is given again; NULL: not yet */
    char etag[REPLY_ETAG_MAX];
    char owner[sizeof(((struct job *)0)->owner)];
};

struct answers {
    size_t bytes;
    struct place place[PLACES];
};

static struct own own; /* a thread's struct answers */
static _Thread_local struct answers *mine;

static void forget_all(struct answers *a)
{
    for (size_t i = 0; i < PLACES; i++) {
        free(a->place[i].body);
        prepared_release(a->place[i].prepared);
    }
    memset(a, 0, sizeof(*a));
}

static void free_all(void *arg)
{
    forget_all(arg);
    free(arg);
}

int answers_start(void)
{
    return own_make(&own, free_all);
}

static struct place *place_of(struct answers *a, const struct id *id)
{
    uint64_t h = (id_key(id) ^ id_tail(id)) * UINT64_C(0x9e3779b97f4a7c15);
    return &a->place[h >> 54];
}

uint64_t answers_version(const struct request *rq)
{
    return http_conf->answer_cache > 0 ? reader_job_version(&rq->id) : 0;
}

bool answers_give(struct request *rq, uint64_t version)
{
    struct place *p = mine && version ? place_of(mine, &rq->id) : NULL;
    if (!p || p->version != version || !id_equal(&p->id, &rq->id) ||
        !caller_sees(&rq->caller, p->owner))
        return false;
    if (p->prepared && reply_with_prepared(rq, p->prepared, p->etag))
        return true;
    bool everybodys = rq->reply.headers.len == 0 && !rq->close; /* else this request's */
    buf_add(request_json(rq, 200), p->body, p->len);
    request_with_this_etag(rq, p->etag);
    if (!p->prepared && rq->reply.status == 200 && everybodys)
        p->prepared = reply_prepare(rq);
    return true;
}

/* What an answer takes, with the response that may be made of it. */
static size_t cost(size_t len)
{
    return 2 * len + PLACE_FEE + HEAD_FEE;
}

static bool have_room(size_t len)
{
    if (!mine)
        mine = own_new(&own, sizeof(*mine));
    if (!mine)
        return false;
    if (mine->bytes + cost(len) > http_conf->answer_cache)
        forget_all(mine);
    return cost(len) <= http_conf->answer_cache;
}

void answers_keep(const struct request *rq, uint64_t version, const struct job *job,
                  const char *tag)
{
    const struct buf *body = &rq->reply.body;
    bool plain = job->state != JOB_RUNNING && job->attempt <= 1 && job->callback_url.len == 0;
    if (!version || !plain || body->failed || body->len == 0 || body->len > LARGEST ||
        !have_room(body->len))
        return;
    struct place *p = place_of(mine, &rq->id);
    char *copy = realloc(p->body, body->len);
    if (!copy)
        return;
    mine->bytes += cost(body->len) - (p->version ? cost(p->len) : 0);
    prepared_release(p->prepared);
    memcpy(copy, body->data, body->len);
    *p = (struct place){.id = rq->id, .version = version, .body = copy, .len = body->len};
    snprintf(p->owner, sizeof(p->owner), "%s", job->owner);
    snprintf(p->etag, sizeof(p->etag), "%s", tag);
}
