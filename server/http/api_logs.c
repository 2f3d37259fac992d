/*
 * api_logs.c - GET /v1/jobs/{id}/logs: what a job has logged, and, followed, what it logs until it
 * has ended. HTTP threads.
 *
 * The answer is made while it is sent, a piece at a time, and while nothing is there to be sent the
 * request is suspended: the collector wakes it after a write, the writer at the job's end. Lines
 * and outcomes come by different ways. So before the first piece, and again after the job has
 * ended, it is waited until the collector has kept all that was written before.
 */
#include "api.h"
#include "api_jobs.h"
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../collector.h"
#include "../conf.h"
#include "../joblog.h"
#include "../reader.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 16384
#define LAG_US                                                                                     \
    (2 * US_PER_S) /* the collector is waited for so long: it may hang on standard error */
#define LINES_MAX 1e9

struct logs {
    struct joblog_view view;
    struct buf ready; /* of it, `given` bytes are sent */
    size_t given;
    uint64_t tail, skip; /* tail: UINT64_MAX: all */
    int64_t follow_us, until_us;
    uint64_t ticket;      /* what was written before it is waited for; 0: nothing */
    int64_t ticket_until; /* mono */
    int err;              /* of reading it aside */
};

static void logs_free(void *state)
{
    struct logs *l = state;
    if (l)
        buf_release(&l->ready);
    free(l);
}

/* ---- what is asked for ---- */

static int read_count(struct request *rq, const char *name, double least, double most, double *out,
                      struct problem *p)
{
    const char *text = request_param(rq, name, p);
    if (p->err || !text)
        return -p->err;
    char limit[64];
    snprintf(limit, sizeof(limit), "a whole number from %.0f to %.0f", least, most);
    if (query_number(text, out) && *out >= least && *out <= most && *out == (double)(int64_t)*out)
        return 0;
    return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, name, limit, text);
}

static int read_follow(struct request *rq, struct logs *l, struct problem *p)
{
    double most = (double)http_conf->max_wait_us / (double)US_PER_S, seconds = most;
    const char *text = request_param(rq, "follow", p);
    if (p->err || !text || strcmp(text, "false") == 0)
        return -p->err;
    if (strcmp(text, "true") != 0 &&
        (!query_number(text, &seconds) || seconds < 0 || seconds > most)) {
        char limit[64];
        snprintf(limit, sizeof(limit), "true, false, or a number of seconds from 0 to %g", most);
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "follow", limit, text);
    }
    l->follow_us = (int64_t)(seconds * (double)US_PER_S);
    return 0;
}

static int read_params(struct request *rq, struct logs *l, struct problem *p)
{
    double tail = -1, skip = 0, attempt = 0;
    int err = read_count(rq, "tail", 0, LINES_MAX, &tail, p);
    if (!err)
        err = read_count(rq, "skip", 0, LINES_MAX, &skip, p);
    if (!err)
        err = read_count(rq, "attempt", 1, UINT32_MAX, &attempt, p);
    if (!err)
        err = read_follow(rq, l, p);
    if (!err)
        err = request_no_more_params(rq, p);
    l->tail = tail < 0 ? UINT64_MAX : (uint64_t)tail;
    l->skip = (uint64_t)skip;
    l->view.attempt = (uint32_t)attempt;
    return err;
}

static bool wants_json(const struct request *rq)
{
    const char *accept = request_header(rq, "Accept");
    return accept && (strstr(accept, "application/x-ndjson") ||
                      strstr(accept, "application/jsonl") || strstr(accept, "application/ndjson"));
}

/* ---- following ---- */

/* Waits for any of `n` things, or until `until_us` (mono). False: it cannot wait. */
static bool wait_for(struct request *rq, const struct id *what, size_t n, int64_t until_us,
                     void (*then)(struct request *rq))
{
    int64_t left = until_us - clock_mono_us();
    if (left <= 0 || request_ending())
        return false;
    rq->wait_us = left;
    request_wait_any(rq, what, n, NULL, then);
    return rq->parked;
}

/* Until l->ticket has passed. Whoever reads what there is waits so, too: it needs no room. */
static bool wait_for_collector(struct request *rq, const struct logs *l,
                               void (*then)(struct request *rq))
{
    rq->brief = true;
    if (!wait_for(rq, &collector_key, 1, l->ticket_until, then))
        return false;
    if (collector_passed(l->ticket))
        request_wait_not(rq);
    return true;
}

static void ask_collector(struct logs *l)
{
    l->ticket = collector_ask();
    l->ticket_until = clock_mono_us() + LAG_US;
}

static bool has_ended(const struct id *id)
{
    struct job job;
    if (reader_job(id, 0, 0, &job) != 0)
        return true; /* forgotten: so are its lines */
    bool ended = job_state_final(job.state);
    job_release(&job);
    return ended;
}

/* Nothing is there to be sent. True: look again, at once or when resumed. */
static bool wait_for_more(struct request *rq, struct logs *l)
{
    if (l->follow_us == 0 || request_ending() || clock_mono_us() >= l->until_us)
        return false;
    if (!l->ticket && has_ended(&rq->id))
        ask_collector(l);
    if (l->ticket && collector_passed(l->ticket)) {
        l->follow_us = 0; /* once more, for what came before it passed */
        return true;
    }
    if (l->ticket)
        return wait_for_collector(rq, l, NULL);
    const struct id what[2] = {rq->id, joblog_key(&rq->id)};
    rq->brief = false;
    if (!wait_for(rq, what, 2, l->until_us, NULL))
        return false;
    if (joblog_has_more(&l->view) || has_ended(&rq->id))
        request_wait_not(rq);
    return true;
}

/* ---- the answer ---- */

/* Of a long file few lines may be of the attempt that is asked for. Aside. */
static void read_on(struct request *rq)
{
    struct logs *l = rq->reply.source.state;
    do
        l->err = joblog_read(&l->view, PIECE, &l->ready);
    while (!l->err && l->ready.len == 0 && !l->view.all);
}

static ssize_t more(struct request *rq, char *out, size_t max)
{
    struct logs *l = rq->reply.source.state;
    for (;;) {
        size_t left = l->ready.len - l->given;
        if (left > 0) {
            size_t n = left < max ? left : max;
            memcpy(out, l->ready.data + l->given, n);
            l->given += n;
            return (ssize_t)n;
        }
        buf_clear(&l->ready);
        l->given = 0;
        if (l->err || joblog_read(&l->view, PIECE, &l->ready) != 0)
            return REPLY_BROKEN;
        if (l->ready.len > 0)
            continue;
        buf_release(&l->ready);
        if (!l->view.all)
            request_aside(rq, read_on);
        else if (!wait_for_more(rq, l)) /* a refusal to wait is set as an answer, too late */
            return rq->reply.status == 200 ? REPLY_END : REPLY_BROKEN;
        if (rq->parked)
            return 0;
    }
}

/* The bytes of what there is. */
static int measure(struct logs *l, uint64_t *length)
{
    *length = 0;
    do {
        l->err = joblog_read(&l->view, PIECE, &l->ready);
        *length += l->ready.len;
        buf_clear(&l->ready);
    } while (!l->err && !l->view.all);
    return l->err;
}

static void answer(struct request *rq)
{
    struct logs *l = rq->reply.source.state;
    uint64_t length = REPLY_LENGTH_UNKNOWN;
    int err = l->tail != UINT64_MAX ? joblog_seek_tail(&l->view, l->tail) : 0;
    if (!err && l->skip > 0)
        err = joblog_skip(&l->view, l->skip);
    if (!err && rq->head && l->follow_us == 0)
        err = measure(l, &length);
    if (err) {
        request_error(rq, err);
        return;
    }
    l->until_us = clock_mono_us() + l->follow_us;
    rq->wait_us = l->follow_us;
    rq->reply.status = 200;
    rq->reply.type = l->view.json ? "application/x-ndjson" : "text/plain; charset=utf-8";
    rq->reply.source.more = more;
    rq->reply.source.length = length;
    request_add_header(rq, "Vary", "Accept");
}

static void begin(struct request *rq)
{
    struct logs *l = rq->reply.source.state;
    if (!collector_passed(l->ticket) && (wait_for_collector(rq, l, begin) || rq->reply.status != 0))
        return;
    l->ticket = 0;
    rq->brief = false;
    if (l->follow_us > 0 && !rq->head && !has_ended(&rq->id) && !request_may_wait(rq))
        return; /* told now: an answer that has begun can only be broken off */
    if (l->tail != UINT64_MAX || l->skip > 0 || rq->head) /* it looks at all of the file */
        request_aside(rq, answer);
    else
        answer(rq);
}

void api_jobs_logs(struct request *rq)
{
    struct problem p = {0};
    struct job job;
    struct logs *l = calloc(1, sizeof(*l));
    if (!l) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    rq->reply.source = (struct reply_source){.free = logs_free, .state = l};
    if (!jobs_read_id(rq))
        return;
    if (read_params(rq, l, &p) != 0) {
        request_problem(rq, &p);
        return;
    }
    if (!jobs_read(rq, 0, 0, &job))
        return;
    if (rq->head && job_state_final(job.state))
        l->follow_us = 0; /* there is nothing to follow: its length is known */
    job_release(&job);
    l->view.job = rq->id;
    l->view.json = wants_json(rq);
    ask_collector(l);
    begin(rq);
}
