/* check_id.c - UUID version 7: form, order, uniqueness among threads and after fork. */
#include "../common/id.h"

#include "../common/clock.h"
#include "suite.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY    20000
#define THREADS 4

START_TEST(form)
{
    struct id a, b;
    char text[ID_TEXT];
    clock_fake(INT64_C(1700000000123) * US_PER_MS + 456, -1);
    ck_assert_int_eq(id_new(&a), 0);
    id_format(&a, text);
    ck_assert_uint_eq(strlen(text), ID_TEXT - 1);
    ck_assert_int_eq(text[14], '7');
    ck_assert_ptr_nonnull(strchr("89ab", text[19]));
    ck_assert_int_eq(id_time_us(&a), INT64_C(1700000000123) * US_PER_MS);
    ck_assert_mem_eq(text, "018bcfe5-687b-", 14); /* 1700000000123 in base 16 */
    ck_assert(id_parse(&b, text, ID_TEXT - 1));
    ck_assert(id_equal(&a, &b));
    ck_assert(!id_is_nil(&a));
    b.b[15] ^= 1;
    ck_assert(!id_equal(&a, &b));
    ck_assert(id_is_nil(&(struct id){0}));
}
END_TEST

START_TEST(upper_case_is_read)
{
    struct id a, b;
    ck_assert(id_parse(&a, "018BCFE5-687B-7ABC-9DEF-0123456789AB", 36));
    ck_assert(id_parse(&b, "018bcfe5-687b-7abc-9def-0123456789ab", 36));
    ck_assert(id_equal(&a, &b));
    ck_assert_uint_eq(id_key(&a), UINT64_C(0x018bcfe5687babc));
    ck_assert_uint_eq(id_tail(&a), UINT64_C(0x1def0123456789ab));
}
END_TEST

START_TEST(refuses)
{
    static const char *const rows[] = {
        "",
        "018bcfe5-687b-7abc-9def-0123456789a",
        "018bcfe5-687b-7abc-9def-0123456789abc",
        "018bcfe5-687b-4abc-9def-0123456789ab", /* version 4 */
        "018bcfe5-687b-7abc-1def-0123456789ab", /* another variant */
        "018bcfe5-687b-7abc-cdef-0123456789ab",
        "018bcfe5_687b-7abc-9def-0123456789ab",
        "018bcfe56-87b-7abc-9def-0123456789ab",
        "g18bcfe5-687b-7abc-9def-0123456789ab",
        "018bcfe5-687b-7abc-9def-0123456789a-",
        "{18bcfe5-687b-7abc-9def-0123456789a}",
    };
    struct id id = {{1}}, before = id;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(!id_parse(&id, rows[i], strlen(rows[i])), "%s", rows[i]);
    ck_assert(id_equal(&id, &before)); /* untouched */
}
END_TEST

static int digit(int c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return !at ? -1 : at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

START_TEST(each_byte_at_each_place)
{
    static const char plain[] = "01234567-89ab-7def-8123-456789abcdef";
    char text[ID_TEXT], again[ID_TEXT];
    for (size_t at = 0; at < ID_TEXT - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            struct id id;
            bool dash = plain[at] == '-';
            bool fine = dash       ? byte == '-'
                        : at == 14 ? byte == '7'
                        : at == 19 ? digit(byte) >= 8 && digit(byte) <= 11
                                   : digit(byte) >= 0;
            memcpy(text, plain, sizeof(text));
            text[at] = (char)byte;
            ck_assert_msg(id_parse(&id, text, ID_TEXT - 1) == fine, "%02x at %zu", byte, at);
            if (!fine || dash)
                continue;
            text[at] = "0123456789abcdef"[digit(byte)];
            id_format(&id, again);
            ck_assert_str_eq(again, text);
        }
    }
}
END_TEST

START_TEST(key_and_tail_make_the_id)
{
    static const uint64_t keys[] = {
        0, 1, 0xFFF, 0x1000, (UINT64_C(1) << 60) - 1, 0x123456789ABCDEF};
    static const uint64_t tails[] = {0, 1, (UINT64_C(1) << 62) - 1, 0x0123456789ABCDEF};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++) {
            struct id id, again;
            char text[ID_TEXT];
            id_make(&id, keys[i], tails[k]);
            ck_assert_uint_eq(id_key(&id), keys[i]);
            ck_assert_uint_eq(id_tail(&id), tails[k]);
            id_format(&id, text);
            ck_assert(id_parse(&again, text, ID_TEXT - 1));
            ck_assert(id_equal(&id, &again));
        }
    }
}
END_TEST

START_TEST(keys_grow_when_the_clock_steps_back)
{
    struct id id;
    uint64_t last = 0;
    static const int64_t wall_ms[] = {2000000, 2000000, 1000, 0, 1999999, 2000001, 2000001};
    for (size_t i = 0; i < sizeof(wall_ms) / sizeof(wall_ms[0]); i++) {
        clock_fake(wall_ms[i] * US_PER_MS, -1);
        for (int k = 0; k < 5000; k++) { /* more than the counter's 4096 in one millisecond */
            ck_assert_int_eq(id_new(&id), 0);
            ck_assert_uint_gt(id_key(&id), last);
            last = id_key(&id);
        }
    }
}
END_TEST

START_TEST(the_floor_holds)
{
    struct id id;
    uint64_t floor = UINT64_C(9000000) << 12;
    clock_fake(1000 * US_PER_MS, -1);
    id_floor(floor);
    id_floor(5); /* a lower one changes nothing */
    ck_assert_int_eq(id_new(&id), 0);
    ck_assert_uint_eq(id_key(&id), floor + 1);
}
END_TEST

static struct id made[THREADS][MANY];

static void *make_many(void *arg)
{
    struct id *out = arg;
    for (int i = 0; i < MANY; i++) {
        if (id_new(&out[i]) != 0)
            return arg;
    }
    return NULL;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = id_key(a), y = id_key(b);
    return x < y ? -1 : x > y;
}

START_TEST(no_key_twice_among_threads)
{
    pthread_t t[THREADS];
    void *failed;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, make_many, made[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(t[i], &failed), 0);
        ck_assert_ptr_null(failed);
        for (int k = 1; k < MANY; k++)
            ck_assert_uint_gt(id_key(&made[i][k]), id_key(&made[i][k - 1]));
    }
    qsort(made, (size_t)THREADS * MANY, sizeof(struct id), by_key);
    const struct id *all = made[0];
    for (size_t i = 1; i < (size_t)THREADS * MANY; i++)
        ck_assert_uint_ne(id_key(&all[i]), id_key(&all[i - 1]));
}
END_TEST

START_TEST(a_child_has_random_bits_of_its_own)
{
    struct id mine, childs;
    int fds[2];
    ck_assert_int_eq(id_new(&mine), 0); /* fills this thread's buffer, which the child inherits */
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        int bad = id_new(&childs) != 0 || write(fds[1], &childs, sizeof(childs)) != sizeof(childs);
        _exit(bad);
    }
    int status;
    ck_assert_int_eq(id_new(&mine), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(fds[0], &childs, sizeof(childs)), sizeof(childs));
    ck_assert_uint_ne(id_tail(&mine), id_tail(&childs));
}
END_TEST

int main(void)
{
    return SUITE("id", NULL, NULL, form, upper_case_is_read, refuses, each_byte_at_each_place,
                 key_and_tail_make_the_id, keys_grow_when_the_clock_steps_back, the_floor_holds,
                 no_key_twice_among_threads, a_child_has_random_bits_of_its_own);
}
