/*
 * said.c - what a command's program says: log lines, and messages on fd 4. Workers;
 * single-threaded.
 */
#include "said.h"

#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/jsonscan.h"
#include "../common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH    512
#define KEPT_MAX 65536 /* bytes of a line's memory that are kept for the next one */
#define SLACK    4096  /* what is around a result in its line */

/* ---- lines ---- */

static void hand_over(struct lines *l, bool ended,
                      void (*each)(void *arg, const char *text, size_t len), void *arg)
{
    struct buf line = l->part; /* `each` may release the lines */
    l->part = BUF_INIT;
    l->unended = !ended;
    each(arg, line.data, line.len);
    if (line.cap <= KEPT_MAX && !l->part.data) {
        l->part = line;
        buf_clear(&l->part);
    } else {
        buf_release(&line);
    }
}

void lines_take(struct lines *l, const char *data, size_t len, size_t max,
                void (*each)(void *arg, const char *text, size_t len), void *arg)
{
    while (len > 0) {
        bool ends = l->unended && *data == '\n';
        l->unended = false;
        if (ends) {
            data++;
            len--;
            continue;
        }
        const char *nl = memchr(data, '\n', len);
        size_t n = nl ? (size_t)(nl - data) : len;
        size_t room = max - l->part.len;
        bool whole = nl && n <= room;
        if (!whole && n > room) {
            n = room;
            l->cut = true;
        }
        if (l->part.len == 0 && (whole || n == max)) {
            l->unended = !whole;
            each(arg, data, n);
        } else {
            buf_add(&l->part, data, n);
            if (whole || l->part.len >= max)
                hand_over(l, whole, each, arg);
        }
        data += n + whole;
        len -= n + whole;
    }
}

void lines_end(struct lines *l, void (*each)(void *arg, const char *text, size_t len), void *arg)
{
    if (l->part.len > 0)
        hand_over(l, false, each, arg);
}

/* ---- the log ---- */

static enum log_level level_of(const char **text, size_t *len)
{
    static const struct {
        const char *word;
        enum log_level level;
    } words[] = {{"DEBUG", LOG_DEBUG}, {"INFO", LOG_INFO},   {"WARNING", LOG_WARN},
                 {"WARN", LOG_WARN},   {"ERROR", LOG_ERROR}, {"CRITICAL", LOG_ERROR},
                 {"FATAL", LOG_ERROR}};
    const char *t = *text;
    if (*len >= 3 && t[0] == '<' && t[1] >= '0' && t[1] <= '7' && t[2] == '>') {
        *text += 3;
        *len -= 3;
        return t[1] <= '3'   ? LOG_ERROR
               : t[1] == '4' ? LOG_WARN
               : t[1] == '7' ? LOG_DEBUG
                             : LOG_INFO;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (*len > n && t[n] == ':' && memcmp(t, words[i].word, n) == 0)
            return words[i].level;
    }
    return LOG_INFO;
}

void said_log_line(void *arg, const char *text, size_t len)
{
    struct said_log *log = arg;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    if (len == 0 && !log->run)
        return;
    enum log_level level = level_of(&text, &len);
    size_t keep = len < SAID_LAST_MAX ? len : SAID_LAST_MAX;
    if (len > 0) {
        memcpy(log->last, text, keep);
        log->last[keep] = '\0';
    }
    if (log->run) {
        task_log(log->run, level, text, len);
        return;
    }
    if (log->logged + len + TASK_LOG_HEAD > task_log_bytes(log->def)) {
        log->unlogged++;
        return;
    }
    log->logged += len + TASK_LOG_HEAD;
    log_write(level == LOG_ERROR ? LOG_WARN : level, "task %s: %.*s", log->def->name, (int)len,
              text);
}

void said_log_end(struct said_log *log)
{
    if (log->unlogged)
        log_write(LOG_WARN, "task %s: %zu log lines beyond %zu bytes were not kept", log->def->name,
                  log->unlogged, task_log_bytes(log->def));
    log->logged = log->unlogged = 0;
}

/* ---- results ---- */

void said_type(const struct taskdef *def, struct task_run *r)
{
    if (def->result == TASK_RESULT_JSON)
        r->result_type[0] = '\0';
    else if (def->result == TASK_RESULT_TEXT)
        snprintf(r->result_type, sizeof(r->result_type), "text/plain; charset=utf-8");
    else
        memcpy(r->result_type, def->result_type, sizeof(r->result_type));
}

/* Opens a regular file of the job's directory that is no larger than the task's output may be. */
static int open_result(const struct taskdef *def, struct task_run *r, const char *path,
                       const char *name, size_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        task_fail(r, false, JOB_ERROR_BAD_RESULT, "the result's file %s cannot be read: %s", name,
                  strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT, "the result's file %s is not a regular file",
                  name);
    } else if ((uint64_t)st.st_size > def->output_max) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT,
                  "the output is larger than output_max = %llu bytes",
                  (unsigned long long)def->output_max);
    } else {
        *size = (size_t)st.st_size;
        return fd;
    }
    fd_close(&fd);
    return -1;
}

void said_file(const struct taskdef *def, struct task_run *r, const char *dir, const char *name,
               const char *type)
{
    char *path = NULL;
    size_t size;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        task_fail(r, true, JOB_ERROR_BAD_RESULT, "the result's file must be a name, with no `/`");
        return;
    }
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        task_fail(r, false, JOB_ERROR_MEMORY, "no memory for the result");
        return;
    }
    int fd = open_result(def, r, path, name, &size);
    if (fd >= 0) {
        buf_clear(&r->result);
        ssize_t n = buf_reserve(&r->result, size) ? fd_read_full(fd, r->result.data, size) : 0;
        r->result.len = n > 0 ? (size_t)n : 0;
        if (r->result.data)
            r->result.data[r->result.len] = '\0';
        fd_close(&fd);
        said_type(def, r);
        if (type)
            snprintf(r->result_type, sizeof(r->result_type), "%s", type);
        r->has_result = true;
        if (n != (ssize_t)size && !r->result.failed)
            task_fail(r, false, JOB_ERROR_BAD_RESULT, "the result's file %s cannot be read: %s",
                      name, n < 0 ? strerror(errno) : "it became shorter");
    }
    (void)unlink(path);
    free(path);
}

/* ---- messages ---- */

size_t said_message_max(const struct taskdef *def)
{
    size_t most = (size_t)def->output_max;
    return (most > JOB_CHECKPOINT_MAX ? most : JOB_CHECKPOINT_MAX) + SLACK;
}

struct piece {
    const char *at; /* NULL: absent */
    size_t len;
};

struct message {
    struct piece ready, progress, checkpoint, result, result_file, type, error, id;
};

static bool note_member(void *arg, const char *name, size_t nlen, const char *value, size_t vlen)
{
    struct message *m = arg;
    const struct {
        const char *name;
        struct piece *to;
    } known[] = {{"ready", &m->ready},   {"progress", &m->progress},
                 {"result", &m->result}, {"result_file", &m->result_file},
                 {"type", &m->type},     {"error", &m->error},
                 {"id", &m->id},         {"checkpoint", &m->checkpoint}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (nlen == strlen(known[i].name) && memcmp(name, known[i].name, nlen) == 0)
            *known[i].to = (struct piece){value, vlen};
    }
    return true;
}

/* The text of a string, zero-terminated. False: it is no string. */
static bool text_of(struct piece p, struct buf *out)
{
    return p.at && *p.at == '"' && jsonscan_text(out, p.at, p.len) && !out->failed &&
           buf_reserve(out, 1);
}

static bool text_member(struct piece object, const char *name, struct buf *out)
{
    struct piece p = {0};
    return jsonscan_member(object.at, object.len, name, &p.at, &p.len) && text_of(p, out);
}

static void take_progress(struct task_run *r, struct piece p)
{
    AUTO_BUF words = BUF_INIT;
    const char *f;
    size_t flen;
    bool has = text_member(p, "message", &words);
    double fraction = -1;
    if (jsonscan_member(p.at, p.len, "fraction", &f, &flen) && *f >= '0' && *f <= '9')
        fraction = strtod(f, NULL);
    slot_progress(r->slot, fraction, has && words.data ? words.data : NULL, words.len);
}

static void take_result(const struct taskdef *def, struct task_run *r, struct piece p)
{
    buf_clear(&r->result);
    r->has_result = true;
    r->result_type[0] = '\0';
    if (def->result == TASK_RESULT_TEXT && *p.at == '"') {
        (void)jsonscan_text(&r->result, p.at, p.len);
        said_type(def, r);
    } else {
        buf_add(&r->result, p.at, p.len);
    }
}

static void take_error(struct task_run *r, struct piece p)
{
    AUTO_BUF code = BUF_INIT;
    AUTO_BUF words = BUF_INIT;
    const char *f;
    size_t flen;
    bool has_code = text_member(p, "code", &code) && task_code_ok(code.data);
    bool has_words = text_member(p, "message", &words) && words.len;
    bool permanent = jsonscan_member(p.at, p.len, "permanent", &f, &flen) && *f == 't';
    task_fail(r, permanent, has_code ? code.data : JOB_ERROR_TASK, "%s",
              has_words ? words.data : "the task failed");
}

static enum said take_file(const struct taskdef *def, struct task_run *r, const char *dir,
                           const struct message *m, const char **why)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF type = BUF_INIT;
    if (!text_of(m->result_file, &name) || strlen(name.data) != name.len) {
        *why = "its `result_file` is not a name";
        return SAID_BAD;
    }
    if (m->type.at && (!text_of(m->type, &type) || type.len == 0 || type.len > JOB_TYPE_MAX ||
                       !memchr(type.data, '/', type.len))) {
        *why = "its `type` is not a content type";
        return SAID_BAD;
    }
    said_file(def, r, dir, name.data, m->type.at ? type.data : NULL);
    return SAID_RESULT;
}

/* Is the answer for the job that runs? One that names none is. */
static bool is_for(const struct task_run *r, struct piece id)
{
    AUTO_BUF text = BUF_INIT;
    char mine[ID_TEXT];
    if (!id.at)
        return true;
    id_format(&r->job, mine);
    return text_of(id, &text) && text.len == strlen(mine) && memcmp(text.data, mine, text.len) == 0;
}

enum said said_message(const struct taskdef *def, struct task_run *r, const char *dir,
                       const char *text, size_t len, const char **why)
{
    struct message m = {0};
    if (jsonscan(text, len, DEPTH, NULL, why) != 0)
        return SAID_BAD;
    *why = "it is no object";
    if (!jsonscan_each(text, len, note_member, &m))
        return SAID_BAD;
    if (m.ready.at)
        return SAID_READY;
    *why = "it comes while no job runs";
    if (!r)
        return SAID_BAD;
    *why = "its `id` is not that of the job";
    if (!is_for(r, m.id))
        return SAID_BAD;
    *why = "it has none of ready, progress, checkpoint, result, result_file, error";
    if (m.error.at) {
        take_error(r, m.error);
        return SAID_ERROR;
    }
    if (m.result_file.at)
        return take_file(def, r, dir, &m, why);
    if (m.result.at) {
        take_result(def, r, m.result);
        return SAID_RESULT;
    }
    if (m.checkpoint.at && !task_checkpoint(r, m.checkpoint.at, m.checkpoint.len, why))
        return SAID_BAD;
    if (m.progress.at)
        take_progress(r, m.progress);
    if (m.progress.at || m.checkpoint.at)
        return SAID_PROGRESS;
    return SAID_BAD;
}
