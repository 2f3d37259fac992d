/*
 * sqlite_files.c - a layer between SQLite and the system's files, under all connections to a store.
 *
 * What is written to the log is gathered. SQLite writes each frame of it by two calls, one for its
 * head and one for its page, and a commit has a dozen frames. Here writes that follow each other
 * are kept and written by one call at the sync. Nothing else changes: what a commit needs on disk
 * is written and synced before its sync returns, in the order of the file; whatever reads, cuts or
 * measures the log writes out first; an error of the write is the sync's. A reader of the log never
 * looks beyond what a sync was done for.
 *
 * And a read that the disk refuses (EIO) is told as such. SQLite takes it for a file system that is
 * damaged, and tells of a damaged database; but one may read the same bytes the next time.
 *
 * A file belongs to the thread of its connection. Files other than the database and its log do
 * without this.
 */
#include "sqlite.h"

#include <string.h>

#define GATHER_BYTES (120 * 1024) /* SQLite's own files take less than 128 KiB in one call */

struct file {
    sqlite3_file base;
    bool gathers; /* the log */
    char *data;   /* NULL: nothing was written yet, or no memory for it: all is passed on */
    int len;
    sqlite3_int64 at; /* where data belongs in the file */
};

static sqlite3_vfs *real; /* set before the layer is used, by the thread that opens the store */

static sqlite3_file *under(struct file *f)
{
    return (sqlite3_file *)(void *)(f + 1);
}

static struct file *file_of(sqlite3_file *base)
{
    return (struct file *)(void *)base;
}

static int write_out(struct file *f)
{
    int len = f->len;
    f->len =
        0; /* also when it fails: the transaction is undone then, as after a write that failed */
    return len ? under(f)->pMethods->xWrite(under(f), f->data, len, f->at) : SQLITE_OK;
}

static int w_write(sqlite3_file *base, const void *data, int n, sqlite3_int64 at)
{
    struct file *f = file_of(base);
    if (f->len && (at != f->at + f->len || n > GATHER_BYTES - f->len)) {
        int rc = write_out(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (!f->data && f->gathers)
        f->data = sqlite3_malloc(GATHER_BYTES);
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
    int rc = write_out(file_of(base));
    sqlite3_file *u = under(file_of(base));
    return rc == SQLITE_OK ? u->pMethods->xSync(u, flags) : rc;
}

static int w_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    int rc = write_out(file_of(base));
    sqlite3_file *u = under(file_of(base));
    if (rc == SQLITE_OK)
        rc = u->pMethods->xRead(u, out, n, at);
    return rc == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : rc;
}

static int w_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    int rc = write_out(file_of(base));
    sqlite3_file *u = under(file_of(base));
    return rc == SQLITE_OK ? u->pMethods->xTruncate(u, size) : rc;
}

static int w_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int rc = write_out(file_of(base));
    sqlite3_file *u = under(file_of(base));
    return rc == SQLITE_OK ? u->pMethods->xFileSize(u, size) : rc;
}

static int w_close(sqlite3_file *base)
{
    struct file *f = file_of(base);
    int rc = write_out(f);
    int closed = under(f)->pMethods->xClose(under(f));
    sqlite3_free(f->data);
    f->data = NULL;
    return rc == SQLITE_OK ? closed : rc;
}

static int w_control(sqlite3_file *base, int op, void *arg)
{
    int rc = write_out(file_of(base));
    sqlite3_file *u = under(file_of(base));
    return rc == SQLITE_OK ? u->pMethods->xFileControl(u, op, arg) : rc;
}

/* ---- of the database alone: locks, and the memory that its connections share ---- */

static int w_lock(sqlite3_file *base, int level)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xLock(u, level);
}

static int w_unlock(sqlite3_file *base, int level)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xUnlock(u, level);
}

static int w_reserved(sqlite3_file *base, int *out)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xCheckReservedLock(u, out);
}

static int w_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xShmMap(u, page, size, extend, out);
}

static int w_shm_lock(sqlite3_file *base, int from, int n, int flags)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xShmLock(u, from, n, flags);
}

static void w_shm_barrier(sqlite3_file *base)
{
    sqlite3_file *u = under(file_of(base));
    u->pMethods->xShmBarrier(u);
}

static int w_shm_unmap(sqlite3_file *base, int delete)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xShmUnmap(u, delete);
}

/* ---- all of a file ---- */

static int w_sector(sqlite3_file *base)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xSectorSize(u);
}

static int w_device(sqlite3_file *base)
{
    sqlite3_file *u = under(file_of(base));
    return u->pMethods->xDeviceCharacteristics(u);
}

/* Version 2: no file is mapped. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
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
    .xShmMap = w_shm_map,
    .xShmLock = w_shm_lock,
    .xShmBarrier = w_shm_barrier,
    .xShmUnmap = w_shm_unmap,
};

static int w_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    (void)vfs;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))) /* straight to the system's */
        return real->xOpen(real, path, base, flags, out_flags);
    struct file *f = file_of(base);
    *f = (struct file){.gathers = (flags & SQLITE_OPEN_WAL) != 0};
    under(f)->pMethods = NULL;
    int rc = real->xOpen(real, path, under(f), flags, out_flags);
    if (rc != SQLITE_OK) {
        if (under(f)->pMethods)
            (void)under(f)->pMethods->xClose(under(f));
        return rc;
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

int files_layer(const char **name)
{
    static sqlite3_vfs vfs;
    static const char own[] = "jobmill";
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
    vfs.szOsFile = (int)sizeof(struct file) + now->szOsFile;
    vfs.xOpen = w_open;
    return sqlite3_vfs_register(&vfs, 0);
}
