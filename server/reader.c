/*
 * reader.c - what HTTP handlers may see of the store and the workers. Any thread.
 *
 * Each thread that reads has a connection of its own, found through a thread-local slot that
 * carries the number of the start it was opened under, so that a slot left over from before a stop
 * is not used. reader_stop closes all of them: by then no thread reads any more.
 */
#include "reader.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "clockset.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    struct entry *next;
    struct store_reader *reader;
};

static struct {
    pthread_mutex_t lock; /* guards `all` */
    struct entry *all;
    struct store *store;
    const struct board *board;
    const struct taskdefs *defs;
    _Atomic unsigned start; /* counts reader_start */
} r = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct {
    struct store_reader *reader;
    unsigned start;
} mine;

int reader_start(struct store *store, const struct board *board, const struct taskdefs *defs)
{
    r.store = store;
    r.board = board;
    r.defs = defs;
    atomic_fetch_add(&r.start, 1);
    return 0;
}

void reader_stop(void)
{
    pthread_mutex_lock(&r.lock);
    struct entry *e = r.all;
    r.all = NULL;
    r.store = NULL;
    pthread_mutex_unlock(&r.lock);
    atomic_fetch_add(&r.start, 1);
    while (e) {
        struct entry *next = e->next;
        store_reader_close(e->reader);
        free(e);
        e = next;
    }
}

/* This thread's connection. */
static int reader_get(struct store_reader **out)
{
    unsigned start = atomic_load(&r.start);
    if (mine.reader && mine.start == start) {
        *out = mine.reader;
        return 0;
    }
    mine.reader = NULL;
    if (!r.store)
        return -ERR_NOT_READY;
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return -ERR_NOMEM;
    int err = store_reader_open(r.store, &e->reader);
    if (err) {
        free(e);
        return err;
    }
    pthread_mutex_lock(&r.lock);
    e->next = r.all;
    r.all = e;
    pthread_mutex_unlock(&r.lock);
    mine.start = start;
    *out = mine.reader = e->reader;
    return 0;
}

int reader_job(const struct id *id, unsigned what, size_t inline_max, struct job *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_job(reader, id, what, inline_max, out);
}

uint64_t reader_job_version(const struct id *id)
{
    return r.store ? store_job_version(r.store, id) : 0;
}

int reader_bytes(const struct id *id, const struct piece *p, void *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_bytes(reader, id, p, out);
}

int reader_list(const struct job_filter *f, unsigned what, size_t inline_max, struct job_page *out)
{
    *out = (struct job_page){0};
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_list(reader, f, what, inline_max, out);
}

int reader_group(const struct id *id, struct group *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_group(reader, id, out);
}

int reader_stream(const char *key, struct stream_mark *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_stream(reader, key, clockset_past_us(clock_wall_us()), out);
}

void group_release(struct group *g)
{
    buf_release(&g->callback_url);
}

int reader_attempts(const struct id *id, size_t most, struct attempt_record *out, size_t *n)
{
    struct store_reader *reader;
    *n = 0;
    int err = reader_get(&reader);
    return err ? err : store_read_attempts(reader, id, most, out, n);
}

int reader_deliveries(const struct id *subject, struct delivery *out, size_t most, size_t *n)
{
    struct store_reader *reader;
    *n = 0;
    int err = reader_get(&reader);
    return err ? err : store_read_deliveries(reader, subject, out, most, n);
}

int reader_lease(const struct id *job, struct lease *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_lease(reader, job, out);
}

int reader_find_lease(const struct id *id, struct lease *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_find_lease(reader, id, out);
}

int reader_schedule(const char *name, struct schedule *out)
{
    struct store_reader *reader;
    int err = reader_get(&reader);
    return err ? err : store_read_schedule(reader, name, out);
}

int reader_schedules(const struct schedule_look *look, struct schedule *out, size_t most, size_t *n)
{
    struct store_reader *reader;
    *n = 0;
    int err = reader_get(&reader);
    return err ? err : store_read_schedules(reader, look, out, most, n);
}

bool reader_task_paused(const char *task)
{
    return r.store && store_task_paused(r.store, task);
}

void job_page_release(struct job_page *p)
{
    for (size_t i = 0; i < p->count; i++)
        job_release(&p->jobs[i]);
    free(p->jobs);
    *p = (struct job_page){0};
}

int reader_counts(const char *task, struct job_counts *out)
{
    *out = (struct job_counts){0};
    return r.store ? store_read_counts(r.store, task, out) : -ERR_NOT_READY;
}

int reader_queued_since(const char *task, int64_t *since_us)
{
    struct store_reader *reader;
    *since_us = 0;
    int err = reader_get(&reader);
    return err ? err : store_read_queued_since(reader, task, since_us);
}

void reader_sizes(struct store_sizes *out)
{
    *out = (struct store_sizes){0};
    if (r.store)
        store_read_sizes(r.store, out);
}

const struct board *reader_board(void)
{
    return r.board;
}

const struct taskdefs *reader_tasks(void)
{
    return r.defs;
}
