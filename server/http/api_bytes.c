/*
 * api_bytes.c - the bytes of inputs and results, whole or a range of them, for those who may see
 * the job and for the remote worker that holds it. HTTP threads.
 *
 * What is large is read from the store a piece at a time while it is sent; between two pieces a
 * client holds its piece's memory (request_hold), and nothing of the store.
 */
#include "api.h"
#include "api_jobs.h"
#include "range.h"
#include "request.h"

#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define AT_ONCE (256u << 10) /* what is no larger is read whole; else the least piece */
#define PIECES  256          /* finding a piece takes the longer the further it is: not too many */

struct source {
    struct id id;
    struct piece next; /* what is to be read next */
    uint64_t end;
    char *data; /* `room` bytes, of which `given` of `len` are sent */
    size_t room, len, given;
};

static void source_free(void *state)
{
    struct source *s = state;
    request_let_go(s->room);
    free(s->data);
    free(s);
}

static ssize_t more(struct request *rq, char *out, size_t max)
{
    struct source *s = rq->reply.source.state;
    if (s->given == s->len) {
        if (s->next.at == s->end)
            return REPLY_END;
        uint64_t left = s->end - s->next.at;
        s->next.len = left < s->room ? (size_t)left : s->room;
        if (reader_bytes(&s->id, &s->next, s->data) != 0)
            return REPLY_BROKEN; /* forgotten meanwhile, or tried again */
        s->next.at += s->next.len;
        s->len = s->next.len;
        s->given = 0;
    }
    size_t n = s->len - s->given < max ? s->len - s->given : max;
    memcpy(out, s->data + s->given, n);
    s->given += n;
    return (ssize_t)n;
}

/* Answers `len` bytes from `from` on, of those that `piece` is about. */
static void send_large(struct request *rq, const struct piece *piece, uint64_t from, uint64_t len)
{
    struct source *s = calloc(1, sizeof(*s));
    uint64_t share = piece->size / PIECES;
    size_t room = share > AT_ONCE ? (size_t)share : AT_ONCE;
    room = len < room ? (size_t)len : room;
    if (!s || !request_hold(room)) {
        free(s);
        request_error(rq, s ? -ERR_OVERLOADED : -ERR_NOMEM);
        return;
    }
    s->id = rq->id;
    s->next = *piece;
    s->next.at = (size_t)from;
    s->end = from + len;
    s->room = room;
    s->data = malloc(room ? room : 1);
    rq->reply.source = (struct reply_source){
        .more = s->data ? more : NULL, .free = source_free, .state = s, .length = len};
    if (!s->data)
        request_error(rq, -ERR_NOMEM);
}

/* Types that a browser would run or render with scripts are handed out as files. */
static bool is_inert(const char *type)
{
    static const char *const inert[] = {"application/json", "text/plain", "text/csv",  "image/png",
                                        "image/jpeg",       "image/gif",  "image/webp"};
    size_t len = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof(inert) / sizeof(inert[0]); i++) {
        if (len == strlen(inert[i]) && strncasecmp(type, inert[i], len) == 0)
            return true;
    }
    return false;
}

/* Which of the bytes are asked for. False: none that are there, and that is answered. */
static bool choose(struct request *rq, uint64_t size, uint64_t *from, uint64_t *len)
{
    const char *text = request_header(rq, "Range"), *only_if = request_header(rq, "If-Range");
    *from = 0;
    *len = size;
    if (rq->head || (only_if && strcmp(only_if, request_etag(rq)) != 0))
        return true; /* what was begun to be read is no more */
    enum range range = range_parse(text, size, from, len);
    if (range == RANGE_NOWHERE) {
        struct problem p;
        problem_set(&p, ERR_RANGE, "there are %" PRIu64 " bytes, and none in `%.80s`", size, text);
        request_problem(rq, &p);
        request_add_header(rq, "Content-Range", "bytes */%" PRIu64, size);
        return false;
    }
    if (range == RANGE_PIECE) {
        rq->reply.status = 206;
        request_add_header(rq, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, *from,
                           *from + *len - 1, size);
    }
    return true;
}

static void cut(struct buf *b, size_t from, size_t len)
{
    if (from > 0)
        memmove(b->data, b->data + from, len);
    b->len = len;
}

/* `bytes`: all of them, or, where there are more than AT_ONCE, none. The bytes of one attempt never
 * change, so the tag needs no look at them. */
static void answer_bytes(struct request *rq, struct buf *bytes, const char *type,
                         const struct piece *piece)
{
    char version[ID_TEXT + 16], id[ID_TEXT];
    struct reply *reply = &rq->reply;
    uint64_t from = 0, len = 0;
    reply->status = 200;
    reply->type_copy = strdup(type[0] ? type : "application/json");
    reply->type = reply->type_copy;
    if (!reply->type_copy) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    id_format(&rq->id, id);
    snprintf(version, sizeof(version), "%s %u", id, piece->attempt);
    bool inert = is_inert(reply->type);
    request_with_etag_of(rq, version, strlen(version));
    if (reply->status == 200 && !choose(rq, piece->size, &from, &len))
        return;
    request_add_header(rq, "Accept-Ranges", "bytes");
    if (!inert) {
        request_add_header(rq, "Content-Disposition", "attachment");
        request_add_header(rq, "Content-Security-Policy", "sandbox; default-src 'none'");
    }
    if (reply->status == 304) {
        reply->unsent = piece->size;
        return;
    }
    if (piece->size > AT_ONCE) {
        send_large(rq, piece, from, len);
        return;
    }
    buf_move(&reply->body, bytes);
    cut(&reply->body, (size_t)from, (size_t)len);
}

void api_jobs_result(struct request *rq)
{
    struct job job;
    struct problem p;
    if (!jobs_read_id(rq) || !request_no_params(rq) || !jobs_read(rq, READ_RESULT, AT_ONCE, &job))
        return;
    if (!job_state_final(job.state)) {
        problem_set(&p, ERR_CONFLICT, "the job is %s: it has no result yet",
                    job_state_name(job.state));
        request_problem(rq, &p);
    } else if (!job.has_result) {
        problem_set(&p, ERR_NO_RESULT, "the job is %s", job_state_name(job.state));
        request_problem(rq, &p);
    } else {
        answer_bytes(
            rq, &job.result, job.result_type,
            &(struct piece){.what = READ_RESULT, .attempt = job.attempt, .size = job.result_size});
    }
    job_release(&job);
}

void api_jobs_input(struct request *rq)
{
    struct job job;
    if (!jobs_read_id(rq) || !request_no_params(rq) || !jobs_read(rq, READ_INPUT, AT_ONCE, &job))
        return;
    answer_bytes(rq, &job.input, job.input_type,
                 &(struct piece){.what = READ_INPUT, .size = job.input_size});
    job_release(&job);
}

static void lease_lost(struct request *rq)
{
    struct problem p;
    problem_set(&p, ERR_LEASE_LOST, "the lease %.*s was lost, cancelled or used, or never was one",
                (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
    request_problem(rq, &p);
}

/* Whoever holds a job may read what it is about, and no other job. */
void api_leases_input(struct request *rq)
{
    struct job job;
    struct lease lease;
    struct problem p;
    struct id id;
    if (!request_no_params(rq))
        return;
    int err = id_parse(&id, rq->part.text, rq->part.len) ? reader_find_lease(&id, &lease)
                                                         : -ERR_LEASE_LOST;
    if (!err) {
        rq->id = lease.job;
        err = reader_job(&rq->id, READ_INPUT, AT_ONCE, &job);
    }
    if (err == -ERR_LEASE_LOST || err == -ERR_NO_JOB) {
        lease_lost(rq);
        return;
    }
    if (err) {
        request_error(rq, err);
        return;
    }
    if (caller_may_task(auth_caller, job.task, &p))
        request_problem(rq, &p);
    else
        answer_bytes(rq, &job.input, job.input_type,
                     &(struct piece){.what = READ_INPUT, .size = job.input_size});
    job_release(&job);
}
