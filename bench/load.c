/*
 * load.c - a closed-loop HTTP/1.1 load generator: CONNS keep-alive connections, one request in
 * flight on each, one thread. Prints one line of JSON: requests a second and latency percentiles.
 *
 *   load PORT CONNS SECONDS[@RATE] METHOD PATH [BODY] [HEADER]...
 *
 * With a RATE at most so many requests a second are begun. SIGTERM ends it before its time. Answers
 * that are neither 2xx nor 3xx are counted as bad; the latencies are of the others.
 *
 * The latency of a closed loop leaves out what would have waited had the load been open; it is good
 * for ratios between servers under the same loop, which is what it is used for here.
 */
#include <arpa/inet.h>
#include <errno.h>
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
    int64_t sent_ns;
    size_t got;
    size_t want;  /* bytes of the whole answer; 0: header not complete yet */
    bool refused; /* the answer is neither 2xx nor 3xx */
    char buf[16384];
};

static char request[1 << 20];
static size_t request_len;
static uint32_t *samples;
static size_t sample_count;
static uint64_t answers, bad;
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
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double q)
{
    return sample_count ? samples[(size_t)(q * (double)(sample_count - 1))] / 1000.0 : 0;
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

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: load PORT CONNS SECONDS[@RATE] METHOD PATH [BODY] [HEADER]...\n");
        return 64;
    }
    int port = atoi(argv[1]), conns = atoi(argv[2]);
    char *more;
    double seconds = strtod(argv[3], &more);
    if (*more == '@')
        pace_ns = (int64_t)(1e9 / atof(more + 1));
    signal(SIGTERM, on_term);
    make_request(argc, argv);
    samples = malloc(SAMPLES * sizeof(*samples));
    struct conn *c = calloc((size_t)conns, sizeof(*c));
    int ep = epoll_create1(0);
    if (!samples || !c || ep < 0)
        fail("start");
    for (int i = 0; i < conns; i++) {
        c[i].fd = dial(port);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &c[i]};
        if (epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &ev) < 0)
            fail("epoll_ctl");
    }
    int64_t begin = now_ns(), end = begin + (int64_t)(seconds * 1e9);
    for (int i = 0; i < conns; i++)
        send_request(&c[i]);
    int open = conns;
    while (open > 0) {
        struct epoll_event ev[256];
        int n = epoll_wait(ep, ev, 256, 60000);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "load: no answer for 60 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct conn *k = ev[i].data.ptr;
            if (!receive(k))
                continue;
            int64_t t = now_ns();
            answers++;
            if (!k->refused && sample_count < SAMPLES)
                samples[sample_count++] = (uint32_t)(t - k->sent_ns);
            if (t < end && !stopped)
                send_request(k);
            else
                open--;
        }
    }
    double took = (double)(now_ns() - begin) / 1e9;
    qsort(samples, sample_count, sizeof(*samples), by_value);
    printf("{\"rate\":%.1f,\"answers\":%llu,\"bad\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_"
           "us\":%.1f}\n",
           (double)answers / took, (unsigned long long)answers, (unsigned long long)bad,
           quantile(0.5), quantile(0.99), quantile(1.0));
    return bad ? 2 : 0;
}
