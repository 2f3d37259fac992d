/*
 * check_deliver.c - dispatch's side of a worker, at moments that no clock hits: what a worker has
 * said and nobody heard yet, while its jobs are cancelled, run out of time, or it dies. The worker
 * and the fork server are the test. There is no writer: outcomes stay where they wait for it.
 */
#include "../common/clock.h"
#include "../common/fdio.h"
#include "../server/dispatch_priv.h"
#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WALL_US (INT64_C(1700000000) * US_PER_S)
#define MIB     (INT64_C(1) << 20)
#define WORKERS 2

enum { MODULE, COMMAND, WARM, TASKS };

static struct conf conf;
static struct pooldef pools[1];
static struct taskdef tasks[TASKS];
static struct board *board;
static struct dispatcher *d;
static int control;         /* the fork server's end */
static int worker[WORKERS]; /* theirs, */
static struct ring ring[WORKERS];
static int64_t now_us;
static uint64_t jobs;

/* ---- the fork server and the workers ---- */

static void pair(int out[2])
{
    ck_assert_int_eq(fd_socketpair(out, 1 << 20), 0);
    ck_assert_int_eq(fd_nonblock(out[0], true), 0);
    ck_assert_int_eq(fd_nonblock(out[1], true), 0);
}

static struct slot *slot(int i)
{
    return &d->pools[0].slots[i];
}

/* What the fork server is asked for next; 0: nothing. */
static int asked(struct msg *m)
{
    static char buf[MSG_MAX];
    return msg_recv(control, m, buf) == 1 ? (int)m->kind : 0;
}

static void is_ready(uint32_t i)
{
    int ends[2];
    pair(ends);
    struct msg m = {.kind = MSG_BORN, .fd = ends[0]};
    m.u.BORN = (struct msg_BORN){i, slot((int)i)->generation, 1000 + i};
    ck_assert_int_eq(msg_send(control, &m), 0);
    close(ends[0]);
    worker[i] = ends[1];
    supervise_control(d);
    m = (struct msg){.kind = MSG_READY, .fd = ring_new(&ring[i])};
    m.u.READY.generation = slot((int)i)->generation;
    ck_assert_int_eq(msg_send(worker[i], &m), 0);
    fd_close(&m.fd);
    deliver_socket(d, slot((int)i));
    ck_assert_int_eq(slot((int)i)->state, SLOT_IDLE);
}

static void setup(void)
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
        is_ready(i);
    }
    d->pools[0].depth = 8;
}

/* ---- jobs ---- */

/* They go to the first worker, if it can take them. */
static struct id gets(int task)
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

static void give_all(void)
{
    slot_set_stopped(slot(1), 1); /* so that the first worker gets all */
    deliver_pending(d, &d->pools[0]);
    slot_set_stopped(slot(1), 0);
}

static struct assignment begins(unsigned i)
{
    struct slot *s = slot(0);
    ck_assert_uint_lt(i, s->count);
    struct assignment a = s->held[i];
    ck_assert(cell_start(s->board, a.cell, a.seq));
    return a;
}

static void ends(const struct assignment *a, bool ok, bool in_ring)
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

static void dies(int status, int64_t peak)
{
    struct msg m = {.kind = MSG_DEATH, .fd = -1};
    m.u.DEATH = (struct msg_DEATH){.generation = slot(0)->generation,
                                   .pid = 1000,
                                   .status = (uint32_t)status,
                                   .rss_bytes = peak};
    ck_assert_int_eq(msg_send(control, &m), 0);
    supervise_control(d);
}

static int64_t time_comes(void)
{
    int64_t next = INT64_MAX;
    deliver_timers(d, now_us, &next);
    return next;
}

/* The one outcome that there is of this job; NULL: none yet. */
static const struct attempt *outcome(const struct id *job)
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

static void ended(const struct id *job, enum attempt_end end)
{
    const struct attempt *a = outcome(job);
    ck_assert_ptr_nonnull(a);
    ck_assert_msg(a->end == end, "end %d: %s", (int)a->end, a->error.message);
}

/* ---- the first is over, and nobody heard it ---- */

static struct id first, second;
static struct assignment later; /* the second's, which runs */

static void first_is_over(void)
{
    first = gets(MODULE);
    second = gets(MODULE);
    give_all();
    struct assignment a = begins(0);
    later = begins(1);
    ends(&a, true, true);
}

START_TEST(a_cancel_that_is_late_is_not_the_next_ones)
{
    first_is_over();
    ends(&later, true, false); /* by the socket, which is read first */
    stop_cancel(d, &first, 1);
    deliver_socket(d, slot(0));
    deliver_look(d);
    (void)time_comes();
    ended(&first, ATTEMPT_SUCCEEDED); /* the writer knows of the cancel */
    ended(&second, ATTEMPT_SUCCEEDED);
}
END_TEST

START_TEST(nobody_is_killed_for_what_is_over)
{
    struct msg m;
    first_is_over();
    stop_cancel(d, &first, 1);
    ck_assert_int_eq(time_comes(), now_us); /* look again: it is another's turn */
    (void)time_comes();
    ck_assert_int_eq(asked(&m), 0);
    ck_assert_uint_eq(atomic_load(&slot(0)->board->cancel_seq), 0);
    ends(&later, true, true);
    deliver_look(d);
    ended(&second, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(slot(0)->state, SLOT_IDLE);
}
END_TEST

START_TEST(nor_for_time_that_is_over)
{
    struct msg m;
    first_is_over();
    slot(0)->held[0].claim->timeout_us = US_PER_S;
    now_us += 2 * US_PER_S;
    clock_fake(WALL_US, now_us);
    (void)time_comes();
    (void)time_comes();
    ck_assert_int_eq(asked(&m), 0);
    ended(&first, ATTEMPT_SUCCEEDED);
    ck_assert_ptr_null(outcome(&second));
}
END_TEST

START_TEST(the_second_is_cancelled_when_it_is_the_first)
{
    struct msg m;
    first_is_over();
    stop_cancel(d, &second, 1);
    deliver_look(d);
    (void)time_comes();
    ended(&first, ATTEMPT_SUCCEEDED);
    ck_assert_int_eq(asked(&m), MSG_KILL);
    dies(SIGKILL, 0);
    ended(&second, ATTEMPT_CANCELLED);
    ck_assert_uint_eq(atomic_load(&board->task[MODULE].failed), 0);
}
END_TEST

START_TEST(what_waits_behind_goes_to_others)
{
    struct id waits;
    first_is_over();
    waits = gets(MODULE);
    give_all();
    stop_cancel(d, &second, 1);
    deliver_look(d);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 1);
    ck_assert_uint_eq(slot(1)->count, 1);
    ck_assert(id_equal(&slot(1)->held[0].claim->job, &waits));
}
END_TEST

START_TEST(a_drain_returns_the_one_that_runs)
{
    struct msg m;
    first_is_over();
    d->draining = true;
    stop_all(d);
    ck_assert_int_eq(asked(&m), MSG_KILL);
    dies(SIGKILL, 0);
    ended(&first, ATTEMPT_SUCCEEDED);
    ended(&second, ATTEMPT_RETURNED);
    ck_assert(outcome(&second)->began);
    ck_assert_uint_eq(atomic_load(&board->task[MODULE].failed), 0);
}
END_TEST

/* ---- short jobs, several at a time ---- */

static void take_us(int64_t us)
{
    d->pools[0].run_ewma_us = us;
    atomic_store(&board->task[MODULE].run_ewma_us, us);
}

/* The first worker alone has them. */
static void holds(unsigned n, int64_t each_us)
{
    d->pools[0].depth = n;
    take_us(each_us);
    for (unsigned i = 0; i < n; i++)
        gets(MODULE);
    give_all();
    ck_assert_uint_eq(slot(0)->count, n);
}

static int64_t at(int64_t later_us)
{
    now_us += later_us;
    clock_fake(WALL_US, now_us);
    return time_comes();
}

/* It is heard of sooner than it could be out of work. */
START_TEST(a_worker_with_much_to_do_wakes_nobody)
{
    holds(8, US_PER_MS);
    slot_set_stopped(slot(1), 1);
    struct assignment a = begins(0);
    ck_assert(deliver_sleep(d));
    ends(&a, true, true);
    ck_assert(!ring_wake(&ring[0]));
    ck_assert_int_eq(time_comes(), now_us + SUPPLIED_LOOK_US);
    deliver_look(d);
    ck_assert_uint_eq(slot(0)->count, 7);

    while (slot(0)->count > 3) { /* until it has not so much */
        a = begins(0);
        ends(&a, true, true);
        deliver_look(d);
    }
    ck_assert(deliver_sleep(d));
    a = begins(0);
    ends(&a, true, true);
    ck_assert(ring_wake(&ring[0]));
}
END_TEST

START_TEST(one_that_is_told_to_stop_wakes_dispatch)
{
    holds(8, US_PER_MS);
    struct assignment a = begins(0);
    slot(0)->stop = STOP_CANCEL;
    ck_assert(deliver_sleep(d));
    ends(&a, true, true);
    ck_assert(ring_wake(&ring[0]));
}
END_TEST

/* Its end will be told: only that it is no short one is to be seen. */
START_TEST(a_job_that_is_not_short_is_looked_at_once)
{
    holds(2, 5 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    (void)begins(0);
    ck_assert_int_eq(time_comes(), now_us + US_PER_MS);
    ck_assert_int_eq(at(US_PER_MS), now_us + 9 * US_PER_MS);
}
END_TEST

START_TEST(what_waits_long_is_shared_with_who_is_idle)
{
    holds(6, 400);
    (void)begins(0);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 3);
    ck_assert_uint_eq(slot(1)->count, 3);
}
END_TEST

START_TEST(what_is_soon_done_is_not)
{
    holds(6, 100);
    (void)begins(0);
    (void)time_comes();
    ck_assert_uint_eq(slot(0)->count, 6);
    (void)at(US_PER_MS); /* the first is not short */
    ck_assert_uint_lt(slot(0)->count, 6);
}
END_TEST

/* ---- the next job in hand ---- */

static struct loan_begun begun; /* of all that are lent */

static struct id gets_lent(void)
{
    static uint32_t loans;
    struct id id = gets(MODULE);
    struct inbox_node *n = d->pools[0].pending;
    while (n->next)
        n = n->next;
    INBOX_OWNER(n, struct claim, order.node)->loan = (struct loan){&begun, ++loans};
    return id;
}

static void has_begun(uint32_t number)
{
    ck_assert_uint_eq(atomic_load(&begun.number), number);
    ck_assert_int_eq(atomic_load(&begun.at_us), now_us);
}

/* The only worker computes: a job that is thought to take 20 ms, and was lent. */
static struct id one_in_hand(void)
{
    slot(0)->computes = true;
    d->pools[0].depth = 1;
    d->pools[0].run_ewma_us = 20 * US_PER_MS;
    atomic_store(&board->task[MODULE].run_ewma_us, 20 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    struct id id = gets_lent();
    d->pools[0].granted = 0;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].granted, 1); /* for the one that follows */
    has_begun(1);
    ck_assert(!d->late); /* it came just now: the writer looks again by itself */
    return id;
}

static struct id follows(void)
{
    struct id id = gets_lent();
    d->pools[0].granted--;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].waiting, 1);
    has_begun(1);
    d->slept++;
    return id;
}

START_TEST(it_begins_with_the_end_of_the_one_before)
{
    struct id id = one_in_hand(), next = follows();
    struct assignment a = begins(0);
    ends(&a, true, false);
    deliver_socket(d, slot(0));
    ended(&id, ATTEMPT_SUCCEEDED);
    ck_assert(id_equal(&slot(0)->held[0].claim->job, &next));
    has_begun(2);
    ck_assert_uint_eq(d->ended->credit, 1); /* for the third, with the outcome */
    ck_assert_uint_eq(d->pools[0].granted, 1);
    ck_assert(d->late);
    ck_assert(pool_is_patient(&d->pools[0]));
}
END_TEST

/* Of several, each as its turn comes. */
START_TEST(what_a_worker_holds_begins_in_turn)
{
    struct id one = gets_lent(), two = gets_lent();
    (void)gets_lent();
    slot_set_stopped(slot(1), 1);
    deliver_pending(d, &d->pools[0]);
    has_begun(1);
    struct assignment a = begins(0);
    (void)at(300);
    ends(&a, true, true);
    deliver_look(d);
    ended(&one, ATTEMPT_SUCCEEDED);
    has_begun(2);
    (void)at(100);
    stop_cancel(d, &two, 1); /* it had not begun */
    ended(&two, ATTEMPT_CANCELLED);
    has_begun(3);
}
END_TEST

START_TEST(it_goes_back_when_the_one_before_goes_on)
{
    struct id id = one_in_hand(), next = follows();
    (void)begins(0);
    now_us += 50 * US_PER_MS; /* a little longer than usual */
    clock_fake(WALL_US, now_us);
    int64_t due_us = time_comes();
    ck_assert_int_gt(due_us, now_us);
    ck_assert_ptr_null(outcome(&next));
    for (int i = 0; i < 2; i++) { /* it is not thought to end soon; and then, nobody takes it */
        now_us = due_us;
        clock_fake(WALL_US, now_us);
        ck_assert_ptr_null(outcome(&next));
        due_us = time_comes();
    }
    ended(&next, ATTEMPT_RETURNED);
    ck_assert_ptr_null(outcome(&id));
    ck_assert_uint_eq(atomic_load(&begun.number), 1);
    ck_assert_uint_eq(d->ended->credit, 0);
    ck_assert(pool_is_patient(&d->pools[0])); /* it asked for none */
}
END_TEST

static void takes_none_in_hand(void)
{
    d->pools[0].depth = 1;
    atomic_store(&board->task[MODULE].run_ewma_us, 20 * US_PER_MS);
    slot_set_stopped(slot(1), 1);
    d->pools[0].granted = 0;
    deliver_pending(d, &d->pools[0]);
    ck_assert_uint_eq(d->pools[0].granted, 0);
    ck_assert_int_eq(slot(0)->soon, SOON_UNKNOWN);
}

START_TEST(none_is_taken_in_hand_behind_one_that_was_written)
{
    slot(0)->computes = true;
    (void)gets(MODULE);
    takes_none_in_hand();
}
END_TEST

START_TEST(nor_by_a_worker_that_waits_for_something)
{
    (void)gets_lent();
    takes_none_in_hand();
}
END_TEST

/* ---- why did it die? ---- */

static const struct attempt *killed_at_its_work(int task, int64_t peak)
{
    struct id job = gets(task);
    give_all();
    (void)begins(0);
    dies(SIGKILL, peak);
    ended(&job, ATTEMPT_FAILED);
    ck_assert_uint_eq(atomic_load(&board->task[task].failed), 1);
    return outcome(&job);
}

START_TEST(a_module_has_its_workers_memory)
{
    const struct attempt *a = killed_at_its_work(MODULE, 63 * MIB);
    ck_assert_str_eq(a->error.code, JOB_ERROR_MEMORY);
    ck_assert(!a->retry_now);
}
END_TEST

START_TEST(a_program_has_its_own)
{
    for (int task = COMMAND; task <= WARM; task++) {
        const struct attempt *a = killed_at_its_work(task, 63 * MIB);
        ck_assert_str_eq(a->error.code, JOB_ERROR_CRASHED);
        ck_assert(a->retry_now);
        struct msg m;
        ck_assert_int_eq(asked(&m), MSG_SPAWN);
        fd_close(&worker[0]);
        is_ready(0);
    }
}
END_TEST

/* ---- programs kept warm ---- */

static void tells(int i, bool ok)
{
    struct msg m = {.kind = MSG_TASK_STATE, .fd = -1};
    m.u.TASK_STATE = (struct msg_TASK_STATE){
        .generation = slot(i)->generation, .task = WARM, .ok = ok, .why = {"no model", ok ? 0 : 8}};
    ck_assert_int_eq(msg_send(worker[i], &m), 0);
    deliver_socket(d, slot(i));
}

static bool is_in_trouble(void)
{
    char why[BOARD_TROUBLE_MAX + 1];
    return board_trouble_get(&board->task[WARM], why);
}

START_TEST(a_trouble_goes_with_its_worker)
{
    tells(1, true);
    tells(0, false);
    ck_assert(is_in_trouble());
    dies(0, 0);
    ck_assert(!is_in_trouble()); /* the other has nothing new to say */
}
END_TEST

START_TEST(the_trouble_of_another_stays)
{
    tells(0, false);
    tells(1, false);
    dies(0, 0);
    ck_assert(is_in_trouble());
    tells(1, true);
    ck_assert(!is_in_trouble());
}
END_TEST

int main(void)
{
    return SUITE(
        "deliver", setup, NULL, a_cancel_that_is_late_is_not_the_next_ones,
        nobody_is_killed_for_what_is_over, nor_for_time_that_is_over,
        the_second_is_cancelled_when_it_is_the_first, what_waits_behind_goes_to_others,
        a_drain_returns_the_one_that_runs, a_worker_with_much_to_do_wakes_nobody,
        one_that_is_told_to_stop_wakes_dispatch, a_job_that_is_not_short_is_looked_at_once,
        what_waits_long_is_shared_with_who_is_idle, what_is_soon_done_is_not,
        it_begins_with_the_end_of_the_one_before, what_a_worker_holds_begins_in_turn,
        it_goes_back_when_the_one_before_goes_on, none_is_taken_in_hand_behind_one_that_was_written,
        nor_by_a_worker_that_waits_for_something, a_module_has_its_workers_memory,
        a_program_has_its_own, a_trouble_goes_with_its_worker, the_trouble_of_another_stays);
}
