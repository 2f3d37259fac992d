/*
 * conf.c - the settings: flags over JOBMILL_* environment over the file over defaults. Before any
 * thread exists; what it fills is read-only after.
 */
#include "conf.h"

#include "../common/err.h"
#include "../common/log.h"
#include "conf_file.h"
#include "conf_limits.h"
#include "conf_schema.h"
#include "conf_sections.h"
#include "tokens.h"
#include "conf_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum type { TYPE_TEXT, TYPE_SIZE, TYPE_TIME, TYPE_INT, TYPE_BOOL };

struct row {
    const char *name;
    enum type type;
    size_t offset; /* in struct conf */
    const char *def;
    double least, greatest; /* seconds, bytes or units */
    const char *unit;
    const char *help;
};

#define TEXT_OF(x) #x
static const struct row rows[] = {
#define CONF_TEXT(name, def, help)                                                                 \
    {#name, TYPE_TEXT, offsetof(struct conf, name), def, 0, 0, "", help},
#define CONF_SIZE(name, def, min, max, help)                                                       \
    {#name,   TYPE_SIZE, offsetof(struct conf, name), TEXT_OF(def), (double)(min), (double)(max),  \
     "bytes", help},
#define CONF_TIME(name, def, min, max, help)                                                       \
    {#name, TYPE_TIME, offsetof(struct conf, name##_us), TEXT_OF(def), min, max, "seconds", help},
#define CONF_INT(name, def, min, max, unit, help)                                                  \
    {#name, TYPE_INT, offsetof(struct conf, name), TEXT_OF(def), (double)(min), (double)(max),     \
     unit,  help},
#define CONF_BOOL(name, def, help)                                                                 \
    {#name, TYPE_BOOL, offsetof(struct conf, name), TEXT_OF(def), 0, 0, "", help},
#include "conf.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Who set a row last: a weaker source does not change it. */
enum source { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };
static enum source set_by[ROWS];
static bool seen_in_file[ROWS];

static void *field(struct conf *c, const struct row *r)
{
    return (char *)c + r->offset;
}

/* As the file may have it: in the greatest unit that divides it. */
static void add_amount(struct buf *out, const struct row *r, double v)
{
    static const struct {
        enum type type;
        double factor;
        const char *name;
    } units[] = {{TYPE_SIZE, 1099511627776.0, "TiB"},
                 {TYPE_SIZE, 1073741824.0, "GiB"},
                 {TYPE_SIZE, 1048576.0, "MiB"},
                 {TYPE_SIZE, 1024.0, "KiB"},
                 {TYPE_SIZE, 1, ""},
                 {TYPE_TIME, 86400e3, "d"},
                 {TYPE_TIME, 3600e3, "h"},
                 {TYPE_TIME, 60e3, "m"},
                 {TYPE_TIME, 1e3, "s"},
                 {TYPE_TIME, 1, "ms"}};
    if (r->type == TYPE_TIME)
        v = round(v * 1e3);
    for (size_t i = 0; v > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].type == r->type && fmod(v, units[i].factor) <= 0) {
            buf_addf(out, "%.15g%s", v / units[i].factor, units[i].name);
            return;
        }
    }
    buf_addf(out, "%.15g", v);
}

/* `good`: it is a value of its kind, and out of range. */
static int refuse(const struct row *r, const char *value, bool good, struct buf *why)
{
    static const char *const kinds[] = {
        [TYPE_SIZE] = "a size: bytes, or a number with KiB, MiB or GiB",
        [TYPE_TIME] = "a time: seconds, or a number with ms, s, m, h or d",
        [TYPE_INT] = "a whole number",
    };
    buf_addf(why, "%s = %s: ", r->name, value);
    if (r->type == TYPE_BOOL) {
        buf_adds(why, "must be yes or no");
        return -ERR_CONFIG;
    }
    if (good)
        buf_adds(why, "must be ");
    else
        buf_addf(why, "`%s` is not %s; ", value, kinds[r->type]);
    add_amount(why, r, r->least);
    buf_adds(why, " to ");
    add_amount(why, r, r->greatest);
    if (r->type == TYPE_INT)
        buf_addf(why, " %s", r->unit);
    return -ERR_CONFIG;
}

static int assign(struct conf *c, const struct row *r, const char *value, struct buf *why)
{
    uint64_t size;
    int64_t number;
    bool on, good;
    switch (r->type) {
    case TYPE_TEXT: {
        char *copy = strdup(value);
        if (!copy)
            return -ERR_NOMEM;
        free(*(char **)field(c, r));
        *(char **)field(c, r) = copy;
        return 0;
    }
    case TYPE_SIZE:
        good = value_size(value, &size);
        if (!good || (double)size < r->least || (double)size > r->greatest)
            return refuse(r, value, good, why);
        *(uint64_t *)field(c, r) = size;
        return 0;
    case TYPE_TIME:
        good = value_time(value, &number);
        if (!good || (double)number < r->least * 1e6 || (double)number > r->greatest * 1e6)
            return refuse(r, value, good, why);
        *(int64_t *)field(c, r) = number;
        return 0;
    case TYPE_INT:
        good = value_int(value, &number);
        if (!good || (double)number < r->least || (double)number > r->greatest)
            return refuse(r, value, good, why);
        *(int64_t *)field(c, r) = number;
        return 0;
    case TYPE_BOOL:
        if (!value_bool(value, &on))
            return refuse(r, value, false, why);
        *(bool *)field(c, r) = on;
        return 0;
    }
    return -ERR_CONFIG;
}

static int set_row(struct conf *c, size_t i, const char *value, enum source by, struct buf *why)
{
    if (by < set_by[i])
        return 0;
    set_by[i] = by;
    return assign(c, &rows[i], value, why);
}

/* The row of a name in which '-' counts as '_'; ROWS: none. */
static size_t find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(rows[i].name) != len)
            continue;
        size_t k = 0;
        while (k < len && (name[k] == '-' ? '_' : name[k]) == rows[i].name[k])
            k++;
        if (k == len)
            return i;
    }
    return ROWS;
}

#define bad(why, ...) (buf_addf(why, __VA_ARGS__), -ERR_CONFIG)

/* ---- the file ---- */

struct reading {
    struct conf *c;
    char *base; /* directory of the file, absolute */
};

static int server_setting(struct conf *c, const char *name, const char *value, struct buf *why)
{
    size_t i = find_row(name, strlen(name));
    if (i == ROWS || strchr(name, '-')) {
        buf_addf(why, "%s: not a setting of [server]", name);
        return -ERR_CONFIG;
    }
    if (seen_in_file[i]) {
        buf_addf(why, "%s is set twice", name);
        return -ERR_CONFIG;
    }
    seen_in_file[i] = true;
    return set_row(c, i, value, FROM_FILE, why);
}

static int on_setting(void *arg, const char *section, const char *name, const char *value,
                      struct buf *why)
{
    struct reading *r = arg;
    if (section[0] == '\0') {
        buf_addf(why, "%s: before any section", name ? name : "[]");
        return -ERR_CONFIG;
    }
    if (strncmp(section, "token ", 6) == 0)
        return tokens_set(&r->c->tokens, section + 6, name, value, why);
    if (strcmp(section, "server") != 0)
        return sections_set(r->c, section, name, value, r->base, why);
    return name ? server_setting(r->c, name, value, why) : 0;
}

/* Absolute, so that a module is found from whatever directory a worker runs in. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    char *absolute = dir ? realpath(dir, NULL) : NULL;
    free(dir);
    return absolute;
}

static int read_file(struct conf *c, const char *path, struct buf *why)
{
    struct reading r = {c, directory_of(path)};
    if (!r.base) {
        buf_addf(why, "%s: %s", path, strerror(errno));
        return errno == ENOMEM ? -ERR_NOMEM : -ERR_CONFIG;
    }
    int err = conf_file_read(path, on_setting, &r, why);
    free(r.base);
    return err;
}

/* ---- environment and flags ---- */

static int read_environment(struct conf *c, struct buf *why)
{
    for (size_t i = 0; i < ROWS; i++) {
        char name[64] = "JOBMILL_";
        size_t n = strlen(name);
        for (const char *p = rows[i].name; *p && n < sizeof(name) - 1; p++)
            name[n++] = (char)toupper((unsigned char)*p);
        name[n] = '\0';
        const char *value = getenv(name);
        AUTO_BUF detail = BUF_INIT;
        if (!value)
            continue;
        int err = set_row(c, i, value, FROM_ENV, &detail);
        if (err) {
            buf_addf(why, "environment %s: %s", name, detail.data ? detail.data : "out of memory");
            return err;
        }
    }
    return 0;
}

struct flag {
    const char *name; /* without the dashes */
    size_t len;
    const char *value; /* NULL: a bare flag */
    int words;
};

static bool split_flag(int argc, char **argv, int i, struct flag *f)
{
    if (strncmp(argv[i], "--", 2) != 0 || !argv[i][2])
        return false;
    f->name = argv[i] + 2;
    const char *eq = strchr(f->name, '=');
    f->len = eq ? (size_t)(eq - f->name) : strlen(f->name);
    f->value = eq                                                   ? eq + 1
               : i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0 ? argv[i + 1]
                                                                    : NULL;
    f->words = eq || !f->value ? 1 : 2;
    return true;
}

/* The flag at argv[i], whole; *row == ROWS: it is --config. 0, or -ERR_CONFIG with *why. */
static int known_flag(int argc, char **argv, int i, struct flag *f, size_t *row, struct buf *why)
{
    if (!split_flag(argc, argv, i, f))
        return bad(why, "%s: not a flag", argv[i]);
    bool is_config = f->len == 6 && memcmp(f->name, "config", 6) == 0;
    *row = is_config ? ROWS : find_row(f->name, f->len);
    if (!is_config && (*row == ROWS || memchr(f->name, '_', f->len)))
        return bad(why, "--%.*s: no such flag", (int)f->len, f->name);
    if (!is_config && rows[*row].type == TYPE_BOOL) {
        bool on;
        if (f->words == 2 && !value_bool(f->value, &on))
            f->words = 1; /* a bare flag before another word */
        if (f->words == 1 && argv[i][2 + f->len] != '=')
            f->value = "yes";
    }
    if (!f->value)
        return bad(why, "--%.*s: needs a value", (int)f->len, f->name);
    return 0;
}

int conf_check_flags(int argc, char **argv, struct buf *why)
{
    struct flag f = {0};
    size_t row;
    int err = 0;
    for (int i = 1; i < argc && !err; i += f.words)
        err = known_flag(argc, argv, i, &f, &row, why);
    return err;
}

static int read_flags(struct conf *c, int argc, char **argv, struct buf *why)
{
    struct flag f = {0};
    size_t row;
    for (int i = 1; i < argc; i += f.words) {
        AUTO_BUF detail = BUF_INIT;
        int err = known_flag(argc, argv, i, &f, &row, why);
        if (err)
            return err;
        if (row < ROWS && (err = set_row(c, row, f.value, FROM_FLAG, &detail)) != 0) {
            buf_addf(why, "--%.*s: %s", (int)f.len, f.name,
                     detail.data ? detail.data : "out of memory");
            return err;
        }
    }
    return 0;
}

bool conf_flag_needs_value(const char *name)
{
    size_t row = find_row(name, strlen(name));
    return strcmp(name, "config") == 0 || (row < ROWS && rows[row].type != TYPE_BOOL);
}

static const char *config_file(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct flag f;
        if (split_flag(argc, argv, i, &f) && f.len == 6 && memcmp(f.name, "config", 6) == 0)
            return f.value;
    }
    return getenv("JOBMILL_CONFIG");
}

/* ---- what no single row can say ---- */

static int check_words(const struct conf *c, struct buf *why)
{
    char host[64];
    uint16_t port;
    if (!conf_split_address(c->listen, host, sizeof(host), &port))
        return bad(why, "listen = %s: must be ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080",
                   c->listen);
    if (c->admin_listen[0] && !conf_split_address(c->admin_listen, host, sizeof(host), &port))
        return bad(why, "admin_listen = %s: must be ADDRESS:PORT, such as 127.0.0.1:9090",
                   c->admin_listen);
    if (!c->tls_cert[0] != !c->tls_key[0])
        return bad(why, "%s is set without %s: TLS needs both",
                   c->tls_cert[0] ? "tls_cert" : "tls_key",
                   c->tls_cert[0] ? "tls_key" : "tls_cert");
    if (log_level_parse(c->log_level) < 0)
        return bad(why, "log_level = %s: must be debug, info, warn or error", c->log_level);
    if (strcmp(c->log_format, "auto") != 0 && strcmp(c->log_format, "text") != 0 &&
        strcmp(c->log_format, "json") != 0)
        return bad(why, "log_format = %s: must be auto, text or json", c->log_format);
    enum sandbox_level level;
    if (!limits_level(c->sandbox, &level))
        return bad(why, "sandbox = %s: must be none, basic, strict or best", c->sandbox);
    if (!c->data_dir[0])
        return bad(why, "data_dir is empty");
    if (c->max_waiting >= c->max_connections)
        return bad(why, "max_waiting = %lld: must be less than max_connections = %lld",
                   (long long)c->max_waiting, (long long)c->max_connections);
    return 0;
}

/* `workers` of the flags or the environment is stronger than [pool default] of the file, also as 0,
 * one for each core. */
static void take_workers(struct conf *c)
{
    size_t row = find_row("workers", 7);
    if (set_by[row] >= FROM_ENV || c->defs.pool[0].workers == 0)
        c->defs.pool[0].workers = (uint32_t)c->workers;
}

int conf_load(struct conf *c, int argc, char **argv, struct buf *why)
{
    *c = (struct conf){0};
    memset(set_by, 0, sizeof(set_by));
    memset(seen_in_file, 0, sizeof(seen_in_file));
    int err = 0;
    for (size_t i = 0; i < ROWS && !err; i++)
        err = set_row(c, i, rows[i].def, FROM_DEFAULT, why);
    if (!err)
        err = sections_begin(c);
    const char *file = config_file(argc, argv);
    if (!err && file) {
        c->file = strdup(file);
        err = c->file ? read_file(c, file, why) : -ERR_NOMEM;
    }
    if (!err)
        err = read_environment(c, why);
    if (!err)
        err = read_flags(c, argc, argv, why);
    if (!err)
        err = check_words(c, why);
    if (!err)
        take_workers(c);
    if (!err)
        err = sections_end(c, why);
    if (!err)
        err = tokens_check(c->tokens, why);
    if (!err)
        err = schemas_load(c, why);
    if (err)
        conf_release(c);
    return err;
}

void conf_release(struct conf *c)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].type == TYPE_TEXT)
            free(*(char **)field(c, &rows[i]));
    }
    free(c->file);
    free(c->tokens);
    schemas_release(c);
    taskdefs_release(&c->defs);
    *c = (struct conf){0};
}

bool conf_split_address(const char *text, char *host, size_t host_len, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    const char *from = text;
    size_t len = (size_t)(colon - text);
    bool v6 = text[0] == '[';
    if (v6) {
        if (len < 3 || text[len - 1] != ']')
            return false;
        from++;
        len -= 2;
    }
    int64_t number;
    if (len >= host_len || !isdigit((unsigned char)colon[1]) || !value_int(colon + 1, &number) ||
        number > 65535)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    *port = (uint16_t)number;
    unsigned char address[sizeof(struct in6_addr)];
    if (!v6 && strcasecmp(host, "localhost") == 0 && host_len > strlen("127.0.0.1"))
        memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
    return inet_pton(v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

bool conf_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void print_amount(const struct row *r, double v, FILE *out)
{
    AUTO_BUF text = BUF_INIT;
    add_amount(&text, r, v);
    fputs(text.data ? text.data : "", out);
}

static void print_default(const struct row *r, FILE *out)
{
    bool on = false;
    switch (r->type) {
    case TYPE_TEXT:
        fprintf(out, "\"%s\"", r->def);
        break;
    case TYPE_BOOL:
        fputs(value_bool(r->def, &on) && on ? "yes" : "no", out);
        break;
    case TYPE_SIZE:
    case TYPE_TIME:
    case TYPE_INT:
        print_amount(r, strtod(r->def, NULL), out);
        fputs(", ", out);
        print_amount(r, r->least, out);
        fputs(" to ", out);
        print_amount(r, r->greatest, out);
        if (r->type == TYPE_INT)
            fprintf(out, " %s", r->unit);
        break;
    }
}

void conf_help(FILE *out)
{
    fputs("settings (flag, or the variable JOBMILL_NAME, or NAME in [server] of the file):\n", out);
    fputs("  --config FILE\n      the configuration file\n", out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        fputs("  --", out);
        for (const char *p = r->name; *p; p++)
            fputc(*p == '_' ? '-' : *p, out);
        fputs(" (default ", out);
        print_default(r, out);
        fprintf(out, ")\n      %s\n", r->help);
    }
}

/* The value as JSON has it, but for a text, which is itself; and is it another than the default? */
static bool value_of(const struct row *r, const void *f, char text[32])
{
    double value = 0, def = 0;
    bool on = false;
    switch (r->type) {
    case TYPE_TEXT:
        return strcmp(*(char *const *)f, r->def) != 0;
    case TYPE_BOOL:
        snprintf(text, 32, "%s", *(const bool *)f ? "true" : "false");
        return !value_bool(r->def, &on) || on != *(const bool *)f;
    case TYPE_SIZE:
        value = (double)*(const uint64_t *)f;
        break;
    case TYPE_TIME:
        value = (double)*(const int64_t *)f / 1e6;
        break;
    case TYPE_INT:
        value = (double)*(const int64_t *)f;
        break;
    }
    def = strtod(r->def, NULL);
    snprintf(text, 32, "%.15g", value);
    return value > def || value < def;
}

void conf_each(const struct conf *c, void (*with)(const struct conf_setting *s, void *arg),
               void *arg)
{
    struct conf *at = (struct conf *)(uintptr_t)c; /* field() does not write */
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        const void *f = field(at, r);
        char text[32] = "";
        bool changed = value_of(r, f, text);
        with(&(struct conf_setting){.name = r->name,
                                    .unit = r->unit,
                                    .help = r->help,
                                    .kind = r->type == TYPE_TEXT   ? CONF_IS_TEXT
                                            : r->type == TYPE_BOOL ? CONF_IS_BOOL
                                                                   : CONF_IS_NUMBER,
                                    .value = r->type == TYPE_TEXT ? *(char *const *)f : text,
                                    .changed = changed},
             arg);
    }
}

void conf_print(const struct conf *c, FILE *out)
{
    struct conf *at = (struct conf *)(uintptr_t)c; /* field() does not write */
    fputs("[server]\n", out);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        const void *f = field(at, r);
        fprintf(out, "%s = ", r->name);
        switch (r->type) {
        case TYPE_TEXT:
            fprintf(out, "%s\n", *(char *const *)f);
            break;
        case TYPE_SIZE:
            fprintf(out, "%llu\n", (unsigned long long)*(const uint64_t *)f);
            break;
        case TYPE_TIME:
            fprintf(out, "%.15gs\n", (double)*(const int64_t *)f / 1e6);
            break;
        case TYPE_INT:
            fprintf(out, "%lld\n", (long long)*(const int64_t *)f);
            break;
        case TYPE_BOOL:
            fprintf(out, "%s\n", *(const bool *)f ? "yes" : "no");
            break;
        }
    }
    sections_print(c, out);
    tokens_print(c->tokens, out);
}
