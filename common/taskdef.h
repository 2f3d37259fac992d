/*
 * taskdef.h - tasks and pools as plain structs: what may run, how, and with which limits.
 *
 * Filled from the configuration before the fork server is forked and never changed after; both
 * sides of the process boundary read it. taskdefs_pack/unpack carry it over exec (start method
 * spawn).
 */
#ifndef JOBMILL_COMMON_TASKDEF_H
#define JOBMILL_COMMON_TASKDEF_H

#include "buf.h"
#include "cpus.h"
#include "job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_NAME_MAX 32
#define POOLS_MAX     32
#define TASKS_MAX     256
#define SLOTS_MAX     512 /* workers of all pools together */
#define SPARES_MAX    4
#define FILE_NAME_MAX 64
#define FIELD_NAME_MAX 127 /* bytes of NAME in a command's {input.NAME} */

enum task_kind { TASK_MODULE, TASK_COMMAND, TASK_PERSISTENT, TASK_REMOTE, TASK_KINDS };

enum task_input { TASK_INPUT_JSON, TASK_INPUT_RAW };
enum task_result { TASK_RESULT_JSON, TASK_RESULT_TEXT, TASK_RESULT_BYTES };

/* How a task's program is kept apart (docs/sandbox.md). SANDBOX_BEST, the strongest that works, is
 * settled before the fork server is forked. */
enum sandbox_level { SANDBOX_NONE, SANDBOX_BASIC, SANDBOX_STRICT, SANDBOX_BEST };

enum start_method { START_FORKSERVER, START_SPAWN };

struct taskdef {
    char name[JOB_TASK_MAX + 1];
    char description[256];
    enum task_kind kind;
    uint32_t pool;   /* index in taskdefs.pool */
    char *module;    /* kind module: path of the shared object, or "builtin:NAME"; owned */
    char **argv;     /* a command's words, NULL-terminated, "{input.x}" not yet replaced; owned */
    char **env;      /* a command's own variables, "NAME=VALUE", NULL-terminated; NULL: none; owned */
    enum task_input input;
    enum task_result result;
    char result_type[JOB_TYPE_MAX + 1]; /* content type for TASK_RESULT_BYTES */
    int64_t timeout_us;                 /* default per attempt; 0 = none */
    uint32_t max_attempts;              /* default for its jobs */
    uint64_t memory;                    /* bytes of address space (RLIMIT_AS); 0 = no limit */
    int64_t cpu_time_us;                /* of one job, all of its threads; 0 = no limit */
    uint64_t file_size;                 /* bytes of any one file that it writes; 0 = no limit */
    uint32_t open_files;                /* descriptors of one process; 0 = no limit */
    uint32_t processes;                 /* and threads, of one program with all below it; 0 = no limit */
    enum sandbox_level sandbox;
    bool network;  /* may open sockets beyond this machine's own */
    bool network_by_default; /* nobody said so: with SANDBOX_BEST it may where nothing can forbid it */
    char **read;   /* paths that a sandbox lets it read, NULL-terminated; NULL: none; owned */
    char **write;  /* and write; owned */
    /* for the front end alone: */
    uint32_t concurrency;     /* jobs that may run at once; 0 = as many as there are workers */
    uint32_t key_concurrency; /* of these with one concurrency_key; 0 = 1 */
    double rate;              /* jobs begun in a second; 0 = no limit */
    double burst;             /* of these at once */
    char backoff[JOB_BACKOFF_MAX + 1]; /* backoff.h's form; "" = the service's */
    int64_t keep_for_us;      /* a job that ended is forgotten after this; 0 = never; -1 = the service's */
    int64_t keep_max;         /* ended jobs that are kept; 0 = all; -1 = the service's */
    uint64_t output_max;                /* bytes of result; more fails the job with bad_result */
    uint64_t log_bytes;                 /* of an attempt are passed on; 0: 1 MiB */

    /* kind command */
    char result_file[FILE_NAME_MAX + 1]; /* of the job's directory, instead of stdout; "": none */
    uint64_t permanent_exits[4]; /* a bit for each exit status that must not be tried again */

    /* kind persistent: a command kept warm */
    uint32_t spares;          /* programs that are started ahead */
    int64_t ready_timeout_us; /* from its start until it says that it is ready */
    uint32_t recycle_jobs;    /* a program is replaced after so many jobs; 0: never */
    int64_t recycle_after_us; /* after so long; 0: never */
    uint64_t recycle_memory;  /* when it is found larger than this, in bytes resident; 0: never */
};

/* The next {input.x} of a command's word at or behind *at: *name and *len are x, *at is moved behind it. NULL:
 * there is none; else where it begins. */
const char *taskdef_field(const char **at, const char **name, size_t *len);

struct pooldef {
    char name[POOL_NAME_MAX + 1];
    uint32_t workers;     /* >= 1; at the start, a reload can change it: board_pool.workers */
    uint32_t max_workers; /* as the file says; 0: head room */
    uint32_t room;        /* >= workers: so many it can have until a restart */
    uint32_t first_slot;  /* its slots on the board: first_slot .. first_slot + room - 1 */
    enum start_method start;
    int nice;
    struct cpus affinity;     /* where its workers and their programs run; none set: anywhere */
    uint32_t recycle_jobs;    /* a worker is replaced after so many jobs; 0: never */
    int64_t recycle_after_us; /* after so long; 0: never */
};

/* What this machine's kernel and user offer for keeping tasks apart: probed once, before any thread. */
struct machine {
    bool probed;
    bool seccomp;
    int landlock;         /* its version; 0: not there */
    bool user_namespace;  /* of its own for each job, with a count of processes of its own */
    bool namespaces;      /* pid, mount, ipc, uts and net as well */
    bool own_user;        /* programs can run as another user than the service's: it is root */
    char why[128];        /* what the strongest that does not work lacks; "" */
    char cgroup[256];     /* below which programs get cgroups of their own; "": none can */
    char cgroup_why[96];  /* why not; "" */
    unsigned cpu_quota;   /* of how many CPUs the service's cgroup gives it the time; 0: no bound */
    unsigned cores;       /* the CPUs that it may run on, or fewer by that bound */
};

struct taskdefs {
    struct pooldef *pool;
    uint32_t pools;
    struct taskdef *task;
    uint32_t tasks;
    uint32_t slots; /* sum of room */
    struct machine machine;
    char **hidden;        /* absolute paths that no sandbox shows; NULL-terminated; owned */
    uint32_t sandbox_uid; /* whom a sandboxed program runs as, when machine.own_user */
    uint32_t sandbox_gid;
    uint32_t home;        /* in the names of its jobs' directories: of the data directory, the same in each life */
    int64_t kill_grace_us; /* what a cancelled or timed-out program is given before it is killed */
};

static inline bool taskdef_exit_is_permanent(const struct taskdef *t, unsigned status)
{
    return status < 256 && t->permanent_exits[status / 64] >> status % 64 & 1;
}

void taskdefs_release(struct taskdefs *d);
int taskdefs_find(const struct taskdefs *d, const char *name); /* index, or -1 */
int taskdefs_pack(const struct taskdefs *d, struct buf *out);  /* 0, -ERR_NOMEM */
int taskdefs_unpack(struct taskdefs *d, const void *data, size_t len); /* 0, -ERR_NOMEM, -ERR_PROTOCOL */

#endif
