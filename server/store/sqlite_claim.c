/*
 * sqlite_claim.c - the SQLite driver's way of queued jobs to running: the tasks' queues merged by
 * rank, and concurrency keys that let only so many run.
 *
 * The writer's thread, inside its transaction. A job whose key is full is marked `held`, which
 * takes it out of the queue's index, so that no claim looks at it again before a job of its key has
 * ended; then the first of them is let go.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdlib.h>
#include <string.h>

#define HELD_MAX                                                                                   \
    1000 /* jobs that claims hold or end in a transaction: a row of them stalls nobody */

/* Of one task's queue. */
struct head {
    const struct claim_quota *quota;
    uint32_t left;        /* so many of it may begin yet */
    uint32_t taken;       /* of them by this look */
    sqlite3_stmt *cursor; /* NULL: it is at its end */
    int64_t key, rank;
};

struct queues {
    struct head *head;  /* of all that may be claimed from */
    struct head **open; /* those that have a cursor in this look */
    size_t count, opened;
};

struct pick {
    int64_t key;
    struct head *head;
};

/* ---- concurrency keys ---- */

static struct running_key *key_find(struct sqlite_store *s, uint32_t task_id, const char *key)
{
    for (size_t i = 0; i < s->running_count; i++) {
        if (s->running[i].task_id == task_id && strcmp(s->running[i].key, key) == 0)
            return &s->running[i];
    }
    return NULL;
}

static int key_add(struct sqlite_store *s, uint32_t task_id, const char *key, uint32_t n)
{
    struct running_key *k = key_find(s, task_id, key);
    if (!k) {
        int err = grow_array((void **)&s->running, s->running_count, &s->running_cap, sizeof(*k));
        if (err)
            return err;
        k = &s->running[s->running_count++];
        *k = (struct running_key){.task_id = task_id};
        memcpy(k->key, key, strlen(key) + 1);
    }
    k->n += n;
    return 0;
}

void note_held(struct sqlite_store *s, uint32_t task_id, int by)
{
    struct store_task *t = sqlite_task(s, task_id);
    t->held_delta += by;
    t->dirty = true;
}

int key_let_go(struct sqlite_store *s, uint32_t task_id, const char *key)
{
    int got = db_first(&s->db, STMT_HELD_FIRST, PARAMS(P_INT(task_id), P_STR(key)));
    if (got != 1)
        return got;
    int64_t first = sqlite3_column_int64(s->db.stmt[STMT_HELD_FIRST], 0);
    db_done(&s->db, STMT_HELD_FIRST);
    int err = db_run_one(s, STMT_JOB_LET_GO, PARAMS(P_INT(first)));
    if (!err)
        note_held(s, task_id, -1);
    return err;
}

int key_left(struct sqlite_store *s, uint32_t task_id, const char *key)
{
    struct running_key *k = key_find(s, task_id, key);
    if (k && --k->n == 0)
        *k = s->running[--s->running_count];
    return key_let_go(s, task_id, key);
}

int keys_load(struct sqlite_store *s)
{
    struct store_task *t;
    s->running_count = 0;
    for (uint32_t i = 1; (t = sqlite_task(s, i)); i++)
        t->held = t->held_delta = 0;
    int got = db_first(&s->db, STMT_HELD_COUNT, NULL, 0);
    for (; got == 1; got = db_next(&s->db, STMT_HELD_COUNT)) {
        sqlite3_stmt *st = s->db.stmt[STMT_HELD_COUNT];
        t = sqlite_task(s, (uint32_t)sqlite3_column_int64(st, 0));
        if (t)
            t->held = sqlite3_column_int64(st, 1);
    }
    if (got < 0)
        return got;
    got = db_first(&s->db, STMT_KEYS_RUNNING, NULL, 0);
    for (; got == 1; got = db_next(&s->db, STMT_KEYS_RUNNING)) {
        sqlite3_stmt *st = s->db.stmt[STMT_KEYS_RUNNING];
        uint32_t task_id = (uint32_t)sqlite3_column_int64(st, 0);
        const char *key = (const char *)sqlite3_column_text(st, 1);
        int err = key && strlen(key) <= JOB_CONCURRENCY_KEY_MAX
                      ? key_add(s, task_id, key, (uint32_t)sqlite3_column_int64(st, 2))
                      : -ERR_STORE_CORRUPT;
        if (err) {
            db_done(&s->db, STMT_KEYS_RUNNING);
            return err;
        }
    }
    return got;
}

/* ---- queues ---- */

uint64_t sqlite_ready(const struct store *base, uint32_t task_id)
{
    const struct store_task *t = sqlite_task((const struct sqlite_store *)base, task_id);
    if (!t)
        return 0;
    int64_t n = (int64_t)atomic_load_explicit(&t->n[JOB_QUEUED], memory_order_relaxed);
    n += t->delta[JOB_QUEUED] - t->held - t->held_delta - t->lent;
    return n > 0 ? (uint64_t)n : 0;
}

int64_t sqlite_oldest_us(struct store *base, uint32_t task_id)
{
    struct sqlite_store *s = sqlite_of(base);
    struct id id;
    if (db_first(&s->db, STMT_QUEUE_OLDEST, PARAMS(P_INT(task_id))) != 1)
        return 0;
    id_make(&id, (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_QUEUE_OLDEST], 0), 0);
    db_done(&s->db, STMT_QUEUE_OLDEST);
    return id_time_us(&id);
}

static int head_step(struct sqlite_store *s, struct head *h)
{
    int rc = h->taken < h->left ? sqlite3_step(h->cursor) : SQLITE_DONE;
    for (; rc == SQLITE_ROW; rc = sqlite3_step(h->cursor)) {
        h->key = sqlite3_column_int64(h->cursor, 0);
        if (is_lent(s, h->key))
            continue;
        h->rank = sqlite3_column_int64(h->cursor, 1);
        return 1;
    }
    sqlite3_reset(h->cursor);
    h->cursor = NULL; /* this queue is at its end */
    return rc == SQLITE_DONE ? 0 : db_error(&s->db, rc, "claim");
}

/* The i-th cursor, prepared when first needed. */
static int cursor_get(struct sqlite_store *s, size_t i, sqlite3_stmt **out)
{
    if (i >= s->heads) {
        sqlite3_stmt **grown = realloc(s->head, (i + 1) * sizeof(sqlite3_stmt *));
        if (!grown)
            return -ERR_NOMEM;
        s->head = grown;
        int rc = sqlite3_prepare_v3(s->db.c, sqlite3_sql(s->db.stmt[STMT_QUEUE_HEAD]), -1,
                                    SQLITE_PREPARE_PERSISTENT, &s->head[i], NULL);
        if (rc != SQLITE_OK)
            return db_error(&s->db, rc, "claim");
        s->heads = i + 1;
    }
    *out = s->head[i];
    return 0;
}

/* Sets a cursor on the first job of every task that has one queued. */
static int heads_open(struct sqlite_store *s, struct queues *q)
{
    int err = rows_write(&s->db); /* its cursors are not among the statements */
    q->opened = 0;
    for (size_t i = 0; i < q->count && !err; i++) {
        struct head *h = &q->head[i];
        if (h->left == 0 || sqlite_ready(&s->base, h->quota->task_id) == 0)
            continue;
        h->taken = 0;
        err = cursor_get(s, q->opened, &h->cursor);
        if (!err)
            err = db_bind(&s->db, h->cursor, PARAMS(P_INT(h->quota->task_id)));
        if (err)
            return err;
        q->open[q->opened++] = h;
        int got = head_step(s, h);
        if (got < 0)
            return got;
    }
    return err;
}

/* Merges the queues: least rank first, then age. */
static int heads_take(struct sqlite_store *s, const struct queues *q, struct pick *picks,
                      size_t want, size_t *picked)
{
    while (*picked < want) {
        struct head *best = NULL;
        for (size_t i = 0; i < q->opened; i++) {
            struct head *h = q->open[i];
            if (h->cursor &&
                (!best || h->rank < best->rank || (h->rank == best->rank && h->key < best->key)))
                best = h;
        }
        if (!best)
            return 0;
        picks[(*picked)++] = (struct pick){.key = best->key, .head = best};
        best->taken++;
        int got = *picked < want ? head_step(s, best) : 0;
        if (got < 0)
            return got;
    }
    return 0;
}

static int pick_some(struct sqlite_store *s, struct queues *q, struct pick *picks, size_t want,
                     size_t *picked)
{
    int err = heads_open(s, q);
    if (!err)
        err = heads_take(s, q, picks, want, picked);
    /* The cursors are closed before the rows under them change. */
    for (size_t i = 0; i < q->opened; i++) {
        if (q->open[i]->cursor)
            sqlite3_reset(q->open[i]->cursor);
        q->open[i]->cursor = NULL;
    }
    return err;
}

/* ---- claims ---- */

/* A queued job begins its next attempt: 1; 0: its key is full, it is held; or its time is over. */
static int start_job(struct sqlite_store *s, const struct pick *p, int64_t now_us, struct job *out)
{
    const struct claim_quota *quota = p->head->quota;
    enum stmt st = quota->brief ? STMT_JOB_CLAIM : STMT_JOB_GET;
    int got = db_first(&s->db, st, PARAMS(P_INT(p->key)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    int err =
        quota->brief ? row_claim(s, &s->db, out) : row_job(s, &s->db, READ_INPUT, SIZE_MAX, out);
    db_done(&s->db, st);
    if (err)
        return err;
    if (out->expires_us && out->expires_us <= now_us && out->attempt == 0) {
        job_release(out); /* there were too many to end all of them when their time came */
        return expire_job(s, p->key, now_us);
    }
    if (out->concurrency_key[0]) {
        const struct running_key *k = key_find(s, out->task_id, out->concurrency_key);
        if (k && k->n >= quota->per_key) {
            err = db_run_one(s, STMT_JOB_HOLD, PARAMS(P_INT(p->key)));
            if (!err)
                note_held(s, out->task_id, 1);
            job_release(out);
            return err;
        }
        err = key_add(s, out->task_id, out->concurrency_key, 1);
    }
    if (!err && out->gathers)
        err = gather_input(s, out);
    if (!err)
        err = checkpoint_get(s, out);
    bool lend = quota->lent_us > 0 && lent_may(s, out);
    if (!err && !lend)
        err = db_run_one(s, STMT_JOB_START,
                         PARAMS(P_INT(p->key), P_INT(out->attempt + 1), P_INT(now_us),
                                row_room(s, out->task_id, true)));
    if (err) {
        job_release(out);
        return err;
    }
    struct who who = who_of(out);
    job_move(out, JOB_RUNNING);
    out->attempt++;
    out->started_us = now_us;
    out->finished_us = 0;
    if (lend)
        out->loan = lent_add(s, &who, out->attempt, quota, now_us);
    else
        count_move(s, &who, JOB_QUEUED, JOB_RUNNING);
    return 1;
}

/* It holds or ends at most half of what is left, so that whoever claims next in this transaction
 * can pass some, too. */
static int claim(struct sqlite_store *s, struct queues *q, size_t want, int64_t now_us,
                 struct job *out, size_t *n)
{
    struct pick picks[STORE_BATCH];
    size_t held = 0, before = 0, most = s->passed < HELD_MAX ? (HELD_MAX - s->passed + 1) / 2 : 0;
    if (most == 0)
        return STORE_HELD;
    do { /* again when some of the first did not begin: others stand behind them */
        size_t picked = 0;
        before = held;
        int err = pick_some(s, q, picks, want - *n, &picked);
        for (size_t i = 0; i < picked && err >= 0; i++) {
            err = start_job(s, &picks[i], now_us, &out[*n]);
            picks[i].head->left -= err == 1;
            *n += err == 1;
            held += err == 0;
        }
        s->passed += held - before;
        if (err < 0)
            return err;
    } while (*n < want && held > before && held < most);
    return *n < want && held > before ? STORE_HELD : 0;
}

int sqlite_claim(struct store *base, const struct claim_quota *quota, size_t quotas, size_t want,
                 int64_t now_us, struct job *out, size_t *n)
{
    struct queues q = {.count = quotas};
    want = want < STORE_BATCH ? want : STORE_BATCH;
    if (quotas == 0)
        return 0;
    q.head = calloc(quotas, sizeof(*q.head) + sizeof(struct head *));
    if (!q.head)
        return -ERR_NOMEM;
    q.open = (struct head **)(void *)(q.head + quotas); /* behind them, in the same memory */
    for (size_t i = 0; i < quotas; i++)
        q.head[i] = (struct head){.quota = &quota[i], .left = quota[i].most};
    int err = claim(sqlite_of(base), &q, want, now_us, out, n);
    free(q.head);
    if (err >= 0)
        return err;
    for (size_t i = 0; i < *n; i++)
        job_release(&out[i]);
    *n = 0;
    return err;
}
