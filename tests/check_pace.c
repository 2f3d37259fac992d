/* check_pace.c - how often a client may ask, by a clock that the test sets. */
#include "../server/http/pace.h"
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define S INT64_C(1000000)

static int64_t v4(const char *text, int64_t now_us)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    ck_assert_int_eq(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return pace_ask("", (const struct sockaddr *)(const void *)&a, now_us);
}

static int64_t v6(const char *text, int64_t now_us)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    ck_assert_int_eq(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
    return pace_ask(NULL, (const struct sockaddr *)(const void *)&a, now_us);
}

START_TEST(each_has_its_own)
{
    ck_assert_int_eq(pace_start(2, 3), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(v4("192.0.2.1", 100 * S), 0);
    int64_t wait_us = v4("192.0.2.1", 100 * S);
    ck_assert_int_ge(wait_us, S / 2);
    ck_assert_int_le(wait_us, S / 2 + 2);
    ck_assert_int_eq(v4("192.0.2.2", 100 * S), 0);
    ck_assert_int_eq(pace_ask("one", NULL, 100 * S), 0);
    ck_assert_int_eq(v4("192.0.2.1", 100 * S + wait_us), 0);
    ck_assert_int_gt(v4("192.0.2.1", 100 * S + wait_us), 0);
    pace_stop();
}
END_TEST

START_TEST(a_token_is_one_client_wherever_it_is)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = 1}, b = a;
    b.sin_addr.s_addr = 2;
    ck_assert_int_eq(pace_start(1, 1), 0);
    ck_assert_int_eq(pace_ask("one", (const struct sockaddr *)(const void *)&a, 100 * S), 0);
    ck_assert_int_gt(pace_ask("one", (const struct sockaddr *)(const void *)&b, 100 * S), 0);
    ck_assert_int_eq(pace_ask("two", (const struct sockaddr *)(const void *)&b, 100 * S), 0);
    pace_stop();
}
END_TEST

START_TEST(of_ipv6_a_network_is_one)
{
    ck_assert_int_eq(pace_start(1, 1), 0);
    ck_assert_int_eq(v6("2001:db8::1", 100 * S), 0);
    ck_assert_int_gt(v6("2001:db8::ffff", 100 * S), 0);
    ck_assert_int_eq(v6("2001:db8:0:1::1", 100 * S), 0);
    pace_stop();
}
END_TEST

/* As they come to a listener of both kinds. */
START_TEST(of_ipv4_each_is_one_in_either_form)
{
    ck_assert_int_eq(pace_start(1, 1), 0);
    ck_assert_int_eq(v6("::ffff:192.0.2.1", 100 * S), 0);
    ck_assert_int_gt(v6("::ffff:192.0.2.1", 100 * S), 0);
    ck_assert_int_gt(v4("192.0.2.1", 100 * S), 0);
    ck_assert_int_eq(v6("::ffff:192.0.2.2", 100 * S), 0);
    ck_assert_int_eq(v6("::1", 100 * S), 0);
    pace_stop();
}
END_TEST

/* Far more than there is room for: none is held up by the others, and one that goes on is not
 * forgotten. */
START_TEST(many_need_no_more_memory)
{
    char name[32];
    int64_t now_us = 100 * S;
    ck_assert_int_eq(pace_start(0.001, 2), 0);
    ck_assert_int_eq(pace_ask("stays", NULL, now_us), 0);
    ck_assert_int_eq(pace_ask("stays", NULL, now_us), 0);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "client %d", i);
        ck_assert_int_eq(pace_ask(name, NULL, now_us++), 0);
        ck_assert_int_gt(pace_ask("stays", NULL, now_us++), 0);
    }
    pace_stop();
}
END_TEST

START_TEST(without_a_limit_or_an_address_all_may)
{
    ck_assert_int_eq(pace_start(0, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(v4("192.0.2.1", 100 * S), 0);
    pace_stop();
    ck_assert_int_eq(pace_start(1, 1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(pace_ask("", NULL, 100 * S), 0);
    pace_stop();
}
END_TEST

int main(void)
{
    return SUITE("pace", NULL, NULL, each_has_its_own, a_token_is_one_client_wherever_it_is,
                 of_ipv6_a_network_is_one, of_ipv4_each_is_one_in_either_form,
                 many_need_no_more_memory, without_a_limit_or_an_address_all_may);
}
