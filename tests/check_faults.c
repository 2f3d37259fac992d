/*
 * check_faults.c - the n-th read, write, sync, truncation, … or allocation under the store fails,
 * for every n until a run meets none. Each run is a process of its own, which ends where the
 * writer's would; then the store is opened without faults.
 *
 * It must hold what was acknowledged, or that and the one transaction whose end was not known. A
 * full disk is never unknown. JOBMILL_FAULTS=all tries every n, else some of each kind.
 */
#include "../common/err.h"
#include "../common/log.h"
#include "crashvfs.h"
#include "storerun.h"
#include "suite.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 30
#define SEED  7
#define SOME  10 /* runs of a kind, when not all are tried */
#define TEXT  (256 * 1024)

enum { EXIT_DONE = 0, EXIT_REFUSED = 69, EXIT_IO = 74, EXIT_BUG = 99 };

static char dir[64];

/* What the child did, seen by the parent. */
static struct shared {
    int acked;    /* steps that were kept, all before it too; 0: the store was opened */
    bool undone;  /* one was not: `text` stands for what was acknowledged */
    bool unknown; /* the end of the step after those is not */
    bool hit;
    long counted;
    struct run_memory m;
    char text[TEXT];
    char bug[256];
} * child;

static char *expected[STEPS + 1]; /* the store after so many steps */
static struct run_memory all;     /* and what a test knows of it then */

static void clean(void)
{
    static const char *const names[] = {"jobmill.db", "jobmill.db-wal", "jobmill.db-shm",
                                        "jobmill.db-journal", "jobmill.lock"};
    char path[160];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
}

static void setup(void)
{
    snprintf(dir, sizeof(dir), "%s/check_faults.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(crashvfs_install(), 0);
    child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(child != MAP_FAILED);
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR, "test");
}

static void teardown(void)
{
    clean();
    rmdir(dir);
    munmap(child, sizeof(*child));
    for (int i = 0; i <= STEPS; i++)
        free(expected[i]);
}

static char *text_of(struct run *r)
{
    AUTO_BUF text = BUF_INIT;
    size_t len;
    int err = run_text(r, &text);
    if (err)
        return NULL;
    buf_adds(&text, "\n");
    return buf_take(&text, &len);
}

/* The run without faults. */
static void learn(void)
{
    AUTO_BUF why = BUF_INIT;
    struct run r;
    ck_assert_int_eq(run_open(&r, dir, SEED, true, &why), 0);
    for (int i = 0; i <= STEPS; i++) {
        if (i > 0) {
            ck_assert_int_eq(run_step(&r), RUN_KEPT);
            ck_assert_int_eq(run_tidy(&r), 0);
        }
        expected[i] = text_of(&r);
        ck_assert_ptr_nonnull(expected[i]);
    }
    all = r.m;
    run_close(&r);
    clean();
}

/* ---- the child ---- */

struct kind {
    const char *name;
    unsigned calls;
    long lasting;
    bool full;
};

static void bug(const char *what)
{
    snprintf(child->bug, sizeof(child->bug), "%s", what);
    _exit(EXIT_BUG);
}

/* What was acknowledged, once the run is no longer the one without faults. */
static void keep_text(struct run *r, const struct kind *k)
{
    /* Reads must go on while the disk is full. */
    crashvfs_pause(!k->full);
    char *text = text_of(r);
    crashvfs_pause(false);
    if (!text)
        bug("what is stored cannot be read");
    if (strlen(text) >= TEXT)
        bug("TEXT is too small");
    snprintf(child->text, TEXT, "%s", text);
    free(text);
    child->m = r->m;
}

static void end(int status)
{
    child->hit = crashvfs_hit();
    _exit(status); /* as the service does: nothing is closed */
}

static void known_error(int err)
{
    if (err != -ERR_STORE && err != -ERR_STORE_FULL && err != -ERR_NOMEM)
        bug(err_sentence(err));
}

static void run_child(const struct kind *k, long n)
{
    AUTO_BUF why = BUF_INIT;
    struct run r;
    crashvfs_fail(k->calls, n, k->lasting, k->full);
    int err = run_open(&r, dir, SEED, true, &why);
    if (err) {
        known_error(err);
        run_close(&r);
        child->hit = crashvfs_hit();
        buf_release(&why);
        crashvfs_fail(0, 0, 0, false); /* what a tool does at the end is not tested */
        exit(EXIT_REFUSED);
    }
    for (int i = 1; i <= STEPS; i++) {
        int got = run_step(&r);
        if (got < 0) {
            known_error(got);
            if (k->full)
                bug("a full disk left an end that is not known");
            child->unknown = true;
            end(EXIT_IO);
        }
        child->undone = child->undone || got == RUN_UNDONE;
        if (!child->undone) {
            child->acked = i;
        } else {
            keep_text(&r, k);
        }
        if (run_tidy(&r) != 0)
            end(EXIT_IO);
    }
    for (long i = 0; child->undone && k->lasting < LONG_MAX; i++) { /* the fault ends */
        if (run_step(&r) == RUN_KEPT)
            break;
        if (i > k->lasting)
            bug("the store did not come back after the fault");
    }
    if (child->undone)
        keep_text(&r, k);
    run_close(&r);
    child->hit = crashvfs_hit();
    child->counted = crashvfs_counted();
    buf_release(&why);
    crashvfs_fail(0, 0, 0, false);
    exit(EXIT_DONE);
}

/* ---- the parent ---- */

static int run_one(const struct kind *k, long n)
{
    int status;
    clean();
    memset(child, 0, sizeof(*child));
    fflush(NULL);
    pid_t pid = test_fork();
    if (pid == 0)
        run_child(k, n);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "%s %ld: signal %d", k->name, n, WTERMSIG(status));
    status = WEXITSTATUS(status);
    ck_assert_msg(status == EXIT_DONE || status == EXIT_REFUSED || status == EXIT_IO,
                  "%s %ld: status %d %s", k->name, n, status, child->bug);
    return status;
}

static void check_store(const struct kind *k, long n, int status)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF why = BUF_INIT;
    const struct run_memory *m = child->undone ? &child->m : &all;
    int err = run_text_of(dir, m, &text, &why);
    ck_assert_msg(err == 0, "%s %ld: %d %s", k->name, n, err, why.data ? why.data : "");
    buf_adds(&text, "\n");
    const char *was = child->undone ? child->text : expected[child->acked];
    bool same = strcmp(text.data, was) == 0;
    if (!same && child->unknown) /* unknown: what was being kept may be there */
        same = child->undone ||
               (child->acked < STEPS && strcmp(text.data, expected[child->acked + 1]) == 0);
    if (!same)
        fprintf(stderr, "--- acknowledged:\n%s--- there:\n%s", was, text.data);
    ck_assert_msg(same, "%s %ld (%d): the store does not hold what was acknowledged", k->name, n,
                  status);
    struct run r = {.m = child->m};
    if (r.m.next_key == 0)
        return;              /* it ended before it began */
    r.m.next_key += 1000000; /* a step that was lost may have used some */
    ck_assert_int_eq(run_open(&r, dir, SEED, false, &why), 0);
    ck_assert_int_eq(run_step(&r), RUN_KEPT);
    run_close(&r);
    ck_assert_msg(run_integrity(dir, &why) == 0, "%s %ld: %s", k->name, n, why.data);
}

/* Every n until a run meets no fault, or SOME of them, spread over the run. */
static void try(const struct kind *k)
{
    const char *which = getenv("JOBMILL_FAULTS");
    bool every = which && strcmp(which, "all") == 0;
    long n = 1, runs = 0, refused = 0, died = 0, undone = 0;
    crashvfs_fail(0, 0, 0, false);
    ck_assert_int_eq(run_one(k, LONG_MAX), EXIT_DONE);
    long step = every || child->counted < SOME ? 1 : child->counted / SOME;
    for (;; n += step) {
        int status = run_one(k, n);
        check_store(k, n, status);
        if (!child->hit)
            break;
        runs++;
        refused += status == EXIT_REFUSED;
        died += status == EXIT_IO;
        undone += child->undone;
    }
    printf("%-24s n to %6ld: %4ld runs, %ld would not start, %ld ended, %ld undid a transaction\n",
           k->name, n, runs, refused, died, undone);
    ck_assert_int_gt(runs, 0);
}

#define KIND(test, ...)                                                                            \
    START_TEST(test)                                                                               \
    {                                                                                              \
        learn();                                                                                   \
        try(&(struct kind){#test, __VA_ARGS__});                                                   \
    }                                                                                              \
    END_TEST

KIND(write_is_full, CRASH_WRITE, 1, true)
KIND(write_is_full_for_long, CRASH_WRITE, 40, true)
KIND(write_stays_full, CRASH_WRITE, LONG_MAX, true)
KIND(write_fails, CRASH_WRITE, 1, false)
KIND(write_goes_on_failing, CRASH_WRITE, LONG_MAX, false)
KIND(sync_fails, CRASH_SYNC, 1, false)
KIND(sync_goes_on_failing, CRASH_SYNC, LONG_MAX, false)
KIND(truncate_fails, CRASH_TRUNCATE, 1, false)
KIND(read_fails, CRASH_READ, 1, false)
KIND(read_goes_on_failing, CRASH_READ, LONG_MAX, false)
KIND(open_fails, CRASH_OPEN, 1, false)
KIND(delete_fails, CRASH_DELETE, 1, false)
KIND(size_fails, CRASH_SIZE, 1, false)
KIND(lock_fails, CRASH_LOCK, 1, false)
KIND(shared_memory_fails, CRASH_SHM, 1, false)
KIND(memory_ends, CRASH_MEMORY, 1, false)
KIND(memory_stays_ended, CRASH_MEMORY, LONG_MAX, false)

/* The same bytes may be read the next time: that is no damage, and is not told as such. */
static void disk_is_told(int err, bool fails)
{
    ck_assert_msg(err == (fails ? -ERR_STORE : 0), "%s", err ? err_sentence(err) : "no error");
}

START_TEST(a_read_that_fails_is_no_damage)
{
    AUTO_BUF why = BUF_INIT;
    struct run r;
    char copy[96];
    ck_assert_int_eq(run_open(&r, dir, SEED, true, &why), 0);
    for (int i = 0; i < STEPS; i++)
        ck_assert_int_eq(run_step(&r), RUN_KEPT);
    for (int fails = 1; fails >= 0; fails--) {
        struct job_filter every = {.state = -1, .limit = 100};
        struct job_page page = {0};
        crashvfs_fail(fails ? CRASH_READ : 0, 1, LONG_MAX, false);
        disk_is_told(store_read_list(r.reader, &every, 0, 0, &page), fails);
        job_page_release(&page);
    }
    run_close(&r);
    snprintf(copy, sizeof(copy), "%s/copy.db", dir);
    for (int fails = 1; fails >= 0; fails--) {
        struct store_copy made;
        close(open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        crashvfs_fail(fails ? CRASH_READ : 0, 1, LONG_MAX, false);
        disk_is_told(store_copy(dir, copy, &made, &why), fails);
        unlink(copy);
    }
    ck_assert_ptr_nonnull(strstr(why.data, "disk I/O error"));
    crashvfs_fail(0, 0, 0, false);
}
END_TEST

int main(void)
{
    return SUITE("faults", setup, teardown, write_is_full, write_is_full_for_long, write_stays_full,
                 write_fails, write_goes_on_failing, sync_fails, sync_goes_on_failing,
                 truncate_fails, read_fails, read_goes_on_failing, a_read_that_fails_is_no_damage,
                 open_fails, delete_fails, size_fails, lock_fails, shared_memory_fails, memory_ends,
                 memory_stays_ended);
}
