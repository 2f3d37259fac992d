/*
 * gearman.c - gearmand under load: two worker processes that do nothing, one client.
 *
 *   gearman PORT IN_FLIGHT SECONDS
 *
 * Foreground jobs (the client gets the result). The workers are of libgearman; the client speaks
 * the protocol itself, since libgearman's runs a set of jobs to its end before it takes the next:
 * here a new job follows each that ends, and IN_FLIGHT are out at any time. Prints one line of
 * JSON: jobs a second; the median of the microseconds from a submission to its result, told with
 * IN_FLIGHT 1 (else jobs pass one another: 0).
 */
#include <arpa/inet.h>
#include <libgearman/gearman.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define SAMPLES 4000000
#define HEADER  12 /* magic, type, length: 4 bytes each, big-endian */

enum { SUBMIT_JOB = 7, JOB_CREATED = 8, WORK_COMPLETE = 13 };

static char received[1 << 16]; /* what came and is not used up: from `taken` to `filled` */
static size_t taken, filled;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void *nothing(gearman_job_st *job, void *context, size_t *size, gearman_return_t *ret)
{
    (void)job;
    (void)context;
    *size = 4;
    *ret = GEARMAN_SUCCESS;
    return strdup("null"); /* the library frees it */
}

static void work(in_port_t port)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    gearman_worker_st *w = gearman_worker_create(NULL);
    if (!w || gearman_worker_add_server(w, "127.0.0.1", port) != GEARMAN_SUCCESS ||
        gearman_worker_add_function(w, "noop", 0, nothing, NULL) != GEARMAN_SUCCESS)
        _exit(1);
    for (;;)
        gearman_worker_work(w);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void fail(const char *what)
{
    perror(what);
    exit(1); /* the workers die with their parent */
}

static int dial(in_port_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        fail("gearmand");
    return fd;
}

/* A packet that submits a job of 200 bytes; its length. */
static size_t make_packet(char *to)
{
    static const char function[] = "noop", unique[] = ""; /* each with its NUL */
    size_t size = sizeof(function) + sizeof(unique) + 200;
    uint32_t type = htonl(SUBMIT_JOB), length = htonl((uint32_t)size);
    memcpy(to, "\0REQ", 4);
    memcpy(to + 4, &type, 4);
    memcpy(to + 8, &length, 4);
    memcpy(to + HEADER, function, sizeof(function));
    memcpy(to + HEADER + sizeof(function), unique, sizeof(unique));
    memset(to + HEADER + sizeof(function) + sizeof(unique), 'x', 200);
    return HEADER + size;
}

static void send_all(int fd, const char *from, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, from, size, MSG_NOSIGNAL);
        if (n <= 0)
            fail("send");
        from += n;
        size -= (size_t)n;
    }
}

static uint32_t word(size_t offset)
{
    uint32_t w;
    memcpy(&w, received + taken + offset, 4);
    return ntohl(w);
}

/* How many jobs have ended, at least one: all whose packets came with one read. */
static int await_ends(int fd)
{
    int ended = 0;
    while (ended == 0) {
        memmove(received, received + taken, filled - taken);
        filled -= taken;
        taken = 0;
        ssize_t n = recv(fd, received + filled, sizeof(received) - filled, 0);
        if (n <= 0)
            fail("no answer of gearmand");
        filled += (size_t)n;
        while (filled - taken >= HEADER && filled - taken >= HEADER + word(8)) {
            uint32_t type = word(4);
            if (type != JOB_CREATED && type != WORK_COMPLETE) {
                fprintf(stderr, "gearman: a packet of type %u\n", type);
                exit(1);
            }
            ended += type == WORK_COMPLETE;
            taken += HEADER + word(8);
        }
    }
    return ended;
}

/* Keeps in_flight jobs out for so long, then takes in the last; the jobs that ended in the time. */
static uint64_t drive(int fd, int in_flight, double seconds, double *sample, size_t *samples)
{
    char packet[512];
    size_t size = make_packet(packet);
    uint64_t done = 0;
    double end = now_us() + seconds * 1e6, sent = now_us(), now = sent;
    int out = 0;
    for (; out < in_flight; out++)
        send_all(fd, packet, size);
    while (out > 0) {
        int ended = await_ends(fd);
        now = now_us();
        out -= ended;
        if (now >= end)
            continue;
        done += (uint64_t)ended;
        if (in_flight == 1 && *samples < SAMPLES)
            sample[(*samples)++] = now - sent;
        sent = now;
        for (; out < in_flight; out++)
            send_all(fd, packet, size);
    }
    return done;
}

int main(int argc, char **argv)
{
    pid_t worker[WORKERS];
    if (argc != 4)
        return 64;
    in_port_t port = (in_port_t)atoi(argv[1]);
    int in_flight = atoi(argv[2]);
    double seconds = atof(argv[3]), *sample = malloc(SAMPLES * sizeof(*sample));
    if (!sample || in_flight < 1 || seconds <= 0)
        return 64;
    for (int i = 0; i < WORKERS; i++) {
        worker[i] = fork();
        if (worker[i] < 0)
            fail("fork");
        if (worker[i] == 0)
            work(port);
    }
    int fd = dial(port);
    size_t samples = 0;
    drive(fd, in_flight, 0.2, sample, &samples); /* waits for the workers, and warms up */
    samples = 0;
    uint64_t done = drive(fd, in_flight, seconds, sample, &samples);
    qsort(sample, samples, sizeof(*sample), by_value);
    printf("{\"rate\":%.1f,\"p50_us\":%.1f}\n", (double)done / seconds,
           samples ? sample[samples / 2] : 0);
    for (int i = 0; i < WORKERS; i++) {
        kill(worker[i], SIGKILL);
        waitpid(worker[i], NULL, 0);
    }
    free(sample);
    close(fd);
    return 0;
}
