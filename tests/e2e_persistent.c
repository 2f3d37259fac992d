/*
 * e2e_persistent.c - commands kept warm: many jobs on few programs, whatever a program does ends as
 * an outcome of its own job alone, and nothing of it is left.
 */
#include "harness.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS  1000
#define KILLS 60

static const char *const one_worker[] = {"--workers", "1", NULL};
static const char *const two_workers[] = {"--workers", "2", NULL};

/* A task `warm`; `server` are further settings of [server], `more` of the task and what follows. */
static struct server *with_warm(const char *server, const char *more, const char *const *flags)
{
    char *conf = NULL, here[1024];
    ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
    ck_assert_int_gt(
        asprintf(&conf,
                 "[server]\n%s\n[task node]\ncommand = node %s/tests/programs/warm.js\n"
                 "persistent = true\npool = node\nspares = 0\nmax_attempts = 2\n"
                 "[pool node]\nworkers = 1\n"
                 "[task warm]\ncommand = /usr/bin/python3 %s/tests/programs/warm.py\n"
                 "persistent = true\nenv.PYTHONPATH = %s/clients/python\n"
                 "env.PYTHONDONTWRITEBYTECODE = 1\n%s",
                 server, here, here, here, more),
        0);
    struct server *s = server_new(conf, flags);
    free(conf);
    return s;
}

/* Runs a job of `warm` whose result is a number. */
static long number_of(struct server *s, const char *input)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"task\":\"warm\",\"input\":%s}", input);
    struct answer *a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "succeeded"), "%s", a->body);
    long n = (long)jint(a->json, "result");
    answer_free(a);
    return n;
}

static pid_t pid_now(struct server *s)
{
    return (pid_t)number_of(s, "{\"do\":\"pid\"}");
}

/* Runs a job that fails; the error's code and words. */
static void fails(struct server *s, const char *input, const char *code, const char *words,
                  int attempts)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"task\":\"warm\",\"input\":%s,\"max_attempts\":2}", input);
    struct answer *a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "failed"), "%s", a->body);
    ck_assert_msg(!strcmp(jstr(a->json, "error.code"), code), "%s: %s", input, a->body);
    ck_assert_msg(strstr(jstr(a->json, "error.message"), words) != NULL, "%s: %s", input, a->body);
    ck_assert_msg(jint(a->json, "attempt") == attempts, "%s: %s", input, a->body);
    answer_free(a);
}

START_TEST(many_jobs_on_one_program)
{
    pid_t pids[JOBS];
    int programs = 0;
    struct server *s = with_warm("retry_delay = 60s", "", one_worker);
    char(*ids)[64] = calloc(JOBS, sizeof(*ids));
    ck_assert_ptr_nonnull(ids);
    for (int i = 0; i < JOBS; i++) {
        char body[128]; /* one crashes in the middle, at its first attempt */
        snprintf(body, sizeof(body), "{\"task\":\"warm\",\"input\":{\"do\":\"%s\",\"n\":%d%s}}",
                 i == JOBS / 2 ? "crash" : "echo", i, i == JOBS / 2 ? ",\"attempts\":1" : "");
        snprintf(ids[i], sizeof(ids[i]), "%s", submit(s, body));
    }
    for (int i = 0; i < JOBS; i++) {
        struct answer *a = await_state(s, ids[i], "succeeded");
        bool crashed = i == JOBS / 2;
        ck_assert_int_eq(jint(a->json, "attempt"), crashed ? 2 : 1);
        if (!crashed)
            ck_assert_msg(jint(a->json, "result.0") == i, "%s", a->body);
        pids[i] = (pid_t)jint(a->json, crashed ? "result" : "result.1");
        int k = 0;
        while (k < i && pids[k] != pids[i])
            k++;
        programs += k == i;
        answer_free(a);
    }
    ck_assert_int_eq(programs, 2);
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), JOBS);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0); /* the worker lives on */
    free(ids);
    server_free(s);
}
END_TEST

START_TEST(a_crash_costs_one_attempt)
{
    /* a retry that waited would not come within the test's time */
    struct server *s = with_warm("retry_delay = 600s", "", one_worker);
    pid_t before = pid_now(s);
    fails(s, "{\"do\":\"crash\"}", "crashed", "killed by signal 9", 2);
    ck_assert(process_is_gone(before));
    fails(s, "{\"do\":\"exit\"}", "crashed", "exit status 3 before it answered", 2);
    ck_assert_int_ne(pid_now(s), before);
    server_free(s);
}
END_TEST

START_TEST(errors_are_the_functions_own)
{
    struct server *s = with_warm("retry_delay = 0.01", "", one_worker);
    pid_t before = pid_now(s);
    fails(s, "{\"do\":\"fail\",\"permanent\":true}", "too_hot", "too hot", 1);
    fails(s, "{\"do\":\"fail\",\"permanent\":false}", "too_hot", "too hot", 2);
    fails(s, "{\"do\":\"divide\"}", "task_error", "ZeroDivisionError: division by zero", 2);
    eventually(log_has(s, "Traceback"), LONG_MS);
    fails(s, "{\"do\":\"nan\"}", "bad_result", "cannot be written as JSON", 1);
    fails(s, "{\"do\":\"nested\"}", "bad_result", "cannot be written as JSON", 1);
    fails(s, "{\"do\":\"lone\"}", "bad_result", "cannot be written as JSON", 1);
    fails(s, "{\"do\":\"zero\"}", "bad_result", "cannot be written as JSON", 1);
    fails(s, "{\"do\":\"bad_words\"}", "task_error", "no file a\\udcff\\x00b", 1);
    ck_assert_int_eq(pid_now(s), before);
    server_free(s);
}
END_TEST

START_TEST(what_it_prints_is_log)
{
    struct server *s = with_warm("", "", one_worker);
    struct answer *a = run_job(s, "{\"task\":\"warm\",\"input\":{\"do\":\"noise\"}}");
    ck_assert_str_eq(jstr(a->json, "result"), "quiet");
    eventually(log_has(s, "a line without an end") && log_has(s, "Gr\xC3\xBC"), LONG_MS);
    char *log = server_log(s), *at = strstr(log, "a line without an end");
    ck_assert_ptr_nonnull(strstr(at, jstr(a->json, "id"))); /* the job's */
    free(log);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(a_deaf_program_is_killed_and_replaced)
{
    char id[64];
    struct server *s = with_warm("kill_grace = 0.1\nretry_delay = 0.01", "", one_worker);
    pid_t before = pid_now(s);
    struct answer *a = run_job(s, "{\"task\":\"warm\",\"input\":{\"do\":\"hang\"},\"timeout\":0.3,"
                                  "\"max_attempts\":1}");
    ck_assert_msg(!strcmp(jstr(a->json, "error.code"), "timeout"), "%s", a->body);
    ck_assert(process_is_gone(before));
    answer_free(a);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"warm\",\"input\":{\"do\":\"hang\"}}"));
    pid_t child = await_number(s, id);
    ck_assert(!process_is_gone(child));
    char path[128];
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    a = http(s, "POST", path, NULL, NULL);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "cancelled"), "%s", a->body);
    ck_assert(process_is_gone(child)); /* in a session of its own, and dead before the answer */
    answer_free(a);
    (void)pid_now(s);
    ck_assert_int_eq(stat_of(s, "pools.0.deaths"), 0);
    server_free(s);
}
END_TEST

START_TEST(a_polite_program_cleans_up)
{
    char id[64], path[128];
    struct server *s = with_warm("kill_grace = 60s", "", one_worker);
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"warm\",\"input\":{\"do\":\"polite\"}}"));
    pid_t pid = await_number(s, id);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    struct answer *a = http(s, "POST", path, NULL, NULL);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "cancelled"), "%s", a->body);
    answer_free(a);
    eventually(log_has(s, "cleaned up"), LONG_MS);
    ck_assert_int_ne(pid_now(s), pid);
    server_free(s);
}
END_TEST

START_TEST(answers_are_checked)
{
    struct server *s = with_warm("retry_delay = 0.01", "output_max = 2MiB\n", one_worker);
    static const char *const bad[][2] = {
        {"garbage", "not understood"},
        {"list", "it is no object"},
        {"again", "said twice"},
        {"other", "`id` is not that of the job"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char input[64];
        pid_t before = pid_now(s);
        snprintf(input, sizeof(input), "{\"do\":\"%s\"}", bad[i][0]);
        fails(s, input, "bad_result", bad[i][1], 2);
        ck_assert(process_is_gone(before));
    }
    ck_assert_int_eq(number_of(s, "{\"do\":\"twice\"}"), 1); /* the first answer stands */
    eventually(log_has(s, "more after its answer") || log_has(s, "while no job runs"), LONG_MS);
    fails(s, "{\"do\":\"flood\"}", "bad_result", "larger than output_max", 1);
    fails(s, "{\"do\":\"huge\",\"size\":3000000}", "bad_result", "larger than output_max", 1);
    struct answer *a =
        run_job(s, "{\"task\":\"warm\",\"input\":{\"do\":\"huge\",\"size\":2000000}}");
    ck_assert_int_eq(jint(a->json, "result_size"), 2000002);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(large_inputs_and_those_of_many_lines)
{
    struct server *s = with_warm("", "", one_worker);
    size_t size = 700000;
    char *body = malloc(size + 200);
    int n = snprintf(body, 200,
                     "{\"task\":\"warm\",\n \"input\":\r\n{\n\"do\":\"length\",\n\"text\":\"");
    memset(body + n, 'x', size);
    snprintf(body + n + size, 100, "\"\n}\n}");
    struct answer *a = run_job(s, body);
    ck_assert_int_eq(jint(a->json, "result"), (json_int_t)size);
    answer_free(a);
    free(body);
    server_free(s);
}
END_TEST

START_TEST(bytes_in_and_bytes_out)
{
    char type[64], path[128];
    static const char *const headers[] = {"Content-Type: application/x-forth", NULL};
    struct server *s = with_warm("", "input = raw\n", one_worker);
    struct answer *job = http_bytes(s, "/v1/tasks/warm/jobs?wait=60",
                                    "ab\0\xff"
                                    "c",
                                    5, headers),
                  *a;
    ck_assert_msg(job->status == 200 && !strcmp(jstr(job->json, "state"), "succeeded"), "%s",
                  job->body);
    snprintf(path, sizeof(path), "/v1/jobs/%s/result", jstr(job->json, "id"));
    a = get(s, path, 200);
    ck_assert_uint_eq(a->len, 5);
    ck_assert_mem_eq(a->body, "c\xff\0ba", 5);
    ck_assert(answer_header(a, "Content-Type", type, sizeof(type)));
    ck_assert_str_eq(type, "application/x-back");
    answer_free(a);
    answer_free(job);
    server_free(s);
}
END_TEST

static bool is_available(struct server *s, bool want, const char *words)
{
    struct answer *a = get(s, "/v1/tasks/warm", 200);
    bool is = json_is_true(json_object_get(a->json, "available"));
    ck_assert(json_is_true(json_object_get(a->json, "persistent")));
    bool ok = is == want && (want || strstr(jstr(a->json, "error"), words));
    answer_free(a);
    return ok;
}

START_TEST(a_program_that_is_not_ready_is_told)
{
    char more[512], flag[256];
    snprintf(flag, sizeof(flag), "%s", own_path("flag"));
    snprintf(more, sizeof(more), "env.WAITS_FOR = %s\n", flag);
    struct server *s = with_warm("retry_delay = 0.01", more, one_worker);
    eventually(is_available(s, false, "exit status 1 before it was ready: no model here"), LONG_MS);
    fails(s, "{\"do\":\"pid\"}", "task_unavailable", "before it was ready: no model here", 2);
    FILE *f = fopen(flag, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    (void)pid_now(s);
    eventually(is_available(s, true, ""), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(a_program_that_never_says_ready)
{
    struct server *s = server_new(
        "[task warm]\ncommand = sleep 600\npersistent = true\nready_timeout = 0.2\n", one_worker);
    eventually(is_available(s, false, "its program was not ready within ready_timeout (0.2 s)"),
               LONG_MS);
    struct answer *a = run_job(s, "{\"task\":\"warm\",\"max_attempts\":1}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "task_unavailable");
    answer_free(a);
    server_free(s);
}
END_TEST

/* Its descriptors are closed before its end is heard of. */
START_TEST(a_program_that_ends_slowly_before_it_is_ready)
{
    static const char *const end[] = {"sleep 0.2; exit 3", "exec sleep 600"};
    static const char *const why[] = {
        "the task cannot be run: its program ended with exit status 3 before it was ready: sorry",
        "the task cannot be run: its program closed fd 4: sorry"};
    for (size_t i = 0; i < 2; i++) {
        char conf[300];
        snprintf(conf, sizeof(conf),
                 "[task slow]\ncommand = sh -c 'echo sorry >&2; exec 4>&-; %s'\npersistent = true\n"
                 "spares = 0\n",
                 end[i]);
        struct server *s = server_new(conf, one_worker);
        for (int k = 0; k < 2; k++) {
            struct answer *a = run_job(s, "{\"task\":\"slow\",\"max_attempts\":1}");
            ck_assert_str_eq(jstr(a->json, "error.code"), "task_unavailable");
            ck_assert_str_eq(jstr(a->json, "error.message"), why[i]);
            answer_free(a);
        }
        server_free(s);
    }
}
END_TEST

static int times_in_log(struct server *s, const char *words)
{
    char *log = server_log(s);
    int n = 0;
    for (const char *at = log; (at = strstr(at, words)); at++)
        n++;
    free(log);
    return n;
}

/* Whoever takes the flag answers a job; all others end when they have said that they are ready. */
START_TEST(one_that_ends_before_its_first_job_is_replaced_later)
{
    char conf[600], flag[256];
    snprintf(flag, sizeof(flag), "%s", own_path("flag"));
    snprintf(conf, sizeof(conf),
             "[task warm]\npersistent = true\nmax_attempts = 10\n"
             "command = /bin/sh -c 'rm %s 2>&-; mine=$?; echo \"{\\\"ready\\\":true}\" >&4; "
             "[ $mine = 0 ] || exit 7; read job <&3; echo \"{\\\"result\\\":1}\" >&4'\n",
             flag);
    struct server *s = server_new(conf, one_worker);
    eventually(log_has(s, "ended with exit status 7 between jobs: replaced in 2 s"), LONG_MS);
    ck_assert_int_eq(times_in_log(s, "replaced in 1 s"), 1);
    FILE *f = fopen(flag, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(number_of(s, "{}"), 1);                      /* a job waits for no pause */
    eventually(times_in_log(s, "replaced in 1 s") == 2, LONG_MS); /* counted anew */
    server_free(s);
}
END_TEST

START_TEST(programs_are_recycled)
{
    pid_t pid[5];
    struct server *s = with_warm("", "recycle_jobs = 2\n", one_worker);
    for (int i = 0; i < 5; i++)
        pid[i] = pid_now(s);
    ck_assert(pid[0] == pid[1] && pid[2] == pid[3] && pid[0] != pid[2] && pid[2] != pid[4]);
    eventually(process_is_gone(pid[0]) && process_is_gone(pid[2]), LONG_MS);
    eventually(log_has(s, "no more jobs"), LONG_MS); /* it was let end by itself */
    server_free(s);
    s = with_warm("", "recycle_memory = 64MiB\nspares = 0\n", one_worker);
    pid[0] = pid_now(s);
    ck_assert_int_eq((pid_t)number_of(s, "{\"do\":\"grow\"}"), pid[0]);
    ck_assert_int_ne(pid_now(s), pid[0]);
    server_free(s);
    s = with_warm("", "recycle_after = 0.1\n", one_worker);
    pid[0] = pid_now(s);
    eventually(process_is_gone(pid[0]), LONG_MS);
    ck_assert_int_ne(pid_now(s), pid[0]);
    server_free(s);
}
END_TEST

START_TEST(a_death_between_jobs_is_noticed)
{
    struct server *s = with_warm("", "", one_worker);
    pid_t pid = pid_now(s);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    eventually(log_has(s, "killed by signal 9 (Killed) between jobs"), LONG_MS);
    struct answer *a = run_job(s, "{\"task\":\"warm\",\"input\":{\"do\":\"pid\"}}");
    ck_assert_int_eq(jint(a->json, "attempt"), 1);
    answer_free(a);
    server_free(s);
}
END_TEST

START_TEST(other_jobs_leave_it_alone)
{
    struct server *s = with_warm("",
                                 "[task plain]\ncommand = /bin/sh -c 'setsid sleep 600 >&- 2>&- "
                                 "4>&- & echo $!'\n",
                                 one_worker);
    pid_t warm = pid_now(s);
    struct answer *a = run_job(s, "{\"task\":\"plain\"}");
    ck_assert(process_is_gone((pid_t)jint(a->json, "result")));
    answer_free(a);
    answer_free(run_job(s, "{\"task\":\"primes\",\"input\":{\"limit\":10}}"));
    pid_t orphan = (pid_t)number_of(s, "{\"do\":\"leave\"}");
    ck_assert(process_is_gone(orphan)); /* what it left behind dies, it does not */
    ck_assert_int_eq(pid_now(s), warm);
    server_free(s);
}
END_TEST

/* A worker, or one of the programs below it. */
static void kill_any(struct server *s)
{
    pid_t workers[4], below[16];
    eventually(worker_pids(s, workers, 4) == 3, LONG_MS); /* one is the pool of Node */
    pid_t victim = workers[random_below(3)];
    size_t n = descendants(victim, below, 16);
    if (n > 0 && random_below(4) > 0)
        victim = below[random_below((unsigned)n)];
    (void)kill(victim, SIGKILL); /* it may have died of its worker's death */
}

static int entries(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

START_TEST(programs_and_workers_are_killed_at_random)
{
    char tmp[256]; /* for the jobs' directories alone */
    own_directory("tmp", tmp, sizeof(tmp));
    setenv("TMPDIR", tmp, 1);
    int kills = rounds(KILLS), jobs = kills * 5;
    struct server *s = with_warm("retry_delay = 0.01", "", two_workers);
    char(*ids)[64] = calloc((size_t)jobs, sizeof(*ids));
    ck_assert_ptr_nonnull(ids);
    for (int i = 0; i < jobs; i++) {
        char body[128];
        snprintf(body, sizeof(body),
                 "{\"task\":\"warm\",\"max_attempts\":1000,\"input\":{\"do\":\"echo\",\"n\":%d}}",
                 i);
        snprintf(ids[i], sizeof(ids[i]), "%s", submit(s, body));
        if (i % 5 == 4)
            kill_any(s);
    }
    for (int i = 0; i < jobs; i++) {
        struct answer *a = await_state(s, ids[i], "succeeded");
        ck_assert_msg(jint(a->json, "result.0") == i, "%s", a->body);
        answer_free(a);
    }
    ck_assert_int_eq(stat_of(s, "jobs.succeeded"), jobs);
    free(ids);
    server_free(s);
    ck_assert_int_eq(entries(tmp), 0); /* no directory of a job or program is left */
    ck_assert_int_eq(rmdir(tmp), 0);
}
END_TEST

START_TEST(nothing_is_left)
{
    static const char *const spawn[] = {"--workers", "2", NULL};
    struct server *s = with_warm("", "[pool default]\nstart_method = spawn\n", spawn);
    pid_t pid = pid_now(s);
    server_kill9(s); /* looks for what is left */
    ck_assert(process_is_gone(pid));
    server_restart(s);
    pid = pid_now(s);
    pid_t workers[4];
    ck_assert_uint_ge(descendants(s->pid, workers, 4), 3);
    server_free(s);
    ck_assert(process_is_gone(pid));
    s = with_warm("", "", two_workers);
    char id[64];
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"warm\",\"input\":{\"do\":\"pid\"}}"));
    server_free(s); /* drains: the job ends first, nothing is left */
}
END_TEST

static void node_says(struct server *s, const char *input, const char *path, const char *want)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"task\":\"node\",\"input\":%s}", input);
    struct answer *a = run_job(s, body);
    ck_assert_msg(!strcmp(jstr(a->json, path), want), "%s: %s", input, a->body);
    answer_free(a);
}

static json_int_t node_pid(struct server *s)
{
    struct answer *a = run_job(s, "{\"task\":\"node\",\"input\":{\"do\":\"pid\"}}");
    json_int_t pid = jint(a->json, "result");
    ck_assert_int_gt(pid, 0);
    answer_free(a);
    return pid;
}

START_TEST(programs_in_node)
{
    char id[64], path[128];
    struct server *s =
        with_warm("retry_delay = 0.01\nkill_grace = 60s", "spares = 0\n", one_worker);
    json_int_t before = node_pid(s);
    node_says(s, "{\"do\":\"text\",\"text\":\"\\u00fc \\ud83d\\ude00\"}", "result",
              "\xC3\xBC \xF0\x9F\x98\x80");
    node_says(s, "{\"do\":\"noise\"}", "result", "quiet");
    eventually(log_has(s, "noise of node"), LONG_MS);
    node_says(s, "{\"do\":\"fail\"}", "error.code", "too_hot");
    node_says(s, "{\"do\":\"throws\"}", "error.message", "Error: oh");
    node_says(s, "{\"do\":\"big\"}", "error.code", "bad_result");
    node_says(s, "{\"do\":\"code\"}", "error.code", "bad_result");
    node_says(s, "{\"do\":\"nested\"}", "error.code", "bad_result");
    node_says(s, "{\"do\":\"lone\"}", "error.code", "bad_result");
    node_says(s, "{\"do\":\"zero\"}", "error.code", "bad_result");
    node_says(s, "{\"do\":\"bad_words\"}", "error.message",
              "no file a\xEF\xBF\xBD\xEF\xBF\xBD"
              "b");
    node_says(s, "{\"do\":\"escaped\"}", "result", "\\ud800 \\u0000");
    ck_assert_int_eq(node_pid(s), before); /* whatever it was asked for */
    /* ends of lines to a reader of text, not here */
    node_says(s, "{\"do\":\"text\",\"text\":\"a\xE2\x80\xA8m\xE2\x80\xA9z\xC2\x85\"}", "result",
              "a\xE2\x80\xA8m\xE2\x80\xA9z\xC2\x85");
    node_says(s, "{\"do\":\"crash\"}", "error.code", "crashed");
    node_says(s, "{\"do\":\"nothing\"}", "state", "succeeded");
    snprintf(id, sizeof(id), "%s", submit(s, "{\"task\":\"node\",\"input\":{\"do\":\"polite\"}}"));
    pid_t pid = await_number(s, id);
    snprintf(path, sizeof(path), "/v1/jobs/%s/cancel?wait=60", id);
    struct answer *a = http(s, "POST", path, NULL, NULL);
    ck_assert_msg(!strcmp(jstr(a->json, "state"), "cancelled"), "%s", a->body);
    answer_free(a);
    eventually(log_has(s, "cleaned up in node"), LONG_MS);
    eventually(process_is_gone(pid), LONG_MS);
    server_free(s);
}
END_TEST

START_TEST(the_examples_run)
{
    static const char *const flags[] = {"--config", "examples/commands.ini", NULL};
    struct server *s = server_new(NULL, flags);
    struct answer *a = run_job(s, "{\"task\":\"greet\",\"input\":{\"name\":\"Ada\"}}");
    ck_assert_msg(!strcmp(jstr(a->json, "result.hello"), "Ada"), "%s", a->body);
    answer_free(a);
    a = run_job(s, "{\"task\":\"greet\",\"input\":{}}");
    ck_assert_str_eq(jstr(a->json, "error.code"), "no_name");
    answer_free(a);
    a = run_job(s, "{\"task\":\"sizes\",\"input\":{\"text\":\"Gr\\u00fc\\u00dfe\"}}");
    ck_assert_int_eq(jint(a->json, "result.bytes"), 7);
    answer_free(a);
    a = run_job(s, "{\"task\":\"wordcount\",\"input\":{\"text\":\"a b a\"}}");
    ck_assert_int_eq(jint(a->json, "result.a"), 2);
    answer_free(a);
    static const char *const text[] = {"Content-Type: text/plain", NULL};
    a = http_bytes(s, "/v1/tasks/sorted/jobs?wait=60", "b\na\n", 4, text);
    ck_assert_msg(!strcmp(jstr(a->json, "result"), "a\nb\n"), "%s", a->body);
    answer_free(a);
    server_free(s);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        many_jobs_on_one_program,
        a_crash_costs_one_attempt,
        errors_are_the_functions_own,
        what_it_prints_is_log,
        a_deaf_program_is_killed_and_replaced,
        a_polite_program_cleans_up,
        answers_are_checked,
        large_inputs_and_those_of_many_lines,
        bytes_in_and_bytes_out,
        a_program_that_is_not_ready_is_told,
        a_program_that_never_says_ready,
        a_program_that_ends_slowly_before_it_is_ready,
        one_that_ends_before_its_first_job_is_replaced_later,
        programs_are_recycled,
        a_death_between_jobs_is_noticed,
        other_jobs_leave_it_alone,
        programs_and_workers_are_killed_at_random,
        nothing_is_left,
        programs_in_node,
        the_examples_run,
    };
    return run_suite("persistent", tests, sizeof(tests) / sizeof(tests[0]));
}
