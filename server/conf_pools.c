/* conf_pools.c - [pool NAME] of the configuration. Main thread. */
#include "conf_pools.h"

#include "../common/err.h"
#include "../workers/cgroup.h"
#include "conf_value.h"

#include <string.h>

#define RECYCLE_JOBS_MAX  1000000000
#define RECYCLE_AFTER_MAX (INT64_C(30) * 86400 * 1000000)

static uint64_t
    seen[POOLS_MAX]; /* a bit for each row of its settings, so that each is given once */

static int bad(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct buf *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(why, fmt, ap);
    va_end(ap);
    return -ERR_CONFIG;
}

int pools_find(const struct taskdefs *d, const char *name)
{
    for (uint32_t i = 0; i < d->pools; i++) {
        if (strcmp(d->pool[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int add(struct taskdefs *d, const char *name, struct buf *why)
{
    if (d->pools == POOLS_MAX)
        return bad(why, "more than %d pools", POOLS_MAX);
    if (!job_task_name_ok(name, strlen(name)) || strlen(name) > POOL_NAME_MAX)
        return bad(why, "'%s': a pool's name is 1 to %d of " NAME_TEXT, name, POOL_NAME_MAX);
    struct pooldef *p = &d->pool[d->pools];
    *p = (struct pooldef){.start = START_FORKSERVER};
    memcpy(p->name, name, strlen(name) + 1);
    seen[d->pools] = 0;
    return (int)d->pools++;
}

int pools_begin(struct taskdefs *d, struct buf *why)
{
    int at = add(d, "default", why);
    return at < 0 ? at : 0;
}

/* ---- the settings ---- */

static int set_workers(struct pooldef *p, const char *v, struct buf *why)
{
    int64_t n;
    if (!value_int(v, &n) || n < 0 || n > SLOTS_MAX)
        return bad(why, "workers = %s: must be 0 (one for each core) to %d", v, SLOTS_MAX);
    p->workers = (uint32_t)n;
    return 0;
}

static int set_max_workers(struct pooldef *p, const char *v, struct buf *why)
{
    int64_t n;
    if (!value_int(v, &n) || n < 0 || n > SLOTS_MAX)
        return bad(why, "max_workers = %s: must be 0 (head room) to %d", v, SLOTS_MAX);
    p->max_workers = (uint32_t)n;
    return 0;
}

static int set_start_method(struct pooldef *p, const char *v, struct buf *why)
{
    if (strcmp(v, "forkserver") == 0)
        p->start = START_FORKSERVER;
    else if (strcmp(v, "spawn") == 0)
        p->start = START_SPAWN;
    else
        return bad(why, "start_method = %s: must be forkserver or spawn", v);
    return 0;
}

static int set_nice(struct pooldef *p, const char *v, struct buf *why)
{
    int64_t n;
    if (!value_int(v, &n) || n < -20 || n > 19)
        return bad(why, "nice = %s: must be -20 to 19", v);
    p->nice = (int)n;
    return 0;
}

static int set_affinity(struct pooldef *p, const char *v, struct buf *why)
{
    if (!cpus_parse(v, &p->affinity))
        return bad(why, "affinity = %s: must be CPUs of 0 to %d, as in 0-3,6", v, CPUS_MAX - 1);
    return 0;
}

static int set_recycle_jobs(struct pooldef *p, const char *v, struct buf *why)
{
    int64_t n;
    if (!value_int(v, &n) || n < 0 || n > RECYCLE_JOBS_MAX)
        return bad(why, "recycle_jobs = %s: must be 0 (never) to %d", v, RECYCLE_JOBS_MAX);
    p->recycle_jobs = (uint32_t)n;
    return 0;
}

static int set_recycle_after(struct pooldef *p, const char *v, struct buf *why)
{
    if (!value_time(v, &p->recycle_after_us) || p->recycle_after_us < 0 ||
        p->recycle_after_us > RECYCLE_AFTER_MAX)
        return bad(why, "recycle_after = %s: must be a time of 0 (never) to 30d", v);
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct pooldef *p, const char *value, struct buf *why);
} settings[] = {
    {"workers", set_workers},
    {"max_workers", set_max_workers},
    {"start_method", set_start_method},
    {"nice", set_nice},
    {"affinity", set_affinity},
    {"recycle_jobs", set_recycle_jobs},
    {"recycle_after", set_recycle_after},
};

int pools_set(struct taskdefs *d, const char *pool, const char *name, const char *value,
              struct buf *why)
{
    int at = pools_find(d, pool);
    if (at < 0)
        at = add(d, pool, why);
    if (at < 0)
        return at;
    for (size_t i = 0; name && i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (seen[at] & UINT64_C(1) << i)
            return bad(why, "%s is set twice", name);
        seen[at] |= UINT64_C(1) << i;
        return settings[i].set(&d->pool[at], value, why);
    }
    return name ? bad(why, "%s: not a setting of a pool", name) : 0;
}

/* ---- the whole ---- */

/* One for each CPU that it may use, or of which it has the time. */
static uint32_t cores(const struct pooldef *p)
{
    unsigned bound = cpus_count(&p->affinity),
             n = cpus_by_quota(bound ? bound : cpus_usable(), cgroup_cpu_quota_here());
    return n < 1 ? 1 : n > SLOTS_MAX ? SLOTS_MAX : n;
}

/* What a pool may grow to that does not say, as far as the slots go: twice its size, or eight more.
 */
static uint32_t head_room(const struct pooldef *p, uint32_t left)
{
    uint32_t more = p->workers > 8 ? p->workers : 8;
    return more < left ? more : left;
}

static void share_slots(struct taskdefs *d, uint32_t left)
{
    d->slots = 0;
    for (uint32_t i = 0; i < d->pools; i++) {
        struct pooldef *p = &d->pool[i];
        if (p->max_workers == 0) {
            uint32_t more = head_room(p, left);
            p->room += more;
            left -= more;
        }
        p->first_slot = d->slots;
        d->slots += p->room;
    }
}

int pools_end(struct taskdefs *d, struct buf *why)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < d->pools; i++) {
        struct pooldef *p = &d->pool[i];
        if (p->workers == 0)
            p->workers = cores(p);
        if (p->max_workers && p->max_workers < p->workers)
            return bad(why, "[pool %s]: max_workers = %u: less than its %u workers", p->name,
                       p->max_workers, p->workers);
        p->room = p->max_workers ? p->max_workers : p->workers;
        sum += p->room;
    }
    if (sum > SLOTS_MAX)
        return bad(why, "the pools have up to %u workers together: at most %d", sum, SLOTS_MAX);
    share_slots(d, SLOTS_MAX - sum);
    return 0;
}

int pools_check(const struct taskdefs *d, const struct cpus *allowed, struct buf *why)
{
    char want[CPUS_TEXT], have[CPUS_TEXT];
    for (uint32_t i = 0; i < d->pools; i++) {
        const struct pooldef *p = &d->pool[i];
        if (cpus_within(&p->affinity, allowed))
            continue;
        cpus_text(&p->affinity, want);
        cpus_text(allowed, have);
        return bad(why, "[pool %s]: affinity = %s: this machine lets the service use %s", p->name,
                   want, have);
    }
    return 0;
}

void pools_print(const struct taskdefs *d, FILE *out)
{
    char text[CPUS_TEXT];
    for (uint32_t i = 0; i < d->pools; i++) {
        const struct pooldef *p = &d->pool[i];
        fprintf(out, "\n[pool %s]\nworkers = %u\n", p->name, p->workers);
        /* what is in force follows from `workers`, which SIGHUP changes: so no line of a setting */
        fprintf(out,
                p->max_workers ? "max_workers = %u\n" : "; max_workers: not set, %u in force\n",
                p->max_workers ? p->max_workers : p->room);
        fprintf(out, "start_method = %s\nnice = %d\n",
                p->start == START_SPAWN ? "spawn" : "forkserver", p->nice);
        cpus_text(&p->affinity, text);
        if (text[0])
            fprintf(out, "affinity = %s\n", text);
        fprintf(out, "recycle_jobs = %u\nrecycle_after = %.15gs\n", p->recycle_jobs,
                (double)p->recycle_after_us / 1e6);
    }
}
