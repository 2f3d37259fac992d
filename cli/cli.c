/* cli.c - from a command line to a command that runs: options, environment, token, connection. */
#include "cli.h"

#include "call.h"
#include "term.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_MAX = 4096 };

volatile sig_atomic_t cli_stop;

static const struct {
    const char *name;
    int (*run)(struct cli *c);
} commands[] = {
#define CLI_COMMAND(symbol, name, function, ...) {name, function},
#include "cli.def"
#undef CLI_COMMAND
};

static void on_interrupt(int sig)
{
    (void)sig;
    cli_stop = 1;
}

static int find(const char *name)
{
    for (int i = 0; i < CLI_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return i;
    }
    return -1;
}

bool cli_help(const char *command)
{
    int i = find(command);
    if (i >= 0)
        options_help((enum cli_command)i, stdout);
    return i >= 0;
}

/* Cuts white space at both ends; false: there is nothing, or what no header can carry. */
static bool clean_token(char *text)
{
    size_t from = strspn(text, " \t\r\n"), len = strlen(text + from);
    while (len > 0 && strchr(" \t\r\n", text[from + len - 1]))
        len--;
    memmove(text, text + from, len);
    text[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (!isgraph((unsigned char)text[i]))
            return false;
    }
    return len > 0;
}

/* `token` stays empty where none is set. */
static int read_token(const struct cli *c, char token[static TOKEN_MAX])
{
    const char *from = c->o.token_file ? c->o.token_file : "JOBMILL_TOKEN";
    const char *variable = getenv("JOBMILL_TOKEN");
    size_t n = 0;
    token[0] = '\0';
    if (c->o.token_file) {
        FILE *f = fopen(c->o.token_file, "re");
        n = f ? fread(token, 1, TOKEN_MAX - 1, f) : 0;
        bool bad = !f || ferror(f);
        if (bad)
            fprintf(stderr, "jobmill: %s: %s\n", from, strerror(errno));
        if (f)
            fclose(f);
        if (bad)
            return CLI_NO_INPUT;
    } else if (variable && *variable) {
        n = strlen(variable);
        memcpy(token, variable, n < TOKEN_MAX ? n : 0);
    } else {
        return CLI_OK;
    }
    if (n < TOKEN_MAX)
        token[n] = '\0';
    if (n < TOKEN_MAX - 1 && clean_token(token))
        return CLI_OK;
    fprintf(stderr, "jobmill: %s holds no token: one word of printable ASCII is wanted\n", from);
    return CLI_USAGE;
}

static int connect_to(struct cli *c)
{
    char token[TOKEN_MAX];
    const char *variable = getenv("JOBMILL_SERVER"), *why;
    c->server = c->o.server ? c->o.server : variable;
    if (!c->server || !*c->server)
        c->server = "http://127.0.0.1:8080";
    int status = read_token(c, token);
    if (status)
        return status;
    c->http = http_new(c->server, *token ? token : NULL, &cli_stop, &why);
    explicit_bzero(token, sizeof(token));
    if (c->http)
        return CLI_OK;
    fprintf(stderr, "jobmill: %s: %s\n", c->server, why);
    return CLI_USAGE;
}

/* What was printed must have reached its reader before success is told. */
static int flush(int status)
{
    return term_flush() || status ? status : CLI_NO_OUTPUT;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    int command = find(argv[0]);
    if (command < 0)
        return CLI_USAGE;
    int status = options_parse((enum cli_command)command, &c.o, argc, argv, &c.n_args);
    if (status)
        return status;
    if (c.o.help) {
        options_help((enum cli_command)command, stdout);
        return flush(CLI_OK);
    }
    c.args = argv + 1;
    term_init(&c);
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of a write */
    status = connect_to(&c);
    if (status == CLI_OK)
        status = commands[command].run(&c);
    status = flush(status);
    http_free(c.http);
    return cli_stop ? CLI_INTERRUPTED : status;
}
