/*
 * request.h - one request, from its target to its answer; what the handlers see of HTTP.
 *
 * A handler runs on an HTTP thread, or aside (aside.h) where its row of route.def or a large body says
 * so, and either sets an answer, or parks the request with request_commit or, not aside, request_wait,
 * naming the function that goes on once it is resumed. A parked request holds no thread. All functions
 * are for the request's own HTTP thread, or for the one that it is aside on.
 */
#ifndef JOBMILL_HTTP_REQUEST_H
#define JOBMILL_HTTP_REQUEST_H

#include "../../common/buf.h"
#include "../../common/id.h"
#include "../waiters.h"
#include "../writer.h"
#include "auth.h"
#include "deadline.h"
#include "http.h"
#include "problem.h"
#include "query.h"
#include "route.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define REQUEST_ID_MAX 64 /* bytes of a request's name */
#define REPLY_ETAG_MAX 35 /* with its quotes and the zero */

struct MHD_Connection;
struct conf;
struct request;

/* A listener, as its requests see it. */
struct front {
    char host[256]; /* as the settings have it */
    bool loopback;  /* names of other hosts are refused */
    bool admin;     /* serves probes and figures only */
    bool tls;       /* what is written past the library would break into its records */
};

/* An answer that is made while it is sent. `more` gives up to `max` bytes of it, REPLY_END, or
 * REPLY_BROKEN; or it suspends the request (request_wait_any with no `then`), returns 0, and is
 * called again. */
enum { REPLY_END = -1, REPLY_BROKEN = -2 };
#define REPLY_LENGTH_UNKNOWN UINT64_MAX
struct reply_source {
    ssize_t (*more)(struct request *rq, char *out, size_t max);
    void (*free)(void *state);
    void *state;
    uint64_t length;
};

struct prepared;
struct shell;

struct reply {
    int status; /* 0: not set yet */
    struct prepared *prepared; /* all of a 200, instead of what follows; a reference of its own */
    struct shell *shell; /* what it was sent with; owned; see response.h */
    struct buf body;
    struct reply_source source; /* instead of body: when more is not NULL */
    const void *fixed;          /* instead of body: bytes that outlive the service */
    size_t fixed_len;
    const char *type;   /* outlives the request, or is `type_copy` */
    char *type_copy;    /* owned */
    struct buf headers; /* name, zero, value, zero, … */
    bool keep;          /* it never changes: clients may keep it */
    uint64_t unsent; /* of a 304: bytes of the body that stays unsent, whose Content-Length it is */
};

struct request {
    struct MHD_Connection *mhd;
    struct conn *conn;
    char *target;
    const char *path, *query_text; /* point into target */
    const struct route *route;
    struct route_part part; /* the path's {id} or {task} */
    struct caller caller;   /* who asks */
    uint64_t header_bits;   /* of headers that it may have */
    struct query *query;    /* freed when the request is suspended */
    struct buf body;
    char *raw_type; /* of a body that was a part of another; owned; NULL: its own header tells */
    size_t body_limit, body_charged; /* charged: bytes taken from body_memory */
    size_t body_taken;               /* bytes of it that came */
    size_t answer_held;              /* bytes taken for its answer, likewise */
    size_t dropped;                  /* bytes of a body that was refused already */
    struct stream *stream;           /* NULL: the body is one piece */
    struct reply reply;
    int64_t began_us; /* mono: when its head was there */
    bool begun, close, head, noted;
    bool has_body; /* its head says so */
    int answered;                        /* the status of its answer; 0: none */
    int err;                             /* of the problem it was answered with; 0: none */
    size_t sent;                         /* bytes of its answer's body */
    char method[12];                     /* cut */
    char request_id[REQUEST_ID_MAX + 1]; /* X-Request-Id: the client's, or ours */

    /* parked: held or suspended */
    void (*then)(struct request *rq);
    bool parked, waiting, left;
    bool brief; /* its waits are for the service itself: no client's long poll, and none of max_waiting */
    bool resumed; /* it was parked before: it has waited, or changed something */
    atomic_int pending; /* what must come before it goes on: the commit, the end of the wait */
    atomic_int hold;    /* how it is parked: enum hold of suspend.c */
    struct loop *loop;  /* of its connection, which may be gone */
    int64_t held_us, wait_until_us; /* mono: held since; the end of its wait */
    struct inbox_node aside;             /* its place among those that wait to be done aside */
    void (*work)(struct request *rq);    /* what is done aside; NULL: nothing is */
    int64_t aside_us;                    /* mono: since when it waits there */
    struct waiter waiter;
    struct many *many; /* instead of waiter: what it waits for any of */
    struct change *change;

    /* the handlers' */
    int64_t wait_us; /* how long the client wants to wait; 0: not at all */
    bool wait_preferred;
    struct id id;
    struct id *ids; /* many that it asks for; owned */
    size_t ids_count;
    char *next; /* the address where what it asks for goes on; owned; NULL: that is all */
};

extern const struct conf *http_conf;
bool http_draining(void);
int64_t http_started_us(void); /* mono */

const char *request_header(const struct request *rq, const char *name); /* NULL: none */

/* Answers. */
void request_problem(struct request *rq, const struct problem *p);
void request_error(struct request *rq, int err);          /* with its general sentence */
struct buf *request_json(struct request *rq, int status); /* the body to be filled */
void request_add_header(struct request *rq, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The strong entity tag of some bytes, in its quotes. */
void request_etag_text(const void *data, size_t len, char tag[REPLY_ETAG_MAX]);
bool request_knows(const struct request *rq, const char *tag); /* by its If-None-Match */
/* Answers what is in the body so far with this ETag, or 304. */
void request_with_this_etag(struct request *rq, const char *tag);
/* The same with a strong ETag of it. */
void request_with_etag(struct request *rq);
/* The same with a tag of other bytes, which change whenever the body does. */
void request_with_etag_of(struct request *rq, const void *data, size_t len);
/* The same with a weak tag: of what matters of the body, where the rest moves all the time. */
void request_with_weak_etag_of(struct request *rq, const void *data, size_t len);
const char *request_etag(const struct request *rq); /* that was set; "": none */

/* Answers a change that was refused or failed (rq->change->err); in api_jobs.c. */
void refuse_change(struct request *rq);

/* ?wait= and Prefer: wait=; 0 or an error in p. */
int request_read_wait(struct request *rq, struct problem *p);
/* After all known parameters were asked for: are there others? 0 or an error in p. */
int request_no_more_params(struct request *rq, struct problem *p);
bool request_no_params(struct request *rq); /* where none is known; false: one came, and the answer is set */
/* The value of a parameter that may stand once; NULL: none, or twice (an error in p). */
const char *request_param(struct request *rq, const char *name, struct problem *p);

/* The dashboard's page, for a browser: true when it is the answer; in assets.c. */
bool assets_page(struct request *rq);

/* ---- memory.c ---- */
/* Takes from, and gives back to, the memory for bodies. False: none left. */
bool request_charge(size_t bytes);
void request_discharge(size_t bytes);
bool request_memory_short(void); /* less than half of it is left */
bool request_charge_body(struct request *rq); /* for what its body takes; given back with it */
/* The same for what is sent, of which there may be half as much. */
bool request_hold(size_t bytes);
void request_let_go(size_t bytes);
/* For its answer, until it is sent; where there is no memory for it, the answer is that instead. */
void request_hold_answer(struct request *rq);

/* A change for request_commit, which belongs to the request: freed with it. NULL: out of memory,
 * and the answer is set. */
struct change *request_change(struct request *rq, enum change_kind kind);
void request_change_free(struct change *c); /* with what it holds; one that was taken from its request */

/* Suspends until rq->change is committed or refused and, with wait_us > 0, until the job or group
 * `wait_for` has ended (NULL: no waiting) or the time is over. Then `then` runs: rq->change->err
 * tells. When too many wait, or the service ends, the answer is set and `then` does not run. */
void request_commit(struct request *rq, const struct id *wait_for,
                    void (*then)(struct request *rq));
/* Suspends and runs `work` on a thread for what takes long (aside.h): it sets the answer or calls request_commit, no other wait.
 * On a connection of admin_listen, and when the service ends, it runs at once. Where it waited for slow_wait, the answer is 503. */
void request_aside(struct request *rq, void (*work)(struct request *rq));
/* Within work: it sets no answer; `then` does, on the request's HTTP thread, as a handler does. */
void request_then(struct request *rq, void (*then)(struct request *rq));
/* Suspends until the job rq->id has ended or wait_us is over. The caller then looks once more
 * whether the job has ended meanwhile, and calls request_wait_not if so: `then` still runs, as it
 * does at once when the service ends. */
void request_wait(struct request *rq, void (*then)(struct request *rq));
/* The same for any of n jobs; when the service ends it is neither suspended nor answered. `look`, where it is not
 * NULL, looks once more aside, and calls request_wait_not. */
void request_wait_any(struct request *rq, const struct id *ids, size_t n,
                      void (*look)(struct request *rq), void (*then)(struct request *rq));
void request_wait_not(struct request *rq);
/* Is there room for one more who waits? False: there is none, and that is answered. */
bool request_may_wait(struct request *rq);
bool request_ending(void); /* the service ends: nobody waits any more */

/* ---- between request.c and suspend.c ---- */
void request_aside_run(struct inbox_node *n); /* for aside.c */
void request_unpark(struct request *rq);
/* It is held, and what it waits for has not come. */
bool request_is_held(struct request *rq);
/* Its connection is gone while it was held: true means that it belongs to those whom it waits for,
 * who call request_release. */
bool request_abandon(struct request *rq);
void request_release(struct request *rq); /* all but what is its connection's */
void request_drop_query(struct request *rq);
void suspend_setup(void);
size_t suspend_waiting(void);
size_t suspend_open(void);
void suspend_opened(void); /* a request's head was seen */
void suspend_closed(void); /* it is over */

/* ---- between request.c and reply.c ---- */
int reply_send(struct request *rq); /* queues rq->reply; 1, or 0: close the connection */
void request_note(struct request *rq, int status, int64_t now_us); /* counts its answer, once; 0: none was given */

/* ---- between answers.c and response.c: what is answered more than once is made once ---- */
/* The library's response of rq->reply, a 200 with a body, which stays as it is, and so has no header that is there for
 * what rq says. One thread's, for callers with a token or for those without. NULL: no memory. */
struct prepared *reply_prepare(const struct request *rq);
/* Answers with it, if this request is to be told just that; false: it is not. */
bool reply_with_prepared(struct request *rq, struct prepared *p, const char *tag);
void prepared_release(struct prepared *p); /* drops a reference; NULL is none */

/* ---- for http.c ---- */
struct request *request_new(struct MHD_Connection *mhd, const char *target);
void request_free(struct request *rq);
int request_step(struct request *rq, const char *method, const char *version, const char *data,
                 size_t *len); /* 1: go on; 0: close the connection */
bool request_wait_over(struct conn *c, bool left);
void request_wait_resume(struct conn *c);
void request_setup(const struct conf *conf);
void request_drain(void);
/* Ends all waits and refuses new ones, and after half of the time what has had no turn aside; false: some request was
 * still suspended after timeout_ms. */
bool request_end_all(int timeout_ms);
void request_figures(struct http_figures *out);

#endif
