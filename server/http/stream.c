/*
 * stream.c - a batch that comes line by line: lines -> parts of an open group, a commit each.
 * The request's HTTP thread; the change goes to the writer and comes back by `done`.
 */
#include "stream.h"

#include "request.h"
#include "submit.h"
#include "trace.h"
#include "webhook.h"

#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"
#include "../schema.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PART_JOBS    500
#define PART_BYTES   (4u << 20)
#define PART_PARENTS 5000

struct stream {
    struct submit_lines *lines;
    size_t line;       /* lines seen */
    size_t kept;       /* jobs that are on disk */
    size_t part_bytes; /* of the lines in the change */
    size_t parents;    /* that its jobs depend on */
    size_t charged;    /* of body_memory, for what it holds but the line that has not ended */
    bool looked;       /* at the parameters */
    bool begun;        /* the group is there */
    bool posted;       /* a part is with the writer, or came back and was not looked at yet */
    bool closed;
    bool keyed;                   /* with an Idempotency-Key: */
    struct stream_mark mark;      /* what came with it before */
    struct sha256_ctx hash;       /* of the lines */
    struct problem problem;       /* err != 0: what is wrong; the rest of the body is dropped */
    struct schema_report *report; /* the problem's, which is told after other requests; owned */
    void (*then)(struct request *rq);
};

bool stream_wanted(const struct request *rq)
{
    static const char *const types[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/x-jsonlines"};
    const char *type = request_header(rq, "Content-Type");
    size_t len = type ? strcspn(type, "; \t") : 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (len == strlen(types[i]) && strncasecmp(type, types[i], len) == 0)
            return true;
    }
    return false;
}

struct stream *stream_new(void)
{
    struct stream *s = calloc(1, sizeof(*s));
    if (s)
        s->lines = submit_lines_new();
    if (s && !s->lines) {
        free(s);
        return NULL;
    }
    return s;
}

static void forget_items(struct change *c)
{
    for (size_t i = 0; i < c->items_count; i++)
        job_release(&c->items[i].job);
    free(c->items);
    c->items = NULL;
    c->items_count = 0;
}

/* Whether there is memory for what it holds now. */
static bool charge(struct stream *s, const struct change *c)
{
    size_t holds = s->part_bytes + submit_lines_memory(s->lines) +
                   (c ? c->items_count * sizeof(c->items[0]) : 0);
    if (holds > s->charged && !request_charge(holds - s->charged))
        return false;
    if (holds < s->charged)
        request_discharge(s->charged - holds);
    s->charged = holds;
    return true;
}

/* The change, made with the first line. */
static struct change *change_of(struct request *rq)
{
    struct stream *s = rq->stream;
    if (rq->change)
        return rq->change;
    struct change *c = request_change(rq, CHANGE_BATCH);
    int err = c ? id_new(&c->group) : -ERR_NOMEM;
    if (err) {
        problem_set(&s->problem, err, "the group cannot be made");
        return NULL;
    }
    c->begin = true;
    snprintf(c->owner, sizeof(c->owner), "%s", caller_owner(&rq->caller));
    return c;
}

/* A part came back from the writer. */
static void part_kept(struct request *rq)
{
    struct stream *s = rq->stream;
    struct change *c = rq->change;
    s->posted = false;
    if (!c->err) {
        s->begun = true;
        s->kept += submit_count_new(c);
        s->closed = !c->more;
        c->begin = false;
        submit_lines_kept(s->lines, c);
    } else if (!s->problem.err) {
        problem_set(&s->problem, c->err, "the jobs of the lines up to %zu were not kept: %s",
                    s->line, err_sentence(c->err));
        if (c->err == -ERR_UNKNOWN_DEPENDENCY) {
            submit_unknown(c, PLACE_POINTER, &s->problem);
            problem_in_line(&s->problem);
            size_t at = strlen(s->problem.detail);
            snprintf(s->problem.detail + at, sizeof(s->problem.detail) - at,
                     "; what came with it, up to line %zu, is not kept", s->line);
        }
    }
    forget_items(c);
    s->part_bytes = s->parents = 0;
    (void)charge(s, c); /* less than before */
    c->from = c->lines;
}

/* Of the lines so far. */
static void prefix_digest(const struct stream *s, uint8_t out[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx copy = s->hash;
    sha256_digest(&copy, SHA256_DIGEST_SIZE, out);
}

static void commit_part(struct request *rq, bool more, void (*then)(struct request *rq))
{
    trace_take(rq->change, request_header(rq, "traceparent"));
    rq->change->more = more;
    rq->change->lines = rq->stream->line;
    if (rq->stream->keyed)
        prefix_digest(rq->stream, rq->change->fingerprint);
    rq->change->err = 0;
    bool waits = !more && rq->wait_us > 0 && !rq->stream->problem.err;
    request_commit(rq, waits ? &rq->change->group : NULL, then);
    rq->stream->posted = rq->parked;
}

static int other_lines(struct stream *s)
{
    return problem_set(&s->problem, ERR_KEY_REUSED,
                       "the Idempotency-Key came before with other lines, %llu of them",
                       (unsigned long long)s->mark.lines);
}

/* A line of a stream with a key. True: it was kept before, or is wrong. */
static bool known_line(struct stream *s, const char *line, size_t len)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_update(&s->hash, len, (const uint8_t *)line);
    sha256_update(&s->hash, 1, (const uint8_t *)"\n");
    if (s->line < s->mark.lines)
        return true;
    if (s->line > s->mark.lines)
        return false;
    prefix_digest(s, digest);
    if (memcmp(digest, s->mark.prefix, sizeof(digest)) != 0)
        other_lines(s);
    return true;
}

/* It is the thread's, and the next request of it may have another. */
static void keep_report(struct stream *s)
{
    if (!s->problem.report)
        return;
    s->report = malloc(sizeof(*s->report));
    if (s->report)
        *s->report = *s->problem.report;
    s->problem.report = s->report; /* without memory for it the sentence must do */
}

static void no_memory(struct stream *s, size_t line)
{
    problem_set(&s->problem, ERR_OVERLOADED, "no memory for line %zu now", line);
}

static void refuse_ref(struct stream *s, size_t number)
{
    char field[48];
    snprintf(field, sizeof(field), "/jobs/%zu/ref", number);
    problem_field(&s->problem, ERR_BAD_FIELD, PLACE_POINTER, field,
                  "left out in a stream with an Idempotency-Key", NULL);
    problem_in_line(&s->problem);
}

static void take_line(struct request *rq, const char *line, size_t len)
{
    struct stream *s = rq->stream;
    size_t number = s->line++;
    if (s->keyed && !s->problem.err && known_line(s, line, len))
        return;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    if (len == 0 || s->problem.err)
        return; /* an empty line is no job */
    if (s->mark.whole) {
        other_lines(s);
        return;
    }
    struct change *c = change_of(rq);
    if (c)
        (void)submit_line(s->lines, c, line, len, number, &s->problem);
    if (c && !s->problem.err && s->keyed && submit_lines_refs(s->lines))
        refuse_ref(s, number);
    s->part_bytes += len;
    if (c && !s->problem.err)
        s->parents += c->items[c->items_count - 1].job.parents_count;
    if (!s->problem.err && !charge(s, c))
        no_memory(s, s->line);
    if (s->problem.err) {
        keep_report(s);
        if (c && c->items_count > 0)
            job_release(&c->items[--c->items_count].job);
    }
}

static bool is_kept(const struct id *group)
{
    struct group g;
    int err = reader_group(group, &g);
    if (!err)
        group_release(&g);
    return err != -ERR_NO_GROUP;
}

/* What came with the key before. */
static int look_up_key(struct request *rq)
{
    struct stream *s = rq->stream;
    struct change *c = change_of(rq);
    int err = c ? submit_key(c, request_header(rq, "Idempotency-Key"), &s->problem) : 0;
    if (!c || err)
        return -s->problem.err;
    s->keyed = c->by_lines = true;
    sha256_init(&s->hash);
    err = reader_stream(c->key, &s->mark);
    if (err)
        return problem_set(&s->problem, err, "%s", err_sentence(err));
    if (s->mark.known && !s->mark.stream)
        return problem_set(&s->problem, ERR_KEY_REUSED,
                           "the Idempotency-Key came before with another request");
    if (!s->mark.known)
        return 0;
    if (s->mark.whole && !is_kept(&s->mark.group))
        return submit_forgotten(&s->problem, true, &s->mark.group);
    c->group = s->mark.group;
    c->begin = false;
    c->replayed_group = s->mark.whole;
    c->from = s->mark.lines;
    s->begun = true;
    return 0;
}

/* ?callback_url=, as such a body has no place for it: of the group. */
static int take_url(struct request *rq)
{
    struct stream *s = rq->stream;
    const char *url = request_param(rq, "callback_url", &s->problem);
    struct change *c = url ? change_of(rq) : NULL;
    if (!url || !c)
        return -s->problem.err;
    bool is_url = submit_url_ok(url, strlen(url));
    /* the list of hosts may be another one than when the key came first */
    if (!is_url || (!s->mark.known && !webhook_host_ok(url)))
        return problem_field(&s->problem, ERR_BAD_PARAMETER, PLACE_PARAMETER, "callback_url",
                             is_url ? SUBMIT_HOST_TEXT : SUBMIT_URL_TEXT, url);
    buf_adds(&c->callback_url, url);
    return c->callback_url.failed ? problem_set(&s->problem, ERR_NOMEM, "no memory for the URL")
                                  : 0;
}

/* Before the first part is kept: a suspended request has no parameters any more. */
static void look(struct request *rq)
{
    struct stream *s = rq->stream;
    if (s->looked)
        return;
    s->looked = true;
    if (http_draining()) {
        problem_set(&s->problem, ERR_DRAINING, "%s", err_sentence(ERR_DRAINING));
        return;
    }
    /* the key first: what is refused says what was kept with it before */
    int err = request_header(rq, "Idempotency-Key") ? look_up_key(rq) : 0;
    if (!err)
        err = request_read_wait(rq, &s->problem);
    if (!err)
        err = take_url(rq);
    if (!err)
        (void)request_no_more_params(rq, &s->problem);
}

static void check_length(struct stream *s, size_t len)
{
    if (!s->problem.err && len > http_conf->max_body)
        problem_set(&s->problem, ERR_TOO_LARGE, "line %zu has more than the %llu bytes allowed",
                    s->line + 1, (unsigned long long)http_conf->max_body);
}

void stream_take(struct request *rq, const char *data, size_t len)
{
    struct stream *s = rq->stream;
    look(rq);
    struct buf *rest = &rq->body; /* the beginning of a line whose end has not come */
    const char *end;
    while (len > 0 && (end = memchr(data, '\n', len))) {
        size_t part = (size_t)(end - data);
        check_length(s, rest->len + part);
        if (rest->len > 0) {
            buf_add(rest, data, part);
            take_line(rq, rest->data, rest->len);
            buf_clear(rest);
        } else {
            take_line(rq, data, part);
        }
        data = end + 1;
        len -= part + 1;
    }
    check_length(s, rest->len + len);
    if (!s->problem.err)
        buf_add(rest, data, len);
    else
        buf_clear(rest);
    if (!s->problem.err && !request_charge_body(rq))
        no_memory(s, s->line + 1);
    if (rq->change && !s->problem.err &&
        (rq->change->items_count >= PART_JOBS || s->part_bytes >= PART_BYTES ||
         s->parents >= PART_PARENTS || (rq->change->items_count > 0 && request_memory_short())))
        commit_part(rq, true, part_kept);
}

/* Of the group, by whichever request they came; 0, too, where that cannot be told. */
static uint64_t jobs_of(const struct id *group)
{
    struct group g;
    uint64_t n = 0;
    if (reader_group(group, &g) != 0)
        return 0;
    for (int i = 0; i < JOB_STATES; i++)
        n += g.state[i];
    group_release(&g);
    return n;
}

/* With what is wrong it says what is kept, as its sender must know whether to send it again. */
static void refuse(struct request *rq)
{
    struct stream *s = rq->stream;
    char id[ID_TEXT];
    struct problem *p = &s->problem;
    size_t at = strlen(p->detail);
    uint64_t kept = s->keyed && s->begun ? jobs_of(&rq->change->group) : 0;
    kept = kept > s->kept ? kept : s->kept;
    if (kept > 0) {
        id_format(&rq->change->group, id);
        snprintf(p->detail + at, sizeof(p->detail) - at,
                 "; %llu jobs of %s are kept, as group %s%s", (unsigned long long)kept,
                 p->err == ERR_KEY_REUSED ? "those" : "the lines before", id,
                 s->keyed && !s->mark.whole ? ", and more may follow with the same key" : "");
    } else if (err_status(p->err) / 100 == 4 && p->err != ERR_FORGOTTEN && !s->mark.known) {
        snprintf(p->detail + at, sizeof(p->detail) - at, "; nothing is kept");
    }
    request_problem(rq, p);
}

static void ended(struct request *rq)
{
    struct stream *s = rq->stream;
    bool failed = rq->change->err != 0;
    part_kept(rq);
    if (failed || s->problem.err)
        refuse(rq);
    else
        s->then(rq);
}

void stream_end(struct request *rq, void (*then)(struct request *rq))
{
    struct stream *s = rq->stream;
    s->then = then;
    look(rq);
    if (rq->body.len > 0) {
        take_line(rq, rq->body.data, rq->body.len);
        buf_clear(&rq->body);
    }
    if (s->keyed && !s->problem.err && s->line < s->mark.lines)
        other_lines(s);
    if (!s->begun && !s->problem.err && (!rq->change || rq->change->items_count == 0))
        problem_set(&s->problem, ERR_BAD_FIELD, "there is no job in the body");
    if (s->problem.err && rq->change)
        forget_items(rq->change); /* this part is not kept; the group is closed if there is one */
    if (s->problem.err && (!s->begun || s->keyed)) /* with a key the group waits for the rest */
        refuse(rq);
    else if (s->mark.whole)
        then(rq);
    else
        commit_part(rq, false, ended);
}

void stream_free(struct request *rq)
{
    struct stream *s = rq->stream;
    struct change *c = rq->change;
    if (!s)
        return;
    if (s->posted)
        part_kept(rq);
    if (s->begun && !s->closed && c && !s->keyed) { /* the client went away */
        forget_items(c);
        c->more = false;
        c->err = 0;
        c->done = request_change_free;
        rq->change = NULL;
        if (writer_post(c) != 0)
            request_change_free(c); /* the next start closes it */
    }
    request_discharge(s->charged);
    submit_lines_free(s->lines);
    free(s->report);
    free(s);
    rq->stream = NULL;
}
