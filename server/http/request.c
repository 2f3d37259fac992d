/*
 * request.c - the course of one request: head checked, routed, body taken in, handled, suspended
 * and resumed, answered.
 *
 * A request lives on the HTTP thread of its connection. How it is suspended is in suspend.c.
 */
#include "request.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../../common/log.h"
#include "../../common/spare.h"
#include "../conf.h"
#include "../metrics.h"
#include "access.h"
#include "audit.h"
#include "guard.h"
#include "loop.h"
#include "pace.h"
#include "response.h"
#include "stream.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LARGE_BODY  (32u << 10) /* takes long, whatever the body is for */
#define NOTHING_MAX 64          /* bytes of a body where none belongs: clients send {} */
#define DROP_MAX                                                                                   \
    (16u << 20) /* bytes of a refused body that are read so that its sender gets the answer */

const struct conf *http_conf;

static struct spares spare_requests = SPARES_INIT(sizeof(struct request));

static struct {
    int64_t started_us;
    atomic_bool draining;
    _Atomic uint64_t requests, client_errors, server_errors, refused_guard;
} r;

/* ---- what handlers ask ---- */

bool http_draining(void)
{
    return atomic_load_explicit(&r.draining, memory_order_relaxed);
}

int64_t http_started_us(void)
{
    return r.started_us;
}

void request_drain(void)
{
    atomic_store(&r.draining, true);
}

#define ALL_HEADERS UINT64_MAX

/* One bit of 64 for a header's name: its length and its first letter. */
static uint64_t header_bit(const char *name, size_t len)
{
    unsigned char first = (unsigned char)name[0] | 0x20; /* of either case */
    return UINT64_C(1) << (((size_t)first * 5 + len) & 63);
}

/* Most that are asked for are not there, which the library needs a walk along all to tell. */
const char *request_header(const struct request *rq, const char *name)
{
    if (!(rq->header_bits & header_bit(name, strlen(name))))
        return NULL;
    return MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name);
}

/* ---- the head ---- */

/* The library cuts a value at a NUL byte, takes a bare CR for the end of a line and joins folded
 * lines, and tells none of it. It keeps the head where it was read, so each line must begin where
 * the one before it ended with CR LF, both of which are NUL by now. */
struct head_reader {
    struct guard *guard;
    uint64_t bits;    /* header_bit() of each */
    const char *next; /* where the next line must begin */
    bool strange;
};

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t nlen,
                                 const char *value, size_t vlen)
{
    (void)kind;
    struct head_reader *h = arg;
    if (!value || name != h->next || value <= name + nlen)
        h->strange = true;
    else
        h->next = value + vlen + 2;
    h->bits |= nlen > 0 ? header_bit(name, nlen) : 0;
    return guard_header(h->guard, name, nlen, value ? value : "", vlen) ? MHD_NO : MHD_YES;
}

/* What a head takes that the guard did not look at to its end. */
static size_t memory_of_head(const struct request *rq)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *cookies = MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, "Cookie");
    int records = MHD_get_connection_values_n(
        rq->mhd, MHD_HEADER_KIND | MHD_COOKIE_KIND | MHD_GET_ARGUMENT_KIND, NULL, NULL);
    return (size ? size->header_size : 0) + (size_t)records * GUARD_RECORD +
           (cookies ? strlen(cookies) : 0);
}

static int check_head(struct request *rq, const char *method, const char *version, struct guard *g)
{
    const struct front *front = rq->conn->front;
    guard_init(g, front->loopback, front->host, guard_room(http_conf->head_memory));
    if (guard_begin(g, method, version, rq->target, &rq->path) == 0) {
        struct head_reader h = {.guard = g, .next = version + strlen(version) + 2};
        h.strange = method + strlen(method) + 1 + strlen(rq->target) + 1 != version;
        MHD_get_connection_values_n(rq->mhd, MHD_HEADER_KIND, on_header, &h);
        rq->header_bits = g->problem.err ? ALL_HEADERS : h.bits; /* it may not have seen all */
        const union MHD_ConnectionInfo *size =
            MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        if (!size || h.next + 2 != method + size->header_size)
            h.strange = true;
        if (!g->problem.err && h.strange)
            problem_set(&g->problem, ERR_BAD_REQUEST,
                        "a line of the head has a NUL byte, is folded, or does not end with CR LF");
        guard_end(g);
    }
    if (g->problem.err)
        g->memory = memory_of_head(rq);
    return -g->problem.err;
}

static int refuse_head(struct request *rq, const struct guard *g)
{
    atomic_fetch_add_explicit(&r.refused_guard, 1, memory_order_relaxed);
    if (!guard_has_room(g)) { /* nor has the library: it would end the connection without a word */
        deadline_say_problem(rq->conn, &g->problem, rq->request_id);
        request_note(rq, err_status(g->problem.err), clock_mono_us());
        return 0;
    }
    request_problem(rq, &g->problem);
    rq->close = true;
    return reply_send(rq);
}

static void read_query(struct request *rq)
{
    if (!rq->query_text || !*rq->query_text)
        return;
    rq->query = calloc(1, sizeof(*rq->query));
    int err = rq->query ? query_parse(rq->query, rq->query_text) : -ERR_NOMEM;
    struct problem p;
    if (err == -ERR_BAD_PARAMETER) {
        if (rq->query->wrong)
            problem_field(&p, err, PLACE_PARAMETER, rq->query->wrong, "UTF-8 text", NULL);
        else
            problem_set(&p, err,
                        "the query has a bad escape, a control byte, bytes that are not UTF-8, or "
                        "more than %d parameters",
                        QUERY_MAX);
        request_problem(rq, &p);
    } else if (err) {
        request_error(rq, err);
    }
}

static void refuse_any_body(struct request *rq)
{
    struct problem p;
    problem_set(&p, ERR_BAD_REQUEST,
                rq->route->method == METHOD_POST ? "this address takes no body, but an empty `{}`"
                                                 : "this address takes no body");
    request_problem(rq, &p);
}

/* A body that no handler could read. */
static bool is_encoded(const struct request *rq)
{
    const char *coding =
        rq->route->body == BODY_NONE ? NULL : request_header(rq, "Content-Encoding");
    return coding && *coding && strcasecmp(coding, "identity") != 0;
}

static void find_route(struct request *rq, const char *method, const struct guard *g)
{
    struct problem p;
    enum method m = route_method(method);
    int err = strcmp(rq->path, "*") == 0 ? -ERR_BAD_METHOD
                                         : route_find(m, rq->path, &rq->route, &rq->part);
    if (rq->conn->front->admin && !(rq->route && route_is_admin(rq->route))) {
        rq->route = NULL;
        problem_set(&p, ERR_NOT_FOUND, "here are /healthz, /readyz and /metrics alone");
        request_problem(rq, &p);
        return;
    }
    if (err == -ERR_BAD_METHOD) {
        AUTO_BUF allow = BUF_INIT;
        route_allow(rq->path, &allow);
        if (m == METHOD_OPTIONS) {
            rq->reply.status = 204;
        } else {
            problem_set(&p, err, "`%.32s` is not one of %s", method, allow.data ? allow.data : "");
            request_problem(rq, &p);
        }
        request_add_header(rq, "Allow", "%s", allow.data ? allow.data : "");
    } else if (err) {
        problem_set(&p, err, "nothing is at `%.200s`; GET / lists what is", rq->path);
        request_problem(rq, &p);
    } else {
        rq->body_limit = rq->route->body == BODY_JSON    ? http_conf->max_body
                         : rq->route->body == BODY_RAW   ? http_conf->max_raw_body
                         : rq->route->body == BODY_BATCH ? http_conf->max_batch_body
                                                         : 0;
        if (rq->route->body == BODY_BATCH && stream_wanted(rq)) {
            rq->body_limit = http_conf->max_stream_body;
            rq->stream = stream_new();
            if (!rq->stream)
                request_error(rq, -ERR_NOMEM);
        }
        bool no_body = rq->route->body == BODY_NONE && (g->length > 0 || g->chunked);
        if (no_body && (m != METHOD_POST || g->length > NOTHING_MAX)) {
            refuse_any_body(rq);
        } else if (no_body) {
            rq->body_limit = NOTHING_MAX; /* handle() looks whether it says nothing */
        } else if (is_encoded(rq)) {
            problem_set(&p, ERR_ENCODING,
                        "the body must come without a Content-Encoding, not `%.40s`",
                        request_header(rq, "Content-Encoding"));
            request_problem(rq, &p);
            request_add_header(rq, "Accept-Encoding", "identity");
        } else if (g->length > rq->body_limit) {
            problem_set(&p, ERR_TOO_LARGE, "the body has %llu bytes; at most %zu",
                        (unsigned long long)g->length, rq->body_limit);
            request_problem(rq, &p);
        }
    }
}

static void name_request(struct request *rq, uint64_t n)
{
    const char *given = request_header(rq, "X-Request-Id");
    if (given && access_id_ok(given))
        snprintf(rq->request_id, sizeof(rq->request_id), "%s", given);
    else
        access_id_make(n, rq->request_id);
    rq->conn->request_id = rq->request_id;
    rq->conn->head = rq->head;
}

static const struct sockaddr *address_of(const struct request *rq)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

static void check_caller(struct request *rq)
{
    struct problem p;
    int err = auth_enter(&rq->caller, request_header(rq, "Authorization"), rq->route->scope, &p);
    if (!err)
        return;
    request_problem(rq, &p);
    if (err == -ERR_UNAUTHORIZED)
        request_add_header(rq, "WWW-Authenticate", "Bearer realm=\"jobmill\"");
}

/* The bucket as a quota of whole seconds: it is full again after so many. */
static void tell_quota(struct request *rq, unsigned retry_after)
{
    int64_t rate = http_conf->client_rate, burst = http_conf->client_burst;
    request_add_header(rq, "RateLimit-Policy", "\"client\";q=%lld;w=%lld", (long long)burst,
                       (long long)((burst + rate - 1) / rate));
    request_add_header(rq, "RateLimit", "\"client\";r=0;t=%u", retry_after);
}

static void check_pace(struct request *rq)
{
    struct problem p;
    if (http_conf->client_rate == 0 || route_is_admin(rq->route))
        return;
    int64_t wait_us = pace_ask(caller_owner(&rq->caller), address_of(rq), rq->began_us);
    if (wait_us == 0)
        return;
    problem_set(&p, ERR_RATE_LIMITED, "at most %lld requests a second, and %lld at once",
                (long long)http_conf->client_rate, (long long)http_conf->client_burst);
    p.retry_after = (unsigned)((wait_us + US_PER_S - 1) / US_PER_S);
    request_problem(rq, &p);
    tell_quota(rq, p.retry_after);
}

/* The first call for a request: its head is there, its body is not. An answer given now closes the
 * connection, so it is kept for the last call but where the body is huge, or its sender asks first.
 */
static int begin(struct request *rq, const char *method, const char *version)
{
    struct guard g;
    rq->begun = true;
    rq->began_us = clock_mono_us();
    rq->head = strcmp(method, "HEAD") == 0;
    strncpy(rq->method, method, sizeof(rq->method) - 1); /* of zeros */
    suspend_opened();
    int err = check_head(rq, method, version, &g);
    name_request(rq, atomic_fetch_add_explicit(&r.requests, 1, memory_order_relaxed));
    if (err)
        return refuse_head(rq, &g);
    char *query = strchr(rq->path, '?');
    if (query) {
        *query = 0;
        rq->query_text = query + 1;
    }
    rq->has_body = g.length > 0 || g.chunked;
    rq->close = g.chunked; /* the library is lenient with chunks: nobody reads what follows them */
    find_route(rq, method, &g);
    if (rq->reply.status == 0)
        check_caller(rq);
    if (rq->reply.status == 0)
        check_pace(rq);
    if (rq->reply.status == 0)
        read_query(rq);
    if (rq->reply.status != 0 &&
        (g.length > DROP_MAX || (rq->has_body && request_header(rq, "Expect")))) {
        rq->close = true;
        return reply_send(rq);
    }
    deadline_phase_at(rq->conn, rq->has_body ? PHASE_BODY : PHASE_HANDLING, rq->began_us);
    return 1;
}

/* ---- the body ---- */

void request_note(struct request *rq, int status, int64_t now_us)
{
    if (rq->noted)
        return;
    rq->noted = true;
    rq->answered = status;
    metrics_request(&(struct request_figures){
        .route = rq->route ? (size_t)(rq->route - route_table) : METRICS_ROUTES_MAX,
        .head = rq->head && rq->route,
        .poll = rq->wait_us > 0,
        .status = status,
        .took_us = now_us - rq->began_us,
    });
    audit_request(rq, address_of(rq)); /* before its client may ask for it */
    if (status >= 500)
        atomic_fetch_add_explicit(&r.server_errors, 1, memory_order_relaxed);
    else if (status >= 400)
        atomic_fetch_add_explicit(&r.client_errors, 1, memory_order_relaxed);
}

static void give_back_body(struct request *rq)
{
    buf_release(&rq->body);
    request_discharge(rq->body_charged);
    rq->body_charged = 0;
}

/* The answer is known already. The rest of a body of ordinary size is read and dropped, because a
 * client that is still sending would lose the answer with the connection; a larger one is cut off.
 * In the middle of a body the library takes no answer: it is said past it. */
static int drop_body(struct request *rq, size_t len)
{
    rq->dropped += len;
    if (rq->dropped <= DROP_MAX)
        return 1;
    deadline_say(rq->conn, ERR_TOO_LARGE, rq->request_id);
    request_note(rq, err_status(ERR_TOO_LARGE), clock_mono_us());
    return 0;
}

static int refuse_body(struct request *rq, int err, size_t len)
{
    struct problem p;
    give_back_body(rq);
    if (err == ERR_TOO_LARGE) {
        problem_set(&p, err, "the body has more than the %zu bytes that are allowed",
                    rq->body_limit);
        request_problem(rq, &p);
    } else {
        request_error(rq, err);
    }
    return drop_body(rq, len);
}

static int take_body(struct request *rq, const char *data, size_t len)
{
    if (rq->reply.status != 0)
        return drop_body(rq, len);
    if (len > rq->body_limit - rq->body_taken)
        return refuse_body(rq, ERR_TOO_LARGE, len);
    rq->body_taken += len;
    if (rq->stream) {
        stream_take(rq, data, len);
        return 1;
    }
    buf_add(&rq->body, data, len);
    if (!request_charge_body(rq))
        return refuse_body(rq, rq->body.failed ? ERR_NOMEM : ERR_OVERLOADED, len);
    return 1;
}

/* ---- the course ---- */

/* A stream was taken in line by line. */
static bool takes_long(const struct request *rq)
{
    return rq->route->where == WHERE_ASIDE || (!rq->stream && rq->body.len > LARGE_BODY);
}

/* Blanks, or an object without members. */
static bool says_nothing(const struct buf *body)
{
    char marks[3] = "";
    size_t n = 0;
    for (size_t i = 0; i < body->len; i++) {
        if (jsonscan_blank(body->data[i]))
            continue;
        if (n == 2)
            return false;
        marks[n++] = body->data[i];
    }
    return n == 0 || strcmp(marks, "{}") == 0;
}

static void handle(struct request *rq)
{
    if (rq->has_body)
        deadline_phase(rq->conn, PHASE_HANDLING); /* else it has been since its head was read */
    if (rq->route->body == BODY_NONE && rq->body.len > 0 && !says_nothing(&rq->body))
        refuse_any_body(rq);
    else if (takes_long(rq))
        request_aside(rq, rq->route->handler);
    else
        rq->route->handler(rq);
}

int request_step(struct request *rq, const char *method, const char *version, const char *data,
                 size_t *len)
{
    if (rq->parked && request_is_held(rq))
        return 1;
    auth_caller = &rq->caller;
    if (!rq->begun)
        return begin(rq, method, version);
    if (rq->parked && rq->stream && rq->left)
        return 0;
    if (rq->conn->loop)
        rq->conn->loop->busy = true;
    if (*len > 0) {
        size_t taken = *len;
        *len = 0;
        if (rq->parked) { /* a part of the stream is kept: go on reading */
            request_unpark(rq);
            deadline_phase(rq->conn, PHASE_BODY);
            rq->then(rq);
        }
        return take_body(rq, data, taken);
    }
    if (rq->reply.status == 0 || rq->parked) { /* both: its answer was made aside */
        void (*go)(struct request *) = handle;
        if (rq->parked) {
            request_unpark(rq);
            if (rq->left)
                return 0;
            go = rq->then;
            if (rq->stream && rq->change && rq->change->more) {
                go(rq); /* the last part but one came back; now the end of the body is seen */
                go = rq->route->handler;
            }
        }
        go(rq);
        if (rq->parked)
            return 1;
    }
    return reply_send(rq);
}

struct request *request_new(struct MHD_Connection *mhd, const char *target)
{
    struct problem p;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct request *rq = spare_take(&spare_requests);
    if (!rq || !info || !info->socket_context)
        goto free_request;
    memset(rq, 0, sizeof(*rq));
    rq->header_bits = ALL_HEADERS;
    rq->mhd = mhd;
    rq->conn = info->socket_context;
    rq->target = strdup(target);
    if (!rq->target)
        goto free_request;
    rq->path = rq->target;
    rq->conn->request = rq;
    if (guard_target(target, guard_room(http_conf->head_memory), &p) != 0) {
        atomic_fetch_add_explicit(&r.refused_guard, 1, memory_order_relaxed);
        deadline_say_problem(rq->conn, &p, NULL);
    }
    return rq;
free_request:
    spare_give(&spare_requests, rq);
    return NULL;
}

void request_release(struct request *rq)
{
    request_unpark(rq);
    give_back_body(rq);
    stream_free(rq);
    if (rq->change)
        request_change_free(rq->change);
    request_drop_query(rq);
    free(rq->ids);
    free(rq->next);
    free(rq->raw_type);
    auth_leave(&rq->caller);
    finish_free(rq->waiter.finish);
    if (rq->reply.source.free)
        rq->reply.source.free(rq->reply.source.state);
    if (rq->answer_held)
        request_let_go(rq->answer_held);
    buf_release(&rq->reply.body);
    buf_release(&rq->reply.headers);
    prepared_release(rq->reply.prepared);
    shell_give(rq->reply.shell);
    free(rq->reply.type_copy);
    free(rq->target);
    spare_give(&spare_requests, rq);
}

void request_free(struct request *rq)
{
    if (!rq)
        return;
    if (rq->begun) {
        if (!rq->noted)
            request_note(rq, 0, clock_mono_us());
        if (http_conf->access_log)
            access_log(rq, address_of(rq));
        suspend_closed();
    }
    struct conn *c = rq->conn;
    deadline_phase(
        c, PHASE_IDLE); /* first: from now on the watchdog looks at nothing of the request */
    c->request = NULL;
    c->request_id = NULL;
    if (request_abandon(rq))
        return;
    rq->conn = NULL;
    request_release(rq);
}

void request_setup(const struct conf *conf)
{
    http_conf = conf;
    metrics_begin();
    r.started_us = clock_mono_us();
    atomic_store(&r.draining, false);
    suspend_setup();
}

void request_figures(struct http_figures *out)
{
    out->requests = atomic_load_explicit(&r.requests, memory_order_relaxed);
    out->responses_4xx = atomic_load_explicit(&r.client_errors, memory_order_relaxed);
    out->responses_5xx = atomic_load_explicit(&r.server_errors, memory_order_relaxed);
    out->refused_guard = atomic_load_explicit(&r.refused_guard, memory_order_relaxed);
    out->in_flight = suspend_open();
    out->waiting = suspend_waiting();
}
