/*
 * crashvfs.c - the layer under SQLite: passing on, writing down, failing. The disks that follow
 * from the record are made in crashdisk.c. One thread at a time.
 */
#include "crashvfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct crash_log crash_log;

static sqlite3_vfs *real;
static struct {
    unsigned calls;
    long n, in, lasting;
    bool full, paused, hit;
} fault;

struct file {
    sqlite3_file base;
    int inode;    /* in the record, or -1 */
    bool watched; /* a file of the store: its calls may fail */
};
#define REAL(f) ((sqlite3_file *)(void *)((char *)(f) + sizeof(struct file)))

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

uint64_t crash_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- faults ---- */

void crashvfs_fail(unsigned calls, long n, long lasting, bool full)
{
    fault.calls = calls;
    fault.in = fault.n = n;
    fault.lasting = lasting;
    fault.full = full;
    fault.hit = false;
}

void crashvfs_pause(bool paused)
{
    fault.paused = paused;
}

long crashvfs_counted(void)
{
    return fault.n - fault.in;
}

bool crashvfs_hit(void)
{
    return fault.hit;
}

static bool fails(const struct file *f, enum crashvfs_call call)
{
    if (fault.paused || !(fault.calls & call) || (f && !f->watched))
        return false;
    fault.in--;
    bool now = fault.in <= 0 && fault.in > -fault.lasting;
    fault.hit = fault.hit || now;
    return now;
}

/* ---- the record ---- */

static struct crash_op *log_add(enum crash_kind kind, int inode)
{
    if (!crash_log.on || fault.paused)
        return NULL;
    if (crash_log.count == crash_log.cap) {
        crash_log.cap = crash_log.cap ? crash_log.cap * 2 : 1024;
        crash_log.op = need(realloc(crash_log.op, crash_log.cap * sizeof(*crash_log.op)));
    }
    struct crash_op *op = &crash_log.op[crash_log.count++];
    *op = (struct crash_op){.kind = kind, .inode = inode};
    return op;
}

static const char *tail_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int name_of(const char *path)
{
    const char *tail = tail_of(path);
    for (int i = 0; i < CRASH_NAMES; i++) {
        if (strcmp(tail, crash_names[i]) == 0)
            return i;
    }
    return -1;
}

static int inode_new(int name)
{
    if (crash_log.inodes == CRASH_INODES)
        abort(); /* a longer run needs a larger table */
    int inode = crash_log.inodes++;
    crash_log.name_of[inode] = name;
    crash_log.at[name] = inode;
    return inode;
}

/* The file as it is on the real disk now. */
static char *slurp(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *len = 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) != 0)
        abort();
    char *data = need(malloc((size_t)st.st_size + 1));
    ssize_t got = read(fd, data, (size_t)st.st_size);
    if (got != st.st_size)
        abort();
    *len = (size_t)got;
    close(fd);
    return data;
}

void crashvfs_record(const char *dir)
{
    crashvfs_stop();
    for (int i = 0; i < CRASH_NAMES; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", dir, crash_names[i]);
        crash_log.at[i] = -1;
        size_t len;
        char *data = slurp(path, &len);
        if (!data)
            continue;
        int inode = inode_new(i);
        crash_log.first[inode] = data;
        crash_log.first_len[inode] = len;
        crash_log.certain[inode] = true;
    }
    crash_log.on = true;
}

void crashvfs_stop(void)
{
    for (size_t i = 0; i < crash_log.count; i++)
        free(crash_log.op[i].data);
    for (int i = 0; i < crash_log.inodes; i++)
        free(crash_log.first[i]);
    free(crash_log.op);
    crash_log = (struct crash_log){0};
}

size_t crashvfs_now(void)
{
    return crash_log.count;
}

void crashvfs_dir_synced(void)
{
    log_add(CRASH_OP_DIR_SYNC, -1);
}

/* ---- files ---- */

static int f_close(sqlite3_file *base)
{
    sqlite3_file *r = REAL(base);
    return r->pMethods ? r->pMethods->xClose(r) : SQLITE_OK;
}

static int f_read(sqlite3_file *base, void *buf, int n, sqlite3_int64 at)
{
    if (fails((struct file *)base, CRASH_READ))
        return SQLITE_IOERR_CORRUPTFS; /* as the real one for EIO */
    return REAL(base)->pMethods->xRead(REAL(base), buf, n, at);
}

static int write_down(struct file *f, const void *buf, int n, sqlite3_int64 at)
{
    int rc = REAL(f)->pMethods->xWrite(REAL(f), buf, n, at);
    struct crash_op *op =
        rc == SQLITE_OK && f->inode >= 0 ? log_add(CRASH_OP_WRITE, f->inode) : NULL;
    if (op) {
        op->data = need(malloc((size_t)n));
        memcpy(op->data, buf, (size_t)n);
        op->len = (size_t)n;
        op->at = (size_t)at;
    }
    return rc;
}

static int f_write(sqlite3_file *base, const void *buf, int n, sqlite3_int64 at)
{
    struct file *f = (struct file *)base;
    if (!fails(f, CRASH_WRITE))
        return write_down(f, buf, n, at);
    if (n / 2 > 0)
        write_down(f, buf, n / 2, at);
    return fault.full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *f = (struct file *)base;
    if (fails(f, CRASH_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    int rc = REAL(base)->pMethods->xTruncate(REAL(base), size);
    struct crash_op *op =
        rc == SQLITE_OK && f->inode >= 0 ? log_add(CRASH_OP_TRUNCATE, f->inode) : NULL;
    if (op)
        op->at = (size_t)size;
    return rc;
}

static int f_sync(sqlite3_file *base, int flags)
{
    struct file *f = (struct file *)base;
    if (fails(f, CRASH_SYNC))
        return SQLITE_IOERR_FSYNC;
    int rc = REAL(base)->pMethods->xSync(REAL(base), flags);
    if (rc != SQLITE_OK || f->inode < 0)
        return rc;
    log_add(CRASH_OP_SYNC, f->inode);
    /* What the system's VFS does at the first sync of a journal or log that it made. */
    bool made = !crash_log.certain[f->inode] && crash_log.name_of[f->inode] != CRASH_DB;
    if (made && !crash_log.dir_synced[f->inode])
        log_add(CRASH_OP_DIR_SYNC, -1);
    crash_log.dir_synced[f->inode] = true;
    return rc;
}

static int f_size(sqlite3_file *base, sqlite3_int64 *size)
{
    if (fails((struct file *)base, CRASH_SIZE))
        return SQLITE_IOERR_FSTAT;
    return REAL(base)->pMethods->xFileSize(REAL(base), size);
}

static int f_lock(sqlite3_file *base, int level)
{
    if (fails((struct file *)base, CRASH_LOCK))
        return SQLITE_IOERR_LOCK;
    return REAL(base)->pMethods->xLock(REAL(base), level);
}

static int f_unlock(sqlite3_file *base, int level)
{
    return REAL(base)->pMethods->xUnlock(REAL(base), level);
}

static int f_reserved(sqlite3_file *base, int *out)
{
    return REAL(base)->pMethods->xCheckReservedLock(REAL(base), out);
}

static int f_control(sqlite3_file *base, int op, void *arg)
{
    return REAL(base)->pMethods->xFileControl(REAL(base), op, arg);
}

static int f_sector(sqlite3_file *base)
{
    return REAL(base)->pMethods->xSectorSize(REAL(base));
}

static int f_device(sqlite3_file *base)
{
    return REAL(base)->pMethods->xDeviceCharacteristics(REAL(base));
}

static int f_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    if (fails((struct file *)base, CRASH_SHM))
        return SQLITE_IOERR_SHMMAP;
    return REAL(base)->pMethods->xShmMap(REAL(base), region, size, extend, out);
}

static int f_shm_lock(sqlite3_file *base, int at, int n, int flags)
{
    if ((flags & SQLITE_SHM_LOCK) && fails((struct file *)base, CRASH_SHM))
        return SQLITE_IOERR_SHMLOCK;
    return REAL(base)->pMethods->xShmLock(REAL(base), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *base)
{
    (void)base; /* one process, one thread: what SQLite's own does with its lock is not needed */
    atomic_thread_fence(memory_order_seq_cst);
}

static int f_shm_unmap(sqlite3_file *base, int drop)
{
    return REAL(base)->pMethods->xShmUnmap(REAL(base), drop);
}

/* Version 2: no memory map. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

/* ---- names ---- */

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    (void)vfs;
    struct file *f = (struct file *)base;
    struct stat st;
    int name = path ? name_of(path) : -1;
    bool there = name >= 0 && stat(path, &st) == 0;
    *f = (struct file){.inode = -1, .watched = name >= 0};
    REAL(base)->pMethods = NULL;
    if (name >= 0 && fails(f, CRASH_OPEN))
        return SQLITE_CANTOPEN;
    int rc = real->xOpen(real, path, REAL(base), flags, out_flags);
    if (rc == SQLITE_OK)
        base->pMethods = &methods;
    if (rc != SQLITE_OK || name < 0 || !crash_log.on || fault.paused)
        return rc;
    if (!there || crash_log.at[name] < 0) { /* made now, or just before past this layer */
        f->inode = inode_new(name);
        log_add(CRASH_OP_CREATE, f->inode);
    }
    f->inode = crash_log.at[name];
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    (void)vfs;
    int name = name_of(path);
    if (name >= 0 && fails(NULL, CRASH_DELETE))
        return SQLITE_IOERR_DELETE;
    int rc = real->xDelete(real, path, sync_dir);
    if (rc == SQLITE_OK && crash_log.on && !fault.paused && name >= 0 && crash_log.at[name] >= 0) {
        log_add(CRASH_OP_DELETE, crash_log.at[name]);
        crash_log.at[name] = -1;
        if (sync_dir)
            log_add(CRASH_OP_DIR_SYNC, -1);
    }
    return rc;
}

static int v_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    return real->xAccess(real, path, flags, out);
}

static int v_full(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
    (void)vfs;
    return real->xFullPathname(real, path, n, out);
}

/* ---- memory ---- */

static sqlite3_mem_methods memory;

bool crashvfs_memory_fails(void)
{
    return fails(NULL, CRASH_MEMORY);
}

static void *m_malloc(int n)
{
    return crashvfs_memory_fails() ? NULL : memory.xMalloc(n);
}

static void *m_realloc(void *p, int n)
{
    return crashvfs_memory_fails() ? NULL : memory.xRealloc(p, n);
}

int crashvfs_install(void)
{
    static sqlite3_vfs vfs;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    sqlite3_mem_methods ours = memory;
    ours.xMalloc = m_malloc;
    ours.xRealloc = m_realloc;
    if (rc == SQLITE_OK)
        rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    if (rc != SQLITE_OK)
        return rc;
    real = sqlite3_vfs_find("unix");
    if (!real)
        return SQLITE_ERROR;
    vfs = *real; /* time, randomness and sleep are the system's */
    vfs.pNext = NULL;
    vfs.zName = "crash";
    vfs.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    vfs.xAccess = v_access;
    vfs.xFullPathname = v_full;
    return sqlite3_vfs_register(&vfs, 1);
}
