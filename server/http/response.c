/*
 * response.c - see response.h.
 */
#include "response.h"

#include "request.h"

#include "../../common/own.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_ID    "X-Request-Id"
#define PLACES        64  /* for spare shells, by the length of their body */
#define SPARES        256 /* of a thread: as many as it holds requests, which are answered at once */
#define SHELL_LARGEST 2048 /* bytes of a body */
#define UNSENT_BLOCK  16   /* memory of an answer that is not sent */
#define HEADERS_AT    8    /* of an answer's own headers, whose places are remembered */

static ssize_t no_more(void *arg, uint64_t at, char *out, size_t max)
{
    (void)arg, (void)at, (void)out, (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The library asks for none of the bytes. */
struct MHD_Response *response_unsent(uint64_t length)
{
    return MHD_create_response_from_callback(length, UNSENT_BLOCK, no_more, NULL, NULL);
}

/* The library ends chunks that it never began, behind the head: so it is told to use none. */
struct MHD_Response *response_unsent_open(void)
{
    struct MHD_Response *response = response_unsent(MHD_SIZE_UNKNOWN);
    if (response && MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT,
                                             MHD_RO_END) == MHD_YES)
        return response;
    if (response)
        MHD_destroy_response(response);
    return NULL;
}

/* ---- heads ---- */

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

/* What a browser is told of every answer: it is what it says, and of no use to pages of other
 * sites, neither to read nor to show in a frame. */
static bool add_hardening(struct MHD_Response *response)
{
    static const char *const always[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        if (!add(response, always[i][0], always[i][1]))
            return false;
    }
    return true;
}

/* What it tells is not everybody's. */
static bool is_private(const struct request *rq)
{
    return rq->caller.token != NULL;
}

static const char *cache_control(const struct request *rq)
{
    if (rq->reply.keep)
        return "public, max-age=31536000, immutable";
    return is_private(rq) ? "no-store" : "no-cache"; /* it is kept on no disk */
}

/* What all answers have of one type to one kind of caller. */
static bool add_usual(struct MHD_Response *response, const struct request *rq)
{
    const char *type = rq->reply.type;
    return (!type || add(response, "Content-Type", type)) && add_hardening(response) &&
           add(response, "Cache-Control", cache_control(rq));
}

/* Both have their zeros. */
bool response_next_header(const struct buf *headers, size_t *at, const char **name,
                          const char **value)
{
    if (*at >= headers->len)
        return false;
    *name = headers->data + *at;
    *value = *name + strlen(*name) + 1;
    *at += (size_t)(*value - *name) + strlen(*value) + 1;
    return true;
}

/* All but the request's id. */
static bool add_headers(struct MHD_Response *response, const struct request *rq)
{
    const char *name, *value;
    bool ok = add_usual(response, rq);
    for (size_t at = 0; ok && response_next_header(&rq->reply.headers, &at, &name, &value);)
        ok = add(response, name, value);
    return ok && (!rq->close || add(response, "Connection", "close"));
}

bool response_head(struct MHD_Response *response, const struct request *rq)
{
    return add_headers(response, rq) && add(response, REQUEST_ID, rq->request_id);
}

/* Whether the library gives the value of a header where it keeps it, and so sends what is written
 * there; it says neither that nor the contrary. Decided before the first thread begins. */
static bool in_place;

/* Where the response keeps this value, until the header is taken out; NULL: that cannot be told. */
static char *place_of_value(struct MHD_Response *response, const char *name, const char *value)
{
    char *at = (char *)(uintptr_t)MHD_get_response_header(response, name);
    return at && strcmp(at, value) == 0 ? at : NULL;
}

static enum MHD_Result note_value(void *arg, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    (void)kind;
    *(bool *)arg |= strcmp(name, REQUEST_ID) == 0 && strcmp(value, "new") == 0;
    return MHD_YES;
}

/* What others do to the response's other headers moves it not. */
static bool try_in_place(void)
{
    bool seen = false;
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    bool ok = r && add(r, "X-Before", "1") && add(r, REQUEST_ID, "old");
    char *at = ok ? place_of_value(r, REQUEST_ID, "old") : NULL;
    if (at && add(r, "X-After", "2") && MHD_del_response_header(r, "X-Before", "1") == MHD_YES) {
        memcpy(at, "new", sizeof("new"));
        MHD_get_response_headers(r, note_value, &seen);
    }
    if (r)
        MHD_destroy_response(r);
    return seen;
}

/* A header with a new value. `old` may be "": it is not there yet; *at: where it is, and will be.
 * Taking one out and adding another costs six calls of the allocator, and most are as long as the
 * one before. */
static bool exchange(struct MHD_Response *response, const char *name, const char *old,
                     const char *value, char **at)
{
    size_t len = strlen(value);
    if (*at && strlen(old) == len) {
        memcpy(*at, value, len + 1);
        return true;
    }
    if (old[0])
        (void)MHD_del_response_header(response, name, old);
    bool ok = add(response, name, value);
    *at = ok && in_place ? place_of_value(response, name, value) : NULL;
    return ok;
}

/* ---- answers that are given more than once ---- */

/* The library writes the head into the connection's memory before the handler of another request of
 * this thread is called: so the id that differs may be changed while bodies are still being sent.
 */
struct prepared {
    struct MHD_Response *response;
    size_t len, references;
    bool private;                                               /* for callers with a token */
    char request_id[sizeof(((struct request *)0)->request_id)]; /* that it has now */
    char *request_id_at;
};

struct prepared *reply_prepare(const struct request *rq)
{
    const struct buf *body = &rq->reply.body;
    struct prepared *p = body->failed ? NULL : calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    *p = (struct prepared){.len = body->len, .references = 1, .private = is_private(rq)};
    p->response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_COPY);
    if (p->response && add_headers(p->response, rq))
        return p;
    prepared_release(p);
    return NULL;
}

void prepared_release(struct prepared *p)
{
    if (!p || --p->references > 0)
        return;
    if (p->response)
        MHD_destroy_response(p->response);
    free(p);
}

bool reply_with_prepared(struct request *rq, struct prepared *p, const char *tag)
{
    if (rq->head || rq->close || rq->reply.headers.len > 0 || p->private != is_private(rq) ||
        request_knows(rq, tag))
        return false;
    p->references++;
    rq->reply.status = 200;
    rq->reply.prepared = p;
    return true;
}

struct MHD_Response *prepared_for(struct prepared *p, struct request *rq)
{
    bool named =
        exchange(p->response, REQUEST_ID, p->request_id, rq->request_id, &p->request_id_at);
    memcpy(p->request_id, named ? rq->request_id : "", named ? sizeof(p->request_id) : 1);
    rq->sent = p->len;
    return named ? p->response : NULL;
}

/* ---- responses that are dressed again ---- */

struct shell {
    struct shell *next; /* of its place */
    struct MHD_Response *response;
    char *body; /* the response's; NULL: of a 304, which tells its length alone */
    size_t len;
    const char *type; /* outlives the service; NULL: of a 304 */
    bool private;
    struct buf headers; /* that it has now, besides the usual ones and the request's id */
    char *headers_at[HEADERS_AT];
    char request_id[sizeof(((struct request *)0)->request_id)];
    char *request_id_at;
};

struct shells {
    struct shell *place[PLACES]; /* what was given last is taken first */
    size_t count;
    size_t hand; /* the place that gives one up next */
};

static struct own own; /* a thread's struct shells */
static _Thread_local struct shells *mine;

static void shell_free(struct shell *s)
{
    if (!s)
        return;
    if (s->response)
        MHD_destroy_response(s->response);
    buf_release(&s->headers);
    free(s);
}

static struct shell *pop(struct shells *all, size_t place)
{
    struct shell *s = all->place[place];
    if (!s)
        return NULL;
    all->place[place] = s->next;
    all->count--;
    return s;
}

static void free_all(void *arg)
{
    struct shells *all = arg;
    for (size_t i = 0; i < PLACES; i++) {
        while (all->place[i])
            shell_free(pop(all, i));
    }
    free(all);
    mine = NULL;
}

int response_start(void)
{
    in_place = try_in_place();
    return own_make(&own, free_all);
}

static struct shells *shells_of_thread(void)
{
    if (!mine)
        mine = own_new(&own, sizeof(*mine));
    return mine;
}

static bool is_304(const struct request *rq)
{
    return rq->reply.status == 304;
}

static size_t length_of(const struct request *rq)
{
    return is_304(rq) ? (size_t)rq->reply.unsent : rq->reply.body.len;
}

/* An answer and its 304 have the same length, and are asked for in turns. */
static size_t place_of(size_t len, bool unsent)
{
    return (len + unsent) % PLACES;
}

static struct MHD_Response *response_with(struct shell *s)
{
    s->body = malloc(s->len);
    if (!s->body)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(s->len, s->body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(s->body);
    return response;
}

/* A value's place is found by its header's name. */
static bool each_name_once(const struct buf *headers)
{
    const char *a, *b, *value;
    for (size_t at = 0; response_next_header(headers, &at, &a, &value);) {
        for (size_t more = at; response_next_header(headers, &more, &b, &value);) {
            if (strcmp(a, b) == 0)
                return false;
        }
    }
    return true;
}

static struct shell *shell_new(const struct request *rq)
{
    struct shell *s = each_name_once(&rq->reply.headers) ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return NULL;
    s->len = length_of(rq);
    s->type = rq->reply.type;
    s->private = is_private(rq);
    s->response = is_304(rq) ? response_unsent(s->len) : response_with(s);
    if (s->response && add_usual(s->response, rq))
        return s;
    shell_free(s);
    return NULL;
}

static bool same_names(const struct buf *a, const struct buf *b)
{
    const char *name_a, *name_b, *value;
    size_t at_a = 0, at_b = 0;
    while (response_next_header(a, &at_a, &name_a, &value)) {
        if (!response_next_header(b, &at_b, &name_b, &value) || strcmp(name_a, name_b) != 0)
            return false;
    }
    return at_b == b->len;
}

static bool fits(const struct shell *s, const struct request *rq)
{
    return s->len == length_of(rq) && (s->body == NULL) == is_304(rq) &&
           s->type == rq->reply.type && s->private == is_private(rq) &&
           same_names(&s->headers, &rq->reply.headers);
}

/* False: no memory, and the shell is of no use any more. */
static bool dress(struct shell *s, const struct request *rq)
{
    const struct buf *headers = &rq->reply.headers;
    const char *name, *value, *old_name, *old = "";
    size_t at = 0, old_at = 0;
    bool ok = true;
    for (size_t i = 0; ok && response_next_header(headers, &at, &name, &value); i++) {
        char *none = NULL, **place = i < HEADERS_AT ? &s->headers_at[i] : &none;
        if (s->headers.len > 0)
            (void)response_next_header(&s->headers, &old_at, &old_name, &old);
        if (strcmp(old, value) != 0 || s->headers.len == 0)
            ok = exchange(s->response, name, old, value, place);
    }
    buf_clear(&s->headers);
    buf_add(&s->headers, headers->data, headers->len);
    ok = ok && !s->headers.failed &&
         exchange(s->response, REQUEST_ID, s->request_id, rq->request_id, &s->request_id_at);
    memcpy(s->request_id, rq->request_id, sizeof(s->request_id));
    if (s->body)
        memcpy(s->body, rq->reply.body.data, s->len);
    return ok;
}

/* Answers that come in numbers, alike but for their ids and times. */
static bool is_usual(const struct request *rq)
{
    const struct reply *reply = &rq->reply;
    bool body = reply->type && reply->body.len > 0 && reply->body.len <= SHELL_LARGEST;
    return !reply->source.more && !reply->fixed && !reply->keep && !reply->type_copy && !rq->err &&
           !rq->head && !rq->close && !reply->body.failed && !reply->headers.failed &&
           (is_304(rq) ? reply->unsent > 0 : body);
}

struct shell *shell_take(struct request *rq)
{
    struct shells *all = is_usual(rq) ? shells_of_thread() : NULL;
    if (!all)
        return NULL;
    struct shell *s = pop(all, place_of(length_of(rq), is_304(rq)));
    if (s && !fits(s, rq)) {
        shell_free(s);
        s = NULL;
    }
    if (!s)
        s = shell_new(rq);
    if (!s)
        return NULL;
    if (!dress(s, rq)) {
        shell_free(s);
        return NULL;
    }
    rq->sent = s->body ? s->len : 0;
    return s;
}

struct MHD_Response *shell_response(const struct shell *s)
{
    return s->response;
}

void shell_give(struct shell *s)
{
    struct shells *all = mine;
    if (!s || !all) {
        shell_free(s);
        return;
    }
    for (; all->count >= SPARES; all->hand = (all->hand + 1) % PLACES)
        shell_free(pop(all, all->hand));
    struct shell **place = &all->place[place_of(s->len, !s->body)];
    s->next = *place;
    *place = s;
    all->count++;
}
