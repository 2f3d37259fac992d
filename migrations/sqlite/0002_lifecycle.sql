-- The whole life of a job: attempts that are kept, groups, dependencies, uniqueness, expiry, limits.

ALTER TABLE jobs ADD COLUMN rank       INTEGER NOT NULL DEFAULT 0;  -- its place in the queue: created_us less what its priority is worth; least first
ALTER TABLE jobs ADD COLUMN held       INTEGER NOT NULL DEFAULT 0;  -- queued, but its concurrency_key has as many running as it may
ALTER TABLE jobs ADD COLUMN waits      INTEGER NOT NULL DEFAULT 0;  -- jobs and groups that must end before it is due
ALTER TABLE jobs ADD COLUMN worker     INTEGER NOT NULL DEFAULT 0;  -- process id of the last attempt's worker
ALTER TABLE jobs ADD COLUMN expires_us INTEGER NOT NULL DEFAULT 0;  -- not begun by then: expired; 0 = never
ALTER TABLE jobs ADD COLUMN group_key  INTEGER NOT NULL DEFAULT 0;  -- job_groups.key; 0 = none
ALTER TABLE jobs ADD COLUMN group_tail INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_anyway INTEGER NOT NULL DEFAULT 0;  -- 1: runs also when what it depends on did not succeed
ALTER TABLE jobs ADD COLUMN gathers    INTEGER NOT NULL DEFAULT 0;  -- 1: its input is made of what it depends on when it begins
ALTER TABLE jobs ADD COLUMN backoff    TEXT NOT NULL DEFAULT '';    -- the job's own (see server/backoff.h), '' = the task's
ALTER TABLE jobs ADD COLUMN concurrency_key TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN depends_on TEXT NOT NULL DEFAULT '';    -- a JSON array of ids, for telling
ALTER TABLE jobs ADD COLUMN callback_url TEXT NOT NULL DEFAULT '';

UPDATE jobs SET rank = created_us - priority * 60000000 WHERE state IN (0, 1, 2);

DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (task_id, rank, key) WHERE state = 1 AND held = 0;
-- Who is next when a concurrency key is free again.
CREATE INDEX jobs_held ON jobs (concurrency_key, rank, key) WHERE held = 1;
DROP INDEX jobs_scheduled;
CREATE INDEX jobs_scheduled ON jobs (run_at_us) WHERE state = 0 AND waits = 0;
-- What expires next.
CREATE INDEX jobs_expiring ON jobs (expires_us) WHERE expires_us > 0 AND state IN (0, 1);
-- The members of a group in the order of their submission.
CREATE INDEX jobs_group ON jobs (group_key, key) WHERE group_key > 0;

-- Attempts before the last one; the last one is in its job's row.
CREATE TABLE attempts (
    key           INTEGER NOT NULL, -- jobs.key
    number        INTEGER NOT NULL,
    worker        INTEGER NOT NULL,
    started_us    INTEGER NOT NULL,
    finished_us   INTEGER NOT NULL,
    error_code    TEXT NOT NULL,
    error_message TEXT NOT NULL,
    error_signal  INTEGER NOT NULL,
    error_exit    INTEGER NOT NULL,
    PRIMARY KEY (key, number)
) STRICT, WITHOUT ROWID;

-- Jobs submitted together. n0 … n6: how many are in each state, changed in the transaction that moves them.
CREATE TABLE job_groups (
    key         INTEGER PRIMARY KEY, -- the id's milliseconds and counter, as jobs.key
    tail        INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    finished_us INTEGER NOT NULL DEFAULT 0, -- when its last job ended
    open        INTEGER NOT NULL DEFAULT 0, -- 1: jobs are still being added
    n0 INTEGER NOT NULL DEFAULT 0, n1 INTEGER NOT NULL DEFAULT 0, n2 INTEGER NOT NULL DEFAULT 0,
    n3 INTEGER NOT NULL DEFAULT 0, n4 INTEGER NOT NULL DEFAULT 0, n5 INTEGER NOT NULL DEFAULT 0,
    n6 INTEGER NOT NULL DEFAULT 0,
    callback_url TEXT NOT NULL DEFAULT ''
) STRICT;

-- Who waits for whom: a row goes when the parent has ended.
CREATE TABLE dependencies (
    parent INTEGER NOT NULL, -- jobs.key or job_groups.key
    child  INTEGER NOT NULL, -- jobs.key
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;

-- What may not be submitted again while its job is there.
CREATE TABLE uniques (
    hash     BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the task and of what makes it the same
    key      INTEGER NOT NULL,          -- jobs.key
    tail     INTEGER NOT NULL,
    queued   INTEGER NOT NULL,          -- 1: only until it begins to run
    until_us INTEGER NOT NULL           -- > 0: until then, whatever the job's state
) STRICT, WITHOUT ROWID;
CREATE INDEX uniques_key ON uniques (key);

ALTER TABLE tasks ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
CREATE TABLE pools (
    name   TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE idempotency ADD COLUMN kind INTEGER NOT NULL DEFAULT 0; -- what key names: 0 a job, 1 a group
