/* result.c - the bytes of a result, and `jobmill result`. */
#include "result.h"

#include "call.h"
#include "term.h"
#include "wait.h"

#include <errno.h>
#include <string.h>

int result_fetch(struct cli *c, const char *id, double deadline, struct http_reply *r)
{
    AUTO_BUF path = BUF_INIT;
    buf_adds(&path, "/v1/jobs/");
    call_escape(&path, id);
    buf_adds(&path, "/result");
    if (path.failed)
        return CLI_SYSTEM;
    struct http_call call = {.method = "GET", .path = path.data, .seconds = call_seconds(deadline)};
    int status = call_do(c, &call, r);
    return status == CLI_UNREACHABLE && wait_is_over(deadline) ? CLI_TIMED_OUT : status;
}

static int write_file(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "we");
    bool ok = f && fwrite(b->data ? b->data : "", 1, b->len, f) == b->len;
    int saved = errno;
    if (f && fclose(f) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok)
        return CLI_OK;
    fprintf(stderr, "jobmill: %s: %s\n", path, strerror(saved));
    return CLI_NO_OUTPUT;
}

static bool is_text(const char *type)
{
    size_t len = strlen(type);
    return strncmp(type, "text/", 5) == 0 || strcmp(type, "application/json") == 0 ||
           (len > 5 && strcmp(type + len - 5, "+json") == 0);
}

int result_write(struct cli *c, const char *id, const struct http_reply *r, bool readable)
{
    bool text = is_text(r->type);
    if (c->o.output && strcmp(c->o.output, "-") != 0)
        return write_file(c->o.output, &r->body);
    if (c->tty_out && !text && !c->o.output) {
        char size[24];
        fprintf(stderr, "jobmill: the result is %s of %s: jobmill result %s -o FILE\n",
                term_bytes_size((double)r->body.len, size), *r->type ? r->type : "bytes", id);
        return readable ? CLI_OK : CLI_USAGE;
    }
    bool newline = readable && text && r->body.len > 0;
    return term_bytes(r->body.data, r->body.len, newline) ? CLI_OK : CLI_NO_OUTPUT;
}

int cli_result(struct cli *c)
{
    AUTO_REPLY r = {0};
    int status = result_fetch(c, c->args[0], 0, &r);
    return status ? status : result_write(c, c->args[0], &r, c->tty_out);
}
