/* err.c - looks up what err.def says. Any thread, any process. */
#include "err.h"

static const struct {
    int status;
    const char *code;
    const char *sentence;
} table[ERR_COUNT] = {
    [ERR_NONE] = {200, "", ""},
#define ERR(symbol, status, code, sentence) [ERR_##symbol] = {status, code, sentence},
#include "err.def"
#undef ERR
};

static int index_of(int err)
{
    int i = err < 0 ? -err : err;
    return i > 0 && i < ERR_COUNT ? i : ERR_INTERNAL;
}

int err_status(int err)
{
    return table[index_of(err)].status;
}

const char *err_code(int err)
{
    return table[index_of(err)].code;
}

const char *err_sentence(int err)
{
    return table[index_of(err)].sentence;
}
