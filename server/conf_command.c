/*
 * conf_command.c - the settings of a [task NAME] that only a command has. Before any thread exists.
 */
#include "conf_command.h"

#include "../common/err.h"
#include "conf_value.h"

#include <stdlib.h>
#include <string.h>

#define MAX_JOBS  1000000000
#define MAX_READY (INT64_C(3600) * 1000000)
#define MAX_AFTER (INT64_C(30) * 86400 * 1000000)

#define bad(why, ...) (buf_addf(why, __VA_ARGS__), -ERR_CONFIG)

int command_set_result_file(struct taskdef *t, const char *value, struct buf *why)
{
    if (!*value || strlen(value) > FILE_NAME_MAX || strchr(value, '/') || *value == '.')
        return bad(why,
                   "result_file = %s: must be the name of a file in the job's directory, 1 to %d "
                   "bytes, with no / and no dot in front",
                   value, FILE_NAME_MAX);
    memcpy(t->result_file, value, strlen(value) + 1);
    return 0;
}

/* "2, 64-78": a bit for each. */
int command_set_permanent_exits(struct taskdef *t, const char *value, struct buf *why)
{
    const char *p = value;
    memset(t->permanent_exits, 0, sizeof(t->permanent_exits));
    do {
        char *end;
        p += strspn(p, " \t,");
        long from = strtol(p, &end, 10), to = from;
        bool ok = end != p;
        if (ok && *end == '-') {
            p = end + 1;
            to = strtol(p, &end, 10);
            ok = end != p;
        }
        p = end + strspn(end, " \t");
        if (!ok || from < 1 || to < from || to > 255 || (*p && *p != ','))
            return bad(why, "permanent_exit_codes = %s: must be like 2, 64-78, each of 1 to 255",
                       value);
        for (long i = from; i <= to; i++)
            t->permanent_exits[i / 64] |= UINT64_C(1) << i % 64;
    } while (*p);
    return 0;
}

int command_set_spares(struct taskdef *t, const char *value, struct buf *why)
{
    int64_t n;
    if (!value_int(value, &n) || n < 0 || n > SPARES_MAX)
        return bad(why, "spares = %s: must be 0 to %d", value, SPARES_MAX);
    t->spares = (uint32_t)n;
    return 0;
}

int command_set_ready_timeout(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_time(value, &t->ready_timeout_us) || t->ready_timeout_us < 1000 ||
        t->ready_timeout_us > MAX_READY)
        return bad(why, "ready_timeout = %s: must be a time of 1ms to 1h", value);
    return 0;
}

int command_set_recycle_jobs(struct taskdef *t, const char *value, struct buf *why)
{
    int64_t n;
    if (!value_int(value, &n) || n < 0 || n > MAX_JOBS)
        return bad(why, "recycle_jobs = %s: must be 0 (never) to %d", value, MAX_JOBS);
    t->recycle_jobs = (uint32_t)n;
    return 0;
}

int command_set_recycle_after(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_time(value, &t->recycle_after_us) || t->recycle_after_us > MAX_AFTER)
        return bad(why, "recycle_after = %s: must be a time of 0 (never) to 30d", value);
    return 0;
}

int command_set_recycle_memory(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_size(value, &t->recycle_memory) ||
        (t->recycle_memory && t->recycle_memory < 1 << 20))
        return bad(why, "recycle_memory = %s: must be 0 (never) or a size of at least 1MiB", value);
    return 0;
}

char *command_place(const char *text, const char *base)
{
    static const char mark[] = "{config_dir}";
    AUTO_BUF out = BUF_INIT;
    char *dir = strstr(text, mark) ? realpath(base, NULL) : NULL;
    buf_adds(&out, "");
    for (const char *at; dir && (at = strstr(text, mark)); text = at + sizeof(mark) - 1) {
        buf_add(&out, text, (size_t)(at - text));
        buf_adds(&out, dir);
    }
    buf_adds(&out, text);
    free(dir);
    return out.failed ? NULL : buf_take(&out, NULL);
}

/* {config_dir} as others write it: {configdir}, {config-dir}, {config_dri}. */
static bool is_misspelt_dir(const char *at)
{
    static const char mark[] = "{config_dir}";
    unsigned letters = 0, n = 0;
    size_t i = 7;
    if (strncmp(at, mark, i) != 0 || strncmp(at, mark, sizeof(mark) - 1) == 0)
        return false;
    i += strspn(at + i, "_.-");
    for (; at[i] == 'd' || at[i] == 'i' || at[i] == 'r'; i++, n++)
        letters |= 1u << (at[i] - 'd');
    return n == 3 && letters == (1u << 0 | 1u << ('i' - 'd') | 1u << ('r' - 'd')) && at[i] == '}';
}

/* What is meant as a placeholder and is none would reach the program as it stands. Other braces are
 * its own: a shell's, jq's, a program's in any language. */
int command_check_word(const char *word, struct buf *why)
{
    for (const char *at = word; (at = strchr(at, '{')); at++) {
        size_t len = strcspn(at, "}");
        bool field = strncmp(at, "{input.", 7) == 0;
        if (field && at[len] && len > 7 && len - 7 <= FIELD_NAME_MAX)
            continue;
        if (field || is_misspelt_dir(at))
            return bad(why,
                       "command: `%.*s` is no placeholder: there are {input.NAME}, a name of 1 to "
                       "%d bytes, and {config_dir}",
                       (int)(at[len] ? len + 1 : len), at, FIELD_NAME_MAX);
    }
    return 0;
}

/* ---- variables ---- */

static bool name_ok(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    return *name && strchr(first, *name) &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789")] ==
               '\0';
}

int command_add_env(struct taskdef *t, const char *name, const char *value, struct buf *why)
{
    size_t n = 0, len = strlen(name);
    if (!name_ok(name) || strncmp(name, "JOBMILL_", 8) == 0)
        return bad(why,
                   "env.%s: a variable's name is letters, digits and _, and JOBMILL_… are the "
                   "service's",
                   name);
    for (; t->env && t->env[n]; n++) {
        if (strncmp(t->env[n], name, len) == 0 && t->env[n][len] == '=')
            return bad(why, "env.%s is set twice", name);
    }
    char **more = realloc(t->env, (n + 2) * sizeof(*more));
    if (!more)
        return -ERR_NOMEM;
    t->env = more;
    t->env[n + 1] = NULL;
    if (asprintf(&t->env[n], "%s=%s", name, value) < 0) {
        t->env[n] = NULL;
        return -ERR_NOMEM;
    }
    return 0;
}

/* ---- the whole ---- */

int command_check(const struct taskdef *t, bool persistent, bool has_own_settings, struct buf *why)
{
    bool exits = false;
    for (size_t i = 0; i < 4; i++)
        exits = exits || t->permanent_exits[i];
    if (t->module && (t->env || t->result_file[0] || exits))
        return bad(why, "[task %s]: env, result_file and permanent_exit_codes are for a command",
                   t->name);
    if (t->module && persistent)
        return bad(why, "[task %s]: persistent = true is for a command, not for a module", t->name);
    if (!persistent && has_own_settings)
        return bad(why,
                   "[task %s]: spares, ready_timeout and recycle_… are for a command with "
                   "persistent = true",
                   t->name);
    if (!persistent)
        return 0;
    if (t->result_file[0] || exits)
        return bad(why,
                   "[task %s]: result_file and permanent_exit_codes are for a command without "
                   "persistent = true, which says so in its answer",
                   t->name);
    for (char *const *w = t->argv; *w; w++) {
        if (strstr(*w, "{input."))
            return bad(why,
                       "[task %s]: a persistent command is started before its jobs: it cannot have "
                       "%s",
                       t->name, *w);
    }
    return 0;
}

/* Each word in double quotes; a double quote in it stands in single ones. */
static void print_words(char *const *words, FILE *out)
{
    fputs("command =", out);
    for (char *const *w = words; *w; w++) {
        fputs(" \"", out);
        for (const char *p = *w; *p; p++) {
            if (*p == '"')
                fputs("\"'\"'\"", out);
            else
                fputc(*p, out);
        }
        fputc('"', out);
    }
    fputc('\n', out);
}

static void print_exits(const struct taskdef *t, FILE *out)
{
    const char *before = "permanent_exit_codes = ";
    for (unsigned i = 1; i < 256; i++) {
        unsigned to = i;
        if (!taskdef_exit_is_permanent(t, i))
            continue;
        while (taskdef_exit_is_permanent(t, to + 1))
            to++;
        fprintf(out, to > i ? "%s%u-%u" : "%s%u", before, i, to);
        before = ", ";
        i = to;
    }
    if (*before == ',')
        fputc('\n', out);
}

void command_print(const struct taskdef *t, FILE *out)
{
    print_words(t->argv, out);
    for (char *const *w = t->env; w && *w; w++) {
        int n = (int)strcspn(*w, "=");
        fprintf(out, "env.%.*s = %s\n", n, *w, *w + n + 1);
    }
    if (t->result_file[0])
        fprintf(out, "result_file = %s\n", t->result_file);
    print_exits(t, out);
    if (t->kind == TASK_PERSISTENT)
        fprintf(out,
                "persistent = true\nspares = %u\nready_timeout = %.15gs\nrecycle_jobs = %u\n"
                "recycle_after = %.15gs\nrecycle_memory = %llu\n",
                t->spares, (double)t->ready_timeout_us / 1e6, t->recycle_jobs,
                (double)t->recycle_after_us / 1e6, (unsigned long long)t->recycle_memory);
}
