/* cpus.c - a set of CPUs as text and as the kernel takes it. Any process. */
#include "cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

_Static_assert(CPUS_MAX <= CPU_SETSIZE, "the kernel's set holds ours");

static bool has(const struct cpus *set, unsigned cpu)
{
    return set->bit[cpu / 64] >> cpu % 64 & 1;
}

static void put(struct cpus *set, unsigned cpu)
{
    set->bit[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

static bool number(const char **at, unsigned *out)
{
    const char *c = *at;
    *out = 0;
    for (; *c >= '0' && *c <= '9' && *out < CPUS_MAX; c++)
        *out = *out * 10 + (unsigned)(*c - '0');
    bool is = c != *at && *out < CPUS_MAX;
    *at = c;
    return is;
}

bool cpus_parse(const char *text, struct cpus *out)
{
    *out = (struct cpus){0};
    for (const char *at = text;; at++) {
        unsigned first, last;
        skip_blanks(&at);
        if (!number(&at, &first))
            return false;
        last = first;
        if (*at == '-') {
            at++;
            if (!number(&at, &last) || last < first)
                return false;
        }
        for (unsigned cpu = first; cpu <= last; cpu++)
            put(out, cpu);
        skip_blanks(&at);
        if (*at != ',')
            return *at == '\0';
    }
}

void cpus_text(const struct cpus *set, char out[CPUS_TEXT])
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (!has(set, cpu))
            continue;
        unsigned last = cpu;
        while (last + 1 < CPUS_MAX && has(set, last + 1))
            last++;
        int n = last == cpu
                    ? snprintf(out + len, CPUS_TEXT - len, "%s%u", len ? "," : "", cpu)
                    : snprintf(out + len, CPUS_TEXT - len, "%s%u-%u", len ? "," : "", cpu, last);
        len += n > 0 ? (size_t)n : 0;
        cpu = last;
    }
}

unsigned cpus_count(const struct cpus *set)
{
    unsigned n = 0;
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++)
        n += has(set, cpu);
    return n;
}

bool cpus_within(const struct cpus *set, const struct cpus *all)
{
    for (size_t i = 0; i < CPUS_MAX / 64; i++) {
        if (set->bit[i] & ~all->bit[i])
            return false;
    }
    return true;
}

int cpus_allowed(struct cpus *out)
{
    cpu_set_t now;
    *out = (struct cpus){0};
    if (sched_getaffinity(0, sizeof(now), &now) < 0)
        return errno;
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (CPU_ISSET(cpu, &now))
            put(out, cpu);
    }
    return 0;
}

unsigned cpus_usable(void)
{
    struct cpus all;
    return cpus_allowed(&all) == 0 ? cpus_count(&all) : 1;
}

unsigned cpus_by_quota(unsigned cpus, unsigned quota)
{
    return quota > 0 && quota < cpus ? quota : cpus;
}

int cpus_bind(const struct cpus *set)
{
    cpu_set_t want;
    CPU_ZERO(&want);
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (has(set, cpu))
            CPU_SET(cpu, &want);
    }
    return sched_setaffinity(0, sizeof(want), &want) < 0 ? errno : 0;
}
