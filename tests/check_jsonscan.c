/* check_jsonscan.c - the strict JSON checker: what it takes, what it refuses and where, members,
 * text. */
#include "../common/jsonscan.h"

#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 8

/* In memory that is exactly as long as the text, so that a sanitizer sees a byte too far. */
static int scan(const char *text, size_t len, size_t *where, const char **why)
{
    char *exact = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    int err = jsonscan(exact, len, DEPTH, where, why);
    free(exact);
    return err;
}

START_TEST(takes)
{
    static const char *const rows[] = {
        "null",
        "true",
        "false",
        " \t\r\n 1 \t\r\n ",
        "0",
        "-0",
        "-1",
        "10",
        "1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1.25e-10",
        "123456789012345678901234567890",
        "1e999999",
        "\"\"",
        "\"a\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0001\\uFFFF\\uabCD\"",
        "\"\\uD83D\\ude00\"",
        "\"\x7F\"",
        "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
        "\"\xED\x9F\xBF\xEE\x80\x80\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1]",
        "[1,2 , 3]",
        "[[],{},[[]]]",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : [ { } ] }",
        "{\"\":\"\"}",
        "{\"a\":1,\"a\":2}", /* duplicate names are not its matter */
        "[[[[[[[[]]]]]]]]",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}",
        "[[[[[[[[1],[2]],[3]]]]]],[]]",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t where;
        const char *why;
        int err = scan(rows[i], strlen(rows[i]), &where, &why);
        ck_assert_msg(err == 0, "%s: %s at %zu", rows[i], why, where);
        ck_assert_uint_eq(where, strlen(rows[i]));
        ck_assert_str_eq(why, "");
    }
}
END_TEST

START_TEST(refuses)
{
    static const struct {
        const char *text;
        size_t where;
    } rows[] = {
        {"", 0},
        {"  ", 2},
        {"nul", 0},
        {"nulL", 0},
        {"True", 0},
        {"NaN", 0},
        {"Infinity", 0},
        {"undefined", 0},
        {"1 2", 2},
        {"nullx", 4},
        {"01", 1},
        {"-", 1},
        {"+1", 0},
        {".5", 0},
        {"1.", 2},
        {"1.e5", 2},
        {"1e", 2},
        {"1e+", 3},
        {"-a", 1},
        {"0x10", 1},
        {"\"", 1},
        {"\"abc", 4},
        {"\"\\", 1},
        {"\"\\x\"", 1},
        {"\"\\u12\"", 1},
        {"\"\\u12G4\"", 1},
        {"\"\\u0000\"", 1},
        {"\"\\uD83D\"", 7},
        {"\"\\uD83Dx\"", 7},
        {"\"\\uD83D\\u0041\"", 7},
        {"\"\\uDE00\"", 1},
        {"\"a\nb\"", 2},
        {"\"\x1F\"", 1},
        {"\"\x80\"", 1},
        {"\"\xC0\xAF\"", 1},
        {"\"\xC1\xBF\"", 1},
        {"\"\xC3\"", 1},
        {"\"\xE0\x9F\xBF\"", 1},
        {"\"\xED\xA0\x80\"", 1},
        {"\"\xF0\x8F\xBF\xBF\"", 1},
        {"\"\xF4\x90\x80\x80\"", 1},
        {"\"\xF5\x80\x80\x80\"", 1},
        {"\xEF\xBB\xBF{}", 0}, /* a byte order mark */
        {"'a'", 0},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"[1 2]", 3},
        {"[1}", 2},
        {"]", 0},
        {"[1]]", 3},
        {"{", 1},
        {"{\"a\"", 4},
        {"{\"a\":", 5},
        {"{\"a\":1", 6},
        {"{\"a\":1,", 7},
        {"{\"a\":1,}", 7},
        {"{,}", 1},
        {"{a:1}", 1},
        {"{1:1}", 1},
        {"{\"a\" 1}", 5},
        {"{\"a\":1]", 6},
        {"{\"a\":1 \"b\":2}", 7},
        {"{} // comment", 3},
        {"[1,/**/2]", 3},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t where = 999;
        const char *why = NULL;
        int err = scan(rows[i].text, strlen(rows[i].text), &where, &why);
        ck_assert_msg(err == -ERR_BAD_JSON, "%s: %d", rows[i].text, err);
        ck_assert_msg(where == rows[i].where, "%s: at %zu", rows[i].text, where);
        ck_assert_uint_gt(strlen(why), 0);
    }
    ck_assert_int_eq(jsonscan("1\0", 2, DEPTH, NULL, NULL), -ERR_BAD_JSON);
    ck_assert_int_eq(jsonscan("\"a\0b\"", 5, DEPTH, NULL, NULL), -ERR_BAD_JSON);
}
END_TEST

START_TEST(depth_is_bounded)
{
    static char text[100000];
    size_t where;
    const char *why;
    ck_assert_int_eq(scan("[[[[[[[[[]]]]]]]]]", 18, &where, &why), -ERR_TOO_DEEP);
    ck_assert_uint_eq(where, 8);
    ck_assert_int_eq(scan("[1,[[[[[[[[2]]]]]]]]]", 21, &where, &why), -ERR_TOO_DEEP);
    ck_assert_int_eq(jsonscan("[]", 2, 0, NULL, NULL), -ERR_TOO_DEEP);
    ck_assert_int_eq(jsonscan("1", 1, 0, NULL, NULL), 0);
    memset(text, '[', sizeof(text));
    ck_assert_int_eq(jsonscan(text, sizeof(text), 1000000, &where, NULL), -ERR_TOO_DEEP);
    ck_assert_uint_eq(where, 1024); /* its own bound */
    memset(text + 1024, ']', 1024);
    ck_assert_int_eq(jsonscan(text, 2048, 1000000, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof(text); i++) /* wide is not deep */
        text[i] = i % 2 ? '1' : ',';
    text[0] = '[';
    text[sizeof(text) - 1] = ']';
    text[sizeof(text) - 2] = ' ';
    text[sizeof(text) - 3] = '1';
    ck_assert_int_eq(jsonscan(text, sizeof(text), DEPTH, NULL, NULL), 0);
}
END_TEST

static const char sample[] = " { \"a\" : [ 1, -2.5e+3, \"x\\u00e4\\uD83D\\uDE00\\n\", { } ] , "
                             "\"b\\\"c\" : null , \"d\":\"\xE2\x82\xAC\" } ";

START_TEST(every_beginning_is_refused)
{
    for (size_t n = 0; n < sizeof(sample) - 2; n++) { /* the last blank is not needed */
        size_t where;
        const char *why;
        ck_assert_int_eq(scan(sample, n, &where, &why), -ERR_BAD_JSON);
        ck_assert_uint_le(where, n);
    }
    ck_assert_int_eq(jsonscan(sample, sizeof(sample) - 2, DEPTH, NULL, NULL), 0);
}
END_TEST

static bool count_member(void *arg, const char *name, size_t nlen, const char *value, size_t vlen)
{
    unsigned *n = arg;
    AUTO_BUF text = BUF_INIT;
    (void)name, (void)nlen;
    (void)jsonscan_text(&text, value, vlen);
    (*n)++;
    return true;
}

START_TEST(every_changed_byte_is_survived)
{
    char *text = malloc(sizeof(sample) - 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < sizeof(sample) - 1; i++) {
        for (int c = 0; c < 256; c++) {
            size_t where;
            unsigned n = 0;
            memcpy(text, sample, sizeof(sample) - 1);
            text[i] = (char)c;
            if (jsonscan(text, sizeof(sample) - 1, DEPTH, &where, NULL) == 0)
                (void)jsonscan_each(text, sizeof(sample) - 1, count_member, &n);
            ck_assert_uint_le(where, sizeof(sample) - 1);
            ck_assert_uint_le(n, 3);
        }
    }
    free(text);
}
END_TEST

static void ck_member(const char *text, const char *name, const char *want)
{
    const char *value;
    size_t vlen;
    bool found = jsonscan_member(text, strlen(text), name, &value, &vlen);
    ck_assert_msg(found == (want != NULL), "%s in %s", name, text);
    if (want) {
        ck_assert_uint_eq(vlen, strlen(want));
        ck_assert_mem_eq(value, want, vlen);
    }
}

START_TEST(members)
{
    ck_member(sample, "a", "[ 1, -2.5e+3, \"x\\u00e4\\uD83D\\uDE00\\n\", { } ]");
    ck_member(sample, "b\"c", "null");
    ck_member(sample, "d", "\"\xE2\x82\xAC\"");
    ck_member(sample, "c", NULL);
    ck_member(sample, "", NULL);
    ck_member("{\"\":1}", "", "1");
    ck_member("{\"\\u0061\":1}", "a", "1");
    ck_member("{\"x\":{\"a\":1},\"a\":2}", "a", "2"); /* the top level only */
    ck_member("{\"a\":1,\"a\":2}", "a", "1");
    ck_member("{}", "a", NULL);
    ck_member("[\"a\",1]", "a", NULL);
    ck_member("\"a\"", "a", NULL);
    ck_member("{\"ab\":1}", "a", NULL);
}
END_TEST

static bool stop_at_second(void *arg, const char *name, size_t nlen, const char *value, size_t vlen)
{
    (void)name, (void)nlen, (void)value, (void)vlen;
    return ++*(unsigned *)arg < 2;
}

START_TEST(each_goes_in_order_and_stops)
{
    unsigned n = 0;
    ck_assert(jsonscan_each(sample, strlen(sample), count_member, &n));
    ck_assert_uint_eq(n, 3);
    n = 0;
    ck_assert(jsonscan_each(sample, strlen(sample), stop_at_second, &n));
    ck_assert_uint_eq(n, 2);
    ck_assert(!jsonscan_each("[1]", 3, count_member, &n));
    ck_assert(!jsonscan_each("", 0, count_member, &n));
    ck_assert_uint_eq(n, 2);
}
END_TEST

static struct jsonscan_look look;

/* From memory of its own size, so that a sanitizer sees a byte too far. */
static bool is_plain(const char *text, size_t len)
{
    char *exact = malloc(len);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    int err = jsonscan_look(exact, len, 1024, NULL, NULL, &look);
    free(exact);
    return err == 0 && look.plain;
}

static void is_member(const char *text, unsigned i, const char *name, const char *value)
{
    char *whole = strdup(text);
    ck_assert_ptr_nonnull(whole);
    ck_assert_int_eq(jsonscan_look(whole, strlen(whole), DEPTH, NULL, NULL, &look), 0);
    ck_assert_uint_gt(look.members, i);
    const struct jsonscan_member *m = &look.member[i];
    ck_assert_msg(m->nlen == strlen(name) && memcmp(m->name, name, m->nlen) == 0, "%u of %s: %.*s",
                  i, text, (int)m->nlen, m->name);
    ck_assert_msg(m->vlen == strlen(value) && memcmp(m->value, value, m->vlen) == 0,
                  "%u of %s: %.*s", i, text, (int)m->vlen, m->value);
    free(whole);
}

START_TEST(members_of_a_look)
{
    static const char text[] =
        " {\"task\" : \"noop\" ,\"input\":{\"task\":[1,{\"a\":2}],\"b\":{}}, \"\":[ "
        "],\"n\":-1.5\n}";
    is_member(text, 0, "task", "\"noop\"");
    is_member(text, 1, "input", "{\"task\":[1,{\"a\":2}],\"b\":{}}");
    is_member(text, 2, "", "[ ]");
    is_member(text, 3, "n", "-1.5");
    ck_assert_uint_eq(look.members, 4);
    ck_assert(look.plain);
    is_member("{\"a\":null}", 0, "a", "null");
    ck_assert(is_plain("[{\"a\":1},2]", 11));
    ck_assert_uint_eq(look.members, 0); /* an array has none */
    ck_assert(is_plain("{}", 2));
    ck_assert_uint_eq(look.members, 0);
    ck_assert(!is_plain("{\"a\":1", 6)); /* and so are they not of what is no JSON */
    size_t where = 0;
    const char *why = "";
    ck_assert_int_eq(jsonscan_look("{\"a\":tru}", 9, DEPTH, &where, &why, &look), -ERR_BAD_JSON);
    ck_assert_uint_eq(where, 5);
    ck_assert_str_eq(why, "not a JSON value");
}
END_TEST

START_TEST(what_is_plain)
{
    static const char *const plain[] = {
        "1",
        "-0.5",
        "\"e\"",
        "{}",
        "[]",
        "{\"a\":1,\"b\":{\"a\":1,\"b\":[{\"a\":1},{\"a\":2}]},\"c\":\"a\"}",
        "[\"a\",\"a\",{\"a\":\"a\"}]",
        "{ \"a\" : [1 , 2] , \"b\" : [ ] , \"\" : null }",
        "{\"a\":\"x\\u0041\"}",
        "{\"a\":{},\"b\":{\"a\":true}}",
        "[1e5,-2.5E+290,1e-400,0e0,1E00000000000000000000007]",
    };
    static const char *const not [] = {
        "{\"a\":1,\"a\":2}",
        "[{\"b\":{\"a\":1,\"c\":{\"a\":1},\"a\":2}}]",
        "[1,-2E+400]",
        "1.5e309",
        "1e18446744073709551617",
        "{\"\\u0061\":1}",
        "{\"a\":[{\"b\":1}],\"a\":1}",
        "{\"a\":\"b\",\"c\":\"a\",\"a\":0}",
        "{\"\":1,\"\":2}",
    };
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        ck_assert_int_eq(scan(plain[i], strlen(plain[i]), NULL, NULL), 0);
        ck_assert_msg(is_plain(plain[i], strlen(plain[i])), "%s", plain[i]);
    }
    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
        ck_assert_msg(!is_plain(not [i], strlen(not [i])), "%s", not [i]);
    char deep[200], digits[400], many[4000] = "{";
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    ck_assert(!is_plain(deep, 200));
    ck_assert(is_plain(deep + 80, 40));
    memset(digits, '9', sizeof(digits));
    ck_assert(!is_plain(digits, 400));
    ck_assert(is_plain(digits, 300));
    for (int i = 0; i < 100; i++)
        sprintf(many + strlen(many), "%s\"%d\":1", i ? "," : "", i);
    ck_assert(!is_plain(many, strlen(many))); /* there are too many to look at each */
}
END_TEST

START_TEST(plain_text)
{
    static const struct {
        const char *value, *text; /* text NULL: refused */
    } rows[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e4\\u20AC\\uD83D\\uDE00\"", "A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"\"a\\u0041b\\n\"", "aAb\n"},
        {"-1.50", "-1.50"},
        {"true", "true"},
        {"false", "false"},
        {"null", ""},
        {"[]", NULL},
        {"{\"a\":1}", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_BUF b = BUF_INIT;
        bool ok = jsonscan_text(&b, rows[i].value, strlen(rows[i].value));
        ck_assert_msg(ok == (rows[i].text != NULL), "%s", rows[i].value);
        if (ok && rows[i].text[0])
            ck_assert_str_eq(b.data, rows[i].text);
        else
            ck_assert_uint_eq(b.len, 0);
    }
    AUTO_BUF b = BUF_INIT;
    ck_assert(!jsonscan_text(&b, "", 0));
}
END_TEST

int main(void)
{
    return SUITE("jsonscan", NULL, NULL, takes, refuses, depth_is_bounded,
                 every_beginning_is_refused, every_changed_byte_is_survived, members,
                 each_goes_in_order_and_stops, members_of_a_look, what_is_plain, plain_text);
}
