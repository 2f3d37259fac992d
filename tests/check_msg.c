/* check_msg.c - messages: every kind there and back, nothing malformed taken, payloads of any size.
 */
#include "../common/msg.h"

#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/job.h"
#include "suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char wire[MSG_MAX], again[MSG_MAX];
static int pair[2] = {-1, -1};

static void setup(void)
{
    ck_assert_int_eq(fd_socketpair(pair, 1 << 20), 0);
}

static void teardown(void)
{
    fd_close(&pair[0]);
    fd_close(&pair[1]);
}

static struct msg_bytes bytes(const char *text)
{
    return (struct msg_bytes){text, strlen(text)};
}

static struct msg assign(const char *input, size_t len)
{
    struct msg m = {.kind = MSG_ASSIGN, .fd = -1};
    m.u.ASSIGN = (struct msg_ASSIGN){.generation = 7,
                                     .seq = UINT64_MAX - 1,
                                     .cell = 31,
                                     .job = {{1, 2, 3}},
                                     .attempt = 2,
                                     .task = 5,
                                     .timeout_us = INT64_MIN,
                                     .input_type = bytes("text/plain"),
                                     .traceparent = bytes("00-t-s-01"),
                                     .input = {input, len}};
    return m;
}

static struct msg done(void)
{
    struct msg m = {.kind = MSG_DONE, .fd = -1};
    m.u.DONE = (struct msg_DONE){.generation = 1,
                                 .seq = 2,
                                 .cell = 3,
                                 .ok = 1,
                                 .started_us = -5,
                                 .finished_us = INT64_MAX,
                                 .error_code = bytes("task_error"),
                                 .error_message = bytes("it did not work"),
                                 .result_type = bytes(""),
                                 .result = bytes("{\"a\":1}")};
    return m;
}

/* One of each kind. */
static size_t samples(struct msg *out)
{
    size_t n = 0;
    out[n++] = (struct msg){.kind = MSG_SPAWN, .fd = -1, .u.SPAWN = {1, 2, 3}};
    out[n++] = (struct msg){.kind = MSG_KILL, .fd = -1, .u.KILL = {1, UINT32_MAX}};
    out[n++] = (struct msg){.kind = MSG_BORN, .fd = -1, .u.BORN = {1, 2, 77}};
    out[n++] = (struct msg){.kind = MSG_HALT, .fd = -1, .u.HALT = {1, 2, 1}};
    out[n++] = (struct msg){.kind = MSG_UNBORN, .fd = -1, .u.UNBORN = {1, 2, 11}};
    out[n++] = (struct msg){.kind = MSG_DEATH, .fd = -1, .u.DEATH = {1, 2, 77, 9, -1, INT64_MAX}};
    out[n++] = assign("input", 5);
    out[n++] = (struct msg){.kind = MSG_CANCEL, .fd = -1, .u.CANCEL = {1, UINT64_MAX}};
    out[n++] = (struct msg){.kind = MSG_READY, .fd = -1, .u.READY = {9}};
    out[n++] = done();
    out[n++] = (struct msg){
        .kind = MSG_CHECKPOINT, .fd = -1, .u.CHECKPOINT = {1, UINT64_MAX, bytes("[1]")}};
    out[n++] = (struct msg){.kind = MSG_LOOK, .fd = -1, .u.LOOK = {9}};
    out[n++] = (struct msg){
        .kind = MSG_TASK_STATE, .fd = -1, .u.TASK_STATE = {1, 2, 0, bytes("not ready")}};
    return n;
}

START_TEST(each_kind_there_and_back)
{
    struct msg all[MSG_KINDS], back;
    size_t n = samples(all);
    ck_assert_uint_eq(n, MSG_KINDS - 1); /* a new kind needs a row above */
    for (size_t i = 0; i < n; i++) {
        int len = msg_pack(&all[i], wire);
        ck_assert_int_gt(len, 0);
        back = (struct msg){.fd = -1};
        ck_assert_int_eq(msg_unpack(&back, wire, (size_t)len), 0);
        ck_assert_int_eq(back.kind, all[i].kind);
        ck_assert_int_eq(msg_pack(&back, again), len);
        ck_assert_mem_eq(again, wire, (size_t)len);
    }
    struct msg m = assign("input", 5);
    int len = msg_pack(&m, wire);
    ck_assert_int_eq(msg_unpack(&back, wire, (size_t)len), 0);
    const struct msg_ASSIGN *a = &back.u.ASSIGN;
    ck_assert_uint_eq(a->seq, UINT64_MAX - 1);
    ck_assert_uint_eq(a->cell, 31);
    ck_assert_int_eq(a->timeout_us, INT64_MIN);
    ck_assert_mem_eq(a->job.b, m.u.ASSIGN.job.b, 16);
    ck_assert_uint_eq(a->input_type.len, 10);
    ck_assert_mem_eq(a->input_type.data, "text/plain", 10);
    ck_assert_uint_eq(a->traceparent.len, 9);
    ck_assert_mem_eq(a->traceparent.data, "00-t-s-01", 9);
    ck_assert_mem_eq(a->input.data, "input", 5);
}
END_TEST

START_TEST(nothing_shorter_or_longer)
{
    struct msg all[MSG_KINDS], back;
    size_t n = samples(all);
    for (size_t i = 0; i < n; i++) {
        int len = msg_pack(&all[i], wire);
        for (size_t k = 0; k < (size_t)len; k++) {
            char *exact = malloc(k ? k : 1); /* a sanitizer sees a byte too far */
            ck_assert_ptr_nonnull(exact);
            memcpy(exact, wire, k);
            ck_assert_int_eq(msg_unpack(&back, exact, k), -ERR_PROTOCOL);
            free(exact);
        }
        wire[len] = 0;
        ck_assert_int_eq(msg_unpack(&back, wire, (size_t)len + 1), -ERR_PROTOCOL);
    }
}
END_TEST

START_TEST(no_unknown_kind)
{
    struct msg back, m = {.kind = MSG_NONE, .fd = -1};
    static const uint32_t kinds[] = {0, MSG_KINDS, MSG_KINDS + 1, UINT32_MAX, 0x80000001u};
    ck_assert_int_eq(msg_pack(&m, wire), -ERR_PROTOCOL);
    m.kind = MSG_KINDS;
    ck_assert_int_eq(msg_pack(&m, wire), -ERR_PROTOCOL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        memset(wire, 0, 64);
        memcpy(wire, &kinds[i], 4);
        ck_assert_int_eq(msg_unpack(&back, wire, 64), -ERR_PROTOCOL);
        ck_assert_int_eq(msg_unpack(&back, wire, 4), -ERR_PROTOCOL);
    }
    ck_assert_str_eq(msg_kind_name(MSG_DEATH), "DEATH");
    ck_assert_str_eq(msg_kind_name(MSG_NONE), msg_kind_name(MSG_KINDS));
}
END_TEST

START_TEST(lengths_that_lie)
{
    static const uint32_t lies[] = {8, 1000, 0x7FFFFFFF, 0x80000000u, UINT32_MAX - 1, UINT32_MAX};
    struct msg m = done(), back;
    int len = msg_pack(&m, wire);
    char *exact = malloc((size_t)len);
    ck_assert_ptr_nonnull(exact);
    size_t result_at = (size_t)len - m.u.DONE.result.len - 4;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        memcpy(exact, wire, (size_t)len);
        memcpy(exact + result_at, &lies[i], 4);
        ck_assert_int_eq(msg_unpack(&back, exact, (size_t)len), -ERR_PROTOCOL);
    }
    free(exact);
}
END_TEST

START_TEST(too_long_does_not_pack)
{
    static char text[MSG_MAX];
    struct msg m = done();
    m.u.DONE.error_message = (struct msg_bytes){text, sizeof(text)};
    ck_assert_int_eq(msg_pack(&m, wire), -ERR_PROTOCOL);
    ck_assert_int_eq(msg_send(pair[0], &m), -ERR_PROTOCOL);
}
END_TEST

/* Sends the payload through the socket and looks at what comes; large ones go as a memfd. */
static void ck_carries(size_t len)
{
    char *text = calloc(1, len ? len : 1);
    struct msg m = assign(text, len), back;
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i * 7 >> 2);
    ck_assert_int_eq(msg_send(pair[0], &m), 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, wire), 1);
    ck_assert_int_eq(back.kind, MSG_ASSIGN);
    ck_assert_uint_eq(back.u.ASSIGN.seq, m.u.ASSIGN.seq);
    ck_assert_uint_eq(back.u.ASSIGN.input.len, len);
    if (len)
        ck_assert_mem_eq(back.u.ASSIGN.input.data, text, len);
    ck_assert_int_eq(back.map != NULL, len > MSG_INLINE);
    ck_assert_int_eq(back.fd, -1);
    msg_release(&back);
    msg_release(&back);
    free(text);
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), was = fd;
    fd_close(&fd);
    return was;
}

START_TEST(payloads_of_any_size)
{
    static const size_t sizes[] = {0,           1,       MSG_INLINE - 1, MSG_INLINE, MSG_INLINE + 1,
                                   MSG_MAX - 1, MSG_MAX, MSG_MAX + 1,    5000000};
    int before = lowest_free();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        ck_carries(sizes[i]);
    ck_assert_int_eq(lowest_free(), before); /* no descriptor is left behind */
}
END_TEST

/* It goes without a memfd, which a module's own limits could refuse its worker. */
START_TEST(the_largest_checkpoint)
{
    static char text[JOB_CHECKPOINT_MAX];
    struct msg m = {.kind = MSG_CHECKPOINT, .fd = -1}, back;
    memset(text, '1', sizeof(text));
    m.u.CHECKPOINT = (struct msg_CHECKPOINT){1, UINT64_MAX, {text, sizeof(text)}};
    ck_assert_int_eq(msg_send(pair[0], &m), 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, wire), 1);
    ck_assert_int_eq(back.kind, MSG_CHECKPOINT);
    ck_assert_uint_eq(back.u.CHECKPOINT.data.len, sizeof(text));
    ck_assert_mem_eq(back.u.CHECKPOINT.data.data, text, sizeof(text));
    ck_assert_ptr_null(back.map);
    msg_release(&back);
}
END_TEST

START_TEST(a_descriptor_travels)
{
    int fds[2];
    struct msg m = {.kind = MSG_BORN, .u.BORN = {1, 2, 3}}, back;
    char c = 0;
    ck_assert_int_eq(pipe2(fds, 0), 0);
    m.fd = fds[1];
    ck_assert_int_eq(msg_send(pair[0], &m), 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, wire), 1);
    ck_assert_int_ge(back.fd, 0);
    ck_assert_int_ne(fcntl(back.fd, F_GETFD) & FD_CLOEXEC, 0);
    fd_close(&fds[1]);
    ck_assert_int_eq(write(back.fd, "x", 1), 1);
    ck_assert_int_eq(read(fds[0], &c, 1), 1);
    msg_release(&back);
    ck_assert_int_eq(back.fd, -1);
    ck_assert_int_eq(read(fds[0], &c, 1), 0); /* closed with the message */
    fd_close(&fds[0]);
}
END_TEST

/* Sends bytes with descriptors as a hostile peer might. */
static void send_raw(const void *data, size_t len, const int *fds, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)data, len};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
    if (n) {
        h.msg_control = control.space;
        h.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    ck_assert_int_eq(sendmsg(pair[0], &h, MSG_NOSIGNAL), (ssize_t)len);
}

START_TEST(descriptors_nobody_asked_for_are_closed)
{
    struct msg m = {.kind = MSG_LOOK, .fd = -1, .u.LOOK = {1}}, back;
    static const int many[8] = {0};
    int len = msg_pack(&m, wire), before = lowest_free();
    send_raw(wire, (size_t)len, many, 1);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    send_raw(wire, (size_t)len, many, 3);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    send_raw(wire, (size_t)len, many, 8);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    ck_assert_int_eq(lowest_free(), before);
    send_raw(wire, (size_t)len, NULL, 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), 1);
}
END_TEST

START_TEST(hostile_payloads_are_refused)
{
    struct msg m = assign("", 0), back;
    uint32_t in_fd = UINT32_MAX;
    int len = msg_pack(&m, wire), before = lowest_free();
    memcpy(wire + len - 4, &in_fd, 4);
    ck_assert_int_eq(msg_unpack(&back, wire, (size_t)len), -ERR_PROTOCOL);
    send_raw(wire, (size_t)len, NULL, 0); /* says that the bytes are in the fd, and sends none */
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    AUTO_FD loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(loose, 100), 0);
    send_raw(wire, (size_t)len, &loose, 1); /* one that can shrink under the reader */
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    ck_assert_ptr_null(back.map);
    static char large[MSG_MAX + 1];
    send_raw(large, sizeof(large), NULL, 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    send_raw("", 1, NULL, 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL);
    fd_close(&loose);
    ck_assert_int_eq(lowest_free(), before);
}
END_TEST

START_TEST(several_in_a_packet)
{
    static char large[MSG_INLINE + 1];
    struct msg all[MSG_KINDS], back;
    struct packet p;
    size_t n = samples(all), len = 0, count = 0;
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(packet_add(wire, &len, &all[i]), 0);
    ck_assert_int_eq(packet_send(pair[0], wire, len), 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, again), -ERR_PROTOCOL); /* who wants one gets none */
    ck_assert_int_eq(packet_send(pair[0], wire, len), 0);
    ck_assert_int_eq(packet_recv(pair[1], &p, again), 1);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(packet_next(&p, &back), 1);
        ck_assert_int_eq(back.kind, all[i].kind);
        ck_assert_int_eq(msg_pack(&back, wire), msg_pack(&all[i], large));
        msg_release(&back);
    }
    ck_assert_int_eq(packet_next(&p, &back), 0);
    struct msg m = assign(large, sizeof(large));
    ck_assert_int_eq(packet_add(wire, &len, &m), -ERR_PROTOCOL); /* needs a descriptor */
    m = assign(large, 1000);
    for (len = 0; packet_add(wire, &len, &m) == 0;)
        count++;
    ck_assert_uint_gt(count, MSG_MAX / 1200);
    ck_assert_uint_le(len, MSG_MAX); /* and what did not fit left nothing behind */
    ck_assert_int_eq(packet_send(pair[0], wire, len), 0);
    ck_assert_int_eq(packet_recv(pair[1], &p, again), 1);
    while (packet_next(&p, &back) == 1)
        count--;
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(a_packet_that_is_wrong_in_its_middle)
{
    struct msg m = {.kind = MSG_READY, .fd = -1, .u.READY = {1}}, back;
    struct msg birth = {.kind = MSG_BORN, .fd = -1, .u.BORN = {1, 2, 3}};
    struct packet p;
    size_t len = 0;
    int before = lowest_free(), fd = 0;
    ck_assert_int_eq(packet_add(wire, &len, &m), 0);
    memset(wire + len, 0xff, 8);
    send_raw(wire, len + 8, NULL, 0);
    ck_assert_int_eq(packet_recv(pair[1], &p, again), 1);
    ck_assert_int_eq(packet_next(&p, &back), 1);
    ck_assert_int_eq(packet_next(&p, &back), -ERR_PROTOCOL);
    ck_assert_int_eq(packet_next(&p, &back), 0); /* the rest is dropped */
    len = 0;
    ck_assert_int_eq(packet_add(wire, &len, &birth), 0);
    ck_assert_int_eq(packet_add(wire, &len, &m), 0);
    send_raw(wire, len, &fd, 1); /* a descriptor in company: whose is it? */
    ck_assert_int_eq(packet_recv(pair[1], &p, again), 1);
    ck_assert_int_eq(packet_next(&p, &back), -ERR_PROTOCOL);
    ck_assert_int_eq(packet_next(&p, &back), 0);
    send_raw(wire, len, &fd, 1);
    ck_assert_int_eq(packet_recv(pair[1], &p, again), 1);
    packet_release(&p);
    packet_release(&p);
    ck_assert_int_eq(lowest_free(), before);
}
END_TEST

START_TEST(ends_and_full_sockets)
{
    struct msg m = assign("abc", 3), back;
    ck_assert_int_eq(fd_nonblock(pair[0], true), 0);
    ck_assert_int_eq(fd_nonblock(pair[1], true), 0);
    ck_assert_int_eq(msg_recv(pair[1], &back, wire), -ERR_TIMEOUT);
    int err = 0, sent = 0;
    while (sent < 1000000 && (err = msg_send(pair[0], &m)) == 0)
        sent++;
    ck_assert_int_eq(err, -ERR_TIMEOUT);
    ck_assert_int_gt(sent, 10);
    fd_close(&pair[0]);
    for (int i = 0; i < sent; i++) { /* what was sent is still read */
        ck_assert_int_eq(msg_recv(pair[1], &back, wire), 1);
        msg_release(&back);
    }
    ck_assert_int_eq(msg_recv(pair[1], &back, wire), 0);
    ck_assert_int_eq(msg_send(pair[1], &m), -ERR_CLOSED); /* and no SIGPIPE */
    ck_assert_int_eq(msg_recv(-1, &back, wire), -ERR_SYSTEM);
    ck_assert_int_eq(msg_send(-1, &m), -ERR_SYSTEM);
}
END_TEST

/* Sends every message back with its payload as a result. */
static int echo(int sock)
{
    struct msg in, out;
    for (;;) {
        int got = msg_recv(sock, &in, wire);
        if (got <= 0)
            return got;
        out = done();
        out.u.DONE.seq = in.u.ASSIGN.seq;
        out.u.DONE.result = in.u.ASSIGN.input;
        if (msg_send(sock, &out) != 0)
            return 1;
        msg_release(&in);
    }
}

START_TEST(another_process_answers)
{
    static char text[200000];
    pid_t pid = test_fork();
    if (pid == 0) {
        fd_close(&pair[0]);
        _exit(echo(pair[1]) != 0);
    }
    fd_close(&pair[1]);
    for (size_t i = 0; i < 300; i++) {
        struct msg back, m = assign(text, i * 601);
        memset(text, (int)i, sizeof(text));
        m.u.ASSIGN.seq = i;
        ck_assert_int_eq(msg_send(pair[0], &m), 0);
        ck_assert_int_eq(msg_recv(pair[0], &back, wire), 1);
        ck_assert_int_eq(back.kind, MSG_DONE);
        ck_assert_uint_eq(back.u.DONE.seq, i);
        ck_assert_uint_eq(back.u.DONE.result.len, i * 601);
        if (i)
            ck_assert_mem_eq(back.u.DONE.result.data, text, i * 601);
        msg_release(&back);
    }
    fd_close(&pair[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    return SUITE("msg", setup, teardown, each_kind_there_and_back, nothing_shorter_or_longer,
                 no_unknown_kind, lengths_that_lie, too_long_does_not_pack, payloads_of_any_size,
                 the_largest_checkpoint, a_descriptor_travels,
                 descriptors_nobody_asked_for_are_closed, hostile_payloads_are_refused,
                 several_in_a_packet, a_packet_that_is_wrong_in_its_middle, ends_and_full_sockets,
                 another_process_answers);
}
