/*
 * conf_doubts.c - what is accepted, and can hardly be meant. Main thread.
 *
 * A variable that nobody knows is no error, as a name in the file is: others give a process
 * variables, too.
 */
#include "conf_doubts.h"

#include "../common/log.h"
#include "tokens.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "JOBMILL_"

struct wanted {
    const char *name; /* behind the prefix, up to its `=` */
    size_t len;
    bool found;
};

static void compare(const struct conf_setting *s, void *arg)
{
    struct wanted *w = arg;
    size_t i = 0;
    while (i < w->len && s->name[i] && toupper((unsigned char)s->name[i]) == w->name[i])
        i++;
    w->found = w->found || (i == w->len && !s->name[i]);
}

static bool starts_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Of the client, of a job that starts a service, and of Kubernetes, which has some for a service of
 * that name. */
static bool of_others(const char *name, size_t len)
{
    static const char *const known[] = {"CONFIG", "SERVER",  "TOKEN", "TASK",
                                        "JOB_ID", "ATTEMPT", "DIR",   "CHECKPOINT"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i]) == len && memcmp(known[i], name, len) == 0)
            return true;
    }
    return starts_with(name, "SERVICE_") || starts_with(name, "PORT_") ||
           (starts_with(name, "PORT=") && strstr(name, "://"));
}

static void doubt_environment(const struct conf *c, struct buf *out)
{
    for (char *const *e = environ; e && *e; e++) {
        if (!starts_with(*e, PREFIX))
            continue;
        struct wanted w = {.name = *e + strlen(PREFIX)};
        w.len = strcspn(w.name, "=");
        conf_each(c, compare, &w);
        if (!w.found && !of_others(w.name, w.len))
            buf_addf(out, "environment: %.*s: no setting has this name, it is ignored\n",
                     (int)(w.len + strlen(PREFIX)), *e);
    }
}

static void doubt_tokens(const struct conf *c, struct buf *out)
{
    for (size_t i = 0; c->tokens && i < c->tokens->count; i++) {
        const struct token *t = &c->tokens->token[i];
        for (size_t k = 0; k < t->tasks; k++) {
            if (taskdefs_find(&c->defs, t->task[k]) < 0)
                buf_addf(out, "[token %s]: tasks: there is no [task %s]\n", t->name, t->task[k]);
        }
    }
}

/* A word that is all of it like {input.x}, and not that. */
static void doubt_words(const struct conf *c, struct buf *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    for (uint32_t i = 0; i < c->defs.tasks; i++) {
        const struct taskdef *t = &c->defs.task[i];
        for (char *const *w = t->argv; w && *w; w++) {
            size_t len = strlen(*w);
            if (starts_with(*w, "{input") && strspn(*w + 1, letters) + 2 == len &&
                (*w)[len - 1] == '}')
                buf_addf(out,
                         "[task %s]: command: the word `%s` stays as it is: a placeholder is "
                         "{input.NAME}\n",
                         t->name, *w);
        }
    }
}

void conf_doubts(const struct conf *c, struct buf *out)
{
    doubt_environment(c, out);
    doubt_tokens(c, out);
    doubt_words(c, out);
}

void conf_doubts_log(const struct buf *doubts)
{
    for (const char *line = doubts->data; line && *line; line += strcspn(line, "\n") + 1)
        log_warn("%.*s", (int)strcspn(line, "\n"), line);
}
