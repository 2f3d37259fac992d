/*
 * deliverkit.c - see deliverkit.h.
 */
#include "deliverkit.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "suite.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct conf conf;
static struct pooldef pools[1];
static struct taskdef tasks[TASKS];
struct board *board;
struct dispatcher *d;
int worker[WORKERS];
struct ring ring[WORKERS];
int64_t now_us;
static int control; /* the fork server's end */
static uint64_t jobs;

/* ---- the fork server and the workers ---- */

static void pair(int out[2])
{
    ck_assert_int_eq(fd_socketpair(out, 1 << 20), 0);
    ck_assert_int_eq(fd_nonblock(out[0], true), 0);
    ck_assert_int_eq(fd_nonblock(out[1], true), 0);
}

struct slot *slot(int i)
{
    return &d->pools[0].slots[i];
}

int asked(struct msg *m)
{
    static char buf[MSG_MAX];
    return msg_recv(control, m, buf) == 1 ? (int)m->kind : 0;
}

void is_born(uint32_t i)
{
    int ends[2];
    pair(ends);
    struct msg m = {.kind = MSG_BORN, .fd = ends[0]};
    m.u.BORN = (struct msg_BORN){i, slot((int)i)->generation, 1000 + i};
    ck_assert_int_eq(msg_send(control, &m), 0);
    close(ends[0]);
    worker[i] = ends[1];
    supervise_control(d);
}

void is_ready(uint32_t i)
{
    struct msg m = (struct msg){.kind = MSG_READY, .fd = ring_new(&ring[i])};
    m.u.READY.generation = slot((int)i)->generation;
    ck_assert_int_eq(msg_send(worker[i], &m), 0);
    fd_close(&m.fd);
    deliver_socket(d, slot((int)i));
    ck_assert_int_eq(slot((int)i)->state, SLOT_IDLE);
}

void kit_setup(void)
{
    int ends[2], board_fd;
    struct msg m;
    now_us = 10 * US_PER_S;
    clock_fake(WALL_US, now_us);
    pools[0] = (struct pooldef){.name = "default", .workers = WORKERS, .room = WORKERS};
    tasks[MODULE] = (struct taskdef){.name = "module", .kind = TASK_MODULE};
    tasks[COMMAND] = (struct taskdef){.name = "command", .kind = TASK_COMMAND};
    tasks[WARM] = (struct taskdef){.name = "warm", .kind = TASK_PERSISTENT};
    for (int i = 0; i < TASKS; i++) {
        tasks[i].memory = 64 * MIB;
        tasks[i].output_max = 1000;
    }
    conf.kill_grace_us = 0;
    conf.birth_timeout_us = 30 * US_PER_S;
    conf.restart_pause_max_us = US_PER_S;
    conf.defs = (struct taskdefs){
        .pool = pools, .pools = 1, .task = tasks, .tasks = TASKS, .slots = WORKERS};
    board = board_new(WORKERS, &board_fd);
    d = calloc(1, sizeof(*d));
    ck_assert(board && d);
    pair(ends);
    *d = (struct dispatcher){.conf = &conf, .defs = &conf.defs, .board = board};
    d->control_fd = ends[0];
    control = ends[1];
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->pools = pools_new(d->defs, board);
    ck_assert_ptr_nonnull(d->pools);
    supervise_begin(d);
    for (uint32_t i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(asked(&m), MSG_SPAWN);
        is_born(i);
        is_ready(i);
    }
    d->pools[0].depth = 8;
}

/* ---- jobs ---- */

struct id gets(int task)
{
    struct claim *c = claim_new();
    ck_assert_ptr_nonnull(c);
    jobs++;
    id_make(&c->job, jobs, jobs);
    c->attempt = 1;
    c->task_index = (uint32_t)task;
    struct id id = c->job;
    pool_pend(&d->pools[0], c);
    return id;
}

void give_all(void)
{
    slot_set_stopped(slot(1), 1); /* so that the first worker gets all */
    deliver_pending(d, &d->pools[0]);
    slot_set_stopped(slot(1), 0);
}

struct assignment begins(unsigned i)
{
    struct slot *s = slot(0);
    ck_assert_uint_lt(i, s->count);
    struct assignment a = s->held[i];
    ck_assert(cell_start(s->board, a.cell, a.seq));
    return a;
}

void ends(const struct assignment *a, bool ok, bool in_ring)
{
    static char packet[MSG_MAX];
    size_t len = 0;
    struct msg m = {.kind = MSG_DONE, .fd = -1};
    m.u.DONE = (struct msg_DONE){.generation = slot(0)->generation,
                                 .seq = a->seq,
                                 .cell = a->cell,
                                 .ok = ok,
                                 .started_us = WALL_US - 5,
                                 .finished_us = WALL_US,
                                 .error_code = {"task_error", 10},
                                 .run_us = 5};
    if (in_ring)
        ck_assert(packet_add(packet, &len, &m) == 0 && ring_put(&ring[0], packet, len));
    else
        ck_assert_int_eq(msg_send(worker[0], &m), 0);
}

void dies(int status, int64_t peak)
{
    struct msg m = {.kind = MSG_DEATH, .fd = -1};
    m.u.DEATH = (struct msg_DEATH){.generation = slot(0)->generation,
                                   .pid = 1000,
                                   .status = (uint32_t)status,
                                   .rss_bytes = peak};
    ck_assert_int_eq(msg_send(control, &m), 0);
    supervise_control(d);
}

int64_t time_comes(void)
{
    int64_t next = INT64_MAX;
    deliver_timers(d, now_us, &next);
    return next;
}

int64_t at(int64_t later_us)
{
    now_us += later_us;
    clock_fake(WALL_US, now_us);
    return time_comes();
}

const struct attempt *outcome(const struct id *job)
{
    const struct attempt *found = NULL;
    struct inbox_node *n = d->ended ? &d->ended->work.node : NULL;
    for (; n; n = n->next) {
        const struct finish *f =
            INBOX_OWNER(INBOX_OWNER(n, struct work, node), struct finish, work);
        if (!id_equal(&f->attempt.job, job))
            continue;
        ck_assert_ptr_null(found);
        found = &f->attempt;
    }
    return found;
}

void ended(const struct id *job, enum attempt_end end)
{
    const struct attempt *a = outcome(job);
    ck_assert_ptr_nonnull(a);
    ck_assert_msg(a->end == end, "end %d: %s", (int)a->end, a->error.message);
}
