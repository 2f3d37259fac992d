/* check_usage.c - the kernel's lists of children, whole and cut; many who ask at once. */
#include "../server/usage.h"

#include "../common/clock.h"
#include "suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_list_is_read_up_to_where_it_is_cut)
{
    pid_t pid[4];
    ck_assert_uint_eq(usage_children("", pid, 4), 0);
    ck_assert_uint_eq(usage_children("12 345 ", pid, 4), 2);
    ck_assert_int_eq(pid[0], 12);
    ck_assert_int_eq(pid[1], 345);
    ck_assert_uint_eq(usage_children("12 345", pid, 4), 1); /* of 3456, as it may be */
    ck_assert_uint_eq(usage_children("12", pid, 4), 0);
    ck_assert_uint_eq(usage_children("1 2 3 4 5 ", pid, 4), 4);
}
END_TEST

START_TEST(a_list_of_the_kernel)
{
    char path[64], text[256] = "";
    pid_t pid[4], child = test_fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, f), 0);
    (void)fclose(f);
    ck_assert_uint_eq(usage_children(text, pid, 4), 1);
    ck_assert_int_eq(pid[0], child);
    (void)kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* ---- many who ask at once ---- */

#define ASKERS 3
#define ASKED  300

static struct board *board;
static _Atomic int64_t time_us = US_PER_S;

/* Each time what is known is too old. One that asks while another reads is told what was known. */
static void *ask(void *arg)
{
    struct usage now[1];
    bool all = true;
    for (int i = 0; i < ASKED; i++) {
        clock_fake(US_PER_S, atomic_fetch_add(&time_us, 2 * US_PER_S));
        usage_read(board, now);
        all = all && now[0].pid == getpid() && now[0].processes > 0 && now[0].rss_bytes > 0;
    }
    return all ? arg : NULL;
}

START_TEST(who_does_not_wait_gets_what_was_known)
{
    int fd;
    pthread_t asker[ASKERS];
    struct usage first[1];
    board = board_new(1, &fd);
    ck_assert_ptr_nonnull(board);
    usage_read(board, first);
    ck_assert_int_eq(first[0].pid, 0); /* nobody is there */
    atomic_store(&board->slot[0].state, SLOT_IDLE);
    atomic_store(&board->slot[0].pid, getpid());
    clock_fake(US_PER_S, clock_mono_us() + 2 * US_PER_S);
    atomic_store(&time_us, clock_mono_us());
    usage_read(board, first);
    ck_assert_int_eq(first[0].pid, getpid());
    for (int i = 0; i < ASKERS; i++)
        ck_assert_int_eq(pthread_create(&asker[i], NULL, ask, board), 0);
    for (int i = 0; i < ASKERS; i++) {
        void *all;
        ck_assert_int_eq(pthread_join(asker[i], &all), 0);
        ck_assert_ptr_nonnull(all);
    }
    clock_fake(-1, -1);
    board_unmap(board);
    close(fd);
}
END_TEST

int main(void)
{
    return SUITE("usage", NULL, NULL, a_list_is_read_up_to_where_it_is_cut, a_list_of_the_kernel,
                 who_does_not_wait_gets_what_was_known);
}
