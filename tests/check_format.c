/*
 * check_format.c - texts of the formats that JSON Schema names: what the RFCs allow, and what they
 * do not, at every place where a text can go wrong.
 */
#include "../server/schema_format.h"

#include "suite.h"

#include <stdio.h>
#include <string.h>

/* Each text is checked in memory of its own length, so that a sanitizer sees a byte too far. */
static bool is(const char *format, const char *text, size_t len)
{
    format_fn fn = format_find(format);
    ck_assert(fn != NULL);
    char *copy = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    bool ok = fn(copy, len);
    free(copy);
    return ok;
}

static void all_are(const char *format, bool want, const char *const *texts)
{
    for (; *texts; texts++)
        ck_assert_msg(is(format, *texts, strlen(*texts)) == want, "%s: `%s` is taken for %s",
                      format, *texts, want ? "wrong" : "right");
}

#define RIGHT(format, ...) all_are(format, true, (const char *const[]){__VA_ARGS__, NULL})
#define WRONG(format, ...) all_are(format, false, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(dates_and_times)
{
    RIGHT("date", "2026-11-23", "2024-02-29", "2000-02-29", "0000-01-01", "9999-12-31");
    WRONG("date", "", "2026", "2026-", "2026-1-23", "2026/11/23", "2026-11/23", "2026-00-10",
          "2026-13-10", "2026-11-00", "2026-11-31", "2026-02-29", "1900-02-29", "2026-11-2x",
          "2026-11-233", "x026-11-23", "2026-11-23 ");
    RIGHT("time", "00:00:00Z", "23:59:59z", "12:30:45.123456789Z", "12:30:45+02:00",
          "12:30:45-23:59", "23:59:60Z", "22:59:60-01:00", "00:59:60+01:00");
    WRONG("time", "", "12", "12:", "1x:00:00Z", "12-30:45Z", "12:3", "12:30-45Z", "12:30:4",
          "24:00:00Z", "12:60:00Z", "12:30:61Z", "12:30:45", "12:30:45.Z", "12:30:45x", "12:30:45+",
          "12:30:45+0", "12:30:45+02", "12:30:45+02-00", "12:30:45+02:", "12:30:45+24:00",
          "12:30:45+02:60", "12:30:60Z", "23:59:60+01:00", "12:30:45Zz", "12:30:45.5");
    RIGHT("date-time", "2026-11-23T03:19:00Z", "2026-11-23t03:19:00.5+01:30",
          "2016-12-31T23:59:60Z");
    WRONG("date-time", "2026-11-23", "2026-11-23 03:19:00Z", "2026-11-23T", "2026-11-23T03:19:00",
          "2026-11-31T03:19:00Z", "2026-11-23T03:19:00Z ");
}
END_TEST

START_TEST(durations)
{
    RIGHT("duration", "P1Y", "P1M", "P10D", "P1Y2M3D", "P1W", "P12W", "PT1H", "PT1M", "PT1S",
          "PT1H2M3S", "P1DT1H", "P0D");
    WRONG("duration", "", "P", "1D", "PT", "P1", "P1DT", "P1D2", "P1DT1", "P1S", "PT1D", "P1D1Y",
          "P1Y1D", "PT1H1S", "P1W1D", "P1D1W", "P-1D", "P1.5D", "P1Y1Y", "p1D", "P1d", "P1YT1W",
          "PW", "P1DT1H ");
}
END_TEST

START_TEST(addresses)
{
    RIGHT("ipv4", "0.0.0.0", "255.255.255.255", "127.0.0.1");
    WRONG("ipv4", "", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", "::1");
    RIGHT("ipv6", "::", "::1", "2001:db8::8a2e:370:7334", "::ffff:192.0.2.1");
    WRONG("ipv6", "", ":", ":::", "1::2::3", "12345::", "1.2.3.4", "::1%lo", "::g");
    ck_assert(!is("ipv4", "1.2.3.4\0", 8));
    ck_assert(
        !is("ipv6", "::1                                                                ", 66));
    RIGHT("hostname", "a", "example.com", "a-b.c-d", "1.2", "xn--bcher-kva.example",
          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk.de");
    WRONG("hostname", "", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a.-b", "a_b", "a b",
          "ab--c", "a.xy--z",
          "b\xc3\xbc"
          "cher",
          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.de");
    char longest[256];
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 10 == 9 ? '.' : 'a';
    ck_assert(is("hostname", longest, 253));
    ck_assert(!is("hostname", longest, 254));
}
END_TEST

START_TEST(mailboxes)
{
    RIGHT("email", "a@b", "joe.bloggs@example.com", "a+b!#$%&'*/=?^_`{|}~-@example.com",
          "\"joe bloggs\"@example.com", "\"a\\\"b\"@x", "\"@\"@x", "a@[127.0.0.1]", "a@[IPv6:::1]",
          "a@[ipv6:2001:db8::1]");
    WRONG("email", "", "a", "@", "a@", "@b", ".a@b", "a.@b", "a..b@c", "a b@c", "a@b@c", "\"a@b",
          "\"@b", "\"a\"b\"@c", "\"a\\\"@b", "\"a\x01\"@b", "\"\xc3\xbc\"@b", "a@-b", "a@[1.2.3]",
          "a@[127.0.0.1", "a@127.0.0.1]", "a@[]", "a@[IPv6:1]", "a@[IPv6:]", "a@b.",
          "12345678901234567890123456789012345678901234567890123456789012345@b");
    ck_assert(!is("email", "a\0b@c", 5));
}
END_TEST

START_TEST(identifiers)
{
    RIGHT("uuid", "01a206c9-3464-7000-93c5-f3a31ec3a416", "01A206C9-3464-7000-93C5-F3A31EC3A416",
          "00000000-0000-0000-0000-000000000000");
    WRONG("uuid", "", "01a206c9-3464-7000-93c5-f3a31ec3a41",
          "01a206c9-3464-7000-93c5-f3a31ec3a4166", "01a206c934647000-93c5-f3a31ec3a416xx",
          "g1a206c9-3464-7000-93c5-f3a31ec3a416", "01a206c9-3464-7000-93c5f-3a31ec3a416",
          "{01a206c9-3464-7000-93c5-f3a31ec3a41}");
    RIGHT("json-pointer", "", "/", "/a", "/a/b", "/a~0b~1c", "/ ", "//");
    WRONG("json-pointer", "a", "#/a", "/~", "/a~", "/~2", "/a~/b");
}
END_TEST

START_TEST(uris)
{
    RIGHT("uri", "http://example.com", "http://a:1/b?c=d#e", "ftp://joe:pw@example.com/%7Ejoe",
          "urn:isbn:123", "mailto:a@b", "http://[::1]:80/", "http://[v1.x:y]/",
          "file:///etc/passwd", "a:", "a+b-c.1:x", "http://a:/", "http://!$&'()*+,;=/",
          "x://a?b/c?d#e/f?g", "http://");
    WRONG("uri", "", ":", "1a:b", "+a:b", "a_b:c", "//a/b", "/a", "a", "http://a b", "http://a/\"",
          "http://a/%", "http://a/%4", "http://a/%4g", "http://a/%g4", "http://[::1",
          "http://[::g]", "http://[v1.\"]", "http://[::1]x", "http://[]", "http://a:b",
          "http://a:1x/", "http://u|@b", "http://a#b#c", "http://a?\\", "http://a#^",
          "http://\xc3\xbc");
    RIGHT("uri-reference", "", "a", "/a/b", "//a/b", "?q", "#f", "./a:b", "a/b:c", "../x",
          "http://a");
    WRONG("uri-reference", "1:b", "a b", "\\a", "//[::1", "a?^", "a#^", "%", "1a:b/c");
    ck_assert(!is("uri", "http:\0", 6));
    ck_assert(!is("uri", "\0:a", 3));
}
END_TEST

START_TEST(names)
{
    char all[512], some[20];
    ck_assert(format_find("colour") == NULL);
    format_names(all, sizeof(all));
    for (char *rest = all, *name; (name = strtok_r(rest, ", ", &rest));)
        ck_assert(format_find(name) != NULL);
    format_names(some, sizeof(some));
    ck_assert_uint_lt(strlen(some), sizeof(some));
}
END_TEST

int main(void)
{
    return SUITE("format", NULL, NULL, dates_and_times, durations, addresses, mailboxes,
                 identifiers, uris, names);
}
