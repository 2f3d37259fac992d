/*
 * sqlite_wal.c - a layer under the write connection that gathers what SQLite writes to its log.
 *
 * SQLite writes each frame of the log by two calls, one for its head and one for its page, and a
 * commit has a dozen frames. Here writes that follow each other are kept and written by one call at
 * the sync. Nothing else changes: what a commit needs on disk is written and synced before its sync
 * returns, in the order of the file; whatever reads, cuts or measures the log writes out first; an
 * error of the write is the sync's. A reader of the log never looks beyond what a sync was done
 * for.
 *
 * The writer's thread alone. All other files, and the log of other connections, do without this.
 */
#include "sqlite.h"

#include <string.h>

#define GATHER_BYTES (120 * 1024) /* SQLite's own files take less than 128 KiB in one call */

struct log_file {
    sqlite3_file base;
    char *data; /* NULL: no memory for it, all is passed on */
    int len;
    sqlite3_int64 at; /* where data belongs in the file */
};

static sqlite3_vfs *real; /* set before the layer is used, by the thread that opens the store */

static sqlite3_file *under(struct log_file *f)
{
    return (sqlite3_file *)(void *)(f + 1);
}

static struct log_file *log_of(sqlite3_file *base)
{
    return (struct log_file *)(void *)base;
}

static int write_out(struct log_file *f)
{
    int len = f->len;
    f->len =
        0; /* also when it fails: the transaction is undone then, as after a write that failed */
    return len ? under(f)->pMethods->xWrite(under(f), f->data, len, f->at) : SQLITE_OK;
}

static int w_write(sqlite3_file *base, const void *data, int n, sqlite3_int64 at)
{
    struct log_file *f = log_of(base);
    if (f->len && (at != f->at + f->len || n > GATHER_BYTES - f->len)) {
        int rc = write_out(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (!f->data || n > GATHER_BYTES)
        return under(f)->pMethods->xWrite(under(f), data, n, at);
    if (!f->len)
        f->at = at;
    memcpy(f->data + f->len, data, (size_t)n);
    f->len += n;
    return SQLITE_OK;
}

static int w_sync(sqlite3_file *base, int flags)
{
    int rc = write_out(log_of(base));
    sqlite3_file *u = under(log_of(base));
    return rc == SQLITE_OK ? u->pMethods->xSync(u, flags) : rc;
}

static int w_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    int rc = write_out(log_of(base));
    sqlite3_file *u = under(log_of(base));
    return rc == SQLITE_OK ? u->pMethods->xRead(u, out, n, at) : rc;
}

static int w_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int rc = write_out(log_of(base));
    sqlite3_file *u = under(log_of(base));
    return rc == SQLITE_OK ? u->pMethods->xTruncate(u, size) : rc;
}

static int w_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int rc = write_out(log_of(base));
    sqlite3_file *u = under(log_of(base));
    return rc == SQLITE_OK ? u->pMethods->xFileSize(u, size) : rc;
}

static int w_close(sqlite3_file *base)
{
    struct log_file *f = log_of(base);
    int rc = write_out(f);
    int closed = under(f)->pMethods->xClose(under(f));
    sqlite3_free(f->data);
    f->data = NULL;
    return rc == SQLITE_OK ? closed : rc;
}

static int w_control(sqlite3_file *base, int op, void *arg)
{
    int rc = write_out(log_of(base));
    sqlite3_file *u = under(log_of(base));
    return rc == SQLITE_OK ? u->pMethods->xFileControl(u, op, arg) : rc;
}

/* The log is never locked: the locks are the database's. */
static int w_lock(sqlite3_file *base, int level)
{
    sqlite3_file *u = under(log_of(base));
    return u->pMethods->xLock(u, level);
}

static int w_unlock(sqlite3_file *base, int level)
{
    sqlite3_file *u = under(log_of(base));
    return u->pMethods->xUnlock(u, level);
}

static int w_reserved(sqlite3_file *base, int *out)
{
    sqlite3_file *u = under(log_of(base));
    return u->pMethods->xCheckReservedLock(u, out);
}

static int w_sector(sqlite3_file *base)
{
    sqlite3_file *u = under(log_of(base));
    return u->pMethods->xSectorSize(u);
}

static int w_device(sqlite3_file *base)
{
    sqlite3_file *u = under(log_of(base));
    return u->pMethods->xDeviceCharacteristics(u);
}

/* Version 1: the rest is for the file of the database. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = w_close,
    .xRead = w_read,
    .xWrite = w_write,
    .xTruncate = w_truncate,
    .xSync = w_sync,
    .xFileSize = w_size,
    .xLock = w_lock,
    .xUnlock = w_unlock,
    .xCheckReservedLock = w_reserved,
    .xFileControl = w_control,
    .xSectorSize = w_sector,
    .xDeviceCharacteristics = w_device,
};

static int w_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    (void)vfs;
    if (!(flags & SQLITE_OPEN_WAL)) /* straight to the system's */
        return real->xOpen(real, path, base, flags, out_flags);
    struct log_file *f = log_of(base);
    *f = (struct log_file){0};
    under(f)->pMethods = NULL;
    int rc = real->xOpen(real, path, under(f), flags, out_flags);
    if (rc != SQLITE_OK) {
        if (under(f)->pMethods)
            (void)under(f)->pMethods->xClose(under(f));
        return rc;
    }
    f->data = sqlite3_malloc(GATHER_BYTES);
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

int wal_layer(const char **name)
{
    static sqlite3_vfs vfs;
    static const char own[] = "jobmill-log";
    *name = own;
    sqlite3_vfs *now = sqlite3_vfs_find(NULL);
    if (!now)
        return SQLITE_ERROR;
    if (real == now)
        return SQLITE_OK;
    if (real)
        (void)sqlite3_vfs_unregister(&vfs);
    real = now;
    vfs = *now; /* names, time, randomness and sleep are its own */
    vfs.pNext = NULL;
    vfs.zName = own;
    vfs.szOsFile = (int)sizeof(struct log_file) + now->szOsFile;
    vfs.xOpen = w_open;
    return sqlite3_vfs_register(&vfs, 0);
}
