/*
 * cpus.h - a set of CPUs, and its text as the kernel writes it: "0-3,6". Pure but for the three that say
 * so; any process, any thread.
 */
#ifndef JOBMILL_COMMON_CPUS_H
#define JOBMILL_COMMON_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS_MAX  1024 /* CPUs 0 to 1023, as cpu_set_t */
#define CPUS_TEXT 4096 /* holds any set's text */

struct cpus {
    uint64_t bit[CPUS_MAX / 64];
};

/* False: not a list of CPUs and ranges that go upward, or empty. */
bool cpus_parse(const char *text, struct cpus *out);
/* The shortest text of the set; "" of the empty one. */
void cpus_text(const struct cpus *set, char out[CPUS_TEXT]);
unsigned cpus_count(const struct cpus *set);
bool cpus_within(const struct cpus *set, const struct cpus *all);

/* Where the calling thread may run. 0, or an errno. */
int cpus_allowed(struct cpus *out);
unsigned cpus_usable(void); /* how many these are; 1 where that cannot be told */
/* So many CPUs, or fewer by a quota of the time of so many; 0: there is none. */
unsigned cpus_by_quota(unsigned cpus, unsigned quota);
/* Binds the calling thread and all that it starts from now on. 0, or an errno. */
int cpus_bind(const struct cpus *set);

#endif
