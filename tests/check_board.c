/* check_board.c - the scoreboard: cells that one side wins, slots copied whole while they change.
 */
#include "../common/board.h"

#include "../common/clock.h"
#include "../common/fdio.h"
#include "suite.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS  3
#define ROUNDS 20000

static struct board *board;
static int board_fd = -1;

static void setup(void)
{
    board = board_new(SLOTS, &board_fd);
    ck_assert_ptr_nonnull(board);
    for (int i = 0; i < SLOTS; i++)
        atomic_store(&board->slot[i].state, SLOT_IDLE);
}

static void teardown(void)
{
    board_unmap(board);
    fd_close(&board_fd);
}

static struct id id_of(uint64_t n)
{
    struct id id;
    id_make(&id, n, n * 3);
    return id;
}

START_TEST(a_new_board_is_empty)
{
    struct slot_view v;
    ck_assert_uint_eq(board->slots, SLOTS);
    for (int i = 0; i < SLOTS; i++) {
        slot_copy(&board->slot[i], &v);
        ck_assert_int_eq(v.state, SLOT_IDLE);
        ck_assert(!v.has_job);
        ck_assert_int_eq(v.pid, 0);
    }
    struct id id = id_of(0);
    ck_assert(!board_find_job(board, &id, &v));
}
END_TEST

START_TEST(two_maps_are_one_board)
{
    struct board *other = board_map(board_fd);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_ne(other, board);
    atomic_store(&other->slot[2].pid, 77);
    ck_assert_int_eq(atomic_load(&board->slot[2].pid), 77);
    board_unmap(other);
    board_unmap(NULL);
}
END_TEST

START_TEST(what_is_no_board_is_refused)
{
    int fd = memfd_create("no-board", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_ptr_null(board_map(fd)); /* empty */
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    ck_assert_ptr_null(board_map(fd)); /* no magic */
    fd_close(&fd);
    ck_assert_ptr_null(board_map(-1));
    board->slots = SLOTS + 1; /* its size would be another */
    ck_assert_ptr_null(board_map(board_fd));
    board->slots = SLOTS;
    board->magic ^= 1;
    ck_assert_ptr_null(board_map(board_fd));
    board->magic ^= 1;
}
END_TEST

START_TEST(a_cell_is_won_once)
{
    struct board_slot *s = &board->slot[0];
    atomic_store(&s->cell[4], cell_word(9, CELL_ASSIGNED));
    ck_assert(!cell_start(s, 4, 8)); /* another job's */
    ck_assert(!cell_start(s, 5, 9)); /* another cell */
    ck_assert(cell_start(s, 4, 9));
    ck_assert(!cell_start(s, 4, 9));
    ck_assert(!cell_revoke(s, 4, 9));
    ck_assert_uint_eq(atomic_load(&s->cell[4]), cell_word(9, CELL_STARTED));
    atomic_store(&s->cell[4], cell_word(10, CELL_ASSIGNED));
    ck_assert(cell_revoke(s, 4, 10));
    ck_assert(!cell_start(s, 4, 10));
    ck_assert(!cell_start(s, BOARD_DEPTH, 10)); /* outside */
    ck_assert(!cell_revoke(s, UINT32_MAX, 10));
}
END_TEST

static pthread_barrier_t gate;

static void *revoke_all(void *arg)
{
    uint64_t *won = arg;
    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        pthread_barrier_wait(&gate);
        *won += cell_revoke(&board->slot[0], 0, seq);
        pthread_barrier_wait(&gate);
    }
    return NULL;
}

START_TEST(either_starts_or_is_revoked)
{
    pthread_t t;
    uint64_t revoked = 0, started = 0;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, revoke_all, &revoked), 0);
    for (uint64_t seq = 1; seq <= ROUNDS; seq++) {
        atomic_store(&board->slot[0].cell[0], cell_word(seq, CELL_ASSIGNED));
        pthread_barrier_wait(&gate);
        started += cell_start(&board->slot[0], 0, seq);
        pthread_barrier_wait(&gate);
    }
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_uint_eq(started + revoked, ROUNDS);
    pthread_barrier_destroy(&gate);
}
END_TEST

START_TEST(a_job_is_seen)
{
    struct board_slot *s = &board->slot[1];
    struct slot_view v;
    struct id id = id_of(5), other = id_of(6);
    slot_job_begin(s, 12, &id, 2, 3, 1234567);
    ck_assert(board_find_job(board, &id, &v));
    ck_assert(!board_find_job(board, &other, &v));
    slot_copy(s, &v);
    ck_assert(v.has_job);
    ck_assert(id_equal(&v.job, &id));
    ck_assert_uint_eq(v.attempt, 2);
    ck_assert_uint_eq(v.task, 3);
    ck_assert_int_eq(v.job_started_us, 1234567);
    ck_assert(!v.has_progress);
    slot_progress(s, -1, "begun", 5);
    slot_copy(s, &v);
    ck_assert(!v.has_progress);
    ck_assert_str_eq(v.progress_text, "begun");
    slot_progress(s, 0.25, "a quarter", 9);
    slot_copy(s, &v);
    ck_assert(v.has_progress);
    ck_assert_double_eq_tol(v.progress, 0.25, 1e-6);
    ck_assert_str_eq(v.progress_text, "a quarter");
    slot_job_begin(s, 13, &other, 1, 3, 1234568); /* the next begins without the last one's words */
    slot_copy(s, &v);
    ck_assert(!v.has_progress);
    ck_assert_str_eq(v.progress_text, "");
    slot_job_end(s);
    slot_copy(s, &v);
    ck_assert(!v.has_job);
    ck_assert(!board_find_job(board, &other, &v));
}
END_TEST

START_TEST(what_a_dead_worker_left_is_not_shown)
{
    struct board_slot *s = &board->slot[1];
    struct slot_view v;
    struct id id = id_of(5);
    slot_job_begin(s, 12, &id, 2, 3, 1);
    atomic_store(&s->state, SLOT_EMPTY);
    slot_copy(s, &v);
    ck_assert(!v.has_job);
    atomic_store(&s->state, SLOT_STARTING); /* its successor, which has not looked at it yet */
    slot_copy(s, &v);
    ck_assert(!v.has_job);
    atomic_store(&s->state, SLOT_BUSY);
    atomic_fetch_add(&s->lock, 1); /* it died while it wrote */
    slot_copy(s, &v);
    ck_assert(!v.has_job);
    id = id_of(6);
    slot_job_begin(s, 13, &id, 1, 3, 1); /* its successor's first job is seen all the same */
    slot_copy(s, &v);
    ck_assert(v.has_job);
    ck_assert(id_equal(&v.job, &id));
}
END_TEST

START_TEST(progress_has_limits)
{
    struct board_slot *s = &board->slot[0];
    struct slot_view v;
    struct id id = id_of(1);
    slot_job_begin(s, 1, &id, 1, 0, 0);
    static const double fractions[][2] = {{0, 0}, {1, 1}, {7, 1}, {1e300, 1}, {0.9999999, 1}};
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        slot_progress(s, fractions[i][0], NULL, 0);
        slot_copy(s, &v);
        ck_assert_double_eq_tol(v.progress, fractions[i][1], 1e-6);
    }
    slot_progress(s, 0.5, NULL, 0);
    slot_progress(s, -1, "left as it is", 13);
    slot_progress(s, NAN, NULL, 0);
    slot_copy(s, &v);
    ck_assert_double_eq_tol(v.progress, 0.5, 1e-6);
    ck_assert_str_eq(v.progress_text, "left as it is");
}
END_TEST

START_TEST(progress_text_is_cut_at_a_boundary)
{
    static const char *const sign[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    struct board_slot *s = &board->slot[0];
    struct id id = id_of(1);
    slot_job_begin(s, 1, &id, 1, 0, 0);
    for (size_t width = 1; width <= 4; width++) {
        for (size_t n = JOB_PROGRESS_TEXT_MAX / width - 1; n < JOB_PROGRESS_TEXT_MAX + 3; n++) {
            struct slot_view v;
            char *exact = malloc(n * width); /* a sanitizer sees a byte too far */
            ck_assert_ptr_nonnull(exact);
            for (size_t i = 0; i < n; i++)
                memcpy(exact + i * width, sign[width - 1], width);
            slot_progress(s, 0, exact, n * width);
            slot_copy(s, &v);
            size_t want = n * width > JOB_PROGRESS_TEXT_MAX ? JOB_PROGRESS_TEXT_MAX / width * width
                                                            : n * width;
            ck_assert_uint_eq(strlen(v.progress_text), want);
            ck_assert_mem_eq(v.progress_text, exact, want);
            free(exact);
        }
    }
}
END_TEST

START_TEST(cancel_names_the_job)
{
    struct board_slot *s = &board->slot[0];
    struct id id = id_of(1);
    ck_assert(!slot_cancelled(s)); /* idle; cancel_seq is 0, as seq */
    slot_job_begin(s, 5, &id, 1, 0, 0);
    atomic_store(&s->cancel_seq, 4);
    ck_assert(!slot_cancelled(s));
    atomic_store(&s->cancel_seq, 5);
    ck_assert(slot_cancelled(s));
    slot_job_end(s);
    ck_assert(!slot_cancelled(s));
}
END_TEST

/* Jobs whose every part follows from the number n. */
static void write_job(struct board_slot *s, uint64_t n)
{
    char text[64];
    struct id id = id_of(n);
    int len = snprintf(text, sizeof(text), "job %020llu %020llu", (unsigned long long)n,
                       (unsigned long long)n);
    slot_job_begin(s, n, &id, (uint32_t)n, (uint32_t)n + 1, (int64_t)n * 2);
    slot_progress(s, 0.5, text, (size_t)len);
    if (n % 3 == 0)
        slot_job_end(s);
}

static void ck_whole(const struct slot_view *v)
{
    char text[64];
    uint64_t n = id_key(&v->job);
    snprintf(text, sizeof(text), "job %020llu %020llu", (unsigned long long)n,
             (unsigned long long)n);
    ck_assert_uint_eq(id_tail(&v->job), n * 3);
    ck_assert_uint_eq(v->attempt, (uint32_t)n);
    ck_assert_uint_eq(v->task, (uint32_t)n + 1);
    ck_assert_int_eq(v->job_started_us, (int64_t)n * 2);
    if (v->has_progress)
        ck_assert_str_eq(v->progress_text, text);
}

static _Atomic int reading;

static void *write_on(void *arg)
{
    for (uint64_t n = 1; atomic_load(&reading); n++)
        write_job(arg, n);
    return NULL;
}

static unsigned read_whole(const struct board_slot *s, unsigned rounds)
{
    struct slot_view v;
    unsigned seen = 0;
    for (unsigned i = 0; i < rounds; i++) {
        slot_copy(s, &v);
        if (v.has_job) {
            ck_whole(&v);
            seen++;
        }
    }
    return seen;
}

START_TEST(readers_see_whole_jobs)
{
    pthread_t t;
    atomic_store(&reading, 1);
    ck_assert_int_eq(pthread_create(&t, NULL, write_on, &board->slot[0]), 0);
    unsigned seen = 0;
    int64_t until = clock_mono_us() + 20 * US_PER_S;
    while (seen < 1000 && clock_mono_us() < until) /* the writer may yet have to begin */
        seen += read_whole(&board->slot[0], 10000);
    atomic_store(&reading, 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_uint_ge(seen, 1000);
}
END_TEST

START_TEST(writers_may_be_killed)
{
    for (uint64_t round = 0; round < 20; round++) {
        pid_t pid = test_fork();
        if (pid == 0) {
            for (uint64_t n = 1;; n++)
                write_job(&board->slot[0], n);
        }
        while (atomic_load(&board->slot[0].seq) <= round * 100) /* until it is in the midst of it */
            (void)read_whole(&board->slot[0], 10);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        (void)read_whole(&board->slot[0], 10); /* whole, or nothing */
        write_job(&board->slot[0], 1);
        struct slot_view v;
        slot_copy(&board->slot[0], &v);
        ck_assert(v.has_job);
        ck_whole(&v);
        slot_job_end(&board->slot[0]);
        atomic_store(&board->slot[0].seq, 0);
    }
}
END_TEST

int main(void)
{
    return SUITE("board", setup, teardown, a_new_board_is_empty, two_maps_are_one_board,
                 what_is_no_board_is_refused, a_cell_is_won_once, either_starts_or_is_revoked,
                 a_job_is_seen, what_a_dead_worker_left_is_not_shown, progress_has_limits,
                 progress_text_is_cut_at_a_boundary, cancel_names_the_job, readers_see_whole_jobs,
                 writers_may_be_killed);
}
