/* clock.c - the two clocks, their text form, and their stand-ins for tests. Any thread. */
#include "clock.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static _Atomic int64_t fake_wall = -1, fake_mono = -1;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t); /* cannot fail for these clocks */
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    int64_t fake = atomic_load_explicit(&fake_wall, memory_order_relaxed);
    return fake >= 0 ? fake : read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    int64_t fake = atomic_load_explicit(&fake_mono, memory_order_relaxed);
    return fake >= 0 ? fake : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
    int64_t fake = atomic_load_explicit(&fake_mono, memory_order_relaxed);
    return fake >= 0 ? fake : read_clock(CLOCK_BOOTTIME);
}

int64_t clock_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_fake(int64_t wall_us, int64_t mono_us)
{
    atomic_store(&fake_wall, wall_us);
    atomic_store(&fake_mono, mono_us);
}

int clock_wait_ms(int64_t deadline_us, int max_ms)
{
    int64_t now = clock_mono_us();
    if (deadline_us <= now)
        return 0;
    if (deadline_us - now >= (int64_t)max_ms * US_PER_MS)
        return max_ms;
    return (int)((deadline_us - now + US_PER_MS - 1) / US_PER_MS);
}

struct timespec clock_timespec(int64_t us)
{
    return (struct timespec){.tv_sec = (time_t)(us / US_PER_S),
                             .tv_nsec = (long)(us % US_PER_S * 1000)};
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar: years counted from March, so
 * that the leap day is the last of its year; 400 years are 146097 days. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The inverse of days_of(). */
static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = (unsigned)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = years + era * 400 + (*month <= 2);
}

/* n digits, with leading zeros; what follows them. */
static char *put_digits(char *to, unsigned value, int n, char then)
{
    for (int i = n - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    to[n] = then;
    return to + n + 1;
}

/* By hand rather than by snprintf(3): an answer has four of these. */
void clock_format(int64_t wall_us, char out[CLOCK_TEXT])
{
    int64_t seconds = wall_us / US_PER_S - (wall_us % US_PER_S < 0), year;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    unsigned ms = (unsigned)((wall_us - seconds * US_PER_S) / US_PER_MS);
    unsigned of_day = (unsigned)(seconds - days * 86400), month, day;
    date_of(days, &year, &month, &day);
    if (year < 0 || year > 9999) {
        memcpy(out, "9999-12-31T23:59:59.999Z", CLOCK_TEXT);
        return;
    }
    char *to = put_digits(out, (unsigned)year, 4, '-');
    to = put_digits(to, month, 2, '-');
    to = put_digits(to, day, 2, 'T');
    to = put_digits(to, of_day / 3600, 2, ':');
    to = put_digits(to, of_day / 60 % 60, 2, ':');
    to = put_digits(to, of_day % 60, 2, '.');
    to = put_digits(to, ms, 3, 'Z');
    *to = '\0';
}

/* Reads exactly n digits. */
static bool digits(const char **p, const char *end, int n, int *out)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (*p == end || **p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return true;
}

static bool expect(const char **p, const char *end, const char *any)
{
    if (*p == end || !strchr(any, **p) || **p == '\0')
        return false;
    (*p)++;
    return true;
}

static bool parse_fraction(const char **p, const char *end, int64_t *us)
{
    *us = 0;
    if (*p == end || **p != '.')
        return true;
    (*p)++;
    int64_t unit = 100000;
    int n = 0;
    for (; *p != end && **p >= '0' && **p <= '9'; (*p)++, n++) {
        *us += (**p - '0') * unit;
        unit /= 10;
    }
    return n > 0 && n <= 9;
}

static bool parse_offset(const char **p, const char *end, int64_t *seconds)
{
    *seconds = 0;
    if (*p == end)
        return false;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return true;
    }
    int sign = **p == '-' ? -1 : 1, h, m;
    if (!expect(p, end, "+-") || !digits(p, end, 2, &h) || !expect(p, end, ":") ||
        !digits(p, end, 2, &m) || h > 23 || m > 59)
        return false;
    *seconds = (int64_t)sign * (h * 3600 + m * 60);
    return true;
}

bool clock_parse(const char *text, size_t len, int64_t *wall_us)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *p = text, *end = text + len;
    int y, mo, d, h, mi, s;
    int64_t us, offset;
    if (!digits(&p, end, 4, &y) || !expect(&p, end, "-") || !digits(&p, end, 2, &mo) ||
        !expect(&p, end, "-") || !digits(&p, end, 2, &d) || !expect(&p, end, "Tt ") ||
        !digits(&p, end, 2, &h) || !expect(&p, end, ":") || !digits(&p, end, 2, &mi) ||
        !expect(&p, end, ":") || !digits(&p, end, 2, &s) || !parse_fraction(&p, end, &us) ||
        !parse_offset(&p, end, &offset) || p != end)
        return false;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (mo < 1 || mo > 12 || d < 1 || d > month_days[mo - 1] + (mo == 2 && leap) || h > 23 ||
        mi > 59 || s > 60) /* 60: a leap second, which becomes the next minute's first */
        return false;
    *wall_us =
        (days_of(y, mo, d) * 86400 + (int64_t)h * 3600 + (int64_t)mi * 60 + s - offset) * US_PER_S +
        us;
    return true;
}
