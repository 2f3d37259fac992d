-- The first schema. All *_us are microseconds of wall time since 1970; 0 = not known.
-- States are the numbers of common/job.def: 0 scheduled, 1 queued, 2 running, 3 succeeded,
-- 4 failed, 5 cancelled, 6 expired.

CREATE TABLE tasks (
    task_id INTEGER PRIMARY KEY, -- 1, 2, 3, …; the index of a table in memory
    name    TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE jobs (
    key              INTEGER PRIMARY KEY,        -- the id's milliseconds and counter: grows with age
    tail             INTEGER NOT NULL,           -- the id's random bits: an id of another tail is unknown
    state            INTEGER NOT NULL,
    task_id          INTEGER NOT NULL,           -- tasks.task_id
    priority         INTEGER NOT NULL,           -- -100..100, greater runs first
    attempt          INTEGER NOT NULL,           -- current or last one; 0 before the first
    max_attempts     INTEGER NOT NULL,
    created_us       INTEGER NOT NULL,
    run_at_us        INTEGER NOT NULL,           -- when a scheduled job is due
    started_us       INTEGER NOT NULL DEFAULT 0, -- of the last attempt
    finished_us      INTEGER NOT NULL DEFAULT 0,
    timeout_us       INTEGER NOT NULL,           -- per attempt; 0 = none
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    input_type       TEXT NOT NULL,              -- '' = application/json
    result_type      TEXT NOT NULL DEFAULT '',
    error_code       TEXT NOT NULL DEFAULT '',   -- '' = no error
    error_message    TEXT NOT NULL DEFAULT '',
    error_signal     INTEGER NOT NULL DEFAULT 0,
    error_exit       INTEGER NOT NULL DEFAULT -1,
    tags             TEXT NOT NULL,              -- a JSON array, or '' for none; indexed by job_tags
    input_size       INTEGER NOT NULL,
    result_size      INTEGER,                    -- NULL: no result
    input            BLOB,                       -- NULL: larger than 1024 bytes, in blobs
    result           BLOB                        -- the same
) STRICT;

-- The queue of each task in the order in which it is claimed.
CREATE INDEX jobs_queued ON jobs (task_id, priority DESC, key) WHERE state = 1;
-- What is due next.
CREATE INDEX jobs_scheduled ON jobs (run_at_us) WHERE state = 0;
-- What a dead service left running.
CREATE INDEX jobs_running ON jobs (key) WHERE state = 2;
-- Lists of what did not succeed, which is rare among what is kept.
CREATE INDEX jobs_ended ON jobs (state, key) WHERE state IN (4, 5, 6);
-- Lists of one task.
CREATE INDEX jobs_task ON jobs (task_id, key);

-- Payloads of more than 1024 bytes, apart so that a change of a job's state does not rewrite them.
CREATE TABLE blobs (
    blob_id INTEGER PRIMARY KEY, -- jobs.key * 4 + kind: 0 input, 1 result
    data    BLOB NOT NULL
) STRICT;

CREATE TABLE job_tags (
    tag TEXT NOT NULL,
    key INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (tag, key)
) STRICT, WITHOUT ROWID;

-- How many jobs are in each state; changed in the transaction that moves them.
CREATE TABLE counters (
    task_id INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (task_id, state)
) STRICT, WITHOUT ROWID;

-- Idempotency keys that clients gave, and the job that each made.
CREATE TABLE idempotency (
    name        TEXT NOT NULL PRIMARY KEY, -- as the client wrote it
    fingerprint BLOB NOT NULL,             -- SHA-256 of the request
    key         INTEGER NOT NULL,          -- jobs.key
    tail        INTEGER NOT NULL,          -- jobs.tail
    expires_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires ON idempotency (expires_us);
