/*
 * check_schema.c - JSON Schema: verdicts, the words about what is wrong, refused schemas, bounds.
 * The verdicts keyword by keyword are the official suite's: `make schema-suite`.
 */
#include "../server/schema.h"

#include "../common/err.h"
#include "../server/schema_value.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct schema_report report;
static char text[512];

static int verdict(const char *schema, const char *value, bool formats, uint64_t steps)
{
    struct schema *s;
    json_t *v = NULL;
    AUTO_BUF why = BUF_INIT;
    int err = schema_compile(schema, strlen(schema), formats, &s, &why);
    ck_assert_msg(err == 0, "%s: %s", schema, why.data ? why.data : "");
    ck_assert_msg(schema_load(value, strlen(value), &v, &why) == 0, "%s: %s", value, why.data);
    err = schema_check(s, v, "/input", steps, &report);
    ck_assert_int_eq(err == -ERR_INVALID_INPUT, report.count > 0);
    json_decref(v);
    schema_free(s);
    return err;
}

#define STEPS 1000000u
static void fits(const char *schema, const char *value)
{
    ck_assert_msg(verdict(schema, value, true, STEPS) == 0, "%s should fit %s", value, schema);
}

/* The one error that there is, as "POINTER DETAIL". */
static const char *wrong(const char *schema, const char *value)
{
    ck_assert_msg(verdict(schema, value, true, STEPS) == -ERR_INVALID_INPUT, "%s fits %s", value,
                  schema);
    ck_assert_uint_eq(report.count, 1);
    snprintf(text, sizeof(text), "%s %s", report.error[0].pointer, report.error[0].detail);
    return text;
}

static const char *refused(const char *schema)
{
    struct schema *s;
    AUTO_BUF why = BUF_INIT;
    ck_assert_msg(schema_compile(schema, strlen(schema), true, &s, &why) == -ERR_CONFIG, "%s",
                  schema);
    ck_assert_ptr_null(s);
    snprintf(text, sizeof(text), "%s", why.data);
    return text;
}

START_TEST(errors_name_place_limit_and_value)
{
    static const struct {
        const char *schema, *value, *want;
    } row[] = {
        {"{\"type\":\"integer\"}", "\"5\"", "/input must be an integer, not a string"},
        {"{\"type\":\"integer\"}", "1.5", "/input must be an integer, not 1.5"},
        {"{\"type\":[\"object\",\"null\"]}", "[]",
         "/input must be null or an object, not an array"},
        {"{\"minimum\":3}", "2.5", "/input must be at least 3, not 2.5"},
        {"{\"exclusiveMaximum\":0.1}", "0.1", "/input must be less than 0.1, not 0.1"},
        {"{\"multipleOf\":0.1}", "0.35", "/input must be a multiple of 0.1, not 0.35"},
        {"{\"minLength\":3}", "\"\\u00e9\\ud83d\\ude00\"",
         "/input must have at least 3 characters, not 2"},
        {"{\"pattern\":\"^a+$\"}", "\"b\"", "/input must match the pattern ^a+$"},
        {"{\"required\":[\"a\"]}", "{}", "/input lacks the property `a`"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}",
         "/input lacks the property `b`, which `a` asks for"},
        {"{\"additionalProperties\":false}", "{\"a/b~c\":1}",
         "/input/a~1b~0c is not a property that is known here"},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
         "/input has the property `ab`, whose name is not allowed"},
        {"{\"items\":{\"items\":{\"const\":7}}}", "[[7],[7,8]]", "/input/1/1 must be 7"},
        {"{\"prefixItems\":[true],\"items\":false}", "[1,2]",
         "/input must have at most 1 items, not 2"},
        {"{\"enum\":[1,\"a\"]}", "2", "/input must be one of [1,\"a\"]"},
        {"{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]",
         "/input must have no item twice: 1 and 2 are equal"},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1,2]",
         "/input must have at least 2 items that fit `contains`, not 1"},
        {"{\"not\":{}}", "1", "/input must not fit the schema of `not`"},
        {"{\"oneOf\":[{},{}]}", "1", "/input fits more than one of the 2 schemas of `oneOf`"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"x\"]}]}", "{}",
         "/input lacks the property `x`"}, /* the one alternative of its type explains */
        {"{\"anyOf\":[{\"minimum\":5},{\"maximum\":1}]}", "3",
         "/input fits none of the 2 schemas of `anyOf`"},
        {"{\"if\":{\"minimum\":5},\"then\":{\"multipleOf\":2}}", "7",
         "/input must be a multiple of 2, not 7"},
        {"{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}",
         "{\"a\":1,\"b\":2}", "/input/b is not a property that is known here"},
        {"{\"format\":\"uuid\"}", "\"x\"", "/input must be of the format uuid"},
        {"false", "1", "/input is not allowed here"},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        ck_assert_str_eq(wrong(row[i].schema, row[i].value), row[i].want);
}
END_TEST

START_TEST(many_errors_are_told_up_to_the_limit)
{
    ck_assert_int_eq(verdict("{\"required\":[\"z\"],\"properties\":{\"a\":{\"minimum\":5},\"b\":"
                             "{\"type\":\"null\"}}}",
                             "{\"a\":1,\"b\":2}", false, STEPS),
                     -ERR_INVALID_INPUT);
    ck_assert_uint_eq(report.count, 3);
    ck_assert_int_eq(verdict("{\"items\":{\"type\":\"null\"}}",
                             "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]", false, STEPS),
                     -ERR_INVALID_INPUT);
    ck_assert_uint_eq(report.count, SCHEMA_ERRORS_MAX);
    /* a pointer that is too long ends at a whole part; a sentence, with a whole character */
    char name[200], value[512];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(value, sizeof(value), "{\"a\":{\"%s\":1}}", name);
    ck_assert_int_eq(
        verdict("{\"additionalProperties\":{\"additionalProperties\":false}}", value, false, STEPS),
        -ERR_INVALID_INPUT);
    ck_assert_str_eq(report.error[0].pointer, "/input/a");
}
END_TEST

START_TEST(numbers_are_compared_by_value)
{
    fits("{\"type\":\"integer\"}", "1.0");
    fits("{\"type\":\"integer\"}", "1e3");
    fits("{\"const\":1}", "1.0");
    fits("{\"enum\":[9007199254740993]}", "9007199254740993");
    wrong("{\"const\":9007199254740993}", "9007199254740992");
    wrong("{\"maximum\":9007199254740992}", "9007199254740993");
    fits("{\"minimum\":-9223372036854775808,\"maximum\":9223372036854775807}",
         "9223372036854775807");
    wrong("{\"maximum\":9223372036854775807}", "9223372036854775808"); /* a real by then */
    wrong("{\"minimum\":-9223372036854775808}", "-9223372036854775809000");
    fits("{\"type\":\"integer\",\"exclusiveMinimum\":9223372036854775807}",
         "123456789012345678901234567890");
    wrong("{\"uniqueItems\":true}", "[0,-0.0]");
    fits("{\"uniqueItems\":true}", "[9007199254740993,9007199254740992]");
    fits("{\"multipleOf\":0.01}", "19.99");
    fits("{\"multipleOf\":1e-8}", "12391239123");
    fits("{\"multipleOf\":0.5}", "1e308");
    wrong("{\"multipleOf\":0.123456789}", "1e308");
    fits("{\"multipleOf\":3}", "9223372036854775806");
    wrong("{\"multipleOf\":3}", "9223372036854775807");
    wrong("{\"multipleOf\":1e300}", "1e299");
    fits("{\"multipleOf\":7}", "0");
}
END_TEST

START_TEST(integers_above_64_bits_are_read)
{
    json_t *v;
    AUTO_BUF why = BUF_INIT;
    const char *doc = "[9223372036854775807,9223372036854775808,-9223372036854775808,"
                      "-9223372036854775809,1.5,\"9223372036854775808\\\"1\",1e2]";
    ck_assert_int_eq(schema_load(doc, strlen(doc), &v, &why), 0);
    ck_assert(json_is_integer(json_array_get(v, 0)));
    ck_assert(json_is_real(json_array_get(v, 1)));
    ck_assert(json_is_integer(json_array_get(v, 2)));
    ck_assert(json_is_real(json_array_get(v, 3)));
    ck_assert_str_eq(json_string_value(json_array_get(v, 5)), "9223372036854775808\"1");
    json_decref(v);
    ck_assert_int_eq(schema_load("1e400", 5, &v, &why), -ERR_BAD_JSON);
    ck_assert_int_eq(schema_load("{\"a\":1,\"a\":1}", 13, &v, &why), -ERR_BAD_JSON);
    ck_assert_ptr_nonnull(strstr(why.data, "duplicate"));
}
END_TEST

START_TEST(schemas_that_are_refused)
{
    static const struct {
        const char *schema, *want;
    } row[] = {
        {"{\"properties\":{\"a/b\":{\"minimun\":1}}}",
         "#/properties/a~1b: the keyword `minimun` is not supported"},
        {"{\"definitions\":{}}", "#: the keyword `definitions` is not supported; use $defs"},
        {"{\"$defs\":{\"x\":{\"items\":[{}]}}}",
         "#/$defs/x/items: a schema must be an object, true or false"},
        {"{\"type\":\"int\"}", "#/type: must be of null, boolean"},
        {"{\"minLength\":-1}", "#/minLength: must be a whole number of at least 0"},
        {"{\"multipleOf\":0}", "#/multipleOf: must be a number greater than 0"},
        {"{\"required\":[\"a\",\"a\"]}", "#/required: has the name `a` twice"},
        {"{\"allOf\":[]}", "#/allOf: must be an array of at least one schema"},
        {"{\"allOf\":[true,{\"pattern\":\"(\"}]}", "#/allOf/1/pattern: the pattern is wrong"},
        {"{\"pattern\":\"a++\"}", "#/pattern: a + after a quantifier at byte 2"},
        {"{\"pattern\":\"(?>a)\"}", "#/pattern: this kind of group at byte 0"},
        {"{\"pattern\":\"\\\\Aa\"}", "#/pattern: the escape of this letter"},
        {"{\"patternProperties\":{\"[\":true}}", "#/patternProperties/[: the pattern is wrong"},
        {"{\"$ref\":\"#/$defs/no\"}", "#/$ref: `#/$defs/no`: there is no such schema"},
        {"{\"$ref\":\"other.json\"}", "#/$ref: `other.json`: only references within the file"},
        {"{\"$ref\":\"#\"}", "#/$ref: leads back to itself"},
        {"{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},\"b\":{\"$ref\":\"#/$defs/"
         "a\"}}}",
         "leads back to itself"},
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "no other draft"},
        {"{\"properties\":{\"a\":{\"$id\":\"x\"}}}", "supported at the root only"},
        {"{\"format\":\"colour\"}", "#/format: `colour` is not known; known are date-time"},
        {"{\"a\":}", "#: not JSON at byte 5"},
        {"7", "#: a schema must be an object"},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const char *got = refused(row[i].schema);
        ck_assert_msg(strstr(got, row[i].want) != NULL, "%s: '%s' lacks '%s'", row[i].schema, got,
                      row[i].want);
    }
}
END_TEST

START_TEST(patterns_are_those_of_ecma)
{
    fits("{\"pattern\":\"^\\\\d$\"}", "\"7\"");
    wrong("{\"pattern\":\"^\\\\d$\"}", "\"\xd9\xa7\""); /* only ASCII digits */
    wrong("{\"pattern\":\"^a$\"}", "\"a\\n\"");
    wrong("{\"pattern\":\"^.$\"}", "\"\\u2028\"");
    fits("{\"pattern\":\"^.$\"}", "\"\\ud83d\\ude00\""); /* one character */
    fits("{\"pattern\":\"^[\\\\s]$\"}", "\"\\u00a0\"");
    wrong("{\"pattern\":\"^\\\\S$\"}", "\"\\ufeff\"");
    fits("{\"pattern\":\"^\\\\u{1f600}\\\\v$\"}", "\"\\ud83d\\ude00\\u000b\"");
    fits("{\"pattern\":\"^\\\\u{61}+\\\\u{1f600}{2}$\"}", "\"aaa\\ud83d\\ude00\\ud83d\\ude00\"");
    fits("{\"pattern\":\"^[\\\\u{61}+]+$\"}", "\"a+\"");
    ck_assert_ptr_nonnull(strstr(refused("{\"pattern\":\"^\\\\u{61}{2}+$\"}"), "a + after"));
    ck_assert_uint_gt(strlen(refused("{\"pattern\":\"\\\\u{61\"}")), 0);
    fits("{\"pattern\":\"^\\\\p{Letter}\\\\p{gc=Nd}\\\\p{Script=Greek}$\"}", "\"\\u00e91\\u03b1\"");
    fits("{\"pattern\":\"^(?<y>a)\\\\k<y>$\"}", "\"aa\"");
    wrong("{\"pattern\":\"[]\"}", "\"a\"");
    fits("{\"pattern\":\"b\"}", "\"abc\""); /* not anchored */
}
END_TEST

static uint64_t nested(unsigned levels, bool with_any)
{
    /* each level refers twice to the next: 2^levels ways */
    AUTO_BUF schema = BUF_INIT;
    buf_adds(&schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (unsigned i = 0; i < levels; i++)
        buf_addf(&schema,
                 "\"d%u\":{\"%s\":[{\"$ref\":\"#/$defs/d%u\"},{\"$ref\":\"#/$defs/d%u\"}]},", i,
                 with_any ? "anyOf" : "allOf", i + 1, i + 1);
    buf_addf(&schema, "\"d%u\":{\"const\":%d}}}", levels, with_any ? 2 : 1);
    return (uint64_t)(int64_t)verdict(schema.data, "1", false, STEPS);
}

START_TEST(work_is_bounded)
{
    ck_assert_int_eq((int64_t)nested(5, false), 0);
    ck_assert_int_eq((int64_t)nested(60, false), -ERR_TOO_COMPLEX);
    ck_assert_int_eq((int64_t)nested(60, true), -ERR_TOO_COMPLEX);
    ck_assert_uint_eq(report.count, 0);
    ck_assert_int_eq(verdict("{\"items\":{\"type\":\"null\"}}", "[null,null,null]", false, 5),
                     -ERR_TOO_COMPLEX);
    /* a pattern that tries all ways */
    ck_assert_int_eq(verdict("{\"pattern\":\"^(a|a)*$\"}",
                             "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", false,
                             STEPS),
                     -ERR_TOO_COMPLEX);
    fits("{\"pattern\":\"^[a-z]+(-[a-z]+)*$\"}", "\"aaaaaaaaaa-bbbbbbbbbbb-ccccccccccc\"");
    /* a long chain of references is no deeper than it may be */
    AUTO_BUF chain = BUF_INIT;
    buf_adds(&chain, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (unsigned i = 0; i < 3000; i++)
        buf_addf(&chain, "\"d%u\":{\"$ref\":\"#/$defs/d%u\"},", i, i + 1);
    buf_adds(&chain, "\"d3000\":true}}");
    ck_assert_int_eq(verdict(chain.data, "1", false, STEPS), -ERR_TOO_COMPLEX);
}
END_TEST

START_TEST(recursion_follows_the_value)
{
    static const char tree[] =
        "{\"$anchor\":\"tree\",\"$id\":\"https://example.org/"
        "tree\",\"type\":\"object\",\"required\":"
        "[\"v\"],\"properties\":{\"v\":{\"$ref\":\"#/$defs/"
        "a%25b~1c\"},\"kids\":{\"items\":{\"$ref\":"
        "\"https://example.org/tree#tree\"}}},\"$defs\":{\"a%b/c\":{\"type\":\"integer\"}}}";
    fits(tree, "{\"v\":1,\"kids\":[{\"v\":2,\"kids\":[{\"v\":3}]}]}");
    ck_assert_str_eq(wrong(tree, "{\"v\":1,\"kids\":[{\"v\":2,\"kids\":[{\"v\":true}]}]}"),
                     "/input/kids/0/kids/0/v must be an integer, not true");
}
END_TEST

START_TEST(the_text_is_kept)
{
    struct schema *s;
    AUTO_BUF why = BUF_INIT;
    size_t len;
    static const char schema[] = " \n{ \"title\" : \"x\",\n \"examples\":[1.10] }\n";
    ck_assert_int_eq(schema_compile(schema, sizeof(schema) - 1, false, &s, &why), 0);
    const char *kept = schema_text(s, &len);
    ck_assert_uint_eq(len, sizeof(schema) - 4);
    ck_assert_int_eq(memcmp(kept, schema + 2, len), 0);
    ck_assert(schema_takes_all(s));
    schema_free(s);
    ck_assert_int_eq(schema_compile("{\"type\":\"null\"}", 15, false, &s, &why), 0);
    ck_assert(!schema_takes_all(s));
    schema_free(s);
    ck_assert_int_eq(schema_compile("false", 5, false, &s, &why), 0);
    ck_assert(!schema_takes_all(s));
    schema_free(s);
}
END_TEST

START_TEST(values_are_shown_cut)
{
    char out[12];
    json_t *v = json_string("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    value_show(v, out, sizeof(out));
    ck_assert_str_eq(out, "\"\xc3\xa9\xc3\xa9\xc3\xa9...");
    json_decref(v);
    v = json_real(0.1);
    value_show(v, out, sizeof(out));
    ck_assert_str_eq(out, "0.1");
    json_decref(v);
}
END_TEST

int main(void)
{
    return SUITE("schema", NULL, NULL, errors_name_place_limit_and_value,
                 many_errors_are_told_up_to_the_limit, numbers_are_compared_by_value,
                 integers_above_64_bits_are_read, schemas_that_are_refused,
                 patterns_are_those_of_ecma, work_is_bounded, recursion_follows_the_value,
                 the_text_is_kept, values_are_shown_cut);
}
