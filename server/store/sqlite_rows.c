/*
 * sqlite_rows.c - the rows of new jobs, which are written together.
 *
 * A statement that inserts opens a cursor for the table and one for each of its indexes, and closes
 * them again; for one job that costs as much as its row. So the rows of a transaction wait here,
 * and one statement writes those of a kind: it reads them as a virtual table, of which only it
 * knows. They are written before any other statement that names the table, and before the commit;
 * so nobody misses one.
 *
 * The writer's thread, inside its transaction.
 */
#include "sqlite.h"

#include "../../common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST   64               /* of a kind: more at once are hardly cheaper */
#define COLUMNS_MAX ROW_FULL_COLUMNS /* of all kinds */

static const struct {
    const char *table; /* by which the statement names it */
    enum stmt add;
    int columns;
} kinds[ROW_KINDS] = {
    [ROW_PLAIN] = {"new_plain", STMT_JOBS_ADD, ROW_PLAIN_COLUMNS},
    [ROW_GROUPED] = {"new_grouped", STMT_JOBS_ADD_GROUPED, ROW_GROUPED_COLUMNS},
    [ROW_FULL] = {"new_full", STMT_JOBS_ADD_FULL, ROW_FULL_COLUMNS},
    [ROW_ENDED] = {"new_ended", STMT_JOBS_ADD_ENDED, ROW_ENDED_COLUMNS},
};

struct kind {
    struct param *column; /* of one row after the other; NULL: there was none yet */
    int columns, count;
};

struct rows {
    struct kind kind[ROW_KINDS];
};

static struct param *row_at(const struct kind *k, int row)
{
    return k->column + (ptrdiff_t)row * k->columns;
}

/* ---- the virtual table ---- */

struct table {
    sqlite3_vtab base;
    const struct kind *kind;
};

struct cursor {
    sqlite3_vtab_cursor base;
    int row;
};

static const struct kind *kind_of(const sqlite3_vtab_cursor *c)
{
    return ((const struct table *)(const void *)c->pVtab)->kind;
}

static int *row_of(sqlite3_vtab_cursor *c)
{
    return &((struct cursor *)(void *)c)->row;
}

static int t_connect(sqlite3 *c, void *kind, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **why)
{
    (void)argc, (void)argv, (void)why;
    char sql[COLUMNS_MAX * 4 + 32] = "CREATE TABLE t (c0"; /* the names do not matter */
    size_t len = strlen(sql);
    const struct kind *k = kind;
    for (int i = 1; i < k->columns; i++)
        len += (size_t)snprintf(sql + len, sizeof(sql) - len, ",c%d", i);
    snprintf(sql + len, sizeof(sql) - len, ")");
    int rc = sqlite3_declare_vtab(c, sql);
    struct table *t = rc == SQLITE_OK ? malloc(sizeof(*t)) : NULL;
    if (!t)
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    *t = (struct table){.kind = k};
    *out = &t->base;
    return SQLITE_OK;
}

static int t_disconnect(sqlite3_vtab *t)
{
    free(t);
    return SQLITE_OK;
}

/* There is one way to read it: all, in order. */
static int t_best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
    (void)t;
    info->estimatedCost = ROWS_MOST;
    info->estimatedRows = ROWS_MOST;
    return SQLITE_OK;
}

static int t_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out)
{
    (void)t;
    struct cursor *c = malloc(sizeof(*c));
    if (!c)
        return SQLITE_NOMEM;
    *c = (struct cursor){0};
    *out = &c->base;
    return SQLITE_OK;
}

static int t_close(sqlite3_vtab_cursor *c)
{
    free(c);
    return SQLITE_OK;
}

static int t_filter(sqlite3_vtab_cursor *c, int index, const char *name, int argc,
                    sqlite3_value **argv)
{
    (void)index, (void)name, (void)argc, (void)argv;
    *row_of(c) = 0;
    return SQLITE_OK;
}

static int t_next(sqlite3_vtab_cursor *c)
{
    ++*row_of(c);
    return SQLITE_OK;
}

static int t_eof(sqlite3_vtab_cursor *c)
{
    return *row_of(c) >= kind_of(c)->count;
}

static int t_column(sqlite3_vtab_cursor *c, sqlite3_context *to, int column)
{
    const struct kind *k = kind_of(c);
    const struct param *p = row_at(k, *row_of(c)) + column;
    const void *data = p->data ? p->data : ""; /* as of parameters: NULL would be none */
    switch (p->type) {
    case PARAM_INT:
        sqlite3_result_int64(to, p->i);
        break;
    case PARAM_TEXT:
        sqlite3_result_text64(to, data, p->len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case PARAM_BLOB:
        sqlite3_result_blob64(to, data, p->len, SQLITE_STATIC);
        break;
    case PARAM_NULL:
        break;
    }
    return SQLITE_OK;
}

static int t_rowid(sqlite3_vtab_cursor *c, sqlite3_int64 *out)
{
    *out = *row_of(c);
    return SQLITE_OK;
}

/* Without xCreate it is there by its name, and in no schema. */
static const sqlite3_module module = {
    .xConnect = t_connect,
    .xBestIndex = t_best_index,
    .xDisconnect = t_disconnect,
    .xOpen = t_open,
    .xClose = t_close,
    .xFilter = t_filter,
    .xNext = t_next,
    .xEof = t_eof,
    .xColumn = t_column,
    .xRowid = t_rowid,
};

/* ---- what waits ---- */

int rows_start(struct db *d)
{
    d->rows = calloc(1, sizeof(*d->rows));
    if (!d->rows)
        return -ERR_NOMEM;
    for (int i = 0; i < ROW_KINDS; i++) {
        struct kind *k = &d->rows->kind[i];
        k->columns = kinds[i].columns;
        int rc = sqlite3_create_module_v2(d->c, kinds[i].table, &module, k, NULL);
        if (rc != SQLITE_OK)
            return db_error(d, rc, kinds[i].table);
    }
    return 0;
}

void rows_release(struct db *d)
{
    for (int i = 0; d->rows && i < ROW_KINDS; i++)
        free(d->rows->kind[i].column);
    free(d->rows);
    d->rows = NULL;
}

void rows_drop(struct db *d)
{
    for (int i = 0; d->rows && i < ROW_KINDS; i++)
        d->rows->kind[i].count = 0;
}

static int write_kind(const struct db *d, enum row_kind which)
{
    struct kind *k = &d->rows->kind[which];
    if (k->count == 0)
        return 0;
    int written = db_run(d, kinds[which].add, NULL, 0);
    if (written < 0)
        return written;
    if (written != k->count)
        return -ERR_STORE_CORRUPT;
    k->count = 0;
    return 0;
}

int rows_write(const struct db *d)
{
    int err = 0;
    for (int i = 0; i < ROW_KINDS && !err; i++)
        err = write_kind(d, (enum row_kind)i);
    return err;
}

int rows_add(const struct db *d, enum row_kind which, const struct param *row)
{
    struct kind *k = &d->rows->kind[which];
    int err = k->count == ROWS_MOST ? rows_write(d) : 0;
    if (!k->column)
        k->column = malloc(ROWS_MOST * (size_t)k->columns * sizeof(*k->column));
    if (!k->column)
        return -ERR_NOMEM;
    if (!err)
        memcpy(row_at(k, k->count++), row, (size_t)k->columns * sizeof(*row));
    return err;
}
