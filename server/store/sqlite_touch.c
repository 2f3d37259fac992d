/*
 * sqlite_touch.c - which jobs changed: a number for each, odd while an open transaction changes it.
 *
 * The numbers are fewer than jobs, so some share one: a reader then looks once too often. SQLite
 * tells of every row that it changes (the update hook, within the statement), so no statement is
 * forgotten. The writer makes a number odd before the commit that shows the change, and even again
 * after it: who finds the same even number twice has seen all that was committed before.
 */
#include "sqlite.h"

#include <string.h>

static size_t slot_of(int64_t key)
{
    return (size_t)((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - TOUCH_BITS));
}

static bool is_odd(uint32_t n)
{
    return n & 1;
}

/* Only the writer's thread writes, so it may read without order what it wrote. */
static void bump(_Atomic uint32_t *n)
{
    /* release: with the acquire of sqlite_job_version. An odd one is seen before the commit that
     * follows: SQLite's own barrier stands between them. */
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void on_update(void *arg, int what, const char *db, const char *table, sqlite3_int64 key)
{
    (void)what;
    (void)db;
    struct touch *t = arg;
    if (strcmp(table, "jobs") != 0)
        return;
    size_t at = slot_of(key);
    if (is_odd(atomic_load_explicit(&t->number[at], memory_order_relaxed)) || t->is_wide)
        return;
    if (t->open_count == TOUCH_OPEN) { /* too many: all of them change */
        t->is_wide = true;
        bump(&t->wide);
        return;
    }
    bump(&t->number[at]);
    t->open[t->open_count++] = (uint32_t)at;
}

void touch_begin(struct touch *t, sqlite3 *c)
{
    sqlite3_update_hook(c, on_update, t);
}

void touch_end(struct touch *t)
{
    for (size_t i = 0; i < t->open_count; i++)
        bump(&t->number[t->open[i]]);
    t->open_count = 0;
    if (t->is_wide)
        bump(&t->wide);
    t->is_wide = false;
}

uint64_t sqlite_job_version(const struct store *base, const struct id *id)
{
    const struct touch *t = &((const struct sqlite_store *)base)->touch;
    uint32_t wide = atomic_load_explicit(&t->wide, memory_order_acquire);
    uint32_t n =
        atomic_load_explicit(&t->number[slot_of((int64_t)id_key(id))], memory_order_acquire);
    return is_odd(n) || is_odd(wide) ? 0 : ((uint64_t)wide << 32 | n) + 1;
}
