/* conf_schema.c - the input schemas of the tasks. Before any thread exists; read-only after. */
#include "conf_schema.h"

#include "../common/embed.h"
#include "../common/err.h"
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int schemas_set(struct conf *c, uint32_t task, const char *path, const char *base, struct buf *why)
{
    char *file = NULL;
    if (!path[0]) {
        buf_adds(why, "input_schema is empty: must be a path");
        return -ERR_CONFIG;
    }
    if (!c->schema_file)
        c->schema_file = calloc(TASKS_MAX, sizeof(*c->schema_file));
    if (path[0] == '/')
        file = strdup(path);
    else if (asprintf(&file, "%s/%s", base, path) < 0)
        file = NULL;
    if (!c->schema_file || !file) {
        free(file);
        return -ERR_NOMEM;
    }
    free(c->schema_file[task]);
    c->schema_file[task] = file;
    return 0;
}

/* A regular file of bounded size: nothing else is waited for. */
static int read_some(int fd, struct buf *out, const char **fault)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        *fault = strerror(errno);
        return -ERR_CONFIG;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > SCHEMA_TEXT_MAX) {
        *fault = "not a regular file of at most 1 MiB";
        return -ERR_CONFIG;
    }
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0 && out->len <= SCHEMA_TEXT_MAX)
        buf_add(out, piece, (size_t)n);
    if (n < 0)
        *fault = strerror(errno);
    return n < 0 ? -ERR_CONFIG : out->failed ? -ERR_NOMEM : 0;
}

static int read_file(const char *path, struct buf *out, const char **fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *fault = strerror(errno);
        return -ERR_CONFIG;
    }
    int err = read_some(fd, out, fault);
    close(fd);
    return err;
}

static int load_file(struct conf *c, uint32_t i, struct buf *why)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF detail = BUF_INIT;
    const char *path = c->schema_file[i], *fault = NULL;
    int err = read_file(path, &text, &fault);
    if (!err)
        err = schema_compile(text.data ? text.data : "", text.len, c->check_formats, &c->schema[i],
                             &detail);
    if (err == -ERR_CONFIG)
        buf_addf(why, "[task %s]: input_schema: %s: %s", c->defs.task[i].name, path,
                 fault         ? fault
                 : detail.data ? detail.data
                               : "refused");
    return err;
}

/* A shipped task's own; there need be none. */
static int load_shipped(struct conf *c, uint32_t i, struct buf *why)
{
    AUTO_BUF detail = BUF_INIT;
    char name[JOB_TASK_MAX + 64];
    const char *module = c->defs.task[i].module;
    if (!module || strncmp(module, "builtin:", 8) != 0)
        return 0;
    snprintf(name, sizeof(name), "workers/builtin/%.*s.schema.json", JOB_TASK_MAX, module + 8);
    const struct embed *e = embed_find(name);
    int err =
        e ? schema_compile((const char *)e->data, e->len, c->check_formats, &c->schema[i], &detail)
          : 0;
    if (err == -ERR_CONFIG)
        buf_addf(why, "%s: %s", name, detail.data ? detail.data : "refused");
    return err;
}

int schemas_load(struct conf *c, struct buf *why)
{
    int err = 0;
    c->schema = calloc(TASKS_MAX, sizeof(struct schema *));
    if (!c->schema)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < c->defs.tasks && !err; i++)
        err = c->schema_file && c->schema_file[i] ? load_file(c, i, why) : load_shipped(c, i, why);
    return err;
}

void schemas_release(struct conf *c)
{
    for (uint32_t i = 0; i < TASKS_MAX; i++) {
        if (c->schema_file)
            free(c->schema_file[i]);
        if (c->schema)
            schema_free(c->schema[i]);
    }
    free(c->schema_file);
    free(c->schema);
}
