/* check_tokens.c - the [token NAME] sections: what is taken, what is refused and with which words.
 */
#include "../server/tokens.h"

#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH   "sha256:" DIGITS

static struct tokens *all;
static struct buf why;

static void begin(void)
{
    all = NULL;
    why = BUF_INIT;
}

static void end(void)
{
    free(all);
    buf_release(&why);
}

static int set(const char *name, const char *value)
{
    buf_clear(&why);
    return tokens_set(&all, "it", name, value, &why);
}

static void refused(const char *name, const char *value, const char *words)
{
    ck_assert_msg(set(name, value) == -ERR_CONFIG, "%s = %s", name, value);
    ck_assert_msg(why.data && strstr(why.data, words), "%s = %s: %s", name, value, why.data);
}

START_TEST(values_that_are_taken)
{
    ck_assert_int_eq(set(NULL, NULL), 0);
    ck_assert_int_eq(set("hash", HASH ", " HASH), 0);
    ck_assert_int_eq(set("scopes", "read, submit\tadmin"), 0);
    ck_assert_int_eq(set("tasks", "noop, echo"), 0);
    ck_assert_int_eq(set("read_all", "yes"), 0);
    ck_assert_int_eq(set("expires", "2027-01-01T00:00:00Z"), 0);
    ck_assert_uint_eq(all->count, 1);
    const struct token *t = &all->token[0];
    ck_assert_str_eq(t->name, "it");
    ck_assert_uint_eq(t->hashes, 2);
    ck_assert_uint_eq(t->hash[1][0], 0x01);
    ck_assert_uint_eq(t->hash[1][31], 0xef);
    ck_assert_uint_eq(t->scopes, 1u << SCOPE_READ | 1u << SCOPE_SUBMIT | 1u << SCOPE_ADMIN);
    ck_assert(t->read_all);
    ck_assert(token_may_task(t, "echo"));
    ck_assert(!token_may_task(t, "sleep"));
    ck_assert_int_eq(tokens_check(all, &why), 0);
    ck_assert_int_eq(tokens_set(&all, "other", "read_all", "no", &why), 0);
    ck_assert(!all->token[1].read_all);
}
END_TEST

START_TEST(values_that_are_refused)
{
    refused("hash", "", "at most two");
    refused("hash", DIGITS, "sha256: and 64");
    refused("hash", "md5:" DIGITS, "sha256: and 64");
    refused("hash", HASH "0", "sha256: and 64");
    refused("hash",
            "sha256:"
            "g"
            "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sha256: and 64");
    refused("hash",
            "sha256:"
            "0"
            "G23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sha256: and 64");
    ck_assert_ptr_null(strstr(why.data, "23456789")); /* a digest is not told */
    refused("scopes", "read,write", "some of read");
    refused("tasks", "A", "names of tasks");
    refused("read_all", "maybe", "yes or no");
    refused("expires", "soon", "a time such as");
    refused("expires", "1960-01-01T00:00:00Z", "a time such as");
    refused("colour", "1", "not a setting of a token");
    ck_assert_int_eq(tokens_set(&all, "A b", NULL, NULL, &why), -ERR_CONFIG);
    refused("hash", HASH " " HASH " " HASH, "at most two");
    refused("tasks", "", "1 to 64");
    refused("tasks", " , ", "1 to 64");
    char many[5000];
    memset(many, 'a', sizeof(many));
    many[sizeof(many) - 1] = '\0';
    refused("tasks", many, "names of tasks");
    many[0] = '\0';
    for (int i = 0; i <= TOKEN_TASKS_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "t%d ", i);
    refused("tasks", many, "1 to 64");
}
END_TEST

START_TEST(each_is_said_once)
{
    static const char *const twice[][2] = {{"hash", HASH},
                                           {"scopes", "read"},
                                           {"tasks", "noop"},
                                           {"read_all", "no"},
                                           {"expires", "2027-01-01T00:00:00Z"}};
    for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        ck_assert_int_eq(set(twice[i][0], twice[i][1]), 0);
        refused(twice[i][0], twice[i][1], "is set twice");
        ck_assert_int_eq(tokens_set(&all, "other", twice[i][0], twice[i][1], &why), 0);
    }
    ck_assert_uint_eq(all->token[0].hashes, 1);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    ck_assert_int_eq(tokens_check(NULL, &why), 0);
    ck_assert_int_eq(set("scopes", "read"), 0);
    ck_assert_int_eq(tokens_check(all, &why), -ERR_CONFIG);
    ck_assert_str_eq(why.data, "[token it]: hash is missing");
    ck_assert_int_eq(set("hash", HASH), 0);
    ck_assert_int_eq(tokens_check(all, &why), 0);
    ck_assert_int_eq(tokens_set(&all, "other", "hash", HASH, &why), 0);
    buf_clear(&why);
    ck_assert_int_eq(tokens_check(all, &why), -ERR_CONFIG);
    ck_assert_str_eq(why.data, "[token other]: scopes is missing");
}
END_TEST

START_TEST(as_many_as_there_may_be)
{
    char name[16];
    for (int i = 0; i < TOKENS_MAX; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        ck_assert_int_eq(tokens_set(&all, name, NULL, NULL, &why), 0);
        ck_assert_int_eq(tokens_set(&all, name, "hash", HASH, &why), 0);
        ck_assert_int_eq(tokens_set(&all, name, "scopes", "read", &why), 0);
    }
    ck_assert_uint_eq(all->count, TOKENS_MAX);
    ck_assert_int_eq(tokens_check(all, &why), 0);
    ck_assert_int_eq(set(NULL, NULL), -ERR_CONFIG);
    ck_assert_str_eq(why.data, "more than 256 tokens");
}
END_TEST

START_TEST(none_is_printed)
{
    char text[1024];
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(set("hash", HASH), 0);
    ck_assert_int_eq(set("scopes", "work control"), 0);
    ck_assert_int_eq(set("tasks", "a b"), 0);
    ck_assert_int_eq(set("expires", "2027-01-01T00:00:00Z"), 0);
    tokens_print(all, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_ptr_null(strstr(text, "0123456789"));
    ck_assert_ptr_nonnull(strstr(text, "[token it]"));
    ck_assert_ptr_nonnull(strstr(text, "scopes = control work"));
    ck_assert_ptr_nonnull(strstr(text, "tasks = a b"));
    ck_assert_ptr_nonnull(strstr(text, "2027-01-01T00:00:00"));
}
END_TEST

int main(void)
{
    return SUITE("tokens", begin, end, values_that_are_taken, values_that_are_refused,
                 each_is_said_once, what_is_missing_is_named, as_many_as_there_may_be,
                 none_is_printed);
}
