/* check_canonical.c - the one form of JSON texts of the same value: what has it in common, and what
 * not.
 */
#include "../server/canonical.h"

#include "../common/err.h"
#include "../common/jsonscan.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 64

/* Of memory that is exactly as long as the text, so that a sanitizer sees a byte too far. */
static void form_of(const char *text, struct buf *out)
{
    size_t len = strlen(text);
    char *exact = malloc(len);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    ck_assert_int_eq(jsonscan(exact, len, DEPTH, NULL, NULL), 0);
    ck_assert_msg(canonical_json(exact, len, out) == 0, "%s", text);
    free(exact);
}

static bool same(const char *one, const char *other)
{
    AUTO_BUF a = BUF_INIT, b = BUF_INIT;
    form_of(one, &a);
    form_of(other, &b);
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

START_TEST(the_form_is_short_and_sorted)
{
    AUTO_BUF out = BUF_INIT;
    form_of(" { \"b\" : [ 1.0 , -2e2, true,null ] , \"a\" : \"\\u00e4\\/\" } ", &out);
    ck_assert_str_eq(out.data, "{\"a\":\"\xc3\xa4/\",\"b\":[1,-200,true,null]}");
}
END_TEST

START_TEST(the_same_number_has_one_form)
{
    static const char *const rows[][8] = {
        {"0", "-0", "0.0", "-0.00", "0e7", "0E-7", "0e99999999999999999999"},
        {"1", "1.0", "1e0", "10e-1", "0.1E+1", "0.01e002", "1000e-3"},
        {"-1", "-1.000", "-0.1e1", "-10e-1"},
        {"1200", "12e2", "1.2e3", "1200.0", "0.0012e6", "1200e-0"},
        {"0.5", "5e-1", "0.50", "0.05e1", "500e-3"},
        {"10.01", "1001e-2", "10.010", "0.1001e2"},
        {"999999999999999999", "999999999999999999.0", "9.99999999999999999e17"},
        {"1000000000000000000", "1e18", "10e17", "1000000000000000000.0"},
        {"9223372036854775807", "9223372036854775807.0", "9.223372036854775807e18"},
        {"12345678901234567890", "1234567890123456789e1", "12345678901234567890.0"},
        {"-18446744073709551616", "-18446744073709551616.0", "-1.8446744073709551616E19"},
        {"10000000000000000000000", "1e22", "1E+22", "10000000000000000000000.0", "0.1e23"},
        {"1e-400", "0.1e-399", "10e-401"},
        {"1e-99999999999999999999", "1e-99999999999999999999"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < 8 && rows[i][k]; k++)
            ck_assert_msg(same(rows[i][0], rows[i][k]), "%s %s", rows[i][0], rows[i][k]);
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(!same(rows[i][0], rows[k][0]), "%s %s", rows[i][0], rows[k][0]);
    }
}
END_TEST

START_TEST(other_values_have_other_forms)
{
    static const char *const rows[][2] = {
        {"18446744073709551616", "18446744073709551617"},
        {"9223372036854775807", "9223372036854775808"},
        {"9007199254740992.0", "9007199254740993.0"},
        {"0.1", "0.10000000000000001"},
        {"1e22", "-1e22"},
        {"1e22", "1e23"},
        {"1.5", "15"},
        {"1e22", "\"1e22\""},
        {"1e22", "[1e22]"},
        {"\"1.0\"", "\"1\""},
        {"{\"a\":\"\\\\\",\"b\":1.0}", "{\"a\":\"\\\\\",\"b\":1.5}"},
        {"\"\\\"1.0\"", "\"\\\"1\""},
        {"{\"1.0\":1}", "{\"1\":1}"},
        {"[1,2]", "[2,1]"},
        {"null", "false"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(!same(rows[i][0], rows[i][1]), "%s %s", rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(numbers_stand_anywhere)
{
    ck_assert(
        same("{\"a7\":1,\"b\":12345678901234567890}", "{\"b\":12345678901234567890,\"a7\":1}"));
    ck_assert(same("[{\"a\":[1.50,1e22]},2.0]", " [ { \"a\" : [15e-1 , 10e21]} , 2 ] "));
    ck_assert(!same("[{\"a\":[1.50,1e22]},2.0]", "[{\"a\":[1.50,1e21]},2.0]"));
}
END_TEST

int main(void)
{
    return SUITE("canonical", NULL, NULL, the_form_is_short_and_sorted,
                 the_same_number_has_one_form, other_values_have_other_forms,
                 numbers_stand_anywhere);
}
