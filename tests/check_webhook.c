/* check_webhook.c - which addresses may be called, signatures, and pauses. */
#include "../common/err.h"
#include "../server/http/address.h"
#include "../server/http/webhook.h"
#include "suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool allowed(const char *text, const char *list)
{
    struct address_list l;
    ck_assert_msg(address_list_parse(&l, list), "%s", list);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_allowed((const struct sockaddr *)(const void *)&v4, &l);
    ck_assert_msg(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, "%s", text);
    return address_allowed((const struct sockaddr *)(const void *)&v6, &l);
}

/* IPv4 addresses that are not public: also tried in the IPv6 forms that stand for them. */
static const char *const inner[] = {
    "0.0.0.0",         "0.1.2.3",         "10.0.0.0",        "10.0.0.1",        "10.255.255.255",
    "100.64.0.1",      "100.127.255.255", "127.0.0.1",       "127.0.0.53",      "127.1.1.1",
    "127.255.255.255", "169.254.0.1",     "169.254.169.254", "172.16.0.1",      "172.20.1.1",
    "172.31.255.255",  "192.0.0.1",       "192.0.0.170",     "192.0.2.1",       "192.88.99.1",
    "192.168.0.1",     "192.168.255.255", "198.18.0.1",      "198.19.255.255",  "198.51.100.7",
    "203.0.113.9",     "224.0.0.1",       "224.0.0.251",     "239.255.255.250", "240.0.0.1",
    "250.1.1.1",       "255.255.255.255", "192.31.196.1",    "192.52.193.1",    "192.175.48.1",
};
static const char *const outer[] = {
    "1.1.1.1",        "8.8.8.8",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
    "100.128.0.0",    "126.255.255.255", "128.0.0.1",       "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0",      "191.255.255.255", "192.0.1.1",       "192.167.255.255",
    "192.169.0.0",    "198.17.255.255",  "198.20.0.0",      "223.255.255.255", "93.184.216.34",
};
static const char *const inner6[] = {
    "::",          "::1",          "::2",         "::ffff",       "fe80::1",       "febf::1",
    "fec0::1",     "fc00::1",      "fd00::1",     "fdff:ffff::1", "ff02::1",       "ff05::2",
    "2001:db8::1", "2001::1",      "2001:10::1",  "2002::1",      "2002:7f00:1::", "2002:a00:1::",
    "100::1",      "64:ff9b:1::1", "::127.0.0.1", "::10.0.0.1",   "3fff::1",       "5f00::1",
};
static const char *const outer6[] = {
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:82f::200e",
    "2600::1",
    "2400:cb00::1",
    "2003::1",
};

START_TEST(addresses)
{
    char text[64];
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        static const char *const forms[] = {"%s", "::ffff:%s", "64:ff9b::%s"};
        for (size_t k = 0; k < 3; k++) {
            snprintf(text, sizeof(text), forms[k], inner[i]);
            ck_assert_msg(!allowed(text, ""), "%s", text);
        }
    }
    for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) {
        ck_assert_msg(allowed(outer[i], ""), "%s", outer[i]);
        snprintf(text, sizeof(text), "::ffff:%s", outer[i]);
        ck_assert_msg(allowed(text, ""), "%s", text);
        snprintf(text, sizeof(text), "64:ff9b::%s", outer[i]);
        ck_assert_msg(allowed(text, ""), "%s", text);
    }
    for (size_t i = 0; i < sizeof(inner6) / sizeof(inner6[0]); i++)
        ck_assert_msg(!allowed(inner6[i], ""), "%s", inner6[i]);
    for (size_t i = 0; i < sizeof(outer6) / sizeof(outer6[0]); i++)
        ck_assert_msg(allowed(outer6[i], ""), "%s", outer6[i]);
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct address_list none = {0};
    ck_assert(!address_allowed(&local, &none));
}
END_TEST

START_TEST(addresses_that_are_named)
{
    ck_assert(allowed("10.1.2.3", "10.0.0.0/8"));
    ck_assert(allowed("127.0.0.1", "::1, 127.0.0.1"));
    ck_assert(allowed("::1", "::1, 127.0.0.1"));
    ck_assert(!allowed("127.0.0.2", "::1, 127.0.0.1"));
    ck_assert(allowed("::ffff:10.1.2.3", "10.0.0.0/8"));
    ck_assert(!allowed("11.0.0.0", "") == false);
    ck_assert(allowed("192.168.7.9", "192.168.7.8/31"));
    ck_assert(!allowed("192.168.7.10", "192.168.7.8/31"));
    ck_assert(allowed("fd12::5", "fd12::/16"));
    struct address_list l;
    static const char *const wrong[] = {"x",      "10.0.0.0/33", "10.0.0.0/",
                                        "::/129", "10.0.0/8",    "10.0.0.0/8x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!address_list_parse(&l, wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(signature)
{
    /* the example of the Standard Webhooks specification: whsec_plJ3nmyCDGBKInavdOK15jsl */
    static const uint8_t secret[] = {0xa6, 0x52, 0x77, 0x9e, 0x6c, 0x82, 0x0c, 0x60, 0x4a,
                                     0x22, 0x76, 0xaf, 0x74, 0xe2, 0xb5, 0xe6, 0x3b, 0x25};
    static const char body[] = "{\"event_type\":\"ping\",\"data\":{\"success\":true}}";
    struct buf out = BUF_INIT;
    webhook_sign(secret, sizeof(secret), "msg_loFOjxBNrRLzqYUf", 1731705121, body, strlen(body),
                 &out);
    ck_assert_str_eq(out.data, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    webhook_sign(secret, sizeof(secret), "msg_loFOjxBNrRLzqYUf", 1731705121, body, strlen(body),
                 &out);
    ck_assert_ptr_nonnull(strstr(out.data, "= v1,")); /* two secrets, two signatures */
    buf_release(&out);
}
END_TEST

START_TEST(pauses)
{
    ck_assert_int_eq(webhook_delay("5s, 5m,1h", 0), INT64_C(5000000));
    ck_assert_int_eq(webhook_delay("5s, 5m,1h", 1), INT64_C(300000000));
    ck_assert_int_eq(webhook_delay("5s, 5m,1h", 2), INT64_C(3600000000));
    ck_assert_int_eq(webhook_delay("5s, 5m,1h", 3), -1);
    ck_assert_int_eq(webhook_delay("", 0), -1);
    ck_assert_int_eq(webhook_delay("soon", 0), -1);
}
END_TEST

START_TEST(pauses_that_are_none)
{
    static const char *const right[] = {"0", "5s", "5s, 5m,1h", " 5s\t5m ,, 1h, "};
    static const struct {
        const char *text, *says;
    } wrong[] = {{"", "webhook_delays = : must be times"},
                 {" , ", "must be times"},
                 {"soon", "`soon` is none"},
                 {"1s, 1 m, 30m, 2h", "webhook_delays = 1s, 1 m, 30m, 2h: must be times, as 5s, "
                                      "5m, 1h; `m` is none"},
                 {"5s, -1", "`-1` is none"},
                 {"5s; 5m", "`5s;` is none"},
                 {"5s, 5m, 1h.", "`1h.` is none"}};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        AUTO_BUF why = BUF_INIT;
        ck_assert_msg(webhook_check_delays(right[i], &why) == 0, "%s: %s", right[i], why.data);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO_BUF why = BUF_INIT;
        ck_assert_int_eq(webhook_check_delays(wrong[i].text, &why), -ERR_CONFIG);
        ck_assert_msg(strstr(why.data, wrong[i].says), "%s: %s", wrong[i].text, why.data);
    }
    char text[700];
    AUTO_BUF why = BUF_INIT;
    memset(text, '5', sizeof(text));
    text[sizeof(text) - 1] = 0;
    ck_assert_int_eq(webhook_check_delays(text, &why), -ERR_CONFIG);
}
END_TEST

static void nothing(void)
{
}

int main(void)
{
    return SUITE("webhook", nothing, nothing, addresses, addresses_that_are_named, signature,
                 pauses, pauses_that_are_none);
}
