/*
 * storekit.c - see storekit.h.
 */
#include "storekit.h"

#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char dir[64];
struct store *s;
struct store_reader *r;
uint32_t alpha, beta;

int open_store(void)
{
    AUTO_BUF why = BUF_INIT;
    struct store_options o = {.data_dir = dir,
                              .cache_bytes = 1 << 22,
                              .reader_cache_bytes = 1 << 20,
                              .wal_limit = 1 << 20};
    int err = store_open(&o, &s, &why);
    ck_assert_msg(err == 0, "%s", why.data ? why.data : "");
    ck_assert_int_eq(store_task_id(s, "alpha", &alpha), 0);
    ck_assert_int_eq(store_task_id(s, "beta", &beta), 0);
    ck_assert_int_eq(store_reader_open(s, &r), 0);
    return err;
}

void close_store(void)
{
    store_reader_close(r);
    store_close(s);
    r = NULL;
    s = NULL;
}

void kit_setup(void)
{
    snprintf(dir, sizeof(dir), "/tmp/check_store.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    open_store();
}

void kit_teardown(void)
{
    close_store();
    char path[128];
    static const char *const names[] = {"jobmill.db", "jobmill.db-wal", "jobmill.db-shm",
                                        "jobmill.lock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

void begin(void)
{
    ck_assert_int_eq(store_begin(s), 0);
}

void commit(void)
{
    ck_assert_int_eq(store_commit(s), 0);
}

void make(struct job *j, uint32_t task, enum job_state state, int priority)
{
    job_init(j);
    ck_assert_int_eq(id_new(&j->id), 0);
    j->task_id = task;
    j->state = state;
    j->priority = priority;
    j->attempt = state == JOB_RUNNING;
    j->max_attempts = 2;
    j->created_us = 1000;
    j->rank_us = 1000 - priority * INT64_C(60000000);
    buf_adds(&j->input, "{\"n\":1}");
}

int insert(struct job *j, const struct store_key *key)
{
    struct store_new new = {.job = j, .key = key};
    return store_insert(s, &new);
}

struct id keep(struct job *j)
{
    begin();
    ck_assert_int_eq(insert(j, NULL), 0);
    commit();
    struct id id = j->id;
    job_release(j);
    return id;
}

struct id add(uint32_t task, enum job_state state, int priority)
{
    struct job j;
    make(&j, task, state, priority);
    return keep(&j);
}

struct job get(const struct id *id)
{
    struct job j;
    ck_assert_int_eq(store_read_job(r, id, READ_INPUT | READ_RESULT, SIZE_MAX, &j), 0);
    return j;
}

enum job_state state_of(const struct id *id)
{
    struct job j = get(id);
    enum job_state state = j.state;
    job_release(&j);
    return state;
}

int64_t backoff(const struct job *job, void *arg)
{
    (void)arg;
    return 1000 * (int64_t)job->attempt;
}

int end(const struct id *id, uint32_t number, enum attempt_end how, bool now, enum job_state *state)
{
    struct attempt a = {.job = *id, .number = number, .end = how, .retry_now = now};
    a.error = JOB_ERROR_NONE;
    if (how == ATTEMPT_FAILED)
        job_error_set(&a.error, "boom", "it broke");
    if (how == ATTEMPT_SUCCEEDED)
        buf_adds(&a.result, "42");
    struct finish_policy p = {.now_us = 5000, .backoff_us = backoff};
    begin();
    int err = store_finish(s, &a, &p, state);
    commit();
    attempt_release(&a);
    return err;
}

size_t claim(size_t want, struct job *out)
{
    size_t n = 0;
    begin();
    const struct claim_quota quota[] = {{alpha, UINT32_MAX, 1, 0, false, false},
                                        {beta, UINT32_MAX, 1, 0, false, false}};
    ck_assert_int_eq(store_claim(s, quota, 2, want, 3000, out, &n), 0);
    commit();
    return n;
}

struct id claim_one(void)
{
    struct job out[1];
    size_t n = 0;
    for (int i = 0; i < 4 && n == 0; i++) /* a claim that finds held ones may come back short */
        n = claim(1, out);
    ck_assert_uint_eq(n, 1);
    struct id id = out[0].id;
    job_release(&out[0]);
    return id;
}

size_t due(int64_t now_us)
{
    size_t moved;
    int64_t next;
    begin();
    ck_assert_int_eq(store_due(s, now_us, 100, &moved, &next), 0);
    ck_assert_int_gt(next, now_us);
    commit();
    return moved;
}

int settle(void)
{
    for (int n = 1;; n++) {
        bool more = false;
        begin();
        ck_assert_int_eq(store_settle(s, 9000, &more), 0);
        commit();
        if (!more)
            return n;
    }
}

/* The counters must equal a recount through lists. */
void recount(void)
{
    uint64_t seen[JOB_STATES] = {0};
    struct job_filter f = {.state = -1, .limit = 3};
    struct job_page p;
    do {
        ck_assert_int_eq(store_read_list(r, &f, 0, 0, &p), 0);
        for (size_t i = 0; i < p.count; i++)
            seen[p.jobs[i].state]++;
        f.has_before = true;
        f.before = p.last;
        bool more = p.more;
        job_page_release(&p);
        p.more = more;
    } while (p.more);
    struct job_counts c;
    ck_assert_int_eq(store_read_counts(s, NULL, &c), 0);
    for (int i = 0; i < JOB_STATES; i++)
        ck_assert_uint_eq(c.state[i], seen[i]);
}

/* ---- what others depend on ---- */

static void ends(const struct id *id, uint32_t number, enum attempt_end how, int64_t now_us,
                 bool *more)
{
    struct attempt a = {.job = *id, .number = number, .end = how, .permanent = true};
    a.error = JOB_ERROR_NONE;
    if (how == ATTEMPT_FAILED)
        job_error_set(&a.error, "boom", "it broke");
    struct finish_policy p = {.now_us = now_us, .backoff_us = backoff};
    enum job_state state;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &p, &state), 0);
    ck_assert_int_eq(store_settle(s, now_us, more), 0);
    commit();
    attempt_release(&a);
}

void ends_and_settles(const struct id *id, enum attempt_end how)
{
    bool more;
    ends(id, 1, how, 9000, &more);
    ck_assert(!more);
}

void runs_and_ends(const struct id *id, uint32_t number, enum attempt_end how)
{
    struct id got = claim_one();
    bool more;
    ck_assert(id_equal(&got, id));
    ends(id, number, how, 9600, &more);
}

void service_dies(void)
{
    struct recovery rec;
    close_store();
    open_store();
    ck_assert_int_eq(store_recover(s, 9000, &rec), 0);
    settle();
}

struct id group_of(int n, struct id *jobs)
{
    struct group g = {.created_us = 1000};
    ck_assert_int_eq(id_new(&g.id), 0);
    begin();
    ck_assert_int_eq(store_group_add(s, &g), 0);
    for (int i = 0; i < n; i++) {
        struct job j;
        make(&j, alpha, JOB_RUNNING, 0);
        j.group = g.id;
        ck_assert_int_eq(insert(&j, NULL), 0);
        jobs[i] = j.id;
        job_release(&j);
    }
    commit();
    return g.id;
}

void wait_for(struct job *j, const struct id *parents, size_t n)
{
    j->parents = malloc(n * sizeof(*parents));
    ck_assert_ptr_nonnull(j->parents);
    memcpy(j->parents, parents, n * sizeof(*parents));
    j->parents_count = n;
    for (size_t i = 0; i < n; i++) {
        char text[ID_TEXT];
        id_format(&parents[i], text);
        buf_addf(&j->depends_on, "%s\"%s\"", i ? "," : "[", text);
    }
    buf_addc(&j->depends_on, ']');
}

struct id child_with(struct job *j, const struct id *parents, size_t n)
{
    wait_for(j, parents, n);
    return keep(j);
}

struct id child_of(const struct id *parents, size_t n, bool anyway)
{
    struct job j;
    make(&j, beta, JOB_QUEUED, 0);
    j.run_anyway = anyway;
    return child_with(&j, parents, n);
}

void add_children(const struct id *parent)
{
    for (int i = 0; i < CHILDREN; i++) {
        struct job j;
        make(&j, beta, JOB_QUEUED, 0);
        wait_for(&j, parent, 1);
        ck_assert_int_eq(insert(&j, NULL), 0);
        job_release(&j);
    }
}

void ends_and_settles_some(const struct id *id)
{
    struct attempt a = {.job = *id, .number = 1, .end = ATTEMPT_SUCCEEDED};
    struct finish_policy policy = {.now_us = 9000, .backoff_us = backoff};
    enum job_state state;
    bool more;
    begin();
    ck_assert_int_eq(store_finish(s, &a, &policy, &state), 0);
    ck_assert_int_eq(store_settle(s, 9000, &more), 0);
    commit();
    ck_assert(more);
    ck_assert_uint_gt(store_count(s, beta, JOB_SCHEDULED), 0);
}
