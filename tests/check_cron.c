/*
 * check_cron.c - cron expressions: what they name, what is refused, and the next moment across
 * summer time of both hemispheres, leap years and odd zones. The zones are the system's.
 */
#include "../server/cron.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static char text[300];

/* The next runs after `after`, with blanks between them. */
static const char *runs(const char *expr, const char *zone, const char *after, int count)
{
    struct cron c;
    struct zone *z;
    AUTO_BUF why = BUF_INIT;
    int64_t t;
    size_t at = 0;
    ck_assert_msg(cron_parse(expr, strlen(expr), &c, &why) == 0, "%s: %s", expr, why.data);
    ck_assert_msg(zone_open(zone, &z, &why) == 0, "%s: %s", zone, why.data);
    ck_assert(clock_parse(after, strlen(after), &t));
    for (int i = 0; i < count; i++) {
        char when[CLOCK_TEXT];
        int64_t before = t;
        ck_assert_int_eq(cron_next(&c, z, before, &t), 0);
        ck_assert_int_gt(t, before);
        clock_format(t, when);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.16sZ", i ? " " : "", when);
    }
    zone_free(z);
    return text;
}

static const char *refused(const char *expr)
{
    struct cron c;
    AUTO_BUF why = BUF_INIT;
    ck_assert_msg(cron_parse(expr, strlen(expr), &c, &why) == -ERR_BAD_FIELD, "%s", expr);
    snprintf(text, sizeof(text), "%s", why.data);
    return text;
}

struct row {
    const char *expr, *zone, *after, *want;
};

static void ck_rows(const struct row *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int count = 1;
        for (const char *p = row[i].want; *p; p++)
            count += *p == ' ';
        ck_assert_str_eq(runs(row[i].expr, row[i].zone, row[i].after, count), row[i].want);
    }
}
#define ROWS(rows) ck_rows(rows, sizeof(rows) / sizeof(rows[0]))

START_TEST(fields)
{
    static const struct row rows[] = {
        {"* * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01Z 2026-01-01T00:02Z"},
        {"* * * * *", "UTC", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01Z"},
        {"0 12 * * *", "UTC", "2026-01-01T11:59:59.999Z", "2026-01-01T12:00Z 2026-01-02T12:00Z"},
        {"*/20 3-4 * * *", "UTC", "2026-01-01T03:21:00Z",
         "2026-01-01T03:40Z 2026-01-01T04:00Z 2026-01-01T04:20Z 2026-01-01T04:40Z "
         "2026-01-02T03:00Z"},
        {"10-20/5,59 0 1 * *", "UTC", "2026-01-01T00:00:00Z",
         "2026-01-01T00:10Z 2026-01-01T00:15Z 2026-01-01T00:20Z 2026-01-01T00:59Z "
         "2026-02-01T00:10Z"},
        {"0 0 * jan-Mar/2 *", "UTC", "2026-01-31T00:00:00Z", "2026-03-01T00:00Z"},
        {"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00Z 2026-05-31T00:00Z"},
        {"0 0 * * MON-fri", "UTC", "2026-01-02T00:00:00Z", "2026-01-05T00:00Z"}, /* from a Friday */
        {"0 0 * * FRI-SUN", "UTC", "2026-01-02T00:00:00Z",
         "2026-01-03T00:00Z 2026-01-04T00:00Z 2026-01-09T00:00Z"},
        {"0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00Z"},
        {"0 0 * * 0", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00Z"},
        {"@hourly", "UTC", "2026-12-31T23:00:00Z", "2027-01-01T00:00Z"},
        {"@Daily", "UTC", "2026-12-31T23:00:00Z", "2027-01-01T00:00Z"},
        {"@weekly", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00Z"},
        {"@monthly", "UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00Z"},
        {"@annually", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00Z"},
        {" \t0  0 1 1\t* ", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00Z"},
        {"59 23 31 12 *", "UTC", "1969-12-31T00:00:00Z", "1969-12-31T23:59Z"},
    };
    ROWS(rows);
}
END_TEST

START_TEST(days_by_either_field_or_both)
{
    static const struct row rows[] = {
        /* the 13th, and each Friday */
        {"0 0 13 * 5", "UTC", "2026-02-07T00:00:00Z",
         "2026-02-13T00:00Z 2026-02-20T00:00Z 2026-02-27T00:00Z 2026-03-06T00:00Z "
         "2026-03-13T00:00Z"},
        /* odd days that are Mondays */
        {"0 0 */2 * 1", "UTC", "2026-02-01T00:00:00Z", "2026-02-09T00:00Z 2026-02-23T00:00Z"},
        /* the first, when it is a Sunday, Tuesday, Thursday or Saturday */
        {"0 0 1 * */2", "UTC", "2026-04-02T00:00:00Z", "2026-08-01T00:00Z 2026-09-01T00:00Z"},
    };
    ROWS(rows);
}
END_TEST

START_TEST(leap_years)
{
    static const struct row rows[] = {
        {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00Z 2032-02-29T00:00Z"},
        {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00Z"}, /* 2100 is none */
        {"0 0 29 2 *", "UTC", "1999-03-01T00:00:00Z", "2000-02-29T00:00Z"},
        {"0 0 29 2 */7", "UTC", "2026-01-01T00:00:00Z", "2032-02-29T00:00Z 2060-02-29T00:00Z"},
        {"59 23 28-31 2 *", "America/New_York", "2028-02-28T12:00:00Z",
         "2028-02-29T04:59Z 2028-03-01T04:59Z 2029-03-01T04:59Z"},
    };
    ROWS(rows);
}
END_TEST

START_TEST(summer_time_begins)
{
    static const struct row rows[] = {
        /* Berlin, 29 March 2026: 02:00 is 03:00 */
        {"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z",
         "2026-03-28T01:30Z 2026-03-29T01:00Z 2026-03-30T00:30Z"},
        {"*/10 2 * * *", "Europe/Berlin", "2026-03-28T01:50:00Z",
         "2026-03-29T01:00Z 2026-03-30T00:00Z"}, /* six at once are one */
        {"30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
         "2026-03-29T01:00Z 2026-03-29T01:30Z 2026-03-30T00:30Z"},
        {"0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
         "2026-03-29T01:00Z 2026-03-30T00:00Z"}, /* both at the same moment */
        {"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
         "2026-03-29T00:30Z 2026-03-29T01:30Z"}, /* a rhythm: 02:30 is left out */
        {"0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z",
         "2026-03-29T02:00Z 2026-03-29T04:00Z"},
        {"0 */2 28 3 *", "Europe/Berlin", "2027-03-27T23:00:00Z",
         "2027-03-28T02:00Z 2027-03-28T04:00Z"}, /* it is still one on a named day */
        {"30 2 29 3 *", "Europe/Berlin", "2026-01-01T00:00:00Z",
         "2026-03-29T01:00Z 2027-03-29T00:30Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59.999Z", "2026-03-29T01:00Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30Z"},
        /* the south: Sydney, 4 October 2026 */
        {"30 2 * * *", "Australia/Sydney", "2026-10-03T12:00:00Z",
         "2026-10-03T16:00Z 2026-10-04T15:30Z"},
        /* half an hour: Lord Howe */
        {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
         "2026-10-03T15:30Z 2026-10-04T15:15Z"},
        /* at midnight: Santiago, 6 September 2026 */
        {"0 0 * * *", "America/Santiago", "2026-09-05T04:00:00Z",
         "2026-09-06T04:00Z 2026-09-07T03:00Z"},
        /* a day that never was: Apia, 30 December 2011 */
        {"0 9 * * *", "Pacific/Apia", "2011-12-29T19:00:00Z",
         "2011-12-30T10:00Z 2011-12-30T19:00Z"},
    };
    ROWS(rows);
}
END_TEST

START_TEST(summer_time_ends)
{
    static const struct row rows[] = {
        /* Berlin, 25 October 2026: 03:00 is 02:00 */
        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
         "2026-10-25T00:30Z 2026-10-26T01:30Z"},
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30Z"},
        {"*/30 2,3 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
         "2026-10-25T00:30Z 2026-10-25T02:00Z 2026-10-25T02:30Z"},
        {"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
         "2026-10-25T00:30Z 2026-10-25T01:30Z 2026-10-25T02:30Z"},
        {"0 */2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z",
         "2026-10-25T00:00Z 2026-10-25T01:00Z 2026-10-25T03:00Z"},
        {"30 * 31 10 *", "Europe/Berlin", "2027-10-31T00:00:00Z",
         "2027-10-31T00:30Z 2027-10-31T01:30Z 2027-10-31T02:30Z"},
        {"@hourly", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T01:00Z 2026-10-25T02:00Z"},
        {"*/30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z",
         "2026-10-25T00:00Z 2026-10-25T00:30Z 2026-10-26T01:00Z"}, /* the minutes do not count */
        /* the south: Sydney, 5 April 2026 */
        {"30 2 * * *", "Australia/Sydney", "2026-04-04T12:00:00Z",
         "2026-04-04T15:30Z 2026-04-05T16:30Z"},
        {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z",
         "2026-04-04T14:45Z 2026-04-05T15:15Z"},
        /* before midnight: the day begins once (Havana, 1 November 2026) */
        {"0 0 * * *", "America/Havana", "2026-10-31T12:00:00Z",
         "2026-11-01T04:00Z 2026-11-02T05:00Z"},
    };
    ROWS(rows);
}
END_TEST

START_TEST(zones_by_rule_and_by_table)
{
    static const struct row rows[] = {
        {"0 12 1 7 *", "Europe/Berlin", "2090-01-01T00:00:00Z", "2090-07-01T10:00Z"},
        {"0 12 1 1 *", "Europe/Berlin", "2090-01-02T00:00:00Z", "2091-01-01T11:00Z"},
        {"30 2 * * *", "America/New_York", "2060-03-13T20:00:00Z",
         "2060-03-14T07:00Z 2060-03-15T06:30Z"},
        {"0 12 1 7 *", "Europe/Dublin", "2026-01-01T00:00:00Z",
         "2026-07-01T11:00Z"}, /* whose winter time is the exception */
        {"0 12 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T06:15Z"},
        {"0 12 * * *", "Etc/GMT+5", "2026-01-01T00:00:00Z", "2026-01-01T17:00Z"},
        {"0 12 * * *", "Europe/Berlin", "1880-01-01T00:00:00Z",
         "1880-01-01T11:06Z"}, /* local mean time, 53 min 28 s: 11:06:32 */
    };
    ROWS(rows);
}
END_TEST

START_TEST(expressions_that_are_refused)
{
    static const struct {
        const char *expr, *want;
    } row[] = {
        {"", "must have five fields"},
        {"* * * *", "not 4"},
        {"0 * * * * *", "not 6"},
        {"60 * * * *", "the field minute must be `*` or of 0 to 59, not `60`"},
        {"-1 * * * *", "the field minute"},
        {"* 24 * * *", "the field hour must be `*` or of 0 to 23, not `24`"},
        {"* * 0 * *", "the field day of the month must be `*` or of 1 to 31, not `0`"},
        {"* * 32 * *", "the field day of the month"},
        {"* * * 13 *", "the field month"},
        {"* * * FOO *", "the field month must be `*` or of 1 to 12, not `FOO`"},
        {"* * * * 8", "the field weekday must be `*` or of 0 to 7, not `8`"},
        {"5-1 * * * *", "goes backwards: `5-1`"},
        {"* * * * FRI-MON", "goes backwards: `FRI-MON`"},
        {"*/0 * * * *", "must have a step of 1 to 59, not `*/0`"},
        {"*/90 * * * *", "must have a step of 1 to 59"},
        {"5/15 * * * *", "a step without a range: `5/15`; write `5-59/"},
        {"1,,2 * * * *", "the field minute must be `*` or of 0 to 59, not ``"},
        {"1, * * * *", "the field minute"},
        {"1-2-3 * * * *", "not understood: `1-2-3`"},
        {"* * L * *", "not `L`"},
        {"* * 15W * *", "not understood: `15W`"},
        {"* * * * 5#2", "not understood: `5#2`"},
        {"* * ? * *", "not `?`"},
        {"99999999999 * * * *", "the field minute"},
        {"@reboot", "`@reboot` is not known"},
        {"@", "is not known"},
        {"0 0 30 2 *", "never match"},
        {"0 0 31 4,6,9,11 *", "never match"},
        {"0 0 30-31 FEB */2", "never match"},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        const char *got = refused(row[i].expr);
        ck_assert_msg(strstr(got, row[i].want) != NULL, "%s: '%s' lacks '%s'", row[i].expr, got,
                      row[i].want);
    }
    char blank[CRON_TEXT_MAX + 2];
    memset(blank, ' ', sizeof(blank) - 1);
    blank[sizeof(blank) - 1] = '\0';
    ck_assert_ptr_nonnull(strstr(refused(blank), "longer than"));
    struct cron c; /* 30 February or a Monday in February: that comes */
    ck_assert_int_eq(cron_parse("0 0 30 2 1", 10, &c, &(struct buf){0}), 0);
}
END_TEST

START_TEST(zones_that_are_refused)
{
    static const char *const names[] = {
        "",        "Mars/Olympus",   "../passwd",       "/etc/passwd", "zone.tab", "Europe",
        "Europe/", "Europe//Berlin", "Europe/./Berlin", "CET;ls",      "right/UTC"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct zone *z;
        AUTO_BUF why = BUF_INIT;
        int err = zone_open(names[i], &z, &why);
        ck_assert_msg(err == -ERR_BAD_FIELD, "%s: %d", names[i], err);
        ck_assert_ptr_null(z);
        ck_assert_uint_gt(why.len, 0);
    }
    struct zone *z;
    AUTO_BUF why = BUF_INIT;
    ck_assert_int_eq(zone_open("Europe/Berlin", &z, &why), 0);
    zone_free(z);
}
END_TEST

START_TEST(dates_and_days)
{
    int64_t y;
    unsigned m, d;
    ck_assert_int_eq(date_to_days(1970, 1, 1), 0);
    ck_assert_int_eq(date_to_days(2000, 3, 1), 11017);
    for (int64_t days = -800000; days < 800000; days += 37) {
        date_of_days(days, &y, &m, &d);
        ck_assert_int_eq(date_to_days(y, m, d), days);
        ck_assert(m >= 1 && m <= 12 && d >= 1 && d <= date_month_days(y, m));
    }
}
END_TEST

START_TEST(spans_join)
{
    static const char *const names[] = {"Europe/Berlin", "America/New_York", "Africa/Casablanca",
                                        "Pacific/Apia",  "Europe/Dublin",    "America/Sao_Paulo",
                                        "Asia/Gaza",     "Antarctica/Troll", "America/Nuuk"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct zone *z;
        struct zone_span now, next;
        AUTO_BUF why = BUF_INIT;
        ck_assert_int_eq(zone_open(names[i], &z, &why), 0);
        zone_span(z, INT64_C(-4000000000), &now);
        while (now.end < INT64_C(6000000000)) {
            zone_span(z, now.end, &next);
            ck_assert_int_eq(next.start, now.end);
            ck_assert_int_eq(next.before, now.offset);
            ck_assert_int_gt(next.end, next.start);
            now = next;
        }
        zone_free(z);
    }
}
END_TEST

int main(void)
{
    return SUITE("cron", NULL, NULL, fields, days_by_either_field_or_both, leap_years,
                 summer_time_begins, summer_time_ends, zones_by_rule_and_by_table,
                 expressions_that_are_refused, zones_that_are_refused, dates_and_days, spans_join);
}
