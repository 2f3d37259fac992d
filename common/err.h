/*
 * err.h - the errors of jobmill.
 *
 * Functions that can fail return 0, or the negative of an enum err: `return -ERR_NOMEM;`.
 * Any thread, any process; nothing here allocates.
 */
#ifndef JOBMILL_COMMON_ERR_H
#define JOBMILL_COMMON_ERR_H

enum err {
    ERR_NONE = 0,
#define ERR(symbol, status, code, sentence) ERR_##symbol,
#include "err.def"
#undef ERR
    ERR_COUNT
};

/* Each takes an enum err or its negative; an unknown number reads as ERR_INTERNAL. */
int err_status(int err);           /* HTTP status */
const char *err_code(int err);     /* wire code; static storage */
const char *err_sentence(int err); /* English sentence; static storage */

#endif
