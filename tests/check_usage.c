/* check_usage.c - the kernel's lists of children, whole and cut. */
#include "../server/usage.h"

#include "suite.h"

#include <signal.h>
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
    pid_t pid[4], child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
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

int main(void)
{
    return SUITE("usage", NULL, NULL, a_list_is_read_up_to_where_it_is_cut, a_list_of_the_kernel);
}
