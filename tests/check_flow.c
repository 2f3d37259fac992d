/* check_flow.c - the settings of a task that say how many of its jobs run and how long they are
 * kept. */
#include "../server/conf_flow.h"

#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static void taken(struct taskdef *t, const char *name, const char *value)
{
    AUTO_BUF why = BUF_INIT;
    ck_assert_msg(flow_set(t, name, value, &(uint64_t){0}, &why) == 0, "%s = %s: %s", name, value,
                  why.data);
}

static void refused(const char *name, const char *value, const char *words)
{
    static struct taskdef t;
    AUTO_BUF why = BUF_INIT;
    ck_assert_msg(flow_set(&t, name, value, &(uint64_t){0}, &why) == -ERR_CONFIG, "%s = %s", name,
                  value);
    ck_assert_msg(strstr(why.data, words), "%s", why.data);
}

START_TEST(rates)
{
    static const struct {
        const char *text;
        double rate;
    } rows[] = {{"0", 0},        {"10", 10},   {"10/s", 10}, {"120/m", 2},
                {"1800/h", 0.5}, {"0.5", 0.5}, {"1e6", 1e6}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct taskdef t;
        taken(&t, "rate", rows[i].text);
        ck_assert_double_eq(t.rate, rows[i].rate);
    }
}
END_TEST

START_TEST(values_that_are_refused)
{
    static const struct {
        const char *name, *value, *words;
    } rows[] = {
        {"rate", "", "jobs in a time"},
        {"rate", "x", "jobs in a time"},
        {"rate", "-1", "jobs in a time"},
        {"rate", "nan", "jobs in a time"},
        {"rate", "1000001", "jobs in a time"},
        {"rate", "10/d", "jobs in a time"},
        {"rate", "10 /s", "jobs in a time"},
        {"concurrency", "-1", "0 (no limit)"},
        {"concurrency", "1000001", "0 (no limit)"},
        {"concurrency", "1.5", "0 (no limit)"},
        {"key_concurrency", "0", "1 to 1000000"},
        {"key_concurrency", "x", "1 to 1000000"},
        {"burst", "0", "1 to 1000000"},
        {"burst", "-3", "1 to 1000000"},
        {"backoff", "never", "exponential 1s 1h"},
        {"backoff", "fixed x", "exponential 1s 1h"},
        {"backoff", "fixed -1s", "exponential 1s 1h"},
        {"keep_for", "-1s", "for ever"},
        {"keep_for", "3651d", "for ever"},
        {"keep_for", "x", "for ever"},
        {"keep_max", "-1", "0 (all)"},
        {"keep_max", "1000000000001", "0 (all)"},
        {"keep_max", "x", "0 (all)"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refused(rows[i].name, rows[i].value, rows[i].words);
    static struct taskdef t;
    AUTO_BUF why = BUF_INIT;
    ck_assert_int_eq(flow_set(&t, "colour", "1", &(uint64_t){0}, &why), 1); /* of somebody else */
    ck_assert_uint_eq(why.len, 0);
}
END_TEST

/* What is printed is read again as the same. */
START_TEST(printed_and_read_again)
{
    static const char *const rows[][2] = {
        {"concurrency", "7"}, {"key_concurrency", "2"},         {"rate", "120/m"},
        {"burst", "5"},       {"backoff", "list 1s 2500ms 1m"}, {"keep_for", "90s"},
        {"keep_max", "1000"}};
    static struct taskdef t, again;
    char text[1024];
    flow_begin(&t);
    flow_begin(&again);
    ck_assert_int_lt(t.keep_for_us, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        taken(&t, rows[i][0], rows[i][1]);
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    flow_print(&t, out);
    ck_assert_int_eq(fclose(out), 0);
    size_t lines = 0;
    for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest)); lines++) {
        char *sign = strstr(line, " = ");
        ck_assert_ptr_nonnull(sign);
        *sign = '\0';
        taken(&again, line, sign + 3);
    }
    ck_assert_uint_eq(lines, sizeof(rows) / sizeof(rows[0]));
    ck_assert_uint_eq(again.concurrency, 7);
    ck_assert_uint_eq(again.key_concurrency, 2);
    ck_assert_double_eq(again.rate, 2);
    ck_assert_double_eq(again.burst, 5);
    ck_assert_str_eq(again.backoff, t.backoff);
    ck_assert_int_eq(again.keep_for_us, 90000000);
    ck_assert_int_eq(again.keep_max, 1000);
}
END_TEST

START_TEST(nothing_set_prints_nothing)
{
    static struct taskdef t;
    char text[64] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    flow_begin(&t);
    flow_print(&t, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
    return SUITE("flow", NULL, NULL, rates, values_that_are_refused, printed_and_read_again,
                 nothing_set_prints_nothing);
}
