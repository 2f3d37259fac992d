/*
 * conf_limits.c - the settings of a [task NAME] that bound what its jobs may use and see. Before
 * any thread exists.
 */
#include "conf_limits.h"

#include "../common/err.h"
#include "conf_command.h"
#include "conf_value.h"

#include <stdlib.h>
#include <string.h>

#define MIB          (UINT64_C(1) << 20)
#define MAX_CPU_US   (INT64_C(30) * 86400 * 1000000)
#define LEAST_CPU_US INT64_C(1000000)
#define LEAST_FILES                                                                                \
    16 /* standard ones, descriptors 3 and 4, and what a library opens while it starts */

#define bad(why, ...) (buf_addf(why, __VA_ARGS__), -ERR_CONFIG)

int limits_set_memory(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_size(value, &t->memory) || (t->memory && t->memory < MIB))
        return bad(why, "memory = %s: must be 0 (no limit) or a size of at least 1MiB", value);
    return 0;
}

int limits_set_cpu_time(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_time(value, &t->cpu_time_us) || t->cpu_time_us > MAX_CPU_US ||
        (t->cpu_time_us && t->cpu_time_us < LEAST_CPU_US))
        return bad(why, "cpu_time = %s: must be 0 (no limit) or a time of 1s to 30d", value);
    return 0;
}

int limits_set_file_size(struct taskdef *t, const char *value, struct buf *why)
{
    if (!value_size(value, &t->file_size) || t->file_size > (UINT64_C(1) << 50))
        return bad(why, "file_size = %s: must be 0 (no limit) or a size up to 1PiB", value);
    return 0;
}

static int set_count(uint32_t *out, const char *name, const char *value, int least, struct buf *why)
{
    int64_t n;
    if (!value_int(value, &n) || n < 0 || (n && n < least) || n > 1000000)
        return bad(why, "%s = %s: must be 0 (no limit) or %d to 1000000", name, value, least);
    *out = (uint32_t)n;
    return 0;
}

int limits_set_open_files(struct taskdef *t, const char *value, struct buf *why)
{
    return set_count(&t->open_files, "open_files", value, LEAST_FILES, why);
}

int limits_set_processes(struct taskdef *t, const char *value, struct buf *why)
{
    return set_count(&t->processes, "processes", value, 1, why);
}

static const char *const levels[] = {[SANDBOX_NONE] = "none",
                                     [SANDBOX_BASIC] = "basic",
                                     [SANDBOX_STRICT] = "strict",
                                     [SANDBOX_BEST] = "best"};

bool limits_level(const char *text, enum sandbox_level *out)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i]) == 0) {
            *out = (enum sandbox_level)i;
            return true;
        }
    }
    return false;
}

const char *limits_level_name(enum sandbox_level level)
{
    return levels[level];
}

int limits_set_sandbox(struct taskdef *t, const char *value, struct buf *why)
{
    return limits_level(value, &t->sandbox)
               ? 0
               : bad(why, "sandbox = %s: must be none, basic, strict or best", value);
}

int limits_set_network(struct taskdef *t, const char *value, struct buf *why)
{
    return value_bool(value, &t->network) ? 0 : bad(why, "network = %s: must be yes or no", value);
}

/* Absolute, and with {config_dir} replaced; owned by the caller. NULL: out of memory. */
static char *place(const char *word, const char *base)
{
    char *placed = command_place(word, base), *whole = NULL;
    if (!placed || placed[0] == '/')
        return placed;
    if (asprintf(&whole, "%s/%s", base, placed) < 0)
        whole = NULL;
    free(placed);
    return whole;
}

int limits_set_paths(char ***paths, const char *name, const char *value, const char *base,
                     struct buf *why)
{
    char **words = value_words(value);
    if (!words || !words[0][0]) {
        value_words_free(words);
        return bad(why, "%s = %s: must be paths, or a quote is not closed", name, value);
    }
    for (char **w = words; *w; w++) {
        char *placed = place(*w, base);
        if (!placed) {
            value_words_free(words);
            return -ERR_NOMEM;
        }
        free(*w);
        *w = placed;
    }
    *paths = words;
    return 0;
}

/* ---- do they fit? ---- */

static bool same_paths(char *const *a, char *const *b)
{
    while (a && b && *a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return (!a || !*a) && (!b || !*b);
}

static bool same_sandbox(const struct taskdef *a, const struct taskdef *b)
{
    return a->sandbox == b->sandbox && a->network == b->network && same_paths(a->read, b->read) &&
           same_paths(a->write, b->write);
}

/* A module runs inside the pool's workers, which enter a sandbox once, at their birth. */
static int check_module(const struct taskdefs *d, const struct taskdef *t, struct buf *why)
{
    if (t->processes)
        return bad(why,
                   "[task %s]: processes: a module runs inside a worker; only a command "
                   "can be counted",
                   t->name);
    if (t->sandbox == SANDBOX_STRICT)
        return bad(why, "[task %s]: sandbox = strict: is for commands; a module can have basic",
                   t->name);
    if (t->sandbox == SANDBOX_NONE)
        return t->network ? 0
                          : bad(why, "[task %s]: network = no: a module needs a sandbox for that",
                                t->name);
    for (uint32_t i = 0; i < d->tasks; i++) {
        const struct taskdef *other = &d->task[i];
        if (other->pool == t->pool && (other->kind != TASK_MODULE || !same_sandbox(t, other)))
            return bad(
                why,
                "[task %s]: sandbox = %s: the workers of a pool have one sandbox for all its "
                "modules, and [task %s] of [pool %s] asks for another: give it a pool of "
                "its own",
                t->name, levels[t->sandbox], other->name, d->pool[t->pool].name);
    }
    return 0;
}

static int check_task(const struct taskdefs *d, const struct taskdef *t, struct buf *why)
{
    if (t->sandbox == SANDBOX_NONE && (t->read || t->write))
        return bad(why, "[task %s]: %s: only with a sandbox", t->name, t->read ? "read" : "write");
    if (t->kind == TASK_MODULE)
        return check_module(d, t, why);
    if (t->kind == TASK_PERSISTENT && t->cpu_time_us)
        return bad(
            why,
            "[task %s]: cpu_time: a command kept warm would be ended by what all of its jobs "
            "used together; timeout bounds each",
            t->name);
    if (t->sandbox == SANDBOX_NONE && t->processes)
        return bad(why, "[task %s]: processes: only with a sandbox", t->name);
    return 0;
}

int limits_check(const struct taskdefs *d, struct buf *why)
{
    int err = 0;
    for (uint32_t i = 0; i < d->tasks && !err; i++)
        err = check_task(d, &d->task[i], why);
    return err;
}

/* ---- printing ---- */

static void print_paths(const char *name, char *const *paths, FILE *out)
{
    if (!paths)
        return;
    fprintf(out, "%s =", name);
    for (; *paths; paths++)
        fprintf(out, " '%s'", *paths);
    fputc('\n', out);
}

void limits_print(const struct taskdef *t, FILE *out)
{
    fprintf(out, "memory = %llu\nsandbox = %s\nnetwork = %s\n", (unsigned long long)t->memory,
            levels[t->sandbox], t->network ? "yes" : "no");
    print_paths("read", t->read, out);
    print_paths("write", t->write, out);
    if (t->cpu_time_us)
        fprintf(out, "cpu_time = %.15gs\n", (double)t->cpu_time_us / 1e6);
    if (t->file_size)
        fprintf(out, "file_size = %llu\n", (unsigned long long)t->file_size);
    if (t->open_files)
        fprintf(out, "open_files = %u\n", t->open_files);
    if (t->processes)
        fprintf(out, "processes = %u\n", t->processes);
}
