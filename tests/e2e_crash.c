/*
 * e2e_crash.c - the service is killed at random moments under load: what it acknowledged is there
 * and ends once, whatever the moment.
 */
#include "harness.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS  20
#define CLIENTS 8
#define IDS_MAX 200000

/* What a client was told of a job: that it is kept, or how it ended. */
struct told {
    char id[40];
    char finished_at[32]; /* empty: not yet */
    int attempt;
};

/* One client, over all rounds. */
struct client {
    struct server *s;
    pthread_t thread;
    unsigned number, next;
    _Atomic size_t acknowledged;
    struct told *told;
};

static _Atomic bool stop;

static void note_answer(struct client *c, const struct answer *a)
{
    struct told *told = &c->told[c->acknowledged++];
    snprintf(told->id, sizeof(told->id), "%s", jstr(a->json, "id"));
    snprintf(told->finished_at, sizeof(told->finished_at), "%s", jstr(a->json, "finished_at"));
    told->attempt = (int)jint(a->json, "attempt");
}

/* Submits until the service is gone; each submission under a key of its own, asked again after a
 * failure, as a careful client does. */
static void *load(void *arg)
{
    struct client *c = arg;
    while (!atomic_load(&stop) && c->acknowledged < IDS_MAX) {
        char key[64], body[128];
        snprintf(key, sizeof(key), "Idempotency-Key: c%u-%u", c->number, c->next);
        snprintf(body, sizeof(body),
                 "{\"task\":\"%s\",\"input\":{\"seconds\":0.00%u},\"max_attempts\":1000}",
                 c->next % 10 ? "noop" : "sleep", c->next % 9 + 1);
        const char *const headers[] = {key, NULL};
        struct answer *a =
            http_try(c->s, "POST", c->next % 4 ? "/v1/jobs" : "/v1/jobs?wait=5", body, headers);
        if (!a)
            return NULL; /* killed: the next round asks again with this key */
        if (a->status == 200 || a->status == 202) {
            note_answer(c, a);
            c->next++;
        }
        answer_free(a);
    }
    return NULL;
}

static char *run_sqlite(struct server *s, const char *sql)
{
    char command[512], *out = calloc(1, 4096);
    snprintf(command, sizeof(command), "sqlite3 -readonly %s/data/jobmill.db '%s'", s->dir, sql);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(out);
    size_t n = fread(out, 1, 4095, f);
    out[n] = '\0';
    ck_assert_int_eq(pclose(f), 0);
    return out;
}

static void check_integrity(struct server *s)
{
    char *out = run_sqlite(s, "PRAGMA integrity_check");
    ck_assert_str_eq(out, "ok\n");
    free(out);
}

static bool all_over(struct server *s)
{
    struct answer *a = get(s, "/v1/stats", 200);
    json_int_t open = jint(a->json, "jobs.queued") + jint(a->json, "jobs.running") +
                      jint(a->json, "jobs.scheduled");
    answer_free(a);
    return open == 0;
}

/* Every job is there and succeeded; an outcome that was told is the one that holds. */
static void check_acknowledged(struct client *c)
{
    for (size_t i = 0; i < c->acknowledged; i++) {
        char path[64];
        const struct told *told = &c->told[i];
        snprintf(path, sizeof(path), "/v1/jobs/%s", told->id);
        struct answer *a = get(c->s, path, 200);
        ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
        ck_assert_msg(!told->finished_at[0] ||
                          (!strcmp(told->finished_at, jstr(a->json, "finished_at")) &&
                           told->attempt == jint(a->json, "attempt")),
                      "told %s, attempt %d; now %s", told->finished_at, told->attempt, a->body);
        answer_free(a);
    }
}

static void start_load(struct client *c, struct server *s)
{
    atomic_store(&stop, false);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!c[i].told) {
            c[i].s = s;
            c[i].number = i;
            c[i].told = calloc(IDS_MAX, sizeof(*c[i].told));
            ck_assert_ptr_nonnull(c[i].told);
        }
        ck_assert_int_eq(pthread_create(&c[i].thread, NULL, load, &c[i]), 0);
    }
}

static void end_load(struct client *c)
{
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_join(c[i].thread, NULL), 0);
}

/* The counters equal a recount, and no key made two jobs. */
static void check_counts(struct server *s)
{
    char *out = run_sqlite(
        s, "SELECT count(*) FROM (SELECT c.n, (SELECT count(*) FROM jobs j WHERE j.task_id = "
           "c.task_id AND j.state = c.state) AS m FROM counters c) WHERE n <> m");
    ck_assert_str_eq(out, "0\n");
    free(out);
    out = run_sqlite(s, "SELECT count(*) - count(DISTINCT key) FROM idempotency");
    ck_assert_str_eq(out, "0\n");
    free(out);
}

static size_t acknowledged(struct client *c)
{
    size_t n = 0;
    for (int i = 0; i < CLIENTS; i++)
        n += c[i].acknowledged;
    return n;
}

START_TEST(nothing_acknowledged_is_lost)
{
    static const char *const flags[] = {"--workers", "2", "--log-level", "warn", NULL};
    struct server *s = server_new(NULL, flags);
    struct client c[CLIENTS] = {0};
    size_t total = 0;
    for (int round = 0; round < rounds(ROUNDS); round++) {
        start_load(c, s);
        /* not before there is something to lose, which takes a busy machine longer */
        eventually(acknowledged(c) > (size_t)round * 6, LONG_MS);
        pause_ms(20 + (int)random_below(180)); /* the moment is the test's matter */
        server_kill9(s);
        end_load(c);
        check_integrity(s);
        server_restart(s);
    }
    eventually(all_over(s), 60000);
    for (int i = 0; i < CLIENTS; i++) {
        check_acknowledged(&c[i]);
        total += c[i].acknowledged;
        free(c[i].told);
    }
    printf("%zu acknowledged over %d kills\n", total, rounds(ROUNDS));
    ck_assert_uint_gt(total, (size_t)rounds(ROUNDS) * 5);
    ck_assert_int_ge(jobs_kept(s), (json_int_t)total); /* a kill may come between disk and answer */
    ck_assert_int_le(jobs_kept(s), (json_int_t)total + CLIENTS);
    check_counts(s);
    server_free(s);
}
END_TEST

START_TEST(what_ran_runs_again_as_its_next_attempt)
{
    struct server *s =
        server_new("[task first]\ncommand = /bin/sh -c 'test $JOBMILL_ATTEMPT = 2 || "
                   "exec sleep 600; echo 1'\n",
                   (const char *const[]){"--workers", "2", NULL});
    char id[64], once[64];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"first\"}"));
    snprintf(once, sizeof(once), "%s", submit(s, "{\"task\":\"first\",\"max_attempts\":1}"));
    answer_free(await_state(s, id, "running"));
    answer_free(await_state(s, once, "running"));
    server_kill9(s);
    server_restart(s);
    struct answer *a = await_state(s, id, "succeeded");
    ck_assert_int_eq(jint(a->json, "attempt"), 2);
    answer_free(a);
    a = await_state(s, once, "failed"); /* it had one attempt, and had it */
    ck_assert_str_eq(jstr(a->json, "error.code"), "crashed");
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(a_cancel_outlives_a_kill)
{
    struct server *s =
        server_new("[server]\nkill_grace = 60s\n[task stubborn]\ncommand = /bin/sh "
                   "-c 'trap \"\" TERM; echo "
                   "\"{\\\"progress\\\":{\\\"message\\\":\\\"$$\\\"}}\" >&4; sleep 60'\n",
                   NULL);
    char id[64], path[128];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"stubborn\"}"));
    (void)await_number(s, id); /* one that has not begun is cancelled at once */
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel", id);
    answer_free(post(s, path, NULL, 202));
    server_kill9(s);
    server_restart(s);
    answer_free(await_state(s, id, "cancelled"));
    server_free(s);
}
END_TEST

START_TEST(two_services_do_not_share_a_directory)
{
    char data[300], err[2048];
    struct server *s = server_new(NULL, NULL);
    snprintf(data, sizeof(data), "%s/data", s->dir);
    const char *const args[] = {"serve", "--listen", "127.0.0.1:0", "--data-dir", data, NULL};
    ck_assert_int_ne(run_binary(args, err, sizeof(err)), 0);
    ck_assert_msg(strstr(err, "lock") || strstr(err, "another"), "%s", err);
    answer_free(get(s, "/healthz", 200));
    server_free(s);
}
END_TEST

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* R, S, T, Z, …; X: there is none. `path`: of its stat. */
static char state_of(const char *path)
{
    char state = 'X';
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    if (f)
        fclose(f);
    return state;
}

/* Also where nobody reaps it. */
static bool is_dead(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    char state = state_of(path);
    return state == 'Z' || state == 'X';
}

/* All of its threads: a signal stops each of them when it next gets to run. */
static bool is_stopped(pid_t pid)
{
    char path[400];
    bool all = true;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, e->d_name);
        all &= state_of(path) == 'T';
    }
    closedir(dir);
    return all;
}

/* Nobody lives on who could remove it: neither the fork server nor the front end. */
START_TEST(what_a_killed_service_left_goes)
{
    char tmp[256], other[300];
    own_directory("tmp", tmp, sizeof(tmp));
    snprintf(other, sizeof(other), "%s/jobmill-job-00000000-1-others", tmp);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    setenv("TMPDIR", tmp, 1);
    struct server *s =
        server_new("[task long]\nmax_attempts = 1\ncommand = /bin/sh -c 'mkdir -p a/b; echo "
                   "\"{\\\"progress\\\":{\\\"message\\\":\\\"$$\\\"}}\" >&4; "
                   "exec sleep 600'\n",
                   NULL);
    char *id = strdup(submit(s, "{\"task\":\"long\"}"));
    pid_t program = await_number(s, id), forkserver;
    ck_assert_uint_ge(descendants(s->pid, &forkserver, 1), 1);
    ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
    eventually(is_stopped(s->pid), LONG_MS);
    ck_assert_int_eq(kill(forkserver, SIGKILL), 0);
    server_kill9(s); /* its worker sees the end of both, kills it, and ends */
    ck_assert(is_dead(program));
    ck_assert_int_eq(entries(tmp), 2);
    server_restart(s);
    ck_assert_int_eq(entries(tmp), 1);
    ck_assert_int_eq(rmdir(other), 0); /* another's is not touched */
    answer_free(await_state(s, id, "failed"));
    free(id);
    server_free(s);
    ck_assert_int_eq(rmdir(tmp), 0);
}
END_TEST

/* What a kill may take: as an operator, the kernel short of memory, or a machine's end does it. */
enum victims { FRONT_END, FORK_SERVER, BOTH, WHOLE_TREE, VICTIMS };

#define TREE_MAX 256

/* In any order: children before their parents, or after them. */
static void shuffle(pid_t *pid, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = random_below((unsigned)i);
        pid_t p = pid[i - 1];
        pid[i - 1] = pid[k];
        pid[k] = p;
    }
}

static void kill_tree(struct server *s, enum victims victims)
{
    pid_t tree[TREE_MAX + 1];
    size_t n = descendants(s->pid, tree, TREE_MAX); /* the fork server is the first */
    ck_assert_uint_ge(n, 1);
    if (victims != WHOLE_TREE)
        n = victims != FRONT_END;
    if (victims != FORK_SERVER)
        tree[n++] = s->pid;
    shuffle(tree, n);
    for (size_t i = 0; i < n; i++)
        (void)kill(tree[i], SIGKILL); /* one that has ended meanwhile is no matter */
    int status = server_wait(s, LONG_MS);
    ck_assert_int_eq(status, victims == FORK_SERVER ? 70 : 128 + SIGKILL);
}

/* Brief jobs that write into their directories; how many. */
static int submit_writers(struct server *s)
{
    static const char one[] = "{\"task\":\"writer\",\"max_attempts\":1000}";
    char body[1024] = "{\"jobs\":[";
    for (int i = 0; i < 12; i++)
        snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s%s", i ? "," : "", one);
    snprintf(body + strlen(body), sizeof(body) - strlen(body), "]}");
    answer_free(post(s, "/v1/jobs/batch", body, 202));
    return 12;
}

/* server_wait() has seen that no process is left; here are the directories and the jobs. */
START_TEST(a_killed_tree_leaves_nothing)
{
    char tmp[256], id[40];
    int writers = 0, kills = rounds(8);
    int64_t slowest = 0;
    own_directory("tmp", tmp, sizeof(tmp));
    setenv("TMPDIR", tmp, 1);
    struct server *s =
        server_new("[task writer]\ncommand = /bin/sh -c 'echo 1 >kept; cat kept'\n[task family]\n"
                   "max_attempts = 1\n"
                   "command = /bin/sh -c 'mkdir -p a/b; sleep 600 & setsid sleep 600 & echo "
                   "\"{\\\"progress\\\":{\\\"message\\\":\\\"$$\\\"}}\" >&4; wait'\n",
                   (const char *const[]){"--workers", "3", NULL});
    s->errors_ok = true; /* a service whose fork server is gone says so */
    for (int round = 0; round < kills; round++) {
        snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"family\"}"));
        (void)await_number(s, id); /* the family is complete */
        writers += submit_writers(s);
        pause_ms((int)random_below(60)); /* the moment is the test's matter */
        int64_t from = now_ms();
        kill_tree(s, (enum victims)(round % VICTIMS));
        slowest = now_ms() - from > slowest ? now_ms() - from : slowest;
        check_integrity(s);
        server_restart(s);
        answer_free(await_state(s, id, "failed"));
    }
    eventually(all_over(s), 60000);
    struct answer *a = get(s, "/v1/stats", 200);
    ck_assert_int_eq(jint(a->json, "jobs.succeeded"), writers);
    ck_assert_int_eq(jint(a->json, "jobs.failed"), kills);
    answer_free(a);
    check_counts(s);
    server_free(s);
    printf("%d kills of a tree: all processes gone after %d ms at most\n", kills, (int)slowest);
    ck_assert_int_eq(rmdir(tmp), 0); /* empty */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_acknowledged_is_lost,    what_ran_runs_again_as_its_next_attempt,
        a_cancel_outlives_a_kill,        two_services_do_not_share_a_directory,
        what_a_killed_service_left_goes, a_killed_tree_leaves_nothing,
    };
    return run_suite("crash", tests, sizeof(tests) / sizeof(tests[0]));
}
