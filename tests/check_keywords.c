/*
 * check_keywords.c - JSON Schema keyword by keyword: values that fit a schema and values that do
 * not. In the texts here an apostrophe stands for a quotation mark. The official suite says more of
 * the same: `make schema-suite`.
 */
#include "../common/err.h"
#include "../server/schema.h"
#include "suite.h"

#include <string.h>

#define STEPS 1000000u

struct row {
    const char *schema;
    const char *fit[8], *unfit[8]; /* each ends with NULL */
};

static const char *quoted(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    ck_assert_uint_lt(len, size);
    for (size_t i = 0; i <= len; i++)
        out[i] = text[i] == '\'' ? '"' : text[i];
    return out;
}

static int verdict(const struct schema *s, const char *value)
{
    char text[512];
    struct schema_report report;
    json_t *v;
    AUTO_BUF why = BUF_INIT;
    quoted(text, sizeof(text), value);
    ck_assert_msg(schema_load(text, strlen(text), &v, &why) == 0, "%s", text);
    int err = schema_check(s, v, "", STEPS, &report);
    ck_assert_int_eq(err == -ERR_INVALID_INPUT, report.count > 0);
    json_decref(v);
    return err;
}

static void check_row(const struct row *row)
{
    char text[512];
    struct schema *s;
    AUTO_BUF why = BUF_INIT;
    quoted(text, sizeof(text), row->schema);
    int err = schema_compile(text, strlen(text), true, &s, &why);
    ck_assert_msg(err == 0, "%s: %s", text, why.data ? why.data : "");
    for (size_t i = 0; row->fit[i]; i++)
        ck_assert_msg(verdict(s, row->fit[i]) == 0, "%s is to fit %s", row->fit[i], row->schema);
    for (size_t i = 0; row->unfit[i]; i++)
        ck_assert_msg(verdict(s, row->unfit[i]) == -ERR_INVALID_INPUT, "%s is not to fit %s",
                      row->unfit[i], row->schema);
    schema_free(s);
}

static void check_rows(const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_row(&row[i]);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(any_value)
{
    static const struct row rows[] = {
        {"true", {"1", "null"}, {NULL}},
        {"false", {NULL}, {"1", "null", "[]"}},
        {"{'type':'null'}", {"null"}, {"0", "false", "''", "[]", "{}"}},
        {"{'type':['boolean','string']}", {"true", "'a'"}, {"1", "null", "[]"}},
        {"{'type':'number'}", {"1", "1.5", "-0"}, {"'1'", "true"}},
        {"{'type':'integer'}", {"1", "1.0", "-3e2"}, {"1.5", "'1'"}},
        {"{'const':null}", {"null"}, {"0", "false", "''"}},
        {"{'const':{'a':[1,'x'],'b':null}}",
         {"{'b':null,'a':[1.0,'x']}"},
         {"{'a':[1,'x']}", "{'a':[1,'y'],'b':null}", "{'a':[1],'b':null}", "{'a':['x',1],'b':null}",
          "{'a':[1,'x'],'c':null}", "[]"}},
        {"{'enum':[1,'a',[true],{'k':false}]}",
         {"1", "1.0", "'a'", "[true]", "{'k':false}"},
         {"2", "'b'", "[false]", "{'k':true}", "{}", "null"}},
        {"{'enum':[[1,2]]}", {"[1,2]"}, {"[1]", "[1,2,3]", "[2,1]"}},
    };
    CHECK_ROWS(rows);
}
END_TEST

START_TEST(numbers_and_texts)
{
    static const struct row rows[] = {
        {"{'minimum':2,'maximum':3.5}", {"2", "3.5", "'x'"}, {"1.99", "3.51"}},
        {"{'exclusiveMinimum':2,'exclusiveMaximum':4}", {"2.1", "3"}, {"2", "4", "1", "9"}},
        {"{'multipleOf':2.5}", {"0", "5", "-7.5", "'x'"}, {"1", "2.4"}},
        {"{'minLength':2,'maxLength':3}", {"'ab'", "'\u00e4\u00f6\u00fc'", "7"}, {"'a'", "'abcd'"}},
        {"{'pattern':'^a.c$'}", {"'abc'", "1"}, {"'abcd'", "'ac'"}},
        {"{'format':'ipv4'}", {"'1.2.3.4'", "7"}, {"'1.2.3'"}},
    };
    CHECK_ROWS(rows);
}
END_TEST

START_TEST(objects)
{
    static const struct row rows[] = {
        {"{'minProperties':1,'maxProperties':2}",
         {"{'a':1}", "{'a':1,'b':2}", "[]"},
         {"{}", "{'a':1,'b':2,'c':3}"}},
        {"{'required':['a','b']}", {"{'a':1,'b':null}", "7"}, {"{'a':1}", "{}"}},
        {"{'dependentRequired':{'a':['b','c'],'d':[]}}",
         {"{}", "{'b':1}", "{'a':1,'b':1,'c':1}", "{'d':1}"},
         {"{'a':1}", "{'a':1,'b':1}"}},
        {"{'propertyNames':{'pattern':'^x','maxLength':2}}",
         {"{}", "{'x':1,'xy':1}", "[]"},
         {"{'a':1}", "{'x':1,'xyz':1}", "{'a':1,'b':1}"}},
        {"{'properties':{'a':{'type':'null'},'b':false}}",
         {"{}", "{'a':null}", "{'c':1}"},
         {"{'a':1}", "{'b':1}", "{'a':1,'b':1}"}},
        {"{'patternProperties':{'^a':{'type':'null'},'z$':{'type':['null','boolean']}}}",
         {"{}", "{'a':null,'bz':true}", "{'c':1}", "{'az':null}"},
         {"{'a':1}", "{'bz':1}", "{'az':true}", "{'a':1,'ab':2}"}},
        {"{'properties':{'a':true},'patternProperties':{'^p':true},'additionalProperties':false}",
         {"{}", "{'a':1,'p1':2}"},
         {"{'b':1}", "{'a':1,'b':2,'c':3}"}},
        {"{'properties':{'a':true},'additionalProperties':{'type':'integer'}}",
         {"{'a':'x','b':1}"},
         {"{'b':'x'}", "{'b':'x','c':'y'}"}},
        {"{'dependentSchemas':{'a':{'required':['b']},'c':false}}",
         {"{}", "{'a':1,'b':1}", "{'b':1}", "[]"},
         {"{'a':1}", "{'c':1}", "{'a':1,'c':1}"}},
    };
    CHECK_ROWS(rows);
}
END_TEST

START_TEST(arrays)
{
    static const struct row rows[] = {
        {"{'minItems':1,'maxItems':2}", {"[1]", "[1,2]", "{}"}, {"[]", "[1,2,3]"}},
        {"{'uniqueItems':true}",
         {"[]", "[1]", "[1,'1',[1],{'a':1},true,null]", "[[1],[2]]", "[{'a':1},{'a':2}]", "7"},
         {"[1,1.0]", "['a','b','a']", "[[1,'x'],[1,'x']]", "[{'a':1,'b':2},{'b':2,'a':1}]",
          "[null,null]", "[false,0,false]"}},
        {"{'uniqueItems':false}", {"[1,1]"}, {NULL}},
        {"{'prefixItems':[{'type':'integer'},{'type':'string'}]}",
         {"[]", "[1]", "[1,'a']", "[1,'a',null]", "{}"},
         {"['a']", "[1,2]", "['a',1]"}},
        {"{'prefixItems':[true],'items':{'type':'integer'}}",
         {"[]", "['a']", "['a',1,2]"},
         {"['a','b']", "['a',1,'b','c']"}},
        {"{'prefixItems':[true,true],'items':false}", {"[]", "[1,2]"}, {"[1,2,3]"}},
        {"{'items':false}", {"[]", "7"}, {"[1]"}},
        {"{'contains':{'type':'integer'}}", {"[1]", "['a',1]", "{}"}, {"[]", "['a']"}},
        {"{'contains':{'type':'integer'},'minContains':2,'maxContains':3}",
         {"[1,2]", "[1,'a',2,3]"},
         {"[1]", "[1,2,3,4]", "['a']"}},
        {"{'contains':{'type':'integer'},'minContains':0}", {"[]", "['a']", "[1]"}, {NULL}},
    };
    CHECK_ROWS(rows);
}
END_TEST

START_TEST(several_schemas)
{
    static const struct row rows[] = {
        {"{'allOf':[{'minimum':1},{'maximum':3}]}", {"1", "3", "'x'"}, {"0", "4"}},
        {"{'anyOf':[{'type':'string'},{'minimum':3}]}", {"'a'", "3", "true"}, {"1"}},
        {"{'anyOf':[{'type':'string','maxLength':1},{'type':'integer','minimum':3}]}",
         {"'a'", "3"},
         {"1", "'ab'", "null"}},
        {"{'oneOf':[{'multipleOf':2},{'multipleOf':3}]}", {"2", "3", "4"}, {"6", "1", "'x'"}},
        {"{'not':{'type':'string'}}", {"1", "null"}, {"'a'"}},
        {"{'not':{'not':{'type':'string'}}}", {"'a'"}, {"1"}},
        {"{'if':{'type':'integer'},'then':{'minimum':0},'else':{'type':'string'}}",
         {"1", "'a'"},
         {"-1", "null"}},
        {"{'if':{'type':'integer'},'then':{'minimum':0}}", {"1", "'a'"}, {"-1"}},
        {"{'if':{'type':'integer'},'else':{'type':'string'}}", {"-1", "'a'"}, {"null"}},
        {"{'if':false}", {"1"}, {NULL}},
        {"{'then':false,'else':false}", {"1"}, {NULL}}, /* without `if` they ask for nothing */
        {"{'$ref':'#/$defs/a','$defs':{'a':{'type':'integer'}}}", {"1"}, {"'a'"}},
        {"{'$ref':'#a','$defs':{'x':{'$anchor':'a','type':'integer'}},'minimum':3}",
         {"3"},
         {"1", "'a'"}},
        {"{'$ref':'#/allOf/1','allOf':[true,{'minimum':2}]}", {"2"}, {"1"}},
        {"{'$ref':'#/$defs/a~1b%25~0%4a','$defs':{'a/b%~J':{'const':1}}}", {"1"}, {"2"}},
        {"{'properties':{'kid':{'$ref':'#'}},'additionalProperties':false}",
         {"{'kid':{'kid':{}}}"},
         {"{'kid':{'dog':1}}", "{'dog':1}"}},
    };
    CHECK_ROWS(rows);
}
END_TEST

START_TEST(what_is_left_over)
{
    static const struct row rows[] = {
        {"{'properties':{'a':true},'unevaluatedProperties':false}", {"{}", "{'a':1}"}, {"{'b':1}"}},
        {"{'allOf':[{'properties':{'a':true}},{'patternProperties':{'^p':true}}],"
         "'unevaluatedProperties':false}",
         {"{'a':1,'p':2}", "[]"},
         {"{'a':1,'b':2}", "{'b':1,'c':2}"}},
        {"{'anyOf':[{'properties':{'a':{'const':1}},'required':['a']},"
         "{'properties':{'b':{'const':1}},'required':['b']}],'unevaluatedProperties':false}",
         {"{'a':1}", "{'b':1}", "{'a':1,'b':1}"},
         {"{'a':1,'b':2}", "{'a':1,'c':1}"}},
        {"{'oneOf':[{'required':['a'],'properties':{'a':true}},{'required':['b'],"
         "'properties':{'b':true}}],'unevaluatedProperties':false}",
         {"{'a':1}", "{'b':1}"},
         {"{'a':1,'b':1}", "{'a':1,'c':1}"}},
        {"{'if':{'properties':{'a':{'const':1}},'required':['a']},'then':{'properties':{'b':true}},"
         "'else':{'properties':{'c':true}},'unevaluatedProperties':false}",
         {"{'a':1,'b':1}", "{'c':1}"},
         {"{'a':1,'c':1}", "{'b':1}", "{'a':2,'b':1}"}},
        {"{'not':{'properties':{'a':{'const':1}},'required':['a']},'unevaluatedProperties':false}",
         {"{}"},
         {"{'a':2}"}}, /* what `not` looked at is not looked at */
        {"{'dependentSchemas':{'a':{'properties':{'b':true}}},'properties':{'a':true},"
         "'unevaluatedProperties':false}",
         {"{'a':1,'b':1}", "{'a':1}"},
         {"{'b':1}"}},
        {"{'$ref':'#/$defs/x','$defs':{'x':{'properties':{'a':true}}},"
         "'unevaluatedProperties':{'type':'integer'}}",
         {"{'a':'x','b':1}"},
         {"{'b':'x'}"}},
        {"{'additionalProperties':true,'unevaluatedProperties':false}", {"{'a':1}"}, {NULL}},
        {"{'allOf':[{'unevaluatedProperties':true}],'unevaluatedProperties':false}",
         {"{'a':1}"},
         {NULL}},
        {"{'prefixItems':[true],'unevaluatedItems':false}", {"[]", "[1]"}, {"[1,2]"}},
        {"{'allOf':[{'prefixItems':[true,true]}],'unevaluatedItems':{'type':'integer'}}",
         {"['a','b',1]", "{}"},
         {"['a','b','c']", "['a','b','c','d']"}},
        {"{'contains':{'type':'string'},'unevaluatedItems':{'type':'integer'}}",
         {"['a',1,'b']"},
         {"['a',null]", "[1]"}},
        {"{'items':true,'unevaluatedItems':false}", {"[1,2]"}, {NULL}},
        {"{'anyOf':[{'prefixItems':[{'const':1}]},{'prefixItems':[true,{'const':2}]}],"
         "'unevaluatedItems':false}",
         {"[1]", "[1,2]", "[5,2]"},
         {"[1,3]", "[1,2,3]"}},
    };
    CHECK_ROWS(rows);
}
END_TEST

int main(void)
{
    return SUITE("keywords", NULL, NULL, any_value, numbers_and_texts, objects, arrays,
                 several_schemas, what_is_left_over);
}
