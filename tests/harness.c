/* harness.c - the real service as a test object. */
#include "harness.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

int rounds(int short_form)
{
    const char *text = getenv("JOBMILL_ROUNDS");
    int n = text ? atoi(text) : 0;
    return n > 0 ? n : short_form;
}

static const char *binary(void)
{
    const char *bin = getenv("JOBMILL_BIN");
    return bin ? bin : "build/jobmill";
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t len = 0, cap = 65536;
    char *text = malloc(cap);
    ck_assert_ptr_nonnull(text);
    while (f) {
        size_t n = fread(text + len, 1, cap - len - 1, f);
        len += n;
        if (n == 0)
            break;
        if (cap - len < 2) {
            cap *= 2;
            text = realloc(text, cap);
            ck_assert_ptr_nonnull(text);
        }
    }
    if (f)
        fclose(f);
    text[len] = '\0';
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

char *server_log(struct server *s)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/log", s->dir);
    return read_file(path);
}

/* ---- start ---- */

static void child(struct server *s, int out, pid_t parent)
{
    char conf[160], data[160], log[160];
    char *argv[32] = {(char *)(uintptr_t)binary(),           (char *)(uintptr_t) "serve",
                      (char *)(uintptr_t) "--listen",        (char *)(uintptr_t) "127.0.0.1:0",
                      (char *)(uintptr_t) "--data-dir",      data,
                      (char *)(uintptr_t) "--drain-timeout", (char *)(uintptr_t) "0.5"};
    int n = 8;
    snprintf(conf, sizeof(conf), "%s/conf", s->dir);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    snprintf(log, sizeof(log), "%s/log", s->dir);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (s->conf) {
        argv[n++] = (char *)(uintptr_t) "--config";
        argv[n++] = conf;
    }
    for (int i = 0; s->flags[i]; i++)
        argv[n++] = s->flags[i];
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (err < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(1);
    execv(argv[0], argv);
    _exit(127);
}

/* The line that says the port. */
static void read_port(struct server *s)
{
    char line[256];
    size_t n = 0;
    int64_t until = now_ms() + LONG_MS;
    while (n < sizeof(line) - 1 && (n == 0 || line[n - 1] != '\n')) {
        struct pollfd p = {.fd = s->out_fd, .events = POLLIN};
        if (now_ms() > until || poll(&p, 1, 1000) < 0)
            break;
        if (p.revents && read(s->out_fd, line + n, 1) != 1)
            break;
        n += p.revents != 0;
    }
    line[n] = '\0';
    const char *colon = strrchr(line, ':');
    if (strncmp(line, "listening on http://", 20) != 0 || !colon) {
        char *log = server_log(s);
        ck_abort_msg("the service did not start: `%s`\n%s", line, log);
    }
    s->port = atoi(colon + 1);
}

void server_restart(struct server *s)
{
    int out[2];
    ck_assert_int_eq(s->pid, 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t parent = getpid();
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0)
        child(s, out[1], parent);
    close(out[1]);
    s->out_fd = out[0];
    read_port(s);
}

struct server *server_new(const char *conf, const char *const *flags)
{
    struct server *s = calloc(1, sizeof(*s));
    ck_assert_ptr_nonnull(s);
    const char *tmp = getenv("TMPDIR");
    snprintf(s->dir, sizeof(s->dir), "%s/jobmill-test-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    if (conf) {
        char path[160];
        snprintf(path, sizeof(path), "%s/conf", s->dir);
        s->conf = strdup(conf);
        write_file(path, conf);
    }
    for (int i = 0; flags && flags[i]; i++)
        s->flags[i] = strdup(flags[i]);
    server_restart(s);
    return s;
}

/* ---- end ---- */

size_t descendants(pid_t pid, pid_t *out, size_t max)
{
    size_t n = 0;
    pid_t todo[512] = {pid};
    size_t have = 1;
    for (size_t i = 0; i < have; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)todo[i], (int)todo[i]);
        FILE *f = fopen(path, "r");
        int c;
        while (f && fscanf(f, "%d", &c) == 1 && have < 512) {
            todo[have++] = c;
            if (n < max)
                out[n++] = c;
        }
        if (f)
            fclose(f);
    }
    return n;
}

static bool alive(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z';
}

static size_t count_alive(const pid_t *pids, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++)
        left += alive(pids[i]);
    return left;
}

static bool exited(struct server *s, int *status)
{
    return waitpid(s->pid, status, WNOHANG) == s->pid;
}

static void check_log(struct server *s)
{
    char *log = server_log(s);
    static const char *const bad[] = {"Sanitizer", "runtime error:", "data race"};
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(!strstr(log, bad[i]), "the log has a sanitizer's report:\n%s", log);
    free(log);
}

int server_wait(struct server *s, int ms)
{
    pid_t below[256];
    int status = 0;
    size_t n = descendants(s->pid, below, 256);
    int64_t until = now_ms() + ms;
    while (!exited(s, &status)) {
        if (now_ms() > until) {
            char *log = server_log(s);
            ck_abort_msg("the service did not end within %d ms\n%s", ms, log);
        }
        pause_ms(2);
    }
    s->pid = 0;
    close(s->out_fd);
    eventually(count_alive(below, n) == 0, 2000);
    check_log(s);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_signal(struct server *s, int sig)
{
    ck_assert_int_gt(s->pid, 0);
    ck_assert_int_eq(kill(s->pid, sig), 0);
}

void server_kill9(struct server *s)
{
    server_signal(s, SIGKILL);
    ck_assert_int_eq(server_wait(s, LONG_MS), 128 + SIGKILL);
}

void server_free(struct server *s)
{
    if (s->pid) {
        server_signal(s, SIGTERM);
        int status = server_wait(s, LONG_MS);
        if (status != 0) {
            char *log = server_log(s);
            ck_abort_msg("the service ended with %d\n%s", status, log);
        }
    }
    ck_assert_int_eq(nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    for (int i = 0; s->flags[i]; i++)
        free(s->flags[i]);
    free(s->conf);
    free(s);
}

int run_binary(const char *const *args, char *err, size_t err_size)
{
    int fd[2], status;
    size_t n = 0;
    ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char *argv[32] = {(char *)(uintptr_t)binary()};
        for (int i = 0; args[i] && i < 30; i++)
            argv[i + 1] = (char *)(uintptr_t)args[i];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(fd[1], 1) < 0 || dup2(fd[1], 2) < 0)
            _exit(1);
        execv(argv[0], argv);
        _exit(127);
    }
    close(fd[1]);
    for (ssize_t got; n < err_size - 1 && (got = read(fd[0], err + n, err_size - 1 - n)) > 0;)
        n += (size_t)got;
    err[n] = '\0';
    close(fd[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- HTTP ---- */

struct sink {
    char *data;
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

static pthread_key_t handle_key;
static pthread_once_t handle_once = PTHREAD_ONCE_INIT;

static void free_handle(void *h)
{
    curl_easy_cleanup(h);
}

static void make_key(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_key_create(&handle_key, free_handle);
}

static CURL *handle(void)
{
    pthread_once(&handle_once, make_key);
    CURL *h = pthread_getspecific(handle_key);
    if (!h) {
        h = curl_easy_init();
        pthread_setspecific(handle_key, h);
    }
    curl_easy_reset(h);
    return h;
}

struct answer *http_try(struct server *s, const char *method, const char *path, const char *body,
                        const char *const *headers)
{
    char url[4096];
    CURL *h = handle();
    struct sink out = {0}, head = {0};
    struct curl_slist *list = NULL;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", s->port, path);
    for (int i = 0; headers && headers[i]; i++)
        list = curl_slist_append(list, headers[i]);
    list = curl_slist_append(list, "Expect:");
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 90000L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &out);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, &head);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (body) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
    }
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
    a->body = out.data ? out.data : strdup("");
    a->len = out.len;
    a->head = head.data ? head.data : strdup("");
    a->json = json_loadb(a->body, a->len, JSON_DECODE_ANY, NULL);
    return a;
}

struct answer *http(struct server *s, const char *method, const char *path, const char *body,
                    const char *const *headers)
{
    struct answer *a = http_try(s, method, path, body, headers);
    if (!a) {
        char *log = server_log(s);
        ck_abort_msg("no answer to %s %s\n%s", method, path, log);
    }
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

static struct answer *want(struct server *s, const char *method, const char *path, const char *body,
                           int status)
{
    struct answer *a = http(s, method, path, body, NULL);
    if (a->status != status) {
        char *log = server_log(s);
        ck_abort_msg("%s %s answered %d, not %d: %s\n%s", method, path, a->status, status, a->body,
                     log);
    }
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
    int64_t until = now_ms() + LONG_MS;
    for (;;) {
        struct answer *a = get(s, path, 200);
        if (strcmp(jstr(a->json, "state"), state) == 0)
            return a;
        if (now_ms() > until)
            ck_abort_msg("the job is not %s: %s", state, a->body);
        answer_free(a);
        pause_ms(2);
    }
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

int raw_open(struct server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
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

char *raw_read(int fd, int ms)
{
    struct sink out = {.data = strdup("")};
    char buf[4096];
    int64_t until = now_ms() + ms;
    while (now_ms() < until) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(until - now_ms())) <= 0)
            break;
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n <= 0)
            break;
        take(buf, 1, (size_t)n, &out);
    }
    return out.data;
}

/* ---- workers ---- */

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

int run_suite(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    for (size_t i = 0; i < n; i++) {
        TCase *t = tcase_create(tests[i]->name);
        tcase_set_timeout(t, getenv("JOBMILL_ROUNDS") ? 0 : 170);
        _tcase_add_test(t, tests[i], 0, 0, 0, 1);
        suite_add_tcase(suite, t);
    }
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
