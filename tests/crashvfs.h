/*
 * crashvfs.h - a layer under SQLite for tests: passes every call to the system's own VFS, and on
 * the way writes down what would be lost in a power cut, and lets the n-th call fail.
 *
 * One process, one thread at a time. Only files whose name holds "jobmill.db" are looked at. The
 * log has one entry for each write, truncation, sync, creation and deletion; its length is the
 * "now" that a test notes beside what was acknowledged. The shared memory of the log (-shm) is
 * memory.
 *
 * The disk that is modelled: what was synced stays. Of what was not, each write stays, is lost, or
 * stays in some of its 512-byte sectors; a sector that was being written may hold neither the old
 * bytes nor the new. Later writes may stay while earlier ones are lost. Creations and deletions of
 * names happen in their order, and are certain once the directory was synced.
 */
#ifndef JOBMILL_TESTS_CRASHVFS_H
#define JOBMILL_TESTS_CRASHVFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes this layer SQLite's default. Before the first connection. 0, or an SQLite result code. */
int crashvfs_install(void);

/* ---- the record ---- */

/* Begins an empty record; the files that are in `dir` now are what the disk holds for certain. */
void crashvfs_record(const char *dir);
size_t crashvfs_now(void);      /* entries so far */
void crashvfs_dir_synced(void); /* the test knows that the directory was synced past this layer */
void crashvfs_stop(void);       /* ends the record and forgets it */

/* A walk through the record; positions only grow. */
struct crash;
struct crash *crash_begin(void);
void crash_advance(struct crash *c, size_t now); /* the state when `now` entries were done */
/* Writes one of the disks that a power cut at this position may leave into the directory `out`,
 * chosen by `seed`. 0, or -1 with errno. */
int crash_image(const struct crash *c, uint64_t seed, const char *out);
void crash_end(struct crash *c);

/* ---- faults ---- */

enum crashvfs_call {
    CRASH_READ = 1,
    CRASH_WRITE = 2, /* half of it is written */
    CRASH_SYNC = 4,
    CRASH_TRUNCATE = 8,
    CRASH_OPEN = 16,
    CRASH_DELETE = 32,
    CRASH_SIZE = 64,
    CRASH_LOCK = 128,
    CRASH_SHM = 256,   /* memory that is shared with readers */
    CRASH_MEMORY = 512 /* an allocation, of SQLite's or (with wrapalloc.c) of ours */
};

/* The n-th call (from 1) of the kinds in `calls` from now on fails, and the `lasting` ones after
 * it. full: for want of room (writes and truncations that can say so), else as an I/O error. */
void crashvfs_fail(unsigned calls, long n, long lasting, bool full);
/* Paused: nothing fails, is counted or recorded; the files opened then never are. */
void crashvfs_pause(bool paused);
bool crashvfs_memory_fails(void); /* counts an allocation: does it fail? */
long crashvfs_counted(void);      /* calls since crashvfs_fail, of its kinds */
bool crashvfs_hit(void);          /* a fault was given since crashvfs_fail */

/* A small generator for tests: the same numbers for the same seed. */
uint64_t crash_random(uint64_t *state);

#endif
