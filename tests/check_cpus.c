/* check_cpus.c - lists of CPUs: their text, and what is none. */
#include "../common/cpus.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

START_TEST(lists_and_ranges)
{
    static const struct {
        const char *text, *is;
        unsigned count;
    } rows[] = {
        {"0", "0", 1},         {"0-3,6", "0-3,6", 5}, {"6,0-3", "0-3,6", 5},
        {"1,2,3", "1-3", 3},   {"0-2,1-4", "0-4", 5}, {" 1 , 3-4 ", "1,3-4", 3},
        {"7-7", "7", 1},       {"1023", "1023", 1},   {"0-1023", "0-1023", 1024},
        {"63,64", "63-64", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cpus set;
        char text[CPUS_TEXT];
        ck_assert_msg(cpus_parse(rows[i].text, &set), "%s", rows[i].text);
        cpus_text(&set, text);
        ck_assert_str_eq(text, rows[i].is);
        ck_assert_uint_eq(cpus_count(&set), rows[i].count);
    }
}
END_TEST

START_TEST(what_is_no_list)
{
    static const char *const rows[] = {"",       " ",    ",",   "0,",        ",0",  "-1",
                                       "3-1",    "0-",   "a",   "0x1",       "1 2", "1024",
                                       "0-1024", "1--2", "0;1", "4294967296"};
    struct cpus set;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(!cpus_parse(rows[i], &set), "%s", rows[i]);
}
END_TEST

START_TEST(the_longest_text_fits)
{
    char text[CPUS_TEXT], again[CPUS_TEXT];
    struct cpus set = {{0}}, back;
    for (size_t i = 0; i < CPUS_MAX / 64; i++)
        set.bit[i] = UINT64_C(0x5555555555555555);
    cpus_text(&set, text);
    ck_assert_uint_eq(cpus_count(&set), CPUS_MAX / 2);
    ck_assert_uint_lt(strlen(text), CPUS_TEXT - 1);
    ck_assert(cpus_parse(text, &back));
    cpus_text(&back, again);
    ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(a_thread_is_bound)
{
    struct cpus all, one = {{0}}, now;
    ck_assert_int_eq(cpus_allowed(&all), 0);
    for (size_t i = 0; i < CPUS_MAX / 64 && !cpus_count(&one); i++)
        one.bit[i] = all.bit[i] & (0 - all.bit[i]);
    ck_assert_uint_eq(cpus_count(&one), 1);
    ck_assert(cpus_within(&one, &all));
    ck_assert_int_eq(cpus_bind(&one), 0);
    ck_assert_int_eq(cpus_allowed(&now), 0);
    ck_assert_mem_eq(&now, &one, sizeof(one));
    if (cpus_count(&all) > 1)
        ck_assert(!cpus_within(&all, &now));
}
END_TEST

START_TEST(a_quota_makes_fewer)
{
    ck_assert_uint_eq(cpus_by_quota(8, 0), 8);
    ck_assert_uint_eq(cpus_by_quota(8, 3), 3);
    ck_assert_uint_eq(cpus_by_quota(2, 3), 2);
}
END_TEST

int main(void)
{
    return SUITE("cpus", NULL, NULL, lists_and_ranges, what_is_no_list, the_longest_text_fits,
                 a_thread_is_bound, a_quota_makes_fewer);
}
