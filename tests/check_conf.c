/* check_conf.c - settings: their text, their sources and which is stronger, sections, refusals. */
#include "../server/conf.h"

#include "../common/err.h"
#include "../server/conf_value.h"
#include "../server/schema.h"
#include "suite.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct conf c;
static struct buf why;
static char dir[] = "/tmp/check_conf.XXXXXX";
static char file[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/jobmill.ini", dir);
    unsetenv("JOBMILL_CONFIG");
}

static void teardown(void)
{
    conf_release(&c);
    buf_release(&why);
    unlink(file);
    rmdir(dir);
}

static void write_file(const char *text, size_t len)
{
    FILE *f = fopen(file, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

static int load(char *const flags[])
{
    char *argv[16] = {(char *)(uintptr_t) "serve"};
    int argc = 1;
    for (; flags && flags[argc - 1] && argc < 15; argc++)
        argv[argc] = flags[argc - 1];
    conf_release(&c);
    buf_clear(&why);
    return conf_load(&c, argc, argv, &why);
}

#define FLAGS(...) ((char *[]){__VA_ARGS__, NULL})
#define W(text)    ((char *)(uintptr_t)(text))

static int load_text(const char *text)
{
    write_file(text, strlen(text));
    return load(FLAGS(W("--config"), file));
}

static void ck_loads(const char *text)
{
    int err = load_text(text);
    ck_assert_msg(err == 0, "%s: %s", text, why.data ? why.data : "");
}

static void ck_says(int err, const char *words)
{
    ck_assert_int_eq(err, -ERR_CONFIG);
    ck_assert_msg(why.data && strstr(why.data, words), "'%s' lacks '%s'", why.data, words);
    ck_assert_ptr_null(strchr(why.data, '\n'));
    ck_assert_ptr_null(c.listen); /* nothing is left to release */
}

static const struct taskdef *task(const char *name)
{
    int at = taskdefs_find(&c.defs, name);
    ck_assert_msg(at >= 0, "no task %s", name);
    return &c.defs.task[at];
}

/* ---- values ---- */

START_TEST(booleans_and_numbers)
{
    bool b = false;
    int64_t n;
    ck_assert(value_bool("yes", &b) && b);
    ck_assert(value_bool("off", &b) && !b);
    ck_assert(!value_bool("", &b) && !value_bool("YES", &b) && !value_bool("2", &b));
    ck_assert(value_int("-12", &n) && n == -12);
    ck_assert(value_int("9223372036854775807", &n) && n == INT64_MAX);
    ck_assert(!value_int("9223372036854775808", &n) && !value_int("", &n) && !value_int("1x", &n));
    ck_assert(!value_int("1.5", &n) && !value_int("0x10", &n));
}
END_TEST

START_TEST(sizes_and_times)
{
    static const struct {
        const char *text;
        int64_t bytes, us; /* -1: refused */
    } rows[] = {
        {"0", 0, 0},
        {"10", 10, 10000000},
        {"1.5KiB", 1536, -1},
        {"64MiB", 64 << 20, -1},
        {"2GiB", INT64_C(2) << 30, -1},
        {"1TiB", INT64_C(1) << 40, -1},
        {"7B", 7, -1},
        {"10k", -1, -1},
        {"10 MiB", -1, -1},
        {"500ms", -1, 500000},
        {"7us", -1, 7},
        {"2.5s", -1, 2500000},
        {"5m", -1, 300000000},
        {"1h", -1, INT64_C(3600000000)},
        {"2d", -1, INT64_C(172800000000)},
        {"1e3", 1000, 1000000000},
        {"-1", -1, -1},
        {"+1", -1, -1},
        {"", -1, -1},
        {"s", -1, -1},
        {"inf", -1, -1},
        {"nan", -1, -1},
        {"0x10", -1, -1},
        {"1e30", -1, -1},
        {"1e999", -1, -1},
        {"1,5", -1, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 0;
        int64_t us = 0;
        ck_assert_msg(value_size(rows[i].text, &bytes) == (rows[i].bytes >= 0), "%s", rows[i].text);
        ck_assert_msg(value_time(rows[i].text, &us) == (rows[i].us >= 0), "%s", rows[i].text);
        if (rows[i].bytes >= 0)
            ck_assert_int_eq((int64_t)bytes, rows[i].bytes);
        if (rows[i].us >= 0)
            ck_assert_int_eq(us, rows[i].us);
    }
}
END_TEST

START_TEST(words)
{
    static const struct {
        const char *text;
        const char *word[6];
    } rows[] = {
        {"/bin/true", {"/bin/true"}},
        {"  a\tb  c ", {"a", "b", "c"}},
        {"a 'b c' \"d  e\"", {"a", "b c", "d  e"}},
        {"a'b c'd", {"ab cd"}},
        {"'it''s' \"say 'no'\" 'a \"b\"'", {"its", "say 'no'", "a \"b\""}},
        {"a '' \"\" b", {"a", "", "", "b"}},
        {"x {input.a b} $HOME * ; | \\n", {"x", "{input.a", "b}", "$HOME", "*", ";"}},
        {"'open", {NULL}},
        {"a \"open", {NULL}},
        {"", {NULL}},
        {" \t ", {NULL}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char **w = value_words(rows[i].text);
        if (!rows[i].word[0]) {
            ck_assert_msg(w == NULL, "%s", rows[i].text);
            continue;
        }
        ck_assert_ptr_nonnull(w);
        for (size_t k = 0; k < 6 && rows[i].word[k]; k++)
            ck_assert_pstr_eq(w[k], rows[i].word[k]);
        value_words_free(w);
    }
    value_words_free(NULL);
}
END_TEST

START_TEST(addresses)
{
    char host[64];
    uint16_t port;
    ck_assert(conf_split_address("127.0.0.1:8080", host, sizeof(host), &port));
    ck_assert_str_eq(host, "127.0.0.1");
    ck_assert_uint_eq(port, 8080);
    ck_assert(conf_split_address("[::1]:0", host, sizeof(host), &port));
    ck_assert_str_eq(host, "::1");
    ck_assert_uint_eq(port, 0);
    ck_assert(conf_split_address("0.0.0.0:65535", host, sizeof(host), &port));
    static const char *const bad[] = {
        "",           ":80",          "127.0.0.1",     "127.0.0.1:",   "1.2.3.4:x",
        "1.2.3.4:-1", "1.2.3.4:+80",  "1.2.3.4:65536", "::1:80",       "[::1:80",
        "[]:80",      "localhost:80", "[1.2.3.4]:80",  "1.2.3.256:80", "1.2.3.4 :80",
        "1.2.3.4: 80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!conf_split_address(bad[i], host, sizeof(host), &port), "%s", bad[i]);
    ck_assert(!conf_split_address("127.0.0.1:8080", host, 5, &port)); /* no room */
    ck_assert(conf_is_loopback("127.0.0.1") && conf_is_loopback("127.9.9.9") &&
              conf_is_loopback("::1"));
    ck_assert(!conf_is_loopback("0.0.0.0") && !conf_is_loopback("::") &&
              !conf_is_loopback("128.0.0.1"));
}
END_TEST

/* ---- sources ---- */

START_TEST(defaults)
{
    cpu_set_t set;
    ck_assert_int_eq(load(NULL), 0);
    ck_assert_str_eq(c.listen, "127.0.0.1:8080");
    ck_assert_int_eq(c.drain_timeout_us, 30000000);
    ck_assert_uint_eq(c.max_body, 1048576);
    ck_assert(!c.insecure);
    ck_assert_ptr_null(c.file);
    ck_assert_uint_eq(c.defs.pools, 1);
    ck_assert_str_eq(c.defs.pool[0].name, "default");
    ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    ck_assert_uint_eq(c.defs.pool[0].workers, (unsigned)CPU_COUNT(&set));
    ck_assert_uint_eq(c.defs.slots, c.defs.pool[0].room);
    ck_assert_uint_ge(c.defs.slots, c.defs.pool[0].workers + 8);
    static const char *const shipped[] = {"noop",   "echo",   "sleep",
                                          "primes", "sha256", "mandelbrot"};
    ck_assert_uint_eq(c.defs.tasks, 6);
    for (size_t i = 0; i < 6; i++) {
        char module[64];
        snprintf(module, sizeof(module), "builtin:%s", shipped[i]);
        ck_assert_str_eq(task(shipped[i])->module, module);
        ck_assert_int_eq(task(shipped[i])->kind, TASK_MODULE);
        ck_assert_uint_eq(task(shipped[i])->max_attempts, 3);
        ck_assert_uint_gt(task(shipped[i])->output_max, 0);
    }
}
END_TEST

START_TEST(flag_over_environment_over_file)
{
    const char *text = "[server]\nkill_grace = 2\nmax_body = 64KiB\nlog_level = warn\n";
    ck_loads(text);
    ck_assert_int_eq(c.kill_grace_us, 2000000);
    ck_assert_uint_eq(c.max_body, 65536);
    ck_assert_str_eq(c.log_level, "warn");
    ck_assert_str_eq(c.file, file);
    setenv("JOBMILL_KILL_GRACE", "500ms", 1);
    setenv("JOBMILL_INSECURE", "on", 1);
    ck_loads(text);
    ck_assert_int_eq(c.kill_grace_us, 500000);
    ck_assert(c.insecure);
    ck_assert_int_eq(load(FLAGS(W("--kill-grace=3"), W("--insecure=no"), W("--config"), file)), 0);
    ck_assert_int_eq(c.kill_grace_us, 3000000);
    ck_assert(!c.insecure);
    ck_assert_str_eq(c.log_level, "warn");
    setenv("JOBMILL_CONFIG", file, 1);
    ck_assert_int_eq(load(NULL), 0);
    ck_assert_str_eq(c.log_level, "warn");
}
END_TEST

START_TEST(flags)
{
    ck_assert_int_eq(load(FLAGS(W("--insecure"), W("--data-dir"), W("x"), W("--workers=3"))), 0);
    ck_assert(c.insecure);
    ck_assert_str_eq(c.data_dir, "x");
    ck_assert_uint_eq(c.defs.pool[0].workers, 3);
    ck_assert_int_eq(load(FLAGS(W("--insecure"), W("yes"), W("--workers"), W("1"))), 0);
    ck_assert(c.insecure);
    ck_assert_int_eq(load(FLAGS(W("--insecure"))), 0);
    ck_assert(c.insecure);
    ck_says(load(FLAGS(W("--no-such"), W("1"))), "--no-such: no such flag");
    ck_says(load(FLAGS(W("--data_dir=x"))), "--data_dir: no such flag");
    ck_says(load(FLAGS(W("--data-dir"))), "--data-dir: needs a value");
    ck_says(load(FLAGS(W("--config"))), "--config: needs a value");
    ck_says(load(FLAGS(W("--data-dir"), W("--insecure"))), "--data-dir: needs a value");
    ck_says(load(FLAGS(W("word"))), "word: not a flag");
    ck_says(load(FLAGS(W("--"))), "--: not a flag");
    ck_says(load(FLAGS(W("--workers=513"))), "--workers: workers = 513: must be 0 to 512 workers");
    ck_says(load(FLAGS(W("--insecure=maybe"))), "insecure = maybe: must be yes or no");
    ck_says(load(FLAGS(W("--data-dir="))), "data_dir is empty");
    ck_says(load(FLAGS(W("--config=/nowhere/x.ini"))), "/nowhere/x.ini: No such file");
    ck_says(load(FLAGS(W("--listen=example.org:80"))), "listen = example.org:80: must be");
    ck_says(load(FLAGS(W("--log-level=loud"))), "log_level = loud: must be");
    ck_says(load(FLAGS(W("--log-format=xml"))), "log_format = xml: must be");
    ck_says(load(FLAGS(W("--max-waiting=500"), W("--max-connections=500"))), "max_waiting = 500");
    setenv("JOBMILL_MAX_BODY", "1", 1);
    ck_says(load(NULL), "environment JOBMILL_MAX_BODY: max_body = 1: must be 1024 to");
}
END_TEST

START_TEST(workers_of_the_default_pool)
{
    ck_loads("[server]\nworkers = 5\n");
    ck_assert_uint_eq(c.defs.pool[0].workers, 5);
    ck_loads("[server]\nworkers = 5\n[pool default]\nworkers = 2\n");
    ck_assert_uint_eq(c.defs.pool[0].workers, 2);
    ck_loads("[server]\nworkers = 5\n[pool default]\nworkers = 0\n");
    ck_assert_uint_eq(c.defs.pool[0].workers, 5);
    ck_assert_int_eq(load(FLAGS(W("--config"), file, W("--workers"), W("7"))), 0);
    ck_assert_uint_eq(c.defs.pool[0].workers, 7);
    setenv("JOBMILL_WORKERS", "4", 1);
    ck_loads("[pool default]\nworkers = 2\n");
    ck_assert_uint_eq(c.defs.pool[0].workers, 4);
}
END_TEST

/* ---- sections ---- */

START_TEST(pools_and_tasks)
{
    ck_loads("; a comment\n"
             "[task thumbnail]\n"
             "command = /usr/bin/convert - -resize {input.size} png:-   ; words, never a shell\n"
             "input = raw\n"
             "result = image/png\n"
             "timeout = 30s\n"
             "max_attempts = 5\n"
             "memory = 512MiB\n"
             "output_max = 1MiB\n"
             "description = makes it small\n"
             "pool = gpu  ; which comes later\n"
             "kind = command\n"
             "[pool gpu]\n"
             "workers = 3\n"
             "start_method = spawn\n"
             "nice = -5\n"
             "affinity = 6, 0-3\n"
             "recycle_jobs = 1000\n"
             "recycle_after = 1h\n"
             "[pool default]\n"
             "workers = 2\n"
             "[task mine]\n"
             "module = ./mine.so\n"
             "[task text]\n"
             "command = wc {config_dir}/a\n"
             "result = text\n"
             "env.A = b c\n"
             "env.EMPTY =\n"
             "env.HERE = {config_dir}:{config_dir}/lib\n"
             "result_file = out.txt\n"
             "permanent_exit_codes = 2, 64-78,255\n");
    ck_assert_uint_eq(c.defs.pools, 2);
    const struct pooldef *gpu = &c.defs.pool[1];
    ck_assert_str_eq(gpu->name, "gpu");
    ck_assert_uint_eq(gpu->workers, 3);
    ck_assert_uint_eq(gpu->first_slot, 10); /* behind 2 workers and room for 8 more */
    ck_assert_uint_eq(gpu->room, 11);
    ck_assert_int_eq(gpu->start, START_SPAWN);
    ck_assert_int_eq(gpu->nice, -5);
    ck_assert_uint_eq(gpu->affinity.bit[0], 0x4f);
    ck_assert_uint_eq(gpu->recycle_jobs, 1000);
    ck_assert_int_eq(gpu->recycle_after_us, INT64_C(3600000000));
    ck_assert_uint_eq(cpus_count(&c.defs.pool[0].affinity), 0); /* anywhere */
    ck_assert_uint_eq(c.defs.slots, 21);
    const struct taskdef *t = task("thumbnail");
    ck_assert_int_eq(t->kind, TASK_COMMAND);
    ck_assert_ptr_null(t->module);
    static const char *const argv[] = {"/usr/bin/convert", "-", "-resize", "{input.size}", "png:-"};
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(t->argv[i], argv[i]);
    ck_assert_ptr_null(t->argv[5]);
    ck_assert_int_eq(t->input, TASK_INPUT_RAW);
    ck_assert_int_eq(t->result, TASK_RESULT_BYTES);
    ck_assert_str_eq(t->result_type, "image/png");
    ck_assert_int_eq(t->timeout_us, 30000000);
    ck_assert_uint_eq(t->max_attempts, 5);
    ck_assert_uint_eq(t->memory, 512u << 20);
    ck_assert_uint_eq(t->output_max, 1u << 20);
    ck_assert_str_eq(t->description, "makes it small");
    ck_assert_uint_eq(t->pool, 1);
    char module[128];
    snprintf(module, sizeof(module), "%s/./mine.so", dir);
    ck_assert_str_eq(task("mine")->module, module); /* beside the file, wherever the service runs */
    ck_assert_uint_eq(task("mine")->max_attempts, 3);
    ck_assert_int_eq(task("text")->result, TASK_RESULT_TEXT);
    ck_assert_int_eq(task("text")->input, TASK_INPUT_JSON);
    ck_assert_str_eq(task("text")->env[0], "A=b c");
    ck_assert_str_eq(task("text")->env[1], "EMPTY=");
    char *real = realpath(dir, NULL), here[512];
    ck_assert_ptr_nonnull(real);
    snprintf(here, sizeof(here), "HERE=%s:%s/lib", real, real);
    free(real);
    ck_assert_str_eq(task("text")->env[2], here);
    ck_assert_ptr_null(task("text")->env[3]);
    ck_assert_str_eq(task("text")->result_file, "out.txt");
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(taskdef_exit_is_permanent(task("text"), i),
                         i == 2 || (i >= 64 && i <= 78) || i == 255);
}
END_TEST

START_TEST(shipped_tasks_may_be_changed)
{
    ck_loads("[pool one]\n[task primes]\ntimeout = 5\npool = one\n[task echo]\ncommand = cat\n"
             "[task noop]\ntimeout = 7\nmodule = /x/noop.so\n");
    ck_assert_uint_eq(c.defs.tasks, 6);
    ck_assert_str_eq(task("primes")->module, "builtin:primes");
    ck_assert_int_eq(task("primes")->timeout_us, 5000000);
    ck_assert_uint_eq(task("primes")->pool, 1);
    ck_assert_ptr_null(task("echo")->module);
    ck_assert_int_eq(task("echo")->kind, TASK_COMMAND);
    ck_assert_str_eq(task("noop")->module, "/x/noop.so");
    ck_assert_int_eq(task("noop")->timeout_us, 7000000);
}
END_TEST

START_TEST(room_for_more_workers)
{
    ck_loads("[pool default]\nworkers = 20\n[pool a]\nworkers = 3\nmax_workers = 3\n"
             "[pool b]\nworkers = 480\n");
    ck_assert_uint_eq(c.defs.pool[0].room, 29); /* all that is left of 512 */
    ck_assert_uint_eq(c.defs.pool[1].room, 3);
    ck_assert_uint_eq(c.defs.pool[1].first_slot, 29);
    ck_assert_uint_eq(c.defs.pool[2].room, 480);
    ck_assert_uint_eq(c.defs.slots, SLOTS_MAX);
}
END_TEST

START_TEST(sections_that_are_wrong)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"[server]\nno_such = 1\n", ":2: no_such: not a setting of [server]"},
        {"[server]\nkill-grace = 1\n", ":2: kill-grace: not a setting"},
        {"[server]\n\nkill_grace = 1\nkill_grace = 1\n", ":4: kill_grace is set twice"},
        {"[server]\nkill_grace = 3601\n", ":2: kill_grace = 3601: must be 0 to 3600 seconds"},
        {"[server]\nworkers = many\n", ":2: workers = many: must be 0 to 512 workers"},
        {"kill_grace = 1\n", ":1: kill_grace: before any section"},
        {"[]\nx = 1\n", ":1: []: before any section"},
        {"[nowhere]\nx = 1\n", ":1: [nowhere]: not a section"},
        {"[nowhere]\n", ":1: [nowhere]: not a section"},
        {"[pool]\n", ":1: [pool]: not a section"},
        {"[server]\njust words\n", ":2: neither a [section] nor a NAME = VALUE"},
        {"[server\nworkers = 1\n", ":1: a section without its ]"},
        {"[pool Big]\nworkers = 1\n", ":1: 'Big': a pool's name"},
        {"[pool x]\nworkers = 513\n", ":2: workers = 513: must be 0"},
        {"[pool x]\nworkers = -1\n", ":2: workers = -1: must be 0"},
        {"[pool x]\nnice = 20\n", ":2: nice = 20: must be -20 to 19"},
        {"[pool x]\naffinity = 3-1\n", ":2: affinity = 3-1: must be CPUs of 0 to 1023"},
        {"[pool x]\naffinity =\n", ":2: affinity = : must be CPUs"},
        {"[pool x]\nrecycle_jobs = -1\n", ":2: recycle_jobs = -1: must be 0 (never)"},
        {"[pool x]\nrecycle_after = 31d\n", ":2: recycle_after = 31d: must be a time of 0"},
        {"[pool x]\nstart_method = fork\n", ":2: start_method = fork: must be"},
        {"[pool x]\nsize = 1\n", ":2: size: not a setting of a pool"},
        {"[pool x]\nworkers = 1\nworkers = 1\n", ":3: workers is set twice"},
        {"[pool x]\nworkers = 2\nmax_workers = 1\n", "[pool x]: max_workers = 1: less than its 2"},
        {"[pool x]\nmax_workers = 513\n", ":2: max_workers = 513: must be 0"},
        {"[pool x]\nmax_workers = 500\nworkers = 1\n[pool default]\nworkers = 13\n",
         "513 workers together: at most"},
        {"[task T]\ncommand = x\n", ":1: 'T': a task's name"},
        {"[task x]\n", "[task x]: neither a module nor a command"},
        {"[task x]\ntimeout = 1\n", "[task x]: neither a module nor a command"},
        {"[task x]\ncommand = a\npool = none\n", "[task x]: pool = none: there is no [pool none]"},
        {"[task x]\ncommand = a\nmodule = b\n", ":3: a task has either a module or a command"},
        {"[task x]\nmodule = a\ncommand = b\n", ":3: a task has either a module or a command"},
        {"[task x]\ncommand = a\ncommand = b\n", ":3: command is set twice"},
        {"[task x]\ncommand =\n", ":2: command = : no words"},
        {"[task x]\ncommand = ''\n", ":2: command = '': no words"},
        {"[task x]\ncommand = a 'b\n", ":2: command = a 'b: no words, or a quote"},
        {"[task x]\nmodule =\n", ":2: module is empty"},
        {"[task x]\ncommand = a\nkind = module\n", "[task x]: kind = module, but it has a command"},
        {"[task x]\nkind = far\n", ":2: kind = far: must be module, command or remote"},
        {"[task x]\nkind = other\n", ":2: kind = other: must be"},
        {"[task x]\nmodule = a\npersistent = true\n",
         "[task x]: persistent = true is for a command"},
        {"[task x]\ncommand = a {input.b}\npersistent = true\n", "it cannot have {input.b}"},
        {"[task x]\ncommand = a\npersistent = yes\nresult_file = b\n", "without persistent = true"},
        {"[task x]\npersistent = perhaps\n", ":2: persistent = perhaps: must be yes or no"},
        {"[task x]\ninput = xml\n", ":2: input = xml: must be json or raw"},
        {"[task x]\nresult = png\n", ":2: result = png: must be json, text, or"},
        {"[task x]\nresult = /png\n", ":2: result = /png: must be"},
        {"[task x]\nresult = image/\n", ":2: result = image/: must be"},
        {"[task x]\ntimeout = 31d\n", ":2: timeout = 31d: must be"},
        {"[task x]\ntimeout = -1\n", ":2: timeout = -1: must be"},
        {"[task x]\nmax_attempts = 0\n", ":2: max_attempts = 0: must be 1 to 1000"},
        {"[task x]\nmemory = 1000\n", ":2: memory = 1000: must be 0 (no limit) or"},
        {"[task x]\noutput_max = 2GiB\n", ":2: output_max = 2GiB: must be"},
        {"[task x]\npermanent_exit_codes = 0\n", ":2: permanent_exit_codes = 0: must be like"},
        {"[task x]\npermanent_exit_codes = 256\n", ":2: permanent_exit_codes = 256: must be like"},
        {"[task x]\npermanent_exit_codes = 5-4\n", ":2: permanent_exit_codes = 5-4: must be like"},
        {"[task x]\npermanent_exit_codes = 5,\n", ":2: permanent_exit_codes = 5,: must be like"},
        {"[task x]\npermanent_exit_codes =\n", ":2: permanent_exit_codes = : must be like"},
        {"[task x]\nresult_file = a/b\n", ":2: result_file = a/b: must be the name of a file"},
        {"[task x]\nresult_file = ..\n", ":2: result_file = ..: must be the name of a file"},
        {"[task x]\nenv.1A = b\n", ":2: env.1A: a variable's name is"},
        {"[task x]\nenv.JOBMILL_TASK = b\n", ":2: env.JOBMILL_TASK: a variable's name is"},
        {"[task x]\nenv.A = b\nenv.A = c\n", ":3: env.A is set twice"},
        {"[task x]\nmodule = a\nenv.A = b\n", "[task x]: env, result_file and permanent"},
        {"[task x]\ncommand = a\nspares = 1\n", "[task x]: spares, ready_timeout and recycle"},
        {"[task x]\nspares = 5\n", ":2: spares = 5: must be 0 to 4"},
        {"[task x]\nready_timeout = 0\n", ":2: ready_timeout = 0: must be a time of 1ms to 1h"},
        {"[task x]\nrecycle_jobs = -1\n", ":2: recycle_jobs = -1: must be 0 (never)"},
        {"[task x]\nrecycle_after = 31d\n", ":2: recycle_after = 31d: must be"},
        {"[task x]\nrecycle_memory = 1000\n", ":2: recycle_memory = 1000: must be 0 (never)"},
        {"[task x]\nfile = a\n", ":2: file: not a setting of a task"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_says(load_text(rows[i].text), rows[i].says);
}
END_TEST

/* ---- the file's lines ---- */

START_TEST(values_go_on_in_indented_lines)
{
    ck_loads("[task x]\n"
             "command = cat  ; a comment\n"
             "   -n 'a b'    ; another\n"
             "\n"
             "   ; a line of comment\n"
             "\t{input.y}\n"
             "timeout = 5\n");
    char **w = task("x")->argv;
    ck_assert_str_eq(w[0], "cat");
    ck_assert_str_eq(w[1], "-n");
    ck_assert_str_eq(w[2], "a b");
    ck_assert_str_eq(w[3], "{input.y}");
    ck_assert_ptr_null(w[4]);
    ck_assert_int_eq(task("x")->timeout_us, 5000000);
    ck_says(load_text("[server]\nkill_grace = 1\n  2\nworkers = 1\n"),
            ":2: kill_grace = 1 2: must");
    ck_says(load_text("[server]\nkill_grace = 1\n  [pool x]\n"),
            ":2: kill_grace = 1 [pool x]: must");
    ck_says(load_text("[server]\n  [pool x]\nworkers = 1\n"), "must not be indented");
}
END_TEST

START_TEST(long_names_and_lines_are_whole)
{
    char name[JOB_TASK_MAX + 2], text[12000];
    memset(name, 't', sizeof(name));
    name[JOB_TASK_MAX] = '\0';
    int n = snprintf(text, sizeof(text), "[task %s]\ncommand = ", name);
    memset(text + n, 'c', 5000);
    snprintf(text + n + 5000, sizeof(text) - (size_t)n - 5000, "\nmax_attempts = 2\n");
    ck_loads(text);
    ck_assert_uint_eq(strlen(task(name)->argv[0]), 5000);
    ck_assert_uint_eq(task(name)->max_attempts, 2);
    n = snprintf(text, sizeof(text), "[task %st]\ncommand = x\n", name);
    ck_says(load_text(text), ":1: ");
    n = snprintf(text, sizeof(text), "[task x]\ncommand = ");
    memset(text + n, 'c', 9000);
    snprintf(text + n + 9000, sizeof(text) - (size_t)n - 9000, "\nmax_attempts = 2\n");
    ck_says(load_text(text), ":2: the line is too long");
}
END_TEST

START_TEST(bytes_that_editors_leave)
{
    ck_loads("\xEF\xBB\xBF[server]\r\nkill_grace = 2\r\n\r\n# comment\r\n[pool x]\r\n");
    ck_assert_int_eq(c.kill_grace_us, 2000000);
    ck_assert_uint_eq(c.defs.pools, 2);
    ck_loads("[server]\nkill_grace = 2"); /* no newline at the end */
    ck_assert_int_eq(c.kill_grace_us, 2000000);
    ck_loads("");
    write_file("[server]\nkill_grace = 2\0\n", 25);
    ck_says(load(FLAGS(W("--config"), file)), ":2: a zero byte is no text");
    ck_says(load(FLAGS(W("--config"), dir)), "Is a directory");
}
END_TEST

/* ---- what is printed ---- */

static char *printed(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(f);
    conf_print(&c, f);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

START_TEST(what_is_printed_can_be_read)
{
    ck_loads("[server]\nidempotency_ttl = 86401.5\nmax_body = 1MiB\ninsecure = yes\n"
             "[pool x]\nworkers = 2\nnice = 3\nstart_method = spawn\naffinity = 1,0,5\n"
             "recycle_jobs = 7\nrecycle_after = 90.5\n"
             "[task t]\ncommand = a 'b \"c\"' \"it's\" '' {input.x}\ninput = raw\nresult = a/b\n"
             "description = words and \"quotes\"\ntimeout = 1.25\npool = x\n");
    char *first = printed();
    ck_assert_int_eq(load_text(first), 0);
    char *second = printed();
    ck_assert_str_eq(first, second);
    ck_assert_str_eq(task("t")->argv[1], "b \"c\"");
    ck_assert_str_eq(task("t")->argv[2], "it's");
    ck_assert_str_eq(task("t")->argv[3], "");
    ck_assert_int_eq(c.idempotency_ttl_us, INT64_C(86401500000));
    free(first);
    free(second);
}
END_TEST

START_TEST(the_help_names_every_setting)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    ck_assert_ptr_nonnull(f);
    conf_help(f);
    ck_assert_int_eq(fclose(f), 0);
    static const char *const flags_there[] = {"--config FILE", "--listen (default", "--data-dir ",
                                              "--restart-pause-max ", "0.001 to 3600 seconds"};
    for (size_t i = 0; i < sizeof(flags_there) / sizeof(flags_there[0]); i++)
        ck_assert_msg(strstr(text, flags_there[i]) != NULL, "%s", flags_there[i]);
    free(text);
}
END_TEST

/* ---- input schemas ---- */

static void write_schema(const char *text)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/in.json", dir);
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(schemas_of_inputs)
{
    size_t len;
    write_schema("{\"type\":\"null\"}\n");
    ck_loads("[task t]\ncommand = a\ninput_schema = in.json\n[task u]\ncommand = a\n"
             "[task sleep]\ninput_schema = in.json\n[task echo]\ncommand = cat\n");
    ck_assert_ptr_null(c.schema[taskdefs_find(&c.defs, "u")]);
    ck_assert_ptr_null(
        c.schema[taskdefs_find(&c.defs, "echo")]); /* it is no longer the shipped one */
    const char *text = schema_text(c.schema[taskdefs_find(&c.defs, "t")], &len);
    ck_assert_str_eq(text, "{\"type\":\"null\"}");
    text = schema_text(c.schema[taskdefs_find(&c.defs, "sleep")], &len);
    ck_assert_str_eq(text, "{\"type\":\"null\"}");
    text = schema_text(c.schema[taskdefs_find(&c.defs, "primes")], &len);
    ck_assert_ptr_nonnull(strstr(text, "\"limit\"")); /* shipped */
    ck_says(load_text("[task t]\ncommand = a\ninput_schema = no.json\n"),
            "no.json: No such file or directory");
    ck_says(load_text("[task t]\ncommand = a\ninput_schema = .\n"), "not a regular file");
    ck_says(load_text("[task t]\ncommand = a\ninput_schema = in.json\ninput_schema = in.json\n"),
            "input_schema is set twice");
    ck_says(load_text("[task t]\ncommand = a\ninput_schema =\n"), "input_schema is empty");
    write_schema("{\"items\":{\"format\":\"colour\"}}");
    ck_loads("[task t]\ncommand = a\ninput_schema = in.json\n");
    ck_says(
        load_text("[server]\ncheck_formats = yes\n[task t]\ncommand = a\ninput_schema = in.json\n"),
        "/in.json: #/items/format: `colour` is not known");
    write_schema("{\"properties\":{\"a\":{\"maximun\":1}}}");
    ck_says(load_text("[task t]\ncommand = a\ninput_schema = in.json\n"),
            "[task t]: input_schema: ");
    ck_assert_ptr_nonnull(
        strstr(why.data, "/in.json: #/properties/a: the keyword `maximun` is not supported"));
    char path[96];
    snprintf(path, sizeof(path), "%s/in.json", dir);
    unlink(path);
}
END_TEST

/* ---- over exec ---- */

START_TEST(definitions_travel)
{
    ck_loads("[pool x]\nworkers = 2\n[task t]\ncommand = a 'b c' ''\npool = x\ntimeout = 3\n"
             "sandbox = best\nread = /srv 'a b'\nwrite = {config_dir}/out\nprocesses = 9\n"
             "[task m]\nmodule = /m.so\n");
    AUTO_BUF packed = BUF_INIT, again = BUF_INIT;
    struct taskdefs back;
    ck_assert_int_eq(taskdefs_pack(&c.defs, &packed), 0);
    ck_assert_int_eq(taskdefs_unpack(&back, packed.data, packed.len), 0);
    ck_assert_int_eq(taskdefs_pack(&back, &again), 0);
    ck_assert_uint_eq(again.len, packed.len);
    ck_assert_mem_eq(again.data, packed.data, packed.len);
    int at = taskdefs_find(&back, "t");
    ck_assert_int_ge(at, 0);
    ck_assert_str_eq(back.task[at].argv[1], "b c");
    ck_assert_str_eq(back.task[at].argv[2], "");
    ck_assert_ptr_null(back.task[at].argv[3]);
    ck_assert_str_eq(back.task[at].read[0], "/srv");
    ck_assert(back.task[at].read[1][0] == '/' && strstr(back.task[at].read[1], "/a b"));
    ck_assert(back.task[at].write[0][0] == '/' && strstr(back.task[at].write[0], "/out"));
    ck_assert_ptr_null(back.task[at].write[1]);
    ck_assert(!back.task[at].network); /* the default in a sandbox */
    ck_assert_uint_eq(back.slots, c.defs.slots);
    ck_assert_int_eq(taskdefs_find(&back, "none"), -1);
    taskdefs_release(&back);
    for (size_t n = 0; n < packed.len; n += n < 4000 ? 1 : 37) {
        char *exact = malloc(n ? n : 1); /* a sanitizer sees a byte too far */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, packed.data, n);
        ck_assert_int_eq(taskdefs_unpack(&back, exact, n), -ERR_PROTOCOL);
        free(exact);
    }
    buf_addc(&packed, 'x');
    ck_assert_int_eq(taskdefs_unpack(&back, packed.data, packed.len), -ERR_PROTOCOL);
    taskdefs_release(&back); /* legal: it is empty */
}
END_TEST

int main(void)
{
    return SUITE("conf", setup, teardown, booleans_and_numbers, sizes_and_times, words, addresses,
                 defaults, flag_over_environment_over_file, flags, workers_of_the_default_pool,
                 pools_and_tasks, room_for_more_workers, shipped_tasks_may_be_changed,
                 sections_that_are_wrong, values_go_on_in_indented_lines,
                 long_names_and_lines_are_whole, bytes_that_editors_leave,
                 what_is_printed_can_be_read, the_help_names_every_setting, schemas_of_inputs,
                 definitions_travel);
}
