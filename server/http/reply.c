/*
 * reply.c - a request's answer: problem documents, entity tags, and the library's response of it
 * all. HTTP threads; each for its own request.
 */
#include "loop.h"
#include "request.h"
#include "response.h"

#include "../../common/clock.h"
#include "../../common/err.h"

#include <microhttpd.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BLOCK 65536 /* memory of an answer that is made while it is sent */

void request_add_header(struct request *rq, const char *name, const char *fmt, ...)
{
    struct buf *h = &rq->reply.headers;
    buf_add(h, name, strlen(name) + 1);
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(h, fmt, ap);
    va_end(ap);
    buf_addc(h, 0);
}

struct buf *request_json(struct request *rq, int status)
{
    rq->reply.status = status;
    rq->reply.type = "application/json";
    buf_clear(&rq->reply.body);
    return &rq->reply.body;
}

void request_problem(struct request *rq, const struct problem *p)
{
    struct buf *out = request_json(rq, err_status(p->err));
    rq->err = p->err;
    rq->reply.type = "application/problem+json";
    problem_json(p, rq->request_id, out);
    if (p->retry_after)
        request_add_header(rq, "Retry-After", "%u", p->retry_after);
}

void request_error(struct request *rq, int err)
{
    struct problem p;
    problem_set(&p, err, "%s", err_sentence(err));
    request_problem(rq, &p);
}

static bool tag_in(const char *list, const char *tag)
{
    if (strcmp(list, "*") == 0)
        return true;
    const char *at = strstr(list, tag);
    return at != NULL; /* a quoted hash: it cannot stand inside another tag */
}

void request_with_etag(struct request *rq)
{
    request_with_etag_of(rq, rq->reply.body.data, rq->reply.body.len);
}

const char *request_etag(const struct request *rq)
{
    const char *name, *value;
    for (size_t at = 0; response_next_header(&rq->reply.headers, &at, &name, &value);) {
        if (strcmp(name, "ETag") == 0)
            return value;
    }
    return "";
}

void request_etag_text(const void *data, size_t len, char tag[REPLY_ETAG_MAX])
{
    static const char hex[] = "0123456789abcdef";
    struct sha256_ctx ctx;
    uint8_t hash[16];
    sha256_init(&ctx);
    sha256_update(&ctx, len, data);
    sha256_digest(&ctx, sizeof(hash), hash);
    tag[0] = '"';
    for (size_t i = 0; i < sizeof(hash); i++) {
        tag[1 + 2 * i] = hex[hash[i] >> 4];
        tag[2 + 2 * i] = hex[hash[i] & 15];
    }
    tag[33] = '"';
    tag[34] = 0;
}

bool request_knows(const struct request *rq, const char *tag)
{
    const char *known = request_header(rq, "If-None-Match");
    return known && tag_in(known, tag);
}

/* W/ where answers that differ may have the same tag. */
static void give_etag(struct request *rq, const char *weak, const char *tag)
{
    struct buf *h = &rq->reply.headers;
    buf_add(h, "ETag", sizeof("ETag"));
    buf_adds(h, weak);
    buf_add(h, tag, strlen(tag) + 1);
    if (rq->reply.status == 200 && request_knows(rq, tag)) {
        rq->reply.status = 304;
        rq->reply.type = NULL;
        rq->reply.unsent = rq->reply.body.len;
        buf_clear(&rq->reply.body);
    }
}

void request_with_this_etag(struct request *rq, const char *tag)
{
    give_etag(rq, "", tag);
}

static void with_etag(struct request *rq, const char *weak, const void *data, size_t len)
{
    char tag[REPLY_ETAG_MAX];
    request_etag_text(data, len, tag);
    give_etag(rq, weak, tag);
}

void request_with_etag_of(struct request *rq, const void *data, size_t len)
{
    with_etag(rq, "", data, len);
}

void request_with_weak_etag_of(struct request *rq, const void *data, size_t len)
{
    with_etag(rq, "W/", data, len);
}

/* The library asks for the next bytes of an answer, and again after the request was resumed. */
static ssize_t on_more(void *arg, uint64_t at, char *out, size_t max)
{
    struct request *rq = arg;
    (void)at;
    auth_caller = &rq->caller;
    if (rq->conn->loop)
        rq->conn->loop->busy = true;
    if (rq->parked) {
        request_unpark(rq);
        deadline_phase(rq->conn, PHASE_WRITING);
        if (rq->left)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    ssize_t n = rq->reply.source.more(rq, out, max);
    if (n < 0)
        return n == REPLY_END ? MHD_CONTENT_READER_END_OF_STREAM
                              : MHD_CONTENT_READER_END_WITH_ERROR;
    rq->sent += (size_t)n;
    return n;
}

static struct MHD_Response *streamed_response(struct request *rq)
{
    uint64_t length = rq->reply.source.length;
    if (rq->head)
        return length == REPLY_LENGTH_UNKNOWN ? response_unsent_open() : response_unsent(length);
    return MHD_create_response_from_callback(
        length == REPLY_LENGTH_UNKNOWN ? MHD_SIZE_UNKNOWN : length, STREAM_BLOCK, on_more, rq,
        NULL); /* the source goes with the request */
}

/* The library's response of rq->reply, which gives up its body. NULL: out of memory. */
static struct MHD_Response *make_response(struct request *rq)
{
    struct reply *reply = &rq->reply;
    if (reply->body.failed || reply->headers.failed) {
        buf_release(&reply->headers);
        buf_clear(&reply->body);
        reply->source.more = NULL;
        request_error(rq, -ERR_NOMEM);
        if (reply->body.failed || reply->headers.failed)
            return NULL;
    }
    if (reply->source.more)
        return streamed_response(rq);
    if (reply->status == 304)
        return response_unsent(reply->unsent);
    rq->sent = reply->fixed ? reply->fixed_len : reply->body.len;
    if (rq->head)
        rq->sent = 0;
    if (reply->fixed)
        return MHD_create_response_from_buffer(reply->fixed_len, (void *)(uintptr_t)reply->fixed,
                                               MHD_RESPMEM_PERSISTENT);
    if (reply->body.len == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    size_t len;
    char *data = buf_take(&reply->body, &len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(data);
    return response;
}

static int queue(struct request *rq, struct MHD_Response *response, bool whole)
{
    int status = rq->reply.status;
    enum MHD_Result queued = MHD_NO;
    int64_t now_us = clock_mono_us();
    if (whole) {
        deadline_phase_at(rq->conn, PHASE_WRITING, now_us);
        queued = MHD_queue_response(rq->mhd, (unsigned)status, response);
    }
    request_note(rq, queued == MHD_YES ? status : 0, now_us);
    return queued == MHD_YES;
}

/* ---- all answers ---- */

int reply_send(struct request *rq)
{
    if (rq->reply.prepared) {
        struct MHD_Response *prepared = prepared_for(rq->reply.prepared, rq);
        return queue(rq, prepared, prepared != NULL);
    }
    rq->reply.shell = shell_take(rq);
    if (rq->reply.shell)
        return queue(rq, shell_response(rq->reply.shell), true);
    struct MHD_Response *response = make_response(rq);
    if (!response)
        return 0;
    int sent = queue(rq, response, response_head(response, rq));
    MHD_destroy_response(response);
    return sent;
}
