/*
 * joblog.c - lines of jobs -> their files. The collector's thread, but for joblog_open, _close and
 * _path.
 *
 * Lines wait in memory until the collector has taken in what it read at once, so a busy pipe costs
 * one write for each job and 64 KiB, not one for each line. The descriptors of the last OPEN_FILES
 * jobs are kept.
 */
#include "joblog.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "../common/fdio.h"
#include "waiters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FILES    32
#define PENDING_BYTES 65536 /* written at once, without waiting for joblog_flush */
#define HEAD_MAX      64

struct file {
    struct id job;
    int fd;
    uint64_t size;            /* with what is pending */
    uint64_t used;            /* counts up: the least is the one used longest ago */
    unsigned long long lines; /* pending */
    bool full;
    struct buf pending;
};

static struct {
    int dir_fd;
    uint64_t max;
    _Atomic bool on;
    uint64_t uses;
    unsigned long long lost;
    size_t count;
    struct file file[OPEN_FILES];
} l = {.dir_fd = -1};

int joblog_open(const char *data_dir, uint64_t max)
{
    char *path;
    if (asprintf(&path, "%s/logs", data_dir) < 0)
        return -ERR_NOMEM;
    int fd = -1;
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return -ERR_SYSTEM;
    l.dir_fd = fd;
    l.max = max;
    atomic_store_explicit(&l.on, true, memory_order_release);
    return 0;
}

void joblog_close(void)
{
    atomic_store(&l.on, false);
    fd_close(&l.dir_fd);
}

int joblog_dir(void)
{
    return atomic_load_explicit(&l.on, memory_order_acquire) ? l.dir_fd : -1;
}

/* Ids of one moment differ in their end only: that is what spreads them. */
void joblog_path(const struct id *job, char out[JOBLOG_PATH])
{
    char text[ID_TEXT];
    id_format(job, text);
    snprintf(out, JOBLOG_PATH, "%s/%s", text + ID_TEXT - 3, text);
}

/* No job has such an id: its version is another. */
struct id joblog_key(const struct id *job)
{
    struct id key = *job;
    key.b[6] ^= 0xF0;
    return key;
}

/* ---- files ---- */

static int open_file(const struct id *job)
{
    const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    char path[JOBLOG_PATH];
    joblog_path(job, path);
    int fd = openat(l.dir_fd, path, flags, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    path[2] = '\0';
    if (mkdirat(l.dir_fd, path, 0700) < 0 && errno != EEXIST)
        return -1;
    path[2] = '/';
    return openat(l.dir_fd, path, flags, 0600);
}

/* One that is full cannot be opened for writing, but by root. */
static bool is_full(const struct id *job)
{
    char path[JOBLOG_PATH];
    struct stat st;
    joblog_path(job, path);
    return fstatat(l.dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && !(st.st_mode & S_IWUSR);
}

/* What the last service left may end within a line. */
static void look_at_end(struct file *f)
{
    struct stat st;
    char last = '\n';
    if (fstat(f->fd, &st) < 0)
        return;
    f->size = (uint64_t)st.st_size;
    f->full = !(st.st_mode & S_IWUSR);
    if (f->size > 0 && pread(f->fd, &last, 1, st.st_size - 1) == 1 && last != '\n') {
        buf_addc(&f->pending, '\n');
        f->size++;
    }
}

static void write_out(struct file *f)
{
    const struct id key = joblog_key(&f->job);
    if (f->pending.len == 0)
        return;
    struct stat st;
    bool ok = !f->pending.failed && f->fd >= 0 && fstat(f->fd, &st) == 0;
    if (ok && fd_write_all(f->fd, f->pending.data, f->pending.len) != 0) {
        ok = false;
        (void)!ftruncate(f->fd, st.st_size); /* whole lines, as far as it goes */
        f->size = (uint64_t)st.st_size;
    }
    if (ok && f->full)
        (void)fchmod(f->fd, S_IRUSR);
    if (!ok)
        l.lost += f->lines;
    f->lines = 0;
    buf_clear(&f->pending);
    if (ok)
        (void)waiters_job_ended(&key, NULL);
}

static void drop_file(struct file *f)
{
    fd_close(&f->fd);
    buf_release(&f->pending);
    struct file *last = &l.file[--l.count];
    if (f != last)
        *f = *last;
}

static struct file *file_of(const struct id *job)
{
    struct file *oldest = NULL;
    for (size_t i = 0; i < l.count; i++) {
        struct file *f = &l.file[i];
        if (id_equal(&f->job, job)) {
            f->used = ++l.uses;
            return f;
        }
        if (!oldest || f->used < oldest->used)
            oldest = f;
    }
    if (l.count == OPEN_FILES) {
        write_out(oldest);
        drop_file(oldest);
    }
    struct file *f = &l.file[l.count++];
    *f = (struct file){.job = *job, .fd = -1, .used = ++l.uses};
    f->full = is_full(job);
    if (f->full)
        return f;
    f->fd = open_file(job);
    if (f->fd < 0) {
        drop_file(f);
        return NULL;
    }
    look_at_end(f);
    return f;
}

/* ---- lines ---- */

static void put(struct file *f, const char *head, const char *text, size_t len)
{
    buf_adds(&f->pending, head);
    buf_add(&f->pending, text, len);
    buf_addc(&f->pending, '\n');
    f->size += strlen(head) + len + 1;
    f->lines++;
    if (f->pending.len >= PENDING_BYTES)
        write_out(f);
}

static void add_line(struct file *f, const struct log_record *r, const char *text, size_t len)
{
    char time[CLOCK_TEXT], head[HEAD_MAX], note[128];
    if (f->full)
        return;
    clock_format(r->wall_us, time);
    snprintf(head, sizeof(head), "%s %u %s ", time, r->attempt,
             log_level_name((enum log_level)r->level));
    if (f->size + strlen(head) + len + 1 <= l.max) {
        put(f, head, text, len);
        return;
    }
    f->full = true;
    snprintf(head, sizeof(head), "%s %u %s ", time, r->attempt, log_level_name(LOG_WARN));
    int n = snprintf(note, sizeof(note),
                     "(jobmill: log_max = %llu bytes are reached: what follows is not kept)",
                     (unsigned long long)l.max);
    put(f, head, note, n < 0 ? 0 : (size_t)n);
}

void joblog_add(const struct log_record *r, const char *text, size_t len)
{
    if (!atomic_load_explicit(&l.on, memory_order_acquire) || l.max == 0)
        return;
    struct file *f = file_of(&r->job);
    if (!f) {
        l.lost++;
        return;
    }
    if (len > 0 && text[len - 1] == '\n')
        len--;
    for (const char *end; (end = memchr(text, '\n', len));) {
        size_t part = (size_t)(end - text);
        add_line(f, r, text, part);
        text += part + 1;
        len -= part + 1;
    }
    add_line(f, r, text, len);
}

void joblog_flush(void)
{
    for (size_t i = 0; i < l.count; i++)
        write_out(&l.file[i]);
}

unsigned long long joblog_lost(void)
{
    unsigned long long n = l.lost;
    l.lost = 0;
    return n;
}

void joblog_remove(const struct id *job)
{
    char path[JOBLOG_PATH];
    if (!atomic_load_explicit(&l.on, memory_order_acquire))
        return;
    for (size_t i = 0; i < l.count; i++) {
        if (id_equal(&l.file[i].job, job)) {
            drop_file(&l.file[i]);
            break;
        }
    }
    joblog_path(job, path);
    (void)unlinkat(l.dir_fd, path, 0);
}

void joblog_rest(void)
{
    joblog_flush();
    while (l.count > 0)
        drop_file(&l.file[l.count - 1]);
}
