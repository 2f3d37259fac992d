/* zone_rule.c - pure: POSIX rules of summer time. Any thread. */
#include "zone_rule.h"

#include <string.h>

#define DAY_S  86400
#define HOUR_S 3600

/* ---- dates ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned date_month_days(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Years begin in March here, so that the odd day is the last one: a month's days follow from its
 * number, an era of 400 years has 146097. */
int64_t date_to_days(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void date_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t from_march = days + 719468;
    int64_t era = (from_march >= 0 ? from_march : from_march - 146096) / 146097;
    int64_t d = from_march - era * 146097;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t of_year = d - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

/* ---- reading ---- */

struct cursor {
    const char *at, *end;
};

static bool literal(struct cursor *c, char what)
{
    if (c->at == c->end || *c->at != what)
        return false;
    c->at++;
    return true;
}

static bool number(struct cursor *c, int most, int *out)
{
    const char *start = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        *out = *out * 10 + (*c->at - '0');
        if (*out > most)
            return false;
    }
    return c->at > start;
}

/* "[+-]h[h][:mm[:ss]]" in seconds. */
static bool hours(struct cursor *c, int most, int32_t *out)
{
    int h = 0, m = 0, s = 0;
    bool minus = literal(c, '-');
    if (!minus)
        (void)literal(c, '+');
    if (!number(c, most, &h) || (literal(c, ':') && !number(c, 59, &m)))
        return false;
    if (c->at[-1] != ':' && literal(c, ':') && !number(c, 59, &s))
        return false;
    *out = (h * HOUR_S + m * 60 + s) * (minus ? -1 : 1);
    return true;
}

/* "CET" or "<+0530>". */
static bool abbreviation(struct cursor *c)
{
    const char *start = c->at;
    if (literal(c, '<')) {
        while (c->at < c->end && *c->at != '>')
            c->at++;
        return literal(c, '>');
    }
    while (c->at < c->end && ((*c->at >= 'a' && *c->at <= 'z') || (*c->at >= 'A' && *c->at <= 'Z')))
        c->at++;
    return c->at - start >= 3;
}

static bool rule_day(struct cursor *c, struct zone_day *out)
{
    int a = 0, b = 0, d = 0;
    *out = (struct zone_day){.time = 2 * HOUR_S};
    if (literal(c, 'M')) {
        out->kind = DAY_MONTH;
        if (!number(c, 12, &a) || !literal(c, '.') || !number(c, 5, &b) || !literal(c, '.') ||
            !number(c, 6, &d) || a < 1 || b < 1)
            return false;
        out->month = (unsigned)a;
        out->week = (unsigned)b;
    } else if (literal(c, 'J')) {
        out->kind = DAY_NO_LEAP;
        if (!number(c, 365, &d) || d < 1)
            return false;
    } else {
        out->kind = DAY_LEAP;
        if (!number(c, 365, &d))
            return false;
    }
    out->day = (unsigned)d;
    return !literal(c, '/') || hours(c, 167, &out->time);
}

bool zone_rule_parse(const char *text, size_t len, struct zone_rule *out)
{
    struct cursor c = {text, text + len};
    *out = (struct zone_rule){0};
    if (!abbreviation(&c) || !hours(&c, 24, &out->standard))
        return false;
    out->standard = -out->standard; /* POSIX counts to the west */
    if (c.at == c.end)
        return true;
    out->has_summer = true;
    out->summer = out->standard + HOUR_S;
    if (!abbreviation(&c))
        return false;
    if (c.at < c.end && *c.at != ',') {
        if (!hours(&c, 24, &out->summer))
            return false;
        out->summer = -out->summer;
    }
    return literal(&c, ',') && rule_day(&c, &out->begin) && literal(&c, ',') &&
           rule_day(&c, &out->end) && c.at == c.end;
}

/* ---- asking ---- */

/* The local time of a year's change, in seconds as if it were UTC. */
static int64_t change_in(const struct zone_day *d, int64_t year)
{
    int64_t first = date_to_days(year, 1, 1), day;
    if (d->kind == DAY_LEAP) {
        day = first + d->day;
    } else if (d->kind == DAY_NO_LEAP) {
        day = first + d->day - 1 + (is_leap(year) && d->day >= 60 ? 1 : 0);
    } else {
        int64_t month = date_to_days(year, d->month, 1);
        int64_t weekday = (month % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
        day = month + (d->day - weekday + 7) % 7 + 7 * ((int64_t)d->week - 1);
        while (day >= month + date_month_days(year, d->month))
            day -= 7; /* week 5 is the last */
    }
    return day * DAY_S + d->time;
}

struct change {
    int64_t at;
    int32_t offset; /* from then on */
};

void zone_rule_span(const struct zone_rule *r, int64_t t, struct zone_span *out)
{
    int64_t year, days = (t >= 0 ? t : t - DAY_S + 1) / DAY_S;
    unsigned month, day, n = 0;
    struct change change[10];
    *out = (struct zone_span){INT64_MIN, INT64_MAX, r->standard, r->standard};
    if (!r->has_summer)
        return;
    date_of_days(days, &year, &month, &day);
    for (int64_t y = year - 2; y <= year + 2; y++) {
        struct change begin = {change_in(&r->begin, y) - r->standard, r->summer};
        struct change end = {change_in(&r->end, y) - r->summer, r->standard};
        bool north = begin.at <= end.at;
        change[n++] = north ? begin : end;
        change[n++] = north ? end : begin;
    }
    for (unsigned i = 0; i < n; i++) {
        if (change[i].at > t && change[i].at < out->end)
            out->end = change[i].at;
        if (change[i].at > t || change[i].at < out->start)
            continue;
        out->before = out->start == INT64_MIN ? change[i].offset : out->offset;
        out->start = change[i].at;
        out->offset = change[i].offset;
    }
}
