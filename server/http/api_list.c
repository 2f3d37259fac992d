/*
 * api_list.c - GET /v1/jobs: pages of jobs, newest first, and many jobs by their ids. HTTP threads.
 *
 * A cursor is the id where the last look ended, in base64url so that nobody builds on its form.
 */
#include "api.h"
#include "api_list.h"
#include "json.h"
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"

#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define TEXT_MAX      100
#define PADDED        BASE64_ENCODE_RAW_LENGTH(16) /* with two of = at its end */

void list_cursor_format(const struct id *id, char out[LIST_CURSOR_TEXT])
{
    char padded[PADDED];
    base64_encode_raw(padded, sizeof(id->b), id->b);
    for (size_t i = 0; i < LIST_CURSOR_TEXT - 1; i++)
        out[i] = padded[i] == '+' ? '-' : padded[i] == '/' ? '_' : padded[i];
    out[LIST_CURSOR_TEXT - 1] = 0;
}

bool list_cursor_parse(const char *text, struct id *id)
{
    char padded[PADDED + 1], again[LIST_CURSOR_TEXT];
    struct base64_decode_ctx ctx;
    uint8_t bytes[BASE64_DECODE_LENGTH(PADDED)];
    size_t len = sizeof(bytes);
    if (strlen(text) != LIST_CURSOR_TEXT - 1)
        return false;
    snprintf(padded, sizeof(padded), "%s==", text);
    for (char *p = padded; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &len, bytes, strlen(padded), padded) ||
        !base64_decode_final(&ctx) || len != sizeof(id->b))
        return false;
    memcpy(id->b, bytes, sizeof(id->b));
    list_cursor_format(id, again);
    return strcmp(again, text) == 0; /* one form only */
}

/* ---- the filter ---- */

static int read_state(struct request *rq, struct job_filter *f, struct problem *p)
{
    const char *text = request_param(rq, "state", p);
    f->state = -1;
    if (!text)
        return -p->err;
    int one = -1;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        one = job_state_parse(at, len);
        if (one < 0)
            return problem_field(
                p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "state",
                "scheduled, queued, running, succeeded, failed, cancelled or expired, or several "
                "with commas between them",
                text);
        f->states |= 1u << one;
        at += len;
        if (!*at)
            break;
    }
    if (f->states == 1u << one) {
        f->state = one;
        f->states = 0;
    }
    return 0;
}

int list_limit(struct request *rq, unsigned otherwise, unsigned *limit, struct problem *p)
{
    double number;
    const char *text = request_param(rq, "limit", p);
    *limit = otherwise;
    if (!text)
        return -p->err;
    if (strchr(text, '.') || !query_number(text, &number) || number < 1 || number > LIST_LIMIT_MAX)
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "limit",
                             "a whole number from 1 to 1000", text);
    *limit = (unsigned)number;
    return 0;
}

static int read_group(struct request *rq, struct job_filter *f, struct problem *p)
{
    const char *text = request_param(rq, "group", p);
    if (!text)
        return -p->err;
    if (!id_parse(&rq->id, text, strlen(text)))
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "group", "the id of a group",
                             text);
    if (f->tag)
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "group", "given without `tag`",
                             NULL);
    f->group = &rq->id;
    return 0;
}

static int read_time(struct request *rq, const char *name, int64_t *wall_us, struct problem *p)
{
    const char *text = request_param(rq, name, p);
    if (!text)
        return -p->err;
    if (!clock_parse(text, strlen(text), wall_us))
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, name,
                             "a time such as 2027-01-01T00:00:00Z", text);
    if (*wall_us <= 0)
        *wall_us = 1; /* 0 would be none, and no job is as old */
    *wall_us =
        (*wall_us + US_PER_MS - 1) / US_PER_MS * US_PER_MS; /* as the next page's address has it */
    return 0;
}

static int read_text(struct request *rq, struct job_filter *f, struct problem *p)
{
    f->text = request_param(rq, "text", p);
    if (f->text && (!f->text[0] || strlen(f->text) > TEXT_MAX))
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "text", "1 to 100 bytes",
                             f->text);
    return -p->err;
}

const char *list_owner(const struct request *rq)
{
    return caller_sees(&rq->caller, "") ? NULL : caller_owner(&rq->caller);
}

int list_filter(struct request *rq, struct job_filter *f, struct problem *p)
{
    int err = read_state(rq, f, p);
    if (err)
        return err;
    f->owner = list_owner(rq);
    f->task = request_param(rq, "task", p);
    if (!p->err && f->task && !job_task_name_ok(f->task, strlen(f->task)))
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "task", "the name of a task",
                             f->task);
    if (!p->err)
        f->tag = request_param(rq, "tag", p);
    if (!p->err && f->tag && (!f->tag[0] || strlen(f->tag) > JOB_TAG_MAX))
        return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "tag", "1 to 64 bytes", f->tag);
    if (p->err || read_group(rq, f, p) || read_time(rq, "created_after", &f->from_us, p))
        return -p->err;
    return read_time(rq, "created_before", &f->until_us, p);
}

int list_cursor(struct request *rq, struct job_filter *f, struct problem *p)
{
    int err = list_limit(rq, LIMIT_DEFAULT, &f->limit, p);
    if (err)
        return err;
    const char *cursor = request_param(rq, "cursor", p);
    if (cursor && !list_cursor_parse(cursor, &f->before))
        return problem_field(p, ERR_BAD_CURSOR, PLACE_PARAMETER, "cursor",
                             "what `next` of an earlier page had", cursor);
    f->has_before = cursor != NULL;
    return request_no_more_params(rq, p);
}

/* ---- pages ---- */

static void add_escaped(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
            strchr("-._~", *p))
            buf_addc(out, *p);
        else
            buf_addf(out, "%%%02X", (unsigned char)*p);
    }
}

/* `begin`: the length of the address before its first parameter. */
static void add_param(struct buf *out, size_t begin, const char *name, const char *value)
{
    buf_addf(out, "%c%s=", out->len > begin ? '&' : '?', name);
    add_escaped(out, value);
}

static void add_time(struct buf *out, size_t begin, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT];
    if (!wall_us)
        return;
    clock_format(wall_us, text);
    add_param(out, begin, name, text);
}

static void add_states(struct buf *out, size_t begin, unsigned states)
{
    buf_addf(out, "%cstate=", out->len > begin ? '&' : '?');
    for (int i = 0; i < JOB_STATES; i++) {
        unsigned before = states & ((1u << i) - 1);
        if (states >> i & 1)
            buf_addf(out, "%s%s", before ? "," : "", job_state_name((enum job_state)i));
    }
}

void list_address(const char *path, const struct job_filter *f, const char *cursor, struct buf *out)
{
    char group[ID_TEXT], limit[16];
    buf_addf(out, "%s", path);
    size_t begin = out->len;
    snprintf(limit, sizeof(limit), "%u", f->limit);
    if (f->limit > 0)
        add_param(out, begin, "limit", limit);
    if (f->group && !f->upward) {
        id_format(f->group, group);
        add_param(out, begin, "group", group);
    }
    if (f->state >= 0)
        add_param(out, begin, "state", job_state_name((enum job_state)f->state));
    else if (f->states)
        add_states(out, begin, f->states);
    if (f->task)
        add_param(out, begin, "task", f->task);
    if (f->tag)
        add_param(out, begin, "tag", f->tag);
    add_time(out, begin, "created_after", f->from_us);
    add_time(out, begin, "created_before", f->until_us);
    if (f->text)
        add_param(out, begin, "text", f->text);
    add_param(out, begin, "cursor", cursor);
}

void list_next(struct request *rq, const char *path, const struct job_filter *f,
               const struct job_page *page, struct buf *out)
{
    AUTO_BUF url = BUF_INIT;
    char cursor[LIST_CURSOR_TEXT];
    if (!page->more) {
        buf_adds(out, "null");
        return;
    }
    list_cursor_format(&page->last, cursor);
    list_address(path, f, cursor, &url);
    json_text(out, url.data ? url.data : "");
    request_add_header(rq, "Link", "<%s>; rel=\"next\"", url.data ? url.data : "");
    out->failed |= url.failed;
}

static void answer_page(struct request *rq, const struct job_filter *f, const struct job_page *page)
{
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"jobs\":[");
    for (size_t i = 0; i < page->count; i++) {
        buf_adds(out, i ? ",\n" : "\n");
        json_job_now(out, &page->jobs[i]);
    }
    buf_adds(out, "],\"next\":");
    list_next(rq, "/v1/jobs", f, page, out);
    buf_adds(out, "}\n");
}

/* ---- by ids ---- */

int list_ids_read(const char *text, struct id *ids, size_t *count, struct problem *p)
{
    *count = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        if (*count == LIST_IDS_MAX)
            return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "ids", "at most 100 ids",
                                 NULL);
        if (!id_parse(&ids[(*count)++], at, len))
            return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, "ids",
                                 "ids of jobs with commas between them", at);
        at += len;
        if (!*at)
            return 0;
    }
}

/* Jobs that are not there are left out: the caller sees by the ids which those are. Results are
 * told as long as they are not too large together. */
static void answer_ids(struct request *rq)
{
    struct buf *out = request_json(rq, 200);
    size_t share = http_conf->body_memory / 8, left = share < RESULTS_BYTES ? share : RESULTS_BYTES;
    const char *before = "{\"jobs\":[\n";
    for (size_t i = 0; i < rq->ids_count; i++) {
        struct job job;
        size_t most = left < http_conf->inline_max ? left : http_conf->inline_max;
        int err = reader_job(&rq->ids[i], most ? READ_RESULT : 0, most, &job);
        if (err == -ERR_NO_JOB)
            continue;
        if (err) {
            request_error(rq, err);
            return;
        }
        if (!caller_sees(&rq->caller, job.owner)) {
            job_release(&job);
            continue;
        }
        buf_adds(out, before);
        json_job_now(out, &job);
        left -= job.result.len < left ? job.result.len : left;
        job_release(&job);
        before = ",\n";
    }
    buf_adds(out, *before == '{' ? "{\"jobs\":[],\"next\":null}\n" : "],\"next\":null}\n");
    request_with_etag(rq);
}

/* Has one of them ended, or is none there at all? Then there is nothing to wait for. */
static bool any_ended(const struct request *rq)
{
    bool any = false;
    for (size_t i = 0; i < rq->ids_count; i++) {
        struct job job;
        int err = reader_job(&rq->ids[i], 0, 0, &job);
        if (err == -ERR_NO_JOB)
            continue;
        bool seen = err || caller_sees(&rq->caller, job.owner);
        bool final = err || job_state_final(job.state);
        if (!err)
            job_release(&job);
        any = any || seen;
        if (seen && final)
            return true;
    }
    return !any;
}

static void answer_ids_aside(struct request *rq)
{
    request_aside(rq, answer_ids);
}

/* Once more, as one may have ended before it was waited for. */
static void look_again(struct request *rq)
{
    if (any_ended(rq))
        request_wait_not(rq);
}

static void wait_for_ids(struct request *rq)
{
    request_wait_any(rq, rq->ids, rq->ids_count, look_again, answer_ids_aside);
    if (!rq->parked && rq->reply.status == 0)
        answer_ids(rq);
}

static void look_at_ids(struct request *rq)
{
    if (any_ended(rq))
        answer_ids(rq);
    else
        request_then(rq, wait_for_ids);
}

/* What belongs to the other form of the list, pages or ids; 0, or an error in p. */
int list_refuse_other(const struct request *rq, const char *const *names, const char *limit,
                      struct problem *p)
{
    for (; rq->query && *names; names++) {
        if (query_has(rq->query, *names))
            return problem_field(p, ERR_BAD_PARAMETER, PLACE_PARAMETER, *names, limit, NULL);
    }
    return 0;
}

static void list_ids(struct request *rq, const char *text)
{
    static const char *const of_pages[] = {
        "state",          "task",          "tag",   "group",  "text",
        "created_before", "created_after", "limit", "cursor", NULL};
    struct problem p = {0};
    rq->ids = calloc(LIST_IDS_MAX, sizeof(*rq->ids));
    if (!rq->ids) {
        request_error(rq, -ERR_NOMEM);
        return;
    }
    if (list_ids_read(text, rq->ids, &rq->ids_count, &p) || request_read_wait(rq, &p) ||
        list_refuse_other(rq, of_pages, "left out where `ids` is given", &p) ||
        request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    request_aside(rq, rq->wait_us > 0 ? look_at_ids : answer_ids);
}

static void list_page(struct request *rq)
{
    static const char *const of_ids[] = {"wait", NULL};
    struct job_filter f = {0};
    struct job_page page;
    struct problem p = {0};
    if (list_refuse_other(rq, of_ids, "given together with `ids` only", &p) ||
        list_filter(rq, &f, &p) || read_text(rq, &f, &p) || list_cursor(rq, &f, &p)) {
        request_problem(rq, &p);
        return;
    }
    int err = reader_list(&f, 0, 0, &page);
    if (err) {
        request_error(rq, err);
        return;
    }
    answer_page(rq, &f, &page);
    request_with_etag(rq);
    job_page_release(&page);
}

void api_jobs_list(struct request *rq)
{
    struct problem p = {0};
    const char *ids = request_param(rq, "ids", &p);
    if (p.err)
        request_problem(rq, &p);
    else if (ids)
        list_ids(rq, ids);
    else
        request_aside(rq, list_page);
}
