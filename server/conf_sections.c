/*
 * conf_sections.c - [pool NAME] and [task NAME] of the configuration. Before any thread exists.
 *
 * While it reads, pool names of tasks are kept in `wanted_pool`, since pools may come later in the
 * file.
 */
#include "conf_sections.h"

#include "../common/err.h"
#include "conf_command.h"
#include "conf_schema.h"
#include "conf_flow.h"
#include "conf_limits.h"
#include "conf_pools.h"
#include "conf_value.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_OUTPUT_MAX (UINT64_C(64) << 20)
#define TASK_OUTPUT_MAX    (UINT64_C(900) << 20) /* what a row of the store can hold */
#define DEFAULT_READY_US   (INT64_C(10) * 1000000)

/* What the file said of a section, so that a setting is given once, and pools are found at the end.
 */
struct extra {
    char wanted_pool[POOL_NAME_MAX + 1];
    uint64_t seen;    /* a bit for each row of its settings */
    uint64_t flow;    /* the same for those of conf_flow.c */
    bool has_program; /* a module or a command was given: a shipped task's own does not count */
    bool has_kind;    /* `kind` was given: wanted_kind */
    enum task_kind wanted_kind;
    bool persistent;
    bool has_sandbox, has_network;
    bool for_persistent; /* a setting was given that only a persistent command has */
};
static struct extra task_extra[TASKS_MAX];

static const char *const shipped[] = {"noop", "echo", "sleep", "primes", "sha256", "mandelbrot"};

static int bad(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct buf *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return -ERR_CONFIG;
}

/* ---- tasks ---- */

struct setting {
    struct taskdef *t;
    struct extra *x;
    const char *value;
    const char *base;
    struct buf *why;
};

static int task_module(struct setting *s)
{
    char *path = NULL;
    if (!s->value[0])
        return bad(s->why, "module is empty: must be a path, or builtin:NAME");
    if (s->value[0] == '/' || strncmp(s->value, "builtin:", 8) == 0)
        path = strdup(s->value);
    else if (asprintf(&path, "%s/%s", s->base, s->value) < 0)
        path = NULL;
    if (!path)
        return -ERR_NOMEM;
    s->t->module = path;
    s->t->kind = TASK_MODULE;
    return 0;
}

static int task_command(struct setting *s)
{
    s->t->argv = value_words(s->value);
    if (!s->t->argv || !s->t->argv[0][0])
        return bad(s->why, "command = %s: no words, or a quote that is not closed", s->value);
    for (char **w = s->t->argv; *w; w++) {
        int err = command_check_word(*w, s->why);
        if (err)
            return err;
        char *placed = command_place(*w, s->base);
        if (!placed)
            return -ERR_NOMEM;
        free(*w);
        *w = placed;
    }
    s->t->kind = TASK_COMMAND;
    return 0;
}

static int task_pool(struct setting *s)
{
    if (strlen(s->value) > POOL_NAME_MAX)
        return bad(s->why, "pool = %s: longer than %d", s->value, POOL_NAME_MAX);
    memcpy(s->x->wanted_pool, s->value, strlen(s->value) + 1);
    return 0;
}

static int task_input(struct setting *s)
{
    if (strcmp(s->value, "json") == 0)
        s->t->input = TASK_INPUT_JSON;
    else if (strcmp(s->value, "raw") == 0)
        s->t->input = TASK_INPUT_RAW;
    else
        return bad(s->why, "input = %s: must be json or raw", s->value);
    return 0;
}

static int task_result(struct setting *s)
{
    const char *v = s->value, *slash = strchr(v, '/');
    if (strcmp(v, "json") == 0) {
        s->t->result = TASK_RESULT_JSON;
    } else if (strcmp(v, "text") == 0) {
        s->t->result = TASK_RESULT_TEXT;
    } else if (slash && slash != v && slash[1] && strlen(v) <= JOB_TYPE_MAX) {
        s->t->result = TASK_RESULT_BYTES;
        memcpy(s->t->result_type, v, strlen(v) + 1);
    } else {
        return bad(s->why, "result = %s: must be json, text, or a content type of at most %d bytes",
                   v, JOB_TYPE_MAX);
    }
    return 0;
}

static int task_timeout(struct setting *s)
{
    if (!value_time(s->value, &s->t->timeout_us) ||
        s->t->timeout_us > INT64_C(30) * 86400 * 1000000)
        return bad(s->why, "timeout = %s: must be a time of 0 (none) to 30d", s->value);
    return 0;
}

static int task_max_attempts(struct setting *s)
{
    int64_t n;
    if (!value_int(s->value, &n) || n < 1 || n > JOB_ATTEMPTS_MAX)
        return bad(s->why, "max_attempts = %s: must be 1 to %d", s->value, JOB_ATTEMPTS_MAX);
    s->t->max_attempts = (uint32_t)n;
    return 0;
}

static int task_output_max(struct setting *s)
{
    if (!value_size(s->value, &s->t->output_max) || s->t->output_max < 1 ||
        s->t->output_max > TASK_OUTPUT_MAX)
        return bad(s->why, "output_max = %s: must be a size of 1 to 900MiB", s->value);
    return 0;
}

static int task_description(struct setting *s)
{
    if (strlen(s->value) >= sizeof(s->t->description))
        return bad(s->why, "description: longer than %zu bytes", sizeof(s->t->description) - 1);
    memcpy(s->t->description, s->value, strlen(s->value) + 1);
    return 0;
}

static int task_kind(struct setting *s)
{
    if (strcmp(s->value, "remote") == 0)
        s->x->wanted_kind = s->t->kind = TASK_REMOTE;
    else if (strcmp(s->value, "module") == 0)
        s->x->wanted_kind = TASK_MODULE;
    else if (strcmp(s->value, "command") == 0)
        s->x->wanted_kind = TASK_COMMAND;
    else
        return bad(s->why, "kind = %s: must be module, command or remote", s->value);
    s->x->has_kind = true;
    return 0;
}

static int task_persistent(struct setting *s)
{
    bool on;
    if (!value_bool(s->value, &on))
        return bad(s->why, "persistent = %s: must be yes or no", s->value);
    s->x->persistent = on;
    return 0;
}

/* Those of a command are read by conf_command.c. */
#define FOR_COMMAND(name)                                                                          \
    static int task_##name(struct setting *s)                                                      \
    {                                                                                              \
        return command_set_##name(s->t, s->value, s->why);                                         \
    }
#define FOR_PERSISTENT(name)                                                                       \
    static int task_##name(struct setting *s)                                                      \
    {                                                                                              \
        s->x->for_persistent = true;                                                               \
        return command_set_##name(s->t, s->value, s->why);                                         \
    }
#define FOR_LIMITS(name)                                                                           \
    static int task_##name(struct setting *s)                                                      \
    {                                                                                              \
        return limits_set_##name(s->t, s->value, s->why);                                          \
    }
FOR_LIMITS(memory)
FOR_LIMITS(cpu_time)
FOR_LIMITS(file_size)
FOR_LIMITS(open_files)
FOR_LIMITS(processes)
FOR_COMMAND(result_file)
FOR_COMMAND(permanent_exits)
FOR_PERSISTENT(spares)
FOR_PERSISTENT(ready_timeout)
FOR_PERSISTENT(recycle_jobs)
FOR_PERSISTENT(recycle_after)
FOR_PERSISTENT(recycle_memory)

static int task_sandbox(struct setting *s)
{
    s->x->has_sandbox = true;
    return limits_set_sandbox(s->t, s->value, s->why);
}

static int task_network(struct setting *s)
{
    s->x->has_network = true;
    return limits_set_network(s->t, s->value, s->why);
}

static int task_read(struct setting *s)
{
    return limits_set_paths(&s->t->read, "read", s->value, s->base, s->why);
}

static int task_write(struct setting *s)
{
    return limits_set_paths(&s->t->write, "write", s->value, s->base, s->why);
}

static int task_variable(struct setting *s, const char *name)
{
    char *value = command_place(s->value, s->base);
    int err = value ? command_add_env(s->t, name, value, s->why) : -ERR_NOMEM;
    free(value);
    return err;
}

static const struct {
    const char *name;
    int (*set)(struct setting *s);
    bool here; /* it says how a job runs on this machine: not for `kind = remote` */
} task_settings[] = {
    {"module", task_module, false},
    {"command", task_command, false},
    {"pool", task_pool, false},
    {"input", task_input, false},
    {"result", task_result, true},
    {"timeout", task_timeout, false},
    {"max_attempts", task_max_attempts, false},
    {"memory", task_memory, true},
    {"output_max", task_output_max, false},
    {"description", task_description, false},
    {"kind", task_kind, false},
    {"persistent", task_persistent, true},
    {"result_file", task_result_file, true},
    {"cpu_time", task_cpu_time, true},
    {"file_size", task_file_size, true},
    {"open_files", task_open_files, true},
    {"processes", task_processes, true},
    {"sandbox", task_sandbox, true},
    {"network", task_network, true},
    {"read", task_read, true},
    {"write", task_write, true},
    {"permanent_exit_codes", task_permanent_exits, true},
    {"spares", task_spares, true},
    {"ready_timeout", task_ready_timeout, true},
    {"recycle_jobs", task_recycle_jobs, true},
    {"recycle_after", task_recycle_after, true},
    {"recycle_memory", task_recycle_memory, true},
};

static void task_begin(struct taskdef *t, const char *name)
{
    *t = (struct taskdef){
        .output_max = DEFAULT_OUTPUT_MAX, .spares = 1, .ready_timeout_us = DEFAULT_READY_US};
    flow_begin(t);
    memcpy(t->name, name, strlen(name) + 1);
}

static int task_add(struct taskdefs *d, const char *name, struct buf *why)
{
    if (d->tasks == TASKS_MAX)
        return bad(why, "more than %d tasks", TASKS_MAX);
    if (!job_task_name_ok(name, strlen(name)))
        return bad(why, "'%s': a task's name is 1 to %d of " NAME_TEXT, name, JOB_TASK_MAX);
    task_begin(&d->task[d->tasks], name);
    task_extra[d->tasks] = (struct extra){0};
    memcpy(task_extra[d->tasks].wanted_pool, "default", sizeof("default"));
    return (int)d->tasks++;
}

static int set_schema(struct conf *c, uint32_t at, const char *path, const char *base,
                      struct buf *why)
{
    if (c->schema_file && c->schema_file[at])
        return bad(why, "input_schema is set twice");
    return schemas_set(c, at, path, base, why);
}

/* A shipped task that the file names is the file's: what it does not set keeps the shipped value,
 * but a command or module of its own replaces the shipped one. */
static int task_set(struct conf *c, const char *task, const char *name, const char *value,
                    const char *base, struct buf *why)
{
    int at = taskdefs_find(&c->defs, task);
    if (at < 0)
        at = task_add(&c->defs, task, why);
    if (at < 0)
        return at;
    struct extra *x = &task_extra[at];
    struct taskdef *t = &c->defs.task[at];
    if (!name)
        return 0;
    struct setting s = {t, x, value, base, why};
    if (strcmp(name, "input_schema") == 0)
        return set_schema(c, (uint32_t)at, value, base, why);
    if (strncmp(name, "env.", 4) == 0)
        return task_variable(&s, name + 4);
    for (size_t i = 0; i < sizeof(task_settings) / sizeof(task_settings[0]); i++) {
        if (strcmp(task_settings[i].name, name) != 0)
            continue;
        if (x->seen & UINT64_C(1) << i)
            return bad(why, "%s is set twice", name);
        x->seen |= UINT64_C(1) << i;
        bool program = task_settings[i].set == task_module || task_settings[i].set == task_command;
        if (program && x->has_program)
            return bad(why, "a task has either a module or a command");
        if (program) {
            x->has_program = true;
            free(t->module);
            t->module = NULL;
        }
        return task_settings[i].set(&s);
    }
    int err = flow_set(t, name, value, &x->flow, why);
    return err == 1 ? bad(why, "%s: not a setting of a task", name) : err;
}

/* ---- the whole ---- */

int sections_begin(struct conf *c)
{
    AUTO_BUF why = BUF_INIT;
    c->defs.pool = calloc(POOLS_MAX, sizeof(*c->defs.pool));
    c->defs.task = calloc(TASKS_MAX, sizeof(*c->defs.task));
    if (!c->defs.pool || !c->defs.task || pools_begin(&c->defs, &why) < 0)
        return -ERR_NOMEM;
    for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
        int at = task_add(&c->defs, shipped[i], &why);
        if (at < 0 || asprintf(&c->defs.task[at].module, "builtin:%s", shipped[i]) < 0)
            return -ERR_NOMEM;
    }
    return 0;
}

int sections_set(struct conf *c, const char *section, const char *name, const char *value,
                 const char *base, struct buf *why)
{
    if (strncmp(section, "pool ", 5) == 0)
        return pools_set(&c->defs, section + 5, name, value, why);
    if (strncmp(section, "task ", 5) == 0)
        return task_set(c, section + 5, name, value, base, why);
    return bad(why,
               "[%s]: not a section; there are [server], [pool NAME], [task NAME] and [token NAME]",
               section);
}

/* Workers elsewhere run its jobs: what says how they run here would be believed and do nothing. */
static int check_remote(const struct taskdef *t, const struct extra *x, struct buf *why)
{
    const char *set = t->env ? "env" : NULL;
    if (t->module || t->argv)
        return bad(why, "[task %s]: kind = remote, but it has a %s", t->name,
                   t->module ? "module" : "command");
    for (size_t i = 0; i < sizeof(task_settings) / sizeof(task_settings[0]) && !set; i++) {
        if (task_settings[i].here && x->seen & UINT64_C(1) << i)
            set = task_settings[i].name;
    }
    return set ? bad(why, "[task %s]: %s: not with kind = remote, whose jobs do not run here",
                     t->name, set)
               : 0;
}

int sections_end(struct conf *c, struct buf *why)
{
    struct taskdefs *d = &c->defs;
    d->kill_grace_us = c->kill_grace_us;
    int err = pools_end(d, why);
    if (err)
        return err;
    for (uint32_t i = 0; i < d->tasks; i++) {
        struct taskdef *t = &d->task[i];
        bool remote = task_extra[i].has_kind && task_extra[i].wanted_kind == TASK_REMOTE;
        err = remote ? check_remote(t, &task_extra[i], why) : 0;
        if (err)
            return err;
        if (!remote && !t->module && !t->argv)
            return bad(why, "[task %s]: neither a module nor a command", t->name);
        if (task_extra[i].has_kind && task_extra[i].wanted_kind != t->kind)
            return bad(why, "[task %s]: kind = %s, but it has a %s", t->name,
                       t->kind == TASK_MODULE ? "command" : "module",
                       t->kind == TASK_MODULE ? "module" : "command");
        err = command_check(t, task_extra[i].persistent, task_extra[i].for_persistent, why);
        if (err)
            return err;
        if (task_extra[i].persistent)
            t->kind = TASK_PERSISTENT;
        int pool = pools_find(d, task_extra[i].wanted_pool);
        if (pool < 0)
            return bad(why, "[task %s]: pool = %s: there is no [pool %s]", t->name,
                       task_extra[i].wanted_pool, task_extra[i].wanted_pool);
        t->pool = (uint32_t)pool;
        if (!task_extra[i].has_sandbox && t->kind != TASK_MODULE && !remote)
            (void)limits_level(c->sandbox, &t->sandbox);
        if (!task_extra[i].has_network)
            t->network = t->sandbox == SANDBOX_NONE; /* for best, see conf_settle_task */
        t->network_by_default = !task_extra[i].has_network;
        if (t->max_attempts == 0)
            t->max_attempts = (uint32_t)c->max_attempts;
    }
    return limits_check(d, why);
}

void sections_print(const struct conf *c, FILE *out)
{
    pools_print(&c->defs, out);
    for (uint32_t i = 0; i < c->defs.tasks; i++) {
        const struct taskdef *t = &c->defs.task[i];
        bool remote = t->kind == TASK_REMOTE; /* see check_remote */
        fprintf(out, "\n[task %s]\n%s", t->name, remote ? "kind = remote\n" : "");
        if (t->module)
            fprintf(out, "module = %s\n", t->module);
        if (t->argv)
            command_print(t, out);
        if (t->description[0])
            fprintf(out, "description = %s\n", t->description);
        fprintf(out, "pool = %s\ninput = %s\n", c->defs.pool[t->pool].name,
                t->input == TASK_INPUT_RAW ? "raw" : "json");
        if (!remote)
            fprintf(out, "result = %s\n",
                    t->result == TASK_RESULT_JSON   ? "json"
                    : t->result == TASK_RESULT_TEXT ? "text"
                                                    : t->result_type);
        if (c->schema_file && c->schema_file[i])
            fprintf(out, "input_schema = %s\n", c->schema_file[i]);
        fprintf(out, "timeout = %.15gs\nmax_attempts = %u\noutput_max = %llu\n",
                (double)t->timeout_us / 1e6, t->max_attempts, (unsigned long long)t->output_max);
        if (!remote)
            limits_print(t, out);
        flow_print(t, out);
    }
}
