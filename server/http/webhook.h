/*
 * webhook.h - calls of callback_urls, after the commit that made them: one thread, many at once.
 *
 * A delivery is taken from the store for a while; what becomes of it is posted to the writer. If the
 * service dies meanwhile it is taken again: at least once, with the same webhook-id.
 */
#ifndef JOBMILL_HTTP_WEBHOOK_H
#define JOBMILL_HTTP_WEBHOOK_H

#include "../../common/buf.h"
#include "../delivery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

/* Reads the secrets and the addresses that are allowed; 0, or -ERR_CONFIG with *why. webhook_start does it, too: this
 * is for a process that makes no calls. */
int webhook_check(const struct conf *conf, struct buf *why);
/* 0, -ERR_CONFIG with *why, -ERR_SYSTEM. */
int webhook_start(const struct conf *conf, struct buf *why);
/* Its thread ends, and later calls are dropped: they are made after the next start. */
void webhook_stop(void);
/* Frees what it has. No other thread may call it any more: after the writer's end. */
void webhook_end(void);

/* False: the URL's host is an address, written as such, that may not be called. Names are looked up, and judged, when
 * they are called. Any thread, once started. */
bool webhook_host_ok(const char *url);

/* Any thread, from webhook_start to webhook_end. The deliveries are copied. */
/* 0: it takes a call of this URL now; > 0: not before so many microseconds; -1: nor any other one. */
int64_t webhook_pause_us(const char *url);
void webhook_call(const struct delivery *d, size_t n);

/* Pure: the value of webhook-signature for one secret's bytes (Standard Webhooks, v1). */
void webhook_sign(const uint8_t *secret, size_t secret_len, const char *id, int64_t timestamp_s,
                  const char *body, size_t len, struct buf *out);
/* Pure: "5s, 5m": the n-th pause (0: the first) in microseconds, or -1 past the last or for a bad text. */
int64_t webhook_delay(const char *text, unsigned n);
/* Pure: is each of them a time, and is there one? 0; -ERR_CONFIG with *why. */
int webhook_check_delays(const char *text, struct buf *why);

#endif
