-- Jobs that are submitted by the clock.
CREATE TABLE schedules (
    name        TEXT NOT NULL PRIMARY KEY,
    cron        TEXT NOT NULL,             -- as it was given: see server/cron.h
    time_zone   TEXT NOT NULL,             -- IANA name
    overlap     INTEGER NOT NULL,          -- while its last job has not ended: 0 skip, 1 queue, 2 replace
    catch_up    INTEGER NOT NULL,          -- 1: runs that were missed are made up for by one
    paused      INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    next_us     INTEGER NOT NULL,          -- when it is due; 0 = never again
    last_us     INTEGER NOT NULL DEFAULT 0, -- the time for which its last job was made
    last_key    INTEGER NOT NULL DEFAULT 0, -- jobs.key of that
    last_tail   INTEGER NOT NULL DEFAULT 0,
    -- the job that is submitted
    task            TEXT NOT NULL,
    priority        INTEGER NOT NULL,
    max_attempts    INTEGER NOT NULL,
    timeout_us      INTEGER NOT NULL,
    tags            TEXT NOT NULL,
    backoff         TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    callback_url    TEXT NOT NULL,
    input           BLOB NOT NULL
) STRICT, WITHOUT ROWID;
