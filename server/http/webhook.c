/*
 * webhook.c - calls of callback_urls. One thread over libcurl's multi interface, which is loaded
 * when the first call is made: a service without webhooks does not pay for it.
 *
 * Only http and https, no redirects, no proxies of the environment; the address that is really
 * connected to is checked, whatever the name said. Signed as Standard Webhooks says; the body is a
 * CloudEvent.
 */
#include "webhook.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/log.h"
#include "../conf.h"
#include "../conf_value.h"
#include "../metrics.h"
#include "../reader.h"
#include "../writer.h"
#include "address.h"
#include "json.h"
#include "receivers.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TIMEOUT_S   15
#define ANSWER_MAX  65536 /* bytes of an answer that are read; they are dropped */
#define SECRETS_MAX 2
#define DELAYS_MAX  512 /* bytes of them */
#define TURN_MS     1000
#define WAITING_US                                                                                 \
    (DELIVERY_AGAIN_US - (TIMEOUT_S + 5) * US_PER_S) /* then the store gives it again */

struct call {
    struct inbox_node node;    /* until it is under way */
    struct call *next, **link; /* among those under way */
    struct receiver *receiver;
    int64_t since_us, begun_us; /* mono: when it was asked for; when it began */
    struct delivery delivery;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    size_t answered;
    bool address_refused;
};

static struct {
    const struct conf *conf;
    struct address_list allow;
    uint8_t secret[SECRETS_MAX][64];
    size_t secret_len[SECRETS_MAX], secrets;
    struct inbox inbox;
    struct inbox_node *waiting, **waiting_end; /* taken from there, in order */
    bool look;                                 /* one of them may begin now */
    pthread_t thread;
    bool running;
    _Atomic bool stopping;
    CURLM *multi;
    struct call *first; /* under way */
    size_t under_way;
} k;

#define FUNCTIONS(X)                                                                               \
    X(global_init, curl_global_init)                                                               \
    X(easy_init, curl_easy_init)                                                                   \
    X(easy_setopt, curl_easy_setopt)                                                               \
    X(easy_getinfo, curl_easy_getinfo)                                                             \
    X(easy_strerror, curl_easy_strerror)                                                           \
    X(easy_cleanup, curl_easy_cleanup)                                                             \
    X(slist_append, curl_slist_append)                                                             \
    X(slist_free_all, curl_slist_free_all)                                                         \
    X(multi_init, curl_multi_init)                                                                 \
    X(multi_cleanup, curl_multi_cleanup)                                                           \
    X(multi_add_handle, curl_multi_add_handle)                                                     \
    X(multi_remove_handle, curl_multi_remove_handle)                                               \
    X(multi_perform, curl_multi_perform)                                                           \
    X(multi_poll, curl_multi_poll)                                                                 \
    X(multi_info_read, curl_multi_info_read)

#define X(name, symbol) __typeof__(symbol) *name;
static struct {
    FUNCTIONS(X)
} lib;
#undef X

static bool load(void)
{
    static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};
    void *so = NULL, *f;
    if (k.multi)
        return true;
    for (size_t i = 0; !so && i < sizeof(names) / sizeof(names[0]); i++)
        so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return false;
#define X(name, symbol)                                                                            \
    if (!(f = dlsym(so, #symbol)))                                                                 \
        return false;                                                                              \
    memcpy(&lib.name, &f, sizeof(f));
    FUNCTIONS(X)
#undef X
    if (lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return false;
    k.multi = lib.multi_init();
    return k.multi != NULL;
}

/* ---- pure ---- */

void webhook_sign(const uint8_t *secret, size_t secret_len, const char *id, int64_t timestamp_s,
                  const char *body, size_t len, struct buf *out)
{
    char head[96], text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1];
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct hmac_sha256_ctx ctx;
    int n = snprintf(head, sizeof(head), "%s.%lld.", id, (long long)timestamp_s);
    hmac_sha256_set_key(&ctx, secret_len, secret);
    hmac_sha256_update(&ctx, (size_t)n, (const uint8_t *)head);
    hmac_sha256_update(&ctx, len, (const uint8_t *)body);
    hmac_sha256_digest(&ctx, sizeof(digest), digest);
    base64_encode_raw(text, sizeof(digest), digest);
    text[sizeof(text) - 1] = 0;
    buf_adds(out, out->len ? " v1," : "v1,");
    buf_adds(out, text);
}

/* The first of them, in `words`; strtok_r finds the next ones by `save`. NULL: none, or too long.
 */
static char *first_delay(const char *text, char words[DELAYS_MAX], char **save)
{
    size_t len = strlen(text);
    if (len >= DELAYS_MAX)
        return NULL;
    memcpy(words, text, len + 1);
    return strtok_r(words, ", \t", save);
}

int64_t webhook_delay(const char *text, unsigned n)
{
    char words[DELAYS_MAX], *save = NULL;
    int64_t us = -1;
    char *w = first_delay(text, words, &save);
    for (; w && n > 0; n--)
        w = strtok_r(NULL, ", \t", &save);
    return w && value_time(w, &us) && us >= 0 ? us : -1;
}

int webhook_check_delays(const char *text, struct buf *why)
{
    char words[DELAYS_MAX], *save = NULL;
    int64_t us;
    char *w = first_delay(text, words, &save);
    bool none = !w;
    while (w && value_time(w, &us) && us >= 0)
        w = strtok_r(NULL, ", \t", &save);
    if (!w && !none)
        return 0;
    buf_addf(why, "webhook_delays = %s: must be times, as 5s, 5m, 1h", text);
    if (w)
        buf_addf(why, "; `%s` is none", w);
    return -ERR_CONFIG;
}

/* ---- secrets ---- */

static bool add_secret(const char *line, size_t len)
{
    struct base64_decode_ctx ctx;
    size_t n = sizeof(k.secret[0]);
    if (k.secrets == SECRETS_MAX || len < 6 || strncmp(line, "whsec_", 6) != 0 ||
        BASE64_DECODE_LENGTH(len - 6) > n + 3)
        return false;
    uint8_t bytes[128];
    size_t got = sizeof(bytes);
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &got, bytes, len - 6, line + 6) || !base64_decode_final(&ctx) ||
        got < 24 || got > n)
        return false;
    memcpy(k.secret[k.secrets], bytes, got);
    k.secret_len[k.secrets++] = got;
    return true;
}

static int read_secrets(const char *path, struct buf *why)
{
    char text[512], *save = NULL;
    FILE *f = path[0] ? fopen(path, "re") : NULL;
    k.secrets = 0;
    if (!path[0])
        return 0;
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    bool ok = n > 0;
    for (char *l = strtok_r(text, "\r\n", &save); l && ok; l = strtok_r(NULL, "\r\n", &save))
        ok = add_secret(l, strlen(l));
    explicit_bzero(text, sizeof(text));
    if (ok && k.secrets > 0)
        return 0;
    buf_addf(why,
             "webhook_secret_file = %s: must be a file of one or two lines, each `whsec_` and "
             "24 to 64 bytes in base64",
             path);
    return -ERR_CONFIG;
}

/* ---- one call ---- */

static void call_free(struct call *c)
{
    if (!c)
        return;
    if (c->easy)
        lib.easy_cleanup(c->easy);
    if (c->headers)
        lib.slist_free_all(c->headers);
    buf_release(&c->body);
    free(c);
}

/* How it went, to the writer. Takes c. */
static void done(struct call *c, int status, const char *error)
{
    struct delivery *d = &c->delivery;
    struct change *ch = writer_own_change(CHANGE_DELIVERY);
    int64_t pause = webhook_delay(k.conf->webhook_delays, d->attempts);
    d->attempts++;
    d->last_status = status;
    snprintf(d->last_error, sizeof(d->last_error), "%s", error);
    if (status >= 200 && status < 300) {
        d->state = DELIVERY_DELIVERED;
    } else if (status == 410 || pause < 0) {
        d->state = DELIVERY_GIVEN_UP;
        log_warn("webhook %s: given up after %u attempts: %s", d->url, d->attempts, error);
    } else { /* a tenth by chance, so that what failed together is spread */
        d->next_us =
            clock_wall_us() + pause + (int64_t)(id_tail(&d->id) % ((uint64_t)pause / 10 + 1));
    }
    metrics_webhook(d->state);
    if (ch)
        ch->delivery = malloc(sizeof(*ch->delivery));
    if (ch && ch->delivery) {
        *ch->delivery = *d;
        writer_post_own(ch); /* refused at the end of the service: it is made again later */
    } else if (ch) {
        ch->done(ch);
    }
    call_free(c);
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    (void)data;
    c->answered += size * n;
    return c->answered > ANSWER_MAX ? 0 : size * n;
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct call *c = arg;
    (void)purpose;
    if (!address_allowed(&a->addr, &k.allow)) {
        c->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

bool webhook_host_ok(const char *url)
{
    const char *host = strstr(url, "://");
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    if (!host)
        return true;
    host += 3;
    bool bracket = *host == '[';
    host += bracket;
    size_t len = strcspn(host, bracket ? "]" : ":/?#");
    if (len >= sizeof(text))
        return true;
    memcpy(text, host, len);
    text[len] = 0;
    if (bracket && inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
        return address_allowed((const struct sockaddr *)&six, &k.allow);
    if (!bracket && inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return address_allowed((const struct sockaddr *)&four, &k.allow);
    return true;
}

static bool add_header(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool add_header(struct call *c, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    struct curl_slist *more =
        n > 0 && (size_t)n < sizeof(line) ? lib.slist_append(c->headers, line) : NULL;
    if (more)
        c->headers = more;
    return more != NULL;
}

/* What is told. 0; -ERR_NO_JOB, -ERR_NO_GROUP: it is gone; another error: it cannot be read now. */
static int make_body(struct call *c)
{
    const struct delivery *d = &c->delivery;
    char id[ID_TEXT], subject[ID_TEXT];
    struct buf *out = &c->body;
    struct job job = {0};
    struct group group = {0};
    id_format(&d->id, id);
    id_format(&d->subject, subject);
    int err = d->is_group ? reader_group(&d->subject, &group)
                          : reader_job(&d->subject, READ_RESULT, k.conf->inline_max, &job);
    if (err)
        return err;
    buf_addf(out,
             "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/v1/%s\",\"subject\":\"%s\","
             "\"type\":\"dev.jobmill.%s\",\"datacontenttype\":\"application/json\",\"time\":",
             id, d->is_group ? "groups" : "jobs", subject, d->is_group ? "group.done" : "job");
    if (!d->is_group) { /* job.succeeded, … */
        out->len -= strlen("\",\"datacontenttype\":\"application/json\",\"time\":");
        buf_addf(out, ".%s\",\"datacontenttype\":\"application/json\",\"time\":",
                 job_state_name(d->ended >= 0 ? (enum job_state)d->ended : job.state));
    }
    json_time(out, d->created_us);
    buf_adds(out, ",\"data\":");
    if (d->is_group) {
        json_group(out, &group);
        group_release(&group);
    } else {
        json_job(out, &job, NULL);
        job_release(&job);
    }
    buf_addc(out, '}');
    return out->failed ? -ERR_NOMEM : 0;
}

static bool set_options(struct call *c)
{
    CURL *e = c->easy;
    int bad = 0;
#define SET(option, value) bad |= lib.easy_setopt(e, option, value) != CURLE_OK
    SET(CURLOPT_URL, c->delivery.url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name that is not found in time keeps its own thread alone */
    SET(CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, c->body.data);
    SET(CURLOPT_POSTFIELDSIZE, (long)c->body.len);
    SET(CURLOPT_HTTPHEADER, c->headers);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, c);
    SET(CURLOPT_FORBID_REUSE, 1L); /* a connection that is kept was not checked for this call */
    SET(CURLOPT_PRIVATE, c);
#undef SET
    return !bad;
}

static bool sign(struct call *c)
{
    char id[ID_TEXT];
    AUTO_BUF signature = BUF_INIT;
    int64_t now_s = clock_wall_us() / US_PER_S;
    id_format(&c->delivery.id, id);
    for (size_t i = 0; i < k.secrets; i++)
        webhook_sign(k.secret[i], k.secret_len[i], id, now_s, c->body.data, c->body.len,
                     &signature);
    return add_header(c, "Content-Type: application/cloudevents+json") &&
           add_header(c, "User-Agent: jobmill/" JOBMILL_VERSION) && add_header(c, "Expect:") &&
           add_header(c, "webhook-id: %s", id) &&
           add_header(c, "webhook-timestamp: %lld", (long long)now_s) &&
           (k.secrets == 0 ||
            (!signature.failed && add_header(c, "webhook-signature: %s", signature.data)));
}

/* It says nothing about its receiver. Takes c. */
static void not_begun(struct call *c, int status, const char *error)
{
    receiver_leave(c->receiver);
    done(c, status, error);
}

static void start(struct call *c)
{
    if (!load()) {
        not_begun(c, 0, "libcurl is not installed (Debian: libcurl3-gnutls)");
        return;
    }
    int err = make_body(c);
    if (err == -ERR_NO_JOB || err == -ERR_NO_GROUP) {
        not_begun(c, 410, err == -ERR_NO_JOB ? "the job is forgotten" : "the group is forgotten");
        return;
    }
    if (err) {
        not_begun(c, 0, err_sentence(err));
        return;
    }
    c->easy = lib.easy_init();
    if (!c->easy || !sign(c) || !set_options(c) ||
        lib.multi_add_handle(k.multi, c->easy) != CURLM_OK) {
        not_begun(c, 0, "out of memory");
        return;
    }
    receiver_begin(c->receiver);
    c->begun_us = clock_mono_us();
    c->next = k.first;
    c->link = &k.first;
    if (c->next)
        c->next->link = &c->next;
    k.first = c;
    k.under_way++;
}

static void end_call(struct call *c)
{
    lib.multi_remove_handle(k.multi, c->easy);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    k.under_way--;
}

static void finish(CURL *easy, CURLcode code)
{
    struct call *c = NULL;
    long status = 0;
    char text[DELIVERY_ERROR_MAX + 1] = "";
    lib.easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&c);
    lib.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    end_call(c);
    k.look = true;
    bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && c->answered > ANSWER_MAX);
    receiver_end(c->receiver, answered || c->address_refused, clock_mono_us() - c->begun_us);
    if (!answered && c->address_refused)
        snprintf(text, sizeof(text),
                 "the address is not public, and webhook_allow does not name it");
    else if (!answered)
        snprintf(text, sizeof(text), "%s", lib.easy_strerror(code));
    else if (status >= 300 && status < 400)
        snprintf(text, sizeof(text), "it answered %ld: redirects are not followed", status);
    else if (status >= 400)
        snprintf(text, sizeof(text), "it answered %ld", status);
    done(c, answered ? (int)status : 0, text);
}

/* ---- the thread ---- */

/* Is it to be given again by the store? It was asked for too long ago, or others need its place. */
static bool is_given_back(const struct call *c)
{
    return clock_mono_us() - c->since_us >= WAITING_US || receiver_crowds(c->receiver);
}

/* In order, but for those whose receiver has its share under way. */
static void take_calls(void)
{
    struct inbox_node *more = inbox_take(&k.inbox, 0);
    if (!more && !k.look)
        return;
    *k.waiting_end = more;
    k.look = false;
    for (struct inbox_node **at = &k.waiting, *n; (n = *at);) {
        struct call *c = INBOX_OWNER(n, struct call, node);
        bool back = is_given_back(c);
        if (!back && !receiver_may_begin(c->receiver)) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        if (back) {
            receiver_leave(c->receiver);
            call_free(c);
        } else {
            start(c);
        }
    }
    k.waiting_end = &k.waiting;
    while (*k.waiting_end)
        k.waiting_end = &(*k.waiting_end)->next;
}

static void *webhook_main(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "webhook");
    while (!atomic_load_explicit(&k.stopping, memory_order_acquire)) {
        take_calls();
        if (k.under_way == 0) { /* none waits here then: it could have begun */
            if (inbox_sleep(&k.inbox))
                inbox_wait(&k.inbox, TURN_MS);
            continue;
        }
        int running = 0, left = 0;
        struct curl_waitfd wake = {.fd = k.inbox.event_fd, .events = CURL_WAIT_POLLIN};
        lib.multi_perform(k.multi, &running);
        for (CURLMsg *m; (m = lib.multi_info_read(k.multi, &left));) {
            if (m->msg == CURLMSG_DONE)
                finish(m->easy_handle, m->data.result);
        }
        if (k.look || !inbox_sleep(&k.inbox))
            continue;
        lib.multi_poll(k.multi, &wake, 1, TURN_MS, NULL);
        inbox_drain_event(&k.inbox);
    }
    return NULL;
}

int64_t webhook_pause_us(const char *url)
{
    return receiver_pause_us(url, clock_mono_us());
}

void webhook_call(const struct delivery *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct call *c = calloc(1, sizeof(*c));
        if (!c)
            return; /* it is taken from the store again */
        c->delivery = d[i];
        c->since_us = clock_mono_us();
        c->receiver = receiver_join(c->delivery.url);
        if (c->receiver && inbox_post_always(&k.inbox, &c->node) == 0)
            continue;
        if (c->receiver)
            receiver_leave(c->receiver);
        free(c);
    }
}

int webhook_check(const struct conf *conf, struct buf *why)
{
    if (!address_list_parse(&k.allow, conf->webhook_allow)) {
        buf_addf(why, "webhook_allow = %s: must be addresses or networks, as 10.0.0.0/8, ::1",
                 conf->webhook_allow);
        return -ERR_CONFIG;
    }
    int err = webhook_check_delays(conf->webhook_delays, why);
    return err ? err : read_secrets(conf->webhook_secret_file, why);
}

int webhook_start(const struct conf *conf, struct buf *why)
{
    k.conf = conf;
    k.waiting_end = &k.waiting;
    int err = webhook_check(conf, why);
    if (!err)
        err = inbox_init(&k.inbox, 0);
    if (!err && pthread_create(&k.thread, NULL, webhook_main, NULL) != 0)
        err = -ERR_SYSTEM;
    k.running = err == 0;
    return err;
}

void webhook_stop(void)
{
    if (!k.running)
        return;
    inbox_close(&k.inbox);
    atomic_store_explicit(&k.stopping, true, memory_order_release);
    inbox_wake(&k.inbox);
    pthread_join(k.thread, NULL);
}

void webhook_end(void)
{
    if (!k.running)
        return;
    k.running = false;
    *k.waiting_end = inbox_take(&k.inbox, 0);
    for (struct inbox_node *n; (n = k.waiting);) {
        k.waiting = n->next;
        call_free(INBOX_OWNER(n, struct call, node));
    }
    for (struct call *c; (c = k.first);) { /* they are made again after the next start */
        end_call(c);
        call_free(c);
    }
    receivers_forget();
    inbox_release(&k.inbox);
    if (k.multi)
        lib.multi_cleanup(k.multi);
    explicit_bzero(k.secret, sizeof(k.secret));
}
