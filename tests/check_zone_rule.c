/* check_zone_rule.c - POSIX's rules of time zones: read, refused, and asked beside the C library's
 * own. */
#include "../server/zone_rule.h"

#include "suite.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

static bool parse(const char *text, struct zone_rule *out)
{
    return zone_rule_parse(text, strlen(text), out);
}

START_TEST(rules_that_are_refused)
{
    static const char *const texts[] = {"",
                                        "CE",
                                        "CET",
                                        "<CET",
                                        "<CET>",
                                        "CET-",
                                        "CET-25",
                                        "CET-1:",
                                        "CET-1:60",
                                        "CET-1:00:",
                                        "CET-1:00:60",
                                        "CET-1 ",
                                        "CET-1CE",
                                        "CET-1CEST",
                                        "CET-1CEST,",
                                        "CET-1CEST-25,M3.5.0,M10.5.0",
                                        "CET-1CEST-,M3.5.0,M10.5.0",
                                        "CET-1CEST,M3.5.0",
                                        "CET-1CEST,M3.5.0,",
                                        "CET-1CEST,M3.5.0,M10.5.0x",
                                        "CET-1CEST,M3.5.0;M10.5.0",
                                        "CET-1CEST,M0.5.0,M10.5.0",
                                        "CET-1CEST,M13.5.0,M10.5.0",
                                        "CET-1CEST,M3.0.0,M10.5.0",
                                        "CET-1CEST,M3.6.0,M10.5.0",
                                        "CET-1CEST,M3.5.7,M10.5.0",
                                        "CET-1CEST,M3.5,M10.5.0",
                                        "CET-1CEST,M3,M10.5.0",
                                        "CET-1CEST,M,M10.5.0",
                                        "CET-1CEST,J0,J300",
                                        "CET-1CEST,J366,J300",
                                        "CET-1CEST,J,J300",
                                        "CET-1CEST,366,300",
                                        "CET-1CEST,-1,300",
                                        "CET-1CEST,M3.5.0/168,M10.5.0",
                                        "CET-1CEST,M3.5.0/,M10.5.0"};
    struct zone_rule r;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!parse(texts[i], &r), "`%s`", texts[i]);
}
END_TEST

static uint64_t random_number(void)
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* The C library's answer. */
static long offset_at(time_t t)
{
    struct tm tm;
    ck_assert_ptr_nonnull(localtime_r(&t, &tm));
    return tm.tm_gmtoff;
}

static void beside_the_library(const char *text)
{
    struct zone_rule r;
    ck_assert_msg(parse(text, &r), "`%s`", text);
    ck_assert_int_eq(setenv("TZ", text, 1), 0);
    tzset();
    for (int i = 0; i < 1000; i++) {
        int64_t t = (int64_t)(random_number() % (UINT64_C(130) * 365 * 86400)); /* 1970 to 2099 */
        struct zone_span span;
        zone_rule_span(&r, t, &span);
        ck_assert_msg(span.offset == offset_at((time_t)t), "%s at %lld: %d, not %ld", text,
                      (long long)t, span.offset, offset_at((time_t)t));
        ck_assert(span.start <= t && t < span.end);
        if (span.start > 0) { /* the span begins where it says, and with the change that it says */
            ck_assert_int_eq(span.offset, offset_at((time_t)span.start));
            ck_assert_int_eq(span.before, offset_at((time_t)span.start - 1));
        }
        if (span.end < INT64_C(1) << 40) {
            ck_assert_int_eq(span.offset, offset_at((time_t)span.end - 1));
        }
    }
}

START_TEST(rules_by_month)
{
    beside_the_library("UTC0");
    beside_the_library("CET-1CEST,M3.5.0,M10.5.0/3");
    beside_the_library("EST5EDT,M3.2.0,M11.1.0");
    beside_the_library("NZST-12NZDT,M9.5.0,M4.1.0/3"); /* the south */
    beside_the_library("<+0545>-5:45");
    beside_the_library("<-0330>+3:30<-0230>+2:30:00,M3.2.0/0:01,M11.1.0/0:01:30");
    beside_the_library("IST-1GMT0,M10.5.0,M3.5.0/1"); /* winter time is the exception */
}
END_TEST

START_TEST(rules_by_day)
{
    beside_the_library(
        "AAA-1BBB,J60,J300"); /* 1 March, whether or not the year has a 29 February */
    beside_the_library("AAA3BBB,J59/12,J365/1"); /* 28 February */
    beside_the_library("AAA-1BBB,59,299/4:30");  /* the 60th day */
    beside_the_library("AAA-1BBB-3,0/3,364");
}
END_TEST

int main(void)
{
    return SUITE("zone_rule", NULL, NULL, rules_that_are_refused, rules_by_month, rules_by_day);
}
