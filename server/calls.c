/*
 * calls.c - calls of callback_urls, inside the writer's transaction: which are to be made now, and
 * what became of them. Who makes them is the webhooks' thread.
 */
#include "writer_priv.h"

#include "../common/clock.h"

#define CALLS_FULL_US   (50 * US_PER_MS) /* until it is looked again whether a call has room */
#define CALLS_LOOKED_AT 256              /* in one transaction, of which few may have room */

int calls_note(struct batch *b, struct change *c, int64_t now_us)
{
    (void)b;
    (void)now_us;
    const struct delivery *d = c->delivery;
    if (d->state == DELIVERY_WAITING && d->next_us < w.next_delivery_us)
        w.next_delivery_us = d->next_us;
    return c->err = store_delivery_note(w.store, d);
}

/* It is to be made, and due again after a while if it is lost there; or its receiver has enough of
 * them by now. */
static int take_call(struct batch *b, const struct delivery *d, int64_t now_us, bool *full)
{
    int64_t pause_us = w.calls->pause_us(d->url);
    *full = pause_us < 0;
    if (*full)
        return 0;
    if (pause_us == 0)
        b->calls[b->calls_count++] = *d;
    return store_delivery_later(w.store, &d->id,
                                now_us + (pause_us > 0 ? pause_us : DELIVERY_AGAIN_US));
}

/* Deliveries that are due go to the webhooks' thread after the commit. */
int calls_take(struct batch *b, int64_t now_us)
{
    bool full = false;
    size_t looked = 0;
    int err = 0;
    if (store_deliveries_new(w.store))
        w.next_delivery_us = 0;
    if (now_us < w.next_delivery_us || writer_drains())
        return 0;
    for (size_t n = 1, most; !err && !full && n > 0 && looked < CALLS_LOOKED_AT; looked += n) {
        struct delivery *d = &b->calls[b->calls_count];
        most = CALLS_AT_ONCE - b->calls_count;
        if (most == 0)
            break;
        err = store_deliveries_due(w.store, now_us, d, most, &n);
        for (size_t i = 0; i < n && !err && !full; i++)
            err = take_call(b, &d[i], now_us, &full);
    }
    b->more = b->more || (!full && looked >= CALLS_LOOKED_AT) || b->calls_count == CALLS_AT_ONCE;
    w.next_delivery_us = now_us + CALLS_FULL_US;
    return err || full ? err : store_delivery_next_us(w.store, &w.next_delivery_us);
}
