/* main.c - the table of sub-commands; nothing else. */
#include "../cli/cli.h"
#include "../common/buf.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "../common/heap.h"
#include "../workers/forkserver.h"
#include "../workers/task.h"
#include "backup.h"
#include "conf.h"
#include "conf_doubts.h"
#include "conf_machine.h"
#include "http/tls.h"
#include "http/webhook.h"
#include "reload.h"
#include "serve.h"
#include "store/store.h"
#include "tokens.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_OUTPUT = 74, EXIT_CONFIG = 78 };

static int help(int argc, char **argv);
static int describe(int argc, char **argv);

static int version(int argc, char **argv)
{
    (void)argc, (void)argv;
    return puts("jobmill " JOBMILL_VERSION) < 0;
}

static int load(struct conf *c, int argc, char **argv)
{
    AUTO_BUF why = BUF_INIT;
    int status = conf_check_flags(argc, argv, &why) != 0 ? EXIT_USAGE
                 : conf_load(c, argc, argv, &why) != 0   ? EXIT_CONFIG
                                                         : 0;
    if (status)
        fprintf(stderr, "jobmill: %s\n", why.data ? why.data : "out of memory");
    return status;
}

/* What it warns of does not keep the service from starting. */
static void warn(const struct conf *c)
{
    AUTO_BUF doubts = BUF_INIT;
    static const struct task *tasks; /* until the end of the process: modules are not unloaded */
    tasks = tasks_load(&c->defs, TASKS_OF_ALL_POOLS, NULL);
    for (uint32_t i = 0; tasks && i < c->defs.tasks; i++) {
        if (tasks[i].broken)
            buf_addf(&doubts, "[task %s]: %s\n", tasks[i].def->name, tasks[i].why);
    }
    conf_doubts(c, &doubts);
    for (const char *line = doubts.data; line && *line; line += strcspn(line, "\n") + 1)
        fprintf(stderr, "jobmill: warning: %.*s\n", (int)strcspn(line, "\n"), line);
}

/* All that makes `serve` end with EXIT_CONFIG before it opens the store. */
static int check_all(struct conf *c, struct buf *why)
{
    int err = reload_check_address(c, why);
    if (!err)
        err = conf_settle(c, why);
    if (!err)
        err = webhook_check(c, why);
    if (!err && c->tls_cert[0])
        err = tls_start(c->tls_cert, c->tls_key, why);
    tls_end();
    return err;
}

static int check_config(int argc, char **argv)
{
    struct conf c;
    int status = load(&c, argc, argv);
    if (status)
        return status;
    AUTO_BUF why = BUF_INIT;
    if (check_all(&c, &why) != 0) {
        fprintf(stderr, "jobmill: %s\n", why.data ? why.data : "out of memory");
        status = EXIT_CONFIG;
    } else {
        conf_print(&c, stdout);
        conf_print_machine(&c, stdout);
        warn(&c);
    }
    conf_unsettle();
    conf_release(&c);
    return status;
}

static int migrate(int argc, char **argv)
{
    struct conf c;
    int status = load(&c, argc, argv);
    if (status)
        return status;
    AUTO_BUF why = BUF_INIT;
    struct store *store = NULL;
    struct store_options o = {.data_dir = c.data_dir,
                              .cache_bytes = c.store_cache,
                              .reader_cache_bytes = c.reader_cache,
                              .wal_limit = c.wal_limit,
                              .migrate_only = true};
    umask(077);
    int err = store_open(&o, &store, &why);
    if (err == 0) {
        printf("the store in %s has schema version %d\n", c.data_dir, store_schema_version(store));
        store_close(store);
    } else {
        fprintf(stderr, "jobmill: %s\n", why.data ? why.data : "out of memory");
        status = err == -ERR_STORE_NEWER ? EXIT_CONFIG : EXIT_UNAVAILABLE;
    }
    conf_release(&c);
    return status;
}

/* Is the last word the value of the one before it, as in `--data-dir DIR`? A flag of yes or no does
 * not take a file's name for its value: that is left to conf_load. */
static bool is_value(int argc, char **argv)
{
    const char *before = argc > 2 ? argv[argc - 2] : "";
    return strncmp(before, "--", 2) == 0 && !strchr(before, '=') &&
           conf_flag_needs_value(before + 2);
}

/* `backup FILE [FLAG…]` or `backup [FLAG…] FILE`; and `recover` */
static int into_file(int argc, char **argv, int (*run)(const char *data_dir, const char *file))
{
    struct conf c;
    bool first = argc > 1 && strncmp(argv[1], "--", 2) != 0;
    char *file = argc < 2 || (!first && is_value(argc, argv)) ? NULL
                 : first                                      ? argv[1]
                                                              : argv[argc - 1];
    if (!file || strncmp(file, "--", 2) == 0) {
        fprintf(stderr, "usage: jobmill %s FILE [--config FILE] [--data-dir DIR]\n", argv[0]);
        return EXIT_USAGE;
    }
    if (first)
        argv[1] = argv[0];
    int status = load(&c, argc - 1, first ? argv + 1 : argv);
    if (status)
        return status;
    umask(077);
    status = run(c.data_dir, file);
    conf_release(&c);
    return status;
}

static int backup(int argc, char **argv)
{
    return into_file(argc, argv, backup_run);
}

static int recover(int argc, char **argv)
{
    return into_file(argc, argv, recover_run);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments; /* as the manual page shows them */
    const char *help;      /* NULL: not for people */
} commands[] = {
    /* the service */
    {"serve", serve_main, "[SETTING...]", "run the service"},
    {"migrate", migrate, "[SETTING...]", "bring the store's schema up to date and end"},
    {"backup", backup, "FILE [SETTING...]",
     "copy the store to a file, also while the service runs"},
    {"recover", recover, "FILE [SETTING...]",
     "make a new store of what can be read of a damaged one"},
    {"check-config", check_config, "[SETTING...]", "read the settings, print them, and end"},
    {"token", token_main, "[NAME]", "make a token, and the lines of the configuration for it"},
    {"version", version, "", "print the version"},
    {"help", help, "[COMMAND]", "list commands and settings, or a client command's options"},
    {"worker", forkserver_spawned, NULL, NULL},
    {"describe", describe, NULL, NULL},
/* the client */
#define CLI_COMMAND(symbol, name, function, arguments, least, most, help)                          \
    {name, cli_main, arguments, help},
#include "../cli/cli.def"
#undef CLI_COMMAND
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* What the manual page and the completions are made of (docs/gen-cli.sh). */
static int describe(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help && commands[i].run != cli_main)
            printf("service\t%s\t%s\t%s\n", commands[i].name, commands[i].arguments,
                   commands[i].help);
    }
    options_describe(stdout);
    return 0;
}

static void list_commands(bool of_client)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help && (commands[i].run == cli_main) == of_client)
            printf("  %-14s %s\n", commands[i].name, commands[i].help);
    }
}

/* Its own line; what takes settings lists them below it. */
static bool help_of_service(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) != 0 || !commands[i].help || commands[i].run == cli_main)
            continue;
        printf("usage: jobmill %s%s%s\n\n%s\n", name, *commands[i].arguments ? " " : "",
               commands[i].arguments, commands[i].help);
        if (strstr(commands[i].arguments, "SETTING")) {
            puts("");
            conf_help(stdout);
        }
        return true;
    }
    return false;
}

static int help(int argc, char **argv)
{
    if (argc > 1 && (cli_help(argv[1]) || help_of_service(argv[1])))
        return 0;
    puts("usage: jobmill COMMAND [OPTION]...\n\nthe service:");
    list_commands(false);
    puts("\nthe client (`jobmill COMMAND --help` lists the options):");
    list_commands(true);
    puts("");
    conf_help(stdout);
    return 0;
}

/* The status, unless what was to be printed is not. */
static int written(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status == 0)
        fprintf(stderr, "jobmill: the output cannot be written\n");
    return status ? status : EXIT_OUTPUT;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    heap_setup();
    if (fd_standard(strcmp(name, "serve") == 0) != 0)
        return EXIT_UNAVAILABLE; /* where would it say so? */
    if (strcmp(name, "--version") == 0)
        return version(argc, argv);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].run != cli_main && asks_for_help(argc, argv))
            return help(2, argv);
        return written(commands[i].run(argc - 1, argv + 1));
    }
    if (asks_for_help(argc, argv))
        return help(0, NULL);
    fprintf(stderr, "jobmill: %s%s\n", *name ? "no such command: " : "which command?", name);
    fputs("`jobmill help` lists them\n", stderr);
    return EXIT_USAGE;
}
