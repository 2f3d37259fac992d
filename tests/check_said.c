/*
 * check_said.c - what a program writes, in whatever pieces it comes, is the same lines.
 */
#include "../workers/said.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define MAX 8 /* bytes of a line */

static void note(void *arg, const char *text, size_t len)
{
    buf_addc(arg, '[');
    buf_add(arg, text, len);
    buf_addc(arg, ']');
}

START_TEST(pieces_make_no_difference)
{
    static const struct {
        const char *text, *lines;
    } row[] = {
        {"", ""},
        {"a", "[a]"},
        {"a\n", "[a]"},
        {"\n", "[]"},
        {"a\n\n", "[a][]"},
        {"a\n\n\nb\n", "[a][][][b]"},
        {"\n\na", "[][][a]"},
        {"12345678", "[12345678]"},
        {"12345678\n", "[12345678]"},
        {"12345678\n\n", "[12345678][]"},
        {"123456789\n", "[12345678][9]"},
        {"1234567812345678\n", "[12345678][12345678]"},
        {"1234567812345678\n\n1\n", "[12345678][12345678][][1]"},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        size_t len = strlen(row[i].text);
        for (size_t step = 1; step <= len + 1; step++) {
            struct lines l = {0};
            AUTO_BUF got = BUF_INIT;
            for (size_t at = 0; at < len; at += step)
                lines_take(&l, row[i].text + at, len - at < step ? len - at : step, MAX, note,
                           &got);
            lines_end(&l, note, &got);
            buf_addc(&got, '\0');
            ck_assert_msg(strcmp(got.data, row[i].lines) == 0, "%s in pieces of %zu: %s",
                          row[i].text, step, got.data);
            buf_release(&l.part);
        }
    }
}
END_TEST

/* As what a job says is all taken in at its end. */
START_TEST(the_end_of_a_line_may_come_late)
{
    struct lines l = {0};
    AUTO_BUF got = BUF_INIT;
    lines_take(&l, "a", 1, MAX, note, &got);
    lines_end(&l, note, &got);
    lines_take(&l, "\nb\n", 3, MAX, note, &got);
    buf_addc(&got, '\0');
    ck_assert_str_eq(got.data, "[a][b]");
    buf_release(&l.part);
}
END_TEST

int main(void)
{
    return SUITE("said", NULL, NULL, pieces_make_no_difference, the_end_of_a_line_may_come_late);
}
