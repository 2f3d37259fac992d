/* check_conf.c - settings: their text, their sources and which is stronger, the lines of the file.
 */
#include "../server/conf_value.h"
#include "../server/reload.h"
#include "confkit.h"
#include "suite.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    ck_assert(conf_split_address("localhost:8080", host, sizeof(host), &port));
    ck_assert_str_eq(host, "127.0.0.1");
    ck_assert_uint_eq(port, 8080);
    static const char *const bad[] = {"",
                                      ":80",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "1.2.3.4:x",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:+80",
                                      "1.2.3.4:65536",
                                      "::1:80",
                                      "[::1:80",
                                      "[]:80",
                                      "example.org:80",
                                      "[localhost]:80",
                                      "[1.2.3.4]:80",
                                      "1.2.3.256:80",
                                      "1.2.3.4 :80",
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
    ck_says(load(NULL), "environment JOBMILL_MAX_BODY: max_body = 1: must be 1KiB to 256MiB");
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
    struct cpus mine; /* one for each core is a word, too */
    ck_assert_int_eq(cpus_allowed(&mine), 0);
    ck_loads("[pool default]\nworkers = 511\n");
    ck_assert_int_eq(load(FLAGS(W("--config"), file, W("--workers=0"))), 0);
    ck_assert_uint_eq(c.defs.pool[0].workers, cpus_count(&mine));
    setenv("JOBMILL_WORKERS", "0", 1);
    ck_loads("[server]\nworkers = 5\n[pool default]\nworkers = 511\n");
    ck_assert_uint_eq(c.defs.pool[0].workers, cpus_count(&mine));
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
            ":2: kill_grace = 1 2: `1 2` is not");
    ck_says(load_text("[server]\nkill_grace = 1\n  [pool x]\n"),
            ":2: kill_grace = 1 [pool x]: `1 [pool x]` is not");
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
    static const char *const flags_there[] = {"--config FILE",
                                              "--listen (default \"127.0.0.1:8080\")",
                                              "--data-dir ",
                                              "--insecure (default no)",
                                              "--max-body (default 1MiB, 1KiB to 256MiB)",
                                              "--max-wait (default 5m, 1ms to 1h)",
                                              "--run-ahead (default 5ms, 0 to 1m)",
                                              "--retry-delay (default 1s, 0 to 1d)",
                                              "--workers (default 0, 0 to 512 workers)",
                                              "--restart-pause-max "};
    for (size_t i = 0; i < sizeof(flags_there) / sizeof(flags_there[0]); i++)
        ck_assert_msg(strstr(text, flags_there[i]) != NULL, "%s", flags_there[i]);
    free(text);
}
END_TEST

static void changes(const char *before, const char *now, const char *want)
{
    AUTO_BUF names = BUF_INIT;
    reload_changes(before, now, &names);
    ck_assert_str_eq(names.data ? names.data : "", want);
}

/* Each once, and each that there is, also one that another's name begins with. */
START_TEST(what_only_a_restart_changes)
{
    static const char before[] = "[server]\nmax_waiting = 9\nmax_wait = 5m\nmax_body = 1\n\n"
                                 "[pool default]\nworkers = 1\n\n[task a]\npool = default\n"
                                 "timeout = 1s\n\n[token x]\nscopes = read\n";
    changes(before, before, "");
    changes(before,
            "[server]\nmax_waiting = 8\nmax_wait = 4m\nmax_body = 1\n\n[pool default]\n"
            "workers = 7\n\n[task a]\npool = default\ntimeout = 1s\n",
            "max_waiting, max_wait");
    changes(before,
            "[server]\nmax_waiting = 9\nmax_wait = 5m\nmax_body = 2\n\n[task a]\npool = default\n"
            "timeout = 2s\n\n[task ab]\ntimeout = 2s\nrate = 1\n",
            "max_body, [task a] timeout, [task ab] timeout, [task ab] rate");
}
END_TEST

int main(void)
{
    return SUITE(
        "conf", kit_setup, kit_teardown, booleans_and_numbers, sizes_and_times, words, addresses,
        defaults, flag_over_environment_over_file, flags, workers_of_the_default_pool,
        values_go_on_in_indented_lines, long_names_and_lines_are_whole, bytes_that_editors_leave,
        what_is_printed_can_be_read, the_help_names_every_setting, what_only_a_restart_changes);
}
