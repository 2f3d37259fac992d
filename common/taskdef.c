/* taskdef.c - tasks and pools as plain structs; carried over exec as bytes. Any process; no
 * threads. */
#include "taskdef.h"

#include "err.h"

#include <stdlib.h>
#include <string.h>

static void words_release(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static void task_release(struct taskdef *t)
{
    free(t->module);
    words_release(t->argv);
    words_release(t->env);
    words_release(t->read);
    words_release(t->write);
}

void taskdefs_release(struct taskdefs *d)
{
    for (uint32_t i = 0; i < d->tasks; i++)
        task_release(&d->task[i]);
    free(d->task);
    free(d->pool);
    words_release(d->hidden);
    *d = (struct taskdefs){0};
}

int taskdefs_find(const struct taskdefs *d, const char *name)
{
    for (uint32_t i = 0; i < d->tasks; i++) {
        if (strcmp(d->task[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

const char *taskdef_field(const char **at, const char **name, size_t *len)
{
    static const char begin[] = "{input.";
    const char *open = strstr(*at, begin), *close = open ? strchr(open, '}') : NULL;
    if (!close)
        return NULL;
    *name = open + sizeof(begin) - 1;
    *len = (size_t)(close - *name);
    *at = close + 1;
    return open;
}

/* ---- as bytes: the structs as they are (both ends are one binary), then the strings they own ----
 */

#define NO_TEXT UINT32_MAX

static void put_text(struct buf *out, const char *text)
{
    uint32_t len = text ? (uint32_t)strlen(text) : NO_TEXT;
    buf_add(out, &len, sizeof(len));
    if (text)
        buf_add(out, text, len);
}

static void put_words(struct buf *out, char *const *words)
{
    uint32_t n = 0;
    while (words && words[n])
        n++;
    buf_add(out, &n, sizeof(n));
    for (uint32_t k = 0; k < n; k++)
        put_text(out, words[k]);
}

int taskdefs_pack(const struct taskdefs *d, struct buf *out)
{
    buf_add(out, &d->pools, sizeof(d->pools));
    buf_add(out, &d->tasks, sizeof(d->tasks));
    buf_add(out, &d->slots, sizeof(d->slots));
    buf_add(out, &d->kill_grace_us, sizeof(d->kill_grace_us));
    buf_add(out, &d->home, sizeof(d->home));
    buf_add(out, &d->machine, sizeof(d->machine));
    buf_add(out, &d->sandbox_uid, sizeof(d->sandbox_uid));
    buf_add(out, &d->sandbox_gid, sizeof(d->sandbox_gid));
    put_words(out, d->hidden);
    buf_add(out, d->pool, d->pools * sizeof(*d->pool));
    for (uint32_t i = 0; i < d->tasks; i++) {
        struct taskdef t = d->task[i];
        t.module = NULL;
        t.argv = NULL;
        t.env = t.read = t.write = NULL;
        buf_add(out, &t, sizeof(t));
        put_text(out, d->task[i].module);
        put_words(out, d->task[i].argv);
        put_words(out, d->task[i].env);
        put_words(out, d->task[i].read);
        put_words(out, d->task[i].write);
    }
    return out->failed ? -ERR_NOMEM : 0;
}

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, void *out, size_t len)
{
    if ((size_t)(c->end - c->at) < len)
        return false;
    memcpy(out, c->at, len);
    c->at += len;
    return true;
}

/* A string of its own; *out NULL where there was none. */
static int take_text(struct cursor *c, char **out)
{
    uint32_t len;
    *out = NULL;
    if (!take(c, &len, sizeof(len)))
        return -ERR_PROTOCOL;
    if (len == NO_TEXT)
        return 0;
    if ((size_t)(c->end - c->at) < len)
        return -ERR_PROTOCOL;
    *out = strndup(c->at, len);
    c->at += len;
    return *out ? 0 : -ERR_NOMEM;
}

/* Words of their own; *out NULL where there were none. */
static int take_words(struct cursor *c, char ***out)
{
    uint32_t n;
    int err = 0;
    if (!take(c, &n, sizeof(n)) || n > (size_t)(c->end - c->at))
        return -ERR_PROTOCOL;
    if (n == 0)
        return 0;
    *out = calloc((size_t)n + 1, sizeof(**out));
    if (!*out)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < n && !err; i++)
        err = take_text(c, &(*out)[i]);
    return err;
}

static int take_task(struct cursor *c, struct taskdef *t)
{
    if (!take(c, t, sizeof(*t)))
        return -ERR_PROTOCOL;
    t->module = NULL;
    t->argv = NULL;
    t->env = t->read = t->write = NULL;
    int err = take_text(c, &t->module);
    if (!err)
        err = take_words(c, &t->argv);
    if (!err)
        err = take_words(c, &t->env);
    if (!err)
        err = take_words(c, &t->read);
    return err ? err : take_words(c, &t->write);
}

int taskdefs_unpack(struct taskdefs *d, const void *data, size_t len)
{
    struct cursor c = {data, (const char *)data + len};
    uint32_t pools, tasks;
    *d = (struct taskdefs){0};
    if (!take(&c, &pools, sizeof(pools)) || !take(&c, &tasks, sizeof(tasks)) ||
        !take(&c, &d->slots, sizeof(d->slots)) ||
        !take(&c, &d->kill_grace_us, sizeof(d->kill_grace_us)) ||
        !take(&c, &d->home, sizeof(d->home)) || !take(&c, &d->machine, sizeof(d->machine)) ||
        !take(&c, &d->sandbox_uid, sizeof(d->sandbox_uid)) ||
        !take(&c, &d->sandbox_gid, sizeof(d->sandbox_gid)) || pools > POOLS_MAX ||
        tasks > TASKS_MAX || d->slots > SLOTS_MAX)
        return -ERR_PROTOCOL;
    d->pool = calloc(pools ? pools : 1, sizeof(*d->pool));
    d->task = calloc(tasks ? tasks : 1, sizeof(*d->task));
    int err = d->pool && d->task ? take_words(&c, &d->hidden) : -ERR_NOMEM;
    d->pools = pools;
    if (!err && !take(&c, d->pool, pools * sizeof(*d->pool)))
        err = -ERR_PROTOCOL;
    while (!err && d->tasks < tasks)
        err = take_task(&c, &d->task[d->tasks++]);
    if (!err && c.at != c.end)
        err = -ERR_PROTOCOL;
    if (err)
        taskdefs_release(d);
    return err;
}
