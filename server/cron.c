/*
 * cron.c - pure: cron expressions. The search goes through the zone's spans of equal offset: within
 * one, local time is plain arithmetic, and what is special stands at their borders. Any thread.
 */
#include "cron.h"

#include "../common/err.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define US_PER_S  INT64_C(1000000)
#define DAY_S     INT64_C(86400)
#define HORIZON_S (INT64_C(36525) * DAY_S)
#define NONE      INT64_MAX

/* ---- reading ---- */

struct field {
    const char *name;
    unsigned least, most;
    const char *const *words; /* of the values from `least` on, or NULL */
    unsigned count;
};

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                     "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL, 0},        [HOUR] = {"hour", 0, 23, NULL, 0},
    [DAY] = {"day of the month", 1, 31, NULL, 0}, [MONTH] = {"month", 1, 12, months, 12},
    [WEEKDAY] = {"weekday", 0, 7, weekdays, 7},
};

static const struct {
    const char *name, *means;
} nicknames[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

struct cursor {
    const char *at, *end;
};

static int bad(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct buf *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return -ERR_BAD_FIELD;
}

static bool literal(struct cursor *c, char what)
{
    if (c->at == c->end || *c->at != what)
        return false;
    c->at++;
    return true;
}

static bool digits(struct cursor *c, unsigned *out)
{
    const char *start = c->at;
    for (*out = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - start < 4; c->at++)
        *out = *out * 10 + (unsigned)(*c->at - '0');
    return c->at > start;
}

/* A number or a word of the field. */
static bool value(struct cursor *c, const struct field *f, unsigned *out)
{
    for (unsigned i = 0; i < f->count && c->end - c->at >= 3; i++) {
        if (strncasecmp(c->at, f->words[i], 3) == 0) {
            c->at += 3;
            *out = f->least + i;
            return true;
        }
    }
    return digits(c, out) && *out >= f->least && *out <= f->most;
}

/* One part of a list, from c->at to c->end. */
static int part(struct cursor c, const struct field *f, uint64_t *bits, struct buf *why)
{
    const char *text = c.at;
    int len = (int)(c.end - c.at);
    unsigned from = f->least, to = f->most, step = 1;
    bool star = literal(&c, '*'), range = star;
    if (f == &fields[WEEKDAY] && star)
        to = 6;
    if (!star) {
        if (!value(&c, f, &from))
            return bad(why, "the field %s must be `*` or of %u to %u, not `%.*s`", f->name,
                       f->least, f->most, len, text);
        range = literal(&c, '-');
        to = from;
        if (range && !value(&c, f, &to))
            return bad(why, "the field %s must be of %u to %u, not `%.*s`", f->name, f->least,
                       f->most, len, text);
        if (range && to == 0 && from > 0 && f == &fields[WEEKDAY])
            to = 7; /* FRI-SUN */
        if (to < from)
            return bad(why, "the field %s has a range that goes backwards: `%.*s`", f->name, len,
                       text);
    }
    if (literal(&c, '/')) {
        if (!range)
            return bad(why, "the field %s has a step without a range: `%.*s`; write `%u-%u/…`",
                       f->name, len, text, from, f->most);
        if (!digits(&c, &step) || step < 1 || step > f->most)
            return bad(why, "the field %s must have a step of 1 to %u, not `%.*s`", f->name,
                       f->most, len, text);
    }
    if (c.at != c.end)
        return bad(why, "the field %s has something that is not understood: `%.*s`", f->name, len,
                   text);
    for (unsigned v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return 0;
}

static int field_parse(const char *text, size_t len, const struct field *f, uint64_t *bits,
                       struct buf *why)
{
    const char *end = text + len;
    *bits = 0;
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        int err = part((struct cursor){text, comma ? comma : end}, f, bits, why);
        if (err || !comma)
            return err;
        text = comma + 1;
    }
}

/* Some month that is named must have a day that is named. */
static int check_days(const struct cron *c, struct buf *why)
{
    if (!c->any_weekday)
        return 0; /* a weekday comes in any month */
    for (unsigned m = 1; m <= 12; m++) {
        uint32_t there = (uint32_t)((UINT64_C(2) << date_month_days(2000, m)) - 2);
        if (c->month & 1u << m && c->day & there)
            return 0;
    }
    return bad(why, "the fields day of the month and month never match together: no month that is "
                    "named has such a day");
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

/* The words of the text: at most `most` are kept, all are counted. */
static unsigned words_of(const char *text, size_t len, const char **word, size_t *length,
                         unsigned most)
{
    unsigned n = 0;
    for (size_t i = 0; i < len;) {
        if (is_blank(text[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < len && !is_blank(text[i]))
            i++;
        if (n < most) {
            word[n] = text + start;
            length[n] = i - start;
        }
        n++;
    }
    return n;
}

static int nickname(const char *word, size_t len, struct cron *out, struct buf *why)
{
    for (size_t i = 0; i < sizeof(nicknames) / sizeof(nicknames[0]); i++) {
        if (strlen(nicknames[i].name) == len && strncasecmp(nicknames[i].name, word, len) == 0)
            return cron_parse(nicknames[i].means, strlen(nicknames[i].means), out, why);
    }
    return bad(why,
               "`%.*s` is not known; known are @yearly, @annually, @monthly, @weekly, @daily, "
               "@midnight, @hourly",
               (int)(len < 64 ? len : 64), word);
}

int cron_parse(const char *text, size_t len, struct cron *out, struct buf *why)
{
    const char *word[FIELDS];
    size_t length[FIELDS];
    uint64_t bits[FIELDS] = {0};
    *out = (struct cron){0};
    if (len > CRON_TEXT_MAX)
        return bad(why, "longer than %d bytes", CRON_TEXT_MAX);
    unsigned n = words_of(text, len, word, length, FIELDS);
    if (n == 1 && word[0][0] == '@')
        return nickname(word[0], length[0], out, why);
    if (n != FIELDS)
        return bad(why,
                   "must have five fields (minute, hour, day of the month, month, weekday), "
                   "not %u",
                   n);
    for (unsigned i = 0; i < FIELDS; i++) {
        int err = field_parse(word[i], length[i], &fields[i], &bits[i], why);
        if (err)
            return err;
    }
    bits[WEEKDAY] |= bits[WEEKDAY] >> 7; /* 7 is Sunday too */
    *out = (struct cron){.minute = bits[MINUTE],
                         .hour = (uint32_t)bits[HOUR],
                         .day = (uint32_t)bits[DAY],
                         .month = (uint16_t)bits[MONTH],
                         .weekday = (uint8_t)(bits[WEEKDAY] & 0x7f),
                         .any_hour = word[HOUR][0] == '*',
                         .any_day = word[DAY][0] == '*',
                         .any_weekday = word[WEEKDAY][0] == '*'};
    return check_days(out, why);
}

/* ---- within one offset: local time, as seconds since 1970-01-01 00:00 local ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool day_matches(const struct cron *c, int64_t days, unsigned day)
{
    int64_t weekday = (days % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
    bool by_day = c->day & 1u << day, by_weekday = c->weekday & 1u << weekday;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first matching minute of a day from `from` on, in minutes after midnight; -1: none. */
static int minute_from(const struct cron *c, int from)
{
    for (int h = from / 60; h < 24; h++) {
        if (!(c->hour & 1u << h))
            continue;
        int first = h == from / 60 ? from % 60 : 0;
        uint64_t left = c->minute >> first;
        if (left)
            return h * 60 + first + __builtin_ctzll(left);
    }
    return -1;
}

/* The first matching local time in [from, limit); NONE: there is none. */
static int64_t local_next(const struct cron *c, int64_t from, int64_t limit)
{
    int64_t minutes = floor_div(from + 59, 60), days = floor_div(minutes, 1440), year;
    int minute = (int)(minutes - days * 1440);
    unsigned month, day;
    date_of_days(days, &year, &month, &day);
    while (days < floor_div(limit + DAY_S - 1, DAY_S)) {
        if (!(c->month & 1u << month)) {
            days += date_month_days(year, month) - day + 1;
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
            minute = 0;
            continue;
        }
        int found = day_matches(c, days, day) ? minute_from(c, minute) : -1;
        if (found >= 0) {
            int64_t at = (days * 1440 + found) * 60;
            return at < limit ? at : NONE;
        }
        minute = 0;
        days++;
        if (++day > date_month_days(year, month)) {
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
        }
    }
    return NONE;
}

/* ---- across changes of the offset ---- */

/* The first moment in [from, span->end) at which the schedule runs. */
static int64_t span_next(const struct cron *c, const struct zone_span *span, int64_t from,
                         int64_t horizon)
{
    int64_t end = span->end < horizon ? span->end : horizon;
    int64_t local = from + span->offset;
    bool changed = !c->any_hour && span->start != INT64_MIN;
    if (changed && from == span->start && span->offset > span->before &&
        local_next(c, span->start + span->before, span->start + span->offset) != NONE)
        return span->start; /* what the clock left out */
    if (changed && local < span->start + span->before)
        local = span->start + span->before; /* what the clock shows again has run */
    if (local >= end + span->offset)
        return NONE;
    int64_t found = local_next(c, local, end + span->offset);
    return found == NONE ? NONE : found - span->offset;
}

int cron_next(const struct cron *c, const struct zone *z, int64_t after_us, int64_t *out_us)
{
    int64_t from = floor_div(after_us, US_PER_S) + 1, horizon = from + HORIZON_S;
    while (from < horizon) {
        struct zone_span span;
        zone_span(z, from, &span);
        int64_t found = span_next(c, &span, from, horizon);
        if (found != NONE) {
            *out_us = found * US_PER_S;
            return 0;
        }
        from = span.end < horizon ? span.end : horizon;
    }
    return -ERR_NOT_FOUND;
}
