/*
 * storerun.c - a run of changes through the store's door. See storerun.h.
 */
#include "storerun.h"

#include "../common/err.h"
#include "crashvfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_CHANGES 6
#define FIRST_KEY    ((UINT64_C(1700000000000)) << 12)
#define TEXT_PAGE    100

static uint64_t pick(struct run *r, uint64_t below)
{
    return below ? crash_random(&r->m.random) % below : 0;
}

static bool refused(int err)
{
    return err == -ERR_KEY_REUSED || err == -ERR_NOT_UNIQUE || err == -ERR_UNKNOWN_DEPENDENCY ||
           err == -ERR_CONFLICT || err == -ERR_NO_JOB || err == -ERR_NO_GROUP ||
           err == -ERR_FORGOTTEN;
}

static void new_id(struct run *r, struct id *id)
{
    id_make(id, r->m.next_key++, crash_random(&r->m.random) >> 2);
}

static void fingerprint(unsigned key, uint8_t out[32])
{
    memset(out, 0, 32);
    out[0] = (uint8_t)key;
}

/* ---- submissions ---- */

static void fill_job(struct run *r, struct job *j)
{
    job_init(j);
    new_id(r, &j->id);
    j->task_id = r->m.task[pick(r, 2)];
    uint64_t kind = pick(r, 8);
    j->state = kind == 0 ? JOB_SCHEDULED : kind == 1 ? JOB_RUNNING : JOB_QUEUED;
    j->attempt = j->state == JOB_RUNNING;
    j->max_attempts = 1 + (uint32_t)pick(r, 3);
    j->created_us = r->m.now_us;
    j->run_at_us = j->state == JOB_SCHEDULED ? r->m.now_us + 2000 : 0;
    j->started_us = j->attempt ? r->m.now_us : 0;
    j->priority = (int)pick(r, 5) - 2;
    j->rank_us = j->created_us - j->priority * 1000;
    j->expires_us = pick(r, 10) == 0 ? r->m.now_us + 5000 : 0;
    if (pick(r, 4) == 0)
        buf_adds(&j->tags, "[\"red\",\"blue\"]");
    if (pick(r, 6) == 0 && j->state == JOB_QUEUED)
        snprintf(j->concurrency_key, sizeof(j->concurrency_key), "one");
    size_t size = pick(r, 6) == 0 ? 1500 + pick(r, 6000) : pick(r, 60);
    for (size_t i = 0; i < size; i++)
        buf_addc(&j->input, (char)('a' + (id_key(&j->id) + i) % 26));
}

static int add_parents(struct run *r, struct job *j)
{
    if (pick(r, 5) != 0 || r->m.jobs == 0 || j->state == JOB_RUNNING)
        return 0;
    j->parents = calloc(2, sizeof(*j->parents));
    if (!j->parents)
        return -ERR_NOMEM;
    j->parents[j->parents_count++] = r->m.job[pick(r, r->m.jobs)];
    struct id *other = &r->m.job[pick(r, r->m.jobs)];
    if (!id_equal(other, j->parents))
        j->parents[j->parents_count++] = *other;
    for (size_t i = 0; i < j->parents_count; i++) { /* by these a retry finds them again */
        char text[ID_TEXT];
        id_format(&j->parents[i], text);
        buf_addf(&j->depends_on, "%s\"%s\"", i ? "," : "[", text);
    }
    buf_addc(&j->depends_on, ']');
    return j->depends_on.failed ? -ERR_NOMEM : 0;
}

static int insert(struct run *r, const struct id *group)
{
    if (r->m.jobs == RUN_JOBS || r->m.runnings == RUN_JOBS)
        return 0;
    struct job j;
    struct id which;
    uint8_t print[32];
    char name[16];
    fill_job(r, &j);
    int err = add_parents(r, &j);
    if (group)
        j.group = *group;
    unsigned key = (unsigned)pick(r, RUN_KEYS);
    fingerprint(key, print);
    snprintf(name, sizeof(name), "key-%u", key);
    struct store_key k = {.key = name,
                          .fingerprint = print,
                          .now_us = r->m.now_us,
                          .expires_us = r->m.now_us + 60000};
    struct store_unique u = {.hash = {(uint8_t)pick(r, 4)}};
    struct store_new new = {.job = &j,
                            .key = !group && pick(r, 3) == 0 ? &k : NULL,
                            .unique = pick(r, 8) == 0 ? &u : NULL};
    if (j.input.failed || j.tags.failed)
        err = -ERR_NOMEM;
    if (!err)
        err = store_check_parents(r->store, j.parents, j.parents_count, &which);
    if (!err)
        err = store_insert(r->store, &new);
    if (err == 0) {
        r->m.job[r->m.jobs++] = j.id;
        if (j.state == JOB_RUNNING) {
            r->m.running[r->m.runnings].id = j.id;
            r->m.running[r->m.runnings].task_id = j.task_id;
            r->m.running[r->m.runnings].group_key = group ? id_key(group) : 0;
            r->m.running[r->m.runnings++].number = 1;
        }
    }
    job_release(&j);
    return err < 0 && !refused(err) ? err : 0;
}

static int insert_group(struct run *r)
{
    if (r->m.groups == RUN_GROUPS)
        return 0;
    struct group g = {.created_us = r->m.now_us, .open = true};
    new_id(r, &g.id);
    int err = store_group_add(r->store, &g);
    for (uint64_t n = 1 + pick(r, 4); n > 0 && !err; n--)
        err = insert(r, &g.id);
    if (!err)
        err = store_group_close(r->store, &g.id, r->m.now_us);
    if (!err)
        r->m.group[r->m.groups++] = g.id;
    return err;
}

/* ---- the rest of a job's life ---- */

static int claim(struct run *r)
{
    struct job out[4];
    size_t n = 0, room = RUN_JOBS - r->m.runnings;
    int64_t lent_us = pick(r, 2) ? r->m.now_us : 0;
    bool brief = pick(r, 2);
    bool briefly = pick(r, 2);
    const struct claim_quota quota[] = {{r->m.task[0], UINT32_MAX, 1, lent_us, briefly, brief},
                                        {r->m.task[1], UINT32_MAX, 1, lent_us, false, brief}};
    int err = store_claim(r->store, quota, 2, room < 4 ? room : 4, r->m.now_us, out, &n);
    for (size_t i = 0; i < n; i++) {
        r->m.running[r->m.runnings].id = out[i].id;
        r->m.running[r->m.runnings].task_id = out[i].task_id;
        r->m.running[r->m.runnings].group_key =
            id_is_nil(&out[i].group) ? 0 : id_key(&out[i].group);
        r->m.running[r->m.runnings++].number = out[i].attempt;
        job_release(&out[i]);
    }
    return err;
}

static int64_t backoff(const struct job *job, void *arg)
{
    (void)arg;
    return 1000 * (int64_t)job->attempt;
}

static int finish(struct run *r)
{
    if (r->m.runnings == 0)
        return 0;
    size_t at = pick(r, r->m.runnings);
    struct attempt a = {.job = r->m.running[at].id,
                        .task_id = r->m.running[at].task_id,
                        .number = r->m.running[at].number,
                        .group_key = r->m.running[at].group_key,
                        .worker = 7,
                        .started_us = r->m.now_us - 5,
                        .finished_us = r->m.now_us,
                        .error = JOB_ERROR_NONE};
    uint64_t how = pick(r, 10);
    a.end = how < 6    ? ATTEMPT_SUCCEEDED
            : how == 6 ? ATTEMPT_RETURNED
            : how == 7 ? ATTEMPT_CANCELLED
                       : ATTEMPT_FAILED;
    a.permanent = how == 8;
    a.began = how == 6 && pick(r, 2) == 0;
    a.retry_now = pick(r, 2) == 0;
    if (a.end == ATTEMPT_FAILED)
        job_error_set(&a.error, "boom", "it broke");
    if (a.end == ATTEMPT_SUCCEEDED) {
        size_t size = pick(r, 5) == 0 ? 1500 + pick(r, 5000) : pick(r, 60);
        for (size_t i = 0; i < size; i++)
            buf_addc(&a.result, (char)('A' + (id_key(&a.job) + i) % 26));
    }
    struct finish_policy p = {.now_us = r->m.now_us, .backoff_us = backoff};
    enum job_state state;
    int err = a.result.failed ? -ERR_NOMEM : store_finish(r->store, &a, &p, &state);
    attempt_release(&a);
    if (err && !refused(err))
        return err;
    r->m.running[at] = r->m.running[--r->m.runnings];
    return 0;
}

static int act(struct run *r, int (*what)(struct store *, const struct id *, int64_t, struct job *))
{
    struct job job;
    job_init(&job);
    int err = r->m.jobs ? what(r->store, &r->m.job[pick(r, r->m.jobs)], r->m.now_us, &job) : 0;
    job_release(&job);
    return refused(err) ? 0 : err;
}

static int sweep(struct run *r)
{
    size_t gone;
    bool more;
    struct keep_rule rule = {.task_id = r->m.task[pick(r, 2)],
                             .now_us = r->m.now_us,
                             .before_us = pick(r, 3) == 0 ? r->m.now_us : 0,
                             .most = 40};
    int err = store_sweep_jobs(r->store, &rule, 20, &gone, &more);
    if (!err)
        err = store_sweep_keys(r->store, r->m.now_us, 5, &gone);
    if (!err)
        err = store_sweep_groups(r->store, r->m.now_us, 5, &gone);
    return err ? err : store_shrink(r->store, 8);
}

static int change(struct run *r)
{
    enum job_state state;
    size_t moved;
    int64_t next;
    int err;
    switch (pick(r, 15)) {
    case 0:
        return insert_group(r);
    case 1:
    case 2:
    case 3:
    case 4:
        return insert(r, NULL);
    case 5:
        return act(r, store_cancel);
    case 6:
        return pick(r, 2) ? act(r, store_retry) : 0;
    case 7:
        err = r->m.jobs ? store_delete(r->store, &r->m.job[pick(r, r->m.jobs)], &state) : 0;
        return refused(err) ? 0 : err;
    case 8:
        return store_due(r->store, r->m.now_us, 50, &moved, &next);
    case 9:
        return sweep(r);
    case 10:
        return store_lent_due(r->store, r->m.now_us - (int64_t)pick(r, 3000), pick(r, 2));
    case 11:
        return store_pause_task(r->store, r->m.task[0], pick(r, 2));
    default:
        return finish(r);
    }
}

static int transaction(struct run *r)
{
    bool more = false;
    int err = 0;
    r->m.now_us += 1 + (int64_t)pick(r, 1500);
    for (uint64_t n = 1 + pick(r, STEP_CHANGES); n > 0 && !err; n--)
        err = change(r);
    if (!err)
        err = store_settle(r->store, r->m.now_us, &more);
    return err ? err : claim(r);
}

int run_step(struct run *r)
{
    struct run_memory before = r->m;
    int err = store_begin(r->store);
    if (!err)
        err = transaction(r);
    bool known = err == -ERR_STORE_FULL || err == -ERR_NOMEM;
    if (!err) {
        err = store_commit(r->store);
        known = err == -ERR_STORE_FULL || err == -ERR_NOMEM;
    }
    if (!err)
        return RUN_KEPT;
    uint64_t random = r->m.random; /* not the same again */
    r->m = before;
    r->m.random = random;
    if (known && store_rollback(r->store) == 0)
        return RUN_UNDONE;
    return err;
}

int run_tidy(struct run *r)
{
    int err = store_checkpoint(r->store, (enum store_rest)pick(r, 3));
    return err == -ERR_STORE_FULL ? 0 : err;
}

/* ---- life ---- */

static int open_one(struct run *r, const char *dir, struct buf *why)
{
    struct store_options o = {.data_dir = dir,
                              .cache_bytes = 1 << 20,
                              .reader_cache_bytes = 1 << 18,
                              .wal_limit = 64 << 10};
    r->store = NULL;
    r->reader = NULL;
    int err = store_open(&o, &r->store, why);
    if (!err)
        crashvfs_dir_synced(); /* store_open's last act */
    return err;
}

int run_open(struct run *r, const char *dir, uint64_t seed, bool fresh, struct buf *why)
{
    struct recovery rec;
    if (fresh)
        r->m = (struct run_memory){
            .random = seed, .now_us = INT64_C(1700000000000000), .next_key = FIRST_KEY};
    int err = open_one(r, dir, why);
    if (!err)
        err = store_recover(r->store, r->m.now_us, &rec);
    r->m.runnings = 0;
    if (!err)
        err = store_task_id(r->store, "alpha", &r->m.task[0]);
    if (!err)
        err = store_task_id(r->store, "beta", &r->m.task[1]);
    if (!err)
        err = store_reader_open(r->store, &r->reader);
    return err;
}

void run_close(struct run *r)
{
    store_reader_close(r->reader);
    store_close(r->store);
    r->reader = NULL;
    r->store = NULL;
}

/* ---- the text ---- */

static uint64_t hash(const struct buf *b)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < b->len; i++)
        h = (h ^ (uint8_t)b->data[i]) * UINT64_C(0x100000001b3);
    return h;
}

static int job_text(struct run *r, const struct job *j, struct buf *out)
{
    char id[ID_TEXT], group[ID_TEXT];
    struct attempt_record a[16];
    size_t n = 0;
    id_format(&j->id, id);
    id_format(&j->group, group);
    buf_addf(out, "job %s %s %s p%d a%u/%u c%lld r%lld s%lld f%lld %s%s w%u e%lld [%s] %s k%s ", id,
             j->task, job_state_name(j->state), j->priority, j->attempt, j->max_attempts,
             (long long)j->created_us, (long long)j->run_at_us, (long long)j->started_us,
             (long long)j->finished_us, j->cancel_requested ? "cancel " : "", j->held ? "held" : "",
             j->waits, (long long)j->expires_us, j->error.code, group, j->concurrency_key);
    buf_addf(out, "in %zu:%llx out %zu:%llx tags %zu", j->input_size,
             (unsigned long long)hash(&j->input), j->result_size,
             (unsigned long long)hash(&j->result), j->tags.len);
    int err = store_read_attempts(r->reader, &j->id, 16, a, &n);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, " (%u %s %lld)", a[i].number, a[i].error.code, (long long)a[i].finished_us);
    buf_addc(out, '\n');
    return err;
}

static int jobs_text(struct run *r, struct buf *out)
{
    uint64_t seen[JOB_STATES] = {0};
    struct job_filter f = {.state = -1, .limit = TEXT_PAGE};
    struct job_page p;
    bool more = true;
    while (more) {
        int err = store_read_list(r->reader, &f, READ_INPUT | READ_RESULT, SIZE_MAX, &p);
        for (size_t i = 0; i < p.count && !err; i++) {
            seen[p.jobs[i].state]++;
            err = job_text(r, &p.jobs[i], out);
        }
        f.has_before = true;
        f.before = p.last;
        more = p.more;
        job_page_release(&p);
        if (err)
            return err;
    }
    struct job_counts c;
    int err = store_read_counts(r->store, NULL, &c);
    for (int i = 0; i < JOB_STATES && !err; i++)
        err = c.state[i] == seen[i] ? 0 : -ERR_INTERNAL;
    return err;
}

static int group_text(struct run *r, const struct id *id, struct buf *out)
{
    struct group g;
    char text[ID_TEXT];
    int err = store_read_group(r->reader, id, &g);
    if (err == -ERR_NO_GROUP)
        return 0;
    id_format(id, text);
    buf_addf(out, "group %s f%lld", text, (long long)g.finished_us);
    for (int i = 0; i < JOB_STATES; i++)
        buf_addf(out, " %llu", (unsigned long long)g.state[i]);
    buf_addc(out, '\n');
    group_release(&g);
    return err;
}

static int keys_text(struct run *r, struct buf *out)
{
    for (unsigned i = 0; i < RUN_KEYS; i++) {
        uint8_t print[32];
        char name[16], text[ID_TEXT];
        struct id id;
        fingerprint(i, print);
        snprintf(name, sizeof(name), "key-%u", i);
        struct store_key k = {.key = name, .fingerprint = print, .now_us = 1};
        int got = store_replay(r->store, &k, &id);
        if (got < 0)
            return got;
        if (got == 0)
            continue;
        id_format(&id, text);
        buf_addf(out, "key %s %s\n", name, text);
    }
    return 0;
}

int run_text(struct run *r, struct buf *out)
{
    int err = jobs_text(r, out);
    for (size_t i = 0; i < r->m.groups && !err; i++)
        err = group_text(r, &r->m.group[i], out);
    if (!err)
        err = keys_text(r, out);
    return err ? err : out->failed ? -ERR_NOMEM : 0;
}

int run_text_of(const char *dir, const struct run_memory *m, struct buf *out, struct buf *why)
{
    struct run r = {.m = *m};
    int err = open_one(&r, dir, why);
    if (!err)
        err = store_reader_open(r.store, &r.reader);
    if (!err)
        err = run_text(&r, out);
    run_close(&r);
    return err;
}

int run_integrity(const char *dir, struct buf *why)
{
    char path[4096];
    sqlite3 *c = NULL;
    sqlite3_stmt *st = NULL;
    snprintf(path, sizeof(path), "%s/jobmill.db", dir);
    int rc = sqlite3_open_v2(path, &c, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(c, "PRAGMA integrity_check", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool ok = said && strcmp(said, "ok") == 0;
    if (!ok)
        buf_addf(why, "integrity_check: %s", said ? said : sqlite3_errmsg(c));
    sqlite3_finalize(st);
    sqlite3_close(c);
    return ok ? 0 : -1;
}
