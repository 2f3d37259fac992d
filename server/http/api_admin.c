/*
 * api_admin.c - what a caller may do, what the settings are, and who did what. HTTP threads.
 */
#include "api.h"
#include "audit.h"
#include "json.h"
#include "request.h"

#include "../conf.h"

#include <inttypes.h>

/* ---- /v1/caller ---- */

static void add_tasks(struct buf *out, const struct token *t)
{
    buf_adds(out, ",\"tasks\":[");
    for (size_t i = 0; i < t->tasks; i++) {
        buf_adds(out, i ? "," : "");
        json_text(out, t->task[i]);
    }
    buf_addc(out, ']');
}

void api_caller_get(struct request *rq)
{
    const struct token *t = rq->caller.token;
    if (!request_no_params(rq))
        return;
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"scopes\":[");
    bool any = false;
    for (int k = SCOPE_NONE + 1; k < SCOPES; k++) {
        bool has = caller_has(&rq->caller, (enum scope)k);
        if (has)
            buf_addf(out, "%s\"%s\"", any ? "," : "", scope_name((enum scope)k));
        any = any || has;
    }
    buf_addf(out, "],\"read_all\":%s", caller_sees(&rq->caller, "") ? "true" : "false");
    if (t) {
        buf_adds(out, ",\"name\":");
        json_text(out, t->name);
        if (t->tasks)
            add_tasks(out, t);
        if (t->expires_us) {
            buf_adds(out, ",\"expires_at\":");
            json_time(out, t->expires_us);
        }
    }
    buf_adds(out, "}\n");
    request_with_etag(rq);
}

/* ---- /v1/settings ---- */

static void add_value(struct buf *out, const struct conf_setting *s)
{
    if (s->kind == CONF_IS_TEXT)
        json_text(out, s->value);
    else
        buf_adds(out, s->value);
}

static void add_setting(const struct conf_setting *s, void *arg)
{
    struct buf *out = arg;
    buf_addf(out, "%s\n{\"name\":\"%s\",\"value\":", out->data[out->len - 1] == '[' ? "" : ",",
             s->name);
    add_value(out, s);
    buf_addf(out, ",\"changed\":%s", s->changed ? "true" : "false");
    if (s->unit[0]) {
        buf_adds(out, ",\"unit\":");
        json_text(out, s->unit);
    }
    buf_adds(out, ",\"help\":");
    json_text(out, s->help);
    buf_addc(out, '}');
}

void api_settings_list(struct request *rq)
{
    if (!request_no_params(rq))
        return;
    struct buf *out = request_json(rq, 200);
    buf_addc(out, '{');
    if (http_conf->file) {
        buf_adds(out, "\"file\":");
        json_text(out, http_conf->file);
        buf_addc(out, ',');
    }
    buf_adds(out, "\"settings\":[");
    if (!out->failed)
        conf_each(http_conf, add_setting, out);
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}

/* ---- /v1/audit ---- */

static void add_record(const struct audit_record *r, void *arg)
{
    struct buf *out = arg;
    buf_addf(out, "%s\n{\"time\":", out->data[out->len - 1] == '[' ? "" : ",");
    json_time(out, r->wall_us);
    buf_addf(out, ",\"act\":\"%s\",\"who\":", r->act);
    json_text(out, r->who);
    buf_adds(out, ",\"what\":");
    json_text(out, r->what);
    buf_addf(out, ",\"result\":\"%s\",\"status\":%d,\"request_id\":", r->result, r->status);
    json_text(out, r->request_id);
    buf_adds(out, ",\"remote\":");
    json_text(out, r->remote);
    if (r->of_many)
        buf_addf(out, ",\"changed\":%zu", r->changed);
    buf_addc(out, '}');
}

void api_audit_list(struct request *rq)
{
    if (!request_no_params(rq))
        return;
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"records\":[");
    if (!out->failed)
        audit_each(add_record, out);
    buf_adds(out, "]}\n");
    request_with_etag(rq);
}
