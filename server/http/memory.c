/*
 * memory.c - what requests hold of body_memory: bodies and their parsing, and answers that are
 * being sent. Any thread.
 *
 * Half of it is not for answers: whoever reads slowly keeps nobody from submitting.
 */
#include "request.h"

#include "../../common/err.h"
#include "../conf.h"

#include <stdatomic.h>

#define SMALL_ANSWER (256u << 10) /* bytes, which are not counted */

static struct {
    _Atomic size_t all;     /* bytes of all requests */
    _Atomic size_t answers; /* of them, of answers and pieces of such */
} m;

bool request_charge(size_t bytes)
{
    if (atomic_fetch_add(&m.all, bytes) + bytes <= http_conf->body_memory)
        return true;
    atomic_fetch_sub(&m.all, bytes);
    return false;
}

void request_discharge(size_t bytes)
{
    atomic_fetch_sub(&m.all, bytes);
}

bool request_memory_short(void)
{
    return atomic_load_explicit(&m.all, memory_order_relaxed) > http_conf->body_memory / 2;
}

bool request_charge_body(struct request *rq)
{
    size_t cap = rq->body.cap;
    if (rq->body.failed || (cap > rq->body_charged && !request_charge(cap - rq->body_charged)))
        return false;
    rq->body_charged = cap > rq->body_charged ? cap : rq->body_charged;
    return true;
}

bool request_hold(size_t bytes)
{
    if (atomic_fetch_add(&m.answers, bytes) + bytes <= http_conf->body_memory / 2 &&
        request_charge(bytes))
        return true;
    atomic_fetch_sub(&m.answers, bytes);
    return false;
}

void request_let_go(size_t bytes)
{
    atomic_fetch_sub(&m.answers, bytes);
    request_discharge(bytes);
}

/* The only one there is may be of any size, as it would never be given else; it counts as half of
 * all, so that the other half is left to bodies. */
void request_hold_answer(struct request *rq)
{
    size_t cap = rq->reply.body.cap, none = 0, half = (size_t)http_conf->body_memory / 2;
    if (rq->reply.status == 304 || cap <= SMALL_ANSWER)
        return;
    if (atomic_compare_exchange_strong(&m.answers, &none, cap < half ? cap : half)) {
        cap = cap < half ? cap : half;
        atomic_fetch_add(&m.all, cap);
    } else if (!request_hold(cap)) {
        buf_release(&rq->reply.body);
        request_error(rq, -ERR_OVERLOADED);
        return;
    }
    rq->answer_held = cap;
}
