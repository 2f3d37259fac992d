/*
 * store.c - what the store's steps of a job cost, without HTTP, workers or waiting: CPU
 * microseconds a job for insertion in a group, claim and outcome, as many a commit as told, with
 * claims written and lent.
 *
 *     build/bench/store DIR [JOBS [A_COMMIT]]     prints JSON
 */
#include "../common/err.h"
#include "../server/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct store *s;
static uint32_t task;

static void must(int err)
{
    if (err) {
        fprintf(stderr, "store: %s\n", err_sentence(err));
        exit(1);
    }
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* As of a submission, which stays until its commit. */
static void insert_one(struct job *j, int64_t now_us, const struct id *group)
{
    job_init(j);
    must(id_new(&j->id));
    j->task_id = task;
    j->state = JOB_QUEUED;
    j->max_attempts = 3;
    j->created_us = j->run_at_us = j->rank_us = now_us;
    j->timeout_us = 60000000;
    j->group = *group;
    buf_addf(&j->input, "{\"user\":4711,\"note\":\"%0150d\"}", 7);
    struct store_new n = {.job = j, .stays = true};
    must(store_insert(s, &n));
}

static double insert_all(long jobs, long a_commit)
{
    struct job *j = calloc((size_t)a_commit, sizeof(*j));
    double began = cpu_us();
    for (long done = 0; j && done < jobs; done += a_commit) {
        struct group g = {.created_us = 1000000};
        must(id_new(&g.id));
        must(store_begin(s));
        must(store_group_add(s, &g));
        for (long i = 0; i < a_commit; i++)
            insert_one(&j[i], 1000000 + done, &g.id);
        must(store_commit(s));
        must(store_checkpoint(s, STORE_PRESSED));
        for (long i = 0; i < a_commit; i++)
            job_release(&j[i]);
    }
    double took = (cpu_us() - began) / (double)jobs;
    free(j);
    return took;
}

/* Each commit ends what the one before claimed, and claims as many. */
static double run_all(long jobs, long a_commit, bool lend)
{
    struct claim_quota q = {.task_id = task, .most = UINT32_MAX, .per_key = 1, .lent_us = lend};
    struct finish_policy p = {.now_us = 3000000};
    struct job *held = calloc((size_t)a_commit, sizeof(*held));
    size_t n = 0;
    double began = cpu_us();
    for (long done = 0; held && done < jobs; done += (long)n) {
        must(store_begin(s));
        for (size_t i = 0; i < n; i++) {
            enum job_state state;
            struct attempt a = {.job = held[i].id,
                                .task_id = task,
                                .number = held[i].attempt,
                                .end = ATTEMPT_SUCCEEDED,
                                .group_key = id_key(&held[i].group),
                                .worker = 1,
                                .started_us = 2000000,
                                .finished_us = 2000001};
            buf_adds(&a.result, "null");
            must(store_finish(s, &a, &p, &state));
            attempt_release(&a);
            job_release(&held[i]);
        }
        bool more;
        must(store_settle(s, 3000000, &more));
        must(store_claim(s, &q, 1, (size_t)a_commit, 2000000, held, &n));
        must(store_commit(s));
        must(store_checkpoint(s, STORE_PRESSED));
    }
    free(held);
    return (cpu_us() - began) / (double)jobs;
}

int main(int argc, char **argv)
{
    struct buf why = BUF_INIT;
    if (argc < 2)
        return fprintf(stderr, "usage: store DIR [JOBS [A_COMMIT]]\n"), 2;
    long jobs = argc > 2 ? atol(argv[2]) : 100000, a_commit = argc > 3 ? atol(argv[3]) : 40;
    struct store_options o = {.data_dir = argv[1],
                              .cache_bytes = 16 << 20,
                              .reader_cache_bytes = 1 << 20,
                              .wal_limit = 4 << 20};
    must(store_open(&o, &s, &why));
    must(store_task_id(s, "noop", &task));
    for (int lend = 0; lend < 2; lend++) {
        double in = insert_all(jobs, 1000), out = run_all(jobs, a_commit, lend);
        printf("{\"lent\":%d,\"insert_us\":%.2f,\"claim_and_outcome_us\":%.2f}\n", lend, in, out);
    }
    store_close(s);
    buf_release(&why);
    return 0;
}
