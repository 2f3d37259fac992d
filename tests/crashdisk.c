/*
 * crashdisk.c - the disks that a power cut may leave, from the record of crashvfs.c.
 *
 * A walk keeps, for each file, the bytes that are certain, and the list of what was written since
 * its last sync. An image applies some of that list. One thread.
 */
#include "crashvfs_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512

const char *const crash_names[CRASH_NAMES] = {"jobmill.db", "jobmill.db-wal", "jobmill.db-journal"};

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

struct list {
    size_t *op; /* positions in the record */
    size_t count, cap;
};

struct crash {
    size_t now;
    struct bytes certain[CRASH_INODES];
    struct list pending[CRASH_INODES];
    int name[CRASH_NAMES]; /* the inode that certainly has the name, or -1 */
    struct list names;     /* creations and deletions that are not certain */
};

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

static void bytes_size(struct bytes *b, size_t len)
{
    if (len > b->cap) {
        b->cap = len * 2;
        b->data = need(realloc(b->data, b->cap));
    }
    if (len > b->len)
        memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

static void list_add(struct list *l, size_t op)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->op = need(realloc(l->op, l->cap * sizeof(*l->op)));
    }
    l->op[l->count++] = op;
}

static void apply(struct bytes *b, const struct crash_op *op)
{
    if (op->kind == CRASH_OP_TRUNCATE) {
        bytes_size(b, op->at);
        return;
    }
    if (op->at + op->len > b->len)
        bytes_size(b, op->at + op->len);
    memcpy(b->data + op->at, op->data, op->len);
}

static void name_apply(int name[CRASH_NAMES], const struct crash_op *op)
{
    name[crash_log.name_of[op->inode]] = op->kind == CRASH_OP_CREATE ? op->inode : -1;
}

struct crash *crash_begin(void)
{
    struct crash *c = need(calloc(1, sizeof(*c)));
    for (int i = 0; i < CRASH_NAMES; i++)
        c->name[i] = -1;
    for (int i = 0; i < crash_log.inodes; i++) {
        if (!crash_log.certain[i])
            continue;
        bytes_size(&c->certain[i], crash_log.first_len[i]);
        memcpy(c->certain[i].data, crash_log.first[i], crash_log.first_len[i]);
        c->name[crash_log.name_of[i]] = i;
    }
    return c;
}

void crash_end(struct crash *c)
{
    for (int i = 0; i < CRASH_INODES; i++) {
        free(c->certain[i].data);
        free(c->pending[i].op);
    }
    free(c->names.op);
    free(c);
}

static void step(struct crash *c, size_t at)
{
    const struct crash_op *op = &crash_log.op[at];
    switch (op->kind) {
    case CRASH_OP_CREATE:
    case CRASH_OP_DELETE:
        list_add(&c->names, at);
        break;
    case CRASH_OP_WRITE:
    case CRASH_OP_TRUNCATE:
        list_add(&c->pending[op->inode], at);
        break;
    case CRASH_OP_SYNC: {
        struct list *l = &c->pending[op->inode];
        for (size_t i = 0; i < l->count; i++)
            apply(&c->certain[op->inode], &crash_log.op[l->op[i]]);
        l->count = 0;
        break;
    }
    case CRASH_OP_DIR_SYNC:
        for (size_t i = 0; i < c->names.count; i++)
            name_apply(c->name, &crash_log.op[c->names.op[i]]);
        c->names.count = 0;
        break;
    }
}

void crash_advance(struct crash *c, size_t now)
{
    for (; c->now < now && c->now < crash_log.count; c->now++)
        step(c, c->now);
}

/* ---- one image ---- */

/* How the disk chose what to keep. */
enum way { WAY_NOTHING, WAY_ALL, WAY_SOME, WAY_TORN, WAY_FIRST, WAY_LAST, WAY_TRASH, WAYS };

/* Some sectors of a write: each new, old, or with `trash` neither. */
static void apply_torn(struct bytes *b, const struct crash_op *op, uint64_t *random, bool trash)
{
    size_t at = op->at, end = op->at + op->len;
    while (at < end) {
        size_t next = (at / SECTOR + 1) * SECTOR;
        next = next < end ? next : end;
        uint64_t r = crash_random(random) % (trash ? 3 : 2);
        if (r > 0 && next > b->len)
            bytes_size(b, next);
        if (r == 1)
            memcpy(b->data + at, op->data + (at - op->at), next - at);
        for (size_t i = at; r == 2 && i < next; i++)
            b->data[i] = (uint8_t)crash_random(random);
        at = next;
    }
}

static void apply_some(struct bytes *b, const struct list *l, enum way way, uint64_t *random)
{
    size_t cut = l->count ? crash_random(random) % (l->count + 1) : 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct crash_op *op = &crash_log.op[l->op[i]];
        bool keep =
            way == WAY_ALL || (way == WAY_FIRST && i < cut) || (way == WAY_LAST && i >= cut);
        bool torn = way == WAY_FIRST && i == cut;
        if (way == WAY_SOME || way == WAY_TORN || way == WAY_TRASH) {
            uint64_t r = crash_random(random) % 3;
            keep = r == 0;
            torn = r == 1 && way != WAY_SOME;
        }
        if (torn && op->kind == CRASH_OP_WRITE)
            apply_torn(b, op, random, way == WAY_TRASH);
        else if (keep)
            apply(b, op);
    }
}

static int put_file(const char *dir, const char *name, const struct bytes *b)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    size_t done = 0;
    while (done < b->len) {
        ssize_t n = write(fd, b->data + done, b->len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return done == b->len ? 0 : -1;
}

int crash_image(const struct crash *c, uint64_t seed, const char *out)
{
    uint64_t random = seed;
    int name[CRASH_NAMES], err = 0;
    memcpy(name, c->name, sizeof(name));
    enum way way = (enum way)(crash_random(&random) % WAYS);
    size_t kept = way == WAY_ALL       ? c->names.count
                  : way == WAY_NOTHING ? 0
                                       : crash_random(&random) % (c->names.count + 1);
    for (size_t i = 0; i < kept; i++)
        name_apply(name, &crash_log.op[c->names.op[i]]);
    for (int i = 0; i < CRASH_NAMES && !err; i++) {
        if (name[i] < 0)
            continue;
        struct bytes b = {0};
        const struct bytes *was = &c->certain[name[i]];
        bytes_size(&b, was->len);
        if (was->len)
            memcpy(b.data, was->data, was->len);
        apply_some(&b, &c->pending[name[i]], way, &random);
        err = put_file(out, crash_names[i], &b);
        free(b.data);
    }
    return err;
}
