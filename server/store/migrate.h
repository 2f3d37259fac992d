/*
 * migrate.h - brings a SQLite store to the schema of this binary, step by step, each step whole or not
 * at all. Before any other thread uses the store.
 */
#ifndef JOBMILL_SERVER_STORE_MIGRATE_H
#define JOBMILL_SERVER_STORE_MIGRATE_H

#include "../../common/buf.h"

#include <sqlite3.h>

#define MIGRATE_APPLICATION_ID 0x4a4d696c /* "JMil" in the database's header */

/* Checks what was applied against the embedded migrations/sqlite/NNNN_*.sql and applies the rest.
 * *version is the schema's then. 0; -ERR_STORE_NEWER; -ERR_STORE_CORRUPT (not ours, or an applied step
 * differs from the one in the binary); -ERR_STORE, -ERR_STORE_FULL. *why says what, in one line. */
int migrate_run(sqlite3 *c, int *version, struct buf *why);

#endif
