/*
 * fuzz_said.c - libFuzzer: what a program says to its worker, as any bytes that come in any pieces: a line
 * of its log, or a message on fd 4. Nothing is taken that is not what the front end and a client may be
 * given: results are JSON where they are said to be, codes, types and texts keep their limits, no line is
 * longer than its limit, and a name of a file leads nowhere else.
 */
#include "../../common/jsonscan.h"
#include "../../common/log.h"
#include "../../workers/said.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct board *board;
static char dir[64];
static struct taskdef def[3];
static size_t said_bytes, line_bytes;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void setup(void)
{
    int fd;
    board = board_new(1, &fd);
    must(board != NULL);
    snprintf(dir, sizeof(dir), "/tmp/fuzz_said.XXXXXX");
    must(mkdtemp(dir) != NULL && rmdir(dir) == 0); /* no file of a job is there */
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "fuzz");
    for (int i = 0; i < 3; i++) {
        snprintf(def[i].name, sizeof(def[i].name), "t%d", i);
        def[i].result = i == 0   ? TASK_RESULT_JSON
                        : i == 1 ? TASK_RESULT_TEXT
                                 : TASK_RESULT_BYTES;
        snprintf(def[i].result_type, sizeof(def[i].result_type), "image/png");
        def[i].output_max = 4096;
        def[i].log_bytes = 2000;
    }
}

static bool is_json(const struct buf *b)
{
    const char *why;
    return jsonscan(b->data, b->len, 1024, NULL, &why) == 0;
}

static void check(const struct taskdef *d, const struct task_run *r, enum said got, const char *why)
{
    must(got != SAID_BAD || (why && *why));
    must((got == SAID_ERROR) <= r->failed);
    if (r->failed)
        must(task_code_ok(r->error.code) && strlen(r->error.message) <= JOB_ERROR_TEXT_MAX);
    if (got == SAID_RESULT && !r->failed) {
        must(r->has_result && !r->result.failed);
        must(strlen(r->result_type) <= JOB_TYPE_MAX);
        must(r->result_type[0] || is_json(&r->result));
        must(d->result != TASK_RESULT_BYTES || !r->result_type[0]); /* said in JSON */
    }
    if (r->has_left)
        must(r->left.len <= JOB_CHECKPOINT_MAX && is_json(&r->left));
    struct slot_view v;
    slot_copy(r->slot, &v);
}

static void on_message(void *arg, const char *text, size_t len)
{
    const struct taskdef *d = arg;
    struct task_run r = {.error = JOB_ERROR_NONE, .slot = &board->slot[0]};
    const char *why = NULL;
    line_bytes += len;
    enum said got = said_message(d, &r, dir, text, len, &why);
    check(d, &r, got, why);
    buf_release(&r.result);
    buf_release(&r.left);
    must(said_message(d, NULL, dir, text, len, &why) != SAID_RESULT); /* while no job runs */
}

static void on_line(void *arg, const char *text, size_t len)
{
    struct said_log *l = arg;
    must(len <= SAID_LINE_MAX);
    line_bytes += len;
    said_log_line(l, text, len);
    must(l->logged <= l->def->log_bytes && strlen(l->last) <= SAID_LAST_MAX);
}

/* data[0]: which task and channel; data[1]: how the rest is cut into pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!board)
        setup();
    if (len < 2)
        return 0;
    const struct taskdef *d = &def[data[0] % 3];
    struct said_log log = {.def = d};
    struct lines lines = {0};
    bool messages = data[0] & 0x80;
    size_t step = data[1] ? data[1] : len, newlines = 0;
    said_bytes = len - 2, line_bytes = 0;
    for (size_t at = 2; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;
        char *piece = malloc(n);
        must(piece != NULL);
        memcpy(piece, data + at, n);
        for (size_t i = 0; i < n; i++)
            newlines += piece[i] == '\n';
        lines_take(&lines, piece, n, messages ? 300 : SAID_LINE_MAX, messages ? on_message : on_line,
                   messages ? (void *)(uintptr_t)d : &log);
        free(piece);
    }
    lines_end(&lines, messages ? on_message : on_line, messages ? (void *)(uintptr_t)d : &log);
    said_log_end(&log);
    must(line_bytes + newlines == said_bytes); /* nothing is lost or said twice */
    buf_release(&lines.part);
    return 0;
}
