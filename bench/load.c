/*
 * load.c - an HTTP/1.1 load generator: CONNS keep-alive connections, one request in flight on each,
 * one thread. Prints one line of JSON: requests a second and latency percentiles.
 *
 *   load PORT CONNS SECONDS[@RATE[:open|:poisson]] METHOD PATH [BODY] [HEADER]...
 *
 * SIGTERM ends it before its time. Answers that are neither 2xx nor 3xx are counted as bad, those
 * of them that are 503 as overloaded too; the latencies are of the others.
 *
 * It is a closed loop: each connection asks again when it was answered. With a RATE at most so many
 * requests a second are begun, and what could not be begun is dropped. The latency of a closed loop
 * leaves out what would have waited had the load been open; it is good for ratios between servers
 * under the same loop.
 *
 * With :open requests are due RATE times a second whether or not others were answered: in even
 * steps, or with :poisson at random (the same times in each run). What is due when no connection is
 * free is sent, in its order, as soon as one is, by turns over all connections. The latency is
 * counted from when a request was due, so it has the wait of those that a server that stands still
 * keeps from being sent; what it is from when they were sent is told beside it. Nothing is sent
 * after SECONDS: "unsent" tells how many of those that were due by then were not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (1 << 20)
#define SAMPLES    4000000

struct conn {
    int fd;
    int64_t due_ns; /* of the open loop: when it should have been sent */
    int64_t sent_ns;
    size_t got;
    size_t want;  /* bytes of the whole answer; 0: header not complete yet */
    bool refused; /* the answer is neither 2xx nor 3xx */
    char buf[16384];
};

static char request[1 << 20];
static size_t request_len;
static int64_t *samples; /* ns */
static int64_t *served;  /* of the open loop: the same, from when the request was sent */
static size_t sample_count;
static uint64_t answers, bad, overloaded;
static uint64_t due, unsent; /* of the open loop: requests that were due, and not sent by the end */
static int64_t pace_ns, next_ns; /* between two requests, and when the next is due; 0: at once */
static volatile sig_atomic_t stopped;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void on_term(int sig)
{
    (void)sig;
    stopped = 1;
}

static void keep_pace(void)
{
    int64_t now = now_ns();
    if (next_ns < now)
        next_ns = now;
    struct timespec t = {next_ns / 1000000000, next_ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    next_ns += pace_ns;
}

static void send_request(struct conn *c)
{
    size_t off = 0;
    if (pace_ns)
        keep_pace();
    c->got = c->want = 0;
    c->sent_ns = now_ns();
    while (off < request_len) {
        ssize_t n = send(c->fd, request + off, request_len - off, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail("send");
        off += (size_t)n;
    }
}

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        fail("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        fail("TCP_NODELAY");
    return fd;
}

/* The length of the whole answer once its header is there; bodies larger than the buffer are
 * counted, not kept. */
static void find_length(struct conn *c)
{
    c->buf[c->got < sizeof(c->buf) ? c->got : sizeof(c->buf) - 1] = '\0';
    char *end = strstr(c->buf, "\r\n\r\n");
    if (!end)
        return;
    static const char name[] = "\r\nContent-Length: ";
    char *at = memmem(c->buf, (size_t)(end - c->buf), name, sizeof(name) - 1);
    if (!at && (at = strcasestr(c->buf, name)) > end)
        at = NULL;
    size_t body = at ? (size_t)strtoull(at + sizeof(name) - 1, NULL, 10) : 0;
    if (memcmp(c->buf + 9, "304", 3) == 0) /* tells the length of what it does not send */
        body = 0;
    c->want = (size_t)(end - c->buf) + 4 + body;
    c->refused = c->buf[9] != '2' && c->buf[9] != '3';
    bad += c->refused;
    overloaded += c->refused && memcmp(c->buf + 9, "503", 3) == 0;
}

/* True: an answer is complete. */
static bool receive(struct conn *c)
{
    for (;;) {
        char spill[65536];
        bool keep = c->got < sizeof(c->buf) - 1;
        char *to = keep ? c->buf + c->got : spill;
        size_t room = keep ? sizeof(c->buf) - 1 - c->got : sizeof(spill);
        ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0) {
            errno = n == 0 ? ECONNRESET : errno;
            fail("the server closed a connection");
        }
        c->got += (size_t)n;
        if (!c->want)
            find_length(c);
        if (c->want && c->got >= c->want)
            return true;
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* In microseconds; `of` is sorted. */
static double quantile(const int64_t *of, double q)
{
    return sample_count ? (double)of[(size_t)(q * (double)(sample_count - 1))] / 1000.0 : 0;
}

static void make_request(int argc, char **argv)
{
    const char *body = argc > 6 ? argv[6] : "";
    int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n", argv[4],
                     argv[5], argv[1]);
    for (int i = 7; i < argc; i++)
        n += snprintf(request + n, sizeof(request) - (size_t)n, "%s\r\n", argv[i]);
    if (*body || strcmp(argv[4], "POST") == 0)
        n += snprintf(request + n, sizeof(request) - (size_t)n,
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    n += snprintf(request + n, sizeof(request) - (size_t)n, "\r\n%s", body);
    request_len = (size_t)n;
}

static void no_answer(void)
{
    fprintf(stderr, "load: no answer for 60 s\n");
    exit(1);
}

static void closed_loop(int ep, struct conn *c, int conns, int64_t end)
{
    for (int i = 0; i < conns; i++)
        send_request(&c[i]);
    int open = conns;
    while (open > 0) {
        struct epoll_event ev[256];
        int n = epoll_wait(ep, ev, 256, 60000);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            no_answer();
        for (int i = 0; i < n; i++) {
            struct conn *k = ev[i].data.ptr;
            if (!receive(k))
                continue;
            int64_t t = now_ns();
            answers++;
            if (!k->refused && sample_count < SAMPLES)
                samples[sample_count++] = t - k->sent_ns;
            if (t < end && !stopped)
                send_request(k);
            else
                open--;
        }
    }
}

/* When requests are due, one after the other; knows nothing of answers. */
struct schedule {
    double gap_ns; /* on average */
    bool random;
    uint64_t seed;
    double at_ns; /* of the next, since the begin */
};

/* The exponential distribution between two makes their number in any time a Poisson one. */
static void schedule_step(struct schedule *s)
{
    double gaps = 1;
    if (s->random) {
        s->seed ^= s->seed << 13;
        s->seed ^= s->seed >> 7;
        s->seed ^= s->seed << 17;
        gaps = -log((double)((s->seed >> 11) + 1) / 9007199254740992.0); /* of (0, 1] */
    }
    s->at_ns += gaps * s->gap_ns;
}

/* The connections that are free, the one that is so for longest first. */
struct idle {
    struct conn **ring;
    size_t size, first, count;
};

static void idle_put(struct idle *q, struct conn *k)
{
    q->ring[(q->first + q->count++) % q->size] = k;
}

static struct conn *idle_take(struct idle *q)
{
    struct conn *k = q->ring[q->first];
    q->first = (q->first + 1) % q->size;
    q->count--;
    return k;
}

/* Sends what is due while connections are free. Returns for how long nothing is to be sent unless a
 * connection becomes free; -1: nothing will be sent any more. */
static int64_t send_due(struct schedule *s, struct idle *q, int64_t begin, int64_t end)
{
    for (;;) {
        int64_t now = now_ns(), at = begin + (int64_t)s->at_ns;
        if (now >= end || stopped)
            return -1;
        if (at >= end || q->count == 0)
            return end - now;
        if (at > now)
            return at - now;
        struct conn *k = idle_take(q);
        k->due_ns = at;
        send_request(k);
        due++;
        schedule_step(s);
    }
}

static void open_loop(int ep, struct conn *c, int conns, struct schedule *s, int64_t begin,
                      int64_t end)
{
    struct idle q = {.ring = calloc((size_t)conns, sizeof(*q.ring)), .size = (size_t)conns};
    served = malloc(SAMPLES * sizeof(*served));
    if (!q.ring || !served)
        fail("start");
    for (int i = 0; i < conns; i++)
        idle_put(&q, &c[i]);
    for (;;) {
        int64_t wait = send_due(s, &q, begin, end);
        if (wait < 0 && q.count == q.size)
            break;
        struct timespec t = {wait < 0 ? 60 : wait / 1000000000, wait < 0 ? 0 : wait % 1000000000};
        struct epoll_event ev[256];
        int n = epoll_pwait2(ep, ev, 256, &t, NULL);
        if (n < 0 && errno != EINTR)
            fail("epoll_pwait2");
        if (n == 0 && wait < 0)
            no_answer();
        for (int i = 0; i < n; i++) {
            struct conn *k = ev[i].data.ptr;
            if (!receive(k))
                continue;
            int64_t now = now_ns();
            answers++;
            if (!k->refused && sample_count < SAMPLES) {
                served[sample_count] = now - k->sent_ns;
                samples[sample_count++] = now - k->due_ns;
            }
            idle_put(&q, k);
        }
    }
    int64_t until = now_ns() < end ? now_ns() : end; /* earlier after SIGTERM */
    for (; begin + (int64_t)s->at_ns < until; schedule_step(s), due++)
        unsent++;
    free(q.ring);
}

/* SECONDS[@RATE[:open|:poisson]]; false: it is something else. */
static bool read_times(const char *text, double *seconds, struct schedule *s, bool *open)
{
    char *more;
    *seconds = strtod(text, &more);
    if (*more == '\0')
        return more != text;
    double rate = *more == '@' ? strtod(more + 1, &more) : 0;
    if (rate <= 0)
        return false;
    s->random = strcmp(more, ":poisson") == 0;
    s->gap_ns = 1e9 / rate;
    s->seed = 88172645463325252U;
    *open = s->random || strcmp(more, ":open") == 0;
    if (!*open)
        pace_ns = (int64_t)(1e9 / rate);
    return *open || *more == '\0';
}

int main(int argc, char **argv)
{
    double seconds = 0;
    struct schedule times = {.gap_ns = 0};
    bool open = false;
    if (argc < 6 || !read_times(argv[3], &seconds, &times, &open) || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: load PORT CONNS SECONDS[@RATE[:open|:poisson]] METHOD PATH [BODY] "
                        "[HEADER]...\n");
        return 64;
    }
    int port = atoi(argv[1]), conns = atoi(argv[2]);
    signal(SIGTERM, on_term);
    make_request(argc, argv);
    samples = malloc(SAMPLES * sizeof(*samples));
    struct conn *c = calloc((size_t)conns, sizeof(*c));
    int ep = epoll_create1(0);
    if (!samples || !c || ep < 0)
        fail("start");
    for (int i = 0; i < conns; i++) {
        c[i].fd = dial(port);
        struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = &c[i]};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &ev) < 0)
            fail("epoll_ctl");
    }
    int64_t begin = now_ns(), end = begin + (int64_t)(seconds * 1e9);
    if (open)
        open_loop(ep, c, conns, &times, begin, end);
    else
        closed_loop(ep, c, conns, end);
    double took = (double)(now_ns() - begin) / 1e9;
    qsort(samples, sample_count, sizeof(*samples), by_value);
    printf("{\"rate\":%.1f,\"answers\":%llu,\"bad\":%llu,\"overloaded\":%llu,\"p50_us\":%.1f,\"p99_"
           "us\":%.1f,\"max_us\":%.1f",
           (double)answers / took, (unsigned long long)answers, (unsigned long long)bad,
           (unsigned long long)overloaded, quantile(samples, 0.5), quantile(samples, 0.99),
           quantile(samples, 1.0));
    if (open) {
        qsort(served, sample_count, sizeof(*served), by_value);
        printf(",\"due\":%llu,\"unsent\":%llu,\"sent_p50_us\":%.1f,\"sent_p99_us\":%.1f",
               (unsigned long long)due, (unsigned long long)unsent, quantile(served, 0.5),
               quantile(served, 0.99));
    }
    printf("}\n");
    return bad ? 2 : 0;
}
