/*
 * reload.c - SIGHUP: the configuration is read again, tokens and certificate are put in the place
 * of the old ones, pools get their new sizes, and what only a restart changes is named. Main
 * thread.
 */
#include "reload.h"

#include "../common/err.h"
#include "../common/log.h"
#include "conf_doubts.h"
#include "dispatch.h"
#include "http/auth.h"
#include "http/tls.h"
#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int argc;
    char **argv;
    char *settings;              /* as conf_print told them at the start */
    const struct conf *conf;     /* of the start; its pools are those that run */
    uint32_t workers[POOLS_MAX]; /* of these, now */
} r;

static char *print_settings(const struct conf *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    conf_print(c, f);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

int reload_begin(const struct conf *c, int argc, char **argv)
{
    r.argc = argc;
    r.argv = argv;
    r.conf = c;
    for (uint32_t i = 0; i < c->defs.pools; i++)
        r.workers[i] = c->defs.pool[i].workers;
    r.settings = print_settings(c);
    return r.settings ? 0 : -ERR_NOMEM;
}

void reload_end(void)
{
    free(r.settings);
    r.settings = NULL;
}

/* c: whose tokens are asked for; it need not be whose address it is. */
static int check_address(const struct conf *c, const char *setting, const char *address,
                         const char *may, struct buf *why)
{
    char host[64];
    uint16_t port;
    if (!conf_split_address(address, host, sizeof(host), &port)) {
        buf_addf(why, "%s = %s: not ADDRESS:PORT", setting, address);
        return -ERR_CONFIG;
    }
    if (!conf_is_loopback(host) && !c->insecure && !c->tokens) {
        buf_addf(
            why,
            "%s = %s: not a loopback address, and anybody who reaches it could %s: make tokens "
            "(jobmill token), or say --insecure",
            setting, address, may);
        return -ERR_CONFIG;
    }
    return 0;
}

/* Those of `of`, by the tokens of `c`; `when`: before the name of a setting. */
static int check_addresses(const struct conf *c, const struct conf *of, const char *when,
                           struct buf *why)
{
    char listen[40], admin_listen[40];
    snprintf(listen, sizeof(listen), "%slisten", when);
    snprintf(admin_listen, sizeof(admin_listen), "%sadmin_listen", when);
    int err = check_address(c, listen, of->listen, "run tasks", why);
    return err || !of->admin_listen[0]
               ? err
               : check_address(c, admin_listen, of->admin_listen, "read the figures", why);
}

int reload_check_address(const struct conf *c, struct buf *why)
{
    return check_addresses(c, c, "", why);
}

/* The sockets are those of the start, whatever the file says now. */
static int check_sockets(const struct conf *c, struct buf *why)
{
    return check_addresses(c, r.conf, "until a restart ", why);
}

/* ---- what changed ---- */

struct line {
    const char *section, *text; /* into the text; not ended by a zero */
    size_t section_len, len, name_len;
};

/* The next line with a setting that only a restart changes; false: none is left. */
static bool next_line(const char **at, struct line *l)
{
    while (**at) {
        const char *text = *at;
        size_t len = strcspn(text, "\n");
        *at += len + (text[len] == '\n');
        if (len > 0 && text[0] == '[') {
            l->section = text;
            l->section_len = len;
        } else if (len > 0 && text[0] != ';' && strncmp(l->section, "[token ", 7) != 0) {
            l->text = text;
            l->len = len;
            l->name_len = strcspn(text, " =\n");
            if (l->name_len == strlen("workers") && memcmp(text, "workers", l->name_len) == 0)
                continue; /* see resize() */
            return true;
        }
    }
    return false;
}

static bool is_in(const char *all, const struct line *want)
{
    struct line l = {.section = ""};
    while (next_line(&all, &l)) {
        if (l.len == want->len && l.section_len == want->section_len &&
            memcmp(l.text, want->text, l.len) == 0 &&
            memcmp(l.section, want->section, l.section_len) == 0)
            return true;
    }
    return false;
}

/* Whole names alone: one may be the beginning of another. */
static bool is_named(const struct buf *out, const struct buf *name)
{
    const char *at = out->data, *end = at + out->len;
    while (at && at < end) {
        const char *next = memmem(at, (size_t)(end - at), ", ", 2);
        size_t len = (size_t)((next ? next : end) - at);
        if (len == name->len && memcmp(at, name->data, len) == 0)
            return true;
        at = next ? next + 2 : NULL;
    }
    return false;
}

static void name_missing(const char *from, const char *in, struct buf *out)
{
    struct line l = {.section = ""};
    while (next_line(&from, &l)) {
        if (is_in(in, &l))
            continue;
        AUTO_BUF name = BUF_INIT;
        if (strncmp(l.section, "[server]", 8) != 0)
            buf_addf(&name, "%.*s ", (int)l.section_len, l.section);
        buf_add(&name, l.text, l.name_len);
        if (name.data && out->data && is_named(out, &name))
            continue; /* named as one that was there before */
        buf_adds(out, out->len ? ", " : "");
        buf_add(out, name.data ? name.data : "", name.len);
    }
}

void reload_changes(const char *before, const char *now, struct buf *out)
{
    name_missing(before, now, out);
    name_missing(now, before, out);
}

/* ---- the reload ---- */

static void tell(enum log_level level, const char *result, const char *text)
{
    const struct log_field f[] = {
        {.name = "act", .value = "reload"},
        {.name = "who", .value = "SIGHUP"},
        {.name = "what", .value = text},
        {.name = "result", .value = result},
    };
    log_fields(level, "audit", f, sizeof(f) / sizeof(f[0]));
}

static void fail(const struct buf *why)
{
    AUTO_BUF text = BUF_INIT;
    buf_addf(&text, "nothing is changed: %s", why->data ? why->data : "out of memory");
    tell(LOG_ERROR, "failed", text.data ? text.data : "nothing is changed");
}

/* ---- pools ---- */

static void resize(uint32_t i, uint32_t workers, struct buf *done)
{
    const struct pooldef *p = &r.conf->defs.pool[i];
    if (workers > p->room) {
        log_warn("SIGHUP: pool %s: workers = %u is refused, it keeps its %u: there is room for %u "
                 "until a restart (max_workers)",
                 p->name, workers, r.workers[i], p->room);
        return;
    }
    if (workers == r.workers[i])
        return;
    dispatch_resize(i, workers);
    buf_addf(done, "; pool %s has %u workers instead of %u", p->name, workers, r.workers[i]);
    r.workers[i] = workers;
}

static void resize_all(const struct conf *c, struct buf *done)
{
    for (uint32_t i = 0; i < r.conf->defs.pools; i++) {
        for (uint32_t k = 0; k < c->defs.pools; k++) {
            if (strcmp(c->defs.pool[k].name, r.conf->defs.pool[i].name) == 0)
                resize(i, c->defs.pool[k].workers, done);
        }
    }
}

static void tell_restart(const struct conf *c)
{
    AUTO_BUF names = BUF_INIT;
    char *settings = print_settings(c);
    if (settings && r.settings)
        reload_changes(r.settings, settings, &names);
    if (names.len > 0)
        log_warn("SIGHUP: only a restart changes %s", names.data);
    free(settings);
}

void reload_now(void)
{
    AUTO_BUF why = BUF_INIT;
    AUTO_BUF done = BUF_INIT;
    struct conf c;
    if (conf_load(&c, r.argc, r.argv, &why) != 0) {
        fail(&why);
        return;
    }
    size_t n = c.tokens ? c.tokens->count : 0;
    AUTO_BUF doubts = BUF_INIT;
    conf_doubts(&c, &doubts);
    if (reload_check_address(&c, &why) != 0 || check_sockets(&c, &why) != 0 ||
        tls_reload(&why) != 0 || auth_use(c.tokens) != 0) {
        fail(&why);
    } else {
        c.tokens = NULL;
        buf_addf(&done, "%zu tokens%s are in use", n,
                 tls_is_on() ? " and what is in tls_cert" : "");
        resize_all(&c, &done);
        tell(LOG_INFO, "ok", done.data ? done.data : "");
        tell_restart(&c);
        conf_doubts_log(&doubts);
    }
    conf_release(&c);
}
