/*
 * check_conf_sections.c - sections of the configuration: pools, tasks, their input schemas, what is
 * wrong with them, and how they travel to another process.
 */
#include "../common/err.h"
#include "../server/conf_machine.h"
#include "../server/schema.h"
#include "confkit.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
             "[task noop]\ntimeout = 7\nmodule = /x/noop.so\n"
             "[task sleep]\nconcurrency = 1\nkey_concurrency = 2\nrate = 3\nburst = 4\n"
             "backoff = fixed 5s\nkeep_for = 6\nkeep_max = 7\ncommand = sleep 1\n");
    ck_assert_uint_eq(c.defs.tasks, 6);
    ck_assert_str_eq(task("primes")->module, "builtin:primes");
    ck_assert_int_eq(task("primes")->timeout_us, 5000000);
    ck_assert_uint_eq(task("primes")->pool, 1);
    ck_assert_ptr_null(task("echo")->module);
    ck_assert_int_eq(task("echo")->kind, TASK_COMMAND);
    ck_assert_str_eq(task("noop")->module, "/x/noop.so");
    ck_assert_int_eq(task("noop")->timeout_us, 7000000);
    const struct taskdef *t = task("sleep"); /* what stands before its command counts, too */
    ck_assert_uint_eq(t->concurrency, 1);
    ck_assert_uint_eq(t->key_concurrency, 2);
    ck_assert(t->rate > 2.9 && t->burst > 3.9);
    ck_assert_str_ne(t->backoff, "");
    ck_assert_int_eq(t->keep_for_us, 6000000);
    ck_assert_int_eq(t->keep_max, 7);
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
        {"[server]\nkill_grace = 3601\n", ":2: kill_grace = 3601: must be 0 to 1h"},
        {"[server]\nworkers = many\n",
         ":2: workers = many: `many` is not a whole number; 0 to 512 workers"},
        {"[server]\nmax_body = 1MB\n", ":2: max_body = 1MB: `1MB` is not a size: bytes, or a "
                                       "number with KiB, MiB or GiB; 1KiB to 256MiB"},
        {"[server]\nmax_wait = 5min\n", ":2: max_wait = 5min: `5min` is not a time: seconds, or a "
                                        "number with ms, s, m, h or d; 1ms to 1h"},
        {"kill_grace = 1\n", ":1: kill_grace: before any section"},
        {"[]\nx = 1\n", ":1: []: before any section"},
        {"[nowhere]\nx = 1\n", ":1: [nowhere]: not a section"},
        {"[nowhere]\n", ":1: [nowhere]: not a section"},
        {"[pool]\n", ":1: [pool]: not a section"},
        {"[server]\njust words\n", ":2: neither a [section] nor a NAME = VALUE"},
        {"[server\nworkers = 1\n", ":1: a section without its ]"},
        {"[pool Big]\nworkers = 1\n", ":1: 'Big': a pool's name"},
        {"[pool -x]\nworkers = 1\n", "1 to 32 of a-z 0-9 _ . -, the first a letter or digit"},
        {"[task -x]\nkind = remote\n",
         "'-x': a task's name is 1 to 64 of a-z 0-9 _ . -, the first a letter or digit"},
        {"[token .x]\nscopes = read\n",
         "'.x': a token's name is 1 to 64 of a-z 0-9 _ . -, the first a letter or digit"},
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
        {"[task echo]\nmodule = builtin:noop\ncommand = b\n", ":3: a task has either a module or"},
        {"[task x]\nrate = 1\nrate = 2\n", ":3: rate is set twice"},
        {"[task x]\nkeep_for = 1\ncommand = a\nkeep_for = 1\n", ":4: keep_for is set twice"},
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
        {"[task x]\ncommand = echo a{input.x\n", ":2: command: `{input.x` is no placeholder"},
        {"[task x]\ncommand = echo {input.}\n", "`{input.}` is no placeholder"},
        {"[task x]\ncommand = echo {a}{config_dri}\n", "`{config_dri}` is no placeholder"},
        {"[task x]\ncommand = echo {configdir}\n", "`{configdir}` is no placeholder"},
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

/* What says how a job runs here is refused where none does; the rest is as of any task. */
START_TEST(of_remote_workers)
{
    static const char *const here[] = {"persistent = yes",     "persistent = no",
                                       "result = text",        "result_file = out",
                                       "memory = 1GiB",        "cpu_time = 5s",
                                       "file_size = 1MiB",     "open_files = 64",
                                       "processes = 4",        "sandbox = none",
                                       "network = no",         "read = /srv",
                                       "write = /srv",         "spares = 1",
                                       "recycle_jobs = 9",     "permanent_exit_codes = 2",
                                       "ready_timeout = 1",    "recycle_after = 1",
                                       "recycle_memory = 1MiB"};
    char text[200], says[100];
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++) {
        snprintf(text, sizeof(text), "[task far]\n%s\nkind = remote\n", here[i]);
        snprintf(says, sizeof(says), "[task far]: %.*s: not with kind = remote",
                 (int)strcspn(here[i], " "), here[i]);
        ck_says(load_text(text), says);
    }
    ck_says(load_text("[task far]\nkind = remote\nenv.A = b\n"), "[task far]: env: not with kind");
    ck_says(load_text("[task far]\nkind = remote\ncommand = a\n"), "remote, but it has a command");
    ck_loads("[pool p]\nworkers = 1\n[task far]\nkind = remote\npool = p\ninput = raw\n"
             "timeout = 3\nmax_attempts = 2\noutput_max = 1KiB\nconcurrency = 2\nrate = 1\n"
             "backoff = fixed 5s\nkeep_for = 6\ndescription = far away\n");
    ck_assert_int_eq(task("far")->kind, TASK_REMOTE);
    ck_assert_uint_eq(task("far")->output_max, 1024);
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

static int settle(const char *task_name, const char *text, bool seccomp)
{
    struct machine m = {.probed = true, .seccomp = seccomp, .why = "it lacks something"};
    ck_loads(text);
    buf_clear(&why);
    return conf_settle_task(&c.defs.task[taskdefs_find(&c.defs, task_name)], &m, &why);
}

static void refuses(const char *setting, const char *text)
{
    char words[100];
    snprintf(words, sizeof(words), "[task x]: %s: this machine does not offer it: it lacks",
             setting);
    ck_assert_int_eq(settle("x", text, false), -ERR_CONFIG);
    ck_assert_msg(strstr(why.data, words) != NULL, "%s", why.data);
}

/* `best` takes what there is, also of what it forbids by default. */
START_TEST(the_best_of_a_poor_machine)
{
    static const char best[] = "[task x]\ncommand = a\nsandbox = best\n";
    ck_assert_int_eq(settle("x", best, false), 0);
    ck_assert_int_eq(task("x")->sandbox, SANDBOX_NONE);
    ck_assert(task("x")->network);
    ck_assert_int_eq(settle("x", best, true), 0);
    ck_assert(!task("x")->network); /* that can be had */
    refuses("network = no", "[task x]\ncommand = a\nsandbox = best\nnetwork = no\n");
    refuses("sandbox = basic", "[task x]\ncommand = a\nsandbox = basic\n");
}
END_TEST

int main(void)
{
    return SUITE("conf_sections", kit_setup, kit_teardown, pools_and_tasks,
                 shipped_tasks_may_be_changed, room_for_more_workers, sections_that_are_wrong,
                 of_remote_workers, schemas_of_inputs, definitions_travel,
                 the_best_of_a_poor_machine);
}
