/* check_multipart.c - bodies of multipart/form-data: what is one, what is none, and every cut of
 * one. */
#include "../common/err.h"
#include "../server/http/multipart.h"

#include "suite.h"

#include <stdio.h>
#include <string.h>

#define TYPE "multipart/form-data; boundary=XyZ"
static struct multipart_part part[MULTIPART_MAX];
static char body[8192];
static size_t n;
static const char *why;

static int parse(const char *type, const char *text, size_t len)
{
    ck_assert_uint_lt(len, sizeof(body));
    memcpy(body, text, len);
    body[len] = '\0';
    why = NULL;
    int err = multipart_parse(type, body, len, part, &n, &why);
    ck_assert_int_eq(err != 0, why != NULL);
    return err;
}

START_TEST(parts_are_found)
{
    static const char text[] =
        "--XyZ\r\n"
        "Content-Disposition: form-data; name=\"size\"\r\n\r\n"
        "10x10\r\n"
        "--XyZ\r\n"
        "content-disposition: form-data; filename=\"a;b.png\"; name=photo\r\n"
        "Content-Type: image/png\r\n\r\n"
        "\x89PNG\r\n--Xyznot\0--XyZ\r\n"
        "--XyZ\r\n"
        "Content-Disposition: form-data; name=\"empty\"\r\n\r\n"
        "\r\n--XyZ--\r\n";
    ck_assert_int_eq(parse(TYPE, text, sizeof(text) - 1), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(part[0].name, "size");
    ck_assert_str_eq(part[0].data, "10x10");
    ck_assert(!part[0].file && !part[0].type);
    ck_assert_str_eq(part[1].name, "photo");
    ck_assert(part[1].file);
    ck_assert_str_eq(part[1].type, "image/png");
    ck_assert_uint_eq(part[1].len, 20);
    ck_assert_mem_eq(part[1].data, "\x89PNG\r\n--Xyznot\0--XyZ", 20);
    ck_assert_str_eq(part[2].name, "empty");
    ck_assert_uint_eq(part[2].len, 0);
    ck_assert_int_eq(
        parse("Multipart/Form-Data; charset=x; boundary=\"XyZ\"", text, sizeof(text) - 1), 0);
}
END_TEST

/* As programs write quotes and backslashes in a file's name. */
START_TEST(names_of_files_have_backslashes)
{
    static const char *const names[] = {"a\\\"b.png", "a\\\\", "\\\"; name=\\\"x",
                                        "C:\\dir\\a.png"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[200];
        for (int last = 0; last < 2; last++) {
            snprintf(
                text, sizeof(text),
                last ? "--XyZ\r\nContent-Disposition: form-data; name=f; filename=\"%s\"\r\n\r\n"
                       "x\r\n--XyZ--"
                     : "--XyZ\r\nContent-Disposition: form-data; filename=\"%s\"; name=f\r\n\r\n"
                       "x\r\n--XyZ--",
                names[i]);
            ck_assert_msg(parse(TYPE, text, strlen(text)) == 0, "%s: %s", text, why);
            ck_assert_msg(part[0].file, "%s", text);
            ck_assert_str_eq(part[0].name, "f");
        }
    }
}
END_TEST

START_TEST(every_cut_is_refused)
{
    static const char text[] =
        "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n"
        "Content-Type: text/plain\r\n\r\nwords\r\n--XyZ--";
    ck_assert_int_eq(parse(TYPE, text, sizeof(text) - 1), 0);
    ck_assert_str_eq(part[0].data, "words");
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        ck_assert_int_eq(parse(TYPE, text, len), -ERR_BAD_REQUEST);
}
END_TEST

#define PART(head, data) "--XyZ\r\n" head "\r\n\r\n" data "\r\n--XyZ--\r\n"
#define NAME             "Content-Disposition: form-data; name=\"a\""

START_TEST(what_is_wrong_is_said)
{
    static const char *const types[] = {
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a\\b",
        "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789"
        "012345678901234567890"};
    static const char *const bodies[] = {
        "",
        "x--XyZ--",
        "\r\n" PART(NAME, "x"),
        PART(NAME, "x") "more",
        "--XyZ \r\n" NAME "\r\n\r\nx\r\n--XyZ--\r\n",
        PART("Content-Type: text/plain", "x"),
        PART(NAME "\r\n" NAME, "x"),
        PART("Content-Disposition: attachment; name=\"a\"", "x"),
        PART("Content-Disposition: form-data; name=\"a b\"", "x"),
        PART("Content-Disposition: form-data; name=\"\"", "x"),
        PART("Content-Disposition: form-data; name=\"a", "x"),
        PART("Content-Disposition: form-data", "x"),
        PART("Content-Disposition: form-data; name=\"a\\b\"", "x"),
        PART("Content-Disposition: form-data; name=\"a\\\"", "x"),
        PART(NAME "\r\nContent-Transfer-Encoding: base64", "x"),
        PART(NAME "\r\nno header", "x"),
        PART(NAME "\r\nX: \x01", "x"),
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        ck_assert_msg(parse(types[i], PART(NAME, "x"), strlen(PART(NAME, "x"))) != 0, "%s",
                      types[i]);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        ck_assert_msg(parse(TYPE, bodies[i], strlen(bodies[i])) != 0, "%s", bodies[i]);
    ck_assert_int_eq(parse(TYPE, PART(NAME, "x"), strlen(PART(NAME, "x"))), 0);
    ck_assert_int_eq(parse(TYPE, "--XyZ--", 7), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert(multipart_is("multipart/form-data;boundary=a"));
    ck_assert(!multipart_is("multipart/form-datax") && !multipart_is("text/plain") &&
              !multipart_is(NULL));
}
END_TEST

START_TEST(there_are_limits)
{
    char text[sizeof(body)];
    size_t len = 0;
    for (int i = 0; i < MULTIPART_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "--XyZ\r\n" NAME "\r\n\r\n\r\n");
    snprintf(text + len, sizeof(text) - len, "--XyZ--");
    ck_assert_int_ne(parse(TYPE, text, strlen(text)), 0);
    ck_assert_ptr_nonnull(strstr(why, "64 parts"));
    len = (size_t)snprintf(text, sizeof(text), "--XyZ\r\n" NAME "\r\nX: ");
    memset(text + len, 'x', MULTIPART_HEAD_MAX);
    strcpy(text + len + MULTIPART_HEAD_MAX, "\r\n\r\nx\r\n--XyZ--");
    ck_assert_int_ne(parse(TYPE, text, strlen(text)), 0);
    ck_assert_ptr_nonnull(strstr(why, "4096"));
}
END_TEST

int main(void)
{
    return SUITE("multipart", NULL, NULL, parts_are_found, names_of_files_have_backslashes,
                 every_cut_is_refused, what_is_wrong_is_said, there_are_limits);
}
