/*
 * job.h - a job: its durable record, its states, and the one function that moves it between them.
 *
 * Shared by the front end's modules; holds no HTTP, JSON or SQL.
 */
#ifndef JOBMILL_COMMON_JOB_H
#define JOBMILL_COMMON_JOB_H

#include "buf.h"
#include "id.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum job_state {
#define STATE(symbol, number, name, to, final) JOB_##symbol = number,
#include "job.def"
#undef STATE
    JOB_STATES
};

#define JOB_PRIORITY_MIN     (-100)
#define JOB_PRIORITY_MAX     100
#define JOB_ATTEMPTS_MAX     1000
#define JOB_TASK_MAX         64  /* bytes of a task's name: NAME_TEXT */
#define NAME_TEXT            "a-z 0-9 _ . -, the first a letter or digit" /* of tasks, pools, tokens, schedules */
#define JOB_TAGS_MAX         16
#define JOB_TAG_MAX          64  /* bytes of a tag; printable UTF-8 without control characters */
#define JOB_TYPE_MAX         127 /* bytes of a content type */
#define JOB_CHECKPOINT_MAX 65536 /* bytes */
#define JOB_TRACE_MAX      55  /* bytes of a traceparent of version 00 */
#define JOB_ERROR_CODE_MAX   63
#define JOB_ERROR_TEXT_MAX   1023
#define JOB_PROGRESS_TEXT_MAX 119
#define JOB_PARENTS_MAX      1000 /* jobs and groups that one job may depend on */
#define JOB_CONCURRENCY_KEY_MAX 64
#define JOB_BACKOFF_MAX      255 /* bytes of a backoff's text */
#define JOB_URL_MAX          2047

/* What an attempt or a job failed of. `code` is one of job_error_* below or the task's own word. */
struct job_error {
    int signal;    /* > 0 where a signal ended it */
    int exit_code; /* >= 0 where an exit status ended it; -1 where none did */
    char code[JOB_ERROR_CODE_MAX + 1]; /* empty: no error */
    char message[JOB_ERROR_TEXT_MAX + 1];
};

#define JOB_ERROR_NONE ((struct job_error){.exit_code = -1})
/* The same of what is there, without writing all of it. */
void job_error_clear(struct job_error *e);

/* Of a job that is claimed while nothing of it is written: whoever has it begin says so there, with this number, by
 * loan_begins(). No `begun`: its claim is written. */
struct loan_begun {
    _Atomic int64_t at_us;   /* mono */
    _Atomic uint32_t number; /* of the last loan that began here */
};
struct loan {
    struct loan_begun *begun; /* the store's, as long as it is open */
    uint32_t number;
};
void loan_begins(const struct loan *l, int64_t now_us); /* mono; one thread at a time, again when it begins anew */

/* The durable half: what the store keeps. Strings are owned by the struct. */
struct job {
    struct id id;
    uint32_t task_id; /* the store's number for the task's name */
    char task[JOB_TASK_MAX + 1];
    enum job_state state;
    int priority;          /* JOB_PRIORITY_MIN..MAX, greater runs first */
    uint32_t attempt;      /* number of the current or last attempt; 0 before the first */
    uint32_t max_attempts; /* >= 1 */
    int64_t created_us;    /* all *_us of a job: wall clock, 0 = not known */
    int64_t run_at_us;
    int64_t started_us;  /* of the last attempt */
    int64_t finished_us; /* when it was over, the processes of a killed one dead */
    int64_t timeout_us;  /* per attempt; 0 = none */
    bool cancel_requested;
    int64_t expires_us;  /* not begun by then: expired; 0 = never */
    int64_t rank_us;     /* its place among the queued: the least runs first */
    int64_t worker;      /* process id of the last attempt's worker; 0 = not known */
    uint32_t waits;      /* jobs and groups that must end before it is due */
    bool held;           /* queued, but its concurrency key has as many running as it may */
    bool run_anyway;     /* also when what it depends on did not succeed */
    bool gathers;        /* its input is made of what it depends on when it begins */
    struct id group;     /* nil: none */
    char concurrency_key[JOB_CONCURRENCY_KEY_MAX + 1];
    char traceparent[JOB_TRACE_MAX + 1]; /* W3C Trace Context; "" = none */
    char owner[JOB_TASK_MAX + 1]; /* name of the token that submitted it; "" = there were no tokens */
    struct buf depends_on;   /* a JSON array of ids as text; empty = none */
    struct buf callback_url; /* empty = none */
    struct buf checkpoint;   /* of a job that is claimed: what its last attempt left it, JSON; empty = nothing */
    struct loan loan;        /* of a job that is claimed */
    struct buf params;       /* of a raw submission, a JSON object of strings as text; empty = none */
    struct id *parents;      /* at submission only: what it depends on; owned */
    size_t parents_count;
    struct buf tags;   /* a JSON array of strings as text; empty = no tags */
    struct buf input;  /* the caller's bytes; only where asked for */
    struct buf result; /* the task's bytes; only where asked for and the job has succeeded */
    size_t input_size;
    size_t result_size;
    bool has_result;

    /* The longer texts are the last: job_init() writes only their first bytes. */
    char input_type[JOB_TYPE_MAX + 1];  /* "" = application/json */
    char result_type[JOB_TYPE_MAX + 1]; /* "" = application/json */
    char backoff[JOB_BACKOFF_MAX + 1];  /* its own, in backoff.h's form; "" = the task's */
    struct job_error error;
};

void job_init(struct job *job);    /* all zero, exit_code -1, texts empty */
void job_release(struct job *job); /* frees what it owns */

const char *job_state_name(enum job_state state);
int job_state_parse(const char *name, size_t len); /* state, or -1 */
bool job_state_final(enum job_state state);
bool job_state_may_move(enum job_state from, enum job_state to);
/* Sets job->state; asserts that the move is in the table. */
void job_move(struct job *job, enum job_state to);

bool job_task_name_ok(const char *name, size_t len); /* 1 to JOB_TASK_MAX of NAME_TEXT */

/* Bounded copies; what does not fit is cut at a UTF-8 boundary. */
void job_error_set(struct job_error *e, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Wire codes that jobmill itself gives. */
#define JOB_ERROR_TASK       "task_error"
#define JOB_ERROR_TIMEOUT    "timeout"
#define JOB_ERROR_CRASHED    "crashed"
#define JOB_ERROR_MEMORY     "out_of_memory"
#define JOB_ERROR_CPU        "cpu_limit"
#define JOB_ERROR_FILE       "file_limit"
#define JOB_ERROR_CANCELLED  "cancelled"
#define JOB_ERROR_EXPIRED    "expired"
#define JOB_ERROR_BAD_RESULT "bad_result"
#define JOB_ERROR_BAD_INPUT  "bad_input"
#define JOB_ERROR_NO_TASK    "task_unavailable"
#define JOB_ERROR_LEASE      "lease_expired"
#define JOB_ERROR_DEPENDENCY "dependency_failed"

/* What one attempt came to. Made by dispatch, kept by the store. Owner: whoever holds it. */
enum attempt_end {
    ATTEMPT_SUCCEEDED,
    ATTEMPT_FAILED,   /* error is set; permanent or tried again while attempts remain */
    ATTEMPT_CANCELLED,/* the processes are dead */
    ATTEMPT_RETURNED, /* it never began, or the service drains: back to the queue, attempt not counted; one that
                       * `began` and was the last fails, with error */
};

struct attempt {
    struct id job;
    uint32_t task_id;
    uint32_t number; /* the fence: only the attempt that holds the job may end it */
    enum attempt_end end;
    bool began;        /* RETURNED: the task ran */
    bool permanent;    /* a failure that must not be tried again */
    bool retry_now;    /* a failure that was not the task's fault: no backoff (a worker's death) */
    uint64_t group_key; /* of the job's group; 0: none */
    int64_t worker;     /* process id; 0: not known */
    int64_t started_us; /* wall */
    int64_t finished_us;
    struct buf result;
    char result_type[JOB_TYPE_MAX + 1];
    struct job_error error;
};

void attempt_init(struct attempt *a); /* all zero, exit_code -1, texts empty */
void attempt_release(struct attempt *a);

#endif
