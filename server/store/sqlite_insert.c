/*
 * sqlite_insert.c - the SQLite driver's new jobs: was it asked before, may it be there twice, what
 * does it wait for, and its row.
 *
 * The writer's thread, inside its transaction.
 */
#include "sqlite.h"

#include "../../common/err.h"
#include "../../common/jsonscan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- asked before ---- */

static int look(struct sqlite_store *s, const struct store_key *key, struct id *id, int *kind)
{
    int got = db_first(&s->db, STMT_REQUEST_GET, PARAMS(P_STR(key->key)));
    if (got != 1)
        return got;
    sqlite3_stmt *st = s->db.stmt[STMT_REQUEST_GET];
    bool over = sqlite3_column_int64(st, 4) <= key->now_us;
    *kind = sqlite3_column_int(st, 3);
    bool same = sqlite3_column_bytes(st, 0) == 32 &&
                memcmp(sqlite3_column_blob(st, 0), key->fingerprint, 32) == 0;
    bool is_group = *kind != KEY_JOB && *kind != KEY_DUPLICATE;
    id_make(id, (uint64_t)sqlite3_column_int64(st, 1), (uint64_t)sqlite3_column_int64(st, 2));
    db_done(&s->db, STMT_REQUEST_GET);
    if (over)
        return stream_over(s, *kind, id, key->now_us);
    if (!same)
        return -ERR_KEY_REUSED;
    if (!is_group)
        return STORE_REPLAYED;
    struct group group;
    int err = group_find(s, &s->db, id, &group);
    if (!err)
        group_release(&group);
    return err == -ERR_NO_GROUP ? -ERR_FORGOTTEN : err ? err : STORE_REPLAYED_GROUP;
}

int sqlite_replay(struct store *base, const struct store_key *key, struct id *id)
{
    int kind;
    return look(sqlite_of(base), key, id, &kind);
}

static int put_key(struct sqlite_store *s, const struct store_key *key, const struct id *id,
                   enum key_kind kind)
{
    return db_run_one(s, STMT_REQUEST_PUT,
                      PARAMS(P_STR(key->key), P_BLOB(key->fingerprint, 32), P_INT(id_key(id)),
                             P_INT(id_tail(id)), P_INT(key->expires_us), P_INT(kind)));
}

int sqlite_keep_key(struct store *base, const struct store_key *key, const struct id *id,
                    bool is_group)
{
    return put_key(sqlite_of(base), key, id, is_group ? KEY_GROUP : KEY_JOB);
}

/* The job that a key named before: *job becomes it. 0: the key is free. */
static int replay(struct sqlite_store *s, const struct store_key *key, struct job *job)
{
    struct id id;
    struct job old;
    int kind = KEY_JOB, got = look(s, key, &id, &kind);
    if (got <= 0)
        return got;
    if (got == STORE_REPLAYED_GROUP)
        return -ERR_KEY_REUSED;
    int err = row_find(s, &s->db, &id, 0, 0, &old);
    if (err == -ERR_NO_JOB) { /* what was asked for was done: not twice */
        job->id = id;
        return -ERR_FORGOTTEN;
    }
    if (err)
        return err;
    job_release(job);
    *job = old;
    return kind == KEY_DUPLICATE ? STORE_REPLAYED_DUPLICATE : STORE_REPLAYED;
}

/* ---- only once ---- */

/* STORE_DUPLICATE with *job replaced by the one that is there; 0: there is none. */
static int find_same(struct sqlite_store *s, const struct store_unique *u, struct job *job)
{
    struct job old;
    struct id id;
    int got = db_first(&s->db, STMT_UNIQUE_GET, PARAMS(P_BLOB(u->hash, 32)));
    if (got != 1)
        return got;
    sqlite3_stmt *st = s->db.stmt[STMT_UNIQUE_GET];
    id_make(&id, (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1));
    bool queued_only = sqlite3_column_int(st, 2) != 0;
    int64_t until_us = sqlite3_column_int64(st, 3);
    db_done(&s->db, STMT_UNIQUE_GET);
    if (until_us > 0 && until_us <= job->created_us)
        return 0;
    int err = row_find(s, &s->db, &id, 0, 0, &old);
    if (err)
        return err == -ERR_NO_JOB ? 0 : err;
    bool waits = old.state == JOB_SCHEDULED ||
                 (old.state == JOB_QUEUED && !is_lent(s, (int64_t)id_key(&id)));
    bool there = until_us > 0 || (queued_only ? waits : !job_state_final(old.state));
    if (!there) {
        job_release(&old);
        return 0;
    }
    job_release(job);
    *job = old;
    return STORE_DUPLICATE;
}

/* ---- the row ---- */

int put_blob(struct sqlite_store *s, uint64_t key, enum blob_kind kind, const struct buf *b)
{
    if (b->len <= STORE_INLINE)
        return 0;
    return db_run_one(s, STMT_BLOB_PUT, PARAMS(P_INT(key * 4 + kind), P_BLOB(b->data, b->len)));
}

static bool is_plain(const struct job *j)
{
    return j->waits == 0 && j->expires_us == 0 && !j->gathers && !j->run_anyway && !j->backoff[0] &&
           !j->concurrency_key[0] && j->depends_on.len == 0 && j->callback_url.len == 0 &&
           !j->owner[0] && j->params.len == 0;
}

/* A row that grows at its job's end overflows a page that is full, and SQLite then lays out three
 * anew. So it is written with as many zeros for a result (without a size: there is none) as its end
 * will need: for finished_us, result_size and worker, for the result, and for the start. */
struct param row_room(const struct sqlite_store *s, uint32_t task_id, bool runs)
{
    static const char zeros[STORE_INLINE + ROOM_START + ROOM_END];
    size_t n = sqlite_task(s, task_id)->result_guess + ROOM_END + (runs ? 0 : ROOM_START);
    return (struct param)P_BLOB(zeros, n);
}

void guess_result(struct sqlite_store *s, uint32_t task_id, size_t len)
{
    struct store_task *t = sqlite_task(s, task_id);
    size_t now = len <= STORE_INLINE ? len : 0;
    if (t)
        t->result_guess =
            now >= t->result_guess ? now : t->result_guess - (t->result_guess - now + 7) / 8;
}

static int add_row(struct sqlite_store *s, const struct job *j)
{
    const struct param none = P_NULL;
    struct param input = P_BLOB(j->input.data, j->input.len);
    struct param trace = P_STR(j->traceparent);
    struct param params = P_TEXT(j->params.data, j->params.len);
    bool grouped = !id_is_nil(&j->group);
    if (j->input.len > STORE_INLINE)
        input = none;
    const struct param p[] = {
        P_INT(id_key(&j->id)),
        P_INT(id_tail(&j->id)),
        P_INT(j->state),
        P_INT(j->task_id),
        P_INT(j->priority),
        P_INT(j->attempt),
        P_INT(j->max_attempts),
        P_INT(j->created_us),
        P_INT(j->run_at_us),
        P_INT(j->started_us),
        P_INT(j->timeout_us),
        P_STR(j->input_type),
        P_TEXT(j->tags.data, j->tags.len),
        P_INT(j->input.len),
        input,
        row_room(s, j->task_id, j->state == JOB_RUNNING),
        P_INT(j->rank_us),
        j->traceparent[0] ? trace : none,
        P_INT(grouped ? id_key(&j->group) : 0),
        P_INT(grouped ? id_tail(&j->group) : 0),
        /* what only ROW_FULL has */
        P_INT(j->waits),
        P_INT(j->expires_us),
        P_INT(j->run_anyway),
        P_INT(j->gathers),
        P_STR(j->backoff),
        P_STR(j->concurrency_key),
        P_TEXT(j->depends_on.data, j->depends_on.len),
        P_TEXT(j->callback_url.data, j->callback_url.len),
        P_STR(j->owner),
        j->params.len ? params : none,
    };
    static_assert(sizeof(p) / sizeof(p[0]) == ROW_FULL_COLUMNS, "of others it is the beginning");
    return rows_add(&s->db, !is_plain(j) ? ROW_FULL : grouped ? ROW_GROUPED : ROW_PLAIN, p);
}

static int add_ended_row(struct sqlite_store *s, const struct job *j, const struct attempt *a)
{
    const struct param none = P_NULL;
    struct param input = P_BLOB(j->input.data, j->input.len);
    struct param result = P_BLOB(a->result.data, a->result.len);
    struct param trace = P_STR(j->traceparent);
    struct param params = P_TEXT(j->params.data, j->params.len);
    if (j->input.len > STORE_INLINE)
        input = none;
    if (a->result.len > STORE_INLINE)
        result = none;
    const struct param p[] = {
        P_INT(id_key(&j->id)),
        P_INT(id_tail(&j->id)),
        P_INT(j->task_id),
        P_INT(j->priority),
        P_INT(a->number),
        P_INT(j->max_attempts),
        P_INT(j->created_us),
        P_INT(j->run_at_us),
        P_INT(a->started_us),
        P_INT(j->timeout_us),
        P_STR(j->input_type),
        P_TEXT(j->tags.data, j->tags.len),
        P_INT(j->input.len),
        input,
        result,
        P_INT(j->rank_us),
        j->traceparent[0] ? trace : none,
        P_INT(a->finished_us),
        P_STR(a->result_type),
        P_INT(a->result.len),
        P_INT(a->worker),
        P_INT(j->expires_us),
        P_STR(j->backoff),
        P_STR(j->owner),
        j->params.len ? params : none,
    };
    static_assert(sizeof(p) / sizeof(p[0]) == ROW_ENDED_COLUMNS, "as its statement");
    int err = rows_add(&s->db, ROW_ENDED, p);
    return err ? err : put_blob(s, id_key(&j->id), BLOB_RESULT, &a->result);
}

/* ---- what it waits for ---- */

static int read_parent(struct sqlite_store *s, const struct id *id, enum parent_end *end)
{
    enum job_state state;
    struct group group;
    int err = sqlite_state_of(&s->base, id, &state);
    if (!err)
        *end = parent_end_of(state);
    if (err != -ERR_NO_JOB)
        return err;
    err = group_find(s, &s->db, id, &group);
    if (!err) {
        *end = group_end(&group);
        group_release(&group);
    }
    return err == -ERR_NO_GROUP ? -ERR_UNKNOWN_DEPENDENCY : err;
}

/* How a job or group stands: its state's kind, or -ERR_UNKNOWN_DEPENDENCY. */
static int parent_state(struct sqlite_store *s, const struct id *id, enum parent_end *end)
{
    uint64_t key = id_key(id), tail = id_tail(id); /* the tail is random */
    struct seen *set = s->seen[tail % SEEN_SETS], *to = &set[tail / SEEN_SETS % SEEN_WAYS];
    for (size_t i = 0; i < SEEN_WAYS; i++) {
        if (set[i].when != s->seen_when) {
            to = &set[i];
        } else if (set[i].key == key && set[i].tail == tail) {
            *end = set[i].end;
            return 0;
        }
    }
    int err = read_parent(s, id, end);
    if (!err)
        *to = (struct seen){.key = key, .tail = tail, .when = s->seen_when, .end = *end};
    return err;
}

int sqlite_check_parents(struct store *base, const struct id *parents, size_t n, struct id *which)
{
    for (size_t i = 0; i < n; i++) {
        enum parent_end end;
        int err = parent_state(sqlite_of(base), &parents[i], &end);
        if (err) {
            *which = parents[i];
            return err;
        }
    }
    return 0;
}

static int add_parent(struct sqlite_store *s, struct job *job, const struct id *parent)
{
    int n = db_run(&s->db, STMT_PARENT_ADD, PARAMS(P_INT(id_key(parent)), P_INT(id_key(&job->id))));
    if (n < 0)
        return n;
    job->waits += (uint32_t)n;
    s->parents += (uint64_t)n;
    return 0;
}

/* Notes the parents that have not ended. *fate: how the child ends at once, if one is bad already.
 */
static int add_parents(struct sqlite_store *s, struct job *job, enum parent_end *fate,
                       struct id *which)
{
    *fate = PARENT_OPEN;
    job->waits = 0;
    for (size_t i = 0; i < job->parents_count; i++) {
        enum parent_end end = PARENT_OPEN;
        int err = parent_state(s, &job->parents[i], &end);
        if (err)
            return err == -ERR_UNKNOWN_DEPENDENCY ? -ERR_INTERNAL : err; /* was checked before */
        if (end == PARENT_FAILED || end == PARENT_CANCELLED) {
            if (!job->run_anyway && *fate == PARENT_OPEN) {
                *fate = end;
                *which = job->parents[i];
            }
            continue;
        }
        if (end != PARENT_OPEN)
            continue;
        err = add_parent(s, job, &job->parents[i]);
        if (err)
            return err;
    }
    if (job->waits > 0 || *fate != PARENT_OPEN)
        job->state = JOB_SCHEDULED;
    return 0;
}

static bool each_parent(void *arg, size_t index, const char *value, size_t vlen)
{
    struct job *job = arg;
    (void)index;
    return vlen == ID_TEXT + 1 &&
           id_parse(&job->parents[job->parents_count++], value + 1, vlen - 2);
}

int parse_parents(struct job *job)
{
    size_t most = job->depends_on.len / ID_TEXT; /* each has its quotes and a comma or bracket */
    job->parents = calloc(most ? most : 1, sizeof(*job->parents));
    if (!job->parents)
        return -ERR_NOMEM;
    bool ok = jsonscan_elements(job->depends_on.data, job->depends_on.len, each_parent, job);
    return ok ? 0 : -ERR_STORE_CORRUPT;
}

int wait_again(struct sqlite_store *s, struct job *job)
{
    const struct param child = P_INT(id_key(&job->id));
    job->waits = 0;
    if (job->depends_on.len == 0)
        return 0;
    int err = parse_parents(job);
    /* when one of several ended badly, the rows of the others were left */
    for (size_t i = 0; i < job->parents_count && !err; i++) {
        int n = db_run(&s->db, STMT_PARENT_DROP, PARAMS(P_INT(id_key(&job->parents[i])), child));
        err = n < 0 ? n : 0;
        s->parents -= n > 0;
    }
    for (size_t i = 0; i < job->parents_count && !err; i++) {
        enum parent_end end = PARENT_SUCCEEDED;
        err = parent_state(s, &job->parents[i], &end);
        if (err == -ERR_UNKNOWN_DEPENDENCY)
            err = 0;
        if (!err && end == PARENT_OPEN)
            err = add_parent(s, job, &job->parents[i]);
    }
    return err;
}

int sqlite_insert(struct store *base, struct store_new *new)
{
    struct sqlite_store *s = sqlite_of(base);
    struct job *job = new->job;
    uint64_t k = id_key(&job->id);
    if (!sqlite_task(s, job->task_id))
        return -ERR_INTERNAL;
    int err = new->key ? replay(s, new->key, job) : 0;
    if (!err && new->unique)
        err = find_same(s, new->unique, job);
    if (err == STORE_DUPLICATE && new->key && !new->reject) {
        int kept = put_key(s, new->key, &job->id, KEY_DUPLICATE);
        err = kept ? kept : err;
    }
    if (err)
        return err;
    enum parent_end fate = PARENT_OPEN;
    struct id which;
    if (job->parents_count)
        err = add_parents(s, job, &fate, &which);
    if (!err)
        err = new->ended ? add_ended_row(s, job, new->ended) : add_row(s, job);
    if (!err && new->delayed)
        err = db_run_one(s, STMT_JOB_DELAYED, PARAMS(P_INT(k)));
    if (!err)
        err = put_blob(s, k, BLOB_INPUT, &job->input);
    if (!err && job->tags.len) {
        int n =
            db_run(&s->db, STMT_TAGS_ADD, PARAMS(P_INT(k), P_TEXT(job->tags.data, job->tags.len)));
        err = n < 0 ? n : 0;
    }
    if (!err && new->key)
        err = put_key(s, new->key, &job->id, KEY_JOB);
    if (!err && new->unique)
        err = db_run_one(s, STMT_UNIQUE_PUT,
                         PARAMS(P_BLOB(new->unique->hash, 32), P_INT(k), P_INT(id_tail(&job->id)),
                                P_INT(new->unique->queued_only), P_INT(new->unique->until_us)));
    if (err)
        return err;
    job->input_size = job->input.len;
    struct who who = who_of(job);
    count_move(s, &who, -1, new->ended ? (int)JOB_SUCCEEDED : (int)job->state);
    if (new->ended)
        guess_result(s, job->task_id, new->ended->result.len);
    if (job->state == JOB_SCHEDULED && job->waits == 0 && fate == PARENT_OPEN)
        note_due(s, job->run_at_us);
    if (job->expires_us && !new->ended)
        note_due(s, job->expires_us);
    if (fate != PARENT_OPEN) {
        err = end_child(s, job, fate, &which, job->created_us);
        job->state = JOB_SCHEDULED; /* told as it was accepted */
    }
    return err || new->stays ? err : rows_write(&s->db);
}
