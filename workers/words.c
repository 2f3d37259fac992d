/*
 * words.c - the words and the environment with which a command is started. Workers; no state.
 */
#include "words.h"

#include "../common/jsonscan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends the value of a field of the input as text. False: the run has failed. */
static bool add_field(struct task_run *r, struct buf *out, const char *name)
{
    const char *value;
    size_t len;
    if (r->params[0] && jsonscan_member(r->params, strlen(r->params), name, &value, &len)) {
        (void)jsonscan_text(out, value, len); /* a string: the front end made it */
        return true;
    }
    if (!task_is_json(r->input_type) ||
        !jsonscan_member(r->input, r->input_len, name, &value, &len)) {
        task_fail(r, true, JOB_ERROR_BAD_INPUT, "the input lacks the field `%s`", name);
        return false;
    }
    if (!jsonscan_text(out, value, len)) {
        task_fail(r, true, JOB_ERROR_BAD_INPUT,
                  "the field `%s` of the input must be a string, number, boolean or null", name);
        return false;
    }
    return true;
}

/* A word with each {input.x} replaced; it stays one word. NULL: the run has failed. */
static char *make_word(struct task_run *r, const char *word)
{
    AUTO_BUF out = BUF_INIT;
    buf_adds(&out, "");
    const char *rest = word, *from = word, *open, *field;
    for (size_t n; (open = taskdef_field(&rest, &field, &n)); from = rest) {
        char name[FIELD_NAME_MAX + 1];
        buf_add(&out, from, (size_t)(open - from));
        if (n >= sizeof(name)) {
            task_fail(r, true, JOB_ERROR_BAD_INPUT, "a field's name in the command is too long");
            return NULL;
        }
        memcpy(name, field, n);
        name[n] = '\0';
        if (!add_field(r, &out, name))
            return NULL;
    }
    buf_adds(&out, from);
    if (out.failed) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the command");
        return NULL;
    }
    return buf_take(&out, NULL);
}

void words_free(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static size_t count(char *const *words)
{
    size_t n = 0;
    while (words && words[n])
        n++;
    return n;
}

char **words_argv(const struct task *t, struct task_run *r)
{
    size_t n = count(t->def->argv);
    char **argv = calloc(n + 1, sizeof(*argv));
    if (!argv) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the command");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        argv[i] = make_word(r, t->def->argv[i]);
        if (!argv[i]) {
            words_free(argv);
            return NULL;
        }
    }
    return argv;
}

/* ---- the environment ---- */

struct env {
    char **at;
    size_t n;
    bool failed;
};

static void add(struct env *e, const char *name, const char *value)
{
    if (e->failed)
        return;
    if (asprintf(&e->at[e->n], "%s=%s", name, value) < 0) {
        e->at[e->n] = NULL;
        e->failed = true;
        return;
    }
    e->n++;
}

static bool is_set(const struct taskdef *def, const char *name)
{
    size_t n = strlen(name);
    for (char *const *w = def->env; w && *w; w++) {
        if (strncmp(*w, name, n) == 0 && (*w)[n] == '=')
            return true;
    }
    return false;
}

char **words_env(const struct taskdef *def, const struct task_run *r, const char *dir)
{
    /* the service's home and TMPDIR are closed to it; these always are the program's own */
    const bool boxed = def->sandbox != SANDBOX_NONE;
    static const char *const kept[] = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"};
    size_t keeps = sizeof(kept) / sizeof(kept[0]), own = count(def->env);
    struct env e = {.at = calloc(keeps + own + 9, sizeof(*e.at))};
    if (!e.at)
        return NULL;
    for (size_t i = 0; i < keeps; i++) {
        const char *value = getenv(kept[i]);
        if (value && !is_set(def, kept[i]) &&
            !(boxed && (!strcmp(kept[i], "HOME") || !strcmp(kept[i], "TMPDIR"))))
            add(&e, kept[i], value);
    }
    if (boxed && !is_set(def, "HOME"))
        add(&e, "HOME", dir);
    if (boxed && !is_set(def, "TMPDIR"))
        add(&e, "TMPDIR", dir);
    for (size_t i = 0; i < own && !e.failed; i++) {
        e.at[e.n] = strdup(def->env[i]);
        e.failed = !e.at[e.n];
        e.n += !e.failed;
    }
    if (r) {
        char id[ID_TEXT], attempt[16];
        id_format(&r->job, id);
        snprintf(attempt, sizeof(attempt), "%u", r->attempt);
        add(&e, "JOBMILL_JOB_ID", id);
        add(&e, "JOBMILL_ATTEMPT", attempt);
        if (r->traceparent[0] && !is_set(def, "TRACEPARENT"))
            add(&e, "TRACEPARENT", r->traceparent);
        if (r->checkpoint[0]) {
            char path[PATH_MAX + sizeof(WORDS_CHECKPOINT) + 1];
            snprintf(path, sizeof(path), "%s/%s", dir, WORDS_CHECKPOINT);
            add(&e, "JOBMILL_CHECKPOINT", path);
        }
    }
    add(&e, "JOBMILL_TASK", def->name);
    add(&e, "JOBMILL_DIR", dir);
    if (e.failed) {
        words_free(e.at);
        return NULL;
    }
    return e.at;
}
