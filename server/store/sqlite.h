/*
 * sqlite.h - what the files of the SQLite driver share: connections with their statements, the store's
 * memory of tasks and counters, and the way from a row to a job.
 *
 * A struct db belongs to one thread. The task table is appended to by the writer and read by all:
 * an entry's name is complete before task_count is raised over it, and never changes after.
 */
#ifndef JOBMILL_SERVER_STORE_SQLITE_H
#define JOBMILL_SERVER_STORE_SQLITE_H

#include "store_priv.h"

#include <sqlite3.h>
#include <stdatomic.h>

#define STORE_TASKS_MAX 4096 /* names that a store can know over its life */
#define STORE_INLINE    1024 /* bytes of a payload that stays in its job's row */
#define ROOM_START      8    /* bytes by which a job's row grows when it begins: started_us */
#define ROOM_END        13   /* and when it succeeds, without the result */
#define STORE_BUSY_MS   5000 /* for another program that has the file open, such as a shell */
#define STORE_BATCH     256  /* rows that are collected before they are changed */

enum blob_kind { BLOB_INPUT, BLOB_RESULT };

/* The columns of a job, in the order of enum job_column: first those of a claim. */
#define CLAIM_COLUMNS                                                                              \
    "key, tail, state, task_id, attempt, max_attempts, created_us, run_at_us, timeout_us,"         \
    " cancel_requested, input_type, input_size, input, expires_us, group_key, group_tail, gathers," \
    " concurrency_key, depends_on, traceparent, params"
#define JOB_COLUMNS                                                                                \
    CLAIM_COLUMNS ", priority, started_us, finished_us, result_type, error_code, error_message,"   \
                  " error_signal, error_exit, tags, result_size, result, rank, held, waits,"       \
                  " worker, run_anyway, backoff, callback_url, owner"
enum job_column {
    COL_KEY,
    COL_TAIL,
    COL_STATE,
    COL_TASK_ID,
    COL_ATTEMPT,
    COL_MAX_ATTEMPTS,
    COL_CREATED_US,
    COL_RUN_AT_US,
    COL_TIMEOUT_US,
    COL_CANCEL_REQUESTED,
    COL_INPUT_TYPE,
    COL_INPUT_SIZE,
    COL_INPUT,
    COL_EXPIRES_US,
    COL_GROUP_KEY,
    COL_GROUP_TAIL,
    COL_GATHERS,
    COL_CONCURRENCY_KEY,
    COL_DEPENDS_ON,
    COL_TRACEPARENT,
    COL_PARAMS,
    /* what a claim does without */
    COL_PRIORITY,
    COL_STARTED_US,
    COL_FINISHED_US,
    COL_RESULT_TYPE,
    COL_ERROR_CODE,
    COL_ERROR_MESSAGE,
    COL_ERROR_SIGNAL,
    COL_ERROR_EXIT,
    COL_TAGS,
    COL_RESULT_SIZE,
    COL_RESULT,
    COL_RANK,
    COL_HELD,
    COL_WAITS,
    COL_WORKER,
    COL_RUN_ANYWAY,
    COL_BACKOFF,
    COL_CALLBACK_URL,
    COL_OWNER
};

enum stmt_for { FOR_WRITER = 1, FOR_READER = 2, FOR_BOTH = 3 };
enum stmt {
#define STMT(name, who, text) STMT_##name,
#include "stmts_sqlite.def"
#undef STMT
    STMTS
};

struct db {
    sqlite3 *c;
    sqlite3_stmt *stmt[STMTS]; /* NULL: not for this connection */
    struct rows *rows;         /* see sqlite_rows.c; NULL: of a reader */
};

struct param {
    enum { PARAM_INT, PARAM_TEXT, PARAM_BLOB, PARAM_NULL } type;
    int64_t i;
    const void *data; /* must live until the statement was run */
    size_t len;
};
#define P_INT(v)      {.type = PARAM_INT, .i = (int64_t)(v)}
#define P_STR(s)      {.type = PARAM_TEXT, .data = (s), .len = strlen(s)}
#define P_TEXT(p, n)  {.type = PARAM_TEXT, .data = (p), .len = (n)}
#define P_BLOB(p, n)  {.type = PARAM_BLOB, .data = (p), .len = (n)}
#define P_NULL        {.type = PARAM_NULL}
/* The parameters of a statement, as an argument pair. */
#define PARAMS(...)                                                                                \
    (const struct param[]){__VA_ARGS__},                                                           \
        (int)(sizeof((const struct param[]){__VA_ARGS__}) / sizeof(struct param))

/* The enum err (negative) for an SQLite result code; logs it with the connection's words. */
int db_error(const struct db *d, int rc, const char *doing);
/* Opens a connection with its settings and statements. 0 or an error; *d is to be closed either way. */
int db_prepare(struct db *d, enum stmt_for who);
void db_close(struct db *d);
int db_bind(const struct db *d, sqlite3_stmt *st, const struct param *p, int n);
/* Binds and steps: 1 a row (the caller resets with db_done), 0 none (reset already), or an error. */
int db_first(const struct db *d, enum stmt st, const struct param *p, int n);
int db_next(const struct db *d, enum stmt st); /* as db_first, for the row after */
void db_done(const struct db *d, enum stmt st);
/* Runs a statement that gives no rows. Returns how many rows it changed, or an error. */
int db_run(const struct db *d, enum stmt st, const struct param *p, int n);

struct store_task {
    char name[JOB_TASK_MAX + 1];
    _Atomic uint64_t n[JOB_STATES]; /* as of the last commit; written by the writer's thread */
    int64_t delta[JOB_STATES];      /* of the open transaction; the writer's thread alone */
    _Atomic uint64_t made;          /* jobs submitted since start; as n */
    _Atomic uint64_t came[JOB_STATES];           /* and jobs that came to each state */
    uint64_t made_delta, came_delta[JOB_STATES]; /* as delta */
    bool stored;                    /* its row was committed; the writer's thread alone */
    bool adding;                    /* its row is in the open transaction; likewise */
    bool dirty;                     /* a delta was touched; likewise */
    _Atomic bool paused;            /* written by the writer's thread */
    int64_t held;                   /* queued jobs that wait for their concurrency key; likewise */
    int64_t held_delta;             /* of the open transaction */
    int64_t swept_key;              /* how far store_sweep_jobs came */
    uint64_t swept_over;            /* jobs up to there that must be kept for now */
    size_t result_guess;            /* length of an inline result of late; the same */
    int64_t lent;                   /* queued jobs that a worker has already; the same */
};

/* What the books of counters, groups and waits need to know of a job. */
struct who {
    int64_t key;
    uint64_t tail;
    uint32_t task_id;
    int64_t group_key; /* 0: none */
};

/* How something that others depend on stands. */
enum parent_end {
    PARENT_OPEN,
    PARENT_SUCCEEDED,
    PARENT_FAILED,
    PARENT_CANCELLED,
    PARENT_LOST /* its row is not there, as after a recovery of a damaged store: its tail is not known */
};

#define SEEN_SETS 1024
#define SEEN_WAYS 4

/* Those that were looked up as parents, as many jobs may wait for the same ones; see seen_forget. */
struct seen {
    uint64_t key, tail, when; /* it holds while `when` is the store's */
    enum parent_end end;
};

/* An end in the open transaction, of a job or a group. */
struct ending {
    int64_t key;
    uint64_t tail;
    enum parent_end end;
    bool is_group;
};

/* In job_groups.open: jobs of it that were forgotten had failed (or expired), or were cancelled. */
enum group_lost { GROUP_LOST_FAILED = 2, GROUP_LOST_CANCELLED = 4 };

/* The moves of one group's jobs in the open transaction. */
struct group_moves {
    int64_t key;
    int64_t delta[JOB_STATES];
    unsigned lost;
};

/* How many of a task's jobs with a concurrency key run. */
struct running_key {
    uint32_t task_id;
    char key[JOB_CONCURRENCY_KEY_MAX + 1];
    uint32_t n;
};

#define TOUCH_BITS 15   /* 2^15 numbers for all jobs */
#define TOUCH_OPEN 4096 /* of one transaction, before it counts as changing all */

/* See sqlite_touch.c. */
struct touch {
    _Atomic uint32_t number[1u << TOUCH_BITS], wide; /* written by the writer's thread */
    uint32_t open[TOUCH_OPEN]; /* those that the open transaction made odd; the writer's thread alone */
    size_t open_count;
    bool is_wide; /* it made `wide` odd */
};

struct sqlite_store {
    struct store base;
    struct db db; /* the writer's */
    struct touch touch;
    char *dir, *path, *wal_path;
    int lock_fd;
    bool closing;
    bool shrinks; /* made with auto_vacuum = INCREMENTAL */
    bool shrinking; /* it gives back pages, step by step */
    bool shrank;    /* that is over: the file is to be cut, which a checkpoint does */
    int64_t swept_key; /* how far sqlite_sweep_bytes came */
    int version;
    uint64_t reader_cache_bytes;
    int page_size;
    int64_t wal_limit_pages;
    int64_t wal_pages; /* frames in the log at the last commit */
    bool wrote;        /* the last commit wrote some */
    int64_t wal_moved; /* of those, as of the last look moved to the database */
    struct store_task *task[STORE_TASKS_MAX]; /* task_id - 1 */
    _Atomic uint32_t task_count;
    struct ending *ended; /* of the open transaction; the first ended_settled were passed on */
    size_t ended_count, ended_settled, ended_cap;
    struct id *gone; /* jobs that ran and were forgotten in the open transaction */
    size_t gone_count, gone_cap;
    uint64_t checkpoints; /* rows, the open transaction included */
    struct group_moves *moves;
    size_t moves_count, moves_cap;
    struct running_key *running; /* no order */
    size_t running_count, running_cap;
    struct ending *late; /* parents with more children than one transaction takes; kept over commits */
    size_t late_count, late_cap;
    uint64_t parents;    /* rows of dependencies */
    uint64_t seen_when;  /* of struct seen */
    struct seen seen[SEEN_SETS][SEEN_WAYS];
    bool began_again;    /* in the open transaction a job was retried: who ended in it may run again */
    bool delivery_hint;  /* a delivery was made */
    bool sweeping;       /* in the open transaction something was forgotten that nobody named */
    uint64_t unmade;     /* calls that were forgotten since that was last said, at unmade_said_us (mono) */
    int64_t unmade_said_us;
    bool out_of_memory;  /* an end or a move could not be noted: the transaction must not be kept */
    int64_t due_hint_us; /* the earliest that became due or expires by the open transaction */
    sqlite3_stmt **head; /* cursors for store_claim, grown to the most tasks that were claimed from */
    size_t heads;
    size_t passed; /* jobs that claims held or ended in the open transaction */
    struct loans *loans; /* see sqlite_lent.c */
};

struct sqlite_reader {
    struct store_reader base;
    struct db db;
    const struct sqlite_store *store;
};

static inline struct sqlite_store *sqlite_of(struct store *s)
{
    return (struct sqlite_store *)s;
}

/* ---- sqlite.c ---- */
int sqlite_begin(struct store *s);
int sqlite_commit(struct store *s);
int sqlite_rollback(struct store *s);
int sqlite_open_connection(struct db *d, const char *path, int flags, uint64_t cache_bytes);

/* A change that must hit exactly the row it was decided for: else the store is corrupt. */
int db_run_one(struct sqlite_store *s, enum stmt st, const struct param *p, int n);
/* Makes room for one more; 0 or -ERR_NOMEM. */
int grow_array(void **array, size_t count, size_t *cap, size_t size);

/* ---- sqlite_tasks.c ---- */
/* NULL: no such task. */
struct store_task *sqlite_task(const struct sqlite_store *s, uint32_t task_id);
uint32_t sqlite_tasks(const struct store *s);
int sqlite_task_id(struct store *s, const char *name, uint32_t *id);
uint64_t sqlite_count(const struct store *s, uint32_t task_id, enum job_state state);
uint64_t sqlite_count_now(const struct store *s, uint32_t task_id, enum job_state state);
int sqlite_read_counts(const struct store *s, const char *task, struct job_counts *out);
int names_load(struct sqlite_store *s); /* at the opening: tasks and counters */
int counters_write(struct sqlite_store *s); /* what the open transaction counted, as rows */
void counters_settle(struct sqlite_store *s, bool kept); /* that becomes so, or never was */

/* ---- sqlite_log.c ---- */
int sqlite_log_start(struct sqlite_store *s, uint64_t limit); /* bytes; once, when all is there */
bool sqlite_wrote(const struct store *s);
int sqlite_checkpoint(struct store *s, enum store_rest rest);

/* ---- sqlite_files.c ---- */
/* The VFS of all connections, on top of what is the default now. An SQLite result code. */
int files_layer(const char **name);

/* ---- sqlite_bytes.c ---- */
int sqlite_read_bytes(struct store_reader *r, const struct id *id, const struct piece *p,
                      void *out);

/* ---- sqlite_checkpoint.c ---- */
int sqlite_checkpoint_keep(struct store *s, const struct id *job, uint32_t attempt,
                           const struct buf *data);
int checkpoints_load(struct sqlite_store *s); /* after a rollback, too */
int checkpoint_get(struct sqlite_store *s, struct job *job); /* into job->checkpoint */
int checkpoint_drop(struct sqlite_store *s, const struct id *job);

/* ---- sqlite_rows.c ---- */
enum row_kind { ROW_PLAIN, ROW_GROUPED, ROW_FULL, ROW_ENDED, ROW_KINDS };
enum { ROW_PLAIN_COLUMNS = 18, ROW_GROUPED_COLUMNS = 20, ROW_FULL_COLUMNS = 30, ROW_ENDED_COLUMNS = 25 };
int rows_start(struct db *d); /* before its statements; rows_release also after an error */
void rows_release(struct db *d);
/* A job's columns, in the order of the statement that adds its kind. What they point to must stay until they
 * are written. An error undoes the transaction. */
int rows_add(const struct db *d, enum row_kind which, const struct param *row);
int rows_write(const struct db *d); /* all that wait; an error undoes the transaction */
void rows_drop(struct db *d);       /* the transaction is undone */

/* ---- sqlite_insert.c ---- */
int sqlite_replay(struct store *s, const struct store_key *key, struct id *id);
int sqlite_keep_key(struct store *s, const struct store_key *key, const struct id *id,
                    bool is_group);
int sqlite_check_parents(struct store *s, const struct id *parents, size_t n, struct id *which);
int sqlite_insert(struct store *s, struct store_new *new);
/* Of a job that is to run again: notes anew what of its depends_on has not ended, into job->waits. What has
 * ended, however that was, or is forgotten holds it no more. */
int wait_again(struct sqlite_store *s, struct job *job);
int parse_parents(struct job *job); /* its depends_on, into job->parents */
int put_blob(struct sqlite_store *s, uint64_t key, enum blob_kind kind, const struct buf *b);
/* What a row holds in place of a result, so that it does not grow later. */
struct param row_room(const struct sqlite_store *s, uint32_t task_id, bool runs);
void guess_result(struct sqlite_store *s, uint32_t task_id, size_t len); /* one was that long */

/* ---- sqlite_claim.c ---- */
int sqlite_claim(struct store *s, const struct claim_quota *quota, size_t quotas, size_t want,
                 int64_t now_us, struct job *out, size_t *n);
uint64_t sqlite_ready(const struct store *s, uint32_t task_id);
int64_t sqlite_oldest_us(struct store *s, uint32_t task_id);
/* A job with a concurrency key left `running`: the next that is held goes on. */
int key_left(struct sqlite_store *s, uint32_t task_id, const char *key);
/* The first that is held of them may be claimed; 0 also when there is none. */
int key_let_go(struct sqlite_store *s, uint32_t task_id, const char *key);
/* Reads what is held and what runs from the store: at recovery, and after a rollback. */
int keys_load(struct sqlite_store *s);
void note_held(struct sqlite_store *s, uint32_t task_id, int by);

/* ---- sqlite_lent.c ---- */
int lent_start(struct sqlite_store *s); /* 0, -ERR_NOMEM */
void lent_release(struct sqlite_store *s);
bool lent_may(const struct sqlite_store *s, const struct job *job); /* a queued one */
/* The job runs as its attempt; started_us is wall time. Only where lent_may said so. */
struct loan lent_add(struct sqlite_store *s, const struct who *who, uint32_t attempt,
                     const struct claim_quota *quota, int64_t started_us);
bool is_lent(struct sqlite_store *s, int64_t key);
int lent_write(struct sqlite_store *s, const struct id *id); /* if it is lent: writes its claim */
/* An outcome of a job that may be lent. NONE: it is not, or not any more, or *err is an error. */
enum loan_end { LOAN_NONE, LOAN_PAID, LOAN_RETURNED };
enum loan_end lent_finish(struct sqlite_store *s, const struct attempt *a, int *err);
int sqlite_lent_due(struct store *s, int64_t until_us, bool briefly);
int64_t sqlite_lent_since_us(const struct store *s, int64_t until_us);
void lent_settle(struct sqlite_store *s, bool kept); /* the transaction is over */

/* ---- sqlite_write.c: outcomes ---- */
/* What nearly always holds: it succeeded, and its times are known. */
bool attempt_is_plain(const struct sqlite_store *s, const struct attempt *a);
/* By a statement that names all that must hold of the row: 1, or 0 where it is not so, or an error. */
int succeed_by(struct sqlite_store *s, enum stmt st, const struct attempt *a);
/* Books that, from running; keeps a large result. */
int count_success(struct sqlite_store *s, const struct who *who, const struct attempt *a);

/* ---- sqlite_gather.c ---- */
int gather_input(struct sqlite_store *s, struct job *job); /* replaces its input */

/* ---- sqlite_group.c ---- */
int sqlite_group_add(struct store *s, const struct group *g);
int sqlite_sweep_groups(struct store *s, int64_t before_us, size_t limit, size_t *gone);
int sqlite_group_close(struct store *s, const struct id *id, int64_t now_us);
int sqlite_settle(struct store *s, int64_t now_us, bool *more);
int64_t sqlite_due_hint_us(const struct store *s);
size_t sqlite_ended_count(const struct store *s);
void sqlite_ended_id(const struct store *s, size_t i, struct id *out);
int group_find(const struct sqlite_store *s, const struct db *d, const struct id *id,
               struct group *out);
enum parent_end group_end(const struct group *g);
enum parent_end parent_end_of(enum job_state state);
struct who who_of(const struct job *job);
/* Books a move (from: a state, or -1 for a new job; to: a state, or -1 for one that is forgotten). */
void count_move(struct sqlite_store *s, const struct who *who, int from, int to);
void note_due(struct sqlite_store *s, int64_t when_us);
/* A job or a group is about to stand in another way. */
static inline void seen_forget(struct sqlite_store *s)
{
    s->seen_when++;
}
/* Ends a job that waits for what did not succeed. */
int end_child(struct sqlite_store *s, const struct job *child, enum parent_end why,
              const struct id *parent, int64_t now_us);
/* Writes what the open transaction moved in groups. */
int group_flush(struct sqlite_store *s, int64_t now_us);
void settle_reset(struct sqlite_store *s); /* after a commit */
int settle_undo(struct sqlite_store *s);   /* after a rollback */
int parents_load(struct sqlite_store *s);
int recover_parents(struct sqlite_store *s, int64_t now_us);

/* ---- sqlite_keep.c ---- */
int sqlite_delete(struct store *s, const struct id *id, enum job_state *state);
bool sqlite_gone(const struct store *s, size_t i, struct id *out);
int sqlite_sweep_jobs(struct store *s, const struct keep_rule *rule, size_t limit, size_t *gone,
                      bool *more);
int sqlite_sweep_keys(struct store *s, int64_t now_us, size_t limit, size_t *gone);
int sqlite_sweep_bytes(struct store *s, uint64_t bytes, size_t limit, size_t *gone, bool *more);
int sqlite_shrink(struct store *s, size_t pages);
int sqlite_pause_task(struct store *s, uint32_t task_id, bool paused);
int sqlite_pause_pool(struct store *s, const char *pool, bool paused);
int sqlite_pool_paused(struct store *s, const char *pool, bool *paused);
bool sqlite_task_paused_id(const struct store *s, uint32_t task_id);
bool sqlite_task_paused(const struct store *s, const char *task);

/* ---- sqlite_lease.c ---- */
int sqlite_lease_add(struct store *s, const struct lease *l);
int sqlite_lease_get(struct store *s, const struct id *id, struct lease *out);
int sqlite_lease_beat(struct store *s, const struct lease *l);
int sqlite_lease_drop(struct store *s, const struct id *job);
int sqlite_lease_held(struct store *s, const struct id *job, bool *held);
int sqlite_leases_heard(struct store *s, int64_t now_us);
int sqlite_leases_expired(struct store *s, int64_t now_us, struct lease *out, size_t most,
                          size_t *n);
int sqlite_lease_next_us(struct store *s, int64_t *next_us);
int sqlite_read_lease(struct store_reader *r, const struct id *job, struct lease *out);
int sqlite_find_lease(struct store_reader *r, const struct id *id, struct lease *out);

/* ---- sqlite_delivery.c ---- */
/* The job or group ended, and its callback_url is to be called; len 0: it has none. `ended`: the job's state. */
enum { ENDED_GROUP = -1 };
int note_callback(struct sqlite_store *s, int64_t key, uint64_t tail, int ended, const char *url,
                  size_t len);
/* The job or group is forgotten. *unmade: one of its calls was still to be made. */
int drop_callbacks(struct sqlite_store *s, int64_t key, bool *unmade);
/* A call of the job, or of the group (0: none), is still to be made: 1. Not one that is overdue for a week:
 * where none can be made, what waits for calls must not be kept for ever. */
int call_waits(struct sqlite_store *s, int64_t key, int64_t group_key);
int64_t call_overdue_us(void); /* wall: those to be made before that are */
void warn_unmade(struct sqlite_store *s, const char *what, const struct id *id); /* now and then */
bool sqlite_deliveries_new(struct store *s);
int sqlite_deliveries_due(struct store *s, int64_t now_us, struct delivery *out, size_t most,
                          size_t *n);
int sqlite_delivery_later(struct store *s, const struct id *id, int64_t next_us);
int sqlite_delivery_next_us(struct store *s, int64_t *next_us);
int sqlite_delivery_note(struct store *s, const struct delivery *v);
int sqlite_read_deliveries(struct store_reader *r, const struct id *subject,
                           struct delivery *out, size_t most, size_t *n);

/* ---- sqlite_schedule.c ---- */
int sqlite_schedule_put(struct store *s, const struct schedule *g);
int sqlite_schedule_delete(struct store *s, const char *name);
int sqlite_schedule_pause(struct store *s, const char *name, bool paused, int64_t next_us);
int sqlite_schedule_ran(struct store *s, const struct schedule *g);
int sqlite_schedule_get(struct store *s, const char *name, struct schedule *out);
int sqlite_schedule_due(struct store *s, int64_t now_us, const struct schedule_place *behind, struct schedule *out,
                        size_t most, size_t *n);
int sqlite_schedule_times(struct store *s, const char *behind, struct schedule *out, size_t most, size_t *n);
int sqlite_schedule_next_us(struct store *s, const struct schedule_place *behind, int64_t *next_us);
int sqlite_schedule_count(struct store *s, const char *name, size_t *n);
int sqlite_read_schedule(struct store_reader *r, const char *name, struct schedule *out);
int sqlite_read_schedules(struct store_reader *r, const struct schedule_look *look, struct schedule *out, size_t most,
                          size_t *n);

/* ---- sqlite_write.c ---- */
int sqlite_stream_get(struct store *s, const char *key, int64_t now_us, struct stream_mark *out);
int sqlite_stream_put(struct store *s, const struct store_key *key, const struct stream_mark *m);
int sqlite_read_stream(struct store_reader *r, const char *key, int64_t now_us,
                       struct stream_mark *out);
int expire_job(struct sqlite_store *s, int64_t key, int64_t now_us); /* one that has not begun */
int close_group(struct sqlite_store *s, int64_t key, int64_t now_us);
int streams_expire(struct sqlite_store *s, int64_t now_us); /* closes groups whose lines come no more */
/* What a key is of: idempotency.kind. COMING and WHOLE are of a stream. */
enum key_kind { KEY_JOB, KEY_GROUP, KEY_COMING, KEY_WHOLE, KEY_DUPLICATE };
/* The key of this group has expired and may become another's, which then nothing would close. */
int stream_over(struct sqlite_store *s, int kind, const struct id *group, int64_t now_us);
int sqlite_clock_set(struct store *s, int64_t step_us);
int sqlite_state_of(struct store *s, const struct id *id, enum job_state *state);
int sqlite_recover(struct store *s, int64_t now_us, struct recovery *out);
int sqlite_finish(struct store *s, const struct attempt *a, const struct finish_policy *p,
                  enum job_state *state);
int sqlite_cancel(struct store *s, const struct id *id, int64_t now_us, struct job *job);
int sqlite_retry(struct store *s, const struct id *id, int64_t now_us, struct job *job);
int sqlite_due(struct store *s, int64_t now_us, size_t limit, size_t *moved, int64_t *next_us);

/* ---- sqlite_read.c ---- */
/* The row of JOB_COLUMNS at which JOB_GET of d stands -> *out (job_init'ed, released on error). */
int row_job(const struct sqlite_store *s, const struct db *d, unsigned what, size_t inline_max,
            struct job *out);
/* The row at which JOB_CLAIM of d stands -> *out: what server/claims.c makes a claim of, and what lent_may()
 * and start_job() ask for; the rest is as job_init() leaves it. */
int row_claim(const struct sqlite_store *s, const struct db *d, struct job *out);
/* Looks a job up by id; 0, -ERR_NO_JOB (also for another tail), or an error. */
int row_find(const struct sqlite_store *s, const struct db *d, const struct id *id, unsigned what,
             size_t inline_max, struct job *out);
int sqlite_reader_open(struct store *s, struct store_reader **out);
void sqlite_reader_close(struct store_reader *r);
int sqlite_read_job(struct store_reader *r, const struct id *id, unsigned what, size_t inline_max,
                    struct job *out);
int sqlite_read_group(struct store_reader *r, const struct id *id, struct group *out);
int sqlite_read_attempts(struct store_reader *r, const struct id *id, size_t most,
                         struct attempt_record *out, size_t *n);
uint32_t sqlite_task_named(const struct sqlite_store *s, const char *name); /* any thread; 0: never seen */
int sqlite_read_queued_since(struct store_reader *r, const char *task, int64_t *since_us);
int sqlite_read_list(struct store_reader *r, const struct job_filter *f, unsigned what,
                     size_t inline_max, struct job_page *out);

/* ---- sqlite_touch.c ---- */
void touch_begin(struct touch *t, sqlite3 *c); /* for the connection's life */
void touch_end(struct touch *t);               /* the transaction was committed, or undone */
uint64_t sqlite_job_version(const struct store *s, const struct id *id);

#endif
