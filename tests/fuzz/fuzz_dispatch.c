/*
 * fuzz_dispatch.c - libFuzzer: dispatch with hostile workers. The input is a list of acts: claims
 * come, cancels come, time passes, pools get other sizes, workers start jobs, send well-formed lies
 * or any bytes through socket or ring, break the ring, close their sockets, are stopped, die,
 * cannot be born. The fork server's side is played honestly. Whatever they do, each claim gets one
 * outcome, no outcome holds what the store or a client could choke on, and no descriptor is left.
 */
#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/fdio.h"
#include "../../common/log.h"
#include "../../server/dispatch_priv.h"
#include "../../server/serve.h"
#include "lib/sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is to be covered is dispatch: counting here would take a third of the time, and mislead. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

#define CLAIMS 256
#define SLOTS  8
#define DAY_US (INT64_C(86400) * US_PER_S)
#define NOW_US (INT64_C(1700000000) * US_PER_S)

static const char settings[] = "[pool default]\nworkers = 2\nmax_workers = 4\nrecycle_after = 3\n"
                               "[pool other]\nworkers = 1\nmax_workers = 3\nrecycle_jobs = 3\n"
                               "[task a]\ncommand = /bin/true\noutput_max = 50000\n[task "
                               "b]\ncommand = /bin/true\npool = other\n";

static struct conf conf;
static struct board *board;
static struct dispatcher *d;
static int control; /* the fork server's end */
static int worker[SLOTS];
static struct ring ring[SLOTS]; /* the workers' ends; kept for the next execution */
static int ring_fd[SLOTS];
static bool has_ring[SLOTS], births_fail;
static uint32_t outcomes[CLAIMS], claims;
static int64_t mono_us;

/* ---- what dispatch calls: instead of the writer ---- */

static bool clean(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            return false;
    }
    return true;
}

static void check_outcome(struct finish *f)
{
    const struct attempt *a = &f->attempt;
    uint64_t key = id_key(&a->job);
    if (key >= claims || ++outcomes[key] != 1 || a->number != 1)
        abort(); /* a second outcome, or of no job */
    if (a->started_us < 0 || a->finished_us < a->started_us || a->finished_us > NOW_US + 2 * DAY_US)
        abort();
    if (a->error.signal < 0 || a->error.exit_code < -1 || !clean(a->result_type))
        abort();
    if (a->result.len > conf.defs.task[a->task_id].output_max)
        abort();
    attempt_release(&f->attempt);
    free(f);
}

void writer_finish(struct finish *list)
{
    for (struct inbox_node *n = list ? &list->work.node : NULL, *next; n; n = next) {
        next = n->next;
        check_outcome(INBOX_OWNER(INBOX_OWNER(n, struct work, node), struct finish, work));
    }
}

void writer_checkpoint(struct checkpoint *c)
{
    if (c->data.len > JOB_CHECKPOINT_MAX)
        abort();
    buf_release(&c->data);
    free(c);
}

void writer_credit(uint32_t pool, uint32_t n)
{
    if (pool >= conf.defs.pools || n > 1000)
        abort();
}

void serve_die(int status, const char *fmt, ...)
{
    (void)status, (void)fmt;
    abort(); /* a worker must not be able to end the service */
}

/* ---- the fork server ---- */

static void tell(const struct msg *m)
{
    if (msg_send(control, m) != 0)
        abort();
}

static void bear(const struct msg_SPAWN *s)
{
    int pair[2];
    if (births_fail) {
        struct msg un = {.kind = MSG_UNBORN, .fd = -1};
        un.u.UNBORN =
            (struct msg_UNBORN){.slot = s->slot, .generation = s->generation, .error = EAGAIN};
        tell(&un);
        births_fail = false;
        return;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    struct msg m = {.kind = MSG_BORN, .fd = pair[0]};
    m.u.BORN =
        (struct msg_BORN){.slot = s->slot, .generation = s->generation, .pid = 1000 + s->slot};
    tell(&m);
    close(pair[0]);
    fd_close(&worker[s->slot]);
    worker[s->slot] = pair[1];
    has_ring[s->slot] = false;
}

static void bury(uint32_t slot, uint32_t generation, uint32_t status)
{
    struct msg m = {.kind = MSG_DEATH, .fd = -1};
    m.u.DEATH =
        (struct msg_DEATH){.slot = slot, .generation = generation, .pid = 1000, .status = status};
    tell(&m);
}

/* Does what was asked of it, until nothing is. */
static void serve_control(void)
{
    static char buf[MSG_MAX];
    struct msg m;
    for (int i = 0; i < 64 && msg_recv(control, &m, buf) == 1; i++) {
        if (m.kind == MSG_SPAWN)
            bear(&m.u.SPAWN);
        else if (m.kind == MSG_KILL)
            bury(m.u.KILL.slot, m.u.KILL.generation, 9);
        msg_release(&m);
        supervise_control(d);
    }
}

/* ---- acts ---- */

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n && in->at < in->end; i++)
        v = v << 8 | *in->at++;
    return v;
}

static struct slot *take_slot(struct input *in)
{
    return supervise_slot(d, (uint32_t)take(in, 1) % conf.defs.slots);
}

static void add_claim(struct input *in)
{
    uint32_t task = (uint32_t)take(in, 1) % conf.defs.tasks;
    struct pool *p = &d->pools[conf.defs.task[task].pool];
    struct claim *c = p->granted && claims < CLAIMS ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return;
    p->granted--;
    id_make(&c->job, claims++, 7);
    c->attempt = 1;
    c->task_index = c->task_id = task;
    c->timeout_us = take(in, 1) % 2 ? US_PER_S : 0;
    pool_pend(p, c);
    deliver_pending(d, p);
}

static void start_one(struct input *in)
{
    struct slot *s = take_slot(in);
    if (s->count == 0)
        return;
    const struct assignment *a = &s->held[take(in, 1) % s->count];
    uint64_t was = cell_word(a->seq, CELL_ASSIGNED);
    atomic_compare_exchange_strong(&s->board->cell[a->cell], &was, cell_word(a->seq, CELL_STARTED));
}

static struct msg_bytes take_bytes(struct input *in)
{
    size_t left = (size_t)(in->end - in->at), n = take(in, 1);
    left = left ? left - 1 : 0;
    n = n < left ? n : left;
    struct msg_bytes b = {(const char *)in->at, n};
    in->at += n;
    return b;
}

static void say(const struct slot *s, const struct msg *m, bool in_ring)
{
    static char packed[MSG_MAX];
    size_t len = 0;
    if (in_ring && has_ring[s->index] && packet_add(packed, &len, m) == 0 &&
        ring_put(&ring[s->index], packed, len))
        (void)ring_wake(&ring[s->index]);
    else if (worker[s->index] >= 0)
        (void)msg_send(worker[s->index], m);
}

static void say_done(struct input *in)
{
    static char large[60000];
    struct slot *s = take_slot(in);
    struct msg m = {.kind = MSG_DONE, .fd = -1};
    struct msg_DONE *x = &m.u.DONE;
    uint8_t how = (uint8_t)take(in, 1);
    x->generation = s->generation - (how % 8 == 7);
    x->seq = s->count && how & 8 ? s->held[how % s->count].seq : take(in, 2);
    x->ok = how & 16;
    x->permanent = how & 32;
    x->retry_now = how & 64;
    x->cell = (uint32_t)take(in, 1);
    x->started_us = (int64_t)take(in, how & 128 ? 8 : 1);
    x->finished_us = (int64_t)take(in, how & 128 ? 8 : 1);
    x->run_us = (int64_t)take(in, how & 128 ? 8 : 2);
    x->signal = (uint32_t)take(in, 4);
    x->exit_plus_1 = (uint32_t)take(in, 4);
    x->error_code = take_bytes(in);
    x->error_message = take_bytes(in);
    x->result_type = take_bytes(in);
    x->result = how == 16 + 8 + 1 ? (struct msg_bytes){large, sizeof(large)} : take_bytes(in);
    say(s, &m, (how & 4) != 0);
}

static void say_other(struct input *in)
{
    struct slot *s = take_slot(in);
    struct msg m = {.kind = MSG_TASK_STATE, .fd = -1};
    if (take(in, 1) % 2) {
        m.kind = MSG_READY;
        m.u.READY.generation = s->generation;
    } else {
        m.u.TASK_STATE = (struct msg_TASK_STATE){.generation = s->generation,
                                                 .task = (uint32_t)take(in, 4),
                                                 .ok = (uint32_t)take(in, 1) % 2,
                                                 .why = take_bytes(in)};
    }
    say(s, &m, (s->index & 1) != 0);
}

static void say_anything(struct input *in)
{
    struct slot *s = take_slot(in);
    struct msg_bytes b = take_bytes(in);
    if (b.len % 8 == 5 && has_ring[s->index])
        (void)ring_put(&ring[s->index], b.data, b.len);
    else if (b.len % 8 == 6 && has_ring[s->index])
        memcpy(ring[s->index].memory, b.data, 4); /* how much was written */
    else if (worker[s->index] >= 0 && b.len)
        (void)send(worker[s->index], b.data, b.len, MSG_NOSIGNAL);
}

static void resize(uint32_t pool, uint32_t n)
{
    leave_resize(d, &d->pools[pool], 1 + n % d->pools[pool].def->room);
}

static void halt(struct input *in)
{
    struct slot *s = take_slot(in);
    struct msg m = {.kind = MSG_HALT, .fd = -1};
    m.u.HALT = (struct msg_HALT){
        .slot = s->index, .generation = s->generation, .stopped = (uint32_t)take(in, 1) % 2};
    if (s->state == SLOT_EMPTY)
        return;
    tell(&m);
    supervise_control(d);
}

static void say_checkpoint(struct input *in)
{
    struct slot *s = take_slot(in);
    uint8_t which = (uint8_t)take(in, 1);
    struct msg m = {.kind = MSG_CHECKPOINT, .fd = -1};
    m.u.CHECKPOINT = (struct msg_CHECKPOINT){
        .generation = s->generation,
        .seq = s->count ? s->held[which % s->count].seq : which,
        .data = take_bytes(in),
    };
    say(s, &m, which & 1);
}

/* Ready, with a ring that is empty. One that lives already breaks the one it has. */
static void begin_well(uint32_t i)
{
    if (worker[i] < 0)
        return;
    if (!ring[i].memory)
        ring_fd[i] = ring_new(&ring[i]);
    off_t size = ring[i].memory ? lseek(ring_fd[i], 0, SEEK_END) : -1;
    if (size < RING_BYTES)
        abort();
    memset(ring[i].memory, 0, (size_t)size);
    ring[i].at = 0;
    has_ring[i] = true;
    struct msg m = {.kind = MSG_READY, .fd = ring_fd[i]};
    m.u.READY.generation = supervise_slot(d, i)->generation;
    (void)msg_send(worker[i], &m);
}

static void act(struct input *in)
{
    struct slot *s;
    struct id id;
    int64_t next = INT64_MAX;
    uint8_t what = (uint8_t)take(in, 1);
    switch (what < 248 ? what % 12 : what) {
    case 0:
    case 1:
        add_claim(in);
        break;
    case 2:
        start_one(in);
        break;
    case 3:
    case 4:
    case 5:
        say_done(in);
        break;
    case 6:
        say_other(in);
        break;
    case 7:
        say_anything(in);
        break;
    case 8:
        fd_close(&worker[take_slot(in)->index]);
        break;
    case 9:
        id_make(&id, take(in, 1), 7);
        stop_cancel(d, &id, 1);
        break;
    case 10:
        mono_us += (int64_t)take(in, 3);
        clock_fake(NOW_US + mono_us, mono_us);
        deliver_timers(d, mono_us, &next);
        supervise_timers(d, mono_us, &next);
        break;
    case 248:
        births_fail = true;
        break;
    case 249:
        begin_well(take_slot(in)->index);
        break;
    case 250:
    case 251:
    case 252:
    case 253:
        resize(what % 2, (uint32_t)take(in, 1));
        break;
    case 254:
        halt(in);
        break;
    case 255:
        say_checkpoint(in);
        break;
    default:
        s = take_slot(in);
        if (s->state != SLOT_EMPTY)
            bury(s->index, s->generation, (uint32_t)take(in, 1));
        supervise_control(d);
    }
}

static void listen_all(void)
{
    struct epoll_event ev[SLOTS];
    int n = epoll_wait(d->epoll_fd, ev, SLOTS, 0);
    for (int i = 0; i < n; i++) {
        struct slot *s = supervise_slot(d, (uint32_t)ev[i].data.u64);
        if (s->sock >= 0)
            deliver_socket(d, s);
    }
    int64_t next_us = INT64_MAX; /* it looks again in any case */
    if (!deliver_sleep(d, mono_us, &next_us))
        deliver_look(d);
    serve_control();
}

/* ---- one run ---- */

static void begin(void)
{
    int pair[2];
    memset(outcomes, 0, sizeof(outcomes));
    claims = 0;
    mono_us = US_PER_S;
    clock_fake(NOW_US, mono_us);
    births_fail = false;
    memset(has_ring, 0, sizeof(has_ring));
    memset(board->pool, 0, conf.defs.pools * sizeof(board->pool[0]));
    memset(board->task, 0, conf.defs.tasks * sizeof(board->task[0]));
    memset(board->slot, 0, conf.defs.slots * sizeof(board->slot[0]));
    memset(d, 0, sizeof(*d));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    d->conf = &conf;
    d->defs = &conf.defs;
    d->board = board;
    d->pools = pools_new(d->defs, board);
    d->control_fd = pair[0];
    control = pair[1];
    d->epoll_fd = SOCKETS_EPOLL;
    if (!d->pools)
        abort();
    supervise_begin(d);
    serve_control();
    for (uint32_t i = 0; i < conf.defs.slots; i++)
        begin_well(i);
    listen_all();
}

/* All workers die: what they held gets its outcome. */
static void end(void)
{
    d->draining = true;
    deliver_drain(d);
    for (uint32_t i = 0; i < conf.defs.slots; i++) {
        struct slot *s = supervise_slot(d, i);
        if (s->state != SLOT_EMPTY)
            bury(i, s->generation, 9);
        supervise_control(d);
        fd_close(&s->sock);
        fd_close(&worker[i]);
    }
    outcomes_send(d);
    for (uint32_t i = 0; i < claims; i++) {
        if (outcomes[i] != 1)
            abort(); /* a job without an outcome */
    }
    pools_free(d->pools, d->defs);
    close(d->control_fd);
    close(control);
    sockets_end();
}

static void setup(void)
{
    struct buf why = BUF_INIT;
    char path[64];
    int fd = memfd_create("conf", 0), board_fd;
    if (fd < 0 || write(fd, settings, sizeof(settings) - 1) != (ssize_t)sizeof(settings) - 1)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    char *argv[] = {(char *)"serve", (char *)"--config", path, NULL};
    if (conf_load(&conf, 3, argv, &why) != 0) {
        fprintf(stderr, "%s\n", why.data);
        abort();
    }
    board = board_new(conf.defs.slots, &board_fd);
    d = malloc(sizeof(*d)); /* kept: the kernel takes its time over so much memory */
    if (!d || !board || conf.defs.slots > sizeof(worker) / sizeof(worker[0]))
        abort();
    for (size_t i = 0; i < sizeof(worker) / sizeof(worker[0]); i++)
        worker[i] = -1;
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "fuzz");
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, data + len};
    if (!board)
        setup();
    begin();
    for (int i = 0; i < 200 && in.at < in.end; i++) {
        act(&in);
        listen_all();
        outcomes_send(d);
    }
    end();
    return 0;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
