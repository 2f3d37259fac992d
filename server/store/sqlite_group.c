/*
 * sqlite_group.c - the SQLite driver's books: every move of a job between states is counted for its
 * task and its group, and what has ended is passed on to the groups and jobs that wait for it.
 *
 * The writer's thread, inside its transaction, but for group_find. What a transaction moved in
 * groups is kept in memory and written once for each group, before its end.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN_AT_ONCE 256
#define CHILDREN_MAX     4096 /* that one transaction passes ends on to */

int grow_array(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 64;
    void *now = realloc(*array, more * size);
    if (!now)
        return -ERR_NOMEM;
    *array = now;
    *cap = more;
    return 0;
}

/* ---- groups ---- */

int sqlite_group_add(struct store *base, const struct group *g)
{
    struct sqlite_store *s = sqlite_of(base);
    return db_run_one(s, STMT_GROUP_ADD,
                      PARAMS(P_INT(id_key(&g->id)), P_INT(id_tail(&g->id)), P_INT(g->created_us),
                             P_INT(g->open), P_TEXT(g->callback_url.data, g->callback_url.len),
                             P_STR(g->owner)));
}

int group_find(const struct sqlite_store *s, const struct db *d, const struct id *id,
               struct group *out)
{
    (void)s;
    *out = (struct group){.id = *id};
    int got = db_first(d, STMT_GROUP_GET, PARAMS(P_INT(id_key(id))));
    if (got != 1)
        return got < 0 ? got : -ERR_NO_GROUP;
    sqlite3_stmt *st = d->stmt[STMT_GROUP_GET];
    int err = (uint64_t)sqlite3_column_int64(st, 0) == id_tail(id) ? 0 : -ERR_NO_GROUP;
    out->created_us = sqlite3_column_int64(st, 1);
    out->finished_us = sqlite3_column_int64(st, 2);
    out->open = sqlite3_column_int(st, 3) & 1;
    out->lost_failed = sqlite3_column_int(st, 3) & GROUP_LOST_FAILED;
    out->lost_cancelled = sqlite3_column_int(st, 3) & GROUP_LOST_CANCELLED;
    for (int i = 0; i < JOB_STATES; i++)
        out->state[i] = (uint64_t)sqlite3_column_int64(st, 4 + i);
    int url_len = sqlite3_column_bytes(st, 4 + JOB_STATES);
    if (url_len > 0)
        buf_add(&out->callback_url, sqlite3_column_text(st, 4 + JOB_STATES), (size_t)url_len);
    const char *owner = (const char *)sqlite3_column_text(st, 5 + JOB_STATES);
    snprintf(out->owner, sizeof(out->owner), "%s", owner ? owner : "");
    if (!err && out->callback_url.failed)
        err = -ERR_NOMEM;
    db_done(d, STMT_GROUP_GET);
    if (err)
        group_release(out);
    return err;
}

static bool is_ended(const struct group *g)
{
    return g->finished_us > 0;
}

/* How a group ended of which so many failed or expired, and so many were cancelled. */
static enum parent_end end_of(uint64_t failed, uint64_t cancelled)
{
    return failed > 0 ? PARENT_FAILED : cancelled > 0 ? PARENT_CANCELLED : PARENT_SUCCEEDED;
}

enum parent_end group_end(const struct group *g)
{
    return is_ended(g) ? end_of(g->state[JOB_FAILED] + g->state[JOB_EXPIRED] + g->lost_failed,
                                g->state[JOB_CANCELLED] + g->lost_cancelled)
                       : PARENT_OPEN;
}

enum parent_end parent_end_of(enum job_state state)
{
    if (!job_state_final(state))
        return PARENT_OPEN;
    return state == JOB_SUCCEEDED   ? PARENT_SUCCEEDED
           : state == JOB_CANCELLED ? PARENT_CANCELLED
                                    : PARENT_FAILED;
}

/* ---- moves ---- */

struct who who_of(const struct job *job)
{
    return (struct who){.key = (int64_t)id_key(&job->id),
                        .tail = id_tail(&job->id),
                        .task_id = job->task_id,
                        .group_key = id_is_nil(&job->group) ? 0 : (int64_t)id_key(&job->group)};
}

void note_due(struct sqlite_store *s, int64_t when_us)
{
    if (when_us < s->due_hint_us)
        s->due_hint_us = when_us;
}

static void add_ended(struct sqlite_store *s, struct ending e)
{
    if (grow_array((void **)&s->ended, s->ended_count, &s->ended_cap, sizeof(e))) {
        s->out_of_memory = true; /* told by the transaction's next settle or commit */
        return;
    }
    s->ended[s->ended_count++] = e;
}

static struct group_moves *moves_of(struct sqlite_store *s, int64_t group_key)
{
    for (size_t i = s->moves_count; i-- > 0;) { /* the last one is the likeliest */
        if (s->moves[i].key == group_key)
            return &s->moves[i];
    }
    if (grow_array((void **)&s->moves, s->moves_count, &s->moves_cap, sizeof(*s->moves))) {
        s->out_of_memory = true;
        return NULL;
    }
    struct group_moves *m = &s->moves[s->moves_count++];
    *m = (struct group_moves){.key = group_key};
    return m;
}

/* What a group keeps of a job that is forgotten: how the group ended does not change by that. */
static unsigned lost_by(enum job_state state)
{
    return state == JOB_CANCELLED                        ? GROUP_LOST_CANCELLED
           : state == JOB_FAILED || state == JOB_EXPIRED ? GROUP_LOST_FAILED
                                                         : 0;
}

void count_move(struct sqlite_store *s, const struct who *who, int from, int to)
{
    struct store_task *t = sqlite_task(s, who->task_id);
    struct group_moves *m = who->group_key ? moves_of(s, who->group_key) : NULL;
    assert(t);
    t->dirty = true;
    if (from >= 0) {
        seen_forget(s);
        assert(to < 0 || job_state_may_move((enum job_state)from, (enum job_state)to));
        t->delta[from]--;
        if (m)
            m->delta[from]--;
    }
    if (to < 0 && m)
        m->lost |= lost_by((enum job_state)from);
    if (to < 0)
        return;
    t->delta[to]++;
    t->came_delta[to]++;
    t->made_delta += from < 0;
    if (m)
        m->delta[to]++;
    if (job_state_final((enum job_state)to))
        add_ended(s, (struct ending){.key = who->key,
                                     .tail = who->tail,
                                     .end = parent_end_of((enum job_state)to)});
}

/* It goes with the calls that told of it, as a job does. */
static int group_drop(struct sqlite_store *s, int64_t key, uint64_t tail)
{
    struct id id;
    bool unmade;
    int err = drop_callbacks(s, key, &unmade);
    id_make(&id, (uint64_t)key, tail);
    if (!err && unmade && s->sweeping)
        warn_unmade(s, "group", &id);
    return err ? err : db_run_one(s, STMT_GROUP_DROP, PARAMS(P_INT(key)));
}

/* What an UPDATE of a group gives back: has it ended by it, or begun again? */
static int group_told(struct sqlite_store *s, enum stmt which, int64_t key, int64_t now_us)
{
    sqlite3_stmt *st = s->db.stmt[which];
    seen_forget(s);
    uint64_t tail = (uint64_t)sqlite3_column_int64(st, 0);
    int64_t unended = sqlite3_column_int64(st, 1), ended = sqlite3_column_int64(st, 2);
    enum parent_end end =
        end_of((uint64_t)sqlite3_column_int64(st, 3), (uint64_t)sqlite3_column_int64(st, 4));
    bool open = sqlite3_column_int(st, 5) != 0, finished = sqlite3_column_int64(st, 6) > 0;
    AUTO_BUF url = BUF_INIT;
    if (!open && unended == 0 && !finished)
        buf_add(&url, sqlite3_column_text(st, 7), (size_t)sqlite3_column_bytes(st, 7));
    db_done(&s->db, which);
    if (url.failed)
        return -ERR_NOMEM;
    if (open || (unended > 0 && !finished))
        return 0;
    if (unended > 0) /* a job of it was retried */
        return db_run_one(s, STMT_GROUP_FINISH, PARAMS(P_INT(key), P_INT(0)));
    if (finished && ended == 0) /* all were forgotten */
        return group_drop(s, key, tail);
    if (finished)
        return 0;
    int err = db_run_one(s, STMT_GROUP_FINISH, PARAMS(P_INT(key), P_INT(now_us)));
    if (!err)
        err = note_callback(s, key, tail, ENDED_GROUP, url.data, url.len);
    add_ended(s, (struct ending){.key = key, .tail = tail, .end = end, .is_group = true});
    return err;
}

int group_flush(struct sqlite_store *s, int64_t now_us)
{
    for (size_t i = 0; i < s->moves_count; i++) {
        const struct group_moves m = s->moves[i];
        int got = db_first(&s->db, STMT_GROUP_COUNT,
                           PARAMS(P_INT(m.key), P_INT(m.delta[0]), P_INT(m.delta[1]),
                                  P_INT(m.delta[2]), P_INT(m.delta[3]), P_INT(m.delta[4]),
                                  P_INT(m.delta[5]), P_INT(m.delta[6]), P_INT(m.lost)));
        if (got != 1)
            return got < 0 ? got : -ERR_STORE_CORRUPT;
        int err = group_told(s, STMT_GROUP_COUNT, m.key, now_us);
        if (err)
            return err;
    }
    s->moves_count = 0;
    return s->out_of_memory ? -ERR_NOMEM : 0;
}

int close_group(struct sqlite_store *s, int64_t key, int64_t now_us)
{
    int err = group_flush(s, now_us);
    if (err)
        return err;
    int got = db_first(&s->db, STMT_GROUP_CLOSE, PARAMS(P_INT(key)));
    if (got != 1)
        return got < 0 ? got : -ERR_NO_GROUP;
    return group_told(s, STMT_GROUP_CLOSE, key, now_us);
}

int sqlite_group_close(struct store *base, const struct id *id, int64_t now_us)
{
    return close_group(sqlite_of(base), (int64_t)id_key(id), now_us);
}

/* What the open transaction moved is of groups that have jobs, or have not ended. */
int sqlite_sweep_groups(struct store *base, int64_t before_us, size_t limit, size_t *gone)
{
    struct sqlite_store *s = sqlite_of(base);
    struct {
        int64_t key;
        uint64_t tail;
    } empty[CHILDREN_AT_ONCE];
    size_t n = 0;
    limit = limit < CHILDREN_AT_ONCE ? limit : CHILDREN_AT_ONCE;
    int got = db_first(&s->db, STMT_GROUPS_EMPTY,
                       PARAMS(P_INT(before_us), P_INT(limit), P_INT(call_overdue_us())));
    for (; got == 1; got = db_next(&s->db, STMT_GROUPS_EMPTY)) {
        empty[n].key = sqlite3_column_int64(s->db.stmt[STMT_GROUPS_EMPTY], 0);
        empty[n++].tail = (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_GROUPS_EMPTY], 1);
    }
    s->sweeping = s->sweeping || n > 0;
    for (size_t i = 0; i < n && got >= 0; i++)
        got = group_drop(s, empty[i].key, empty[i].tail);
    *gone = n;
    return got < 0 ? got : 0;
}

/* ---- children ---- */

int end_child(struct sqlite_store *s, const struct job *child, enum parent_end why,
              const struct id *parent, int64_t now_us)
{
    char text[ID_TEXT];
    struct job_error e = JOB_ERROR_NONE;
    enum job_state to = why == PARENT_CANCELLED ? JOB_CANCELLED : JOB_FAILED;
    id_format(parent, text);
    if (to == JOB_CANCELLED)
        job_error_set(&e, JOB_ERROR_CANCELLED, "%s, which it depends on, was cancelled", text);
    else
        job_error_set(&e, JOB_ERROR_DEPENDENCY, "%s, which it depends on, %s", text,
                      why == PARENT_LOST ? "is lost" : "did not succeed");
    struct who who = who_of(child);
    int err = db_run_one(s, STMT_JOB_END,
                         PARAMS(P_INT(who.key), P_INT(child->state), P_INT(to), P_INT(now_us),
                                P_STR(e.code), P_STR(e.message), P_INT(to == JOB_CANCELLED)));
    if (!err)
        count_move(s, &who, (int)child->state, (int)to);
    return err ? err
               : note_callback(s, who.key, who.tail, (int)to, child->callback_url.data,
                               child->callback_url.len);
}

/* One of the things that the child waited for has ended well, or that does not matter to it. */
static int wait_less(struct sqlite_store *s, const struct job *child, int64_t now_us)
{
    struct who who = who_of(child);
    int got = db_first(&s->db, STMT_JOB_WAIT_LESS, PARAMS(P_INT(who.key)));
    if (got != 1)
        return got < 0 ? got : -ERR_STORE_CORRUPT;
    sqlite3_stmt *st = s->db.stmt[STMT_JOB_WAIT_LESS];
    int64_t left = sqlite3_column_int64(st, 0), run_at_us = sqlite3_column_int64(st, 1);
    db_done(&s->db, STMT_JOB_WAIT_LESS);
    if (left > 0)
        return 0;
    if (run_at_us > now_us) {
        note_due(s, run_at_us);
        return 0;
    }
    int err = db_run_one(s, STMT_JOB_QUEUE, PARAMS(P_INT(who.key)));
    if (!err)
        count_move(s, &who, JOB_SCHEDULED, JOB_QUEUED);
    return err;
}

/* The id of what the child depends on: of one that is lost, as the child names it. */
static struct id parent_id(const struct ending *parent, struct job *child, int *err)
{
    struct id id;
    id_make(&id, (uint64_t)parent->key, parent->tail);
    *err = parent->end == PARENT_LOST ? parse_parents(child) : 0;
    if (*err == -ERR_STORE_CORRUPT) /* what it names is lost, too */
        *err = 0;
    for (size_t i = 0; i < child->parents_count && !*err; i++) {
        if ((int64_t)id_key(&child->parents[i]) == parent->key)
            id = child->parents[i];
    }
    return id;
}

static int tell_child(struct sqlite_store *s, const struct ending *parent, int64_t child_key,
                      int64_t now_us)
{
    struct job child;
    int n = db_run(&s->db, STMT_PARENT_DROP, PARAMS(P_INT(parent->key), P_INT(child_key)));
    if (n < 0)
        return n;
    s->parents -= (uint64_t)n;
    int got = db_first(&s->db, STMT_JOB_GET, PARAMS(P_INT(child_key)));
    if (got != 1)
        return got; /* it was cancelled and forgotten meanwhile */
    int err = row_job(s, &s->db, 0, 0, &child);
    db_done(&s->db, STMT_JOB_GET);
    if (err)
        return err;
    bool good = parent->end == PARENT_SUCCEEDED || child.run_anyway;
    struct id id = parent_id(parent, &child, &err);
    if (!err && child.state == JOB_SCHEDULED && child.waits > 0) /* else it ended already */
        err = good ? wait_less(s, &child, now_us) : end_child(s, &child, parent->end, &id, now_us);
    job_release(&child);
    return err;
}

/* Passes an end on to up to *budget children; *all: there are no more. */
static int tell_children(struct sqlite_store *s, const struct ending *parent, size_t *budget,
                         int64_t now_us, bool *all)
{
    int64_t child[CHILDREN_AT_ONCE];
    for (;;) {
        size_t n = 0, want = *budget < CHILDREN_AT_ONCE ? *budget : CHILDREN_AT_ONCE;
        *all = false;
        if (want == 0)
            return 0;
        int got = db_first(&s->db, STMT_CHILDREN, PARAMS(P_INT(parent->key), P_INT(want)));
        for (; got == 1; got = db_next(&s->db, STMT_CHILDREN))
            child[n++] = sqlite3_column_int64(s->db.stmt[STMT_CHILDREN], 0);
        for (size_t i = 0; i < n && got >= 0; i++)
            got = tell_child(s, parent, child[i], now_us);
        if (got < 0)
            return got;
        *budget -= n;
        *all = n < want;
        if (*all)
            return 0;
    }
}

/* How the parent of e->key stands now. One that is not there keeps the end that e names. */
static int look_again(struct sqlite_store *s, struct ending *e)
{
    int64_t key = e->key;
    int got = db_first(&s->db, STMT_JOB_GET, PARAMS(P_INT(key)));
    if (got == 1) {
        sqlite3_stmt *st = s->db.stmt[STMT_JOB_GET];
        e->tail = (uint64_t)sqlite3_column_int64(st, COL_TAIL);
        e->end = parent_end_of((enum job_state)sqlite3_column_int(st, COL_STATE));
        db_done(&s->db, STMT_JOB_GET);
    }
    if (got != 0)
        return got < 0 ? got : 0;
    got = db_first(&s->db, STMT_GROUP_GET, PARAMS(P_INT(key)));
    if (got != 1)
        return got;
    struct id id;
    struct group g;
    id_make(&id, (uint64_t)key, (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_GROUP_GET], 0));
    db_done(&s->db, STMT_GROUP_GET);
    int err = group_find(s, &s->db, &id, &g);
    if (err)
        return err;
    e->tail = id_tail(&id);
    e->end = group_end(&g);
    e->is_group = true;
    group_release(&g);
    return 0;
}

static int keep_late(struct sqlite_store *s, const struct ending *e)
{
    int err = grow_array((void **)&s->late, s->late_count, &s->late_cap, sizeof(*e));
    if (!err)
        s->late[s->late_count++] = *e;
    return err;
}

/* Who was retried since it ended (`may_run`: it is possible) tells its children when it ends again.
 */
static int pass_on(struct sqlite_store *s, struct ending *e, bool may_run, size_t *budget,
                   int64_t now_us, bool *all)
{
    int err = may_run ? look_again(s, e) : 0;
    *all = true;
    return err || e->end == PARENT_OPEN ? err : tell_children(s, e, budget, now_us, all);
}

/* Parents that were too much for earlier transactions. */
static int settle_late(struct sqlite_store *s, size_t *budget, int64_t now_us)
{
    while (s->late_count > 0 && *budget > 0) {
        bool all = false;
        struct ending e = s->late[s->late_count - 1];
        int err = pass_on(s, &e, true, budget, now_us, &all);
        if (err)
            return err;
        if (all)
            s->late_count--; /* a rollback finds its rows again: see settle_undo */
    }
    return 0;
}

int sqlite_settle(struct store *base, int64_t now_us, bool *more)
{
    struct sqlite_store *s = sqlite_of(base);
    size_t budget = CHILDREN_MAX;
    int err = rows_write(&s->db); /* here an error is a step's, after which the service goes on */
    if (!err)
        err = group_flush(s, now_us);
    if (!err)
        err = settle_late(s, &budget, now_us);
    while (!err) {
        err = group_flush(s, now_us);
        if (err || s->ended_settled == s->ended_count)
            break;
        for (; !err && s->ended_settled < s->ended_count; s->ended_settled++) {
            struct ending e = s->ended[s->ended_settled];
            bool all = true;
            if (s->parents > 0)
                err = pass_on(s, &e, s->began_again, &budget, now_us, &all);
            if (!err && !all)
                err = keep_late(s, &e);
        }
    }
    *more = s->late_count > 0;
    return err;
}

size_t sqlite_ended_count(const struct store *base)
{
    return ((const struct sqlite_store *)base)->ended_count;
}

void sqlite_ended_id(const struct store *base, size_t i, struct id *out)
{
    const struct ending *e = &((const struct sqlite_store *)base)->ended[i];
    id_make(out, (uint64_t)e->key, e->tail);
}

void settle_reset(struct sqlite_store *s)
{
    s->ended_count = s->ended_settled = 0;
    s->gone_count = 0;
    s->moves_count = 0;
    s->out_of_memory = s->began_again = s->sweeping = false;
}

int parents_load(struct sqlite_store *s)
{
    int got = db_first(&s->db, STMT_PARENTS_COUNT, NULL, 0);
    if (got != 1)
        return got;
    s->parents = (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_PARENTS_COUNT], 0);
    db_done(&s->db, STMT_PARENTS_COUNT);
    return 0;
}

/* ---- recovery ---- */

/* Finds the ends that were not passed on, into `late`. */
static int collect_late(struct sqlite_store *s)
{
    int64_t key[CHILDREN_AT_ONCE], after = 0;
    size_t n;
    s->late_count = 0;
    int err = parents_load(s);
    do {
        n = 0;
        int got = err || s->parents == 0 ? err
                                         : db_first(&s->db, STMT_PARENTS_ENDED,
                                                    PARAMS(P_INT(after), P_INT(CHILDREN_AT_ONCE)));
        for (; got == 1; got = db_next(&s->db, STMT_PARENTS_ENDED))
            key[n++] = sqlite3_column_int64(s->db.stmt[STMT_PARENTS_ENDED], 0);
        err = got;
        for (size_t i = 0; i < n && !err; i++) {
            struct ending e = {.key = key[i], .end = PARENT_LOST}; /* if it is not there */
            after = key[i];
            err = look_again(s, &e);
            if (!err)
                err = keep_late(s, &e);
        }
    } while (!err && n > 0);
    return err;
}

int settle_undo(struct sqlite_store *s)
{
    settle_reset(s);
    return collect_late(s); /* by the rows: what memory held of them was changed, too */
}

/* Closes groups whose submission was cut off, and passes on ends that the last service did not. */
int recover_parents(struct sqlite_store *s, int64_t now_us)
{
    int64_t key[CHILDREN_AT_ONCE];
    size_t n;
    do {
        n = 0;
        int got = db_first(&s->db, STMT_GROUPS_OPEN, PARAMS(P_INT(CHILDREN_AT_ONCE)));
        for (; got == 1; got = db_next(&s->db, STMT_GROUPS_OPEN))
            key[n++] = sqlite3_column_int64(s->db.stmt[STMT_GROUPS_OPEN], 0);
        for (size_t i = 0; i < n && got >= 0; i++)
            got = close_group(s, key[i], now_us);
        if (got < 0)
            return got;
    } while (n > 0);
    int err = collect_late(s);
    bool more = true;
    while (!err && more)
        err = sqlite_settle(&s->base, now_us, &more);
    return err;
}
