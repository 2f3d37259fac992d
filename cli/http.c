/* http.c - libcurl behind a small door; loaded at run time, from wherever the system keeps it. */
#define CURL_DISABLE_TYPECHECK
#include "http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_SECONDS = 10, SILENCE_SECONDS = 30, KEEPALIVE_SECONDS = 30 };

/* the functions that are used, by libcurl's names and types */
#define FUNCTIONS(X)                                                                               \
    X(global_init, curl_global_init)                                                               \
    X(easy_init, curl_easy_init)                                                                   \
    X(setopt, curl_easy_setopt)                                                                    \
    X(getinfo, curl_easy_getinfo)                                                                  \
    X(perform, curl_easy_perform)                                                                  \
    X(cleanup, curl_easy_cleanup)                                                                  \
    X(strerror, curl_easy_strerror)                                                                \
    X(list_append, curl_slist_append)                                                              \
    X(list_free, curl_slist_free_all)

static struct {
#define X(name, symbol) __typeof__(&symbol) name;
    FUNCTIONS(X)
#undef X
} lib;

struct http {
    CURL *curl;
    char *url; /* without a slash at its end */
    char *token;
    const volatile sig_atomic_t *stop;
    bool local; /* on this machine: no proxy */
    char error[CURL_ERROR_SIZE];
};

/* what one call's callbacks need */
struct transfer {
    struct http *h;
    const struct http_call *call;
    struct http_reply *reply;
    bool refused, no_memory;
};

/* ---- the library ---- */

static bool load(void)
{
    static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};
    void *so = NULL;
    if (lib.global_init)
        return true;
    for (size_t i = 0; !so && i < sizeof(names) / sizeof(names[0]); i++)
        so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return false;
    void *f;
#define X(name, symbol)                                                                            \
    if (!(f = dlsym(so, #symbol)))                                                                 \
        return false;                                                                              \
    memcpy(&lib.name, &f, sizeof(f));
    FUNCTIONS(X)
#undef X
    return lib.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool is_local(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return strncmp(host, "127.", 4) == 0 || strncasecmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

/* HOST:PORT, and not a scheme that was mistyped. */
static bool is_bare(const char *url)
{
    size_t len = strcspn(url, ":/");
    bool scheme = (len == 4 && strncasecmp(url, "http", 4) == 0) ||
                  (len == 5 && strncasecmp(url, "https", 5) == 0);
    return len > 0 && !scheme && !strstr(url, "://");
}

struct http *http_new(const char *url, const char *token, const volatile sig_atomic_t *stop,
                      const char **why)
{
    bool bare = is_bare(url);
    *why = "out of memory";
    if (!bare && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        *why = "the server must be http://HOST:PORT or https://HOST:PORT";
        return NULL;
    }
    if (!load()) {
        *why = "libcurl is not installed (Debian: libcurl3-gnutls)";
        return NULL;
    }
    struct http *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->curl = lib.easy_init();
    if (asprintf(&h->url, "%s%s", bare ? "http://" : "", url) < 0)
        h->url = NULL;
    h->token = token ? strdup(token) : NULL;
    h->stop = stop;
    h->local = is_local(url);
    if (!h->curl || !h->url || (token && !h->token)) {
        http_free(h);
        return NULL;
    }
    for (size_t n = strlen(h->url); n > 0 && h->url[n - 1] == '/'; n--)
        h->url[n - 1] = '\0';
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    if (h->curl)
        lib.cleanup(h->curl);
    free(h->url);
    free(h->token);
    free(h);
}

const char *http_why(const struct http *h)
{
    return h->error;
}

void http_reply_release(struct http_reply *r)
{
    buf_release(&r->body);
}

/* ---- one call ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    long status = 0;
    lib.getinfo(t->h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->call->sink && status >= 200 && status < 300) {
        t->refused = !t->call->sink(t->call->arg, data, len);
        return t->refused ? 0 : len;
    }
    buf_add(&t->reply->body, data, len);
    t->no_memory = t->reply->body.failed;
    return t->no_memory ? 0 : len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    static const char name[] = "retry-after:";
    if (len > sizeof(name) && strncasecmp(data, name, sizeof(name) - 1) == 0) {
        int seconds = atoi(data + sizeof(name) - 1); /* ends at the CR */
        t->reply->retry_after = seconds > 0 ? seconds : 0;
    }
    return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct transfer *t = arg;
    (void)a, (void)b, (void)c, (void)d;
    return *t->h->stop != 0;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    AUTO_BUF line = BUF_INIT;
    buf_addf(&line, "%s: %s", name, value);
    struct curl_slist *more = line.failed ? NULL : lib.list_append(*list, line.data);
    if (more)
        *list = more;
    return more != NULL;
}

static bool add_headers(struct http *h, const struct http_call *call, struct curl_slist **list)
{
    char wait[48];
    bool ok =
        add_header(list, "Accept", call->accept ? call->accept : "application/json, */*;q=0.9");
    ok = ok && add_header(list, "User-Agent", "jobmill/" JOBMILL_VERSION);
    if (ok && call->body)
        ok = add_header(list, "Content-Type", call->type ? call->type : "application/json");
    if (ok && call->body) /* a large body is sent at once, not after a "100 Continue" */
        ok = lib.list_append(*list, "Expect:") != NULL;
    if (ok && call->key)
        ok = add_header(list, "Idempotency-Key", call->key);
    if (ok && call->wait > 0) {
        snprintf(wait, sizeof(wait), "wait=%.3f", call->wait);
        ok = add_header(list, "Prefer", wait);
    }
    if (ok && h->token) {
        AUTO_BUF value = BUF_INIT;
        buf_addf(&value, "Bearer %s", h->token);
        ok = !value.failed && add_header(list, "Authorization", value.data);
    }
    return ok;
}

/* libcurl copies neither the body nor the list of headers: they outlive the call. */
static void set_options(struct transfer *t, const char *url, struct curl_slist *headers)
{
    struct http *h = t->h;
    const struct http_call *call = t->call;
    long silence = SILENCE_SECONDS + (long)call->wait;
    lib.setopt(h->curl, CURLOPT_URL, url);
    lib.setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    lib.setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    lib.setopt(h->curl, CURLOPT_QUICK_EXIT, 1L); /* nobody waits for a name service */
    lib.setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
    lib.setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    lib.setopt(h->curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (strcmp(call->method, "POST") == 0) {
        lib.setopt(h->curl, CURLOPT_POST, 1L);
        lib.setopt(h->curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
        lib.setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->len);
    }
    if (h->local)
        lib.setopt(h->curl, CURLOPT_PROXY, "");
    lib.setopt(h->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    lib.setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)(call->seconds * 1000));
    if (!call->endless) {
        lib.setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        lib.setopt(h->curl, CURLOPT_LOW_SPEED_TIME, silence);
    }
    lib.setopt(h->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    lib.setopt(h->curl, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
    lib.setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    lib.setopt(h->curl, CURLOPT_WRITEDATA, t);
    lib.setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
    lib.setopt(h->curl, CURLOPT_HEADERDATA, t);
    lib.setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
    lib.setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    lib.setopt(h->curl, CURLOPT_XFERINFODATA, t);
}

static enum http_end end_of(const struct transfer *t, CURLcode code)
{
    if (t->no_memory || code == CURLE_OUT_OF_MEMORY)
        return HTTP_NO_MEMORY;
    if (t->refused)
        return HTTP_REFUSED;
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_ABORTED_BY_CALLBACK:
        return HTTP_INTERRUPTED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_UNREACHABLE;
    default:
        return HTTP_BROKEN;
    }
}

static void read_head(struct http *h, struct http_reply *reply)
{
    long status = 0;
    const char *type = NULL;
    lib.getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    lib.getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
    reply->status = (int)status;
    if (type)
        snprintf(reply->type, sizeof(reply->type), "%.*s", (int)strcspn(type, "; "), type);
}

enum http_end http_do(struct http *h, const struct http_call *call, struct http_reply *reply)
{
    AUTO_BUF url = BUF_INIT;
    struct curl_slist *headers = NULL;
    struct transfer t = {.h = h, .call = call, .reply = reply};
    *reply = (struct http_reply){0};
    h->error[0] = '\0';
    buf_addf(&url, "%s%s", h->url, call->path);
    if (url.failed || !add_headers(h, call, &headers)) {
        lib.list_free(headers);
        return HTTP_NO_MEMORY;
    }
    set_options(&t, url.data, headers);
    CURLcode code = lib.perform(h->curl);
    read_head(h, reply);
    enum http_end end = end_of(&t, code);
    if (end != HTTP_ANSWERED && !h->error[0])
        snprintf(h->error, sizeof(h->error), "%s", lib.strerror(code));
    /* the options of this call must not last: the connection and the names that were found do */
    lib.setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    lib.setopt(h->curl, CURLOPT_HTTPGET, 1L);
    lib.setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 0L);
    lib.list_free(headers);
    return end;
}
