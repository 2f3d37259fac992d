/*
 * board.c - the scoreboard in shared memory. Front end, fork server and workers.
 *
 * The group guarded by a slot's sequence counter is written and read as atomic words, so that a
 * reader that races a writer sees a torn value, which it throws away, and never a data race. Each
 * word is stored with release and loaded with acquire: who loads a new word also sees the counter
 * odd, or changed, when it looks again. No fences: they cost the same on x86 and TSan does not know
 * them.
 */
#include "board.h"

#include "buf.h"
#include "clock.h"
#include "fdio.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOARD_MAGIC 0x4a4d4231u /* "JMB1" */
#define COPY_TRIES  64
#define NO_PROGRESS UINT32_MAX
#define FULL_PPM    1000000u

_Static_assert(JOB_PROGRESS_TEXT_MAX + 1 == 120, "the text is whole words");

static size_t board_size(uint32_t slots)
{
    return sizeof(struct board) + (size_t)slots * sizeof(struct board_slot);
}

struct board *board_new(uint32_t slots, int *fd)
{
    size_t size = board_size(slots);
    int mem = memfd_create("jobmill-board", MFD_CLOEXEC);
    if (mem < 0)
        return NULL;
    struct board *b = MAP_FAILED;
    if (ftruncate(mem, (off_t)size) == 0)
        b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
    if (b == MAP_FAILED) {
        fd_close(&mem);
        return NULL;
    }
    b->magic = BOARD_MAGIC;
    b->size = (uint32_t)size;
    b->slots = slots;
    for (uint32_t i = 0; i < slots; i++)
        atomic_store_explicit(&b->slot[i].progress_ppm, NO_PROGRESS, memory_order_relaxed);
    *fd = mem;
    return b;
}

struct board *board_map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct board))
        return NULL;
    struct board *b = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (b == MAP_FAILED)
        return NULL;
    if (b->magic != BOARD_MAGIC || b->size != (uint32_t)st.st_size ||
        board_size(b->slots) != (size_t)st.st_size) {
        munmap(b, (size_t)st.st_size);
        return NULL;
    }
    return b;
}

void board_unmap(struct board *b)
{
    if (b)
        munmap(b, b->size);
}

static bool cell_move(struct board_slot *slot, unsigned cell, uint64_t seq, enum cell_state to)
{
    uint64_t expected = cell_word(seq, CELL_ASSIGNED);
    return cell < BOARD_DEPTH &&
           atomic_compare_exchange_strong_explicit(&slot->cell[cell], &expected, cell_word(seq, to),
                                                   memory_order_acq_rel, memory_order_acquire);
}

bool cell_start(struct board_slot *slot, unsigned cell, uint64_t seq)
{
    return cell_move(slot, cell, seq, CELL_STARTED);
}

bool cell_revoke(struct board_slot *slot, unsigned cell, uint64_t seq)
{
    return cell_move(slot, cell, seq, CELL_REVOKED);
}

/* ---- words of a group that is guarded by the counter ---- */

static void words_write(void *to, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t w;
        memcpy(&w, (const char *)from + i, 8);
        __atomic_store_n((uint64_t *)(void *)((char *)to + i), w, __ATOMIC_RELEASE);
    }
}

static void words_read(void *to, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t w = __atomic_load_n((const uint64_t *)(const void *)((const char *)from + i),
                                     __ATOMIC_ACQUIRE);
        memcpy((char *)to + i, &w, 8);
    }
}

static void lock_odd(_Atomic uint32_t *lock)
{
    uint32_t n = atomic_load_explicit(lock, memory_order_relaxed);
    atomic_store_explicit(lock, n | 1, memory_order_relaxed);
}

static void lock_even(_Atomic uint32_t *lock)
{
    uint32_t n = atomic_load_explicit(lock, memory_order_relaxed);
    atomic_store_explicit(lock, (n | 1) + 1, memory_order_release);
}

static void write_begin(struct board_slot *s)
{
    lock_odd(&s->lock);
}

static void write_end(struct board_slot *s)
{
    lock_even(&s->lock);
}

void board_task_ended(struct board_task *t, enum attempt_end end, int64_t run_us)
{
    if (end == ATTEMPT_SUCCEEDED)
        atomic_fetch_add_explicit(&t->succeeded, 1, memory_order_relaxed);
    else if (end == ATTEMPT_FAILED)
        atomic_fetch_add_explicit(&t->failed, 1, memory_order_relaxed);
    if (run_us < 0)
        return;
    int64_t ewma = atomic_load_explicit(&t->run_ewma_us, memory_order_relaxed);
    ewma = ewma ? ewma + (run_us - ewma) / 8 : run_us;
    atomic_store_explicit(&t->run_ewma_us, ewma, memory_order_relaxed);
}

void board_trouble_set(struct board_task *t, const char *why, size_t len)
{
    char copy[BOARD_TROUBLE_MAX + 1] = {0};
    if (len)
        memcpy(copy, why, buf_utf8_cut(why, len, BOARD_TROUBLE_MAX));
    lock_odd(&t->trouble_lock);
    words_write(t->trouble, copy, sizeof(copy));
    lock_even(&t->trouble_lock);
}

bool board_trouble_get(const struct board_task *t, char out[BOARD_TROUBLE_MAX + 1])
{
    uint32_t before, after;
    int tries = 0;
    do {
        before = atomic_load_explicit(&t->trouble_lock, memory_order_acquire);
        words_read(out, t->trouble, sizeof(t->trouble));
        after = atomic_load_explicit(&t->trouble_lock, memory_order_relaxed);
    } while (((before & 1) || before != after) && ++tries < COPY_TRIES);
    out[BOARD_TROUBLE_MAX] = '\0';
    return out[0] != '\0';
}

void slot_job_begin(struct board_slot *s, uint64_t seq, const struct id *job, uint32_t attempt,
                    uint32_t task, int64_t wall_us)
{
    static const char no_text[JOB_PROGRESS_TEXT_MAX + 1];
    write_begin(s);
    words_write(&s->job, job, sizeof(*job));
    atomic_store_explicit(&s->attempt, attempt, memory_order_release);
    atomic_store_explicit(&s->task, task, memory_order_release);
    atomic_store_explicit(&s->job_started_us, wall_us, memory_order_release);
    atomic_store_explicit(&s->progress_ppm, NO_PROGRESS, memory_order_release);
    words_write(s->progress_text, no_text, 8); /* a zero at its start empties it */
    atomic_store_explicit(&s->seq, seq, memory_order_release);
    write_end(s);
}

void slot_job_end(struct board_slot *s)
{
    write_begin(s);
    atomic_store_explicit(&s->seq, 0, memory_order_release);
    write_end(s);
}

void slot_progress(struct board_slot *s, double fraction, const char *text, size_t len)
{
    write_begin(s);
    if (fraction >= 0) {
        uint32_t ppm = fraction >= 1 ? FULL_PPM : (uint32_t)(fraction * FULL_PPM + 0.5);
        atomic_store_explicit(&s->progress_ppm, ppm, memory_order_release);
    }
    if (text) {
        char copy[JOB_PROGRESS_TEXT_MAX + 1] = {0};
        memcpy(copy, text, buf_utf8_cut(text, len, JOB_PROGRESS_TEXT_MAX));
        words_write(s->progress_text, copy, sizeof(copy));
    }
    write_end(s);
}

bool slot_cancelled(const struct board_slot *s)
{
    uint64_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    return seq != 0 && atomic_load_explicit(&s->cancel_seq, memory_order_acquire) == seq;
}

/* One try at the guarded group. False: it was being written. */
static bool copy_job(const struct board_slot *s, struct slot_view *out)
{
    uint32_t before = atomic_load_explicit(&s->lock, memory_order_acquire);
    uint64_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
    words_read(&out->job, &s->job, sizeof(out->job));
    out->attempt = atomic_load_explicit(&s->attempt, memory_order_acquire);
    out->task = atomic_load_explicit(&s->task, memory_order_acquire);
    out->job_started_us = atomic_load_explicit(&s->job_started_us, memory_order_acquire);
    uint32_t ppm = atomic_load_explicit(&s->progress_ppm, memory_order_acquire);
    words_read(out->progress_text, s->progress_text, sizeof(out->progress_text));
    out->progress_text[JOB_PROGRESS_TEXT_MAX] = '\0';
    uint32_t after = atomic_load_explicit(&s->lock, memory_order_relaxed);
    out->has_job = seq != 0;
    out->has_progress = ppm != NO_PROGRESS;
    out->progress = ppm == NO_PROGRESS ? 0 : (double)ppm / FULL_PPM;
    return (before & 1) == 0 && before == after;
}

void slot_copy(const struct board_slot *s, struct slot_view *out)
{
    out->state = (enum slot_state)atomic_load_explicit(&s->state, memory_order_acquire);
    out->pool = atomic_load_explicit(&s->pool, memory_order_relaxed);
    out->generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
    out->restarts = atomic_load_explicit(&s->restarts, memory_order_relaxed);
    out->pid = atomic_load_explicit(&s->pid, memory_order_relaxed);
    out->stopped = atomic_load_explicit(&s->stopped, memory_order_relaxed) != 0;
    out->born_us = atomic_load_explicit(&s->born_us, memory_order_relaxed);
    out->jobs_done = atomic_load_explicit(&s->jobs_done, memory_order_relaxed);
    out->cpu_us = atomic_load_explicit(&s->cpu_us, memory_order_relaxed);
    out->rss_bytes = atomic_load_explicit(&s->rss_bytes, memory_order_relaxed);
    bool whole = false;
    for (int i = 0; i < COPY_TRIES && !whole; i++)
        whole = copy_job(s, out);
    /* its worker died while it wrote, or left what it last did behind, for the next one to clear */
    if (!whole || out->state == SLOT_EMPTY || out->state == SLOT_STARTING)
        out->has_job = false;
}

bool board_find_job(const struct board *b, const struct id *job, struct slot_view *out)
{
    for (uint32_t i = 0; i < b->slots; i++) {
        const struct board_slot *s = &b->slot[i];
        if (atomic_load_explicit(&s->seq, memory_order_relaxed) == 0)
            continue;
        slot_copy(s, out);
        if (out->has_job && id_equal(&out->job, job))
            return true;
    }
    return false;
}
