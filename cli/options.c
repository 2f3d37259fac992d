/* options.c - the parser and the help, made of the rows of cli.def. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { USAGE = 64, WHOLE_MAX = 1000000000 };
enum kind { KIND_FLAG, KIND_TEXT, KIND_LIST, KIND_INT, KIND_SECONDS };

#define ON(symbol) (1u << CLI_##symbol)
#define ALL        ((1u << CLI_COMMANDS) - 1u)

static const struct {
    const char *name, *arguments;
    int least, most; /* most 0 with least 1: no limit */
    const char *help;
} commands[] = {
#define CLI_COMMAND(symbol, name, function, arguments, least, most, help)                          \
    {name, arguments, least, most, help},
#include "cli.def"
#undef CLI_COMMAND
};

static const struct option {
    const char *name;
    char letter;
    const char *value;
    enum kind kind;
    size_t offset;
    unsigned commands;
    const char *help;
} options[] = {
#define CLI_OPTION(member, kind, name, letter, value, commands, help)                              \
    {name, letter, value, KIND_##kind, offsetof(struct cli_options, member), commands, help},
#include "cli.def"
#undef CLI_OPTION
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct option *find(enum cli_command command, const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        if ((o->commands & 1u << command) && strlen(o->name) == len &&
            memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static const struct option *find_letter(enum cli_command command, char letter)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if ((options[i].commands & 1u << command) && letter && options[i].letter == letter)
            return &options[i];
    }
    return NULL;
}

static bool number(const char *text, bool whole, double *out)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    if (strspn(text, "+-.0123456789") == 0) /* no "inf", "nan", " 1" */
        return false;
    *out = strtod(text, &end);
    if (end == text || !isfinite(*out) || strpbrk(text, "xX"))
        return false;
    if (whole)
        return !*end && *out == floor(*out) && fabs(*out) <= WHOLE_MAX;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) == 0) {
            *out *= units[i].seconds;
            return *out >= 0;
        }
    }
    return false;
}

/* Stores a value; `value` is NULL for a flag. */
static int set(struct cli_options *to, const struct option *o, const char *value)
{
    void *at = (char *)to + o->offset;
    struct cli_list *list = at;
    struct cli_number *n = at;
    switch (o->kind) {
    case KIND_FLAG:
        *(bool *)at = true;
        return 0;
    case KIND_TEXT:
        *(const char **)at = value;
        return 0;
    case KIND_LIST:
        if (list->n == CLI_LIST_MAX) {
            fprintf(stderr, "jobmill: --%s: more than %d of them\n", o->name, CLI_LIST_MAX);
            return USAGE;
        }
        list->item[list->n++] = value;
        return 0;
    case KIND_INT:
    case KIND_SECONDS:
        n->set = number(value, o->kind == KIND_INT, &n->value);
        if (n->set)
            return 0;
        fprintf(stderr, "jobmill: --%s must be %s, not `%s`\n", o->name,
                o->kind == KIND_INT ? "a whole number"
                                    : "a number of seconds, or one with ms, s, m, h or d",
                value);
        return USAGE;
    }
    return USAGE;
}

static int unknown(enum cli_command command, const char *word)
{
    fprintf(stderr, "jobmill: %s has no option `%s`; `jobmill %s --help` lists them\n",
            commands[command].name, word, commands[command].name);
    return USAGE;
}

static int lacks_value(const struct option *o)
{
    fprintf(stderr, "jobmill: --%s needs a value: %s\n", o->name, o->value);
    return USAGE;
}

/* --name, --name=VALUE, --name VALUE; *i is moved past a value that is a word of its own. */
static int read_long(enum cli_command command, struct cli_options *to, int argc, char **argv,
                     int *i)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const struct option *o = find(command, word, equals ? (size_t)(equals - word) : strlen(word));
    if (!o)
        return unknown(command, argv[*i]);
    if (o->kind == KIND_FLAG) {
        if (!equals)
            return set(to, o, NULL);
        fprintf(stderr, "jobmill: --%s takes no value\n", o->name);
        return USAGE;
    }
    if (!equals && *i + 1 == argc)
        return lacks_value(o);
    return set(to, o, equals ? equals + 1 : argv[++*i]);
}

/* -x, -xyz, -oVALUE, -o VALUE */
static int read_letters(enum cli_command command, struct cli_options *to, int argc, char **argv,
                        int *i)
{
    for (const char *at = argv[*i] + 1; *at; at++) {
        const struct option *o = find_letter(command, *at);
        if (!o)
            return unknown(command, argv[*i]);
        if (o->kind != KIND_FLAG) {
            if (!at[1] && *i + 1 == argc)
                return lacks_value(o);
            return set(to, o, at[1] ? at + 1 : argv[++*i]);
        }
        int status = set(to, o, NULL);
        if (status)
            return status;
    }
    return 0;
}

int options_parse(enum cli_command command, struct cli_options *o, int argc, char **argv, int *args)
{
    bool more = true; /* "--" was not yet */
    int n = 0;
    *o = (struct cli_options){0};
    for (int i = 1; i < argc; i++) {
        int status = 0;
        if (more && strcmp(argv[i], "--") == 0)
            more = false;
        else if (more && strncmp(argv[i], "--", 2) == 0)
            status = read_long(command, o, argc, argv, &i);
        else if (more && argv[i][0] == '-' && argv[i][1])
            status = read_letters(command, o, argc, argv, &i);
        else
            argv[++n] = argv[i];
        if (status)
            return status;
    }
    *args = n;
    int least = commands[command].least, most = commands[command].most;
    if (o->help || (n >= least && (n <= most || (most == 0 && least > 0))))
        return 0;
    fprintf(stderr, "jobmill: %s arguments; usage: jobmill %s %s\n",
            n < least ? "too few" : "too many", commands[command].name,
            commands[command].arguments);
    return USAGE;
}

void options_help(enum cli_command command, FILE *out)
{
    const char *arguments = commands[command].arguments;
    fprintf(out, "usage: jobmill %s%s%s [OPTION]...\n\n%s\n\n", commands[command].name,
            *arguments ? " " : "", arguments, commands[command].help);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &options[i];
        char left[64];
        if (!(o->commands & 1u << command))
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", o->name, *o->value ? " " : "", o->value);
        fprintf(out, "  %c%c%s %-18s  %s\n", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                o->letter ? "," : " ", left, o->help);
    }
}

void options_describe(FILE *out)
{
    for (size_t c = 0; c < CLI_COMMANDS; c++) {
        fprintf(out, "command\t%s\t%s\t%s\n", commands[c].name, commands[c].arguments,
                commands[c].help);
        for (size_t i = 0; i < OPTIONS; i++) {
            const struct option *o = &options[i];
            const char letter[2] = {o->letter};
            if (o->commands & 1u << c)
                fprintf(out, "option\t%s\t%s\t%s\t%s\t%s\n", commands[c].name, o->name, letter,
                        o->value, o->help);
        }
    }
}
