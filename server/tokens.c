/*
 * tokens.c - the [token NAME] sections of the configuration, and the making of tokens. Before any
 * thread exists, and at a reload on the main thread.
 */
#include "tokens.h"

#include "../common/clock.h"
#include "../common/err.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const scope_names[SCOPES] = {"none",    "read", "submit",
                                                "control", "work", "admin"};

const char *scope_name(enum scope s)
{
    return scope_names[s];
}

bool token_may_task(const struct token *t, const char *task)
{
    for (size_t i = 0; i < t->tasks; i++) {
        if (strcmp(t->task[i], task) == 0)
            return true;
    }
    return t->tasks == 0;
}

void token_digest(const char *text, size_t len, uint8_t out[32])
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, len, (const uint8_t *)text);
    sha256_digest(&ctx, 32, out);
}

static int bad(struct buf *why, const char *name, const char *value, const char *must)
{
    buf_addf(why, "%s = %s: must be %s", name, value, must);
    return -ERR_CONFIG;
}

/* ---- values ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hash(const char *text, uint8_t out[32])
{
    if (strncmp(text, "sha256:", 7) != 0 || strlen(text) != 7 + 64)
        return false;
    for (int i = 0; i < 32; i++) {
        int high = hex_digit(text[7 + 2 * i]), low = hex_digit(text[8 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Calls each for every word between commas and blanks; false: one was refused, or the text is too
 * long. */
static bool each_word(const char *text, bool (*each)(struct token *t, const char *word),
                      struct token *t)
{
    char words[4096], *save = NULL;
    if (strlen(text) >= sizeof(words))
        return false;
    memcpy(words, text, strlen(text) + 1);
    for (char *w = strtok_r(words, ", \t", &save); w; w = strtok_r(NULL, ", \t", &save)) {
        if (!each(t, w))
            return false;
    }
    return true;
}

static bool add_hash(struct token *t, const char *word)
{
    return t->hashes < TOKEN_HASHES_MAX && parse_hash(word, t->hash[t->hashes]) && ++t->hashes;
}

static bool add_scope(struct token *t, const char *word)
{
    for (int i = SCOPE_READ; i < SCOPES; i++) {
        if (strcmp(scope_names[i], word) == 0) {
            t->scopes |= 1u << i;
            return true;
        }
    }
    return false;
}

static bool add_task(struct token *t, const char *word)
{
    if (t->tasks == TOKEN_TASKS_MAX || !job_task_name_ok(word, strlen(word)))
        return false;
    memcpy(t->task[t->tasks++], word, strlen(word) + 1);
    return true;
}

static bool set_hash(struct token *t, const char *v)
{
    return each_word(v, add_hash, t) && t->hashes > 0;
}

static bool set_scopes(struct token *t, const char *v)
{
    return each_word(v, add_scope, t);
}

static bool set_tasks(struct token *t, const char *v)
{
    return each_word(v, add_task, t) && t->tasks > 0; /* none would be all */
}

static bool set_read_all(struct token *t, const char *v)
{
    t->read_all = strcmp(v, "yes") == 0 || strcmp(v, "true") == 0;
    return t->read_all || strcmp(v, "no") == 0 || strcmp(v, "false") == 0;
}

static bool set_expires(struct token *t, const char *v)
{
    return clock_parse(v, strlen(v), &t->expires_us) && t->expires_us > 0;
}

static const struct {
    const char *name;
    bool (*set)(struct token *t, const char *value);
    const char *must;
} settings[] = {
    {"hash", set_hash,
     "sha256: and 64 hexadecimal digits, as `jobmill token` prints it; at most two"},
    {"scopes", set_scopes, "some of read, submit, control, work, admin"},
    {"tasks", set_tasks, "names of tasks, 1 to 64"},
    {"read_all", set_read_all, "yes or no"},
    {"expires", set_expires, "a time such as 2027-01-01T00:00:00Z"},
};

/* ---- sections ---- */

static struct token *token_find(struct tokens *all, const char *name)
{
    for (size_t i = 0; all && i < all->count; i++) {
        if (strcmp(all->token[i].name, name) == 0)
            return &all->token[i];
    }
    return NULL;
}

static struct token *token_add(struct tokens **all, const char *name)
{
    size_t count = *all ? (*all)->count : 0;
    struct tokens *more = realloc(*all, sizeof(**all) + (count + 1) * sizeof(struct token));
    if (!more)
        return NULL;
    *all = more;
    more->count = count + 1;
    more->token[count] = (struct token){0};
    memcpy(more->token[count].name, name, strlen(name) + 1);
    return &more->token[count];
}

int tokens_set(struct tokens **all, const char *token, const char *name, const char *value,
               struct buf *why)
{
    if (!job_task_name_ok(token, strlen(token))) {
        buf_addf(why, "'%s': a token's name is 1 to %d of " NAME_TEXT, token, TOKEN_NAME_MAX);
        return -ERR_CONFIG;
    }
    struct token *t = token_find(*all, token);
    if (!t && *all && (*all)->count == TOKENS_MAX) {
        buf_addf(why, "more than %d tokens", TOKENS_MAX);
        return -ERR_CONFIG;
    }
    if (!t)
        t = token_add(all, token);
    if (!t)
        return -ERR_NOMEM;
    for (size_t i = 0; name && i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (t->seen & 1u << i) { /* two secrets of one name would have the scopes of both */
            buf_addf(why, "%s is set twice", name);
            return -ERR_CONFIG;
        }
        if (!settings[i].set(t, value))
            return bad(why, name, strcmp(name, "hash") == 0 ? "…" : value, settings[i].must);
        t->seen |= 1u << i;
        return 0;
    }
    if (!name)
        return 0;
    buf_addf(why, "%s: not a setting of a token", name);
    return -ERR_CONFIG;
}

int tokens_check(const struct tokens *all, struct buf *why)
{
    for (size_t i = 0; all && i < all->count; i++) {
        const struct token *t = &all->token[i];
        if (t->hashes == 0 || t->scopes == 0) {
            buf_addf(why, "[token %s]: %s is missing", t->name, t->hashes ? "scopes" : "hash");
            return -ERR_CONFIG;
        }
    }
    return 0;
}

void tokens_print(const struct tokens *all, FILE *out)
{
    for (size_t i = 0; all && i < all->count; i++) {
        const struct token *t = &all->token[i];
        fprintf(out, "\n[token %s]\n; hash: not shown\nscopes =", t->name);
        for (int s = SCOPE_READ; s < SCOPES; s++) {
            if (t->scopes & 1u << s)
                fprintf(out, " %s", scope_names[s]);
        }
        for (size_t k = 0; k < t->tasks; k++)
            fprintf(out, "%s%s", k ? " " : "\ntasks = ", t->task[k]);
        fprintf(out, "\nread_all = %s\n", t->read_all ? "yes" : "no");
        if (t->expires_us) {
            char text[CLOCK_TEXT];
            clock_format(t->expires_us, text);
            fprintf(out, "expires = %s\n", text);
        }
    }
}

/* ---- making one ---- */

int token_main(int argc, char **argv)
{
    uint8_t random[32], hash[32];
    char text[3 + 64 + 1] = "jm_";
    const char *name = argc > 1 ? argv[1] : "NAME";
    if (argc > 2 || (argc == 2 && !job_task_name_ok(name, strlen(name)))) {
        fputs("usage: jobmill token [NAME]\na name is 1 to 64 of " NAME_TEXT "\n", stderr);
        return 64;
    }
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        perror("jobmill");
        return 71;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 3 + 2 * i, 3, "%02x", random[i]);
    token_digest(text, strlen(text), hash);
    printf("%s\n", text);
    fprintf(stderr,
            "That is the token: keep it, it is not shown again. For the configuration:\n\n"
            "[token %s]\nhash = sha256:",
            name);
    for (size_t i = 0; i < sizeof(hash); i++)
        fprintf(stderr, "%02x", hash[i]);
    fputs("\nscopes = read, submit\n", stderr);
    return 0;
}
