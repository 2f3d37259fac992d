/*
 * json.c - the forms of what the service tells: values, counts, calls, groups. A job's are in
 * json_job.c. Any thread; keeps nothing.
 */
#include "json.h"

#include "../../common/clock.h"
#include "../reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- values ---- */

void json_text(struct buf *out, const char *text)
{
    buf_add_json_string(out, text, strlen(text));
}

void json_id(struct buf *out, const struct id *id)
{
    char text[ID_TEXT + 2] = "\"";
    id_format(id, text + 1);
    text[ID_TEXT] = '"';
    buf_add(out, text, ID_TEXT + 1);
}

void json_time(struct buf *out, int64_t wall_us)
{
    char text[CLOCK_TEXT + 2] = "\"";
    clock_format(wall_us, text + 1);
    text[CLOCK_TEXT] = '"';
    buf_add(out, text, CLOCK_TEXT + 1);
}

void json_seconds(struct buf *out, int64_t us)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, us / US_PER_S, us % US_PER_S);
    while (len > 0 && text[len - 1] == '0')
        len--;
    if (len > 0 && text[len - 1] == '.')
        len--;
    buf_add(out, text, (size_t)len);
}

void json_progress(struct buf *out, const double *fraction, const char *message)
{
    buf_addc(out, '{');
    if (fraction)
        buf_addf(out, "\"fraction\":%.6g", *fraction);
    if (message[0]) {
        buf_adds(out, fraction ? ",\"message\":" : "\"message\":");
        json_text(out, message);
    }
    buf_addc(out, '}');
}

void json_counts(struct buf *out, const uint64_t *count)
{
    for (int i = 0; i < JOB_STATES; i++)
        buf_addf(out, "%s\"%s\":%" PRIu64, i ? "," : "{", job_state_name((enum job_state)i),
                 count[i]);
    buf_addc(out, '}');
}

bool json_type_is_plain(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return len == 0 || (len == 16 && strncasecmp(type, "application/json", 16) == 0);
}

bool json_type_is_form(const char *type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    return strcspn(type, "; \t") == sizeof(form) - 1 &&
           strncasecmp(type, form, sizeof(form) - 1) == 0;
}

bool json_type_is_json(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return json_type_is_plain(type) || (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

/* ---- what belongs to jobs ---- */

static void delivery_json(struct buf *out, const struct delivery *d)
{
    static const char *const state[] = {"waiting", "delivered", "given_up"};
    buf_adds(out, "{\"id\":");
    json_id(out, &d->id);
    buf_addf(out, ",\"state\":\"%s\",\"attempts\":%" PRIu32, state[d->state], d->attempts);
    if (d->state == DELIVERY_WAITING) {
        buf_adds(out, ",\"next_at\":");
        json_time(out, d->next_us);
    }
    if (d->last_status)
        buf_addf(out, ",\"last_status\":%d", d->last_status);
    if (d->last_error[0]) {
        buf_adds(out, ",\"last_error\":");
        json_text(out, d->last_error);
    }
    buf_addc(out, '}');
}

bool json_deliveries(struct buf *out, const struct id *subject)
{
    struct delivery *all = calloc(DELIVERIES_TOLD, sizeof(*all));
    size_t n = 0;
    int err = all ? reader_deliveries(subject, all, DELIVERIES_TOLD, &n) : -1;
    for (size_t i = 0; i < n && !err; i++) {
        buf_addc(out, i ? ',' : '[');
        delivery_json(out, &all[i]);
    }
    if (n > 0 && !err)
        buf_addc(out, ']');
    free(all);
    return n > 0 && !err;
}

void json_group(struct buf *out, const struct group *g)
{
    uint64_t total = 0;
    for (int i = 0; i < JOB_STATES; i++)
        total += g->state[i];
    buf_adds(out, "{\"id\":");
    json_id(out, &g->id);
    buf_adds(out, ",\"created_at\":");
    json_time(out, g->created_us);
    if (g->finished_us) {
        buf_adds(out, ",\"finished_at\":");
        json_time(out, g->finished_us);
    }
    buf_addf(out,
             ",\"done\":%s,\"total\":%" PRIu64 ",\"counts\":", g->finished_us ? "true" : "false",
             total);
    json_counts(out, g->state);
    if (g->callback_url.len) {
        buf_adds(out, ",\"callback_url\":");
        buf_add_json_string(out, g->callback_url.data, g->callback_url.len);
    }
    buf_addc(out, '}');
}
