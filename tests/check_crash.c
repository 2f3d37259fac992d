/*
 * check_crash.c - power cuts: runs of the store are recorded, and the disks that a cut may leave,
 * at every write and every sync, are opened by the real driver. Single thread.
 *
 * Each disk must hold exactly what was acknowledged when the power went, or that and the whole of
 * the transaction that was being committed; then recover, and go on. JOBMILL_IMAGES: how many disks
 * (default 240), JOBMILL_SEED: which.
 */
#include "../common/err.h"
#include "../common/log.h"
#include "crashvfs.h"
#include "storerun.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS    60 /* transactions of a run */
#define RUNS     8  /* each begins with a disk that the one before left */
#define REOPEN   17 /* the store is closed in good order and opened after so many */
#define FULL_PER 7  /* every so many steps the disk is full once */

static char base[64], live[96], disk[96];

/* What was acknowledged. points[i] holds from `end` of the record on; before, from `begin`, it may.
 */
struct point {
    size_t begin, end;
    char *text;
};
static struct point point[RUNS * STEPS * 2];
static size_t points;

static void clean(const char *dir)
{
    static const char *const names[] = {"jobmill.db", "jobmill.db-wal", "jobmill.db-shm",
                                        "jobmill.db-journal", "jobmill.lock"};
    char path[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void setup(void)
{
    /* in memory where there is such a directory: the disk's own syncs do not matter here */
    snprintf(base, sizeof(base), "%s/check_crash.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(live, sizeof(live), "%s/live", base);
    snprintf(disk, sizeof(disk), "%s/disk", base);
    ck_assert_int_eq(crashvfs_install(), 0);
}

static void teardown(void)
{
    clean(live);
    clean(disk);
    rmdir(base);
    crashvfs_stop();
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *v = getenv(name);
    return v && *v ? strtoull(v, NULL, 10) : otherwise;
}

/* ---- the run ---- */

static void note(struct run *r, size_t begin)
{
    AUTO_BUF text = BUF_INIT;
    ck_assert_uint_lt(points, sizeof(point) / sizeof(point[0]));
    ck_assert_int_eq(run_text(r, &text), 0);
    size_t len;
    buf_adds(&text, "");
    char *taken = buf_take(&text, &len);
    point[points++] = (struct point){begin, crashvfs_now(), taken ? taken : strdup("")};
}

static void forget_points(void)
{
    for (size_t i = 0; i < points; i++)
        free(point[i].text);
    points = 0;
}

static void open_run(struct run *r, uint64_t seed, bool fresh, const char *was)
{
    AUTO_BUF why = BUF_INIT;
    size_t begin = crashvfs_now();
    point[points++] = (struct point){0, begin, strdup(was)};
    int err = run_open(r, live, seed, fresh, &why);
    ck_assert_msg(err == 0, "open: %d %s", err, why.data ? why.data : "");
    note(r, begin); /* recovered */
}

static void step(struct run *r, uint64_t i)
{
    size_t begin = crashvfs_now();
    if (i % FULL_PER == 3)
        crashvfs_fail(CRASH_WRITE, 1 + (long)(i % 5), 1, true);
    int got = run_step(r);
    crashvfs_fail(0, 0, 0, false);
    ck_assert_msg(got == RUN_KEPT || got == RUN_UNDONE, "step %d: %d", (int)i, got);
    if (got == RUN_KEPT)
        note(r, begin);
    ck_assert_int_eq(run_tidy(r), 0);
}

/* ---- a disk ---- */

static void check_text(size_t now, const char *text, uint64_t seed)
{
    size_t k = 0;
    while (k + 1 < points && point[k + 1].end <= now)
        k++;
    if (strcmp(text, point[k].text) == 0)
        return;
    if (k + 1 < points && point[k + 1].begin < now && strcmp(text, point[k + 1].text) == 0)
        return;
    fprintf(stderr, "--- acknowledged:\n%s--- on the disk:\n%s", point[k].text, text);
    ck_abort_msg("power cut at %zu, seed %llu: the store does not hold what was acknowledged", now,
                 (unsigned long long)seed);
}

/* Opens the disk, compares, recovers and goes on. *text: what it held. */
static void check_disk(const struct run_memory *m, size_t now, uint64_t seed, struct buf *text)
{
    AUTO_BUF why = BUF_INIT;
    struct run r = {.m = *m};
    int err = run_text_of(disk, m, text, &why);
    ck_assert_msg(err == 0, "power cut at %zu, seed %llu: %d %s", now, (unsigned long long)seed,
                  err, why.data ? why.data : "");
    buf_adds(text, "");
    check_text(now, text->data ? text->data : "", seed);
    ck_assert_int_eq(run_open(&r, disk, 0, false, &why), 0);
    ck_assert_uint_eq(store_count(r.store, r.m.task[0], JOB_RUNNING), 0);
    ck_assert_uint_eq(store_count(r.store, r.m.task[1], JOB_RUNNING), 0);
    AUTO_BUF after = BUF_INIT;
    ck_assert_int_eq(run_text(&r, &after), 0);
    ck_assert_int_eq(run_step(&r), RUN_KEPT);
    run_close(&r);
    ck_assert_msg(run_integrity(disk, &why) == 0, "power cut at %zu, seed %llu: %s", now,
                  (unsigned long long)seed, why.data);
}

static void image(const struct crash *c, uint64_t seed, const char *dir)
{
    clean(dir);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    ck_assert_int_eq(crash_image(c, seed, dir), 0);
}

/* Cuts the power `images` times, spread over the whole record. The last disk becomes the next
 * run's; returns what it holds, to be freed. */
static char *cut(const struct run_memory *m, uint64_t seed, uint64_t images)
{
    struct crash *c = crash_begin();
    size_t last = crashvfs_now();
    uint64_t random = seed, chosen = crash_random(&random) % images;
    char *was = NULL;
    crashvfs_pause(true);
    for (uint64_t i = 0; i < images; i++) {
        AUTO_BUF text = BUF_INIT;
        crash_advance(c, (size_t)((i + 1) * last / images));
        image(c, seed + i, disk);
        check_disk(m, (size_t)((i + 1) * last / images), seed + i, &text);
        if (i == chosen) {
            image(c, seed + i, live);
            was = strdup(text.data ? text.data : "");
        }
    }
    crashvfs_pause(false);
    crash_end(c);
    return was;
}

START_TEST(every_cut_leaves_what_was_acknowledged)
{
    uint64_t images = number("JOBMILL_IMAGES", 240), seed = number("JOBMILL_SEED", 1);
    uint64_t runs = images / 50 < RUNS ? images / 50 + 1 : RUNS, entries = 0;
    struct run r = {0};
    char *was = strdup("");
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "test"); /* a full disk is said */
    for (uint64_t n = 0; n < runs; n++) {
        forget_points();
        crashvfs_record(live);
        open_run(&r, seed, n == 0, was);
        for (uint64_t i = 1; i <= STEPS; i++) {
            step(&r, i);
            if (i % REOPEN != 0)
                continue;
            run_close(&r);
            open_run(&r, seed, false, point[points - 1].text);
        }
        run_close(&r);
        entries += crashvfs_now();
        free(was);
        was = cut(&r.m, seed * 1000003 + n * 1000000, images / runs);
    }
    free(was);
    forget_points();
    printf("%llu disks of %llu runs with %llu writes and syncs\n",
           (unsigned long long)(images / runs * runs), (unsigned long long)runs,
           (unsigned long long)entries);
}
END_TEST

int main(void)
{
    return SUITE("crash", setup, teardown, every_cut_leaves_what_was_acknowledged);
}
