/*
 * harness_http.c - speaks to the service: HTTP through libcurl with one handle a thread, bytes
 * through a socket, and JSON by path. Any thread.
 */
#include "harness.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 90000L /* a request that is not answered by then never is */

/* ---- HTTP ---- */

struct sink {
    char *data; /* always ends with a zero byte, which len does not count */
    size_t len;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct sink *s = arg;
    char *more = realloc(s->data, s->len + size * n + 1);
    if (!more)
        return 0;
    s->data = more;
    memcpy(s->data + s->len, data, size * n);
    s->len += size * n;
    s->data[s->len] = '\0';
    return size * n;
}

static char *sink_text(struct sink *s)
{
    char *text = s->data ? s->data : strdup("");
    ck_assert_ptr_nonnull(text);
    return text;
}

static pthread_key_t handle_key;
static pthread_once_t handle_once = PTHREAD_ONCE_INIT;

static void free_handle(void *h)
{
    curl_easy_cleanup(h);
}

static void make_key(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        pthread_key_create(&handle_key, free_handle) != 0)
        ck_abort_msg("no HTTP client");
}

static CURL *thread_handle(void)
{
    pthread_once(&handle_once, make_key);
    CURL *h = pthread_getspecific(handle_key);
    if (!h) {
        h = curl_easy_init();
        ck_assert_ptr_nonnull(h);
        ck_assert_int_eq(pthread_setspecific(handle_key, h), 0);
    }
    curl_easy_reset(h);
    return h;
}

static void set_body(CURL *h, const char *method, const void *body, size_t len)
{
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (body || strcmp(method, "POST") == 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body ? body : "");
    }
}

/* One request; NULL: no whole answer came. */
static struct answer *perform(struct server *s, const char *method, const char *path,
                              const void *body, size_t len, const char *const *headers)
{
    char url[4096];
    CURL *h = thread_handle();
    struct sink out = {0}, head = {0};
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", s->port, path);
    for (int i = 0; headers && headers[i]; i++)
        list = curl_slist_append(list, headers[i]);
    set_body(h, method, body, len);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, ANSWER_MS);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &out);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, &head);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    CURLcode rc = curl_easy_perform(h);
    curl_slist_free_all(list);
    if (rc != CURLE_OK) {
        free(out.data);
        free(head.data);
        return NULL;
    }
    struct answer *a = calloc(1, sizeof(*a));
    ck_assert_ptr_nonnull(a);
    long status = 0;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    a->status = (int)status;
    a->len = out.len;
    a->body = sink_text(&out);
    a->head = sink_text(&head);
    a->json = json_loadb(a->body, a->len, JSON_DECODE_ANY, NULL);
    if (!a->json) /* an integer of more than 64 bits: none of the service's own are read from such
                     an answer */
        a->json = json_loadb(a->body, a->len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    return a;
}

struct answer *http_try(struct server *s, const char *method, const char *path, const char *body,
                        const char *const *headers)
{
    return perform(s, method, path, body, body ? strlen(body) : 0, headers);
}

struct answer *http(struct server *s, const char *method, const char *path, const char *body,
                    const char *const *headers)
{
    struct answer *a = http_try(s, method, path, body, headers);
    ck_assert_msg(a != NULL, "no answer to %s %s", method, path);
    return a;
}

struct answer *http_bytes(struct server *s, const char *path, const void *body, size_t len,
                          const char *const *headers)
{
    struct answer *a = perform(s, "POST", path, body, len, headers);
    ck_assert_msg(a != NULL, "no answer to POST %s", path);
    return a;
}

void answer_free(struct answer *a)
{
    if (!a)
        return;
    json_decref(a->json);
    free(a->body);
    free(a->head);
    free(a);
}

bool answer_header(const struct answer *a, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    for (const char *p = a->head; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncasecmp(p, name, n) != 0 || p[n] != ':')
            continue;
        p += n + 1;
        p += strspn(p, " ");
        snprintf(out, size, "%.*s", (int)strcspn(p, "\r\n"), p);
        return true;
    }
    return false;
}

/* ---- what stories ask again and again ---- */

static struct answer *want(struct server *s, const char *method, const char *path, const char *body,
                           int status)
{
    struct answer *a = http(s, method, path, body, NULL);
    ck_assert_msg(a->status == status, "%s %s answered %d, not %d: %s", method, path, a->status,
                  status, a->body);
    return a;
}

struct answer *get(struct server *s, const char *path, int want_status)
{
    return want(s, "GET", path, NULL, want_status);
}

struct answer *post(struct server *s, const char *path, const char *body, int want_status)
{
    return want(s, "POST", path, body, want_status);
}

const char *submit(struct server *s, const char *body)
{
    static _Thread_local char id[64];
    struct answer *a = post(s, "/v1/jobs", body, 202);
    snprintf(id, sizeof(id), "%s", jstr(a->json, "id"));
    ck_assert_msg(id[0], "no id in %s", a->body);
    answer_free(a);
    return id;
}

struct answer *run_job(struct server *s, const char *body)
{
    return post(s, "/v1/jobs?wait=60", body, 200);
}

struct answer *await_state(struct server *s, const char *id, const char *state)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    for (int64_t until = now_ms() + LONG_MS;; pause_ms(2)) {
        struct answer *a = get(s, path, 200);
        if (strcmp(jstr(a->json, "state"), state) == 0)
            return a;
        bool over = jget(a->json, "finished_at") != NULL; /* and not as it should be */
        ck_assert_msg(!over && now_ms() < until, "the job is not %s: %s", state, a->body);
        answer_free(a);
    }
}

int await_number(struct server *s, const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s", id);
    for (int64_t until = now_ms() + LONG_MS;; pause_ms(2)) {
        struct answer *a = get(s, path, 200);
        int number = atoi(jstr(a->json, "progress.message"));
        ck_assert_msg(number > 0 || now_ms() < until, "the job told no number: %s", a->body);
        answer_free(a);
        if (number > 0)
            return number;
    }
}

json_int_t stat_of(struct server *s, const char *path)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t n = jint(a->json, path);
    ck_assert_msg(n >= 0, "no %s in %s", path, a->body);
    answer_free(a);
    return n;
}

json_int_t jobs_kept(struct server *s)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t n = 0;
    const char *state;
    json_t *count;
    json_object_foreach(jget(a->json, "jobs"), state, count)
    {
        (void)state;
        n += json_integer_value(count);
    }
    answer_free(a);
    return n;
}

size_t worker_pids(struct server *s, pid_t *out, size_t max)
{
    struct answer *a = get(s, "/v1/workers", 200);
    size_t i, n = 0;
    json_t *w;
    json_array_foreach(jget(a->json, "workers"), i, w)
    {
        const char *state = jstr(w, "state");
        if (n < max && (strcmp(state, "idle") == 0 || strcmp(state, "busy") == 0))
            out[n++] = (pid_t)jint(w, "pid");
    }
    answer_free(a);
    return n;
}

/* ---- JSON ---- */

json_t *jget(json_t *root, const char *path)
{
    char part[64];
    while (root && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)n, path);
        root = json_is_array(root) ? json_array_get(root, (size_t)atoi(part))
                                   : json_object_get(root, part);
        path += n + (path[n] == '.');
    }
    return root;
}

const char *jstr(json_t *root, const char *path)
{
    const char *text = json_string_value(jget(root, path));
    return text ? text : "";
}

json_int_t jint(json_t *root, const char *path)
{
    json_t *v = jget(root, path);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

/* ---- bytes ---- */

int raw_try(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

int raw_open(struct server *s)
{
    int fd = raw_try(s);
    ck_assert_int_ge(fd, 0);
    return fd;
}

void raw_send(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* cut: what was read so far tells */
        text += n;
        len -= (size_t)n;
    }
}

double sample(struct server *s, const char *name)
{
    struct answer *a = get(s, "/metrics", 200);
    size_t len = strlen(name);
    double value = -1;
    for (const char *line = a->body; line && value < 0; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            value = strtod(line + len, NULL);
    }
    answer_free(a);
    return value;
}

char *raw_read(int fd, const char *until, int ms)
{
    struct sink out = {0};
    char buf[65536];
    for (int64_t end = now_ms() + ms; !until || !out.data || !strstr(out.data, until);) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            break;
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0)
            break;
        ck_assert_uint_eq(take(buf, 1, (size_t)n, &out), (size_t)n);
    }
    return sink_text(&out);
}

void raw_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}

bool raw_is_closed(int fd, int ms)
{
    char buf[65536];
    for (int64_t end = now_ms() + ms;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        if (recv(fd, buf, sizeof(buf), 0) <= 0)
            return true;
    }
}
