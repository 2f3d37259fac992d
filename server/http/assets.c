/*
 * assets.c - the pages, which are part of the binary, compressed: the dashboard at `/`, those of
 * the API at `/docs`, and what they name. HTTP threads; the table of files never changes after its
 * first use.
 *
 * The pages name their files with a part of their digests, so that a browser keeps them for ever;
 * the pages themselves are asked for again each time, and answered with 304. A client that takes no
 * gzip gets the bytes inflated. The pages of the API have the names of their files from
 * web/docs/gen.py, which makes them as name_file() does.
 */
#include "api.h"
#include "request.h"

#include "../../common/embed.h"
#include "../../common/err.h"

#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define HASH_TEXT 12
#define PLAIN_MAX (1u << 20)

#define CSP                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
#define CSP_DOCS                                                                                   \
    "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; "                \
    "base-uri 'none'; form-action 'none'"

enum { PAGE, SCRIPT, STYLE, DOCS_STYLE, FILES };

static struct {
    const char *embedded, *mark, *type; /* mark: what the page has in place of the digest */
    const char *stem, *ending;
    char name[40]; /* under /assets/ */
    struct buf plain;
} files[FILES] = {
    [PAGE] = {.embedded = "web/index.html", .type = "text/html; charset=utf-8"},
    [SCRIPT] = {.embedded = "web/app.js.gz",
                .mark = "app-JS.js",
                .stem = "app",
                .ending = "js",
                .type = "text/javascript; charset=utf-8"},
    [STYLE] = {.embedded = "web/app.css.gz",
               .mark = "app-CSS.css",
               .stem = "app",
               .ending = "css",
               .type = "text/css; charset=utf-8"},
    [DOCS_STYLE] = {.embedded = "web/docs.css.gz",
                    .mark = "docs-CSS.css",
                    .stem = "docs",
                    .ending = "css",
                    .type = "text/css; charset=utf-8"},
};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool inflate_all(const struct embed *e, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)e->data, .avail_in = (uInt)e->len};
    if (!buf_reserve(out, PLAIN_MAX) || inflateInit2(&z, 15 + 16) != Z_OK)
        return false;
    z.next_out = (Bytef *)out->data;
    z.avail_out = PLAIN_MAX;
    int rc = inflate(&z, Z_FINISH);
    out->len = PLAIN_MAX - z.avail_out;
    inflateEnd(&z);
    return rc == Z_STREAM_END;
}

static void name_file(int i, const struct embed *e)
{
    struct sha256_ctx ctx;
    uint8_t hash[HASH_TEXT / 2];
    char hex[HASH_TEXT + 1];
    sha256_init(&ctx);
    sha256_update(&ctx, e->len, e->data);
    sha256_digest(&ctx, sizeof(hash), hash);
    for (size_t k = 0; k < sizeof(hash); k++)
        snprintf(hex + 2 * k, 3, "%02x", hash[k]);
    snprintf(files[i].name, sizeof(files[i].name), "%s-%s.%s", files[i].stem, hex, files[i].ending);
}

/* The page with the names of its files; names of one length would be too lucky to rely on. */
static void make_page(const struct embed *page)
{
    struct buf *out = &files[PAGE].plain;
    const char *at = (const char *)page->data, *end = at + page->len;
    while (at < end) {
        int which = 0;
        const char *next = end;
        for (int i = SCRIPT; i < FILES; i++) {
            const char *mark = memmem(at, (size_t)(end - at), files[i].mark, strlen(files[i].mark));
            if (mark && mark < next) {
                next = mark;
                which = i;
            }
        }
        buf_add(out, at, (size_t)(next - at));
        if (which)
            buf_adds(out, files[which].name);
        at = next + (which ? strlen(files[which].mark) : 0);
    }
}

static void prepare(void)
{
    const struct embed *page = embed_find(files[PAGE].embedded);
    for (int i = SCRIPT; i < FILES; i++) {
        const struct embed *e = embed_find(files[i].embedded);
        if (!e || !inflate_all(e, &files[i].plain))
            return;
        name_file(i, e);
    }
    if (page)
        make_page(page);
}

static bool takes_gzip(const struct request *rq)
{
    const char *accept = request_header(rq, "Accept-Encoding");
    return accept && strstr(accept, "gzip") && !strstr(accept, "gzip;q=0");
}

static bool wants_html(const struct request *rq)
{
    const char *accept = request_header(rq, "Accept");
    return accept && strstr(accept, "text/html");
}

static void harden(struct request *rq, const char *csp)
{
    request_add_header(rq, "Content-Security-Policy", "%s", csp);
    request_add_header(rq, "Cross-Origin-Opener-Policy", "same-origin");
}

bool assets_page(struct request *rq)
{
    pthread_once(&once, prepare);
    const struct buf *page = &files[PAGE].plain;
    if (!wants_html(rq) || page->len == 0 || page->failed)
        return false;
    rq->reply.status = 200;
    rq->reply.type = files[PAGE].type;
    rq->reply.fixed = page->data;
    rq->reply.fixed_len = page->len;
    harden(rq, CSP);
    request_with_etag_of(rq, page->data, page->len);
    if (rq->reply.status == 304) {
        rq->reply.unsent = rq->reply.fixed_len;
        rq->reply.fixed = NULL;
    }
    return true;
}

void api_assets_get(struct request *rq)
{
    struct problem p = {0};
    pthread_once(&once, prepare);
    int i = SCRIPT;
    while (i < FILES && (strlen(files[i].name) != rq->part.len || rq->part.len == 0 ||
                         memcmp(files[i].name, rq->part.text, rq->part.len) != 0))
        i++;
    if (request_no_more_params(rq, &p) == 0 && i == FILES)
        problem_set(&p, ERR_NOT_FOUND, "there is no such file");
    if (p.err) {
        request_problem(rq, &p);
        return;
    }
    const struct embed *e = embed_find(files[i].embedded);
    bool gzip = takes_gzip(rq);
    rq->reply.status = 200;
    rq->reply.type = files[i].type;
    rq->reply.fixed = gzip ? (const void *)e->data : files[i].plain.data;
    rq->reply.fixed_len = gzip ? e->len : files[i].plain.len;
    rq->reply.keep = true;
    if (gzip)
        request_add_header(rq, "Content-Encoding", "gzip");
    request_add_header(rq, "Vary", "Accept-Encoding");
    harden(rq, CSP);
}

/* A page of the API. Its tag is of the bytes that are sent, so that the codings have their own. */
static void answer_page(struct request *rq, const char *name)
{
    struct problem p = {0};
    if (request_no_more_params(rq, &p)) {
        request_problem(rq, &p);
        return;
    }
    const struct embed *e = embed_find(name);
    bool gzip = takes_gzip(rq);
    rq->reply.status = 200;
    rq->reply.type = files[PAGE].type;
    if (!e || (!gzip && !inflate_all(e, &rq->reply.body))) {
        buf_clear(&rq->reply.body);
        request_error(rq, e ? -ERR_NOMEM : -ERR_NOT_FOUND);
        return;
    }
    request_add_header(rq, "Vary", "Accept-Encoding");
    harden(rq, CSP_DOCS);
    if (!gzip) {
        request_with_etag(rq);
        return;
    }
    request_with_etag_of(rq, e->data, e->len);
    if (rq->reply.status == 304) {
        rq->reply.unsent = e->len;
        return;
    }
    rq->reply.fixed = e->data;
    rq->reply.fixed_len = e->len;
    request_add_header(rq, "Content-Encoding", "gzip");
}

void api_docs_reference(struct request *rq)
{
    answer_page(rq, "web/docs.html.gz");
}

void api_docs_errors(struct request *rq)
{
    answer_page(rq, "web/errors.html.gz");
}
