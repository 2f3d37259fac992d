/* schema_pattern.c - ECMA-262 patterns on PCRE2. Immutable after they are compiled; any thread. */
#include "schema_pattern.h"

#include "../common/err.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_BASE 50u
#define MOVES_BASE 1000u
#define MOVES_EACH 20u
#define HEAP_KIB   4096u
#define DEPTH_MAX  10000u

struct pattern {
    pcre2_code *code;
    char *text;
};

/* ---- from ECMA-262 to PCRE2 ---- */

struct translation {
    const char *start, *at, *end;
    struct buf *out;
    struct buf *why;
    bool in_class;
};

static int refuse(struct translation *t, const char *what)
{
    buf_addf(t->why, "%s at byte %zu is not part of ECMA-262", what, (size_t)(t->at - t->start));
    return -ERR_CONFIG;
}

#define SPACES                                                                                     \
    "\\t-\\r "                                                                                     \
    "\\u{a0}\\u{1680}\\u{2000}-\\u{200a}\\u{2028}\\u{2029}\\u{202f}\\u{205f}\\u{3000}\\u{feff}"

/* General categories by the names that PCRE2 does not know. */
static const struct {
    const char *name, *abbreviation;
} categories[] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Control", "Cc"},
    {"Other", "C"},
};

/* "{Name}" after \p or \P: the name, or its abbreviation. */
static int property(struct translation *t, char kind)
{
    const char *close =
        t->at < t->end && *t->at == '{' ? memchr(t->at, '}', (size_t)(t->end - t->at)) : NULL;
    if (!close)
        return refuse(t, "a property without {Name}");
    const char *name = t->at + 1;
    if (memchr(name, '^', (size_t)(close - name)))
        return refuse(t, "a property that begins with ^");
    static const char *const long_forms[] = {"General_Category=", "gc="};
    for (size_t i = 0; i < sizeof(long_forms) / sizeof(long_forms[0]); i++) {
        size_t n = strlen(long_forms[i]);
        if ((size_t)(close - name) > n && strncmp(name, long_forms[i], n) == 0)
            name += n;
    }
    size_t len = (size_t)(close - name);
    t->at = close + 1;
    buf_addf(t->out, "\\%c{", kind);
    for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
        if (strlen(categories[i].name) == len && memcmp(categories[i].name, name, len) == 0) {
            buf_addf(t->out, "%s}", categories[i].abbreviation);
            return 0;
        }
    }
    buf_add(t->out, name, len);
    buf_addc(t->out, '}');
    return 0;
}

/* "{HEX}" after \u, the brace of which ends no quantifier. */
static int code_point(struct translation *t)
{
    const char *p = t->at + 1;
    while (p < t->end && strchr("0123456789abcdefABCDEF", *p))
        p++;
    if (p == t->at + 1 || p == t->end || *p != '}')
        return refuse(t, "\\u{ without digits and }");
    buf_add(t->out, t->at, (size_t)(p + 1 - t->at));
    t->at = p + 1;
    return 0;
}

static int escape(struct translation *t)
{
    if (++t->at == t->end)
        return refuse(t, "a \\ at the end");
    char c = *t->at;
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && !strchr("dDwWsSbBtnvfr0cxukpP", c))
        return refuse(t, "the escape of this letter");
    if (c == 'S' && t->in_class) {
        buf_adds(t->why, "\\S in a class is not supported");
        return -ERR_CONFIG;
    }
    t->at++;
    if (c == 'p' || c == 'P')
        return property(t, c);
    if (c == 's') {
        buf_adds(t->out, t->in_class ? SPACES : "[" SPACES "]");
    } else if (c == 'S') {
        buf_adds(t->out, "[^" SPACES "]");
    } else if (c == 'v') {
        buf_adds(t->out, "\\x0b"); /* PCRE2's \v is a class */
    } else if (c == '0') {
        buf_adds(t->out, "\\x00");
    } else {
        buf_addc(t->out, '\\');
        buf_addc(t->out, c);
        if (c == 'u' && t->at < t->end && *t->at == '{')
            return code_point(t);
    }
    return 0;
}

/* "(": of "(?…" only what ECMA-262 has. */
static int group(struct translation *t)
{
    static const char *const known[] = {"?:", "?=", "?!", "?<"};
    const char *p = t->at + 1;
    size_t left = (size_t)(t->end - p);
    if (left > 0 && *p == '*')
        return refuse(t, "(*");
    if (left > 0 && *p == '?') {
        bool ok = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            ok = ok || (left >= 2 && memcmp(p, known[i], 2) == 0);
        if (!ok)
            return refuse(t, "this kind of group");
    }
    buf_addc(t->out, *t->at++);
    return 0;
}

/* * + ? or the end of {…}: PCRE2 takes a + after it as possessive. */
static int quantifier(struct translation *t)
{
    buf_addc(t->out, *t->at++);
    if (t->at < t->end && *t->at == '+')
        return refuse(t, "a + after a quantifier");
    return 0;
}

static int one(struct translation *t)
{
    char c = *t->at;
    if (c == '\\')
        return escape(t);
    if (t->in_class) {
        if (c == '[' && t->at + 1 < t->end && strchr(":.=", t->at[1]))
            buf_addc(t->out, '\\'); /* no names of classes */
        t->in_class = c != ']';
    } else if (c == '[') {
        t->in_class = true;
    } else if (c == '(') {
        return group(t);
    } else if (strchr("*+?}", c)) {
        return quantifier(t);
    } else if (c == '.') {
        buf_adds(t->out, "[^\\n\\r\\u{2028}\\u{2029}]");
        t->at++;
        return 0;
    }
    buf_addc(t->out, c);
    t->at++;
    return 0;
}

static int translate(const char *text, size_t len, struct buf *out, struct buf *why)
{
    struct translation t = {text, text, text + len, out, why, false};
    int err = 0;
    if (memchr(text, '\0', len)) {
        buf_adds(why, "a pattern has no zero bytes");
        return -ERR_CONFIG;
    }
    while (t.at < t.end && !err)
        err = one(&t);
    return err ? err : out->failed ? -ERR_NOMEM : 0;
}

/* ---- compile and match ---- */

#define OPTIONS                                                                                    \
    (PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS |                   \
     PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C |                  \
     PCRE2_NO_AUTO_POSSESS) /* without: a possessive loop is not counted as moves */

static int compile(struct pattern *p, const struct buf *translated, struct buf *why)
{
    int code;
    PCRE2_SIZE where;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return -ERR_NOMEM;
    pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    p->code = pcre2_compile((PCRE2_SPTR)(translated->data ? translated->data : ""), translated->len,
                            OPTIONS, &code, &where, context);
    pcre2_compile_context_free(context);
    if (p->code)
        return 0;
    char text[160] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
    buf_addf(why, "the pattern is wrong: %s", text);
    return -ERR_CONFIG;
}

int pattern_compile(const char *text, size_t len, struct pattern **out, struct buf *why)
{
    AUTO_BUF translated = BUF_INIT;
    *out = NULL;
    if (len > PATTERN_TEXT_MAX) {
        buf_addf(why, "a pattern has at most %u bytes", PATTERN_TEXT_MAX);
        return -ERR_CONFIG;
    }
    int err = translate(text, len, &translated, why);
    if (err)
        return err;
    struct pattern *p = calloc(1, sizeof(*p));
    if (!p)
        return -ERR_NOMEM;
    p->text = strndup(text, len);
    err = p->text ? compile(p, &translated, why) : -ERR_NOMEM;
    if (err)
        pattern_free(p);
    else
        *out = p;
    return err;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p->text);
    free(p);
}

const char *pattern_text(const struct pattern *p)
{
    return p->text;
}

static int run(const struct pattern *p, const char *text, size_t len, pcre2_match_data *data,
               pcre2_match_context *limits)
{
    pcre2_set_match_limit(limits, (uint32_t)(MOVES_BASE + MOVES_EACH * len));
    pcre2_set_depth_limit(limits, DEPTH_MAX + (uint32_t)len);
    pcre2_set_heap_limit(limits, HEAP_KIB);
    int n = pcre2_match(p->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, data, limits);
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH)
        return n >= 0;
    return n == PCRE2_ERROR_NOMEMORY ? -ERR_NOMEM : -ERR_TOO_COMPLEX;
}

int pattern_match(const struct pattern *p, const char *text, size_t len, uint64_t *steps)
{
    if (len > PATTERN_SUBJECT_MAX || *steps < STEPS_BASE + len) {
        *steps = 0;
        return -ERR_TOO_COMPLEX;
    }
    *steps -= STEPS_BASE + len;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int n = data && limits ? run(p, text, len, data, limits) : -ERR_NOMEM;
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    return n;
}
