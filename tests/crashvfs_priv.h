/*
 * crashvfs_priv.h - the record that crashvfs.c writes and crashdisk.c reads.
 */
#ifndef JOBMILL_TESTS_CRASHVFS_PRIV_H
#define JOBMILL_TESTS_CRASHVFS_PRIV_H

#include "crashvfs.h"

enum { CRASH_DB, CRASH_WAL, CRASH_JOURNAL, CRASH_NAMES };
extern const char *const crash_names[CRASH_NAMES];
#define CRASH_INODES 256 /* files that came and went in one record */

enum crash_kind {
    CRASH_OP_CREATE, /* its name appears */
    CRASH_OP_DELETE, /* its name goes */
    CRASH_OP_WRITE,
    CRASH_OP_TRUNCATE, /* to `at` bytes */
    CRASH_OP_SYNC,
    CRASH_OP_DIR_SYNC
};

struct crash_op {
    enum crash_kind kind;
    int inode;
    size_t at, len;
    uint8_t *data;
};

struct crash_log {
    bool on;
    struct crash_op *op;
    size_t count, cap;
    int inodes;
    int name_of[CRASH_INODES];
    bool certain[CRASH_INODES];    /* was there when the record began */
    bool dir_synced[CRASH_INODES]; /* its name was made certain with its first sync */
    char *first[CRASH_INODES];     /* what it held then */
    size_t first_len[CRASH_INODES];
    int at[CRASH_NAMES]; /* the inode that has the name now, or -1 */
};
extern struct crash_log crash_log;

#endif
